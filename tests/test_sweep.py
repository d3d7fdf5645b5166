"""A sweep tries what was asked for, once each, ranks it, and goes on wherever it was stopped."""

import csv
import multiprocessing
import os
import re
import shutil
import signal
import threading
from pathlib import Path
from typing import ClassVar

import numpy as np
import optuna
import pytest
import torch
from conftest import tree
from filelock import FileLock
from optuna.trial import TrialState, create_trial
from PIL import Image
from tensorboard import context
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.plugins.base_plugin import TBContext
from tensorboard.plugins.hparams import api_pb2, backend_context, list_session_groups
from tqdm import tqdm

import baselines
from baselines.aae import AAE, Config
from baselines.sweep import main
from baselines.training.runs import load_state
from baselines.trials import draw, make_plan, parse_settings, plot, tabulate, words

SETTINGS = {
    "version": "tiny-1",
    "steps": "4",
    "batch_size": "4",
    "image_size": "16",
    "width": "2",
    "kernel_size": "3",
    "device": "cpu",
    "log_every": "2",
    "sample_every": "4",
    "checkpoint_every": "2",
}
TINY = [word for name, text in SETTINGS.items() for word in ("--set", f"{name}={text}")]
GRID = ["aae", *TINY, "--set", "lr-encoder=1e-4,1e-3", "--set", "flip=true,false"]
RANDOM = [
    "aae",
    *TINY,
    "--search=random",
    "--trials=3",
    "--set=lr_encoder=log:1e-5:1e-2",
    "--set=beta1=0.3:0.9",
]
ACTING = ["acting", *RANDOM[1:]]
SPACE = {"width": "2:6", "beta1": "0.3:0.9", "lr_encoder": "log:1e-6:1e-2", "flip": "true,false"}


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


class Acting(AAE):
    """The baseline "acting", with the presets of aae: in one of its steps something happens."""

    name = "acting"
    made = 0
    """Steps of all trials."""
    at: ClassVar = {}
    """What is called in the step of that number, from 1."""

    def step(self, batch, rng):
        Acting.made += 1
        Acting.at.get(Acting.made, lambda: None)()
        return super().step(batch, rng)


PRESETS = baselines.aae.PRESETS


@pytest.fixture
def acting(monkeypatch):
    """The baseline "acting" is there."""
    monkeypatch.setitem(baselines.BASELINES, Acting.name, (__name__, "Acting"))


@pytest.fixture
def at_step(acting):
    """at_step(number, act) calls act() in that step of those that "acting" makes from now on."""

    def set_up(number, act):
        Acting.made, Acting.at = 0, {number: act}

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


def planned(search, space=SPACE, **options):
    settings = [f"{name}={text}" for name, text in (SETTINGS | space).items()]
    return make_plan("aae", "mini", settings, search, **options)


def trials(plan, count, failed=()):
    """The first trials of a plan as they end if the score is 1 - beta1."""
    ended = []
    for number in range(count):
        params = draw(plan, ended)
        told = {"best_step": 2, "seconds": 1.0, "reason": None}
        state = TrialState.FAIL if number in failed else TrialState.COMPLETE
        value = None if number in failed else 1 - params["beta1"]
        trial = create_trial(
            state=state, value=value, params=params, distributions={**plan.space}, user_attrs=told
        )
        trial.number = number
        ended.append(trial)
    return ended


def drawn(plan, count):
    return [trial.params for trial in trials(plan, count)]


