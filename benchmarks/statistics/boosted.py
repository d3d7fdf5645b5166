"""Gradient boosting with histograms: scikit-learn's trees, several times as fast for small data.

The permutation baseline fits thousands of small models to the same codes. Most of the time of
`HistGradientBoostingRegressor` goes into the Python around each of its splits, not into arithmetic.
Here a whole tree is one compiled function. Sums are taken in scikit-learn's order, so the models
are the same, bit for bit (`tests/test_boosted.py`).

Friedman, Greedy function approximation: a gradient boosting machine, 2001; Ke et al., LightGBM,
2017, for the histograms.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from benchmarks.statistics.arrays import Floats, require
from fdd.arithmetic.compiling import jit

Bins = NDArray[np.uint8]

BINS = 255
LEAVES = 31
NODES = 2 * LEAVES - 1
LEAST = 20  # rows of a leaf
RATE = 0.1
MOST = 300  # trees
PATIENCE = 10  # trees without a smaller error on the rows that are held back
BETTER = 1e-7  # an error must be smaller by
TINY = 1e-15
ENOUGH = 50  # rows from which on a tenth is held back
FEW = 30  # trees, with fewer rows than that


@dataclass(frozen=True)
class Binned:
    """Codes to fit on, each column cut into at most 255 bins of equal frequency.

    edges: of each column, ascending; bin i holds what is above edge i - 1 and at most edge i.
    rows, held: row numbers to grow trees on, and those held back to say when to stop, or none.
    columns: bins uint8 [K, R] of the first. held_bins: uint8 [H, K] of the others.
    """

    edges: list[Floats]
    rows: NDArray[np.intp]
    held: NDArray[np.intp]
    columns: Bins
    held_bins: Bins

    def of(self, codes: Floats) -> Bins:
        """The bins of other codes [M, K], uint8 [M, K]."""
        return _bins(codes, self.edges)


@dataclass(frozen=True)
class Model:
    """A sum of trees.

    start: what is predicted before the first tree. splits: int64 [T, 61, 3], of each node the
    column, the last bin that goes left, and where the left child is, with the right one behind it;
    0 there for a leaf. values: float64 [T, 61], of the leaves.
    """

    start: float
    splits: NDArray[np.int64]
    values: Floats

    def predict(self, bins: Bins) -> Floats:
        """float64 [M], for bins [M, K] as `Binned.of` gives them."""
        found = np.full(len(bins), self.start)
        _add(bins, self.splits, self.values, found)
        return found

    def predict_permuted(self, bins: Bins, order: NDArray[np.intp]) -> Floats:
        """float64 [M, K]: in column k what is predicted when the bins [M, K] have that column
        permuted, with row order[i] in the place of row i."""
        found = np.full(bins.shape, self.start)
        _add_permuted(bins, order, self.splits, self.values, found)
        return found


def binned(codes: Floats, seed: int) -> Binned:
    """Codes [N, K] made ready for many fits; `seed` says which tenth is held back.

    With fewer than 50 rows, none are.
    """
    rows, held = np.arange(len(codes)), np.arange(0)
    if len(codes) >= ENOUGH:
        state = np.random.RandomState(seed).randint(np.iinfo(np.uint32).max, dtype="u8")
        split = require("sklearn.model_selection").train_test_split
        rows, held = split(rows, test_size=0.1, random_state=state)
    edges = [_edges(column) for column in codes[rows].T]
    columns = np.ascontiguousarray(_bins(codes[rows], edges).T)
    return Binned(edges, rows, held, columns, _bins(codes[held], edges))


def fitted(codes: Binned, target: Floats) -> Model:
    """The model of one target [N] that the squared error of `HistGradientBoostingRegressor` gives.

    Its trees have at most 31 leaves of at least 20 rows, the best split of all nodes first; each
    counts a tenth. The last is the one after which ten in a row have not made the error on the
    held rows smaller, or the 300th, or without held rows the 30th.
    """
    known, asked = target[codes.rows], target[codes.held]
    start = float(known.mean())
    found, guess = np.full(len(known), start), np.full(len(asked), start)
    most = MOST if len(asked) else FEW
    splits, values = np.zeros((most, NODES, 3), np.int64), np.zeros((most, NODES))
    histograms = LEAVES, len(codes.columns), BINS + 1
    sums, counts = np.empty(histograms), np.empty(histograms, np.int32)
    errors = [np.mean((guess - asked) ** 2) / 2] if len(asked) else []
    trees = 0
    while trees < most and not _stalled(errors):
        gradient = (found - known).astype(np.float32)
        grown = slice(trees, trees + 1)
        _grow(codes.columns, gradient, sums, counts, splits[trees], values[trees], found)
        if len(asked):
            _add(codes.held_bins, splits[grown], values[grown], guess)
            errors.append(np.mean((guess - asked) ** 2) / 2)
        trees += 1
    return Model(start, splits[:trees], values[:trees])


def _stalled(errors: list[Any]) -> bool:
    """Whether none of the last errors is smaller than the one before them."""
    return len(errors) > PATIENCE and min(errors[-PATIENCE:]) >= errors[-PATIENCE - 1] - BETTER


def _edges(column: Floats) -> Floats:
    distinct = np.unique(column)
    if len(distinct) <= BINS:
        return np.asarray((distinct[:-1] + distinct[1:]) / 2)
    shares = np.linspace(0, 100, BINS + 1)[1:-1]
    return np.unique(np.percentile(column, shares, method="averaged_inverted_cdf"))


def _bins(codes: Floats, edges: list[Floats]) -> Bins:
    found = np.empty(codes.shape, np.uint8)
    for k, limits in enumerate(edges):
        found[:, k] = np.searchsorted(limits, codes[:, k])
    return found


@numba.njit(error_model="numpy")
def _count(columns: Any, gradient: Any, rows: Any, sums: Any, counts: Any) -> None:
    """The sum of the gradients and the number of these rows in each bin, [K, 256]."""
    sums[:] = 0
    counts[:] = 0
    for k in range(len(columns)):
        for row in rows:
            sums[k, columns[k, row]] += gradient[row]
            counts[k, columns[k, row]] += 1


@numba.njit(error_model="numpy")
def _total(values: Any) -> Any:
    """The sum of [256], in numpy's order."""
    halves = np.zeros(2)
    for half in range(2):
        part = values[128 * half : 128 * (half + 1)]
        r = part[:8].copy()
        for i in range(8, 128):
            r[i % 8] += part[i]
        halves[half] = ((r[0] + r[1]) + (r[2] + r[3])) + ((r[4] + r[5]) + (r[6] + r[7]))
    return halves[0] + halves[1]


