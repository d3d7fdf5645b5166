"""What scores of two sets of features give when both are drawn from one pool.

Real and fake rows are put together and dealt anew at random into sets of the same sizes. If both
come from one distribution, the true deal is as good as any, so the share of deals that are as far
apart is a p-value (Fisher's permutation test; for `kid` Gretton et al., A kernel two-sample test,
2012; for shares of neighbours Schilling, Multivariate two-sample tests based on nearest neighbors,
1986). A draw is the same deal in all three functions.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmarks.images.quality import SIDE, fid, power
from benchmarks.statistics.arrays import Floats, generator, matrix, require, same
from benchmarks.statistics.permutation import permutations
from fdd.arithmetic.compiling import jit
from fdd.errors import whole_number

SEEN = 64  # neighbours of a row that are looked at


def fid_null(real: ArrayLike, fake: ArrayLike, *, draws: int = 99, seed: int = 0) -> Floats:
    """float64 [draws]: `fid` of random deals of features [N, F] and [M, F]."""
    pool, deals = _deals(real, fake, draws, seed)
    return np.array([fid(pool[deal], pool[~deal]) for deal in deals])


def kid_null(
    real: ArrayLike, fake: ArrayLike, *, degree: int = 3, draws: int = 999, seed: int = 0
) -> Floats:
    """float64 [draws]: `kid` of random deals, from one kernel matrix, which is never held whole.

    >>> from benchmarks.images.quality import kid
    >>> x, y = np.random.default_rng(0).normal(size=(2, 30, 4))
    >>> null = kid_null(x, y + 1, draws=99)
    >>> bool(abs(null.mean()) < 0.1), bool(kid(x, y + 1) > null.max())
    (True, True)
    """
    pool, deals = _deals(real, fake, draws, seed)
    is_real = deals.T.astype(np.float64)  # [N + M, draws]
    own, among, across, whole = np.empty(len(pool)), 0.0, 0.0, 0.0
    for start in range(0, len(pool), SIDE):
        rows = slice(start, start + SIDE)
        kernel = power(pool[rows] / pool.shape[1] @ pool.T + 1, degree)
        own[rows] = kernel[np.arange(len(kernel)), np.arange(len(pool))[rows]]
        among += (is_real[rows] * (kernel @ is_real)).sum(axis=0)
        across += kernel.sum(axis=1) @ is_real[rows]  # of real rows with all
        whole += kernel.sum()
    count, other = deals[0].sum(), (~deals[0]).sum()
    among_real = (among - own @ is_real) / (count * (count - 1))
    among_fake = (whole - 2 * across + among - own @ (1 - is_real)) / (other * (other - 1))
    return np.asarray(among_real + among_fake - 2 * (across - among) / (count * other))


def prdc_null(
    real: ArrayLike, fake: ArrayLike, *, k: int = 5, draws: int = 999, seed: int = 0
) -> dict[str, Floats]:
    """float64 [draws] of each score of `prdc`, for random deals.

    From the 64 nearest neighbours of each row in the pool, found once: in a deal the ball of a row
    holds those that are nearer than the k-th of its own set. That is `prdc` but for ties, which are
    broken by the order of the rows, and for balls of more than 64 rows, which are cut there; in
    halves of equal size there are none.
    """
    pool, deals = _deals(real, fake, draws, seed)
    count = len(np.asarray(real))
    whole_number("k", k, 1)
    search = require("sklearn.neighbors").NearestNeighbors(n_neighbors=min(SEEN, len(pool) - 1))
    near = search.fit(pool).kneighbors(return_distance=False)
    found = np.empty((4, len(deals)))
    for draw, deal in enumerate(deals):
        held, meets = _meetings(near, deal, k)
        density = held[deal].sum() / (k * (len(pool) - count))
        found[:, draw] = meets[~deal].mean(), meets[deal].mean(), density, (held[deal] > 0).mean()
    return dict(zip(("precision", "recall", "density", "coverage"), found, strict=True))


def _meet(near: Any, deal: Any, k: Any) -> Any:
    """How many rows of the other set each ball holds [R], and whether a row is in one [R]."""
    held, meets = np.zeros(len(near), np.int64), np.zeros(len(near), np.bool_)
    for row in range(len(near)):
        own = 0
        for other in near[row]:
            if deal[other] == deal[row]:
                own += 1
                if own == k:
                    break
            else:
                held[row] += 1
                meets[other] = True
    return held, meets


_meetings = jit(_meet)


def _deals(
    real: ArrayLike, fake: ArrayLike, draws: int, seed: int
) -> tuple[Floats, NDArray[np.bool_]]:
    """All rows [N + M, F], and which of them are dealt as real ones, bool [draws, N + M]."""
    x, y = matrix("real", real), matrix("fake", fake)
    same(("real", x.shape[1]), ("fake", y.shape[1]), "columns")
    rng = generator(seed)
    return np.concatenate([x, y]), permutations(len(x) + len(y), draws, rng) < len(x)
