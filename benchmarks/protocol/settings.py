"""The protocol that makes scores comparable: its name, its numbers, its sets of parameters.

docs/protocol.md says it in words. Whatever changes a score makes a new name.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np

import fdd
from benchmarks.statistics.arrays import Floats

PROTOCOL = "correspondence-3"
FIT_SPLIT, SCORE_SPLIT = "train", "test"

TARGETS = (
    *("x0", "y0", "a", "b", "c", "d", "a'", "b'"),
    *("abs(a)", "abs(b)", "abs(c)", "abs(d)", "sign(a b)", "sign(c)", "sign(d)"),
)
"""The parameters; a' = |a|, b' = sign(a) b, which (a, b) -> (-a, -b) leaves as they are; the sizes;
the signs, -1 or 1, that an image can show."""

Track = Literal["none", "pairs", "symmetry", "one", "labels"]
TRACKS: dict[Track, str] = {
    "none": "Images alone: no parameters, and nothing about how images are related.",
    "pairs": "Pairs of images that follow a known law, without their parameters.",
    "symmetry": "Pairs, and how images and codes change with a symmetry of the equation.",
    "one": "Pairs of images that differ in one parameter, and which one that is.",
    "labels": "The parameters of the images.",
}
"""What a model may have been trained with, its supervision, in order."""

SETS = {
    "canonical": [6, 7, 4, 5],
    "raw": [2, 3, 4, 5],
    "start": [0, 1],
    "magnitudes": [8, 9, 10, 11],
    "signs": [12, 13, 14],
}
"""Columns of TARGETS that are scored together: what is identifiable from an image, the same with
signs that are not, the starting point, which leaves next to no trace, and what is identifiable in
two halves: the four sizes, and the three signs."""


@dataclass(frozen=True)
class Block:
    """Sets whose columns of TARGETS lie side by side and are fitted in one go.

    Each column is fitted by itself, but a product of matrices may round otherwise with more columns
    beside it: so sets that are added make a block of their own, and the others keep every bit.
    """

    sets: tuple[str, ...]
    columns: slice

    def places(self, kind: str) -> list[int]:
        """Where the columns of a set are within the block."""
        return [column - self.columns.start for column in SETS[kind]]


FIRST = Block(("canonical", "raw", "start"), slice(0, 8))
HALVES = Block(("magnitudes", "signs"), slice(8, 15))
BLOCKS = (FIRST, HALVES)


@dataclass(frozen=True)
class Fixed:
    """What a protocol fixes. Other values are allowed and listed as deviations in the scores."""

    def deviations(self) -> list[str]:
        """What differs from the protocol, in words."""
        standard = asdict(type(self)())
        return [
            f"{name} is {value}, not {standard[name]}"
            for name, value in asdict(self).items()
            if value != standard[name]
        ]


@dataclass(frozen=True)
class Settings(Fixed):
    """What the protocol of correspondence fixes."""

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


QUICK = Settings(
    train_images=800,
    test_images=300,
    pairwise_rows=200,
    draws=99,
    slow_draws=19,
    nonlinear_rows=400,
    halves=20,
)
"""For a first look: fewer images and draws. p can still be 0.05, but never less than 0.01."""


def all_targets(params: Floats) -> Floats:
    """Raw parameters [N, 6] -> columns TARGETS, float64 [N, 15]."""
    canonical = fdd.canonical_params(params)[:, 2:]
    signs = np.where(canonical[:, 1:] < 0, -1.0, 1.0)
    return np.concatenate([params, canonical[:, :2], np.abs(canonical), signs], axis=1)
