"""Scores of interventions give what the papers' algorithms give on the same groups."""

import doctest
from functools import partial

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from benchmarks.codes import interventions
from benchmarks.codes.interventions import beta_vae, factor_vae, intervened_params, irs
from fdd import FddError

ACCURACIES = {"factor_vae": factor_vae, "beta_vae": beta_vae}


def draw(rows=2000, count=4, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, size=(rows, count))


def rotation(count, seed):
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(count, count)))[0]


def plain_irs(codes, factors, quantile):
    """Suter et al. as scalable_disentanglement_score has it, for discrete factors."""
    largest = np.max(np.abs(codes - codes.mean(axis=0)), axis=0)
    table = np.zeros((codes.shape[1], factors.shape[1]))
    for d in range(factors.shape[1]):
        values = np.unique(factors[:, d])
        for value in values:
            part = codes[factors[:, d] == value]
            moved = np.quantile(np.abs(part - part.mean(axis=0)), quantile, axis=0)
            table[:, d] += moved / len(values)
    return np.average((1 - table / largest[:, None]).max(axis=1), weights=largest)


def plain_factor_vae(groups, test_groups, everything):
    """Kim and Mnih's majority vote, from lists of (fixed parameter, codes [L, K])."""
    votes = np.zeros((1 + max(d for d, _ in groups), everything.shape[1]), dtype=int)
    spread = everything.var(axis=0, ddof=1)
    for d, codes in groups:
        votes[d, np.argmin(codes.var(axis=0, ddof=1) / spread)] += 1
    classifier = votes.argmax(axis=0)
    right = [
        classifier[np.argmin(codes.var(axis=0, ddof=1) / spread)] == d for d, codes in test_groups
    ]
    return np.mean(right)


def plain_beta_vae(encode, count, size, points, seed):
    """Higgins et al., pairs drawn anew for each point, as disentanglement_lib has it."""
    rng = np.random.default_rng(seed)

    def batch():
        found = np.empty((points, encode(np.zeros((1, count))).shape[1]))
        fixed = rng.integers(count, size=points)
        for i, d in enumerate(fixed):
            one, other = rng.uniform(-1, 1, size=(2, size, count))
            other[:, d] = one[:, d]
            found[i] = np.abs(encode(one) - encode(other)).mean(axis=0)
        return found, fixed

    return LogisticRegression().fit(*batch()).score(*batch())


def test_examples_in_docstrings():
    assert doctest.testmod(interventions).failed == 0


@pytest.mark.parametrize("quantile", [0.5, 0.99, 1])
@pytest.mark.parametrize("bins", [2, 10, 30])
def test_irs_is_the_papers_on_bins_of_equal_frequency(bins, quantile):
    params = draw(600, 3)
    codes = np.exp(params @ np.random.default_rng(1).normal(size=(3, 5)))
    factors = params.argsort(axis=0).argsort(axis=0) * bins // 600
    want = plain_irs(codes, factors, quantile)
    assert irs(codes, params, bins=bins, quantile=quantile) == pytest.approx(want, abs=1e-12)
    scaled = irs(1e90 * codes, params * [1e-9, 1, 1e9], bins=bins, quantile=quantile)
    assert scaled == pytest.approx(want, abs=1e-12)


def test_irs_of_discrete_parameters_takes_their_values():
    params = np.random.default_rng(0).integers(0, 4, size=(400, 2))
    codes = params @ [[1.0, 0.3, 1.0], [0.0, 1.0, 1.0]]
    want = plain_irs(codes, params, 0.99)
    assert irs(codes, params, bins=20) == pytest.approx(want, abs=1e-12)
    assert irs(params, params, bins=20) == 1


def test_irs_by_hand():
    # in bins {0, 1}, {2, 3} the code stays within 0.5 of its mean, of 1.5 over all
    assert irs([[0], [1], [2], [3]], [[0], [1], [2], [3]], bins=2, quantile=1) == pytest.approx(
        2 / 3
    )


def test_irs_of_a_perfect_code_is_what_the_bins_allow():
    assert irs(draw(20_000), draw(20_000), bins=10) == pytest.approx(0.9, abs=0.005)
    assert irs(draw(20_000), draw(20_000), bins=50) == pytest.approx(0.98, abs=0.005)


