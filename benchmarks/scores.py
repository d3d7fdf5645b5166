"""Scores of codes against parameters: pure functions of arrays, deterministic, never NaN.

`codes` [N, K] are what a model says about N images, `params` [N, D] what they were drawn from. A
score that fits something takes the held-out rows as `test=(codes, params)`. Chance stands beside a
score as `permutation_floor(score, codes, params, test)`.

Every score raises FddError, naming the argument, where an array is not numbers [rows, columns],
holds NaN, infinity or |value| > 1e100, has fewer than two rows or other rows or columns than its
partner, and where a column of params is constant. Codes may be constant, duplicated, or more than
there are rows.
"""

from __future__ import annotations

from benchmarks.codes.matching import correlations, mcc
from benchmarks.codes.readout import linear_r2, nonlinear_r2, predict
from benchmarks.permutation import Floor, permutation_floor

__all__ = [
    "Floor",
    "correlations",
    "linear_r2",
    "mcc",
    "nonlinear_r2",
    "permutation_floor",
    "predict",
]
