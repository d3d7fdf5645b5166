"""No code comes out of data: what the source may call, pickles that stay shut, picture bombs."""

import ast
import io
import pickle
import re
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper
from PIL import EpsImagePlugin

import baselines
from baselines.training import runs
from baselines.training.pictures import read_pictures
from benchmarks import reader
from benchmarks.adapters import load_model
from benchmarks.oracle import load_oracle
from benchmarks.reporting import saved
from benchmarks.reporting.results import read_results
from fdd import FddError
from fdd.data import cache, published
from fdd.folders import generate

CHECKOUT = Path(__file__).resolve().parent.parent
SOURCES = {
    path.relative_to(CHECKOUT).as_posix(): path
    for folder in ("fdd", "baselines", "benchmarks", "kernels")
    for path in sorted((CHECKOUT / folder).rglob("*.py"))
}

UNPICKLERS = {"cloudpickle", "dill", "joblib", "jsonpickle", "marshal", "pickle", "shelve"}
HARMLESS = {
    # names an error of numba's cache, which this machine wrote itself
    "fdd/arithmetic/compiling.py": ["pickle"],
    # of zip; each member is checked first (test_unpack.py)
    "fdd/data/kaggle.py": ["file.extractall"],
}
NEVER = {
    "__import__",
    "eval",
    "exec",
    "os.popen",
    "os.system",
    "pandas.read_pickle",
    "shutil.unpack_archive",
    "ssl._create_unverified_context",
    "tempfile.mktemp",
    "torch.hub.load",
    "yaml.full_load",
    "yaml.load",
    "yaml.unsafe_load",
}
SHELL = dict.fromkeys(("run", "call", "check_call", "check_output", "Popen"), ("shell", "False"))
ONLY_WITH = {
    **{f"subprocess.{name}": rule for name, rule in SHELL.items()},
    "numpy.load": ("allow_pickle", "False"),
    "numpy.lib.format.read_array": ("allow_pickle", "False"),
    "torch.load": ("weights_only", "True"),
    "jinja2.Environment": ("autoescape", "True"),
    ".extract": ("filter", "'data'"),
    ".extractall": ("filter", "'data'"),
}
"""Functions, and methods of anything, with the one value that an option of theirs may have."""
MAY_BE_ABSENT = {"allow_pickle", "shell"}


def faults(source):
    """What in a module's source could run code that came with data, or write where data says."""
    nodes = list(ast.walk(ast.parse(source)))
    names, found = {}, []
    for node in nodes:
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
            names |= {a.asname: a.name for a in node.names if a.asname}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found += [node.module]
            names |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
    found = [name for name in found if name.partition(".")[0] in UNPICKLERS]
    calls = [node for node in nodes if isinstance(node, ast.Call)]
    # partial(torch.load, weights_only=True) is a call of torch.load too
    call_of = {id(f): call for call in calls for f in [*call.args[:1], call.func]}
    for node in nodes:
        if not isinstance(node, ast.Name | ast.Attribute):
            continue
        first, dot, rest = ast.unparse(node).partition(".")
        name = names.get(first, first) + dot + rest
        rule = ONLY_WITH.get(name) or ONLY_WITH.get(f".{name.rpartition('.')[2]}")
        if name in NEVER or (rule and not keeps(rule, call_of.get(id(node)))):
            found.append(name)
    return found


def keeps(rule, call):
    """Whether a call has that option at that value; what is no call could become any."""
    if call is None or any(keyword.arg is None for keyword in call.keywords):
        return False
    option, value = rule
    given = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
    return given.get(option, value if option in MAY_BE_ABSENT else None) == value


def test_no_code_comes_out_of_data():
    found = {name: faults(path.read_text(encoding="utf-8")) for name, path in SOURCES.items()}
    assert {name: what for name, what in found.items() if what} == HARMLESS


@pytest.mark.parametrize(
    "bad",
    [
        "import pickle",
        "def f():\n    from dill import loads",
        "import os.path, joblib as j",
        "eval(text)",
        "list(map(exec, lines))",
        "import os\nos.system('ls ' + name)",
        "from os import system as run\nrun(name)",
        "import yaml\nyaml.load(text)",
        "import pandas as pd\npd.read_pickle(path)",
        "import numpy as np\nnp.load(path, allow_pickle=True)",
        "from numpy import load\nload(path, allow_pickle=given)",
        "import numpy as np\nnp.load(path, **options)",
        "import torch\ntorch.load(path)",
        "import torch\ntorch.load(path, weights_only=False)",
        "import torch\nread = torch.load",
        "import torch\npartial(torch.load, map_location='cpu')",
        "import subprocess\nsubprocess.run(line, shell=True)",
        "from subprocess import Popen as start\nstart(line, shell=1)",
        "archive.extractall(folder)",
        "tarfile.open(path).extract(name, filter='fully_trusted')",
        "import jinja2\njinja2.Environment(loader=loader)",
    ],
)
def test_each_of_these_would_be_found(bad):
    assert len(faults(bad)) == 1


