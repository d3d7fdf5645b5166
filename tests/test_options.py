"""The defaults are the settings of 2019, every option trains, and a wrong one is one sentence."""

import dataclasses
import json
import math
import shutil
import signal
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_runs import OPTIONS, SYSTEMS, TINY, acting, baseline, data_sets, table

import baselines
from baselines import aae, dcgan, lsd
from baselines.parts.networks import Generator
from baselines.training.data import to_images
from baselines.training.loop import Outcome, train
from baselines.training.model import Model
from baselines.training.runs import load_weights, read_config, saved_options
from fdd import FddError

CODES = np.random.default_rng(0).normal(size=(5, 6))
each_baseline = pytest.mark.parametrize("name", SYSTEMS)
PRESETS = {name: import_module(f"baselines.{name}").PRESETS for name in SYSTEMS}
OF_2019 = {
    "data": "fdd",
    "version": "fdd-1",
    "image_size": 128,
    "colors": "rgb",
    "batch_size": 16,
    "latent_size": 6,
    "adversarial_loss": "bce",
    "discriminator_steps": 1,
    "width": 64,
    "kernel_size": 9,
    "generator_stride": 1,
    "mapping_layers": 0,
    "batch_norm_eps": 0.5,
    "leaky_slope": 1e-6,
    "lr_generator": 1e-3,
    "lr_discriminator": 1e-4,
    "beta1": 0.5,
    "flip": False,
    "rotate": 0,
    "translate": 0,
    "zoom": 0,
    "ema": 0,
    "decay": 0,
    "precision": "float32",
}
OF_EACH = {
    "dcgan": {},
    "aae": {
        "autoencoder_loss": "EG",
        "reconstruction_loss": "mse",
        "lr_encoder": 1e-3,
        "generator_from": None,
    },
    "lsd": {
        "correspondence_loss": "mse",
        "correspondence_weight": 1,
        "adversarial_weight": 1,
        "vector": "scaled",
        "noise": "normal",
    },
}


@each_baseline
def test_the_default_is_the_setting_of_2019_and_small_is_small(name):
    make = baseline(name)
    assert PRESETS[name]["paper"] == make.config_type()
    paper = dataclasses.asdict(make.config_type())
    assert (OF_2019 | OF_EACH[name]).items() <= paper.items()
    small = PRESETS[name]["small"]
    assert small.latent_size == 6
    assert small.image_size <= 64
    assert small.steps < 1000
    parameters = make(small, torch.Generator()).parameters()
    assert sum(parameter.numel() for parameter in parameters) < 1_000_000
    mini = dataclasses.replace(small, version="mini-1")
    assert PRESETS[name]["mini"] == mini


@each_baseline
@pytest.mark.parametrize("preset", ["paper", "small", "mini"])
def test_options_survive_json(name, preset, tmp_path):
    config = PRESETS[name][preset]
    config.check()
    saved = json.loads(json.dumps({"baseline": name, **dataclasses.asdict(config)}))
    assert saved_options(type(config), saved, tmp_path) == config


def test_only_options_that_do_not_change_a_step_may_change_in_a_run():
    names = {
        "steps",
        "device",
        "compile",
        "log_every",
        "sample_every",
        "checkpoint_every",
        "stop_on_collapse",
        "patience",
    }
    assert OPTIONS.changeable == names
    assert dataclasses.replace(OPTIONS, decay=0.5).changeable == names - {"steps"}


@pytest.mark.parametrize(
    ("decay", "rates"),
    [
        (0.0, [1, 1, 1, 1, 1, 1, 1, 1]),
        (0.5, [1, 1, 1, 1, 1, 0.75, 0.5, 0.25]),
        (1.0, [1, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125]),
    ],
)
def test_learning_rates_fall_in_the_last_steps(decay, rates):
    config = dataclasses.replace(OPTIONS, steps=8, decay=decay)
    assert [config.rate(step) for step in range(8)] == pytest.approx(rates)


