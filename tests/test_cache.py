"""The cache: interrupted, damaged, full or shared, it ends with the right bytes or says why."""

import errno
import hashlib
import json
import os
import re
import resource
import shutil
import signal
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import REGISTER_TINY

import fdd
from fdd import FddError
from fdd.data import cache
from fdd.releases.cards import RELEASES, Release, published_checksums, release

NAMES = ["shard-00000.npy", "shard-00001.npy", "shard-00002.npy"]


@pytest.fixture
def folder(tmp_path):
    """Where the shards of tiny-1's train split lie: not made yet."""
    return tmp_path / "cache" / "tiny-1" / "train"


@pytest.fixture
def ensure(tiny, folder):
    """Makes the train split of tiny-1 complete in `folder`."""
    return lambda: cache.ensure_split(tiny, "train", folder.parent.parent)


@pytest.fixture
def right(tiny, tmp_path):
    """The right bytes of each shard."""
    paths = cache.ensure_split(tiny, "train", tmp_path / "elsewhere")
    return {path.name: path.read_bytes() for path in paths}


@pytest.fixture
def rendered(monkeypatch):
    """The names of the shards written from now on."""
    names, replace = [], os.replace

    def recording(source, target):
        replace(source, target)
        if Path(target).suffix == ".npy":
            names.append(Path(target).name)

    monkeypatch.setattr(os, "replace", recording)
    return names


def shards_in(folder):
    return {path.name: path.read_bytes() for path in folder.glob("*.npy")}


def temporaries(folder):
    return [path.name for path in folder.rglob("*") if path.name.endswith(".tmp")]


def test_shards_hold_params_and_counts_and_their_checksums(tiny, folder, ensure):
    paths = ensure()
    assert [path.name for path in paths] == NAMES
    records = np.concatenate([cache.open_shard(path) for path in paths])
    params = fdd.sample_params(25, version=tiny.name)
    np.testing.assert_array_equal(records["params"], params)
    np.testing.assert_array_equal(records["counts"], fdd.render(params, "counts", 16, 400))
    for path in paths:
        note = json.loads(path.with_suffix(".json").read_text())
        assert sorted(note) == ["bytes", "mtime_ns", "sha256"]
        assert note["bytes"] == path.stat().st_size
    assert temporaries(folder) == []


def spoil_unseen(path):
    """Changes the last byte of a file and neither its size nor its time: hashing alone tells."""
    status = path.stat()
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_a_complete_cache_is_neither_rendered_nor_hashed_again(ensure, folder, rendered):
    ensure()
    rendered.clear()
    for name in NAMES:
        spoil_unseen(folder / name)
    before = shards_in(folder)
    assert [path.name for path in ensure()] == NAMES
    assert rendered == []
    assert shards_in(folder) == before


