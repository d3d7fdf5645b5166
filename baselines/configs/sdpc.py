"""The options of sparse deep predictive coding, and its presets."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from baselines.training.config import (
    BatchSize,
    Count,
    Data,
    NotNegative,
    Positive,
    Rule,
    RunConfig,
)
from fdd.errors import FddError


def counts(text: str) -> tuple[int, ...]:
    """The whole numbers in a text such as "32:64". ValueError if it has anything else."""
    return tuple(map(int, text.split(":")))


def numbers(text: str) -> tuple[float, ...]:
    """The numbers in a text such as "0.4:1.6". ValueError if it has anything else."""
    return tuple(map(float, text.split(":")))


def _each(
    words: str, read: Callable[[str], tuple[float, ...]], accepts: Callable[[float], bool]
) -> Rule:
    def all_of(text: object) -> bool:
        try:
            return isinstance(text, str) and all(map(accepts, read(text)))
        except ValueError:
            return False

    return Rule(f"{words} with colons between them, one a layer", all_of)


Counts = Annotated[
    str, _each("whole numbers from 1 to 4096", counts, lambda number: 1 <= number <= 4096)
]
Numbers = Annotated[
    str, _each("numbers of 0 or more", numbers, lambda number: 0 <= number < math.inf)
]


@dataclass(frozen=True)
class Config(RunConfig):
    """Train sparse deep predictive coding (SDPC) on Fractal Dream images.

    Without a GPU use --preset mini.
    """

    steps: Count = 20_000
    """Training steps; each sees one batch."""
    batch_size: BatchSize = 20
    """Images in a batch."""
    data: Data = "stream"
    """Images to train on: new ones in every batch (stream), the stored ones of the release, drawn
    here (fdd) or as they are published on Kaggle (kaggle), or those of images:FOLDER."""
    latent_size: Count = 128
    """Numbers in a code: the atoms of the last layer, whose maps are averaged; 4 or 9 times as many
    average each map in 2 x 2 or 3 x 3 parts, and so on."""
    k: NotNegative = 1.0
    """Strength of the feedback from each layer to the one below; 0 is none."""
    atoms: Counts = "64:128"
    """Atoms of the dictionary of each layer, from the image up: 64:128 is two layers."""
    sides: Counts = "8:8"
    """Pixels on a side of the atoms of each layer, in pixels of the layer below."""
    strides: Counts = "2:1"
    """Steps between the places of an atom in the layer below."""
    lambdas: Numbers = "0.4:1.6"
    """Price of activity in each layer: the larger, the sparser."""
    rates: Numbers = "2e-3:1e-1"
    """Learning rate of the dictionary of each layer, by SGD with momentum 0.9."""
    lr_gains: NotNegative = 1e-3
    """Learning rate of the gains between the layers, by Adam; 0 leaves them at 1."""
    iterations: Count = 1000
    """Most iterations of an inference."""
    tolerance: Positive = 5e-4
    """An image is inferred when an iteration changes the maps of each layer by less than this share
    of their size."""

    @property
    def map_sides(self) -> list[int]:
        """The side of the maps of each layer."""
        sides, side = [], self.image_size
        for size, stride in zip(counts(self.sides), counts(self.strides), strict=True):
            side = (side - size) // stride + 1
            sides.append(side)
        return sides

    def check(self) -> None:
        super().check()
        if self.ema:
            raise FddError(f"ema={self.ema} must be off: this baseline does without")
        if self.precision != "float32":
            raise FddError(f"precision={self.precision!r} must be 'float32': maps need its digits")
        layers = len(counts(self.atoms))
        for name in ("sides", "strides", "lambdas", "rates"):
            text = getattr(self, name)
            if len(text.split(":")) != layers:
                raise FddError(
                    f"{name}={text!r} must have as many numbers as atoms={self.atoms!r}: one a "
                    "layer"
                )
        shapes = zip(counts(self.sides), counts(self.strides), strict=True)
        below = [self.image_size, *self.map_sides]
        for number, ((size, stride), side) in enumerate(zip(shapes, below, strict=False), 1):
            if size % stride or side % stride or size > side:
                raise FddError(
                    f"sides={self.sides!r} and strides={self.strides!r} do not fit layer {number}: "
                    f"side {size} must be at most {side}, the side of what is below, and both must "
                    f"be multiples of the stride {stride}"
                )
        side = self.map_sides[-1]
        parts = self.latent_size / counts(self.atoms)[-1]
        if math.isqrt(int(parts)) ** 2 != parts or not 1 <= parts <= side**2:
            raise FddError(
                f"latent_size={self.latent_size} must be {counts(self.atoms)[-1]}, the atoms of "
                f"the last layer, times 1, 4, 9 and so on, at most {side}**2"
            )


SMALL: dict[str, Any] = {
    "image_size": 32,
    "batch_size": 16,
    "latent_size": 64,
    "atoms": "32:64",
    "sides": "6:5",
    "lambdas": "0.8:0.4",
    "rates": "5e-4:5e-3",
    "iterations": 40,
    "log_every": 20,
    "sample_every": 100,
    "checkpoint_every": 100,
}
PRESETS = {
    "paper": Config(),
    "small": Config(**SMALL, steps=50),
    "mini": Config(**SMALL, steps=200, version="mini-1"),
}
"""Named settings: "paper" those of the authors for photographs of 96 x 96, here for a GPU; "small"
and "mini", a few minutes on two CPU cores."""
