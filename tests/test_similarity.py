"""CKA, distance correlation and RSA say what their mathematics says."""

import doctest
import importlib
import itertools
import tracemalloc
from functools import partial

import numpy as np
import pytest
from scipy.spatial.distance import pdist, squareform
from scipy.stats import spearmanr

from benchmarks.codes import similarity
from benchmarks.codes.similarity import cka, distance_correlation, rsa
from benchmarks.statistics.permutation import permutation_floor
from fdd import FddError

rbf = partial(cka, kernel="rbf")
SCORES = {"cka": cka, "rbf": rbf, "distance_correlation": distance_correlation, "rsa": rsa}


@pytest.fixture
def params(params):
    """Fewer of them: the plain formulas hold whole matrices."""
    return params[:300]


def turn(columns):
    return np.linalg.qr(np.random.default_rng(4).normal(size=(columns, columns)))[0]


def plain_hsic(a, b):
    """The unbiased estimate as it stands in the papers, with whole matrices."""
    n, one = len(a), np.ones(len(a))
    a, b = a - np.diag(a.diagonal()), b - np.diag(b.diagonal())
    total = (one @ a @ one) * (one @ b @ one) / ((n - 1) * (n - 2))
    return (np.trace(a @ b) + total - 2 * (one @ a @ b @ one) / (n - 2)) / (n * (n - 3))


def plain_cka(a, b, hsic=plain_hsic):
    return hsic(a, b) / np.sqrt(hsic(a, a) * hsic(b, b))


def plain_rbf(x, width, typical=np.median):
    distances = pdist(x)
    wide = np.longdouble(width * typical(distances))
    return np.exp(-(squareform(distances) ** 2) / (2 * wide**2))


def scaled(x):
    return (x - x.mean(axis=0)) / x.std(axis=0)


def whitened(x):
    """ZCA: centred, times the inverse root of the covariance."""
    values, vectors = np.linalg.eigh(np.cov(x.T, bias=True))
    return (x - x.mean(axis=0)) @ vectors / np.sqrt(values) @ vectors.T


def test_examples_in_docstrings():
    assert doctest.testmod(similarity).failed == 0


@pytest.mark.parametrize("columns", [1, 3, 40, 400])
def test_linear_cka_is_the_textbooks_formula(columns, params):
    codes = np.random.default_rng(3).normal(size=(300, columns)) + 1
    codes[:, 0] += 5 * params[:, 0]
    want = plain_cka(codes @ codes.T, params @ params.T)
    assert cka(codes, params) == pytest.approx(want, abs=1e-12)


def test_cka_is_the_mean_over_distinct_rows_that_makes_it_unbiased():
    rng = np.random.default_rng(0)
    codes = rng.normal(size=(7, 3))
    params = codes[:, :2] ** 2 + rng.normal(size=(7, 2))

    def quadruples(a, b):
        return np.mean(
            [
                a[i, j] * (b[i, j] + b[q, r] - 2 * b[i, q])
                for i, j, q, r in itertools.permutations(range(7), 4)
            ]
        )

    want = plain_cka(codes @ codes.T, params @ params.T, quadruples)
    assert cka(codes, params) == pytest.approx(want, abs=1e-12)


@pytest.mark.parametrize("width", [0.2, 1, 100.0])
def test_rbf_cka_is_the_textbooks_formula_on_whitened_codes(width, params, mixed):
    want = plain_cka(plain_rbf(whitened(mixed), width), plain_rbf(scaled(params), width))
    assert rbf(mixed, params, width=width) == pytest.approx(float(want), abs=1e-9)


def test_the_widest_kernel_is_the_linear_one_of_whitened_codes(params, mixed):
    want = cka(whitened(mixed), scaled(params))
    assert rbf(mixed, params, width=100) == pytest.approx(want, abs=1e-4)


@pytest.fixture(scope="module")
def dcor():
    """Imported here, since it compiles for seconds."""
    return importlib.import_module("dcor")


def test_distance_correlation_is_dcors(params, mixed, dcor):
    for codes in (mixed, mixed[:, :1], np.repeat(mixed, 5, axis=1), mixed.round()):
        want = dcor.u_distance_correlation_sqr(codes, params)
        assert distance_correlation(codes, params) == pytest.approx(want, abs=1e-12)


