"""A trained run is loaded by name, commands say what they do, and mistakes are one sentence."""

import dataclasses
import json
import os
import re
import shutil
import signal
import sys

import numpy as np
import pytest
import torch
from tiny_runs import OPTIONS, Images, render

import baselines
from baselines.aae import AAE, PRESETS, Config
from baselines.cli import main
from baselines.train import train
from fdd import FddError

TINY = [
    f"--{name.replace('_', '-')}={value}" for name, value in dataclasses.asdict(OPTIONS).items()
]


@pytest.fixture(scope="module")
def images():
    return render(40)


@pytest.fixture(scope="module")
def finished(images, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "finished"
    train(AAE, OPTIONS, folder, data=Images(images[:32]), held_out=Images(images[32:]))
    return folder


@pytest.fixture
def trained(finished, tmp_path):
    """A copy, to be damaged, of a run of eight steps."""
    return shutil.copytree(finished, tmp_path / "trained")


@pytest.fixture
def command(images, tmp_path, monkeypatch, capsys):
    """command(*options) runs the command in an empty folder: (exit status, output, errors)."""
    monkeypatch.chdir(tmp_path)

    def go(*options, on_read=lambda number: None):
        data, held_out = Images(images[:32], on_read), Images(images[32:])
        try:
            status = main(AAE, PRESETS, options, data=data, held_out=held_out)
        except SystemExit as exit:
            status = exit.code
        return status, *capsys.readouterr()

    return go


def test_a_loaded_run_goes_from_numpy_to_numpy(trained, images):
    model = baselines.load_run(trained)
    small = baselines.data.resize(images, 16)
    codes = model.encode(small)
    assert (codes.shape, codes.dtype) == ((40, 6), np.float32)
    assert (model.image_size, model.latent_size) == (16, 6)
    assert model.config["baseline"] == "aae"
    drawn = model.generate(codes.astype(np.float64))
    assert (drawn.shape, drawn.dtype) == ((40, 16, 16, 3), np.uint8)
    assert len(model.encode(small[:0])) == len(model.generate(codes[:0])) == 0
    last_row = (trained / "metrics.csv").read_text().splitlines()[-1]
    mse = ((drawn[32:].astype(float) - small[32:]) ** 2).mean() / 127.5**2
    assert mse == pytest.approx(float(last_row.split(",")[-1]), rel=0.02)
    with pytest.raises(FddError) as error:
        model.encode(images)
    assert str(error.value) == (
        "images uint8 [40, 128, 128, 3] must be uint8 [N, 16, 16, 3]; "
        "baselines.data.resize makes them so"
    )
    for bad, message in [
        (codes[:, :5], "codes [40, 5] must be [N, 6]"),
        (codes * np.nan, "codes must be finite, but some are NaN or infinite"),
        ("ab", "codes='ab' must be numbers"),
    ]:
        with pytest.raises(FddError) as error:
            model.generate(bad)
        assert str(error.value) == message


def edit(**changes):
    """A damage to a run folder: options in its config.json changed, or removed if None."""

    def damage(folder):
        path = folder / "config.json"
        config = json.loads(path.read_text()) | changes
        path.write_text(json.dumps({k: v for k, v in config.items() if v is not None}))

    return damage


def write(name, content):
    return lambda folder: (folder / name).write_bytes(content)


def remove(name):
    return lambda folder: (shutil.rmtree if (folder / name).is_dir() else os.remove)(folder / name)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (shutil.rmtree, "there is no such folder"),
        (remove("config.json"), "config.json is missing, so this is no run"),
        (
            write("config.json", b"{"),
            "config.json cannot be read: Expecting property name enclosed in double quotes: "
            "line 1 column 2 (char 1)",
        ),
        (write("config.json", b"[]"), "config.json does not name its baseline"),
        (edit(baseline=None), "config.json does not name its baseline"),
        (edit(baseline="vae"), "baseline='vae' is not one of aae"),
        (edit(width=None), "config.json lacks the option 'width'"),
        (edit(depth=3), "config.json has the unknown option 'depth'"),
        (remove("checkpoints"), "checkpoints/last/model.safetensors is missing"),
        (
            remove("checkpoints/last/model.safetensors"),
            "checkpoints/last/model.safetensors is missing",
        ),
        (
            write("checkpoints/last/model.safetensors", b"short"),
            "checkpoints/last/model.safetensors is damaged: Error while deserializing header: "
            "header too small",
        ),
    ],
)
def test_runs_that_cannot_be_loaded(trained, damage, message):
    damage(trained)
    with pytest.raises(FddError) as error:
        baselines.load_run(trained)
    assert str(error.value) == f"run folder '{trained}': {message}"


