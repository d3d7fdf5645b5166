"""The page, the tables and the text of a report: what stands in them, and what never may."""

import base64
import csv
import doctest
import io
import json
import re
from hashlib import sha256

import numpy as np
import pytest
from fake_results import HOSTILE, Parsed, cell, code_scores, image_scores, result

from benchmarks.protocol.boosting import DCI
from benchmarks.protocol.codes import ENTRIES, MCC, REGRESSORS
from benchmarks.protocol.descriptions import DESCRIPTIONS, HEADLINE
from benchmarks.protocol.images import RANKED
from benchmarks.protocol.settings import SETS, TARGETS
from benchmarks.reporting import files, runs
from benchmarks.reporting.figures import Figure
from benchmarks.reporting.html import JUDGED, NUMBERS, as_html
from benchmarks.reporting.runs import PARAMETERS, cells_of, places_of, runs_of
from benchmarks.reporting.text import as_text, headline, verdicts
from benchmarks.reporting.verdict import verdict
from benchmarks.statistics.intervals import seed_interval
from fdd import FddError

TRANSLATED = {
    *(f"translated_{name}" for name in ("top1", "top10", "l1", "ssim")),
    *("inverted", "permuted", "cycle_l1", "hidden"),
}
"""The scores of `benchmarks.translation`."""
PICTURE = Figure("a.png", "generator", f"alt {HOSTILE}", f"caption {HOSTILE}", b"png")


def seeds(scores, place=("mcc", "canonical"), name="lsd"):
    """Results of seeds of one run, with these scores at a place."""
    found = [result(name, seed=number) for number in range(len(scores))]
    for one, score in zip(found, scores, strict=True):
        one["scores"][place[0]][place[1]] = cell(score, 0.1, 0.8)
    return found


def without(part):
    """A result of a model without an encoder or without a generator."""
    scores = image_scores(0.6, ("direct",)) if part == "encoder" else code_scores(0.6)
    return result(f"no-{part}", scores=scores)


def test_every_score_of_the_protocol_is_described():
    steps = {f"step_{name}" for name in ("cosine", "sensitivity", "gain")}
    found = {f"{name}{suffix}" for name in RANKED for suffix in ("", "_turned")}
    quality = {"fid", "kid", "precision", "recall", "density", "coverage"}
    sets = {f"fdd_{name}" for name in quality} | {"random_fid", "pca_fid"}
    pairs = {"ssim", "ms_ssim", "counts_correlation", "oracle_r2"}
    codes = {*ENTRIES, *MCC, *REGRESSORS, "boosting_r2", *(f"dci_{name}" for name in DCI)}
    assert DESCRIPTIONS.keys() == codes | pairs | steps | found | sets | TRANSLATED


def test_descriptions_say_what_the_protocol_says():
    assert {name for name, d in DESCRIPTIONS.items() if d.each} == {
        *REGRESSORS,
        "boosting_r2",
        "oracle_r2",
    }
    for described in DESCRIPTIONS.values():
        assert described.asks.endswith(("?", "."))
        assert len(described.asks) < 100
    assert len({d.title for d in DESCRIPTIONS.values()}) == len(DESCRIPTIONS)


def test_which_way_is_better_is_said_once():
    less = {name for name, d in DESCRIPTIONS.items() if d.less_is_better}
    translated = {"translated_l1", "cycle_l1", "inverted", "permuted", "hidden"}
    assert less == {"procrustes", "fdd_fid", "fdd_kid", "random_fid", "pca_fid"} | translated
    assert {DESCRIPTIONS[name].goal for name in less} == {"Best 0; less is better."}
    for name, best_first in (
        ("fdd_fid", [0, 1, 30]),
        ("mcc", [1, 0.5, -2]),
        ("mi_gap", [7, 1, 0]),
        ("fdd_density", [1, 0.9, 1.2, 3]),
    ):
        losses = DESCRIPTIONS[name].loss(best_first)
        assert list(losses) == sorted(losses), name


def test_every_place_that_is_shown_can_exist():
    assert set(PARAMETERS) == set(SETS)
    for kind, labels in PARAMETERS.items():
        assert set(labels) <= {TARGETS[column] for column in SETS[kind]} | {"mean"}
    known = {place for name in DESCRIPTIONS for place in places_of(name)}
    assert {place for _, _, place in HEADLINE} <= known
    for _, place, _ in NUMBERS:
        assert tuple("direct" if part == JUDGED else part for part in place) in known
    shown = {place for place, _ in cells_of(result())}
    elsewhere = {p for p in known if p[0].startswith("dci") or p[0] in TRANSLATED}
    assert known - elsewhere <= shown