def test_distance_correlation_is_that_of_szekely_and_rizzo_2013(params, mixed):
    def modified(x):
        a = squareform(pdist(x))
        n, mean = len(a), a.mean(axis=0)
        star = n / (n - 1) * (a - mean[:, None] - mean + a.mean() - a / n)
        np.fill_diagonal(star, n / (n - 1) * (mean - a.mean()))
        return star

    def inner(a, b):
        return (a * b).sum() - len(a) / (len(a) - 2) * a.diagonal() @ b.diagonal()

    want = plain_cka(modified(mixed), modified(params), inner)
    assert distance_correlation(mixed, params) == pytest.approx(want, abs=1e-12)


def test_distance_correlation_of_the_example_in_dcors_documentation():
    x = np.arange(1.0, 17).reshape(4, 4)
    assert distance_correlation(x, [[1], [0], [0], [1]]) == pytest.approx(-0.5, abs=1e-12)


def test_more_rows_than_are_held_at_once_give_what_whole_matrices_give(dcor):
    rng = np.random.default_rng(5)
    params = rng.normal(size=(520, 3))
    codes = params + rng.normal(size=(520, 3))
    assert 520**2 > similarity.PAIRS
    want = dcor.u_distance_correlation_sqr(codes, params)
    assert distance_correlation(codes, params) == pytest.approx(want, abs=1e-12)
    want = plain_cka(plain_rbf(whitened(codes), 1), plain_rbf(scaled(params), 1))
    assert rbf(codes, params) == pytest.approx(float(want), abs=1e-9)


@pytest.mark.parametrize("score", [cka, rbf, distance_correlation])
def test_memory_does_not_grow_as_all_pairs(score):
    codes = np.random.default_rng(0).normal(size=(4000, 2))
    tracemalloc.start()
    try:
        score(codes, codes)
        assert tracemalloc.get_traced_memory()[1] < 4000**2 * 8 / 3
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("digits", [0, 1, 9])
def test_rsa_is_scipys_with_ties(digits, params, mixed):
    codes, truth = mixed.round(digits), params.round(digits)
    want = spearmanr(pdist(codes), pdist(truth)).statistic
    assert rsa(codes, truth) == pytest.approx(want, abs=1e-12)


def test_rsa_by_hand():
    # distances 1, 3, 2 and 4, 5, 1: ranks 1, 3, 2 and 2, 3, 1
    assert rsa([[0], [1], [3]], [[0], [4], [5]]) == pytest.approx(0.5)
    # distances 1, 2, 1 and 1, 4, 3: ranks 1.5, 3, 1.5 and 1, 3, 2
    assert rsa([[0], [1], [2]], [[0], [1], [4]]) == pytest.approx(0.75**0.5)


def test_rsa_takes_at_most_max_rows_drawn_by_the_seed(params, mixed):
    first, same, other = (rsa(mixed, params, max_rows=50, seed=seed) for seed in (0, 0, 1))
    rows = np.random.default_rng(0).permutation(300)[:50]
    assert first == same == pytest.approx(rsa(mixed[rows], params[rows]), abs=1e-12)
    assert first != other
    assert rsa(mixed, params, max_rows=300, seed=1) == rsa(mixed, params)


def test_the_median_distance_of_many_rows_is_that_of_some_drawn_by_the_seed(params, mixed):
    assert rbf(mixed, params, seed=1) == pytest.approx(rbf(mixed, params), abs=1e-12)
    rng = np.random.default_rng(5)
    many = rng.uniform(-1, 1, size=(similarity.MEDIAN_ROWS + 200, 1))
    codes = many + rng.normal(size=many.shape)
    first, same, other = (rbf(codes, many, seed=seed) for seed in (0, 0, 1))
    assert first == same != other
    assert first == pytest.approx(other, abs=0.01)


@pytest.mark.parametrize("name", ["cka", "distance_correlation", "rsa"])
def test_the_parameters_themselves_and_their_rotations_score_one(name, params):
    for change in (np.eye(3), -4 * np.eye(3)[[2, 0, 1]], turn(3)):
        assert SCORES[name](params @ change + 5, params) == pytest.approx(1, abs=1e-9)


