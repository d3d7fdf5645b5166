"""A sweep tries what was asked for, once each, ranks it, and goes on wherever it was stopped."""

import csv
import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import REGISTER_TINY, tree
from filelock import FileLock
from PIL import Image
from tensorboard import context
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.plugins.base_plugin import TBContext
from tensorboard.plugins.hparams import api_pb2, backend_context, list_session_groups

import baselines
from baselines.aae import AAE
from baselines.sweep import main
from baselines.training.runs import load_state

SETTINGS = (
    "version=tiny-1 steps=4 batch_size=4 image_size=16 width=2 kernel_size=3 device=cpu "
    "log_every=2 sample_every=4 checkpoint_every=2"
)
TINY = [word for setting in SETTINGS.split() for word in ("--set", setting)]
GRID = ["aae", *TINY, "--set", "lr-encoder=1e-4,1e-3", "--set", "flip=true,false"]
RANDOM = [
    *("aae", *TINY, "--search", "random", "--trials", "3"),
    *("--set", "lr_encoder=log:1e-5:1e-2", "--set", "beta1=0.3:0.9"),
]


@pytest.fixture(autouse=True)
def here(tiny, tmp_path, monkeypatch):
    """The release tiny-1 is there, and the current folder is empty."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def sweep(capsys):
    """sweep(*arguments) gives (exit status, output, errors)."""

    def run(*arguments):
        try:
            status = main(list(arguments))
        except SystemExit as end:  # as argparse leaves
            status = end.code
        return status, *capsys.readouterr()

    return run


@pytest.fixture
def at_step(monkeypatch):
    """at_step(number, act) calls act() in that step of those made from now on."""

    def set_up(number, act):
        made, step = [], AAE.step

        def hooked(self, batch, rng):
            made.append(batch)
            if len(made) == number:
                act()
            return step(self, batch, rng)

        monkeypatch.setattr(AAE, "step", hooked)

    return set_up


def rows(folder):
    with open(f"{folder}/trials.csv", newline="") as file:
        return list(csv.DictReader(file))


def result(folder):
    """The table without the time that it took, and the weights of each trial."""
    table = [row | {"seconds": ""} for row in rows(folder)]
    trials = sorted(row["folder"] for row in table)
    assert trials == sorted(path.name for path in Path(folder).glob("trial-*"))
    last = "checkpoints/last/model.safetensors"
    return table, [Path(folder, trial, last).read_bytes() for trial in trials]


def sessions(folder):
    """What TensorBoard's HParams tab lists: (run, options, score) of each line."""
    events = EventMultiplexer()
    events.AddRunsFromDirectory(str(folder))
    events.Reload()
    provider = MultiplexerDataProvider(events, str(folder))
    backend = backend_context.Context(TBContext(data_provider=provider))
    wanted = api_pb2.ListSessionGroupsRequest(slice_size=99, allowed_statuses=range(4))
    handler = list_session_groups.Handler(context.RequestContext(), backend, "", wanted)
    return [
        (
            group.name,
            {
                name: value.number_value or value.string_value
                for name, value in group.hparams.items()
            },
            [metric.value for metric in group.metric_values],
        )
        for group in handler.run().session_groups
    ]


def test_a_grid_has_each_combination_once_and_the_best_first(sweep):
    status, output, _ = sweep(*GRID, "--out", "grid")
    assert status == 0
    table = rows("grid")
    assert list(table[0]) == [
        *("number", "lr_encoder", "flip", "score", "best_step", "state", "seconds", "folder"),
        "reason",
    ]
    tried = sorted((row["lr_encoder"], row["flip"]) for row in table)
    assert tried == [("0.0001", "False"), ("0.0001", "True"), ("0.001", "False"), ("0.001", "True")]
    scores = [float(row["score"]) for row in table]
    assert scores == sorted(scores, reverse=True)
    for row in table:
        trial = Path("grid", row["folder"])
        watch = load_state(trial)["watch"]
        assert (row["score"], row["best_step"]) == (
            str(watch["best_score"]),
            str(watch["best_step"]),
        )
        assert (row["state"], row["reason"]) == ("complete", "")
        config = baselines.load_run(trial, checkpoint="best").config
        assert (str(config["lr_encoder"]), str(config["flip"])) == (row["lr_encoder"], row["flip"])
        assert (config["steps"], config["width"], config["version"]) == (4, 2, "tiny-1")
    shown = [line.split() for line in output.splitlines()[-5:-1]]
    assert [line[0] for line in shown] == [row["number"] for row in table]
    assert [line[3] for line in shown] == [f"{score:.4g}" for score in scores]
    best = Path("grid", table[0]["folder"])
    assert output.endswith(f"\nbest: {best}; see also grid/trials.csv, grid/scores.png\n")
    with Image.open("grid/scores.png") as picture:
        assert picture.size == (1216, 592)
    listed = [
        (
            f"{row['folder']}/tb",
            {"lr_encoder": float(row["lr_encoder"]), "flip": row["flip"]},
            [np.float32(row["score"])],
        )
        for row in sorted(table, key=lambda row: row["folder"])
    ]
    assert sessions("grid") == listed

    before = tree(Path("grid"))
    table_alone = "\n".join(output.splitlines()[-6:]) + "\n"
    assert sweep(*GRID, "--out", "grid") == (0, table_alone, "")
    assert tree(Path("grid")).keys() == before.keys()
    assert rows("grid") == table


