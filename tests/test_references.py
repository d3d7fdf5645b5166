"""Codes without any training score as theory says, in files that the leaderboard takes."""

import dataclasses
import json

import pytest
from fake_models import DATA, QUICK, TEST, TRAIN

import fdd
from benchmarks import references
from benchmarks.protocol.evaluation import evaluate
from benchmarks.references import Options, main, score_references
from benchmarks.reporting.results import read_results
from fdd.files import alone_in
from fdd.releases.cards import RELEASES, Release

LABELLED = dataclasses.replace(
    DATA, oracle_codes=tuple(fdd.canonical_params(params)[:, 2:] for _, params in (TRAIN, TEST))
)


@pytest.fixture(scope="module")
def scored():
    found = references.references(LABELLED)
    return {
        name: evaluate(found[name], LABELLED, settings=QUICK).result["scores"]
        for name in ("identity", "rotated", "noise", "oracle")
    }


def test_who_is_there_and_how_many_codes_they_have():
    found = references.references(LABELLED)
    sizes = {name: model.latent_size for name, model in found.items()}
    assert sizes == {
        "identity": 4,
        "rotated": 4,
        "noise": 32,
        "pixels": 32,
        "network": 128,
        "oracle": 4,
    }
    assert "oracle" not in references.references(DATA)


def test_the_parameters_themselves_score_one(scored):
    for name in ("linear_r2", "mcc", "cka", "rsa", "procrustes", "trustworthiness", "cca"):
        for who in ("identity", "oracle"):
            found = scored[who][name]["canonical"]
            best = 0 if name == "procrustes" else 1
            assert found.get("mean", found)["score"] == pytest.approx(best, abs=1e-9), name


def test_a_rotation_keeps_what_is_linear_and_loses_single_codes(scored):
    found = scored["rotated"]
    assert found["linear_r2"]["canonical"]["mean"]["score"] == pytest.approx(1)
    assert found["mcc_affine"]["canonical"]["score"] == pytest.approx(1)
    assert found["cca"]["canonical"]["score"] == pytest.approx(1)
    assert found["mcc"]["canonical"]["score"] < 0.95
    assert found["dci_disentanglement"]["canonical"]["score"] < 0.9


def test_noise_scores_the_floor(scored):
    for name in ("linear_r2", "nonlinear_r2", "cka", "rsa", "knn_overlap"):
        found = scored["noise"][name]["canonical"]
        found = found.get("mean", found)
        assert found["score"] < found["chance_95"] + 0.1, name
    assert "canonical" not in scored["noise"].get("dci_disentanglement", {})


def test_the_files_stand_in_one_table(monkeypatch, tmp_path):
    """Of few draws, for time."""
    card = Release("few-1", {"train": 100, "val": 10, "test": 60}, 16, 400, shard_rows=100)
    monkeypatch.setitem(RELEASES, card.name, card)
    few = dataclasses.replace(QUICK, draws=2, slow_draws=1, few_draws=1, halves=2)
    options = Options(data=card.name, out=tmp_path / "out", images=40, train_images=40)
    results = score_references(options, others=few)
    files = sorted((tmp_path / "out").iterdir())
    names = ["identity", "network", "noise", "pixels", "rotated"]
    assert [file.name for file in files] == [f"{name}.json" for name in names]
    assert [json.loads(file.read_text()) for file in files] == [results[name] for name in names]
    assert len(read_results(files)) == 5


def test_a_folder_is_written_by_one_command_at_a_time(tmp_path, capsys):
    with alone_in(tmp_path / "out"):
        assert main(["--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err == (
        f"error: folder '{tmp_path / 'out'}' is in use: another process works in it; wait until it "
        "has ended or choose another folder\n"
    )
    assert not (tmp_path / "out").exists()


def test_a_mistake_is_one_line(capsys):
    assert main(["--images", "3"]) == 2
    assert capsys.readouterr().err == "error: images=3 must be a whole number of at least 40\n"
    assert main(["--data", "mine"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: version='mine' is not known")
