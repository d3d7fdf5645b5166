"""The recipes train what they say, share their runs, and are scored with the spread over seeds."""

import csv
import json
import types

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import fdd
from baselines import recipes
from baselines.aae import Config as AAEConfig
from baselines.lsd import Config as LSDConfig
from benchmarks import recipes as scores
from fdd.releases.cards import RELEASES

TINY = {
    "version": "tiny-1",
    "image_size": 16,
    "width": 2,
    "kernel_size": 3,
    "batch_size": 4,
    "train_images": 8,
    "steps": 4,
    "log_every": 2,
    "sample_every": 4,
    "checkpoint_every": 2,
    "precision": "float32",
}
"""Changes by which a run trains in a fraction of a second."""


@pytest.fixture
def run(tiny, tmp_path, monkeypatch, capsys):
    """run(*arguments): status, output and errors of the command in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def go(*arguments):
        status = recipes.main([str(argument) for argument in arguments], TINY)
        return status, *capsys.readouterr()

    return go


@pytest.fixture
def score(run, capsys):
    """score(*arguments): the same of the command that scores."""

    def go(*arguments):
        status = scores.main([str(argument) for argument in arguments])
        return status, *capsys.readouterr()

    return go


def config(folder):
    return json.loads((folder / "config.json").read_text())


def test_every_run_of_every_recipe_has_options_that_its_baseline_takes():
    for recipe in recipes.RECIPES.values():
        assert len(recipe.runs) >= 2
        for name in recipe.runs:
            for mini in (False, True):
                recipes.configured(name, mini)[1].check()
    assert {name for recipe in recipes.RECIPES.values() for name in recipe.runs} == set(
        recipes.RUNS
    )


def test_the_full_recipes_have_the_settings_of_2019():
    _, aae = recipes.configured("aae-detached")
    assert aae == AAEConfig(autoencoder_loss="E", train_images=1984, steps=24_800)
    assert (aae.image_size, aae.batch_size, aae.width, aae.kernel_size) == (128, 16, 64, 9)
    assert recipes.configured("lsd-2019")[1] == LSDConfig(train_images=1984, steps=24_800)
    faces = recipes.configured("aae-faces")[1]
    assert (faces.latent_size, faces.lr_generator, faces.lr_discriminator) == (32, 2.5e-4, 5e-5)


def test_the_small_form_keeps_what_a_run_is_about():
    mini = recipes.configured("aae-ms-ssim", mini=True)[1]
    assert (mini.version, mini.image_size, mini.steps) == ("mini-1", 32, recipes.MINI["steps"])
    assert (mini.reconstruction_loss, mini.train_images) == ("ms-ssim", 1984)
    assert mini.batch_norm_eps == 0.5


def test_the_list_has_each_recipe_with_its_question_and_what_2019_saw(run):
    status, output, _ = run("list")
    assert status == 0
    for name, recipe in recipes.RECIPES.items():
        assert f"{name}\n  {recipe.question}\n" in output
    assert "  2019: Stride 2 gives noise.\n" in output
    assert "    dcgan-stride-2: dcgan, " in output


def test_a_recipe_trains_its_runs_for_every_seed_and_another_one_shares_them(run, tmp_path):
    status, output, errors = run("run", "detach-fdd", "--mini", "--seeds", 0, 1)
    assert status == 0, errors
    folder = tmp_path / "runs" / "recipes"
    names = [f"mini-{name}-seed{seed}" for name in ("aae-2019", "aae-detached") for seed in (0, 1)]
    assert sorted(path.name for path in folder.iterdir()) == names
    assert [config(folder / name)["seed"] for name in names] == [0, 1, 0, 1]
    losses = [config(folder / name)["autoencoder_loss"] for name in names]
    assert losses == ["EG", "EG", "E", "E"]
    before = (folder / names[0] / "metrics.csv").stat().st_mtime_ns
    status, output, _ = run("run", "ms-ssim-aae", "--mini")
    assert status == 0
    assert "== ms-ssim-aae: aae-2019, seed 0" in output
    assert (folder / names[0] / "metrics.csv").stat().st_mtime_ns == before
    assert config(folder / "mini-aae-ms-ssim-seed0")["reconstruction_loss"] == "ms-ssim"


def test_only_and_steps(run, tmp_path):
    assert run("run", "lsd", "--mini", "--only", "lsd-2019", "--steps", 2, "--out", "o")[0] == 0
    assert [path.name for path in (tmp_path / "o").iterdir()] == ["mini-lsd-2019-seed0"]
    assert config(tmp_path / "o" / "mini-lsd-2019-seed0")["steps"] == 2
    lower = ("--only", "lsd-2019", "--steps", 2, "--out", "l", "--precision", "bfloat16")
    assert run("run", "lsd", "--mini", *lower)[0] == 0
    assert config(tmp_path / "l" / "mini-lsd-2019-seed0")["precision"] == "bfloat16"


def test_interpolation_draws_its_paths(run, tmp_path):
    status, _, errors = run("run", "interpolation", "--mini", "--only", "dcgan-2019")
    assert status == 0, errors
    drawn = tmp_path / "runs/recipes/mini-dcgan-2019-seed0"
    for path in ("linear", "spherical"):
        assert list((drawn / f"interpolation-{path}").glob("*.gif"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["nope"],
            "recipe='nope' is not known; choose from " + ", ".join(recipes.RECIPES),
        ),
        (
            ["lsd", "--only", "aae-2019"],
            "only='aae-2019' is not known; choose from dcgan-2019, lsd-2019",
        ),
        (
            ["detach-faces"],
            "recipe='detach-faces' trains on a folder of pictures: name it with "
            "--data images:FOLDER",
        ),
        (["lsd", "--steps", "0"], "steps=0 must be a whole number of 1 or more"),
        (["lsd", "--seeds", "0", "-1"], "seed=-1 must be a whole number from 0 to 2**63 - 1"),
    ],
)
def test_mistakes_are_one_sentence_and_leave_nothing(run, tmp_path, arguments, message):
    assert run("run", *arguments, "--mini") == (2, "", f"error: {message}\n")
    assert list(tmp_path.iterdir()) == []


def test_a_figure_that_cannot_be_drawn_leaves_the_scores(run, score, tmp_path, monkeypatch):
    def fail(*arguments, **options):
        raise RuntimeError("no font")

    assert run("run", "detach-fdd", "--mini", "--only", "aae-2019")[0] == 0
    monkeypatch.setattr("matplotlib.figure.Figure.savefig", fail)
    arguments = ("--folder", "runs/recipes", "--images", 10, "--out", "new/scores.csv")
    with pytest.raises(RuntimeError, match="no font"):
        score(*arguments, "--figure", "rows.png")
    with (tmp_path / "new" / "scores.csv").open(newline="") as file:
        assert [row["run"] for row in csv.DictReader(file)] == ["mini-aae-2019"]


@pytest.mark.parametrize("option", ["out", "figure"])
def test_a_place_that_cannot_be_written_is_said_before_anything_is_scored(score, tmp_path, option):
    (tmp_path / "file").touch()
    assert score(f"--{option}", "file/rows.png") == (
        2,
        "",
        f"error: the folder of {option} is 'file', which cannot be written: "
        f"see {tmp_path / 'file'}\n",
    )


def test_runs_are_scored_with_their_spread_beside_what_needs_no_model(run, score, tmp_path):
    assert run("run", "lsd", "--mini", "--seeds", 0, 1)[0] == 0
    assert run("run", "detach-fdd", "--mini", "--only", "aae-2019")[0] == 0
    arguments = ("--folder", "runs/recipes", "--images", 10, "--out", "scores.csv")
    arguments += ("--figure", "rows.png")
    status, output, errors = score(*arguments)
    assert status == 0, errors
    lines = [line for line in output.splitlines() if line.startswith("| ")]
    first = [line.split("|")[1].strip() for line in lines]
    assert first == [
        "run",
        "mini-aae-2019",
        "mini-dcgan-2019",
        "mini-lsd-2019",
        "another test image",
        "training images",
        "mean training image",
        "nearest of 25 training images",
        "FD from another start",
        "mean of FD from 64 starts",
    ]
    cells = [cell.strip() for cell in lines[3].split("|")]
    assert cells[2:4] == ["0, 1", "4"]
    assert "±" in cells[4]
    with (tmp_path / "scores.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["run"] for row in rows] == [*first[1:3], first[2], *[first[3]] * 2]
    mean = np.mean([float(row["ssim"]) for row in rows if row["run"] == "mini-lsd-2019"])
    assert cells[4].startswith(f"{mean:.3f}")
    assert rows[1]["ssim"] == ""  # a DCGAN makes nothing of an image
    with Image.open(tmp_path / "rows.png") as picture:
        colours = len(set(np.asarray(picture.convert("RGB")).reshape(-1, 3)[:, 0]))
        assert picture.height < picture.width  # a line of test images, one of each model
    assert colours > 20


def test_a_run_on_pictures_is_scored_by_the_pictures_it_held_out(run, score, tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / "faces").mkdir()
    for number in range(120):
        pixels = rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "faces" / f"{number:03}.png")
    data = ("--data", "images:faces", "--only", "aae-faces")
    assert run("run", "detach-faces", "--mini", *data)[0] == 0
    status, output, errors = score("--images", 10, "--out", "scores.csv")
    assert status == 0, errors
    assert "images:faces, 16 x 16 pixels, held-out pictures" in output
    assert "FD from another start" not in output
    with (tmp_path / "scores.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["run"], row["version"], row["r2"]) == ("mini-aae-faces", "images:faces", "")
    assert -1 <= float(row["ssim"]) <= 1
    (folder,) = scores.run_folders(scores.Options())
    (held_out, params), fit = scores.data_of(config(folder), 10)
    assert (params, fit) == (None, None)
    pictures = {tuple(np.asarray(Image.open(f)).reshape(-1)) for f in tmp_path.glob("faces/*.png")}
    assert {tuple(image.reshape(-1)) for image in held_out} < pictures


def test_runs_are_compared_over_seeds_with_welchs_intervals():
    values = {"a": [1.0, 2.0, 3.0], "b": [2.0, 4.0, 6.0], "c": [1.0]}
    rows = [{"run": run, "ssim": value} for run, found in values.items() for value in found]
    table = pd.DataFrame(rows).reindex(columns=["run", *scores.COLUMNS])
    _, _, second, third = scores.differences(table, "a").splitlines()
    cells = [cell.strip() for cell in second.split("|")]
    assert cells[1:4] == ["b", "2.000 (-2.155 to 6.155)", ""]
    assert [cell.strip() for cell in third.split("|")][1:4] == ["c", "", ""]


def test_only_some_runs_are_scored_in_the_order_asked_for(run, score):
    assert run("run", "lsd", "--mini")[0] == 0
    names = "mini-lsd-2019", "mini-dcgan-2019"
    options = scores.Options(runs=names)
    assert [scores.run_name(folder) for folder in scores.run_folders(options)] == list(names)
    shown = scores.pictures(scores.Options(images=8))
    assert list(shown) == ["test image", "mini-lsd-2019"]
    assert {images.shape for images in shown.values()} == {(8, 16, 16, 3)}
    message = "runs='lsd' is not known; choose from mini-dcgan-2019, mini-lsd-2019"
    assert score("--runs", "lsd") == (2, "", f"error: {message}\n")


def test_scoring_a_folder_without_runs_is_one_sentence(score):
    message = "folder='nowhere' holds no runs; train some with baselines.recipes"
    assert score("--folder", "nowhere") == (2, "", f"error: {message}\n")


@pytest.mark.usefixtures("tiny")
def test_the_nearest_is_searched_among_the_first_images_and_among_all():
    found = scores.references("tiny-1", 16, 10, ends=(5, 25, 100_000))
    assert [name for name in found if name.startswith("nearest of ")] == [
        "nearest of 5 training images",
        "nearest of 25 training images",
    ]


def test_pair_scores_of_the_images_themselves_are_perfect_and_of_others_chance():
    images = fdd.render(fdd.sample_params(40), size=16, points=400)
    found = scores.pair_scores(images, images)
    assert found == {"ssim": pytest.approx(1.0), "top1": 1.0, "top10": 1.0}
    other = scores.pair_scores(np.roll(images, 1, axis=0), images)
    assert other["top1"] == 0.0
    assert other["ssim"] < 0.5


def test_the_nearest_of_images_that_hold_it_is_the_image_itself():
    images = fdd.render(fdd.sample_params(30), size=16, points=400)
    assert np.array_equal(scores.nearest(images[7:9], lambda rows: images[rows], 30), images[7:9])
    among = scores.nearest(images[7:9], lambda rows: images[rows], 7)
    distance = ((images[:7].astype(float) - images[7]) ** 2).sum((1, 2, 3))
    assert np.array_equal(among[0], images[distance.argmin()])


class Renderer:
    """A model that draws FD(v): a code is v itself, and noise is the starting point."""

    def __init__(self, version, noisy=True):
        self.config, self.image_size = {"version": version}, RELEASES[version].size
        self.network = types.SimpleNamespace(noisy=noisy)

    def generate(self, codes, noise=0):
        return scores.from_another_start(self.config["version"], codes, 100 + noise)


def test_the_variety_of_the_renderer_is_one_and_that_of_a_model_without_noise_zero():
    params = fdd.sample_params(200, "test", version="mini-1")
    images = fdd.render(params, size=32, points=4000)
    for noisy, low, high in ((True, 0.9, 1.1), (False, 0, 0)):
        model = Renderer("mini-1", noisy)
        made = model.generate(params)
        assert low <= scores.variety(model, made, params, images, params) <= high


def test_the_oracle_reads_from_pictures_what_they_show():
    params = fdd.sample_params(60, "test", version="mini-1")
    oracle = scores.oracle_of("mini-1", 32)
    right = scores.read_scores(scores.from_another_start("mini-1", params), params, oracle)
    wrong = scores.read_scores(scores.from_another_start("mini-1", params[::-1]), params, oracle)
    assert right["oracle"] > 0.7
    assert wrong["oracle"] < 0
    assert scores.oracle_of("mini-1", 16) is None
    assert scores.read_scores(np.empty(0), params, None) == {}


@pytest.mark.usefixtures("tiny")
def test_the_mean_of_many_starts_is_blurred():
    params = fdd.sample_params(4, "test", version="tiny-1")
    mean = scores.mean_image("tiny-1", 16, params)
    assert (mean.shape, mean.dtype) == ((4, 16, 16, 3), np.uint8)
    starts = [scores.from_another_start("tiny-1", params, seed) for seed in range(scores.STARTS)]
    np.testing.assert_allclose(mean, np.mean(starts, axis=0), atol=0.51)
