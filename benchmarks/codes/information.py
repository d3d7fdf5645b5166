"""Mutual information of every code with every parameter: by nearest neighbours, and in bins."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmarks.statistics.arrays import (
    Floats,
    check_pairs,
    constant_columns,
    enough_rows,
    generator,
    require,
    standardise,
)
from fdd.arithmetic.compiling import jit
from fdd.defaults import with_defaults
from fdd.errors import whole_number

Labels = NDArray[np.int64]

JITTER = 1e-10  # in standard deviations, as in Kraskov et al. and scikit-learn
ROUNDING = 2.0**-50  # of a sum of two numbers, in shares of their sizes, with some room
INDEPENDENT = 1e-12  # nats below which a sum of entropies is rounding


@with_defaults
def mutual_information(codes: ArrayLike, params: ArrayLike, *, k: int = 3, seed: int = 0) -> Floats:
    """Mutual information of every code with every parameter, in nats.

    Estimator 1 of Kraskov, Stogbauer and Grassberger on columns divided by their standard
    deviations: digamma(N) + digamma(k) - mean(digamma(n) + digamma(m)), where n and m count the
    rows that are, in the code and in the parameter, nearer to a row than its k-th neighbour in the
    plane of both (largest coordinate difference), with the row itself; below 0 it is 0. A jitter of
    1e-10 deviations breaks ties. The same numbers as scikit-learn's `mutual_info_regression`.

    Parameters
    ----------
    codes : array [N, K], N > k; constant columns have no information
    params : array [N, D]. Nothing is fitted, so there is no `test`.
    k : how many neighbours; with more, the estimate varies less and is more biased
    seed : of the jitter, which is one for all codes and one for all parameters, so that equal
        codes stay equal

    Returns
    -------
    float64 [K, D] from 0 to digamma(N) - digamma(k + 1), which a code that is its parameter
    reaches: 8.0 at N = 10,000 and k = 3. Chance is just above 0, since estimates below 0 are cut:
    0.003 at N = 10,000, 0.025 at N = 100.

    Notes
    -----
    Unchanged by scaling, shifting and flipping single codes and parameters, up to the jitter. The
    true information is unchanged by any one-to-one change of single ones, the estimate only nearly,
    and less so with heavy tails. It is too low where the truth is near the upper bound: what it
    gives there, N decides. Kraskov, Stogbauer and Grassberger, Estimating mutual information, 2004,
    equation 8.

    Examples
    --------
    >>> import numpy as np
    >>> a, b = np.random.default_rng(0).normal(size=(2, 2000))
    >>> found = mutual_information(np.column_stack([a + b, a]), a[:, None])
    >>> found.round(2)  # the truth is log(2) / 2 = 0.35, and infinity
    array([[0.34],
           [6.34]])
    """
    pairs = check_pairs(codes, params, None)
    enough_rows("codes", len(pairs.codes), whole_number("k", k, 1) + 1, f"k={k}")
    live = ~constant_columns(pairs.codes)
    noise = JITTER * generator(seed).standard_normal((2, len(pairs.codes), 1))
    x, y = standardise(pairs.codes)[0] + noise[0], standardise(pairs.params)[0] + noise[1]
    digamma = require("scipy.special").digamma(np.arange(len(x) + 1))
    found = np.zeros((len(live), y.shape[1]))
    sides = np.ascontiguousarray(x.T), np.ascontiguousarray(y.T)
    orders = [side.argsort(axis=1) for side in sides]
    gaps = [np.median(np.diff(np.sort(side, axis=1)), axis=1) for side in sides]
    means = _kraskov(*sides, *orders, *gaps, k, digamma)
    found[live] = np.maximum(digamma[len(x)] + digamma[k] - means, 0)
    return found


def binned_information(codes: ArrayLike, params: ArrayLike, bins: int) -> tuple[Floats, Floats]:
    """Mutual information [K, D] in bins of equal frequency, and the entropies [D] of the params.

    Both float64, in nats; for rows >= bins >= 2. Equal values share a bin, so that a constant code
    has one bin and no information. Biased upwards by about (bins - 1)^2 / (2 N).

    >>> information, entropies = binned_information([[1], [2], [3], [9]], [[4], [3], [2], [1]], 2)
    >>> bool(information[0, 0] == entropies[0] == np.log(2))
    True
    """
    pairs = check_pairs(codes, params, None)
    enough_rows("codes", len(pairs.codes), whole_number("bins", bins, 2), f"bins={bins}")
    return shared_information(
        equal_frequency(pairs.codes, bins), equal_frequency(pairs.params, bins)
    )


def shared_information(x: Labels, y: Labels) -> tuple[Floats, Floats]:
    """`binned_information` of the bins of the codes [N, K] and of the params [N, D], from 0."""
    x, y = np.ascontiguousarray(x.T), np.ascontiguousarray(y.T)
    none = np.zeros((1, x.shape[1]), np.int64)
    own, entropies = _joint_entropies(x, none), _joint_entropies(none, y)
    information = own + entropies - _joint_entropies(x, y)
    return np.where(information > INDEPENDENT, information, 0.0), entropies[0]


@numba.njit
def _radius(first: Any, second: Any, row: Any, nearest: Any) -> Any:
    """The distance of a row to its k-th neighbour, the largest of the differences in first, which
    ascends, and second; from the nearest in first on. nearest [k] is overwritten."""
    nearest[:] = np.inf
    last = len(nearest) - 1
    below, above = row - 1, row + 1
    while below >= 0 or above < len(first):
        if below >= 0 and first[row] - first[below] < nearest[last]:
            _insert(nearest, max(first[row] - first[below], abs(second[below] - second[row])))
            below -= 1
        else:
            below = -1
        if above < len(first) and first[above] - first[row] < nearest[last]:
            _insert(nearest, max(first[above] - first[row], abs(second[above] - second[row])))
            above += 1
        else:
            above = len(first)
    return nearest[last]


@numba.njit
def _insert(nearest: Any, apart: Any) -> None:
    """Puts a distance among the nearest ones, which ascend, in place of the last of them."""
    place = len(nearest) - 1
    if apart < nearest[place]:
        while place > 0 and apart < nearest[place - 1]:
            nearest[place] = nearest[place - 1]
            place -= 1
        nearest[place] = apart


@numba.njit
def _nearer(ordered: Any, value: Any, radius: Any) -> Any:
    """How many of the values, given in order, lie nearer to one of them than the radius, itself
    among them."""
    # One of them lies at the radius itself: it must not come in by the rounding of the sum.
    reach = max(radius - ROUNDING * (abs(value) + radius), 0.0)
    first, last = 0, 0
    step = len(ordered)
    while step > 0:  # both places by halving, at the same time
        while first + step <= len(ordered) and ordered[first + step - 1] < value - reach:
            first += step
        while last + step <= len(ordered) and ordered[last + step - 1] <= value + reach:
            last += step
        step //= 2
    return last - first


def _digamma_means(
    x: Any, y: Any, x_orders: Any, y_orders: Any, x_gaps: Any, y_gaps: Any, k: Any, digamma: Any
) -> Any:
    """mean(digamma(n)) + mean(digamma(m)) of `mutual_information`, [K, D], for codes x [K, N] and
    params y [D, N], with the orders that sort them and their typical gaps; digamma: of 0 to N."""
    rows, found = x.shape[1], np.zeros((len(x), len(y)))
    nearest = np.empty(k)
    for i in range(len(x)):
        for j in range(len(y)):
            # along a column of few values, all rows that share one would be looked at
            order = x_orders[i] if x_gaps[i] > y_gaps[j] else y_orders[j]
            code, param = x[i][order], y[j][order]
            first, second = (code, param) if x_gaps[i] > y_gaps[j] else (param, code)
            codes, params = x[i][x_orders[i]], y[j][y_orders[j]]
            for row in range(rows):
                radius = _radius(first, second, row, nearest)
                found[i, j] += digamma[_nearer(codes, code[row], radius)]
                found[i, j] += digamma[_nearer(params, param[row], radius)]
    return found / rows


def _entropies(x: Any, y: Any) -> Any:
    """The entropies [K, D] of pairs of labels, x [K, N] and y [D, N]."""
    rows, values = x.shape[1], y.max() + 1
    found, counts = np.zeros((len(x), len(y))), np.zeros((x.max() + 1) * values, np.int64)
    shares = np.arange(1, rows + 1) / rows
    terms = np.append(0.0, shares * np.log(shares))  # of a pair by how many rows have it
    for i in range(len(x)):
        for j in range(len(y)):
            for row in range(rows):
                counts[x[i, row] * values + y[j, row]] += 1
            for row in range(rows):
                label = x[i, row] * values + y[j, row]
                found[i, j] -= terms[counts[label]]
                counts[label] = 0  # so that each pair counts once
    return found


_kraskov, _joint_entropies = jit(_digamma_means), jit(_entropies)


def equal_frequency(array: Floats, bins: int) -> Labels:
    """int64 [N, K]: the bin, from 0, of each value of a column, by the mean rank of its equals."""
    ranks = require("scipy.stats").rankdata(array, axis=0)
    return np.asarray((2 * ranks - 1).astype(np.int64) * bins // (2 * len(array)))
