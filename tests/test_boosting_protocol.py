"""DCI in a result: the numbers of `scores.dci`, between chance and ceiling, with intervals."""

import dataclasses

import numpy as np
import pytest
from fake_models import QUICK

from benchmarks.codes.dci import parts_of
from benchmarks.codes.importances import importance_of, loss, probe_codes, read_codes
from benchmarks.protocol.boosting import DCI, score_boosting
from benchmarks.protocol.cells import r2
from benchmarks.protocol.data import Coded
from benchmarks.protocol.settings import SETS, TARGETS, all_targets
from benchmarks.scores import dci, disentanglement, explicitness, predict
from benchmarks.statistics.permutation import permutation_floor

SETTINGS = dataclasses.replace(QUICK, slow_draws=6, halves=200)


def draw(rows, seed):
    return all_targets(np.random.default_rng(seed).uniform(-3, 3, size=(rows, 6)))


FIT, HELD_OUT = draw(400, 0), draw(300, 1)
MIX = np.array([[1, 0.3, 0, 0], [0, 1, 0.5, 0], [0, 0.2, 1, 0], [0, 0, 0.3, 1]])


def codes_of(targets, seed=5):
    """Four numbers that know the canonical parameters, a little mixed."""
    noise = np.random.default_rng(seed).normal(size=(len(targets), 4))
    return targets[:, SETS["canonical"]] @ MIX + 0.3 * noise


ORACLE = Coded(*((targets[:, [6, 7, 5]], targets) for targets in (FIT, HELD_OUT)))
"""a', b' and d: it does not know c, which the codes do."""
PAIRS = ((codes_of(FIT, 5), FIT), (codes_of(HELD_OUT, 6), HELD_OUT))


@pytest.fixture(scope="module")
def found():
    return score_boosting(Coded(*PAIRS), SETTINGS, ORACLE)


def test_scores_and_ceilings_are_those_of_dci(found):
    (codes, params), (new, truth) = PAIRS
    for kind in ("canonical", "raw"):
        columns = SETS[kind]
        want = dci(codes, params[:, columns], (new, truth[:, columns]))
        (best, _), (new_best, _) = ORACLE.fit, ORACLE.test
        top = dci(best, params[:, columns], (new_best, truth[:, columns]))
        for name in DCI:
            cell = found[f"dci_{name}"][kind]
            assert cell["score"] == pytest.approx(want[name], abs=1e-9)
            want_top = top[name] and pytest.approx(top[name], abs=1e-9)
            assert cell.get("ceiling") == want_top
            assert cell["draws"] == 6
        informative = [found["boosting_r2"][kind][TARGETS[c]]["score"] for c in columns]
        np.testing.assert_allclose(informative, want["informativeness"], atol=1e-9)
    read = predict(codes, params, new, regressor="boosting")
    scores = [cell["score"] for cell in found["boosting_r2"]["start"].values()]
    assert scores[:2] == pytest.approx(r2(truth, read)[:2], abs=1e-9)


def test_chance_is_that_of_fits_to_permuted_parameters_for_those_that_are_known(found):
    (codes, params), (new, truth) = PAIRS
    kind = "raw"
    known = dci(codes, params[:, SETS[kind]], (new, truth[:, SETS[kind]]))["known"]
    assert 2 <= known.sum() < 4
    columns = np.array(SETS[kind])[known]

    def score(codes, params, test):
        importance = importance_of(read_codes(codes, params[:, columns], select(test)).rise)
        losses = loss(*probe_codes(codes, params[:, columns], select(test)))
        easy = [e for e in map(explicitness, losses.T) if e is not None]
        return disentanglement(importance) or 0.0, np.mean(easy) if easy else 0.0

    def select(test):
        return test[0], test[1][:, columns]

    floor = permutation_floor(score, codes, params, (new, truth), draws=6)
    for i, name in enumerate(("disentanglement", "explicitness")):
        cell = found[f"dci_{name}"][kind]
        assert cell["chance"] == pytest.approx(floor.at(i).chance, abs=1e-9)
        assert cell["p"] == floor.at(i).p
        assert cell["chance_95"] == pytest.approx(floor.at(i).upper, abs=1e-9)


def test_codes_that_share_what_they_know_lie_below_the_chance_of_disentanglement():
    mixed = np.array([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]]) / 2
    pairs = tuple((t[:, SETS["canonical"]] @ mixed, t) for t in (FIT, HELD_OUT))
    cell = score_boosting(Coded(*pairs), SETTINGS)["dci_disentanglement"]["canonical"]
    assert cell["score"] < 0.1 < 0.2 < cell["chance"]
    assert cell["p"] == 1
    assert "ceiling" not in cell


def test_an_interval_is_as_long_as_scores_of_other_test_images_are_far_apart(found):
    """Forty other sets of test images, read at once by the same fits."""
    (codes, params), (new, truth) = PAIRS
    sets, columns = 40, np.array(SETS["canonical"])
    columns = columns[dci(codes, params[:, columns], (new, truth[:, columns]))["known"]]
    others = draw(sets * len(truth), 20)
    test = (codes_of(others), others[:, columns])
    read = read_codes(codes, params[:, columns], test, max_rows=len(others))
    rows = np.random.default_rng(0).permutation(len(others))  # the order of the rows of `rise`
    predicted, probed = probe_codes(codes, params[:, columns], test)
    values = []
    for number in range(sets):
        here = np.arange(len(truth)) + number * len(truth)
        table = importance_of(read.rise[np.isin(rows, here)])
        values.append(parts_of(table, loss(predicted[here], probed[:, here])))
    for name in DCI:
        cell = found[f"dci_{name}"]["canonical"]
        spread = np.std([one[name] for one in values], ddof=1)
        assert 0.6 < (cell["high"] - cell["low"]) / (2 * 1.96 * spread) < 1.7, name
        assert cell["low"] < cell["score"] < cell["high"]


def test_noise_and_dead_codes_have_an_r2_and_no_dci():
    noise = np.random.default_rng(9).normal(size=(700, 3))
    for codes in (noise, np.full((700, 2), 0.1)):
        pairs = ((codes[:400], FIT), (codes[400:], HELD_OUT))
        scores = score_boosting(Coded(*pairs), SETTINGS)
        assert scores.keys() == {"boosting_r2"}
        assert abs(scores["boosting_r2"]["canonical"]["mean"]["score"]) < 0.1


def test_a_single_known_parameter_is_complete_and_not_disentangled():
    codes = np.random.default_rng(9).normal(size=(700, 2))
    codes[:, 0] = np.concatenate([FIT, HELD_OUT])[:, TARGETS.index("d")]
    pairs = ((codes[:400], FIT), (codes[400:], HELD_OUT))
    scores = score_boosting(Coded(*pairs), SETTINGS)
    assert "dci_disentanglement" not in scores
    assert scores["dci_completeness"]["canonical"]["score"] > 0.9


def test_with_more_test_images_than_codes_are_permuted_on_there_is_an_interval():
    truth = draw(2300, 3)
    pairs = (PAIRS[0], (codes_of(truth), truth))
    cell = score_boosting(Coded(*pairs), dataclasses.replace(SETTINGS, slow_draws=1, halves=20))
    cell = cell["dci_completeness"]["canonical"]
    assert cell["low"] < cell["score"] < cell["high"]
