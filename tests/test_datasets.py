"""`fdd.load` is a map data set that any DataLoader takes, with the params in the form asked for."""

import io
import os
import pickle
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import REGISTER_TINY

import fdd
from fdd import FddError
from fdd.data.cache import ensure_split

NAMES = ["x0", "y0", "a", "b", "c", "d"]
SHAPES = {"rgb": (16, 16, 3), "gray": (16, 16), "counts": (16, 16)}


@pytest.fixture
def load(tiny, tmp_path):
    """fdd.load of tiny-1 from a cache of this test."""

    def load_tiny(split="train", **options):
        return fdd.load(split, version=tiny.name, cache=tmp_path / "cache", **options)

    return load_tiny


def rendered(split="train", rows=25, **options):
    return fdd.render(
        fdd.sample_params(rows, split, version="tiny-1"), size=16, points=400, **options
    )


@pytest.mark.parametrize(("split", "rows"), [("train", 25), ("val", 10), ("test", 10)])
def test_a_split_has_its_length_name_and_version(load, split, rows):
    ds = load(split)
    assert (len(ds), ds.split, ds.version) == (rows, split, "tiny-1")


def test_fdd_1_has_the_promised_splits():
    card = fdd.releases.cards.release("fdd-1")
    assert card.splits == {"train": 40000, "val": 5000, "test": 5000}
    assert (card.size, card.points, card.occupied_percent) == (128, 60000, 15)


@pytest.mark.parametrize("output", SHAPES)
@pytest.mark.parametrize("palette", ["kbc", "viridis"])
def test_images_are_those_of_render(load, output, palette):
    ds = load(output=output, palette=palette)
    expected = rendered(output=output, palette=palette)
    assert expected.shape == (25, *SHAPES[output])
    for images in (ds.images, ds.read(np.arange(25)), np.array(list(ds))):
        assert images.dtype == expected.dtype
        np.testing.assert_array_equal(images, expected)


@pytest.mark.parametrize("index", [0, 9, 10, 24, -1, -25, np.int64(13), np.uint8(20), np.array(3)])
def test_an_index_gives_an_image_and_its_vector(load, index):
    image, vector = load(params=True)[index]
    np.testing.assert_array_equal(image, rendered()[index])
    np.testing.assert_array_equal(vector, fdd.sample_params(25, version="tiny-1")[index])
    assert (image.dtype, image.shape) == (np.uint8, (16, 16, 3))
    assert (vector.dtype, vector.shape) == (np.float64, (6,))


@pytest.mark.parametrize("options", [{}, {"params": False}])
def test_without_params_an_item_is_the_image_alone(load, options):
    np.testing.assert_array_equal(load(**options)[3], rendered()[3])


@pytest.mark.parametrize("index", [25, -26, 10**30])
def test_an_index_out_of_range_is_an_index_error(load, index):
    with pytest.raises(IndexError, match=f"^index {index} is out of range for 25 images$"):
        load()[index]


def test_iteration_visits_every_row_once_and_again(load):
    ds = load(params=True)
    for _ in range(2):
        vectors = [vector for _, vector in ds]
        np.testing.assert_array_equal(vectors, fdd.sample_params(25, version="tiny-1"))


@pytest.mark.parametrize(
    "indices",
    [[], [3], [24, 0, 10, 9, 10, 10], range(5, 20), np.array([2, 11], np.uint8), 7],
    ids=str,
)
def test_read_gives_the_rows_in_the_order_asked_for(load, indices):
    images = load().read(indices)
    np.testing.assert_array_equal(images, rendered()[np.atleast_1d(indices).astype(int)])
    assert images.dtype == np.uint8


@pytest.mark.parametrize("indices", [[25], [-1], [0, 10**6]])
def test_read_of_rows_that_are_not_there(load, indices):
    with pytest.raises(IndexError, match=r"^indices must be from 0 to 24$"):
        load().read(indices)


@pytest.mark.parametrize("indices", [[0.5], [[1, 2]], [True, False], "ab"])
def test_read_of_what_are_not_rows(load, indices):
    with pytest.raises(FddError) as error:
        load().read(indices)
    assert str(error.value) == f"indices must be whole numbers in one dimension, not {indices!r}"


def test_changing_an_item_changes_nothing_else(load):
    ds = load(params=True)
    for _ in range(2):
        image, vector = ds[4]
        np.testing.assert_array_equal(image, rendered()[4])
        np.testing.assert_array_equal(vector, ds.params.to_numpy()[4])
        image[:], vector[:] = 0, 0
        frame = ds.params
        frame.iloc[:] = 0


def test_transforms_apply_to_items_and_not_to_images(load):
    ds = load(params=True, transform=lambda image: image.mean(), target_transform=np.negative)
    image, vector = ds[5]
    assert image == rendered()[5].mean()
    np.testing.assert_array_equal(vector, -fdd.sample_params(6, version="tiny-1")[5])
    np.testing.assert_array_equal(ds.images, rendered())
    np.testing.assert_array_equal(ds.read([5])[0], rendered()[5])


