"""Do rows that lie close by their codes lie close by their parameters? Over all pairs of rows."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmarks.codes.geometry import centred, directions
from benchmarks.statistics.arrays import (
    Floats,
    generator,
    matrix,
    real_number,
    require,
    same,
    standardise,
    targets,
    varying,
)
from fdd.defaults import with_defaults
from fdd.errors import known, whole_number

KERNELS = ("linear", "rbf")
MEDIAN_ROWS = 2000  # whose distances give the width of the RBF kernel
PAIRS = 2**18  # of rows, worked on at once: they stay in the processor's cache
ROUNDING = 1e-10  # a variance below this share of the squares is rounding

Block = Callable[[int, int], Floats]
"""Rows start .. stop of a symmetric matrix [N, N], from column start on."""


@with_defaults
def cka(
    codes: ArrayLike,
    params: ArrayLike,
    *,
    kernel: str = "linear",
    width: float = 1.0,
    seed: int = 0,
) -> float:
    """Debiased centred kernel alignment: do codes and parameters agree on which rows are alike?

    HSIC(X, Y) / sqrt(HSIC(X, X) HSIC(Y, Y)) with the unbiased estimate of HSIC from the kernel
    matrices A and B with zeros on their diagonals: (tr AB + 1'A1 1'B1 / ((N - 1)(N - 2))
    - 2 / (N - 2) 1'AB1) / (N (N - 3)). "linear", the headline: x.y of the centred rows. "rbf":
    exp(-|x - y|^2 / (2 s^2)) of the whitened codes (uncorrelated, of variance 1) and of the
    standardised parameters, where s is `width` times the median distance between two rows.

    Parameters
    ----------
    codes, params : arrays [N, K] and [N, D], N at least 4; "linear" takes any K
    kernel : "linear" or "rbf"
    width : of "rbf", 0.01 to 100. Where over half of the distances are 0, their root mean square
        stands in for the median.
    seed : of the 2000 rows, where there are more, that the median is taken over

    Returns
    -------
    float from -1 to 1 (best). Chance is 0, whatever N and K: about half of all noise scores below
    it, and nothing is clipped. 0 for constant codes and wherever all rows are equally far apart, as
    after whitening K >= N - 1 codes.

    Notes
    -----
    "linear" is unchanged by rotating, shifting and scaling all codes together; scaling one of them
    changes it, and the directions of largest variance decide it, on both sides. "rbf" is unchanged
    by any invertible affine change of the codes, so codes that hold rounding noise count it as much
    as the signal; it gives parameters themselves 1 only as far as these are uncorrelated. A few far
    rows can decide either (Davari et al., 2023). Memory never grows as N^2; the time of "rbf" does.
    The common estimate with a biased HSIC is another number, which gives noise 0.26 at N = 30,
    K = 20, D = 6. Kornblith et al., Similarity of neural network representations revisited, 2019;
    Song et al., Feature selection via dependence maximization, 2012 (unbiased HSIC); Nguyen, Raghu
    and Kornblith, Do wide and deep networks learn the same things?, 2021.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> params = rng.normal(size=(500, 3))
    >>> round(cka(5 - 2 * params[:, ::-1], params), 6)
    1.0
    >>> bool(abs(cka(rng.normal(size=(500, 100)), params)) < 0.02)
    True
    """
    known("kernel", kernel, KERNELS)
    whole_number("seed", seed, 0)
    share = real_number("width", width, 0.01, 100)
    x, y = _pairs(codes, params, 4)
    if kernel == "linear":
        return _linear(centred(x), centred(y))
    white, scaled = directions(standardise(x)[0])[0] * np.sqrt(len(x)), standardise(y)[0]
    if not white.shape[1]:
        return 0.0
    kernels = [partial(_rbf, side, share * _typical(side, seed)) for side in (white, scaled)]
    return _in_blocks(kernels[0], kernels[1], len(x))


@with_defaults
def distance_correlation(codes: ArrayLike, params: ArrayLike) -> float:
    """Bias-corrected squared distance correlation: dependence of any form, not only linear.

    The correlation of the U-centred matrices of Euclidean distances between rows; the same number
    as `dcor.u_distance_correlation_sqr` and R's `energy::bcdcor`. (It is `cka`, with distances in
    place of kernels.)

    Parameters
    ----------
    codes, params : arrays [N, K] and [N, D], N at least 4

    Returns
    -------
    float from -1 to 1 (best: the distances agree up to a factor). Chance is 0, whatever N and K,
    and about half of all noise scores below it: an estimate of a square, so no root is taken. 0
    for constant codes, and where all rows are equally far apart.

    Notes
    -----
    Symmetric. Unchanged by rotating, shifting and scaling all codes together; scaling one of them
    changes it. In the limit of many rows it is 0 only for independent codes, but for few rows and
    many codes it sees hardly more than linear dependence. Time grows as N^2, memory as N. Szekely
    and Rizzo, The distance correlation t-test of independence in high dimension, 2013, and Partial
    distance correlation with methods for dissimilarities, 2014 (U-centring).

    Examples
    --------
    >>> import numpy as np
    >>> params = np.random.default_rng(0).uniform(-1, 1, size=(500, 1))
    >>> round(distance_correlation(3 * params + 1, params), 6)
    1.0
    >>> bool(distance_correlation(params**2, params) > 0.1)
    True
    """
    x, y = (centred(side) for side in _pairs(codes, params, 4))
    if not x.shape[1]:
        return 0.0
    return _in_blocks(partial(_distances, x), partial(_distances, y), len(x))


@with_defaults
def rsa(codes: ArrayLike, params: ArrayLike, *, max_rows: int = 5000, seed: int = 0) -> float:
    """Representational similarity: do distances between codes rank as those between parameters?

    Spearman's correlation, ties averaged, of the Euclidean distances of all pairs of rows.

    Parameters
    ----------
    codes, params : arrays [N, K] and [N, D], N at least 3
    max_rows : of more rows than these, that many are drawn by `seed`: ranking all pairs takes time
        and memory as the square. 5000 rows take some 800 MB, 10,000 four times that.

    Returns
    -------
    float from -1 to 1 (best). Chance is 0. 0 for constant codes, and where all distances are the
    same on one side.

    Notes
    -----
    Unchanged by rotating, shifting and scaling all codes together (rotating may break ties by
    rounding); scaling one of them changes it. Large distances decide it: neighbourhoods may be
    torn while it stays high (see it beside a neighbour overlap). Pairs share rows, so the p-value
    of a correlation of as many numbers does not hold: take `permutation_floor`. Kriegeskorte, Mur
    and Bandettini, Representational similarity analysis, 2008.

    Examples
    --------
    >>> import numpy as np
    >>> params = np.random.default_rng(0).normal(size=(100, 2))
    >>> round(rsa(params[:, ::-1] * [-3, 3], params), 6)
    1.0
    """
    whole_number("seed", seed, 0)
    x, y = _pairs(codes, params, 3)
    if len(x) > whole_number("max_rows", max_rows, 3):
        rows = generator(seed).permutation(len(x))[:max_rows]
        x, y = x[rows], y[rows]
    order, ranks = _ranked(_all_distances(x))
    order, other = _ranked(_all_distances(y)[order])
    ranks = ranks[order]
    size = np.sqrt((ranks @ ranks) * (other @ other))
    return float(ranks @ other / size) if size else 0.0


def kernel_table(array: ArrayLike, *, white: bool = False, seed: int = 0) -> Floats:
    """float64 [N, N] by [N, K]: `cka` with "rbf" is the sum over pairs of the product of two.

    For parameters as they are, for codes with `white`; zeros where `cka` is 0.
    """
    rows = matrix("array", array, 4)
    scaled = standardise(rows)[0]
    if white:
        scaled = directions(scaled)[0] * np.sqrt(len(rows))
    if not scaled.shape[1]:
        return np.zeros((len(rows), len(rows)))
    return _centred_table(_rbf(scaled, _typical(scaled, seed), 0, len(rows)))


def distance_table(array: ArrayLike) -> Floats:
    """float64 [N, N] by [N, K]: `distance_correlation` is the sum over pairs of the product of two.

    Zeros where the rows are all equally far apart.
    """
    rows = matrix("array", array, 4)
    return _centred_table(_distances(centred(rows), 0, len(rows)))


def rank_table(array: ArrayLike) -> Floats:
    """float64 [N, N] by [N, K]: `rsa` is the sum over pairs of the product of two.

    Zeros where the rows are all equally far apart.
    """
    order, ranks = _ranked(_all_distances(matrix("array", array, 3)))
    size = np.sqrt(2 * ranks @ ranks)  # a pair stands in the table twice
    placed = np.empty_like(ranks)
    placed[order] = ranks / size if size else ranks
    return np.asarray(require("scipy.spatial.distance").squareform(placed))


def _centred_table(table: Floats) -> Floats:
    """A symmetric [N, N] after U-centring, its diagonal left out, scaled to a norm of 1."""
    table = table - np.diag(table.diagonal())
    count, sums = len(table), table.sum(axis=1)
    found = table - (sums[:, None] + sums) / (count - 2) + sums.sum() / (count - 1) / (count - 2)
    np.fill_diagonal(found, 0)
    own = np.vdot(found, found)
    if own <= ROUNDING * np.vdot(table, table):
        return np.zeros_like(found)
    return np.asarray(found / np.sqrt(own))


def _pairs(codes: ArrayLike, params: ArrayLike, rows: int) -> tuple[Floats, Floats]:
    """`check_pairs`, for a score that needs at least this many rows."""
    x, y = matrix("codes", codes, rows), targets("params", params, rows)
    same(("codes", len(x)), ("params", len(y)), "rows")
    return x, y


def _linear(x: Floats, y: Floats) -> float:
    """`_correlation` of XX' and YY' without their diagonals, from products of columns alone."""
    squares = np.stack([(side**2).sum(axis=1) for side in (x, y)])
    whole = np.array([[_overlap(a, b) for b in (x, y)] for a in (x, y)])
    return _correlation(whole - squares @ squares.T, -squares)  # centred: rows of XX' sum to 0


def _overlap(x: Floats, y: Floats) -> float:
    """tr XX'YY', by the smaller of X'Y [K, D] and XX' [N, N]."""
    if x.shape[1] * y.shape[1] <= len(x) ** 2:
        return float(((x.T @ y) ** 2).sum())
    return float(((x @ x.T) * (y @ y.T)).sum())


def _in_blocks(one: Block, other: Block, count: int) -> float:
    """`_correlation` of two symmetric matrices [count, count] that never are in memory whole."""
    products, sums = np.zeros((2, 2)), np.zeros((2, count))
    rows = max(1, PAIRS // count)
    for start in range(0, count, rows):
        stop = min(start + rows, count)
        upper = np.stack([np.triu(block(start, stop), 1) for block in (one, other)])
        sums[:, start:stop] += upper.sum(axis=2)
        sums[:, start:] += upper.sum(axis=1)
        flat = upper.reshape(2, -1)
        products += 2 * flat @ flat.T
    return _correlation(products, sums)


def _correlation(products: Floats, sums: Floats) -> float:
    """The correlation of two symmetric matrices after U-centring, their diagonals left out.

    From the sums of products of their entries [2, 2], each with itself and the other, and from the
    sums of their rows [2, N].
    """
    count, total = sums.shape[1], sums.sum(axis=1)
    inner = products + np.outer(total, total) / ((count - 1) * (count - 2))
    inner -= 2 / (count - 2) * sums @ sums.T
    own = inner.diagonal()
    if (own <= ROUNDING * products.diagonal()).any():
        return 0.0
    return float(inner[0, 1] / np.sqrt(own[0] * own[1]))


def _distances(x: Floats, start: int, stop: int) -> Floats:
    return np.asarray(require("scipy.spatial.distance").cdist(x[start:stop], x[start:]))


def _rbf(x: Floats, width: float, start: int, stop: int) -> Floats:
    """The kernel less 1: a constant changes nothing, and small differences keep their digits."""
    squares = require("scipy.spatial.distance").cdist(x[start:stop], x[start:], "sqeuclidean")
    return np.asarray(np.expm1(-squares / (2 * width**2)))


def _typical(x: Floats, seed: int) -> float:
    """The median distance of two rows of x, whose columns have mean 0 and variance 1."""
    rows = generator(seed).permutation(len(x))[:MEDIAN_ROWS]
    median = float(np.median(require("scipy.spatial.distance").pdist(x[rows])))
    root_mean_square = float(np.sqrt(2 * x.shape[1]))
    return median if median > 1e-6 * root_mean_square else root_mean_square


def _all_distances(x: Floats) -> Floats:
    """float64 [N (N - 1) / 2], up to a power of two, which breaks no ties."""
    live = varying(x)
    if not live.shape[1]:
        return np.zeros(len(x) * (len(x) - 1) // 2)
    exponent = np.frexp(np.abs(live - live[0]).max())[1]
    return np.asarray(require("scipy.spatial.distance").pdist(np.ldexp(live, -exponent)))


def _ranked(values: Floats) -> tuple[NDArray[np.intp], Floats]:
    """The order that sorts values, and in it their ranks less the mean rank, ties averaged."""
    order = values.argsort()
    values = values[order]
    edges = np.flatnonzero(np.concatenate([[True], values[1:] != values[:-1], [True]]))
    ties = np.diff(edges)
    return order, np.repeat(edges[:-1] + (ties - len(values)) / 2, ties)
