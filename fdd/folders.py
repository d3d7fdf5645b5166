"""Folders of pictures: contact sheets, generation in the published layout, verification."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from PIL import Image
from tqdm import tqdm

from fdd.cards import DEFAULT_VERSION, release
from fdd.checks import known, whole_number
from fdd.errors import FddError
from fdd.palettes import PALETTES
from fdd.params import NAMES
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

BLOCK = 256  # images between two saves of params.csv


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


def contact_sheet(
    params: ArrayLike,
    out: str | os.PathLike[str],
    columns: int = 8,
    palette: str = "kbc",
    size: int = 128,
    points: int = 60000,
) -> None:
    """Renders parameters [n, 6] into one PNG, n at least 1."""
    whole_number("columns", columns, 1)
    images = render(params, size=size, points=points, palette=palette)
    if len(images) == 0:
        raise FddError("params has no rows; a contact sheet needs at least one image")
    path = Path(out).expanduser()
    with writing_to(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        save_png(grid(images, columns), path)


def _written(listing: Path, keys: dict[str, Any]) -> pd.DataFrame:
    """The rows of params.csv, refused when they belong to something else than `keys`."""
    if not listing.is_file():
        return pd.DataFrame(columns=["file", *keys, "index", *NAMES])
    try:
        table = pd.read_csv(listing, float_precision="round_trip")
        other = [key for key, value in keys.items() if not (table[key] == value).all()]
    except (ValueError, KeyError) as error:
        raise FddError(f"file {str(listing)!r} is not one that generate wrote: {error}") from error
    if other:
        raise FddError(
            f"folder {str(listing.parent)!r} holds images of another {other[0]} "
            f"({table[other[0]].iloc[0]!r}, not {keys[other[0]]!r}); choose another folder"
        )
    return table


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
    listing = root / "params.csv"
    keys = {"version": version, "split": split, "palette": palette}
    with writing_to(root):
        (root / palette).mkdir(parents=True, exist_ok=True)
        table = _written(listing, keys)
        missing = sorted(set(range(start, start + count)) - set(table["index"]))
        new = len(missing)
        with tqdm(total=len(missing), unit="image", desc="generating", disable=None) as progress:
            while missing:
                first = missing[0]
                rows = next(
                    (n for n, index in enumerate(missing[:BLOCK]) if index != first + n),
                    len(missing[:BLOCK]),
                )
                counts = np.empty((rows, card.size, card.size), np.uint32)
                params = draw(card, split, first, rows, counts)
                names = [f"{palette}/{format_name(vector)}" for vector in params]
                for name, image in zip(names, shaded(counts, "rgb", palette), strict=True):
                    save_png(image, root / name)
                block = pd.DataFrame(params, columns=list(NAMES))
                block.insert(0, "index", np.arange(first, first + rows))
                block.insert(0, "file", names)
                for key, value in keys.items():
                    block.insert(block.columns.get_loc("index"), key, value)  # type: ignore[arg-type]
                table = (pd.concat([table, block]) if len(table) else block).sort_values("index")
                with atomic_write(listing) as temporary:
                    table.to_csv(temporary, index=False)
                missing = missing[rows:]
                progress.update(rows)
    return new, len(table)


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
