"""DCI-ES: which code stands for which parameter, how well, and how easily it is read."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmarks.codes.importances import importance_of, loss, probe_codes, read_codes
from benchmarks.statistics.arrays import Floats, Test, generator, matrix, real_array
from benchmarks.statistics.permutation import floor_of
from fdd.defaults import with_defaults
from fdd.errors import FddError

DRAWS = 999
LEVEL = 0.05


@with_defaults
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
    codes : array [N, K], N at least 10; constant columns are dropped and change nothing
    params : array [N, D]
    test : pair of arrays [M, K] and [M, D], M at least 10, on which R2, the importances of
        "boosting" and the losses of the probes are computed. Without it, 5-fold cross-validation
        (folds drawn by `seed`): held-out predictions are pooled and importances averaged; never
        in-sample, and 3 times as slow.
    regressor : "boosting": histogram gradient boosting as in `nonlinear_r2`; importance is the
        rise of the held-out squared error when a code is permuted. "lasso": penalty chosen by
        5-fold cross-validation; importance is |coefficient| of standardised codes.
    max_rows : codes are permuted on at most this many held-out rows, drawn by `seed`
    seed : of folds, fits and permutations

    Returns
    -------
    dict of "disentanglement", "completeness": float from 0 to 1 (best), or None; "explicitness":
    float from -1 to 1 (best), or None; "informativeness": float64 [D], at most 1 (best), chance
    just below 0; "known": bool [D]; "size": float, D / K without constant codes, None where none
    is left; "importance": float64 [K, D], columns that sum to 1 (or are 0).

    A parameter is known where a permutation test of the held-out predictions (at least 999
    draws, level 0.05 / D) tells its R2 from chance. Only known parameters count for the first
    three: the importances of a fit to noise are not evidence, and can look perfect. So the scores
    have no chance level, but are None: completeness and explicitness where no parameter is known,
    disentanglement where fewer than two are, and completeness where fewer than two codes vary.
    What the importances of a fit to noise give is the permutation baseline of a result
    (`benchmarks.protocol.boosting`).

    Notes
    -----
    Regressors differ, so report two: of six parameters in 32 codes, tanh(W v) with random W and
    some noise, "boosting" has disentanglement 0.5 and completeness 0.3, "lasso" 0.15 and 0.09. A
    rotated code scores low for both (0 for two parameters rotated by 45 degrees) and 1 for
    explicitness. A duplicated code shares the importance of its twin, which costs completeness;
    noise codes raise completeness, whose unit is log K. Correlated parameters blur all three. Which
    parameters are known decides what disentanglement means: compare it only where they are the
    same. Unchanged by scaling and shifting codes and parameters and, apart from the draws of
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
    reading = read_codes(codes, params, test, regressor=regressor, max_rows=max_rows, seed=seed)
    sure = known_columns(reading.truth, reading.predicted, seed)
    found = importance_of(reading.rise)
    importance = np.zeros((len(reading.live), len(sure)))
    importance[reading.live] = found[: reading.live.sum()]
    losses = loss(*probe_codes(codes, params, test, seed=seed))
    return {
        **parts_of(importance[np.ix_(reading.live, sure)], losses[:, sure]),
        "informativeness": 1 - loss(reading.truth, reading.predicted),
        "size": len(sure) / int(reading.live.sum()) if reading.live.any() else None,
        "importance": importance,
        "known": sure,
    }


def parts_of(importance: Floats, losses: Floats) -> dict[str, float | None]:
    """ "disentanglement", "completeness" and "explicitness" of tables for the same parameters.

    importance: [K, D], as from `importance_of`. losses: [T, D], 1 - R2 of probes of growing
    capacity; explicitness is the mean over the parameters that have one. None where there is
    nothing to average.
    """
    curves = [explicitness(curve) for curve in losses.T]
    easy = [one for one in curves if one is not None]
    return {
        "disentanglement": disentanglement(importance) if importance.size else None,
        "completeness": completeness(importance) if importance.size else None,
        "explicitness": float(np.mean(easy)) if easy else None,
    }


@with_defaults
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


@with_defaults
def completeness(importance: ArrayLike) -> float | None:
    """Whether each parameter is in one code: `disentanglement` of the transposed importances.

    >>> round(completeness([[1, 0], [0, 1], [0, 1]]), 3)
    0.579
    """
    return disentanglement(matrix("importance", importance, 1).T)


@with_defaults
def explicitness(losses: ArrayLike, baseline: float = 1.0) -> float | None:
    """How early the loss-capacity curve of probes falls, from losses [T] at equal steps.

    A smaller probe or the baseline can always stand in, so the curve is the least loss so far, at
    most the baseline. 1 - A / Z, where A is the area between the curve and its end and Z
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


def known_columns(truth: Floats, predicted: Floats, seed: int = 0) -> NDArray[np.bool_]:
    """bool [D]: the parameters that `dci` calls known, from columns [M, D] of held-out rows."""
    rng, (rows, count) = generator(seed), truth.shape
    y, guess = truth - truth.mean(axis=0), predicted - predicted.mean(axis=0)
    draws = max(DRAWS, 1 + int(count / LEVEL))  # or p could not get down to the level
    # the covariance ranks draws as R2 does
    null = [(y[rng.permutation(rows)] * guess).mean(axis=0) for _ in range(draws)]
    return np.asarray(floor_of((y * guess).mean(axis=0), null).p <= LEVEL / count)
