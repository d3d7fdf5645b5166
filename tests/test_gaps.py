"""Gaps between codes, modularity and the information they rest on: known values, honest chance."""

import doctest
import itertools
from functools import partial

import numpy as np
import pandas as pd
import pytest
from scipy.special import digamma
from sklearn.feature_selection import mutual_info_regression
from sklearn.metrics import mutual_info_score

from benchmarks.codes import gaps, information
from benchmarks.codes.gaps import mi_gap, mig, modularity, sap
from benchmarks.codes.information import binned_information, mutual_information
from benchmarks.statistics.permutation import permutation_floor
from fdd import FddError

SCORES = {"sap": sap, "mi_gap": mi_gap, "mig": mig, "modularity": modularity}
GRID = np.array(list(itertools.product(range(5), repeat=3)) * 2, dtype=float)  # independent
CORNERS = np.array(list(itertools.product([-1.0, 1.0], repeat=2)) * 10)
TURN = np.array([[1, 1], [-1, 1]]) / np.sqrt(2)
RNG = np.random.default_rng(0)
PARAMS = RNG.uniform(-1, 1, size=(400, 3))
CODES = np.column_stack(
    [PARAMS[:, 0] + 0.5 * PARAMS[:, 1], PARAMS[:, 2] ** 2, RNG.normal(size=(400, 2)), PARAMS[:, 1]]
)


@pytest.mark.parametrize("module", [gaps, information])
def test_examples_in_docstrings(module):
    assert doctest.testmod(module).failed == 0


def sklearns_information(codes, params, k=3):
    columns = [
        mutual_info_regression(codes, param, n_neighbors=k, random_state=0) for param in params.T
    ]
    return np.stack(columns, axis=1)


@pytest.mark.parametrize("k", [1, 3, 20])
def test_mutual_information_is_scikit_learns(k):
    changed = CODES * [1e-6, 1, 40, 1, 1] + [0, 3, 0, -1, 0]
    want = sklearns_information(changed, PARAMS, k)
    np.testing.assert_allclose(mutual_information(changed, PARAMS, k=k), want, atol=1e-9)
    assert want.max() > 0.5
    assert (want == 0).any()  # estimates below 0 are cut


def test_mutual_information_of_tied_codes_is_scikit_learns_up_to_the_jitter():
    rng = np.random.default_rng(1)
    params = rng.uniform(-1, 1, size=(1500, 2))
    codes = np.column_stack(
        [np.maximum(params[:, 0], 0), np.round(3 * params[:, 1]), rng.integers(0, 2, size=1500)]
    )
    found = mutual_information(codes, params)
    np.testing.assert_allclose(found, sklearns_information(codes, params), atol=0.03)
    assert found[0, 0] > 1
    assert np.abs(found - mutual_information(codes, params, seed=1)).max() < 0.03


def test_tied_columns_on_both_sides_have_the_information_of_their_values():
    np.testing.assert_allclose(
        mutual_information(GRID[:, :1], GRID[:, :2]), [[np.log(5), 0]], atol=0.15
    )


@pytest.mark.parametrize("k", [1, 3, 10])
def test_a_code_that_is_its_parameter_reaches_the_upper_bound(k):
    found = np.diag(mutual_information(-3 * PARAMS + 1, PARAMS, k=k))
    np.testing.assert_allclose(found, digamma(400) - digamma(k + 1), atol=1e-9)


@pytest.mark.parametrize("correlation", [0.0, 0.6, 0.9])
def test_mutual_information_of_normal_variables_is_the_formulas(correlation):
    a, b = np.random.default_rng(2).normal(size=(2, 4000))
    code = correlation * a + np.sqrt(1 - correlation**2) * b
    found = mutual_information(code[:, None], a[:, None])[0, 0]
    assert found == pytest.approx(-np.log(1 - correlation**2) / 2, abs=0.04)


@pytest.mark.parametrize("k", [1, 4])
def test_mutual_information_counts_as_its_definition_says(k):
    x, y = CODES[:40, 0] / CODES[:40, 0].std(), PARAMS[:40, 0] / PARAMS[:40, 0].std()
    apart_x, apart_y = (np.abs(a[:, None] - a) for a in (x, y))
    radius = np.sort(np.maximum(apart_x, apart_y), axis=1)[:, [k]]
    counts = [digamma((apart < radius).sum(axis=1)).mean() for apart in (apart_x, apart_y)]
    want = digamma(40) + digamma(k) - sum(counts)
    found = mutual_information(CODES[:40, :1], PARAMS[:40, :1], k=k)[0, 0]
    assert found == pytest.approx(want, abs=1e-12)
    assert found > 0.1


