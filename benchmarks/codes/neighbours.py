"""Do codes have the neighbours that parameters have? Shares and ranks of the k nearest.

Distances are Euclidean, of the arrays as they come: that is the definition of the papers, and of
scikit-learn. A column with a wide range counts more than one with a narrow range; divide by the
ranges first where that is not meant.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmarks.statistics.arrays import Floats, check_pairs, enough_rows, matrix, require
from fdd.arithmetic.compiling import jit
from fdd.defaults import with_defaults
from fdd.errors import whole_number

Rows = NDArray[np.intp]

TIE = 1e-12  # squared distances that agree to this share of themselves are equal
ROUNDING = 1e-9  # of squared distances, by the largest square of a centred row
TREE_COLUMNS = 10  # up to this many, a tree is faster than all distances of 10,000 rows
LEAF = 32  # rows in a leaf of it: the fastest of 10, 16 and 32
PAIRS = 2**17  # of rows, whose distances are held at once: they stay in the processor's cache
FEW = 64  # up to this many neighbours, counting is faster than sorting


@with_defaults
def knn_overlap(codes: ArrayLike, params: ArrayLike, *, k: int = 10) -> float:
    """Share of the k nearest neighbours of a row that codes and parameters have in common.

    The mean over rows of |nearest(codes) & nearest(params)| / k, the row itself left out; Q_NX(k)
    of Lee and Verleysen. Ties at the k-th distance are broken at random, among codes and among
    parameters apart, and the score is the expectation over that.

    Parameters
    ----------
    codes, params : arrays [N, K] and [N, D], N > k. Nothing is fitted, so there is no `test`.
    k : how many neighbours; 1 to N - 1

    Returns
    -------
    float from 0 to 1 (best). Chance is k / (N - 1), whatever K and D: compare at one k and N only.
    Codes that are all the same score exactly that.

    Notes
    -----
    Unchanged by swapping the arguments, by permuting rows, by rotating, shifting and scaling all
    codes or all parameters, and by constant codes; not by scaling single ones. Where parameters
    are tied at the k-th distance (a grid, rows that occur twice), even the parameters themselves
    score below 1. It is strict: one parameter that the codes lack, or a little noise in six
    dimensions, replaces most neighbours. Duplicating a code doubles its weight. Lee and Verleysen,
    Quality assessment of dimensionality reduction: rank-based criteria, 2009; Chen and Buja, Local
    multidimensional scaling, 2009 (who subtract the chance).

    Examples
    --------
    >>> knn_overlap([[0], [1], [3]], [[0], [2], [3]], k=1)  # 1's nearest is 0, and then 3
    0.6666666666666666
    >>> knn_overlap([[7], [7], [7]], [[0], [2], [3]], k=1)
    0.5
    """
    pairs = check_pairs(codes, params, None)
    rows = len(pairs.codes)
    enough_rows("codes", rows, whole_number("k", k, 1) + 1, f"k={k}")
    sides = (pairs.codes, pairs.params)
    (near, clear), (other_near, other_clear) = (_surely_nearest(side, k) for side in sides)
    sure = clear & other_clear
    shared = float(_common(near[sure], other_near[sure]))
    doubtful = np.flatnonzero(~sure)
    for one, other in zip(*(_distances(side, doubtful) for side in sides), strict=True):
        nearest, share = _nearest(one, k)
        other_share = np.zeros(rows)
        other_share.put(*_nearest(other, k))
        shared += float(share @ other_share[nearest])
    return float(min(shared / (rows * k), 1.0))


@with_defaults
def trustworthiness(codes: ArrayLike, params: ArrayLike, *, k: int = 10) -> float:
    """Are neighbours among the codes neighbours in truth?

    1 - 2 / (N k (2N - 3k - 1)) * sum over rows i and over the k nearest codes j of i of
    max(0, rank of j by its parameters' distance from i - k): how far away in truth the intruders
    are. Equals scikit-learn's `trustworthiness(params, codes, n_neighbors=k)` where nothing is
    tied. Ties are broken at random, among codes and among parameters apart, and the score is the
    expectation over that.

    Parameters
    ----------
    codes, params : arrays [N, K] and [N, D], N > 2k. Nothing is fitted, so there is no `test`.
    k : how many neighbours; at least 1 and below N / 2

    Returns
    -------
    float from 0 (the k nearest codes are the k farthest in truth) to 1 (best: no intruders).
    Chance is 1 - (N - k) (N - k - 1) / ((N - 1) (2N - 3k - 1)), about 1/2; codes that are all the
    same score exactly that.

    Notes
    -----
    Unchanged by permuting rows, by rotating, shifting and scaling all codes or all parameters, and
    by constant codes; not by scaling single ones. Where parameters are tied at the k-th distance,
    even the parameters themselves score below 1. It is lenient: intruders from nearby cost
    little, so that 0.9 is a poor map. Codes that tear the parameter space apart lose nothing here
    (see `continuity`). Venna and Kaski, Neighborhood preservation in nonlinear projection methods:
    an experimental study, 2001.

    Examples
    --------
    >>> import numpy as np
    >>> params = np.random.default_rng(0).uniform(-1, 1, size=(200, 2))
    >>> trustworthiness(3 * params[:, ::-1], params)
    1.0
    >>> round(trustworthiness(params[:, :1], params), 3)  # the other parameter is lost
    0.733
    """
    pairs = check_pairs(codes, params, None)
    return _without_intruders(pairs.codes, pairs.params, k)


@with_defaults
def continuity(codes: ArrayLike, params: ArrayLike, *, k: int = 10) -> float:
    """Are neighbours in truth neighbours among the codes?

    `trustworthiness` with codes and parameters swapped: it counts how far away among the codes the
    true neighbours are that a row has lost. Arguments, range, chance and ties as there; codes that
    are all the same score chance.

    Notes
    -----
    Codes that fold the parameter space, or drop a parameter, lose little here (see
    `trustworthiness`); read both. Venna and Kaski, 2001.

    Examples
    --------
    >>> import numpy as np
    >>> params = np.random.default_rng(0).uniform(-1, 1, size=(200, 2))
    >>> round(continuity(params[:, :1], params), 3)
    0.924
    """
    pairs = check_pairs(codes, params, None)
    return _without_intruders(pairs.params, pairs.codes, k)


def neighbour_table(array: Floats, *, k: int = 10) -> Floats:
    """float64 [N, N]: the chance of each row to be among the k nearest of row i, by [N, K].

    0 or 1 but for ties at the k-th distance.

    >>> neighbour_table([[0], [1], [3]], k=1)
    array([[0., 1., 0.],
           [1., 0., 0.],
           [0., 1., 0.]])
    """
    rows = matrix("array", array)
    enough_rows("codes", len(rows), whole_number("k", k, 1) + 1, f"k={k}")
    table = np.zeros((len(rows), len(rows)))
    for row, distances in zip(table, _distances(rows), strict=True):
        row.put(*_nearest(distances, k))
    return table


def overlap_table(array: Floats, *, k: int = 10) -> Floats:
    """float64 [N, N]: what `knn_overlap` gives for row j as a neighbour of row i, by [N, D].

    That score is the sum over all pairs of the product of the `neighbour_table` of codes and this
    table of parameters.
    """
    return neighbour_table(array, k=k) / (len(array) * k)


def trust_table(truth: Floats, *, k: int = 10) -> Floats:
    """float64 [N, N]: what `trustworthiness` gives for row j as a neighbour of row i, by [N, D].

    That score is the sum over all pairs of the product of the `neighbour_table` of codes and this
    table of parameters; `continuity` with both swapped.
    """
    rows = matrix("truth", truth)
    count = len(rows)
    enough_rows("codes", count, 2 * whole_number("k", k, 1) + 1, f"k={k}")
    table = np.zeros((count, count))
    for row, distances in zip(table, _distances(rows), strict=True):
        order = np.argsort(distances)[:-1]  # the last is the row itself
        row[order] = _expected_excess(distances, distances[order], k)
    return np.asarray((1 - 2 * table / (2 * count - 3 * k - 1)) / (count * k))


def _without_intruders(embedding: Floats, truth: Floats, k: int) -> float:
    """1 - the scaled sum of (rank in truth - k) over the k nearest of each row in the embedding."""
    rows = len(truth)
    enough_rows("codes", rows, 2 * whole_number("k", k, 1) + 1, f"k={k}")
    blocks = zip(_distance_blocks(embedding), _distance_blocks(truth), strict=True)
    penalty = sum(float(_penalty(embedded, true, k)) for embedded, true in blocks)
    return float(max(1 - penalty * 2 / (rows * k * (2 * rows - 3 * k - 1)), 0.0))


def _excess(distances: Any, chosen: Any, k: Any) -> Any:
    """`_expected_excess` of one distance."""
    first = last = 0
    for distance in distances:
        first += distance < chosen * (1 - TIE)
        last += distance <= chosen * (1 + TIE)
    before, within = max(first - k, 0), max(last - k, 0)
    return (within * (within + 1) - before * (before + 1)) / 2 / (last - first)


_excess_of_one = numba.njit(error_model="numpy")(_excess)


def _intrusion(embedded: Any, true: Any, k: Any) -> Any:
    """The sum over rows of the expected excess in truth of the k nearest in the embedding, from
    both distances [R, N]; of rows tied at the k-th, of those that are left at random."""
    total, nearest = 0.0, np.empty(k)
    for row in range(len(embedded)):
        distances = embedded[row]
        nearest[:] = np.inf
        for distance in distances:
            place = k - 1
            if distance < nearest[place]:
                while place > 0 and distance < nearest[place - 1]:
                    nearest[place] = nearest[place - 1]
                    place -= 1
                nearest[place] = distance
        low, high = nearest[k - 1] * (1 - TIE), nearest[k - 1] * (1 + TIE)
        inside = tied = 0
        for distance in distances:
            inside += distance < low
            tied += (distance >= low) & (distance <= high)
        for other in range(len(distances)):
            if distances[other] <= high:
                share = 1.0 if distances[other] < low else (k - inside) / tied
                total += share * _excess_of_one(true[row], true[row, other], k)
    return total


_penalty = jit(_intrusion)


def _distances(array: Floats, rows: Rows | None = None) -> Iterator[Floats]:
    """Row by row (of these rows), the squared distances [N] to all rows, infinite to itself; in no
    fixed unit."""
    for block in _distance_blocks(array, rows):
        yield from block


def _distance_blocks(array: Floats, rows: Rows | None = None) -> Iterator[Floats]:
    """`_distances` of some rows at a time, [R, N].

    By differences, since |x|^2 + |y|^2 - 2xy would tell duplicates apart.
    """
    distance = require("scipy.spatial.distance").cdist
    array, rows = _scaled(array), np.arange(len(array)) if rows is None else rows
    size = max(1, PAIRS // len(array))
    for start in range(0, len(rows), size):
        some = rows[start : start + size]
        block = distance(array[some], array, "sqeuclidean")
        block[np.arange(len(some)), some] = np.inf
        yield block


def _scaled(array: Floats) -> Floats:
    """Shifted, and scaled by a power of two: that rounds nothing and keeps the squares finite."""
    array = array - array.min(axis=0)
    return np.asarray(np.ldexp(array, -np.frexp(array.max())[1]))


def _surely_nearest(array: Floats, k: int) -> tuple[Rows, NDArray[np.bool_]]:
    """The k nearest rows of each row [N, k], and whether they surely are, without ties [N].

    In few dimensions by SciPy's tree, otherwise by scikit-learn's products, whose distances are
    quick and rounded: so rows whose limits lie that near are not sure.
    """
    array = _scaled(array)
    array -= array.mean(axis=0)
    count = min(k + 2, len(array))
    if array.shape[1] <= TREE_COLUMNS:
        tree = require("scipy.spatial").cKDTree(array, leafsize=LEAF)
        distances, near = tree.query(array, count, workers=-1)
    else:
        found = require("sklearn.neighbors").NearestNeighbors(n_neighbors=count, algorithm="brute")
        distances, near = found.fit(array).kneighbors(array)
    squares, rounding = distances**2, ROUNDING * (array**2).sum(axis=1).max()
    clear = squares[:, 1] > rounding  # the nearest row to itself is the row itself
    if k + 1 < len(array):
        clear &= squares[:, k + 1] - squares[:, k] > rounding
    return near[:, 1 : k + 1], clear


def _common(one: Rows, other: Rows) -> int:
    """How many elements rows of one [N, k] share with those of the other, no row repeating any."""
    if one.shape[1] <= FEW:
        return sum(int(np.count_nonzero(one == column[:, None])) for column in other.T)
    largest = max(one.max(initial=0), other.max(initial=0))
    first = (largest + 1) * np.arange(len(one))[:, None]  # tells apart those of different rows
    return np.intersect1d((first + one).ravel(), (first + other).ravel(), assume_unique=True).size


def _nearest(distances: Floats, k: int) -> tuple[Rows, Floats]:
    """The k nearest with those tied with the k-th, and each one's chance to be among the k."""
    # The k-th smallest of the minima of parts is no less than that of all, and quick to find.
    parts = np.arange(0, len(distances), max(1, len(distances) // (16 * k)))
    limit = np.partition(np.minimum.reduceat(distances, parts), k - 1)[k - 1]
    near = np.flatnonzero(distances <= limit * (1 + TIE))
    radius = np.partition(distances[near], k - 1)[k - 1]
    near = near[distances[near] <= radius * (1 + TIE)]
    tied = distances[near] >= radius * (1 - TIE)
    among = tied.sum()
    return near, np.where(tied, (k - (len(near) - among)) / among, 1.0)


def _expected_excess(distances: Floats, chosen: Floats, k: int) -> Floats:
    """For each distance chosen of them, in order: the mean of max(0, rank - k) over its ties."""
    below, above = chosen * (1 - TIE), np.nextafter(chosen * (1 + TIE), np.inf)
    if len(chosen) <= FEW:
        first, last = (_count(distances, limits) for limits in (below, above))
    else:
        distances = np.sort(distances)
        first, last = (np.searchsorted(distances, limits) for limits in (below, above))
    before, within = np.maximum(first - k, 0), np.maximum(last - k, 0)
    # 1 + 2 + ... + within, less 1 + 2 + ... + before, over the ranks first + 1 .. last
    return np.asarray((within * (within + 1) - before * (before + 1)) / 2 / (last - first))


def _count(values: Floats, limits: Floats) -> NDArray[Any]:
    """How many of the values lie below each limit."""
    return np.array([np.count_nonzero(values < limit) for limit in limits])
