"""The data set of 2019 as it lies on Kaggle, and our package: from the download to the pixels."""

import json

import numpy as np
import pytest
from conftest import pixels
from kaggle_downloads import serving, zipped

import fdd
from fdd import FddError
from fdd.data import published
from fdd.folders import verify
from fdd.releases.cards import KAGGLE_2019, kaggle_handle, release
from fdd.rendering.palettes import PALETTES

BESIDE = {"build.py": b"raise SystemExit('never run')", "README.txt": b"hello"}
LAYOUTS = {
    "as published": "{palette}/{name}",
    "one folder deeper": "fractal-dream-dataset/{palette}/{name}",
    "each folder twice": "{palette}/{palette}/{name}",
}


@pytest.fixture
def kaggle(tmp_path, monkeypatch):
    """A Kaggle without data sets, and this process led to it."""
    with serving(tmp_path) as server:
        server.lead_here(monkeypatch)
        yield server


@pytest.fixture(scope="session")
def pictures(reference_folder):
    """The nine published pictures, {(palette, file name): bytes}."""
    paths = sorted(reference_folder.glob("*/*.png"))
    return {(path.parent.name, path.name): path.read_bytes() for path in paths}


def archive(pictures, layout):
    files = {
        layout.format(palette=palette, name=name): content
        for (palette, name), content in pictures.items()
    }
    return zipped(files | BESIDE)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_data_set_of_2019_loads_with_its_parameters(kaggle, pictures, reference_folder, layout):
    kaggle.archives[KAGGLE_2019] = archive(pictures, LAYOUTS[layout])
    for palette in PALETTES:
        ds = fdd.load(source="kaggle-2019", params=True, palette=palette)
        paths = sorted((reference_folder / palette).iterdir())
        assert [path.name for path in ds.paths] == [path.name for path in paths]
        np.testing.assert_array_equal(ds.images, [pixels(path) for path in paths])
        np.testing.assert_array_equal(ds.params, [published.parse_name(path) for path in paths])
    assert kaggle.asked.count(f"DownloadDataset {KAGGLE_2019}") == 1


@pytest.mark.parametrize("layout", LAYOUTS)
def test_verify_proves_the_data_set_of_2019(kaggle, pictures, command, layout, tmp_path):
    kaggle.archives[KAGGLE_2019] = archive(pictures, LAYOUTS[layout])
    code, output, _ = command("verify", "--source", "kaggle-2019")
    assert code == 0
    root = tmp_path / "hub" / "datasets" / KAGGLE_2019 / "versions" / "3"
    assert output.splitlines() == [
        f"{root / LAYOUTS[layout].format(palette=palette, name='')}: 3 of 3 images equal byte for "
        f"byte ({palette})".replace("/:", ":")
        for palette in PALETTES
    ]


def test_a_report_as_json_is_all_that_is_printed(kaggle, pictures, run_python):
    kaggle.archives[KAGGLE_2019] = archive(pictures, LAYOUTS["as published"])
    code, output, errors = run_python("-m", "fdd", "verify", "--source", "kaggle-2019", "--json")
    assert code == 0, errors
    reports = json.loads(output)  # and nothing else, whatever kagglehub has to say
    assert [report["palette"] for report in reports] == list(PALETTES)
    assert sum(report["equal"] for report in reports) == 9


def test_verify_names_a_picture_of_2019_that_was_changed(kaggle, pictures, command):
    key = next(key for key in pictures if key[0] == "inferno")
    other = next(content for (palette, _), content in pictures.items() if palette == "kbc")
    kaggle.archives[KAGGLE_2019] = archive(pictures | {key: other}, LAYOUTS["as published"])
    code, output, _ = command("verify", "--source", "kaggle-2019", "--palette", "inferno")
    assert code == 1
    assert "2 of 3 images equal" in output
    assert f"  {key[1]}: " in output.splitlines()[1]


def test_the_data_set_of_2019_attached_to_a_notebook(pictures, monkeypatch, tmp_path, command):
    monkeypatch.setenv("KAGGLE_CACHE_MOUNT_FOLDER", str(tmp_path))
    for (palette, name), content in pictures.items():
        folder = tmp_path / "fractal-dream-dataset" / palette
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    assert len(fdd.load(source="kaggle-2019", palette="inferno")) == 3
    assert command("verify", "--source", "kaggle-2019")[0] == 0