RANGE = "LOW:HIGH, numbers with LOW below HIGH, or log:LOW:HIGH with LOW above 0 too"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("", "nothing varies; give an option several values: --set beta1=0.5,0.7"),
        ("width=3", "nothing varies; give an option several values: --set beta1=0.5,0.7"),
        ("beta1", "--set beta1 must be --set NAME=VALUES, as in beta1=0.5,0.7"),
        (
            "beta=1,2",
            "--set beta=1,2: there is no option beta (did you mean beta1?); the baseline's --help "
            "lists them",
        ),
        (
            "beta1=0.5,0.7 beta1=0.9",
            "--set beta1=0.9: beta1 is given twice; give all its values at once",
        ),
        ("beta1=", "beta1= has an empty value; write beta1=VALUE,VALUE"),
        ("exclude=a,,b", "exclude=a,,b has an empty value; write exclude=VALUE,VALUE"),
        ("beta1=0.5,0.50", "beta1=0.5,0.50 has 0.5 twice; a value must be given once"),
        ("beta1=0.5,1", "beta1=1.0 must be a number from 0 to below 1"),
        ("beta1=half,0.7", "beta1='half' must be a number from 0 to below 1"),
        ("width=8,1e3", "width='1e3' must be a whole number of 1 or more"),
        ("flip=yes,no", "flip='yes' must be True or False"),
        ("colors=rgb,lab", "colors='lab' is not known; choose from rgb, hsv"),
        ("generator_stride=1,3", "generator_stride='3' must be 1 or 2"),
        (
            "patience=0,1 steps=1",
            "checkpoint_every=2 must be at most steps=1: a trial is scored at its checkpoints",
        ),
        ("batch_size=4,26", "batch_size=26 must be at most 25, the images to train on"),
        ("image_size=16,32", "size=32 must divide 16, the side of the images"),
        ("data=fdd,images:no", "data='images:no': there is no such folder"),
        ("lr_encoder=1e-2:1e-5", f"lr_encoder=1e-2:1e-5 must be {RANGE}"),
        ("lr_encoder=log:0:1", f"lr_encoder=log:0:1 must be {RANGE}"),
        ("lr_encoder=log:1", f"lr_encoder=log:1 must be {RANGE}"),
        ("lr_encoder=0.1:inf", f"lr_encoder=0.1:inf must be {RANGE}"),
        ("width=2.5:4", f"width=2.5:4 must be {RANGE.replace('numbers', 'whole numbers')}"),
        ("beta1=0.5:1", "beta1=1.0 must be a number from 0 to below 1"),
        ("kernel_size=3:9", "kernel_size=4 must be an odd whole number of 1 or more"),
        (
            "beta1=0.3:0.9",
            "beta1=0.3:0.9 is a range, and a grid needs values: list them (beta1=VALUE,VALUE) or "
            "choose --search random or tpe",
        ),
    ],
)
def test_mistakes_are_one_sentence_and_write_nothing(capsys, settings, message):
    given = {setting.partition("=")[0] for setting in settings.split()}
    fixed = [f"{name}={text}" for name, text in SETTINGS.items() if name not in given]
    assert main(["aae", *(f"--set={one}" for one in (*fixed, *settings.split()))]) == 2
    assert capsys.readouterr() == ("", f"error: {message}\n")
    assert os.listdir() == []


def test_values_are_read_as_the_option_has_them():
    settings = {
        "lr_encoder": ("1e-5,0.001", (1e-5, 1e-3)),
        "width": ("4,8", (4, 8)),
        "flip": ("True,False", (True, False)),
        "generator_stride": ("1,2", (1, 2)),
        "data": ("stream,images:a:b", ("stream", "images:a:b")),
        "generator_from": ("None,runs/a", (None, "runs/a")),
    }
    ranges = {"beta1": "0.3:0.9", "lr_generator": "log:1e-06:0.01", "latent_size": "2:8"}
    texts = {name: text for name, (text, _) in settings.items()} | ranges
    found = parse_settings(Config(), [f"{name}={text}" for name, text in texts.items()])
    for name, (_, values) in settings.items():
        assert found[name].choices == values
        assert [type(value) for value in found[name].choices] == [type(value) for value in values]
    assert {name: words(values) for name, values in found.items()} == texts | {
        "lr_encoder": "1e-05,0.001"
    }


@pytest.mark.parametrize("search", ["random", "tpe"])
def test_what_is_drawn_follows_from_the_seed_and_from_what_has_ended(search):
    plan = planned(search)
    ended = trials(plan, 14)
    for number, trial in enumerate(ended):
        assert draw(plan, ended[:number]) == trial.params
        assert list(trial.params) == list(SPACE)
        assert 2 <= trial.params["width"] <= 6
        assert 0.3 <= trial.params["beta1"] <= 0.9
        assert isinstance(trial.params["flip"], bool)
    rates = np.log10([trial.params["lr_encoder"] for trial in ended])
    assert -6 <= rates.min() < -5
    assert -3 < rates.max() <= -2
    assert len({trial.params["beta1"] for trial in ended}) == 14
    assert draw(planned(search, seed=1), []) != ended[0].params


def test_tpe_looks_where_the_score_was_high_and_random_does_not():
    guided, blind = drawn(planned("tpe"), 40)[20:], drawn(planned("random"), 40)[20:]
    assert np.mean([options["beta1"] for options in guided]) < 0.4
    assert np.mean([options["beta1"] for options in blind]) > 0.5


def test_a_grid_is_each_combination_of_its_values():
    space = {"width": "2,4", "beta1": "0.3,0.5,0.9", "generator_from": "None,a", "flip": "true"}
    space |= {"autoencoder_loss": "E"}
    plan = planned("grid", space)
    assert plan.trials == 12
    assert planned("grid", space, trials=5).trials == 5
    found = {tuple(options.values()) for options in drawn(plan, 12)}
    assert found == {(w, b, g) for w in (2, 4) for b in (0.3, 0.5, 0.9) for g in (None, "a")}
    assert plan.config.flip


