"""Single codes for single parameters: correlations, and the best one-to-one assignment of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from benchmarks.codes.geometry import Pair, canonical_variables, steady
from benchmarks.statistics import regressors
from benchmarks.statistics.arrays import (
    Floats,
    Test,
    check_pairs,
    constant_columns,
    matrix,
    require,
    same,
    unit_columns,
)
from fdd.defaults import with_defaults
from fdd.errors import FddError, known, shown

CORRELATIONS = ("pearson", "spearman")
ALIGNMENTS = ("strong", "affine", "weak")


@with_defaults
def mcc(
    codes: ArrayLike,
    params: ArrayLike,
    test: Test = None,
    *,
    correlation: str = "pearson",
    alignment: str = "strong",
) -> float:
    """Mean correlation coefficient: how well single codes stand for single parameters.

    |correlation| of every code with every parameter; the one-to-one assignment with the largest
    sum is found on (codes, params) and the mean over parameters of the assigned |correlation| is
    taken on `test`. A parameter that is left over, where K < D, counts 0; so does a constant code.

    Parameters
    ----------
    codes, params : arrays [N, K] and [N, D]
    test : pair of arrays [M, K] and [M, D]. Without it the assignment is found and scored on the
        same rows: that is the definition of the papers, and in-sample. It flatters most when rows
        are few and codes many, so read it beside its `permutation_floor`, which is flattered
        alike. "affine" and "weak" fit maps and need `test`.
    correlation : "pearson", or "spearman", which any increasing change of single codes leaves
        as it is
    alignment : "strong": the codes as they are. "affine": the codes are replaced by the
        least-squares predictions of the parameters from them, so that any invertible affine change
        of the codes leaves the score as it is. "weak": codes and parameters are both replaced by
        their canonical variables (see `cca`), so that a change of the parameters does not matter
        either; it says how much of the spaces is shared, not which parameter is known.

    Returns
    -------
    float from 0 to 1 (best: every parameter is, up to scale, sign and offset, a code of its own).
    Chance is above 0 and grows with K and falls with N: in-sample 0.09 to 0.20 for 4 to 128 codes
    at N = 200.

    Notes
    -----
    Unchanged by permuting, scaling, shifting and flipping codes. A rotated code gets 1 with
    "affine" and "weak", and less with "strong" (1 / sqrt(2) for two equal parameters rotated by 45
    degrees). Correlated parameters raise it. A code that is even in a parameter (its square)
    scores 0 for it. Hyvarinen and Morioka, Unsupervised feature extraction by time-contrastive
    learning and nonlinear ICA, 2016; Khemakhem et al., Variational autoencoders and nonlinear ICA,
    2020, and ICE-BeeM, 2020 (strong and weak).

    Examples
    --------
    >>> import numpy as np
    >>> params = np.random.default_rng(0).normal(size=(100, 3))
    >>> round(mcc(-2 * params[:, [2, 0, 1]] + 1, params), 6)
    1.0
    """
    known("correlation", correlation, CORRELATIONS)
    known("alignment", alignment, ALIGNMENTS)
    pairs = check_pairs(codes, params, test)
    x, y = pairs.codes, pairs.params
    test_x, test_y = pairs.test or (x, y)
    if alignment != "strong" and pairs.test is None:
        raise FddError(
            f"alignment is {shown(alignment)}, which fits a map: give test=(codes, params) too"
        )
    (x, y), (test_x, test_y) = aligned((x, y), (test_x, test_y), alignment)
    return assigned(_correlations(x, y, correlation), _correlations(test_x, test_y, correlation))


def aligned(train: Pair, test: Pair, alignment: str) -> list[Pair]:
    """(codes, params) of train and test as `mcc` correlates them, after one of ALIGNMENTS.

    Params may be stacks [B, *, D] that differ in order alone; what comes of codes is a stack then.
    """
    if alignment == "weak":
        return canonical_variables(train, test)
    if alignment == "affine":
        known = train[1]
        return [(steady(regressors.linear(train[0], known, new)), y) for new, y in (train, test)]
    return [train, test]


def assigned(train: ArrayLike, test: ArrayLike) -> float:
    """The mean over parameters of |correlations| [K, D] of test, in the best assignment on train.

    The second half of `mcc`, for a caller that has the `correlations` already. Raises FddError
    unless both are finite arrays of one shape.

    >>> assigned([[0.9, 0.8], [0.7, 0.1]], [[0.5, 0.6], [0.4, 0.2]])
    0.5
    """
    found, held_out = matrix("train", train, 1), matrix("test", test, 1)
    same(("train", len(found)), ("test", len(held_out)), "rows")
    same(("train", found.shape[1]), ("test", held_out.shape[1]), "columns")
    rows, columns = require("scipy.optimize").linear_sum_assignment(-found)
    return float(held_out[rows, columns].sum() / found.shape[1])


@with_defaults
def correlations(codes: ArrayLike, params: ArrayLike, correlation: str = "pearson") -> Floats:
    """|correlation| of codes with parameters, float64 [K, D] from 0 to 1; 0 for a constant code.

    >>> correlations([[0.0, 1.0], [1.0, 1.0], [2.0, 1.0]], [[3.0], [2.0], [1.0]]).round(6)
    array([[1.],
           [0.]])
    """
    known("correlation", correlation, CORRELATIONS)
    pairs = check_pairs(codes, params, None)
    return _correlations(pairs.codes, pairs.params, correlation)


def _correlations(codes: Floats, params: Floats, correlation: str) -> Floats:
    if correlation == "spearman":
        rank = require("scipy.stats").rankdata
        codes, params = rank(codes, axis=0), rank(params, axis=0)
    return pearson(codes, params)


def pearson(codes: Floats, params: Floats) -> Floats:
    """|Pearson correlation| [..., K, D] of the columns of checked arrays, or of stacks of them."""
    live = np.asarray(~constant_columns(codes).reshape(-1, codes.shape[-1]).all(axis=0))
    products = np.swapaxes(unit_columns(codes[..., live]), -1, -2) @ unit_columns(params)
    found = np.zeros((*products.shape[:-2], len(live), params.shape[-1]))
    found[..., live, :] = np.minimum(np.abs(products / codes.shape[-2]), 1)
    return found
