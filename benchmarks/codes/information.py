"""Mutual information of every code with every parameter: by nearest neighbours, and in bins."""

from __future__ import annotations

from typing import Any

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
    live = np.flatnonzero(~constant_columns(pairs.codes))
    noise = JITTER * generator(seed).standard_normal((2, len(pairs.codes), 1))
    x, y = standardise(pairs.codes)[0] + noise[0], standardise(pairs.params)[0] + noise[1]
    found = np.zeros((pairs.codes.shape[1], y.shape[1]))
    for column, param in enumerate(y.T):
        order = np.argsort(param)  # rows that are near come one after the other, which is faster
        for code, values in zip(live, x.T, strict=True):
            found[code, column] = _kraskov(values[order], param[order], k)
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
    x, y = _equal_frequency(pairs.codes, bins), _equal_frequency(pairs.params, bins)
    own, entropies = (np.array([_entropy(column) for column in labels.T]) for labels in (x, y))
    joint = np.array([[_entropy(bins * code + param) for param in y.T] for code in x.T])
    information = own[:, None] + entropies - joint
    return np.where(information > INDEPENDENT, information, 0.0), entropies


def _kraskov(code: Floats, param: Floats, k: int) -> float:
    points = np.column_stack([code, param])
    tree = require("scipy.spatial").cKDTree(points)
    radius = tree.query(points, [k + 1], p=np.inf, workers=-1)[0][:, 0]
    digamma = require("scipy.special").digamma
    counts = (digamma(_nearer(column, radius)).mean() for column in (code, param))
    return max(float(digamma(len(code)) + digamma(k) - sum(counts)), 0.0)


def _nearer(values: Floats, radius: Floats) -> NDArray[Any]:
    """How many values lie nearer to each than its radius, itself among them."""
    ordered = np.sort(values)
    # One of them lies at the radius itself: it must not come in by the rounding of the sum.
    reach = np.maximum(radius - ROUNDING * (np.abs(values) + radius), 0)
    first = np.searchsorted(ordered, values - reach, side="left")
    return np.asarray(np.searchsorted(ordered, values + reach, side="right") - first)


def _equal_frequency(array: Floats, bins: int) -> Labels:
    """int64 [N, K]: the bin, from 0, of each value of a column, by the mean rank of its equals."""
    ranks = require("scipy.stats").rankdata(array, axis=0)
    return np.asarray((2 * ranks - 1).astype(np.int64) * bins // (2 * len(array)))


def _entropy(labels: Labels) -> float:
    shares = np.unique(labels, return_counts=True)[1] / len(labels)
    return float(-(shares * np.log(shares)).sum())
