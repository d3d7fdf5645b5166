"""Retrieval ranks the true match among all images by distance; a tie is no success."""

import doctest
from functools import partial

import numpy as np
import pytest

from benchmarks.image_scores import retrieval, retrieval_floor
from benchmarks.images import retrieval as module
from fdd import FddError

RNG = np.random.default_rng(0)

NOISE = RNG.integers(0, 256, size=(30, 24, 17, 3), dtype=np.uint8)


def test_examples_in_docstrings():
    found = doctest.testmod(module)
    assert found.failed == 0 < found.attempted


def test_retrieval_by_hand():
    # distances of 0 from 1, 8, 2: the true one first; of 9: 8 first; of 5: 8, 2 tie at 3
    found = retrieval(np.uint8([[0], [9], [5]]), np.uint8([[1], [8], [2]]))
    assert found.ranks.tolist() == [1, 1, 2]
    assert found.ranks.dtype == np.int64
    assert found.top1 == pytest.approx(2 / 3)
    assert found.top10 == 1
    assert found.mean_reciprocal_rank == pytest.approx((1 + 1 + 1 / 2) / 3)
    assert found.chance_top1 == pytest.approx(1 / 3)
    assert found.chance_top10 == 1
    assert found.chance_mean_reciprocal_rank == pytest.approx((1 + 1 / 2 + 1 / 3) / 3)


def test_top10_counts_ranks_up_to_ten():
    gallery = np.arange(30, dtype=np.uint8)[:, None]
    found = retrieval(np.zeros((30, 1), np.uint8), gallery)
    assert found.ranks.tolist() == list(range(1, 31))
    assert found.top10 == pytest.approx(1 / 3)
    assert found.chance_top10 == pytest.approx(1 / 3)
    floor = retrieval_floor(np.zeros((30, 1), np.uint8), gallery, draws=9)["top10"]
    assert floor.score == pytest.approx(1 / 3)


def test_an_image_that_is_twice_in_the_gallery_is_not_found():
    gallery = NOISE.copy()
    gallery[5] = gallery[20]
    ranks = retrieval(gallery, gallery).ranks
    assert ranks[[5, 20]].tolist() == [2, 2]
    assert np.delete(ranks, [5, 20]).tolist() == [1] * 28


def test_floats_that_differ_by_rounding_only_are_ties():
    gallery = NOISE / 255
    gallery[15:] = gallery[:15] * (1 + 1e-13)
    assert retrieval(gallery, gallery).ranks.tolist() == [2] * 30


def test_one_image_for_all_codes_finds_chance():
    found = retrieval(np.repeat(NOISE[:1], 30, axis=0) // 2, NOISE)
    assert sorted(found.ranks) == list(range(1, 31))
    assert found.top1 == pytest.approx(found.chance_top1)
    assert found.mean_reciprocal_rank == pytest.approx(found.chance_mean_reciprocal_rank)


def test_floats_of_equal_images_are_ties():
    same = np.full((12, 4, 4, 3), 7, np.uint8) / 7.3
    assert retrieval(same, same).ranks.tolist() == [12] * 12


def plain(queries, *forms):
    """The definition, with all distances in memory; of whole numbers, so without rounding."""
    queries, *forms = (
        images.reshape(len(images), -1).astype(float) for images in (queries, *forms)
    )
    squares = [((queries[:, None] - form) ** 2).sum(axis=2) for form in forms]
    distances = np.min(squares, axis=0)
    own = distances.diagonal()[:, None]
    return (distances <= own).sum(axis=1)


@pytest.mark.parametrize("kind", [np.uint8, np.float32])
@pytest.mark.parametrize("rows", [23, module.ROWS + 23])  # more than are held at once
def test_it_is_the_plain_definition_in_blocks_too(rows, kind):
    queries = RNG.integers(0, 6, size=(rows, 3, 2)).astype(kind)
    gallery = RNG.integers(0, 6, size=(rows + 8, 3, 2)).astype(kind)
    want = plain(queries, gallery)
    found = retrieval(queries, gallery)
    np.testing.assert_array_equal(found.ranks, want)
    assert found.gallery_size == rows + 8
    assert len(set(want)) > 5


@pytest.mark.parametrize("shape", [(25, 7, 5, 3), (4, module.COLUMNS + 100)])
def test_bytes_are_ranked_as_wider_whole_numbers_are(shape):
    """Products of bytes are of integers where torch has them, those of wider numbers of floats."""
    queries, gallery, also = RNG.integers(0, 256, size=(3, *shape), dtype=np.uint8)
    want = plain(queries, gallery, also)
    np.testing.assert_array_equal(retrieval(queries, gallery, also=also).ranks, want)
    wide = [images.astype(np.uint16) for images in (queries, gallery, also)]
    np.testing.assert_array_equal(retrieval(wide[0], wide[1], also=wide[2]).ranks, want)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_distances_of_white_images_are_exact(kind):
    white = np.full((2, 128, 128, 3), 255, kind)
    queries, gallery = white.copy(), white.copy()
    queries[0, 0, 0, 0], gallery[0, 0, 0, 0], gallery[1, 0, 0, 0] = 250, 251, 252
    queries[1, 0, 0, 0] = 253
    assert retrieval(queries, gallery).ranks.tolist() == [1, 1]
    assert retrieval(queries[::-1], gallery).ranks.tolist() == [2, 2]


def test_retrieval_floor_of_the_true_matches():
    found, floors = retrieval(NOISE, NOISE), retrieval_floor(NOISE, NOISE, draws=99)
    for name, floor in floors.items():
        assert floor.score == pytest.approx(getattr(found, name))
        assert floor.chance == pytest.approx(getattr(found, f"chance_{name}"), abs=0.05)
        assert floor.p == pytest.approx(0.01)
    assert list(floors) == ["top1", "top10", "mean_reciprocal_rank"]


def test_retrieval_floor_of_unrelated_images_is_no_success():
    other = RNG.integers(0, 256, size=NOISE.shape, dtype=np.uint8)
    for floor in retrieval_floor(other, NOISE, draws=99, seed=1).values():
        assert floor.p > 0.05
        assert floor.score <= floor.upper


FOUR = NOISE[:4]
BAD = {
    "gallery of one": (
        partial(retrieval, FOUR[:1], FOUR[:1]),
        "gallery has 1 images: it must have at least 2",
    ),
    "other pixels": (
        partial(retrieval, FOUR, FOUR[:, :12]),
        "queries are images (24, 17, 3) and the gallery (12, 17, 3): they must agree",
    ),
    "one query floor": (
        partial(retrieval_floor, FOUR[:1], FOUR),
        "queries has 1 images: it must have at least 2",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named(case):
    call, message = BAD[case]
    with pytest.raises(FddError) as caught:
        call()
    assert str(caught.value) == message
