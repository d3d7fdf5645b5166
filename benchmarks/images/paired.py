"""The permutation baseline of a score of pairs: what wrongly paired images give."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmarks.statistics.arrays import Floats, generator, same
from benchmarks.statistics.permutation import Floor, floor_of, permutations
from fdd.defaults import with_defaults
from fdd.errors import whole_number

PairScore = Callable[[NDArray[Any], NDArray[Any]], Floats]
"""(a [N, ...], b [N, ...]) -> float64 [N]."""
Rows = NDArray[np.intp]


@with_defaults
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

    def every(rows: Rows) -> Floats:
        ours, theirs = np.repeat(rows, len(rows)), np.tile(rows, len(rows))
        scores = np.asarray(score(left[ours], right[theirs]), dtype=np.float64)
        return scores.reshape(len(rows), len(rows))

    return block_floor(every, len(left), draws=draws, block=block, seed=seed)


def block_floor(
    every: Callable[[Rows], Floats], count: int, *, draws: int, block: int, seed: int
) -> Floor:
    """`pair_floor` of `count` pairs, from a function that scores every pair within a block.

    every : row numbers int [L] -> float64 [L, L], row i of a with row j of b
    """
    rng, blocks = generator(seed), max(1, count // whole_number("block", block, 2))
    null, true, wrong, wrong_pairs = np.zeros(whole_number("draws", draws, 1)), 0.0, 0.0, 0
    for rows in np.array_split(rng.permutation(count), blocks):
        scores = every(rows)
        null += scores[np.arange(len(rows)), permutations(len(rows), draws, rng)].sum(axis=1)
        true += scores.trace()
        wrong += scores.sum() - scores.trace()
        wrong_pairs += scores.size - len(rows)
    floor = floor_of(true / count, null / count)
    return replace(floor, chance=np.asarray(wrong / wrong_pairs))
