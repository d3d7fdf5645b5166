"""How the spaces that codes and parameters span lie to each other: CCA and its kin, Procrustes."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from benchmarks.statistics.arrays import (
    LARGEST,
    Floats,
    Test,
    check_pairs,
    real_number,
    standardise,
    unit_columns,
    varying,
)
from fdd.defaults import with_defaults
from fdd.errors import FddError

VARIANCE = 0.99  # the share that `svcca` keeps
RANK = 1e-10  # singular values below this share of the largest are rounding
Pair = tuple[Floats, Floats]


@with_defaults
def cca(codes: ArrayLike, params: ArrayLike, test: Test = None) -> Floats:
    """Canonical correlations: how well directions of the codes match directions of the parameters.

    The i-th is the largest correlation of a linear combination of the codes with one of the
    parameters, among those uncorrelated with the first i - 1: the singular values of U'V, where U
    and V are orthonormal bases of the centred columns. Directions below 1e-10 of the largest
    singular value (of standardised columns) are taken for rounding.

    Parameters
    ----------
    codes : array [N, K]; constant and duplicated columns add nothing
    params : array [N, D]
    test : pair of arrays [M, K] and [M, D]. The combinations are found on (codes, params) and
        correlated on `test`, with their signs, since a combination that changes sign on new rows
        has not been found. Without it the definition: in-sample, and 1 throughout once K >= N - 1.

    Returns
    -------
    float64 [min(K, D)], best 1; 0 for what codes or parameters of lower rank lack. Without `test`
    descending, from 0 to 1; chance is above 0: the mean square is max(K, D) / (N - 1). With `test`
    from -1 to 1, in the order found on train; chance is 0.

    Notes
    -----
    Unchanged by any invertible affine change of the codes or of the parameters, so it says nothing
    about single codes (see `mcc`), and a direction of tiny variance counts like any other.
    Hotelling, Relations between two sets of variates, 1936; by QR or SVD: Bjorck and Golub, 1973.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> params = rng.normal(size=(2000, 3))
    >>> cca(params[:, :2] @ [[1, 2], [3, 4]], params).round(6)
    array([1., 1.])
    >>> cca(np.column_stack([params[:, 0], np.ones(2000)]), params).round(6)
    array([1., 0.])
    """
    pairs = check_pairs(codes, params, test)
    count = min(pairs.codes.shape[1], pairs.params.shape[1])
    if pairs.test is None:
        found = _canonical(standardise(pairs.codes)[0], standardise(pairs.params)[0])[1]
        return np.pad(found, (0, count - len(found)))
    return held_out_correlations((pairs.codes, pairs.params), pairs.test)[:count]


@with_defaults
def svcca(codes: ArrayLike, params: ArrayLike, *, variance: float = VARIANCE) -> float:
    """Singular vector CCA: the mean canonical correlation of the main directions of both sides.

    Codes and parameters are centred, each keeps the fewest principal directions that together
    hold the share `variance` of its variance, and the canonical correlations (`cca`) of what is
    kept are averaged.

    Parameters
    ----------
    codes, params : arrays [N, K] and [N, D]; constant columns add nothing
    variance : share from 0 to 1; at least one direction is kept

    Returns
    -------
    float from 0 to 1 (best); 0 for constant codes. In-sample: chance is above 0, near
    sqrt(max(k, d) / N) for k and d directions kept, and near 1 once K >= N - 1.

    Notes
    -----
    Unchanged by rotating, shifting and scaling all codes together; scaling one of them changes what
    is kept. The mean is over min(k, d) correlations: where the codes keep one direction, that one
    may score 1. Raghu et al., SVCCA: singular vector canonical correlation analysis, 2017.

    Examples
    --------
    >>> import numpy as np
    >>> params = np.random.default_rng(0).normal(size=(500, 2))
    >>> noise = np.random.default_rng(1).normal(size=(500, 1))
    >>> codes = np.column_stack([params[:, 0], 0.01 * noise])
    >>> round(svcca(codes, params), 6), bool(svcca(codes, params, variance=1) < 0.6)
    (1.0, True)
    """
    share = real_number("variance", variance, 0, 1)
    pairs = check_pairs(codes, params, None)
    return float(main_correlation(pairs.codes, pairs.params, share))


@with_defaults
def pwcca(codes: ArrayLike, params: ArrayLike) -> float:
    """Projection weighted CCA: canonical correlations, weighted by how much of the codes they hold.

    With the canonical variables h_i of the codes (unit vectors of length N) and the centred codes
    x_j, the weight of the i-th canonical correlation (`cca`) is sum_j |h_i . x_j|.

    Parameters
    ----------
    codes, params : arrays [N, K] and [N, D]; constant columns add nothing, duplicated ones weight

    Returns
    -------
    float from 0 to 1 (best); 0 for constant codes. In-sample: chance is above 0, near
    sqrt(max(K, D) / N), and it is 1 once K >= N - 1.

    Notes
    -----
    Weighted from the codes' side always, as the paper defines it (its authors' program takes the
    side with fewer columns), so not symmetric. Unchanged by shifting codes, by scaling them all
    together and by any invertible affine change of the parameters; rotating codes changes the
    weights, though codes that hold all parameters linearly get 1 however mixed. Directions of the
    codes beyond min(K, D) count nothing, so noise beside the parameters costs nothing. Morcos,
    Raghu and Bengio, Insights on representational similarity in neural networks with canonical
    correlation, 2018.

    Examples
    --------
    >>> import numpy as np
    >>> params = np.random.default_rng(0).normal(size=(500, 2))
    >>> round(pwcca(params @ [[1, 2], [3, 4]], params), 6)
    1.0
    """
    pairs = check_pairs(codes, params, None)
    return float(weighted_correlation(pairs.codes, pairs.params))


@with_defaults
def procrustes(codes: ArrayLike, params: ArrayLike) -> float:
    """Procrustes disparity: what is left between both after the best shift, scale and rotation.

    Both are centred and scaled to a sum of squares of 1, the narrower is padded with columns of
    zeros, and one is rotated or reflected and scaled onto the other; the disparity is the sum of
    the squared differences, 1 - (sum of the singular values of X'Y)^2: the same number as
    `scipy.spatial.procrustes` gives.

    Parameters
    ----------
    codes, params : arrays [N, K] and [N, D]; duplicated columns weigh double

    Returns
    -------
    float from 0 (best: the same points but for shift, scale, rotation and reflection) to 1; 1 for
    constant codes. In-sample: chance is just below 1, near 1 - min(K, D) / N where K and D differ
    much, and it falls with few rows. Smaller is better: for `permutation_floor` take 1 - disparity.

    Notes
    -----
    Symmetric. Unchanged by rotating, reflecting, shifting and scaling all codes together; not by
    scaling one of them. Further codes count as misfit, as far as they vary. Parameters of larger
    range weigh more. Gower, Generalized Procrustes analysis, 1975; Schonemann, 1966.

    Examples
    --------
    >>> import numpy as np
    >>> params = np.random.default_rng(0).normal(size=(100, 2))
    >>> round(procrustes(params @ [[0, -3], [3, 0]] + 1, params), 6)
    0.0
    """
    pairs = check_pairs(codes, params, None)
    return float(disparity(pairs.codes, pairs.params))


def held_out_correlations(train: Pair, test: Pair) -> Floats:
    """What `cca` gives for `test`, float64 [D]; of a stack of params [B, *, D], [B, D]."""
    x, y = canonical_variables(train, test)[1]
    return np.clip((unit_columns(x) * unit_columns(y)).mean(axis=-2), -1, 1)


def main_correlation(codes: Floats, params: Floats, share: float = VARIANCE) -> Floats:
    """`svcca` of checked arrays; of a stack of params [B, N, D] that differ in order alone, [B]."""
    kept = []
    for side in (codes, params):
        basis, sizes, _ = directions(centred(side))
        held = np.cumsum(sizes**2, axis=-1) / np.sum(sizes**2, axis=-1, keepdims=True)
        kept.append(basis[..., : (held < share).sum(axis=-1).max() + 1])
    found = np.linalg.svd(kept[0].T @ kept[1], compute_uv=False)
    return np.minimum(found, 1).mean(axis=-1) if found.size else np.zeros(found.shape[:-1])


def weighted_correlation(codes: Floats, params: Floats) -> Floats:
    """`pwcca` of checked arrays; of a stack of params [B, N, D], [B]."""
    x, y = standardise(codes)[0], standardise(params)[0]
    to_variables, found, _ = _canonical(x, y)
    if not found.size:
        return np.zeros(found.shape[:-1])
    weights = np.abs(_turned(x @ to_variables) @ centred(codes)).sum(axis=-1)
    return np.minimum((weights * found).sum(axis=-1) / weights.sum(axis=-1), 1)


def disparity(codes: Floats, params: Floats) -> Floats:
    """`procrustes` of checked arrays, which it overwrites; of a stack of params [B, N, D], [B]."""
    x, y = centred(codes, in_place=True), centred(params, in_place=True)
    if not x.shape[1]:
        return np.ones(y.shape[:-2])
    product = x.T @ y / np.linalg.norm(x)
    sizes = np.linalg.svd(product, compute_uv=False).sum(axis=-1) ** 2
    return np.maximum(0, 1 - sizes / (y**2).sum(axis=(-2, -1)))


def canonical_variables(train: Pair, *others: Pair) -> list[Pair]:
    """The canonical variables of (codes [*, K], params [*, D]), train and others, fitted on train.

    float64 [*, D] for both sides of each pair, in the order of their correlation on train; the
    columns that codes or parameters of lower rank lack are 0. Stacks of params [B, *, D], which
    differ in order alone, have stacks of variables. Raises FddError where other rows lie too far
    outside train.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        x, y = (standardise(*(pair[side] for pair in (train, *others))) for side in (0, 1))
        from_codes, _, from_params = _canonical(x[0], y[0])
        variables = [(a @ from_codes, b @ from_params) for a, b in zip(x, y, strict=True)]
    columns = train[1].shape[-1]
    return [(_filled(a, columns), _filled(b, columns)) for a, b in variables]


def _canonical(x: Floats, y: Floats) -> tuple[Floats, Floats, Floats]:
    """Map [K, r] of centred x to its canonical variables, their correlations [r], map [D, r] of y.

    The variables are unit vectors of length N; the correlations descend. Of a stack of y, stacks.
    """
    (basis, sizes, axes), (other, other_sizes, other_axes) = directions(x), directions(y)
    left, found, right = np.linalg.svd(basis.T @ other, full_matrices=False)
    from_y = _turned(other_axes) / other_sizes[..., None, :] @ _turned(right)
    return axes.T / sizes @ left, np.minimum(found, 1), from_y


def _turned(stack: Floats) -> Floats:
    return np.swapaxes(stack, -1, -2)


def _filled(variables: Floats, columns: int) -> Floats:
    """[..., M, r] that are not too large, with columns of zeros up to `columns`."""
    if not (np.abs(variables) <= LARGEST).all():
        raise FddError(
            "test codes or params lie too far outside the training ones: "
            "their canonical variables exceed 1e100"
        )
    missing = columns - variables.shape[-1]
    return np.pad(steady(variables), [(0, 0)] * (variables.ndim - 1) + [(0, missing)])


def steady(products: Floats) -> Floats:
    """Products of a matrix [..., N, K], with zeros in place of columns that vary by rounding only.

    Equal rows need not have equal products: their sums may be taken in another order.
    """
    size = np.abs(products).max(axis=-2, keepdims=True)
    return np.where(np.ptp(products, axis=-2, keepdims=True) <= 1e-12 * size, 0, products)


def directions(array: Floats) -> tuple[Floats, Floats, Floats]:
    """The singular value decomposition U [N, r], s [r], V' [r, K], without what is rounding.

    Of a stack [B, N, K] the decompositions, all of the largest rank among them.
    """
    basis, sizes, axes = np.linalg.svd(array, full_matrices=False)
    whole = sizes > RANK * sizes.max(axis=-1, keepdims=True, initial=0)
    rank = whole.sum(axis=-1).max()
    return basis[..., :rank], sizes[..., :rank], axes[..., :rank, :]


def centred(array: Floats, *, in_place: bool = False) -> Floats:
    """[N, K] without its constant columns, each less its mean, all divided by the largest entry.

    So neither tiny nor huge numbers under- or overflow in a square. `in_place` may overwrite the
    array, which saves memory fresh from the system: that takes longer than the arithmetic. A stack
    [B, N, K] may have no constant column.
    """
    live = varying(array)
    if not live.shape[-1]:
        return live
    live = np.subtract(live, live.mean(axis=-2, keepdims=True), out=live if in_place else None)
    live /= max(live.max(), -live.min())
    live -= live.mean(axis=-2, keepdims=True)  # again: a mean of tiny or huge ones is rounded
    return live