def test_the_picture_has_a_panel_an_option_and_the_axes_asked_for():
    plan = planned("random", SPACE | {"generator_from": "None,a", "autoencoder_loss": "E"})
    table = tabulate(trials(plan, 9, failed=(2, 5)), list(plan.space))
    assert list(table["number"][-2:]) == [2, 5]
    panels = plot(table, plan).axes[: len(plan.space)]
    assert [axes.get_xlabel() for axes in panels] == [*SPACE, "generator_from"]
    scales = [axes.get_xscale() for axes in panels]
    assert scales == ["linear", "linear", "log", "linear", "linear"]
    assert panels[2].get_xlim() == (1e-6, 1e-2)
    labels = [label.get_text() for label in panels[4].get_xticklabels()]
    assert labels == ["None", "a"]
    marks = {mark.get_label(): mark for mark in panels[1].collections}
    assert marks["best"].get_offsets().tolist() == [[table["beta1"][0], table["score"][0]]]
    assert sorted(marks["failed"].get_offsets()[:, 0]) == sorted(table["beta1"][-2:])
    points = marks["trial"].get_offsets()
    assert np.allclose(points[:7].sum(axis=1), 1)


def test_a_grid_has_each_combination_once_and_the_best_first(sweep):
    status, output, _ = sweep(*GRID, "--out", "grid")
    assert status == 0
    table = rows("grid")
    assert list(table[0]) == [
        "number",
        "lr_encoder",
        "flip",
        "score",
        "best_step",
        "state",
        "seconds",
        "folder",
        "reason",
    ]
    tried = sorted((row["lr_encoder"], row["flip"]) for row in table)
    assert tried == [("0.0001", "False"), ("0.0001", "True"), ("0.001", "False"), ("0.001", "True")]
    scores = [float(row["score"]) for row in table]
    assert scores == sorted(scores, reverse=True)
    for row in table:
        trial = Path("grid", row["folder"])
        best = load_state(trial)["watch"]
        assert row["score"] == str(best["best_score"])
        assert row["best_step"] == str(best["best_step"])
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
    assert sweep(*ACTING, "--out", "whole")[0] == 0
    assert len({row["lr_encoder"] for row in rows("whole")}) == 3

    assert sweep(*ACTING, "--trials", "1", "--out", "parts")[0] == 0
    at_step(3, lambda: signal.raise_signal(signal.SIGINT))
    status, _, errors = sweep(*ACTING, "--out", "parts")
    assert status == 130
    assert errors.endswith("stopped after 1 of 3 trials; run the same command again to go on\n")
    assert [row["number"] for row in rows("parts")] == ["0"]
    assert load_state(Path("parts/trial-0001"))["step"] == 3
    assert sweep(*ACTING, "--out", "parts")[0] == 0
    assert result("parts") == result("whole")


def test_a_kill_at_any_moment_loses_nothing(sweep, at_step, monkeypatch, tmp_path):
    folder = tmp_path / "killed"

    def die():
        tqdm.set_lock(threading.RLock())  # that of all processes would stay with a killed one
        at_step(8, lambda: os.kill(os.getpid(), signal.SIGKILL))
        main([*ACTING, "--out", str(folder)])

    process = multiprocessing.get_context("fork").Process(target=die)
    process.start()
    process.join(timeout=600)
    assert process.exitcode == -signal.SIGKILL
    assert load_state(folder / "trial-0001")["step"] == 2
    # what a power failure may leave: half a record, a lock
    with (folder / "optuna.log").open("a") as journal:
        journal.write('{"op_code":4,"worker')
    (folder / "optuna.log.lock").touch()

    def stop(study, trial):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:  # between the end of a trial and its record
        patch.setattr(optuna.Study, "add_trial", stop)
        status, _, errors = sweep(*ACTING, "--out", "killed")
    assert status == 130
    assert errors.endswith("stopped; run the same command again to go on\n")
    assert sweep(*ACTING, "--out", "killed")[0] == 0
    assert sweep(*ACTING, "--out", "whole")[0] == 0
    assert result("killed") == result("whole")
    assert [run for run, _, _ in sessions("killed")] == [f"trial-000{n}/tb" for n in range(3)]


def test_a_trial_that_fails_is_recorded_and_the_others_go_on(sweep, at_step):
    wild = ["acting", *TINY, "--set", "lr_encoder=1e-3,1e38", "--set", "batch_norm_eps=1e-5"]
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
    assert sweep(*ACTING, "--out", "a")[0] == 0
    assert [row["reason"] for row in rows("a")] == ["", "", "CUDA out of memory."]


