"""Tracks, magnitudes and signs on pages, strata, and results of the protocol before."""

import json

import numpy as np
import pytest
from fake_models import FEW
from fake_results import Parsed, cell, result

import fdd
from benchmarks.correspondence import supervision_of
from benchmarks.leaderboard import as_csv, as_text, leaderboard
from benchmarks.leaderboard import as_html as board_html
from benchmarks.protocol.data import Traits
from benchmarks.protocol.settings import SETS, TRACKS, all_targets
from benchmarks.protocol.strata import strata
from benchmarks.reporting.files import as_csv as report_csv
from benchmarks.reporting.html import as_html
from benchmarks.reporting.text import as_text as report_text
from benchmarks.reporting.text import headline
from fdd import FddError
from fdd.attractors import reference
from fdd.rendering.periods import periods

NEWER = ("magnitudes", "signs")


def of_track(track, level=0.5, name=None):
    """A result of a model of that track."""
    return result(name or f"model-{track}", level, supervision=track, weights_sha256=track)


def before(name="older"):
    """A result as `correspondence-2` had them."""
    found = json.loads(json.dumps(result(name)))
    for score in ("infom", "infoe", "infoc", "orthogonality"):
        del found["scores"][score]
    for cells in found["scores"].values():
        for kind in NEWER:
            cells.pop(kind, None)
    return found | {"protocol": "correspondence-2"}


def written(folder, *results):
    """The paths of files with these results."""
    paths = [folder / f"{number}.json" for number in range(len(results))]
    for path, one in zip(paths, results, strict=True):
        path.write_text(json.dumps(one))
    return paths


def titles(html):
    """The first words of all rows of a page."""
    return [row[0] for row in Parsed(html).rows if row]


def test_a_report_goes_through_the_tracks_in_order_from_chance_to_the_oracle():
    results = [of_track(track) for track in ("labels", "one", "none", "pairs")]
    html = as_html(results)
    words = titles(html)
    ladder = words[words.index("kernel R2") :]
    assert ladder[2:12] == [
        "chance",
        *("trained with: none", "model-none", "trained with: pairs", "model-pairs"),
        *("trained with: one", "model-one", "trained with: labels", "model-labels", "the oracle"),
    ]
    rows = [row for row in Parsed(html).rows if row]
    heads = rows[words.index("kernel R2") + 1]
    assert heads == ["magnitudes", "signs", "canonical", "canonical"]
    none = next(row for row in rows[words.index("kernel R2") :] if row[0] == "model-none")
    assert [text for text in none if text in ("0.600", "0.050", "0.500")] == [
        *("0.600", "0.050", "0.500", "0.500")
    ]
    oracle = next(row for row in rows if row[0] == "the oracle")
    assert oracle[1] == "supervised, the ceiling"
    assert oracle.count("0.950") == 4
    text = Parsed(html).text
    assert all(sentence in text for sentence in TRACKS.values())
    assert "arXiv:2510.14049" in text


def test_a_leaderboard_sorts_within_tracks_and_shows_the_ladder(tmp_path):
    results = [of_track("labels", 0.3), of_track("none", 0.2, "low"), of_track("pairs", 0.9)]
    results.append(of_track("none", 0.6, "high") | {"weights_sha256": "other"})
    board = leaderboard(written(tmp_path, *results))
    assert [line.name for line in board.lines] == ["high", "low", "model-pairs", "model-labels"]
    assert [line.track for line in board.lines] == ["none", "none", "pairs", "labels"]
    lines = as_text(board).splitlines()
    assert lines[3].split()[:3] == ["model", "seeds", "track"]
    assert lines[4].split()[:3] == ["high", "1", "none"]
    assert "Sorted by linear_r2/canonical, within each track." in lines
    assert as_csv(board).splitlines()[1].startswith("high,1,none,0.6")
    words = titles(board_html(board))
    assert words.count("trained with: none") == words.count("model-pairs") == 2
    assert words.index("the oracle") < words.index("linear_r2")


@pytest.mark.parametrize("track", ["label", "", None, 1])
def test_a_track_that_is_none_is_refused(tmp_path, track):
    (path,) = written(tmp_path, result(supervision=track))
    with pytest.raises(FddError) as caught:
        leaderboard([path])
    assert str(caught.value) == (
        f"'{path}' is not a result file: supervision={track!r} is none of none, pairs, symmetry, "
        "one, labels"
    )


