"""Regressions that scores fit: codes [N, K], targets [N, D], new codes [M, K] -> [M, D].

Each treats the columns of the targets separately, standardises the codes by the rows it is fitted
on, drops codes that are constant there, and predicts the mean where nothing else is left. The
arrays must have been checked (`arrays.check_pairs`).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.statistics import boosted
from benchmarks.statistics.arrays import (
    Floats,
    constant_columns,
    generator,
    regular_factor,
    require,
    standardise,
)

Regressor = Callable[[Floats, Floats, Floats], Floats]

WIDTHS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
PENALTIES = (1e-6, 1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0, 1000.0)
CLOSE = 1e-4  # errors in float32 that differ by less may have another order; they are right to 1e-6


def linear(codes: Floats, targets: Floats, new: Floats) -> Floats:
    """Least squares with an intercept; the smallest solution where there is no unique one.

    Of stacks of codes [B, N, K] or of targets [B, N, D], predictions [B, M, D].
    """
    mean = targets.mean(axis=-2, keepdims=True)
    if constant_columns(codes).all():
        return np.repeat(mean, new.shape[-2], axis=-2)
    x, z = standardise(codes, new)
    return np.asarray(z @ _least_squares(x, targets - mean) + mean)


def _least_squares(x: Floats, y: Floats) -> Floats:
    """The smallest least-squares solution [K, D] of x [N, K] for y [N, D]; of stacks, a stack."""
    factor = regular_factor(x)
    if factor is None:
        # what is smaller than that is rounding, as `lstsq` has it, which takes no stacks
        return np.asarray(np.linalg.pinv(x, rcond=max(x.shape[-2:]) * np.finfo(float).eps) @ y)
    half = np.linalg.solve(factor, np.swapaxes(x, -1, -2) @ y)
    return np.asarray(np.linalg.solve(np.swapaxes(factor, -1, -2), half))


def kernel(
    codes: Floats,
    targets: Floats,
    new: Floats,
    *,
    max_rows: int = 2000,
    search_rows: int = 1000,
    seed: int = 0,
) -> Floats:
    """Ridge regression with the kernel exp(-|x - y|^2 / (2 K m^2)) on standardised codes.

    For each target the relative width m (of WIDTHS) and the penalty (of PENALTIES) are those with
    the smallest leave-one-out error on `search_rows` rows drawn by `seed`; it is then fitted on
    `max_rows`.
    """
    mean = targets.mean(axis=0)
    if constant_columns(codes).all():
        return np.tile(mean, (len(new), 1))
    linalg, rbf = require("scipy.linalg"), _rbf()
    rows = generator(seed).permutation(len(codes))[:max_rows]
    x, z = standardise(codes, new)
    x, y = x[rows], (targets - mean)[rows]
    gammas = [1 / (2 * x.shape[1] * width**2) for width in WIDTHS]
    best = _least_leave_one_out(x[:search_rows], y[:search_rows], gammas)
    widths, penalties = np.divmod(best, len(PENALTIES))
    predicted = np.empty((len(new), targets.shape[1]))
    for width in np.unique(widths):
        within, across = (rbf(rows, x, gamma=gammas[width]) for rows in (x, z))
        for penalty in np.unique(penalties[widths == width]):
            chosen = np.flatnonzero((widths == width) & (penalties == penalty))
            ridge = within.copy()
            ridge.flat[:: len(x) + 1] += PENALTIES[penalty]
            factor = linalg.cho_factor(ridge, overwrite_a=True, check_finite=False)
            solve = partial(linalg.cho_solve, factor, check_finite=False)
            if len(chosen) > len(z):  # what is read of a target as a map: solved once for all
                predicted[:, chosen] = solve(across.T).T @ y[:, chosen]
            else:
                predicted[:, chosen] = across @ solve(y[:, chosen])
    return np.asarray(predicted + mean)


def _rbf() -> Any:
    return require("sklearn.metrics.pairwise").rbf_kernel


def _least_leave_one_out(x: Floats, y: Floats, gammas: list[float]) -> NDArray[np.int64]:
    """int64 [D]: per column of y, the index (gamma x penalty) with the least leave-one-out error.

    With the kernel matrix Q L Q' and R = Q (1 / (L + penalty)) Q', the prediction for row i from
    all others misses it by (R y)_i / R_ii, so one decomposition serves all penalties and targets
    (Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, equation 5.12).
    """
    size = np.abs(y).max(axis=0)
    y = y / np.where(size > 0, size, 1)  # so that float32 holds its squares
    spectra = _spectra(x.tobytes(), x.shape, tuple(gammas))
    errors = np.empty((len(gammas), len(PENALTIES), y.shape[1]))
    least = np.full(y.shape[1], np.inf)
    for i, (values, vectors, own) in enumerate(spectra):
        single = vectors.astype(np.float32)
        rotated = single.T @ y.astype(np.float32)
        for j in reversed(range(len(PENALTIES))):  # noise is read best with the largest penalty
            limits = (1 + CLOSE) * least
            errors[i, j] = _errors(values, single, own[j], PENALTIES[j], rotated, limits)
            least = np.minimum(least, errors[i, j])
    # float32 takes half the time and tells most choices apart; float64 decides among the others
    close = errors <= (1 + CLOSE) * least
    errors[~close] = np.inf
    for i, (values, vectors, own) in enumerate(spectra):
        for j, penalty in enumerate(PENALTIES):
            columns = np.flatnonzero(close[i, j])
            double, limits = vectors.T @ y[:, columns], 2 * least[columns]
            errors[i, j, columns] = _errors(values, vectors, own[j], penalty, double, limits)
    return np.asarray(errors.reshape(-1, y.shape[1]).argmin(axis=0))


@functools.lru_cache(maxsize=1)  # calls for other targets of the same codes follow each other
def _spectra(
    x: bytes, shape: tuple[int, ...], gammas: tuple[float, ...]
) -> list[tuple[Floats, Floats, Floats]]:
    """Eigenvalues and eigenvectors of the kernel matrix of each width, and R_ii of each penalty,
    [penalties, N]; x: the bytes of float64."""
    rows, rbf = np.frombuffer(x).reshape(shape), _rbf()
    found = []
    for gamma in gammas:
        values, vectors = np.linalg.eigh(rbf(rows, gamma=gamma))
        weights = [_weights(values, penalty) for penalty in PENALTIES]
        found.append((values, vectors, np.stack(weights) @ (vectors**2).T))
    return found


def _weights(values: Floats, penalty: float) -> Floats:
    return 1 / (np.maximum(values, 0) + penalty)


def _errors(
    values: Floats,
    vectors: NDArray[Any],
    own: Floats,
    penalty: float,
    rotated: NDArray[Any],
    limits: Floats,
) -> Floats:
    """float64 [D]: the leave-one-out errors of targets [N, D] from Q'y, infinite above limits [D].

    own: R_ii [N]. Vectors and Q'y are both float32 or both float64. The sum of all (R y)_i^2 is
    known at once. So the rows with the smallest R_ii come first, and a target is done with when
    what is left, over the largest R_ii^2, would lift it above its limit.
    """
    weights = _weights(values, penalty)
    left = (weights**2).astype(rotated.dtype) @ rotated**2
    errors, open_ = np.zeros(rotated.shape[1]), np.arange(rotated.shape[1])
    order = np.argsort(own)
    for rows in np.split(order, [len(order) // 4]):
        open_ = open_[errors[open_] + left[open_] / own.max() ** 2 <= limits[open_]]
        ways = weights.astype(rotated.dtype)
        if len(open_) < len(rows):  # the smaller of both is scaled
            residuals = vectors[rows] @ (ways[:, None] * rotated[:, open_])
        else:
            residuals = (vectors[rows] * ways) @ rotated[:, open_]
        residuals **= 2
        errors[open_] += residuals.T @ (1 / own[rows] ** 2).astype(rotated.dtype)
        left[open_] -= residuals.sum(axis=0)
    found = np.full_like(errors, np.inf)
    found[open_] = errors[open_]
    return found


def boosting(codes: Floats, targets: Floats, new: Floats, *, seed: int = 0) -> Floats:
    """Histogram gradient boosting, a model a target, stopped early on a tenth of the rows.

    With fewer than 50 rows, none are held back for that and 30 trees are grown.
    """
    x, z = codes, new
    if not constant_columns(codes).all():
        x, z = standardise(codes, new)
    ready = boosted.binned(x, seed)
    bins = ready.of(z)
    columns = [boosted.fitted(ready, target).predict(bins) for target in targets.T]
    return np.stack(columns, axis=1)


def neighbours(codes: Floats, targets: Floats, new: Floats, *, count: int = 10) -> Floats:
    """The mean of the `count` nearest rows (of all, where there are fewer)."""
    if constant_columns(codes).all():
        return np.tile(targets.mean(axis=0), (len(new), 1))
    x, z = standardise(codes, new)
    model = require("sklearn.neighbors").KNeighborsRegressor(min(count, len(x)))
    return np.asarray(model.fit(x, targets).predict(z))
