"""Reading and writing the package that is published, beside one PNG file an image.

The peer is torchvision's `ImageFolder`; where torchvision cannot be imported that part is skipped.
`FDD_BENCH_ROWS` chooses how many images of the split are taken, 0 for all 40,000.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import fdd
from fdd.data import parquet
from fdd.data.datasets import Item
from fdd.data.indexed_png import encode
from fdd.data.packaged import PackagedDataset
from fdd.publishing import package
from fdd.releases.cards import release
from fdd.releases.sampling import draw

pytest.importorskip("pyarrow", reason="a package is read with pyarrow")

ROWS = int(os.environ.get("FDD_BENCH_ROWS", "4000")) or 40000
MILLION = 1_000_000


@pytest.fixture(scope="module")
def packaged(tmp_path_factory):
    """The first rows of the default release's train split, as a package."""
    root = tmp_path_factory.mktemp("package")
    package.package(root, images=ROWS)
    return root


@pytest.fixture(scope="module")
def folders(tmp_path_factory, packaged):
    """The same images as RGB pictures, as `fdd generate` writes them, and as indexed ones."""
    images = fdd.load("train", root=packaged).images
    root = tmp_path_factory.mktemp("pictures")
    for kind in ("rgb", "indexed"):
        (root / kind / "train").mkdir(parents=True)
        for index, image in enumerate(images):
            path = root / kind / "train" / f"{index:06d}.png"
            if kind == "rgb":
                Image.fromarray(image).save(path)
            else:
                path.write_bytes(encode(image))
    return root


def read_image_folder(root: Path) -> np.ndarray:
    from torchvision.datasets import ImageFolder

    data = ImageFolder(root)
    return np.stack([np.asarray(image) for image, _ in data])


@pytest.mark.parametrize("way", ["package", "ImageFolder-rgb", "ImageFolder-indexed"])
def test_a_split_into_an_array(benchmark, packaged, folders, way):
    benchmark.group = f"{ROWS} images of fdd-1 into one array"
    if way == "package":
        images = benchmark.pedantic(
            lambda: fdd.load("train", root=packaged).images, rounds=3, warmup_rounds=1
        )
    else:
        try:
            import torchvision  # noqa: F401
        except (ImportError, RuntimeError) as error:
            pytest.skip(f"torchvision cannot be imported: {error}")
        kind = way.removeprefix("ImageFolder-")
        images = benchmark.pedantic(
            lambda: read_image_folder(folders / kind), rounds=3, warmup_rounds=1
        )
    sizes = {
        "package": sum(path.stat().st_size for path in packaged.glob("train-*.parquet")),
        "rgb": sum(path.stat().st_size for path in (folders / "rgb/train").iterdir()),
        "indexed": sum(path.stat().st_size for path in (folders / "indexed/train").iterdir()),
    }
    benchmark.extra_info["bytes an image"] = {key: size / ROWS for key, size in sizes.items()}
    benchmark.extra_info["images a second"] = ROWS / benchmark.stats.stats.min
    assert images.shape == (ROWS, 128, 128, 3)
    assert sizes["package"] <= 1.1 * sizes["indexed"] < sizes["rgb"]


@pytest.fixture(scope="module")
def million(tmp_path_factory):
    """A million images on disk: fdd-1's first thousand, again and again (6 GB)."""
    card = release("fdd-1")
    counts = np.empty((1000, 128, 128), np.uint16)
    params = draw(card, "train", 0, 1000, counts)
    pictures = [encode(image) for image in fdd.render(params)]
    root = tmp_path_factory.mktemp("million")
    names = [f"train-{place:05d}-of-00020.parquet" for place in range(20)]
    for place, name in enumerate(names):
        start, rows = place * MILLION // 20, MILLION // 20
        note = {"version": "fdd-1", "palette": "kbc", "split": "train"}
        blocks = ((first, params, pictures) for first in range(start, start + rows, 1000))
        parquet.write(root / name, note, blocks)
    from fdd.files import file_digest

    lines = [f"{file_digest(root / name)}  {name}\n" for name in names]
    (root / "sha256sums.txt").write_text("".join(lines))
    data = PackagedDataset(root, card, "train", "kbc", None, Item(None))
    assert len(data) == MILLION
    return data


@pytest.mark.skipif("FDD_BENCH_MILLION" not in os.environ, reason="set it: takes 6 GB of disk")
def test_one_image_of_a_million(benchmark, million):
    benchmark.group = "one image of a million, at random"
    places = iter(np.random.default_rng(0).integers(0, MILLION, 100_000).tolist())
    benchmark.pedantic(lambda: million[next(places)], rounds=2000, warmup_rounds=10)


@pytest.mark.parametrize("what", ["rendered", "packaged"])
def test_packaging(benchmark, tmp_path, what):
    benchmark.group = "2000 images of each split of fdd-1, rendered, and written as a package"
    card = release("fdd-1")
    counts = np.empty((2000, 128, 128), np.uint16)
    if what == "rendered":
        benchmark.pedantic(
            lambda: [draw(card, split, 0, 2000, counts) for split in card.splits],
            rounds=3,
            warmup_rounds=1,
        )
    else:
        folders = iter([tmp_path / str(number) for number in range(9)])
        benchmark.pedantic(
            lambda: package.package(next(folders), images=2000), rounds=3, warmup_rounds=1
        )