@numba.njit(error_model="numpy")
def _best_split(sums: Any, counts: Any, total: Any, size: Any, value: Any) -> Any:
    """The best split of a node: its gain, 0 where there is none, the sum of the gradients on its
    left, its column, and the last bin on the left."""
    best = 0.0, 0.0, 0, 0
    for k in range(len(sums)):
        left, count = 0.0, 0
        for b in range(BINS):
            left += sums[k, b]
            count += counts[k, b]
            if count < LEAST:
                continue
            if size - count < LEAST:
                break
            right = total - left
            gain = total * value
            gain -= left * (-left / (count + TINY))
            gain -= right * (-right / (size - count + TINY))
            if gain > best[0]:
                best = gain, left, k, b
    return best


def _grow_one(
    columns: Any, gradient: Any, sums: Any, counts: Any, splits: Any, values: Any, found: Any
) -> None:
    """Grows one tree into splits and values, and adds what it predicts to found [R]."""
    order, right_rows = np.arange(len(gradient)), np.empty(len(gradient), np.int64)
    # of each node: where its rows begin in `order`, how many they are, where its histograms are
    first, size = np.zeros(NODES, np.int64), np.zeros(NODES, np.int64)
    place = np.zeros(NODES, np.int64)
    # the sum of its gradients, and of its best split the gain and what goes left
    total, gains, left_sum = np.zeros(NODES), np.zeros(NODES), np.zeros(NODES)
    nodes, used = 1, 1
    size[0] = len(gradient)
    _count(columns, gradient, order, sums[0], counts[0])
    total[0] = _total(sums[0, 0])
    if size[0] >= 2 * LEAST:
        gains[0], left_sum[0], splits[0, 0], splits[0, 1] = _best_split(
            sums[0], counts[0], total[0], size[0], values[0]
        )
    while nodes < NODES and gains.max() > 0:
        node = gains.argmax()
        gains[node] = 0
        left, right = nodes, nodes + 1
        nodes += 2
        splits[node, 2] = left
        rows = order[first[node] : first[node] + size[node]]
        a = b = 0
        for row in rows:
            if columns[splits[node, 0], row] <= splits[node, 1]:
                rows[a] = row
                a += 1
            else:
                right_rows[b] = row
                b += 1
        rows[a:] = right_rows[:b]
        first[left], size[left], total[left] = first[node], a, left_sum[node]
        first[right], size[right], total[right] = first[node] + a, b, total[node] - left_sum[node]
        for child in (left, right):
            values[child] = -total[child] / (size[child] + TINY)
        if nodes == NODES or max(a, b) < 2 * LEAST:
            continue
        # the smaller child is counted, and the larger one has what its parent has beside that
        small, large = (left, right) if a < b else (right, left)
        place[small], place[large] = used, place[node]
        used += 1
        rows = order[first[small] : first[small] + size[small]]
        _count(columns, gradient, rows, sums[place[small]], counts[place[small]])
        sums[place[large]] -= sums[place[small]]
        counts[place[large]] -= counts[place[small]]
        for child in (left, right):
            if size[child] >= 2 * LEAST:
                at = place[child]
                gains[child], left_sum[child], splits[child, 0], splits[child, 1] = _best_split(
                    sums[at], counts[at], total[child], size[child], values[child]
                )
    for leaf in range(nodes):
        if splits[leaf, 2] == 0:
            values[leaf] *= RATE
            for row in order[first[leaf] : first[leaf] + size[leaf]]:
                found[row] += values[leaf]


