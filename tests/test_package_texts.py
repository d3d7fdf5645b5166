"""What a package says of itself is true, its examples run, Kaggle's client takes its metadata."""

import csv
import dataclasses
import json
import re

import numpy as np
import pytest
from conftest import CHECKOUT, pixels
from PIL import Image

import fdd
from fdd.publishing import package
from fdd.publishing.contents import Contents, meaning
from fdd.publishing.croissant import croissant
from fdd.publishing.texts import kaggle_metadata, licence, readme
from fdd.releases.cards import RELEASES, release
from fdd.rendering.palettes import PALETTES

parquet = pytest.importorskip("pyarrow.parquet", reason="packages are written by pyarrow")

TEXTS = (readme, licence, kaggle_metadata, croissant)


def contents_of(version="fdd-1", images=None, wheels=(), **changes):
    """The contents of a package that was never written, all files of 2,000,000 bytes."""
    card = release(version)
    parts = package.plan(card, images)
    splits = {s: sum(part.rows for part in parts if part.split == s) for s in card.splits}
    shards = {s: [part.name for part in parts if part.split == s] for s in card.splits}
    names = [*(part.name for part in parts), "params.csv", "preview.png", "sample-test-000.png"]
    files = dict.fromkeys([*names, *wheels, "LICENSE.txt"], (2_000_000, 64 * "0"))
    contents = Contents(card, "kbc", None, splits, shards, files)
    return dataclasses.replace(contents, **changes)


@pytest.fixture
def folder(tiny, tmp_path):
    """The package of tiny-1, in three shards for train and one each for val and test."""
    parts = package.plan(tiny, shard_pixels=10 * tiny.size**2)
    package.write(tmp_path / "package", tiny, parts)
    return tmp_path / "package"


def sections(text):
    """The text of a README by its second-level headings."""
    return dict(part.split("\n", 1) for part in re.split(r"^## ", text, flags=re.MULTILINE)[1:])


def tables(text):
    """The tables of a Markdown text, each as a list of rows of cells."""
    found = re.findall(r"(?:^\|.*\|$\n?)+", text, flags=re.MULTILINE)
    return [
        [[cell.strip(" `") for cell in line[1:-1].split("|")] for line in table.splitlines()[2:]]
        for table in found
    ]


def test_the_readme_says_how_much_there_is():
    text = readme(contents_of())
    assert text.startswith("# Fractal Dream Dataset, release `fdd-1`\n\n![")
    assert "\n50,000 images of strange attractors" in text
    assert "\nSplits: train 40,000, val 5,000, test 5,000. Images: 128 x 128 pixels" in text
    assert "a part of the release" not in text
    (files,) = tables(sections(text)["Files"])
    assert files[0] == [
        "train-*.parquet",
        "40,000 images of the split train and their parameters",
        "8",
        "16.0 MB",
    ]
    assert [row[0] for row in files[1:]] == [
        "val-*.parquet",
        "test-*.parquet",
        "sample-test-*.png",
        "params.csv",
        "preview.png",
        "README.md",
        "LICENSE.txt",
        "croissant.json",
        "sha256sums.txt",
    ]


def test_the_readme_of_a_part_says_of_what_it_is_a_part():
    text = readme(contents_of(images=5200))
    assert "\n15,200 images of strange attractors" in text
    assert "\nSplits: train 5,200, val 5,000, test 5,000." in text
    assert (
        "**This is a part of the release**: the first 5,200 of 40,000 images of train, "
        "5,000 of 5,000 images of val, 5,000 of 5,000 images of test."
    ) in text


def test_the_readme_speaks_of_its_own_release():
    text = readme(contents_of("mini-1"))
    assert "Images: 32 x 32 pixels" in text
    assert "The trajectory of 4,000 points" in text
    assert "occupies at least 28 % of the" in text
    assert 'fdd.load("test", params=True, source="kaggle", version="mini-1")' in text
    assert "49 % of 4,000 candidates" not in text  # that was measured on fdd-1


def test_the_readme_agrees_with_the_data_card():
    card = (CHECKOUT / "docs" / "data-card.md").read_text(encoding="utf-8")
    lines = set(card.splitlines())
    parts = sections(readme(contents_of()))
    densities = re.findall(r"^\| [abcd] \|.*$", parts["How the parameters are drawn"], re.MULTILINE)
    assert len(densities) == 4
    assert set(densities) <= lines
    drawn, known = " ".join(parts["How the parameters are drawn"].split()), " ".join(card.split())
    for fact in (
        "49 % of 4,000 candidates passed",
        "`x0` and `y0` stay uniform within 2 %. The largest correlation between two parameters is "
        "0.038 (`c` with `d`). In the data set of 2019 those among `a`, `b`, `c`, `d` were 0.80 to "
        "0.85 and that of `x0` with `y0` 0.75.",
    ):
        assert fact in drawn
        assert fact in known
    title = "What can be known from an image, and what cannot"
    ours, theirs = (tables(sections(text)[title])[0] for text in (readme(contents_of()), card))
    assert [(change, kind) for change, _, kind in ours] == [(row[0], row[2]) for row in theirs]