def test_nothing_from_outside_becomes_markup():
    hostile = result(
        HOSTILE,
        run=f"runs/{HOSTILE}",
        checkpoint=HOSTILE,
        config={"baseline": HOSTILE, "steps": HOSTILE, "seed": HOSTILE},
        deviations=[HOSTILE],
        data_version=HOSTILE,
        fdd_version=HOSTILE,
        oracle={"origin": HOSTILE, "sha256": HOSTILE},
        settings={"train_images": 40, "test_images": 40, HOSTILE: HOSTILE},
    )
    usual = Parsed(as_html([result(), result("second")], [PICTURE]))
    found = Parsed(as_html([hostile, result("second")], [PICTURE]))
    assert {tag for tag, _ in found.tags} == {tag for tag, _ in usual.tags} | {"p"}
    assert {key for _, a in found.tags for key in a} == {key for _, a in usual.tags for key in a}
    assert found.text.count(HOSTILE) > 10
    assert f"alt {HOSTILE}" in found.all_of("alt")


def test_the_page_needs_no_other_file_and_no_network():
    html = as_html([*seeds([0.2, 0.3]), result(), without("encoder")], [PICTURE])
    found = Parsed(html)
    anchors = {f"#{name}" for name in found.all_of("id")}
    assert set(found.all_of("href")) - anchors == {"results.csv", "results.json"}
    assert found.all_of("src") == ["data:image/png;base64,cG5n"]
    tags = [tag for tag, _ in found.tags]
    assert not {"link", "iframe", "object"} & set(tags)
    for words in ("http:", "https:", "url(", "@import", "onload"):
        assert words not in html
    assert ("html", {"lang": "en"}) in found.tags


def test_a_browser_may_run_the_one_script_of_the_page_and_fetch_nothing():
    html = as_html([result()])
    assert html.count("<script") == 1
    script = html.partition("<script>")[2].partition("</script>")[0]
    digest = base64.b64encode(sha256(script.encode()).digest()).decode()
    (policy,) = (text for text in Parsed(html).all_of("content") if "default-src" in text)
    assert policy == (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'"
    )


def test_the_page_says_how_the_scores_were_made():
    text = Parsed(as_html([result(deviations=["draws is 19, not 999"])])).text
    for words in (
        "correspondence-3",
        "mini-1",
        "fitted on the first 4000 of train, scored on the first 2000 of test",
        "shipped with the package; SHA-256 " + "cd" * 32,
        "draws is 19, not 999",
        "draws 999",
        "runs/first",
        "ab" * 6,
    ):
        assert words in text
    other = {"origin": "runs/oracle", "sha256": "12" * 32}
    assert "read from runs/oracle; SHA-256 1212" in Parsed(as_html([result(oracle=other)])).text
    assert "none, so codes have no ceiling" in Parsed(as_html([result(oracle=None)])).text


@pytest.mark.parametrize("scores", [[0.0, 0.4, 0.5, 0.6, 0.9], [0.3, 0.5], [0.2, 0.2, 0.2, 0.6]])
def test_seeds_are_one_line_with_their_interquartile_mean(scores):
    (run,) = runs_of(seeds(scores))
    found, over = run.cell(("mcc", "canonical")), seed_interval(scores)
    cut = len(scores) // 4
    middle = sorted(scores)[cut : len(scores) - cut]
    assert found["score"] == pytest.approx(np.mean(middle))
    assert (found["low"], found["high"]) == (over.low, over.high)
    assert (found["chance"], found["ceiling"]) == pytest.approx((0.1, 0.8))
    assert found["seeds"] == len(scores)
    rows = Parsed(as_html(seeds(scores))).rows
    row = next(row for row in rows if row[0] == "lsd" and f"{found['score']:.3f}" in row)
    assert row[1] == f"{len(scores)} seeds, interval over them"
    assert f"{over.low:.3f} to {over.high:.3f}" in row


