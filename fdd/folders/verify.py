"""Published pictures compared with what their names draw, byte by byte."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from fdd.attractors.params import NAMES, checked_params
from fdd.data.packaged import is_package
from fdd.data.published import image_folder, list_images, palette_folders, parse_name, read_image
from fdd.errors import FddError
from fdd.files import as_path
from fdd.progress import progress_bar
from fdd.rendering.cpu import count_groups
from fdd.rendering.drawing import Drawing, checked_drawing
from fdd.rendering.palettes import PALETTES
from fdd.rendering.shading import shaded


def _verify_palette(folder: Path, drawing: Drawing) -> dict[str, Any]:
    paths, size = list_images(folder), drawing.size
    reasons: dict[int, str] = {}
    vectors = []
    for row, path in enumerate(paths):
        try:
            vectors.append((row, checked_params(parse_name(path))))
        except FddError as error:
            reasons[row] = str(error)
    rows = np.array([row for row, _ in vectors], np.int64)
    params = np.array([vector for _, vector in vectors]).reshape(-1, len(NAMES))

    title = f"verifying {drawing.palette}"
    with progress_bar(total=len(rows), unit="image", desc=title, disable=None) as progress:

        def finish(group: slice, counts: np.ndarray, degenerate: np.ndarray) -> None:
            images = shaded(drawing, counts)
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

        count_groups(drawing, params, finish)
    return {
        "folder": str(folder),
        "palette": drawing.palette,
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
    chosen = "kbc" if palette is None else palette
    drawing = checked_drawing(size=size, points=points, palette=chosen)
    root = as_path("folder", folder).resolve()
    if is_package(root):
        raise FddError(f"folder {str(folder)!r} is a package; use: fdd package --check {folder}")
    if palette is None:
        there = palette_folders(root) if root.is_dir() else {}
        palettes = [name for name, places in there.items() if places]
        palettes = palettes or [root.name if root.name in PALETTES else "kbc"]
    else:
        palettes = [palette]
    folders = [(image_folder(root, name), name) for name in palettes]
    return [_verify_palette(place, replace(drawing, palette=name)) for place, name in folders]
