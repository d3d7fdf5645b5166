"""`python -m benchmarks.correspondence MODEL`: tables, a report folder, mistakes in one line."""

import collections
import contextlib
import hashlib
import io
import json
import re
import shutil
import sys
from typing import ClassVar

import numpy as np
import pytest
from fake_models import FEW
from PIL import Image
from tiny_runs import TINY

import fdd
from baselines.aae import AAE, Config
from baselines.training.loop import train
from benchmarks import correspondence
from benchmarks.correspondence import Options
from benchmarks.protocol.settings import QUICK as QUICK_LOOK
from benchmarks.protocol.settings import Settings
from benchmarks.reporting.saved import load_evaluation
from fdd.files import alone_in
from fdd.releases.cards import RELEASES, Release

SMALL = Release(
    "small-1", {"train": 150, "val": 10, "test": 70}, size=16, points=400, shard_rows=80
)


class Renderer:
    """A generator whose codes are the raw parameters: it draws what it is asked for."""

    latent_size = 6
    image_size = SMALL.size
    config: ClassVar = {"data_version": SMALL.name}

    def vectors(self, params):
        return params

    def generate(self, codes):
        return fdd.render(codes, size=SMALL.size, points=SMALL.points)


class Interrupted(Renderer):
    """Ctrl-C while it draws."""

    def generate(self, codes):
        raise KeyboardInterrupt


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The run folder of an auto-encoder after one step, on a release of 230 small images."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(RELEASES, SMALL.name, SMALL)
        folder = tmp_path_factory.mktemp("trained") / "run"
        train(AAE, Config(**TINY | {"version": SMALL.name, "steps": 1}), folder)
        yield folder


@pytest.fixture
def run(trained, tmp_path, monkeypatch):
    """A copy of that run folder without scores, below the current folder."""
    monkeypatch.chdir(tmp_path)
    without = shutil.ignore_patterns("correspondence")
    return shutil.copytree(trained, tmp_path / "run", ignore=without)


def command(model, *options):
    return correspondence.main([str(model), *map(str, options)])


def score_renderer(name="Renderer", *options):
    """Score a generator of this module on as few images as can be."""
    model = f"{__name__}:{name}"
    return command(model, "--images", 40, "--train-images", 100, *options)


@contextlib.contextmanager
def counting_shards():
    """Counts how often each file of the cache is opened."""
    opened, open_memmap = collections.Counter(), np.lib.format.open_memmap

    def counted(path, **options):
        opened[path] += 1
        return open_memmap(path, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(np.lib.format, "open_memmap", counted)
        yield opened


@pytest.fixture(scope="module")
def scored(trained):
    """What scoring the run says, and how often it opens which shards; of few draws, for time."""
    output, errors = io.StringIO(), io.StringIO()
    for split in ("train", "test"):
        fdd.load(split, version=SMALL.name)  # so that all shards are there
    words = [trained, "--images", 60, "--train-images", 120, "--seed", 3]
    with (
        counting_shards() as opened,
        contextlib.redirect_stdout(output),
        contextlib.redirect_stderr(errors),
    ):
        status = correspondence.main([*map(str, words)], FEW)
    assert status == 0, errors.getvalue()
    return output.getvalue(), errors.getvalue(), opened


def test_the_command_prints_tables_and_writes_a_report(trained, scored):
    output, errors, _ = scored
    assert "correspondence-3, small-1 at 16 x 16: 60 test images" in output
    assert str(trained / "correspondence") in output
    assert re.search(r"scoring: +[0-9]+%.* [0-9]+/36 \[", errors)
    assert re.search(r"\r *\r$", errors)  # the bar is gone
    out = trained / "correspondence"
    scores = json.loads((out / "scores.json").read_text())
    assert scores["settings"]["seed"] == 3
    assert scores["deviations"][:2] == ["seed is 3, not 0", "train_images is 120, not 4000"]
    assert scores["run"] == str(trained)
    assert scores["config"] == json.loads((trained / "config.json").read_text())
    assert scores["data_version"] == "small-1"
    assert scores["fdd_version"] == fdd.__version__
    assert scores["name"] == "run"
    assert scores["oracle"] is None
    assert scores["supervision"] == scores["config"]["supervision"] == "none"
    for strata in scores["strata"].values():
        assert sum(one["images"] for one in strata.values()) == 60
    assert scores["image_size"] == 16
    assert scores["split"] == {"fit": "train", "score": "test"}
    weights = trained / "checkpoints" / "last" / "model.safetensors"
    assert scores["weights_sha256"] == hashlib.sha256(weights.read_bytes()).hexdigest()
    pictures = sorted(path.name for path in out.glob("*.png"))
    assert {"scores.png", "pairs.png"} <= set(pictures)
    html = (out / "index.html").read_text()
    assert html.count("data:image/png;base64,") == len(pictures)
    assert "http:" not in html
    assert "https:" not in html


@pytest.mark.usefixtures("scored")
@pytest.mark.parametrize("name", ["codes", "pairs", "predictions", "scores"])
def test_the_figures_are_pictures_with_something_on_them(trained, name):
    with Image.open(trained / "correspondence" / f"{name}.png") as picture:
        assert min(picture.size) > 200
        assert np.asarray(picture.convert("L")).std() > 5


def test_each_split_is_opened_once(scored):
    with counting_shards() as opened:
        for split, rows in (("train", 120), ("test", 60)):
            images = fdd.load(split, params="raw", version=SMALL.name).read(range(rows))
            assert len(images) == rows
    assert len(opened) == 3
    assert scored[2] == opened


@pytest.mark.usefixtures("run")
def test_a_generator_alone_is_scored_for_what_it_draws_and_out_chooses_the_folder(tmp_path):
    assert score_renderer("Renderer", "--out", tmp_path / "a" / "b") == 0
    scores = json.loads((tmp_path / "a" / "b" / "scores.json").read_text())["scores"]
    assert "linear_r2" not in scores
    assert scores["top1"]["direct"]["score"] == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "run"]