def test_weights_of_another_shape_and_options_out_of_range(trained):
    edit(width=3)(trained)
    with pytest.raises(FddError, match=r": the weights do not fit config.json$"):
        baselines.load_run(trained)
    edit(width=0)(trained)
    with pytest.raises(FddError, match=r"^width=0 must be a whole number of 1 or more$"):
        baselines.load_run(trained)
    with pytest.raises(FddError, match=r"^device='gpu' must be auto, cpu, cuda or cuda:N$"):
        baselines.load_run(trained, device="gpu")


def test_state_that_is_no_plain_data_is_not_loaded(trained, images):
    torch.save({"step": print}, trained / "checkpoints/last/state.pt")
    more = dataclasses.replace(OPTIONS, steps=9)
    with pytest.raises(FddError, match=r"checkpoints/last/state.pt is damaged: Weights only load"):
        train(AAE, more, trained, data=Images(images), held_out=Images(images))


def test_the_command_trains_and_says_with_what(command, tmp_path):
    status, output, _ = command(*TINY)
    assert status == 0
    folder = "runs/aae-paper-seed0"
    assert re.search(r"^width +2$", output, re.MULTILINE)
    assert re.search(rf"^run folder +{folder}$", output, re.MULTILINE)
    assert output.endswith(f"trained to step 8: {folder}\n")
    assert baselines.load_run(tmp_path / folder).config["steps"] == 8


def test_presets_and_options_that_change_them(command):
    options = [option for option in TINY if not option.startswith(("--width", "--kernel"))]
    assert command("--preset", "small", *options, "--seed", "3", "--steps", "1")[0] == 0
    saved = baselines.load_run("runs/aae-small-seed3").config
    assert (saved["width"], saved["steps"]) == (PRESETS["small"].width, 1)


def test_resume_takes_the_options_of_the_run(command, trained):
    status, output, _ = command("--resume", str(trained), "--steps", "10")
    assert (status, baselines.load_run(trained).config["steps"]) == (0, 10)
    assert output.endswith(f"trained to step 10: {trained}\n")
    assert command("--resume", str(trained))[0] == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--resume", "R", "--width", "3"], "it holds a run with width=2, not 3; choose another"),
        (["--resume", "R", "--out", "x"], "leave out --out, --preset"),
        (["--resume", "R", "--preset", "paper"], "leave out --out, --preset"),
        (["--resume", "R", "--steps", "3"], "steps=3 must be 8 or more"),
        (["--resume", "nowhere"], "run folder 'nowhere': there is no such folder"),
        (["--steps", "0"], "steps=0 must be a whole number of 1 or more"),
        (["--lr-encoder", "nan"], "lr_encoder=nan must be a finite number above 0"),
        (["--image-size", "100"], "image_size=100 must be 16, 32, 64 or 128"),
        (["--device", "tpu"], "device='tpu' must be auto, cpu, cuda or cuda:N"),
        ([*TINY, "--batch-size", "64"], "batch_size=64 must be at most 32"),
        ([*TINY, "--out", "/dev/null/run"], "cannot be written"),
    ],
)
def test_mistakes_on_the_command_line(command, trained, options, message):
    status, _, errors = command(*[str(trained) if word == "R" else word for word in options])
    assert status == 2
    assert re.fullmatch(rf"error: .*{re.escape(message)}.*\n", errors)
    assert os.listdir() == ["trained"]


@pytest.mark.parametrize(
    ("options", "named"),
    [(["--stesp", "3"], "--stesp"), (["--steps", "x"], "--steps"), (["--preset", "big"], "small")],
)
def test_what_cannot_be_parsed_is_refused(command, options, named):
    status, _, errors = command(*options)
    assert status == 2
    assert named in errors
    assert os.listdir() == []


def test_help_names_every_option_and_the_values_of_the_preset(command):
    status, output, _ = command("--preset", "small", "--help")
    assert status == 0
    for name in ["preset", "resume", "out", *(field.name for field in dataclasses.fields(Config))]:
        assert f"--{name.replace('_', '-')} " in output
    words = " ".join(re.sub("[│╭╮╰╯─]", " ", output).split())
    assert f"Training steps; each sees one batch. (default: {PRESETS['small'].steps})" in words


def test_ctrl_c_says_how_to_go_on(command):
    stop = lambda read: signal.raise_signal(signal.SIGINT) if read == 2 else None  # noqa: E731
    status, _, errors = command(*TINY, "--out", "a", on_read=stop)
    assert status == 130
    assert errors.endswith("stopped and saved at step 2; go on with --resume a\n")
    assert command("--resume", "a")[0] == 0


def test_without_torch_one_sentence_says_what_to_install(run_python, tmp_path):
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.modules['torch'] = None")
    path = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
    sentence = "this needs the package 'torch': pip install 'fdd[baselines]'"
    status, output, errors = run_python("-m", "baselines.aae", "--help", PYTHONPATH=path)
    assert (status, output, errors) == (2, "", f"error: {sentence}\n")
    status, _, errors = run_python("-c", "import baselines", PYTHONPATH=path)
    assert status == 1
    assert errors.endswith(f"fdd.errors.FddError: {sentence}\n")
