"""`fdd package`: the same bytes every time, whole or unfinished, verified by rendering again."""

import csv
import hashlib
import io
import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import fdd
from fdd.cli import main
from fdd.data import parquet
from fdd.publishing import package
from fdd.publishing.check import check
from fdd.releases import cards

pq = pytest.importorskip("pyarrow.parquet", reason="a package is written with pyarrow")

FILES = [
    "LICENSE.txt",
    "README.md",
    "croissant.json",
    "dataset-metadata.json",
    "params.csv",
    "preview.png",
    *(f"sample-test-{number:03d}.png" for number in range(12)),
    "sha256sums.txt",
    "test-00000-of-00001.parquet",
    "train-00000-of-00001.parquet",
    "val-00000-of-00001.parquet",
]


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A package of 250 images of each split of mini-1, three row groups."""
    folder = tmp_path_factory.mktemp("package") / "mini"
    facts = package.package(folder, version="mini-1", images=250)
    return folder, facts


@pytest.fixture
def copy(made, tmp_path):
    for name, data in contents(made[0]).items():
        (tmp_path / "copy" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "copy" / name).write_bytes(data)
    return tmp_path / "copy"


def test_what_is_in_it(made):
    folder, facts = made
    assert sorted(contents(folder)) == FILES
    size = sum(len(data) for name, data in contents(folder).items() if name not in FILES[3:4])
    assert facts == {
        "folder": str(folder),
        "images": 750,
        "rendered": 750,
        "files": len(FILES) - 1,
        "bytes": size,
    }


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_images_and_parameters_are_those_of_the_release(made, split):
    ds = fdd.load(split, root=made[0], params=True, version="mini-1")
    vectors = fdd.sample_params(250, split, version="mini-1")
    np.testing.assert_array_equal(ds.params.to_numpy(), vectors)
    images = fdd.render(vectors, size=32, points=4000)
    np.testing.assert_array_equal(ds.images, images)
    image, vector = ds[199]
    np.testing.assert_array_equal(image, images[199])
    np.testing.assert_array_equal(vector, vectors[199])


def test_pandas_and_pillow_read_it_without_fdd(made):
    table = pd.read_parquet(made[0] / "test-00000-of-00001.parquet")
    assert list(table) == ["index", "x0", "y0", "a", "b", "c", "d", "image"]
    vectors = fdd.sample_params(250, "test", version="mini-1")
    np.testing.assert_array_equal(table[["x0", "y0", "a", "b", "c", "d"]].to_numpy(), vectors)
    assert table["image"][7]["path"] == "test-000007.png"
    picture = Image.open(io.BytesIO(table["image"][7]["bytes"])).convert("RGB")
    np.testing.assert_array_equal(np.asarray(picture), fdd.render(vectors[7], size=32, points=4000))


def test_the_table_gives_every_float_back(made):
    with (made[0] / "params.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["split"] for row in rows] == ["train"] * 250 + ["val"] * 250 + ["test"] * 250
    assert [int(row["index"]) for row in rows] == [*range(250)] * 3
    found = np.array(
        [[float(row[name]) for name in ["x0", "y0", "a", "b", "c", "d"]] for row in rows]
    )
    expected = [fdd.sample_params(250, split, version="mini-1") for split in ("train", "val")]
    np.testing.assert_array_equal(found[:500], np.concatenate(expected))
    assert rows[600]["file"] == "test-00000-of-00001.parquet"


def test_samples_are_the_first_test_images(made):
    images = fdd.render(fdd.sample_params(12, "test", version="mini-1"), size=32, points=4000)
    for number, image in enumerate(images):
        picture = Image.open(made[0] / f"sample-test-{number:03d}.png")
        assert picture.mode == "RGB"
        np.testing.assert_array_equal(np.asarray(picture), image)


def test_sha256sum_agrees(made):
    words = ["sha256sum", "--check", "--strict", "--quiet", "sha256sums.txt"]
    assert subprocess.run(words, cwd=made[0]).returncode == 0
    listed = (made[0] / "sha256sums.txt").read_text().splitlines()
    names = [line.split("  ")[1] for line in listed]
    assert names == sorted(set(FILES) - {"sha256sums.txt", "dataset-metadata.json"})


def test_the_same_bytes_come_again(made, tmp_path):
    package.package(tmp_path / "again", version="mini-1", images=250)
    assert contents(tmp_path / "again") == contents(made[0])


def test_an_interrupted_package_goes_on(made, tmp_path, monkeypatch):
    folder = tmp_path / "interrupted"
    replace = os.replace

    def dying_replace(source, target):
        if Path(target).name.startswith("val-"):
            raise KeyboardInterrupt
        replace(source, target)

    monkeypatch.setattr(os, "replace", dying_replace)
    with pytest.raises(KeyboardInterrupt):
        package.package(folder, version="mini-1", images=250)
    monkeypatch.undo()
    assert sorted(contents(folder)) == [".package.json", "train-00000-of-00001.parquet"]
    facts = package.package(folder, version="mini-1", images=250)
    assert facts["rendered"] == 500
    assert contents(folder) == contents(made[0])


def test_a_killed_writer_leaves_no_half_shard(tmp_path, monkeypatch):
    def fails(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pyarrow.parquet.ParquetWriter.write_table", fails)
    with pytest.raises(fdd.FddError, match="the disk is full; choose another one"):
        package.package(tmp_path / "full", version="mini-1", images=10)
    assert sorted(contents(tmp_path / "full")) == [".package.json"]


def test_a_damaged_shard_is_rendered_again(made, copy):
    shard = copy / "val-00000-of-00001.parquet"
    data = bytearray(shard.read_bytes())
    data[5000] ^= 1
    shard.write_bytes(data)
    assert package.package(copy, version="mini-1", images=250)["rendered"] == 250
    assert contents(copy) == contents(made[0])


def test_other_files_are_not_touched(copy):
    (copy / "notes.txt").write_text("mine")
    before = contents(copy)
    with pytest.raises(fdd.FddError) as error:
        package.package(copy, version="mini-1", images=250)
    assert str(error.value) == (
        f"folder {str(copy)!r} holds 'notes.txt', which is not part of this package; remove it or "
        "choose another folder"
    )
    assert contents(copy) == before


def test_a_package_of_another_release_is_not_mixed_in(copy):
    with pytest.raises(fdd.FddError, match=r"holds 'train-00000-of-00001.parquet', which is not"):
        package.package(copy, version="fdd-1")


def test_a_check_that_finds_nothing(made, capsys):
    assert main(["package", "--check", str(made[0])]) == 0
    assert capsys.readouterr().out == (
        f"{made[0]}: 20 of 20 files are right, 750 images of mini-1 rendered again\n"
    )


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("README.md", "it is not what its checksum says"),
        ("test-00000-of-00001.parquet", "it is not what its checksum says"),
        ("sample-test-003.png", "it is not what its checksum says"),
    ],
)
def test_a_check_finds_a_changed_byte(copy, name, reason, capsys):
    data = bytearray((copy / name).read_bytes())
    data[len(data) // 2] ^= 1
    (copy / name).write_bytes(data)
    assert main(["package", "--check", str(copy)]) == 1
    assert f"  {name}: {reason}\n" in capsys.readouterr().out


def test_a_check_finds_what_is_missing_and_what_is_too_much(copy):
    (copy / "params.csv").unlink()
    (copy / "train-00000-of-00001.parquet").unlink()
    (copy / "extra.bin").write_bytes(b"")
    assert check(copy)["different"] == [
        {"file": "extra.bin", "reason": "it is not listed in sha256sums.txt"},
        {"file": "params.csv", "reason": "it is missing"},
        {"file": "train-00000-of-00001.parquet", "reason": "it is missing"},
    ]


def sealed_again(folder, name):
    """Lists a changed file with its new checksum, as a forger would."""
    digest = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    lines = (folder / "sha256sums.txt").read_text().splitlines()
    changed = [f"{digest}  {name}" if line.endswith(f"  {name}") else line for line in lines]
    (folder / "sha256sums.txt").write_text("\n".join(changed) + "\n")


@pytest.mark.parametrize("what", ["image", "parameter"])
def test_a_check_finds_what_no_checksum_tells(copy, what):
    name = "val-00000-of-00001.parquet"
    shard = parquet.Shard(copy / name)
    params = shard.params()
    pictures = [picture for group in range(3) for picture in shard.pictures(group)]
    if what == "image":
        pictures[130] = pictures[131]
    else:
        params[130, 2] = np.nextafter(params[130, 2], 9)
    parquet.write(copy / name, shard.note, iter([(0, params, pictures)]))
    sealed_again(copy, name)
    reasons = {entry["file"]: entry["reason"] for entry in check(copy)["different"]}
    assert reasons[name] == (
        "1 of 250 images differ" if what == "image" else "parameters of rows 0 to 249 differ"
    )
    assert ("params.csv" in reasons) == (what == "parameter")


def rewritten(folder, name, start=0, split=None):
    """Writes a shard again with its parameters and pictures, and other indices or names."""
    shard = parquet.Shard(folder / name)
    pictures = [picture for group in range(3) for picture in shard.pictures(group)]
    note, params = shard.note, shard.params()
    parquet.write(
        folder / name, note | {"split": split or "val"}, iter([(start, params, pictures)])
    )
    table = pq.read_table(folder / name)
    pq.write_table(
        table.replace_schema_metadata(parquet.schema(note).metadata),
        folder / name,
        row_group_size=parquet.GROUP_ROWS,
        use_dictionary=False,
        compression="NONE",
    )


def described(folder, change):
    path = folder / "croissant.json"
    value = json.loads(path.read_text(encoding="utf-8"))
    change(value)
    path.write_text(json.dumps(value), encoding="utf-8")


SHARD, CARD, SAMPLE = "val-00000-of-00001.parquet", "croissant.json", "sample-test-003.png"
OTHER_CARD = "it describes other files or columns than those that are here"
FORGED = {
    "indices": (SHARD, lambda f: rewritten(f, SHARD, 777_000), "its index does not run from 0 to"),
    "names": (SHARD, lambda f: rewritten(f, SHARD, split="test"), "its pictures have other names"),
    "hash": (
        CARD,
        lambda f: described(f, lambda c: c["distribution"][0].update(sha256="0" * 64)),
        OTHER_CARD,
    ),
    "size": (
        CARD,
        lambda f: described(f, lambda c: c["distribution"][3].update(contentSize="1 B")),
        OTHER_CARD,
    ),
    "column": (
        CARD,
        lambda f: described(f, lambda c: c["recordSet"][1]["field"][2].update(source={})),
        OTHER_CARD,
    ),
    "rows": (
        CARD,
        lambda f: described(f, lambda c: c["recordSet"][0]["data"][0].update({"splits/rows": 9})),
        OTHER_CARD,
    ),
    "list": (CARD, lambda f: (f / CARD).write_text("[]"), OTHER_CARD),
    "nested": (CARD, lambda f: (f / CARD).write_text("[" * 10**5), OTHER_CARD),
    "sample": (
        SAMPLE,
        lambda f: shutil.copy(f / "sample-test-004.png", f / SAMPLE),
        "it shows other pixels than the first images of the test split",
    ),
    "junk shard": (SHARD, lambda f: (f / SHARD).write_bytes(b"junk"), "is not a shard of a pack"),
}


def test_a_check_finds_what_a_reader_would_be_misled_by(copy):
    """Though all checksums are right."""
    for name, forge, reason in FORGED.values():
        before = contents(copy)
        forge(copy)
        sealed_again(copy, name)
        reasons = {entry["file"]: entry["reason"] for entry in check(copy)["different"]}
        assert reason in reasons[name]
        for changed in (name, "sha256sums.txt"):
            (copy / changed).write_bytes(before[changed])
    assert check(copy)["different"] == []


def test_a_file_that_is_neither_there_nor_listed_is_missing(copy):
    lines = (copy / "sha256sums.txt").read_text().splitlines()
    for name in ("params.csv", "preview.png", CARD, SHARD):
        (copy / name).unlink()
        lines = [line for line in lines if not line.endswith(f"  {name}")]
    (copy / "sha256sums.txt").write_text("\n".join(lines) + "\n")
    missing = {entry["file"] for entry in check(copy)["different"]}
    assert missing == {"params.csv", "preview.png", CARD, SHARD}


@pytest.mark.parametrize("text", ["5", "null", '[["a", "b"]]', "[" * 10**5, "{", '"x"'])
def test_notes_of_an_unfinished_package_that_are_none_are_refused(copy, text):
    (copy / "sha256sums.txt").unlink()
    (copy / ".package.json").write_text(text)
    with pytest.raises(fdd.FddError) as error:
        package.package(copy, version="mini-1", images=250)
    assert str(error.value) == (
        f"file {str(copy / '.package.json')!r} is damaged; remove it and run the command again"
    )


def test_junk_that_is_listed_as_a_shard_is_rendered_over(made, copy):
    (copy / SHARD).write_bytes(b"junk")
    sealed_again(copy, SHARD)
    assert package.package(copy, version="mini-1", images=250)["rendered"] == 250
    assert contents(copy) == contents(made[0])


def test_shards_that_have_changed_places_are_not_read_as_each_other(made, tmp_path):
    card = cards.release("mini-1")
    package.write(tmp_path, card, package.plan(card, 250, shard_pixels=200 * 32**2))
    first, second = (f"train-0000{place}-of-00002.parquet" for place in range(2))
    (tmp_path / first).rename(tmp_path / "aside")
    (tmp_path / second).rename(tmp_path / first)
    (tmp_path / "aside").rename(tmp_path / second)
    for name in (first, second):
        sealed_again(tmp_path, name)
    with pytest.raises(fdd.FddError, match=r"holds the rows from 200 on, and its name says those"):
        fdd.load("train", root=tmp_path, version="mini-1")


def test_a_check_reads_the_metadata_where_it_is_there(copy):
    path = copy / "dataset-metadata.json"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("CC-BY-4.0", "CC0-1.0"), encoding="utf-8")
    assert check(copy)["different"] == [
        {"file": "dataset-metadata.json", "reason": "it is not what fdd package writes"}
    ]
    path.write_text("[]", encoding="utf-8")
    assert len(check(copy)["different"]) == 1
    path.unlink()  # as it comes from Kaggle
    assert check(copy)["different"] == []


def test_a_folder_without_its_list_is_unfinished(copy):
    (copy / "sha256sums.txt").unlink()
    with pytest.raises(fdd.FddError) as error:
        check(copy)
    assert str(error.value) == (
        f"folder {str(copy)!r} holds no sha256sums.txt, which is written when all else is there; "
        f"run fdd package --out {copy} to its end first"
    )


def test_wheels_are_carried(tmp_path):
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    name = f"fdd-{fdd.__version__}-py3-none-any.whl"
    with pytest.raises(fdd.FddError) as error:
        package.package(tmp_path / "out", version="mini-1", images=5, wheels=wheels)
    assert str(error.value) == (
        f"wheels={str(wheels)!r} must be a folder that holds fdd-{fdd.__version__}-*.whl: "
        f"pip wheel --no-deps -w {wheels} ."
    )
    assert not (tmp_path / "out").exists()
    for each in (name, "pytorch_msssim-1.0-py3-none-any.whl"):
        (wheels / each).write_bytes(each.encode())
    package.package(tmp_path / "out", version="mini-1", images=5, wheels=wheels)
    assert (tmp_path / "out" / name).read_bytes() == name.encode()
    assert check(tmp_path / "out")["different"] == []
    listed = json.loads((tmp_path / "out/dataset-metadata.json").read_text())["resources"]
    assert name in [resource["path"] for resource in listed]


@pytest.mark.parametrize(
    ("number", "size", "much"),
    [(37, 0, "51 files with 0.0 GB"), (1, 20_100_000_000, "15 files with 20.1 GB")],
)
def test_what_kaggle_would_refuse_is_not_begun(tmp_path, number, size, much):
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    for one in range(number):
        with (wheels / f"fdd-{fdd.__version__}-{one}-py3-none-any.whl").open("wb") as file:
            file.truncate(size)  # a hole, which takes no room
    with pytest.raises(fdd.FddError) as error:
        package.package(tmp_path / "out", version="mini-1", images=5, wheels=wheels)
    assert str(error.value) == (
        f"version='mini-1': {much} are more than Kaggle's 50 files and 20 GB"
    )
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("version", ["fdd-1", "mini-1"])
def test_whole_releases_stay_within_the_limits(version):
    facts = package.estimate(version)
    assert facts["images"] == sum(cards.release(version).splits.values())
    assert facts["files"] + 10 <= 50
    assert facts["bytes"] < 400e6


def test_the_size_is_told_first(tmp_path, capsys):
    words = ["--version", "mini-1", "--images", "300", "--out", str(tmp_path / "out")]
    assert main(["package", *words]) == 0
    first, last = capsys.readouterr().out.splitlines()
    assert first.startswith("900 images in 21 files: about ")
    assert last.startswith("900 images, 900 of them new: 21 files with ")
    said = float(first.split("about ")[1].split(" MB")[0])
    held = float(last.split("with ")[1].split(" MB")[0])
    assert said == pytest.approx(held, abs=1)


def test_mistakes(tmp_path, capsys):
    assert main(["package", "--out", str(tmp_path / "out"), "--images", "0"]) == 2
    assert capsys.readouterr() == ("", "error: images=0 must be a whole number of at least 1\n")
    assert main(["package", "--out", str(tmp_path / "out"), "--version", "fdd-9"]) == 2
    assert capsys.readouterr().err.startswith(
        "error: version='fdd-9' is not known (did you mean fdd-1?); choose from"
    )
    assert main(["package"]) == 2
    assert capsys.readouterr().err == (
        "error: give --out FOLDER, to write a package, or --check FOLDER, to verify one\n"
    )
