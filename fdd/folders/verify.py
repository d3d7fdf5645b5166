"""Published pictures compared with what their names draw, byte by byte."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from fdd.attractors.params import NAMES, checked_params
from fdd.data.packaged import is_package
from fdd.data.published import image_folder, list_images, palette_folders, parse_name, read_image
from fdd.errors import FddError, known, whole_number
from fdd.rendering.cpu import count_groups, shaded
from fdd.rendering.palettes import PALETTES
from fdd.rendering.render import MAX_POINTS, MAX_SIZE


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
