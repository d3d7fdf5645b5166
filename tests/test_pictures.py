"""Real pictures in a folder are a data set; a file that cannot be used is named in one sentence."""

import re
from importlib import import_module

import numpy as np
import pytest
from PIL import Image
from skimage import data as shipped
from tiny_runs import OPTIONS, TINY, baseline, table, words

import baselines
from baselines.training.cli import main
from baselines.training.data import open_data
from baselines.training.pictures import Pictures, read_pictures
from fdd import FddError

ENDINGS = ".bmp, .gif, .jpeg, .jpg, .png, .ppm, .tif, .tiff, .webp"
NAMES = [
    "a/chelsea.JPG",
    "a/rocket.jpg",
    "astronaut.png",
    "b/c/moon.gif",
    "camera.png",
    "coffee.webp",
    "coins.tif",
    "logo.png",
    "page.bmp",
    "text.png",
]


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """Ten pictures in folders: colour, grey, a palette, transparency; and what is no picture."""
    folder = tmp_path_factory.mktemp("photographs")
    (folder / "b" / "c").mkdir(parents=True)
    (folder / "a").mkdir()
    for name in NAMES:
        picture = Image.fromarray(getattr(shipped, name.rpartition("/")[2].partition(".")[0])())
        if name.endswith("gif"):
            picture = picture.convert("P")
        if name != "logo.png":
            picture.thumbnail((180, 180))
        picture.save(folder / name)
    (folder / "notes.txt").write_text("none of the pictures")
    (folder / "a" / "folder.png").mkdir()
    return folder


@pytest.fixture
def refused():
    def check(message, *arguments, **options):
        with pytest.raises(FddError) as error:
            read_pictures(*arguments, **options)
        assert str(error.value) == message

    return check


def test_all_pictures_below_a_folder_are_read_in_the_order_of_their_names(photographs):
    pictures = read_pictures(photographs, 32)
    assert pictures.names == NAMES
    assert (pictures.images.shape, pictures.images.dtype) == ((10, 32, 32, 3), np.uint8)
    assert len(pictures) == 10
    assert (pictures.version, pictures.params) == (None, None)
    assert np.array_equal(pictures.read([3, 1]), pictures.images[[3, 1]])
    assert np.array_equal(pictures.read(range(2)), pictures.images[:2])


def test_a_picture_is_the_square_in_its_middle_scaled(tmp_path):
    coffee = shipped.coffee()  # 400 x 600
    Image.fromarray(coffee).save(tmp_path / "coffee.png")
    Image.fromarray(coffee.transpose(1, 0, 2)).save(tmp_path / "tall.png")
    wide, tall = read_pictures(tmp_path, 40).images
    square = Image.fromarray(coffee[:, 100:500])
    expected = np.asarray(square.resize((40, 40), Image.Resampling.LANCZOS))
    off = np.abs(wide.astype(int) - expected)
    assert off[:, 4:-4].max() == 0
    assert off.max() < 20  # at the cut the filter sees a little of what lies beyond
    assert np.abs(tall.astype(int) - wide.transpose(1, 0, 2)).max() <= 5


def test_a_small_picture_is_enlarged(tmp_path):
    Image.fromarray(np.full((5, 8, 3), (200, 100, 50), np.uint8)).save(tmp_path / "small.png")
    assert np.array_equal(
        read_pictures(tmp_path, 16).images[0], np.full((16, 16, 3), (200, 100, 50))
    )


def test_jpeg_is_near_what_it_was_made_of(tmp_path):
    astronaut = shipped.astronaut()
    Image.fromarray(astronaut).save(tmp_path / "a.jpg", quality=95)
    Image.fromarray(astronaut).save(tmp_path / "b.png")
    jpeg, png = read_pictures(tmp_path, 32).images.astype(int)
    assert np.abs(jpeg - png).mean() < 3


def test_grey_palette_two_levels_and_print_become_colours(tmp_path):
    camera = shipped.camera()[::8, ::8]
    red = np.zeros((64, 64), np.uint8)
    Image.fromarray(camera).save(tmp_path / "gray.png")
    palette = Image.fromarray(red)
    palette.putpalette([255, 0, 0, 0, 255, 0])
    palette.save(tmp_path / "palette.gif")
    Image.fromarray(camera > 127).save(tmp_path / "two.png")
    Image.new("CMYK", (64, 64), (0, 255, 255, 0)).save(tmp_path / "print.jpg")
    found = dict(zip(*[(p := read_pictures(tmp_path, 64)).names, p.images], strict=True))
    assert np.array_equal(found["gray.png"], np.stack([camera] * 3, axis=2))
    assert (found["palette.gif"] == (255, 0, 0)).all()
    assert np.array_equal(found["two.png"][..., 0], np.where(camera > 127, 255, 0))
    assert np.abs(found["print.jpg"].astype(int) - (255, 0, 0)).max() < 5


