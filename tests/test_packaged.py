"""A package as a data set, and what is refused: damage, other files, pictures that are bombs."""

import io
import pickle
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import fdd
from fdd.data import indexed_png, parquet
from fdd.data.packaged import read_manifest
from fdd.files import file_digest
from fdd.publishing import package

pa = pytest.importorskip("pyarrow", reason="a package is read with pyarrow")
pq = pytest.importorskip("pyarrow.parquet", reason="a package is read with pyarrow")

NAME = "test-00000-of-00001.parquet"


@pytest.fixture(scope="module")
def images():
    return fdd.render(fdd.sample_params(230, "test", version="mini-1"), size=32, points=4000)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("package") / "mini"
    package.package(folder, version="mini-1", images=230)
    return folder


@pytest.fixture
def copy(made, tmp_path, monkeypatch):
    monkeypatch.setenv("FDD_DATA", str(tmp_path / "cache"))
    folder = tmp_path / "copy"
    folder.mkdir()
    for path in made.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def load(folder, **options):
    return fdd.load("test", root=folder, version="mini-1", **options)


def refused(*arguments, **options):
    with pytest.raises(fdd.FddError) as error:
        load(*arguments, **options)
    return str(error.value)


@pytest.mark.parametrize("rows", [[], [0], [229, 0, 100, 99, 100], range(230), range(229, -1, -7)])
def test_any_rows_in_any_order(made, images, rows):
    np.testing.assert_array_equal(load(made).read(list(rows)), images[list(rows)])


def test_it_is_a_data_set_like_the_others(made, images):
    ds = load(str(made), params="canonical", transform=np.mean, target_transform=list)
    assert (len(ds), ds.version, ds.split, ds.palette) == (230, "mini-1", "test", "kbc")
    assert repr(ds) == (
        "PackagedDataset(230 images, version='mini-1', split='test', output='rgb', palette='kbc', "
        "params='canonical')"
    )
    expected = fdd.canonical_params(fdd.sample_params(230, "test", version="mini-1"))
    assert ds[-1] == (images[229].mean(), expected[229].tolist())
    np.testing.assert_array_equal(ds.params.to_numpy(), expected)
    with pytest.raises(IndexError):
        ds[230]


def test_worker_processes_read_it(made, images):
    ds = pickle.loads(pickle.dumps(load(made)))
    np.testing.assert_array_equal(ds.read([3, 200]), images[[3, 200]])
    code = (
        "import sys, fdd, torch\n"
        "ds = fdd.load('test', root=sys.argv[1], version='mini-1', params=True)\n"
        "batches = torch.utils.data.DataLoader(ds, batch_size=50, num_workers=2)\n"
        "print(sum(int(images.sum()) for images, vectors in batches))"
    )
    pytest.importorskip("torch", reason="a DataLoader is torch's")
    words = [sys.executable, "-c", code, str(made)]
    found = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    assert int(found) == images.sum(dtype=np.int64)


def test_only_what_it_holds(made):
    folder, file = str(made), str(made / NAME)
    message = "output='gray': a package holds pictures; use output='rgb'"
    assert refused(made, output="gray") == message
    message = f"palette='viridis': file {file!r} holds images of 'kbc'"
    assert refused(made, palette="viridis") == message
    with pytest.raises(fdd.FddError) as error:
        fdd.load("test", root=folder)
    assert str(error.value) == f"version='fdd-1': file {file!r} holds images of 'mini-1'"
    message = f"root={folder!r} and source='kaggle': give one of them"
    assert refused(folder, source="kaggle") == message


def test_a_changed_file_is_named(copy):
    data = bytearray((copy / NAME).read_bytes())
    data[999] ^= 1
    (copy / NAME).write_bytes(data)
    listed = read_manifest(copy)[NAME]
    assert refused(copy) == (
        f"file {str(copy / NAME)!r} is damaged: its SHA-256 is {file_digest(copy / NAME)} and "
        f"sha256sums.txt says {listed}; remove the folder and get it again"
    )


def test_a_missing_file_is_named(copy):
    (copy / NAME).unlink()
    assert refused(copy) == f"folder {str(copy)!r} lacks {NAME!r}, which sha256sums.txt lists"


def test_a_missing_split_is_named(copy):
    lines = (copy / "sha256sums.txt").read_text().splitlines(keepends=True)
    (copy / "sha256sums.txt").write_text("".join(line for line in lines if NAME not in line))
    assert refused(copy) == f"split='test': folder {str(copy)!r} holds train, val"