def test_irs_chance_depends_on_the_distribution_of_codes():
    rng, params = np.random.default_rng(5), draw(10_000)
    assert irs(rng.uniform(size=(10_000, 8)), params) == pytest.approx(0.01, abs=0.01)
    assert irs(rng.normal(size=(10_000, 8)), params) == pytest.approx(0.35, abs=0.05)


def test_irs_weighs_codes_by_their_size_and_minds_no_increasing_change_of_a_parameter():
    params = draw()
    codes = np.column_stack([params[:, 0], params[:, 0] + params[:, 1]])
    low, high = irs(codes * [1, 100], params), irs(codes * [100, 1], params)
    assert low < irs(codes, params) < high
    assert irs(codes, np.exp(params)) == pytest.approx(irs(codes, params), abs=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_factor_vae_of_exact_groups_is_the_papers_vote(seed):
    mix = rotation(5, seed)
    params, test = (intervened_params(200, 20, [-1] * 5, [1] * 5, seed=s) for s in (1, 2))
    codes, held_out = params @ mix, test @ mix
    groups, judged = (
        [(g % 5, part) for g, part in enumerate(np.split(array, 200))]
        for array in (codes, held_out)
    )
    want = plain_factor_vae(groups, judged, codes)
    shuffled = np.random.default_rng(seed).permutation(4000)
    found = factor_vae(codes[shuffled], params[shuffled], (held_out, test), group_size=20)
    assert found == pytest.approx(want, abs=1e-12)
    assert 0.4 < want < 1


def test_without_test_the_first_half_votes_and_keeps_its_groups():
    params = intervened_params(200, 20, [-1] * 5, [1] * 5)
    codes = params @ rotation(5, 0)
    for score in ACCURACIES.values():
        want = score(codes[:2000], params[:2000], (codes[2000:], params[2000:]), group_size=20)
        assert score(codes, params, group_size=20) == want


@pytest.mark.parametrize("seed", range(3))
def test_beta_vae_is_the_papers_but_for_the_draws(seed):
    mix = rotation(6, seed)
    want = plain_beta_vae(lambda params: params @ mix, 6, 64, 1000, seed)
    params = draw(10_000, 6)
    assert beta_vae(params @ mix, params, points=500) == pytest.approx(want, abs=0.05)
    exact = intervened_params(300, 40, [-1] * 6, [1] * 6)
    assert beta_vae(exact @ mix, exact, points=500) == pytest.approx(want, abs=0.05)


def test_neighbours_in_order_stand_in_for_interventions():
    for seed in range(3):
        mix, params = rotation(6, seed), draw(10_000, 6)
        exact = intervened_params(600, 64, [-1] * 6, [1] * 6)
        want = factor_vae(exact @ mix, exact)
        assert factor_vae(params @ mix, params) == pytest.approx(want, abs=0.08)


@pytest.mark.parametrize("size", [2, 7])
def test_groups_are_disjoint_and_exact_where_they_can_be(size):
    params = intervened_params(30, 15, [0, 0, 0], [1, 2, 3])
    for d, groups in enumerate(interventions._groups(params, size, 5, np.random.default_rng(0))):
        assert len(np.unique(groups)) == groups.size == 10 * (15 // size) * size
        assert np.ptp(params[groups, d], axis=1).max() == 0
    for d, groups in enumerate(interventions._groups(params, 16, 5, np.random.default_rng(0))):
        assert len(np.unique(groups)) == groups.size == 450 // 16 * 16
        assert np.all(np.diff(params[groups, d].ravel()) >= 0)


@pytest.mark.parametrize("name", ACCURACIES)
@pytest.mark.parametrize("count", [2, 4])
def test_codes_that_are_the_parameters_score_one_and_noise_at_chance(name, count):
    score, params = ACCURACIES[name], draw(count=count)
    assert score(-3 * params[:, ::-1] + 1, params) == 1
    noise = [score(draw(count=6, seed=s), params, group_size=16) for s in range(1, 11)]
    assert np.mean(noise) == pytest.approx(1 / count, abs=0.05)


def test_both_accuracies_are_near_one_on_an_entangled_code():
    params, rng = draw(10_000, 6), np.random.default_rng(0)
    codes = np.tanh(params @ rng.normal(size=(6, 32))) + 0.1 * rng.normal(size=(10_000, 32))
    assert factor_vae(codes, params) > 0.95
    assert beta_vae(codes, params) > 0.99
    assert irs(codes, params) < 0.3
    turned = [params @ rotation(6, seed) for seed in range(5)]
    assert 0.6 < np.mean([factor_vae(code, params) for code in turned]) < 0.95
    assert 0.7 < np.mean([beta_vae(code, params) for code in turned]) < 1


def test_two_parameters_turned_by_45_degrees_cannot_be_told_apart():
    params = draw(10_000, 2)
    codes = params @ [[1, 1], [-1, 1]]
    for score in ACCURACIES.values():
        assert score(codes, params) == pytest.approx(0.5, abs=0.12)


@pytest.mark.parametrize("name", ACCURACIES)
def test_the_seed_decides_ties_and_draws(name):
    score = ACCURACIES[name]
    params = np.random.default_rng(0).integers(0, 3, size=(2000, 4))
    codes = params @ rotation(4, 1)
    found = [score(codes, params, group_size=8, seed=s) for s in (0, 0, *range(1, 6))]
    assert found[0] == found[1]
    assert len(set(found)) > 1


def test_intervened_params_fix_one_parameter_a_group():
    params = intervened_params(7, 5, [0, -1, 10], [1, 1, 11], seed=3).reshape(7, 5, 3)
    for group, values in enumerate(params):
        spread = np.ptp(values, axis=0)
        assert spread[group % 3] == 0
        assert np.delete(spread, group % 3).min() > 0
    assert (params.min(axis=(0, 1)) > [0, -1, 10]).all()
    assert (params.max(axis=(0, 1)) < [1, 1, 11]).all()
    assert len(np.unique(params[:, 0, 1])) == 7
    again = intervened_params(7, 5, [0, -1, 10], [1, 1, 11], seed=3)
    np.testing.assert_array_equal(again, params.reshape(35, 3))


GOOD = np.random.default_rng(0).normal(size=(200, 2))
ONE = "params has 1 column: it must have at least 2 to ask which one is fixed"
FAR = "test codes lie too far outside the training codes to be compared"
BAD = [
    (partial(irs, GOOD, GOOD, bins=1), "bins=1 must be a whole number of at least 2"),
    (
        partial(irs, GOOD, GOOD, quantile=0),
        "quantile is 0: it must be a number above 0 and at most 1",
    ),
    (
        partial(irs, GOOD, GOOD, quantile="0.5"),
        "quantile is '0.5': it must be a number above 0 and at most 1",
    ),
    (
        partial(beta_vae, GOOD, GOOD),
        "codes has 200 rows: it must have at least 256 for group_size=64",
    ),
    (
        partial(beta_vae, GOOD, GOOD, (GOOD[:127], GOOD[:127])),
        "test codes has 127 rows: it must have at least 128 for group_size=64",
    ),
    (partial(factor_vae, GOOD, GOOD[:, :1]), ONE),
    (partial(beta_vae, GOOD, GOOD[:, :1]), ONE),
    (partial(factor_vae, GOOD * 1e-200, GOOD, (GOOD * 1e90, GOOD)), FAR),
    (
        partial(factor_vae, GOOD, GOOD, group_size=1),
        "group_size=1 must be a whole number of at least 2",
    ),
    (partial(beta_vae, GOOD, GOOD, points=0), "points=0 must be a whole number of at least 1"),
    (
        partial(intervened_params, 2, 2, [0, 1], [1]),
        "low has shape (2,) and high (1,): both must be [D]",
    ),
    (
        partial(intervened_params, 2, 2, [0, 1], [1, 1]),
        "low is 1.0 and high 1.0 for parameter 1: low must be less",
    ),
    (
        partial(intervened_params, 0, 2, [0], [1]),
        "n_groups=0 must be a whole number of at least 1",
    ),
]


@pytest.mark.parametrize(("call", "message"), BAD)
def test_bad_input_is_named(call, message):
    with pytest.raises(FddError) as caught:
        call()
    assert str(caught.value) == message
