"""Scores of sets of features say what their definitions say, ties and singular ones included."""

import doctest
from functools import partial

import numpy as np
import pytest
from prdc import compute_prdc
from scipy.linalg import sqrtm
from sklearn.metrics.pairwise import polynomial_kernel

from benchmarks.images import quality
from benchmarks.images.quality import fid, kid, prdc
from fdd import FddError

SHAPES = [(60, 50, 7), (300, 280, 3), (40, 40, 12)]  # more rows than are held at once, too
PERFECT = {"precision": 1.0, "recall": 1.0, "density": 1.0, "coverage": 1.0}


def sets(n, m, f, seed=0):
    """Features of two Gaussians that differ in mean and spread."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, f)), 1.3 * rng.normal(size=(m, f)) + 0.4


def rotation(f):
    return np.linalg.qr(np.random.default_rng(9).normal(size=(f, f)))[0]


def test_examples_in_docstrings():
    assert doctest.testmod(quality).failed == 0


@pytest.mark.parametrize("shape", SHAPES)
def test_fid_is_the_formula_with_a_matrix_square_root(shape):
    x, y = sets(*shape)
    c, d = np.cov(x.T), np.cov(y.T)
    means = ((x.mean(axis=0) - y.mean(axis=0)) ** 2).sum()
    want = means + np.trace(c + d - 2 * sqrtm(c @ d).real)
    assert fid(x, y) == pytest.approx(want, rel=1e-10)


def test_fid_of_one_feature_by_hand():
    # means 2 and 6, unbiased variances 4 and 16
    assert fid([[0], [2], [4]], [[2], [6], [10]]) == pytest.approx(16 + (2 - 4) ** 2)


def test_fid_of_fewer_rows_than_features_is_that_in_the_space_they_span():
    x, y = sets(6, 5, 4)
    wide = np.zeros((2, 4, 30))
    wide[:, :, :4] = rotation(4)
    assert fid(x @ wide[0], y @ wide[1]) == pytest.approx(fid(x, y), rel=1e-12)
    apart = np.column_stack([x, 0 * x]), np.column_stack([0 * y, y])  # nothing is shared
    means = ((apart[0].mean(axis=0) - apart[1].mean(axis=0)) ** 2).sum()
    want = means + np.trace(np.cov(x.T)) + np.trace(np.cov(y.T))
    assert fid(*apart) == pytest.approx(want, rel=1e-12)


@pytest.mark.parametrize("shape", [*SHAPES, (5, 9, 40), (2, 2, 3)])
def test_fid_is_zero_for_equal_sets_in_any_order_and_never_negative(shape):
    x, y = sets(*shape)
    for scale in (1, 1e-9, 1e9):
        order = np.random.default_rng(1).permutation(len(x))
        assert 0 <= fid(scale * x, scale * x[order]) <= 1e-12 * scale**2
    assert fid(x, y) > 0.1


def test_fid_of_two_samples_of_one_distribution_has_the_bias_that_is_stated():
    rng, f = np.random.default_rng(2), 30
    found = [fid(rng.normal(size=(2000, f)), rng.normal(size=(1000, f))) for _ in range(5)]
    assert np.mean(found) == pytest.approx((1 / 2000 + 1 / 1000) * (f + f * (f + 1) / 4), rel=0.03)


@pytest.mark.parametrize("degree", [1, 2, 3, 5])
@pytest.mark.parametrize("shape", SHAPES)
def test_kid_is_the_unbiased_estimator(shape, degree):
    x, y = sets(*shape)
    kernel = partial(polynomial_kernel, degree=degree, coef0=1)  # gamma is 1 / F by default
    within = [
        kernel(z)[~np.eye(len(z), dtype=bool)].mean()  # pairs of different rows only
        for z in (x, y)
    ]
    want = sum(within) - 2 * kernel(x, y).mean()
    assert kid(x, y, degree=degree) == pytest.approx(want, rel=1e-10)


def test_kid_of_more_rows_than_are_held_at_once_is_the_unbiased_estimator():
    x, y = sets(quality.SIDE + 30, 50, 3)
    kernel = polynomial_kernel(x)[~np.eye(len(x), dtype=bool)]
    among_fake = polynomial_kernel(y)[~np.eye(50, dtype=bool)]
    want = kernel.mean() + among_fake.mean() - 2 * polynomial_kernel(x, y).mean()
    assert kid(x, y) == pytest.approx(want, rel=1e-10)


def test_kid_by_hand():
    # k(x, y) = (x y + 1)^3: 1 among the real, 27 among the fake, and 1, 1, 8, 27 across
    assert kid([[0], [1]], [[1], [2]]) == pytest.approx(1 + 27 - 2 * (1 + 1 + 8 + 27) / 4)


def test_kid_of_one_distribution_is_zero_in_the_mean_and_on_both_sides_of_it():
    rng = np.random.default_rng(3)
    found = [kid(rng.normal(size=(50, 4)), rng.normal(size=(30, 4))) for _ in range(300)]
    assert abs(np.mean(found)) < 3 * np.std(found) / np.sqrt(300)
    assert min(found) < 0 < max(found)
    other = [kid(rng.normal(size=(50, 4)), 1.5 * rng.normal(size=(30, 4))) for _ in range(50)]
    assert np.mean(other) > 2 * np.std(found)


@pytest.mark.parametrize("k", [1, 5])
@pytest.mark.parametrize("shape", SHAPES)
def test_prdc_is_that_of_the_package_of_its_authors(shape, k):
    x, y = sets(*shape)
    found, want = prdc(x, y, k=k), compute_prdc(x, y, k)
    assert found == pytest.approx(want, abs=1e-12)
    assert list(found) == ["precision", "recall", "density", "coverage"]
    assert all(type(value) is float for value in found.values())
    assert 0 < found["precision"] < 1
    assert 0 < found["density"] < 1
    assert 0 < found["coverage"] < 1


def test_prdc_by_hand_with_points_on_the_rims():
    # real radii 1, 1, 9 (k = 1): 1 and 10 to their nearest; the second ball ends on 0 and on 2
    found = prdc([[0], [1], [10]], [[2], [19], [40]], k=1)
    assert found["precision"] == pytest.approx(2 / 3)  # 2 lies on two rims, 19 on that of 10
    assert found["coverage"] == pytest.approx(2 / 3)  # 0 has no fake point in its ball
    # the k-th neighbour is alone on the rims of 0 and 10, so a point there counts nothing; on the
    # rim of 1, too, whose other end, 2, is no real point: 2 is inside the ball of 10 alone
    assert found["density"] == pytest.approx(1 / 3)
    # fake radii 17, 17, 21: all of them within 17 of 2 or of 19
    assert found["recall"] == 1


def test_density_shares_the_rim_among_the_real_rows_on_it():
    # with k = 2 the ball of 0 has 0 inside and both -1 and 1 on its rim, each counting 1/2
    real = [[0], [-1], [1]]
    assert prdc(real, real, k=2) == PERFECT
    found = prdc(real, [[1], [50], [90]], k=2)
    # 1 is on that rim, alone on that of -1 (nothing), and inside its own; k M = 6
    assert found["density"] == pytest.approx((0.5 + 0 + 1) / 6)


@pytest.mark.parametrize("value", [0.0, 0.1, -1e90, 1e-200])
def test_sets_of_one_value_score_one_and_of_two_values_zero(value):
    real = np.full((9, 3), value)
    assert prdc(real, real[:7]) == pytest.approx(PERFECT)
    other = np.full((7, 3), 3 * value + (value == 0))
    assert prdc(real, other) == dict.fromkeys(PERFECT, 0.0)
    assert compute_prdc(real, real, 5)["precision"] == 0  # what this is here to be right about


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_set_beside_itself_scores_one_with_any_duplicates(dtype):
    x = sets(80, 2, 300)[0].astype(dtype) + 5
    for rows in (np.arange(80), np.arange(80) % 40, np.arange(80) % 3, np.arange(80) ** 2 % 17):
        order = np.random.default_rng(4).permutation(80)
        assert prdc(x[rows], x[rows][order]) == pytest.approx(PERFECT, abs=1e-12)


def test_density_and_coverage_of_one_distribution_are_those_that_are_stated():
    rng, n, m, k = np.random.default_rng(5), 40, 60, 3
    every = [prdc(rng.normal(size=(n, 4)), rng.normal(size=(m, 4)), k=k) for _ in range(300)]
    steps = np.arange(1, k + 1)
    want = 1 - np.prod((n - steps) / (n + m - steps))
    assert np.mean([found["coverage"] for found in every]) == pytest.approx(want, abs=0.005)
    assert np.mean([found["density"] for found in every]) == pytest.approx(1, abs=0.02)


def test_prdc_tells_missing_modes_from_wrong_samples():
    rng = np.random.default_rng(6)
    two = rng.normal(size=(200, 2)) + 100 * np.repeat([[0], [1]], 100, axis=0)
    one = rng.normal(size=(200, 2))
    missing, wrong = prdc(two, one), prdc(one, two)
    assert missing["precision"] > 0.9
    assert missing["recall"] < 0.6 > missing["coverage"]
    assert wrong["recall"] > 0.9
    assert wrong["precision"] < 0.6


@pytest.mark.parametrize("score", [fid, prdc])
def test_a_shift_or_a_turn_of_both_sets_changes_nothing(score):
    x, y = sets(60, 50, 7)
    turned = [z @ rotation(7) - 40 for z in (x, y)]
    assert score(*turned) == pytest.approx(score(x, y), abs=1e-9)


def test_kid_is_unchanged_by_a_turn_alone():
    x, y = sets(60, 50, 7)
    assert kid(x @ rotation(7), y @ rotation(7)) == pytest.approx(kid(x, y), rel=1e-10)
    assert kid(x + 1, y + 1) != pytest.approx(kid(x, y), rel=0.1)


@pytest.mark.parametrize("scale", [1e-150, 1e-3, 1e3, 1e90])
def test_fid_scales_as_a_square_and_prdc_not_at_all(scale):
    x, y = sets(60, 50, 7)
    assert fid(scale * x, scale * y) / scale**2 == pytest.approx(fid(x, y), rel=1e-9)
    assert prdc(scale * x, scale * y) == pytest.approx(prdc(x, y), abs=1e-12)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("scale", [0, 1e-200, 1, 1e30])
@pytest.mark.parametrize("score", [fid, kid, prdc])
def test_constant_and_duplicated_features_have_a_finite_answer(score, scale):
    x, y = (scale * np.column_stack([z, z, 0 * z + 7]) for z in sets(8, 6, 2))
    found = score(x, y)
    assert np.isfinite(list(found.values()) if isinstance(found, dict) else found).all()


GOOD = np.random.default_rng(0).normal(size=(9, 2))
BAD = {
    "k": (partial(prdc, GOOD, GOOD, k=0), "k=0 must be a whole number of at least 1"),
    "degree": (
        partial(kid, GOOD, GOOD, degree=1.5),
        "degree=1.5 must be a whole number of at least 1",
    ),
    "kernel": (
        partial(kid, np.full((9, 2), 1e60), GOOD),
        "real and fake reach 1e+60 in size: their kernel of degree 3 is not finite; "
        "scale both down",
    ),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named(case):
    call, message = BAD[case]
    with pytest.raises(FddError) as caught:
        call()
    assert str(caught.value) == message
