"""Run folders that are damaged, mixed up or somebody else's: one sentence, or the right model."""

import dataclasses
import json
import os
import random
import shutil
import subprocess

import numpy as np
import pytest
import safetensors.torch
import torch
from tiny_runs import OPTIONS, data_sets, seal, words

import baselines
from baselines.aae import AAE, PRESETS
from baselines.training.cli import main
from baselines.training.loop import train
from baselines.training.runs import load_state
from fdd import FddError

WEIGHTS, STATE = "model.safetensors", "state.pt"
CODES = np.linspace(-1, 1, 12).reshape(2, 6)
BEST_IS_WHOLE = (
    "; checkpoints/best, of step 4, is whole: load it with checkpoint='best', or put a copy in the "
    "place of checkpoints/last"
)


def go_on(folder, steps=8):
    """Train to that step; with fewer the first time, the best checkpoint is an older one."""
    train(AAE, dataclasses.replace(OPTIONS, steps=steps), folder, **data_sets())
    return folder


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """A run with checkpoints of step 4, the best, and of step 6, the last."""
    return go_on(tmp_path_factory.mktemp("runs") / "stopped", 6)


@pytest.fixture
def run(stopped, tmp_path):
    """A copy of it, to be damaged."""
    return shutil.copytree(stopped, tmp_path / "run")


@pytest.fixture
def last(run):
    return run / "checkpoints" / "last"


@pytest.fixture
def resume(run, capsys):
    """resume(*options) is the command that resumes the run: (exit status, errors)."""

    def resume(*options):
        arguments = ["--resume", str(run), *words(steps=8), *options]
        status = main(AAE, PRESETS, arguments, **data_sets())
        return status, capsys.readouterr().err

    return resume


def refusal(read, *arguments):
    """What the error of a call says; one line."""
    with pytest.raises(FddError) as error:
        read(*arguments)
    assert "\n" not in str(error.value)
    return str(error.value)


def right_or_refused(run, codes):
    """What the error of loading a run says, or "" if it gives the images that it gave before."""
    try:
        found = baselines.load_run(run).generate(CODES)
    except FddError as error:
        return str(error)
    assert np.array_equal(found, codes)
    return ""


