"""How an image is drawn: one value for both renderers, and counts to what it asks for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from fdd.attractors.families import FAMILIES
from fdd.errors import known, whole_number
from fdd.rendering.palettes import PALETTES, WHITE

OUTPUTS = ("rgb", "gray", "counts")
MAX_SIZE = 4096
MAX_POINTS = 2**32 - 1


@dataclass(frozen=True)
class Drawing:
    """All that an image depends on besides its parameters; `fdd.render` says what each field is.

    The fields are not checked: `checked_drawing` is for what a user gives.
    """

    family: str = "fractal_dream"
    size: int = 128
    points: int = 60000
    output: str = "rgb"
    palette: str = "kbc"

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one image: (size, size, 3) in colours, otherwise (size, size)."""
        return (self.size, self.size, 3) if self.output == "rgb" else (self.size, self.size)

    @property
    def channels(self) -> int:
        """Numbers of a pixel: 3 in colours, otherwise 1."""
        return 3 if self.output == "rgb" else 1

    @property
    def kind(self) -> type[Any]:
        """The type of these numbers: uint32 for counts, otherwise uint8."""
        return np.uint32 if self.output == "counts" else np.uint8

    @property
    def count_kind(self) -> type[Any]:
        """The type of counts while they are made: uint16 where it holds all points.

        Who asks for another one has the renderer compiled once more.
        """
        return np.uint16 if self.points < 2**16 else np.uint32

    @property
    def empty(self) -> int:
        """All channels of an empty pixel, and of no other: no palette has white, no ink is 255."""
        return 0 if self.output == "counts" else WHITE

    @property
    def colours(self) -> np.ndarray:
        """The palette: uint8 [256, 3]."""
        return PALETTES[self.palette]


def checked_drawing(
    family: str = Drawing.family,
    size: int = Drawing.size,
    points: int = Drawing.points,
    output: str = Drawing.output,
    palette: str = Drawing.palette,
) -> Drawing:
    """The drawing with these fields; FddError for one that is not known or out of its range."""
    known("output", output, OUTPUTS)
    known("palette", palette, PALETTES)
    size = whole_number("size", size, 2, MAX_SIZE)
    points = whole_number("points", points, 1, MAX_POINTS)
    known("family", family, FAMILIES)
    return Drawing(family, size, points, output, palette)
