"""Orbits that repeat themselves: with which period a state has come back, bit for bit."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fdd.attractors import reference
from fdd.attractors.families import FAMILIES, Family
from fdd.attractors.params import Params, checked_params
from fdd.errors import known, whole_number
from fdd.rendering.cpu_kernel import compiled

step_one: Any = None  # what `compiled` binds for each family


def periods(params: Params, points: int, family: str = "fractal_dream") -> NDArray[np.int64]:
    """The period of each orbit that has come back to a state within its points; 0 of the others.

    An orbit whose last point was there before, bit for bit, has repeated itself since then, and
    will for ever; the period is the number of steps since the last time.

    params: [N, P], the starting point first. points: of an orbit, with the starting point, at least
    1. Returns int64 [N]. FddError for parameters out of range, and for an unknown family.
    """
    known("family", family, FAMILIES)
    chosen = FAMILIES[family]
    rows = np.atleast_2d(checked_params(params, chosen))
    orbit = np.empty((whole_number("points", points, 1), 2))
    fill = _filler(chosen)
    return np.array(
        [_period(chosen, fill, tuple(map(float, row)), orbit) for row in rows], np.int64
    )


def _period(family: Family, fill: Any, params: tuple[float, ...], orbit: Any) -> int:
    fill(params[:2], params[2:], orbit)
    if math.isnan(orbit[-1].sum()):  # it overflows, or holds a sine that only the reference knows
        orbit = reference.orbit(family, params, len(orbit))
    back = np.flatnonzero((orbit[:-1] == orbit[-1]).all(axis=1))
    return int(len(orbit) - 1 - back[-1]) if len(back) else 0


@functools.cache
def _filler(family: Family) -> Any:
    """What fills orbit [points, 2] from a starting point and the other parameters, compiled."""
    return compiled(_make_fill, family)


def _make_fill(identity: str) -> Any:
    def fill(start: Any, values: Any, orbit: Any) -> None:
        identity  # noqa: B018  a key of the compiled code's cache
        x, y = start
        for t in range(len(orbit)):
            orbit[t, 0] = x
            orbit[t, 1] = y
            x, y = step_one(x, y, *values)

    return fill
