"""The specification as code: slow, in exact integers and plain Python, with no compiled part.

Everything fast is checked against this module, and falls back on it where it cannot prove a bit.
"""

from __future__ import annotations

import math

import numpy as np

from fdd.attractors.families import Family, bind

LIMIT = 1024.0
"""Largest |x| of a sine or cosine; an orbit that exceeds it has no image."""


def _rounded(x: float, start: int) -> float:
    """The float64 nearest to sin x (start=1) or cos x (start=0), by integers of growing precision.

    Taylor series in fixed point with an error bound (Ziv's strategy: repeat with twice the digits
    until the bound decides the rounding).
    """
    numerator, denominator = x.as_integer_ratio()
    precision = 128 + 2 * math.ceil(abs(x))
    while True:
        one = 1 << precision
        argument = numerator * one // denominator
        square = argument * argument >> precision
        term = total = argument if start else one
        n = start
        while term not in (0, -1):
            term = -(term * square >> precision) // ((n + 1) * (n + 2))
            total += term
            n += 2
        # Each step adds at most 3 units, which later factors square/(n+1)/(n+2) can enlarge to at
        # most exp(|x|) <= 2^(2|x|) units; argument itself is off by less than one.
        error = (3 * n + 4) << (2 * math.ceil(abs(x)))
        low, high = (total - error) / one, (total + error) / one
        if low == high:
            return low
        precision *= 2


def sin(x: float) -> float:
    """The float64 nearest to the true sine of `x`; NaN unless |x| <= LIMIT."""
    if not abs(x) <= LIMIT:
        return math.nan
    if abs(x) < 2.0**-26:
        return x  # |sin x - x| < |x|^3/6, less than half a unit in the last place of x
    return _rounded(x, 1)


def cos(x: float) -> float:
    """The float64 nearest to the true cosine of `x`; NaN unless |x| <= LIMIT."""
    return _rounded(x, 0) if abs(x) <= LIMIT else math.nan


def sign(x: float) -> float:
    """-1, 0 or 1; NaN of NaN."""
    return 1.0 if x > 0.0 else -1.0 if x < 0.0 else x


def where_less(x: float, y: float, chosen: float, other: float) -> float:
    """`chosen` if x < y, otherwise `other`."""
    return chosen if x < y else other


def orbit(family: Family, params: tuple[float, ...], points: int) -> np.ndarray:
    """The trajectory, starting point first: float64 [points, 2], NaN once it is not finite."""
    functions = {"sin": sin, "cos": cos, "sqrt": math.sqrt, "fabs": math.fabs}
    step = bind(family.step, **functions, sign=sign, where_less=where_less)
    x, y = params[:2]
    trajectory = np.full((points, 2), math.nan)
    for i in range(points):
        if not (math.isfinite(x) and math.isfinite(y)):
            break
        trajectory[i] = x, y
        x, y = step(x, y, *params[2:])
    return trajectory


def counts(trajectory: np.ndarray, size: int) -> np.ndarray | None:
    """Visits to each cell of the trajectory's bounding box: uint32 [size, size], largest y on top.

    None for a degenerate trajectory: one that is not finite, is constant in x or y, or is so
    narrow that its scale is not finite.
    """
    cells = []
    for values in trajectory.T:
        low, high = values.min(), values.max()
        if not (math.isfinite(low) and math.isfinite(high)) or low == high:
            return None
        with np.errstate(over="ignore", invalid="ignore"):
            scale = size / (high - low)
            shift = -low * scale
            cell = np.trunc(values * scale + shift) - (values == high)
        if not (math.isfinite(scale) and math.isfinite(shift)):
            return None
        cells.append(np.clip(cell, 0, size - 1).astype(np.int64))
    column, row = cells
    image = np.zeros((size, size), np.uint32)
    np.add.at(image, (size - 1 - row, column), 1)
    return image
