"""The colours of a picture stand for the counts of its attractor, or do not."""

import doctest
from functools import partial

import numpy as np
import pytest
from scipy.spatial import cKDTree
from scipy.stats import spearmanr

import fdd
from benchmarks.images import counts as module
from benchmarks.images.counts import counts_correlation, counts_floor
from benchmarks.images.paired import pair_floor
from fdd import FddError
from fdd.rendering.palettes import PALETTES

PARAMS = fdd.sample_params(12)
COUNTS = fdd.render(PARAMS, output="counts", size=64, points=15000)
IMAGES = {name: fdd.render(PARAMS, size=64, points=15000, palette=name) for name in PALETTES}


def levels(images, palette):
    """The nearest of white and the palette's colours, with no ties to decide."""
    colours = np.concatenate([[[255, 255, 255]], PALETTES[palette]]).astype(float)
    return cKDTree(colours).query(images.reshape(-1, 3))[1].reshape(len(images), -1)


def test_examples_in_docstrings():
    assert doctest.testmod(module).failed == 0


@pytest.mark.parametrize("palette", PALETTES)
def test_the_pictures_of_the_renderer_get_nearly_one(palette):
    found = counts_correlation(IMAGES[palette], COUNTS, palette=palette)
    assert found.dtype == np.float64
    assert found.shape == (12,)
    assert found.min() > 0.99999
    assert found.max() <= 1 + 1e-12


@pytest.mark.parametrize("palette", PALETTES)
def test_it_is_scipys_correlation_of_levels_of_the_nearest_colour(palette):
    noise = np.random.default_rng(0).integers(0, 64, size=(12, 64, 64, 3), dtype=np.uint8)
    images = IMAGES[palette] // 2 + noise
    want = [
        spearmanr(level, count.ravel()).statistic
        for level, count in zip(levels(images, palette), COUNTS, strict=True)
    ]
    found = counts_correlation(images, COUNTS, palette=palette)
    # equally near colours are decided by their order here and by chance in a tree
    np.testing.assert_allclose(found, want, atol=2e-3)
    assert np.ptp(found) > 0.1


def test_the_nearest_colour_is_exact_and_the_first_of_several():
    colours = np.concatenate([[[255, 255, 255]], PALETTES["viridis"]]).astype(np.uint8)
    pixels = np.random.default_rng(1).integers(0, 256, size=(5000, 3))
    apart = ((pixels[:, None] - colours.astype(int)) ** 2).sum(axis=2)
    want = apart.argmin(axis=1)
    assert (np.sort(apart, axis=1)[:, 0] == np.sort(apart, axis=1)[:, 1]).sum() > 10
    np.testing.assert_array_equal(module._nearest(pixels, colours), want)
    own = module._nearest(colours, colours)
    np.testing.assert_array_equal(colours[own], colours)
    assert own[0] == 0
    assert (own <= np.arange(257)).all()


def test_by_hand():
    kbc = PALETTES["kbc"]
    white = np.full(3, 255)
    picture = np.uint8([[[white, kbc[0]], [kbc[100], kbc[255]]]])
    counts = np.array([[[0, 1], [2, 3]]])
    assert counts_correlation(picture, counts) == pytest.approx(1)
    assert counts_correlation(picture, counts[:, ::-1, ::-1]) == pytest.approx(-1)
    # ranks 1 2 3 4 and 1.5 1.5 3 4: 1 - 6 sum(d^2) / (n (n^2 - 1)) holds without ties only
    tied = np.array([[[0, 0], [2, 3]]])
    assert counts_correlation(picture, tied) == pytest.approx(4.5 / np.sqrt(5 * 4.5))
    # one swap of neighbours: 1 - 6 * 2 / (4 * 15)
    assert counts_correlation(picture, np.array([[[1, 0], [2, 3]]])) == pytest.approx(0.8)


