"""Folders of pictures: contact sheets, generation in the published layout, verification."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image
from tqdm import tqdm

from fdd.cards import DEFAULT_VERSION, release
from fdd.checks import known, whole_number
from fdd.errors import FddError
from fdd.families import FAMILIES
from fdd.palettes import PALETTES
from fdd.params import NAMES, uniform_params
from fdd.published import format_name, image_folder, list_images, parse_name, read_image
from fdd.render import (
    MAX_POINTS,
    MAX_SIZE,
    checked_params,
    count_groups,
    render,
    shaded,
)
from fdd.sampling import draw
from fdd.store import atomic_write, writing_to

BLOCK = 256
"""Images between two saves of params.csv."""

COLUMNS = ["file", "version", "split", "palette", "index", *NAMES]
"""Columns of params.csv."""


def save_png(image: np.ndarray, path: Path) -> None:
    """Writes uint8 [H, W, 3] as PNG, under a temporary name first."""
    with atomic_write(path) as temporary:
        Image.fromarray(image).save(temporary, format="PNG")


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


def _listed(root: Path, settings: dict[str, str]) -> dict[int, dict[str, str]]:
    """The rows of ROOT/params.csv by index, of pictures that are there.

    Refused when it is not a listing of `generate`, or one made with other settings.
    """
    listing = root / "params.csv"
    if not listing.exists():
        return {}
    try:
        with listing.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file, strict=True))
        indices = [int(row["index"]) for row in rows]
        if not rows or any(list(row) != COLUMNS or None in row.values() for row in rows):
            raise ValueError(f"its columns must be {', '.join(COLUMNS)}")
    except (ValueError, KeyError, TypeError, csv.Error) as error:
        raise FddError(f"file {str(listing)!r} is not one that generate wrote: {error}") from error
    for row in rows:
        for key, value in settings.items():
            if row[key] != value:
                raise FddError(
                    f"folder {str(root)!r} holds images of another {key} "
                    f"({row[key]!r}, not {value!r}); choose another folder"
                )
    table = dict(zip(indices, rows, strict=True))
    return {index: row for index, row in table.items() if (root / row["file"]).is_file()}


def generate(
    folder: str | os.PathLike[str],
    split: str = "train",
    start: int = 0,
    count: int = 1000,
    version: str = DEFAULT_VERSION,
    palette: str = "kbc",
) -> tuple[int, int]:
    """Renders images start .. start + count - 1 of a split to FOLDER/palette, one PNG each.

    FOLDER/params.csv lists them with their index and parameters at full precision. Run again, it
    goes on where it stopped, or adds other rows of the same split. Returns the numbers of images
    written now and listed in all.
    """
    card = release(version)
    card.rows(split)
    known("palette", palette, PALETTES)
    start = whole_number("start", start, 0, 2**62)
    count = whole_number("count", count, 1)
    root = Path(folder).expanduser()
    settings = {"version": version, "split": split, "palette": palette}
    with writing_to(root):
        table = _listed(root, settings)
        (root / palette).mkdir(parents=True, exist_ok=True)
        missing = [index for index in range(start, start + count) if index not in table]
        with tqdm(total=len(missing), unit="image", desc="generating", disable=None) as progress:
            for first, rows in _runs(missing):
                counts = np.empty((rows, card.size, card.size), np.uint32)
                params = draw(card, split, first, rows, counts)
                images = shaded(counts, "rgb", palette)
                for index, vector, image in zip(
                    range(first, first + rows), params, images, strict=True
                ):
                    file = f"{palette}/{format_name(vector)}"
                    save_png(image, root / file)
                    values = dict(zip(NAMES, map(repr, vector.tolist()), strict=True))
                    table[index] = {"file": file, **settings, "index": str(index), **values}
                with (
                    atomic_write(root / "params.csv") as temporary,
                    temporary.open("w", newline="", encoding="utf-8") as file_out,
                ):
                    writer = csv.DictWriter(file_out, COLUMNS)
                    writer.writeheader()
                    writer.writerows(table[index] for index in sorted(table))
                progress.update(rows)
    return len(missing), len(table)


def _runs(indices: list[int]) -> Iterator[tuple[int, int]]:
    """(first, length) of the runs of consecutive ascending indices, each at most BLOCK long."""
    begin = 0
    for end in range(1, len(indices) + 1):
        full = end - begin == BLOCK
        if end == len(indices) or full or indices[end] != indices[end - 1] + 1:
            yield indices[begin], end - begin
            begin = end


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
    list of `file` and `reason`.
    """
    size = whole_number("size", size, 2, MAX_SIZE)
    points = whole_number("points", points, 1, MAX_POINTS)
    root = Path(folder).expanduser().resolve()
    if palette is None:
        palettes = [name for name in PALETTES if (root / name).is_dir()]
        palettes = palettes or [root.name if root.name in PALETTES else "kbc"]
    else:
        known("palette", palette, PALETTES)
        palettes = [palette]
    folders = [(image_folder(root, name), name) for name in palettes]
    return [_verify_palette(pictures, name, size, points) for pictures, name in folders]