def test_a_sweep_in_which_all_trials_fail_says_why(sweep):
    wild = ["aae", *TINY, "--set", "lr_encoder=1e37,1e38", "--set", "batch_norm_eps=1e-5"]
    status, _, errors = sweep(*wild, "--out", "wild")
    assert status == 2
    assert errors.splitlines()[-1] == (
        "error: all 2 trials failed; the first one: loss discriminator=nan at step 1, so "
        "training stopped; the last good checkpoint, of step 0, is in "
        "'wild/trial-0000/checkpoints/last'; a smaller learning rate may help"
    )
    assert not Path("wild/scores.png").exists()


def test_a_disk_that_fails_stops_the_sweep_and_no_trial_has_failed(sweep, at_step):
    def spoil():
        shutil.rmtree("a/trial-0001/checkpoints")
        Path("a/trial-0001/checkpoints").touch()

    at_step(6, spoil)
    status, _, errors = sweep(*ACTING, "--out", "a")
    assert status == 2
    assert errors.splitlines()[-1] == (
        "error: folder 'a/trial-0001': it cannot be written (Not a directory); choose another one"
    )
    shutil.rmtree("a/trial-0001")
    assert sweep(*ACTING, "--out", "a")[0] == 0
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


def test_a_picture_that_cannot_be_drawn_leaves_the_table(sweep, monkeypatch):
    def fail(*arguments, **options):
        raise RuntimeError("no font")

    with monkeypatch.context() as patch:
        patch.setattr("matplotlib.figure.Figure.savefig", fail)
        with pytest.raises(RuntimeError, match="no font"):
            sweep(*RANDOM, "--trials", "1", "--out", "a")
    (row,) = rows("a")
    assert row["state"] == "complete"
    assert not Path("a/scores.png").exists()
    assert sweep(*RANDOM, "--trials", "1", "--out", "a")[0] == 0
    assert rows("a") == [row]
    assert Path("a/scores.png").exists()


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
            "error: folder 'a' is in use: another process works in it; wait until it has ended or "
            "choose another folder\n",
        )
    Path("a/.lock").unlink()
    message = "it holds files but no sweep; choose another with --out"
    assert sweep(*GRID, "--out", "a/trial-0000") == (
        2,
        "",
        f"error: sweep folder 'a/trial-0000': {message}\n",
    )
    assert tree(Path("a")) == before


def test_a_damaged_journal_is_told_and_nothing_else_happens(sweep):
    assert sweep(*RANDOM, "--trials", "2", "--out", "a")[0] == 0
    journal = Path("a/optuna.log")
    *begin, first, second = journal.read_text().splitlines()
    score = rows("a")[0]["score"]
    changed = "trial 0 is not as it was recorded"
    cases = {
        "another score": ([*begin, first.replace('"value":0.0', '"value":0.1'), second], changed),
        "no reason": ([*begin, first.replace('"reason"', '"season"'), second], changed),
        "two in turn": ([*begin, second, first], changed),
        "one twice": ([*begin, first, second, second], "trial 2 is not as it was recorded"),
        "no plan": ([begin[0], first, second], "it does not say what the sweep is"),
        "no records": (["{}", "{}"], "'"),
        "half a text": (["my", "notes"], ""),
    }
    assert score in first + second
    for name, (lines, why) in cases.items():
        journal.write_text("\n".join(lines) + "\n")
        before = tree(Path("a"))
        status, output, errors = sweep(*RANDOM, "--trials", "2", "--out", "a")
        assert (status, output, errors.count("\n")) == (2, "", 1), name
        assert errors.startswith(f"error: sweep folder 'a': optuna.log is damaged: {why}"), name
        assert errors.endswith("; choose another folder with --out\n"), name
        assert tree(Path("a")) == before, name
    journal.write_text("my notes")
    assert sweep(*RANDOM, "--out", "a") == (
        2,
        "",
        "error: sweep folder 'a': optuna.log is damaged: its last line is not a record; choose "
        "another folder with --out\n",
    )
    assert journal.read_text() == "my notes"


def test_the_help_names_every_argument(sweep):
    status, output, _ = sweep("--help")
    assert status == 0
    for name in ("preset", "set NAME=VALUES", "search {grid,random,tpe}", "trials N", "out FOLDER"):
        assert re.search(rf"--{re.escape(name)}\s", output)
    words = " ".join(output.split())
    assert output.startswith("usage: fdd sweep [OPTIONS] BASELINE\n")
    assert "(default: runs/sweep-BASELINE-PRESET)" in words