def test_transparent_parts_are_white(tmp_path):
    pixels = np.zeros((32, 32, 4), np.uint8)
    pixels[:16] = (255, 0, 0, 255)
    pixels[16:24] = (255, 0, 0, 102)
    Image.fromarray(pixels).save(tmp_path / "part.png")
    palette = Image.new("P", (32, 32))
    palette.putpalette([0, 0, 255])
    palette.save(tmp_path / "whole.gif", transparency=0)
    part, whole = read_pictures(tmp_path, 32).images
    assert (part[:12] == (255, 0, 0)).all()
    assert (part[20] == (255, 153, 153)).all()
    assert (part[28:] == 255).all()
    assert (whole == 255).all()


def test_a_photograph_is_turned_as_its_camera_was_held(tmp_path):
    upright = Image.fromarray(shipped.astronaut())
    exif = Image.Exif()
    exif[0x0112] = 6  # shown a quarter turn clockwise
    for name, options in (("a.png", {}), ("b.png", {"exif": exif})):
        picture = upright if name == "a.png" else upright.rotate(90)
        picture.save(tmp_path / name, **options)
    first, second = read_pictures(tmp_path, 32).images
    assert np.array_equal(first, second)


def test_a_picture_of_more_than_8_bits_is_refused(tmp_path, refused):
    path = tmp_path / "deep.png"
    Image.fromarray(np.full((8, 8), 40_000, np.uint16)).save(path)
    refused(
        f"picture '{path}' cannot be read: its mode is 'I;16'; save it with 8 bits per channel; "
        "--exclude can name it",
        tmp_path,
        16,
    )


def test_of_an_animation_the_first_frame_counts(tmp_path):
    frames = [Image.new("RGB", (20, 20), color) for color in ("red", "green", "blue")]
    frames[0].save(tmp_path / "frames.gif", save_all=True, append_images=frames[1:])
    assert (read_pictures(tmp_path, 16).images[0] == (255, 0, 0)).all()


def test_pictures_can_be_left_out_by_name(photographs, tmp_path):
    (tmp_path / "out.txt").write_text("# doubles\n\na/rocket.jpg\n  coins.tif \n", encoding="utf-8")
    left = read_pictures(photographs, 16, tmp_path / "out.txt")
    assert left.names == [name for name in NAMES if name not in ("a/rocket.jpg", "coins.tif")]


def test_an_entry_that_is_no_picture_in_the_folder(photographs, tmp_path, refused):
    names = tmp_path / "out.txt"
    names.write_text("camera.png\nrocket.jpg\n")
    refused(
        f"exclude='{names}' names 'rocket.jpg', which is not a picture in the folder; "
        "write names relative to it, one per line",
        photographs,
        16,
        names,
    )
    missing = tmp_path / "missing.txt"
    refused(
        f"exclude='{missing}' cannot be read: [Errno 2] No such file or directory: '{missing}'",
        photographs,
        16,
        missing,
    )


def test_folders_without_pictures(photographs, tmp_path, refused):
    refused(f"data='images:{tmp_path}/no': there is no such folder", tmp_path / "no", 16)
    refused(f"data='images:{tmp_path}': it holds no pictures ({ENDINGS})", tmp_path, 16)
    notes = photographs / "notes.txt"
    refused(f"data='images:{notes}': there is no such folder", notes, 16)
    for name in NAMES:
        (tmp_path / "all.txt").open("a").write(f"{name}\n")
    refused(
        f"data='images:{photographs}': it holds no pictures ({ENDINGS})",
        photographs,
        16,
        tmp_path / "all.txt",
    )