WHOLE = "must be a whole number of 1 or more"
POSITIVE = "must be a finite number above 0"
NOT_NEGATIVE = "must be a finite number of 0 or more"
SHARE = "must be a number from 0 to below 1"
SWITCH = "must be True or False"
RECONSTRUCTION = "is not known (did you mean ms-ssim?); choose from mse, ms-ssim"


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("steps", 0, WHOLE),
        ("steps", 2.5, WHOLE),
        ("steps", True, WHOLE),
        ("width", -1, WHOLE),
        ("latent_size", 0, WHOLE),
        ("log_every", 0, WHOLE),
        ("sample_every", 0, WHOLE),
        ("checkpoint_every", -5, WHOLE),
        ("discriminator_steps", 0, WHOLE),
        ("batch_size", 0, "must be a whole number of 2 or more"),
        ("batch_size", 1, "must be a whole number of 2 or more"),
        ("train_images", -1, "must be a whole number of 0 or more"),
        ("mapping_layers", -1, "must be a whole number from 0 to 100"),
        ("patience", -1, "must be a whole number of 0 or more"),
        ("image_size", 8, "must be 16, 32, 64 or 128"),
        ("image_size", 48, "must be 16, 32, 64 or 128"),
        ("kernel_size", 4, "must be an odd whole number of 1 or more"),
        ("generator_stride", 3, "must be 1 or 2"),
        ("seed", -1, "must be a whole number from 0 to 2**63 - 1"),
        ("lr_encoder", 0.0, POSITIVE),
        ("lr_generator", math.nan, POSITIVE),
        ("lr_discriminator", math.inf, POSITIVE),
        ("batch_norm_eps", -0.1, POSITIVE),
        ("leaky_slope", -1e-9, NOT_NEGATIVE),
        ("rotate", -1.0, NOT_NEGATIVE),
        ("beta1", 1.0, SHARE),
        ("beta1", "a", SHARE),
        ("translate", 1.0, SHARE),
        ("zoom", -0.1, SHARE),
        ("ema", 1.0, SHARE),
        ("decay", 1.5, "must be a number from 0 to 1"),
        ("decay", -0.1, "must be a number from 0 to 1"),
        ("flip", 1, SWITCH),
        ("compile", "yes", SWITCH),
        ("deterministic", None, SWITCH),
        ("stop_on_collapse", 0, SWITCH),
        ("data", "mnist", "must be fdd, kaggle, stream or images:FOLDER"),
        ("data", "images:", "must be fdd, kaggle, stream or images:FOLDER"),
        ("colors", "lab", "is not known; choose from rgb, hsv"),
        (
            "precision",
            "float16",
            "is not known (did you mean bfloat16?); choose from auto, float32, bfloat16",
        ),
        (
            "adversarial_loss",
            "wgan",
            "is not known (did you mean wgan-gp?); choose from bce, hinge, wgan-clip, wgan-gp",
        ),
        ("autoencoder_loss", "GE", "is not known (did you mean EG?); choose from EG, E"),
        ("reconstruction_loss", "ssim", RECONSTRUCTION),
        ("device", "tpu", "must be auto, cpu, cuda or cuda:N"),
        ("device", "cuda:x", "must be auto, cpu, cuda or cuda:N"),
        ("exclude", "names.txt", "needs data=images:FOLDER, not 'fdd'"),
        ("generator_from", "runs/a", "needs autoencoder_loss='E', not 'EG'"),
    ],
)
def test_options_out_of_range(option, value, message):
    with pytest.raises(FddError) as error:
        dataclasses.replace(aae.Config(), **{option: value}).check()
    assert str(error.value) == f"{option}={value!r} {message}"


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            dcgan.Config(data="stream", train_images=5),
            "train_images=5 must be 0 with data='stream'",
        ),
        (lsd.Config(latent_size=5), "latent_size=5 must be 6, as many as parameters"),
        (
            lsd.Config(data="images:photos"),
            "data='images:photos' must be fdd or stream: pictures have no parameters",
        ),
        (
            lsd.Config(zoom=0.1),
            "rotate=0.0, translate=0.0, zoom=0.1 must be 0: such an image has no parameters; "
            "flip keeps them",
        ),
        (lsd.Config(correspondence_loss="ssim"), f"correspondence_loss='ssim' {RECONSTRUCTION}"),
        (lsd.Config(vector="raw"), "vector='raw' is not known; choose from scaled, canonical"),
        (lsd.Config(noise="uniform"), "noise='uniform' is not known; choose from normal, vectors"),
        (lsd.Config(adversarial_weight=-1.0), f"adversarial_weight=-1.0 {NOT_NEGATIVE}"),
        (lsd.Config(correspondence_weight=-1.0), f"correspondence_weight=-1.0 {NOT_NEGATIVE}"),
    ],
)
def test_options_that_do_not_go_together(config, message):
    with pytest.raises(FddError) as error:
        config.check()
    assert str(error.value) == message


def test_options_are_checked_before_anything_is_written(tmp_path):
    config = dataclasses.replace(lsd.Config(**TINY), zoom=0.5)
    with pytest.raises(FddError, match=r"zoom=0.5 must be 0"):
        train(lsd.LSD, config, tmp_path / "run", **data_sets())
    assert list(tmp_path.iterdir()) == []


