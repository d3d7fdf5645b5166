"""`fdd preview`: contact sheets of a split, of given parameters, of any family."""

import numpy as np
import pytest
from conftest import pixels, tree

import fdd

VECTOR = ["0.1", "-0.2", "2.1", "-1.9", "0.7", "1.3"]


def test_preview_of_a_split_is_a_sheet_of_its_images(command, tmp_path):
    options = ["--version", "tiny-1", "--split", "val", "--start", 3, "--count", 5]
    options += ["--columns", 3, "--size", 16, "--points", 400, "--palette", "viridis"]
    code, output, errors = command("preview", *options, "--out", "new folder/sheet.png")
    assert (code, output, errors) == (0, "5 images in new folder/sheet.png\n", "")
    sheet = pixels(tmp_path / "new folder" / "sheet.png")
    params = fdd.sample_params(5, "val", 3, "tiny-1")
    images = fdd.render(params, size=16, points=400, palette="viridis")
    assert sheet.shape == (2 * 20 + 4, 3 * 20 + 4, 3)
    for number, image in enumerate(images):
        top, left = 4 + number // 3 * 20, 4 + number % 3 * 20
        np.testing.assert_array_equal(sheet[top : top + 16, left : left + 16], image)
        sheet[top : top + 16, left : left + 16] = 255
    assert np.all(sheet == 255)
    assert [path.name for path in (tmp_path / "new folder").iterdir()] == ["sheet.png"]


def test_preview_of_given_params(command, tmp_path):
    options = ["--params", *VECTOR, "--params", *"112211", "--size", 16, "--points", 99]
    assert command("preview", *options) == (0, "2 images in preview.png\n", "")
    image = fdd.render([float(number) for number in VECTOR], size=16, points=99)
    np.testing.assert_array_equal(pixels(tmp_path / "preview.png")[4:20, 4:20], image)


def test_preview_draws_a_release_as_it_is(command, tmp_path):
    assert command("preview", "--version", "mini", "--split", "test", "--count", 1)[0] == 0
    params = fdd.sample_params(1, "test", version="mini-1")
    image = fdd.render(params, size=32, points=4000)[0]
    np.testing.assert_array_equal(pixels(tmp_path / "preview.png")[4:36, 4:36], image)


@pytest.mark.parametrize(
    "params", ["-1e-05 1E-2 -2.5e0 -1.9 +0.7 1.3", "-1e-05,1E-2,-2.5e0,-1.9,+0.7,1.3"]
)
def test_params_can_have_exponents_and_commas(command, tmp_path, params):
    small = ["--size", 8, "--points", 99]
    done = command("preview", "--params", *params.split(), *small)
    assert done == (0, "1 images in preview.png\n", "")
    image = fdd.render([-1e-05, 0.01, -2.5, -1.9, 0.7, 1.3], size=8, points=99)
    np.testing.assert_array_equal(pixels(tmp_path / "preview.png")[4:12, 4:12], image)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--count", "0"], "count=0 must be a whole number of at least 1"),
        (["--count", "-1"], "count=-1 must be a whole number of at least 1"),
        (["--start", "-1"], f"start=-1 must be a whole number from 0 to {2**62}"),
        (["--columns", "0"], "columns=0 must be a whole number of at least 1"),
        (["--size", "1"], "size=1 must be a whole number from 2 to 4096"),
        (["--points", "0"], "points=0 must be a whole number from 1 to 4294967295"),
        (["--split", "dev"], "split='dev' is not known; choose from train, val, test"),
        (
            ["--version", "fdd-0"],
            "version='fdd-0' is not known (did you mean fdd-1?); choose from fdd-1, mini-1, "
            "tiny-1, fdd, mini",
        ),
        (
            ["--params", "nan", *VECTOR[1:]],
            "params: x0=nan in row 0 must be a finite number from -1 to 1",
        ),
        (
            ["--params", "1", "2"],
            "params has shape [1, 2]; it must be [N, 6] or [6], columns x0, y0, a, b, c, d",
        ),
        (
            ["--family", "bedhead", "--params", *VECTOR],
            "params has shape [1, 6]; it must be [N, 4] or [4], columns x0, y0, a, b",
        ),
        (
            ["--params", *VECTOR, "--params", *VECTOR[:5], "inf"],
            "params: d=inf in row 1 must be a finite number from -3 to 3",
        ),
        (
            ["--params", *"000000", "--points", "9"],
            "params row 0, (0.0, 0.0, 0.0, 0.0, 0.0, 0.0), is degenerate: its orbit of 9 points is "
            "constant in x or in y and has no image",
        ),
    ],
)
def test_preview_refuses_mistakes_in_one_sentence(refused, tmp_path, options, message):
    small = {"--version": "tiny-1", "--count": "3", "--size": "16", "--points": "99"}
    given = [part for name, value in small.items() if name not in options for part in (name, value)]
    refused(message, "preview", *given, *options)
    assert not (tmp_path / "preview.png").exists()


def test_preview_where_it_cannot_write(refused, tmp_path):
    options = ["preview", "--params", *VECTOR, "--size", 8, "--points", 99, "--out"]
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder.png").mkdir()
    says = "it cannot be written ({}); choose another one"
    refused("folder 'file': " + says.format("File exists"), *options, "file/sheet.png")
    refused("out='folder.png' is a folder; write the name of a file", *options, "folder.png")
    assert tree(tmp_path) == {"file": b"mine", "folder.png": None}


@pytest.mark.parametrize("out", ["x.jpg", "~/sheet.gif", "png", "sheet.png.bak"])
def test_preview_refuses_names_that_are_not_of_a_png(refused, tmp_path, out):
    message = f"out='{out}' must end in .png, as a PNG is what is written"
    refused(message, "preview", "--params", *VECTOR, "--size", 8, "--points", 99, "--out", out)
    assert tree(tmp_path) == {}


def test_a_png_may_be_in_capitals(command, tmp_path):
    options = ["--params", *VECTOR, "--size", 8, "--points", 99, "--out", "SHEET.PNG"]
    assert command("preview", *options) == (0, "1 images in SHEET.PNG\n", "")


@pytest.mark.parametrize("options", [[], ["--family", "bedhead"]])
@pytest.mark.parametrize(("size", "most"), [(128, 30812), (16, 65536), (4096, 31)])
def test_preview_refuses_more_images_than_a_sheet_holds(refused, options, size, most):
    message = f"count=100000000 must be at most {most} in a sheet of images of size={size}"
    refused(message, "preview", *options, "--count", 100_000_000, "--size", size)
