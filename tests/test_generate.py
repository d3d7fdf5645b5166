"""Generated folders: the same bytes however they came about, damage found, mistakes refused."""

import errno
import hashlib
import json
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import tree

import fdd
from fdd import FddError
from fdd.data.cache import ensure_split
from fdd.data.published import format_name
from fdd.folders.generate import check, generate
from fdd.releases.cards import RELEASES, Release

FORMATS = ("png", "npy")


@pytest.fixture
def make(tiny, tmp_path):
    """make(name, start, count, ...) generates into that folder of tmp_path, 10 images a shard."""

    def make(name="out", start=0, count=25, **options):
        options = {"version": "tiny-1", "format": "npy", "shard_rows": 10} | options
        return generate(tmp_path / name, "train", start, count, **options)

    return make


@pytest.fixture
def rendered(monkeypatch):
    """The names of the files of images, shards or pictures, that are written from now on."""
    names, replace = [], os.replace

    def recording(source, target):
        replace(source, target)
        if Path(target).suffix in (".npy", ".png"):
            names.append(Path(target).name)

    monkeypatch.setattr(os, "replace", recording)
    return names


def names_of(format, *ranges):
    """The files of (first row, rows): one shard, or as many pictures."""
    if format == "npy":
        parts = [divmod(start, 10) for start, _ in ranges]
        return [f"shard-{number:05d}{f'+{offset}' * (offset > 0)}.npy" for number, offset in parts]
    rows = [fdd.sample_params(rows, "train", start, "tiny-1") for start, rows in ranges]
    return [format_name(vector) for vector in np.concatenate([np.empty((0, 6)), *rows])]


def test_npy_shards_are_those_of_the_cache(tiny, make, tmp_path):
    assert make() == (25, 25)
    for path in ensure_split(tiny, "train", tmp_path / "cache"):
        assert (tmp_path / "out" / path.name).read_bytes() == path.read_bytes()


def test_a_folder_of_npy_shards_serves_as_cache(tmp_path, rendered):
    """They are the published ones, so that their checksums are known."""
    place = tmp_path / "cache" / "mini-1" / "val"
    made = generate(place, "val", 0, 10_000, "mini-1", format="npy", workers=0)
    assert (made, rendered) == ((10_000, 10_000), ["shard-00000.npy"])
    data = fdd.load("val", params=True, version="mini-1", cache=tmp_path / "cache")
    assert rendered == ["shard-00000.npy"]
    params = fdd.sample_params(25, "val", version="mini-1")
    np.testing.assert_array_equal(data.params[:25], params)
    assert generate(place, "val", 0, 10_000, "mini-1", format="npy", workers=0) == (0, 10_000)


def test_a_machine_that_renders_other_bytes_than_published_says_so(make, tmp_path, monkeypatch):
    """As if this one drew the images of fdd-1 in another size."""
    other = Release("fdd-1", {"train": 25}, size=16, points=400, shard_rows=10)
    monkeypatch.setitem(RELEASES, "fdd-1", other)
    with pytest.raises(FddError, match=r"^this machine renders fdd-1/train/shard-00000\.npy with "):
        make(version="fdd-1")
    assert not list((tmp_path / "out").glob("*.npy"))
    assert make("other", version="fdd-1", shard_rows=5) == (25, 25)


def test_the_manifest_says_what_is_there(make, tmp_path):
    make(start=5, count=20)
    out = tmp_path / "out"
    manifest = json.loads((out / "manifest.json").read_text())
    files = ["shard-00000+5.npy", "shard-00001.npy", "shard-00002.npy"]
    data = [(out / file).read_bytes() for file in files]
    assert manifest == {
        "fdd": fdd.__version__,
        "version": "tiny-1",
        "split": "train",
        "format": "npy",
        "palette": None,
        "shard_rows": 10,
        "ranges": [{"start": 5, "count": 20}],
        "images": 20,
        "shards": [
            {
                "file": file,
                "start": start,
                "rows": rows,
                "bytes": len(content),
                "sha256": hashlib.sha256(content).hexdigest(),
            }
            for file, content, (start, rows) in zip(
                files, data, [(5, 5), (10, 10), (20, 5)], strict=True
            )
        ],
    }
    records = np.concatenate([np.load(out / file) for file in files])
    params = fdd.sample_params(20, start=5, version="tiny-1")
    np.testing.assert_array_equal(records["params"], params)
    np.testing.assert_array_equal(records["counts"], fdd.render(params, "counts", 16, 400))
    for file, content in zip(files, data, strict=True):
        line = f"{hashlib.sha256(content).hexdigest()}  {file}\n"
        assert (out / f"{file}.sha256").read_text() == line
    assert len(tree(out)) == 7


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(
    "ranges",
    [
        [(0, 10), (5, 20)],
        [(5, 20), (0, 10)],
        [(3, 4), (8, 2), (0, 25)],
        [(12, 2), (17, 2), (14, 3), (0, 12), (19, 6)],
        [(0, 25), (3, 4)],
    ],
    ids=str,
)
def test_a_folder_holds_the_union_whatever_the_order(make, tmp_path, format, ranges):
    rows = set()
    for start, count in ranges:
        rows |= set(range(start, start + count))
        assert make(start=start, count=count, format=format)[1] == len(rows)
    make("at once", min(rows), len(rows), format=format)
    assert tree(tmp_path / "out") == tree(tmp_path / "at once")


