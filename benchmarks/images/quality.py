"""Do generated images, as a set, look like real ones? Scores of features [N, F] and [M, F].

No row belongs to a row of the other set. The features come from a frozen network or from
`benchmarks.images.features`. Scores are comparable only with scores of the same features, and
never with published ones, whose features are those of Inception.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike

from benchmarks.statistics.arrays import Floats, matrix, regular_factor, same
from fdd.defaults import with_defaults
from fdd.errors import FddError, whole_number

ROWS = 256  # rows whose distances from all others are held at once
SIDE = 1024  # rows and columns of the kernel values held at once
TIE = 1e-12  # squared distances that agree to this share of the squared lengths are one distance


@with_defaults
def fid(real: ArrayLike, fake: ArrayLike) -> float:
    """Frechet distance between the Gaussians with the means and covariances of two sets.

    |m - n|^2 + trace(C + D - 2 (C D)^(1/2)) with means m, n and unbiased covariances C, D.

    Parameters
    ----------
    real, fake : features [N, F] and [M, F], N and M at least 2; also fewer rows than features

    Returns
    -------
    float of at least 0 (best: means and covariances agree), in squared units of the features.
    Chance, which is two samples of one distribution, is above 0: about
    (1 / N + 1 / M) (F + F (F + 1) / 4) for white features.

    Notes
    -----
    Symmetric. Unchanged by shifting and rotating the features; constant and duplicated ones are
    allowed. It falls with N by that bias alone, so compare at one N, beside the value of held-out
    real images. It sees no more than two moments. Heusel et al., GANs trained by a two time-scale
    update rule converge to a local Nash equilibrium, 2017, equation 6.

    Examples
    --------
    >>> fid([[0.0], [2.0]], [[1.0], [5.0]])  # (1 - 3)^2 + (sqrt(2) - sqrt(8))^2
    6.0
    """
    x, y = _features(real, fake, 2)
    apart = x.mean(axis=0) - y.mean(axis=0)
    a, b = _root(x), _root(y)
    # with C = a'a and D = b'b, the roots of the eigenvalues of C D are the singular values of a b'
    shared = np.linalg.svd(a @ b.T, compute_uv=False).sum()
    return max(0.0, float(apart @ apart + (a**2).sum() + (b**2).sum() - 2 * shared))


@with_defaults
def kid(real: ArrayLike, fake: ArrayLike, *, degree: int = 3) -> float:
    """Kernel distance of two sets: the unbiased squared maximum mean discrepancy.

    The mean of k over pairs of different real rows, plus that over pairs of different fake rows,
    minus twice that over pairs of a real and a fake row; k(x, y) = (x.y / F + 1)^degree. Over the
    full sets, not over random subsets of them.

    Parameters
    ----------
    real, fake : features [N, F] and [M, F], N and M at least 2
    degree : of the polynomial kernel, at least 1

    Returns
    -------
    float; its expected value for two samples of one distribution, which is chance and best, is 0
    at any N, so that it may be negative. It is negative for a set beside itself, since a row meets
    its own copy only among the pairs of a real and a fake row.

    Notes
    -----
    Symmetric. Unchanged by rotating the features, not by shifting or scaling them: the kernel has a
    unit. Degree 3 sees no more than three moments. FddError where the values of the kernel leave
    the finite numbers (features beyond about 1e50 for degree 3). Binkowski et al., Demystifying MMD
    GANs, 2018, section 3; Gretton et al., A kernel two-sample test, 2012, equation 3.

    Examples
    --------
    >>> kid([[0.0], [1.0]], [[1.0], [2.0]], degree=1)  # 0 + 2 - 2 (1 / 2)(3 / 2), and the ones fall
    0.5
    """
    x, y = _features(real, fake, 2)
    degree = whole_number("degree", degree, 1)
    with np.errstate(over="ignore", invalid="ignore"):
        among_real, among_fake = (
            (_kernel_sum(z, z, degree) - power((z**2).mean(axis=1) + 1, degree).sum())
            / (len(z) * (len(z) - 1))
            for z in (x, y)
        )
        found = among_real + among_fake - 2 * _kernel_sum(x, y, degree) / (len(x) * len(y))
    if not np.isfinite(found):
        raise FddError(
            f"real and fake reach {max(np.abs(x).max(), np.abs(y).max()):.3g} in size: their "
            f"kernel of degree {degree} is not finite; scale both down"
        )
    return float(found)


@with_defaults
def prdc(real: ArrayLike, fake: ArrayLike, *, k: int = 5) -> dict[str, float]:
    """Precision, recall, density and coverage of one set by the nearest neighbours in the other.

    The ball of a row reaches to its k-th nearest other row of the same set. Precision: the share of
    fake rows in some ball of a real row. Recall: of real rows in some ball of a fake row. Coverage:
    of real rows whose ball holds a fake row. Density: how many real balls hold a fake row on
    average, divided by k.

    Parameters
    ----------
    real, fake : features [N, F] and [M, F], N and M more than k; take N = M
    k : number of neighbours, at least 1

    Returns
    -------
    dict of float: "precision", "recall", "coverage" from 0 to 1 (best), "density" of at least 0,
    where 1 is as dense as the real rows are. All are 1 for a set beside itself. Chance, which is
    two samples of one distribution: density 1, coverage
    1 - (N - 1) ... (N - k) / ((N + M - 1) ... (N + M - k)), 0.969 for N = M and k = 5; precision
    and recall have none that holds for all distributions.

    Notes
    -----
    Balls are closed, as Kynkaanniemi et al. define them, so that sets of one value score 1, where
    open ones score 0. In density a row on the rim of a ball counts by the share that lets the real
    rows themselves, the centre being one, count k: nothing where the k-th neighbour is alone on the
    rim, k / N where all rows are the same. Without ties the values are those of the package `prdc`
    of Naeem et al. Squared distances that agree to 1e-12 of the features' squares, from the mean of
    real, are ties. Unchanged by shifting, rotating and scaling both sets; constant and duplicated
    features are allowed. Outliers, whose balls are large, raise precision and recall. Memory grows
    as N + M.
    Kynkaanniemi et al., Improved precision and recall metric for assessing generative models, 2019,
    equations 1 and 2; Naeem et al., Reliable fidelity and diversity metrics for generative models,
    2020, section 3.

    Examples
    --------
    >>> prdc([[0.0], [1.0], [3.0], [7.0]], [[0.5], [1.5], [9.0], [20.0]], k=1)
    {'precision': 0.75, 'recall': 1.0, 'density': 1.25, 'coverage': 1.0}
    """
    k = whole_number("k", k, 1)
    x, y = _features(real, fake, k + 1)
    centre = x.mean(axis=0)
    x, y = x - centre, y - centre
    size = max(np.abs(x).max(), np.abs(y).max()) or 1.0  # so that no square under- or overflows
    x, y = x / size, y / size
    inner, outer, share = _balls(x, k)
    _, outer_fake, _ = _balls(y, k)
    precise = np.zeros(len(y), bool)
    recalled, covered = np.zeros((2, len(x)), bool)
    density = 0.0
    for rows, squares in _squared_distances(x, y):
        held = squares <= outer[rows, None]
        inside = (squares < inner[rows, None]).sum(axis=1)
        count = held.sum(axis=1)
        density += float((inside + share[rows] * (count - inside)).sum())
        covered[rows] = count > 0
        precise |= held.any(axis=0)
        recalled[rows] = (squares <= outer_fake).any(axis=1)
    return {
        "precision": float(precise.mean()),
        "recall": float(recalled.mean()),
        "density": density / (k * len(y)),
        "coverage": float(covered.mean()),
    }


def _features(real: ArrayLike, fake: ArrayLike, rows: int) -> tuple[Floats, Floats]:
    x, y = matrix("real", real, rows), matrix("fake", fake, rows)
    same(("real", x.shape[1]), ("fake", y.shape[1]), "columns")
    return x, y


def _root(features: Floats) -> Floats:
    """A matrix R [min(N, F), F] with R'R the unbiased covariance of features [N, F].

    By Cholesky's decomposition where that is exact enough, else by QR.
    """
    apart = (features - features.mean(axis=0)) / np.sqrt(len(features) - 1)
    factor = regular_factor(apart) if len(features) > features.shape[1] else None
    return np.asarray(np.linalg.qr(apart, mode="r") if factor is None else factor.T)


def _kernel_sum(a: Floats, b: Floats, degree: int) -> float:
    """The sum of (x.y / F + 1)^degree over all rows x of a and y of b."""
    total = 0.0
    for start in range(0, len(a), SIDE):
        scaled = a[start : start + SIDE] / a.shape[1]
        for other in range(0, len(b), SIDE):
            total += float(power(scaled @ b[other : other + SIDE].T + 1, degree).sum())
    return total


def power(base: Floats, degree: int) -> Floats:
    """base^degree by products, many times faster than numpy's `**` with a whole number above 2."""
    found = base.copy()
    for _ in range(degree - 1):
        found *= base
    return found


