"""The quick ways to a score's chance give the draws of the slow one."""

import doctest

import numpy as np
import pytest

from benchmarks.codes import neighbours, similarity
from benchmarks.codes.geometry import disparity
from benchmarks.codes.readout import linear_share
from benchmarks.protocol import moments
from benchmarks.protocol.codes import ENTRIES, codes_from_params
from benchmarks.protocol.moments import moments_floor
from benchmarks.scores import linear_r2, procrustes
from benchmarks.statistics import permutation
from benchmarks.statistics.permutation import permutation_floor, permutation_null
from fdd import FddError

QUICK = [name for name, entry in ENTRIES.items() if entry.floor is not permutation_floor]
RNG = np.random.default_rng(0)
PARAMS = RNG.uniform(-3, 3, size=(170, 3)) * [1e-6, 1, 1e3] + [0, 5, 0]
CODES = np.column_stack(
    [PARAMS[:, 0] * 1e6 + PARAMS[:, 2] / 1e3, np.tanh(PARAMS[:, 1] - 5), RNG.normal(size=170)]
)
KINDS = {
    "plain": CODES,
    "one code": CODES[:, :1],
    "dead, doubled and tiny": np.column_stack([np.full(170, 0.1), CODES, CODES, 1e-9 * CODES]),
    "many": RNG.normal(size=(170, 90)),
    "whole numbers": np.round(CODES),
    "all dead": np.full((170, 2), 0.1),
}


@pytest.mark.parametrize("module", [moments, permutation, neighbours, similarity])
def test_examples_in_docstrings(module):
    found = doctest.testmod(module)
    assert found.failed == 0 < found.attempted


def test_the_scores_that_have_a_quick_way():
    assert QUICK == [
        "mcc_affine",
        "mcc_weak",
        "params_to_codes_r2",
        "cca",
        "svcca",
        "pwcca",
        "cka_rbf",
        "rsa",
        "distance_correlation",
        "procrustes",
        "knn_overlap",
        "trustworthiness",
        "continuity",
        "sap",
        "mig",
        "modularity",
        "infom",
        "infoe",
        "infoc",
        "orthogonality",
    ]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", QUICK)
def test_a_quick_floor_is_that_of_permutations(name, kind):
    entry, codes = ENTRIES[name], KINDS[kind]
    arguments = (codes[:70], PARAMS[:70], None)
    if entry.fits:
        arguments = (codes[:100], PARAMS[:100], (codes[100:], PARAMS[100:]))
    quick, slow = (
        floor(entry.score, *arguments, 7, seed=3) for floor in (entry.floor, permutation_floor)
    )
    assert quick.score == slow.score
    np.testing.assert_allclose(quick.null, slow.null, atol=1e-9)
    assert quick.draws == 7


def test_moments_hold_for_scores_of_several_numbers_and_on_other_means():
    test = (CODES[100:] + 3, PARAMS[100:] * 2)
    given = (linear_r2, CODES[:100], PARAMS[:100], test, 5)
    quick = moments_floor(*given, every=linear_share)
    np.testing.assert_allclose(quick.null, permutation_floor(*given).null, rtol=1e-9)


def test_codes_that_all_are_the_params_leave_nothing_beside_them():
    given = (procrustes, PARAMS, PARAMS, None, 5)
    quick = moments_floor(*given, every=disparity)
    np.testing.assert_allclose(quick.null, permutation_floor(*given).null, atol=1e-9)


def test_a_dead_code_of_any_value_has_no_share_of_the_variance():
    """The mean of equal numbers need not be that number, so their deviation need not be 0."""
    codes = np.column_stack([np.full(170, 0.1), CODES])
    train, test = (codes[:100], PARAMS[:100]), (codes[100:], PARAMS[100:])
    assert codes[:100].std(axis=0)[0] > 0
    want = codes_from_params(train[0][:, 1:], train[1], (test[0][:, 1:], test[1]))
    assert codes_from_params(*train, test) == pytest.approx(want, abs=1e-12)


def test_the_draws_alone_are_those_of_the_floor():
    test = (CODES[100:], PARAMS[100:])
    for batch in (1, 4):
        null = permutation_null(linear_r2, CODES[:100], PARAMS[:100], test, 6, 2, batch=batch)
        floor = permutation_floor(linear_r2, CODES[:100], PARAMS[:100], test, 6, 2)
        np.testing.assert_allclose(null, floor.null, atol=1e-10)
    with pytest.raises(FddError, match="draws=0 must be a whole number of at least 1"):
        permutation_null(linear_r2, CODES, PARAMS, draws=0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((CODES[:9], PARAMS), "codes has 9 rows and params 170: they must agree"),
        ((CODES, PARAMS * 0), "params column 0 is constant: it has no variance to explain"),
        ((CODES * np.nan, PARAMS), "codes holds NaN or infinity: 510 of 510 values"),
        ((CODES, PARAMS, None, 0), "draws=0 must be a whole number of at least 1"),
    ],
)
def test_bad_input_to_moments_is_named_as_elsewhere(arguments, message):
    with pytest.raises(FddError, match=message):
        moments_floor(procrustes, *arguments, every=disparity)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (lambda: neighbours.neighbour_table(CODES[:5], k=5), "codes has 5 rows: it must have at "),
        (lambda: neighbours.trust_table(CODES[:20]), "codes has 20 rows: it must have at least 21"),
        (lambda: similarity.kernel_table(CODES[:3]), r"array has shape \(3, 3\): it must have at "),
    ],
)
def test_tables_need_as_many_rows_as_their_scores(table, message):
    with pytest.raises(FddError, match=message):
        table()