def test_rbf_gives_any_affine_change_of_uncorrelated_parameters_one():
    params = np.array(list(itertools.product([-2.0, -1.0, 1.0, 2.0], repeat=3)))
    change = np.random.default_rng(0).normal(size=(3, 3))
    assert rbf(params @ change + 7, params) == pytest.approx(1, abs=1e-12)


def test_linear_cka_of_stretched_codes_is_what_theory_says():
    params = np.random.default_rng(0).normal(size=(5000, 3))
    stretch = np.array([1.0, 2.0, 5.0])
    want = (stretch**2).sum() / np.sqrt(3 * (stretch**4).sum())
    assert cka(params * stretch, params) == pytest.approx(want, abs=0.02)


def test_a_square_depends_on_its_root_but_not_linearly():
    params = np.random.default_rng(0).uniform(-1, 1, size=(1000, 1))
    assert abs(cka(params**2, params)) < 0.01
    assert distance_correlation(params**2, params) > 0.1
    assert rbf(params**2, params) > 0.1


@pytest.mark.parametrize("name", SCORES)
def test_noise_scores_zero_on_average_and_below_zero_as_often_as_above(name):
    rng = np.random.default_rng(0)
    draws = [SCORES[name](rng.normal(size=(30, 20)), rng.normal(size=(30, 6))) for _ in range(300)]
    assert np.mean(draws) == pytest.approx(0, abs=4 * np.std(draws) / 300**0.5)
    assert 0.35 < np.mean(np.array(draws) < 0) < 0.65


@pytest.mark.parametrize("name", SCORES)
def test_wrong_pairs_score_about_zero_and_true_ones_more(name, params, mixed):
    floor = permutation_floor(SCORES[name], mixed, params, draws=19)
    assert floor.p == 0.05
    assert abs(floor.chance) < 0.01


def test_the_biased_estimate_that_cka_is_not():
    rng = np.random.default_rng(0)
    biased = []
    for _ in range(100):
        x, y = (side - side.mean(axis=0) for side in (rng.normal(size=(30, k)) for k in (20, 6)))
        biased.append(plain_cka(x.T, y.T, lambda a, b: ((a @ b.T) ** 2).sum()))
    assert np.mean(biased) == pytest.approx(0.26, abs=0.02)


@pytest.mark.parametrize("name", SCORES)
def test_rows_that_are_all_equally_far_apart_score_zero(name, params):
    assert SCORES[name](np.eye(300), params) == 0


@pytest.mark.parametrize("columns", [59, 60, 100])
def test_whitening_as_many_codes_as_rows_leaves_nothing_and_linear_cka_something(columns):
    codes = np.random.default_rng(0).normal(size=(60, columns))
    assert rbf(codes, codes[:, :1]) == 0
    assert cka(codes, codes) == pytest.approx(1, abs=1e-12)


def test_duplicated_codes_do_not_matter_to_whitened_ones(params, mixed):
    twice = np.column_stack([mixed, 3 * mixed])
    assert rbf(twice, params) == pytest.approx(rbf(mixed, params), abs=1e-9)


def test_a_code_that_hardly_ever_moves_has_a_width_too(params):
    rare = np.zeros((300, 1))
    rare[:20], rare[20:30] = 1, 3
    kernel = plain_rbf(scaled(rare), 1, typical=lambda distances: 2**0.5)
    want = plain_cka(kernel, plain_rbf(scaled(params + 2 * rare), 1))
    assert rbf(rare, params + 2 * rare) == pytest.approx(float(want), abs=1e-11)
    assert want > 0.1


GOOD = np.random.default_rng(0).normal(size=(9, 2))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (partial(cka, kernel="poly"), "kernel='poly' is not known; choose from linear, rbf"),
        (partial(rbf, width=0), "width=0 must be a number from 0.01 to 100"),
        (partial(rbf, width=np.inf), "width=inf must be a number from 0.01 to 100"),
        (partial(rbf, width="1"), "width='1' must be a number from 0.01 to 100"),
        (partial(rsa, max_rows=2), "max_rows=2 must be a whole number of at least 3"),
    ],
)
def test_bad_options_are_named(call, message):
    with pytest.raises(FddError) as caught:
        call(GOOD, GOOD)
    assert str(caught.value) == message
