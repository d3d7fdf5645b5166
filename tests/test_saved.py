"""An evaluation on disk: what was saved is loaded as it was, or not at all."""

import doctest
import json

import numpy as np
import pytest
from fake_results import evaluation

from benchmarks.reporting import saved
from benchmarks.reporting.saved import (
    SCORES,
    SHOWN,
    SUMS,
    folder_of,
    load_evaluation,
    save_evaluation,
)


def test_an_evaluation_comes_back_as_it_was_saved(tmp_path):
    kept = evaluation()
    save_evaluation(tmp_path, kept)
    found = load_evaluation(tmp_path)
    assert found.result == kept.result
    assert list(found.pictures) == list(kept.pictures)
    for name in ("truth", "predicted", "correlation"):
        np.testing.assert_array_equal(getattr(found, name), getattr(kept, name))
    for name, images in kept.pictures.items():
        np.testing.assert_array_equal(found.pictures[name], images)
        assert found.pictures[name].dtype == np.uint8
    save_evaluation(tmp_path, evaluation(encoder=False))
    assert load_evaluation(tmp_path).predicted is None
    assert json.loads((tmp_path / SCORES).read_text())["name"] == "first"


def test_what_is_not_there_is_not_loaded(tmp_path):
    assert load_evaluation(tmp_path / "nowhere") is None
    (tmp_path / SCORES).write_text("{}")
    assert load_evaluation(tmp_path) is None


@pytest.mark.parametrize("name", [SCORES, SHOWN, SUMS])
@pytest.mark.parametrize("damage", ["missing", "short", "changed", "empty"])
def test_damaged_files_are_not_loaded(tmp_path, name, damage):
    save_evaluation(tmp_path, evaluation())
    content = bytearray((tmp_path / name).read_bytes())
    content[len(content) // 2] ^= 1
    new = {"short": content[:-1], "changed": content, "empty": b""}
    (tmp_path / name).unlink() if damage == "missing" else (tmp_path / name).write_bytes(
        new[damage]
    )
    assert load_evaluation(tmp_path) is None


@pytest.mark.parametrize(
    ("model", "folder"),
    [
        ("package.module:name", "package.module-name-correspondence"),
        ("models/encoder.onnx", "models/encoder-correspondence"),
        ("nowhere", "nowhere-correspondence"),
        (".", "correspondence"),
    ],
)
def test_scores_lie_beside_their_model(model, folder):
    assert folder_of(model).as_posix() == folder


def test_examples():
    found = doctest.testmod(saved)
    assert found.failed == 0 < found.attempted
