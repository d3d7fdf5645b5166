"""`path`: the images on the straight line between two vectors."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fdd.attractors.params import FORMS, Params, checked_params
from fdd.errors import MOST, FddError, known, whole_number
from fdd.releases.cards import DEFAULT_VERSION, release
from fdd.rendering.cpu import render_cpu
from fdd.rendering.drawing import checked_drawing


class Path(NamedTuple):
    """Points on a line of parameters, with their images."""

    params: np.ndarray
    """The raw vectors, from the first to the last: float64 [n, 6]."""
    images: np.ndarray
    """Their images, as `fdd.path` says; empty where the vector is degenerate."""
    accepted: np.ndarray
    """Which of them the release's rule of acceptance keeps, never a degenerate one: bool [n]."""


def linear(start: np.ndarray, end: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Points on the line from `start` [L] to `end` [L] at these shares [N] of it: [N, L]."""
    t = shares[:, None]
    return (1 - t) * start + t * end


def path(
    v: Params,
    w: Params,
    n: int,
    *,
    form: str = "canonical",
    version: str = DEFAULT_VERSION,
    output: str = "rgb",
    palette: str = "kbc",
    threads: int | None = None,
) -> Path:
    """The images of n vectors at equal distances on the straight line from v to w.

    The attractor depends on its parameters in leaps, so a straight line crosses regions whose
    images a release refuses; they are drawn and marked. It is the line that an encoder's codes
    should follow if they are linear in the parameters.

        params, images, accepted = fdd.path(v, w, 9)  # float64 [9, 6], uint8 [9, 128, 128, 3], bool

    Parameters
    ----------
    v, w : float array [6]
        Raw vectors in the ranges of `fdd.render`; names, as of a row of a DataFrame, count there.
    n : int
        Points, 2 to 10^9: both ends are among them.
    form : "canonical" or "raw"
        In which parameters the line is straight. "canonical": from canonical v to canonical w (see
        `fdd.canonical_params`), where a' is never below 0 and all vectors are canonical. "raw":
        from v to w as they are, which may cross a = 0 although both draw the same attractor.
    version : str
        The release whose size, points and rule of acceptance count.
    output, palette, threads
        As in `fdd.render`.

    Returns
    -------
    Path
        A named tuple of params float64 [n, 6], images uint8 [n, H, W, 3], uint8 [n, H, W] or uint32
        [n, H, W] by the output, and accepted, bool [n].

    Raises
    ------
    FddError
        An unknown name, a number out of its range, or v or w that is not one vector in the ranges.
    """
    known("form", form, ("canonical", "raw"))
    card = release(version)
    drawing = card.drawing(output, palette)
    checked_drawing(drawing.family, drawing.size, drawing.points, output, palette)
    n = whole_number("n", n, 2, MOST)
    if threads is not None:
        threads = whole_number("threads", threads, 1)
    start, end = (FORMS[form](_one_vector(name, x)) for name, x in (("v", v), ("w", w)))
    # rounding may lead a point out of the range that both ends lie in
    inside = np.minimum(start, end), np.maximum(start, end)
    params = np.clip(linear(start, end, np.arange(n) / (n - 1)), *inside)
    images, degenerate = render_cpu(drawing, params, threads)
    pixels = images.reshape(n, drawing.size**2, drawing.channels)
    occupied = (pixels != drawing.empty).any(axis=2).sum(axis=1)
    return Path(params, images, (occupied >= card.occupied_cells) & ~degenerate)


def _one_vector(name: str, vector: Params) -> np.ndarray:
    """Raw parameters float64 [6]; FddError for anything else."""
    try:
        checked = checked_params(vector)
    except FddError as error:
        raise FddError(str(error).replace("params", name, 1).replace("[N, 6] or ", "")) from None
    if checked.ndim != 1:
        raise FddError(f"{name} has shape {list(checked.shape)}; it must be [6], one vector")
    return checked
