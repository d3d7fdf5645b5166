"""Scores of translations: known answers, the protocol on perfect and false translators, pages."""

import json

import numpy as np
import pytest
from test_cyclegan import small
from test_encoders import SMALL, release  # noqa: F401  a fixture

import fdd
from baselines.cyclegan import CycleGAN
from baselines.training.domains import draw
from baselines.training.loop import train
from benchmarks import leaderboard, translation
from benchmarks.images.retrieval import retrieval
from benchmarks.images.translation import (
    binarised,
    hidden,
    inverted,
    noisy,
    permuted,
    pixel_l1,
)
from benchmarks.protocol.translation import Pairs, Settings, evaluate
from benchmarks.reporting.saved import load_evaluation
from benchmarks.reporting.text import as_text
from benchmarks.translation import read_pairs
from fdd import FddError
from fdd.files import alone_in
from fdd.rendering.palettes import PALETTES

FEW = Settings(draws=99, halves=10)
COUNT = 60


class Functions:
    """A translator of two functions."""

    def __init__(self, there, back):
        self.ways = there, back

    def translate(self, images, back=False):
        return np.ascontiguousarray(self.ways[back](images))


class Known:
    """A translator that gives each image of two domains its truth, or that of the image so many
    rows before it, and leaves other images as they are."""

    def __init__(self, pairs, shift=0):
        ways = (False, pairs.first, pairs.second, shift), (True, pairs.second, pairs.first, -shift)
        self.answers = {
            (back, image.tobytes()): answer
            for back, images, truth, rows in ways
            for image, answer in zip(images, np.roll(truth, rows, axis=0), strict=True)
        }

    def translate(self, images, back=False):
        return np.stack([self.answers.get((back, image.tobytes()), image) for image in images])


@pytest.fixture(scope="module")
def domains(release):  # noqa: F811
    """domains(name) gives test images of two domains."""
    return lambda name: read_pairs(name, SMALL.name, COUNT)


def images_of(*values, side=4):
    return np.stack([np.full((side, side, 3), value, np.uint8) for value in values])


# Known answers


def test_l1_is_a_share_of_black_and_white():
    found = pixel_l1(images_of(0, 10, 255), images_of(255, 10, 204))
    assert found.tolist() == [1, 0, 0.2]
    assert pixel_l1(images_of(7, 9), images_of(9, 7)).tolist() == [2 / 255, 2 / 255]


def test_a_palette_turned_round_is_inverted():
    counts = fdd.render(fdd.uniform_params(9, seed=1), "counts", 16, 400)
    level = {name: np.linspace(0, 255, counts.max() + 1).round().astype(int) for name in PALETTES}
    for name, palette in PALETTES.items():
        right = np.where(counts[..., None] > 0, palette[level[name][counts]], 255).astype(np.uint8)
        wrong = np.where(counts[..., None] > 0, palette[255 - level[name][counts]], 255)
        assert not inverted(right, counts, palette=name).any()
        assert inverted(wrong.astype(np.uint8), counts, palette=name).all()
    # cells without points have no say, and one colour is no order
    noise = np.random.default_rng(0).integers(0, 256, right.shape, dtype=np.uint8)
    painted = np.where(counts[..., None] > 0, right, noise)
    assert not inverted(painted, counts, palette=name).any()
    assert not inverted(np.full_like(right, 9), counts).any()


def test_random_colours_are_inverted_half_of_the_time():
    rng = np.random.default_rng(0)
    counts = rng.integers(0, 9, (400, 8, 8))
    share = inverted(PALETTES["kbc"][rng.integers(0, 256, counts.shape)], counts).mean()
    assert share == pytest.approx(0.5, abs=0.1)


def test_permuted_content_closes_a_cycle_around_another_translation():
    assert permuted([1, 1, 2, 2], [1, 2, 1, 2]).tolist() == [False, True, False, False]


def test_hidden_information_is_the_share_of_the_honest_error_that_is_saved():
    assert hidden([0.05, 0.15], [0.3, 0.5]) == 0.75
    assert hidden([0.2], [0.2]) == 0
    assert hidden([0.0], [0.2]) == 1
    assert hidden([0.4], [0.2]) == -1


def test_noise_has_its_levels_and_black_and_white_its_two():
    gray = images_of(*[128] * 8, side=32)
    assert (noisy(gray, 4.0) - 128.0).std() == pytest.approx(4, rel=0.05)
    assert np.array_equal(noisy(gray, 4.0), noisy(gray, 4.0))
    assert not np.array_equal(noisy(gray, 4.0), noisy(gray, 4.0, seed=1))
    assert binarised(images_of(127, 128)).tolist() == images_of(0, 255).tolist()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: pixel_l1(images_of(1), images_of(1, 2)),
            "images_a has shape (1, 4, 4, 3) and images_b (2, 4, 4, 3): they must agree",
        ),
        (
            lambda: permuted([1, 2], [1]),
            "returned has 2 ranks and found 1: they must agree",
        ),
        (lambda: permuted([1, 2], 0), "found has shape (): it must be [N]"),
        (lambda: hidden([[0.1]], [0.2]), "cycle has shape (1, 1): it must be [N]"),
        (
            lambda: hidden([0.1], [0.0]),
            "cycle and honest must be errors of 0 or more, those of honest not all 0",
        ),
        (lambda: noisy(images_of(1), -1.0), "levels=-1.0 must be a number from 0 to 255"),
        (lambda: noisy(images_of(1), "4"), "levels='4' must be a number from 0 to 255"),
    ],
)
def test_a_bad_argument_is_one_sentence(call, message):
    with pytest.raises(FddError) as error:
        call()
    assert str(error.value) == message


