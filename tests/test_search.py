"""What a sweep may try: its values, what is refused, and the order, which is repeatable."""

import os

import numpy as np
import pytest
from optuna.trial import TrialState, create_trial

from baselines.aae import Config
from baselines.search import draw, make_plan, parse_settings, words
from baselines.sweep import main, plot, tabulate

SETTINGS = {
    "version": "tiny-1",
    "steps": "4",
    "batch_size": "4",
    "image_size": "16",
    "checkpoint_every": "2",
}
SPACE = {"width": "2:6", "beta1": "0.3:0.9", "lr_encoder": "log:1e-6:1e-2", "flip": "true,false"}


@pytest.fixture(autouse=True)
def here(tiny, tmp_path, monkeypatch):
    """The release tiny-1 is there, and the current folder is empty."""
    monkeypatch.chdir(tmp_path)


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
        ("beta=1,2", "--set beta=1,2: there is no option beta; the baseline's --help lists them"),
        (
            "beta1=0.5,0.7 beta1=0.9",
            "--set beta1=0.9: beta1 is there twice; give all its values at once",
        ),
        ("beta1=", "beta1= has an empty value; write beta1=VALUE,VALUE"),
        ("exclude=a,,b", "exclude=a,,b has an empty value; write exclude=VALUE,VALUE"),
        ("beta1=0.5,0.50", "beta1=0.5,0.50 has 0.5 twice; a value must be there once"),
        ("beta1=0.5,1", "beta1=1.0 must be a number from 0 to below 1"),
        ("beta1=half,0.7", "beta1='half' must be a number from 0 to below 1"),
        ("width=8,1e3", "width='1e3' must be a whole number of 1 or more"),
        ("flip=yes,no", "flip='yes' must be True or False"),
        ("colors=rgb,lab", "colors='lab' must be 'rgb' or 'hsv'"),
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


def test_a_grid_has_each_combination_once():
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
