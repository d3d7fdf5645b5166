"""Canonical correlations, their kin and Procrustes say what their mathematics says."""

import doctest
import itertools
from functools import partial

import numpy as np
import pytest
import scipy.spatial
from sklearn.cross_decomposition import CCA
from sklearn.decomposition import PCA

from benchmarks.codes import geometry
from benchmarks.codes.geometry import cca, procrustes, pwcca, svcca
from benchmarks.codes.matching import mcc
from fdd import FddError

BEST_ONE = {"cca": cca, "svcca": svcca, "pwcca": pwcca}
RNG = np.random.default_rng(0)
TURN = np.linalg.qr(RNG.normal(size=(3, 3)))[0]
SQUARE = np.array(list(itertools.product([-1.0, 1.0], repeat=3)) * 3)  # orthogonal columns


def halves(codes, params, at=300):
    return codes[:at], params[:at], (codes[at:], params[at:])


def weak(codes, params, **options):
    x, y, test = halves(codes, params)
    return mcc(x, y, test=test, alignment="weak", **options)


def plain_cca(x, y):
    """Canonical correlations as the textbook has them: roots of eigenvalues of covariances."""
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    product = np.linalg.solve(x.T @ x, x.T @ y) @ np.linalg.solve(y.T @ y, y.T @ x)
    values = np.sort(np.linalg.eigvals(product).real)[::-1]
    return np.sqrt(values[: min(x.shape[1], y.shape[1])])


def test_examples_in_docstrings():
    assert doctest.testmod(geometry).failed == 0


@pytest.mark.parametrize("codes", [np.eye(3), TURN, -7 * TURN])
def test_the_parameters_themselves_and_their_rotations_score_best(codes, params):
    for score in BEST_ONE.values():
        np.testing.assert_allclose(score(params @ codes + 5, params), 1, atol=1e-12)
    assert procrustes(params @ codes + 5, params) == pytest.approx(0, abs=1e-12)
    assert weak(params @ codes + 5, params) == pytest.approx(1, abs=1e-12)
    np.testing.assert_allclose(cca(*halves(params @ codes, params)), 1, atol=1e-12)


def test_cca_is_the_textbooks_and_scikit_learns(params, mixed):
    found = cca(mixed, params)
    np.testing.assert_allclose(found, plain_cca(mixed, params), atol=1e-12)
    model = CCA(n_components=3, tol=1e-14, max_iter=10_000)
    x, y = model.fit_transform(mixed, params)
    want = [np.corrcoef(x[:, i], y[:, i])[0, 1] for i in range(3)]
    np.testing.assert_allclose(found, want, atol=1e-8)
    assert found.dtype == np.float64
    assert 0.05 < found[2] < found[1] < 1


def test_cca_on_test_is_scikit_learns_with_its_signs(params, mixed):
    x, y, test = halves(mixed, params)
    model = CCA(n_components=3, tol=1e-14, max_iter=10_000).fit(x, y)
    ours, theirs = model.transform(*test)
    want = [np.corrcoef(ours[:, i], theirs[:, i])[0, 1] for i in range(3)]
    np.testing.assert_allclose(cca(x, y, test), want, atol=1e-7)


def test_cca_on_the_training_rows_is_cca(params, mixed):
    found = cca(mixed, params, test=(mixed, params))
    np.testing.assert_allclose(found, cca(mixed, params), atol=1e-12)


def test_what_turns_over_on_test_is_negative_and_the_order_is_that_of_train(params):
    x, y, (_, ty) = halves(params + np.random.default_rng(3).normal(size=3), params)
    np.testing.assert_allclose(cca(x, y, test=(-ty, ty)), -1, atol=1e-12)
    noise = np.random.default_rng(4).normal(size=(500, 2))
    x, y, (tx, ty) = halves(params[:, :2] + noise * [0.01, 1], params[:, :2])
    tx = ty + noise[300:] * [1, 0.01]
    train, test = cca(x, y), cca(x, y, test=(tx, ty))
    assert train[0] > train[1]
    assert test[0] < test[1]


def test_signal_with_noise_has_the_correlation_that_theory_says():
    rng = np.random.default_rng(0)
    params = rng.normal(size=(20_000, 2))
    codes = (params + rng.normal(size=params.shape) * [0.5, 2]) @ [[1, 2], [3, -4]]
    np.testing.assert_allclose(cca(codes, params), [1 / 1.25**0.5, 1 / 5**0.5], atol=0.01)


def test_noise_scores_the_chance_that_the_docstrings_name():
    rng = np.random.default_rng(0)
    draws = [(rng.normal(size=(200, 32)), rng.normal(size=(200, 6))) for _ in range(30)]
    squares = np.mean([cca(x, y) ** 2 for x, y in draws])
    assert squares == pytest.approx(32 / 199, abs=0.006)
    for score in (svcca, pwcca):
        assert np.mean([score(x, y) for x, y in draws]) == pytest.approx(0.4, abs=0.02)
    assert np.mean([procrustes(x, y) for x, y in draws]) == pytest.approx(1 - 6 / 200, abs=0.005)
    held_out = np.mean([cca(*halves(x, y, 100)) for x, y in draws])
    assert held_out == pytest.approx(0, abs=0.03)
    level = np.sqrt(2 / np.pi / 100)  # the mean of |correlation| of 100 pairs
    means = [mcc(*halves(x, y, 100), alignment="weak") for x, y in draws]
    assert np.mean(means) == pytest.approx(level, abs=0.02)


