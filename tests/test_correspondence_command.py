"""`python -m benchmarks.correspondence RUN`: tables, a report folder, mistakes in one line."""

import dataclasses
import hashlib
import json
import sys
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
from fake_models import QUICK, TEST, TRAIN, Ideal, draw
from PIL import Image

import baselines
import fdd
from benchmarks import correspondence, oracle
from benchmarks.protocol.settings import Settings


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
    (run / "config.json").write_text("{}")
    monkeypatch.setattr(fdd, "load", Data)
    monkeypatch.setattr(fdd, "render", lambda params, size, points: draw(params))
    monkeypatch.setattr(baselines, "load_run", lambda path, checkpoint: Ideal())
    monkeypatch.delitem(oracle.SHIPPED, "fdd-1")
    quick = dataclasses.asdict(QUICK)
    monkeypatch.setattr(correspondence, "Settings", lambda **given: Settings(**quick | given))

    def call(*options):
        return correspondence.main([str(run), *map(str, options)]), run

    return call


def test_the_command_prints_tables_and_writes_a_report(command, capsys):
    status, run = command("--images", 60, "--train-images", 150, "--seed", 3)
    printed = capsys.readouterr()
    assert status == 0
    assert "correspondence-2, fdd-1 at 16 x 16: 60 test images" in printed.out
    assert str(run / "correspondence") in printed.out
    assert "linear_r2 ..." in printed.err
    out = run / "correspondence"
    scores = json.loads((out / "scores.json").read_text())
    assert scores["settings"]["seed"] == 3
    assert scores["run"] == str(run)
    assert scores["config"] == Ideal.config
    assert scores["data_version"] == "fdd-1"
    assert scores["fdd_version"] == fdd.__version__
    assert scores["name"] == "run"
    assert scores["oracle"] is None
    assert scores["image_size"] == 16
    assert scores["split"] == {"fit": "train", "score": "test"}
    assert scores["weights_sha256"] == hashlib.sha256(b"weights").hexdigest()
    pictures = sorted(path.name for path in out.glob("*.png"))
    assert {"scores.png", "pairs.png"} <= set(pictures)
    html = (out / "index.html").read_text()
    assert html.count("data:image/png;base64,") == len(pictures)
    assert "http" not in html


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
            "error: images=0 must be a whole number of at least 40\n",
        ),
        (
            ("--train-images", -5),
            "error: train_images=-5 must be a whole number of at least 40\n",
        ),
        (("--seed", -1), "error: seed=-1 must be a whole number of at least 0\n"),
        (
            ("--images", 71, "--train-images", 100),
            "error: images is 71, but the test split has 70 images\n",
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
    assert status == 2
    assert capsys.readouterr().err.endswith(message)
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


def test_a_run_on_pictures_has_no_parameters(command, monkeypatch, capsys):
    class Faces(Ideal):
        config: ClassVar = {"baseline": "aae", "data_version": None}

    monkeypatch.setattr(baselines, "load_run", lambda path, checkpoint: Faces())
    status, run = command()
    message = f"error: run folder '{run}': it knows pictures, which have no parameters\n"
    assert (status, capsys.readouterr().err) == (2, message)
    assert not (run / "correspondence").exists()


def test_a_generator_alone_is_scored_for_what_it_draws(command, monkeypatch, capsys):
    class Generator(Ideal):
        can_encode = False

    monkeypatch.setattr(baselines, "load_run", lambda path, checkpoint: Generator())
    status, run = command("--images", 40, "--train-images", 100)
    assert status == 0
    scores = json.loads((run / "correspondence" / "scores.json").read_text())["scores"]
    assert "linear_r2" not in scores
    assert scores["top1"]["direct"]["score"] == 1


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
    assert status == 130
    assert capsys.readouterr().err.endswith("\nstopped\n")
    assert not (run / "correspondence").exists()


def test_help_says_what_the_options_mean(capsys):
    with pytest.raises(SystemExit) as caught:
        correspondence.main(["--help"])
    printed = capsys.readouterr().out
    assert caught.value.code == 0
    for words in ("--images", "--train-images", "--out", "--seed", "run folder"):
        assert words in printed


@pytest.mark.parametrize("package", ["tyro", "jinja2", "scipy", "sklearn", "matplotlib"])
def test_a_missing_package_is_one_line(command, capsys, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    status, run = command("--images", 40, "--train-images", 100)
    assert status == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert line.endswith("pip install 'fdd[benchmarks]'")
    assert not (run / "correspondence").exists()
