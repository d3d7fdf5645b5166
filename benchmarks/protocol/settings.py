"""The protocol that makes scores comparable: its name, its numbers, and the form of a score.

docs/protocol.md says it in words. Whatever changes a score makes a new name.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

import fdd
from benchmarks.protocol.descriptions import Description
from benchmarks.statistics.arrays import Floats
from benchmarks.statistics.intervals import Interval
from benchmarks.statistics.permutation import Floor

PROTOCOL = "correspondence-2"
FIT_SPLIT, SCORE_SPLIT = "train", "test"

TARGETS = ("x0", "y0", "a", "b", "c", "d", "a'", "b'")
"""The parameters, and a' = |a|, b' = sign(a) b, which (a, b) -> (-a, -b) leaves as they are."""

SETS = {"canonical": [6, 7, 4, 5], "raw": [2, 3, 4, 5], "start": [0, 1]}
"""Columns of TARGETS that are scored together: what is identifiable from an image, the same with
signs that are not, and the starting point, which leaves next to no trace."""

LEAST_ROOM = 0.02
"""The least distance from chance to ceiling for a score to have a share of it."""

Cell = dict[str, Any]
"""One score: "score", and, where they exist, "low" and "high" (95 % over images), "chance",
"chance_95", "p" and "draws" (of the permutations), "ceiling", and "share" = (score - chance) /
(ceiling - chance). Samples have "p_same" in place of p: that of the hypothesis that made and real
images come from one distribution."""


@dataclass(frozen=True)
class Settings:
    """What the protocol fixes. Other values are allowed and listed as deviations in the scores."""

    seed: int = 0
    """Seed of the subsets, permutations and half-samples."""
    train_images: int = 4000
    """How many images, the first of train, scores are fitted on."""
    test_images: int = 2000
    """How many images, the first of test, scores are taken on."""
    pairwise_rows: int = 500
    """Test images that scores of all pairs of images are taken on."""
    draws: int = 999
    """Permutations for the baseline of a score."""
    slow_draws: int = 99
    """The same for gradient boosting with DCI, FID, and the old scores, which take longer."""
    few_draws: int = 19
    """The same for mutual information, which takes longest."""
    nonlinear_rows: int = 2000
    """Images that a kernel is fitted on."""
    halves: int = 50
    """Half-samples for the standard error of an interval."""
    block: int = 10
    """Images that exchange partners, for the baseline of a score of pairs of images."""
    step: float = 0.05
    """Length of a step in a, b, c, d, in the unit of the parameters."""

    def deviations(self) -> list[str]:
        """What differs from the protocol, in words."""
        standard = asdict(Settings())
        return [
            f"{name} is {value}, not {standard[name]}"
            for name, value in asdict(self).items()
            if value != standard[name]
        ]


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


def all_targets(params: Floats) -> Floats:
    """Raw parameters [N, 6] -> columns TARGETS, float64 [N, 8]."""
    return np.concatenate([params, fdd.canonical_params(params)[:, 2:4]], axis=1)
