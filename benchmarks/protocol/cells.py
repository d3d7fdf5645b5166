"""The form of a score in a result, and scores with one number a column as such cells."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.protocol.descriptions import Description
from benchmarks.protocol.settings import TARGETS, Block, Settings
from benchmarks.statistics.arrays import Floats
from benchmarks.statistics.intervals import Interval, half_sample_interval
from benchmarks.statistics.permutation import Floor, floor_of

LEAST_ROOM = 0.02
"""The least distance from chance to ceiling for a score to have a share of it."""

Cell = dict[str, Any]
"""One score: "score", and, where they exist, "low" and "high" (95 % over images), "chance",
"chance_95", "p" and "draws" (of the permutations), "ceiling", and "share" = (score - chance) /
(ceiling - chance). Samples have "p_same" in place of p: that of the hypothesis that made and real
images come from one distribution."""


def cell(
    score: float,
    floor: Floor | None = None,
    interval: Interval | None = None,
    ceiling: float | None = None,
    *,
    chance: float | None = None,
    described: Description | None = None,
) -> Cell:
    """A score with what stands beside it; a share only where the ceiling is better than chance.

    chance: one that does not come from permutations, and so has no p.
    described: of the score; without it, more is better.

    >>> cell(0.5, ceiling=1.0)
    {'score': 0.5, 'ceiling': 1.0}
    """
    found: Cell = {"score": float(score)}
    if interval is not None:
        found |= {"low": float(interval.low), "high": float(interval.high)}
    if floor is not None:
        found |= {name: value for name, value in floor.as_dict().items() if name != "score"}
    elif chance is not None:
        found["chance"] = float(chance)
    if ceiling is not None:
        found["ceiling"] = float(ceiling)
    if ceiling is not None and "chance" in found:
        room = ceiling - found["chance"]
        less_is_better = described is not None and described.less_is_better
        if (-room if less_is_better else room) > LEAST_ROOM:
            found["share"] = (score - found["chance"]) / room
    return found


def r2(truth: Floats, predicted: Floats) -> Floats:
    """R2 of each column, float64 [D]."""
    missed = ((truth - predicted) ** 2).sum(axis=0)
    return np.asarray(1 - missed / ((truth - truth.mean(axis=0)) ** 2).sum(axis=0))


def r2_cells(
    truth: Floats,
    predicted: Floats,
    null: Floats,
    ceiling: Floats | None,
    block: Block,
    settings: Settings,
) -> dict[str, dict[str, Cell]]:
    """R2 of every parameter and its mean over each set, {set: {parameter or "mean": Cell}}.

    truth, predicted: the block's TARGETS of test, [N, D]. null: [draws, D]. ceiling: [D].
    """
    labels = TARGETS[block.columns]
    groups = {
        (kind, label): group
        for kind in block.sets
        for label, group in (
            {labels[c]: [c] for c in block.places(kind)} | {"mean": block.places(kind)}
        ).items()
    }
    cells = grouped_cells(
        lambda rows: r2(truth[rows], predicted[rows]), len(truth), null, ceiling, groups, settings
    )
    found: dict[str, dict[str, Cell]] = {kind: {} for kind in block.sets}
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
