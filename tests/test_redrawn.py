"""`fdd.load(size=, points=)` draws a release's parameters otherwise, in a cache of their own."""

import json
import os

import numpy as np
import pytest
from conftest import tree

import fdd
from fdd import FddError
from fdd.data import cache
from fdd.releases.cards import release


@pytest.fixture
def load(tiny, tmp_path):
    """fdd.load of tiny-1, 16 x 16 pixels and 400 points, from the folder `cache` of this test."""

    def load_tiny(split="val", **options):
        return fdd.load(split, True, version="tiny-1", cache=tmp_path / "cache", **options)

    return load_tiny


DRAWN = {
    "smaller": {"size": 8},
    "larger": {"size": 24},
    "fewer points": {"points": 99},
    "more points": {"points": 900},
    "both, counts of 32 bits": {"size": 300, "points": 70_000},
}


@pytest.mark.parametrize("options", DRAWN.values(), ids=DRAWN)
@pytest.mark.parametrize("output", ["rgb", "gray", "counts"])
def test_the_same_parameters_are_drawn_otherwise(load, options, output):
    ds = load(output=output, **options)
    params = fdd.sample_params(10, "val", version="tiny-1")
    np.testing.assert_array_equal(ds.params, params)
    expected = fdd.render(params, output, **({"size": 16, "points": 400} | options))
    np.testing.assert_array_equal(ds.images, expected)
    assert ds.images.dtype == expected.dtype
    assert (ds.version, ds.split, len(ds)) == ("tiny-1", "val", 10)
    assert (ds.size, ds.points) == (options.get("size", 16), options.get("points", 400))


def test_each_way_of_drawing_has_a_folder_of_its_own(load, tmp_path):
    load()
    own = tree(tmp_path)
    load(size=16, points=400)
    assert tree(tmp_path) == own
    load(size=8)
    load(size=8, points=500)
    names = sorted(path.name for path in (tmp_path / "cache").iterdir())
    assert names == ["tiny-1", "tiny-1-8x8-400", "tiny-1-8x8-500"]
    assert own.items() <= tree(tmp_path).items()
    shard = tmp_path / "cache" / "tiny-1-8x8-400" / "val" / "shard-00000.npy"
    assert len(json.loads(shard.with_suffix(".json").read_text())["sha256"]) == 64


def test_a_damaged_shard_is_found_and_drawn_again(load, tmp_path):
    expected = load(size=8).images
    shard = tmp_path / "cache" / "tiny-1-8x8-400" / "val" / "shard-00000.npy"
    right = shard.read_bytes()
    shard.write_bytes(right[:-1] + bytes([right[-1] ^ 1]))
    with pytest.warns(UserWarning, match="not what its checksum says; it is rendered again"):
        np.testing.assert_array_equal(load(size=8).images, expected)
    assert shard.read_bytes() == right


def test_all_of_the_cache_is_hashed_again(load, tmp_path, command):
    load()
    load(size=8)
    os.mkdir(tmp_path / "cache" / "other-1-8x8-400")
    shard = tmp_path / "cache" / "tiny-1-8x8-400" / "val" / "shard-00000.npy"
    status, data = shard.stat(), shard.read_bytes()
    shard.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    os.utime(shard, ns=(status.st_atime_ns, status.st_mtime_ns))
    code, output, errors = command("info", "--check", "--cache", "cache")
    assert (code, errors) == (1, "")
    assert output.splitlines()[-3:] == [
        f"{tmp_path / 'cache' / 'tiny-1' / 'val'}: 1 of 1 shards are what their checksums say",
        f"{tmp_path / 'cache' / 'tiny-1-8x8-400' / 'val'}: 0 of 1 shards are what their checksums "
        "say",
        "  shard-00000.npy: it is not what its checksum says",
    ]


def test_info_lists_what_is_in_the_cache(load, command):
    load(size=8)
    code, output, errors = command("info", "--cache", "cache")
    assert (code, errors) == (0, "")
    lines = output.splitlines()
    first = lines.index("tiny-1-8x8-400: drawn in another size or with other points")
    assert lines[first + 1 : first + 4] == [
        "  train      25 images,      0 in the cache,      0 MB when all are",
        "  val        10 images,     10 in the cache,      0 MB when all are",
        "  test       10 images,      0 in the cache,      0 MB when all are",
    ]


def test_what_it_is_called(load):
    assert repr(load(size=8)) == (
        "RenderedDataset(10 images, version='tiny-1', split='val', output='rgb', palette='kbc', "
        "params='raw', size=8, points=400)"
    )


def test_shards_of_larger_images_hold_fewer():
    card = release("fdd-1")
    assert card.redrawn(64, 60000).shard_rows == 1000
    assert card.redrawn(512, 60000).shard_rows == 62
    assert card.redrawn(4096, 60000).shard_rows == 1
    assert cache.shards(card.redrawn(512, 60000), "test")[-1] == ("shard-00080.npy", 4960, 40)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"size": 1}, "size=1 must be a whole number from 2 to 4096"),
        ({"size": 64.0}, "size=64.0 must be a whole number from 2 to 4096"),
        ({"points": 1}, "points=1 must be a whole number from 2 to 4294967295"),
        (
            {"size": 8, "root": "pictures"},
            "size=8: what root or source gives is drawn already; leave size out",
        ),
        (
            {"points": 9, "source": "kaggle"},
            "points=9: what root or source gives is drawn already; leave points out",
        ),
        (
            {"download": True},
            "download=True: nothing needs to be downloaded, as images are rendered where they are "
            "used; leave download out",
        ),
    ],
)
def test_what_cannot_be_drawn_is_refused_before_anything_is_written(load, tmp_path, options, says):
    with pytest.raises(FddError) as error:
        load(**options)
    assert str(error.value) == says
    assert tree(tmp_path) == {}


def test_no_download_is_what_happens(load):
    assert len(load(download=False)) == 10
