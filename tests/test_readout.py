"""Linear and nonlinear R2 are what regressions read from codes, on rows that these never saw."""

import doctest
from functools import partial

import numpy as np
import pytest
from conftest import scored, split
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score
from sklearn.preprocessing import StandardScaler

from benchmarks.codes import readout
from benchmarks.scores import linear_r2, nonlinear_r2, permutation_floor, predict
from benchmarks.statistics import arrays, regressors
from fdd import FddError

SCORES = {
    "linear_r2": linear_r2,
    "nonlinear_r2": nonlinear_r2,
    "boosting": partial(nonlinear_r2, regressor="boosting"),
}


@pytest.mark.parametrize("module", [readout, regressors])
def test_examples_in_docstrings(module):
    assert doctest.testmod(module).failed == 0


@pytest.mark.parametrize("name", SCORES)
def test_identity_scores_one(name, params):
    least = {"nonlinear_r2": 0.9999, "boosting": 0.95}.get(name, 1 - 1e-12)
    assert np.min(scored(SCORES[name], params, params)) >= least


@pytest.mark.parametrize("name", SCORES)
def test_noise_scores_the_floor(name, params):
    noise = np.random.default_rng(3).normal(size=(500, 4))
    (x, tx), (y, ty) = split(noise, 300), split(params, 300)
    batch = 19 if name in ("linear_r2", "nonlinear_r2") else 1
    floor = permutation_floor(SCORES[name], x, y, (tx, ty), draws=19, seed=5, batch=batch)
    assert np.all(floor.p > 0.05)
    assert np.all(np.abs(floor.score - floor.chance) < 0.1)


def test_a_rotation_loses_nothing(params):
    rotation = np.linalg.qr(np.random.default_rng(4).normal(size=(3, 3)))[0]
    codes = params @ rotation
    np.testing.assert_allclose(scored(linear_r2, codes, params), 1, atol=1e-12)
    assert scored(nonlinear_r2, codes, params).min() > 0.9999


def test_linear_r2_is_scikit_learns(params, mixed):
    (x, tx), (y, ty) = split(mixed, 300), split(params, 300)
    want = r2_score(ty, LinearRegression().fit(x, y).predict(tx), multioutput="raw_values")
    np.testing.assert_allclose(linear_r2(x, y, test=(tx, ty)), want, atol=1e-12)


def test_linear_r2_by_hand():
    # slope 1, intercept 0 on train; test misses by 1 and 0 around a mean of 3: 1 - 1 / 2
    assert linear_r2([[0], [1]], [[0], [1]], test=([[1], [4]], [[2], [4]])) == pytest.approx(0.5)


@pytest.mark.parametrize("rounding", [0, 1e-14])
def test_duplicated_codes_change_no_linear_r2(params, mixed, rounding):
    noise = np.random.default_rng(0).normal(size=mixed.shape)
    twice = np.column_stack([mixed, mixed * (1 + rounding * noise), mixed[:, :1]])
    np.testing.assert_allclose(
        scored(linear_r2, twice, params), scored(linear_r2, mixed, params), atol=1e-9
    )


def test_more_codes_than_rows_interpolate_and_are_scored_on_other_rows():
    rng = np.random.default_rng(0)
    codes, params = rng.normal(size=(60, 100)), rng.normal(size=(60, 1))
    in_sample = LinearRegression().fit(codes, params).score(codes, params)
    assert in_sample == pytest.approx(1)
    assert linear_r2(codes, params)[0] < 0.1


@pytest.mark.parametrize("fit", [linear_r2, nonlinear_r2])
def test_without_test_every_row_is_predicted_from_the_other_folds(fit, params, mixed):
    x, y = mixed[:100], params[:100]
    predicted = np.empty_like(y)
    for train, held_out in arrays.folds(100, 5, seed=3):
        assert not set(train) & set(held_out)
        how = "linear" if fit is linear_r2 else "kernel"
        predicted[held_out] = predict(x[train], y[train], x[held_out], regressor=how, seed=3)
    want = r2_score(y, predicted, multioutput="raw_values")
    np.testing.assert_allclose(fit(x, y, seed=3), want, atol=1e-9)


def test_kernel_finds_what_linear_cannot(params):
    codes = params[:, :2]
    target = np.column_stack([codes[:, 0] ** 2, np.sin(4 * codes[:, 1]), codes.prod(axis=1)])
    assert scored(linear_r2, codes, target).max() < 0.1
    assert scored(nonlinear_r2, codes, target).min() > 0.99


def test_kernel_width_and_penalty_are_those_of_leave_one_out(params, mixed):
    noise = np.random.default_rng(0).normal(size=(30, 20))  # of which many choices are nearly best
    targets = np.concatenate([params[:30], noise], axis=1)
    x, y = StandardScaler().fit_transform(mixed[:30]), targets - targets.mean(axis=0)
    models, missed = [], []
    for width in regressors.WIDTHS:
        for penalty in regressors.PENALTIES:
            gamma = 1 / (2 * x.shape[1] * width**2)
            model = KernelRidge(kernel="rbf", gamma=gamma, alpha=penalty)
            others = [np.delete(np.arange(30), row) for row in range(30)]
            left_out = [
                model.fit(x[rows], y[rows]).predict(x[[i]]) for i, rows in enumerate(others)
            ]
            missed.append(((np.concatenate(left_out) - y) ** 2).sum(axis=0))
            models.append(model)
    best = np.argmin(missed, axis=0)
    assert len(set(best)) > 1
    found = predict(mixed[:30], targets, mixed[:30], regressor="kernel")
    for column, choice in enumerate(best):
        want = models[choice].fit(x, y[:, column]).predict(x) + targets[:, column].mean()
        np.testing.assert_allclose(found[:, column], want, atol=1e-6)


def test_kernel_is_fitted_on_at_most_max_rows_drawn_by_the_seed(params, mixed):
    few = [scored(partial(nonlinear_r2, max_rows=50, seed=s), mixed, params) for s in (0, 0, 1)]
    np.testing.assert_array_equal(few[0], few[1])
    assert np.all(few[0] != few[2])
    assert few[0].sum() < scored(nonlinear_r2, mixed, params).sum()


GOOD = np.random.default_rng(0).normal(size=(9, 2))


def test_codes_far_outside_the_training_codes_are_an_error_not_an_infinity():
    far = (GOOD * 1e90, GOOD)
    with pytest.raises(FddError, match=r"^test codes lie too far outside the training codes: "):
        linear_r2(GOOD * 1e-100, GOOD, test=far)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"regressor": "forest"},
            "regressor='forest' is not known; choose from kernel, boosting, neighbours",
        ),
        ({"max_rows": 1}, "max_rows=1 must be a whole number of at least 2"),
    ],
)
def test_bad_options_are_named(options, message):
    with pytest.raises(FddError) as caught:
        nonlinear_r2(GOOD, GOOD, **options)
    assert str(caught.value) == message