def _add_all(bins: Any, splits: Any, values: Any, found: Any) -> None:
    """Adds what each tree predicts for bins [M, K] to found [M]."""
    for tree in range(len(splits)):
        for row in range(len(bins)):
            node = 0
            while splits[tree, node, 2]:
                goes_right = bins[row, splits[tree, node, 0]] > splits[tree, node, 1]
                node = splits[tree, node, 2] + goes_right
            found[row] += values[tree, node]


def _add_all_permuted(bins: Any, order: Any, splits: Any, values: Any, found: Any) -> None:
    """Adds to found [M, K] what each tree predicts with one column of bins [M, K] permuted.

    Only where the way of a row through a tree asks for that column is another way to be gone.
    """
    last = np.full(bins.shape[1], -1)  # the last way, by its number, that asked for a column
    asked, first = np.empty((2, bins.shape[1]), np.int64)  # columns of a way, and where they are
    added = np.empty(bins.shape[1])
    for row in range(len(bins)):
        for tree in range(len(splits)):
            way, node, count = row * len(splits) + tree, 0, 0
            while splits[tree, node, 2]:
                column = splits[tree, node, 0]
                if last[column] != way:
                    last[column] = way
                    asked[count], first[count] = column, node
                    count += 1
                node = splits[tree, node, 2] + (bins[row, column] > splits[tree, node, 1])
            added[:] = values[tree, node]
            for i in range(count):
                k, node = asked[i], first[i]
                while splits[tree, node, 2]:
                    column = splits[tree, node, 0]
                    at = order[row] if column == k else row
                    node = splits[tree, node, 2] + (bins[at, column] > splits[tree, node, 1])
                added[k] = values[tree, node]
            for k in range(bins.shape[1]):
                found[row, k] += added[k]


_grow, _add, _add_permuted = jit(_grow_one), jit(_add_all), jit(_add_all_permuted)
