"""The correspondence scores of a model, as a function of it and of arrays."""

import dataclasses
import json

import numpy as np
import pytest
from fake_models import QUICK, SIZE, TEST, TRAIN, Blind, Ideal, Wide

import fdd
from benchmarks import page
from benchmarks.correspondence import evaluate
from benchmarks.scores import mcc
from fdd import FddError


@pytest.fixture(scope="module")
def ideal():
    return evaluate(Ideal(), TRAIN, TEST, settings=QUICK)


def numbers(tree):
    """All numbers in nested dicts and lists."""
    if isinstance(tree, dict):
        return [n for value in tree.values() for n in numbers(value)]
    if isinstance(tree, list):
        return [n for value in tree for n in numbers(value)]
    return [tree] if isinstance(tree, (int, float)) else []


def cells(tree):
    """All scores with their chance in nested dicts."""
    if "score" in tree and "p" in tree:
        return [tree]
    return [c for value in tree.values() if isinstance(value, dict) for c in cells(value)]


def test_a_model_whose_codes_are_the_parameters_scores_one(ideal):
    raw = ideal.scores["parameters"]["raw"]
    assert list(raw) == ["x0", "y0", "a", "b", "c", "d"]
    for name, found in raw.items():
        assert found["linear_r2"]["score"] > 0.999, name
        assert found["linear_r2"]["p"] == pytest.approx(1 / 20)
        assert found["nonlinear_r2"]["score"] > 0.99, name
        assert found["nonlinear_r2"]["p"] == pytest.approx(1 / 10)
    for kind in ("pearson", "spearman"):
        for part in ("all", "abcd"):
            assert ideal.scores["mcc"]["raw"][kind][part]["score"] > 0.999


def test_a_generator_that_is_the_renderer_scores_one(ideal):
    for name in ("direct", "aligned_raw", "reconstruction"):
        found = ideal.scores["generator"][name]
        assert found["ssim"]["score"] > 0.99, name
        assert found["ssim"]["chance"] < 0.9, name
        assert found["top1"]["score"] == 1, name
        assert found["mean_reciprocal_rank"]["p"] == pytest.approx(1 / 20)
    folded = ideal.scores["generator"]["aligned_canonical"]
    assert folded["top1"]["score"] < 0.9


def test_canonical_parameters_stand_beside_the_raw_ones(ideal):
    canonical = ideal.scores["parameters"]["canonical"]
    assert list(canonical) == ["x0", "y0", "a'", "b'", "c", "d"]
    assert canonical["c"] == ideal.scores["parameters"]["raw"]["c"]
    assert canonical["a'"]["linear_r2"]["score"] < 0.2
    assert canonical["a'"]["nonlinear_r2"]["score"] > 0.8
    folded = fdd.canonical_params(TEST[1])
    np.testing.assert_array_equal(ideal.truth[:, 6:], folded[:, 2:4])
    for form, names in (("raw", "abcd"), ("canonical", ("a'", "b'", "c", "d"))):
        found = [ideal.scores["parameters"][form][n]["linear_r2"]["score"] for n in names]
        mean = ideal.scores["mean_abcd"][form]["linear_r2"]["score"]
        assert mean == pytest.approx(np.mean(found), abs=1e-12)


def test_a_blind_model_scores_chance():
    found = evaluate(Blind(), TRAIN, TEST, settings=QUICK).scores
    for cell in cells(found["parameters"]) + cells(found["mcc"]) + cells(found["generator"]):
        assert cell["score"] - cell["chance"] < 0.15
    assert np.mean([cell["p"] for cell in cells(found)]) > 0.3


def test_mcc_is_of_all_six_and_of_the_four_that_matter():
    model = Blind()
    found = evaluate(model, TRAIN, TEST, settings=QUICK).scores["mcc"]
    codes, test_codes = model.encode(TRAIN[0]), model.encode(TEST[0])
    for form, change in (("raw", np.asarray), ("canonical", fdd.canonical_params)):
        params, test_params = change(TRAIN[1]), change(TEST[1])
        for kind in ("pearson", "spearman"):
            for part, first in (("all", 0), ("abcd", 2)):
                test = (test_codes, test_params[:, first:])
                want = mcc(codes, params[:, first:], test=test, correlation=kind)
                assert found[form][kind][part]["score"] == pytest.approx(want, abs=1e-12)


