"""croissant.json is valid, and through it mlcroissant reads every record as it was written."""

import hashlib
import json
import logging

import numpy as np
import pandas as pd
import pytest

import fdd
from fdd.attractors.params import NAMES
from fdd.publishing import package

mlcroissant = pytest.importorskip("mlcroissant", reason="the extra publish brings mlcroissant")
pa = pytest.importorskip("pyarrow", reason="packages are written by pyarrow")
parquet = pytest.importorskip("pyarrow.parquet", reason="packages are written by pyarrow")

SPLITS = {"train": 25, "val": 10, "test": 10}


@pytest.fixture
def folder(tiny, tmp_path):
    """The package of tiny-1, in three shards for train and one each for val and test."""
    parts = package.plan(tiny, shard_pixels=10 * tiny.size**2)
    package.write(tmp_path / "package", tiny, parts)
    return tmp_path / "package"


@pytest.fixture
def warned(caplog):
    """What is logged as a warning or worse."""
    caplog.set_level(logging.WARNING)
    return lambda: [record.getMessage() for record in caplog.records]


def read(folder, records, split=None):
    """All records of a record set, or those of one split."""
    dataset = mlcroissant.Dataset(folder / "croissant.json")
    filters = {f"{records}/split": split} if split else None
    return list(dataset.records(records, filters))


def described(folder):
    return json.loads((folder / "croissant.json").read_text(encoding="utf-8"))


def change(folder, **changes):
    """Writes croissant.json with other values at its top level."""
    (folder / "croissant.json").write_text(json.dumps(described(folder) | changes))


def assert_images(records, split, start=0):
    """These records are the images of a split from `start` on, exactly."""
    params = fdd.sample_params(len(records), split, start, version="tiny-1")
    images = fdd.render(params, size=16, points=400)
    assert [record["images/split"] for record in records] == [split.encode()] * len(records)
    indices = [record["images/index"] for record in records]
    assert indices == list(range(start, start + len(records)))
    found = [[record[f"images/{name}"] for name in NAMES] for record in records]
    np.testing.assert_array_equal(found, params)
    pictures = [np.asarray(record["images/image"].convert("RGB")) for record in records]
    np.testing.assert_array_equal(pictures, images)


def test_it_is_valid_without_a_warning(folder, warned):
    dataset = mlcroissant.Dataset(folder / "croissant.json")
    issues = dataset.metadata.ctx.issues
    assert (issues.errors, issues.warnings, warned()) == (set(), set(), [])
    assert dataset.metadata.ctx.conforms_to.value == "http://mlcommons.org/croissant/1.1"


def test_the_classes_of_mlcroissant_write_the_same(folder):
    assert mlcroissant.Dataset(folder / "croissant.json").metadata.to_json() == described(folder)


def test_it_says_what_the_data_set_is(folder):
    about = mlcroissant.Dataset(folder / "croissant.json").metadata
    assert about.name == "fractal-dream-tiny-1"
    assert about.description.startswith("45 images of strange attractors, 16 x 16 pixels, each")
    assert about.url == "https://www.kaggle.com/datasets/fractal-dream/fractal-dream-tiny-1"
    assert about.license == ["https://creativecommons.org/licenses/by/4.0/"]
    assert [creator.name for creator in about.creators] == ["The Fractal Dream Dataset maintainers"]
    assert about.date_published.date().isoformat() == "2026-11-24"
    assert about.version == "1.0.0"
    assert about.cite_as.startswith("@misc{fractal-dream-tiny-1,\n")
    assert about.data_collection.startswith("Nothing was collected.")
    assert "at least 15 % of the pixels" in about.data_biases[0]
    assert len(about.data_limitations) == 2
    assert about.personal_sensitive_information[0].startswith("None.")
    assert about.data_release_maintenance_plan.startswith("A release never changes")


@pytest.mark.parametrize("split", SPLITS)
def test_the_images_of_a_split_are_read_exactly(split, folder, warned):
    records = read(folder, "images", split)
    assert len(records) == SPLITS[split]
    assert_images(records, split)
    assert warned() == []


