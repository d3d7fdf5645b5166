"""MCC is the best one-to-one assignment of codes to parameters."""

import doctest
import itertools
from functools import partial

import numpy as np
import pytest
from conftest import scored, split
from scipy.optimize import linear_sum_assignment
from scipy.stats import spearmanr
from sklearn.cross_decomposition import CCA

from benchmarks.codes import matching
from benchmarks.codes.matching import assigned
from benchmarks.scores import correlations, mcc, permutation_floor
from fdd import FddError

SCORES = {
    "pearson": mcc,
    "spearman": partial(mcc, correlation="spearman"),
    "affine": partial(mcc, alignment="affine"),
    "weak": partial(mcc, alignment="weak"),
}


def test_examples_in_docstrings():
    assert doctest.testmod(matching).failed == 0


@pytest.mark.parametrize("name", SCORES)
def test_identity_scores_one(name, params):
    assert scored(SCORES[name], params, params) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("name", SCORES)
def test_noise_scores_the_floor(name, params):
    noise = np.random.default_rng(3).normal(size=(500, 4))
    (x, tx), (y, ty) = split(noise, 300), split(params, 300)
    floor = permutation_floor(SCORES[name], x, y, (tx, ty), draws=19, seed=5)
    assert floor.p > 0.05
    assert abs(floor.score - floor.chance) < 0.1


def test_a_rotation_loses_nothing_once_codes_are_aligned(params):
    rotation = np.linalg.qr(np.random.default_rng(4).normal(size=(3, 3)))[0]
    for name in ("affine", "weak"):
        assert scored(SCORES[name], params @ rotation, params) == pytest.approx(1, abs=1e-12)


def test_strong_mcc_of_a_turn_by_45_degrees_is_one_over_root_two():
    params = np.array(list(itertools.product([-1.0, 1.0], repeat=2)) * 5)
    codes = params @ np.array([[1, 1], [-1, 1]]) / np.sqrt(2)
    assert mcc(codes, params) == pytest.approx(1 / np.sqrt(2), abs=1e-12)


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


@pytest.mark.parametrize("correlation", ["pearson", "spearman"])
def test_weak_mcc_is_that_of_scikit_learns_canonical_variables(correlation, params, mixed):
    (x, tx), (y, ty) = split(mixed, 300), split(params, 300)
    variables = CCA(n_components=3, tol=1e-14, max_iter=10_000).fit(x, y).transform(tx, ty)
    want = correlations(*variables, correlation=correlation).diagonal().mean()
    found = mcc(x, y, test=(tx, ty), alignment="weak", correlation=correlation)
    assert found == pytest.approx(want, abs=1e-6)


def test_weak_mcc_counts_what_no_code_is_left_for_as_zero(params):
    codes = params[:, :2] @ [[1, 2], [3, 4]]
    assert scored(SCORES["weak"], codes, params) == pytest.approx(2 / 3, abs=1e-12)


GOOD = np.random.default_rng(0).normal(size=(9, 2))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"correlation": "kendall"},
            "correlation='kendall' is not known; choose from pearson, spearman",
        ),
        (
            {"alignment": "none"},
            "alignment='none' is not known; choose from strong, affine, weak",
        ),
        (
            {"alignment": "affine"},
            "alignment is 'affine', which fits a map: give test=(codes, params) too",
        ),
        (
            {"alignment": "weak"},
            "alignment is 'weak', which fits a map: give test=(codes, params) too",
        ),
    ],
)
def test_bad_options_are_named(options, message):
    with pytest.raises(FddError) as caught:
        mcc(GOOD, GOOD, **options)
    assert str(caught.value) == message
