"""The works that campaigns disturb: what each writes, who reads it, and its undisturbed result.

All are of a release of 284 images of 16 x 16 pixels, so that each takes a second or less.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import fdd
from fdd.folders.generate import check as check_generated
from fdd.folders.generate import generate
from fdd.releases.cards import RELEASES, Release
from tests.soak.tries import alone, tree

SOAK = Release("soak-1", {"train": 150, "val": 64, "test": 70}, size=16, points=400, shard_rows=40)


HEAVY = ["torch.utils.tensorboard", "torch.utils.data", "lightning_fabric", "pytorch_msssim"]
HEAVY += ["matplotlib.pyplot", "matplotlib.backends.backend_agg", "sklearn.ensemble"]
HEAVY += ["sklearn.kernel_ridge", "pyarrow.parquet", "baselines.aae", "benchmarks.report"]
HEAVY += ["sklearn.gaussian_process", "sklearn.inspection", "benchmarks.adapters"]
HEAVY += ["benchmarks.leaderboard", "fdd.publishing.package", "jinja2"]
"""What works import when they need it: once here, in place of each time in a process of theirs."""


@dataclass(frozen=True)
class Work:
    """Something that writes a folder.

    make(folder) does it, or goes on with it. read(folder) is what a user gets out of it, as JSON.
    free(name) is true for files whose bytes hold times or process numbers.
    """

    name: str
    make: Callable[[Path], Any]
    read: Callable[[Path], Any]
    free: Callable[[str], bool] = lambda name: False

    def tree(self, folder: Path) -> dict[str, str]:
        """The digests of all files whose bytes are promised, and of what should not be there."""
        return {
            name: digest
            for name, digest in tree(folder).items()
            if not self.free(name) and Path(name).name != ".lock"
        }


@dataclass(frozen=True)
class Case:
    """A work, the folder that it is disturbed in, and what it gives when nothing happens to it.

    whole: a copy of the folder as it should be. events: below it, in the file system.
    """

    work: Work
    folder: Path
    whole: Path
    tree: dict[str, str]
    value: Any
    events: int
    seconds: float
    bytes: int


@cache
def cases(place: Path) -> tuple[Case, ...]:
    """All works, each done once from start to end below `place`."""
    return tuple(_case(work, place / f"work-{number}") for number, work in enumerate(WORKS))


def _case(work: Work, folder: Path) -> Case:
    clear(folder)
    start = time.monotonic()
    end = alone(partial(work.make, folder), folder=folder)
    seconds = time.monotonic() - start
    if end.how != "done":
        raise RuntimeError(f"{work.name} does not end by itself: {end.text}")
    read = alone(partial(work.read, folder))
    if read.how != "done":
        raise RuntimeError(f"what {work.name} wrote cannot be read: {read.text}")
    whole = folder.with_name(f"{folder.name}-whole")
    clear(whole)
    shutil.copytree(folder, whole)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return Case(work, folder, whole, work.tree(folder), read.value, end.events, seconds, size)


def clear(folder: Path) -> None:
    """Makes a folder empty, whatever is there."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)


def prepare(folder: Path) -> None:
    """Registers the release, draws what is trained on, and loads what forks would load each."""
    RELEASES[SOAK.name] = SOAK
    os.environ["FDD_DATA"] = str(folder / "data")
    for module in HEAVY:
        import_module(module)
    import torch

    torch.set_num_threads(1)
    Image.init()
    with tempfile.TemporaryDirectory() as empty:  # draws, even if the release is drawn already
        _generate("png", (0, 2))(Path(empty))
    for split in SOAK.splits:
        fdd.load(split, version=SOAK.name)
    _write_codes()


def _digest(*arrays: Any) -> str:
    data = hashlib.sha256()
    for array in arrays:
        data.update(np.ascontiguousarray(array).tobytes())
    return data.hexdigest()


def _generated(folder: Path) -> Any:
    report = check_generated(folder)
    if report["different"]:
        raise fdd.FddError(f"check: {report['different'][0]['reason']}")
    return report["equal"]


def _generate(format: str, *ranges: tuple[int, int]) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        for start, count in ranges:
            generate(
                folder, "test", start, count, SOAK.name, shard_rows=16, format=format, workers=0
            )

    return make


def _cache(folder: Path) -> Any:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a damaged shard, which is rendered again
        data = fdd.load("test", version=SOAK.name, cache=folder)
    return _digest(data.images, data.params)


def _package(folder: Path) -> None:
    from fdd.publishing.package import package

    package(folder, SOAK.name, images=50)


def _packaged(folder: Path) -> str:
    splits = [fdd.load(split, version=SOAK.name, root=folder) for split in SOAK.splits]
    return _digest(*(array for data in splits for array in (data.images, data.params)))


def _train(folder: Path) -> None:
    from baselines.aae import AAE, Config
    from baselines.training.loop import train

    few = {"steps": 6, "batch_size": 4, "width": 2, "kernel_size": 3, "image_size": 16}
    often = {"log_every": 1, "sample_every": 3, "checkpoint_every": 2}
    train(AAE, Config(version=SOAK.name, device="cpu", **few, **often), folder)


def _trained(folder: Path) -> str:
    import baselines

    model = baselines.load_run(folder, device="cpu")
    images = fdd.load("val", version=SOAK.name).read(range(4))
    return _digest(model.generate(np.eye(6)), model.encode(images))


def _codes() -> Path:
    return Path(os.environ["FDD_DATA"]).with_name("codes")


def _write_codes() -> None:
    _codes().mkdir(parents=True, exist_ok=True)
    for split, rows in (("train", 60), ("test", 40)):
        params = fdd.load(split, version=SOAK.name).params.to_numpy()[:rows]
        np.save(_codes() / f"{split}.npy", np.tanh(params))


def _report(folder: Path) -> None:
    from benchmarks.correspondence import Bench
    from benchmarks.protocol.settings import Settings
    from benchmarks.report import Options, write_page

    model = folder / "model"
    if not (model / "test.npy").is_file():
        shutil.copytree(_codes(), model, dirs_exist_ok=True)
    options = Options(
        (str(model),), folder / "report", images=40, train_images=60, data=SOAK.name, processes=1
    )
    few = Settings(draws=2, slow_draws=1, few_draws=1, nonlinear_rows=40, pairwise_rows=20)
    write_page(options, Bench(options.of_each(), others=few), lambda text: None)


def _reported(folder: Path) -> str:
    from benchmarks.leaderboard import as_text, leaderboard

    return as_text(leaderboard([folder / "model" / "correspondence" / "scores.json"]))


WORKS = [
    Work("generate png", _generate("png", (5, 45)), _generated),
    Work("generate png, then more", _generate("png", (10, 20), (0, 50)), _generated),
    Work("generate npy", _generate("npy", (5, 60)), _generated),
    Work("generate npy, then more", _generate("npy", (20, 20), (0, 70)), _generated),
    Work("cache", _cache, _cache, lambda name: name.endswith((".json", ".lock"))),
    Work("package", _package, _packaged),
    Work("train", _train, _trained, lambda name: name.startswith("tb/")),
    Work("score and report", _report, _reported),
]
