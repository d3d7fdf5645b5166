"""Models of others join the benchmark: functions, torch modules, ONNX files, stored codes."""

import doctest
import sys

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from benchmarks.adapters import from_functions, from_onnx, from_torch, functions, networks
from fdd import FddError

SIZE, WIDTH = 8, 5
RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (11, SIZE, SIZE, 3), dtype=np.uint8)
CODES = RNG.normal(size=(11, WIDTH))
IN = RNG.normal(size=(3, WIDTH)).astype(np.float32)
OUT = RNG.normal(size=(WIDTH, 3 * SIZE * SIZE)).astype(np.float32)
RANGES = [(-1.0, 1.0), (0.0, 1.0), (0.0, 255.0)]


class Encoder(nn.Module):
    """The mean over rows of the brightest pixels, and what only shows in training mode."""

    def __init__(self):
        super().__init__()
        self.extra = nn.Sequential(nn.BatchNorm2d(3), nn.Dropout(0.5))
        self.weight = nn.Parameter(torch.from_numpy(IN))

    def forward(self, images):
        return self.extra(images).amax(dim=3).mean(dim=2) @ self.weight


class Generator(nn.Module):
    def forward(self, codes):
        return (codes @ torch.from_numpy(OUT)).reshape(-1, 3, SIZE, SIZE)


class Levels(nn.Module):
    """Code k is pixel value k of 256, in a range."""

    def __init__(self, low, high):
        super().__init__()
        self.low, self.high = low, high

    def forward(self, codes):
        level = self.low + codes[:, :1, None, None] / 255 * (self.high - self.low)
        return level.expand(-1, 3, SIZE, SIZE)