FORMS = {
    False: lambda v: v,
    True: lambda v: v,
    "raw": lambda v: v,
    "scaled": lambda v: v / [1, 1, 3, 3, 3, 3],
    "canonical": lambda v: np.where(v[:, [2]] < 0, v * [1, 1, -1, -1, 1, 1], v),
}


@pytest.mark.parametrize("form", FORMS)
def test_params_are_a_frame_in_the_form_asked_for(load, form):
    ds = load(params=form)
    expected = FORMS[form](fdd.sample_params(25, version="tiny-1"))
    assert isinstance(ds.params, pd.DataFrame)
    assert list(ds.params.columns) == NAMES
    np.testing.assert_array_equal(ds.params.to_numpy(), expected)
    if form is not False:
        np.testing.assert_array_equal([vector for _, vector in ds], expected)


def test_scaled_params_lie_between_minus_one_and_one():
    scaled = fdd.scale_params([[-1, 1, -3, 3, 1.5, 0], [0.5, 0, 0, 0, 0, 3]])
    np.testing.assert_array_equal(scaled, [[-1, 1, -1, 1, 0.5, 0], [0.5, 0, 0, 0, 0, 1]])
    assert fdd.scale_params(np.ones((2, 3, 6), np.float32)).dtype == np.float64


def test_canonical_params_are_the_same_for_both_twins_and_stay_so():
    params = np.random.default_rng(1).uniform(-3, 3, (4, 50, 6))
    twins = params * [1, 1, -1, -1, 1, 1]
    before = params.copy()
    canonical = fdd.canonical_params(params)
    np.testing.assert_array_equal(params, before)
    np.testing.assert_array_equal(canonical, fdd.canonical_params(twins))
    np.testing.assert_array_equal(canonical, fdd.canonical_params(canonical))
    assert np.all(canonical[..., 2] >= 0)
    np.testing.assert_array_equal(np.abs(canonical), np.abs(params))
    np.testing.assert_array_equal(canonical[..., [0, 1, 4, 5]], params[..., [0, 1, 4, 5]])


@pytest.mark.parametrize("zero", [0.0, -0.0])
def test_canonical_params_of_twins_without_a(zero):
    one, other = fdd.canonical_params([[0.1, 0.2, zero, -1, 2, 3], [0.1, 0.2, -zero, 1, 2, 3]])
    assert one.tolist() == other.tolist() == [0.1, 0.2, 0.0, 1.0, 2.0, 3.0]


@pytest.mark.parametrize("change", [fdd.scale_params, fdd.canonical_params])
@pytest.mark.parametrize("bad", [3.0, [1, 2], np.zeros((3, 1)), np.zeros(7), "abc", [[1], [2, 3]]])
def test_what_are_not_params_have_no_form(change, bad):
    with pytest.raises(FddError, match=r"^params "):
        change(bad)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"split": "dev"}, "split='dev' is not known; choose from train, val, test"),
        ({"version": 9}, "version=9 is not known; choose from fdd-1, mini-1, tiny-1, fdd, mini"),
        ({"params": "folded"}, "params='folded' is not known; choose from raw, scaled, canonical"),
        ({"params": ["raw"]}, "params=['raw'] is not known; choose from raw, scaled, canonical"),
        ({"output": "png"}, "output='png' is not known; choose from rgb, gray, counts"),
        ({"palette": "jet"}, "palette='jet' is not known; choose from kbc, inferno, viridis"),
        ({"transform": 3}, "transform=3 must be a function of one argument"),
        ({"target_transform": "x"}, "target_transform='x' must be a function of one argument"),
    ],
)
def test_bad_arguments_are_refused_before_anything_is_rendered(tiny, tmp_path, options, message):
    with pytest.raises(FddError) as error:
        fdd.load(**{"version": tiny.name, "cache": tmp_path / "cache", **options})
    assert str(error.value) == message
    assert not (tmp_path / "cache").exists()


