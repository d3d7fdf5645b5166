"""Every score of codes against parameters, each between permutation baseline and ceiling."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from benchmarks import scores
from benchmarks.codes import gaps, infomec
from benchmarks.codes.geometry import (
    disparity,
    held_out_correlations,
    main_correlation,
    weighted_correlation,
)
from benchmarks.codes.information import equal_frequency, shared_information
from benchmarks.codes.matching import aligned, assigned, pearson
from benchmarks.codes.neighbours import neighbour_table, overlap_table, trust_table
from benchmarks.codes.orthogonality import weighed_angles
from benchmarks.codes.readout import linear_share
from benchmarks.codes.similarity import distance_table, kernel_table, rank_table
from benchmarks.protocol.boosting import score_boosting
from benchmarks.protocol.cells import Cell, cell, r2, r2_cells
from benchmarks.protocol.data import Coded, Pair
from benchmarks.protocol.descriptions import DESCRIPTIONS
from benchmarks.protocol.kept import kept_of
from benchmarks.protocol.moments import Every, moments_floor
from benchmarks.protocol.parts import Parts
from benchmarks.protocol.settings import BLOCKS, FIRST, HALVES, SETS, Block, Settings
from benchmarks.statistics.arrays import Floats, constant_columns, require, varying
from benchmarks.statistics.intervals import half_sample_interval
from benchmarks.statistics.permutation import (
    Floor,
    Table,
    floor_of,
    pairs_floor,
    permutation_floor,
    permutation_null,
)


@dataclass(frozen=True)
class Entry:
    """A score of codes that is one number.

    fits: it takes `test=` and is fitted on train; other scores see only test rows. pairwise: it
    looks at all pairs of rows, so it gets only `pairwise_rows` rows. floor: `permutation_floor`, or
    a function that gives the same draws faster. draws: the name of the setting with their number.
    least: with fewer test images the score is absent, since a half of them would be too few. sets:
    those of SETS that it is taken for.
    """

    score: Callable[..., float]
    fits: bool = False
    pairwise: bool = False
    floor: Callable[..., Floor] = permutation_floor
    draws: str = "draws"
    least: int = 44
    sets: tuple[str, ...] = ("canonical", "raw")


def canonical_correlation(codes: Floats, params: Floats, test: Any) -> float:
    """The mean canonical correlation on held-out rows; a missing one counts as 0."""
    return float(np.sum(scores.cca(codes, params, test=test)) / params.shape[1])


def codes_from_params(codes: Floats, params: Floats, test: Any) -> float:
    """Share of the variance of the codes, without dead ones, that is linear in the parameters."""
    live = ~(constant_columns(codes) | constant_columns(test[0]))
    if not live.any():
        return 0.0
    return float(scores.linear_r2(params, codes[:, live], (test[1], test[0][:, live])).mean())


def of_pairs(of_codes: Table, of_params: Table) -> Callable[..., Floor]:
    """The floor of a score that is the sum over pairs of rows of the product of two tables."""
    return partial(pairs_floor, of_codes=of_codes, of_params=of_params)


def binned_floor(
    score: Callable[..., float],
    codes: Floats,
    params: Floats,
    test: None,
    draws: int,
    seed: int,
    *,
    bins: int,
    known: Callable[[Floats, Floats], float],
) -> Floor:
    """`permutation_floor` of a score of `binned_information`, 0 where no code varies.

    Params in another order have their bins in that order. known: the score from the information of
    the codes that vary, and from the entropies.
    """
    x, y = equal_frequency(varying(codes), bins), equal_frequency(params, bins)
    rng = np.random.default_rng(seed)
    orders = [rng.permutation(len(y)) for _ in range(draws)]
    null = [known(*shared_information(x, y[order])) if x.size else 0.0 for order in orders]
    return floor_of(score(codes, params), null)


def of_bins(bins: int, known: Callable[[Floats, Floats], float]) -> Callable[..., Floor]:
    """The floor of a score of information in so many bins."""
    return partial(binned_floor, bins=bins, known=known)


def of_moments(every: Every) -> Callable[..., Floor]:
    """The floor of a score that sees means and covariances alone."""
    return partial(moments_floor, every=every)


def _every_matched(codes: Floats, params: Floats, test: Pair, alignment: str) -> Floats:
    tables = [pearson(*pair) for pair in aligned((codes, params), test, alignment)]
    return np.array([assigned(*pair) for pair in zip(*tables, strict=True)])


def _every_canonical(codes: Floats, params: Floats, test: Pair) -> Floats:
    return held_out_correlations((codes, params), test).sum(axis=-1) / params.shape[-1]


def _every_code(codes: Floats, params: Floats, test: Pair) -> Floats:
    live = ~(constant_columns(codes) | constant_columns(test[0]))
    if not live.any():
        return np.zeros(len(params))
    given = test[1], test[0][:, live]
    return np.asarray(linear_share(params, codes[:, live], given).mean(axis=-1))


def _every_gap(codes: Floats, params: Floats) -> Floats:
    squares = pearson(codes, params) ** 2
    return np.asarray(gaps.gaps(squares, squares).mean(axis=-1))


def _every_explicit(codes: Floats, params: Floats, test: Pair) -> Floats:
    return np.asarray(np.maximum(linear_share(codes, params, test), 0).mean(axis=-1))


def _every_angle(codes: Floats, params: Floats, test: Pair) -> Floats:
    return weighed_angles(codes, params, linear_share(codes, params, test))


LADDER_SETS = ("canonical", "magnitudes")
"""What the scores are taken for that came with the magnitudes."""

ENTRIES: dict[str, Entry] = {
    "mcc_affine": Entry(
        partial(scores.mcc, alignment="affine"),
        fits=True,
        floor=of_moments(partial(_every_matched, alignment="affine")),
    ),
    "mcc_weak": Entry(
        partial(scores.mcc, alignment="weak"),
        fits=True,
        floor=of_moments(partial(_every_matched, alignment="weak")),
    ),
    "params_to_codes_r2": Entry(codes_from_params, fits=True, floor=of_moments(_every_code)),
    "cca": Entry(canonical_correlation, fits=True, floor=of_moments(_every_canonical)),
    "svcca": Entry(scores.svcca, floor=of_moments(main_correlation)),
    "pwcca": Entry(scores.pwcca, floor=of_moments(weighted_correlation)),
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
    "procrustes": Entry(scores.procrustes, floor=of_moments(disparity)),
    "knn_overlap": Entry(
        scores.knn_overlap, pairwise=True, floor=of_pairs(neighbour_table, overlap_table)
    ),
    "trustworthiness": Entry(
        scores.trustworthiness, pairwise=True, floor=of_pairs(neighbour_table, trust_table)
    ),
    "continuity": Entry(
        scores.continuity, pairwise=True, floor=of_pairs(trust_table, neighbour_table)
    ),
    "sap": Entry(scores.sap, floor=of_moments(_every_gap)),
    "mi_gap": Entry(scores.mi_gap, pairwise=True, draws="few_draws"),
    "mig": Entry(scores.mig, draws="slow_draws", floor=of_bins(gaps.BINS, gaps.share_of_gaps)),
    "modularity": Entry(
        scores.modularity, draws="slow_draws", floor=of_bins(gaps.BINS, gaps.loneliness)
    ),
    "irs": Entry(scores.irs, draws="slow_draws"),
    "factor_vae": Entry(scores.factor_vae, fits=True, draws="slow_draws", least=260),
    "beta_vae": Entry(scores.beta_vae, fits=True, draws="slow_draws", least=260),
    "infom": Entry(
        scores.infom,
        draws="slow_draws",
        floor=of_bins(infomec.BINS, infomec.modular),
        sets=LADDER_SETS,
    ),
    "infoe": Entry(scores.infoe, fits=True, floor=of_moments(_every_explicit), sets=LADDER_SETS),
    "infoc": Entry(
        scores.infoc,
        draws="slow_draws",
        floor=of_bins(infomec.BINS, infomec.compact),
        sets=LADDER_SETS,
    ),
    "orthogonality": Entry(
        scores.orthogonality, fits=True, floor=of_moments(_every_angle), sets=LADDER_SETS
    ),
}
REGRESSORS = {
    "linear_r2": ("linear", 100, ((FIRST, "draws"), (HALVES, "draws"))),
    "nonlinear_r2": ("kernel", 999, ((FIRST, "draws"), (HALVES, "slow_draws"))),
    "neighbours_r2": ("neighbours", 199, ((FIRST, "draws"),)),
}
"""R2 scores: the regressor of `scores.predict`, how many draws are fitted at once, and for each
block the name of the setting with the number of draws."""
Reads = tuple[Floats, Floats | None]
"""What is read of TARGETS from the test codes, and from those of the oracle."""
MCC = {"mcc": "pearson", "mcc_spearman": "spearman"}
"""`scores.mcc` without an alignment: the kind of correlation."""


def code_parts(
    coded: Coded,
    settings: Settings,
    best: Coded | None = None,
    read: Mapping[str, Reads] | None = None,
) -> Parts:
    """All scores of codes.

    Parameters
    ----------
    read : by R2 score what `read_test` gives of `coded` and of `best`, where that is known already
    best : the same images with the codes that the oracle reads from them, for the ceiling

    Returns
    -------
    Parts that give {score: {set of SETS: Cell}}; for an R2 {score: {set: {parameter or "mean":
    Cell}}}; scores of DCI are absent if no parameter is known.
    """
    given = (coded, settings, best)
    parts: Parts = {}
    for name in REGRESSORS:
        parts[name] = partial(_r2, name, *given, (read or {}).get(name))
    for name in MCC:
        parts[name] = partial(_mcc, name, *given)
    for name, entry in ENTRIES.items():
        if len(coded.test[0]) >= entry.least:
            parts[name] = partial(_entries, name, *given)
    return parts | {"boosting_r2 and dci": partial(score_boosting, *given)}


def read_test(name: str, coded: Coded, settings: Settings) -> Floats:
    """What the regressor of an R2 score reads of TARGETS from the test codes.

    float64 [N, 15], or [N, 8] of a score that is given for the FIRST block alone.
    """
    blocks = REGRESSORS[name][2]
    found = [_read(name, coded.of(block.columns), settings) for block, _ in blocks]
    return np.concatenate(found, axis=1)


def read_both(name: str, coded: Coded, settings: Settings, best: Coded | None) -> Reads:
    """`read_test` of a model's codes and, if they are there, of the oracle's, which are kept."""
    top = None
    if best is not None:
        options = settings.nonlinear_rows, settings.seed
        given = (*best.fit, *best.test, options)
        top = kept_of(name, given, lambda: read_test(name, best, settings))
    return read_test(name, coded, settings), top


def _read(name: str, coded: Coded, settings: Settings) -> Floats:
    regressor, rows, seed = REGRESSORS[name][0], settings.nonlinear_rows, settings.seed
    return scores.predict(*coded.fit, coded.test[0], regressor=regressor, max_rows=rows, seed=seed)


def _r2(
    name: str, coded: Coded, settings: Settings, best: Coded | None, read: Reads | None
) -> dict[str, Any]:
    """R2 of every parameter, all of a block from one fit, and the mean over each set."""

    def score(codes: Floats, params: Floats, test: Any) -> Floats:
        return r2(test[1], _read(name, Coded((codes, params), test), settings))

    _, batch, blocks = REGRESSORS[name]
    own, top = read_both(name, coded, settings, best) if read is None else read
    nulls = []
    for block, setting in blocks:  # codes that follow each other are decomposed once
        part, draws = coded.of(block.columns), getattr(settings, setting)
        nulls.append(
            permutation_null(score, *part.fit, part.test, draws, settings.seed, batch=batch)
        )
    found: dict[str, Any] = {}
    for (block, _), null in zip(blocks, nulls, strict=True):
        at = block.columns
        ceiling = None if top is None else r2(coded.test[1][:, at], top[:, at])
        found |= r2_cells(coded.test[1][:, at], own[:, at], null, ceiling, block, settings)
    return {name: found}


def _mcc(name: str, coded: Coded, settings: Settings, best: Coded | None) -> dict[str, Any]:
    """`scores.mcc` of every set, from one matrix of correlations with all TARGETS of a block."""
    found: dict[str, Cell] = {}
    for block in BLOCKS:
        part, top = coded.of(block.columns), best and best.of(block.columns)
        if MCC[name] == "spearman":  # Pearson's of the ranks, which no permutation changes
            part, top = _ranked(part), top and _ranked(top)
        found |= _mcc_cells(block, part, settings, top)
    return {name: found}


def _mcc_cells(
    block: Block, coded: Coded, settings: Settings, best: Coded | None
) -> dict[str, Cell]:
    places = [block.places(kind) for kind in block.sets]

    def score(codes: Floats, params: Floats, test: Pair) -> Floats:
        found, again = scores.correlations(codes, params), scores.correlations(*test)
        return np.array([assigned(found[:, c], again[:, c]) for c in places])

    def every(codes: Floats, params: Floats, test: Pair) -> Floats:
        tables = zip(pearson(codes, params), pearson(*test), strict=True)
        return np.array([[assigned(f[:, c], a[:, c]) for c in places] for f, a in tables])

    given = (*coded.fit, coded.test, settings.draws, settings.seed)
    floor = moments_floor(score, *given, every=every)
    new, truth = coded.test
    interval = half_sample_interval(
        lambda rows: score(*coded.fit, (new[rows], truth[rows])),
        len(new),
        draws=settings.halves,
        seed=settings.seed,
    )
    top = np.full(len(places), None) if best is None else score(*best.fit, best.test)
    return {
        kind: cell(float(floor.score[i]), floor.at(i), interval.at(i), top[i])
        for i, kind in enumerate(block.sets)
    }


def _ranked(coded: Coded) -> Coded:
    rank = partial(require("scipy.stats").rankdata, axis=0)
    (codes, params), (new, truth) = coded.fit, coded.test
    return Coded((rank(codes), rank(params)), (rank(new), rank(truth)))


def _entries(name: str, coded: Coded, settings: Settings, best: Coded | None) -> dict[str, Any]:
    sets = ENTRIES[name].sets
    return {name: {kind: _entry(name, kind, coded, settings, best) for kind in sets}}


def _entry(name: str, kind: str, coded: Coded, settings: Settings, best: Coded | None) -> Cell:
    entry, described = ENTRIES[name], DESCRIPTIONS[name]
    rows = settings.pairwise_rows if entry.pairwise else None

    def score(train: Pair, test: Pair) -> float:
        return float(entry.score(*train, test=test) if entry.fits else entry.score(*test))

    chosen = coded.of(SETS[kind], rows)
    train, test = chosen.fit, chosen.test
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
        top = best.of(SETS[kind], rows)
        ceiling = score(top.fit, top.test)
    if described.less_is_better:  # so chance is beaten from above
        floor = floor_of(-floor.score, -floor.null)
        floor = Floor(-floor.score, -floor.chance, -floor.upper, floor.p, floor.draws, -floor.null)
    return cell(float(floor.score), floor, interval, ceiling, described=described)