# The protocol


@pytest.mark.parametrize("name", ["palettes", "mask", "points", "sign"])
def test_who_knows_the_truth_reaches_the_ceiling(domains, name):
    pairs = domains(name)
    known = Known(pairs)
    scores = evaluate(known, pairs, told=known, settings=FEW).result["scores"]
    for way in ("forth", "back"):
        assert scores["translated_l1"][way]["score"] == 0
        assert scores["translated_l1"][way]["ceiling"] == 0
        assert scores["translated_ssim"][way]["score"] == pytest.approx(1)
        assert scores["translated_l1"][way]["p"] == 0.01
        assert scores["permuted"][way]["score"] == 0
        if "inverted" in scores and way in scores["inverted"]:
            assert scores["inverted"][way]["score"] == 0
    assert scores["translated_top1"]["back"]["score"] > 0.9
    assert scores["translated_l1"]["copy"]["score"] > 0 or name == "points"
    assert "hidden" not in scores  # the honest error is 0, so that nothing can be saved


def test_one_image_for_all_is_at_the_floor(domains):
    pairs = domains("palettes")
    one = Functions(*[lambda images: np.repeat(images[:1], len(images), axis=0)] * 2)
    scores = evaluate(one, pairs, settings=FEW).result["scores"]
    assert scores["translated_top1"]["forth"]["score"] <= 1 / COUNT
    assert scores["translated_top1"]["forth"]["p"] > 0.05
    assert "ceiling" not in scores["translated_l1"]["forth"]
    assert set(scores["translated_l1"]) == {"forth", "back", "copy", "mean", "mean back"}


def test_translations_of_another_one_are_permuted(domains):
    pairs = domains("palettes")
    scores = evaluate(Known(pairs, shift=1), pairs, settings=FEW).result["scores"]
    assert scores["permuted"]["forth"]["score"] > 0.9
    assert scores["translated_top1"]["forth"]["score"] <= 0.05
    assert scores["cycle_l1"]["cycle"]["score"] == 0


def test_what_is_hidden_in_a_mask_is_found_and_goes_with_substitution_and_noise(domains):
    """A cheat writes the colours into the lowest three bits of the mask."""
    pairs = domains("mask")

    def hide(images):
        masks = np.where((images == 255).all(axis=-1, keepdims=True), 248, 0).astype(np.uint8)
        return masks | images >> 5

    def reveal(images):
        empty = (images >= 248).all(axis=-1, keepdims=True)
        return np.where(empty, 255, ((images & 7) << 5) + 16).astype(np.uint8)

    def guess(masks):
        return np.where(masks > 127, 255, [30, 80, 240]).astype(np.uint8)

    honest = Functions(binarised, guess)
    found = evaluate(Functions(hide, reveal), pairs, told=honest, settings=FEW)
    h = {name: cell["score"] for name, cell in found.result["scores"]["hidden"].items()}
    assert h["cycle"] > 0.6
    assert h["cycle"] > h["noise 1"] > h["noise 4"]
    assert h["noise 4"] < 0.1
    assert h["truth"] < 0.1
    assert h["binarised"] < 0.1
    text = as_text(found.result | {"name": "cheat", "data_version": SMALL.name})
    assert "What is hidden in G(x) saves" in " ".join(text.split())
    own = evaluate(honest, pairs, told=honest, settings=FEW).result["scores"]["hidden"]
    assert own["truth"]["score"] == 0
    assert own["cycle"]["score"] <= 0


def test_a_half_turn_counts_where_the_domains_cannot_tell(domains):
    pairs = domains("sign")
    known = Known(pairs)
    turned = Functions(
        lambda images: known.translate(images)[:, ::-1, ::-1],
        lambda images: images,
    )
    found = evaluate(turned, pairs, settings=FEW).result["scores"]["translated_top1"]
    ranks = retrieval(pairs.second[:, ::-1, ::-1], pairs.second).ranks
    assert found["forth"]["score"] > 0.9 > np.mean(ranks == 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"second": np.zeros((60, 8, 8, 3), np.uint8)},
            "first has shape (60, 16, 16, 3) and second (60, 8, 8, 3): row i of one must be the "
            "translation of row i of the other",
        ),
        (
            {"first": np.zeros((60, 16, 16, 3))},
            "first is float64 (60, 16, 16, 3): it must be uint8 [N, S, S, 3]",
        ),
        (
            {name: np.zeros((9, 16, 16, 3), np.uint8) for name in ("first", "second")},
            "the number of images=9 must be a whole number of at least 40",
        ),
    ],
)
def test_domains_that_do_not_fit_are_one_sentence(change, message):
    blank = np.zeros((60, 16, 16, 3), np.uint8)
    with pytest.raises(FddError) as error:
        evaluate(
            Functions(binarised, binarised), Pairs(**{"first": blank, "second": blank} | change)
        )
    assert str(error.value) == message


