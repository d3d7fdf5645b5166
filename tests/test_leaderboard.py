"""Result files become one table; what cannot stand in it is refused in one sentence."""

import copy
import csv
import json
import sys
import threading
import time

import numpy as np
import pytest
from fake_results import Parsed

from benchmarks.leaderboard import as_html, as_text, leaderboard, main
from benchmarks.reporting.results import KEYS, SAME
from benchmarks.statistics.intervals import seed_interval
from fdd import FddError
from fdd.files import alone_in


def result(name="lsd", seed=0, score=0.5, **changes):
    """A result file's content; every score follows from `score`."""
    cell = {"score": score, "low": score - 0.1, "high": score + 0.1, "p": 0.001}
    return {
        "protocol": "correspondence-2",
        "data_version": "mini-1",
        "fdd_version": "0.1.0",
        "name": name,
        "weights_sha256": f"{name}{seed}",
        "settings": {"seed": 0, "draws": 999},
        "deviations": [],
        "config": {"baseline": name, "seed": seed, "width": 8},
        "scores": {
            "linear_r2": {
                "canonical": {"a'": cell, "mean": cell | {"score": score / 2, "chance": -0.01}},
                "start": {"x0": {"score": 0.1, "chance": 0.0}, "y0": {"score": 0.3, "chance": 0.1}},
            },
            "mcc": {"canonical": cell | {"chance": 0.1, "ceiling": 0.9}, "raw": {"score": score}},
            "ssim": {"aligned": {"score": score}},
            "fdd_fid": {"samples": {"score": 10 * score}},
        },
        **changes,
    }


def write(folder, **contents):
    """The paths of NAME.json, ..., with these contents."""
    paths = []
    for name, content in contents.items():
        path = folder / f"{name}.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        paths.append(path)
    return paths


def refused(message, *arguments, **options):
    with pytest.raises(FddError) as caught:
        leaderboard(*arguments, **options)
    assert str(caught.value) == message


def names(board):
    return [line.name for line in board.lines]


def test_lines_are_sorted_by_a_column_with_the_best_first(tmp_path):
    without = result("dcgan", score=0.9)
    del without["scores"]["mcc"], without["scores"]["fdd_fid"]
    files = write(tmp_path, a=result("aae", score=0.3), b=without, c=result("lsd", score=0.7))
    board = leaderboard(files)
    assert board.columns == (
        "linear_r2/canonical",
        "mcc/canonical",
        "ssim/aligned",
        "fdd_fid/samples",
    )
    assert names(board) == ["dcgan", "lsd", "aae"]
    assert names(leaderboard(files, sort="mcc/canonical")) == ["lsd", "aae", "dcgan"]
    assert names(leaderboard(files, sort="fdd_fid/samples")) == ["aae", "lsd", "dcgan"]
    assert board.lines[0].cells["mcc/canonical"] is None


def test_the_best_is_the_nearest_where_nearer_is_better_and_else_the_most(tmp_path):
    scores = {
        name: {"fdd_density": {"samples": {"score": x}}, "new": {"set": {"score": x}}}
        for name, x in (("a", 0.7), ("b", 1.1), ("c", 2.0))
    }
    files = write(tmp_path, **{name: result(name, scores=s) for name, s in scores.items()})
    columns = ("fdd_density/samples", "new/set")
    assert names(leaderboard(files, columns)) == ["b", "a", "c"]
    assert names(leaderboard(files, columns, "new/set")) == ["c", "b", "a"]


def test_a_score_by_parameter_is_its_mean(tmp_path):
    columns = ("linear_r2/canonical", "linear_r2/start", "linear_r2/start/y0", "mcc/raw")
    (line,) = leaderboard(write(tmp_path, a=result()), columns).lines
    given = {"score": 0.25, "low": 0.4, "high": 0.6, "chance": -0.01, "p": 0.001}
    assert line.cells["linear_r2/canonical"] == given
    assert line.cells["linear_r2/start"] == pytest.approx({"score": 0.2, "chance": 0.05})
    assert line.cells["linear_r2/start/y0"] == {"score": 0.3, "chance": 0.1}
    assert list(line.cells) == list(columns)


