"""Do the parameters lie along directions of the codes that are at right angles?"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from benchmarks.codes.geometry import centred
from benchmarks.codes.readout import linear_r2
from benchmarks.statistics import regressors
from benchmarks.statistics.arrays import Floats, Test, check_pairs, standardise
from fdd.defaults import with_defaults


@with_defaults
def orthogonality(
    codes: ArrayLike, params: ArrayLike, test: Test = None, *, seed: int = 0
) -> float:
    """Are the directions along which the parameters are read at right angles, and read well?

    Least squares gives each parameter a direction in the space of codes, its coefficients. Of two
    parameters, 1 - cos^2 of the angle between their directions counts with the weight
    sqrt(r s), where r and s are their `linear_r2`, 0 where that is below 0; the mean over pairs.

    Parameters
    ----------
    codes, params, test, seed : as for `linear_r2`, and so is the cross-validation of the weights
        without `test`; the directions are then those of all rows

    Returns
    -------
    float from 0 to 1 (best: the parameters are, up to scale, a rotation of the codes, or of some of
    them); 0 for a single parameter and where nothing is read. Chance is about 0.

    Notes
    -----
    Unchanged by rotating, shifting and scaling all codes together, and by scaling single
    parameters. Scaling single codes changes it: codes of another variance are no rotation. A
    parameter that is not linear in the codes has no direction and adds nothing.

    It is the importance-weighted orthogonality (IWO) of Geyer et al., Measuring orthogonality in
    representations of generative models, 2024 (arXiv:2407.03728), for linear maps, which give each
    parameter one direction in place of a subspace; there, neural networks find the subspaces, and
    the importance is shared among the directions of one parameter. The weight by R2 is ours:
    without it random directions would score 1 - 1 / K, so that noise in many codes looks perfect.

    Examples
    --------
    >>> params = np.random.default_rng(0).uniform(-1, 1, size=(500, 2))
    >>> codes = params, params @ [[0.6, 0.8], [-0.8, 0.6]], params @ [[1, 1], [0, 1]]
    >>> [round(orthogonality(one, params), 6) for one in codes]  # as they are, rotated, sheared
    [1.0, 1.0, 0.5]
    """
    pairs = check_pairs(codes, params, test)
    read = linear_r2(codes, params, test, seed=seed)
    return float(weighed_angles(pairs.codes, pairs.params, read))


def weighed_angles(codes: Floats, params: Floats, read: Floats) -> Floats:
    """`orthogonality` of checked arrays, from their `linear_r2` [D]; of a stack of params [B, N, D]
    and of these [B, D], [B]."""
    weights = np.sqrt(np.maximum(read, 0))
    first, second = np.triu_indices(params.shape[-1], 1)
    if not len(first):
        return np.zeros(weights.shape[:-1])
    ways = _directions(codes, params)
    cosines = (ways[..., first, :] * ways[..., second, :]).sum(axis=-1)
    apart = 1 - np.minimum(np.abs(cosines), 1) ** 2
    return np.asarray((weights[..., first] * weights[..., second] * apart).mean(axis=-1))


def _directions(codes: Floats, params: Floats) -> Floats:
    """Unit vectors [..., D, K] of the least-squares coefficients; 0 where there is no direction."""
    x = centred(codes)
    origin = np.zeros((1, x.shape[1]))
    read = regressors.linear(
        x, standardise(params)[0], np.concatenate([origin, np.eye(x.shape[1])])
    )
    ways = np.swapaxes(read[..., 1:, :] - read[..., :1, :], -1, -2)
    sizes = np.linalg.norm(ways, axis=-1, keepdims=True)
    return np.divide(ways, sizes, out=np.zeros_like(ways), where=sizes > 0)
