"""The protocol that makes scores comparable: its name, its numbers, its sets of parameters.

docs/protocol.md says it in words. Whatever changes a score makes a new name.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

import fdd
from benchmarks.statistics.arrays import Floats

PROTOCOL = "correspondence-2"
FIT_SPLIT, SCORE_SPLIT = "train", "test"

TARGETS = ("x0", "y0", "a", "b", "c", "d", "a'", "b'")
"""The parameters, and a' = |a|, b' = sign(a) b, which (a, b) -> (-a, -b) leaves as they are."""

SETS = {"canonical": [6, 7, 4, 5], "raw": [2, 3, 4, 5], "start": [0, 1]}
"""Columns of TARGETS that are scored together: what is identifiable from an image, the same with
signs that are not, and the starting point, which leaves next to no trace."""


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


def all_targets(params: Floats) -> Floats:
    """Raw parameters [N, 6] -> columns TARGETS, float64 [N, 8]."""
    return np.concatenate([params, fdd.canonical_params(params)[:, 2:4]], axis=1)