def test_a_file_is_hashed_once_until_it_changes(copy, monkeypatch):
    content, hashed, open_path = (copy / NAME).read_bytes(), [], Path.open

    def recording(path, *arguments, **options):
        if path.suffix == ".parquet":  # they are read through pyarrow otherwise
            hashed.append(path.name)
        return open_path(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", recording)
    load(copy)
    load(copy)
    assert hashed == [NAME]
    with open(copy / NAME, "wb") as file:
        file.write(content)
    load(copy)
    assert hashed == [NAME, NAME]


def test_nothing_is_written_beside_it(copy, monkeypatch, tmp_path):
    monkeypatch.setenv("FDD_DATA", "/proc/nowhere")  # not even a cache can be written
    before = {path: path.stat().st_mtime_ns for path in copy.iterdir()}
    load(copy).read([0])
    assert {path: path.stat().st_mtime_ns for path in copy.iterdir()} == before


@pytest.mark.parametrize(
    "name", ["../outside.parquet", "/etc/passwd", "sub/test-0.parquet", "..", ".hidden", "a\\b"]
)
def test_a_list_that_names_files_elsewhere_is_refused(copy, name):
    with (copy / "sha256sums.txt").open("a") as file:
        file.write(f"{'0' * 64}  {name}\n")
    assert refused(copy) == (
        f"file {str(copy / 'sha256sums.txt')!r} is not a package's list of files: {name!r} is not "
        "the plain name of a file"
    )


@pytest.mark.parametrize("line", ["nonsense", f"{'0' * 63}  x.txt", f"{'g' * 64}  x.txt"])
def test_a_damaged_list_is_refused(copy, line):
    (copy / "sha256sums.txt").write_text(line + "\n")
    assert refused(copy).startswith(
        f"file {str(copy / 'sha256sums.txt')!r} is not a package's list"
    )


def replaced(folder, pictures):
    """Puts other pictures into the test split, checksum and all."""
    shard = parquet.Shard(folder / NAME)
    params = shard.params()[: len(pictures)]
    parquet.write(folder / NAME, shard.note, iter([(0, params, pictures)]))
    sealed(folder)


def rewritten(folder, change=lambda table: table, **options):
    """The test split as another writer of Parquet would have it."""
    table = change(pq.read_table(folder / NAME))
    pq.write_table(table, folder / NAME, **{"row_group_size": 100, **options})
    sealed(folder)


def sealed(folder):
    lines = (folder / "sha256sums.txt").read_text().splitlines(keepends=True)
    digest = file_digest(folder / NAME)
    lines = [f"{digest}  {NAME}\n" if NAME in line else line for line in lines]
    (folder / "sha256sums.txt").write_text("".join(lines))


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def bomb(width, height, inflated, kind=3):
    """A PNG that says it is width x height and unpacks to so many bytes."""
    header = struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)
    packer = zlib.compressobj(9)
    pixels = b"".join(packer.compress(bytes(2**20)) for _ in range(inflated >> 20))
    pixels += packer.flush()
    parts = [chunk(b"IHDR", header), chunk(b"PLTE", bytes(3)), chunk(b"IDAT", pixels)]
    return b"".join([indexed_png.SIGNATURE, *parts, chunk(b"IEND", b"")])


def test_a_picture_of_another_size_is_refused_by_its_header(copy):
    replaced(copy, [bomb(30000, 30000, 2**20)])
    with pytest.raises(fdd.FddError) as error:
        load(copy).read([0])
    assert str(error.value) == (
        f"file {str(copy / NAME)!r}, row group 0, row 0 is 30000 x 30000 pixels, not 32 x 32"
    )