def test_wheels_are_explained_where_there_are_some():
    wheels = ("fdd-0.1.0-py3-none-any.whl", "platformdirs-4.5.0-py3-none-any.whl")
    text = readme(contents_of(wheels=wheels))
    command = "pip install --no-index --find-links /kaggle/input/fractal-dream-fdd-1 fdd"
    assert f"\n    {command}\n" in text
    assert "| The Python package platformdirs as a wheel, for machines without internet |" in text
    assert "carries its own licence" in licence(contents_of(wheels=wheels))
    assert "--no-index" not in readme(contents_of())
    assert "its own licence" not in licence(contents_of())


def test_the_columns_are_those_of_the_files(folder):
    shard, table = tables(sections((folder / "README.md").read_text())["Columns"])
    schema = parquet.read_schema(folder / "train-00000-of-00003.parquet")
    kinds = {"double": "float64", "int64": "int64"}
    expected = [[field.name, kinds.get(str(field.type))] for field in schema]
    assert [row[:2] for row in shard[:-1]] == expected[:-1]
    assert str(schema.field("image").type) == "struct<bytes: binary, path: string>"
    assert shard[-1][:2] == ["image", "struct of binary and string"]
    with (folder / "params.csv").open(newline="") as file:
        rows = csv.DictReader(file)
        assert [row[0] for row in table] == rows.fieldnames
    resources = json.loads((folder / "dataset-metadata.json").read_text())["resources"]
    described = {
        one["path"]: [column["name"] for column in one["schema"]["fields"]]
        for one in resources
        if "schema" in one
    }
    shards = [path.name for path in sorted(folder.glob("*.parquet"))]
    assert len(shards) == 5
    assert described == dict.fromkeys(shards, schema.names) | {"params.csv": rows.fieldnames}


def test_the_examples_of_the_readme_run(folder, tmp_path, monkeypatch):
    """As in a notebook on Kaggle to which the package is attached."""
    pytest.importorskip("mlcroissant", reason="one of the examples reads croissant.json")
    attached = tmp_path / "input" / "fractal-dream-tiny-1"
    attached.parent.mkdir()
    attached.symlink_to(folder)
    monkeypatch.setenv("KAGGLE_CACHE_MOUNT_FOLDER", str(attached.parent))
    monkeypatch.chdir(folder)
    examples = re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL)
    assert len(examples) == 4
    ours, plain, table, described = ({} for _ in examples)
    for example, names in zip(examples, (ours, plain, table, described), strict=True):
        exec(example, names)
    params = fdd.sample_params(10, "test", version="tiny-1")
    images = fdd.render(params, size=16, points=400)
    np.testing.assert_array_equal(ours["data"].images, images)
    np.testing.assert_array_equal(ours["vector"], params[0])
    assert ours["image"].shape == (128, 128, 3)
    np.testing.assert_array_equal(np.asarray(plain["image"]), images[0])
    np.testing.assert_array_equal(plain["vector"], params[0])
    np.testing.assert_allclose(table["vectors"], params, rtol=1e-9)  # exact since pandas 3.1
    np.testing.assert_array_equal(np.asarray(described["image"]), images[-1])
    assert described["x0"] == params[-1, 0]


@pytest.mark.parametrize("palette", PALETTES)
def test_the_licence_names_all_that_it_covers(palette):
    text = licence(contents_of(palette=palette))
    assert text.startswith("Fractal Dream Dataset, release fdd-1\nCopyright (c) 2026 ")
    assert "(CC BY 4.0): https://creativecommons.org/licenses/by/4.0/\n" in text
    assert f"coloured with {palette}" in text
    assert ("colorcet" in text) == (palette == "kbc")
    assert "fdd is licensed under the MIT License" in text
    assert f"the palette `{palette}`" in readme(contents_of(palette=palette))


@pytest.mark.parametrize("version", RELEASES)
def test_texts_are_plain_ascii_and_always_the_same(version):
    for text in TEXTS:
        made = json.dumps(text(contents_of(version)), ensure_ascii=False)
        assert made.isascii()  # Kaggle's client reads in the encoding of the machine
        assert made == json.dumps(text(contents_of(version)), ensure_ascii=False)


@pytest.mark.parametrize("version", RELEASES)
def test_the_metadata_keeps_to_the_limits_of_kaggle(version):
    metadata = kaggle_metadata(contents_of(version))
    assert metadata["id"] == f"fractal-dream/fractal-dream-{version}"
    assert 6 <= len(metadata["title"]) <= 50
    assert 20 <= len(metadata["subtitle"]) <= 80
    assert metadata["licenses"] == [{"name": "CC-BY-4.0"}]
    assert metadata["description"].startswith(f"# Fractal Dream Dataset, release `{version}`\n\n")
    assert "](preview.png)" not in metadata["description"]
    types = {
        one["type"]
        for file in metadata["resources"]
        for one in file.get("schema", {}).get("fields", ())
    }
    assert types == {"integer", "decimal", "string"}


