"""The defaults are the settings of 2019; a wrong option is one sentence."""

import dataclasses
import json
import math
from importlib import import_module

import pytest
import torch
from tiny_runs import OPTIONS, TINY, baseline, data_sets

import baselines
from baselines import aae, dcgan, lsd
from baselines.training.loop import train
from baselines.training.runs import saved_options
from fdd import FddError

each_baseline = pytest.mark.parametrize("name", baselines.BASELINES)
PRESETS = {name: import_module(f"baselines.{name}").PRESETS for name in baselines.BASELINES}
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
        *("steps", "device", "compile", "log_every", "sample_every", "checkpoint_every"),
        *("stop_on_collapse", "patience"),
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
RECONSTRUCTION = "must be 'mse' or 'ms-ssim'"


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
        ("colors", "lab", "must be 'rgb' or 'hsv'"),
        ("precision", "float16", "must be 'float32' or 'bfloat16'"),
        ("adversarial_loss", "wgan", "must be 'bce' or 'hinge' or 'wgan-clip' or 'wgan-gp'"),
        ("autoencoder_loss", "GE", "must be 'EG' or 'E'"),
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
        (lsd.Config(vector="raw"), "vector='raw' must be 'scaled' or 'canonical'"),
        (lsd.Config(noise="uniform"), "noise='uniform' must be 'normal' or 'vectors'"),
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
