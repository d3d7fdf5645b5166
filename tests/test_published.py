"""Published folders, as messy as they are, are read, refused by name, generated and verified."""

import csv
import os
import random
import re
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

import fdd
from fdd import FddError
from fdd.data import published
from fdd.folders.generate import generate
from fdd.folders.verify import verify
from fdd.rendering.palettes import PALETTES

NAMES = ("x0", "y0", "a", "b", "c", "d")
NAME = "0.1_-0.2_2.1_-1.9_0.7_1.3.png"
VECTOR = (0.1, -0.2, 2.1, -1.9, 0.7, 1.3)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        (NAME, VECTOR),
        ("-0,00545687187361743_0_1_2_3_4.png", (-0.00545687187361743, 0, 1, 2, 3, 4)),
        ("0.1_-0.2_2.1_-1.9_0.7_ 1.3.png", VECTOR),
        (" 0,1_-0,2 _2,1_ -1,9_0,7_1,3.png", VECTOR),
        ("1e-05_-2.5E-3_+1_1,5e+0_0_-0.png", (1e-5, -2.5e-3, 1, 1.5, 0, 0)),
        ("folder_with_lines/0.1_-0.2_2.1_-1.9_0.7_1.3.png", VECTOR),
        (".5_5._-.25_1_1_1", (0.5, 5, -0.25, 1, 1, 1)),
        ("1e-300_5e-324_1e10_0_0_0.png", (1e-300, 5e-324, 1e10, 0, 0, 0)),
    ],
)
def test_names_that_are_six_numbers(name, values):
    assert published.parse_name(name) == values


@pytest.mark.parametrize(
    "name",
    [
        "1_2_3_4_5.png",
        "1_2_3_4_5_6_7.png",
        "1_2_3_4_5_.png",
        "1_2_3_4_5_nan.png",
        "1_2_3_4_5_inf.png",
        "1_2_3_-Infinity_5_6.png",
        "1_2_3_4_5_1e400.png",
        "1_2_3_4_5_six.png",
        "1_2_3_4_5_1.234,5.png",
        "1_2_3_4_5_6 (copy).png",
        "1_2_3_4_5_0x10.png",
        "1-2-3-4-5-6.png",
        "preview.png",
        ".png",
        "1_2_3_4_5_6.png.png",
    ],
)
def test_names_that_are_not_six_finite_numbers(name):
    with pytest.raises(FddError) as error:
        published.parse_name(name)
    assert str(error.value) == (
        f"file {name!r}: its name must be six finite numbers, x0_y0_a_b_c_d.png, such as "
        "-0.27_-0.82_-2.41_-0.55_-0.04_-1.5.png"
    )


def test_a_formatted_name_gives_the_same_params_back():
    rng = np.random.default_rng(2)
    params = rng.uniform(-3, 3, (200, 6)) * 10.0 ** rng.integers(-320, 1, (200, 6))
    for vector in [*params, np.array([0.0, -0.0, 3, -3, 1, -1])]:
        assert published.parse_name(published.format_name(vector)) == tuple(vector.tolist())


@pytest.fixture
def root(tmp_path, tiny):
    """A published folder of five 16 x 16 pictures in kbc and two in viridis."""
    params = fdd.sample_params(5, version="tiny-1")
    for palette, rows in (("kbc", params), ("viridis", params[:2])):
        (tmp_path / palette).mkdir()
        for vector in rows:
            image = fdd.render(vector, size=16, points=400, palette=palette)
            path = tmp_path / palette / published.format_name(vector)
            Image.fromarray(image).save(path)
    return tmp_path


def load(root, **options):
    return fdd.load(root=root, version="tiny-1", **options)


def verify_small(root, **options):
    return verify(root, size=16, points=400, **options)


def test_a_folder_loads_in_the_order_of_its_names(root):
    ds = load(root, params=True)
    names = sorted(os.listdir(root / "kbc"))
    vectors = [published.parse_name(name) for name in names]
    assert len(ds) == 5
    np.testing.assert_array_equal(ds.params.to_numpy(), vectors)
    np.testing.assert_array_equal(ds.images, fdd.render(vectors, size=16, points=400))
    np.testing.assert_array_equal(ds[-1][1], vectors[-1])
    np.testing.assert_array_equal(ds.read([3, 0]), ds.images[[3, 0]])


def test_a_data_set_says_what_it_is(root):
    ds = load(root)
    assert (ds.split, ds.palette) == ("train", "kbc")
    assert repr(ds) == (
        "PublishedDataset(5 images, version=None, split='train', output='rgb', palette='kbc', "
        "params=False)"
    )


def test_the_reference_loads_and_verifies(reference_folder):
    assert [(report["images"], report["equal"]) for report in verify(reference_folder)] == [
        (3, 3)
    ] * 3
    for palette in PALETTES:
        ds = fdd.load(root=reference_folder, params="canonical", palette=palette)
        assert ds.images.shape == (3, 128, 128, 3)
        assert (ds.params["a"] >= 0).all()


