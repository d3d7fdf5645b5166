"""A trained run is loaded by name, commands say what they do, and mistakes are one sentence."""

import dataclasses
import json
import os
import re
import shutil
import signal
import sys
from importlib import import_module

import numpy as np
import pytest
import torch
from tiny_runs import (
    OPTIONS,
    SYSTEMS,
    TINY,
    acting,
    baseline,
    data_sets,
    render,
    seal,
    table,
    words,
)

import baselines
from baselines.aae import AAE, PRESETS
from baselines.training.cli import main
from baselines.training.loop import forecast, train
from fdd import FddError
from fdd.pictures import resize

TINY_WORDS = words(**TINY)
each_baseline = pytest.mark.parametrize("name", SYSTEMS)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "finished"
    train(AAE, OPTIONS, folder, **data_sets())
    return folder


@pytest.fixture
def trained(finished, tmp_path):
    """A copy, to be damaged, of a run of eight steps."""
    return shutil.copytree(finished, tmp_path / "trained")


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
    """command(*options) runs the command in an empty folder: (exit status, output, errors)."""
    monkeypatch.chdir(tmp_path)

    def go(*options, make=AAE):
        presets = import_module(f"baselines.{make.name}").PRESETS
        try:
            status = main(make, presets, options, **data_sets())
        except SystemExit as exit:
            status = exit.code
        return status, *capsys.readouterr()

    return go


def test_a_loaded_run_goes_from_numpy_to_numpy(trained):
    model, images = baselines.load_run(trained), render(40)
    small = resize(images, 16)
    codes = model.encode(small)
    assert (codes.shape, codes.dtype) == ((40, 6), np.float32)
    assert (model.image_size, model.latent_size) == (16, 6)
    assert model.config["baseline"] == "aae"
    assert repr(model) == "Model(baseline='aae', version='fdd-1', image_size=16, latent_size=6)"
    drawn = model.generate(codes.astype(np.float64))
    assert (drawn.shape, drawn.dtype) == ((40, 16, 16, 3), np.uint8)
    assert len(model.encode(small[:0])) == len(model.generate(codes[:0])) == 0
    mse = ((drawn[32:].astype(float) - small[32:]) ** 2).mean() / 127.5**2
    assert mse == pytest.approx(float(table(trained)[-1]["held_out_mse"]), rel=1e-5)
    with pytest.raises(FddError) as error:
        model.encode(images)
    assert str(error.value) == (
        "images uint8 [40, 128, 128, 3] must be uint8 [N, 16, 16, 3]; "
        "fdd.pictures.resize makes them so"
    )
    for bad, message in [
        (codes[:, :5], "codes [40, 5] must be [N, 6]"),
        (codes * np.nan, "codes must be finite, but some are NaN or infinite"),
        ("ab", "codes='ab' must be numbers"),
    ]:
        with pytest.raises(FddError) as error:
            model.generate(bad)
        assert str(error.value) == message


def edit(*removed, **changes):
    """A damage to a run folder: options in its config.json removed or changed."""

    def damage(folder):
        path = folder / "config.json"
        config = json.loads(path.read_text()) | changes
        path.write_text(json.dumps({k: v for k, v in config.items() if k not in removed}))

    return damage


def write(name, content):
    return lambda folder: (folder / name).write_bytes(content)


def sealed(name, content):
    """A damage to a file of a checkpoint whose checksum is right."""

    def damage(folder):
        path = folder / "checkpoints" / name
        path.write_bytes(content)
        seal(path.parent)

    return damage


def remove(name):
    return lambda folder: (shutil.rmtree if (folder / name).is_dir() else os.remove)(folder / name)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (shutil.rmtree, "there is no such folder"),
        (remove("config.json"), "config.json is missing, so this is not a run"),
        (
            write("config.json", b"{"),
            "config.json cannot be read: Expecting property name enclosed in double quotes: "
            "line 1 column 2 (char 1)",
        ),
        (write("config.json", b"[]"), "config.json does not name its baseline"),
        (edit("baseline"), "config.json does not name its baseline"),
        (
            edit(baseline="vae"),
            f"baseline='vae' is not known; choose from {', '.join(baselines.BASELINES)}",
        ),
        (edit("width"), "config.json lacks the option 'width'"),
        (edit(depth=3), "config.json has the unknown option 'depth'"),
        (remove("checkpoints"), "checkpoints/last/model.safetensors is missing"),
        (
            remove("checkpoints/last/model.safetensors"),
            "checkpoints/last/model.safetensors is missing; checkpoints/best, of step 8, is whole: "
            "load it with checkpoint='best', or put a copy in the place of checkpoints/last",
        ),
        (
            sealed("last/model.safetensors", b"short"),
            "checkpoints/last/model.safetensors is damaged: Error while deserializing: "
            "header too small; checkpoints/best, of step 8, is whole: load it with "
            "checkpoint='best', or put a copy in the place of checkpoints/last",
        ),
    ],
)
def test_runs_that_cannot_be_loaded(trained, damage, message):
    damage(trained)
    with pytest.raises(FddError) as error:
        baselines.load_run(trained)
    assert str(error.value) == f"run folder '{trained}': {message}"