def test_too_few_open_files_are_not_taken_for_damage(tiny, ensure, folder):
    ensure()
    shard = folder / NAMES[0], tiny, tiny.shard_rows, None
    assert cache.check_shard(*shard) is None
    unused, (soft, hard) = os.dup(0), resource.getrlimit(resource.RLIMIT_NOFILE)
    os.close(unused)
    resource.setrlimit(resource.RLIMIT_NOFILE, (unused, hard))
    try:
        with pytest.raises(OSError, match="Too many open files"):
            cache.check_shard(*shard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_copied_cache_is_hashed_once_and_not_rendered(ensure, folder, right, rendered):
    ensure()
    rendered.clear()
    for name in NAMES:
        os.utime(folder / name, (1, 1))
    ensure()
    assert shards_in(folder) == right
    for name in NAMES:
        spoil_unseen(folder / name)
    before = shards_in(folder)
    ensure()
    assert rendered == []
    assert shards_in(folder) == before


def test_other_bytes_than_those_published_are_an_error(tmp_path, monkeypatch):
    """As if this machine drew the images of fdd-1 in another size."""
    card = Release("fdd-1", {"train": 25}, size=16, points=400, shard_rows=10)
    monkeypatch.setitem(RELEASES, "fdd-1", card)
    records = np.empty(10, cache.record_type(card))
    records["params"] = fdd.sample_params(10, version="fdd-1")
    records["counts"] = fdd.render(records["params"], "counts", 16, 400)
    with pytest.raises(FddError) as error:
        cache.ensure_split(card, "train", tmp_path)
    published = published_checksums("fdd-1")["train/shard-00000.npy"]
    assert str(error.value) == (
        "this machine renders fdd-1/train/shard-00000.npy with other bytes than those published "
        f"(SHA-256 {hashlib.sha256(records.tobytes()).hexdigest()}, expected {published}); please "
        "report its processor"
    )
    assert shards_in(tmp_path / "fdd-1" / "train") == {}
    assert temporaries(tmp_path) == []


PLACES = ["header", "records", "rename shard-00001.npy", "rename shard-00001.json"]


class HalfWriter:
    """An open file that takes `whole` writes, then half of what is written, and then fails."""

    def __init__(self, file, whole, error):
        self.file, self.whole, self.error = file, whole, error

    def write(self, data):
        self.whole -= 1
        if self.whole >= 0:
            return self.file.write(data)
        self.file.write(bytes(data)[: len(data) // 2])
        raise self.error

    def __getattr__(self, name):
        return getattr(self.file, name)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()


def failing_at(place, error):
    """(object, name, function) that raises `error` while the second shard is made."""
    replace, open_path = os.replace, Path.open

    def failing_open(path, *arguments, **options):
        file = open_path(path, *arguments, **options)
        whole = PLACES.index(place)
        return HalfWriter(file, whole, error) if "shard-00001.npy" in path.name else file

    def failing_replace(source, target):
        if Path(target).name == place.removeprefix("rename "):
            raise error
        replace(source, target)

    if place.startswith("rename"):
        return os, "replace", failing_replace
    return Path, "open", failing_open


@pytest.mark.parametrize("place", PLACES)
def test_an_interruption_leaves_whole_shards_and_the_next_run_goes_on(
    place, ensure, folder, right, rendered
):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(*failing_at(place, KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            ensure()
    assert temporaries(folder) == []
    left = shards_in(folder)
    assert left.items() <= right.items()
    assert len(left) == (2 if place.endswith("json") else 1)
    stamp = (folder / NAMES[0]).stat().st_mtime_ns
    rendered.clear()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ensure()
    assert rendered == NAMES[1:]
    assert (folder / NAMES[0]).stat().st_mtime_ns == stamp
    assert shards_in(folder) == right


def test_after_a_kill_the_next_run_clears_up_and_goes_on(
    ensure, folder, right, rendered, run_python
):
    program = f"""{REGISTER_TINY}
import os, signal
from fdd.data import cache
replace = os.replace
def dying_replace(source, target):
    if "shard-00001.npy" in str(target):
        os.truncate(source, 3000)
        os.kill(os.getpid(), signal.SIGKILL)
    replace(source, target)
os.replace = dying_replace
cache.ensure_split(RELEASES["tiny-1"], "train", cache.Path({str(folder.parent.parent)!r}))
"""
    code, _, errors = run_python("-c", program)
    assert code == -signal.SIGKILL, errors
    assert len(temporaries(folder)) == 1
    assert list(shards_in(folder)) == ["shard-00000.npy"]
    rendered.clear()
    ensure()
    assert rendered == NAMES[1:]
    assert temporaries(folder) == []
    assert shards_in(folder) == right


def test_two_processes_that_start_at_once_share_the_work(folder, right, start_python, tmp_path):
    program = f"""{REGISTER_TINY}
import os, time
from fdd.data import cache
replace, written = os.replace, []
def slow_replace(source, target):
    if str(target).endswith(".npy"):
        written.append(target)
        time.sleep(0.1)
    replace(source, target)
os.replace = slow_replace
print("ready", flush=True)
while not cache.Path({str(tmp_path / "go")!r}).exists():
    time.sleep(0.01)
paths = cache.ensure_split(RELEASES["tiny-1"], "train", cache.Path({str(folder.parent.parent)!r}))
print(len(written), sum(len(cache.open_shard(path)) for path in paths))
"""
    processes = [start_python("-W", "error", "-c", program) for _ in range(2)]
    assert [process.stdout.readline() for process in processes] == ["ready\n"] * 2
    (tmp_path / "go").touch()
    results = [process.communicate(timeout=600) for process in processes]
    assert [errors for _, errors in results] == ["", ""]
    written, images = zip(*(map(int, output.split()) for output, _ in results), strict=True)
    assert sum(written) == 3
    assert images == (25, 25)
    assert shards_in(folder) == right
    assert temporaries(folder) == []


def change_byte(offset, value=None):
    def damage(path):
        data = bytearray(path.read_bytes())
        data[offset] = data[offset] ^ 1 if value is None else value
        path.write_bytes(data)

    return damage


def keep(length):
    return lambda path: path.write_bytes(path.read_bytes()[:length])


def replace_by(content):
    return lambda path: path.write_bytes(content)


def sidecar(content):
    return lambda path: path.with_suffix(".json").write_bytes(content)


def other_archive(path):
    with path.open("wb") as file:
        np.savez(file, records=np.zeros(10))


UNREADABLE, WRONG = "truncated or unreadable", "not what its checksum says"
NO_SUM, SHAPE = "without its checksum", "not of the right shape"
LONG = "longer than its records"
DAMAGE = {
    "last byte": (change_byte(-1), WRONG),
    "byte of the params": (change_byte(200), WRONG),
    "header: magic": (change_byte(0), UNREADABLE),
    "header: length": (change_byte(8, 1), UNREADABLE),
    "header: type": (change_byte(33, ord(",")), UNREADABLE),
    "header: key": (change_byte(75, ord("B")), UNREADABLE),
    "header: name of a field": (change_byte(23, ord("q")), SHAPE),
    "cut by a byte": (keep(-1), UNREADABLE),
    "cut in the header": (keep(60), UNREADABLE),
    "longer by a byte": (lambda path: path.write_bytes(path.read_bytes() + b"x"), LONG),
    "empty": (keep(0), UNREADABLE),
    "text": (replace_by(b"no such page\n" * 500), UNREADABLE),
    "zeros": (replace_by(bytes(6000)), UNREADABLE),
    "cut archive": (replace_by(b"PK\x03\x04" + bytes(500)), UNREADABLE),
    "whole archive": (other_archive, UNREADABLE),
    "another array": (lambda path: np.save(path, np.zeros(10)), SHAPE),
    "another shard": (lambda path: shutil.copy(path.with_name(NAMES[0]), path), WRONG),
    "the short shard": (lambda path: shutil.copy(path.with_name(NAMES[2]), path), SHAPE),
    "no sidecar": (lambda path: path.with_suffix(".json").unlink(), NO_SUM),
    "sidecar: empty": (sidecar(b""), NO_SUM),
    "sidecar: binary": (sidecar(bytes(range(256))), NO_SUM),
    "sidecar: list": (sidecar(b"[1, 2]"), NO_SUM),
    "sidecar: nested": (sidecar(b"[" * 100_000), NO_SUM),
    "sidecar: no checksum": (sidecar(b'{"bytes": 1}'), NO_SUM),
    "sidecar: number": (sidecar(b'{"sha256": 5}'), WRONG),
    "sidecar: another's": (
        lambda path: shutil.copy(path.with_name("shard-00000.json"), path.with_suffix(".json")),
        WRONG,
    ),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_shard_is_named_and_rendered_again(kind, ensure, folder, right, rendered):
    damage, problem = DAMAGE[kind]
    ensure()
    rendered.clear()
    damage(folder / NAMES[1])
    sentence = f"{folder / NAMES[1]} is {problem}; it is rendered again"
    with pytest.warns(UserWarning, match=f"^{re.escape(sentence)}$"):
        ensure()
    assert rendered == [NAMES[1]]
    assert shards_in(folder) == right
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ensure()
    assert rendered == [NAMES[1]]


FAILURES = {
    errno.EACCES: "it cannot be written (Permission denied)",
    errno.EROFS: "it cannot be written (Read-only file system)",
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk is full",
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("code", FAILURES)
def test_a_folder_that_cannot_be_written_is_named(code, place, ensure, folder, right, monkeypatch):
    monkeypatch.setattr(*failing_at(place, OSError(code, os.strerror(code))))
    with pytest.raises(FddError) as raised:
        ensure()
    says = f"folder {str(folder)!r}: {FAILURES[code]}; choose another one with cache= or $FDD_DATA"
    assert str(raised.value) == says
    assert temporaries(folder) == []
    assert shards_in(folder).items() <= right.items()


@pytest.mark.parametrize(
    ("way", "reason"), [("cache", "Not a directory"), ("cache/tiny-1/train", "File exists")]
)
def test_a_file_in_the_way_is_an_error(way, reason, ensure, folder, tmp_path):
    (tmp_path / way).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / way).write_text("mine")
    sentence = f"folder {str(folder)!r}: it cannot be written ({reason}); choose another one "
    sentence += "with cache= or $FDD_DATA"
    with pytest.raises(FddError, match=f"^{re.escape(sentence)}$"):
        ensure()
    assert (tmp_path / way).read_text() == "mine"


def test_a_disk_without_room_is_an_error_before_anything_is_rendered(
    tmp_path, monkeypatch, rendered
):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=int(0.5e9)))
    with pytest.raises(FddError) as error:
        cache.ensure_split(release("fdd-1"), "train", tmp_path)
    assert str(error.value) == (
        f"folder {str(tmp_path / 'fdd-1' / 'train')!r} has 0.50 GB free and fdd-1/train needs "
        "1.31 GB; choose another one with cache= or $FDD_DATA"
    )
    assert rendered == []