def test_another_owner_shows_wherever_the_data_set_is_named():
    for text in TEXTS:
        made = json.dumps(text(contents_of(owner="somebody")))
        assert "somebody/fractal-dream-fdd-1" in made
        assert "fractal-dream/fractal-dream-fdd-1" not in made


def test_a_file_that_no_package_has_is_not_described():
    with pytest.raises(KeyError, match=r"other\.txt"):
        meaning("other.txt", contents_of())


CLIENT = """
import contextlib, json, sys
from types import SimpleNamespace
from kaggle.api.kaggle_api_extended import KaggleApi
from requests.exceptions import HTTPError

folder, sent = sys.argv[1], {}

def unknown(dataset):
    raise HTTPError("404")

def keep(name):
    def call(request):
        sent[name] = request.to_dict()
        return SimpleNamespace(error="", errors=[])
    return call

api = KaggleApi()
api.config_values = {"username": "somebody"}
api.dataset_status = unknown
api._upload_blob = lambda path, *options: "token of " + path.rsplit("/", 1)[1]
calls = ("create_dataset", "create_dataset_version", "update_dataset_metadata")
service = SimpleNamespace(**{name: keep(name) for name in calls})
client = SimpleNamespace(datasets=SimpleNamespace(dataset_api_client=service))
api.build_kaggle_client = lambda: contextlib.nullcontext(client)
api.dataset_create_new(folder, quiet=True)
api.dataset_create_version(folder, "notes", quiet=True)
api.dataset_metadata_update("fractal-dream/fractal-dream-tiny-1", folder)
print(json.dumps(sent))
"""


@pytest.fixture
def sent(folder, tmp_path, run_python):
    """What the real client makes of the folder, by its calls; nothing leaves the machine."""
    pytest.importorskip("kaggle", reason="the extra publish brings Kaggle's client")
    alone = dict.fromkeys(("KAGGLE_USERNAME", "KAGGLE_KEY", "KAGGLE_API_TOKEN", "NO_PROXY"), "")
    alone |= dict.fromkeys(("http_proxy", "https_proxy"), "http://127.0.0.1:9")
    alone |= {"HOME": tmp_path, "KAGGLE_CONFIG_DIR": tmp_path / "kaggle", "TMPDIR": tmp_path}
    code, output, errors = run_python("-c", CLIENT, folder, **alone)
    assert (code, errors) == (0, "")
    return json.loads(output.splitlines()[-1])


def test_the_real_client_takes_the_metadata(folder, sent):
    uploaded = {path.name for path in folder.iterdir()} - {"dataset-metadata.json"}
    new = sent["create_dataset"]
    assert (new["ownerSlug"], new["slug"]) == ("fractal-dream", "fractal-dream-tiny-1")
    assert new["title"] == "Fractal Dream Dataset tiny-1"
    assert new["licenseName"] == "CC-BY-4.0"
    assert new["categoryIds"][:2] == ["image", "computer vision"]
    picture = "![Images of the test split](preview.png)\n\n"
    assert new["description"] == (folder / "README.md").read_text().replace(picture, "")
    for files in (new["files"], sent["create_dataset_version"]["body"]["files"]):
        assert {file["token"] for file in files} == {f"token of {name}" for name in uploaded}
        assert all(file["description"] for file in files)
        columns = {file["token"][9:]: file.get("columns", []) for file in files}
        assert {name for name in columns if columns[name]} == {
            *(name for name in uploaded if name.endswith(".parquet")),
            "params.csv",
        }
        table = columns["params.csv"]
        assert [column["name"] for column in table[:4]] == ["split", "index", "file", "x0"]
        assert [column["type"] for column in table[:4]] == [
            "string",
            "integer",
            "string",
            "decimal",
        ]
        assert [column["order"] for column in table] == list(range(9))
        assert all(column["description"] for column in table)


def test_the_page_is_completed_by_the_real_client(folder, sent):
    settings = sent["update_dataset_metadata"]["settings"]
    assert settings["expectedUpdateFrequency"] == "never"
    assert settings["userSpecifiedSources"].startswith("Computed by the Python package fdd")
    assert settings["image"]["token"] == "token of preview.png"
    assert len(settings["data"]) == len(list(folder.iterdir())) - 1
    assert all(file["description"] for file in settings["data"])


def test_sample_pictures_are_what_they_are_called(folder, tiny):
    contents = Contents(tiny, "kbc", None, {}, {}, {})
    params = fdd.sample_params(3, "test", version="tiny-1")
    for number, image in enumerate(fdd.render(params, size=16, points=400)):
        name = f"sample-test-{number:03d}.png"
        assert meaning(name, contents) == f"Image {number} of the test split as a plain RGB picture"
        np.testing.assert_array_equal(pixels(folder / name), image)
        with Image.open(folder / name) as picture:
            assert picture.mode == "RGB"
