"""InfoMEC: modularity, explicitness and compactness of codes, from information and R2."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from benchmarks.codes.information import binned_information
from benchmarks.codes.readout import linear_r2
from benchmarks.statistics.arrays import Floats, Test, check_pairs, constant_columns
from fdd.defaults import with_defaults

BINS = 5
"""Of codes and of parameters."""


@with_defaults
def infom(codes: ArrayLike, params: ArrayLike, *, bins: int = BINS) -> float:
    """InfoM, modularity: does a code know one parameter only?

    Codes and parameters are put in bins of equal frequency; the mutual information of a code with a
    parameter is divided by the entropy of the parameter. For each code that varies, the largest of
    these as a share of their sum over parameters; the mean over codes, moved and scaled so that
    equal shares of all D parameters (1 / D) give 0. A code without any information counts as one of
    equal shares.

    Parameters
    ----------
    codes : array [N, K], N >= bins; constant columns are left out
    params : array [N, D]. Nothing is fitted, so there is no `test`.
    bins : at least 2

    Returns
    -------
    float from 0 to 1 (best); 0 where no code varies and for a single parameter. Chance is above 0:
    about 0.12 for four parameters in 5 bins, whatever N is.

    Notes
    -----
    Unchanged by any increasing change of single codes and parameters, by permuting and by flipping
    them. All codes count alike, those of noise too: they pull the score towards chance. A rotation
    of two parameters by 45 degrees gets 0. The estimate of information is biased upwards by about
    (bins - 1)^2 / (2 N), so that the parameters themselves get 0.99 at N = 2000 and less with fewer
    rows.

    What differs from the paper: its sources have a few values each, which the bins make; its codes,
    unless quantised, have the estimator of nearest neighbours, which gives noise 0 for most
    parameters, so that noise scores 0.5 and often 1. It leaves out codes whose range is below a
    share of the widest one's, which the unit of a code decides: here only constant ones. Hsu et
    al., Disentanglement via latent quantization, 2023 (arXiv:2305.18378), section 4.

    Examples
    --------
    >>> params = np.random.default_rng(0).uniform(-1, 1, size=(2000, 2))
    >>> turned = params @ [[1, 1], [-1, 1]]
    >>> [round(infom(codes, params), 1) for codes in (params, turned)]
    [1.0, 0.0]
    """
    return modular(*_information(codes, params, bins))


@with_defaults
def infoc(codes: ArrayLike, params: ArrayLike, *, bins: int = BINS) -> float:
    """InfoC, compactness: is a parameter known by one code only?

    `infom` of the transposed table: for each parameter the share of the best code in the sum over
    the codes that vary, and 0 for equal shares of these. Arguments, errors and source are those of
    `infom`.

    Returns
    -------
    float from 0 to 1 (best); 0 where fewer than two codes vary. Chance is about 0.1 for 6 codes
    and 0.03 for 32.

    Notes
    -----
    A code that occurs twice lowers it, and many codes of noise do, a little. A code for two
    parameters costs nothing. Unchanged as `infom` is.

    Examples
    --------
    >>> params = np.random.default_rng(0).uniform(-1, 1, size=(2000, 2))
    >>> twice = np.column_stack([params, params])
    >>> [round(infoc(codes, params), 1) for codes in (params, twice)]
    [1.0, 0.3]
    """
    return compact(*_information(codes, params, bins))


@with_defaults
def infoe(codes: ArrayLike, params: ArrayLike, test: Test = None, *, seed: int = 0) -> float:
    """InfoE, explicitness: what share of the parameters does a linear map of the codes predict?

    The mean over parameters of `linear_r2`, where one below 0 is 0: the map may ignore the codes.
    That is predictive V-information by linear maps, divided by what there is without codes.

    Parameters
    ----------
    codes, params, test, seed : as for `linear_r2`, and so is the cross-validation without `test`

    Returns
    -------
    float from 0 to 1 (best). Chance is about 0.

    Notes
    -----
    Unchanged by any invertible affine change of the codes. The paper's score is in-sample. Hsu et
    al., Disentanglement via latent quantization, 2023 (arXiv:2305.18378), section 4; Xu et al., A
    theory of usable information under computational constraints, 2020.

    Examples
    --------
    >>> params = np.random.default_rng(0).uniform(-1, 1, size=(500, 2))
    >>> round(infoe(params @ [[1, 1], [-1, 1]], params), 6), round(infoe(params[:, :1], params), 1)
    (1.0, 0.5)
    """
    return float(np.maximum(linear_r2(codes, params, test, seed=seed), 0).mean())


def modular(information: Floats, entropies: Floats) -> float:
    """`infom`, from `binned_information` of the codes that vary."""
    return _concentrated(information / entropies)


def compact(information: Floats, entropies: Floats) -> float:
    """`infoc`, from `binned_information` of the codes that vary."""
    return _concentrated((information / entropies).T)


def _information(codes: ArrayLike, params: ArrayLike, bins: int) -> tuple[Floats, Floats]:
    """`binned_information` of the codes that vary."""
    pairs = check_pairs(codes, params, None)
    information, entropies = binned_information(pairs.codes, pairs.params, bins)
    return information[~constant_columns(pairs.codes)], entropies


def _concentrated(table: Floats) -> float:
    """The mean over rows of the largest entry's share, from 0 for equal shares to 1."""
    rows, columns = table.shape
    if not rows or columns < 2:
        return 0.0
    sums = table.sum(axis=1)
    shares = np.divide(table.max(axis=1), sums, out=np.full(rows, 1 / columns), where=sums > 0)
    return float(np.clip((shares.mean() - 1 / columns) / (1 - 1 / columns), 0, 1))
