"""An evaluation on disk: what was saved is loaded as it was, or not at all."""

import doctest
import json
from hashlib import sha256

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


def change(*keys, to):
    """A change of one place in a result."""

    def change(result):
        for key in keys[:-1]:
            result = result[key]
        result[keys[-1]] = to

    return change


FOREIGN = {
    "no scores": (change("scores", to={}), {}),
    "scores: list": (change("scores", to=[1]), {}),
    "score: text": (change("scores", "cka", to="x"), {}),
    "cell: text": (change("scores", "cka", to={"raw": {"score": "x"}}), {}),
    "cell: huge": (change("scores", "cka", to={"raw": {"score": 10**400}}), {}),
    "settings: none": (change("settings", to=None), {}),
    "deviations: numbers": (change("deviations", to=[1]), {}),
    "truth: text": (lambda result: None, {"truth": np.array(["x"])}),
    "truth: one row": (lambda result: None, {"truth": np.zeros(8)}),
    "picture: floats": (lambda result: None, {"picture FD(v)": np.zeros((8, 16, 16, 3))}),
    "picture: gray": (lambda result: None, {"picture FD(v)": np.zeros((8, 16, 16), np.uint8)}),
}


def test_scores_of_somebody_else_that_fit_their_checksums_only_are_taken_again(tmp_path):
    save_evaluation(tmp_path, evaluation())
    scores, shown = ((tmp_path / name).read_bytes() for name in (SCORES, SHOWN))
    with np.load(tmp_path / SHOWN) as archive:
        arrays = dict(archive)
    for damage, other in FOREIGN.values():
        result = json.loads(scores)
        damage(result)
        np.savez(tmp_path / SHOWN, **arrays | other)
        files = {SCORES: json.dumps(result).encode(), SHOWN: (tmp_path / SHOWN).read_bytes()}
        assert load(tmp_path, files) is None
    assert load(tmp_path, {SCORES: scores, SHOWN: shown[:50] + bytes(20) + shown[70:]}) is None
    assert load(tmp_path, {SCORES: scores, SHOWN: shown}) is not None


def load(folder, files):
    """What is loaded of files whose checksums are right."""
    sums = "".join(f"{sha256(data).hexdigest()}  {name}\n" for name, data in files.items())
    for name, data in {**files, SUMS: sums.encode()}.items():
        (folder / name).write_bytes(data)
    return load_evaluation(folder)


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
