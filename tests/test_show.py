"""`fdd.show`: images, a data set or parameters side by side, in a notebook or as a file."""

import io

import numpy as np
import pandas as pd
import pytest
from conftest import pixels, tree
from PIL import Image

import fdd
from fdd import FddError

VECTOR = [0.1, -0.2, 2.1, -1.9, 0.7, 1.3]
NAMES = ["x0", "y0", "a", "b", "c", "d"]
COLOURS = np.random.default_rng(1).integers(0, 256, (5, 6, 4, 3), np.uint8)
GRAY = COLOURS[..., 0]


def places(picture, n, height, width, columns):
    """The n images in a picture with four pixels of white around each."""
    image = picture.image.copy()
    found = []
    for number in range(n):
        top = 4 + number // columns * (height + 4)
        left = 4 + number % columns * (width + 4)
        found.append(image[top : top + height, left : left + width].copy())
        image[top : top + height, left : left + width] = 255
    assert (image == 255).all()
    return np.array(found)


def test_images_stand_side_by_side_on_white():
    picture = fdd.show(COLOURS, columns=3)
    assert (picture.image.dtype, picture.image.shape) == (np.uint8, (24, 28, 3))
    np.testing.assert_array_equal(places(picture, 5, 6, 4, 3), COLOURS)


def in_gray(images):
    return np.repeat(images[..., None], 3, axis=-1)


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        (COLOURS[0], COLOURS[:1]),
        (list(COLOURS), COLOURS),
        (GRAY, in_gray(GRAY)),
        (GRAY[0], in_gray(GRAY[:1])),
    ],
    ids=["one", "a list", "gray", "one gray"],
)
def test_images_may_be_one_or_gray_or_in_a_list(what, expected):
    picture = fdd.show(what)
    columns = min(len(expected), 8)
    np.testing.assert_array_equal(places(picture, len(expected), 6, 4, columns), expected)


def test_tensors_are_images_too():
    torch = pytest.importorskip("torch")
    picture = fdd.show(torch.from_numpy(COLOURS))
    np.testing.assert_array_equal(picture.image, fdd.show(COLOURS).image)


class OnGpu:
    """A tensor in the memory of a GPU, of which numpy makes no array."""

    is_cuda = True

    def cpu(self):
        return COLOURS

    def __array__(self, *arguments, **options):
        raise TypeError("use Tensor.cpu() to copy the tensor to host memory first")


def test_a_tensor_on_a_gpu_is_copied():
    np.testing.assert_array_equal(fdd.show(OnGpu()).image, fdd.show(COLOURS).image)


@pytest.mark.parametrize("count", [1, 4, 9])
def test_no_more_than_count_are_shown(count):
    picture = fdd.show(COLOURS, count=count)
    np.testing.assert_array_equal(picture.image, fdd.show(COLOURS[:count]).image)


@pytest.mark.parametrize("output", ["rgb", "gray", "counts"])
def test_a_data_set_shows_its_first_images(tiny, tmp_path, output):
    ds = fdd.load(
        "val", True, version="tiny-1", output=output, palette="viridis", cache=tmp_path / "cache"
    )
    painted = "gray" if output == "gray" else "rgb"
    params = fdd.sample_params(10, "val", version="tiny-1")
    images = fdd.render(params, painted, size=16, points=400, palette="viridis")
    assert fdd.show(ds, count=7).image.tolist() == fdd.show(images, count=7).image.tolist()
    assert fdd.show(ds).image.tolist() == fdd.show(images).image.tolist()


def test_counts_are_painted():
    counts = fdd.render([VECTOR, VECTOR], "counts", size=16, points=99)
    images = fdd.render([VECTOR, VECTOR], size=16, points=99)
    np.testing.assert_array_equal(fdd.show(counts).image, fdd.show(images).image)
    np.testing.assert_array_equal(fdd.show(counts[0]).image, fdd.show(images[0]).image)


@pytest.mark.parametrize(
    "what",
    [
        VECTOR,
        np.array([VECTOR, VECTOR]),
        pd.DataFrame([VECTOR, VECTOR], columns=NAMES)[NAMES[::-1]],
        dict(zip(NAMES[::-1], VECTOR[::-1], strict=True)),
        {name: [value] for name, value in zip(NAMES, VECTOR, strict=True)},
    ],
    ids=["one vector", "an array", "a DataFrame", "a dict", "a dict of columns"],
)
def test_parameters_are_drawn(what):
    expected = fdd.show(fdd.render(VECTOR))
    np.testing.assert_array_equal(fdd.show(what, count=1).image, expected.image)