def test_the_cache_is_the_argument_then_the_variable_then_the_users(tiny, tmp_path, monkeypatch):
    for name in ("argument", "variable", "home"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("FDD_DATA", str(tmp_path / "variable"))
    fdd.load("val", version=tiny.name, cache=str(tmp_path / "argument"))
    assert not any((tmp_path / "variable").iterdir())
    fdd.load("val", version=tiny.name)
    monkeypatch.delenv("FDD_DATA")
    assert not any((tmp_path / "home").iterdir())
    fdd.load("val", version=tiny.name)
    for name in ("argument", "variable", "home"):
        assert len(list((tmp_path / name).rglob("tiny-1/val/shard-00000.npy"))) == 1


def test_a_progress_bar_counts_the_images_on_a_terminal(load, monkeypatch):
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr("sys.stderr", terminal)
    load()
    assert "rendering tiny-1/train: 100%" in terminal.getvalue()
    assert "25/25" in terminal.getvalue()


@pytest.fixture
def another_user():
    """A cache folder of someone else's: `close(mode)` sets its rights and drops those of root."""
    base = Path(tempfile.mkdtemp(dir="/tmp"))
    base.chmod(0o755)
    cache = base / "cache"
    cache.mkdir()

    def close(mode):
        cache.chmod(mode)
        if os.geteuid() == 0:
            os.seteuid(65534)

    yield cache, close
    if os.getuid() == 0:
        os.seteuid(0)
    for folder in (cache, *(path for path in cache.rglob("*") if path.is_dir())):
        folder.chmod(0o700)
    shutil.rmtree(base)


posix = pytest.mark.skipif(os.name != "posix", reason="rights are those of POSIX")


@posix
@pytest.mark.parametrize("mode", [0o555, 0o000], ids=["read-only", "not to be entered"])
def test_a_cache_that_another_user_closed_is_an_error(mode, tiny, another_user):
    cache, close = another_user
    close(mode)
    with pytest.raises(FddError) as error:
        fdd.load(version=tiny.name, cache=cache)
    folder = str(cache / "tiny-1" / "train")
    sentence = (
        "it cannot be written (Permission denied); choose another one with cache= or $FDD_DATA"
    )
    assert str(error.value) == f"folder {folder!r}: {sentence}"


@posix
@pytest.mark.parametrize("copied", [False, True])
def test_a_complete_cache_of_another_user_serves(copied, tiny, another_user):
    cache, close = another_user
    expected = fdd.load(version=tiny.name, cache=cache).images
    for path in sorted(cache.rglob("*"), reverse=True):
        if copied and path.suffix == ".npy":
            os.utime(path, (1, 1))
        path.chmod(0o555 if path.is_dir() else 0o444)
    close(0o555)
    np.testing.assert_array_equal(fdd.load(version=tiny.name, cache=cache).images, expected)


def test_a_change_of_the_working_folder_changes_nothing(tiny, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ds = fdd.load(version=tiny.name, cache="relative")
    monkeypatch.chdir("/")
    np.testing.assert_array_equal(ds[12], rendered()[12])


def test_the_warning_of_a_damaged_shard_points_at_the_line_that_loads(tiny, tmp_path):
    path = ensure_split(tiny, "val", tmp_path)[0]
    path.write_bytes(b"")
    program = compile("fdd.load('val', version='tiny-1', cache=cache)", "script.py", "exec")
    with pytest.warns(UserWarning, match="truncated or unreadable") as warned:
        exec(program, {"fdd": fdd, "cache": tmp_path})
    assert [(warning.filename, warning.lineno) for warning in warned] == [("script.py", 1)]


def test_another_process_reads_the_same_bytes(load, tmp_path, run_python):
    program = f"""{REGISTER_TINY}
import sys, numpy as np, fdd
np.save(sys.argv[2], fdd.load(version="tiny-1", cache=sys.argv[1]).images)
"""
    ds = load()
    stamps = [path.stat().st_mtime_ns for path in sorted((tmp_path / "cache").rglob("*.npy"))]
    code, _, errors = run_python("-c", program, tmp_path / "cache", tmp_path / "theirs.npy")
    assert code == 0, errors
    np.testing.assert_array_equal(np.load(tmp_path / "theirs.npy"), ds.images)
    after = [path.stat().st_mtime_ns for path in sorted((tmp_path / "cache").rglob("*.npy"))]
    assert after == stamps


def test_a_pickle_is_small_and_works(load):
    ds = load(params="scaled", transform=np.asarray)
    empty = len(pickle.dumps(ds))
    ds.images, ds[20]
    packed = pickle.dumps(ds)
    assert len(packed) <= empty < 25 * 6 * 8 + 2000
    again = pickle.loads(packed)
    for one, other in zip(ds, again, strict=True):
        np.testing.assert_array_equal(one[0], other[0])
        np.testing.assert_array_equal(one[1], other[1])


@pytest.mark.parametrize(("context", "number"), [(None, 0), ("fork", 2), ("spawn", 1)])
def test_a_data_loader_gives_the_rows(load, context, number):
    data = pytest.importorskip("torch.utils.data")
    ds = load(params=True)
    workers = {"num_workers": number, "multiprocessing_context": context}
    batches = list(data.DataLoader(ds, batch_size=10, **workers))
    assert [len(vectors) for _, vectors in batches] == [10, 10, 5]
    np.testing.assert_array_equal(np.concatenate([images for images, _ in batches]), ds.images)
    np.testing.assert_array_equal(np.concatenate([v for _, v in batches]), ds.params.to_numpy())
