"""Scores of what codes do while one parameter is held fixed and the others vary.

They ask for interventions. Groups of rows that share a value of a parameter exactly (see
`intervened_params`) are used where there are enough of them; otherwise neighbours in the order of
the parameter stand in for them: in 10,000 independent rows, 64 neighbours span 0.6 % of its range.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmarks.statistics.arrays import (
    LARGEST,
    Floats,
    Test,
    check_pairs,
    constant_columns,
    enough_rows,
    generator,
    is_number,
    matrix,
    real_array,
    require,
    standardise,
    varying,
)
from fdd.defaults import with_defaults
from fdd.errors import FddError, shown, whole_number

Groups = NDArray[np.intp]
"""Row numbers [G, L]: L rows a group."""
EXACT_GROUPS = 5  # fewer that share a value exactly may do so by accident


@with_defaults
def irs(codes: ArrayLike, params: ArrayLike, *, bins: int = 10, quantile: float = 0.99) -> float:
    """Interventional robustness score: how little a code moves while its parameter stays.

    Each parameter is cut into `bins` of equal frequency. For a code and a parameter, the
    `quantile` of |code - its mean in the bin| is averaged over the bins and divided by the
    largest |code - its mean|; robustness is 1 minus that. A code counts with the parameter it is
    most robust for, and codes are averaged with their largest deviations as weights. The same
    numbers as `scalable_disentanglement_score` of disentanglement_lib has for parameters that are
    cut into the same bins.

    Parameters
    ----------
    codes : array [N, K]; constant columns are ignored
    params : array [N, D], N at least 2 * bins; equal values always share a bin, so a parameter
        with fewer values than `bins` gets a bin for each
    bins : more of them hold the parameter better, and leave fewer rows to see the rest vary
    quantile : in (0, 1]; 1 is the maximum of the paper, which one outlier decides

    Returns
    -------
    float, at most 1 (best: each code depends on one parameter alone); 0 where all codes are
    constant. A perfect code stays below 1 by what it moves within a bin: 0.9 with 10 bins of a
    uniform parameter. Chance is not 0 and depends on the codes' distribution, since a quantile is
    compared to a maximum: at N = 10,000 about 0.01 for uniform codes and 0.35 for normal ones,
    more for heavy tails and for few rows a bin.

    Notes
    -----
    Unchanged by shifting or flipping codes, by scaling all of them alike, and by any increasing
    change of a parameter; scaling a single code changes its weight. It asks that a code has one
    parent, not that a parameter has one code: a duplicated code costs nothing, a missing
    parameter neither. Suter, Miladinovic, Scholkopf and Bauer, Robustly disentangled causal
    mechanisms, 2019, with the quantile of disentanglement_lib (Locatello et al., 2019).

    Examples
    --------
    >>> import numpy as np
    >>> params = np.random.default_rng(0).uniform(-1, 1, size=(2000, 2))
    >>> turned = params @ [[0.8, 0.6], [-0.6, 0.8]]
    >>> round(irs(params, params, bins=20), 2), round(irs(turned, params, bins=20), 2)
    (0.95, 0.56)
    """
    pairs, bins = check_pairs(codes, params, None), whole_number("bins", bins, 2)
    if not is_number(quantile) or not 0 < quantile <= 1:
        raise FddError(f"quantile is {shown(quantile)}: it must be a number above 0 and at most 1")
    enough_rows("codes", len(pairs.codes), 2 * bins, f"bins={bins}")
    x = varying(pairs.codes)
    if x.shape[1] == 0:
        return 0.0
    largest = np.abs(x - x.mean(axis=0)).max(axis=0)
    robust = np.full(x.shape[1], -np.inf)
    for column in pairs.params.T:
        edges = np.quantile(column, np.arange(1, bins) / bins)
        which = np.searchsorted(edges, column, side="right")
        moved = [_deviation(x[which == one], quantile) for one in np.unique(which)]
        robust = np.maximum(robust, 1 - np.mean(moved, axis=0) / largest)
    weights = largest / largest.max()
    return float((robust * weights).sum() / weights.sum())


@with_defaults
def factor_vae(
    codes: ArrayLike, params: ArrayLike, test: Test = None, *, group_size: int = 64, seed: int = 0
) -> float:
    """FactorVAE score: does the code that moves least tell which parameter is fixed?

    In every group of rows that share one parameter, the code with the least variance, in units of
    its variance over all rows, is found. Each code votes for the parameter in whose groups it is
    found most often; the score is the share of other groups in which the vote is right, averaged
    over the parameters.

    Parameters
    ----------
    codes : array [N, K]; constant columns are ignored
    params : array [N, D], D at least 2. For each parameter the rows are put in its order (ties
        at random by `seed`) and cut into groups of neighbours. Where at least 5 groups share the
        value exactly, they alone are used.
    test : pair of arrays [M, K] and [M, D] whose groups are judged by the votes of (codes,
        params). Without it the first half of the rows votes and the second is judged, so that
        rows that were drawn as groups stay together: never in-sample.
    group_size : rows a group. More of them estimate a variance better, and share the parameter
        less where it is not shared exactly. At least 2 * group_size rows are needed (with `test`,
        group_size each).

    Returns
    -------
    float from 0 to 1 (best). Chance is 1 / D, which is also the score of constant codes
    (disentanglement_lib gives 0 there).

    Notes
    -----
    Unchanged by permuting, shifting, flipping and scaling codes. It is high on an entangled code
    too: 0.99 on 32 random mixtures of six parameters, 0.6 to 0.9 on a random rotation of them,
    since some code still moves less than the others. So only a low score says much. Kim and
    Mnih, Disentangling by factorising, 2018, section 4, whose groups are drawn anew each time.

    Examples
    --------
    >>> import numpy as np
    >>> params = np.random.default_rng(0).uniform(-1, 1, size=(2000, 4))
    >>> factor_vae(params[:, ::-1], params)
    1.0
    """
    size = whole_number("group_size", group_size, 2)
    (x, y), (z, truth) = _sides(codes, params, test, size, f"group_size={size}")
    rng = generator(seed)
    if x.shape[1] == 0:
        return 1 / y.shape[1]
    found = [_stillest(x, groups) for groups in _groups(y, size, EXACT_GROUPS, rng)]
    votes = [np.bincount(code, minlength=x.shape[1]) / len(code) for code in found]
    vote = np.argmax(votes, axis=0)
    judged = enumerate(_groups(truth, size, EXACT_GROUPS, rng))
    return float(np.mean([np.mean(vote[_stillest(z, groups)] == d) for d, groups in judged]))


@with_defaults
def beta_vae(
    codes: ArrayLike,
    params: ArrayLike,
    test: Test = None,
    *,
    group_size: int = 64,
    points: int = 100,
    seed: int = 0,
) -> float:
    """BetaVAE score: do differences of codes tell a linear classifier which parameter is fixed?

    A point is the mean of |code - code'| over `group_size` pairs of rows that share one
    parameter. Logistic regression on standardised points says which one it was; the score is its
    accuracy on points made of other pairs.

    Parameters
    ----------
    codes : array [N, K]; constant columns are ignored
    params : array [N, D], D at least 2. For each parameter the rows are put in its order (ties
        at random by `seed`) and paired with their neighbours. Where at least `group_size` pairs
        share the value exactly, they alone are used.
    test : pair of arrays [M, K] and [M, D] whose points are classified. Without it the classifier
        is fitted on the first half of the rows and judged on the second, so that rows that were
        drawn as groups stay together: never in-sample.
    group_size : pairs a point, drawn with replacement by `seed`. At least 4 * group_size rows are
        needed (with `test`, 2 * group_size each).
    points : points a parameter, to fit on and to judge each

    Returns
    -------
    float from 0 to 1 (best). Chance is 1 / D, which is also the score of constant codes.

    Notes
    -----
    Unchanged by permuting, shifting, flipping and scaling codes. It is high on an entangled code
    too: 1.00 on 32 random mixtures of six parameters, 0.7 to 1.0 on a random rotation of them,
    since a classifier can weigh all codes. So only a low score says much. Higgins et al.,
    beta-VAE, 2017, section 3, with the logistic regression of disentanglement_lib.

    Examples
    --------
    >>> import numpy as np
    >>> params = np.random.default_rng(0).uniform(-1, 1, size=(2000, 4))
    >>> beta_vae(params[:, ::-1], params)
    1.0
    """
    size, points = whole_number("group_size", group_size, 1), whole_number("points", points, 1)
    (x, y), (z, truth) = _sides(codes, params, test, 2 * size, f"group_size={size}")
    rng = generator(seed)
    train, held_out = (
        np.concatenate([_points(c, pairs, size, points, rng) for pairs in _groups(v, 2, size, rng)])
        for c, v in ((x, y), (z, truth))
    )
    fixed = np.repeat(np.arange(y.shape[1]), points)
    if constant_columns(train).all():  # as it is where all codes are constant
        return 1 / y.shape[1]
    train, held_out = standardise(train, held_out)
    model = require("sklearn.linear_model").LogisticRegression(max_iter=1000)
    return float(model.fit(train, fixed).score(held_out, fixed))


@with_defaults
def intervened_params(
    n_groups: int, group_size: int, low: ArrayLike, high: ArrayLike, seed: int = 0
) -> Floats:
    """Parameters [n_groups * group_size, D] in groups that fix one parameter each, exactly.

    Rows g * group_size ... (g + 1) * group_size - 1 share the value of parameter g mod D; every
    other value is uniform in low .. high (arrays [D]). Render them, and give codes and
    params to `factor_vae` or `beta_vae`. Where the renderer rejects rows, make the groups larger
    than the score's group_size: a group that is left with fewer rows is not used.

    >>> intervened_params(2, 3, [0, 0], [1, 9]).round(2)
    array([[0.64, 2.43],
           [0.64, 0.15],
           [0.64, 8.21],
           [0.61, 6.57],
           [0.54, 6.57],
           [0.82, 6.57]])
    """
    n_groups = whole_number("n_groups", n_groups, 1)
    group_size = whole_number("group_size", group_size, 2)
    ends = real_array("low", low), real_array("high", high)
    if ends[0].ndim != 1 or ends[0].shape != ends[1].shape:
        raise FddError(f"low has shape {ends[0].shape} and high {ends[1].shape}: both must be [D]")
    bottom, top = matrix("low", ends[0][None], 1)[0], matrix("high", ends[1][None], 1)[0]
    if not (bottom < top).all():
        d = int(np.flatnonzero(bottom >= top)[0])
        raise FddError(f"low is {bottom[d]} and high {top[d]} for parameter {d}: low must be less")
    rng = generator(seed)
    params = rng.uniform(bottom, top, size=(n_groups, group_size, len(bottom)))
    groups, fixed = np.arange(n_groups), np.arange(n_groups) % len(bottom)
    params[groups, :, fixed] = params[groups, 0, fixed][:, None]
    return params.reshape(-1, len(bottom))


def _deviation(codes: Floats, quantile: float) -> Floats:
    """float64 [K]: the quantile of |code - its mean|."""
    return np.asarray(np.quantile(np.abs(codes - codes.mean(axis=0)), quantile, axis=0))


def _stillest(codes: Floats, groups: Groups) -> NDArray[np.intp]:
    """int [G]: the code with the least variance in each group."""
    return codes[groups].var(axis=1, ddof=1).argmin(axis=1)


def _points(
    codes: Floats, pairs: Groups, size: int, points: int, rng: np.random.Generator
) -> Floats:
    """float64 [points, K]: mean |difference| over `size` pairs drawn with replacement."""
    moved = np.abs(codes[pairs[:, 0]] - codes[pairs[:, 1]])
    return np.asarray(moved[rng.integers(len(moved), size=(points, size))].mean(axis=1))


def _sides(
    codes: ArrayLike, params: ArrayLike, test: Test, rows: int, why: str
) -> tuple[tuple[Floats, Floats], tuple[Floats, Floats]]:
    """Checked (standardised codes, params) to learn from, and those to judge.

    An FddError, with the reason `why`, where one of them has fewer than `rows` rows.
    """
    pairs = check_pairs(codes, params, test)
    x, y = pairs.codes, pairs.params
    if y.shape[1] < 2:
        raise FddError("params has 1 column: it must have at least 2 to ask which one is fixed")
    if pairs.test is None:
        enough_rows("codes", len(x), 2 * rows, why)
        half = len(x) // 2
        x, z, y, truth = x[:half], x[half:], y[:half], y[half:]
    else:
        z, truth = pairs.test
        enough_rows("codes", len(x), rows, why)
        enough_rows("test codes", len(z), rows, why)
    with np.errstate(over="ignore", invalid="ignore"):
        x, z = standardise(x, z)
    if not np.abs(z).max(initial=0) <= LARGEST:
        raise FddError("test codes lie too far outside the training codes to be compared")
    return (x, y), (z, truth)


def _groups(params: Floats, size: int, fewest: int, rng: np.random.Generator) -> list[Groups]:
    """For each parameter, disjoint groups of `size` neighbours in its order, ties at random.

    Groups within runs of equal values alone, where there are at least `fewest`.
    """
    found = []
    for column in params.T:
        order = rng.permutation(len(column))
        order = order[np.argsort(column[order], kind="stable")]
        starts = np.flatnonzero(np.diff(column[order], prepend=np.nan) != 0)
        ends = np.append(starts[1:], len(column))
        long = ends - starts >= size
        firsts = np.arange(0, len(column) - size + 1, size)
        exact = [
            np.arange(start, end - size + 1, size)
            for start, end in zip(starts[long], ends[long], strict=True)
        ]
        if sum(map(len, exact)) >= fewest:
            firsts = np.concatenate(exact)
        found.append(order[firsts[:, None] + np.arange(size)])
    return found
