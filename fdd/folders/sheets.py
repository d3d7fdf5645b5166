"""Folders of pictures: contact sheets, generation in the published layout, verification."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from tqdm import tqdm

from fdd.attractors.families import FAMILIES
from fdd.attractors.params import NAMES, uniform_params
from fdd.checks import known, whole_number
from fdd.data.cache import writing_to
from fdd.data.packaged import is_package
from fdd.data.published import image_folder, list_images, palette_folders, parse_name, read_image
from fdd.errors import FddError
from fdd.folders import cluster
from fdd.folders.generate import make_all, make_one, open_folder
from fdd.folders.shards import FORMATS, save_png
from fdd.releases.cards import DEFAULT_VERSION, release
from fdd.rendering.palettes import PALETTES
from fdd.rendering.render import (
    MAX_POINTS,
    MAX_SIZE,
    checked_params,
    count_groups,
    render,
    shaded,
)

BLOCK = 256
"""Pictures of a shard by default; records are as many as in a shard of the cache."""


def grid(images: np.ndarray, columns: int, gap: int = 4) -> np.ndarray:
    """Images uint8 [n, H, W, 3] as one picture, in rows of `columns`, on white."""
    columns = min(whole_number("columns", columns, 1), len(images))
    rows = -(-len(images) // columns)
    height, width = images.shape[1:3]
    sheet = np.full((rows * (height + gap) + gap, columns * (width + gap) + gap, 3), 255, np.uint8)
    for number, image in enumerate(images):
        top = gap + number // columns * (height + gap)
        left = gap + number % columns * (width + gap)
        sheet[top : top + height, left : left + width] = image
    return sheet


def imaged_params(n: int, family: str, seed: int, points: int = 60000) -> np.ndarray:
    """The first n rows of `uniform_params` that have an image: float64 [n, P]."""
    found = np.empty((0, len(FAMILIES[family].parameters)))
    start = 0
    while len(found) < n:
        rows = uniform_params(start + 2 * n, family, seed)[start:]
        start += 2 * n
        imaged = np.zeros(len(rows), bool)

        def finish(group: slice, counts: np.ndarray, degenerate: np.ndarray) -> None:
            imaged[group] = ~degenerate  # noqa: B023  called before the next turn of the loop

        count_groups(rows, 2, points, None, finish, FAMILIES[family])
        found = np.concatenate([found, rows[imaged]])
    return found[:n]


def contact_sheet(
    params: ArrayLike,
    out: str | os.PathLike[str],
    columns: int = 8,
    palette: str = "kbc",
    size: int = 128,
    points: int = 60000,
    family: str = "fractal_dream",
) -> None:
    """Renders parameters [n, P] or [P] into one PNG, n at least 1."""
    whole_number("columns", columns, 1)
    known("family", family, FAMILIES)
    rows = np.atleast_2d(checked_params(params, FAMILIES[family]))
    images = render(rows, size=size, points=points, palette=palette, family=family)
    if len(images) == 0:
        raise FddError("params has no rows; a contact sheet needs at least one image")
    path = Path(out).expanduser()
    with writing_to(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        save_png(grid(images, columns), path)


def generate(
    folder: str | os.PathLike[str],
    split: str = "train",
    start: int = 0,
    count: int = 1000,
    version: str = DEFAULT_VERSION,
    palette: str | None = None,
    format: str = "png",
    shard_rows: int | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    shard: int | None = None,
) -> tuple[int, int]:
    """Renders images start .. start + count - 1 of a split into a folder.

    Run again, it verifies what is there by its checksums and renders what is missing or damaged; so
    it goes on where it stopped, or adds other rows of the same split. Memory does not grow with
    the number of images, however many shards there are.

    Parameters
    ----------
    folder : path
        What is written is complete when `manifest.json` is there, which lists the shards with
        their SHA-256.
    format : "png" or "npy"
        FOLDER/palette/x0_y0_a_b_c_d.png, as published in 2019, listed in FOLDER/params.csv with
        index and parameters; or FOLDER/shard-00000.npy, records (params float64 [6], counts uint16
        [H, W]) as in the cache.
    palette : str, optional
        Colours of the pictures, "kbc" by default.
    shard_rows : int, optional
        Images of a shard, the unit of work: by default those of the folder if it was begun, else
        256 pictures, or as many records as in a shard of the cache (1000).
    workers : int, optional
        Processes of a local Dask cluster; 0 renders in this process. See `fdd.folders.cluster` for
        the default.
    scheduler : str, optional
        Address of a running Dask scheduler whose workers see the folder under the same path.
    shard : int, optional
        Renders this shard of the range alone, in this process.

    Returns
    -------
    (int, int)
        Images rendered now, and images that the folder, or that shard, holds.

    Raises
    ------
    FddError
        An argument out of its range, a folder that holds something else, cannot be written or is
        too small, or a cluster that cannot do it.
    """
    card = release(version)
    card.rows(split)
    known("format", format, FORMATS)
    if format == "png":
        palette = "kbc" if palette is None else palette
        known("palette", palette, PALETTES)
    elif palette is not None:
        raise FddError(
            f"palette={palette!r}: npy shards hold counts, which have none; leave it out"
        )
    start = whole_number("start", start, 0, 2**62)
    stop = start + whole_number("count", count, 1)
    if shard_rows is not None:
        shard_rows = whole_number("shard_rows", shard_rows, 1, 10**6)
    cluster.check_options(workers, scheduler, shard)
    root = Path(folder).expanduser()
    default_rows = BLOCK if format == "png" else card.shard_rows
    with writing_to(root):
        job, done = open_folder(root, card, split, format, palette, shard_rows, default_rows)
        if shard is not None:
            return make_one(job, done, start, stop, shard)
        return make_all(job, done, start, stop, workers, scheduler)


def _verify_palette(folder: Path, palette: str, size: int, points: int) -> dict[str, Any]:
    paths = list_images(folder)
    reasons: dict[int, str] = {}
    vectors = []
    for row, path in enumerate(paths):
        try:
            vectors.append((row, checked_params(parse_name(path))))
        except FddError as error:
            reasons[row] = str(error)
    rows = np.array([row for row, _ in vectors], np.int64)
    params = np.array([vector for _, vector in vectors]).reshape(-1, len(NAMES))

    with tqdm(total=len(rows), unit="image", desc=f"verifying {palette}", disable=None) as progress:

        def finish(group: slice, counts: np.ndarray, degenerate: np.ndarray) -> None:
            images = shaded(counts, "rgb", palette)
            for row, image, has_none in zip(rows[group], images, degenerate, strict=True):
                try:
                    pixels = int((read_image(paths[row], size) != image).any(axis=-1).sum())
                    if has_none:
                        reasons[row] = "its parameters are degenerate and have no image"
                    elif pixels:
                        reasons[row] = f"{pixels} of {size * size} pixels differ"
                except FddError as error:
                    reasons[row] = str(error)
            progress.update(len(counts))

        count_groups(params, size, points, None, finish)
    return {
        "folder": str(folder),
        "palette": palette,
        "images": len(paths),
        "equal": len(paths) - len(reasons),
        "different": [
            {"file": paths[row].name, "reason": reason} for row, reason in sorted(reasons.items())
        ],
    }


def verify(
    folder: str | os.PathLike[str],
    palette: str | None = None,
    size: int = 128,
    points: int = 60000,
) -> list[dict[str, Any]]:
    """Renders every picture of a published folder from its name and compares the bytes.

    The palette given, else all whose folder is there, else the one that the folder is named after,
    else kbc. Returns one report each: `folder`, `palette`, `images`, `equal`, and `different`, a
    list of `file` and `reason`. Raises FddError if there are no such pictures.
    """
    size = whole_number("size", size, 2, MAX_SIZE)
    points = whole_number("points", points, 1, MAX_POINTS)
    root = Path(folder).expanduser().resolve()
    if is_package(root):
        raise FddError(f"folder {str(folder)!r} is a package; use: fdd package --check {folder}")
    if palette is None:
        there = palette_folders(root) if root.is_dir() else {}
        palettes = [name for name, places in there.items() if places]
        palettes = palettes or [root.name if root.name in PALETTES else "kbc"]
    else:
        known("palette", palette, PALETTES)
        palettes = [palette]
    folders = [(image_folder(root, name), name) for name in palettes]
    return [_verify_palette(pictures, name, size, points) for pictures, name in folders]