@pytest.mark.parametrize("seeds", [2, 3, 4, 5, 8, 9])
def test_seeds_are_one_line_with_the_interquartile_mean(tmp_path, seeds):
    scores = np.random.default_rng(seeds).exponential(size=seeds)
    made = {f"f{i}": result(seed=i, score=score) for i, score in enumerate(scores)}
    board = leaderboard(write(tmp_path, **made, other=result("aae")))
    line = next(line for line in board.lines if line.name == "lsd")
    cut = seeds // 4  # of each end; rliable.metrics.aggregate_iqm does the same
    middle = np.sort(scores)[cut : seeds - cut].mean()
    assert line.seeds == len(line.results) == seeds
    over = seed_interval(scores)
    assert line.cells["mcc/canonical"] == pytest.approx(
        {"score": middle, "low": float(over.low), "high": float(over.high)}
        | {"chance": 0.1, "ceiling": 0.9, "p": 0.001}
    )
    found = [(r["seed"], r["scores"]["ssim/aligned"], r["weights_sha256"]) for r in line.results]
    assert found == [(i, score, f"lsd{i}") for i, score in enumerate(scores)]


def test_a_score_that_one_seed_lacks_is_not_given(tmp_path):
    lacking = result(seed=1)
    del lacking["scores"]["ssim"]
    (line,) = leaderboard(write(tmp_path, a=result(), b=lacking)).lines
    assert (line.seeds, line.cells["ssim/aligned"]) == (2, None)
    assert line.cells["mcc/canonical"]["score"] == 0.5
    assert list(line.results[1]["scores"]) == [
        "linear_r2/canonical",
        "mcc/canonical",
        "fdd_fid/samples",
    ]


def test_what_differs_in_more_than_the_seed_is_another_line(tmp_path):
    wide = {"baseline": "lsd", "seed": 1, "width": 16}
    paths = write(
        tmp_path,
        a=result(),
        b=result(seed=1, config=wide),
        c=result(config=None, weights_sha256="x"),
        d=result(config=None, weights_sha256="y"),
        e=result("vae", seed=2),
    )
    board = leaderboard(paths)
    assert [line.seeds for line in board.lines] == [1] * 5
    assert names(board) == [*(f"lsd ({path})" for path in paths[:4]), "vae"]


def test_equal_deviations_are_allowed_and_said(tmp_path):
    changes = {"deviations": ["draws is 9, not 999", "halves is 5, not 200"]}
    board = leaderboard(write(tmp_path, a=result(**changes), b=result("aae", **changes)))
    said = "draws is 9, not 999; halves is 5, not 200"
    assert f"not as the protocol has it: {said}" in as_text(board)
    assert f"Not as the protocol has it: {said}." in Parsed(as_html(board)).text


def test_an_unknown_column_is_refused_with_those_that_are_near(tmp_path):
    files = write(tmp_path, a=result())
    with pytest.raises(
        FddError, match=r"^scores='mcc/rew' is in no file; the nearest are mcc/raw,"
    ):
        leaderboard(files, ["mcc/rew"])
    refused(
        "sort='mcc/raw' is not known; choose from ssim/aligned", files, ["ssim/aligned"], "mcc/raw"
    )
    rare = write(tmp_path, a=result(scores={"mcc": {"raw": {"score": 1}}}))
    refused(
        "scores is empty, and no file has a usual column: choose some, as mcc/raw",
        rare,
    )


def test_the_text_is_a_table_with_dashes(tmp_path):
    lacking = result("aae", score=-0.25)
    del lacking["scores"]["ssim"]
    text = as_text(
        leaderboard(write(tmp_path, a=result(), b=result(seed=1, score=0.25), c=lacking))
    )
    assert text.splitlines() == [
        "protocol correspondence-2, data mini-1",
        "",
        "              linear_r2        mcc     ssim  fdd_fid",
        "model  seeds  canonical  canonical  aligned  samples",
        "lsd        2      0.188      0.375    0.375    3.750",
        "aae        1     -0.125     -0.250        -   -2.500",
        "",
        "Sorted by linear_r2/canonical.",
        "Of several seeds: the interquartile mean, with its bootstrap interval over seeds.",
        "A difference between runs of fewer than 5 seeds is no finding.",
    ]
    alone = as_text(
        leaderboard(write(tmp_path, a=result(score=-0.0)), ["ssim/aligned", "fdd_fid/samples"])
    )
    assert "-0.000" not in alone
    assert "seeds:" not in alone
    assert "no finding" not in alone


def test_numbers_are_written_as_in_a_report(tmp_path):
    columns = ["mcc/raw", "fdd_fid/samples"]
    for score, shown in (
        (0.5, ["0.500", "5.000"]),
        (2.3456, ["2.346", "23.5"]),
        (2e-4, ["0.000", "0.002"]),
        (1234.5, ["1234.500", "12345"]),
        (-1e90, ["-1e+90", "-1e+91"]),
    ):
        board = leaderboard(write(tmp_path, a=result(score=score)), columns)
        assert as_text(board).splitlines()[4].split()[-2:] == shown
        assert set(shown) <= set(Parsed(as_html(board)).words)