def _squared_distances(a: Floats, b: Floats) -> Iterator[tuple[slice, Floats]]:
    """(rows, float64 [at most ROWS, M]): of these rows of a from all of b, up to rounding."""
    lengths = (b**2).sum(axis=1)
    for start in range(0, len(a), ROWS):
        rows = slice(start, start + ROWS)
        squares = a[rows] @ b.T
        squares *= -2
        squares += lengths
        squares += (a[rows] ** 2).sum(axis=1)[:, None]
        yield rows, squares


def _balls(points: Floats, k: int) -> tuple[Floats, Floats, Floats]:
    """Inner and outer squared radius of each ball's rim, and the share by which the rim counts.

    All are [N]. The rim is as wide as rounding makes two equal distances differ.
    """
    inner, outer, share = (np.empty(len(points)) for _ in range(3))
    for rows, squares in _squared_distances(points, points):
        radius = np.partition(squares, k, axis=1)[:, k]  # the row itself is the nearest of all
        slack = TIE * ((points[rows] ** 2).sum(axis=1) + np.abs(radius))
        inner[rows], outer[rows] = radius - slack, radius + slack
        inside = (squares < inner[rows, None]).sum(axis=1)
        held = (squares <= outer[rows, None]).sum(axis=1)
        share[rows] = (k - inside) / (held - inside)
    return inner, outer, share