@pytest.mark.parametrize(
    "change",
    [
        {"width": 3},
        {"width": 10**6},
        {"width": 10**12},
        {"width": 2**53 - 1},
        {"kernel_size": 10**9 + 1},
        {"latent_size": 10**15},
        {"mapping_layers": 100},
    ],
)
def test_networks_of_any_other_size_do_not_fit_the_weights(trained, change):
    """Nor are they made: a million filters would take a hundred terabytes."""
    edit(**change)(trained)
    with pytest.raises(FddError) as error:
        baselines.load_run(trained)
    assert str(error.value) == f"run folder '{trained}': the weights do not fit config.json"


def test_options_out_of_range(trained):
    edit(mapping_layers=10**9)(trained)
    with pytest.raises(FddError, match=r"^mapping_layers=1000000000 must be .* from 0 to 100$"):
        baselines.load_run(trained)
    edit(width=10**30)(trained)
    with pytest.raises(FddError, match=r"^width=10{30} must be at most 2\*\*53$"):
        baselines.load_run(trained)
    edit(width=0)(trained)
    with pytest.raises(FddError, match=r"^width=0 must be a whole number of 1 or more$"):
        baselines.load_run(trained)
    with pytest.raises(FddError, match=r"^device='gpu' must be auto, cpu, cuda or cuda:N$"):
        baselines.load_run(trained, device="gpu")
    with pytest.raises(FddError, match=r"^device=3 must be auto, cpu, cuda or cuda:N$"):
        baselines.load_run(trained, device=3)
    with pytest.raises(
        FddError, match=r"^checkpoint='first' is not known; choose from last, best$"
    ):
        baselines.load_run(trained, checkpoint="first")


def test_without_a_best_checkpoint_there_is_none_to_load(trained):
    shutil.rmtree(trained / "checkpoints" / "best")
    assert baselines.load_run(trained).latent_size == 6
    with pytest.raises(FddError) as error:
        baselines.load_run(trained, checkpoint="best")
    assert str(error.value) == (
        f"run folder '{trained}': checkpoints/best/model.safetensors is missing; checkpoints/last, "
        "of step 8, is whole: load it with checkpoint='last'"
    )


def test_state_that_is_no_plain_data_is_not_loaded(trained):
    torch.save({"step": print}, trained / "checkpoints/last/state.pt")
    seal(trained / "checkpoints/last")
    more = dataclasses.replace(OPTIONS, steps=9)
    with pytest.raises(FddError, match=r"checkpoints/last/state.pt is damaged: Weights only load"):
        train(AAE, more, trained, **data_sets())


@each_baseline
def test_the_command_trains_and_says_with_what(command, tmp_path, name):
    status, output, _ = command(*TINY_WORDS, make=baseline(name))
    assert status == 0
    folder = f"runs/{name}-paper-seed0"
    assert re.search(r"^width +2$", output, re.MULTILINE)
    assert re.search(rf"^run folder +{folder}$", output, re.MULTILINE)
    assert output.endswith(f"trained to step 8: {folder}\n")
    assert baselines.load_run(tmp_path / folder).config["steps"] == 8


@each_baseline
def test_presets_and_options_that_change_them(command, name):
    options = words(**TINY | {"seed": 3, "steps": 1, "flip": True, "stop_on_collapse": False})
    options = [option for option in options if not option.startswith(("--width", "--kernel"))]
    assert command("--preset", "small", *options, make=baseline(name))[0] == 0
    saved = baselines.load_run(f"runs/{name}-small-seed3").config
    small = import_module(f"baselines.{name}").PRESETS["small"]
    assert (saved["width"], saved["kernel_size"]) == (small.width, small.kernel_size)
    assert (saved["steps"], saved["flip"], saved["stop_on_collapse"]) == (1, True, False)


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
        ([*TINY_WORDS, "--batch-size", "64"], "batch_size=64 must be at most 32"),
        ([*TINY_WORDS, "--out", "/dev/null/run"], "cannot be written"),
    ],
)
def test_mistakes_on_the_command_line(command, trained, options, message):
    status, _, errors = command(*[str(trained) if word == "R" else word for word in options])
    assert status == 2
    assert re.fullmatch(rf"error: .*{re.escape(message)}.*\n", errors)
    assert os.listdir() == ["trained"]