def test_pictures_are_the_same_alone_as_among_more_than_are_held_at_once():
    many = np.resize(np.arange(12), module.ROWS + 6)
    found = counts_correlation(IMAGES["kbc"][many] // 3 * 2, COUNTS[many])
    alone = [
        counts_correlation(image[None] // 3 * 2, count[None])[0]
        for image, count in zip(IMAGES["kbc"], COUNTS, strict=True)
    ]
    np.testing.assert_array_equal(found, np.array(alone)[many])


def test_the_floor_is_that_of_pairs_of_the_score():
    images = np.concatenate([IMAGES["kbc"], IMAGES["kbc"][::-1] // 3 * 2])
    counts, options = np.concatenate([COUNTS, COUNTS]), {"draws": 19, "seed": 2, "block": 5}
    found = counts_floor(images, counts, **options)
    want = pair_floor(counts_correlation, images, counts, **options)
    for part in ("score", "chance", "upper", "p", "null"):
        np.testing.assert_allclose(getattr(found, part), getattr(want, part), atol=1e-12)


@pytest.mark.filterwarnings("error")
def test_constant_pictures_and_constant_counts_get_zero():
    flat = np.full_like(IMAGES["kbc"], 255)
    np.testing.assert_array_equal(counts_correlation(flat, COUNTS), 0)
    np.testing.assert_array_equal(counts_correlation(IMAGES["kbc"], 0 * COUNTS + 5), 0)
    one_level = flat.copy()
    one_level[:, ::2] = 254  # another colour, whose nearest is white too
    np.testing.assert_array_equal(counts_correlation(one_level, COUNTS), 0)
    np.testing.assert_array_equal(counts_correlation(flat[:, :1, :1], COUNTS[:, :1, :1]), 0)


def test_increasing_changes_of_counts_and_moved_pixels_change_nothing():
    images = IMAGES["kbc"] // 3 * 2
    want = counts_correlation(images, COUNTS)
    changed = COUNTS.astype(np.uint64) ** 3 * 7 + 1
    np.testing.assert_allclose(counts_correlation(images, changed), want, atol=1e-12)
    flipped = images[:, ::-1].swapaxes(1, 2), COUNTS[:, ::-1].swapaxes(1, 2)
    np.testing.assert_allclose(counts_correlation(*flipped), want, atol=1e-12)


def test_noise_gets_zero_and_other_attractors_and_palettes_get_less():
    noise = np.random.default_rng(2).integers(0, 256, size=(12, 64, 64, 3), dtype=np.uint8)
    assert abs(counts_correlation(noise, COUNTS)).max() < 5 / 64
    others = counts_correlation(IMAGES["kbc"], np.roll(COUNTS, 1, axis=0))
    assert 0 < others.mean() < 0.4
    assert counts_correlation(255 - IMAGES["kbc"], COUNTS).max() < 0.9
    shifted = counts_correlation(np.roll(IMAGES["kbc"], 1, axis=2), COUNTS)
    assert others.mean() < shifted.mean() < 0.95


PICTURE, COUNT = IMAGES["kbc"], COUNTS
BAD = {
    "floats": (
        partial(counts_correlation, PICTURE / 255, COUNT),
        "images has dtype float64: it must be uint8, as fdd.render gives it",
    ),
    "four channels": (
        partial(counts_correlation, np.concatenate([PICTURE, PICTURE[..., :1]], axis=3), COUNT),
        "images has shape (12, 64, 64, 4): it must be [N, H, W, 3]",
    ),
    "float counts": (
        partial(counts_correlation, PICTURE, COUNT / 2),
        "counts has dtype float64 and values from 0.0: it must hold whole numbers of at least 0",
    ),
    "negative counts": (
        partial(counts_correlation, PICTURE, COUNT.astype(int) - 3),
        "counts has dtype int64 and values from -3: it must hold whole numbers of at least 0",
    ),
    "palette": (
        partial(counts_correlation, PICTURE, COUNT, palette="fire"),
        "palette='fire' is not known; choose from kbc, inferno, viridis",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named(case):
    call, message = BAD[case]
    with pytest.raises(FddError) as caught:
        call()
    assert str(caught.value) == message
