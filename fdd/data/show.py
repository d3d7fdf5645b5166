"""`show`: images side by side in one picture, in a notebook or as a file."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from fdd.attractors.params import NAMES, Params, checked_params
from fdd.data.datasets import Dataset, in_colours
from fdd.errors import FddError, shown, whole_number
from fdd.pictures import Picture, check_count, checked_png, grid
from fdd.releases.cards import DEFAULT_VERSION, release
from fdd.releases.sampling import draw
from fdd.rendering.drawing import Drawing
from fdd.rendering.render import render
from fdd.rendering.shading import shaded


def show(
    what: Dataset | np.ndarray | Params | None = None,
    *,
    columns: int = 8,
    count: int = 24,
    out: str | os.PathLike[str] | None = None,
) -> Picture:
    """Images side by side, as one picture: a notebook shows it, `.save(path)` writes it.

        fdd.show()  # the first images of the test split
        fdd.show(fdd.load("val", version="mini"), count=40)
        fdd.show({"x0": [0.1], "y0": [0.1], "a": [-2.0], "b": [-1.5], "c": [-2.6], "d": [0.9]})

    Parameters
    ----------
    what : optional
        Images uint8 [n, H, W, 3] or [n, H, W], or one of them, where a last axis of 3 is colour;
        counts, as `fdd.render` gives them, are painted. A data set of `fdd.load`. Parameters as
        `fdd.render` takes them, which are drawn at 128 x 128. By default the test split of fdd-1,
        of which only these images are drawn: nothing is written to the cache.
    columns : int
        Images in a row.
    count : int
        So many are shown: the first ones, or fewer if there are fewer.
    out : path, optional
        PNG to write as well, .png.

    Returns
    -------
    Picture
        `image` is uint8 [H, W, 3], the images on white; `save(path)` writes it as PNG.

    Raises
    ------
    FddError
        What is none of these or holds no image, a number out of its range, more images than a
        picture may have (2^16, and those that fit 2^29 pixels), parameters that `fdd.render`
        refuses, a path that cannot be written.
    """
    columns = whole_number("columns", columns, 1)
    count = whole_number("count", count, 1)
    path = None if out is None else checked_png("out", out)
    picture = Picture(grid(_first_images(what, count), columns))
    if path is not None:
        picture.save(path)
    return picture


def _first_images(what: Any, count: int) -> np.ndarray:
    """The first `count` images of what `show` takes, at least one: uint8 [n, H, W, 3]."""
    if what is None:
        card = release(DEFAULT_VERSION)
        check_count(count, card.size)
        counts = np.empty((count, card.size, card.size), np.uint16)
        draw(card, "test", 0, count, counts)
        return shaded(card.drawing(), counts)
    if isinstance(what, Dataset):
        check_count(min(count, len(what)), what.size)
        return what.pictures(count)
    if hasattr(what, "keys"):  # a dict or a DataFrame
        return _drawn(what, count)
    array = _as_array(what)
    if array.dtype.kind == "u":
        images = array[None] if array.ndim == 2 or array.shape[2:] == (3,) else array
        in_rgb = images.dtype == np.uint8 and images.shape[3:] == (3,)
        if images.size and (images.ndim == 3 or in_rgb):
            check_count(min(count, len(images)), max(images.shape[1:3]))
            return in_colours(images[:count])
    elif array.size and array.ndim in (1, 2) and array.shape[-1] == len(NAMES):
        return _drawn(what, count)
    found = f" ({array.dtype} {list(array.shape)})" if array.ndim else f"={shown(what, 80)}"
    raise FddError(
        f"what{found} must be images, uint8 [n, H, W, 3] or [n, H, W], a data set of fdd.load, or "
        f"parameters, rows of ({', '.join(NAMES)})"
    )


def _drawn(params: Params, count: int) -> np.ndarray:
    """The images of the first `count` rows, at least one."""
    rows = np.atleast_2d(checked_params(params))[:count]
    if not len(rows):
        raise FddError("params has no rows; a picture needs at least one image")
    check_count(len(rows), Drawing.size)
    return render(rows)


def _as_array(what: Any) -> np.ndarray:
    """An array of these numbers; one without a shape where they have none together."""
    try:
        return np.asarray(what.cpu() if getattr(what, "is_cuda", False) else what)
    except (TypeError, ValueError, RuntimeError):
        return np.array(None)
