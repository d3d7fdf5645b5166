"""Multi-scale structural similarity is that of its paper, on small images too."""

from functools import partial

import numpy as np
import pytest
import pytorch_msssim
import torch
from scipy.ndimage import correlate1d

from benchmarks.images.structure import WEIGHTS, ms_ssim, ssim
from fdd import FddError

WINDOW = np.exp(-0.5 * (np.arange(-5, 6) / 1.5) ** 2)
WINDOW /= WINDOW.sum()


def pairs(*shape):
    """Noise beside the same, its negative, other noise, a darker, a coarser and a mixed one."""
    a = np.random.default_rng(0).integers(0, 256, size=(6, *shape), dtype=np.uint8)
    others = [a[0], 255 - a[1], a[2][::-1], a[3] // 2, a[4] // 64 * 64, a[5] // 4 + a[2] // 2]
    return a, np.stack(others)


def renormalised(scales):
    return np.array(WEIGHTS[:scales]) / sum(WEIGHTS[:scales])


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


def test_it_is_one_for_the_same_image_and_only_then():
    a, _ = pairs(40, 32, 3)
    np.testing.assert_allclose(ms_ssim(a, a), 1, atol=1e-12)
    other = a.copy()
    other[:, 20, 16] ^= 128
    assert ms_ssim(a, other).max() < 1 - 1e-6


def test_it_is_symmetric_and_of_each_pair_alone():
    a, b = pairs(32, 32, 3)
    np.testing.assert_allclose(ms_ssim(a, b), ms_ssim(b, a), atol=1e-14)
    np.testing.assert_allclose(ms_ssim(a[4:5], b[4:5])[0], ms_ssim(a, b)[4], atol=1e-12)


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


FOUR = pairs(40, 33, 3)[0][:4]
BAD = {
    "small": (
        partial(ms_ssim, FOUR, FOUR[:, :10]),
        "images_b has shape (4, 10, 33, 3): it must be [N, H, W, C] or [N, H, W], "
        "H and W at least 11",
    ),
    "shapes": (
        partial(ms_ssim, FOUR, FOUR[:3]),
        "images_a has shape (4, 40, 33, 3) and images_b (3, 40, 33, 3): they must agree",
    ),
    "none": (partial(ms_ssim, FOUR[:0], FOUR), "images_a has 0 images: it must have at least 1"),
    "infinite": (
        partial(ms_ssim, np.full((1, 11, 11), np.inf), FOUR),
        "images_a holds NaN or infinity: 121 of 121 values, the first at index (0, 0, 0)",
    ),
    "range": (
        partial(ms_ssim, FOUR, FOUR, data_range=-1),
        "data_range is -1: it must be a positive number",
    ),
    "too many scales": (
        partial(ms_ssim, FOUR, FOUR, scales=3),
        "scales is 3: images_a has shape (4, 40, 33, 3), whose shorter side has room for 2",
    ),
    "no scale": (
        partial(ms_ssim, FOUR, FOUR, scales=0),
        "scales=0 must be a whole number from 1 to 5",
    ),
    "six scales": (
        partial(ms_ssim, FOUR, FOUR, scales=6),
        "scales=6 must be a whole number from 1 to 5",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named(case):
    call, message = BAD[case]
    with pytest.raises(FddError) as caught:
        call()
    assert str(caught.value) == message
