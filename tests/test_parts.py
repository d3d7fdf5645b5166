"""Parts of a scoring run one after another or side by side, and what is kept is kept whole."""

import os
from functools import partial

import numpy as np
import pytest
from fake_models import DATA, QUICK, Ideal

from benchmarks.protocol.evaluation import evaluate
from benchmarks.protocol.kept import kept, kept_of, kept_scores
from benchmarks.protocol.parts import SLOW, processes_for, run_parts
from fdd import FddError

PARTS = {"first": lambda: 1, SLOW[0]: lambda: 2, "last": lambda: os.getpid()}


@pytest.mark.parametrize("processes", [1, 2])
def test_results_have_the_order_of_the_parts_and_each_is_told(processes):
    told = []
    found = run_parts(PARTS, processes, lambda *words: told.append(words))
    assert list(found) == list(PARTS)
    assert (found["first"], found[SLOW[0]]) == (1, 2)
    assert (found["last"] == os.getpid()) == (processes == 1)
    assert [(done, of) for _, done, of in told] == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert {name for name, _, _ in told} == {"", *PARTS}


def test_scores_are_the_same_in_processes():
    """Some of them, for time: of a regression, of images and of samples."""

    def some(processes, parts):
        names = ("linear_r2", "G against FD: aligned", "quality of samples")
        return run_parts({name: parts[name] for name in names}, processes)

    one, two = (
        evaluate(Ideal(), DATA, settings=QUICK, run=partial(some, processes)).result
        for processes in (1, 2)
    )
    assert one == two
    assert {"linear_r2", "ssim", "random_fid"} <= one["scores"].keys()


def test_a_mistake_in_a_process_is_the_same_mistake():
    def wrong():
        raise FddError("images=1 must be 2")

    with pytest.raises(FddError, match=r"^images=1 must be 2$"):
        run_parts({"wrong": wrong, "right": lambda: 0}, processes=2)


def test_processes_are_those_wanted_or_as_many_as_pay_off():
    assert processes_for(100) == 1
    assert 1 <= processes_for(2000) <= 6
    assert processes_for(100, 3) == 3
    with pytest.raises(FddError, match=r"^processes=0 must be a whole number of at least 1$"):
        processes_for(100, 0)


@pytest.fixture
def counting(tmp_path, monkeypatch):
    """compute(): an array, and how often it was asked for; the file that keeps it."""
    monkeypatch.setenv("FDD_DATA", str(tmp_path))
    calls = []

    def compute():
        calls.append(1)
        return np.arange(6.0).reshape(3, 2) / 7

    return compute, calls, tmp_path / "scores" / "name"


def test_what_is_kept_is_computed_once_and_exact(counting):
    compute, calls, file = counting
    for _ in range(3):
        np.testing.assert_array_equal(kept("name", compute), np.arange(6.0).reshape(3, 2) / 7)
    assert len(calls) == 1
    assert [path.name for path in file.parent.iterdir()] == ["name"]
    np.testing.assert_array_equal(kept("other", lambda: np.zeros(2)), np.zeros(2))


def test_a_damaged_file_is_never_read(counting):
    compute, calls, file = counting
    want = kept("name", compute)
    whole = file.read_bytes()
    flipped = [bytearray(whole) for _ in range(0, len(whole), 29)]
    for number, damaged in enumerate(flipped):
        damaged[29 * number] ^= 1 << number % 8
    for damaged in (*flipped, b"", whole[:-1], whole + b"\0", whole[:40]):
        file.write_bytes(damaged)
        before = len(calls)
        np.testing.assert_array_equal(kept("name", compute), want)
        assert len(calls) == before + 1
        assert file.read_bytes() == whole


def test_a_folder_that_cannot_be_written_keeps_nothing(counting):
    compute, calls, file = counting
    file.parent.parent.joinpath("scores").write_text("a file, where the folder should be")
    for _ in range(2):
        np.testing.assert_array_equal(kept("name", compute), compute())
    assert len(calls) == 4


def test_what_follows_from_arrays_is_computed_once_for_each(counting):
    compute, calls, file = counting
    given = np.arange(4), np.ones((2, 3)), 7
    for _ in range(2):
        np.testing.assert_array_equal(kept_of("ranks", given, compute), compute())
    assert len(calls) == 3  # two of them here
    other = (
        (np.arange(4.0), np.ones((2, 3)), 7),
        (np.arange(4), np.ones((3, 2)), 7),
        (np.arange(4), np.ones((2, 3)), 8),
    )
    for number, arrays in enumerate(other):
        kept_of("ranks", arrays, compute)
        assert len(calls) == 4 + number
    kept_of("other ranks", given, compute)
    assert len(calls) == 7
    assert len(list(file.parent.iterdir())) == 5


def test_scores_are_kept_by_name_and_exact(counting):
    scores = {"ssim": 1 / 3, "r2 0": -2.5, "canonical completeness": np.nan}
    first = kept_scores("ceilings", [np.arange(3)], lambda: scores)
    again = kept_scores("ceilings", [np.arange(3)], dict)
    for found in (first, again):
        assert list(found) == list(scores)
        np.testing.assert_array_equal(list(found.values()), list(scores.values()))
