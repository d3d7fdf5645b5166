"""Real pictures in a folder are a data set; a file that cannot be used is named in one sentence."""

import os
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

ENDINGS = ".bmp, .gif, .jfif, .jpe, .jpeg, .jpg, .pbm, .pgm, .png, .pnm, .ppm, .tif, .tiff, .webp"
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


@pytest.fixture
def album(tmp_path):
    """album(name, ...) makes a folder of small pictures with these names."""

    def make(*names):
        for name in names:
            path = tmp_path / "album" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (16, 16)).save(path, "PNG")
        return tmp_path / "album"

    return make


def test_what_programs_leave_in_a_folder_is_no_picture(album):
    kept = ["a b.png", "b/c.PNG", "b/d.Jpeg", "e.jfif"]
    left = [".ipynb_checkpoints/a.png", ".thumbnails/a.png", "@eaDir/a.png/b.png", "b/.c.png"]
    folder = album(*kept, *left, "__MACOSX/b/c.png", "#recycle/old.png", "Lost+Found/x.png")
    (folder / "b" / "._c.PNG").write_bytes(b"\0\5\x16\7 what macOS keeps about a file")
    for name in ("Thumbs.db", ".DS_Store"):
        (folder / name).write_bytes(b"")
    for name in ("one.heic", "two.HEIC", "LICENSE"):
        (folder / "b" / name).write_bytes(b"")
    pictures = read_pictures(folder, 16)
    assert pictures.names == sorted(kept, key=lambda name: name.split("/"))
    assert pictures.left_out == (
        "10 that are hidden or a program's own ('#recycle', '.DS_Store', '.ipynb_checkpoints', "
        "...); 3 that are no pictures by their endings ('LICENSE', '.heic', '.HEIC')"
    )
    assert pictures.split(2)[0].left_out == pictures.left_out


def test_links_lead_to_pictures_and_each_folder_is_read_once(album, tmp_path):
    folder = album("a/1.png", "z/2.png")
    (tmp_path / "far").mkdir()
    (folder / "a" / "1.png").rename(tmp_path / "far" / "1.png")
    (folder / "a" / "1.png").symlink_to(tmp_path / "far" / "1.png")
    for name, target in {
        "far": tmp_path / "far",
        "again": tmp_path / "far",
        "b": "z",
        "z/up": "..",
        "all": tmp_path,
        "no.png": "nothing",
        "loop.png": "loop.png",
    }.items():
        (folder / name).symlink_to(target)
    pictures = read_pictures(folder, 16)
    assert pictures.names == ["a/1.png", "again/1.png", "z/2.png"]
    assert pictures.left_out == (
        "4 links to folders that are read anyway ('all', 'z/up', 'b', ...); "
        "2 that cannot be reached or are no files ('loop.png', 'no.png')"
    )


def test_a_folder_that_cannot_be_read_is_said(album):
    """A path of more than 4,096 bytes, which nobody can open; root can read all others."""
    folder = album("a.png")
    deep = os.open(folder, os.O_DIRECTORY)
    for _ in range(18):
        os.mkdir("d" * 250, dir_fd=deep)
        outer, deep = deep, os.open("d" * 250, os.O_DIRECTORY, dir_fd=deep)
        os.close(outer)
    os.close(deep)
    pictures = read_pictures(folder, 16)
    assert pictures.names == ["a.png"]
    assert re.match(r"1 folders that cannot be read \('d{250}/d", pictures.left_out)


