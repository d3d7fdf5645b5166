"""The parameters that codes are scored against: raw, and folded by the sign symmetry."""

from __future__ import annotations

import numpy as np

import fdd
from benchmarks.statistics.arrays import Floats

TARGETS = ("x0", "y0", "a", "b", "c", "d", "a'", "b'")
"""The parameters, and a' = |a|, b' = sign(a) b, which (a, b) -> (-a, -b) leaves as they are."""

SETS = {"canonical": [6, 7, 4, 5], "raw": [2, 3, 4, 5], "start": [0, 1]}
"""Columns of TARGETS that are scored together: what an image can tell, the same with the signs that
it does not tell, and the starting point, which leaves next to no trace."""


def all_targets(params: Floats) -> Floats:
    """Raw parameters [N, 6] -> columns TARGETS, float64 [N, 8]."""
    return np.concatenate([params, fdd.canonical_params(params)[:, 2:4]], axis=1)