def test_ctrl_c_and_more_trials_end_as_one_sweep_without(sweep, at_step):
    assert sweep(*RANDOM, "--out", "whole")[0] == 0
    assert len({row["lr_encoder"] for row in rows("whole")}) == 3

    assert sweep(*RANDOM, "--trials", "1", "--out", "parts")[0] == 0
    at_step(3, lambda: signal.raise_signal(signal.SIGINT))
    status, _, errors = sweep(*RANDOM, "--out", "parts")
    assert status == 130
    assert errors.endswith("stopped after 1 of 3 trials; the same command goes on\n")
    assert [row["number"] for row in rows("parts")] == ["0"]
    assert load_state(Path("parts/trial-0001"))["step"] == 3
    assert sweep(*RANDOM, "--out", "parts")[0] == 0
    assert result("parts") == result("whole")


def test_a_kill_at_any_moment_loses_nothing(sweep, start_python, monkeypatch, tmp_path):
    program = f"""
import os, signal, sys
from baselines import aae, sweep
{REGISTER_TINY}
made, step = [], aae.AAE.step
def hooked(*arguments):
    made.append(0)
    if len(made) == 8:
        os.kill(os.getpid(), signal.SIGKILL)
    return step(*arguments)
aae.AAE.step = hooked
sweep.main(sys.argv[1:])
"""
    folder = tmp_path / "killed"
    process = start_python("-c", program, *RANDOM, "--out", folder)
    process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL
    assert load_state(folder / "trial-0001")["step"] == 2
    # what a power failure may leave: half a record, a lock
    with (folder / "optuna.log").open("a") as journal:
        journal.write('{"op_code":4,"worker')
    (folder / "optuna.log.lock").touch()

    def stop(**record):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:  # between the end of a trial and its record
        patch.setattr("baselines.sweep.create_trial", stop)
        status, _, errors = sweep(*RANDOM, "--out", "killed")
    assert status == 130
    assert errors.endswith("stopped; the same command goes on\n")
    assert sweep(*RANDOM, "--out", "killed")[0] == 0
    assert sweep(*RANDOM, "--out", "whole")[0] == 0
    assert result("killed") == result("whole")
    assert [run for run, _, _ in sessions("killed")] == [f"trial-000{n}/tb" for n in range(3)]


def test_a_trial_that_fails_is_recorded_and_the_others_go_on(sweep, at_step):
    wild = ["aae", *TINY, "--set", "lr_encoder=1e-3,1e38", "--set", "batch_norm_eps=1e-5"]
    at_step(3, lambda: signal.raise_signal(signal.SIGINT))
    status, output, _ = sweep(*wild, "--out", "wild")
    assert status == 130
    assert [row["state"] for row in rows("wild")] == ["failed"]
    status, table, _ = sweep(*wild, "--out", "wild")
    assert status == 0
    good, bad = rows("wild")
    assert (good["lr_encoder"], good["state"], good["reason"]) == ("0.001", "complete", "")
    assert (bad["lr_encoder"], bad["state"], bad["score"]) == ("1e+38", "failed", "")
    trial = Path("wild", bad["folder"])
    assert bad["reason"] == (
        "loss discriminator=nan at step 1, so training stopped; the last good checkpoint, of step "
        f"0, is in '{trial}/checkpoints/last'; a smaller learning rate may help"
    )
    assert f"\nfailed: {bad['reason']}\n" in output
    assert f"\ntrial 0: {bad['reason']}\n" in table
    assert [score for run, _, score in sessions("wild") if run.startswith(trial.name)] == [[]]
    before = tree(trial)
    assert sweep(*wild, "--out", "wild")[0] == 0
    assert tree(trial) == before