def damages(data, rng):
    """Copies of bytes with one bit changed, cut short, emptied and made longer."""
    for _ in range(12):
        at, damaged = rng.randrange(len(data)), bytearray(data)
        damaged[at] ^= 1 << rng.randrange(8)
        yield bytes(damaged)
    for length in (len(data) - 1, len(data) // 2, 4):
        yield data[:length]
    yield b""
    yield data + b"\0"


@pytest.mark.parametrize(("name", "read"), [(WEIGHTS, baselines.load_run), (STATE, load_state)])
def test_damage_is_found_and_the_other_checkpoint_offered(run, last, name, read):
    data = (last / name).read_bytes()
    for damaged in damages(data, random.Random(0)):
        (last / name).write_bytes(damaged)
        reason = "its SHA-256 is not the one in SHA256SUMS" if damaged else "it is empty"
        assert refusal(read, run) == (
            f"run folder '{run}': checkpoints/last/{name} is damaged: {reason}{BEST_IS_WHOLE}"
        )
    assert baselines.load_run(run, checkpoint="best").latent_size == 6


def test_a_damaged_run_goes_on_from_its_other_checkpoint(run, last, tmp_path):
    (last / STATE).write_bytes(b"junk")
    shutil.rmtree(last)
    shutil.copytree(run / "checkpoints" / "best", last)
    assert load_state(go_on(run))["step"] == 8
    weights = "checkpoints/last/model.safetensors"
    assert (run / weights).read_bytes() == (go_on(tmp_path / "whole") / weights).read_bytes()


def test_no_checkpoint_is_offered_that_is_damaged_too(run, last):
    for folder in (last, run / "checkpoints" / "best"):
        (folder / WEIGHTS).write_bytes(b"")
    assert refusal(baselines.load_run, run) == (
        f"run folder '{run}': checkpoints/last/model.safetensors is damaged: it is empty; nor can "
        "checkpoints/best be used"
    )


@pytest.mark.parametrize("name", [WEIGHTS, STATE])
def test_weights_and_a_state_of_two_steps_are_not_resumed(run, last, name):
    shutil.copy(run / "checkpoints" / "best" / name, last / name)
    reason = f"checkpoints/last/{name} is damaged: its SHA-256 is not the one in SHA256SUMS"
    assert refusal(go_on, run) == f"run folder '{run}': {reason}{BEST_IS_WHOLE}"


def test_checksums_that_are_damaged_or_gone(run, last):
    codes = baselines.load_run(run).generate(CODES)
    sums = last / "SHA256SUMS"
    for damaged in damages(sums.read_bytes(), random.Random(1)):
        sums.write_bytes(damaged)
        error = right_or_refused(run, codes)
        assert "SHA-256 is not the one in SHA256SUMS" in error or not error
    sums.unlink()
    message = f"run folder '{run}': checkpoints/last/SHA256SUMS is missing"
    assert refusal(baselines.load_run, run) == message + BEST_IS_WHOLE


def test_what_gets_its_name_is_on_the_disk_before(run, monkeypatch):
    """As the system is told: after a power failure no name leads to a file that is not whole."""
    events, sync, replace, rename = [], os.fsync, os.replace, os.rename

    def synced(descriptor):
        sync(descriptor)
        events.append(("on the disk", os.readlink(f"/proc/self/fd/{descriptor}")))

    def named(function):
        def act(source, target):
            function(source, target)
            events.append((str(source), str(target)))

        return act

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", named(replace))
    monkeypatch.setattr(os, "rename", named(rename))
    go_on(run)
    checkpoints = run / "checkpoints"
    new, last = checkpoints / "new", checkpoints / "last"
    at = events.index((str(new), str(last)))
    before = {path for what, path in events[:at] if what == "on the disk"}
    assert {str(new), *(str(new / name) for name in (WEIGHTS, STATE, "SHA256SUMS"))} <= before
    assert events[at + 1] == ("on the disk", str(checkpoints))
    at = [target for _, target in events].index(str(run / "config.json"))
    assert events[at - 1] == ("on the disk", events[at][0])
    assert events[at + 1] == ("on the disk", str(run))


def test_the_checksums_are_those_that_sha256sum_reads(run):
    for folder in (run / "checkpoints").iterdir():
        subprocess.run(["sha256sum", "--strict", "-c", "SHA256SUMS"], cwd=folder, check=True)


def test_runs_without_checksums_go_on_and_have_them_then(run, last):
    """As versions before them left them; parts of their state have checksums of their own."""
    codes = baselines.load_run(run).generate(CODES)
    weights = safetensors.torch.load((last / WEIGHTS).read_bytes())
    (last / WEIGHTS).write_bytes(safetensors.torch.save(weights))
    (last / "SHA256SUMS").unlink()
    assert np.array_equal(baselines.load_run(run).generate(CODES), codes)
    whole = (last / STATE).read_bytes()
    damaged = bytearray(whole)
    damaged[whole.index(load_state(run)["rng"].numpy().tobytes())] ^= 1
    (last / STATE).write_bytes(damaged)
    assert "checkpoints/last/state.pt is damaged: " in refusal(go_on, run)
    (last / STATE).write_bytes(whole)
    go_on(run)
    assert (last / "SHA256SUMS").exists()


def change(*keys, to):
    """A change of one place in the state of a run; `to` takes what was there."""

    def change(state):
        for key in keys[:-1]:
            state = state[key]
        state[keys[-1]] = to(state[keys[-1]])

    return change


def always(value):
    return lambda before: value


MOMENT = ("optimizers", "autoencoder", "state", 0)
STATES = {
    "a list": lambda state: [1],
    "a step": lambda state: 5,
    "no step": lambda state: state.pop("step") and None,
    "step: text": change("step", to=str),
    "step: below 0": change("step", to=always(-1)),
    "step: huge": change("step", to=always(10**400)),
    "step: fraction": change("step", to=float),
    "rng: short": change("rng", to=lambda rng: rng[:-1]),
    "rng: floats": change("rng", to=lambda rng: rng.float()),
    "rng: no tensor": change("rng", to=always(7)),
    "rng: zeros": change("rng", to=torch.zeros_like),
    "optimizers: list": change("optimizers", to=list),
    "optimizers: another": lambda state: state["optimizers"].pop("autoencoder") and None,
    "optimizers: text": change("optimizers", "autoencoder", to=always("x")),
    "optimizers: no state": change("optimizers", "autoencoder", to=always({})),
    "moments: list": change("optimizers", "autoencoder", "state", to=list),
    "moments: of no parameter": change("optimizers", "autoencoder", "state", to=lambda s: {99: s}),
    "moments: another shape": change(*MOMENT, "exp_avg", to=lambda one: one[..., :1]),
    "moments: another type": change(*MOMENT, "exp_avg_sq", to=torch.Tensor.int),
    "moments: no tensor": change(*MOMENT, "exp_avg", to=always(0.0)),
    "moments: other names": change(*MOMENT, to=lambda one: one | {"more": 1}),
    "watch: list": change("watch", to=list),
    "watch: other names": change("watch", to=always({"best_step": 1})),
    "watch: text": change("watch", "best_score", to=str),
    "watch: huge": change("watch", "waited", to=always(10**400)),
}


@pytest.mark.parametrize("kind", STATES)
def test_a_state_of_somebody_else_is_refused_in_one_line(run, last, resume, kind):
    state = torch.load(last / STATE, weights_only=True)
    torch.save(STATES[kind](state) or state, last / STATE)
    seal(last)
    before = (last / STATE).read_bytes()
    status, errors = resume()
    assert (status, errors.count("\n")) == (2, 1)
    assert "state.pt" in errors
    assert (last / STATE).read_bytes() == before


def test_weights_of_other_types_or_shapes_are_not_resumed(run, last, resume):
    weights = safetensors.torch.load((last / WEIGHTS).read_bytes())
    name = "encoder.0.weight"
    for other in (weights[name].double(), weights[name][:1], weights[name][None]):
        (last / WEIGHTS).write_bytes(safetensors.torch.save(weights | {name: other}))
        seal(last)
        assert resume() == (2, f"error: run folder '{run}': the weights do not fit config.json\n")


LONG = f"step,loss\n1,{'9' * 200_000}\n"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"step,loss\n\xff,1\n", "'utf-8' codec can't decode byte 0xff in position 10: "),
        (b"step,loss\nx,1\n", "invalid literal for int() with base 10: 'x'"),
        (LONG.encode(), "field larger than field limit (131072)"),
        (b"a,b\n1,2\n", "its first column is not step"),
    ],
)
def test_a_table_that_is_no_table_of_a_run(run, resume, content, reason):
    (run / "metrics.csv").write_bytes(content)
    status, errors = resume()
    assert (status, errors.count("\n")) == (2, 1)
    assert errors.startswith(
        f"error: file '{run}/metrics.csv' is not a table of this run: {reason}"
    )
    assert errors.endswith("; remove it to resume without it\n")
    (run / "metrics.csv").unlink()
    assert resume()[0] == 0