def test_one_seed_has_the_interval_over_images():
    one = result()
    one["scores"]["mcc"]["canonical"] = cell(0.6) | {"low": 0.51, "high": 0.72}
    row = next(row for row in Parsed(as_html([one])).rows if "0.510 to 0.720" in row)
    assert row[:2] == ["first", "interval over images"]
    assert "0.600" in row


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"run": "runs/lsd-seed1"}, ["lsd"]),
        ({"run": "other/lsd-seed1"}, ["runs/lsd-seed0", "other/lsd-seed1"]),
        ({"config": {"seed": 1, "steps": 7}}, ["runs/lsd-seed0", "runs/lsd-seed1"]),
        ({"config": None}, ["runs/lsd-seed0", "runs/lsd-seed1"]),
        ({"name": "aae"}, ["lsd", "aae"]),
        ({"run": "", "config": None}, ["runs/lsd-seed0", "lsd 2"]),
    ],
)
def test_only_runs_that_differ_in_the_seed_alone_are_one_line(change, names):
    two = [result("lsd", seed=0), result("lsd", seed=1) | change]
    assert [run.name for run in runs_of(two)] == names
    rows = [row[0] for row in Parsed(as_html(two)).rows if row]
    assert set(names) <= set(rows)


def test_chance_and_ceiling_stand_around_the_runs():
    one, two = result("one"), result("two")
    one["scores"]["mcc"]["canonical"] = cell(0.5, 0.1, 0.9)
    two["scores"]["mcc"]["canonical"] = cell(0.5, 0.2, 0.9)
    rows = Parsed(as_html([one, two])).rows[1:5]
    assert [row[0] for row in rows] == ["chance", "one", "two", "ceiling"]
    assert (rows[0][2], rows[3][2]) == ("0.100 to 0.200", "0.900")


def test_a_score_no_better_than_chance_says_its_p():
    found = Parsed(as_html([result()]))
    weak = [attributes for _, attributes in found.tags if attributes.get("class") == "weak"]
    assert len(weak) == 1
    assert found.words.count("p 0.40") == 1


def test_what_is_better_than_chance_is_bold_and_nothing_else_is():
    one = result(scores={"mcc": {"canonical": cell(0.6), "raw": cell(0.6, p=0.06)}})
    one["scores"]["fdd_fid"] = {"samples": {"score": 3, "low": 2, "high": 4, "chance": 3.5}}
    one["scores"]["fdd_recall"] = {"samples": {"score": 0.5, "low": 0.4, "high": 0.6, "chance": 0}}
    html = as_html([one])
    assert set(re.findall("<b>(0[.][0-9]+|3[.]000)</b>", html)) == {"0.600", "0.500"}
    assert set(re.findall('<span class="plain">(.*?)</span>', html)) == {"0.600", "3.000"}


def test_a_page_begins_with_the_words_of_each_run_and_five_numbers():
    alone = as_html([without("generator")])
    said = f'<p class="verdict">{verdict(*runs_of([without("generator")]))}</p>'
    assert said in alone.replace("\N{NO-BREAK SPACE}", " ")
    heads = re.findall('<li><p title="[^"]+">(.*?) <b>', alone)
    assert heads == ["R2 of parameters", "MCC", "R2 of magnitudes", "R2 of signs", "R2, linear"]
    first = "R2 of parameters", "MCC", "Retrieval at 10, G(v)", "Oracle R2, G(v)", "FDD-FID"
    assert Parsed(as_html([result(), without("encoder")])).rows[0] == list(first)
    images = image_scores(0.6, ("reconstruction",))
    own = [result("own", scores=images), without("generator")]
    assert "Retrieval at 10, G(E(FD(v)))" in Parsed(as_html(own)).rows[0]
    assert Parsed(as_html([*own, without("encoder")])).rows[0] == list(first)


def test_shares_are_said_in_words_and_end_at_chance_and_ceiling():
    places = ("canonical", "raw", "magnitudes", "signs")
    for score, p, said in (
        (0.5, 0.001, "chance 0.100, ceiling 0.900, 50 % of the way, p 0.001"),
        (0.05, 0.7, "chance 0.100, ceiling 0.900, no better than chance, p 0.700"),
        (0.05, 0.001, "chance 0.100, ceiling 0.900, no better than chance, p 0.001"),
        (0.95, 0.001, "chance 0.100, ceiling 0.900, at the ceiling, p 0.001"),
    ):
        one = result(scores={"mcc": dict.fromkeys(places, cell(score, 0.1, 0.9, p=p))})
        assert said in Parsed(as_html([one])).all_of("aria-label")