def test_networks_that_do_not_fit_into_memory_fail_their_trial(sweep, at_step):
    def full():
        raise torch.cuda.OutOfMemoryError("CUDA out of memory.\nTried to allocate")

    at_step(1, full)
    assert sweep(*RANDOM, "--out", "a")[0] == 0
    assert [row["reason"] for row in rows("a")] == ["", "", "CUDA out of memory."]


def test_a_sweep_in_which_all_trials_fail_says_why(sweep):
    wild = ["aae", *TINY, "--set", "lr_encoder=1e37,1e38", "--set", "batch_norm_eps=1e-5"]
    status, _, errors = sweep(*wild, "--out", "wild")
    assert status == 2
    assert errors.splitlines()[-1] == (
        "error: all 2 trials failed, the first one so: loss discriminator=nan at step 1, so "
        "training stopped; the last good checkpoint, of step 0, is in "
        "'wild/trial-0000/checkpoints/last'; a smaller learning rate may help"
    )
    assert not Path("wild/scores.png").exists()


def test_a_disk_that_fails_stops_the_sweep_and_no_trial_has_failed(sweep, at_step):
    def spoil():
        shutil.rmtree("a/trial-0001/checkpoints")
        Path("a/trial-0001/checkpoints").touch()

    at_step(6, spoil)
    status, _, errors = sweep(*RANDOM, "--out", "a")
    assert status == 2
    assert errors.splitlines()[-1] == (
        "error: folder 'a/trial-0001': it cannot be written (Not a directory); choose another one"
    )
    shutil.rmtree("a/trial-0001")
    assert sweep(*RANDOM, "--out", "a")[0] == 0
    assert {row["state"] for row in rows("a")} == {"complete"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--trials", "0"], "trials=0 must be a whole number of at least 1"),
        (["--preset", "big"], "preset='big' is not known; choose from paper, small, mini"),
        (
            ["--search-seed", "-1"],
            "search_seed=-1 must be a whole number from 0 to 4294967295",
        ),
        (
            ["--out", "/dev/null/a"],
            "folder '/dev/null/a': it cannot be written (Not a directory); choose another one",
        ),
    ],
)
def test_mistakes_in_arguments_too(sweep, arguments, message):
    assert sweep(*GRID, *arguments) == (2, "", f"error: {message}\n")
    assert os.listdir() == []


def test_torchrun_is_refused(sweep, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    message = "error: WORLD_SIZE=2 must be 1: start a sweep without torchrun\n"
    assert sweep(*GRID) == (2, "", message)
    assert os.listdir() == []


def test_a_folder_keeps_its_sweep(sweep):
    assert sweep(*RANDOM, "--trials", "1", "--out", "a")[0] == 0
    before = tree(Path("a"))
    for change, fault in {
        "--set=batch_norm_eps=0.1": "batch_norm_eps=0.5, not 0.1",
        "--search-seed=1": "search_seed=0, not 1",
        "--search=tpe": "search='random', not 'tpe'",
        "--set=zoom=0.1,0.2": "zoom=0.0, not '0.1,0.2'",
    }.items():
        assert sweep(*RANDOM, change, "--out", "a") == (
            2,
            "",
            f"error: sweep folder 'a': it holds a sweep with {fault}; choose another folder with "
            "--out\n",
        )
    assert tree(Path("a")) == before
    with FileLock("a/.lock"):
        assert sweep(*RANDOM, "--out", "a") == (
            2,
            "",
            "error: sweep folder 'a': another sweep is running in it; choose another with --out\n",
        )
    message = "it holds files but no sweep; choose another with --out"
    assert sweep(*GRID, "--out", "a/trial-0000") == (
        2,
        "",
        f"error: sweep folder 'a/trial-0000': {message}\n",
    )
    assert tree(Path("a")) == before
    Path("a/optuna.log").write_text("{}\n")
    status, _, errors = sweep(*RANDOM, "--out", "a")
    assert status == 2
    assert errors.startswith("error: sweep folder 'a': optuna.log is damaged: ")


def test_the_help_names_every_argument(sweep):
    status, output, _ = sweep("--help")
    assert status == 0
    for name in ("preset", "set NAME=VALUES", "search {grid,random,tpe}", "trials N", "out FOLDER"):
        assert f"--{name} " in output
    assert "{dcgan,aae,lsd}" in output
    words = " ".join(output.replace("│", " ").split())
    assert "(default: runs/sweep-BASELINE-PRESET)" in words