def test_a_source_that_cannot_be_had_is_one_sentence(kaggle, refused):
    refused(
        f"data set '{KAGGLE_2019}' does not exist on Kaggle", "verify", "--source", "kaggle-2019"
    )
    refused(
        "source='kaggle-2020' is not known; choose kaggle, kaggle-2019 or kaggle:OWNER/SLUG",
        "verify",
        "--source",
        "kaggle-2020",
    )


@pytest.fixture
def twice(tmp_path):
    """Two folders that each hold a folder kbc with a picture, and one that holds inferno."""
    for place in ("a/kbc", "b/kbc", "b/inferno", "kbc/empty", "__MACOSX/kbc"):
        (tmp_path / place).mkdir(parents=True)
    for place in ("a/kbc", "b/kbc", "b/inferno"):
        (tmp_path / place / "0_0_0_0_0_0.png").touch()
    (tmp_path / "__MACOSX" / "kbc" / "._0_0_0_0_0_0.png").touch()
    return tmp_path


def test_a_palette_in_two_places_is_refused(twice):
    message = f"root={str(twice)!r} holds 'kbc' more than once; give one of {twice}/a/kbc, "
    for attempt in (lambda: fdd.load(root=twice), lambda: verify.verify(twice)):
        with pytest.raises(FddError) as error:
            attempt()
        assert str(error.value) == f"{message}{twice}/b/kbc"
    assert published.image_folder(twice / "b" / "kbc", "kbc") == twice / "b" / "kbc"
    assert published.image_folder(twice / "a", "kbc") == twice / "a" / "kbc"


def test_folders_without_pictures_are_passed_over(twice):
    assert published.image_folder(twice, "inferno") == twice / "b" / "inferno"
    with pytest.raises(FddError) as error:
        published.image_folder(twice, "viridis")
    assert str(error.value) == (
        f"root={str(twice)!r} holds no folder 'viridis'; it holds kbc, inferno"
    )


def test_pictures_three_levels_down_are_not_looked_for(twice):
    (twice / "c" / "d" / "viridis").mkdir(parents=True)
    (twice / "c" / "d" / "viridis" / "0_0_0_0_0_0.png").touch()
    with pytest.raises(FddError, match="holds no folder 'viridis'"):
        published.image_folder(twice, "viridis")


@pytest.fixture(scope="session")
def package(tmp_path_factory):
    """A package of mini-1 with 20 images of each split."""
    from fdd.publishing.package import package

    folder = tmp_path_factory.mktemp("package")
    package(folder, version="mini-1", images=20)
    return folder


def uploaded(package):
    """What Kaggle serves of a package: its files, without the metadata that is no file there."""
    names = sorted({path.name for path in package.iterdir()} - {"dataset-metadata.json"})
    return {name: (package / name).read_bytes() for name in names}


def test_our_package_loads_as_it_is_rendered(kaggle, package):
    kaggle.archives[kaggle_handle(release("mini-1"))] = zipped(uploaded(package))
    for split in ("train", "val", "test"):
        ds = fdd.load(split, params=True, source="kaggle", version="mini-1")
        params = fdd.sample_params(20, split, version="mini-1")
        np.testing.assert_array_equal(ds.params, params)
        np.testing.assert_array_equal(ds.images, fdd.render(params, size=32, points=4000))


def test_a_package_with_a_changed_byte_is_refused(kaggle, package):
    files = uploaded(package)
    name = next(name for name in files if name.startswith("test-"))
    files[name] = files[name][:-50] + bytes([files[name][-50] ^ 1]) + files[name][-49:]
    kaggle.archives["o/copy"] = zipped(files)
    assert len(fdd.load("val", source="kaggle:o/copy", version="mini-1")) == 20
    with pytest.raises(FddError, match=rf"^file '.*/{name}' is damaged: its SHA-256 is "):
        fdd.load("test", source="kaggle:o/copy", version="mini-1")


def test_verify_leaves_a_package_to_its_own_check(package, refused):
    refused(
        f"folder {str(package)!r} is a package; use: fdd package --check {package}",
        "verify",
        package,
    )