def test_an_interval_ends_where_its_score_does():
    wide = {"low": -1.3, "high": 1.4}
    scores = {
        name: {kind: cell(0.5) | wide}
        for name, kind in (("mcc", "raw"), ("rsa", "raw"), ("fdd_fid", "samples"))
    }
    scores["linear_r2"] = {"raw": {"a": cell(0.5) | wide}}
    one = result(scores=scores)
    html, text = as_html([one]), as_text(one)
    for written in ("0.000 to 1.000", "-1.000 to 1.000", "0.000 to 1.400", "-1.300 to 1.000"):
        assert html.count(f"<small>{written}</small>") == 1
    assert "[0.000, 1.000]" in text.replace("  ", " ")
    assert "[-1.300, 1.000]" in text
    assert json.loads(files.strict_json(one))["scores"]["mcc"]["raw"]["low"] == -1.3


def test_marks_of_bars_stay_on_their_bars():
    wild = result()
    wild["scores"]["linear_r2"]["canonical"]["mean"] = cell(-3.0, 0.0, 1.2)
    wild["scores"]["fdd_fid"]["samples"] = {"score": 0.0, "ceiling": 0.0}
    wild["scores"]["pca_fid"]["samples"] = {"score": 12.0}
    wild["scores"]["mi_gap"]["raw"] = cell(4.2, 0.0, 2.1)
    found = Parsed(as_html([wild]))
    places = [float(place.removesuffix("%")) for place in found.all_of("cx") if "%" in place]
    assert len(places) > 100
    assert (min(places), max(places)) == (0, 100)
    assert 99.5 in places  # 4.2 of a bar that ends at the interval's 4.22


def test_a_model_without_encoder_or_generator_has_fewer_tables():
    codes = {"read", "single", "geometry", "old"}
    assert not codes & set(Parsed(as_html([without("encoder")])).all_of("id"))
    images = {"generator", "samples"}
    assert not images & set(Parsed(as_html([without("generator")])).all_of("id"))
    both = Parsed(as_html([without("encoder"), without("generator")]))
    assert codes | images <= set(both.all_of("id"))
    assert [row[0] for row in both.rows[1:5]] == ["chance", "no-encoder", "no-generator", "ceiling"]
    mcc = both.words.index("MCC, Spearman")
    assert "no-encoder" not in both.words[mcc : mcc + 20]


def test_a_seed_that_lacks_a_score_is_said():
    three = seeds([0.3, 0.5, 0.7])
    del three[1]["scores"]["mcc"]["canonical"]
    row = next(row for row in Parsed(as_html(three)).rows if "of 2 of 3 seeds" in row)
    assert row[0] == "lsd"
    assert "0.500" in row


def test_the_csv_has_a_line_for_each_score():
    results = [*seeds([0.25, 0.5]), without("encoder")]
    lines = list(csv.DictReader(io.StringIO(files.as_csv(results))))
    assert len(lines) == sum(len(list(cells_of(one))) for one in results)
    line = next(line for line in lines if line["score"] == "mcc" and line["seed"] == "1")
    assert line == {
        "name": "lsd",
        "seed": "1",
        "score": "mcc",
        "set": "canonical",
        "parameter": "",
        "value": "0.5",
        "low": "0.48",
        "high": "0.52",
        "chance": "0.1",
        "p": "0.001",
        "ceiling": "0.8",
        "share": str((0.5 - 0.1) / (0.8 - 0.1)),
        "p_same": "",
    }
    read = next(line for line in lines if line["score"] == "linear_r2" and line["set"] == "raw")
    assert read["parameter"] == "a"
    samples = next(line for line in lines if line["score"] == "fdd_fid")
    assert (samples["p"], samples["p_same"]) == ("", "0.001")
    odd = list(csv.DictReader(io.StringIO(files.as_csv([result('a,"b"\n', run="r")]))))
    assert odd[0]["name"] == 'a,"b"\n'


def test_json_is_strict():
    made = {"a": np.float64(0.5), "b": np.int64(3), "c": (1, None)}
    assert json.loads(files.strict_json(made)) == {"a": 0.5, "b": 3, "c": [1, None]}
    with pytest.raises(ValueError, match="not JSON compliant"):
        files.strict_json({"a": np.nan})


@pytest.mark.parametrize("part", ["encoder", "generator", None])
def test_the_text_is_narrow_and_holds_what_is_there(part):
    found = result() if part is None else without(part)
    text = as_text(found)
    assert max(map(len, text.splitlines())) <= 100
    assert ("least squares" in text, "MCC, raw" in text) == (part != "encoder",) * 2
    assert ("G(v)" in text, "FDD-FID" in text) == (part != "generator",) * 2
    assert ("G(Mv + b)" in text) == (part is None)


