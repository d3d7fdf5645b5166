"""The control features are what they say, the same each time, and see what they should."""

import doctest
from functools import partial

import numpy as np
import pytest
from scipy.signal import correlate

from benchmarks.images import features
from benchmarks.images.features import pixel_pca, random_convolution
from fdd import FddError


def pictures(count, size=16, seed=0):
    """Smooth pictures on white, uint8 [count, size, size, 3]."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size] / size
    centre = rng.uniform(0.2, 0.8, size=(count, 2, 1, 1))
    dark = np.exp(-((x - centre[:, 0]) ** 2 + (y - centre[:, 1]) ** 2) / 0.02)
    colour = rng.uniform(size=(count, 1, 1, 3))
    return np.rint(255 * (1 - dark[..., None] * colour)).astype(np.uint8)


MAPS = {"convolution": random_convolution(), "pca": pixel_pca(pictures(40), 8)}


def test_examples_in_docstrings():
    assert doctest.testmod(features).failed == 0


@pytest.mark.parametrize(("name", "count"), [("convolution", 128), ("pca", 8)])
def test_each_row_is_of_its_image_alone(name, count):
    rows = features.ROWS + 21  # more than are held at once
    images = pictures(rows, seed=1)
    found = MAPS[name](images)
    assert found.dtype == np.float32
    assert found.shape == (rows, count)
    assert np.linalg.matrix_rank(found) > 7
    order = np.random.default_rng(0).permutation(rows)
    np.testing.assert_allclose(MAPS[name](images[order]), found[order], atol=1e-5)
    np.testing.assert_allclose(MAPS[name](images[-4:]), found[-4:], atol=1e-5)


def test_the_random_network_is_the_plain_one():
    rng = np.random.default_rng(3)
    image = pictures(1, size=12)[0]
    signal = image.transpose(2, 0, 1) / 127.5 - 1
    for channels, out in ((3, 32), (32, 64), (64, 128)):
        weight = rng.normal(size=(out, channels, 3, 3)) * np.sqrt(2 / (9 * channels))
        padded = np.pad(signal, [(0, 0), (1, 1), (1, 1)])
        full = np.stack([correlate(padded, kernel, mode="valid")[0] for kernel in weight])
        signal = np.maximum(full[:, ::2, ::2], 0)
    found = random_convolution(seed=3)(image[None])[0]
    np.testing.assert_allclose(found, signal.mean(axis=(1, 2)), atol=1e-5)
    assert (found > 0).sum() > 64


def test_the_random_network_depends_on_its_seed_alone():
    images = pictures(5)
    np.random.default_rng().normal()
    first, second, third = (random_convolution(seed)(images) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, second)
    assert not np.allclose(first, third, atol=1e-2)


def test_the_random_network_takes_any_size():
    for shape in ((1, 1), (7, 30), (64, 64)):
        assert random_convolution()(np.zeros((2, *shape, 3), np.uint8)).shape == (2, 128)


def test_the_random_network_sees_colour_and_texture():
    images = pictures(30)
    same, other = (MAPS["convolution"](z) for z in (images, images[..., ::-1]))
    checks = images // 2 + np.uint8(127) * (np.indices((16, 16)).sum(axis=0) % 2)[..., None]
    spread = same.std(axis=0).mean()
    assert abs(same - other).mean() > 0.2 * spread
    assert abs(same - MAPS["convolution"](checks.astype(np.uint8))).mean() > spread


def test_pixel_pca_is_that_of_a_full_decomposition():
    train, new = pictures(40), pictures(9, seed=1)
    flat, other = (z.reshape(len(z), -1) / 255 for z in (train, new))
    mean = flat.mean(axis=0)
    directions = np.linalg.svd(flat - mean, full_matrices=False)[2][:6]
    want = (other - mean) @ directions.T
    found = pixel_pca(train, 6)(new)
    signs = np.sign((found * want).sum(axis=0))
    np.testing.assert_allclose(found * signs, want, atol=1e-3)
    fitted = pixel_pca(train, 6)(train)
    spread = fitted.std(axis=0)
    assert (np.diff(spread) < 0).all()
    np.testing.assert_allclose(fitted.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(np.corrcoef(fitted.T), np.eye(6), atol=1e-3)


def test_pixel_pca_with_all_components_keeps_all_distances():
    train = pictures(12)
    found = pixel_pca(train, 12)(train).astype(float)
    flat = train.reshape(12, -1) / 255
    want = np.linalg.norm(flat[:, None] - flat, axis=2)
    np.testing.assert_allclose(np.linalg.norm(found[:, None] - found, axis=2), want, atol=1e-3)


def test_pixel_pca_is_the_same_each_time():
    first, second = (pixel_pca(pictures(30), 5)(pictures(4, seed=2)) for _ in range(2))
    np.testing.assert_array_equal(first, second)


@pytest.mark.filterwarnings("error")
def test_pixel_pca_of_equal_images_is_zero_on_them():
    train = np.repeat(pictures(1), 9, axis=0)
    np.testing.assert_allclose(pixel_pca(train, 4)(train), 0, atol=1e-5)


GOOD = pictures(10)
BAD = {
    "floats": (
        partial(random_convolution(), GOOD / 255),
        "images has dtype float64: it must be uint8, as fdd.render gives it",
    ),
    "one image": (
        partial(random_convolution(), GOOD[0]),
        "images has shape (16, 16, 3): it must be [N, H, W, 3]",
    ),
    "none": (
        partial(pixel_pca(GOOD, 3), GOOD[:0]),
        "images has 0 images: it must have at least 1",
    ),
    "gray training images": (
        partial(pixel_pca, GOOD[..., 0]),
        "train_images has shape (10, 16, 16): it must be [N, H, W, 3]",
    ),
    "components": (
        partial(pixel_pca, GOOD),
        "components=64 must be a whole number from 1 to 10",
    ),
    "no components": (
        partial(pixel_pca, GOOD, components=0),
        "components=0 must be a whole number from 1 to 10",
    ),
    "size": (
        partial(pixel_pca(GOOD, 3), GOOD[:, :8]),
        "images are (8, 16, 3) and the training images (16, 16, 3): they must agree",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named(case):
    call, message = BAD[case]
    with pytest.raises(FddError) as caught:
        call()
    assert str(caught.value) == message