@pytest.mark.parametrize(
    ("seeds", "notes"),
    [
        ((1,), []),
        ((2,), ["Of several seeds"]),
        ((1, 1), ["A difference between runs of fewer than 5 seeds is no finding."]),
        ((5, 4), ["Of several seeds", "A difference between runs"]),
        ((5, 5), ["Of several seeds"]),
    ],
)
def test_few_seeds_are_said_to_be_no_finding(tmp_path, seeds, notes):
    made = {
        f"{name}{seed}": result(name, seed, weights_sha256=f"{name}{seed}")
        for name, count in zip("ab", seeds, strict=False)
        for seed in range(count)
    }
    board = leaderboard(write(tmp_path, **made))
    found = as_text(board).partition("Sorted by linear_r2/canonical.")[2].splitlines()[1:]
    assert len(found) == len(notes)
    page = Parsed(as_html(board)).text
    for line, start in zip(found, notes, strict=True):
        assert line.startswith(start)
        assert line in page


def test_the_page_stands_alone_and_escapes_what_is_given(tmp_path):
    evil = "a<script>alert(1)</script>&amp;\"'"
    scores = {'x"><b>': {"s<i>": {"score": 1, "chance": 0.5, "low": 0.9, "high": 1.1}}}
    settings = {"data_version": "<img src=x>", "deviations": ["<hr>"]}
    html = as_html(
        leaderboard(write(tmp_path, a=result(evil, scores=scores, **settings)), ['x"><b>/s<i>'])
    )
    page = Parsed(html)
    tags = [tag for tag, _ in page.tags]
    assert {"hr", "i", "link", "iframe"}.isdisjoint(tags)
    assert (tags.count("script"), tags.count("img")) == (1, 0)  # the page's own
    assert tags.count("b") == 2  # around the score and "Not as the protocol has it:"
    assert not page.all_of("src")
    assert set(page.all_of("href")) == {"#provenance", "leaderboard.csv", "leaderboard.json"}
    for words in ("http:", "https:", "url(", "@import"):
        assert words not in html
    assert 'name="viewport" content="width=device-width' in html
    for text in (evil, 'x"><b>', "s<i>", "1.000", "0.900 to 1.100", "<img src=x>", "<hr>."):
        assert text in page.words or text in page.text


def test_the_page_is_a_table_that_can_be_sorted(tmp_path):
    seeds = {f"s{i}": result(seed=i, score=0.1 * i) for i in range(3)}
    lacking = result("aae", scores={"ssim": result()["scores"]["ssim"]})
    html = as_html(leaderboard(write(tmp_path, **seeds, a=lacking), ["mcc/canonical", "mcc/raw"]))
    page = Parsed(html)
    rows = [row for row in page.rows if row]
    assert rows[0] == ["mcc"]
    assert rows[1:3] == [["canonical", "raw"], ["chance", "0.100"]]
    assert rows[3][:3] == ["lsd", "3 seeds, interval over them", "0.100"]
    assert "0.000 to 0.200" in rows[3]
    assert rows[4][:2] == ["aae", "interval over images"]
    assert page.all_of("aria-label").count("not given") == len(rows[4][2:]) == 2
    assert rows[5][:2] == ["ceiling", "0.900"]
    values = [float(value) for value in page.all_of("data-value") if value]
    assert values == pytest.approx([0.1, 0.1])
    assert "First by mcc/canonical: lsd." in page.text


def test_the_command_prints_the_table_and_writes_it_in_three_forms(tmp_path, capsys):
    files = write(
        tmp_path, a=result(score=1 / 3), b=result("aae", scores={"mcc": {"raw": {"score": 0.75}}})
    )
    out = tmp_path / "new" / "folder"
    options = ["--out", out, "--scores", "mcc/canonical", "mcc/raw", "--sort", "mcc/raw"]
    assert main([str(word) for word in [*files, *options]]) == 0
    board = leaderboard(files, ["mcc/canonical", "mcc/raw"], "mcc/raw")
    assert capsys.readouterr() == (as_text(board) + "\n", "")
    assert sorted(path.name for path in out.iterdir()) == [
        f"leaderboard.{kind}" for kind in ("csv", "html", "json")
    ]
    assert (out / "leaderboard.html").read_text() == as_html(board)
    with (out / "leaderboard.csv").open(newline="") as file:
        assert list(csv.reader(file)) == [
            ["name", "seeds", "mcc/canonical", "mcc/raw"],
            ["aae", "1", "", "0.75"],
            ["lsd", "1", repr(1 / 3), repr(1 / 3)],
        ]
    written = json.loads((out / "leaderboard.json").read_text())
    assert written["about"] == {key: result()[key] for key in SAME}
    assert written["sort"] == "mcc/raw"
    first, second = written["lines"]
    assert first["cells"] == {"mcc/canonical": None, "mcc/raw": {"score": 0.75}}
    assert second["results"] == [
        {
            "file": str(files[0]),
            "seed": 0,
            "scores": {"mcc/canonical": 1 / 3, "mcc/raw": 1 / 3},
            "weights_sha256": "lsd0",
            "fdd_version": "0.1.0",
        }
    ]