def graph(path, role, batch="n", latent=WIDTH, side=SIZE, kind=TensorProto.FLOAT, outputs=1):
    """An ONNX file of Encoder (without extra) or Generator."""
    images, codes = [batch, 3, side, side], [batch, latent]
    if role == "encoder":
        nodes = [
            helper.make_node("ReduceMax", ["x", "columns"], ["bright"], keepdims=0),
            helper.make_node("ReduceMean", ["bright", "rows"], ["mean"], keepdims=0),
            helper.make_node("MatMul", ["mean", "in"], ["y"]),
        ]
        given = {"columns": np.array([3]), "rows": np.array([2]), "in": IN}
    else:
        images[2:] = [SIZE, SIZE]
        rows = batch if isinstance(batch, int) else -1
        nodes = [
            helper.make_node("MatMul", ["x", "out"], ["flat"]),
            helper.make_node("Reshape", ["flat", "shape"], ["y"]),
        ]
        given = {"out": OUT, "shape": np.array([rows, 3, SIZE, SIZE])}
    nodes += [helper.make_node("Identity", ["y"], [f"y{i}"]) for i in range(1, outputs)]
    if kind == TensorProto.DOUBLE:
        given = {n: v.astype(np.float64) if v.dtype == np.float32 else v for n, v in given.items()}
    ends = (images, codes) if role == "encoder" else (codes, images)
    names = ["y", *(f"y{i}" for i in range(1, outputs))]
    made = helper.make_graph(
        nodes,
        role,
        [helper.make_tensor_value_info("x", kind, ends[0])],
        [helper.make_tensor_value_info(name, kind, ends[1]) for name in names],
        [numpy_helper.from_array(value, name) for name, value in given.items()],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


def refused(message, call, *arguments, **options):
    with pytest.raises(FddError) as caught:
        call(*arguments, **options)
    assert str(caught.value) == message


@pytest.mark.parametrize("module", [functions, networks])
def test_examples_in_docstrings(module):
    found = doctest.testmod(module)
    assert found.failed == 0 < found.attempted


def test_functions_are_called_with_what_they_expect():
    seen = {}

    def note(name, answer):
        def call(value):
            seen[name] = (value.dtype, value.shape)
            return answer

        return call

    encode, generate = note("encode", CODES.tolist()), note("generate", IMAGES)
    vectors = note("vectors", CODES.astype(np.float16))
    model = from_functions(encode, generate, latent_size=5, vectors=vectors, name="mine")
    np.testing.assert_array_equal(model.encode(IMAGES), CODES)
    np.testing.assert_array_equal(model.generate(CODES.tolist()), IMAGES)
    assert model.vectors(np.zeros((11, 6), int)).dtype == np.float64
    assert seen == {
        "encode": (np.uint8, IMAGES.shape),
        "generate": (np.float64, CODES.shape),
        "vectors": (np.float64, (11, 6)),
    }
    assert (model.name, model.latent_size, model.image_size, model.config) == (
        "mine",
        5,
        None,
        None,
    )
    one = from_functions(encode, latent_size=5)
    assert (one.generate, one.vectors) == (None, None)


NAN = np.where(np.arange(5) == 2, np.nan, CODES)
SQUARE = "they must be uint8 [N, S, S, 3]"


@pytest.mark.parametrize(
    ("use", "given", "answer", "message"),
    [
        (
            "encode",
            IMAGES,
            CODES[:, :4],
            "the encoder's codes have shape [11, 4]: it must be [N, 5]",
        ),
        (
            "encode",
            IMAGES,
            CODES[:3],
            "the encoder's codes have 3 rows: they must have 11, one for each given",
        ),
        (
            "encode",
            IMAGES,
            NAN,
            "the encoder's codes holds NaN or infinity: 11 of 55 values, the first at index (0, 2)",
        ),
        ("encode", IMAGES / 255, CODES, f"images are float64 [11, 8, 8, 3]: {SQUARE}"),
        ("encode", IMAGES[:, :4], CODES, f"images are uint8 [11, 4, 8, 3]: {SQUARE}"),
        ("encode", IMAGES[:0], CODES, f"images are uint8 [0, 8, 8, 3]: {SQUARE}"),
        (
            "generate",
            CODES,
            IMAGES / 255,
            f"the generator's images are float64 [11, 8, 8, 3]: {SQUARE}",
        ),
        (
            "generate",
            CODES,
            IMAGES[:2],
            "the generator's images have 2 rows: they must have 11, one for each given",
        ),
        ("generate", CODES[:, :3], IMAGES, "codes have shape [11, 3]: it must be [N, 5]"),
        ("vectors", CODES, CODES, "params have shape [11, 5]: it must be [N, 6]"),
        (
            "vectors",
            np.ones((11, 6)),
            CODES[:, :2],
            "the codes of vectors have shape [11, 2]: it must be [N, 5]",
        ),
    ],
)
def test_what_goes_into_a_function_and_comes_out_is_checked(use, given, answer, message):
    functions = dict.fromkeys(("encode", "generate", "vectors"), lambda value: answer)
    refused(message, getattr(from_functions(**functions, latent_size=5), use), given)


def test_what_is_no_model_is_refused():
    both = "encode and generate are both None: a model must have at least one of them"
    refused(both, from_functions, latent_size=5)
    refused(both, from_torch, latent_size=5)
    refused(both, from_onnx)
    refused("encode is int: it must be a function or None", from_functions, 3, latent_size=5)
    size = "latent_size=0 must be a whole number of at least 1"
    refused(size, from_functions, np.sum, latent_size=0)
    module = "encoder is function: it must be a torch.nn.Module"
    refused(module, from_torch, lambda x: x, latent_size=5)
    refused("batch_size=0 must be a whole number of at least 1", torch_model, batch_size=0)
    device = "device='tpu' must be auto, cpu, cuda or cuda:N"
    refused(device, torch_model, device="tpu")
    for pixels in ((1, -1), (0, 0), (0, np.inf), (np.nan, 1), (0, 1, 2), "01x", None):
        message = f"pixels={pixels!r} must be two numbers, that of black and that of white"
        refused(message, torch_model, pixels=pixels)


def torch_model(**options):
    return from_torch(Encoder(), Generator(), latent_size=WIDTH, **options)


@pytest.mark.parametrize(("low", "high"), RANGES)
@pytest.mark.parametrize("batch_size", [1, 4, 256])
def test_torch_modules_get_and_give_pixels_in_their_range(low, high, batch_size):
    model = torch_model(pixels=(low, high), batch_size=batch_size)
    share = IMAGES.max(axis=2).mean(axis=1) / 255
    expected = (low + share * (high - low)) / np.sqrt(1 + 1e-5) @ IN
    np.testing.assert_allclose(model.encode(IMAGES), expected, rtol=2e-5, atol=2e-5 * high)
    made = ((CODES @ OUT).reshape(11, 3, SIZE, SIZE) - low) / (high - low) * 255
    wanted = np.rint(made.clip(0, 255)).transpose(0, 2, 3, 1)
    different = model.generate(CODES) - wanted
    assert np.abs(different).max() <= 1
    assert (different != 0).mean() < 1e-3  # float32 on the edge between two levels


@pytest.mark.parametrize(("low", "high"), RANGES)
def test_every_level_survives(low, high):
    levels = np.arange(256.0)[:, None]
    made = from_torch(None, Levels(low, high), latent_size=1, pixels=(low, high)).generate(levels)
    assert (made == levels.astype(np.uint8)[:, :, None, None]).all()
    beyond = from_torch(None, Levels(low, high), latent_size=1, pixels=(low, high))
    assert beyond.generate([[-9], [300]])[:, 0, 0, 0].tolist() == [0, 255]


def test_torch_modules_are_left_as_they_were():
    encoder = Encoder().train()
    encoder.extra[0].eval()  # frozen statistics in a network that trains
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    model = from_torch(encoder, latent_size=WIDTH)
    first, again = model.encode(IMAGES), model.encode(IMAGES)
    np.testing.assert_array_equal(first, again)  # no dropout
    assert [part.training for part in encoder.modules()] == [True, True, False, True]
    assert all(torch.equal(before[name], value) for name, value in encoder.state_dict().items())
    assert encoder.weight.grad is None
    small = np.zeros((2, 4, 4, 3), np.uint8)
    with pytest.raises(FddError):
        from_torch(nn.Sequential(encoder, nn.Linear(7, 5)), latent_size=5).encode(small)
    assert [part.training for part in encoder.modules()] == [True, True, False, True]


class Pair(Encoder):
    def forward(self, images):
        return super().forward(images), 0


class Dark(Generator):
    def forward(self, codes):
        return super().forward(codes) * torch.nan


def test_a_module_that_fails_or_gives_something_else_is_named():
    def encode(encoder):
        return from_torch(encoder, latent_size=WIDTH).encode(IMAGES)

    def generate(*generator):
        return from_torch(None, nn.Sequential(*generator), latent_size=WIDTH).generate(CODES)

    refused(
        "the encoder fails on float32 [11, 3, 8, 8]: mat1 and mat2 shapes cannot be multiplied "
        "(264x8 and 7x5)",
        encode,
        nn.Linear(7, 5),
    )
    refused("the encoder gives tuple: it must give one tensor", encode, Pair())
    maps = "the encoder's codes has shape (11, 3, 8, 8): it must be 2-D, [rows, columns]"
    refused(maps, encode, nn.Identity())
    flat = "the generator's images have shape [11, 5]: it must be [N, 3, S, S]"
    refused(flat, generate, nn.Identity())
    refused(
        "the generator's images holds NaN or infinity: 2112 of 2112 values, the first at index "
        "(0, 0, 0, 0)",
        generate,
        Dark(),
    )


@pytest.mark.parametrize("batch", ["n", None, 1, 4, 16])
@pytest.mark.parametrize("pixels", RANGES)
def test_onnx_agrees_with_torch_at_any_batch_of_the_graph(tmp_path, batch, pixels):
    files = [graph(tmp_path / f"{role}.onnx", role, batch) for role in ("encoder", "generator")]
    model = from_onnx(*files, pixels=pixels, batch_size=6, name="mine")
    twin = torch_model(pixels=pixels)
    assert (model.latent_size, model.image_size, model.name) == (WIDTH, SIZE, "mine")
    plain = twin.encode(IMAGES) * np.sqrt(1 + 1e-5)  # the graph has no batch norm
    np.testing.assert_allclose(model.encode(IMAGES), plain, rtol=2e-5, atol=2e-5 * pixels[1])
    assert np.abs(model.generate(CODES) - twin.generate(CODES).astype(int)).max() <= 1
    np.testing.assert_array_equal(model.encode(IMAGES)[:3], model.encode(IMAGES[:3]))


def test_one_onnx_file_is_enough(tmp_path):
    model = from_onnx(generator=graph(tmp_path / "g.onnx", "generator", latent=WIDTH))
    assert (model.encode, model.latent_size) == (None, WIDTH)
    free = from_onnx(graph(tmp_path / "e.onnx", "encoder", side="side"))
    assert (free.generate, free.image_size) == (None, None)
    assert free.encode(np.zeros((2, 32, 32, 3), np.uint8)).shape == (2, WIDTH)


def test_an_onnx_file_that_is_no_such_graph_is_named(tmp_path):
    file = tmp_path / "a.onnx"
    refused(f"'{file}': there is no such file", from_onnx, file)
    file.write_bytes(b"\x08garbage")
    with pytest.raises(FddError, match=r"a\.onnx' cannot be run by onnxruntime: .+") as caught:
        from_onnx(file)
    assert "\n" not in str(caught.value)
    rest = "the encoder must take one input [n, 3, S, S] and give one output [n, latent_size]"
    x, y = "x tensor(float) ['n', 3, 8, 8]", "y tensor(float) ['n', 5]"
    message = f"'{file}' has {x}, {y}, y1 tensor(float) ['n', 5]: {rest}, both float32"
    refused(message, from_onnx, graph(file, "encoder", outputs=2))
    message = f"'{file}' has {x}, {y}: {rest}, both float32".replace("float)", "double)")
    refused(message, from_onnx, graph(file, "encoder", kind=TensorProto.DOUBLE))
    with pytest.raises(FddError, match=r"the generator must take one input \[n, latent_size\] and"):
        from_onnx(generator=graph(file, "encoder"))
    graph(file, "generator", latent="k")
    message = f"the latent size is left open in '{file}': it must be one number"
    refused(message, from_onnx, None, file)
    message = (
        f"'{file}' fails on float32 [11, 3, 8, 8]: [ONNXRuntimeError] : 2 : INVALID_ARGUMENT : Got "
        "invalid dimensions for input: x for the following indices"
    )
    refused(message, from_onnx(graph(file, "encoder", side=9)).encode, IMAGES)


def test_onnx_files_that_disagree_are_named(tmp_path, monkeypatch):
    one, other = graph(tmp_path / "e.onnx", "encoder"), graph(tmp_path / "g.onnx", "generator")
    monkeypatch.setitem(globals(), "OUT", OUT[:4])
    graph(other, "generator", latent=4)
    message = f"the latent size is 4 and 5 in '{one}' and '{other}': it must be one number"
    refused(message, from_onnx, one, other)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    missing = "this needs the package 'onnxruntime': pip install 'fdd[onnx]'"
    refused(missing, from_onnx, one)
