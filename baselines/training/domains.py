"""Two domains of images of attractors, so that the translation of each image is known."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

import fdd
from baselines.training.config import DomainName
from fdd.releases.cards import Release
from fdd.rendering.palettes import PALETTES
from fdd.rendering.shading import rgb

FEWER = 15
"""With "points", the first domain has so many times fewer points: 4,000 of 60,000."""
INK, PAPER = 0, 255
"""Gray levels of the cells of a mask, with and without points."""
C = 4
"""The column of c in raw parameters."""


def draw(
    domains: DomainName,
    second: bool,
    counts: NDArray[np.unsignedinteger],
    params: NDArray[np.float64],
    card: Release,
) -> NDArray[np.uint8]:
    """The images of one domain, of attractors with these counts [N, S, S] and raw params [N, 6].

    uint8 [N, S, S, 3]. The image of the other domain of the same row is its translation: exact both
    ways for palettes, sign (the flip of the image is that of c < 0, a symmetry of the equation) and
    turn; of a mask and of few points what is lost stays unknown.
    """
    if domains == "mask" and second:
        levels = np.where(counts > 0, INK, PAPER).astype(np.uint8)
        return np.repeat(levels[..., None], 3, axis=-1)
    if domains == "points" and not second:
        return fdd.render(params, size=card.size, points=card.points // FEWER)
    images = rgb(counts, PALETTES["inferno" if domains == "palettes" and second else "kbc"])
    if domains == "sign":
        wrong = (params[:, C] < 0) != second
        images[wrong] = images[wrong, ::-1]
    if domains == "turn" and second:
        images = images[:, ::-1, ::-1]
    return images