def test_without_six_codes_the_direct_comparison_is_skipped_and_said():
    found = evaluate(Wide(), TRAIN, TEST, settings=QUICK)
    why = "latent_size is 8, not 6: v is no code of this model"
    assert found.scores["generator"]["direct"] == {"skipped": why}
    assert found.scores["generator"]["aligned_raw"]["top1"]["score"] == 1
    assert list(found.pictures) == ["FD(v)", "G(Mv + b)", "G(E(FD(v)))"]
    assert why in page.as_html(found.scores, [])


def test_scores_are_finite_json_that_says_how_they_were_made(ideal):
    text = json.dumps(ideal.scores, allow_nan=False)
    assert np.isfinite(numbers(json.loads(text))).all()
    assert ideal.scores["protocol"] == "correspondence-1"
    assert ideal.scores["settings"]["train_images"] == 150
    assert ideal.scores["settings"]["seed"] == 0
    assert "test_images is 60, not 2000" in ideal.scores["deviations"]
    assert "draws is 19, not 999" in ideal.scores["deviations"]
    assert not any(text.startswith("seed") for text in ideal.scores["deviations"])
    assert {cell["draws"] for cell in cells(ideal.scores)} == {9, 19}


def test_the_same_seed_gives_the_same_scores(ideal):
    again = evaluate(Ideal(), TRAIN, TEST, settings=QUICK)
    assert again.scores == ideal.scores
    other = evaluate(Ideal(), TRAIN, TEST, settings=dataclasses.replace(QUICK, seed=1))
    assert other.scores["mcc"] != ideal.scores["mcc"]


def test_the_text_is_narrow_and_holds_every_table(ideal):
    text = page.as_text(ideal.scores)
    assert max(map(len, text.splitlines())) <= 100
    for words in ("a, a'", "mean of a to d", "Spearman, all six", "aligned, canonical"):
        assert words in text
    assert "-0.000" not in text


@pytest.mark.parametrize(
    ("train", "test", "message"),
    [
        (
            (TRAIN[0][:, ..., :2], TRAIN[1]),
            TEST,
            "train images are uint8 (150, 16, 16, 2): they must be uint8 [N, S, S, 3]",
        ),
        (
            (TRAIN[0] / 255, TRAIN[1]),
            TEST,
            "train images are float64 (150, 16, 16, 3): they must be uint8 [N, S, S, 3]",
        ),
        (TRAIN, (TEST[0], TEST[1][:, :5]), "test params has shape (60, 5): it must be [N, 6], raw"),
        (
            TRAIN,
            (TEST[0][:50], TEST[1]),
            "test images has 50 rows and test params 60: they must agree",
        ),
        (
            TRAIN,
            (TEST[0][:19], TEST[1][:19]),
            "the number of test images=19 must be a whole number of at least 20",
        ),
        (
            (TRAIN[0], TRAIN[1] * np.nan),
            TEST,
            "train params holds NaN or infinity: 900 of 900 values, the first at index (0, 0)",
        ),
    ],
)
def test_bad_arrays_are_named(train, test, message):
    with pytest.raises(FddError) as caught:
        evaluate(Ideal(), train, test, settings=QUICK)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"encode": lambda self, images: np.full((len(images), 6), np.nan)},
            "the encoder's codes holds NaN or infinity: 900 of 900 values, "
            "the first at index (0, 0)",
        ),
        (
            {"encode": lambda self, images: np.zeros((len(images), 5))},
            "the encoder's codes have shape (150, 5): it must be (150, 6)",
        ),
        (
            {"generate": lambda self, codes: np.zeros((len(codes), 8, 8, 3), np.uint8)},
            "the generator's images have shape (60, 8, 8, 3): it must be (60, 16, 16, 3)",
        ),
    ],
)
def test_a_model_that_returns_nonsense_is_an_error(change, message):
    with pytest.raises(FddError) as caught:
        evaluate(type("Broken", (Ideal,), change)(), TRAIN, TEST, settings=QUICK)
    assert str(caught.value) == message


def test_a_collapsed_model_still_has_scores():
    flat = {
        "encode": lambda self, images: np.zeros((len(images), 6), np.float32),
        "generate": lambda self, codes: np.full((len(codes), SIZE, SIZE, 3), 128, np.uint8),
    }
    found = evaluate(type("Flat", (Ideal,), flat)(), TRAIN, TEST, settings=QUICK).scores
    assert np.isfinite(numbers(found)).all()
    assert found["mcc"]["raw"]["pearson"]["all"] == {
        "score": 0,
        "chance": 0,
        "chance_95": 0,
        "p": 1,
        "draws": 19,
    }
    assert found["generator"]["direct"]["top1"]["score"] <= 1 / 60
