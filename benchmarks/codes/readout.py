"""What a regression reads from codes: R2 of linear and nonlinear maps, held out."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import ArrayLike

from benchmarks.statistics import regressors
from benchmarks.statistics.arrays import (
    Floats,
    Test,
    check_pairs,
    folds,
    matrix,
    same,
    standardise,
    targets,
)
from fdd.defaults import with_defaults
from fdd.errors import FddError, known, whole_number

FOLDS = 5
REGRESSORS = ("kernel", "boosting", "neighbours")


@with_defaults
def linear_r2(codes: ArrayLike, params: ArrayLike, test: Test = None, *, seed: int = 0) -> Floats:
    """Share of each parameter's variance that a linear map of the codes explains.

    Least squares with an intercept is fitted on (codes, params); the score is
    1 - sum (true - predicted)^2 / sum (true - mean of true)^2 over the rows of `test`, as
    scikit-learn's `LinearRegression().fit(codes, params)` and `r2_score(...,
    multioutput="raw_values")` have it.

    Parameters
    ----------
    codes : array [N, K]; constant columns are ignored, duplicated ones and K > N are solved by the
        smallest solution
    params : array [N, D]
    test : pair of arrays [M, K] and [M, D] that the score is taken on. Without it the score is
        that of 5-fold cross-validation (folds drawn by `seed`), all held-out predictions pooled:
        never in-sample.
    seed : of the folds; without effect where `test` is given

    Returns
    -------
    float64 [D], at most 1 (best: the parameters are linear in the codes). Chance is about -K / N,
    so just below 0; there is no lower bound, for a map may fail on new rows.

    Notes
    -----
    Unchanged, up to rounding, by any invertible affine change of the codes and of each parameter: a
    rotated code scores 1, so this says nothing about whether single codes mean something (see
    `mcc`). A few far outliers among the test codes can decide it. Wright, Correlation and
    causation, 1921.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> params = rng.uniform(-1, 1, size=(500, 2))
    >>> codes = np.column_stack([params[:, 0] + params[:, 1], rng.normal(size=500), params[:, 0]])
    >>> linear_r2(codes[:400], params[:400], test=(codes[400:], params[400:])).round(6)
    array([1., 1.])
    """
    return _r2(regressors.linear, codes, params, test, seed)


def linear_share(codes: Floats, params: Floats, test: tuple[Floats, Floats]) -> Floats:
    """`linear_r2` of checked arrays on `test`, [D]; of stacks of either side [B, *, *], [B, D]."""
    y, truth = standardise(params, test[1])
    missed = truth - regressors.linear(codes, y, test[0])
    whole = truth - truth.mean(axis=-2, keepdims=True)
    return np.asarray(1 - (missed**2).sum(axis=-2) / (whole**2).sum(axis=-2))


@with_defaults
def nonlinear_r2(
    codes: ArrayLike,
    params: ArrayLike,
    test: Test = None,
    *,
    regressor: str = "kernel",
    max_rows: int = 2000,
    seed: int = 0,
) -> Floats:
    """Share of each parameter's variance that a smooth nonlinear map of the codes explains.

    As `linear_r2`, with another regression. "kernel", the headline: ridge regression with a
    Gaussian kernel on standardised codes, its width and penalty chosen separately for every
    parameter by leave-one-out error on at most 1000 rows of train, fitted on at most `max_rows`;
    both subsets are drawn by `seed`. (A fixed width or penalty overfits: it scored -0.28 on noise.)
    "boosting": histogram gradient boosting, stopped early on a tenth of train; all rows; sees steps
    and single codes better, rotated codes worse, and little with fewer than some hundred rows.
    "neighbours": the mean of the 10 nearest rows on standardised codes; crude, and the only one
    that chooses nothing.

    Parameters
    ----------
    codes, params, test, seed : as for `linear_r2`, and so is the cross-validation without `test`
    regressor : "kernel", "boosting" or "neighbours"
    max_rows : "kernel" is fitted on at most this many rows; its time grows as their cube

    Returns
    -------
    float64 [D], at most 1 (best). Chance is about 0: the penalty chosen on noise leaves the mean,
    or nearly (-0.05 was the worst of 1600 draws at 2000 rows); for "neighbours" it is -0.1, since a
    mean of ten has a tenth of the variance.

    Notes
    -----
    A lower bound on what the codes know: more rows or a better regression find more, above all with
    many codes, where a Gaussian kernel sees all points as far apart. The gap to `linear_r2` says
    how implicit the code is. Not invariant to rotation. Saunders, Gammerman and Vovk, Ridge
    regression learning algorithm in dual variables, 1998; Ke et al., LightGBM, 2017.

    Examples
    --------
    >>> import numpy as np
    >>> codes = np.random.default_rng(0).uniform(-1, 1, size=(600, 2))
    >>> params = np.column_stack([codes[:, 0] ** 2, np.sin(3 * codes[:, 1])])
    >>> train, test = slice(0, 400), slice(400, 600)
    >>> r2 = nonlinear_r2(codes[train], params[train], test=(codes[test], params[test]))
    >>> bool((r2 > 0.999).all())
    True
    """
    fit = _regressor(regressor, max_rows, seed)
    return _r2(fit, codes, params, test, seed)


@with_defaults
def predict(
    codes: ArrayLike,
    params: ArrayLike,
    new_codes: ArrayLike,
    *,
    regressor: str = "linear",
    max_rows: int = 2000,
    seed: int = 0,
) -> Floats:
    """The parameters [M, D] that a regression of params on codes reads from new codes [M, K].

    regressor: "linear" (of `linear_r2`), or one of `nonlinear_r2`. Raises
    FddError as the scores do.

    >>> predict([[0.0], [1.0], [2.0]], [[1.0], [3.0], [5.0]], [[3.0]]).round(6)
    array([[7.]])
    """
    whole_number("seed", seed, 0)
    fit = regressors.linear if regressor == "linear" else _regressor(regressor, max_rows, seed)
    x, y, new = matrix("codes", codes), targets("params", params), matrix("new_codes", new_codes, 1)
    same(("codes", len(x)), ("params", len(y)), "rows")
    same(("codes", x.shape[1]), ("new_codes", new.shape[1]), "columns")
    return fit(x, y, new)


def _r2(
    fit: regressors.Regressor, codes: ArrayLike, params: ArrayLike, test: Test, seed: int
) -> Floats:
    """R2 of held-out predictions, in units of the standard deviation in train."""
    whole_number("seed", seed, 0)
    pairs = check_pairs(codes, params, test)
    if pairs.test is None:
        (y,) = standardise(pairs.params)
        truth, held_out = y, None
    else:
        y, truth = standardise(pairs.params, pairs.test[1])
        held_out = (pairs.test[0], truth)
    with np.errstate(over="ignore", invalid="ignore"):
        missed = truth - _held_out(fit, pairs.codes, y, held_out, seed)
        r2 = 1 - (missed**2).sum(axis=0) / ((truth - truth.mean(axis=0)) ** 2).sum(axis=0)
    if not np.isfinite(r2).all():
        raise FddError(
            "test codes lie too far outside the training codes: the predictions are not finite"
        )
    return np.asarray(r2)


def _held_out(
    fit: regressors.Regressor,
    codes: Floats,
    params: Floats,
    test: tuple[Floats, Floats] | None,
    seed: int,
) -> Floats:
    """Predictions for the rows of test, or, without it, for every row from the other folds."""
    if test is not None:
        return fit(codes, params, test[0])
    predicted = np.empty_like(params)
    for train, held_out in folds(len(codes), FOLDS, seed):
        predicted[held_out] = fit(codes[train], params[train], codes[held_out])
    return predicted


def _regressor(name: str, max_rows: int, seed: int) -> regressors.Regressor:
    known("regressor", name, REGRESSORS)
    if name == "boosting":
        return partial(regressors.boosting, seed=seed)
    if name == "neighbours":
        return regressors.neighbours
    return partial(regressors.kernel, max_rows=whole_number("max_rows", max_rows, 2), seed=seed)
