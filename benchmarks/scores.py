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

from benchmarks.codes.dci import completeness, dci, disentanglement, explicitness
from benchmarks.codes.gaps import mi_gap, mig, modularity, sap
from benchmarks.codes.geometry import cca, procrustes, pwcca, svcca
from benchmarks.codes.infomec import infoc, infoe, infom
from benchmarks.codes.information import mutual_information
from benchmarks.codes.interventions import beta_vae, factor_vae, intervened_params, irs
from benchmarks.codes.matching import correlations, mcc
from benchmarks.codes.neighbours import continuity, knn_overlap, trustworthiness
from benchmarks.codes.orthogonality import orthogonality
from benchmarks.codes.readout import linear_r2, nonlinear_r2, predict
from benchmarks.codes.similarity import cka, distance_correlation, rsa
from benchmarks.statistics.permutation import Floor, permutation_floor

__all__ = [
    "Floor",
    "beta_vae",
    "cca",
    "cka",
    "completeness",
    "continuity",
    "correlations",
    "dci",
    "disentanglement",
    "distance_correlation",
    "explicitness",
    "factor_vae",
    "infoc",
    "infoe",
    "infom",
    "intervened_params",
    "irs",
    "knn_overlap",
    "linear_r2",
    "mcc",
    "mi_gap",
    "mig",
    "modularity",
    "mutual_information",
    "nonlinear_r2",
    "orthogonality",
    "permutation_floor",
    "predict",
    "procrustes",
    "pwcca",
    "rsa",
    "sap",
    "svcca",
    "trustworthiness",
]