def test_a_cuda_device_that_is_not_there():
    n = torch.cuda.device_count()
    with pytest.raises(FddError) as error:
        dcgan.Config(device=f"cuda:{n}").check()
    assert str(error.value) == (f"device='cuda:{n}', but torch sees {n} CUDA devices here; use cpu")


def test_options_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        OPTIONS.steps = 3


@pytest.fixture
def run(tmp_path):
    """run(baseline, folder, option=value, ...) trains there and gives the folder."""

    def go(name, folder, **options):
        make, folder = baseline(name), tmp_path / folder
        config = make.config_type(**TINY | {"steps": 4} | options)
        assert train(make, config, folder, **data_sets()) == Outcome(config.steps)
        return folder

    return go


def losses(folder):
    """The rows of metrics.csv as numbers, without what may be nan."""
    rows = table(folder)
    names = [name for name in rows[0] if not name.endswith(" cv")]
    found = np.array([[float(row[name]) for name in names] for row in rows])
    assert np.isfinite(found).all()
    return found


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("dcgan", {"colors": "hsv"}),
        ("aae", {"colors": "hsv"}),
        ("lsd", {"colors": "hsv"}),
        ("dcgan", {"mapping_layers": 2}),
        ("dcgan", {"generator_stride": 2}),
        ("dcgan", {"rotate": 10.0, "translate": 0.1, "zoom": 0.1}),
        ("aae", {"reconstruction_loss": "ms-ssim"}),
        ("aae", {"latent_size": 3, "flip": True, "rotate": 180.0}),
        ("aae", {"autoencoder_loss": "E", "adversarial_loss": "wgan-gp"}),
        ("lsd", {"correspondence_loss": "ms-ssim", "flip": True}),
        ("lsd", {"adversarial_weight": 0.0, "vector": "canonical"}),
        ("lsd", {"noise": "vectors", "adversarial_loss": "hinge"}),
    ],
)
def test_options_train_go_on_and_load(run, name, options):
    whole, halves = run(name, "whole", **options), run(name, "halves", steps=2, **options)
    run(name, "halves", **options)
    assert np.array_equal(losses(halves), losses(whole))
    model = baselines.load_run(halves)
    codes = CODES[:, : model.latent_size]
    assert model.generate(codes).shape == (5, 16, 16, 3)
    assert np.array_equal(model.generate(codes), baselines.load_run(whole).generate(codes))


@each_baseline
def test_bfloat16_is_near_float32_and_evaluates_in_it(run, name):
    rough, fine = run(name, "rough", precision="bfloat16"), run(name, "fine")
    found, exact = losses(rough), losses(fine)
    assert not np.array_equal(found, exact)
    first = table(rough)[0], table(fine)[0]
    for loss in ("discriminator", "generator"):
        assert float(first[0][loss]) == pytest.approx(float(first[1][loss]), rel=0.02)
    weights = load_weights(rough)
    assert {weight.dtype for weight in weights.values() if weight.is_floating_point()} == {
        torch.float32
    }
    make = baseline(name)
    network = make(make.config_type(**TINY), torch.Generator())
    network.load_state_dict(weights)
    expected = Model(network, baselines.load_run(rough).config, torch.device("cpu"))
    assert np.array_equal(baselines.load_run(rough).generate(CODES), expected.generate(CODES))


@pytest.mark.parametrize("begun", ["float32", "bfloat16"])
def test_precision_auto_is_what_a_run_began_with(run, begun):
    folder = run("dcgan", "begun", precision=begun, steps=2)
    run("dcgan", "begun", precision="auto")
    assert len(losses(folder)) == 4
    assert read_config(folder)["precision"] == begun


@pytest.mark.skipif(not Path("/proc/cpuinfo").exists(), reason="reads the flags from Linux")
def test_precision_auto_is_bfloat16_where_the_processor_has_instructions_for_it(run):
    flags = set(Path("/proc/cpuinfo").read_text().split())
    chosen = "bfloat16" if flags & {"avx512_bf16", "amx_bf16"} else "float32"
    assert read_config(run("dcgan", "new", precision="auto", steps=1))["precision"] == chosen


@each_baseline
def test_falling_learning_rates_are_those_of_the_step_after_an_interruption(run, tmp_path, name):
    make, rates = baseline(name), []
    config = make.config_type(**TINY | {"decay": 0.5, "lr_discriminator": 0.01})

    def note(model, losses):
        rates.append(model.optimizers["discriminator"].param_groups[0]["lr"])

    def stop(model, losses):
        note(model, losses)
        signal.raise_signal(signal.SIGINT)

    whole = run(name, "whole", steps=8, decay=0.5, lr_discriminator=0.01)
    half = acting(make, 6, stop)
    assert train(half, config, tmp_path / "halves", **data_sets()) == Outcome(6, stopped=True)
    assert train(acting(make, 1, note), config, tmp_path / "halves", **data_sets()) == Outcome(8)
    assert rates == pytest.approx([0.0075, 0.005])
    assert np.array_equal(losses(tmp_path / "halves"), losses(whole))
    with pytest.raises(FddError, match=r"it holds a run with steps=8, not 9; choose another"):
        run(name, "halves", steps=9, decay=0.5, lr_discriminator=0.01)