def test_ranges_that_lie_apart_stay_apart(make, tmp_path):
    make(start=1, count=2)
    assert make(start=6, count=7) == (7, 9)
    assert [path.name for path in sorted((tmp_path / "out").glob("*.npy"))] == [
        "shard-00000+1.npy",
        "shard-00000+6.npy",
        "shard-00001.npy",
    ]
    assert make(start=0, count=20) == (20, 20)
    make("at once", 0, 20)
    assert tree(tmp_path / "out") == tree(tmp_path / "at once")


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


DAMAGE = {
    "flipped byte": (flip, "not what its checksum says"),
    "truncated": (lambda path: os.truncate(path, 100), "not what its checksum says"),
    "empty": (lambda path: os.truncate(path, 0), "not what its checksum says"),
    "missing": (Path.unlink, "missing"),
}
FILES = {
    "shard-00001.npy": [(10, 10)],
    "shard-00001.npy.sha256": [(10, 10)],
    "shards/shard-00001.csv": [(10, 10)],
    "shards/shard-00001.csv.sha256": [(10, 10)],
    "picture 13": [(13, 1)],
    "params.csv": [],
}


@pytest.mark.parametrize("kind", DAMAGE)
@pytest.mark.parametrize("file", FILES)
def test_what_is_damaged_is_found_and_alone_rendered_again(make, tmp_path, rendered, file, kind):
    format = "npy" if ".npy" in file else "png"
    make(format=format)
    right = tree(tmp_path / "out")
    damage, reason = DAMAGE[kind]
    if file == "picture 13":
        file = f"kbc/{format_name(fdd.sample_params(1, start=13, version='tiny-1')[0])}"
    missing = FILES.get(file, [(13, 1)])
    damage(tmp_path / "out" / file)
    report = check(tmp_path / "out")
    different = [] if file.endswith(".sha256") else [{"file": file, "reason": f"it is {reason}"}]
    assert report == {
        "folder": str(tmp_path / "out"),
        "shards": 3,
        "equal": 3 if file.endswith(".sha256") or file == "params.csv" else 2,
        "different": different,
    }
    rendered.clear()
    assert make(format=format)[0] == sum(rows for _, rows in missing)
    assert rendered == names_of(format, *missing)
    assert tree(tmp_path / "out") == right
    assert check(tmp_path / "out")["different"] == []


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("shard", range(3))
def test_interrupted_it_leaves_whole_shards_and_goes_on(
    make, tmp_path, monkeypatch, rendered, format, shard
):
    replace, renamed = os.replace, []

    def dying_replace(source, target):
        renamed.append(target)
        if f"shard-0000{shard}" in Path(target).name:
            raise KeyboardInterrupt
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", dying_replace)
        with pytest.raises(KeyboardInterrupt):
            make(format=format)
    assert not [name for name in tree(tmp_path / "out") if name.endswith(".tmp")]
    with pytest.raises(FddError, match=r"holds no manifest\.json, which is written when all else"):
        check(tmp_path / "out")
    rendered.clear()
    assert make(format=format) == (25 - 10 * shard, 25)
    assert rendered == names_of(format, *[(0, 10), (10, 10), (20, 5)][shard:])
    make("at once", format=format)
    assert tree(tmp_path / "out") == tree(tmp_path / "at once")


