"""Contact sheets: many attractors in one picture."""

from __future__ import annotations

import os

import numpy as np

from fdd.attractors.families import FAMILIES
from fdd.attractors.params import Params, checked_params, uniform_params
from fdd.errors import FddError, whole_number
from fdd.files import writing_to
from fdd.pictures import GAP, checked_png, grid, save_png
from fdd.rendering.cpu import render_cpu
from fdd.rendering.drawing import Drawing
from fdd.rendering.render import render

MOST_IMAGES, MOST_PIXELS = 2**16, 2**29
"""Of a sheet: images, which are drawn without a progress bar, and pixels, 1.6 GB of them and as
much again for the images that are put into it."""


def imaged_params(n: int, family: str, seed: int, points: int = 60000) -> np.ndarray:
    """The first n rows of `uniform_params` that have an image: float64 [n, P]."""
    smallest = Drawing(family, size=2, points=points, output="counts")
    found = np.empty((0, len(FAMILIES[family].parameters)))
    start = 0
    while len(found) < n:
        rows = uniform_params(start + 2 * n, family, seed)[start:]
        start += 2 * n
        _, degenerate = render_cpu(smallest, rows)
        found = np.concatenate([found, rows[~degenerate]])
    return found[:n]


def check_count(count: int, size: int) -> None:
    """Refuses more images of size x size than a sheet may have, before they are drawn."""
    most = min(MOST_IMAGES, MOST_PIXELS // (size + GAP) ** 2)
    if count > most:
        raise FddError(f"count={count} must be at most {most} in a sheet of images of size={size}")


def contact_sheet(
    drawing: Drawing, params: Params, out: str | os.PathLike[str], columns: int = 8
) -> None:
    """Renders parameters [n, P] or [P] in colours into one PNG, n at least 1.

    FddError for parameters that have no image, a name that does not end in .png, or more images
    than a sheet may have: 2^16, and those that fit 2^29 pixels.
    """
    path = checked_png("out", out)
    whole_number("columns", columns, 1)
    rows = np.atleast_2d(checked_params(params, FAMILIES[drawing.family]))
    check_count(len(rows), drawing.size)
    images = render(
        rows,
        size=drawing.size,
        points=drawing.points,
        palette=drawing.palette,
        family=drawing.family,
    )
    if len(images) == 0:
        raise FddError("params has no rows; a contact sheet needs at least one image")
    with writing_to(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        save_png(grid(images, columns), path)