def test_a_model_that_does_not_translate_is_one_sentence(domains):
    with pytest.raises(FddError) as error:
        evaluate(object(), domains("turn"))
    assert str(error.value) == "the model has no translate: there is nothing to score"


# The command, the page, the leaderboard


@pytest.fixture(scope="module")
def runs(release, tmp_path_factory):  # noqa: F811
    """Run folders of one step: two seeds, one that was shown pairs, one of other domains."""
    folder = tmp_path_factory.mktemp("translation")
    given = {"steps": 1, "checkpoint_every": 1, "sample_every": 1}
    for name, options in {
        "mask-seed0": {},
        "mask-seed1": {"seed": 1},
        "paired": {"paired": True},
        "other": {"domains": "turn"},
    }.items():
        train(CycleGAN, small(**given | options), folder / name)
    return folder


@pytest.fixture(scope="module")
def scored(runs):
    status = translation.main(
        [str(runs / "mask-seed0"), str(runs / "mask-seed1"), "--paired", str(runs / "paired"),
         "--images", "40", "--out", str(runs / "page")]
    )  # fmt: skip
    assert status == 0
    return runs


def test_the_command_writes_results_and_pages(scored):
    folder = scored / "mask-seed0" / "translation"
    result = json.loads((folder / "scores.json").read_text())
    assert (result["protocol"], result["domains"]) == ("translation-1", "mask")
    assert result["deviations"] == ["test_images is 40, not 2000"]
    assert result["told"]["run"] == str(scored / "paired")
    assert result["supervision"] == "none"
    assert set(result["scores"]["hidden"]) >= {"cycle", "truth", "binarised", "noise 1", "noise 16"}
    page = (folder / "index.html").read_text()
    asked = "Does each image get its own translation?"
    for text in (asked, "Retrieval at 1, G(x)", "Hidden information, H", "that were shown pairs"):
        assert text in page
    assert "correspond to the parameters" not in page
    assert load_evaluation(folder).result["scores"] == result["scores"]
    together = (scored / "page" / "index.html").read_text()
    assert "2 seeds" in together


def test_a_leaderboard_merges_translations(scored, capsys):
    files = [str(scored / f"mask-seed{seed}" / "translation" / "scores.json") for seed in (0, 1)]
    assert leaderboard.main([*files, "--out", str(scored / "board")]) == 0
    output = capsys.readouterr().out
    assert output.startswith("protocol translation-1, data small-1")
    assert "translated_top1" in output
    board = (scored / "board" / "leaderboard.html").read_text()
    assert "Does each image get its own translation?" in board


def test_a_run_is_scored_by_one_command_at_a_time(runs, capsys):
    folder = runs / "other" / "translation"
    with alone_in(folder):
        assert translation.main([str(runs / "other"), "--images", "40"]) == 2
    assert capsys.readouterr().err == (
        f"error: folder '{folder}' is in use: another process works in it; wait until it has ended "
        "or choose another folder\n"
    )
    assert not folder.exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "runs is empty: give at least one run folder"),
        (["mask-seed0", "--images", "9"], "images=9 must be a whole number of at least 40"),
        (["mask-seed0", "--paired", "mask-seed1"], "paired='mask-seed1' is a run that was shown no "
         "pairs: train one with --paired"),
        (["other", "--paired", "paired"], "paired='paired' has domains='mask', and run folder "
         "'other' 'turn': they must be the same"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_sentence(runs, words, message, monkeypatch, capsys):
    monkeypatch.chdir(runs)
    assert translation.main(words) == 2
    assert capsys.readouterr() == ("", f"error: {message}\n")
    assert not (runs / "other" / "translation").exists()


def test_of_pictures_no_truth_is_known(runs, tmp_path, capsys):
    folder = tmp_path / "run"
    folder.mkdir()
    saved = json.loads((runs / "other" / "config.json").read_text())
    (folder / "config.json").write_text(
        json.dumps(saved | {"data": "images:a", "other": "images:b", "data_version": None})
    )
    (folder / "checkpoints").symlink_to(runs / "other" / "checkpoints")
    assert translation.main([str(folder)]) == 2
    assert capsys.readouterr().err == (
        f"error: run folder '{folder}': it knows pictures, of which no true translation is known\n"
    )


def test_test_images_are_drawn_as_those_that_are_trained_on(release):  # noqa: F811
    pairs = read_pairs("sign", SMALL.name, 40)
    params = fdd.sample_params(40, "test", version=SMALL.name)
    counts = fdd.render(params, "counts", SMALL.size, SMALL.points)
    assert np.array_equal(pairs.second, draw("sign", True, counts, params, SMALL))
    assert (pairs.turned, pairs.binary, pairs.counts) == (True, False, None)
