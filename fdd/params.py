"""Forms of the latent vector: raw, scaled to [-1, 1], canonical."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

NAMES = ("x0", "y0", "a", "b", "c", "d")
_SCALE = np.array([1.0, 1.0, 3.0, 3.0, 3.0, 3.0])


def scale_params(params: ArrayLike) -> np.ndarray:
    """(x0, y0, a/3, b/3, c/3, d/3), each in [-1, 1]: float64 [..., 6] to float64 [..., 6].

    This is what the original loader of 2019 gave.
    """
    return np.asarray(params, np.float64) / _SCALE


def canonical_params(params: ArrayLike) -> np.ndarray:
    """(x0, y0, |a|, sign(a) b, c, d): float64 [..., 6] to float64 [..., 6].

    (a, b) and (-a, -b) draw the same attractor, so the sign of a cannot be read from an image; the
    canonical form is the one of the two with a >= 0.
    """
    canonical = np.array(params, np.float64)
    sign = np.where(canonical[..., 2] < 0, -1.0, 1.0)
    canonical[..., 2] *= sign
    canonical[..., 3] *= sign
    return canonical


FORMS: dict[str, Callable[[ArrayLike], np.ndarray]] = {
    "raw": lambda params: np.array(params, np.float64),
    "scaled": scale_params,
    "canonical": canonical_params,
}
