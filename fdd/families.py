"""Attractor families: equation, parameters, ranges and symmetries, each declared once.

A family's `step` is a plain function with bare `sin`; every backend compiles that same function
with the name bound to its own correctly rounded version (see `bind`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import FunctionType
from typing import Any

Vector = tuple[float, ...]
Step = Callable[..., tuple[Any, Any]]


def sin(x: float) -> float:
    """Placeholder that `bind` replaces: a step is never called without a backend's sine."""
    raise NameError("bind this step to a backend's sine first (fdd.families.bind)")


@dataclass(frozen=True)
class Symmetry:
    """A change of parameters with a known effect on the image.

    `effect` turns a counts or image array [H, W, ...] of the first vector into that of the
    second. `exact` ones hold to the bit, up to points on the edge of a cell (cells are half-open,
    and the largest x and y fall one cell down); the others hold for the attractor, not for every
    point of one orbit.
    """

    name: str
    change: Callable[[Vector], Vector]
    effect: Callable[[Any], Any]
    exact: bool


@dataclass(frozen=True)
class Family:
    """A two-dimensional map (x, y) -> step(x, y, *parameters) and what is known about it.

    `parameters` are the names of the latent vector, starting point first; `ranges` their closed
    intervals, inside which rendering is exact.
    """

    name: str
    step: Step
    parameters: tuple[str, ...]
    ranges: tuple[tuple[float, float], ...]
    symmetries: tuple[Symmetry, ...]
    source: str


def bind(step: Step, **functions: Callable[..., Any]) -> Step:
    """The same step with its bare names (`sin`) bound to a backend's functions."""
    assert isinstance(step, FunctionType)
    return FunctionType(step.__code__, {**functions}, step.__name__)


def fractal_dream(x, y, a, b, c, d):
    return sin(b * y) + c * sin(b * x), sin(a * x) + d * sin(a * y)


FAMILIES: dict[str, Family] = {
    "fractal_dream": Family(
        name="fractal_dream",
        step=fractal_dream,
        parameters=("x0", "y0", "a", "b", "c", "d"),
        ranges=((-1.0, 1.0), (-1.0, 1.0), (-3.0, 3.0), (-3.0, 3.0), (-3.0, 3.0), (-3.0, 3.0)),
        symmetries=(
            Symmetry(
                "rotation",
                lambda v: (-v[0], -v[1], v[2], v[3], v[4], v[5]),
                lambda image: image[::-1, ::-1],
                exact=True,
            ),
            Symmetry(
                "transposition",
                lambda v: (v[1], v[0], v[3], v[2], v[5], v[4]),
                lambda image: image[::-1, ::-1].swapaxes(0, 1),
                exact=True,
            ),
            Symmetry(
                "flip",
                lambda v: (v[0], -v[1], -v[2], -v[3], -v[4], -v[5]),
                lambda image: image[::-1],
                exact=True,
            ),
            Symmetry(
                "sign",
                lambda v: (v[0], v[1], -v[2], -v[3], v[4], v[5]),
                lambda image: image,
                exact=False,
            ),
        ),
        source="C. A. Pickover, Chaos in Wonderland, 1994: the Fractal Dream",
    ),
}
