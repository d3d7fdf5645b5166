"""The protocol as a function of a model and of arrays."""

import dataclasses
import json

import numpy as np
import pytest
from fake_models import DATA, FEW, QUICK, SIZE, TEST, TRAIN, Blind, Ideal, Wide

import fdd
from benchmarks.protocol.boosting import DCI
from benchmarks.protocol.codes import ENTRIES, MCC, REGRESSORS
from benchmarks.protocol.data import Data
from benchmarks.protocol.evaluation import evaluate
from benchmarks.protocol.settings import SETS, TARGETS, Settings
from benchmarks.scores import cka, mcc, predict
from fdd import FddError

RAW = ("a", "b", "c", "d")


@pytest.fixture(scope="module")
def ideal():
    return evaluate(Ideal(), DATA, settings=QUICK)


@pytest.fixture(scope="module")
def blind():
    """Its scores, beside those of an oracle that reads the canonical parameters."""
    codes = tuple(fdd.canonical_params(params)[:, 2:] for _, params in (TRAIN, TEST))
    data = dataclasses.replace(DATA, oracle_codes=codes)
    return evaluate(Blind(), data, settings=QUICK).result["scores"]


def numbers(tree):
    """All numbers in nested dicts and lists."""
    if isinstance(tree, dict):
        return [n for value in tree.values() for n in numbers(value)]
    if isinstance(tree, list):
        return [n for value in tree for n in numbers(value)]
    return [tree] if isinstance(tree, (int, float)) else []


def cells(tree):
    """All scores in nested dicts."""
    if "score" in tree:
        return [tree]
    return [c for value in tree.values() if isinstance(value, dict) for c in cells(value)]


def test_a_model_whose_codes_are_the_parameters_scores_one(ideal):
    found = ideal.result["scores"]
    for name in ("linear_r2", "nonlinear_r2"):
        for kind, names in (("raw", RAW), ("start", ("x0", "y0"))):
            assert list(found[name][kind]) == [*names, "mean"]
            assert all(cell["score"] > 0.98 for cell in found[name][kind].values())
    for name in ("mcc", "mcc_spearman", "mcc_affine", "mcc_weak", "cca"):
        assert found[name]["raw"]["score"] > 0.999, name
    for cell in (*cells(found["linear_r2"]["raw"]), found["mcc"]["raw"]):
        assert cell["p"] == pytest.approx(1 / 20)
        assert cell["chance"] < 0.5 < cell["low"] <= cell["score"] <= cell["high"]
    assert found["nonlinear_r2"]["raw"]["a"]["p"] == pytest.approx(1 / 20)
    assert found["boosting_r2"]["raw"]["a"]["p"] == pytest.approx(1 / 10)


def test_a_generator_that_is_the_renderer_scores_one(ideal):
    found = ideal.result["scores"]
    for condition in ("direct", "reconstruction"):
        assert found["ssim"][condition]["score"] > 0.99
        assert found["ms_ssim"][condition]["score"] > 0.99
        assert found["top1"][condition]["score"] == 1
        assert found["mean_reciprocal_rank"][condition]["p"] == pytest.approx(1 / 20)
        assert found["ssim"][condition]["chance"] < 0.9
    assert found["top1"]["aligned"]["score"] < 0.9  # the signs are lost in canonical parameters
    assert found["step_cosine"]["direct"]["score"] > 0.5
    assert "reconstruction" not in found["step_cosine"]


def test_every_score_of_the_protocol_is_there(ideal):
    found = ideal.result["scores"]
    for name in ("linear_r2", "nonlinear_r2", *MCC):
        assert list(found[name]) == list(SETS), name
    for name in ("neighbours_r2", "boosting_r2"):
        assert list(found[name]) == ["canonical", "raw", "start"], name
    assert REGRESSORS.keys() <= found.keys()
    for name, entry in ENTRIES.items():
        if entry.least <= len(TEST[0]):
            assert list(found[name]) == list(entry.sets), name
            assert set(entry.sets) in ({"canonical", "raw"}, {"canonical", "magnitudes"})
        else:  # a half of so few images has no groups for it
            assert name in ("factor_vae", "beta_vae")
            assert name not in found
    assert {f"dci_{name}" for name in DCI} <= set(found)
    assert {"ssim", "ms_ssim", "top1", "top1_turned", "top10", "mean_reciprocal_rank"} <= set(found)
    assert {"step_cosine", "step_sensitivity", "step_gain", "random_fid", "pca_fid"} <= set(found)


