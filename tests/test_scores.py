"""Scores of codes against parameters say what their mathematics says, and never NaN."""

import doctest
import itertools
from functools import partial

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment
from scipy.stats import spearmanr
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV, LeaveOneOut
from sklearn.preprocessing import StandardScaler

from benchmarks.codes import matching, readout
from benchmarks.codes.matching import assigned
from benchmarks.scores import (
    correlations,
    linear_r2,
    mcc,
    nonlinear_r2,
    permutation_floor,
    predict,
)
from benchmarks.statistics import arrays, permutation, regressors

SCORES = {
    "linear_r2": linear_r2,
    "nonlinear_r2": nonlinear_r2,
    "boosting": partial(nonlinear_r2, regressor="boosting"),
    "mcc": mcc,
    "mcc spearman": partial(mcc, correlation="spearman"),
    "mcc affine": partial(mcc, alignment="affine"),
}
NO_TEST_NEEDED = [name for name in SCORES if name != "mcc affine"]


def split(array, at):
    return array[:at], array[at:]


def scored(score, codes, params, train=300):
    (x, tx), (y, ty) = split(codes, train), split(params, train)
    return score(x, y, test=(tx, ty))


@pytest.fixture
def params():
    return np.random.default_rng(1).uniform(-1, 1, size=(500, 3))


@pytest.fixture
def mixed(params):
    """Codes that know the parameters in part: linear, nonlinear, noise."""
    noise = np.random.default_rng(2).normal(size=(500, 2))
    return np.column_stack([params[:, 0] + params[:, 1], params[:, 2] ** 3, noise])


@pytest.mark.parametrize("module", [arrays, regressors, permutation, matching, readout])
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


def test_a_rotation_scores_as_theory_says(params):
    rotation = np.linalg.qr(np.random.default_rng(4).normal(size=(3, 3)))[0]
    codes = params @ rotation
    np.testing.assert_allclose(scored(linear_r2, codes, params), 1, atol=1e-12)
    assert scored(partial(mcc, alignment="affine"), codes, params) == pytest.approx(1, abs=1e-12)
    assert scored(nonlinear_r2, codes, params).min() > 0.9999


def test_strong_mcc_of_a_turn_by_45_degrees_is_one_over_root_two():
    params = np.array(list(itertools.product([-1.0, 1.0], repeat=2)) * 5)
    codes = params @ np.array([[1, 1], [-1, 1]]) / np.sqrt(2)
    assert mcc(codes, params) == pytest.approx(1 / np.sqrt(2), abs=1e-12)


@pytest.mark.parametrize("name", ["linear_r2", "mcc", "mcc spearman", "mcc affine", "nonlinear_r2"])
def test_order_scale_sign_and_offset_of_codes_do_not_matter(name, params, mixed):
    changed = mixed[:, [2, 0, 3, 1]] * [-1e-6, 3, 1e5, -1] + [7, -1e3, 0, 1]
    want = scored(SCORES[name], mixed, params)
    np.testing.assert_allclose(scored(SCORES[name], changed, params), want, atol=1e-6)


@pytest.mark.parametrize("name", ["linear_r2", "nonlinear_r2", "boosting"])
def test_r2_follows_its_parameter_and_not_the_unit_of_it(name, params, mixed):
    want = scored(SCORES[name], mixed, params)
    changed = params[:, [2, 0, 1]] * [1e-9, -5, 1e9] + [3, 0, -1e9]
    np.testing.assert_allclose(scored(SCORES[name], mixed, changed), want[[2, 0, 1]], atol=1e-6)


@pytest.mark.parametrize("name", SCORES)
def test_dead_codes_do_not_matter(name, params, mixed):
    dead = np.column_stack([np.full(500, 0.1), mixed, np.zeros(500)])
    want = scored(SCORES[name], mixed, params)
    np.testing.assert_allclose(scored(SCORES[name], dead, params), want, atol=1e-9)


@pytest.mark.parametrize("name", SCORES)
def test_only_dead_codes_score_no_more_than_nothing(name, params):
    score = scored(SCORES[name], np.ones((500, 2)), params)
    assert np.all(np.abs(score) < 0.02)
    assert np.all(score <= 0)