def test_jitter_follows_the_seed_and_treats_codes_alike():
    codes = np.column_stack([GRID[:, 0], GRID[:, 0] + GRID[:, 1], GRID[:, 0], PARAMS[:250, 0]])
    found = mutual_information(codes, GRID)
    np.testing.assert_array_equal(mutual_information(codes[:, ::-1], GRID), found[::-1])
    np.testing.assert_array_equal(found[0], found[2])
    assert np.any(mutual_information(codes, GRID, seed=5)[:3] != found[:3])


def test_values_at_the_radius_do_not_count_as_nearer_and_each_counts_itself():
    values = np.array([1.0, 1.1, 3.0])
    found = [information._nearer(values, *one) for one in ((1.0, 2.0), (1.1, 0.0), (3.0, 2.0))]
    assert found == [2, 1, 2]
    equal = np.array([5.0, 5.0])
    assert information._nearer(equal, 5.0, 0.0) == 2


@pytest.mark.parametrize("bins", [2, 5, 20, 400])
def test_binned_information_is_scikit_learns(bins):
    found, entropies = binned_information(CODES, PARAMS, bins)
    x, y = (
        [pd.qcut(column, bins, labels=False) for column in array.T] for array in (CODES, PARAMS)
    )
    want = [[mutual_info_score(a, b) for b in y] for a in x]
    np.testing.assert_allclose(found, want, atol=1e-12)
    np.testing.assert_allclose(entropies, np.log(bins), atol=1e-12)


def test_equal_values_share_a_bin_and_two_values_never_do():
    codes = np.column_stack([np.arange(60) > n for n in range(59)])
    information, entropies = binned_information(codes, codes, 3)
    share = np.arange(1, 60) / 60
    np.testing.assert_allclose(entropies, -share * np.log(share) - (1 - share) * np.log(1 - share))
    np.testing.assert_allclose(np.diag(information), entropies, atol=1e-12)


@pytest.mark.parametrize("score", [sap, mig, modularity])
def test_independent_parameters_themselves_score_one(score):
    options = {} if score is sap else {"bins": 5}
    assert score(GRID, GRID, **options) == pytest.approx(1, abs=1e-12)


def test_mi_gap_of_the_parameters_themselves_is_near_the_upper_bound():
    assert mi_gap(PARAMS, PARAMS) == pytest.approx(digamma(400) - digamma(4), abs=0.1)


@pytest.mark.parametrize("score", SCORES.values())
def test_a_turn_by_45_degrees_scores_zero(score):
    if score is mi_gap:
        normal = np.random.default_rng(3).normal(size=(2000, 2))
        assert score(normal @ TURN, normal) < 0.05
        known = np.diag(mutual_information(normal @ TURN, normal))
        np.testing.assert_allclose(known, np.log(2) / 2, atol=0.05)
    else:
        assert score(CORNERS @ TURN, CORNERS) == pytest.approx(0, abs=1e-12)


def test_sap_by_hand():
    # Turned by an angle, the squared correlations are cos^2 and sin^2: their difference is
    # cos(2 angle). Correlated parameters: 1 - r^2.
    angle = 0.3
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    assert sap(CORNERS @ turn, CORNERS) == pytest.approx(np.cos(2 * angle), abs=1e-12)
    mixed = CORNERS @ [[1.0, 0.6], [0.0, 0.8]]
    assert sap(mixed, mixed) == pytest.approx(1 - 0.6**2, abs=1e-12)


def test_sap_is_the_papers_formula():
    squares = np.corrcoef(CODES.T, PARAMS.T)[:5, 5:] ** 2
    ordered = np.sort(squares, axis=0)
    assert sap(CODES, PARAMS) == pytest.approx((ordered[-1] - ordered[-2]).mean(), abs=1e-12)


def test_sap_chooses_codes_on_train_and_takes_their_gap_on_test():
    train = CORNERS * [1, 2]
    test = (CORNERS[:, ::-1], CORNERS)
    assert sap(train, CORNERS, test=test) == pytest.approx(-1, abs=1e-12)
    noise = np.random.default_rng(4).normal(size=(400, 30))
    in_sample = sap(noise[:200], PARAMS[:200])
    held_out = sap(noise[:200], PARAMS[:200], test=(noise[200:], PARAMS[200:]))
    assert abs(held_out) < 0.02
    assert 0.001 < in_sample < 0.05


