"""Batches are a pure function of seed and step; colours survive the way to a network and back."""

import dataclasses
import threading

import numpy as np
import pytest
import torch
from skimage import data as pictures
from tiny_runs import OPTIONS, Images, drawn
from torch import distributed

import fdd
from baselines.training.data import (
    HELD_OUT,
    Batches,
    StreamBatches,
    held_out_batch,
    open_data,
    read_ahead,
    to_images,
    to_tensor,
)
from fdd import FddError
from fdd.pictures import resize
from fdd.publishing.package import package

CPU = torch.device("cpu")


@pytest.fixture
def data():
    """40 images and their parameters."""
    images, params = drawn(40)
    return Images(images, params=params)


@pytest.fixture
def place(monkeypatch):
    """place(rank, world) makes this process the one of that rank, as torch has it."""

    def put(rank, world):
        monkeypatch.setattr(distributed, "is_initialized", lambda: True)
        monkeypatch.setattr(distributed, "get_rank", lambda: rank)
        monkeypatch.setattr(distributed, "get_world_size", lambda: world)

    return put


def options(**changes):
    return dataclasses.replace(OPTIONS, **changes)


def test_resize_is_the_block_mean_rounded_half_up():
    image = np.arange(4 * 4 * 3, dtype=np.uint8).reshape(1, 4, 4, 3)
    half = resize(image, 2)
    assert half.dtype == np.uint8
    assert half[0, 0, 0].tolist() == [8, 9, 10]  # of 0, 3, 12, 15 is 7.5
    assert resize(np.full((1, 128, 128, 3), 255, np.uint8), 16).min() == 255
    assert np.array_equal(resize(image, 4), image)


@pytest.mark.parametrize(
    ("images", "size", "message"),
    [
        (np.zeros((1, 8, 8, 3)), 4, "images float64 [1, 8, 8, 3] must be uint8 [N, S, S, 3]"),
        (np.zeros((8, 8, 3), "u1"), 4, "images uint8 [8, 8, 3] must be uint8 [N, S, S, 3]"),
        (np.zeros((1, 8, 4, 3), "u1"), 4, "images uint8 [1, 8, 4, 3] must be uint8 [N, S, S, 3]"),
        (np.zeros((1, 8, 8, 3), "u1"), 3, "size=3 must divide 8, the side of the images"),
        (np.zeros((1, 8, 8, 3), "u1"), 0, "size=0 must divide 8, the side of the images"),
    ],
)
def test_resize_refuses(images, size, message):
    with pytest.raises(FddError) as error:
        resize(images, size)
    assert str(error.value) == message


def test_images_survive_the_way_to_the_network_and_back():
    images = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1).repeat(3, axis=3)
    tensor = to_tensor(images, CPU)
    assert tensor.shape == (1, 3, 16, 16)
    assert (tensor.min(), tensor.max()) == (-1, 1)
    assert np.array_equal(to_images(tensor), images)


def test_hue_saturation_and_value_of_pure_colours():
    colors = {  # (hue, saturation, value), each from -1 to 1
        (255, 0, 0): (-1, 1, 1),
        (0, 255, 0): (-1 / 3, 1, 1),
        (0, 0, 255): (1 / 3, 1, 1),
        (255, 255, 255): (-1, -1, 1),
        (0, 0, 0): (-1, -1, -1),
    }
    images = np.array(list(colors), np.uint8).reshape(-1, 1, 1, 3)
    tensor = to_tensor(images, CPU, "hsv")
    assert (tensor.dtype, tensor.shape) == (torch.float32, (5, 3, 1, 1))
    np.testing.assert_allclose(tensor[:, :, 0, 0], list(colors.values()), atol=1e-6)
    assert np.array_equal(to_images(tensor, "hsv"), images)


def test_hsv_images_survive_the_way_to_the_network_and_back():
    astronaut = pictures.astronaut()[None, ::4, ::4]
    every_level = np.arange(3 * 64 * 64).reshape(1, 64, 64, 3).astype(np.uint8)
    for images in (astronaut, every_level, drawn(40)[0]):
        tensor = to_tensor(images, CPU, "hsv")
        assert tensor.abs().max() <= 1
        assert np.array_equal(to_images(tensor, "hsv"), images)