@pytest.mark.parametrize("name", SCORES)
def test_the_same_call_gives_the_same_number(name, params, mixed):
    first, second = (scored(SCORES[name], mixed, params) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_linear_r2_is_scikit_learns(params, mixed):
    (x, tx), (y, ty) = split(mixed, 300), split(params, 300)
    want = r2_score(ty, LinearRegression().fit(x, y).predict(tx), multioutput="raw_values")
    np.testing.assert_allclose(linear_r2(x, y, test=(tx, ty)), want, atol=1e-12)


def test_linear_r2_by_hand():
    # slope 1, intercept 0 on train; test misses by 1 and 0 around a mean of 3: 1 - 1 / 2
    assert linear_r2([[0], [1]], [[0], [1]], test=([[1], [4]], [[2], [4]])) == pytest.approx(0.5)


def test_duplicated_codes_change_no_linear_r2(params, mixed):
    twice = np.column_stack([mixed, mixed, mixed[:, :1]])
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


def test_folds_hold_every_row_out_once():
    held_out = np.concatenate([held for _, held in arrays.folds(23, 5, seed=0)])
    assert sorted(held_out) == list(range(23))


def test_kernel_finds_what_linear_cannot(params):
    codes = params[:, :2]
    target = np.column_stack([codes[:, 0] ** 2, np.sin(4 * codes[:, 1]), codes.prod(axis=1)])
    assert scored(linear_r2, codes, target).max() < 0.1
    assert scored(nonlinear_r2, codes, target).min() > 0.99


def test_kernel_width_and_penalty_are_those_of_leave_one_out(params, mixed, monkeypatch):
    monkeypatch.setattr(regressors, "WIDTHS", (0.5, 1.0, 4.0))
    monkeypatch.setattr(regressors, "PENALTIES", (1e-3, 0.1, 10.0))
    x, y = StandardScaler().fit_transform(mixed[:40]), params[:40] - params[:40].mean(axis=0)
    gammas = [1 / (2 * x.shape[1] * width**2) for width in regressors.WIDTHS]
    grid = {"gamma": gammas, "alpha": list(regressors.PENALTIES)}
    for column in range(3):
        search = GridSearchCV(
            KernelRidge(kernel="rbf"), grid, cv=LeaveOneOut(), scoring="neg_mean_squared_error"
        ).fit(x, y[:, column])
        want = search.best_estimator_.predict(x) + params[:40, column].mean()
        found = predict(mixed[:40], params[:40], mixed[:40], regressor="kernel")[:, column]
        np.testing.assert_allclose(found, want, atol=1e-6)


def test_kernel_is_fitted_on_at_most_max_rows_drawn_by_the_seed(params, mixed):
    few = [scored(partial(nonlinear_r2, max_rows=50, seed=s), mixed, params) for s in (0, 0, 1)]
    np.testing.assert_array_equal(few[0], few[1])
    assert np.all(few[0] != few[2])
    assert few[0].sum() < scored(nonlinear_r2, mixed, params).sum()


@pytest.mark.parametrize("correlation", ["pearson", "spearman"])
@pytest.mark.parametrize("codes_count", [3, 7])
def test_mcc_is_the_best_of_all_assignments(correlation, codes_count, params):
    codes = np.random.default_rng(5).normal(size=(500, codes_count))
    codes[:, :3] += params[:, [1, 2, 0]]
    if correlation == "pearson":
        table = np.abs(np.corrcoef(codes.T, params.T))[:codes_count, codes_count:]
    else:
        table = np.abs(spearmanr(codes, params).statistic)[:codes_count, codes_count:]
    want = max(
        np.mean([table[code, column] for column, code in enumerate(choice)])
        for choice in itertools.permutations(range(codes_count), 3)
    )
    assert mcc(codes, params, correlation=correlation) == pytest.approx(want, abs=1e-12)
    assert want == pytest.approx(table[linear_sum_assignment(-table)].mean(), abs=1e-12)


def test_mcc_assigns_on_train_and_scores_on_test(params):
    codes = params[:, ::-1].copy()
    x, y = codes[:300], params[:300]
    other_way_round = (params[300:], params[300:])
    table = correlations(*other_way_round)
    want = np.mean([table[2, 0], table[1, 1], table[0, 2]])
    assert mcc(x, y, test=other_way_round) == pytest.approx(want, abs=1e-12)
    assert want < 0.6


def test_mcc_counts_a_parameter_without_a_code_as_zero(params):
    assert mcc(params[:, :1], params) == pytest.approx(1 / 3, abs=1e-12)
    assert mcc(params[:, [0, 2]], params[:, :2]) == pytest.approx(
        (1 + abs(np.corrcoef(params[:, 2], params[:, 1])[0, 1])) / 2, abs=1e-12
    )


def test_spearman_ignores_increasing_changes_and_pearson_does_not(params):
    codes = np.exp(5 * params)
    assert mcc(codes, params, correlation="spearman") == pytest.approx(1, abs=1e-12)
    assert mcc(codes, params) < 0.9


def test_mcc_of_a_square_is_near_zero(params):
    assert mcc(params**2, params) < 0.15


def test_assigned_takes_the_largest_sum_not_the_largest_entry():
    assert assigned([[0.9, 0.8], [0.7, 0.1]], [[1.0, 0.3], [0.2, 0.0]]) == pytest.approx(0.25)
