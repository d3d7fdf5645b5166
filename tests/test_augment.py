"""Flipped images keep true parameters; affine maps move images as they say; both are repeatable."""

import dataclasses

import numpy as np
import pytest
from skimage import data as pictures
from tiny_runs import OPTIONS, drawn

import fdd
from baselines.training import augment
from baselines.training.data import augmented
from fdd.pictures import resize

SIDE = 32


@pytest.fixture(scope="module")
def photographs():
    """Small colour pictures: uint8 [4, 32, 32, 3]."""
    found = [pictures.astronaut(), pictures.coffee(), pictures.chelsea(), pictures.rocket()]
    return np.concatenate([resize(picture[None, :256, :256], SIDE) for picture in found])


def repeated(*values, rows=4):
    """The same random numbers for every row, 1 being the most that can be drawn."""
    return np.tile(np.array(values, float), (rows, 1))


MIRRORED = {"no": (0.5, 0.5), "down": (0.49, 0.5), "across": (0.5, 0.49), "both": (0.0, 0.0)}


@pytest.mark.parametrize("how", MIRRORED)
def test_a_flip_is_what_rendering_its_parameters_gives(how):
    params = fdd.sample_params(40)
    counts = fdd.render(params, "counts")
    flipped, changed = augment.flip(counts, params, repeated(*MIRRORED[how], rows=40))
    rendered = fdd.render(changed, "counts")
    # the points on the edge of the bounding box may fall one cell aside: one at each end
    off = flipped.astype(int) - rendered
    axes = {"no": 0, "down": 1, "across": 1, "both": 2}[how]
    assert np.abs(off).sum(axis=(1, 2)).max() <= 4 * axes
    assert not off[:, 2:-2, 2:-2].any()
    assert not off.sum(axis=(1, 2)).any()
    expected = {
        "no": counts,
        "down": counts[:, ::-1],
        "across": counts[:, :, ::-1],
        "both": counts[:, ::-1, ::-1],
    }[how]
    assert np.array_equal(flipped, expected)


def test_flipped_colours_are_those_of_rendering_but_for_the_edge():
    params = fdd.sample_params(60)
    numbers = augment.random_numbers(0, 0, (60, 2))
    flipped, changed = augment.flip(fdd.render(params), params, numbers)
    off = np.abs(flipped.astype(int) - fdd.render(changed)).max(axis=(1, 2, 3))
    assert (off == 0).mean() > 0.7
    assert (numbers < 0.5).any(axis=1).sum() > 30


def test_flips_leave_what_they_are_given_and_need_no_parameters(photographs):
    before = photographs.copy()
    flipped, params = augment.flip(photographs, None, repeated(0, 1))
    assert params is None
    assert np.array_equal(photographs, before)
    assert np.array_equal(flipped, before[:, ::-1])
    vectors = fdd.uniform_params(4)
    augment.flip(photographs, vectors, repeated(0, 0))
    assert np.array_equal(vectors, fdd.uniform_params(4))


def test_each_of_the_four_flips_comes_as_often():
    numbers = augment.random_numbers(3, 5, (4000, 2))
    down, across = (numbers < 0.5).T
    shares = [np.mean(a & b) for a in (down, ~down) for b in (across, ~across)]
    assert np.abs(np.array(shares) - 0.25).max() < 0.03
    assert 0 <= numbers.min() < numbers.max() < 1


def test_no_move_leaves_an_image_as_it_is(photographs):
    middle = augment.affine(photographs, repeated(0.5, 0.5, 0.5, 0.5), 30, 0.2, 0.2)
    nothing = augment.affine(photographs, repeated(0.9, 0.1, 0.9, 0.9), 0, 0, 0)
    assert middle.dtype == np.uint8
    assert np.array_equal(middle, photographs)
    assert np.array_equal(nothing, photographs)


@pytest.mark.parametrize(("number", "turns"), [(1.0, -1), (0.0, 1)])
def test_a_quarter_turn_clockwise_and_back(photographs, number, turns):
    turned = augment.affine(photographs, repeated(number, 0.5, 0.5, 0.5), 90, 0, 0)
    assert np.abs(turned.astype(int) - np.rot90(photographs, turns, (1, 2))).max() <= 1


def test_a_shift_moves_right_and_down_and_white_comes_in(photographs):
    moved = augment.affine(photographs, repeated(0.5, 0.5, 1.0, 0.75), 0, 0.25, 0)
    right, down = SIDE // 4, SIDE // 8
    assert np.array_equal(moved[:, down:, right:], photographs[:, :-down, :-right])
    assert (moved[:, :down] == 255).all()
    assert (moved[:, :, :right] == 255).all()


def test_zooming_out_shows_white_around_the_image_and_zooming_in_its_middle():
    black = np.zeros((2, SIDE, SIDE, 3), np.uint8)
    black[:, 8:24, 8:24] = 200
    half = augment.affine(black, repeated(0.5, 0.0, 0.5, 0.5, rows=2), 0, 0, 0.5)
    assert (half[:, :7] == 255).all()
    assert (half[:, 9:11, 9:23] == 0).all()
    assert (half[:, 14:18, 14:18] == 200).all()
    large = augment.affine(black, repeated(0.5, 1.0, 0.5, 0.5, rows=2), 0, 0, 0.5)
    assert (large[:, 5:27, 5:27] == 200).all()
    assert (large[:, :3] == 0).all()


def test_a_turned_square_has_white_corners():
    black = np.zeros((1, SIDE, SIDE, 3), np.uint8)
    turned = augment.affine(black, repeated(1, 0.5, 0.5, 0.5, rows=1), 45, 0, 0)[0, ..., 0]
    rows, columns = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    distance = np.abs(rows) + np.abs(columns)  # the turned square holds what is below 16 sqrt 2
    assert (turned[distance < SIDE / np.sqrt(2) - 1.5] == 0).all()
    assert (turned[distance > SIDE / np.sqrt(2) + 1.5] == 255).all()


@pytest.mark.parametrize(
    "options",
    [{"flip": True}, {"rotate": 30.0, "translate": 0.1, "zoom": 0.2}, {"flip": True, "zoom": 0.3}],
)
def test_a_batch_is_moved_as_seed_and_step_say(options):
    images, params = drawn(40)
    small = resize(images, 16)
    config = dataclasses.replace(OPTIONS, **options, seed=5)
    found, vectors = augmented(small, params, config, 7)
    again, _ = augmented(small, params, config, 7)
    assert np.array_equal(found, again)
    assert (found.shape, found.dtype) == (small.shape, np.uint8)
    assert not np.array_equal(found, small)
    for other in (
        augmented(small, params, config, 8),
        augmented(small, params, dataclasses.replace(config, seed=6), 7),
    ):
        assert not np.array_equal(other[0], found)
    if "zoom" in options:
        assert vectors is None
    else:
        assert np.array_equal(np.abs(vectors), np.abs(params))
    assert len({image.tobytes() for image in found}) == 40


def test_without_options_a_batch_is_left_alone():
    images, params = drawn(40)
    found, vectors = augmented(images, params, OPTIONS, 3)
    assert found is images
    assert vectors is params


def test_random_numbers_are_not_those_that_order_the_images():
    """`Batches` keys Philox by seed and epoch, where this has seed and step."""
    order = np.random.Generator(np.random.Philox(key=[2, 9])).random(1000)
    assert set(order.tolist()).isdisjoint(augment.random_numbers(2, 9, (1000,)).tolist())
