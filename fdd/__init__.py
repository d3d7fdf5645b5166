"""The Fractal Dream Dataset: images of strange attractors whose true latent vectors are known."""

from fdd.attractors.families import FAMILIES as families  # noqa: N811  the public name
from fdd.attractors.params import canonical_params, scale_params, uniform_params
from fdd.data.load import load
from fdd.data.stream import stream
from fdd.errors import FddError
from fdd.releases.sampling import sample_params
from fdd.rendering.render import render

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
