"""How a run is judged, when it stops by itself, and which checkpoint was the best."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from scipy.stats import energy_distance as one_dimensional
from skimage import data as shipped
from tiny_runs import OPTIONS, TINY, data_sets, render, table, words

import baselines
from baselines.dcgan import DCGAN, PRESETS
from baselines.training import stopping
from baselines.training.cli import main
from baselines.training.data import to_tensor
from baselines.training.loop import Outcome, train
from baselines.training.runs import load_state, load_weights
from baselines.training.stopping import EarlyStopping
from benchmarks import image_scores
from fdd.pictures import resize

CPU = torch.device("cpu")


def photographs(side):
    """uint8 [4, side, side, 3]."""
    found = [shipped.astronaut(), shipped.coffee(), shipped.chelsea(), shipped.rocket()]
    return np.concatenate([resize(picture[None, :256, :256], side) for picture in found])


@pytest.mark.parametrize("side", [16, 32, 128])
def test_similarity_is_the_ssim_of_the_benchmarks(side):
    images = photographs(side)
    for other in (images[::-1], 255 - images, np.roll(images, 1, axis=2), images):
        made, real = to_tensor(other.copy(), CPU), to_tensor(images, CPU)
        expected = image_scores.ssim(other, images).mean()
        assert stopping.similarity(made, real) == pytest.approx(expected, abs=1e-4)
    assert stopping.similarity(real, real) == pytest.approx(1, abs=1e-6)


def test_diversity_is_the_distance_of_two_images():
    images = torch.stack([torch.full((3, 4, 4), level) for level in (0.0, 1.0, -1.0)])
    # pairs at distance 1, 1 and 2 in every number
    assert stopping.diversity(images) == pytest.approx(math.sqrt((1 + 1 + 4) / 3))
    assert stopping.diversity(images[:1].repeat(5, 1, 1, 1)) == 0


def test_the_diversity_of_noise_is_that_of_its_numbers():
    noise = torch.randn(64, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    assert stopping.diversity(noise) == pytest.approx(math.sqrt(2), rel=0.01)


def test_sharpness_is_the_difference_of_neighbours():
    board = (torch.arange(8)[:, None] + torch.arange(8)) % 2 * 2.0 - 1
    assert stopping.sharpness(board.expand(2, 3, 8, 8)) == 2
    stripes = (torch.arange(8) % 2 * 2.0 - 1).expand(2, 3, 8, 8)
    assert stopping.sharpness(stripes) == pytest.approx(math.sqrt(4 / 2))
    assert stopping.sharpness(torch.ones(2, 3, 8, 8)) == 0


def test_energy_distance_of_points_by_hand():
    """Every pixel of an image is one number, so images are points on a line."""

    def images(*levels):
        return torch.stack([torch.full((3, 16, 16), level) for level in levels])

    same, apart = images(0.0, 0.2), images(1.0, 1.4)
    # between 1.0, 1.4, 0.8, 1.2; within 0.2 and 0.4
    assert stopping.energy_distance(same, apart) == pytest.approx(2 * 1.1 - 0.2 - 0.4, rel=1e-5)
    assert stopping.energy_distance(same, same) == pytest.approx(2 * 0.1 - 0.2 - 0.2, abs=1e-5)


def test_energy_distance_is_that_of_scipy_and_0_for_one_distribution():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=1500), rng.normal(0.7, 2, size=1500)
    images = [torch.from_numpy(v)[:, None, None, None].expand(-1, 3, 16, 16) for v in (x, y)]
    assert stopping.energy_distance(*images) == pytest.approx(one_dimensional(x, y) ** 2, abs=0.01)
    halves = images[0].chunk(2)
    assert stopping.energy_distance(*halves) == pytest.approx(0, abs=0.01)


def test_what_is_found_about_samples_and_reconstructions():
    real = to_tensor(resize(render(40), 16), CPU)
    perfect = stopping.judge(real, real, real)
    assert perfect == pytest.approx(
        {"held_out_mse": 0, "score": 1, "diversity": 1, "sharpness": 1}, abs=1e-5
    )
    flat = torch.zeros_like(real)
    poor = stopping.judge(flat, flat, real)
    assert poor["held_out_mse"] == pytest.approx(real.square().mean().item())
    assert (poor["diversity"], poor["sharpness"]) == (0, 0)
    assert poor["score"] < 0.3
    samples = stopping.judge(0.5 * real, None, real)
    assert list(samples) == ["score", "diversity", "sharpness"]
    assert samples["score"] == -stopping.energy_distance(0.5 * real, real)
    assert samples["diversity"] == pytest.approx(0.5)
    assert stopping.judge(flat, None, real)["score"] < samples["score"] < 0


def update(memory, step, score=0.0, diversity=1.0, sharpness=1.0):
    return memory.update(step, {"score": score, "diversity": diversity, "sharpness": sharpness})


def test_a_better_score_is_the_best_and_an_equal_one_is_not():
    memory = EarlyStopping()
    scores = [-0.5, -0.7, -0.5, -0.1, math.nan, 0.3]
    found = [update(memory, 10 * i, score) for i, score in enumerate(scores)]
    assert found == [True, False, False, True, False, True]
    assert (memory.best_step, memory.best_score, memory.waited) == (50, 0.3, 0)


@pytest.mark.parametrize("what", ["diversity", "sharpness"])
def test_a_collapse_is_three_checkpoints_in_a_row_below_three_tenths(what):
    memory = EarlyStopping()
    verdicts = []
    for step, value in enumerate([0.8, 0.2, 0.2, 0.25, 0.2, 0.2, 0.2]):
        update(memory, step, score=-step, **{what: value})
        verdicts.append(memory.verdict(OPTIONS))
    assert verdicts[:6] == [None] * 6  # 0.25 is more than 0.3 of 0.8
    assert verdicts[6] == (
        "collapse: at 3 checkpoints in a row samples had less than 30% of the diversity or "
        "sharpness they once had; the best checkpoint is that of step 0 (score 0); "
        "--no-stop-on-collapse trains on"
    )
    assert memory.verdict(dataclasses.replace(OPTIONS, stop_on_collapse=False)) is None


def test_samples_that_never_had_more_have_not_collapsed():
    memory = EarlyStopping()
    for step in range(9):
        update(memory, step, diversity=0.1, sharpness=0.05)
        assert memory.verdict(OPTIONS) is None


def test_noise_is_sharper_than_images_and_may_become_as_sharp():
    memory = EarlyStopping()
    for step, sharpness in enumerate([9.0, 0.9, 0.5, 0.4]):
        update(memory, step, sharpness=sharpness)
        assert memory.verdict(OPTIONS) is None
    assert memory.sharpness == 1


def test_patience_counts_checkpoints_since_the_best():
    memory, patient = EarlyStopping(), dataclasses.replace(OPTIONS, patience=2)
    verdicts = []
    for step, score in enumerate([0.1, 0.3, 0.2, 0.25]):
        update(memory, step, score)
        verdicts.append(memory.verdict(patient))
        assert memory.verdict(OPTIONS) is None
    assert verdicts == [
        None,
        None,
        None,
        "no better score for 2 checkpoints; the best checkpoint is that of step 1 (score 0.3)",
    ]


def test_what_early_stopping_remembers_survives_in_full():
    memory = EarlyStopping()
    for step in range(4):
        update(memory, step, score=-step, diversity=0.2)
    again = EarlyStopping(**memory.state_dict())
    assert again == memory
    assert again.collapsed == 0
    assert again.waited == 3


def collapsing(number, make=DCGAN):
    """A baseline whose generator gives one flat image from that step on."""

    class Collapsing(make):
        made = 0

        def step(self, batch, rng):
            losses = super().step(batch, rng)
            self.made += 1
            if self.made >= number:
                with torch.no_grad():
                    self.generator[-2].weight.zero_()
            return losses

    return Collapsing


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
    """command(make, option=value, ...) trains in the folder `run`: (status, output, errors)."""
    monkeypatch.chdir(tmp_path)

    def go(make, **changes):
        given = words(**TINY | {"out": "run", "checkpoint_every": 1, "steps": 12} | changes)
        return main(make, PRESETS, given, **data_sets()), *capsys.readouterr()

    return go


def test_a_run_that_collapses_stops_says_so_and_keeps_its_best(command, tmp_path):
    status, output, _ = command(collapsing(5))
    assert status == 0
    rows = table(tmp_path / "run")
    assert len(rows) == 7  # at the checkpoints 5, 6 and 7 all is flat
    scores = [float(row["score"]) for row in rows[:4]]
    best = 1 + int(np.argmax(scores))
    assert output.splitlines()[-1] == (
        "stopped at step 7: collapse: at 3 checkpoints in a row samples had less than 30% of the "
        f"diversity or sharpness they once had; the best checkpoint is that of step {best} "
        f"(score {max(scores):.4g}); --no-stop-on-collapse trains on"
    )
    codes = np.random.default_rng(0).normal(size=(4, 6))
    flat, good = (
        baselines.load_run("run", checkpoint=which).generate(codes) for which in ("last", "best")
    )
    assert (flat == flat[0]).all()
    assert not (good == good[0]).all()


def test_the_best_checkpoint_is_that_of_its_step(tmp_path):
    config = DCGAN.config_type(**TINY | {"checkpoint_every": 1})
    train(collapsing(5), config, tmp_path / "run", **data_sets())
    best = load_state(tmp_path / "run")["watch"]["best_step"]
    short = dataclasses.replace(config, steps=best)
    train(DCGAN, short, tmp_path / "short", **data_sets())
    kept, expected = load_weights(tmp_path / "run", "best"), load_weights(tmp_path / "short")
    assert all(torch.equal(kept[name], expected[name]) for name in expected)


def test_a_collapsed_run_goes_on_where_it_is_told_to(command, tmp_path):
    command(collapsing(5))
    before = (tmp_path / "run" / "metrics.csv").read_bytes()
    status, output, _ = command(collapsing(1))
    assert (status, "stopped at step 7: collapse" in output) == (0, True)
    assert (tmp_path / "run" / "metrics.csv").read_bytes() == before
    status, output, _ = command(collapsing(1), stop_on_collapse=False)
    assert (status, output.splitlines()[-1]) == (0, "trained to step 12: run")


def test_a_collapse_is_seen_the_same_after_an_interruption(tmp_path):
    config = DCGAN.config_type(**TINY | {"checkpoint_every": 1, "steps": 12})
    whole = train(collapsing(5), config, tmp_path / "whole", **data_sets())
    half = dataclasses.replace(config, steps=6)
    assert train(collapsing(5), half, tmp_path / "halves", **data_sets()) == Outcome(6)
    halves = train(collapsing(1), config, tmp_path / "halves", **data_sets())
    assert halves == whole
    assert halves.step == 7
    states = [load_state(tmp_path / name)["watch"] for name in ("whole", "halves")]
    assert states[0] == states[1]
    assert states[0]["collapsed"] == 3
    assert (tmp_path / "whole" / "metrics.csv").read_bytes() == (
        tmp_path / "halves" / "metrics.csv"
    ).read_bytes()


class Scored(DCGAN):
    """Its score rises until step 2 and never again: what it makes of images is a share of them."""

    SHARES = (0.0, 0.1, 0.5, 0.2, 0.3, 0.4, 0.45, *[0.1] * 6)

    def __init__(self, config, rng):
        super().__init__(config, rng)
        self.register_buffer("made", torch.zeros((), dtype=torch.long))

    def step(self, batch, rng):
        self.made += 1
        return super().step(batch, rng)

    def reproduce(self, batch):
        return self.SHARES[self.made] * batch.images


def test_a_run_whose_score_does_not_rise_stops_if_told_to(command, tmp_path):
    for _ in range(2):  # the second is a run that goes on, to no step
        status, output, _ = command(Scored, patience=3)
        scores = [float(row["score"]) for row in table(tmp_path / "run")]
        assert int(np.argmax(scores)) == 1
        assert (status, output.splitlines()[-1]) == (
            0,
            "stopped at step 5: no better score for 3 checkpoints; the best checkpoint is that of "
            f"step 2 (score {scores[1]:.4g})",
        )
    status, output, _ = command(Scored, patience=4)
    assert output.splitlines()[-1].startswith(
        "stopped at step 6: no better score for 4 checkpoints"
    )
    status, output, _ = command(Scored)
    assert (status, output.splitlines()[-1]) == (0, "trained to step 12: run")