def test_mig_by_hand():
    # Of four corners, x + y has the values -2, 0, 2 (1/4, 1/2, 1/4): half a bit about x. So the
    # gap of x to it is half the entropy of x, and y is a gap of half as well.
    codes = np.column_stack([CORNERS, CORNERS.sum(axis=1)])
    assert mig(codes, CORNERS, bins=4) == pytest.approx(1 / 2, abs=1e-12)


def test_mig_falls_on_a_perfect_code_as_bins_grow():
    params = np.random.default_rng(5).uniform(size=(2000, 6))
    found = [mig(params, params, bins=bins) for bins in (5, 200)]
    assert found == pytest.approx([0.996, 0.43], abs=0.01)


def test_modularity_by_hand():
    # A code 4x + 2y + z is read in full: it knows x, y and z equally, one bit each. 2x + y of
    # three knows two of three: 1 - 1 / (3 - 1). x alone: 1.
    bits = np.array(list(itertools.product([0.0, 1.0], repeat=3)) * 3)
    weights = np.array([[4, 2, 1], [2, 1, 0], [1, 0, 0]]).T
    for column, want in enumerate([0, 1 / 2, 1]):
        found = modularity(bits @ weights[:, [column]], bits, bins=8)
        assert found == pytest.approx(want, abs=1e-12)
    assert modularity(bits @ weights, bits, bins=8) == pytest.approx(1 / 2, abs=1e-12)


def test_modularity_is_the_papers_formula():
    information, _ = binned_information(CODES, PARAMS, 20)
    template = np.where(information == information.max(axis=1, keepdims=True), information, 0)
    deviation = ((information - template) ** 2).sum(axis=1) / (template.max(axis=1) ** 2 * 2)
    assert modularity(CODES, PARAMS) == pytest.approx(np.mean(1 - deviation), abs=1e-12)


def test_modularity_of_noise_is_far_from_zero():
    rng = np.random.default_rng(6)
    noise, params = rng.normal(size=(2000, 60)), rng.uniform(size=(2000, 6))
    assert modularity(noise, params, bins=5) == pytest.approx(0.55, abs=0.06)
    assert modularity(noise, params, bins=20) == pytest.approx(0.19, abs=0.05)


@pytest.mark.parametrize("score", SCORES.values())
def test_noise_is_within_its_null(score):
    noise = np.random.default_rng(7).normal(size=(400, 4))
    floor = permutation_floor(lambda x, y, **_: score(x, y), noise, PARAMS, draws=19)
    assert floor.p > 0.05
    assert abs(floor.score - floor.chance) < 0.05


@pytest.mark.parametrize("score", [mig, modularity])
def test_increasing_changes_do_not_matter_to_bins(score):
    assert score(np.exp(3 * CODES), PARAMS**3) == score(CODES, PARAMS)


def test_codes_without_information_do_not_move_modularity():
    # Independent in the sample: their entropies cancel up to rounding only.
    levels = ([0, 0, 1], [0, 1, 1, 2, 2, 2, 3], [0, 0, 0, 1, 1, 2, 3], [0, 0, 0, 0, 1])
    *params, one, other = np.array(list(itertools.product(*levels)), dtype=float).T
    params = np.column_stack(params)
    know = np.column_stack([params[:, 0], 3 * params[:, 0] + params[:, 1]])
    with_others = np.column_stack([know, one, other, one + other, one * other])
    want = modularity(know, params)
    assert modularity(with_others, params) == want
    assert 0.1 < want < 0.9


@pytest.mark.parametrize("score", [sap, mi_gap, mig])
def test_a_code_that_occurs_twice_leaves_no_gap_and_one_code_alone_all_of_it(score):
    assert score(PARAMS[:, [0, 1, 2, 0, 1, 2]], PARAMS) == pytest.approx(0, abs=1e-12)
    one = PARAMS[:, :1]
    assert score(one, one) == score(np.column_stack([one, np.zeros(400)]), one) > 0.99


BAD = {
    "k": (partial(mi_gap, CODES, PARAMS, k=0), "k=0 must be a whole number of at least 1"),
    "k rows": (
        partial(mutual_information, CODES[:3], PARAMS[:3], k=5),
        "codes has 3 rows: it must have at least 6 for k=5",
    ),
    "bins": (partial(mig, CODES, PARAMS, bins=1), "bins=1 must be a whole number of at least 2"),
    "bins half": (
        partial(modularity, CODES, PARAMS, bins=2.5),
        "bins=2.5 must be a whole number of at least 2",
    ),
    "one parameter": (
        partial(modularity, CODES, PARAMS[:, :1]),
        "params has 1 column: modularity needs at least 2 to choose among",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_options_are_named(case):
    call, message = BAD[case]
    with pytest.raises(FddError) as caught:
        call()
    assert str(caught.value) == message
