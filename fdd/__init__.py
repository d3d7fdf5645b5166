"""The Fractal Dream Dataset: images of strange attractors whose true latent vectors are known."""

from fdd.errors import FddError
from fdd.families import FAMILIES as families  # noqa: N811  the public name
from fdd.loading import load
from fdd.params import canonical_params, scale_params, uniform_params
from fdd.render import render
from fdd.sampling import sample_params
from fdd.stream import stream

__version__ = "0.1.0"
__all__ = [
    "FddError",
    "canonical_params",
    "families",
    "load",
    "render",
    "sample_params",
    "scale_params",
    "stream",
    "uniform_params",
]
