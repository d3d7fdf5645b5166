"""Intervals over images and over seeds hold what they promise; a cell says what it was given."""

import doctest

import numpy as np
import pytest

from benchmarks.protocol import cells
from benchmarks.protocol.cells import cell
from benchmarks.protocol.descriptions import DESCRIPTIONS
from benchmarks.protocol.settings import Settings
from benchmarks.statistics import intervals
from benchmarks.statistics.intervals import half_sample_interval, interquartile_mean, seed_interval
from benchmarks.statistics.permutation import floor_of
from fdd import FddError


@pytest.mark.parametrize("module", [intervals, cells])
def test_examples_in_docstrings(module):
    found = doctest.testmod(module)
    assert found.failed == 0 < found.attempted


def test_an_interval_holds_the_true_mean_as_often_as_it_says():
    rng, held = np.random.default_rng(0), 0
    for seed in range(300):
        values = rng.exponential(size=100)
        found = half_sample_interval(lambda rows, v=values: v[rows].mean(), 100, seed=seed)
        held += found.low <= 1 <= found.high
    assert 0.9 < held / 300 < 0.98


def test_an_interval_is_as_long_as_theory_says_for_a_correlation():
    """(1 - r^2) / sqrt(N), which no score of single rows would give."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(2000, 2)) @ np.array([[1, 0.8], [0, 0.6]])
    found = half_sample_interval(
        lambda rows: np.corrcoef(x[rows].T)[0, 1], 2000, draws=1000, seed=2
    )
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * 0.36 / np.sqrt(2000), rel=0.1)


def test_halves_hold_no_row_twice_and_follow_the_seed():
    seen = []
    half_sample_interval(lambda rows: seen.append(rows) or 0.0, 11, draws=4, seed=3)
    assert all(len(set(rows)) == 5 for rows in seen[:4])
    assert len(seen[4]) == 11
    again = []
    half_sample_interval(lambda rows: again.append(rows) or 0.0, 11, draws=4, seed=3)
    assert all((a == b).all() for a, b in zip(seen, again, strict=True))
    with pytest.raises(FddError, match="rows=3 must be a whole number of at least 4"):
        half_sample_interval(lambda rows: 0.0, 3)


def test_the_interquartile_mean_and_its_interval():
    assert interquartile_mean([5, 1, 2, 3, 100, 4, -50, 2]) == 2.75
    assert interquartile_mean([1, 2]) == 1.5
    found = seed_interval([1, 2, 3, 4, 5, 6, 7, 8])
    assert 1 < found.low < interquartile_mean(range(1, 9)) < found.high < 8
    same = seed_interval([2.0, 2.0, 2.0])
    assert (same.low, same.high) == (2, 2)
    with pytest.raises(FddError, match="the number of seeds=1 must be a whole"):
        seed_interval([1.0])


def test_a_share_lies_between_chance_and_a_ceiling_that_is_better():
    floor = floor_of(0.5, np.full(9, 0.1))
    assert cell(0.5, floor, ceiling=0.9)["share"] == pytest.approx(0.5)
    assert "share" not in cell(0.5, floor, ceiling=0.05)
    assert "share" not in cell(0.5, floor, ceiling=0.11)
    high = floor_of(0.5, np.full(9, 0.9))
    assert "share" not in cell(0.5, high, ceiling=0.1)
    small = cell(0.5, high, ceiling=0.1, described=DESCRIPTIONS["procrustes"])
    assert small["share"] == pytest.approx(0.5)


def test_deviations_are_named():
    assert Settings(draws=9, step=0.1).deviations() == [
        "draws is 9, not 999",
        "step is 0.1, not 0.05",
    ]