def test_the_page_is_written_by_one_command_at_a_time_and_the_second_waits(tmp_path):
    files, out, seen = write(tmp_path, a=result()), tmp_path / "out", []
    held = threading.Event()

    def hold():
        with alone_in(out):
            held.set()
            time.sleep(0.3)  # as long as a command needs that does not wait
            seen.extend(path.name for path in out.iterdir())

    holder = threading.Thread(target=hold)
    holder.start()
    assert held.wait(60)
    assert main([*map(str, files), "--out", str(out)]) == 0
    holder.join()
    assert seen == [".lock"]
    assert sorted(path.name for path in out.iterdir()) == [
        f"leaderboard.{kind}" for kind in ("csv", "html", "json")
    ]


def test_no_page_stands_beside_newer_numbers(tmp_path):
    files, out = write(tmp_path, a=result()), tmp_path / "out"
    (out / "leaderboard.json").mkdir(parents=True)  # so that writing ends before the page
    (out / "leaderboard.html").write_text("of older numbers")
    assert main([*map(str, files), "--out", str(out)]) == 2
    assert sorted(path.name for path in out.iterdir()) == ["leaderboard.csv", "leaderboard.json"]


def test_a_mistake_is_one_line_and_exits_with_2(tmp_path, capsys, monkeypatch):
    (file,) = write(tmp_path, a=result())
    for words, message in (
        ((file, file), f"'{file}' is given twice"),
        ((), "files is empty: give at least one result file"),
        (
            (file, "--out", file),
            f"folder '{file}': it cannot be written (Not a directory); choose another one",
        ),
    ):
        assert main([str(word) for word in words]) == 2
        assert capsys.readouterr() == ("", f"error: {message}\n")
    assert main([str(file), "--sorted"]) == 2
    message = "option='--sorted' is not known (did you mean --sort?); fdd leaderboard --help lists "
    assert capsys.readouterr() == ("", f"error: {message}what is\n")
    monkeypatch.setitem(sys.modules, "jinja2", None)
    assert main([str(file), "--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err.endswith("pip install 'fdd[benchmarks]'\n")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"protocol": "mine"}, "protocol='mine' and {} 'correspondence-2'"),
        ({"data_version": "fdd-1"}, "data_version='fdd-1' and {} 'mini-1'"),
        ({"settings": {"seed": 0, "draws": 99}}, "settings.draws=99 and {} 999"),
        ({"settings": {"seed": 0}}, "settings.draws=None and {} 999"),
        ({"settings": {"seed": 0, "draws": 999, "x": 1}}, "settings.x=1 and {} None"),
        ({"image_size": 16}, "image_size=16 and {} None"),
        ({"oracle": {"origin": "mine", "sha256": "ab"}}, "oracle='ab' and {} None"),
        ({"deviations": ["draws is 9, not 999"]}, "deviations=['draws is 9, not 999'] and {} []"),
    ],
)
def test_files_that_were_not_made_in_the_same_way_are_refused(tmp_path, changes, reason):
    first, second, third = write(tmp_path, a=result(), b=result("aae"), c=result("vae", **changes))
    refused(
        f"'{third}' has {reason.format(repr(str(first)))}: they cannot stand in one table",
        [first, second, third],
    )


def test_the_same_result_twice_is_refused(tmp_path):
    one, other = write(tmp_path, a=result(), b=result(score=0.6))
    again = (
        f"'{other}' and '{one}' are results of the same model: name='lsd', weights_sha256='lsd0'"
    )
    refused(again, [one, other])
    refused(f"'{one}' is given twice", [one, one])
    link = tmp_path / "link.json"
    link.symlink_to(one)
    refused(f"'{link}' is given twice", [one, link])
    write(tmp_path, b=result(weights_sha256="w"))
    refused(
        f"'{other}' and '{one}' have the same name='lsd', config and seed=0, but other weights: "
        "name them apart",
        [one, other],
    )
    alone = result(config=None, weights_sha256="")
    write(tmp_path, a=alone, b=alone)
    refused(again.replace("'lsd0'", "''"), [one, other])
    write(tmp_path, b=alone | {"scores": result(score=0.1)["scores"]})
    assert len(leaderboard([one, other]).lines) == 2