def test_a_range_that_was_given_up_binds_nobody(make, tmp_path, monkeypatch):
    make(count=15)
    replace = os.replace

    def dying_replace(source, target):
        if Path(target).suffix == ".npy":
            raise KeyboardInterrupt
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", dying_replace)
        with pytest.raises(KeyboardInterrupt):
            make(start=10, count=10**6, workers=0)
    assert make(start=15, count=5) == (10, 20)
    make("at once", count=20)
    assert tree(tmp_path / "out") == tree(tmp_path / "at once")


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("number", range(4))
def test_interrupted_while_it_clears_up_it_leaves_nothing_of_another_division(
    make, tmp_path, monkeypatch, format, number
):
    """Two shards of ranges that have grown together, each with its checksum, are removed."""
    make(start=3, count=4, format=format)
    make(start=15, count=5, format=format)
    unlink, removed = os.unlink, []

    def dying_unlink(path, *arguments, **options):
        if "+" in Path(path).name:
            if len(removed) == number:
                raise KeyboardInterrupt
            removed.append(path)
        unlink(path, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", dying_unlink)
        with pytest.raises(KeyboardInterrupt):
            make(count=25, format=format)
    assert not (tmp_path / "out" / "manifest.json").exists()
    assert make(count=25, format=format) == (0, 25)
    make("at once", format=format)
    assert tree(tmp_path / "out") == tree(tmp_path / "at once")


@pytest.mark.parametrize("format", FORMATS)
def test_what_older_versions_left_of_another_division_goes(make, tmp_path, format):
    make(start=3, count=4, format=format)
    left = [path for path in (tmp_path / "out").rglob("*+3*") if path.is_file()]
    assert len(left) == 2
    make("at once", format=format)
    shutil.copytree(tmp_path / "at once", tmp_path / "later")
    for path in left:
        shutil.copy(path, tmp_path / "later" / path.relative_to(tmp_path / "out"))
    assert make("later", format=format) == (0, 25)
    assert tree(tmp_path / "later") == tree(tmp_path / "at once")


@pytest.mark.parametrize("format", FORMATS)
def test_single_shards_in_any_order_and_then_the_rest(make, tmp_path, rendered, format):
    options = {"start": 5, "count": 28, "format": format}
    assert [make(shard=number, **options) for number in (2, 0, 3)] == [(10, 10), (5, 5), (3, 3)]
    assert rendered == names_of(format, (20, 10), (5, 5), (30, 3))
    rendered.clear()
    assert not (tmp_path / "out" / "manifest.json").exists()
    assert make(shard=0, **options) == (0, 5)
    assert make(**options) == (10, 28)
    assert rendered == names_of(format, (10, 10))
    make("at once", **options)
    assert tree(tmp_path / "out") == tree(tmp_path / "at once")
    assert make(shard=1, **options) == (0, 10)
    assert tree(tmp_path / "out") == tree(tmp_path / "at once")
    with pytest.raises(FddError) as error:
        make(shard=4, **options)
    assert str(error.value) == "shard=4 must be a whole number from 0 to 3"


@pytest.mark.parametrize("finished", [True, False])
@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"format": "png"}, "another format ('npy', not 'png')"),
        ({"shard_rows": 5}, "another shard_rows (10, not 5)"),
        ({"version": "fdd-1"}, "another version ('tiny-1', not 'fdd-1')"),
    ],
)
def test_a_folder_of_something_else_is_refused_untouched(
    make, tmp_path, options, sentence, finished
):
    make(shard=None if finished else 0)
    before = tree(tmp_path)
    with pytest.raises(FddError) as error:
        make(**options)
    folder = str(tmp_path / "out")
    assert str(error.value) == (
        f"folder {folder!r} holds images of {sentence}; choose another folder"
    )
    assert tree(tmp_path) == before


def test_the_shards_of_a_folder_keep_their_size(make, tmp_path):
    make(count=20)
    assert make(count=25, shard_rows=None) == (5, 25)
    assert len(list((tmp_path / "out").glob("*.npy"))) == 3


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[1]",
        "{}",
        '{"ranges": [], "shard_rows": "10"}',
        "\0",
        "[" * 10**5,
        '{"ranges": [{"start": 1e999, "count": 1}], "shard_rows": 10}',
        '{"ranges": [{"start": 0, "count": 9}, {"start": 5, "count": 9}], "shard_rows": 10}',
    ],
)
def test_a_manifest_of_somebody_else_is_refused(make, tmp_path, content):
    (tmp_path / "manifest.json").write_text(content)
    sentence = (
        f"file {str(tmp_path / 'manifest.json')!r} is not one that generate wrote; remove it and "
        "run the same command again"
    )
    for act in (lambda: make("."), lambda: check(tmp_path)):
        with pytest.raises(FddError) as error:
            act()
        assert str(error.value) == sentence
    assert tree(tmp_path) == {"manifest.json": content.encode()}


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (errno.ENOSPC, "the disk is full"),
        (errno.EROFS, "it cannot be written (Read-only file system)"),
    ],
)
def test_a_folder_that_cannot_be_written_is_named(
    make, tmp_path, monkeypatch, format, code, reason
):
    def failing(source, target):
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", failing)
        with pytest.raises(FddError) as error:
            make(format=format)
    assert str(error.value) == f"folder {str(tmp_path / 'out')!r}: {reason}; choose another one"
    assert make(format=format) == (25, 25)


@pytest.mark.parametrize(("format", "needed"), [("png", "15.89"), ("npy", "32.82")])
def test_more_than_the_disk_holds_is_refused_at_once(tmp_path, monkeypatch, format, needed):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=10**9))
    with pytest.raises(FddError) as error:
        generate(tmp_path / "a" / "b", count=10**6, format=format)
    assert str(error.value) == (
        f"folder {str(tmp_path / 'a' / 'b')!r} has 1.00 GB free and 1000000 images as {format} "
        f"need {needed} GB more; choose another one or a smaller count"
    )
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_needs_no_room(make, monkeypatch):
    make(count=100)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=10**3))
    assert make(count=101) == (1, 101)