def test_what_is_safe_is_no_fault():
    safe = """
import numpy as np, subprocess, torch, re
np.load(path), np.load(path, mmap_mode="r", allow_pickle=False)
partial(torch.load, weights_only=True), torch.compile(model.eval()), re.compile("a")
archive.extractall(folder, filter="data"), subprocess.run(["ls", name])
"""
    assert faults(safe) == []


class Bait:
    """Whoever unpickles it makes a folder."""

    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return Path.mkdir, (self.folder,)


@pytest.fixture
def trap(tmp_path):
    """The folder that a Bait makes, which is not there when the test ends."""
    folder = tmp_path / "sprung"
    pickle.loads(pickle.dumps(Bait(folder)))
    folder.rmdir()
    yield folder
    assert not folder.exists()


def archive(data):
    """data as `torch.save` packs a pickle."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("archive/data.pkl", data)
        file.writestr("archive/version", "3\n")
    return buffer.getvalue()


def objects(data):
    """data as `numpy.save` writes an array of objects."""
    header = io.BytesIO()
    about = {"descr": "|O", "fortran_order": False, "shape": (1,)}
    np.lib.format.write_array_header_1_0(header, about)
    return header.getvalue() + data


READERS = {
    "run/config.json": (baselines.load_run, "config.json cannot be read: "),
    "run/checkpoints/last/model.safetensors": (runs.load_weights, "model.safetensors is damaged: "),
    "run/checkpoints/last/state.pt": (runs.load_state, "state.pt is damaged: "),
    "run/state.pt": (
        lambda run: reader.saved_state(reader.Options(run)),
        "state.pt cannot be read",
    ),
    "run/reader.safetensors": (lambda run: load_oracle("mini-1", run), "it cannot be read: "),
    "run/train.npy": (load_model, "train.npy' must be a .npy file of numbers, without pickle: "),
    "run/encoder.onnx": (load_model, "encoder.onnx' cannot be run by onnxruntime: "),
    "run/manifest.json": (generate.check, "manifest.json' is not one that generate wrote; "),
    "run/scores.json": (lambda run: read_results([run / "scores.json"]), "is not strict JSON: "),
    "run/a.png": (lambda run: read_pictures(run, 16), "cannot identify image file"),
    "run/0_0_1_2_3_4.png": (
        lambda run: published.read_image(run / "0_0_1_2_3_4.png", 128),
        "0_0_1_2_3_4.png' is not a readable PNG picture",
    ),
}


@pytest.mark.parametrize("form", [bytes, archive, objects])
@pytest.mark.parametrize("file", READERS)
def test_a_pickle_is_refused_in_one_sentence_and_stays_shut(tmp_path, trap, file, form):
    read, reason = READERS[file]
    path = tmp_path / file
    path.parent.mkdir(parents=True)
    path.write_bytes(form(pickle.dumps(Bait(trap), protocol=2)))  # the one that torch writes
    with pytest.raises(FddError, match=re.escape(reason)) as error:
        read(tmp_path / "run")
    assert "\n" not in str(error.value)


def test_a_pickle_in_the_place_of_a_shard_is_rendered_over(tiny, tmp_path, trap):
    paths = cache.ensure_split(tiny, "test", tmp_path)
    right = paths[0].read_bytes()
    note = paths[0].with_suffix(".json")
    paths[0].write_bytes(objects(pickle.dumps(Bait(trap))))
    cache._write_note(paths[0], "0" * 64)  # as if it had been verified
    with pytest.warns(UserWarning, match="is truncated or unreadable; it is rendered again$"):
        cache.ensure_split(tiny, "test", tmp_path)
    assert paths[0].read_bytes() == right
    assert "0" * 64 not in note.read_text()


@pytest.mark.parametrize("what", ["pickle", "bomb", "other names", "NaN", "nested"])
def test_scores_of_somebody_else_that_are_no_such_arrays_are_taken_again(tmp_path, trap, what):
    """None makes the report score the model itself."""
    result, arrays = {}, {"truth": np.zeros((1, 8))}
    if what == "pickle":
        arrays["truth"] = np.array([Bait(trap)], object)
    elif what == "bomb":
        arrays["picture x"] = np.zeros(saved.LIMIT, np.uint8)
    elif what == "other names":
        arrays["result"] = np.zeros(1)
    scores = {"NaN": "NaN", "nested": "[" * 10**5}.get(what, str(result))
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    files = {saved.SCORES: scores.encode(), saved.SHOWN: buffer.getvalue()}
    for name, content in (files | {saved.SUMS: saved._sums(files)}).items():
        (tmp_path / name).write_bytes(content)
    assert saved.load_evaluation(tmp_path) is None
    if what == "bomb":
        assert len(buffer.getvalue()) < 10**6


def graph(path, weights):
    """An ONNX generator whose weights lie in another file."""
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[3, 3])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=str(weights))
    shape = helper.make_tensor("s", TensorProto.INT64, [4], [-1, 3, 1, 1])
    ends = [
        helper.make_tensor_value_info("z", TensorProto.FLOAT, ["n", 3]),
        helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 1, 1]),
    ]
    nodes = [helper.make_node("MatMul", ["z", "w"], ["flat"])]
    nodes += [helper.make_node("Reshape", ["flat", "s"], ["x"])]
    made = helper.make_graph(nodes, "g", ends[:1], ends[1:], [tensor, shape])
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(model.SerializeToString())


def test_a_network_reads_weights_of_its_own_folder_only(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    for place in (folder / "own.bin", tmp_path / "secret.bin"):
        place.write_bytes(np.eye(3, dtype=np.float32).tobytes())
    (folder / "link.bin").symlink_to(tmp_path / "secret.bin")
    graph(folder / "generator.onnx", "own.bin")
    assert load_model(folder).generate(-np.eye(3)).shape == (3, 1, 1, 3)
    for weights in ("../secret.bin", tmp_path / "secret.bin", "link.bin"):
        graph(folder / "generator.onnx", weights)
        with pytest.raises(FddError, match=r"generator\.onnx' cannot be run by onnxr") as error:
            load_model(folder)
        assert "\n" not in str(error.value)


def png(width, height, *chunks):
    """A PNG of two levels with that header and those chunks, (type, data) each."""
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    whole = [(b"IHDR", header), *chunks, (b"IEND", b"")]
    parts = [
        struct.pack(">I", len(d)) + kind + d + struct.pack(">I", zlib.crc32(kind + d))
        for kind, d in whole
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


ZEROS = zlib.compress(bytes(3 * 10**8), 1)
ROOM = 150 * 10**6
"""Bytes that reading may take beyond what the process has: half of what a bomb unpacks to."""


def test_pictures_that_are_bombs_are_refused_by_size(tmp_path, run_python):
    bombs = {
        "header": png(30000, 30000, (b"IDAT", zlib.compress(b""))),
        "text": png(128, 128, (b"zTXt", b"Comment\0\0" + ZEROS), (b"IDAT", ZEROS)),
        "stream": png(128, 128, (b"IDAT", ZEROS)),
        "large": png(9000, 9000, (b"IDAT", zlib.compress(b""))),  # which Pillow would open
    }
    for name, content in bombs.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "0_0_1_2_3_4.png").write_bytes(content)
        assert len(content) < 3 * 10**6
    program = f"""
