"""Scores by nearest neighbours: scikit-learn's numbers, chance where codes are tied, any scale."""

import doctest

import numpy as np
import pytest
from sklearn import manifold
from sklearn.neighbors import NearestNeighbors

from benchmarks.codes import neighbours
from benchmarks.codes.neighbours import (
    continuity,
    knn_overlap,
    neighbour_table,
    overlap_table,
    trustworthiness,
)
from benchmarks.statistics.permutation import permutation_floor
from fdd import FddError

SCORES = {
    "knn_overlap": knn_overlap,
    "trustworthiness": trustworthiness,
    "continuity": continuity,
}
RNG = np.random.default_rng(0)
PARAMS = RNG.uniform(-1, 1, size=(300, 3))
CODES = np.column_stack(
    [PARAMS[:, 0] + 0.3 * PARAMS[:, 1], PARAMS[:, 2] ** 2, RNG.normal(size=300)]
)
ROTATION = np.linalg.qr(RNG.normal(size=(3, 3)))[0]


def chance(name, rows, k):
    """The mean of each score over random neighbours, from its definition."""
    if name == "knn_overlap":
        return k / (rows - 1)
    mean_excess = np.maximum(np.arange(1, rows) - k, 0).mean()
    return 1 - 2 / (2 * rows - 3 * k - 1) * mean_excess


def sklearns_overlap(codes, params, k):
    near = [
        NearestNeighbors(n_neighbors=k).fit(x).kneighbors(return_distance=False)
        for x in (codes, params)
    ]
    return np.mean([len(set(a) & set(b)) / k for a, b in zip(*near, strict=True)])


def reference(name, codes, params, k):
    if name == "knn_overlap":
        return sklearns_overlap(codes, params, k)
    pair = (params, codes) if name == "trustworthiness" else (codes, params)
    return manifold.trustworthiness(*pair, n_neighbors=k)


def test_examples_in_docstrings():
    assert doctest.testmod(neighbours).failed == 0


@pytest.mark.parametrize("k", [1, 10, 64, 149])
@pytest.mark.parametrize("name", SCORES)
def test_the_numbers_are_scikit_learns(name, k):
    found = SCORES[name](CODES, PARAMS, k=k)
    assert found == pytest.approx(reference(name, CODES, PARAMS, k), abs=1e-12)
    assert found < 0.95


@pytest.mark.parametrize("name", SCORES)
def test_wide_codes_and_many_rows_are_scikit_learns_too(name):
    rng = np.random.default_rng(1)
    params = rng.uniform(-1, 1, size=(1500, 6))
    codes = np.tanh(params @ rng.normal(size=(6, 40))) + 0.1 * rng.normal(size=(1500, 40))
    want = reference(name, codes, params, 10)
    assert SCORES[name](codes, params) == pytest.approx(want, abs=1e-12)


def test_trustworthiness_and_continuity_by_hand():
    # N k (2N - 3k - 1) / 2 = 8
    codes, params = [[0], [2], [4.5], [-1.5]], [[0], [1], [2.4], [5]]
    assert knn_overlap(codes, params, k=1) == 2 / 4  # rows 2 and 3
    assert trustworthiness(codes, params, k=1) == 1 - (2 + 2) / 8  # row 1 takes 4: rank 3; row 4
    assert continuity(codes, params, k=1) == 1 - (1 + 2) / 8  # row 1 lost 2: rank 2; row 4


@pytest.mark.parametrize("name", SCORES)
def test_the_farthest_for_the_nearest_scores_zero(name):
    assert SCORES[name]([[1], [-1.5], [0]], [[0], [1], [3]], k=1) == 0


@pytest.mark.parametrize("name", SCORES)
def test_the_parameters_themselves_score_one(name):
    assert SCORES[name](PARAMS, PARAMS) == 1


@pytest.mark.parametrize("name", SCORES)
def test_rotated_and_scaled_and_shifted_codes_score_one(name):
    assert SCORES[name](1e-5 * PARAMS @ ROTATION - 7e-4, PARAMS) == pytest.approx(1, abs=1e-12)


def test_swapped_arguments():
    assert knn_overlap(PARAMS, CODES) == pytest.approx(knn_overlap(CODES, PARAMS), abs=1e-12)
    assert continuity(PARAMS, CODES) == trustworthiness(CODES, PARAMS)
    assert continuity(CODES, PARAMS) != trustworthiness(CODES, PARAMS)


