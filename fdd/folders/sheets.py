"""Contact sheets: many attractors in one picture."""

from __future__ import annotations

import os

import numpy as np

from fdd.attractors.families import FAMILIES
from fdd.attractors.params import Params, checked_params
from fdd.errors import FddError, whole_number
from fdd.pictures import Picture, check_count, checked_png, grid
from fdd.rendering.drawing import Drawing
from fdd.rendering.render import render


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
    Picture(grid(images, columns)).save(path)
