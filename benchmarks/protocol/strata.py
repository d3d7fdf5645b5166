"""How well codes are read where images are sparse or full, and where orbits repeat themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.protocol.cells import Cell, cell, r2
from benchmarks.protocol.data import Traits
from benchmarks.protocol.settings import SETS, Settings
from benchmarks.statistics.arrays import Floats
from benchmarks.statistics.intervals import half_sample_interval

Rows = NDArray[np.intp]

STRATA_SETS = ("magnitudes", "canonical")
LEAST = 40
"""Images of a stratum that is scored."""


def strata(
    truth: Floats,
    predicted: Floats,
    best: Floats | None,
    traits: Traits,
    settings: Settings,
) -> dict[str, dict[str, dict[str, Any]]]:
    """R2 of one fit to all train images, by what the test images are like.

    truth, predicted, best: TARGETS of test [N, 15], what is read of them from the codes, and from
    the oracle's. Returns {trait: {stratum: {"images": their number, set of STRATA_SETS: Cell of the
    mean over the set}}}; strata without images are left out, those with fewer than LEAST have no
    Cells. An R2 is a share of the variance within the stratum.
    """
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for trait, groups in _groups(traits).items():
        found[trait] = {
            name: {"images": len(rows)} | _cells(truth, predicted, best, rows, settings)
            for name, rows in groups.items()
            if len(rows)
        }
    return found


def _groups(traits: Traits) -> Mapping[str, Mapping[str, Rows]]:
    """The rows of each stratum, by trait and by name."""
    edges = np.quantile(traits.occupied, (0.25, 0.5, 0.75))
    quarter = np.searchsorted(edges, traits.occupied)
    ends = [0.0, *edges, 1.0]
    quarters = {
        f"{ends[i]:.0%} to {ends[i + 1]:.0%}": np.flatnonzero(quarter == i) for i in range(4)
    }
    back = traits.periods > 0
    return {
        "occupied": quarters,
        "periodic": {"no": np.flatnonzero(~back), "yes": np.flatnonzero(back)},
    }


def _cells(
    truth: Floats, predicted: Floats, best: Floats | None, rows: Rows, settings: Settings
) -> dict[str, Cell]:
    if len(rows) < LEAST:
        return {}

    def means(read: Floats, part: Rows) -> Floats:
        each = r2(truth[part], read[part])
        return np.array([each[SETS[kind]].mean() for kind in STRATA_SETS])

    interval = half_sample_interval(
        lambda part: means(predicted, rows[part]),
        len(rows),
        draws=settings.halves,
        seed=settings.seed,
    )
    scores = means(predicted, rows)
    tops = np.full(len(STRATA_SETS), None) if best is None else means(best, rows)
    return {
        kind: cell(float(scores[i]), None, interval.at(i), tops[i])
        for i, kind in enumerate(STRATA_SETS)
    }
