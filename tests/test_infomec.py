"""InfoMEC and orthogonality: answers known by hand, the paper's formulas, and what noise gets."""

import doctest

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.metrics import mutual_info_score, r2_score

from benchmarks.codes import infomec, orthogonality
from benchmarks.scores import infoc, infoe, infom, permutation_floor
from benchmarks.scores import orthogonality as right_angles

RNG = np.random.default_rng(0)
PARAMS = RNG.uniform(-1, 1, size=(600, 3))
TURN = np.linalg.qr(RNG.normal(size=(3, 3)))[0]
NOISE = RNG.normal(size=(600, 5))
ALL = (infom, infoe, infoc, right_angles)


@pytest.mark.parametrize("score", ALL)
def test_the_parameters_themselves_score_one_and_noise_scores_chance(score):
    assert score(3 * PARAMS[:, [2, 0, 1]] - 1, PARAMS) > 0.95
    assert permutation_floor(score, PARAMS, PARAMS, draws=19).p == 0.05
    floor = permutation_floor(score, NOISE, PARAMS, draws=19)
    assert floor.p > 0.05
    assert 0 <= floor.chance < 0.25


def test_a_rotation_costs_modularity_and_compactness_alone():
    found = {score.__name__: score(PARAMS @ TURN, PARAMS) for score in ALL}
    assert found["infoe"] == pytest.approx(1)
    assert found["orthogonality"] == pytest.approx(1)
    assert max(found["infom"], found["infoc"]) < 0.7


def test_what_each_score_does_not_punish():
    shared = np.column_stack([PARAMS[:, 0] + PARAMS[:, 1], PARAMS[:, 2]])
    assert infoc(np.column_stack([PARAMS, PARAMS]), PARAMS) < 0.5 < infom(shared, PARAMS)
    twice = np.column_stack([PARAMS, PARAMS])
    assert infom(twice, PARAMS) > 0.95
    assert infom(np.column_stack([PARAMS, NOISE]), PARAMS) < 0.9
    assert infoc(np.column_stack([PARAMS, NOISE]), PARAMS) > 0.9


def test_the_formulas_of_the_paper_from_scikit_learns_information():
    """As of discrete sources and codes: information over entropy, shares of the largest."""
    codes = np.column_stack([PARAMS[:, 0] + 0.5 * PARAMS[:, 1], np.tanh(PARAMS[:, 1:]), NOISE])
    found = infom(codes, PARAMS), infoc(codes, PARAMS)

    def labels(columns):
        return [pd.qcut(column, 5, labels=False) for column in columns.T]

    table = np.array(
        [
            [mutual_info_score(p, z) / mutual_info_score(p, p) for z in labels(codes)]
            for p in labels(PARAMS)
        ]
    )
    for score, axis in zip(found, (0, 1), strict=True):
        shares, least = (table.max(axis) / table.sum(axis)).mean(), 1 / table.shape[axis]
        assert score == pytest.approx((shares - least) / (1 - least), abs=1e-9)


def test_explicitness_is_scikit_learns_r2_on_new_rows_and_never_below_0():
    codes = np.column_stack([PARAMS[:, 0] ** 3, NOISE])
    fit = LinearRegression().fit(codes[:400], PARAMS[:400])
    each = r2_score(PARAMS[400:], fit.predict(codes[400:]), multioutput="raw_values")
    assert each.min() < 0
    held_out = infoe(codes[:400], PARAMS[:400], test=(codes[400:], PARAMS[400:]))
    assert held_out == pytest.approx(np.maximum(each, 0).mean(), abs=1e-9)


@pytest.mark.parametrize("degrees", [90, 60, 45, 30])
def test_two_directions_at_an_angle_get_the_square_of_its_sine(degrees):
    angle = np.deg2rad(degrees)
    ways = np.array([[1, 0], [np.cos(angle), np.sin(angle)]])  # parameter = code . way
    codes = RNG.normal(size=(500, 2))
    assert right_angles(codes, codes @ ways.T) == pytest.approx(np.sin(angle) ** 2, abs=1e-3)


def test_a_parameter_that_is_read_in_part_counts_in_part():
    codes = PARAMS + np.sqrt([0, 0, 1 / 3]) * RNG.normal(size=(600, 3))  # its R2 is 1 / 2
    want = (1 + 2 * np.sqrt(0.5)) / 3
    assert right_angles(codes, PARAMS) == pytest.approx(want, abs=0.03)
    assert right_angles(PARAMS[:, :1], PARAMS[:, :1]) == 0
    assert right_angles(np.column_stack([PARAMS[:, :1], NOISE]), PARAMS) < 0.05


@pytest.mark.parametrize("module", [infomec, orthogonality])
def test_examples(module):
    found = doctest.testmod(module)
    assert found.failed == 0 < found.attempted