def test_all_images_are_read_exactly(folder, warned):
    records = read(folder, "images")
    assert len(records) == sum(SPLITS.values())
    for split in SPLITS:
        of_split = [record for record in records if record["images/split"] == split.encode()]
        assert len(of_split) == SPLITS[split]
        assert_images(of_split, split)
    assert warned() == []


def test_the_parameters_of_all_images_are_read_as_pandas_reads_them(folder, warned):
    table = pd.read_csv(folder / "params.csv")  # exact since pandas 3.1
    records = pd.DataFrame(read(folder, "params")).rename(columns=lambda name: name[7:])
    for name in ("split", "file"):
        records[name] = records[name].str.decode("ascii")
    pd.testing.assert_frame_equal(records, table, check_dtype=False, check_exact=True)
    params = [fdd.sample_params(rows, split, version="tiny-1") for split, rows in SPLITS.items()]
    found = records[list(NAMES)].to_numpy()
    np.testing.assert_allclose(found, np.concatenate(params), rtol=1e-9)
    assert warned() == []


def test_the_splits_are_read(folder):
    assert read(folder, "splits") == [
        {"splits/name": split, "splits/rows": rows} for split, rows in SPLITS.items()
    ]


def test_a_part_of_a_release_is_described_as_that_part(tiny, tmp_path):
    package.package(tmp_path, tiny.name, images=3)
    assert described(tmp_path)["description"].startswith("9 images")
    assert read(tmp_path, "splits")[0] == {"splits/name": "train", "splits/rows": 3}
    assert_images(read(tmp_path, "images", "val"), "val")
    assert len(read(tmp_path, "images")) == len(read(tmp_path, "params")) == 9


def test_every_file_of_data_is_listed_as_it_is(folder):
    listed = {one["@id"]: one for one in described(folder)["distribution"] if "sha256" in one}
    paths = [*folder.glob("*.parquet"), folder / "params.csv"]
    assert listed.keys() == {path.name for path in paths}
    for path in paths:
        entry = listed[path.name]
        assert entry["contentUrl"] == path.name
        assert entry["contentSize"] == f"{path.stat().st_size} B"
        assert entry["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()


def downloads(folder):
    """mlcroissant's check of each file, as functions by its name."""
    operations = mlcroissant.Dataset(folder / "croissant.json").operations.operations
    return {
        operation.node.id: operation.call
        for operation in operations.nodes
        if type(operation).__name__ == "Download"
    }


@pytest.mark.parametrize("name", ["train-00001-of-00003.parquet", "params.csv"])
def test_a_changed_file_fails_the_check_of_mlcroissant(name, folder):
    checks = downloads(folder)
    assert len(checks) == 6
    for check in checks.values():
        check()
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(data)
    with pytest.raises(ValueError, match="not identical with the reference"):
        checks[name]()


def test_a_wrong_checksum_is_noticed_by_loading(folder):
    files = described(folder)["distribution"]
    for file in files:
        if file["@id"] == "params.csv":
            file["sha256"] = "0" * 64
    change(folder, distribution=files)
    with pytest.raises(mlcroissant.GenerationError, match=r"Download\(params\.csv\)"):
        read(folder, "params")


def test_a_missing_column_is_noticed_by_loading(folder):
    shard = folder / "val-00000-of-00001.parquet"
    parquet.write_table(parquet.read_table(shard).drop_columns(["d"]), shard)
    with pytest.raises(mlcroissant.GenerationError) as error:
        read(folder, "images", "val")
    assert 'Column "d" does not exist' in str(error.getrepr())
    assert_images(read(folder, "images", "test"), "test")


def test_pictures_that_are_none_are_noticed_by_loading(folder):
    shard = folder / "val-00000-of-00001.parquet"
    table = parquet.read_table(shard)
    image = pa.array([{"bytes": b"no picture", "path": "x.png"}] * 10, table.schema.field(7).type)
    parquet.write_table(table.set_column(7, table.schema.field(7), image), shard)
    with pytest.raises(mlcroissant.GenerationError):
        read(folder, "images", "val")
