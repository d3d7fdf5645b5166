"""Samples of a generator, between noise and other real images, with what tells them from these."""

import dataclasses

import numpy as np
import pytest
from fake_models import QUICK, SIZE, Ideal, draw, sample

from benchmarks.image_scores import fid, kid, prdc
from benchmarks.protocol.data import Data
from benchmarks.protocol.parts import run_parts
from benchmarks.protocol.samples import sample_parts
from benchmarks.statistics.intervals import half_sample_interval

SETTINGS = dataclasses.replace(QUICK, slow_draws=19, halves=40)
CONTROLS = {"random_fid", "pca_fid"}
NAMES = ("fid", "kid", "precision", "recall", "density", "coverage")
QUALITY = {f"fdd_{name}" for name in NAMES}
TRAIN, TEST = sample(240, 0), sample(120, 1)
IMAGES, OTHERS = TEST[0], TRAIN[0]


class Eye:
    """Features that are the mean of each of the blocks that the stand-in renderer draws."""

    sha256 = "eye"

    def features(self, images):
        blocks = images[:, :16, :15].reshape(len(images), 2, 8, 3, 5, 3)
        return blocks.mean(axis=(2, 4, 5)).reshape(len(images), 6) / np.float32(64)


EYE = Eye()


class Uniform(Ideal):
    """Draws images that nothing tells from real ones, whatever the codes."""

    def generate(self, codes):
        return sample(len(codes), 7)[0]


class Flat(Ideal):
    """One picture for all codes."""

    def generate(self, codes):
        return np.full((len(codes), SIZE, SIZE, 3), 128, np.uint8)


def quality(real, made):
    return [fid(real, made), kid(real, made), *prdc(real, made).values()]


def scored(model, oracle=EYE, settings=SETTINGS):
    data = Data(TRAIN, TEST, oracle=oracle)
    (found,) = run_parts(sample_parts(model, data, settings)).values()
    return found


@pytest.fixture(scope="module")
def good():
    return scored(Uniform())


@pytest.fixture(scope="module")
def flat():
    return scored(Flat())


def test_each_score_stands_between_noise_and_other_real_images(good):
    assert good.keys() == CONTROLS | QUALITY
    rng = np.random.default_rng(SETTINGS.seed)
    rng.standard_normal((120, 6))  # the codes
    noise = rng.integers(0, 256, IMAGES.shape, dtype=np.uint8)
    sets = (IMAGES, Uniform().generate(range(120)), OTHERS[:120], noise)
    real, *others = (EYE.features(images) for images in sets)
    for name, *want in zip(NAMES, *(quality(real, other) for other in others), strict=True):
        cell = good[f"fdd_{name}"]["samples"]
        assert [cell[key] for key in ("score", "ceiling", "chance")] == pytest.approx(want)
    assert good["fdd_fid"]["samples"]["chance"] > 2 * good["fdd_fid"]["samples"]["ceiling"]
    for value in good.values():
        assert "p" not in value["samples"]
        assert value["samples"]["low"] <= value["samples"]["score"] <= value["samples"]["high"]


def test_what_is_real_is_not_told_from_real_images_and_one_picture_is(good, flat):
    for name in CONTROLS | QUALITY:
        same, other = good[name]["samples"], flat[name]["samples"]
        assert same["p_same"] > 0.05, name
        if name not in ("fdd_precision", "fdd_density"):  # it is in the midst of real ones
            assert other["p_same"] == pytest.approx(1 / (1 + other["draws"])), name
        assert same["draws"] == 19
    assert flat["fdd_recall"]["samples"]["score"] < 0.1
    assert flat["fdd_fid"]["samples"]["share"] < 0.5 < good["fdd_fid"]["samples"]["share"]


def test_too_dense_and_too_sparse_are_both_far_from_real():
    class Narrow(Ideal):
        def generate(self, codes):
            return draw(0.3 * np.random.default_rng(3).uniform(-1, 1, size=(len(codes), 6)))

    density = scored(Narrow())["fdd_density"]["samples"]
    assert density["score"] > 1.2
    assert density["p_same"] == pytest.approx(0.05)


def test_draws_are_those_of_the_settings_and_follow_the_seed(good):
    cells = scored(Uniform(), settings=dataclasses.replace(SETTINGS, slow_draws=9, draws=29))
    draws = {name: value["samples"]["draws"] for name, value in cells.items()}
    assert draws == dict.fromkeys(CONTROLS | {"fdd_fid"}, 9) | dict.fromkeys(
        QUALITY - {"fdd_fid"}, 29
    )
    assert scored(Uniform()) == good
    other = scored(Uniform(), settings=dataclasses.replace(SETTINGS, seed=1))
    assert other["fdd_fid"]["samples"]["score"] == good["fdd_fid"]["samples"]["score"]
    assert other["fdd_fid"]["samples"]["low"] != good["fdd_fid"]["samples"]["low"]


def test_without_an_oracle_there_are_the_controls_alone():
    assert scored(Flat(), oracle=None).keys() == CONTROLS


@pytest.mark.parametrize(("shift", "most"), [(0.5, 1.4), (0.0, 2.3)])
def test_intervals_of_sets_are_as_long_as_scores_of_other_sets_are_far_apart(shift, most):
    """Up to twice as long where nothing tells the sets apart, as docs/protocol.md says."""
    values, reach = [], []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        real, made = rng.normal(size=(200, 4)), rng.normal(size=(200, 4)) + shift
        values.append(quality(real, made))
        if seed < 12:
            found = half_sample_interval(
                lambda rows, x=real, y=made: quality(x[rows], y[rows]), 200, draws=40, seed=seed
            )
            reach.append((found.high - found.low) / 2)
    ratio = np.sqrt(np.mean(np.square(reach), axis=0)) / np.std(values, axis=0, ddof=1) / 1.96
    assert (ratio > 0.8).all()
    assert (ratio < most).all()
