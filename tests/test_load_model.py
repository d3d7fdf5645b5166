"""A path or a name gives a model: run folders, ONNX files, stored codes, what a module has."""

import hashlib
import shutil
import subprocess
import sys
from importlib import resources

import numpy as np
import pytest
import safetensors.torch
from test_adapters import CODES, IMAGES, SIZE, WIDTH, Encoder, graph, refused
from tiny_runs import SYSTEMS, TINY, baseline, data_sets, seal

import baselines
import fdd
from baselines.pretrained.models import SHIPPED
from baselines.training.loop import train
from baselines.training.runs import load_weights
from benchmarks.adapters import Adapted, from_codes, from_torch, load_model, weights_sha256
from fdd import FddError

TRAIN, TEST = np.arange(60.0).reshape(20, 3), -np.arange(30.0).reshape(10, 3)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run folder of each baseline, after one step."""
    folder = tmp_path_factory.mktemp("runs")
    for name in SYSTEMS:
        make = baseline(name)
        config = make.config_type(**TINY | {"steps": 1})
        train(make, config, folder / name, **data_sets())
    return folder


@pytest.fixture
def stored(tmp_path):
    np.save(tmp_path / "train.npy", TRAIN.astype(np.float32))
    np.save(tmp_path / "test.npy", TEST)
    return tmp_path


def sha256(content):
    return hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_run_folder_gives_what_its_baseline_has(runs, name):
    model, run = load_model(str(runs / name)), baselines.load_run(runs / name)
    assert (model.name, model.image_size, model.latent_size) == (name, 16, run.latent_size)
    assert model.config == run.config
    assert (model.encode is None) == (name != "aae")
    assert (model.vectors is None) == (name != "lsd")
    images, params = np.full((3, 16, 16, 3), 9, np.uint8), fdd.uniform_params(3, seed=0)
    codes = np.random.default_rng(0).normal(size=(3, run.latent_size))
    np.testing.assert_array_equal(model.generate(codes), run.generate(codes))
    if model.encode:
        np.testing.assert_array_equal(model.encode(images), run.encode(images))
    if not model.vectors:
        sentence = f"baseline='{name}' finds codes of its own: none stands for parameters, so "
        refused(sentence + "encode the images", run.vectors, params)
    else:
        np.testing.assert_array_equal(model.vectors(params), run.vectors(params))
    weights = runs / name / "checkpoints" / "last" / "model.safetensors"
    assert weights_sha256(runs / name) == sha256(weights.read_bytes())


def test_the_name_of_a_trained_model_of_the_package_gives_that_model():
    model, shipped = load_model("mini-emulator"), baselines.load_pretrained("mini-emulator")
    assert (model.name, model.image_size, model.encode) == ("mini-emulator", 32, None)
    assert model.config == shipped.config
    params = fdd.sample_params(2, "test", version="mini")
    codes = shipped.vectors(params)
    np.testing.assert_array_equal(model.vectors(params), codes)
    np.testing.assert_array_equal(model.generate(codes), shipped.generate(codes))
    file = resources.files("baselines.pretrained") / "mini-emulator.safetensors"
    assert weights_sha256("mini-emulator") == sha256(file.read_bytes())


def test_another_checkpoint_of_a_run_is_another_model(runs, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(runs / "dcgan", run)
    shutil.rmtree(run / "checkpoints" / "best", ignore_errors=True)
    shutil.copytree(run / "checkpoints" / "last", run / "checkpoints" / "best")
    weights = load_weights(run, "best")
    other = {name: weight + 1 for name, weight in weights.items()}
    path = run / "checkpoints" / "best" / "model.safetensors"
    safetensors.torch.save_file(other, path)
    seal(path.parent)
    code = np.ones((1, load_model(run).latent_size))
    best = load_model(run, checkpoint="best").generate(code)
    assert (best != load_model(run).generate(code)).any()
    assert weights_sha256(run, checkpoint="best") == sha256(path.read_bytes())
    assert weights_sha256(run, checkpoint="best") != weights_sha256(run)
    message = "checkpoint='first' is not known; choose from last, best"
    refused(message, load_model, run, checkpoint="first")
    refused(message, weights_sha256, run, checkpoint="first")
    path.unlink()
    refused(
        f"'{path}' cannot be read: No such file or directory",
        weights_sha256,
        run,
        checkpoint="best",
    )


def test_a_folder_of_onnx_files_and_one_such_file(tmp_path):
    pixels = (0.0, 1.0)
    one = graph(tmp_path / "encoder.onnx", "encoder")
    assert load_model(tmp_path).generate is None
    digest = sha256(one.read_bytes())
    assert weights_sha256(tmp_path) == weights_sha256(one) == digest
    other = graph(tmp_path / "generator.onnx", "generator")
    both = load_model(tmp_path, pixels=pixels)
    assert (both.name, both.latent_size, both.image_size) == (tmp_path.name, WIDTH, SIZE)
    encoder, generator = load_model(one, pixels=pixels), load_model(other, pixels=pixels)
    assert (encoder.name, encoder.generate) == ("encoder", None)
    assert (generator.name, generator.encode) == ("generator", None)
    np.testing.assert_array_equal(both.encode(IMAGES), encoder.encode(IMAGES))
    np.testing.assert_array_equal(both.generate(CODES), generator.generate(CODES))
    assert (load_model(tmp_path).generate(CODES) != both.generate(CODES)).any()
    printed = subprocess.run(
        ["sha256sum", one.name, other.name], cwd=tmp_path, capture_output=True, check=True
    )
    assert weights_sha256(tmp_path) == sha256(printed.stdout)


def test_stored_codes_are_given_by_split(stored):
    model = load_model(stored)
    assert (model.latent_size, model.name) == (3, stored.name)
    assert (model.encode, model.generate, model.vectors, model.image_size) == (None,) * 4
    np.testing.assert_array_equal(model.codes("train", 20), TRAIN)
    np.testing.assert_array_equal(model.codes("test", 4), TEST[:4])
    assert model.codes("train", 1).dtype == np.float64
    refused("test.npy has 10 rows, but 11 are asked for", model.codes, "test", 11)
    refused("split='val' is not known; choose from train, test", model.codes, "val", 1)
    refused("rows=0 must be a whole number of at least 1", model.codes, "test", 0)
    digests = "".join(
        f"{sha256((stored / name).read_bytes())}  {name}\n" for name in ("train.npy", "test.npy")
    )
    assert weights_sha256(stored) == sha256(digests.encode())


def test_stored_codes_that_are_none_are_named(stored):
    file = stored / "test.npy"

    def check(message, array, **options):
        np.save(file, array, **options)
        refused(message, from_codes, stored)

    check(f"'{stored}': train.npy has 3 columns and test.npy 4: they must agree", np.ones((9, 4)))
    check(f"'{file}' has shape (9,): it must be 2-D, [rows, columns]", np.ones(9))
    check(f"'{file}' has shape (0, 3): it must have at least 1 rows", np.ones((0, 3)))
    check(f"'{file}' has dtype <U1: it must hold real numbers", np.full((9, 3), "x"))
    nan = "holds NaN or infinity: 1 of 30 values, the first at index (2, 1)"
    check(f"'{file}' {nan}", np.where(np.arange(30).reshape(10, 3) == 7, np.nan, TEST))
    start = f"'{file}' must be a .npy file of numbers, without pickle: "
    objects = start + "Array can't be memory-mapped: Python objects in dtype."
    check(objects, np.array([[Trap()]]), allow_pickle=True)
    assert not Trap.sprung
    full = (stored / "train.npy").read_bytes()
    for content in (b"", b"PK\x03\x04", b"\x80\x04.", full[:20], full[:-4]):
        file.write_bytes(content)
        with pytest.raises(FddError) as caught:
            from_codes(stored)
        assert str(caught.value).startswith(start)
    file.unlink()
    missing = f"'{file}' is missing: it must hold codes, float [N, K], from numpy.save"
    refused(missing, load_model, stored)


class Trap:
    """Springs when it is unpickled."""

    sprung = False

    def __reduce__(self):
        return setattr, (Trap, "sprung", True)


MODULE = """
import numpy as np
from benchmarks.adapters import from_torch
from test_adapters import Encoder

