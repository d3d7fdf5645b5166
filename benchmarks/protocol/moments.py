"""The permutation baseline of scores that see means and covariances alone, from a few rows."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from benchmarks.codes.geometry import directions
from benchmarks.statistics.arrays import Floats, check_pairs, constant_columns, standardise
from benchmarks.statistics.permutation import Floor, Score, floor_of
from fdd.errors import whole_number

AT_ONCE = 50
"""Draws that a score is taken on at once: more of them leave the processor's cache."""
Every = Callable[..., Floats]


def moments_floor(
    score: Score,
    codes: ArrayLike,
    params: ArrayLike,
    test: tuple[ArrayLike, ArrayLike] | None = None,
    draws: int = 999,
    seed: int = 0,
    *,
    every: Every,
) -> Floor:
    """`permutation_floor` of a score that sees nothing but means and covariances.

    Least squares, Pearson correlations and canonical correlations make such scores. A draw changes
    only the covariances of codes with params, so the score is taken on 2 (K + D) rows that have the
    moments of the N permuted ones, and on many draws at once: the same draws, up to rounding, a
    hundred times as fast. Arguments and errors are those of `permutation_floor`, beside
    every : the score of checked codes [R, K] and a stack of params [B, R, D], [B, ...]; with `test`
        like these, where there is one. Each of the params has the same means and covariances.

    >>> import numpy as np
    >>> from benchmarks.codes.geometry import disparity
    >>> from benchmarks.statistics.permutation import permutation_floor
    >>> from benchmarks.scores import procrustes
    >>> x, y = np.random.default_rng(0).normal(size=(2, 500, 3))
    >>> slow = permutation_floor(procrustes, x, y, draws=9)
    >>> fast = moments_floor(procrustes, x, y, draws=9, every=disparity)
    >>> bool(np.allclose(slow.null, fast.null))
    True
    """
    pairs = check_pairs(codes, params, test)
    sides = [(pairs.codes, pairs.params)] + ([] if pairs.test is None else [pairs.test])
    arrays = tuple((array.tobytes(), array.shape) for side in sides for array in side)
    drawn = _stand_ins(arrays, whole_number("draws", draws, 1), seed)
    null = []
    for start in range(0, draws, AT_ONCE):
        part = slice(start, start + AT_ONCE)
        train, *held_out = ((few.copy(), wrong[part].copy()) for few, wrong in drawn)
        null.append(every(*train, test=held_out[0]) if held_out else every(*train))
    given = {} if pairs.test is None else {"test": pairs.test}
    return floor_of(score(pairs.codes, pairs.params, **given), np.concatenate(null))


@dataclass(frozen=True)
class _Span:
    """Rows [N, K] as basis @ weights + mean: orthonormal [N, r] of mean 0, [r, K], [K]."""

    basis: Floats
    weights: Floats
    mean: Floats


def _span(rows: Floats) -> _Span:
    live = ~constant_columns(rows)
    weights, mean = np.zeros((0, rows.shape[1])), rows[0].copy()
    if not live.any():
        return _Span(rows[:, :0], weights, mean)
    basis, sizes, axes = directions(standardise(rows)[0])
    weights = np.zeros((len(sizes), rows.shape[1]))
    weights[:, live] = sizes[:, None] * axes * rows[:, live].std(axis=0)
    mean[live] = rows[:, live].mean(axis=0)
    return _Span(basis, weights, mean)


@functools.lru_cache(maxsize=8)  # the sets of a protocol, whose scores follow each other
def _stand_ins(
    arrays: tuple[tuple[bytes, tuple[int, ...]], ...], draws: int, seed: int
) -> list[tuple[Floats, Floats]]:
    """A few rows of codes [R, K] and, for each draw, of params [draws, R, D], for train and test.

    They have the moments of all rows. arrays: codes and params of each, as bytes of float64. A draw
    takes an order of train and then one of test.
    """
    spans = [_span(np.frombuffer(array).reshape(shape)) for array, shape in arrays]
    sides, rng = list(zip(spans[::2], spans[1::2], strict=True)), np.random.default_rng(seed)
    shared = [
        [x.basis.T @ y.basis[rng.permutation(len(y.basis))] for x, y in sides] for _ in range(draws)
    ]
    return [
        _stand_in(x, y, np.stack(products))
        for (x, y), products in zip(sides, zip(*shared, strict=True), strict=True)
    ]


def _stand_in(x: _Span, y: _Span, shared: Floats) -> tuple[Floats, Floats]:
    """`_stand_ins` of one side, from the products of the two bases, [draws, r, s]."""
    # an orthonormal basis of params has `shared` along that of codes, and the rest beside it
    products = np.swapaxes(shared, 1, 2) @ shared
    values, vectors = np.linalg.eigh(np.eye(shared.shape[2]) - products)
    beside = np.sqrt(np.maximum(values, 0))[..., None] * np.swapaxes(vectors, 1, 2)
    codes = np.concatenate([x.weights, np.zeros((shared.shape[2], x.weights.shape[1]))])
    params = np.concatenate([shared, beside], axis=1) @ y.weights
    scale = np.sqrt(len(codes) / len(x.basis))
    codes, params = scale * codes, scale * params
    return (
        np.concatenate([codes, -codes]) + x.mean,
        np.concatenate([params, -params], axis=1) + y.mean,
    )