def test_trust_is_lost_by_folding_and_continuity_by_tearing():
    angle = np.sort(np.random.default_rng(3).uniform(0, 2 * np.pi, size=300))[:, None]
    circle = np.column_stack([np.cos(angle), np.sin(angle)])
    assert trustworthiness(angle, circle) > 0.999 > continuity(angle, circle)
    assert continuity(circle[:, :1], circle) > 0.98 > 0.9 > trustworthiness(circle[:, :1], circle)


@pytest.mark.parametrize("name", SCORES)
def test_noise_scores_chance(name):
    noise = np.random.default_rng(4).normal(size=(300, 4))
    assert SCORES[name](noise, PARAMS) == pytest.approx(chance(name, 300, 10), abs=0.02)
    floor = permutation_floor(
        lambda codes, params, **_: SCORES[name](codes, params),
        noise[:100],
        PARAMS[:100],
        draws=19,
    )
    assert floor.chance == pytest.approx(chance(name, 100, 10), abs=0.02)


@pytest.mark.parametrize("k", [1, 10, 149])
@pytest.mark.parametrize("name", SCORES)
def test_codes_that_are_all_the_same_score_chance_exactly(name, k):
    assert SCORES[name](np.full((300, 2), 0.1), PARAMS, k=k) == pytest.approx(
        chance(name, 300, k), abs=1e-12
    )


@pytest.mark.parametrize("k", [2, 32])  # 32: with those tied, more than are counted one by one
@pytest.mark.parametrize("name", SCORES)
def test_ties_score_what_breaking_them_at_random_does_on_average(name, k):
    rng = np.random.default_rng(5)
    params = rng.integers(0, 4, size=(130, 2)).astype(float)
    codes = params[:, :1] + rng.integers(0, 2, size=(130, 1))

    def jittered(array):
        return array + 1e-7 * rng.normal(size=array.shape)

    broken = [reference(name, jittered(codes), jittered(params), k) for _ in range(100)]
    error = np.std(broken) / np.sqrt(len(broken))
    found = SCORES[name](codes, params, k=k)
    assert found == pytest.approx(np.mean(broken), abs=4 * error)
    order = rng.permutation(130)
    assert SCORES[name](codes[order], params[order], k=k) == pytest.approx(found, abs=1e-12)


def test_ties_that_a_rotation_hides_in_rounding_are_ties():
    grid = np.stack(np.meshgrid(np.arange(8) / 10, np.arange(8) / 10), axis=-1).reshape(-1, 2)
    turned = grid @ np.array([[0.8, 0.6], [-0.6, 0.8]])
    other = np.random.default_rng(6).normal(size=(64, 2))
    for score in SCORES.values():
        assert score(turned, other, k=3) == pytest.approx(score(grid, other, k=3), abs=1e-12)


def test_a_code_that_occurs_twice_by_hand():
    # Codes 0, 0, 5: the first two are each other's nearest, both are the third's, tied.
    codes, params = [[0], [0], [5]], [[0], [1], [3]]
    assert knn_overlap(codes, params, k=1) == pytest.approx((1 + 1 + 1 / 2) / 3)
    assert trustworthiness(codes, params, k=1) == pytest.approx(1 - 2 / 6 * (1 / 2))


@pytest.mark.parametrize("name", SCORES)
def test_one_neighbour_in_as_few_rows_as_have_one(name):
    rng = np.random.default_rng(7)
    codes, params = rng.normal(size=(3, 50)), rng.normal(size=(3, 2))
    assert 0 <= SCORES[name](codes, params, k=1) <= 1
    assert knn_overlap(codes[:2], params[:2], k=1) == 1


@pytest.mark.parametrize("k", [0, 2.5])
@pytest.mark.parametrize("name", SCORES)
def test_a_bad_number_of_neighbours_is_named(name, k):
    with pytest.raises(FddError) as caught:
        SCORES[name](CODES, PARAMS, k=k)
    assert str(caught.value) == f"k={k} must be a whole number of at least 1"


@pytest.mark.parametrize("k", [10, 70])
@pytest.mark.parametrize("columns", [3, 12])
def test_the_overlap_is_that_of_the_tables_however_it_is_found(columns, k):
    """By a tree or by products, by counting or by sorting."""
    rng = np.random.default_rng(columns)
    codes = rng.normal(size=(150, columns))
    params = codes + 0.3 * rng.normal(size=codes.shape)
    expected = (neighbour_table(codes, k=k) * overlap_table(params, k=k)).sum()
    assert knn_overlap(codes, params, k=k) == pytest.approx(expected, rel=1e-12)
    assert 0.2 < expected < 0.95
