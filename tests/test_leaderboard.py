"""Result files become one table; what cannot stand in one table is refused in one sentence."""

import csv
import json
import sys
from html.parser import HTMLParser

import numpy as np
import pytest

from benchmarks.leaderboard import COLUMNS, as_html, as_text, leaderboard, main
from benchmarks.reporting.results import SAME
from fdd import FddError


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
    assert board.columns == ("linear_r2/canonical", "mcc/canonical", "ssim/aligned", COLUMNS[-1])
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
    expected = pytest.approx({"score": middle, "chance": 0.1, "ceiling": 0.9})
    assert line.cells["mcc/canonical"] == expected
    found = [(r["seed"], r["scores"]["ssim/aligned"], r["weights_sha256"]) for r in line.results]
    assert found == [(i, score, f"lsd{i}") for i, score in enumerate(scores)]


def test_a_score_that_one_seed_lacks_is_not_given(tmp_path):
    lacking = result(seed=1)
    del lacking["scores"]["ssim"]
    (line,) = leaderboard(write(tmp_path, a=result(), b=lacking)).lines
    assert (line.seeds, line.cells["ssim/aligned"]) == (2, None)
    assert line.cells["mcc/canonical"]["score"] == 0.5


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
    said = "not as the protocol has it: draws is 9, not 999; halves is 5, not 200"
    assert said in as_text(board)
    assert said in as_html(board)


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
        "Of several seeds: the interquartile mean. A difference between lines of fewer than 5 "
        "seeds is no finding.",
    ]
    alone = as_text(
        leaderboard(write(tmp_path, a=result(score=-0.0)), ["ssim/aligned", "fdd_fid/samples"])
    )
    assert "-0.000" not in alone
    assert "interquartile" not in alone
    for score, shown in ((1234.5, "1234"), (2e-5, "2e-05"), (-1e90, "-1e+90")):
        assert (
            as_text(leaderboard(write(tmp_path, a=result(score=score)), ["mcc/raw"])).split()[-4]
            == shown
        )


class Page(HTMLParser):
    """The text of a page, its tags, and every attribute that would load something."""

    def __init__(self, html):
        super().__init__()
        self.text, self.tags, self.loads = [], [], []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.loads += [name for name, _ in attributes if name in ("src", "href")]

    def handle_data(self, data):
        self.text.append(data)


def test_the_page_stands_alone_and_escapes_what_is_given(tmp_path):
    evil = "a<script>alert(1)</script>&amp;\"'"
    scores = {'x"><b>': {"s<i>": {"score": 1, "chance": 0.5, "low": 0.9, "high": 1.1}}}
    settings = {"data_version": "<img src=x>", "deviations": ["<hr>"]}
    html = as_html(
        leaderboard(write(tmp_path, a=result(evil, scores=scores, **settings)), ['x"><b>/s<i>'])
    )
    page = Page(html)
    assert {"script", "img", "hr", "i", "link", "iframe"}.isdisjoint(page.tags)
    assert page.tags.count("b") == 1  # around the score
    assert not page.loads
    assert "http" not in html
    assert 'name="viewport" content="width=device-width' in html
    assert "@media(max-width" in html
    for text in (evil, 'x"><b>', "s<i>", "1.000", "0.900 to 1.100", "chance 0.500"):
        assert text in page.text


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


def test_a_mistake_is_one_line_and_exits_with_2(tmp_path, capsys, monkeypatch):
    (file,) = write(tmp_path, a=result())
    for words, message in (
        ((file, file), f"'{file}' is given twice"),
        ((), "files is empty: give at least one result file"),
        (
            (file, "--out", file),
            f"folder '{file}': it cannot be written (File exists); choose another one",
        ),
    ):
        assert main([str(word) for word in words]) == 2
        assert capsys.readouterr() == ("", f"error: {message}\n")
    with pytest.raises(SystemExit) as caught:
        main([str(file), "--sorted"])
    assert caught.value.code == 2
    monkeypatch.setitem(sys.modules, "tyro", None)
    assert main([str(file)]) == 2
    assert capsys.readouterr().err.endswith("pip install 'fdd[benchmarks]'\n")


def test_ctrl_c_exits_with_130(tmp_path, capsys, monkeypatch):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("benchmarks.leaderboard.leaderboard", interrupted)
    assert main([str(*write(tmp_path, a=result()))]) == 130
    assert capsys.readouterr() == ("", "stopped\n")
