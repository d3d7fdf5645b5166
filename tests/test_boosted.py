"""Boosted trees are scikit-learn's, bit for bit."""

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.inspection import permutation_importance

from benchmarks.codes.importances import importance_of, read_codes
from benchmarks.statistics.boosted import binned, fitted

RNG = np.random.default_rng(0)
CODES, NEW = RNG.normal(size=(1200, 4)), RNG.normal(size=(300, 4))
BENT = np.tanh(CODES @ [1, -1, 0.5, 0])
NOISE = RNG.uniform(-1, 1, 1200)
ALIKE = CODES[:, :1] * [1, -2, 3, 1]
CASES = {
    "bends": (CODES, BENT + 0.1 * NOISE),
    "noise": (CODES, NOISE),
    "few values": (CODES.round(), BENT),
    "as many values as bins": (np.tile(RNG.permutation(255), 4)[:, None], NOISE[:1020]),
    "codes that follow from each other": (ALIKE, np.sin(3 * CODES[:, 0]) + NOISE),
    "steps": (CODES, np.sign(BENT)),
    "too few rows to hold any back": (CODES[:49], BENT[:49]),
    "just enough": (CODES[:50], BENT[:50]),
    "too few rows for a leaf": (CODES[:12], BENT[:12]),
    "a constant code": (np.zeros((60, 1)), BENT[:60]),
}


def reference(codes, target, seed):
    enough = len(codes) >= 50
    return HistGradientBoostingRegressor(
        random_state=seed, early_stopping=enough, max_iter=300 if enough else 30
    ).fit(codes, target)


@pytest.mark.parametrize("seed", [0, 7])
@pytest.mark.parametrize("name", CASES)
def test_predictions_are_those_of_scikit_learn_to_the_bit(name, seed):
    codes, target = CASES[name]
    new = np.concatenate([codes, 3 * NEW[:, : codes.shape[1]]])
    ready = binned(codes, seed)
    model, want = fitted(ready, target), reference(codes, target, seed)
    assert len(model.splits) == want.n_iter_
    np.testing.assert_array_equal(model.predict(ready.of(new)), want.predict(new))


def test_one_binning_serves_many_targets():
    ready = binned(CODES, 3)
    for target in (NOISE, BENT, NOISE[::-1]):
        found = fitted(ready, target).predict(ready.of(NEW))
        np.testing.assert_array_equal(found, reference(CODES, target, 3).predict(NEW))


def test_importances_are_those_of_scikit_learn():
    codes = (CODES - CODES.mean(axis=0)) / CODES.std(axis=0)
    target, truth = (BENT - BENT.mean()) / BENT.std(), np.tanh(NEW @ [1, -1, 0.5, 0])[:, None]
    found = read_codes(codes, target[:, None], (NEW, truth), seed=5)
    rows = np.random.default_rng(5).permutation(300)
    want = permutation_importance(
        reference(codes, target, 5),
        NEW[rows],
        truth[rows, 0],
        n_repeats=1,
        random_state=5,
        scoring="neg_mean_squared_error",
    )
    rise = np.maximum(want.importances_mean, 0)
    np.testing.assert_allclose(importance_of(found.rise)[:, 0], rise / rise.sum(), atol=1e-12)
