"""Scores by gradient boosting: its R2 and DCI, from the same fits."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.codes.dci import explicitness, known_columns, parts_of
from benchmarks.codes.importances import Reading, importance_of, loss, probe_codes, read_codes
from benchmarks.protocol.cells import Cell, cell, r2_cells
from benchmarks.protocol.data import Coded
from benchmarks.protocol.kept import kept_scores
from benchmarks.protocol.settings import FIRST, SETS, Settings
from benchmarks.statistics.arrays import Floats, Test
from benchmarks.statistics.intervals import half_sample_interval
from benchmarks.statistics.permutation import floor_of, permutation_null

Numbers = NDArray[np.intp]

DCI = ("disentanglement", "completeness", "explicitness")
DCI_SETS = ("canonical", "raw")


def score_boosting(
    coded: Coded, settings: Settings, best: Coded | None = None
) -> dict[str, dict[str, Any]]:
    """`boosting_r2`, which is also DCI's informativeness, and the other parts of DCI.

    Of the FIRST block alone: each further column would cost a hundred refits.

    Parameters
    ----------
    best : the same images with the oracle's codes, for the ceiling

    Returns
    -------
    {score: {set: Cell}}, for boosting_r2 {score: {set: {parameter or "mean": Cell}}}. A part of DCI
    is absent if `scores.dci` has None for it, because too little is known.

    Notes
    -----
    No permuted parameter is known, so `scores.dci` has no value for permuted ones. The permutation
    baseline of its parts is what fits to permuted parameters give for the parameters that are
    known: how the importances of noise look. A fit that finds nothing counts as 0. Intervals keep
    the fits and take their errors on other test images.
    """
    seed, draws = settings.seed, settings.slow_draws
    coded, best = coded.of(FIRST.columns), best and best.of(FIRST.columns)
    fit, test = coded.fit, coded.test
    own = _read(coded, seed)
    top = None
    if best is not None:
        given = (*best.fit, *best.test, seed)
        top = kept_scores("boosting", given, lambda: _ceilings(best, seed))
    tables = permutation_null(partial(_tables, seed=seed), *fit, test, draws, seed)
    eases = permutation_null(partial(_eases, seed=seed), *fit, test, draws, seed, batch=draws)
    truth, predicted = own.boosted.truth, own.boosted.predicted
    ceiling = None
    if top is not None:
        ceiling = np.array([top[f"r2 {column}"] for column in range(truth.shape[1])])
    found: dict[str, dict[str, Any]] = {
        "boosting_r2": r2_cells(truth, predicted, tables[:, 0], ceiling, FIRST, settings)
    }
    for kind in DCI_SETS:
        columns = own.known(kind, seed)
        if columns.size:
            best_scores = {name: top[f"{kind} {name}"] for name in DCI} if top else {}
            null = _null(tables[:, 1:], eases, columns)
            for name, value in _dci_cells(own, columns, null, best_scores, settings).items():
                found.setdefault(f"dci_{name}", {})[kind] = value
    return found


@dataclass(frozen=True)
class _Read:
    """What regressors read of the first TARGETS; probed: what probes do, float64 [T, N, 8]."""

    boosted: Reading
    probed: Floats

    def known(self, kind: str, seed: int) -> Numbers:
        """The columns of a set that DCI calls known."""
        columns = np.array(SETS[kind])
        read = self.boosted
        return columns[known_columns(read.truth[:, columns], read.predicted[:, columns], seed)]

    def parts(self, columns: Numbers, rows: Numbers | None = None) -> dict[str, Any]:
        """DCI of these columns, by the errors on all test images, or on some."""
        rise, truth, probed = self.boosted.rise, self.boosted.truth, self.probed
        if rows is not None:
            # `rise` and `truth` have their rows in different orders, which no part depends on
            rise, truth, probed = rise[rows[rows < len(rise)]], truth[rows], probed[:, rows]
        return parts_of(importance_of(rise)[:, columns], loss(truth, probed)[:, columns])


def _ceilings(best: Coded, seed: int) -> dict[str, float]:
    """R2 of each column and DCI of each set by the oracle's codes; NaN for what DCI lacks."""
    top = _read(best, seed)
    scores = 1 - loss(top.boosted.truth, top.boosted.predicted)
    found = {f"r2 {column}": float(score) for column, score in enumerate(scores)}
    for kind in DCI_SETS:
        parts = top.parts(top.known(kind, seed))
        found |= {f"{kind} {name}": np.nan if parts[name] is None else parts[name] for name in DCI}
    return found


def _dci_cells(
    own: _Read, columns: Numbers, null: Floats, best: dict[str, float], settings: Settings
) -> dict[str, Cell]:
    """The parts of DCI of these columns that are numbers; null: [draws, 3]."""
    best = {name: score for name, score in best.items() if not np.isnan(score)}
    scores = own.parts(columns)
    floor = floor_of(_numbers(scores), null)
    interval = half_sample_interval(
        lambda rows: _numbers(own.parts(columns, rows)),
        len(own.boosted.truth),
        draws=settings.halves,
        seed=settings.seed,
    )
    return {
        name: cell(scores[name], floor.at(i), interval.at(i), best.get(name))
        for i, name in enumerate(DCI)
        if scores[name] is not None
    }


def _read(coded: Coded, seed: int) -> _Read:
    _, probed = probe_codes(*coded.fit, coded.test, seed=seed)
    return _Read(read_codes(*coded.fit, coded.test, seed=seed), probed)


def _tables(codes: Floats, params: Floats, test: Test, seed: int) -> Floats:
    """R2 [D] above the importances of the live codes [K, D]."""
    found = read_codes(codes, params, test, seed=seed)
    return np.stack([1 - loss(found.truth, found.predicted), *importance_of(found.rise)])


def _eases(codes: Floats, params: Floats, test: Test, seed: int) -> Floats:
    """The explicitness of each column [D], NaN where it has none."""
    losses = loss(*probe_codes(codes, params, test, seed=seed))
    found = [explicitness(curve) for curve in losses.T]
    return np.array([np.nan if one is None else one for one in found])


def _null(tables: Floats, eases: Floats, columns: Numbers) -> Floats:
    """DCI of each draw [draws, 3], from importances [draws, K, 8] and explicitness [draws, 8]."""
    no_probes = np.empty((2, 0))
    found = np.stack([_numbers(parts_of(table, no_probes)) for table in tables[..., columns]])
    for row, values in zip(found, eases[:, columns], strict=True):
        given = values[~np.isnan(values)]
        row[-1] = given.mean() if given.size else 0
    return found


def _numbers(parts: dict[str, Any]) -> Floats:
    """The values of DCI [3], 0 for those that are None."""
    return np.array([parts[name] or 0.0 for name in DCI])