@pytest.mark.parametrize("colors", ["rgb", "hsv"])
def test_pixels_out_of_range_are_clipped(colors):
    tensor = torch.tensor([-2.0, 3.0, 3.0]).reshape(1, 3, 1, 1)
    shown = to_images(tensor, colors).ravel().tolist()
    assert shown == {"rgb": [0, 255, 255], "hsv": [255, 0, 0]}[colors]


def test_batches_are_permutations_that_can_be_taken_up_anywhere(data):
    data.images = data.images[:23]
    config = options(batch_size=5, seed=4)
    batches = Batches(data, config)
    epochs = [np.concatenate([batches.rows(4 * e + i) for i in range(4)]) for e in range(3)]
    for rows in epochs:
        assert len(set(rows.tolist())) == 20
        assert set(rows.tolist()) <= set(range(23))
    assert not np.array_equal(epochs[0], epochs[1])
    assert [batches.epoch(step) for step in (0, 3, 4, 8)] == [0, 0, 1, 2]
    assert np.array_equal(Batches(data, config).rows(6), batches.rows(6))
    other = dataclasses.replace(config, seed=5)
    assert not np.array_equal(Batches(data, other).rows(0), epochs[0][:5])
    few = Batches(data, dataclasses.replace(config, train_images=6))
    assert set(few.rows(3).tolist()) < set(range(6))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train_images": 41}, "train_images=41 must be at most 40, all that there are"),
        ({"train_images": 3}, "batch_size=4 must be at most 3, the images to train on"),
        ({"batch_size": 64}, "batch_size=64 must be at most 40, the images to train on"),
    ],
)
def test_batches_refuse_what_the_data_cannot_fill(data, changes, message):
    with pytest.raises(FddError) as error:
        Batches(data, options(**changes))
    assert str(error.value) == message


def test_a_batch_is_of_its_rows(data):
    batches = Batches(data, options(batch_size=7))
    images, params = batches[3]
    rows = batches.rows(3)
    assert np.array_equal(images, resize(data.images[rows], 16))
    assert np.array_equal(params, data.params.to_numpy()[rows])
    data.params = None
    assert Batches(data, options(batch_size=7))[3][1] is None


STREAM = {"data": "stream", "version": "tiny-1", "batch_size": 4}


@pytest.mark.parametrize("flip", [False, True])
def test_the_stream_begins_at_a_place_of_its_seed(tiny, flip):
    batches = StreamBatches(options(**STREAM, seed=3, flip=flip))
    images, params = batches[5]
    expected = fdd.sample_params(4, "train", version="tiny-1", start=4 * 2**40 + 20)
    assert images.dtype == np.uint8
    assert images.shape == (4, 16, 16, 3)
    if flip:
        assert np.array_equal(np.abs(params), np.abs(expected))
        assert not np.array_equal(params, expected)
    else:
        assert np.array_equal(params, expected)
        assert np.array_equal(images, fdd.render(params, size=16, points=400))
    assert (batches.version, batches.epoch(10**6)) == ("tiny-1", 0)


def test_the_stream_can_be_taken_up_anywhere(tiny):
    config = options(**STREAM)
    batches = StreamBatches(config)
    in_order = [batches[step] for step in range(4)]
    for step in (2, 3, 0):
        for a, b in zip(batches[step], in_order[step], strict=True):
            assert np.array_equal(a, b)
    assert np.array_equal(StreamBatches(config)[3][1], in_order[3][1])


