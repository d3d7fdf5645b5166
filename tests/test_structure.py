"""SSIM and MS-SSIM are those of their papers, on small images too; floors are of wrong pairs."""

import doctest
from functools import partial

import numpy as np
import pytest
import pytorch_msssim
import torch
from scipy.ndimage import correlate1d
from skimage.metrics import structural_similarity

from benchmarks.image_scores import ms_ssim_floor, pair_floor, ssim_floor
from benchmarks.images import paired, structure
from benchmarks.images.structure import ms_ssim, ssim
from fdd import FddError
from fdd.arithmetic.similarity import WEIGHTS

RNG = np.random.default_rng(0)

NOISE = RNG.integers(0, 256, size=(30, 24, 17, 3), dtype=np.uint8)

WANG = {
    "gaussian_weights": True,
    "sigma": 1.5,
    "use_sample_covariance": False,
    "data_range": 255,
}
WINDOW = np.exp(-0.5 * (np.arange(-5, 6) / 1.5) ** 2)
WINDOW /= WINDOW.sum()


def blobs(count, size=32, seed=0):
    """Smooth pictures on white, uint8 [count, size, size, 3]."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size] / size
    centre = rng.uniform(0.2, 0.8, size=(count, 2, 1, 1))
    width = rng.uniform(0.05, 0.2, size=(count, 1, 1))
    dark = np.exp(-((x - centre[:, 0]) ** 2 + (y - centre[:, 1]) ** 2) / (2 * width**2))
    colour = rng.uniform(size=(count, 1, 1, 3))
    return np.rint(255 * (1 - dark[..., None] * colour)).astype(np.uint8)


def pairs(*shape):
    """Noise beside the same, its negative, other noise, a darker, a coarser and a mixed one."""
    a = np.random.default_rng(0).integers(0, 256, size=(6, *shape), dtype=np.uint8)
    others = [a[0], 255 - a[1], a[2][::-1], a[3] // 2, a[4] // 64 * 64, a[5] // 4 + a[2] // 2]
    return a, np.stack(others)


@pytest.mark.parametrize("module", [structure, paired])
def test_examples_in_docstrings(module):
    found = doctest.testmod(module)
    assert found.failed == 0 < found.attempted


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


def test_ssim_of_flat_images_by_hand():
    black, grey = np.zeros((1, 12, 12), np.uint8), np.full((1, 12, 12), 100, np.uint8)
    c1 = (0.01 * 255) ** 2
    assert ssim(black, grey)[0] == pytest.approx(c1 / (100**2 + c1), abs=1e-12)
    assert ssim(grey, grey)[0] == pytest.approx(1, abs=1e-12)


def renormalised(scales):
    return np.array(WEIGHTS[:scales]) / sum(WEIGHTS[:scales])


@pytest.mark.parametrize("side", [16, 32, 64, 128])  # all of which pytorch_msssim.ms_ssim refuses
def test_ms_ssim_is_that_of_pytorch_msssim_scale_by_scale(side):
    a, b = pairs(side, side, 3)
    x, y = (torch.from_numpy(np.moveaxis(i, -1, 1)).double().flatten(0, 1)[:, None] for i in (a, b))
    window, scales = torch.from_numpy(WINDOW)[None, None, None], 1 + int(np.log2(side / 16))
    want = torch.ones(len(x), dtype=torch.float64)
    for weight in renormalised(scales):
        # luminance counts on the last scale alone: a large K1 makes its factor 1
        constants = (0.01 if x.shape[-1] == 16 else 1e6, 0.03)
        alike = pytorch_msssim.ssim(x, y, size_average=False, win=window, K=constants)
        want *= alike.relu() ** weight
        x, y = (torch.nn.functional.avg_pool2d(images, 2) for images in (x, y))
    np.testing.assert_allclose(ms_ssim(a, b), want.view(-1, 3).mean(dim=1), atol=1e-11)


@pytest.mark.parametrize("scales", [1, 2, 4, 5, None])
@pytest.mark.parametrize("shape", [(162, 176), (161, 171)])  # even, odd at several scales
def test_ms_ssim_is_that_of_pytorch_msssim(shape, scales):
    a, b = pairs(*shape, 2)
    x, y = (torch.from_numpy(np.moveaxis(images, -1, 1).astype(float)) for images in (a, b))
    window = torch.from_numpy(WINDOW).repeat(2, 1, 1, 1)  # its own is rounded to float32
    weights = renormalised(scales or 5).tolist()
    want = pytorch_msssim.ms_ssim(x, y, size_average=False, weights=weights, win=window).numpy()
    found = ms_ssim(a, b, scales=scales)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, want, atol=1e-12)
    assert ((found > 0.1) & (found < 0.99)).sum() >= 3


def plain(a, b, scales):
    """The definition for grey images [H, W] with even sides, window by window."""

    def mean(pixels):
        return correlate1d(correlate1d(pixels, WINDOW, 0), WINDOW, 1)[5:-5, 5:-5]

    product = 1.0
    for scale, weight in enumerate(renormalised(scales)):
        m, n = mean(a), mean(b)
        u, v, s = mean(a * a) - m * m, mean(b * b) - n * n, mean(a * b) - m * n
        similarity = (2 * s + 7.65**2) / (u + v + 7.65**2)
        if scale == scales - 1:
            similarity *= (2 * m * n + 2.55**2) / (m * m + n * n + 2.55**2)
        product *= max(similarity.mean(), 0) ** weight
        a, b = (z.reshape(len(z) // 2, 2, z.shape[1] // 2, 2).mean(axis=(1, 3)) for z in (a, b))
    return product


@pytest.mark.parametrize(("side", "fit"), [(16, 1), (24, 2), (32, 2), (64, 3), (128, 4)])
def test_small_images_have_as_many_scales_as_fit(side, fit):
    a, b = pairs(side, side)
    want = [plain(x, y, fit) for x, y in zip(a.astype(float), b.astype(float), strict=True)]
    np.testing.assert_allclose(ms_ssim(a, b), want, atol=1e-12)
    np.testing.assert_array_equal(ms_ssim(a, b, scales=fit), ms_ssim(a, b))
    if fit > 1:
        assert abs(ms_ssim(a, b, scales=fit - 1) - want).max() > 0.01


@pytest.mark.parametrize(("side", "fit"), [(20, 1), (21, 2), (80, 3), (81, 4), (160, 4), (161, 5)])
def test_the_window_fits_at_the_coarsest_scale(side, fit):
    a, b = pairs(side, 200)
    np.testing.assert_array_equal(ms_ssim(a, b), ms_ssim(a, b, scales=fit))
    if fit < 5:
        with pytest.raises(FddError, match=f"has room for {fit}$"):
            ms_ssim(a, b, scales=fit + 1)


def test_one_scale_is_ssim():
    a, b = pairs(24, 17)
    np.testing.assert_allclose(ms_ssim(a, b, scales=1), np.maximum(ssim(a, b), 0), atol=1e-12)


def test_flat_images_differ_by_brightness_at_the_coarsest_scale_alone():
    black, grey = np.zeros((1, 32, 32), np.uint8), np.full((1, 32, 32), 100, np.uint8)
    c1 = 2.55**2
    want = (c1 / (100**2 + c1)) ** (0.2856 / (0.0448 + 0.2856))
    assert ms_ssim(black, grey)[0] == pytest.approx(want, abs=1e-12)
    assert ms_ssim(grey, grey)[0] == pytest.approx(1, abs=1e-12)


def test_a_channel_of_negative_similarity_counts_zero():
    a, _ = pairs(32, 32, 3)
    b = a.copy()
    b[..., 1] = 255 - a[..., 1]
    np.testing.assert_allclose(ms_ssim(a, b), 2 / 3, atol=1e-12)


@pytest.mark.parametrize("score", [ssim, ms_ssim])
def test_it_is_one_for_the_same_image_and_only_then(score):
    a, _ = pairs(40, 32, 3)
    np.testing.assert_allclose(score(a, a), 1, atol=1e-12)
    other = a.copy()
    other[:, 20, 16] ^= 128
    assert score(a, other).max() < 1 - 1e-6


@pytest.mark.parametrize("score", [ssim, ms_ssim])
def test_it_is_of_each_pair_alone(score):
    a, b = pairs(32, 32, 3)
    np.testing.assert_allclose(score(a[4:5], b[4:5])[0], score(a, b)[4], atol=1e-12)


def test_a_wrong_brightness_costs_little_and_a_wrong_structure_much():
    a, _ = pairs(64, 64)
    a //= 2
    assert ms_ssim(a, a + 40).min() > 0.9 > 0.2 > ms_ssim(a, a[:, ::-1]).max()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("score", [ssim, ms_ssim])
@pytest.mark.parametrize("scale", [1e-300, 1e-200, 1 / 255, 1e90])
def test_the_unit_of_pixels_does_not_matter(score, scale):
    a, b = pairs(32, 32)
    b[3] = 0
    found = score(a * scale, b * scale, data_range=255 * scale)
    np.testing.assert_allclose(found, score(a, b), atol=1e-12)
    zero = np.zeros((1, 32, 32))
    assert score(zero, zero, data_range=scale) == pytest.approx(1)


FLOORS = pytest.mark.parametrize(
    ("floor_of", "score"), [(ssim_floor, ssim), (ms_ssim_floor, ms_ssim)]
)


@pytest.mark.parametrize("count", [2, 9, 10, 25, 30])
@FLOORS
def test_floor_is_mean_over_all_pairs_and_over_wrong_pairs(count, floor_of, score):
    a, b = blobs(30)[:count], blobs(30, seed=1)[:count]
    floor = floor_of(a, b, draws=19, block=count)
    every = np.array([score(np.repeat(a[[i]], count, axis=0), b) for i in range(count)])
    wrong = every[~np.eye(count, dtype=bool)]
    assert floor.score == pytest.approx(every.diagonal().mean(), abs=1e-12)
    assert floor.chance == pytest.approx(wrong.mean(), abs=1e-12)
    assert floor.null.shape == (19,)


@FLOORS
def test_floor_in_blocks_sees_every_row_once(floor_of, score):
    a, b = blobs(25), blobs(25, seed=1)
    floor = floor_of(a, b, draws=99, block=4, seed=3)
    assert floor.score == pytest.approx(score(a, b).mean(), abs=1e-12)
    assert floor.null.min() < floor.chance < floor.null.max()
    assert floor.p > 0.05


@FLOORS
def test_floor_of_the_images_themselves_is_far_below_one(floor_of, score):
    floor = floor_of(blobs(40), blobs(40), draws=99)
    assert floor.score == pytest.approx(1)
    assert floor.chance < floor.upper < 0.95
    assert floor.p == pytest.approx(0.01)


@FLOORS
def test_floor_is_the_floor_of_pairs_of_its_score(floor_of, score):
    a, b = blobs(25), blobs(25, seed=1)
    found, want = floor_of(a, b, draws=19, seed=2), pair_floor(score, a, b, draws=19, seed=2)
    for part in ("score", "chance", "upper", "p", "null"):
        np.testing.assert_allclose(getattr(found, part), getattr(want, part), atol=1e-12)


def test_the_floor_of_pairs_is_the_mean_over_all_wrong_pairs_of_a_block():
    rng = np.random.default_rng(4)
    a, b = rng.normal(size=(2, 12))
    found = pair_floor(lambda x, y: x * y, a, b, draws=199, block=12)
    products = np.outer(a, b)
    assert found.score == pytest.approx(np.trace(products) / 12)
    assert found.chance == pytest.approx((products.sum() - np.trace(products)) / 132)
    assert found.null.mean() == pytest.approx(products.mean(), abs=0.05)


FOUR = NOISE[:4]
BAD = {
    "low": (
        partial(ssim, FOUR, FOUR[:, :10]),
        "images_b has shape (4, 10, 17, 3): it must be [N, H, W, C] or [N, H, W], "
        "H and W at least 11",
    ),
    "narrow": (
        partial(ms_ssim, FOUR[:, :, :10], FOUR),
        "images_a has shape (4, 24, 10, 3): it must be [N, H, W, C] or [N, H, W], "
        "H and W at least 11",
    ),
    "range": (
        partial(ssim, FOUR, FOUR, data_range=0),
        "data_range is 0: it must be a positive number",
    ),
    "no range": (
        partial(ssim, FOUR, FOUR, data_range="255"),
        "data_range is '255': it must be a positive number",
    ),
    "range beyond all numbers": (
        partial(ms_ssim, FOUR, FOUR, data_range=10**309),
        f"data_range is 1{'0' * 239}: it must be a positive number",
    ),
    "negative range": (
        partial(ms_ssim, FOUR, FOUR, data_range=-1),
        "data_range is -1: it must be a positive number",
    ),
    "too many scales": (
        partial(ms_ssim, FOUR, FOUR, scales=3),
        "scales is 3: images_a has shape (4, 24, 17, 3), whose shorter side has room for 1",
    ),
    "no scale": (
        partial(ms_ssim, FOUR, FOUR, scales=0),
        "scales=0 must be a whole number from 1 to 5",
    ),
    "six scales": (
        partial(ms_ssim, FOUR, FOUR, scales=6),
        "scales=6 must be a whole number from 1 to 5",
    ),
    "block": (
        partial(ssim_floor, FOUR, FOUR, block=1),
        "block=1 must be a whole number of at least 2",
    ),
    "block of pairs": (
        partial(pair_floor, ssim, FOUR, FOUR, block=1),
        "block=1 must be a whole number of at least 2",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named(case):
    call, message = BAD[case]
    with pytest.raises(FddError) as caught:
        call()
    assert str(caught.value) == message
