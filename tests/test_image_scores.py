"""Scores of images against images say what their mathematics says, and never NaN."""

import doctest
from functools import partial

import numpy as np
import pytest
from skimage.metrics import structural_similarity

from benchmarks.image_scores import retrieval, retrieval_floor, ssim, ssim_floor
from benchmarks.images import retrieval as retrieval_module
from benchmarks.images import structure
from fdd import FddError

RNG = np.random.default_rng(0)
NOISE = RNG.integers(0, 256, size=(30, 24, 17, 3), dtype=np.uint8)
WANG = {
    "gaussian_weights": True,
    "sigma": 1.5,
    "use_sample_covariance": False,
    "data_range": 255,
}


def blobs(count, size=32, seed=0):
    """Smooth pictures on white, uint8 [count, size, size, 3]."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size] / size
    centre = rng.uniform(0.2, 0.8, size=(count, 2, 1, 1))
    width = rng.uniform(0.05, 0.2, size=(count, 1, 1))
    dark = np.exp(-((x - centre[:, 0]) ** 2 + (y - centre[:, 1]) ** 2) / (2 * width**2))
    colour = rng.uniform(size=(count, 1, 1, 3))
    return np.rint(255 * (1 - dark[..., None] * colour)).astype(np.uint8)


def test_examples_in_docstrings():
    assert doctest.testmod(structure).failed == doctest.testmod(retrieval_module).failed == 0


@pytest.mark.parametrize("channels", [None, 1, 3])
@pytest.mark.parametrize("shape", [(11, 11), (16, 33)])
def test_ssim_is_scikit_images(channels, shape):
    size = (9, *shape) if channels is None else (9, *shape, channels)
    a, b = RNG.integers(0, 256, size=(2, *size), dtype=np.uint8)
    b[::2] //= 4
    b[::3] = a[::3] // 2 + b[::3] // 2
    axis = None if channels is None else -1
    want = [
        structural_similarity(x, y, channel_axis=axis, **WANG) for x, y in zip(a, b, strict=True)
    ]
    found = ssim(a, b)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, want, atol=1e-12)


def test_ssim_of_floats_takes_their_range():
    a, b = NOISE[:4] / 255, NOISE[4:8] / 255
    np.testing.assert_allclose(ssim(a, b, data_range=1), ssim(NOISE[:4], NOISE[4:8]), atol=1e-12)


def test_ssim_is_one_for_the_same_image_and_only_then():
    np.testing.assert_allclose(ssim(NOISE, NOISE), 1, atol=1e-12)
    other = NOISE.copy()
    other[:, 12, 8] ^= 128
    assert ssim(NOISE, other).max() < 1


def test_ssim_is_symmetric_and_of_each_pair_alone():
    a, b = blobs(7), blobs(7, seed=1)
    np.testing.assert_allclose(ssim(a, b), ssim(b, a), atol=1e-14)
    np.testing.assert_allclose(ssim(a[3:4], b[3:4])[0], ssim(a, b)[3], atol=1e-12)


def test_ssim_of_flat_images_by_hand():
    black, grey = np.zeros((1, 12, 12), np.uint8), np.full((1, 12, 12), 100, np.uint8)
    c1 = (0.01 * 255) ** 2
    assert ssim(black, grey)[0] == pytest.approx(c1 / (100**2 + c1), abs=1e-12)
    assert ssim(grey, grey)[0] == pytest.approx(1, abs=1e-12)


def test_ssim_of_no_images_is_an_error():
    with pytest.raises(FddError, match=r"^images_a has 0 images: it must have at least 1$"):
        ssim(NOISE[:0], NOISE[:0])


@pytest.mark.parametrize("count", [2, 9, 10, 25, 30])
def test_ssim_floor_is_mean_over_all_pairs_and_over_wrong_pairs(count):
    a, b = blobs(30)[:count], blobs(30, seed=1)[:count]
    floor = ssim_floor(a, b, draws=19, block=count)
    every = np.array([ssim(np.repeat(a[[i]], count, axis=0), b) for i in range(count)])
    wrong = every[~np.eye(count, dtype=bool)]
    assert floor.score == pytest.approx(every.diagonal().mean(), abs=1e-12)
    assert floor.chance == pytest.approx(wrong.mean(), abs=1e-12)
    assert floor.null.shape == (19,)


def test_ssim_floor_in_blocks_sees_every_row_once():
    a, b = blobs(25), blobs(25, seed=1)
    floor = ssim_floor(a, b, draws=99, block=4, seed=3)
    assert floor.score == pytest.approx(ssim(a, b).mean(), abs=1e-12)
    assert floor.null.min() < floor.chance < floor.null.max()
    assert floor.p > 0.05


def test_ssim_floor_of_the_images_themselves_is_far_below_one():
    floor = ssim_floor(blobs(40), blobs(40), draws=99)
    assert floor.score == pytest.approx(1)
    assert floor.chance < floor.upper < 0.95
    assert floor.p == pytest.approx(0.01)


def test_ssim_floor_is_the_same_for_the_same_seed():
    a, b = blobs(25), blobs(25, seed=1)
    first, second, third = (ssim_floor(a, b, draws=9, block=5, seed=s) for s in (1, 1, 2))
    np.testing.assert_array_equal(first.null, second.null)
    assert not np.array_equal(first.null, third.null)


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


def test_all_ties_are_failures():
    same = np.full((12, 4, 4, 3), 7, np.uint8)
    assert retrieval(same, same).ranks.tolist() == [12] * 12
    assert retrieval(same / 7.3, same / 7.3).top1 == 0


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


@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_retrieval_is_the_plain_definition_in_blocks_too(kind, monkeypatch):
    monkeypatch.setattr(retrieval_module, "ROWS", 7)
    queries = RNG.integers(0, 6, size=(23, 3, 2)).astype(kind)
    gallery = RNG.integers(0, 6, size=(31, 3, 2)).astype(kind)
    apart = (queries[:, None].astype(float) - gallery[None].astype(float)).reshape(23, 31, -1)
    distances = (apart**2).sum(axis=-1)
    want = (distances <= distances[np.arange(23), np.arange(23)][:, None]).sum(axis=1)
    found = retrieval(queries, gallery)
    assert found.ranks.tolist() == want.tolist()
    assert found.gallery_size == 31
    assert len(set(want)) > 5


@pytest.mark.parametrize("columns", [52, 2**16])
def test_products_of_bytes_are_those_of_floats(columns, monkeypatch):
    monkeypatch.setattr(retrieval_module, "COLUMNS", columns)
    monkeypatch.setattr(retrieval_module, "ROWS", 9)
    queries, gallery, also = RNG.integers(0, 256, size=(3, 25, 7, 5, 3), dtype=np.uint8)
    by_bytes = retrieval(queries, gallery, also=also).ranks
    monkeypatch.setattr(retrieval_module, "_multiplies_bytes", lambda: False)
    np.testing.assert_array_equal(by_bytes, retrieval(queries, gallery, also=also).ranks)
    forms = np.stack([gallery, also]).astype(float)
    distances = ((queries[None, :, None] - forms[:, None]) ** 2).sum(axis=(3, 4, 5)).min(axis=0)
    want = (distances <= np.diag(distances)[:, None]).sum(axis=1)
    np.testing.assert_array_equal(by_bytes, want)


@pytest.mark.parametrize("multiplies", [True, False])
def test_distances_of_white_images_are_exact(multiplies, monkeypatch):
    monkeypatch.setattr(retrieval_module, "_multiplies_bytes", lambda: multiplies)
    white = np.full((2, 128, 128, 3), 255, np.uint8)
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
    "ssim flat": (
        partial(ssim, NOISE.reshape(30, -1), NOISE),
        "images_a has shape (30, 1224): it must be [N, H, W, C] or [N, H, W], H and W at least 11",
    ),
    "ssim small": (
        partial(ssim, FOUR, FOUR[:, :10]),
        "images_b has shape (4, 10, 17, 3): it must be [N, H, W, C] or [N, H, W], "
        "H and W at least 11",
    ),
    "ssim shapes": (
        partial(ssim, FOUR, FOUR[:3]),
        "images_a has shape (4, 24, 17, 3) and images_b (3, 24, 17, 3): they must agree",
    ),
    "ssim NaN": (
        partial(ssim, FOUR, np.where(FOUR == FOUR[0, 0, 0, 0], np.nan, FOUR)),
        "images_b holds NaN or infinity: ",
    ),
    "ssim range": (
        partial(ssim, FOUR, FOUR, data_range=0),
        "data_range is 0: it must be a positive number",
    ),
    "ssim text": (
        partial(ssim, [["a"]], FOUR),
        "images_a has dtype <U1: it must hold real numbers",
    ),
    "floor of one": (
        partial(ssim_floor, FOUR[:1], FOUR[:1]),
        "images_a has 1 images: it must have at least 2",
    ),
    "floor block": (
        partial(ssim_floor, FOUR, FOUR, block=1),
        "block=1 must be a whole number of at least 2",
    ),
    "floor draws": (
        partial(ssim_floor, FOUR, FOUR, draws=0),
        "draws=0 must be a whole number of at least 1",
    ),
    "no queries": (
        partial(retrieval, FOUR[:0], FOUR),
        "queries has 0 images: it must have at least 1",
    ),
    "gallery of one": (
        partial(retrieval, FOUR[:1], FOUR[:1]),
        "gallery has 1 images: it must have at least 2",
    ),
    "gallery smaller": (
        partial(retrieval, FOUR, FOUR[:3]),
        "gallery has 3 images: it must have at least 4",
    ),
    "1-D": (
        partial(retrieval, [1.0, 2.0], FOUR),
        "queries has shape (2,): it must be [N, ...] with pixels a row",
    ),
    "no pixels": (
        partial(retrieval, FOUR, FOUR[:, :0]),
        "gallery has shape (4, 0, 17, 3): it must be [N, ...] with pixels a row",
    ),
    "other pixels": (
        partial(retrieval, FOUR, FOUR[:, :12]),
        "queries are images (24, 17, 3) and the gallery (12, 17, 3): they must agree",
    ),
    "infinite": (
        partial(retrieval, np.full(FOUR.shape, np.inf), FOUR),
        "queries holds NaN or infinity: ",
    ),
    "huge": (
        partial(retrieval, FOUR * 1e150, FOUR),
        "queries has pixels beyond 1e100 in size: that is no image",
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
    assert str(caught.value).startswith(message)
