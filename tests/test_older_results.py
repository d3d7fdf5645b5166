"""Results of the same protocol that lack what was put beside scores later are read as ever."""

import copy
import dataclasses
import json

import pytest
from fake_results import result

from benchmarks.leaderboard import leaderboard
from benchmarks.protocol.settings import PROTOCOL, Settings
from benchmarks.report import is_of
from benchmarks.reporting.files import as_csv
from benchmarks.reporting.html import as_html
from benchmarks.reporting.runs import runs_of
from benchmarks.reporting.text import as_text, headline

BARE = ("score", "ceiling")


def older(**options):
    """A result whose DCI and samples have a score and a ceiling, and nothing else."""
    found = copy.deepcopy(result(**options))
    for name, cells in found["scores"].items():
        if name.startswith("dci_") or "samples" in cells:
            for kind, cell in cells.items():
                cells[kind] = {key: cell[key] for key in BARE}
    return found


def test_the_protocol_has_the_numbers_that_it_had():
    """They stand in every result, and results with others are refused beside it."""
    assert PROTOCOL == "correspondence-3"
    assert dataclasses.asdict(Settings()) == {
        "seed": 0,
        "train_images": 4000,
        "test_images": 2000,
        "pairwise_rows": 500,
        "draws": 999,
        "slow_draws": 99,
        "few_draws": 19,
        "nonlinear_rows": 2000,
        "halves": 50,
        "block": 10,
        "step": 0.05,
    }


def test_the_text_leaves_out_what_is_not_there():
    lines = as_text(older()).splitlines()
    (fid,) = (line for line in lines if line.startswith("FDD-FID"))
    assert fid.removeprefix("FDD-FID").lstrip() == f"12{'':24}{'1.500':>7}"
    (dci,) = (line for line in lines if line.startswith("DCI completeness"))
    assert dci.removeprefix("DCI completeness").lstrip() == f"0.600{'':24}{'0.950':>7}"


def test_old_and_new_results_stand_on_one_page_and_in_one_csv():
    both = [older(name="old"), result("new")]
    html, text = as_html(both), as_csv(both)
    # of the new one, for 8 scores and in the first table: in print, and for who hears it
    assert html.count("p same 0.001") == 2 * (8 + 1)
    lines = {tuple(line.split(",")[:4]): line for line in text.splitlines()}
    assert lines["old", "0", "fdd_fid", "samples"].endswith(",12.0,,,,,1.5,,")
    assert lines["new", "0", "fdd_fid", "samples"].endswith(",0.001")
    assert "FDD-FID" in headline(both)


def test_seeds_of_both_kinds_are_one_line():
    two = [older(name="lsd", seed=0, level=0.5), result("lsd", seed=1, level=0.7)]
    (run,) = runs_of(two)
    cell = run.cell(("fdd_fid", "samples"))
    assert cell["score"] == pytest.approx(12)
    assert (cell["chance"], cell["p_same"], cell["seeds"]) == (40, 0.001, 2)
    assert run.cell(("dci_completeness", "raw"))["p"] == 0.001


def test_old_and_new_results_stand_in_one_table(tmp_path):
    paths = []
    for name, one in (("old", older(name="old")), ("new", result("new", weights_sha256="12"))):
        paths.append(tmp_path / f"{name}.json")
        paths[-1].write_text(json.dumps(one))
    board = leaderboard(paths, ["fdd_fid/samples", "dci_completeness/canonical"])
    old, new = sorted(board.lines, key=lambda line: line.name, reverse=True)
    assert old.cells["fdd_fid/samples"] == {"score": 12.0, "ceiling": 1.5}
    assert new.cells["fdd_fid/samples"] == pytest.approx(
        {"score": 12.0, "low": 11.98, "high": 12.02, "chance": 40.0, "ceiling": 1.5}
    )


def test_a_report_takes_an_older_result_of_a_model_as_it_is():
    settings = dataclasses.asdict(Settings())
    old = older() | {"settings": settings}
    about = {key: old[key] for key in ("image_size", "data_version", "fdd_version", "config")}
    about |= {"weights_sha256": old["weights_sha256"], "oracle": old["oracle"]}
    assert is_of(old, about, Settings())
    assert not is_of(old | {"protocol": "correspondence-1"}, about, Settings())
