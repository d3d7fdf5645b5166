"""Cells of R2 and of other scores with one number a column: of columns, and of means over them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.protocol.settings import SETS, TARGETS, Cell, Settings, cell
from benchmarks.statistics.arrays import Floats
from benchmarks.statistics.intervals import half_sample_interval
from benchmarks.statistics.permutation import floor_of


def r2(truth: Floats, predicted: Floats) -> Floats:
    """R2 of each column, float64 [D]."""
    missed = ((truth - predicted) ** 2).sum(axis=0)
    return np.asarray(1 - missed / ((truth - truth.mean(axis=0)) ** 2).sum(axis=0))


def r2_cells(
    truth: Floats, predicted: Floats, null: Floats, ceiling: Floats | None, settings: Settings
) -> dict[str, dict[str, Cell]]:
    """R2 of every parameter and its mean over each set, {set: {parameter or "mean": Cell}}.

    truth, predicted: TARGETS of test, [N, 8]. null: [draws, 8]. ceiling: [8].
    """
    groups = {
        (kind, label): group
        for kind, columns in SETS.items()
        for label, group in ({TARGETS[c]: [c] for c in columns} | {"mean": columns}).items()
    }
    cells = grouped_cells(
        lambda rows: r2(truth[rows], predicted[rows]), len(truth), null, ceiling, groups, settings
    )
    found: dict[str, dict[str, Cell]] = {kind: {} for kind in SETS}
    for (kind, label), value in cells.items():
        found[kind][label] = value
    return found


def grouped_cells(
    score: Callable[[Any], Floats],
    rows: int,
    null: Floats,
    ceiling: Floats | None,
    groups: dict[Any, list[int]],
    settings: Settings,
) -> dict[Any, Cell]:
    """Cells of a score with one number a column: of its mean over each group of columns.

    score: row numbers -> [D]. null: [draws, D]. ceiling: [D].
    """

    def means(values: Floats) -> Floats:
        return np.stack([values[..., group].mean(axis=-1) for group in groups.values()], axis=-1)

    floor = floor_of(means(score(np.arange(rows))), means(null))
    interval = half_sample_interval(
        lambda part: means(score(part)), rows, draws=settings.halves, seed=settings.seed
    )
    top = np.full(len(groups), None) if ceiling is None else means(ceiling)
    return {
        name: cell(float(floor.score[i]), floor.at(i), interval.at(i), top[i])
        for i, name in enumerate(groups)
    }