def test_a_damaged_picture_is_named(tmp_path, refused):
    Image.fromarray(shipped.camera()).save(tmp_path / "camera.png")
    whole = (tmp_path / "camera.png").read_bytes()
    (tmp_path / "camera.png").write_bytes(whole[: len(whole) // 2])
    refused(
        f"picture '{tmp_path}/camera.png' cannot be read: image file is truncated; "
        "--exclude can name it",
        tmp_path,
        16,
    )
    (tmp_path / "camera.png").write_bytes(b"no picture at all")
    refused(
        f"picture '{tmp_path}/camera.png' cannot be read: cannot identify image file "
        f"'{tmp_path}/camera.png'; --exclude can name it",
        tmp_path,
        16,
    )
    Image.fromarray(shipped.coffee()).save(tmp_path / "good.png")
    (tmp_path / "bad.txt").write_text("camera.png")
    assert read_pictures(tmp_path, 16, tmp_path / "bad.txt").names == ["good.png"]


@pytest.mark.parametrize("times", [1.5, 3])
def test_a_decompression_bomb_is_refused(tmp_path, monkeypatch, times):
    """Pillow warns from its limit on and refuses from twice that; here both are an error."""
    Image.fromarray(shipped.camera()).save(tmp_path / "bomb.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", int(512 * 512 / times))
    with pytest.raises(FddError) as error:
        read_pictures(tmp_path, 16)
    before, after = re.split(r"exceeds limit of \d+ pixels", str(error.value))
    assert before == f"picture '{tmp_path}/bomb.png' cannot be read: Image size (262144 pixels) "
    assert after == ", could be decompression bomb DOS attack.; --exclude can name it"


def test_held_out_pictures_are_spread_over_the_names():
    images = np.arange(20, dtype=np.uint8)[:, None, None, None].repeat(3, 3)
    pictures = Pictures(images, [f"{i:02}" for i in range(20)])
    rest, held_out = pictures.split(3)
    assert held_out.names == ["00", "10", "19"]
    assert sorted(rest.names + held_out.names) == pictures.names
    assert held_out.images.ravel()[::3].tolist() == [0, 10, 19]
    assert len(rest) == 17


def options(photographs, **changes):
    return OPTIONS.__class__(**TINY | {"data": f"images:{photographs}"} | changes)


@pytest.mark.parametrize(("batch_size", "held_out"), [(4, 2), (8, 2), (2, 2)])
def test_a_folder_is_split_into_training_and_held_out(photographs, batch_size, held_out):
    batches, few = open_data(options(photographs, batch_size=batch_size))
    train = batches.data
    assert (len(train), len(few)) == (10 - held_out, held_out)
    assert not set(train.names) & set(few.names)


def test_too_few_pictures(photographs):
    with pytest.raises(FddError) as error:
        open_data(options(photographs, batch_size=9))
    assert str(error.value) == (
        f"data='images:{photographs}': 10 pictures are too few; it must hold at least 11 "
        "for batch_size=9"
    )


@pytest.fixture
def command(photographs, tmp_path, monkeypatch, capsys):
    """command(name, option=value, ...) trains on the folder: (exit status, output, errors)."""
    monkeypatch.chdir(tmp_path)

    def go(name, **changes):
        given = words(**TINY | {"data": f"images:{photographs}", "out": "run"} | changes)
        presets = import_module(f"baselines.{name}").PRESETS
        return main(baseline(name), presets, given), *capsys.readouterr()

    return go


@pytest.mark.parametrize("name", ["dcgan", "aae"])
@pytest.mark.parametrize("colors", ["rgb", "hsv"])
def test_a_baseline_trains_on_a_folder_of_pictures(command, tmp_path, name, colors):
    (tmp_path / "out.txt").write_text("page.bmp\ntext.png\n")
    status, output, _ = command(name, colors=colors, exclude="out.txt", flip=True, rotate=15.0)
    assert (status, output.splitlines()[-1]) == (0, "trained to step 8: run")
    rows = table(tmp_path / "run")
    assert [int(row["epoch"]) for row in rows] == list(range(8))  # six pictures, four in a batch
    model = baselines.load_run("run")
    assert model.config["data_version"] is None
    assert model.config["exclude"] == "out.txt"
    images = model.generate(np.zeros((2, 6)))
    assert images.shape == (2, 16, 16, 3)
    if name == "aae":
        assert model.encode(images).shape == (2, 6)


def test_a_folder_that_cannot_be_used_is_one_line_and_no_run(command, tmp_path):
    status, _, errors = command("dcgan", data=f"images:{tmp_path}")
    assert (status, errors) == (
        2,
        f"error: data='images:{tmp_path}': it holds no pictures ({ENDINGS})\n",
    )
    status, _, errors = command("lsd")
    assert status == 2
    assert errors.endswith("must be fdd or stream: pictures have no parameters\n")
    assert list(tmp_path.iterdir()) == []
