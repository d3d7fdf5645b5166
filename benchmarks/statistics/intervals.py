"""How far a score would move with other images, and with other seeds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmarks.statistics.arrays import Floats, generator, matrix, require
from fdd.errors import whole_number

Rows = NDArray[np.intp]

NORMAL = 1.96  # standard deviations on either side that hold 95 % of a normal distribution


@dataclass(frozen=True)
class Interval:
    """A confidence interval; both ends have the shape of the score."""

    low: Floats
    high: Floats

    def at(self, index: int) -> Interval:
        """The interval of one entry of a score that is an array."""
        return Interval(np.asarray(self.low[index]), np.asarray(self.high[index]))


def half_sample_interval(
    score: Callable[[Rows], ArrayLike], rows: int, *, draws: int = 50, seed: int = 0
) -> Interval:
    """95 % bootstrap interval of a score of images: how far it would move with other ones.

    The score is taken on `draws` random halves of the rows, each without repetition; the interval
    is the score of all rows, 1.96 times their standard deviation to either side. A half has the
    spread about the whole that a bootstrap sample has (1 / (N / 2) - 1 / N = 1 / N), and no row
    twice, which would be its own nearest neighbour and its own perfect match: the bootstrap without
    replacement (Praestgaard and Wellner 1993; Shao and Wu 1989, the delete-d jackknife).

    Parameters
    ----------
    score : row numbers int [M] -> number or array
    rows : number of rows N, at least 4
    draws : number of halves; the interval's own length is uncertain by 1 / sqrt(2 draws)
    seed : of the halves

    Returns
    -------
    Interval, symmetric about the score; it may reach beyond the best value.

    Examples
    --------
    >>> values = np.random.default_rng(0).normal(size=400)
    >>> found = half_sample_interval(lambda rows: values[rows].mean(), 400, draws=2000)
    >>> (found.high - found.low).round(2).item()  # 2 * 1.96 / sqrt(400) = 0.196
    0.2
    """
    whole_number("rows", rows, 4)
    rng, order = generator(seed), np.arange(rows)
    halves = [
        np.asarray(score(np.sort(rng.permutation(order)[: rows // 2])), dtype=np.float64)
        for _ in range(whole_number("draws", draws, 2))
    ]
    reach = NORMAL * np.std(halves, axis=0, ddof=1)
    whole = np.asarray(score(order), dtype=np.float64)
    return Interval(whole - reach, whole + reach)


def interquartile_mean(values: ArrayLike) -> float:
    """Mean of the middle half of the values of several seeds.

    Robust to one run that failed, and steadier than the median. Agarwal et al., Deep reinforcement
    learning at the edge of the statistical precipice, 2021.

    >>> interquartile_mean([0.0, 0.4, 0.5, 0.6, 9.0]).__round__(3)
    0.5
    """
    column = matrix("values", np.reshape(np.asarray(values, dtype=np.float64), (-1, 1)), 1)
    return float(require("scipy.stats").trim_mean(column[:, 0], 0.25))


def seed_interval(
    values: ArrayLike, *, draws: int = 2000, level: float = 0.95, seed: int = 0
) -> Interval:
    """Bootstrap interval of `interquartile_mean` over training seeds [S], S at least 2.

    Few seeds make it too narrow: with three, the ends are near the smallest and the largest value.
    """
    found = np.asarray(values, dtype=np.float64)
    whole_number("the number of seeds", len(found), 2)
    rng = generator(seed)
    picked = np.sort(found[rng.integers(0, len(found), (draws, len(found)))], axis=1)
    cut = int(0.25 * len(found))
    means = picked[:, cut : len(found) - cut].mean(axis=1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(np.asarray(low), np.asarray(high))