import resource, sys
from pathlib import Path
from baselines.training.pictures import read_pictures
from fdd.data.published import read_image

pages = int(Path("/proc/self/statm").read_text().split()[0])
limit = pages * resource.getpagesize() + {ROOM}
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
try:
    bytearray({2 * ROOM})
except MemoryError:
    print("no room")
for path in sys.argv[1:]:
    for read, *arguments in ((read_pictures, Path(path).parent, 16), (read_image, Path(path), 128)):
        try:
            read(*arguments)
            print("read")
        except Exception as error:
            print(type(error).__name__, error)
"""
    paths = [tmp_path / name / "0_0_1_2_3_4.png" for name in bombs]
    header, text, _, large = paths
    code, output, errors = run_python("-W", "error", "-c", program, *paths)
    assert (code, errors) == (0, "")
    room, *found = output.splitlines()
    assert room == "no room"
    assert found[0].startswith(
        f"FddError picture '{header}' cannot be read: Image size (900000000 p"
    )
    assert found[2].startswith(
        f"FddError picture '{text}' cannot be read: Decompressed data too la"
    )
    for path, sentence in ((header, found[1]), (text, found[3])):
        assert sentence.startswith(f"FddError file '{path}' is ")
        assert "damaged" not in sentence  # the header alone was read
    assert found[4:6] == ["read", "read"]  # what goes beyond the header is left packed
    assert found[7] == f"FddError file '{large}' is 9000 x 9000 pixels, not 128 x 128"


def test_a_picture_that_a_program_would_draw_is_refused(tmp_path, monkeypatch):
    """Pillow gives PostScript to Ghostscript, whatever the name of the file."""
    (tmp_path / "gs").write_text(f"#!/bin/sh\nmkdir {tmp_path}/drawn\n")
    (tmp_path / "gs").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(EpsImagePlugin, "gs_binary", None)
    postscript = "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n"
    (tmp_path / "a.png").write_text(postscript)
    with pytest.raises(FddError, match=r"a\.png' cannot be read: cannot identify image file"):
        read_pictures(tmp_path, 16)
    assert not (tmp_path / "drawn").exists()