def test_canonical_parameters_stand_beside_the_raw_ones(ideal):
    found = ideal.result["scores"]["linear_r2"]
    assert list(found["canonical"]) == ["a'", "b'", "c", "d", "mean"]
    assert found["canonical"]["c"] == found["raw"]["c"]
    assert found["canonical"]["a'"]["score"] < 0.2
    folded = fdd.canonical_params(TEST[1])
    np.testing.assert_array_equal(ideal.truth[:, 6:8], folded[:, 2:4])
    for of in found.values():
        each = [cell["score"] for name, cell in of.items() if name != "mean"]
        assert of["mean"]["score"] == pytest.approx(np.mean(each), abs=1e-12)


def test_magnitudes_and_signs_are_the_halves_of_the_canonical_parameters(ideal):
    folded = fdd.canonical_params(TEST[1])[:, 2:]
    truth = dict(zip(TARGETS, ideal.truth.T, strict=True))
    for column, name in enumerate(("b", "c", "d"), 1):
        sign = truth["sign(a b)" if name == "b" else f"sign({name})"]
        assert set(sign) == {-1, 1}
        np.testing.assert_array_equal(sign * truth[f"abs({name})"], folded[:, column])
    found = ideal.result["scores"]["linear_r2"]
    assert list(found["magnitudes"]) == ["abs(a)", "abs(b)", "abs(c)", "abs(d)", "mean"]
    assert list(found["signs"]) == ["sign(a b)", "sign(c)", "sign(d)", "mean"]
    same = found["canonical"]["a'"]["score"]
    assert found["magnitudes"]["abs(a)"]["score"] == pytest.approx(same, abs=1e-9)


def test_magnitudes_found_and_signs_not_is_one_look():
    """The codes are what an auto-encoder finds: every size, and no sign."""

    class Sizes(Ideal):
        generate = None

        def encode(self, images):
            return np.abs(super().encode(images))

    found = evaluate(Sizes(), DATA, settings=FEW).result["scores"]
    for name in ("linear_r2", "nonlinear_r2"):
        assert found[name]["magnitudes"]["mean"]["score"] > 0.95
        assert found[name]["signs"]["mean"]["score"] < 0.1
        assert found[name]["canonical"]["mean"]["score"] < 0.4
    assert found["mcc"]["magnitudes"]["score"] > 0.95
    assert found["mcc"]["signs"]["score"] < 0.3
    for name in ("infoe", "orthogonality"):
        assert found[name]["magnitudes"]["score"] > found[name]["canonical"]["score"] + 0.2, name


def test_a_blind_model_scores_chance(blind):
    for name in ("linear_r2", "nonlinear_r2", "mcc", "cka", "rsa", "trustworthiness", "top10"):
        for cell in cells(blind[name]):
            assert cell["score"] - cell["chance"] < 0.2, name
    assert np.mean([cell["p"] for cell in cells(blind) if "p" in cell]) > 0.3
    assert "raw" not in blind.get("dci_disentanglement", {})


def test_scores_are_the_functions_of_the_same_name(blind):
    model, found = Blind(), blind
    codes, test = model.encode(TRAIN[0]), model.encode(TEST[0])
    for kind, change in (("raw", np.asarray), ("canonical", fdd.canonical_params)):
        params, held_out = change(TRAIN[1])[:, 2:], change(TEST[1])[:, 2:]
        for name, correlation in MCC.items():
            want = mcc(codes, params, test=(test, held_out), correlation=correlation)
            assert found[name][kind]["score"] == pytest.approx(want, abs=1e-12)
        assert found["cka"][kind]["score"] == pytest.approx(cka(test, held_out), abs=1e-12)
        assert found["rsa"][kind]["draws"] == 19
    read = predict(codes, TRAIN[1], test, regressor="boosting")
    missed = ((read - TEST[1]) ** 2).sum(axis=0) / ((TEST[1] - TEST[1].mean(axis=0)) ** 2).sum(
        axis=0
    )
    assert found["boosting_r2"]["raw"]["a"]["score"] == pytest.approx(1 - missed[2], abs=1e-9)


def test_the_oracles_codes_are_the_ceiling(blind):
    found = blind
    assert found["linear_r2"]["canonical"]["a'"]["ceiling"] == pytest.approx(1)
    assert found["mcc"]["canonical"]["ceiling"] == pytest.approx(1)
    assert found["rsa"]["canonical"]["ceiling"] == pytest.approx(1)
    assert found["procrustes"]["canonical"]["ceiling"] == pytest.approx(0, abs=1e-12)
    assert found["linear_r2"]["raw"]["a"]["ceiling"] < 0.3
    cell = found["linear_r2"]["canonical"]["mean"]
    share = (cell["score"] - cell["chance"]) / (cell["ceiling"] - cell["chance"])
    assert cell["share"] == pytest.approx(share)