@pytest.mark.parametrize("options", [["--steps", "0"], ["--lr-encoder", "nan"]])
def test_a_value_out_of_its_range_is_told_before_the_options_are_listed(command, options):
    status, output, errors = command(*options)
    assert (status, output, errors.count("\n")) == (2, "", 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--stesp", "3"],
            "option='--stesp' is not known (did you mean --steps?); fdd train aae --help lists "
            "what is",
        ),
        (["--steps", "x"], "steps='x' must be a whole number"),
        (["--colors", "lab"], "colors='lab' is not known; choose from rgb, hsv"),
        (["--preset", "big"], "preset='big' is not known; choose from paper, small, mini"),
    ],
)
def test_what_cannot_be_read_is_one_sentence(command, options, message):
    assert command(*options) == (2, "", f"error: {message}\n")
    assert os.listdir() == []


@each_baseline
def test_help_names_every_option_and_the_values_of_the_preset(command, name):
    make = baseline(name)
    status, output, _ = command("--preset", "small", "--help", make=make)
    assert status == 0
    options = [field.name for field in dataclasses.fields(make.config_type)]
    for option in ["preset", "resume", "out", *options]:
        assert re.search(rf"--{option.replace('_', '-')}[ ,]", output)
    text = " ".join(output.split())
    assert f"Training steps; each sees one batch. (default: {PRESETS['small'].steps})" in text


@each_baseline
def test_ctrl_c_says_how_to_resume(command, name):
    stop = lambda model, losses: signal.raise_signal(signal.SIGINT)  # noqa: E731
    status, _, errors = command(*TINY_WORDS, "--out", "a", make=acting(baseline(name), 2, stop))
    assert status == 130
    assert errors.endswith("stopped and saved at step 2; go on with --resume a\n")
    assert command("--resume", "a", make=baseline(name))[0] == 0


LONG = (
    "a step takes {} s here, so the other {} take about {} hours; without a GPU, --preset mini "
    "trains on small images in minutes"
)


@pytest.mark.parametrize(
    ("size", "steps", "seconds", "told"),
    [
        (128, 24_998, 3.217, LONG.format("3.22", 24_998, 22)),
        (64, 10**6, 130.0, LONG.format("130", 10**6, "36,111")),
        (128, 7000, 1.0, None),
        (32, 10**6, 130.0, None),
    ],
)
def test_a_run_that_takes_hours_on_a_processor_is_told_so(size, steps, seconds, told):
    assert forecast(dataclasses.replace(OPTIONS, image_size=size), steps, seconds) == told


@pytest.mark.parametrize(("size", "times"), [(64, 1), (32, 0)])
def test_a_run_says_after_two_steps_that_it_takes_hours_and_goes_on(command, size, times):
    stop = lambda model, losses: signal.raise_signal(signal.SIGINT)  # noqa: E731
    options = words(**TINY | {"image_size": size, "steps": 10**10})
    status, _, errors = command(*options, "--out", "a", make=acting(baseline("dcgan"), 3, stop))
    assert (status, baselines.load_run("a").config["steps"]) == (130, 10**10)
    line = re.escape(LONG).replace(r"\{\}", "[0-9.,e-]+")
    assert len(re.findall(rf"^{line}$", errors.replace("\r", "\n"), re.MULTILINE)) == times


def test_a_run_of_another_baseline_is_not_resumed(command, trained):
    status, _, errors = command("--resume", str(trained), make=baseline("lsd"))
    message = f"error: run folder '{trained}': its baseline is 'aae', not 'lsd'\n"
    assert (status, errors) == (2, message)


@pytest.mark.parametrize("package", ["torch", "lightning_fabric"])
def test_without_a_package_one_sentence_says_what_to_install(run_python, tmp_path, package):
    (tmp_path / "sitecustomize.py").write_text(f"import sys; sys.modules[{package!r}] = None")
    path = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
    sentence = f"this needs the package {package!r}: pip install 'fdd[baselines]'"
    status, output, errors = run_python("-m", "baselines.aae", "--help", PYTHONPATH=path)
    assert (status, output, errors) == (2, "", f"error: {sentence}\n")
    status, _, errors = run_python("-c", "import baselines", PYTHONPATH=path)
    assert status == 1
    assert errors.endswith(f"fdd.errors.FddError: {sentence}\n")


def test_the_help_of_every_baseline_imports_nothing_that_is_slow(run_python):
    program = """
import runpy, sys
from baselines import BASELINES
for name in BASELINES:
    sys.argv = ["", "--help"]
    try:
        runpy.run_module(f"baselines.{name}", run_name="__main__")
    except SystemExit as end:
        print(end.code, file=sys.stderr)
print(*{name.partition(".")[0] for name in sys.modules}, file=sys.stderr)
"""
    code, output, errors = run_python("-c", program)
    assert code == 0
    assert re.findall(r"^usage: fdd train (\w+) ", output, re.MULTILINE) == list(
        baselines.BASELINES
    )
    *ends, loaded = errors.splitlines()
    assert ends == ["0"] * len(baselines.BASELINES)
    slow = {"torch", "matplotlib", "numba", "optuna", "pandas", "scipy", "skimage"}
    assert slow.isdisjoint(loaded.split())
