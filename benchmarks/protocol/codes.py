"""Every score of codes against parameters, each between its chance and its ceiling."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from benchmarks import scores
from benchmarks.codes.matching import assigned
from benchmarks.codes.neighbours import neighbour_table, overlap_table, trust_table
from benchmarks.codes.similarity import distance_table, kernel_table, rank_table
from benchmarks.protocol.boosting import score_boosting
from benchmarks.protocol.cells import r2, r2_cells
from benchmarks.protocol.descriptions import DESCRIPTIONS
from benchmarks.protocol.moments import moments_floor
from benchmarks.protocol.settings import SETS, Cell, Settings, cell
from benchmarks.statistics.arrays import Floats, constant_columns, require
from benchmarks.statistics.intervals import half_sample_interval
from benchmarks.statistics.permutation import (
    Floor,
    Table,
    floor_of,
    pairs_floor,
    permutation_floor,
    permutation_null,
)

Arrays = tuple[Floats, Floats]
"""Codes [N, K] and parameters [N, D]."""


@dataclass(frozen=True)
class Entry:
    """A score of codes that gives one number.

    fits: it takes `test=` and is fitted on train; the others see test rows alone. pairwise: it
    looks at all pairs of rows, so it gets `pairwise_rows` of them. floor: `permutation_floor`, or
    what gives the same draws sooner. draws: the setting that says how many. least: with fewer test
    images the score is absent, since a half of them is too few.
    """

    score: Callable[..., float]
    fits: bool = False
    pairwise: bool = False
    floor: Callable[..., Floor] = permutation_floor
    draws: str = "draws"
    least: int = 44


def canonical_correlation(codes: Floats, params: Floats, test: Any) -> float:
    """The mean canonical correlation on held-out rows; one that is missing counts 0."""
    return float(np.sum(scores.cca(codes, params, test=test)) / params.shape[1])


def codes_from_params(codes: Floats, params: Floats, test: Any) -> float:
    """Share of the codes' variance, dead ones left out, that is linear in the parameters."""
    live = ~(constant_columns(codes) | constant_columns(test[0]))
    if not live.any():
        return 0.0
    return float(scores.linear_r2(params, codes[:, live], (test[1], test[0][:, live])).mean())


def of_pairs(of_codes: Table, of_params: Table) -> Callable[..., Floor]:
    """The floor of a score that is the sum over pairs of rows of the product of two tables."""
    return partial(pairs_floor, of_codes=of_codes, of_params=of_params)


ENTRIES: dict[str, Entry] = {
    "mcc_affine": Entry(partial(scores.mcc, alignment="affine"), fits=True, floor=moments_floor),
    "mcc_weak": Entry(partial(scores.mcc, alignment="weak"), fits=True, floor=moments_floor),
    "params_to_codes_r2": Entry(codes_from_params, fits=True, floor=moments_floor),
    "cca": Entry(canonical_correlation, fits=True, floor=moments_floor),
    "svcca": Entry(scores.svcca, floor=moments_floor),
    "pwcca": Entry(scores.pwcca, floor=moments_floor),
    "cka": Entry(scores.cka),
    "cka_rbf": Entry(
        partial(scores.cka, kernel="rbf"),
        pairwise=True,
        floor=of_pairs(partial(kernel_table, white=True), kernel_table),
    ),
    "rsa": Entry(scores.rsa, pairwise=True, floor=of_pairs(rank_table, rank_table)),
    "distance_correlation": Entry(
        scores.distance_correlation, pairwise=True, floor=of_pairs(distance_table, distance_table)
    ),
    "procrustes": Entry(scores.procrustes, floor=moments_floor),
    "knn_overlap": Entry(
        scores.knn_overlap, pairwise=True, floor=of_pairs(neighbour_table, overlap_table)
    ),
    "trustworthiness": Entry(
        scores.trustworthiness, pairwise=True, floor=of_pairs(neighbour_table, trust_table)
    ),
    "continuity": Entry(
        scores.continuity, pairwise=True, floor=of_pairs(trust_table, neighbour_table)
    ),
    "sap": Entry(scores.sap, floor=moments_floor),
    "mi_gap": Entry(scores.mi_gap, pairwise=True, draws="few_draws"),
    "mig": Entry(scores.mig, draws="slow_draws"),
    "modularity": Entry(scores.modularity, draws="slow_draws"),
    "irs": Entry(scores.irs, draws="slow_draws"),
    "factor_vae": Entry(scores.factor_vae, fits=True, draws="slow_draws", least=260),
    "beta_vae": Entry(scores.beta_vae, fits=True, draws="slow_draws", least=260),
}
REGRESSORS = {
    "linear_r2": ("linear", 100),
    "nonlinear_r2": ("kernel", 999),
    "neighbours_r2": ("neighbours", 199),
}
"""R2 scores: the regressor of `scores.predict`, and how many draws share a fit."""
MCC = {"mcc": "pearson", "mcc_spearman": "spearman"}
"""`scores.mcc` as it is: the correlation."""
OTHER_SETS = ("canonical", "raw")
"""The sets of all scores but R2 and MCC."""