VALUES = (None, True, 0, -1, 10**9, 10**400, 1.5, -1e308, "", "x", "\ud800", [], [[1]], {"a": 1})
JUNK = [*map(json.dumps, VALUES), "NaN", "1e999", "9" * 10_000, "[" * 100_000]


def test_a_config_of_somebody_else_is_refused_in_one_line_or_right(run):
    path = run / "config.json"
    right, codes = json.loads(path.read_text()), baselines.load_run(run).generate(CODES)
    texts = [*JUNK, "\xff", ""]
    for name in right:
        start, end = json.dumps(right | {name: "@"}).split('"@"')
        texts += [start + junk + end for junk in JUNK]
    whole = len(JUNK) + 2
    found = []
    for text in texts[:whole] + texts[whole::5]:
        path.write_text(text, encoding="latin-1")
        found.append(right_or_refused(run, codes))
    assert all(found[:whole])
    assert max(map(len, found)) < 500
    assert "\n" not in "".join(found)
    assert sum(map(bool, found)) > len(found) / 2


@pytest.mark.parametrize(
    ("name", "value", "kept"), [("leaky_slope", 0.3, 1e-6), ("beta1", 0.25, 0.5)]
)
def test_options_other_than_those_of_the_weights_are_noticed(run, resume, name, value, kept):
    path = run / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {name: value}))
    sentence = (
        f"run folder '{run}': config.json has {name}={value}, and the weights were trained with "
        f"{kept}; put that back"
    )
    assert refusal(baselines.load_run, run) == sentence
    assert resume() == (2, f"error: {sentence}\n")


@pytest.mark.parametrize("option", ["width=1000000000", "steps=1" + "0" * 400])
def test_networks_that_no_machine_has_are_refused_in_one_line(tmp_path, capsys, option):
    out = tmp_path / "out"
    arguments = ["--preset", "small", "--device", "cpu", f"--{option}", "--out", str(out)]
    assert main(AAE, PRESETS, arguments, **data_sets()) == 2
    errors = capsys.readouterr().err
    assert (errors.count("\n"), len(errors) < 500) == (1, True)
    assert not out.exists()