def test_results_of_the_protocol_before_are_read_and_never_mixed(tmp_path):
    old, new = before(), result("new", weights_sha256="12")
    text, html = report_text(old), as_html([old])
    assert "correspondence-2, mini-1" in text
    assert "|b|" not in text
    assert "the oracle" not in titles(html)
    assert "trained with" not in html
    assert "CausalVerse" not in html
    old_path, new_path = written(tmp_path, old, new)
    (line,) = leaderboard([old_path]).lines
    assert line.cells["nonlinear_r2/canonical"]["score"] == 0.6
    assert "trained with" not in board_html(leaderboard([old_path]))
    with pytest.raises(FddError) as caught:
        leaderboard([old_path, new_path])
    assert str(caught.value).endswith("'correspondence-2': they cannot stand in one table")
    for show in (as_html, headline, report_csv):
        with pytest.raises(FddError) as caught:
            show([old, new])
        assert str(caught.value) == (
            "the results are of the protocols correspondence-2, correspondence-3, which are not "
            "comparable: show those of one"
        )


def test_what_a_model_says_of_its_training_counts_and_may_not_be_contradicted():
    class Model:
        supervision = None

    model = Model()
    assert supervision_of("m", model, None) == "none"
    assert supervision_of("m", model, "pairs") == "pairs"
    model.supervision = "labels"
    assert supervision_of("m", model, None) == supervision_of("m", model, "labels") == "labels"
    for own, stated, message in (
        ("labels", "none", "supervision is 'none', but 'm' says that it is 'labels'"),
        (
            "all",
            None,
            "'m': supervision='all' is not known; choose from none, pairs, symmetry, one, labels",
        ),
    ):
        model.supervision = own
        with pytest.raises(FddError) as caught:
            supervision_of("m", model, stated)
        assert str(caught.value) == message


def test_strata_divide_the_test_rows_of_one_fit():
    """What is read is right where images are full, and noise where they are sparse."""
    rng = np.random.default_rng(0)
    truth = all_targets(fdd.uniform_params(400, seed=1))
    share, back = np.linspace(0.2, 0.8, 400), np.zeros(400, np.int64)
    back[:20] = 7
    read = np.where(share[:, None] > 0.5, truth, rng.normal(size=truth.shape))
    found = strata(truth, read, truth, Traits(share, back), FEW)
    quarters = found["occupied"]
    assert list(quarters) == ["0% to 35%", "35% to 50%", "50% to 65%", "65% to 100%"]
    assert [one["images"] for one in quarters.values()] == [100] * 4
    for number, one in enumerate(quarters.values()):
        for kind in ("magnitudes", "canonical"):
            assert (one[kind]["score"] > 0.999) == (number > 1)
            assert one[kind]["low"] <= one[kind]["score"] <= one[kind]["high"]
            assert one[kind]["ceiling"] == 1
    assert found["periodic"]["yes"] == {"images": 20}  # too few to be scored
    assert found["periodic"]["no"]["images"] == 380
    whole = strata(truth, read, None, Traits(share, back * 0), FEW)["periodic"]
    assert list(whole) == ["no"]
    columns = SETS["canonical"]
    missed = ((truth - read) ** 2).sum(axis=0) / ((truth - truth.mean(axis=0)) ** 2).sum(axis=0)
    assert whole["no"]["canonical"]["score"] == pytest.approx(1 - missed[columns].mean())


def test_a_report_folds_the_strata_away():
    one = {"images": 500, "magnitudes": cell(0.4), "canonical": cell(0.1)}
    html = as_html([result(strata={"periodic": {"no": one, "yes": {"images": 3}}})])
    assert html.count("<details>") == 1
    rows = Parsed(html).rows
    spread = ["0.400 [0.380, 0.420] of 0.950", "0.100 [0.080, 0.120] of 0.950"]
    assert ["first", "no", "500", *spread] in rows
    assert ["first", "yes", "3", "\u2013", "\u2013"] in [row[:5] for row in rows]
    assert "<details>" not in as_html([result()])


def test_an_orbit_repeats_itself_if_its_last_point_was_there_before():
    """Against all pairs of points of the specification's orbits, some of which come back."""
    params, points = fdd.uniform_params(12, seed=3), 300
    want = []
    for row in params:
        orbit = reference.orbit(fdd.families["fractal_dream"], tuple(map(float, row)), points)
        back = [t for t in range(points - 1) if (orbit[t] == orbit[-1]).all()]
        want.append(points - 1 - back[-1] if back else 0)
    assert periods(params, points).tolist() == want
    assert 0 < np.count_nonzero(want) < 12
    assert periods(params[0], 1).tolist() == [0]
    with pytest.raises(FddError, match=r"^points=0 must be a whole number"):
        periods(params, 0)
