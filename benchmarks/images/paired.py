"""The chance of a score of pairs: what wrongly paired images give."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmarks.statistics.arrays import Floats, same
from benchmarks.statistics.permutation import Floor, floor_of, permutations
from fdd.errors import whole_number

PairScore = Callable[[NDArray[Any], NDArray[Any]], Floats]
"""(a [N, ...], b [N, ...]) -> float64 [N]."""


def pair_floor(
    score: PairScore,
    a: ArrayLike,
    b: ArrayLike,
    *,
    draws: int = 999,
    block: int = 10,
    seed: int = 0,
) -> Floor:
    """The mean of `score(a, b)` over all pairs, beside that of wrongly paired rows.

    The rows are dealt by `seed` into blocks of `block` (a few more where N is no multiple of it),
    and within a block every row of a is scored with every one of b. `chance` is the mean over all
    wrong pairs. Each draw pairs the rows anew within their blocks, which the null hypothesis allows
    as it allows any pairing; some stay with their own, so `upper` and `p` are a little on the
    cautious side.

    >>> floor = pair_floor(lambda a, b: 1.0 * (a == b), np.arange(20), np.arange(20), draws=99)
    >>> floor.score.item(), floor.chance.item(), floor.p.item()
    (1.0, 0.0, 0.01)
    """
    left, right = np.asarray(a), np.asarray(b)
    same(("a", len(left)), ("b", len(right)), "rows")
    whole_number("the number of pairs", len(left), 2)
    rng, blocks = np.random.default_rng(seed), max(1, len(left) // whole_number("block", block, 2))
    null, true, wrong, wrong_pairs = np.zeros(whole_number("draws", draws, 1)), 0.0, 0.0, 0
    for rows in np.array_split(rng.permutation(len(left)), blocks):
        count = len(rows)
        every = score(
            np.repeat(left[rows], count, axis=0), np.tile(right[rows], _times(count, right))
        )
        every = np.asarray(every, dtype=np.float64).reshape(count, count)
        null += every[np.arange(count), permutations(count, draws, rng)].sum(axis=1)
        true += every.trace()
        wrong += every.sum() - every.trace()
        wrong_pairs += every.size - count
    floor = floor_of(true / len(left), null / len(left))
    return replace(floor, chance=np.asarray(wrong / wrong_pairs))


def _times(count: int, array: NDArray[Any]) -> tuple[int, ...]:
    return (count, *[1] * (array.ndim - 1))