def test_a_list_of_what_to_leave_out_is_read_as_it_was_meant(album, tmp_path, monkeypatch):
    latin = os.fsdecode(b"caf\xe9.png")
    paragraph = "a\u2028b.png"  # where str.splitlines would cut
    names = ["#1.png", " blank.png", "a/1.png", "a/2.png", "b/c/3.png", "b/d.png", latin, paragraph]
    names += ["e\u0301.png", "f.png", "last.png"]
    folder = album(*names, "__MACOSX/f.png", ".f.png")
    ordered = sorted(names, key=lambda name: name.split("/"))
    assert read_pictures(folder, 16).names == ordered
    monkeypatch.chdir(tmp_path)
    listed = tmp_path / "out.txt"

    def left(data):
        listed.write_bytes(data)
        pictures = read_pictures(folder, 16, listed)
        assert pictures.left_out.split("; ")[-1].startswith(
            f"{len(names) - len(pictures)} that exclude names"
        )
        return [name for name in ordered if name not in pictures.names]

    for data, expected in {
        b"\xef\xbb\xbff.png": ["f.png"],
        "f.png\r\na/1.png\r\n".encode("utf-16"): ["a/1.png", "f.png"],
        b"f.png\r\n\r\n  \r\nlast.png\r": ["f.png", "last.png"],
        b"./f.png\n./a/../f.png\nf.png": ["f.png"],
        os.fsencode(folder / "b" / "d.png"): ["b/d.png"],
        b"album/a/2.png\nalbum/b/d.png": ["a/2.png", "b/d.png"],
        b"b\\c\\3.png": ["b/c/3.png"],
        b" blank.png": [" blank.png"],
        b"  f.png  ": ["f.png"],
        b"# f.png\n#2.png\n#1.png": ["#1.png"],
        b"a": ["a/1.png", "a/2.png"],
        b"b/\nf.png": ["b/c/3.png", "b/d.png", "f.png"],
        os.fsencode(latin): [latin],
        paragraph.encode(): [paragraph],
        "\u00e9.png".encode(): ["e\u0301.png"],
        b".f.png\n__MACOSX/f.png\n__MACOSX\nf.png": ["f.png"],
    }.items():
        assert left(data) == expected, data
    for data in (b"a/3.png", b"../f.png", b".", b"album", b"\0", b"/f.png"):
        with pytest.raises(FddError, match="which is not a picture in the folder; write names"):
            left(data)


def test_of_two_names_that_look_alike_the_one_that_is_written_is_left_out(album, tmp_path):
    composed, split = "\u00e9.png", "e\u0301.png"
    folder = album(composed, split)
    (tmp_path / "out.txt").write_text(split, encoding="utf-8")
    assert read_pictures(folder, 16, tmp_path / "out.txt").names == [composed]


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
        f"data='images:{photographs}': it holds no pictures ({ENDINGS}); left out: 1 that are no "
        "pictures by their endings ('.txt'); 10 that exclude names ('a/chelsea.JPG', "
        "'a/rocket.jpg', 'astronaut.png', ...)",
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
    (tmp_path / "camera.png").write_bytes(b"")
    refused(
        f"picture '{tmp_path}/camera.png' cannot be read: it is empty; --exclude can name it",
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
def test_a_baseline_trains_on_a_folder_of_pictures(command, photographs, tmp_path, name, colors):
    (tmp_path / "out.txt").write_text("page.bmp\ntext.png\n")
    status, output, errors = command(name, colors=colors, exclude="out.txt", flip=True, rotate=15.0)
    assert (status, output.splitlines()[-1]) == (0, "trained to step 8: run")
    assert errors.startswith(
        f"data='images:{photographs}': 8 pictures; left out: 1 that are no pictures by their "
        "endings ('.txt'); 2 that exclude names ('page.bmp', 'text.png')\n"
    )
    rows = table(tmp_path / "run")
    assert [int(row["epoch"]) for row in rows] == list(range(8))  # six pictures, four in a batch
    model = baselines.load_run("run")
    assert model.config["data_version"] is None
    assert model.config["exclude"] == "out.txt"
    images = model.generate(np.zeros((2, 6)))
    assert images.shape == (2, 16, 16, 3)
    if name == "aae":
        assert model.encode(images).shape == (2, 6)


def test_a_run_among_the_pictures_does_not_learn_its_own_samples(command, album):
    folder = album(*(f"{number}.png" for number in range(8)))
    options = {"data": f"images:{folder}", "out": str(folder / "run"), "sample_every": 4}
    assert command("dcgan", steps=4, **options)[0] == 0
    assert (folder / "run" / "samples" / "step-000004.png").is_file()
    assert command("dcgan", steps=8, **options)[0] == 0
    pictures = read_pictures(folder, 16)
    assert len(pictures) == 8
    assert pictures.left_out == "1 folders of runs ('run')"


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
