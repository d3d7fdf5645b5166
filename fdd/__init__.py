"""The Fractal Dream Dataset: images of strange attractors whose true latent vectors are known."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from fdd.attractors.families import FAMILIES as families  # noqa: N811  the public name
from fdd.attractors.params import canonical_params, scale_params, uniform_params
from fdd.errors import FddError

if TYPE_CHECKING:
    from fdd.data.load import load
    from fdd.data.pairs import pairs
    from fdd.data.path import path
    from fdd.data.show import show
    from fdd.data.stream import stream
    from fdd.explorer.page import explore
    from fdd.releases.sampling import sample_params
    from fdd.rendering.render import imaged_params, render

__version__ = "0.1.0"
__all__ = [
    "FddError",
    "canonical_params",
    "explore",
    "families",
    "imaged_params",
    "load",
    "pairs",
    "path",
    "render",
    "sample_params",
    "scale_params",
    "show",
    "stream",
    "uniform_params",
]

_AT_FIRST_USE = {
    "explore": "fdd.explorer.page",
    "imaged_params": "fdd.rendering.render",
    "load": "fdd.data.load",
    "pairs": "fdd.data.pairs",
    "path": "fdd.data.path",
    "render": "fdd.rendering.render",
    "sample_params": "fdd.releases.sampling",
    "show": "fdd.data.show",
    "stream": "fdd.data.stream",
}
"""What needs numba, which takes as long to import as everything else together."""


def __getattr__(name: str) -> Any:
    if name not in _AT_FIRST_USE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value = getattr(import_module(_AT_FIRST_USE[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_AT_FIRST_USE})