def broken(*keys, value=None):
    """A result with another value, or with nothing, at that place."""
    content = copy.deepcopy(result())
    place = content
    for key in keys[:-1]:
        place = place[key]
    if value is None:
        del place[keys[-1]]
    else:
        place[keys[-1]] = value
    return content


MCC = "score 'mcc/canonical'"
RAW = ("scores", "mcc", "canonical")
NAME = "name of at most 80 printable characters that begins with a letter or a digit"
PLAIN = f"must have a {NAME}, without '/'"
CELLS = "must be an object of cells, with 'score' in each"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", " is not strict JSON: Expecting property name enclosed in double quotes: line 1"),
        ("[]", " is not a result file: it holds no JSON object"),
        ("[" * 200_000, " is not strict JSON: it is nested too deeply"),
        ('{"a": NaN}', " is not strict JSON: Out of range float values"),
        ('{"a": 1e999}', " is not strict JSON: Out of range float values"),
        ('{"a": "\\ud800"}', " is not strict JSON: 'utf-8' codec can't encode"),
        *((broken(key), f" is not a result file: it lacks '{key}'") for key in KEYS),
        (result(scores={}), " is not a result file: it has no scores"),
        (broken("settings", value=[]), " is not a result file: settings=[]"),
        (broken("config", value=3), " is not a result file: config=3"),
        (broken("deviations", value=[1]), " is not a result file: 1 is not printable text"),
        (
            broken("protocol", value="\x1b[2J"),
            r" is not a result file: '\x1b[2J' is not printable text",
        ),
        *(
            (broken("name", value=name), f": name={name!r:.40} must be a {NAME}")
            for name in ("-", "=1+1", "a\nb", "a\u202eb", "x" * 81)
        ),
        (broken(*RAW, value={}), f": {MCC} {CELLS}"),
        (broken(*RAW, value=[1]), f": {MCC} {CELLS}"),
        (broken(*RAW, value={"p": 1}), f": score 'mcc/canonical/p' {CELLS}"),
        (broken(*RAW, value={"a": {"b": {"score": 1}}}), f": score 'mcc/canonical/a' {CELLS}"),
        (broken("scores", "mcc", value=0.5), f": score 'mcc' {CELLS}"),
        (broken("scores", "=x", value={"s": {"score": 1}}), f": score '=x' {PLAIN}"),
        (broken("scores", "mcc", "a/b", value={"score": 1}), f": score 'mcc/a/b' {PLAIN}"),
        (broken(*RAW, "score", value="1"), f": {MCC} has score='1': it must be a number"),
        (broken(*RAW, "score", value=True), f": {MCC} has score=True: it must be a number"),
        (broken(*RAW, "low", value=[]), f": {MCC} has low=[]: it must be a number"),
        (broken(*RAW, "p", value=1e101), f": {MCC} has p=1e+101: at most 1e100 in size is allowed"),
        (broken(*RAW, "score", value=-(10**400)), f": {MCC} has score=-1000"),
    ],
)
def test_what_is_no_result_is_refused(tmp_path, content, reason):
    good, bad = write(tmp_path, good=result("aae"), bad=content)
    with pytest.raises(FddError) as caught:
        leaderboard([good, bad])
    assert str(caught.value).startswith(f"'{bad}'{reason}")
    assert "\n" not in str(caught.value)


def test_what_no_table_shows_is_not_kept(tmp_path):
    """It was not checked, so nothing may come to rely on it."""
    extra = {"share": "<b>", "p_same": [1], "seeds": 10**6, "low": 0.1}
    (path,) = write(tmp_path, a=broken(*RAW, value={"score": 1} | extra))
    board = leaderboard([path], ["mcc/canonical"])
    assert board.lines[0].cells == {"mcc/canonical": {"score": 1.0}}
    assert "1.000" in Parsed(as_html(board)).words


def test_what_cannot_be_read_is_refused(tmp_path):
    refused("files is empty: give at least one result file", [])
    none = tmp_path / "none.json"
    refused(f"'{none}' cannot be read: No such file or directory", [none])
    refused(f"'{tmp_path}' cannot be read: Is a directory", [tmp_path])
    (large,) = write(tmp_path, large=json.dumps(result()) + " " * 20_000_000)
    refused(f"'{large}' has more than 20 MB: that is not a result file", [large])
