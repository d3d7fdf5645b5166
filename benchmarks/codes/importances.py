"""What regressions read from codes, and which code they read it from: what DCI is made of."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmarks.statistics import boosted
from benchmarks.statistics.arrays import (
    LARGEST,
    Floats,
    Test,
    check_pairs,
    constant_columns,
    folds,
    generator,
    require,
    standardise,
)
from benchmarks.statistics.regressors import WIDTHS
from fdd.errors import FddError, known, whole_number

FOLDS = 5
REGRESSORS = ("boosting", "lasso")
FEATURES = (0, 8, 16, 32, 64, 128, 256)  # random Fourier features of the probes, one capacity each
PENALTIES = tuple(10.0**power for power in range(-7, 2))  # of the probes, per row
FEWEST = 10  # rows to fit on, and rows to score on


@dataclass(frozen=True)
class Reading:
    """What the regressions of `dci` read from held-out rows.

    predicted, truth: float64 [M, D], standardised. rise: [R, K, D], for the rows that codes are
    permuted on the rise of a row's squared error when a live code is permuted (of "lasso": its
    |coefficient|, for every row), over the number of such rows. live: bool, which codes vary.
    """

    predicted: Floats
    truth: Floats
    rise: Floats
    live: NDArray[np.bool_]


def read_codes(
    codes: ArrayLike,
    params: ArrayLike,
    test: Test = None,
    *,
    regressor: str = "boosting",
    max_rows: int = 2000,
    seed: int = 0,
) -> Reading:
    """Fits the regressions of `dci`, a parameter each; arguments and errors as there.

    Importances and R2 on other held-out rows come from sums over these rows, without another fit.
    """
    known("regressor", regressor, REGRESSORS)
    max_rows = whole_number("max_rows", max_rows, 2)
    parts = _parts(codes, params, test, seed)
    read = [_read(part, regressor, -(-max_rows // len(parts)), seed) for part in parts]
    return Reading(
        np.concatenate([predicted for predicted, _ in read]),
        np.concatenate([part.truth for part in parts]),
        np.concatenate([rise for _, rise in read]),
        parts[0].live,
    )


def probe_codes(
    codes: ArrayLike, params: ArrayLike, test: Test = None, *, seed: int = 0
) -> tuple[Floats, Floats]:
    """The truth [M, D] of held-out rows, and what probes of growing capacity read, [T, M, D]."""
    parts = _parts(codes, params, test, seed)
    read = [_probes(part, seed) for part in parts]
    return np.concatenate([part.truth for part in parts]), np.concatenate(read, axis=1)


def importance_of(rise: Floats) -> Floats:
    """Importances [K, D] on rows [R, K, D] of a `Reading`: columns that sum to 1, or are 0."""
    importance = np.maximum(rise.sum(axis=0), 0)
    total = importance.sum(axis=0)
    return np.asarray(importance / np.where(total > 0, total, 1))


def loss(truth: Floats, predicted: Floats) -> Floats:
    """1 - R2 of each column: truth [M, D], predicted [..., M, D] -> float64 [..., D]."""
    missed = ((truth - predicted) ** 2).sum(axis=-2)
    return np.asarray(missed / ((truth - truth.mean(axis=0)) ** 2).sum(axis=0))


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
    """Predictions [M, D] for the held-out codes; a `Reading`'s rise on at most `rows` of them."""
    chosen = generator(seed).permutation(len(part.new))[:rows]
    predicted = np.empty_like(part.truth)
    rise = np.empty((len(chosen), part.new.shape[1], part.truth.shape[1]))
    if regressor == "lasso":
        split = require("sklearn.model_selection").KFold(FOLDS, shuffle=True, random_state=seed)
        lasso = require("sklearn.linear_model").LassoCV(cv=split, max_iter=100_000, tol=1e-5)
        for d, target in enumerate(part.params.T):
            model = lasso.fit(part.codes, target)
            predicted[:, d] = model.predict(part.new)
            rise[..., d] = np.abs(model.coef_)
    else:
        ready, bins = _binned(*_bytes(part.codes), *_bytes(part.new), seed)
        for d, target in enumerate(part.params.T):
            model = boosted.fitted(ready, target)
            predicted[:, d] = model.predict(bins)
            rise[..., d] = _rise(model, bins[chosen], part.truth[chosen, d], seed)
    return predicted, rise / len(chosen)


def _bytes(array: Floats) -> tuple[bytes, tuple[int, ...]]:
    return array.tobytes(), array.shape


@functools.lru_cache(maxsize=1)  # the draws of a permutation baseline have the same codes
def _binned(
    codes: bytes, shape: tuple[int, ...], new: bytes, new_shape: tuple[int, ...], seed: int
) -> tuple[boosted.Binned, boosted.Bins]:
    """Codes ready to be fitted on, and the bins of held-out ones; both as bytes of float64."""
    ready = boosted.binned(np.frombuffer(codes).reshape(shape), seed)
    return ready, ready.of(np.frombuffer(new).reshape(new_shape))


def _rise(model: boosted.Model, bins: boosted.Bins, target: Floats, seed: int) -> Floats:
    """float64 [R, K]: the rise of each row's squared error when each code is permuted.

    In the order that `sklearn.inspection.permutation_importance` takes, which is one for all codes.
    """
    rng = np.random.RandomState(seed)
    order = np.random.RandomState(rng.randint(np.iinfo(np.int32).max + 1)).permutation(len(bins))
    before = (model.predict(bins) - target) ** 2
    after = (model.predict_permuted(bins, order) - target[:, None]) ** 2
    return np.asarray(after - before[:, None])


def _probes(part: _Part, seed: int) -> Floats:
    """float64 [T, M, D]: predictions of ridge regressions on the codes and ever more features.

    These are random Fourier features of Gaussian kernels with the WIDTHS, in turn (Rahimi and
    Recht, Random features for large-scale kernel machines, 2007).
    """
    rng, count, most = generator(seed), part.codes.shape[1], max(FEATURES)
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
