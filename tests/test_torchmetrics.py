"""torchmetrics says the same of the same images and features."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.image_scores import fid, kid, ms_ssim, ssim

PROGRAM = Path(__file__).with_name("torchmetrics_program.py")
RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, size=(8, 32, 48), dtype=np.uint8)
OTHERS = np.where(np.arange(8)[:, None, None] % 2, IMAGES // 2 + 60, IMAGES[::-1])
REAL = RNG.normal(size=(60, 12))
FAKE = 1.3 * RNG.normal(size=(60, 12)) + 0.4

if importlib.util.find_spec("torchmetrics") is None:
    pytest.skip("torchmetrics is not installed", allow_module_level=True)


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    """The numbers of torchmetrics, which sees all that is installed here but torchvision."""
    folder = tmp_path_factory.mktemp("torchmetrics")
    seen = folder / "packages"
    seen.mkdir()
    for place in filter(None, sys.path[::-1]):  # what comes first there hides the rest
        for path in Path(place).glob("*") if place.endswith("site-packages") else ():
            if not path.name.startswith("torchvision"):
                (seen / path.name).unlink(missing_ok=True)
                (seen / path.name).symlink_to(path)
    np.savez(folder / "given.npz", a=IMAGES, b=OTHERS, real=REAL, fake=FAKE)
    command = [sys.executable, "-S", PROGRAM, folder / "given.npz", folder / "found.npz"]
    environment = {"PYTHONPATH": str(seen), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return np.load(folder / "found.npz")


def test_fid_and_kid_of_features(theirs):
    assert fid(REAL, FAKE) == pytest.approx(theirs["fid"].item(), rel=1e-10)
    assert kid(REAL, FAKE) == pytest.approx(theirs["kid"].item(), rel=1e-10)


def test_ssim_of_the_windows_inside(theirs):
    """Theirs counts windows across the edge, too, where it mirrors the image."""
    np.testing.assert_allclose(ssim(IMAGES, OTHERS), theirs["ssim"], rtol=1e-10)


def test_ms_ssim_has_contrasts_at_the_finer_scales_and_ssim_at_the_coarsest(theirs):
    halved = [images.reshape(8, 16, 2, 24, 2).mean(axis=(2, 4)) for images in (IMAGES, OTHERS)]
    weights = np.array([0.0448, 0.2856]) / (0.0448 + 0.2856)
    factors = [theirs["contrast"], ssim(*halved)]
    want = np.prod([np.maximum(f, 0) ** w for f, w in zip(factors, weights, strict=True)], axis=0)
    np.testing.assert_allclose(ms_ssim(IMAGES, OTHERS), want, rtol=1e-10)
