"""Does one code alone stand for a parameter? Gaps between the best code and the next."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from benchmarks.codes.information import binned_information, mutual_information
from benchmarks.codes.matching import pearson
from benchmarks.statistics.arrays import Floats, Test, check_pairs
from fdd.defaults import with_defaults
from fdd.errors import FddError

BINS = 20
"""Of `mig` and `modularity`."""


@with_defaults
def sap(codes: ArrayLike, params: ArrayLike, test: Test = None) -> float:
    """Separated attribute predictability: how much better the best code predicts than the next.

    For each parameter, the largest squared Pearson correlation with a code minus the second
    largest; the mean over parameters. A constant code has correlation 0, and so has the second
    code where there is one only.

    Parameters
    ----------
    codes, params : arrays [N, K] and [N, D]
    test : pair of arrays [M, K] and [M, D]. The two codes are chosen on (codes, params) and their
        gap is taken on `test`. Without it both are done on the same rows: that is the definition
        of the paper, and in-sample.

    Returns
    -------
    float from 0 to 1 (best: each parameter is linear in one code, the other codes know nothing of
    it), from -1 with `test`. Chance is 1 / N to 2 / N, so just above 0; with `test` it is 0.

    Notes
    -----
    Unchanged by permuting, scaling, shifting and flipping codes and parameters, and by constant
    codes. Correlated parameters lower it: with r between two, a perfect code gets 1 - r^2. A code
    that occurs twice makes it 0, as does a rotation by 45 degrees. A code for two parameters costs
    nothing, a code that is even in a parameter (its square) is not seen. Kumar, Sattigeri and
    Balakrishnan, Variational inference of disentangled latent concepts from unlabeled
    observations, 2018, section 3.

    Examples
    --------
    >>> params = [[-1, -1], [-1, 1], [1, -1], [1, 1]]
    >>> sap(params, params)
    1.0
    >>> turned = [[-1.4, -0.2], [-0.2, 1.4], [0.2, -1.4], [1.4, 0.2]]  # cosines 0.8 and 0.6
    >>> round(sap(turned, params), 6)
    0.28
    """
    pairs = check_pairs(codes, params, test)
    squares = pearson(pairs.codes, pairs.params) ** 2
    held_out = squares if pairs.test is None else pearson(*pairs.test) ** 2
    return float(gaps(squares, held_out).mean())


@with_defaults
def mi_gap(codes: ArrayLike, params: ArrayLike, *, k: int = 3, seed: int = 0) -> float:
    """Mutual information gap in nats: how much more the best code knows than the next.

    For each parameter, the largest `mutual_information` with a code minus the second largest; the
    mean over parameters. Not divided by the parameter's entropy: that of a continuous parameter
    depends on its unit, may be 0 or below, and in bins depends on these (see `mig`). The second is
    0 where there is one code only.

    Parameters
    ----------
    codes : array [N, K], N > k; constant columns have no information
    params : array [N, D]. Nothing is fitted, so there is no `test`.
    k, seed : of `mutual_information`

    Returns
    -------
    float from 0 to digamma(N) - digamma(k + 1), 8.0 at N = 10,000 and k = 3: that is the best, of
    codes that are the parameters, and grows with N. Chance is just above 0: about 0.005 at
    N = 10,000, 0.04 at N = 100.

    Notes
    -----
    Unchanged by permuting, scaling, shifting and flipping codes and parameters and by constant
    codes, and nearly by other one-to-one changes of single codes. Dependent parameters lower it. A
    code that occurs twice makes it 0, as does a rotation by 45 degrees. A code for two parameters
    costs nothing. Chen, Li, Grosse and Duvenaud, Isolating sources of disentanglement in
    variational autoencoders, 2018, for the gap; Kraskov et al., 2004, for the estimate.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> params = rng.normal(size=(2000, 2))
    >>> codes = np.column_stack([params + rng.normal(size=(2000, 2)), rng.normal(size=2000)])
    >>> round(mi_gap(codes, params), 1)  # the truth is log(2) / 2 = 0.35
    0.3
    """
    information = mutual_information(codes, params, k=k, seed=seed)
    return float(gaps(information, information).mean())


@with_defaults
def mig(codes: ArrayLike, params: ArrayLike, *, bins: int = BINS) -> float:
    """Mutual information gap in bins, as a share of entropy: for comparison with old papers only.

    For each parameter, the largest mutual information with a code minus the second largest,
    divided by the parameter's entropy; the mean over parameters. Codes and parameters are cut into
    `bins` of equal frequency; equal values share a bin. The second is 0 where there is one code
    only.

    Parameters
    ----------
    codes : array [N, K], N >= bins; constant columns have no information
    params : array [N, D]. Nothing is fitted, so there is no `test`.
    bins : of codes and of parameters; at least 2

    Returns
    -------
    float from 0 to 1. It depends on the bins and on N: as bins go from 5 to 200 a perfect code
    falls from 0.99 to 0.4 at N = 2000, since every other code seems to know something. Chance is
    above 0 and depends on them too. So compare at one `bins` and one N, minus the `chance` of
    `permutation_floor`, and use `mi_gap` for anything else.

    Notes
    -----
    Unchanged by permuting codes and by any increasing change of single codes and parameters; by
    flipping them where bins divide N. A code that occurs twice makes it 0, as does a rotation by
    45 degrees. A code for two parameters costs nothing. Chen, Li, Grosse and Duvenaud, Isolating
    sources of disentanglement in variational autoencoders, 2018, equation 6; their bins are of
    equal width.

    Examples
    --------
    >>> import numpy as np
    >>> params = np.random.default_rng(0).uniform(size=(2000, 3))
    >>> [round(mig(params, params, bins=bins), 2) for bins in (5, 20, 200)]
    [1.0, 0.97, 0.43]
    """
    return share_of_gaps(*binned_information(codes, params, bins))


@with_defaults
def modularity(codes: ArrayLike, params: ArrayLike, *, bins: int = BINS) -> float:
    """Does a code know one parameter only? For comparison with old papers only.

    With m the mutual informations of a code with the D parameters, each cut into `bins` of equal
    frequency: 1 - (sum of m^2 - max m^2) / (max m^2 (D - 1)), the mean over codes that have any
    information. The others, constant ones among them, are left out.

    Parameters
    ----------
    codes : array [N, K], N >= bins
    params : array [N, D], D at least 2. Nothing is fitted, so there is no `test`.
    bins : of codes and of parameters; at least 2

    Returns
    -------
    float from 0 to 1 (best), 0 where no code has information. It depends on the bins and on N.
    Chance is far from 0, since it asks how uneven the information is and not how much there is: of
    six parameters at N = 10,000, noise gets 0.55 in 5 bins and 0.19 in 20. So compare at one `bins`
    and one N, minus the `chance` of `permutation_floor`.

    Notes
    -----
    Unchanged by permuting codes, by constant codes and by any increasing change of single codes and
    parameters; by flipping them where bins divide N. A parameter that no code knows costs nothing,
    nor do many codes for one. A rotation by 45 degrees makes it 0 for two parameters. Ridgeway and
    Mozer, Learning deep disentangled embeddings with the f-statistic loss, 2018, section 3.1.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> params, noise = rng.uniform(size=(2000, 6)), rng.normal(size=(2000, 50))
    >>> round(modularity(params, params, bins=5), 1), round(modularity(noise, params, bins=5), 1)
    (1.0, 0.6)
    """
    information, entropies = binned_information(codes, params, bins)
    if information.shape[1] < 2:
        raise FddError("params has 1 column: modularity needs at least 2 to choose among")
    return loneliness(information, entropies)


def share_of_gaps(information: Floats, entropies: Floats) -> float:
    """`mig`, from `binned_information`."""
    return float((gaps(information, information) / entropies).mean())


def loneliness(information: Floats, _: Floats) -> float:
    """`modularity`, from `binned_information`."""
    best = information.max(axis=1, keepdims=True)
    relative = information[best[:, 0] > 0] / best[best[:, 0] > 0]
    if len(relative) == 0:
        return 0.0
    others = (relative**2).sum(axis=1) - 1
    return float(np.mean(1 - others / (relative.shape[1] - 1)))


def gaps(found: Floats, held_out: Floats) -> Floats:
    """[..., D]: held_out [..., K, D] of the code that is best in found [..., K, D], minus that of
    the second best.

    Values are at least 0, and a row of zeros stands for the second where K is 1.
    """
    found, held_out = (
        np.concatenate([np.zeros_like(table[..., :1, :]), table], axis=-2)
        for table in (found, held_out)
    )
    order = np.argsort(found, axis=-2, kind="stable")[..., -2:, :]
    two = np.take_along_axis(held_out, order, axis=-2)
    return np.asarray(two[..., 1, :] - two[..., 0, :])