def test_the_text_begins_with_what_the_scores_say():
    assert as_text(without("generator")).splitlines()[:3] == [
        "Reads |a| to 61 %, sign(a) b to 61 %, c to 61 % and d to 61 % of what an oracle reads.",
        "",
        "no-generator",
    ]
    assert verdicts([without("generator"), without("encoder")]) == [
        "no-generator: Reads |a| to 61 %, sign(a) b to 61 %, c to 61 % and d to 61 % of what an "
        "oracle reads.",
        "no-encoder: FD(v) is among the ten images nearest to G(v) in 60 % of cases, by chance in "
        "5 %: the",
        "outline is right, the grain is partly right.",
    ]
    assert verdicts([result(scores={"mcc": {"raw": cell(0.5)}})]) == []


def test_the_text_shows_scores_beside_chance_and_ceiling():
    found = result(deviations=["x " * 80])
    found["scores"]["linear_r2"]["canonical"]["a'"] = cell(-0.0001, -0.0123, 0.9, p=0.25)
    lines = as_text(found).splitlines()
    assert max(map(len, lines)) <= 100
    line = next(line for line in lines if line.startswith("a' "))
    assert line.split()[:7] == ["a'", "0.000", "[-0.020,", "0.020]", "-0.012", "0.900", "0.250"]
    assert next(line for line in lines if line.startswith("Procrustes")).endswith("Best 0")
    line = next(line for line in lines if line.startswith("FDD-FID"))
    assert line.split()[1:] == ["12", "[12,", "12]", "40", "1.500", "0.001"]
    assert next(line for line in lines if line.startswith("Samples")).endswith("ceil.  p same")


def test_the_headline_is_narrow_and_says_how_many_seeds():
    hostile = result("n" * 200 + "\n\x1b[2J", run="r")
    text = headline([*seeds([0.2, 0.3, 0.4]), hostile, without("encoder")])
    lines = text.splitlines()
    assert max(map(len, lines)) <= 100
    assert " ".join(lines[0].split()) == "codes codes codes G(v) G(v) G(Mv + b) G(Mv + b) samples"
    assert " ".join(lines[2].split()) == "chance 0.05 0.05 0.08 0.05 0.05 0.05 0.05 40"
    assert lines[3].split()[:2] == ["lsd", "(3)"]
    assert lines[3].split()[4] == "0.30±0.10"
    assert lines[4].startswith("nnnn")
    assert lines[5].split()[:4] == ["no-encoder", "-", "-", "-"]
    assert " ".join(lines[6].split()) == "ceiling 0.95 0.95 0.88 0.95 0.95 0.95 0.95 1.50"
    assert all(c.isprintable() for line in lines for c in line)


def test_a_report_is_a_folder(tmp_path):
    results, out = [result(), result("second")], tmp_path / "a" / "b"
    files.write_report(out, results, lambda: [PICTURE])
    names = {path.name for path in out.iterdir()}
    assert names == {"a.png", "results.csv", "results.json", "index.html"}
    assert json.loads((out / "results.json").read_text()) == results
    assert (out / "index.html").read_text() == as_html(results, [PICTURE])
    assert (out / "a.png").read_bytes() == b"png"


def test_a_report_that_has_its_page_has_everything(tmp_path):
    (tmp_path / "a.png").mkdir()  # in the way of the last file but the page
    with pytest.raises(
        FddError, match=r": it cannot be written \(Is a directory\); choose another"
    ):
        files.write_report(tmp_path, [result()], lambda: [PICTURE])
    assert {path.name for path in tmp_path.iterdir()} == {"a.png", "results.csv", "results.json"}


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("in the way")
    for out in (tmp_path / "file", tmp_path / "file" / "x"):
        with pytest.raises(FddError) as caught:
            files.check_out(out)
        expected = f"out is '{out}', which cannot be written: see {tmp_path / 'file'}"
        assert str(caught.value) == expected
    with pytest.raises(
        FddError, match=r"^folder '.*/file': it cannot be written \(Not a directory\); "
    ):
        files.write_report(tmp_path / "file", [result()], list)


def test_examples():
    found = doctest.testmod(runs)
    assert found.failed == 0 < found.attempted