def test_other_files_and_folders_in_the_way_are_no_pictures(root):
    (root / "kbc" / "params.csv").write_text("x")
    (root / "kbc" / ".hidden.png").write_text("x")
    (root / "kbc" / "._1_2_3_4_5_6.png").write_text("x")
    for program in (".backup", "__MACOSX", "@eaDir"):
        (root / program / "kbc").mkdir(parents=True)
        (root / program / "kbc" / "1_2_3_4_5_6.png").write_text("x")
    assert len(load(root)) == 5


def test_the_pictures_themselves_can_be_the_root(root):
    np.testing.assert_array_equal(load(root / "kbc").images, load(root).images)
    np.testing.assert_array_equal(load(str(root / "kbc")).images, load(root).images)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_pictures_in_other_modes_have_the_same_pixels(root, mode):
    expected = load(root).images[0]
    path = sorted((root / "kbc").iterdir())[0]
    picture = Image.fromarray(expected).convert(mode)
    if mode == "P":
        picture = Image.fromarray(expected).quantize(256)
        expected = np.asarray(picture.convert("RGB"))
    picture.save(path)
    assert Image.open(path).mode == mode
    np.testing.assert_array_equal(load(root).images[0], expected)


def test_a_gray_picture_has_three_equal_channels(root):
    path = sorted((root / "kbc").iterdir())[0]
    gray = np.arange(256, dtype=np.uint8).reshape(16, 16)
    Image.fromarray(gray).save(path)
    np.testing.assert_array_equal(load(root).images[0], np.stack([gray] * 3, axis=-1))


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def bomb(width, height):
    """A PNG whose header promises width x height pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def as_format(name):
    def save(path):
        Image.new("RGB", (16, 16)).save(path, format=name)

    return save


NOT_PNG = " is not a readable PNG picture"
REFUSED = {
    "empty": (lambda path: path.write_bytes(b""), NOT_PNG),
    "text": (lambda path: path.write_text("<html>no such page</html>"), NOT_PNG),
    "JPEG": (as_format("JPEG"), NOT_PNG),
    "GIF": (as_format("GIF"), NOT_PNG),
    "cut in the header": (lambda path: path.write_bytes(path.read_bytes()[:20]), NOT_PNG),
    "folder": (lambda path: (path.unlink(), path.mkdir()), NOT_PNG),
    "broken link": (lambda path: (path.unlink(), path.symlink_to("nowhere")), NOT_PNG),
    "bomb": (lambda path: path.write_bytes(bomb(30000, 30000)), NOT_PNG),
    "small bomb": (
        lambda path: path.write_bytes(bomb(10000, 10000)),
        " is 10000 x 10000 pixels, not 16 x 16",
    ),
    "wide": (lambda path: Image.new("RGB", (17, 16)).save(path), " is 17 x 16 pixels, not 16 x 16"),
    "128": (lambda p: Image.new("RGB", (128, 128)).save(p), " is 128 x 128 pixels, not 16 x 16"),
}


@pytest.mark.parametrize("kind", REFUSED)
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_what_is_no_picture_of_that_size_is_refused_by_name(root, kind):
    spoil, complaint = REFUSED[kind]
    path = sorted((root / "kbc").iterdir())[2]
    spoil(path)
    with pytest.raises(FddError) as error:
        load(root)
    assert str(error.value) == f"file {str(path)!r}{complaint}"
    (report,) = verify_small(root, palette="kbc")
    assert report["equal"] == 4
    assert [one["file"] for one in report["different"]] == [path.name]
    assert complaint in report["different"][0]["reason"]


def damaged(good, rng):
    """Damaged copies of a PNG: cut, with a byte changed, with a strange piece put in."""
    for length in range(0, len(good), 23):
        yield good[:length]
    for _ in range(300):
        data = bytearray(good)
        data[rng.randrange(len(good))] = rng.randrange(256)
        yield bytes(data)
    for kind in (b"tRNS", b"PLTE", b"gAMA", b"iCCP", b"zTXt", b"eXIf", b"acTL", b"fcTL", b"IHDR"):
        for data in (b"", b"\0", b"x\0\0junk", b"x\0\0" + zlib.compress(bytes(10**7))):
            for place in (33, len(good) - 12):
                yield good[:place] + chunk(kind, data) + good[place:]


@pytest.mark.filterwarnings("ignore")
def test_a_damaged_picture_is_refused_by_name_or_read_whole(root):
    path = sorted((root / "kbc").iterdir())[0]
    shapes, refusals, faults = set(), [], []
    for data in damaged(path.read_bytes(), random.Random(3)):
        path.write_bytes(data)
        try:
            shapes.add(load(root)[0].shape)
        except FddError as error:
            refusals.append(str(error))
        except Exception as error:
            faults.append((repr(error), data[:60], data[-60:]))
    assert faults == []
    assert shapes == {(16, 16, 3)}
    assert len(refusals) > 100
    assert all(sentence.startswith(f"file {str(path)!r} is ") for sentence in refusals)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"root": "{0}/no"}, "root='{0}/no' is not a folder; give the folder that holds kbc/"),
        ({"palette": "inferno"}, "root='{0}' holds no folder 'inferno'; it holds kbc, viridis"),
        ({"root": "{0}/empty"}, "folder '{0}/empty' holds no .png file"),
        ({"split": "val"}, "split='val': a published folder has no splits; leave split out"),
        ({"output": "gray"}, "output='gray': a published folder holds pictures; use output='rgb'"),
    ],
)
def test_what_a_folder_cannot_give_is_refused(root, arguments, message):
    (root / "empty").mkdir()
    with pytest.raises(FddError) as error:
        load(arguments.pop("root", "{0}").format(root), **arguments)
    assert str(error.value) == message.format(root)


@pytest.mark.parametrize("name", ["preview.png", "1_2_3_4_5_nan.png"])
def test_a_picture_with_another_name_is_refused(root, name):
    Image.new("RGB", (16, 16)).save(root / "kbc" / name)
    with pytest.raises(FddError, match=re.escape(str(root / "kbc" / name)) + ".*six finite"):
        load(root)


def test_verify_finds_one_changed_pixel_and_every_other_reason(root):
    paths = sorted((root / "kbc").iterdir())
    pixels = np.array(Image.open(paths[1]))
    pixels[3, 5, 2] ^= 1
    Image.fromarray(pixels).save(paths[1])
    blank = Image.new("RGB", (16, 16))
    others = {
        "0_0_0_0_0_0.png": "its parameters are degenerate and have no image",
        "0_5_0_0_0_0.png": "params: y0=5.0 in row 0 must be a finite number from -1 to 1",
        "word.png": f"file {str(root / 'kbc' / 'word.png')!r}: its name must be six finite numbers",
    }
    for name in others:
        blank.save(root / "kbc" / name)
    kbc, viridis = verify_small(root)
    assert (viridis["images"], viridis["equal"], viridis["different"]) == (2, 2, [])
    assert (kbc["folder"], kbc["images"], kbc["equal"]) == (str(root / "kbc"), 8, 4)
    found = {one["file"]: one["reason"] for one in kbc["different"]}
    assert found.pop(paths[1].name) == "1 of 256 pixels differ"
    assert found.keys() == others.keys()
    assert all(found[name].startswith(reason) for name, reason in others.items())


def test_verify_takes_a_folder_named_after_its_palette(root):
    assert [report["palette"] for report in verify_small(root / "viridis")] == ["viridis"]
    (report,) = verify_small(root / "viridis", palette="kbc")
    assert report["equal"] == 0
    for bad in ({"palette": "jet"}, {"size": 0}, {"points": 0.5}):
        with pytest.raises(FddError, match=f"^{next(iter(bad))}="):
            verify(root, **bad)


def generate_val(folder, **options):
    return generate(folder, "val", version="tiny-1", **options)


def test_what_generate_writes_loads_and_verifies(tiny, tmp_path):
    assert generate_val(tmp_path, start=2, count=7) == (7, 7)
    assert generate_val(tmp_path, start=0, count=4) == (2, 9)
    params = fdd.sample_params(9, "val", version="tiny-1")
    rows = csv.DictReader((tmp_path / "params.csv").read_text().splitlines())
    for index, row in enumerate(rows):
        file = f"kbc/{published.format_name(params[index])}"
        listed = [row.pop(name) for name in ("file", "version", "split", "palette", "index")]
        assert listed == [file, "tiny-1", "val", "kbc", str(index)]
        assert list(row.items()) == list(zip(NAMES, map(repr, params[index].tolist()), strict=True))
        assert (tmp_path / file).is_file()
    assert load(tmp_path).params.sort_values("x0").to_numpy().tolist() == sorted(params.tolist())
    (report,) = verify_small(tmp_path)
    assert (report["images"], report["equal"]) == (9, 9)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("picture", range(1, 8))
def test_an_interrupted_generate_leaves_whole_pictures_and_goes_on(
    picture, tiny, tmp_path, monkeypatch
):
    options = {"count": 7, "shard_rows": 3}
    save, saved = Image.Image.save, []

    def dying_save(image, path, **options):
        saved.append(path)
        save(image, path, **options)
        if len(saved) == picture:
            path.write_bytes(path.read_bytes()[:50])
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Image.Image, "save", dying_save)
        with pytest.raises(KeyboardInterrupt):
            generate_val(tmp_path, **options)
    assert len(list((tmp_path / "kbc").iterdir())) == picture - 1
    listed = (picture - 1) // 3 * 3
    assert generate_val(tmp_path, **options) == (7 - listed, 7)
    (report,) = verify_small(tmp_path)
    assert (report["images"], report["equal"]) == (7, 7)
    generate_val(tmp_path / "at once", **options)
    listings = [tmp_path / name / "params.csv" for name in ("", "at once")]
    assert listings[0].read_bytes() == listings[1].read_bytes()
