"""DCI-ES: which code says which parameter, how well, and how easily it is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmarks.arrays import (
    LARGEST,
    Floats,
    Test,
    check_pairs,
    constant_columns,
    folds,
    matrix,
    real_array,
    require,
    standardise,
)
from benchmarks.permutation import floor_of
from benchmarks.regressors import WIDTHS
from fdd.checks import known, whole_number
from fdd.errors import FddError

FOLDS = 5
REGRESSORS = ("boosting", "lasso")
FEATURES = (0, 8, 16, 32, 64, 128, 256)  # random Fourier features of the probes, one capacity each
PENALTIES = tuple(10.0**power for power in range(-7, 2))  # of the probes, per row
FEWEST = 10  # rows to fit on, and rows to score on
DRAWS = 999
LEVEL = 0.05


def dci(
    codes: ArrayLike,
    params: ArrayLike,
    test: Test = None,
    *,
    regressor: str = "boosting",
    max_rows: int = 2000,
    seed: int = 0,
) -> dict[str, Any]:
    """Disentanglement, completeness, informativeness, explicitness and size of codes.

    A regression a parameter gives the importance of every code for it. Disentanglement: does a
    code serve one parameter only? (`disentanglement` of the importances.) Completeness: is a
    parameter in one code only? (`completeness`.) Informativeness: R2 of the regressions on
    held-out rows. Explicitness: how small a probe suffices (`explicitness` of its losses). Size:
    parameters per code, D / K.

    Parameters
    ----------
    codes : array [N, K], N at least 10; constant columns are dropped and move nothing
    params : array [N, D]
    test : pair of arrays [M, K] and [M, D], M at least 10, that R2, "boosting"'s importances and
        the probes' losses are taken on. Without it, 5-fold cross-validation (folds drawn by
        `seed`): held-out predictions pooled, importances averaged; never in-sample, and 3 times
        as slow.
    regressor : "boosting": histogram gradient boosting as in `nonlinear_r2`; importance is the
        rise of the held-out squared error when a code is permuted. "lasso": penalty chosen by
        5-fold cross-validation; importance is |coefficient| of standardised codes.
    max_rows : most held-out rows that codes are permuted on, drawn by `seed`
    seed : of folds, fits and permutations

    Returns
    -------
    dict of "disentanglement", "completeness": float from 0 to 1 (best), or None; "explicitness":
    float from -1 to 1 (best), or None; "informativeness": float64 [D], at most 1 (best), chance
    just below 0; "known": bool [D]; "size": float, D / K without constant codes, None where none
    is left; "importance": float64 [K, D], columns that sum to 1 (or are 0).

    A parameter is known where a permutation test of the held-out predictions (at least 999
    draws, level 0.05 / D) tells its R2 from chance. Only known parameters count for the first
    three: the importances of a fit to noise are no evidence, and can look perfect. So the scores
    have no chance level, but are None: completeness and explicitness where no parameter is known,
    disentanglement where fewer than two are, and completeness where fewer than two codes vary.

    Notes
    -----
    Regressors differ, so give two: of six parameters in 32 codes, tanh(W v) with random W and some
    noise, "boosting" has disentanglement 0.5 and completeness 0.3, "lasso" 0.15 and 0.09. A
    rotated code scores low for both (0 for two parameters turned by 45 degrees) and 1 for
    explicitness. A duplicated code shares the importance of its twin, which costs completeness;
    noise codes raise completeness, whose unit is log K. Correlated parameters blur all of it.
    Which parameters are known decides what disentanglement means: compare it only where they are
    the same. Unchanged by scaling and shifting codes and parameters, and, but for the draws of
    permutations and features, by the order of codes.

    Explicitness is that of ridge regression on the codes and 0, 8, ... 256 random Fourier
    features of six widths, penalty by cross-validation, whatever `regressor` is.

    Eastwood and Williams, A framework for the quantitative evaluation of disentangled
    representations, 2018; Eastwood et al., DCI-ES, 2023.

    Examples
    --------
    >>> import numpy as np
    >>> params = np.random.default_rng(0).uniform(-1, 1, size=(500, 2))
    >>> turned = params @ [[1, 1], [-1, 1]]
    >>> for codes in (params, turned):
    ...     found = dci(codes[:300], params[:300], (codes[300:], params[300:]), regressor="lasso")
    ...     names = "disentanglement", "completeness", "explicitness", "size"
    ...     print([round(found[name], 2) for name in names])
    [1.0, 1.0, 1.0, 1.0]
    [0.0, 0.0, 1.0, 1.0]
    """
    known("regressor", regressor, REGRESSORS)
    max_rows = whole_number("max_rows", max_rows, 2)
    parts = _parts(codes, params, test, seed)
    truth = np.concatenate([part.truth for part in parts])
    read = [_read(part, regressor, -(-max_rows // len(parts)), seed) for part in parts]
    predicted = np.concatenate([prediction for prediction, _ in read])
    probed = np.concatenate([_probes(part, seed) for part in parts], axis=1)
    live, sure = parts[0].live, _known(truth, predicted, seed)
    importance = np.zeros((len(live), truth.shape[1]))
    importance[live] = _shares(np.sum([table for _, table in read], axis=0))[: live.sum()]
    told = importance[np.ix_(live, sure)]
    losses = np.stack([_loss(truth, one) for one in probed])
    curves = [explicitness(curve) for curve in losses.T[sure]]
    easy = [one for one in curves if one is not None]
    return {
        "disentanglement": disentanglement(told) if told.size else None,
        "completeness": completeness(told) if told.size else None,
        "informativeness": 1 - _loss(truth, predicted),
        "explicitness": float(np.mean(easy)) if easy else None,
        "size": truth.shape[1] / int(live.sum()) if live.any() else None,
        "importance": importance,
        "known": sure,
    }


def disentanglement(importance: ArrayLike) -> float | None:
    """Whether each code serves one parameter, from importances [K, D], none negative.

    The mean over codes of 1 - H, weighted by the sums of the rows; H is the entropy, to the base
    D, of a row as shares. From 0 (every code serves all parameters alike) to 1. None where D is 1
    or nothing has importance. Eastwood and Williams, 2018, section 2.

    >>> disentanglement([[1, 0], [0, 1], [0, 0]]), disentanglement([[1, 1], [2, 2]])
    (1.0, 0.0)
    """
    table = matrix("importance", importance, 1)
    if (table < 0).any():
        raise FddError(f"importance reaches {table.min():.3g}: it must not be negative")
    if table.shape[1] < 2 or not table.any():
        return None
    table = table[table.any(axis=1)] / table.max()
    weights = table.sum(axis=1)
    shares = table / weights[:, None]
    logs = np.log(shares, out=np.zeros_like(shares), where=shares > 0)
    entropy = -(shares * logs).sum(axis=1) / np.log(table.shape[1])
    return float(np.clip(1 - (weights * entropy).sum() / weights.sum(), 0, 1))


def completeness(importance: ArrayLike) -> float | None:
    """Whether each parameter is in one code: `disentanglement` of the transposed importances.

    >>> round(completeness([[1, 0], [0, 1], [0, 1]]), 3)
    0.579
    """
    return disentanglement(matrix("importance", importance, 1).T)


def explicitness(losses: ArrayLike, baseline: float = 1.0) -> float | None:
    """How early the loss-capacity curve of probes falls, from losses [T] at equal steps.

    A probe as good as a smaller one or the baseline is at hand, so the curve is the least loss so
    far, at most the baseline. 1 - A / Z, where A is the area between the curve and its end and Z
    that of the triangle below a straight fall from the baseline to it: 1 where the smallest probe
    is as good as any, 0 for the straight fall, -1 where only the largest does anything. None
    where no loss is below the baseline. Eastwood et al., 2023, section 4.

    >>> explicitness([0.1, 0.1, 0.1]), explicitness([1.0, 0.6, 0.2]), explicitness([1.2, 1.0])
    (1.0, 0.0, None)
    """
    curve = real_array("losses", losses).astype(np.float64)
    if curve.ndim != 1 or len(curve) < 2:
        raise FddError(f"losses has shape {curve.shape}: it must be [T] with at least 2 values")
    curve = np.minimum(np.minimum.accumulate(curve), baseline)
    gain = baseline - curve[-1]
    if not gain > 0:
        return None
    left = (curve - curve[-1]) / gain
    return float(1 - 2 * ((left[1:] + left[:-1]) / 2).mean())


@dataclass(frozen=True)
class _Part:
    """Standardised live codes and params to fit on, and held-out ones; bool [K] `live`.

    One column of zeros stands in where no code is live, so that regressions predict the mean.
    """

    codes: Floats
    params: Floats
    new: Floats
    truth: Floats
    live: NDArray[np.bool_]


def _parts(codes: ArrayLike, params: ArrayLike, test: Test, seed: int) -> list[_Part]:
    """Train and test, or the folds of train."""
    pairs = check_pairs(codes, params, test)
    live = ~constant_columns(pairs.codes)
    held_out = pairs.test or (pairs.codes, pairs.params)
    for name, rows in (("codes", len(pairs.codes)), ("test codes", len(held_out[0]))):
        if rows < FEWEST:
            raise FddError(f"{name} has {rows} rows: DCI needs at least {FEWEST}")
    with np.errstate(over="ignore", invalid="ignore"):
        x, z = standardise(pairs.codes, held_out[0])
        y, truth = standardise(pairs.params, held_out[1])
    for name, array in (("codes", z), ("params", truth)):
        if not np.abs(array).max(initial=0) <= LARGEST:
            raise FddError(f"test {name} lie too far outside the training {name} to be compared")
    if not live.any():
        x, z = np.zeros((len(x), 1)), np.zeros((len(z), 1))
    if pairs.test is not None:
        return [_Part(x, y, z, truth, live)]
    return [_Part(x[a], y[a], x[b], y[b], live) for a, b in folds(len(x), FOLDS, seed)]


def _read(part: _Part, regressor: str, rows: int, seed: int) -> tuple[Floats, Floats]:
    """Predictions [M, D] for the held-out codes, and importances [K, D] (permuted on `rows`)."""
    chosen = np.random.default_rng(seed).permutation(len(part.new))[:rows]
    predicted = np.empty_like(part.truth)
    importance = np.empty((part.new.shape[1], part.truth.shape[1]))
    for d, target in enumerate(part.params.T):
        model = _model(regressor, len(part.codes), seed).fit(part.codes, target)
        predicted[:, d] = model.predict(part.new)
        if regressor == "lasso":
            importance[:, d] = np.abs(model.coef_)
        else:
            found = require("sklearn.inspection").permutation_importance(
                model,
                part.new[chosen],
                part.truth[chosen, d],
                scoring="neg_mean_squared_error",
                n_repeats=1,
                random_state=seed,
            )
            importance[:, d] = found.importances_mean
    return predicted, importance


def _model(regressor: str, rows: int, seed: int) -> Any:
    """An unfitted regression of scikit-learn."""
    if regressor == "lasso":
        split = require("sklearn.model_selection").KFold(FOLDS, shuffle=True, random_state=seed)
        return require("sklearn.linear_model").LassoCV(cv=split, max_iter=100_000, tol=1e-5)
    enough = rows >= 50
    return require("sklearn.ensemble").HistGradientBoostingRegressor(
        random_state=seed, early_stopping=enough, max_iter=300 if enough else 30
    )


def _shares(importance: Floats) -> Floats:
    """Columns that sum to 1, without what is negative; a column of zeros stays."""
    importance = np.maximum(importance, 0)
    total = importance.sum(axis=0)
    return importance / np.where(total > 0, total, 1)


def _loss(truth: Floats, predicted: Floats) -> Floats:
    """float64 [D]: 1 - R2."""
    missed = ((truth - predicted) ** 2).sum(axis=0)
    return np.asarray(missed / ((truth - truth.mean(axis=0)) ** 2).sum(axis=0))


def _known(truth: Floats, predicted: Floats, seed: int) -> NDArray[np.bool_]:
    """bool [D]: whose R2 permuting the truth seldom reaches. (The covariance ranks draws as R2.)"""
    rng, (rows, count) = np.random.default_rng(seed), truth.shape
    y, guess = truth - truth.mean(axis=0), predicted - predicted.mean(axis=0)
    draws = max(DRAWS, 1 + int(count / LEVEL))  # or p could not get down to the level
    null = [(y[rng.permutation(rows)] * guess).mean(axis=0) for _ in range(draws)]
    return np.asarray(floor_of((y * guess).mean(axis=0), null).p <= LEVEL / count)


def _probes(part: _Part, seed: int) -> Floats:
    """float64 [T, M, D]: predictions of ridge regressions on the codes and ever more features.

    These are random Fourier features of Gaussian kernels with the WIDTHS, in turn (Rahimi and
    Recht, Random features for large-scale kernel machines, 2007).
    """
    rng, count, most = np.random.default_rng(seed), part.codes.shape[1], max(FEATURES)
    waves = rng.normal(size=(count, most)) / np.sqrt(count) / np.resize(WIDTHS, most)
    shift = rng.uniform(0, 2 * np.pi, size=most)
    x, z = (
        np.concatenate([codes, np.sqrt(2) * np.cos(codes @ waves + shift)], axis=1)
        for codes in (part.codes, part.new)
    )
    predicted = np.empty((len(FEATURES), *part.truth.shape))
    for step, features in enumerate(FEATURES):
        model = require("sklearn.linear_model").RidgeCV(
            alphas=np.array(PENALTIES) * len(x), alpha_per_target=True
        )
        model.fit(x[:, : count + features], part.params)
        predicted[step] = model.predict(z[:, : count + features]).reshape(part.truth.shape)
    return predicted