def test_for_a_score_that_is_best_at_0_chance_is_the_greater(ideal, blind):
    cell = ideal.result["scores"]["procrustes"]["raw"]
    assert cell["score"] < cell["chance_95"] < cell["chance"]
    assert cell["p"] == pytest.approx(1 / 20)
    assert blind["procrustes"]["raw"]["p"] > 0.1


def test_without_six_codes_v_is_no_code_unless_the_model_says_which():
    found = evaluate(Wide(), DATA, settings=FEW)
    assert list(found.result["scores"]["top1"]) == ["aligned", "reconstruction"]
    assert list(found.pictures) == ["FD(v)", "G(Mv + b)", "G(E(FD(v)))", "FD path", "G path"]

    class Conditional(Wide):
        def vectors(self, params):
            return np.column_stack([fdd.scale_params(params), np.zeros((len(params), 2))])

    found = evaluate(Conditional(), DATA, settings=FEW).result["scores"]
    assert found["top1"]["direct"]["score"] == 1


def test_what_a_model_lacks_is_absent():
    class Encoder(Ideal):
        generate = None

    class Generator(Ideal):
        encode = None

    encoder = evaluate(Encoder(), DATA, settings=FEW)
    assert "ssim" not in encoder.result["scores"]
    assert "linear_r2" in encoder.result["scores"]
    generator = evaluate(Generator(), DATA, settings=FEW)
    assert list(generator.result["scores"]["ssim"]) == ["direct"]
    assert "linear_r2" not in generator.result["scores"]
    assert generator.predicted is None
    with pytest.raises(FddError) as caught:
        evaluate(type("Nothing", (Encoder,), {"encode": None})(), DATA, settings=QUICK)
    assert str(caught.value) == (
        "the model has neither encode nor generate: there is nothing to score"
    )


def test_codes_may_come_from_elsewhere(ideal):
    class Stored:
        latent_size = 6

        def codes(self, split, rows):
            return Ideal().encode({"train": TRAIN, "test": TEST}[split][0][:rows])

    found = evaluate(Stored(), DATA, settings=QUICK).result["scores"]
    assert found["mcc"] == ideal.result["scores"]["mcc"]


def test_the_result_is_finite_json_that_says_how_it_was_made(ideal):
    text = json.dumps(ideal.result, allow_nan=False)
    assert np.isfinite(numbers(json.loads(text))).all()
    assert ideal.result["protocol"] == "correspondence-3"
    assert ideal.result["settings"]["train_images"] == 150
    assert ideal.result["settings"]["seed"] == 0
    assert "test_images is 70, not 2000" in ideal.result["deviations"]
    assert "draws is 19, not 999" in ideal.result["deviations"]
    assert not any(text.startswith("seed") for text in ideal.result["deviations"])
    assert Settings().deviations() == []


def test_the_same_seed_gives_the_same_scores():
    one, again = (evaluate(Ideal(), DATA, settings=FEW).result for _ in range(2))
    assert again == one
    other = evaluate(Ideal(), DATA, settings=dataclasses.replace(FEW, seed=1)).result
    assert other["scores"]["mcc"] != one["scores"]["mcc"]


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
        (TRAIN, (TEST[0], TEST[1][:, :5]), "test params has shape (70, 5): it must be [N, 6], raw"),
        (
            TRAIN,
            (TEST[0][:50], TEST[1]),
            "test images has 50 rows and test params 70: they must agree",
        ),
        (
            TRAIN,
            (TEST[0][:39], TEST[1][:39]),
            "the number of test images=39 must be a whole number of at least 40",
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
        evaluate(Ideal(), Data(train, test), settings=QUICK)
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
            {"encode": None, "generate": lambda self, codes: np.zeros((len(codes), 8, 8, 3))},
            "the generator's images are float64 (70, 8, 8, 3): they must be uint8 (70, 16, 16, 3)",
        ),
    ],
)
def test_a_model_that_returns_nonsense_is_an_error(change, message):
    with pytest.raises(FddError) as caught:
        evaluate(type("Broken", (Ideal,), change)(), DATA, settings=QUICK)
    assert str(caught.value) == message


def test_a_collapsed_model_still_has_scores():
    flat = {
        "encode": lambda self, images: np.zeros((len(images), 6), np.float32),
        "generate": lambda self, codes: np.full((len(codes), SIZE, SIZE, 3), 128, np.uint8),
    }
    found = evaluate(type("Flat", (Ideal,), flat)(), DATA, settings=QUICK).result["scores"]
    assert np.isfinite(numbers(found)).all()
    assert {name: found["mcc"]["raw"][name] for name in ("score", "chance", "p", "draws")} == {
        "score": 0,
        "chance": 0,
        "p": 1,
        "draws": 19,
    }
    assert found["top1"]["direct"]["score"] <= 1 / 70