LIMITED = """
import resource, sys, numpy as np
from fdd.data.indexed_png import decode
decode(open(sys.argv[2], "rb").read(), np.zeros((32, 32, 3), np.uint8), "good")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    decode(open(sys.argv[1], "rb").read(), np.zeros((32, 32, 3), np.uint8), "picture")
except ValueError as error:
    print(type(error).__name__)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.parametrize("kind", [3, 2])
def test_a_picture_that_unpacks_to_a_gigabyte_costs_no_memory(tmp_path, images, kind):
    (tmp_path / "bomb.png").write_bytes(bomb(32, 32, 2**30, kind))
    (tmp_path / "good.png").write_bytes(indexed_png.encode(images[0]))
    words = [sys.executable, "-c", LIMITED, tmp_path / "bomb.png", tmp_path / "good.png"]
    found = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()
    assert int(found[-1]) < 20  # MB


@pytest.mark.parametrize("picture", [b"", b"not a picture", indexed_png.SIGNATURE])
def test_what_is_no_picture_is_refused(copy, picture):
    replaced(copy, [picture])
    with pytest.raises(fdd.FddError, match="row group 0, row 0 is not a readable PNG picture"):
        load(copy).read([0])


def test_a_file_that_is_no_shard_is_refused(copy):
    (copy / NAME).write_bytes(b"PAR1 nothing PAR1")
    lines = (copy / "sha256sums.txt").read_text().splitlines(keepends=True)
    line = f"{file_digest(copy / NAME)}  {NAME}\n"
    (copy / "sha256sums.txt").write_text("".join(line if NAME in x else x for x in lines))
    assert refused(copy).startswith(f"file {str(copy / NAME)!r} is not a shard of a package: ")


def without_a_value(name):
    def change(table):
        values = table[name].to_pylist()
        values[3] = None
        column = table.schema.get_field_index(name)
        return table.set_column(
            column, table.schema.field(name), pa.array(values, table[name].type)
        )

    return change


PLAIN = {"compression": "NONE", "use_dictionary": False}


@pytest.mark.parametrize(
    ("reason", "options"),
    [
        ("its column x0 is compressed", {"compression": "ZSTD", "use_dictionary": False}),
        ("its column x0 is compressed", {"compression": "NONE", "use_dictionary": True}),
        ("its row groups are different", {**PLAIN, "row_group_size": 99}),
        ("its row groups are different", {**PLAIN, "row_group_size": 230}),
        (
            "its columns are different",
            {**PLAIN, "change": lambda table: table.drop_columns(["x0"])},
        ),
        ("its parameters must be finite numbers", {**PLAIN, "change": without_a_value("c")}),
    ],
)
def test_parquet_of_another_shape_is_refused(copy, reason, options):
    rewritten(copy, **options)
    assert refused(copy) == f"file {str(copy / NAME)!r} is not a shard of a package: {reason}"


def test_a_row_without_a_picture_is_refused(copy):
    rewritten(copy, without_a_value("image"), **PLAIN)
    with pytest.raises(fdd.FddError, match="row group 0, row 3 is not a readable PNG picture"):
        load(copy).read([3])


@pytest.mark.parametrize("note", [b"[]", b"3", b"null", b"{}", b"not JSON", b'{"version": []}'])
def test_a_note_of_somebody_else_is_refused(copy, note):
    rewritten(copy, lambda table: table.replace_schema_metadata({b"fdd": note}), **PLAIN)
    assert "\n" not in refused(copy)


def test_pictures_of_other_writers_are_read(copy, images):
    """Those of Pillow: filtered rows, RGB, indexed in another order."""
    made = []
    for image in images[:3]:
        file = io.BytesIO()
        Image.fromarray(image).save(file, "PNG", optimize=True)
        made.append(file.getvalue())
        file = io.BytesIO()
        Image.fromarray(image).quantize(256).save(file, "PNG")
        found = np.asarray(Image.open(file).convert("RGB"))
        made.append(file.getvalue()) if (found == image).all() else made.append(made[-1])
    replaced(copy, made)
    np.testing.assert_array_equal(load(copy).images, np.repeat(images[:3], 2, axis=0))


@pytest.mark.parametrize("shape", [(128, 128), (1, 1), (7, 300)])
@pytest.mark.parametrize("colours", [1, 2, 255, 256, 257, 100000])
def test_any_image_comes_back(shape, colours):
    rng = np.random.default_rng(colours)
    palette = rng.integers(0, 256, (colours, 3), dtype=np.uint8)
    image = palette[rng.integers(0, colours, shape)]
    data = indexed_png.encode(image)
    found = np.empty_like(image)
    indexed_png.decode(data, found, "it")
    np.testing.assert_array_equal(found, image)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(data)).convert("RGB")), image)
    few = len(np.unique(image.reshape(-1, 3), axis=0)) <= 256
    assert Image.open(io.BytesIO(data)).mode == ("P" if few else "RGB")