class Ours:
    latent_size = 2
    image_size = 16
    def encode(self, images):
        return images.mean(axis=(1, 2))[:, :2]
    def vectors(self, params):
        return None

def make():
    return from_torch(Encoder(), latent_size=5)

ours, number, encoder = Ours(), 7, Encoder()
named = from_torch(Encoder(), latent_size=5, name="theirs")

def fails(path):
    return ours

def five():
    return 5
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    """The name of a module that can be imported."""
    (tmp_path / "their_models.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    yield "their_models"
    sys.modules.pop("their_models", None)


def test_a_name_gives_a_model_or_what_a_function_returns(module):
    made = load_model(f"{module}:make")
    assert (made.name, made.latent_size) == ("their_models:make", WIDTH)
    want = from_torch(Encoder(), latent_size=WIDTH).encode(IMAGES)
    np.testing.assert_array_equal(made.encode(IMAGES), want)
    assert load_model(f"{module}:named").name == "theirs"
    for name in ("ours", "Ours"):
        ours = load_model(f"{module}:{name}")
        assert isinstance(ours, Adapted)
        assert (ours.latent_size, ours.image_size, ours.generate, ours.vectors) == (
            2,
            16,
            None,
            None,
        )
        np.testing.assert_array_equal(ours.encode(IMAGES), IMAGES.mean(axis=(1, 2))[:, :2])
    assert weights_sha256(f"{module}:make") == ""


def test_a_name_that_gives_no_model_is_named(module):
    form = "it must be a model, with latent_size and with encode or generate"
    for name, reason in {
        "their_models:number": f"gives int: {form}",
        "their_models:five": f"gives int: {form}",
        "their_models:fails": "fails when called without arguments: fails() missing 1 required "
        "positional argument: 'path'",
        "their_models:none": "cannot be imported: module 'their_models' has no attribute 'none'",
        "no_such_module:x": "cannot be imported: No module named 'no_such_module'",
    }.items():
        refused(f"'{name}' {reason}", load_model, name)
    with pytest.raises(FddError, match=r"^'their_models:encoder' fails when called without arg"):
        load_model("their_models:encoder")


@pytest.mark.parametrize("ending", ["pt", "pth", "ckpt", "safetensors"])
def test_of_weights_alone_it_is_said_how_to_give_their_network(tmp_path, ending):
    path = tmp_path / f"weights.{ending}"
    path.write_bytes(b"")
    message = (
        f"'{path}' holds weights without their network: build it in a module, mymodel.py, with the "
        "line model = benchmarks.adapters.from_torch(encoder, generator, latent_size=K), and give "
        "mymodel:model"
    )
    refused(message, load_model, path)
    refused(message, weights_sha256, path)


def test_anything_else_is_refused_in_one_sentence(tmp_path):
    (tmp_path / "file.txt").write_bytes(b"")
    places = (tmp_path, tmp_path / "file.txt", tmp_path / "none", tmp_path / "none.pt")
    for path in (*places, "a:b:c", "a b:c", "", "x."):
        message = (
            f"'{path}' is not a model: it must be a run folder (with config.json), a folder with "
            "encoder.onnx, generator.onnx or train.npy and test.npy, a .onnx file, one of "
            "mini-contrastive, mini-pairs, mini-dcca, mini-one, mini-emulator, mini-aae, "
            "or package.module:attribute"
        )
        refused(message, load_model, path)
        refused(message, weights_sha256, path)


def test_the_trained_model_that_was_probably_meant_is_told():
    with pytest.raises(FddError, match=r"^'mini-aea' is not a model \(did you mean mini-aae\?\): "):
        load_model("mini-aea")


def test_a_folder_of_results_does_not_hide_the_trained_model_of_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mini-contrastive" / "correspondence").mkdir(parents=True)
    assert load_model("mini-contrastive").name == "mini-contrastive"
    assert weights_sha256("mini-contrastive") == SHIPPED["mini-contrastive"]
