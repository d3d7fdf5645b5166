"""The permutation baseline: what a score gives when rows of params belong to the wrong codes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmarks.statistics.arrays import Floats, check_pairs, generator
from fdd.arithmetic.compiling import jit
from fdd.defaults import with_defaults
from fdd.errors import FddError, whole_number

Score = Callable[..., "Floats | float"]
Table = Callable[[Floats], Floats]
"""Rows [N, K] -> a number for each pair of them, [N, N]."""

SPARSE = 0.1  # share of the pairs that are not 0, up to which only these are looked at


@dataclass(frozen=True)
class Floor:
    """A score beside its permutation baseline; all but `draws` and `null` have its shape.

    score: the value on the true pairs. chance: the mean over the draws. upper: their 95 % quantile.
    p: (1 + #(draws >= score)) / (draws + 1), one-sided, never 0. null: [draws, ...], all of them.
    """

    score: Floats
    chance: Floats
    upper: Floats
    p: Floats
    draws: int
    null: Floats

    def at(self, index: int) -> Floor:
        """The floor of one entry of a score that is an array."""
        score, chance, upper, p = (
            np.asarray(part[index]) for part in (self.score, self.chance, self.upper, self.p)
        )
        return Floor(score, chance, upper, p, self.draws, self.null[:, index])

    def as_dict(self) -> dict[str, float | int]:
        """score, chance, chance_95, p and draws of a single number, ready for JSON."""
        values = {"score": self.score, "chance": self.chance, "chance_95": self.upper, "p": self.p}
        return {name: float(value) for name, value in values.items()} | {"draws": self.draws}


def floor_of(score: ArrayLike, null: ArrayLike) -> Floor:
    """The Floor of a score [...] and its values [draws, ...] under the null.

    >>> floor_of(0.9, [0.1, 0.2, 0.3]).p.item()
    0.25
    """
    value, draws = np.asarray(score, dtype=np.float64), np.asarray(null, dtype=np.float64)
    rounding = 1e-12 * np.maximum(1, np.abs(value))  # a tie counts against the score
    reached = (draws >= value - rounding).sum(axis=0)
    upper = np.quantile(draws, 0.95, axis=0)
    p = (1 + reached) / (len(draws) + 1)
    return Floor(value, draws.mean(axis=0), upper, np.asarray(p), len(draws), draws)


@with_defaults
def permutation_floor(
    score: Score,
    codes: ArrayLike,
    params: ArrayLike,
    test: tuple[ArrayLike, ArrayLike] | None = None,
    draws: int = 999,
    seed: int = 0,
    *,
    batch: int = 1,
) -> Floor:
    """The permutation baseline of `score(codes, params, test=test)`, and its p-value.

    The null hypothesis is that codes and params are independent. Each draw gives every row of train
    the params of another row of train, and every row of test those of another row of test (whole
    rows, so that the params keep the correlations among themselves), and runs the whole score
    again: it is fitted on wrong pairs and scored on wrong pairs. Permuting the test rows alone
    would score a good fit on pairs it was not made for, far below what an uninformed code gets;
    permuting the train rows alone would leave true pairs in the test, where an MCC with a random
    assignment still meets the right code now and then. Either would be a valid test; neither is
    the level of no correspondence.

    Parameters
    ----------
    score : callable; use functools.partial for its options
    codes, params : arrays [N, K] and [N, D]
    test : pair of arrays [M, K] and [M, D], or None
    draws : 999 gives p-values down to 0.001. For a score that takes seconds fewer do: 99 give 0.01.
    seed : of the permutations; a draw is the same whatever `batch` is
    batch : how many draws are laid side by side, as params [N, batch * D], in one call. Only for
        scores that treat the columns of params apart (`linear_r2`, `nonlinear_r2`), which then do
        what depends on the codes alone once a call: thousands of refits at the price of a few.

    Returns
    -------
    Floor; its `chance` need not be 0: an R2 on held-out rows has a chance level just below 0, an
    MCC one well above it.

    Raises
    ------
    FddError : on what `check_pairs` refuses, on draws or batch below 1, on a batched score that
        does not give one number a column.

    References
    ----------
    Phipson and Smyth, Permutation p-values should never be zero, 2010.

    Examples
    --------
    >>> import numpy as np
    >>> from benchmarks.scores import linear_r2, permutation_floor
    >>> rng = np.random.default_rng(0)
    >>> codes = rng.normal(size=(200, 3))
    >>> floor = permutation_floor(linear_r2, codes, codes[:, :1], draws=99, batch=99)
    >>> floor.score.round(3), floor.p.round(3), bool(abs(floor.chance[0]) < 0.1)
    (array([1.]), array([0.01]), True)
    """
    null = permutation_null(score, codes, params, test, draws, seed, batch=batch)
    pairs = check_pairs(codes, params, test)
    return floor_of(_values(score, pairs.codes, pairs.params, pairs.test), null)


def permutation_null(
    score: Score,
    codes: ArrayLike,
    params: ArrayLike,
    test: tuple[ArrayLike, ArrayLike] | None = None,
    draws: int = 999,
    seed: int = 0,
    *,
    batch: int = 1,
) -> Floats:
    """The draws alone of `permutation_floor`, [draws, ...], for a caller that has the score."""
    pairs = check_pairs(codes, params, test)
    draws, batch = whole_number("draws", draws, 1), whole_number("batch", batch, 1)
    rng, columns = generator(seed), pairs.params.shape[1]
    null: list[Floats] = []
    while len(null) < draws:
        count = min(batch, draws - len(null))
        shuffled = [_shuffled(pairs.params, pairs.test, rng) for _ in range(count)]
        wrong = np.concatenate([train for train, _ in shuffled], axis=1)
        held_out = None
        if pairs.test is not None:
            held_out = (pairs.test[0], np.concatenate([test for _, test in shuffled], axis=1))
        values = _values(score, pairs.codes, wrong, held_out)
        if batch > 1 and values.shape != (count * columns,):
            raise FddError(
                f"batch is {batch}: this score does not give one number a column, so it must be 1"
            )
        null.extend(values.reshape(count, columns) if batch > 1 else [values])
    return np.stack(null)


def pairs_floor(
    score: Score,
    codes: ArrayLike,
    params: ArrayLike,
    test: None = None,
    draws: int = 999,
    seed: int = 0,
    *,
    of_codes: Table,
    of_params: Table,
) -> Floor:
    """`permutation_floor` of a score that is a sum over pairs of rows, many times as fast.

    The score is the sum of of_codes(codes) * of_params(params), two tables [N, N]. Params in
    another order have the same table with its rows and columns in that order, so nothing is worked
    out again (Mantel, The detection of disease clustering and a generalized regression approach,
    1967). Memory grows as N^2.

    >>> def alike(x):
    ...     return x @ x.T
    >>> def score(codes, params):
    ...     return (alike(codes) * alike(params)).sum()
    >>> x, y = np.random.default_rng(0).normal(size=(2, 30, 2))
    >>> slow = permutation_floor(score, x, y, draws=9)
    >>> fast = pairs_floor(score, x, y, draws=9, of_codes=alike, of_params=alike)
    >>> bool(np.allclose(slow.null, fast.null))
    True
    """
    pairs = check_pairs(codes, params, test)
    rng, count = generator(seed), len(pairs.codes)
    one, other = of_codes(pairs.codes), of_params(pairs.params)
    orders = (rng.permutation(count) for _ in range(whole_number("draws", draws, 1)))
    if np.count_nonzero(other) < np.count_nonzero(one):
        one, other, orders = other, one, (order.argsort() for order in orders)
    rows, columns = np.nonzero(one)
    if len(rows) > SPARSE * one.size:
        null = [float(_sum_of_products(one, other, order)) for order in orders]
    else:  # a table of neighbours
        values = one[rows, columns]
        null = [float(values @ other[order[rows], order[columns]]) for order in orders]
    return floor_of(_values(score, pairs.codes, pairs.params, None), null)


def _sum_in_order(one: Any, other: Any, order: Any) -> Any:
    """The sum of one[i, j] * other[order[i], order[j]], as eight sums side by side."""
    sums, whole = np.zeros(8), len(order) // 8 * 8
    for i in range(len(order)):
        row, moved = one[i], other[order[i]]
        for start in range(0, whole, 8):
            for k in range(8):
                sums[k] += row[start + k] * moved[order[start + k]]
        for j in range(whole, len(order)):
            sums[0] += row[j] * moved[order[j]]
    return sums.sum()


_sum_of_products = jit(_sum_in_order)


def _values(score: Score, codes: Floats, params: Floats, test: Any) -> Floats:
    """The score; `test` is passed on only where there is one, as some scores take none."""
    given = {} if test is None else {"test": test}
    return np.asarray(score(codes, params, **given), dtype=np.float64)


def _shuffled(
    params: Floats, test: tuple[Floats, Floats] | None, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    train = params[rng.permutation(len(params))]
    return train, train[:0] if test is None else test[1][rng.permutation(len(test[1]))]


def permutations(rows: int, draws: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """int [draws, rows]: each row an order of `rows` things."""
    return rng.permuted(np.tile(np.arange(rows), (whole_number("draws", draws, 1), 1)), axis=1)
