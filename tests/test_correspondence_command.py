"""`python -m benchmarks.correspondence RUN`: tables, a report folder, mistakes in one line."""

import dataclasses
import hashlib
import json
import sys
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
from fake_models import QUICK, TEST, TRAIN, Ideal
from PIL import Image

import baselines
import fdd
from benchmarks import correspondence


@pytest.fixture
def command(monkeypatch, tmp_path):
    """Runs the command with a model and a data set of the test's own; (exit code, run folder)."""

    class Data:
        def __init__(self, split, params, version):
            assert (params, version) == ("raw", "fdd-1")
            images, vectors = {"train": TRAIN, "test": TEST}[split]
            self.images = images.repeat(2, axis=1).repeat(2, axis=2)
            self.params = pd.DataFrame(vectors, columns=["x0", "y0", "a", "b", "c", "d"])

        def __len__(self):
            return len(self.params)

        def read(self, rows):
            return self.images[np.asarray(rows)]

    run = tmp_path / "run"
    (run / "checkpoints" / "last").mkdir(parents=True)
    (run / "checkpoints" / "last" / "model.safetensors").write_bytes(b"weights")
    monkeypatch.setattr(fdd, "load", Data)
    monkeypatch.setattr(baselines, "load_run", lambda path, checkpoint: Ideal())
    monkeypatch.setattr(
        correspondence, "Settings", lambda seed: dataclasses.replace(QUICK, seed=seed)
    )

    def call(*options):
        return correspondence.main([str(run), *map(str, options)]), run

    return call


def test_the_command_prints_tables_and_writes_a_report(command, capsys):
    status, run = command("--images", 60, "--train-images", 150, "--seed", 3)
    printed = capsys.readouterr()
    assert status == 0
    assert "Generator against renderer" in printed.out
    assert str(run / "correspondence") in printed.out
    assert "scoring codes against parameters" in printed.err
    out = run / "correspondence"
    scores = json.loads((out / "scores.json").read_text())
    assert scores["settings"]["seed"] == 3
    assert scores["run"] == str(run)
    assert scores["config"] == Ideal.config
    assert scores["data_version"] == "fdd-1"
    assert scores["fdd_version"] == fdd.__version__
    assert scores["split"] == {"fit": "train", "score": "test"}
    assert scores["weights_sha256"] == hashlib.sha256(b"weights").hexdigest()
    pictures = sorted(path.name for path in out.glob("*.png"))
    assert pictures == ["codes.png", "pairs.png", "predictions.png", "scores.png"]
    html = (out / "index.html").read_text()
    assert html.count("data:image/png;base64,") == 4
    assert "http" not in html
    assert sorted(path.name for path in out.iterdir()) == sorted(
        [*pictures, "index.html", "scores.json"]
    )


def test_the_figures_are_pictures_with_something_on_them(command):
    _, run = command("--images", 40, "--train-images", 100)
    for name in ("codes", "pairs", "predictions", "scores"):
        with Image.open(run / "correspondence" / f"{name}.png") as picture:
            assert min(picture.size) > 200
            assert np.asarray(picture.convert("L")).std() > 5


def test_out_chooses_the_folder(command, tmp_path):
    status, run = command("--images", 40, "--train-images", 100, "--out", tmp_path / "a" / "b")
    assert status == 0
    assert (tmp_path / "a" / "b" / "scores.json").exists()
    assert not (run / "correspondence").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ("--images", 0),
            "error: images=0 must be a whole number of at least 20\n",
        ),
        (
            ("--train-images", -5),
            "error: train_images=-5 must be a whole number of at least 20\n",
        ),
        (("--seed", -1), "error: seed=-1 must be a whole number of at least 0\n"),
        (
            ("--images", 61, "--train-images", 100),
            "error: images is 61, but the test split has 60 images\n",
        ),
        (
            ("--train-images", 151),
            "error: train_images is 151, but the train split has 150 images\n",
        ),
        (
            ("--out", __file__),
            f"error: out is {__file__!r}, which cannot be written: see {__file__}\n",
        ),
        (
            ("--out", f"{__file__}/x"),
            f"error: out is '{__file__}/x', which cannot be written: see {__file__}\n",
        ),
    ],
)
def test_a_mistake_is_one_line_and_nothing_is_written(command, capsys, options, message):
    status, run = command(*options)
    assert (status, capsys.readouterr().err) == (2, message)
    assert not (run / "correspondence").exists()


def test_an_unknown_option_and_a_missing_run_folder_exit_with_2(command, capsys):
    for arguments in (["--imagse", "5"], []):
        with pytest.raises(SystemExit) as caught:
            correspondence.main(["run", *arguments] if arguments else [])
        assert caught.value.code == 2
        assert capsys.readouterr().err


def test_a_folder_that_is_no_run_is_named(tmp_path, capsys):
    assert correspondence.main([str(tmp_path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert str(tmp_path) in line
    assert "config.json" in line
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_cannot_be_scored_so_is_one_sentence(command, monkeypatch, capsys):
    class Generator(Ideal):
        can_encode = False

    class Faces(Ideal):
        config: ClassVar = {"baseline": "aae", "data_version": None}

    for model, reason in (
        (
            Generator(),
            "baseline='ideal' has no encoder; python -m benchmarks.recipes --folder {} scores what "
            "it draws",
        ),
        (Faces(), "it knows pictures, which have no parameters"),
    ):
        monkeypatch.setattr(baselines, "load_run", lambda path, checkpoint, model=model: model)
        status, run = command()
        message = f"error: run folder '{run}': {reason.format(run.parent)}\n"
        assert (status, capsys.readouterr().err) == (2, message)
        assert not (run / "correspondence").exists()


def test_a_full_disk_leaves_no_scores(command, capsys, monkeypatch):
    def full(self, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    status, run = command("--images", 40, "--train-images", 100)
    assert status == 2
    assert "No space left on device" in capsys.readouterr().err.splitlines()[-1]
    assert list((run / "correspondence").iterdir()) == []


def test_ctrl_c_exits_with_130(command, capsys, monkeypatch):
    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(correspondence, "evaluate", interrupted)
    status, run = command("--images", 40, "--train-images", 100)
    assert (status, capsys.readouterr().err) == (130, "stopped\n")
    assert not (run / "correspondence").exists()


def test_help_says_what_the_options_mean(capsys):
    with pytest.raises(SystemExit) as caught:
        correspondence.main(["--help"])
    printed = capsys.readouterr().out
    assert caught.value.code == 0
    for words in ("--images", "--train-images", "--out", "--seed", "run folder"):
        assert words in printed


@pytest.mark.parametrize("package", ["tyro", "scipy", "sklearn", "matplotlib"])
def test_a_missing_package_is_one_line(command, capsys, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    status, run = command("--images", 40, "--train-images", 100)
    assert status == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert line.endswith("pip install 'fdd[benchmarks]'")
    assert not (run / "correspondence").exists()
