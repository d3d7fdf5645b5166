"""The sentence that a report begins with: it says what the numbers say, and no more."""

import pytest
from fake_results import cell, code_scores, image_scores, result

from benchmarks.reporting.runs import runs_of
from benchmarks.reporting.verdict import NOTHING, condition_of, verdict

NEITHER = "Learned nothing of v: neither its codes nor its images are better than chance."
NO_CODES = "Reads nothing of v: no parameter better than chance."


def said(scores, **options):
    (run,) = runs_of([result(scores=scores, **options)])
    return verdict(run)


def codes(canonical=(), magnitudes=(), signs=(), ceiling=0.8):
    """Kernel ridge scores with chance 0, as shares of the ceiling in percent; 0 is p 0.5."""

    def cells(names, percents):
        shares = [*percents, *[0] * (len(names) - len(percents))]
        return {
            name: cell(share / 100 * ceiling, 0.0, ceiling, p=0.001 if share else 0.5)
            for name, share in zip(names, shares, strict=True)
        }

    letters = "abcd"
    return {
        "nonlinear_r2": {
            "canonical": cells(("a'", "b'", "c", "d"), canonical),
            "magnitudes": cells([f"abs({letter})" for letter in letters], magnitudes),
            "signs": cells(("sign(a b)", "sign(c)", "sign(d)"), signs),
        }
    }


def images(found=0.0, grain=None, condition="direct", p=0.001):
    """Retrieval at 10 with chance 0.005 and ceiling 0.945, and oracle R2 with 0 and 0.8."""
    scores = {"top10": {condition: cell(found, 0.005, 0.945, p=p)}}
    if grain is not None:
        scores["oracle_r2"] = {condition: {"mean": cell(grain, 0.0, 0.8, p=0.001 if grain else 1)}}
    return scores


@pytest.mark.parametrize(
    ("scores", "words"),
    [
        (codes(), NO_CODES),
        (
            codes([4.9, 0, 1, 0]),
            "Reads next to nothing of v: of each parameter less than 5 % of what an oracle reads.",
        ),
        (
            codes([44], [44, 0, 2]),
            "Reads |a| to 44 % of what an oracle reads, and next to nothing else of v.",
        ),
        (codes([44]), "Reads |a| to 44 % of what an oracle reads, and nothing else of v."),
        (
            codes([44, 3], [44, 0, 0, 4]),
            "Reads |a| to 44 % of what an oracle reads, and next to nothing else of v.",
        ),
        (
            codes([44, 0, 20], [44, 61, 50], [0, 0, 7]),
            "Reads |a| to 44 %, |b| to 61 %, c to 20 % and sign(d) to 7 % of what an oracle "
            "reads, and "
            "nothing else of v.",
        ),
        (
            codes([99.6, 97, 93, 130], [100] * 4, [100] * 3),
            "Reads |a| to 100 %, sign(a) b to 97 %, c to 93 % and d to 100 % of what an "
            "oracle reads.",
        ),
    ],
)
def test_of_codes_it_says_which_parameters_are_read_and_how_far(scores, words):
    assert said(scores) == words


def test_without_an_oracle_a_share_is_one_of_the_variance():
    scores = codes([44], ceiling=1)
    for found in scores["nonlinear_r2"]["canonical"].values():
        del found["ceiling"]
    assert said(scores) == "Reads |a| to 44 % of the variance, and nothing else of v."


@pytest.mark.parametrize(
    ("found", "grain", "words"),
    [
        (0.40, 0.0, "40 % of cases, by chance in 0.5 %: the outline is right, the grain is wrong."),
        (0.40, 0.5, "40 % of cases, by chance in 0.5 %: the outline is right, the grain is partly "
        "right."),
        (0.95, 0.8, "95 % of cases, by chance in 0.5 %: outline and grain are right."),
        (0.10, 0.1, "10 % of cases, by chance in 0.5 %: outline and grain are partly right."),
        (0.02, 0.0, "2 % of cases, by chance in 0.5 %: outline and grain are wrong."),
        (0.40, None, "40 % of cases, by chance in 0.5 %: the outline is right."),
    ],
)  # fmt: skip
def test_of_images_it_says_how_often_they_are_found_and_what_is_right(found, grain, words):
    assert said(images(found, grain)) == f"FD(v) is among the ten images nearest to G(v) in {words}"


def test_an_oracle_that_reads_less_than_nothing_finds_no_grain():
    scores = images(0.4)
    scores["oracle_r2"] = {"direct": {"mean": cell(-0.1, -1.0, 0.8)}}
    assert said(scores).endswith("the outline is right, the grain is wrong.")


def test_the_better_of_the_codes_for_v_is_judged_and_the_encoder_s_own_if_neither_is_found():
    direct, aligned = images(0.02, 0)["top10"], images(0.3, 0, "aligned")["top10"]
    own = images(0.33, 0, "reconstruction")["top10"]
    nothing = images(0.006, 0, p=0.4)["top10"]
    neither = nothing | images(0.007, 0, "aligned", p=0.3)["top10"]
    for found, condition, words in (
        (direct | aligned | own, "aligned", "FD(v) is among the ten images nearest to G(Mv + b) "),
        (nothing | own, "reconstruction", "G(v) finds FD(v) no more often than chance does, but "),
        (own, "reconstruction", "FD(v) is among the ten images nearest to G(E(FD(v))) in 33 % "),
        (neither, "direct", "G(v) finds FD(v) no more often than chance does."),
    ):
        (run,) = runs_of([result(scores={"top10": found})])
        assert condition_of(run) == condition
        assert verdict(run).startswith(words)


def test_a_generator_that_cannot_be_asked_for_v_is_judged_by_its_samples():
    samples = {"score": 12.94, "ceiling": 0.134, "chance": 1.2, "p_same": 0.01}
    for p, words in ((0.01, "differ from"), (0.4, "cannot be told from")):
        scores = {"fdd_fid": {"samples": samples | {"p_same": p}}}
        assert said(scores) == (
            f"Its samples {words} real images: FDD-FID 12.9, 0.134 for other real images."
        )


def test_a_model_that_learned_nothing_gets_a_sentence_that_says_so():
    assert said(codes() | images(0.006, 0.0, p=0.4)) == NOTHING == NEITHER
    assert said(codes() | images(0.4, 0.0)).startswith(f"{NO_CODES} FD(v) is among ")


def test_of_seeds_it_says_what_their_means_say_and_nothing_of_scores_that_are_not_there():
    seeds = [result(seed=seed, scores=codes([share])) for seed, share in enumerate((40, 50))]
    (run,) = runs_of(seeds)
    assert verdict(run) == "Reads |a| to 45 % of what an oracle reads, and nothing else of v."
    assert said({"mcc": {"raw": cell(0.5)}}) == ""
    assert said({"top10": {"direct": {"score": 0.4}}}).startswith("G(v) finds FD(v) no more")
    found = code_scores(0.6) | image_scores(0.6)
    assert said(found).startswith("Reads |a| to 61 %, sign(a) b to 61 %, c to 61 % and d to 61 %")