def test_nothing_is_the_test_split_and_leaves_the_cache_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("FDD_DATA", str(tmp_path / "cache"))
    picture = fdd.show(count=2)
    assert picture.image.shape == (136, 268, 3)
    expected = fdd.show(fdd.render(fdd.sample_params(2, "test")))
    np.testing.assert_array_equal(picture.image, expected.image)
    assert tree(tmp_path) == {}


def test_a_notebook_shows_the_picture():
    picture = fdd.show(COLOURS)
    with Image.open(io.BytesIO(picture._repr_png_())) as shown:
        np.testing.assert_array_equal(np.array(shown), picture.image)
    assert repr(picture) == "Picture(44 x 14 pixels)"


def test_a_picture_is_written_with_its_folder(tmp_path):
    picture = fdd.show(COLOURS, out=tmp_path / "new" / "one.png")
    picture.save(str(tmp_path / "TWO.PNG"))
    for path in (tmp_path / "new" / "one.png", tmp_path / "TWO.PNG"):
        np.testing.assert_array_equal(pixels(path), picture.image)
    assert sorted(tree(tmp_path)) == ["TWO.PNG", "new", "new/one.png"]


MUST = (
    "must be images, uint8 [n, H, W, 3] or [n, H, W], a data set of fdd.load, or parameters, rows "
    "of (x0, y0, a, b, c, d)"
)


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("clifford", f"what='clifford' {MUST}"),
        (7, f"what=7 {MUST}"),
        ([], f"what (float64 [0]) {MUST}"),
        (COLOURS[:0], f"what (uint8 [0, 6, 4, 3]) {MUST}"),
        (COLOURS.swapaxes(1, 3), f"what (uint8 [5, 3, 4, 6]) {MUST}"),
        (COLOURS / 255, f"what (float64 [5, 6, 4, 3]) {MUST}"),
        (COLOURS.astype(np.uint32), f"what (uint32 [5, 6, 4, 3]) {MUST}"),
        ([[1, 2]], f"what (int64 [1, 2]) {MUST}"),
        ([*VECTOR[:5], 4], "params: d=4.0 in row 0 must be a finite number from -3 to 3"),
        ({name: [] for name in NAMES}, "params has no rows; a picture needs at least one image"),
        (
            {"a": [1]},
            "params has columns by name, x0, y0, b, c, d missing; they must be x0, y0, a, b, c, d, "
            "each once, in any order",
        ),
    ],
    ids=range(11),
)
def test_what_cannot_be_shown_is_refused_in_one_sentence(tmp_path, what, says):
    with pytest.raises(FddError) as error:
        fdd.show(what, out=tmp_path / "picture.png")
    assert str(error.value) == says
    assert tree(tmp_path) == {}


def test_images_that_differ_in_size_are_refused():
    with pytest.raises(FddError) as error:
        fdd.show([np.zeros((1, 1, 3), np.uint8), np.zeros((1, 2, 3), np.uint8)])
    assert str(error.value) == (
        "what=[array([[[0, 0, 0]]], dtype=uint8), array([[[0, 0, 0], [0, 0, 0]]], dtype=uint8) "
        f"{MUST}"
    )


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"columns": 0}, "columns=0 must be a whole number of at least 1"),
        ({"count": 0}, "count=0 must be a whole number of at least 1"),
        ({"count": "4"}, "count='4' must be a whole number of at least 1"),
        (
            {"count": 10**8},
            "count=100000000 must be at most 30812 in a sheet of images of size=128",
        ),
        ({"out": "a.jpg"}, "out='a.jpg' must end in .png, as a PNG is what is written"),
        ({"out": ""}, "out='' is empty; write another path"),
    ],
)
def test_options_out_of_range_are_refused_before_anything_is_drawn(options, says):
    with pytest.raises(FddError) as error:
        fdd.show(**options)
    assert str(error.value) == says


def test_a_picture_is_saved_as_png_alone(tmp_path):
    with pytest.raises(FddError) as error:
        fdd.show(COLOURS).save(tmp_path / "picture.gif")
    path = str(tmp_path / "picture.gif")
    assert str(error.value) == f"path={path!r} must end in .png, as a PNG is what is written"
    assert tree(tmp_path) == {}
