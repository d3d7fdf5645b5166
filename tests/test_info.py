"""`fdd info` says what is there, and `--check` finds what a trusted note would hide."""

import json
import os

import numpy as np
import pytest

import fdd
from fdd import cli
from fdd.data.cache import ensure_split, verify_cache


@pytest.fixture
def shard(tiny, tmp_path):
    """The first shard of the val split of tiny-1, in a cache at tmp_path."""
    return ensure_split(tiny, "val", tmp_path)[0]


def test_info_counts_what_is_cached(shard, tmp_path, capsys):
    assert cli.main(["info", "--cache", str(tmp_path), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    splits = facts["releases"]["tiny-1"]["splits"]
    assert {name: split["cached_images"] for name, split in splits.items()} == {
        "train": 0,
        "val": 10,
        "test": 0,
    }
    assert facts["fdd"] == fdd.__version__
    assert "check" not in facts


def test_a_check_of_a_sound_cache_says_so(shard, tmp_path, capsys):
    assert cli.main(["info", "--cache", str(tmp_path), "--check"]) == 0
    assert f"{shard.parent}: 1 of 1 shards are what their checksums say" in capsys.readouterr().out


def test_a_check_finds_a_changed_byte_under_an_unchanged_time(tiny, shard, tmp_path, capsys):
    status = shard.stat()
    data = bytearray(shard.read_bytes())
    data[-1] ^= 1
    shard.write_bytes(data)
    os.utime(shard, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert cli.main(["info", "--cache", str(tmp_path), "--check"]) == 1
    assert capsys.readouterr().out.endswith(
        f"{shard.parent}: 0 of 1 shards are what their checksums say\n"
        f"  {shard.name}: it is not what its checksum says\n"
    )
    with pytest.warns(UserWarning, match="it is rendered again"):
        images = fdd.load("val", version=tiny.name, cache=tmp_path, output="counts").images
    params = fdd.sample_params(10, "val", version=tiny.name)
    np.testing.assert_array_equal(images, fdd.render(params, "counts", tiny.size, tiny.points))


def test_an_empty_cache_has_nothing_to_check(tmp_path):
    assert verify_cache(tmp_path) == []