@each_baseline
def test_deterministic_gives_the_same_bits_on_a_cpu(run, name):
    before = torch.are_deterministic_algorithms_enabled()
    found, expected = losses(run(name, "a", deterministic=True)), losses(run(name, "b"))
    assert np.array_equal(found, expected)
    assert torch.are_deterministic_algorithms_enabled() == before


def test_deterministic_algorithms_are_asked_for_while_training(tmp_path):
    seen = []
    make = acting(
        baseline("dcgan"),
        1,
        lambda model, losses: seen.append(torch.are_deterministic_algorithms_enabled()),
    )
    for wanted in (True, False):
        config = make.config_type(**TINY | {"steps": 1, "deterministic": wanted})
        train(make, config, tmp_path / str(wanted), **data_sets())
    assert seen == [True, False]


def test_compiled_networks_give_the_same_losses(run, monkeypatch):
    """Traced by torch.compile and run without its C++ compiler, which takes minutes."""
    compiled, in_full = [], torch.compile

    def traced(call):
        compiled.append(type(call.__self__).__name__)
        return in_full(call, backend="aot_eager")

    monkeypatch.setattr(torch, "compile", traced)
    found = run("dcgan", "compiled", compile=True, steps=2)
    assert compiled == ["Generator", "Discriminator"]
    np.testing.assert_allclose(losses(found), losses(run("dcgan", "plain", steps=2)), rtol=1e-3)


@each_baseline
def test_a_run_with_an_average_loads_the_average(run, name):
    folder = run(name, "a", ema=0.9, lr_generator=0.01)
    weights = load_weights(folder)
    generator = Generator(baseline(name).config_type(**TINY), 6)
    codes, made = torch.from_numpy(CODES).float(), {}
    for prefix in ("average.module.", "generator."):
        found = {k.removeprefix(prefix): w for k, w in weights.items() if k.startswith(prefix)}
        generator.load_state_dict(found)
        with torch.no_grad():
            made[prefix] = to_images(generator.eval()(codes))
    shown = baselines.load_run(folder).generate(CODES)
    assert np.array_equal(shown, made["average.module."])
    assert not np.array_equal(shown, made["generator."])


def generator_of(folder):
    weights = load_weights(folder)
    return {k: w for k, w in weights.items() if k.startswith("generator.")}


TAKEN = {"autoencoder_loss": "E"}


def test_an_encoder_is_learned_for_the_generator_of_another_run(run, tmp_path):
    source = run("dcgan", "source", lr_generator=0.01)
    folder = run("aae", "encoder", **TAKEN, generator_from=str(source), steps=3)
    kept = generator_of(source)
    shutil.rmtree(source)  # it is needed for the first step alone
    run("aae", "encoder", **TAKEN, generator_from=str(source))
    found = generator_of(folder)
    assert kept.keys() == found.keys()
    assert any("running" in name for name in kept)
    assert all(torch.equal(found[name], kept[name]) for name in kept)
    columns = list(table(folder)[0])
    assert columns[:4] == ["step", "epoch", "reconstruction", "moments"]
    assert not {"discriminator", "generator"} & set(columns)
    errors = [float(row["reconstruction"]) for row in table(folder)]
    assert len(set(errors)) == 4


def test_the_images_of_a_taken_generator_are_those_of_its_run(run):
    source = run("dcgan", "source", lr_generator=0.01)
    expected = baselines.load_run(source).generate(CODES)
    for ema in (0.0, 0.9):
        folder = run("aae", f"encoder-{ema}", **TAKEN, generator_from=str(source), ema=ema)
        assert np.array_equal(baselines.load_run(folder).generate(CODES), expected)


def test_generators_that_cannot_be_taken(run, tmp_path):
    run("dcgan", "source", width=3)
    for source, message in [
        (tmp_path / "none", "checkpoints/last/model.safetensors is missing"),
        (tmp_path / "source", "its generator does not fit these options"),
    ]:
        with pytest.raises(FddError) as error:
            run("aae", "a", **TAKEN, generator_from=str(source))
        assert str(error.value) == f"run folder '{source}': {message}"
    assert not (tmp_path / "a").exists()