def score_codes(
    fit: Arrays,
    held_out: Arrays,
    settings: Settings,
    oracle: tuple[Floats, Floats] | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """All scores of codes.

    Parameters
    ----------
    fit, held_out : codes [N, K] and all eight TARGETS [N, 8] of train and of test
    oracle : what the oracle reads from the same images of train and test, [N, 4] each: the ceiling
    say : told which score begins

    Returns
    -------
    {score: {set of SETS: Cell}}; for an R2 {score: {set: {parameter or "mean": Cell}}}; scores of
    DCI are absent where nothing is known.
    """
    best = None if oracle is None else ((oracle[0], fit[1]), (oracle[1], held_out[1]))
    found: dict[str, Any] = {}
    for name in REGRESSORS:
        say(name)
        found[name] = _r2(name, fit, held_out, settings, best)
    for name, correlation in MCC.items():
        say(name)
        found[name] = _mcc(correlation, fit, held_out, settings, best)
    for name, entry in ENTRIES.items():
        if len(held_out[0]) >= entry.least:
            say(name)
            found[name] = {
                kind: _entry(name, kind, fit, held_out, settings, best) for kind in OTHER_SETS
            }
    say("boosting_r2 and dci")
    return found | score_boosting(fit, held_out, settings, best)


def _r2(
    name: str, fit: Arrays, held_out: Arrays, settings: Settings, best: tuple[Arrays, Arrays] | None
) -> dict[str, dict[str, Cell]]:
    """R2 of every parameter, all from one fit, and its mean over each set."""
    regressor, batch = REGRESSORS[name]
    read = partial(
        scores.predict, regressor=regressor, max_rows=settings.nonlinear_rows, seed=settings.seed
    )

    def score(codes: Floats, params: Floats, test: Any) -> Floats:
        return r2(test[1], read(codes, params, test[0]))

    null = permutation_null(score, *fit, held_out, settings.draws, settings.seed, batch=batch)
    top = None if best is None else score(*best[0], best[1])
    return r2_cells(held_out[1], read(*fit, held_out[0]), null, top, settings)


def _mcc(
    correlation: str,
    fit: Arrays,
    held_out: Arrays,
    settings: Settings,
    best: tuple[Arrays, Arrays] | None,
) -> dict[str, Cell]:
    """`scores.mcc` of every set, from one matrix of correlations with all TARGETS."""

    if correlation == "spearman":  # of ranks it is Pearson's, and no permutation changes them
        fit, held_out = _ranks(fit), _ranks(held_out)
        best = None if best is None else (_ranks(best[0]), _ranks(best[1]))

    def score(codes: Floats, params: Floats, test: Arrays) -> Floats:
        found, again = scores.correlations(codes, params), scores.correlations(*test)
        return np.array([assigned(found[:, c], again[:, c]) for c in SETS.values()])

    floor = moments_floor(score, *fit, held_out, settings.draws, settings.seed)
    interval = half_sample_interval(
        lambda rows: score(*fit, (held_out[0][rows], held_out[1][rows])),
        len(held_out[0]),
        draws=settings.halves,
        seed=settings.seed,
    )
    top = np.full(len(SETS), None) if best is None else score(*best[0], best[1])
    return {
        kind: cell(float(floor.score[i]), floor.at(i), interval.at(i), top[i])
        for i, kind in enumerate(SETS)
    }


def _ranks(pair: Arrays) -> Arrays:
    rank = require("scipy.stats").rankdata
    return rank(pair[0], axis=0), rank(pair[1], axis=0)


def _entry(
    name: str,
    kind: str,
    fit: Arrays,
    held_out: Arrays,
    settings: Settings,
    best: tuple[Arrays, Arrays] | None,
) -> Cell:
    entry, described = ENTRIES[name], DESCRIPTIONS[name]
    rows = settings.pairwise_rows if entry.pairwise else None

    def score(train: Arrays, test: Arrays) -> float:
        return float(entry.score(*train, test=test) if entry.fits else entry.score(*test))

    def of_set(pair: Arrays) -> Arrays:
        return pair[0], pair[1][:, SETS[kind]]

    train, test = of_set(fit), of_set((held_out[0][:rows], held_out[1][:rows]))
    draws, seed = getattr(settings, entry.draws), settings.seed
    floor = (
        entry.floor(entry.score, *train, test, draws, seed)
        if entry.fits
        else entry.floor(entry.score, *test, None, draws, seed)
    )
    interval = half_sample_interval(
        lambda r: score(train, (test[0][r], test[1][r])),
        len(test[0]),
        draws=settings.halves,
        seed=seed,
    )
    ceiling = None
    if best is not None:
        codes, params = best[1]
        ceiling = score(of_set(best[0]), of_set((codes[:rows], params[:rows])))
    if described.less_is_better:  # so chance is beaten from above
        floor = floor_of(-floor.score, -floor.null)
        floor = Floor(-floor.score, -floor.chance, -floor.upper, floor.p, floor.draws, -floor.null)
    return cell(float(floor.score), floor, interval, ceiling, described=described)