@pytest.mark.parametrize("world", [2, 4])
@pytest.mark.parametrize("kind", ["stored", "stream"])
@pytest.mark.parametrize("moves", [{"flip": True}, {"flip": True, "rotate": 20.0}])
def test_processes_share_the_batch_that_one_would_have(tiny, data, place, kind, world, moves):
    config = options(**STREAM if kind == "stream" else {"batch_size": 8}, seed=2, **moves)

    def step(number):
        batches = StreamBatches(config) if kind == "stream" else Batches(data, config)
        return batches[number]

    whole = step(3)
    shares = []
    for rank in range(world):
        place(rank, world)
        shares.append(step(3))
    assert np.array_equal(np.concatenate([images for images, _ in shares]), whole[0])
    if "rotate" in moves:
        assert [params for _, params in shares] == [whole[1]] * world == [None] * world
    else:
        assert np.array_equal(np.concatenate([params for _, params in shares]), whole[1])


def test_images_are_held_out_of_the_val_split(tiny):
    config = options(version="tiny-1")
    train, held_out = open_data(config)
    assert (len(train.data), len(held_out)) == (25, 10)
    expected = fdd.load("val", version="tiny-1")
    found = held_out_batch(held_out, config, CPU)
    assert np.array_equal(to_images(found.images), expected.read(range(10)))
    assert np.array_equal(found.params, expected.params.to_numpy())
    stream, same = open_data(options(**STREAM))
    assert isinstance(stream, StreamBatches)
    assert np.array_equal(same.read(range(10)), expected.read(range(10)))


def test_data_that_is_given_takes_the_place_of_what_the_option_says(tiny, data):
    for changes in ({"version": "tiny-1"}, STREAM, {"data": "images:nowhere"}):
        train, held_out = open_data(options(**changes), data, data)
        assert train.data is held_out is data
    train, held_out = open_data(options(version="tiny-1"), data)
    assert (train.data, len(held_out)) == (data, 10)
    train, held_out = open_data(options(version="tiny-1"), held_out=data)
    assert (len(train.data), held_out) == (25, data)
    train, held_out = open_data(options(**STREAM), held_out=data)
    assert isinstance(train, StreamBatches)
    assert held_out is data


def test_images_come_from_the_package_that_is_published(tiny, tmp_path, monkeypatch):
    package(tmp_path / "fractal-dream-tiny-1", version="tiny-1", images=12)
    monkeypatch.setenv("KAGGLE_CACHE_MOUNT_FOLDER", str(tmp_path))
    batches, held_out = open_data(options(data="kaggle", version="tiny-1", batch_size=4))
    train = batches.data
    assert (len(train), len(held_out), train.version) == (12, 10, "tiny-1")
    for split, found in (("train", train), ("val", held_out)):
        expected = fdd.load(split, version="tiny-1")
        rows = range(len(found))
        assert np.array_equal(found.read(rows), expected.read(rows))
        assert np.array_equal(found.params, expected.params[: len(found)])
    assert batches.version == "tiny-1"


def test_no_more_images_are_held_out_than_are_looked_at(data):
    data.images = data.images.repeat(2, axis=0)
    data.params = None
    found = held_out_batch(data, options(), CPU)
    assert (len(found.images), found.params) == (HELD_OUT, None)


@pytest.mark.parametrize("colors", ["rgb", "hsv"])
def test_batches_are_read_ahead_in_another_thread(data, colors):
    threads = []
    data.on_read = lambda number: threads.append(threading.current_thread())
    config = options(colors=colors)
    batches = Batches(data, config)
    with read_ahead(batches, config, 5, CPU) as coming:
        found = [next(coming) for _ in range(3)]
    assert 3 <= len(threads) <= 4
    assert threading.main_thread() not in threads
    assert not any(thread.is_alive() for thread in threads)
    for step, batch in enumerate(found, start=5):
        images, params = batches[step]
        assert batch.images.dtype == torch.float32
        assert torch.equal(batch.images, to_tensor(images, CPU, colors))
        assert np.array_equal(batch.params, params)


def test_what_fails_in_the_thread_is_raised_where_the_batch_is_taken(data):
    def fail(number):
        if number == 2:
            raise OSError("the disk is gone")

    data.on_read = fail
    with read_ahead(Batches(data, OPTIONS), OPTIONS, 0, CPU) as coming:
        next(coming)
        with pytest.raises(OSError, match="the disk is gone"):
            next(coming)