@pytest.mark.parametrize("columns", [8, 20, 500])
@pytest.mark.parametrize("rows", [33, 101])
def test_codes_that_are_dead_on_test_alone_have_no_correlation_there(columns, rows):
    rng = np.random.default_rng(0)
    codes, params = rng.normal(size=(300, columns)), rng.normal(size=(300, 1))
    test = np.tile(codes[7], (rows, 1)), params[:rows]
    assert cca(codes, params, test=test).tolist() == [0]
    assert mcc(codes, params, test=test, alignment="weak") == 0
    assert mcc(codes, params, test=test, alignment="affine") == 0


def test_rank_deficient_codes_give_zeros_for_what_they_lack(params):
    same, other = params[:, 0], params[:, 1]
    codes = np.column_stack([same, 2e-9 * same, same + 1, np.ones(500), other])
    for found in (cca(codes, params), cca(*halves(codes, params))):
        np.testing.assert_allclose(found, [1, 1, 0], atol=1e-9)
    assert weak(codes, params) == pytest.approx(2 / 3, abs=1e-9)
    assert cca(codes[:, :1], params).shape == (1,)


def test_a_weak_direction_counts_like_a_strong_one(params):
    codes = params[:, :1] + 1e-7 * params[:, :2] * [0, 1]
    np.testing.assert_allclose(cca(codes, params[:, :2]), 1, atol=1e-6)


def test_the_smallest_numbers_there_are_have_a_mean():
    assert procrustes([[0.0], [5e-324]], [[0.0], [1.0]]) == pytest.approx(0, abs=1e-12)


def test_more_codes_than_rows_fit_all_in_sample_and_nothing_on_test():
    codes, params = RNG.normal(size=(60, 100)), RNG.normal(size=(60, 2))
    np.testing.assert_allclose(cca(codes, params), 1, atol=1e-12)
    assert pwcca(codes, params) == pytest.approx(1, abs=1e-12)
    assert np.abs(cca(*halves(codes, params, 40))).max() < 0.6
    np.testing.assert_allclose(cca([[0.0], [3.0]], [[1.0, 5.0], [2.0, 0.0]]), 1, atol=1e-12)


@pytest.mark.parametrize("name", BEST_ONE)
def test_rounding_takes_no_score_beyond_one(name):
    rng = np.random.default_rng(5)
    for _ in range(40):
        params, codes = rng.normal(size=(60, 30)), rng.normal(size=(60, 80))
        assert np.max(BEST_ONE[name](codes, params)) <= 1


@pytest.mark.parametrize("variance", [0.5, 0.9, 0.99])
def test_svcca_is_cca_after_scikit_learns_pca(variance, params, mixed):
    want = plain_cca(*(PCA(variance).fit_transform(side) for side in (mixed, params))).mean()
    assert svcca(mixed, params, variance=variance) == pytest.approx(want, abs=1e-12)


def test_svcca_and_pwcca_by_hand():
    # canonical correlations 1 and 1 / sqrt(2); variances of the codes 100 and 0.01
    params = np.column_stack([SQUARE[:, 0], SQUARE[:, 1] + SQUARE[:, 2]])
    codes = SQUARE[:, :2] * [10, 0.1]
    assert svcca(codes, params) == pytest.approx(1, abs=1e-12)
    assert svcca(codes, params, variance=1) == pytest.approx((1 + 0.5**0.5) / 2, abs=1e-12)
    assert pwcca(codes, params) == pytest.approx((10 + 0.1 * 0.5**0.5) / 10.1, abs=1e-12)
    twice = np.column_stack([codes, codes[:, 1]])
    assert pwcca(twice, params) == pytest.approx((10 + 0.2 * 0.5**0.5) / 10.2, abs=1e-12)


@pytest.mark.parametrize("columns", [1, 3, 5])
def test_procrustes_is_scipys(columns, params):
    codes = np.random.default_rng(7).normal(size=(500, columns))
    codes[:, 0] += 3 * params[:, 0]
    padded = [np.pad(side, ((0, 0), (0, 5 - side.shape[1]))) for side in (codes, params)]
    want = scipy.spatial.procrustes(*padded)[2]
    assert procrustes(codes, params) == pytest.approx(want, abs=1e-12)
    assert procrustes(params, codes) == pytest.approx(want, abs=1e-12)


def test_procrustes_of_stretched_codes_is_what_theory_says():
    stretch = np.array([1.0, 2.0, 5.0])
    want = 1 - stretch.sum() ** 2 / (3 * (stretch**2).sum())
    assert procrustes(SQUARE * stretch, SQUARE) == pytest.approx(want, abs=1e-12)


GOOD = np.random.default_rng(0).normal(size=(9, 2))


OUTSIDE = (
    "test codes or params lie too far outside the training ones: "
    "their canonical variables exceed 1e100"
)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            partial(svcca, variance=1.5),
            "variance=1.5 must be a number from 0 to 1",
        ),
        (
            partial(svcca, variance="all"),
            "variance='all' must be a number from 0 to 1",
        ),
        (partial(svcca, variance=np.nan), "variance=nan must be a number from 0 to 1"),
        (partial(svcca, variance=True), "variance=True must be a number from 0 to 1"),
        (lambda x, y: cca(x * 1e-250, y, test=(x * 1e90, y)), OUTSIDE),
        (lambda x, y: mcc(x, y * 1e-50, test=(x, y * 1e60), alignment="weak"), OUTSIDE),
    ],
)
def test_bad_options_are_named(call, message):
    with pytest.raises(FddError) as caught:
        call(GOOD, GOOD)
    assert str(caught.value) == message