def test_quick_takes_fewer_images_and_draws_and_says_so():
    assert Options("m").settings() == Settings()
    assert Options("m").settings(FEW) == FEW
    quick = Options("m", quick=True, images=60).settings()
    assert quick.deviations() == [
        "train_images is 800, not 4000",
        "test_images is 60, not 2000",
        "pairwise_rows is 200, not 500",
        "draws is 99, not 999",
        "slow_draws is 19, not 99",
        "nonlinear_rows is 400, not 2000",
        "halves is 20, not 50",
    ]
    for draws in (quick.draws, quick.slow_draws, quick.few_draws):
        assert 1 / (draws + 1) <= 0.05  # so that a score can be better than chance


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
def test_a_mistake_is_one_line_and_nothing_is_written(run, capsys, options, message):
    assert command(run, *options) == 2
    assert capsys.readouterr().err.endswith(message)
    assert not (run / "correspondence").exists()


def test_what_a_run_was_trained_with_is_its_own_word(run, capsys):
    path = run / "config.json"
    config = json.loads(path.read_text())
    for older in (False, True):
        if older:  # its baseline says it
            del config["supervision"]
            path.write_text(json.dumps(config))
        assert command(run, "--supervision", "labels") == 2
        message = f"error: supervision is 'labels', but '{run}' says that it is 'none'\n"
        assert capsys.readouterr().err == message
    path.write_text(json.dumps(config | {"supervision": "all"}))
    assert command(run) == 2
    message = (
        f"error: '{run}': supervision='all' is not known; choose from none, pairs, symmetry, one, "
        "labels\n"
    )
    assert capsys.readouterr().err == message
    path.write_text(json.dumps(config | {"supervision": ["pairs"]}))
    assert command(run) == 2
    message = f"error: run folder '{run}': config.json has supervision=['pairs']\n"
    assert capsys.readouterr().err == message


def test_an_unknown_option_and_a_missing_run_folder_exit_with_2(capsys):
    for arguments, message in (
        (["run", "--imagse", "5"], "option='--imagse' is not known (did you mean --images?)"),
        ([], "the following arguments are required: MODEL\n"),
    ):
        assert correspondence.main(arguments) == 2
        assert capsys.readouterr().err.startswith(f"error: {message}")


def test_a_folder_that_is_no_run_is_named(tmp_path, capsys):
    assert correspondence.main([str(tmp_path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert str(tmp_path) in line
    assert "config.json" in line
    assert list(tmp_path.iterdir()) == []


def test_a_run_on_pictures_has_no_parameters(run, capsys):
    config = json.loads((run / "config.json").read_text())
    config |= {"data": "images:faces", "data_version": None}
    (run / "config.json").write_text(json.dumps(config))
    message = f"error: run folder '{run}': it knows pictures, which have no parameters\n"
    assert (command(run), capsys.readouterr().err) == (2, message)
    assert not (run / "correspondence").exists()


@pytest.mark.usefixtures("run")
def test_a_full_disk_leaves_no_scores(capsys, monkeypatch, tmp_path):
    def full(self, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    assert score_renderer("Renderer", "--out", "out") == 2
    assert ": the disk is full; " in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("run")
def test_a_figure_that_cannot_be_drawn_leaves_the_scores(monkeypatch, tmp_path):
    def fail(*arguments, **options):
        raise RuntimeError("no font")

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", fail)
    with pytest.raises(RuntimeError, match="no font"):
        score_renderer("Renderer", "--out", "out")
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"scores.json", "shown.npz", "SHA256SUMS", "results.json", "results.csv"}
    assert load_evaluation(tmp_path / "out").result["name"].endswith("Renderer")


@pytest.mark.usefixtures("run")
def test_ctrl_c_exits_with_130(capsys, tmp_path):
    assert score_renderer("Interrupted") == 130
    assert capsys.readouterr().err.endswith("stopped\n")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


@pytest.mark.usefixtures("run")
def test_a_folder_is_scored_into_by_one_command_at_a_time(tmp_path, capsys):
    with alone_in(tmp_path / "scores"):
        assert score_renderer("Interrupted", "--out", tmp_path / "scores") == 2
    assert capsys.readouterr().err == (
        f"error: folder '{tmp_path / 'scores'}' is in use: another process works in it; wait until "
        "it has ended or choose another folder\n"
    )
    assert not (tmp_path / "scores").exists()


def test_help_says_what_the_options_mean(capsys):
    with pytest.raises(SystemExit) as caught:
        correspondence.main(["--help"])
    printed = capsys.readouterr().out
    assert caught.value.code == 0
    for words in ("--images", "--train-images", "--out", "--seed", "run folder"):
        assert words in printed
    text = " ".join(printed.replace("\u2502", " ").split())
    assert f"{QUICK_LOOK.test_images} with --quick" in text
    assert f"{QUICK_LOOK.train_images} with --quick" in text


@pytest.mark.parametrize("package", ["jinja2", "scipy", "sklearn", "matplotlib"])
def test_a_missing_package_is_one_line(run, capsys, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    assert command(run, "--images", 40, "--train-images", 100) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert line.endswith("pip install 'fdd[benchmarks]'")
    assert not (run / "correspondence").exists()
