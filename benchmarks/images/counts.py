"""Do the colours of a picture stand for the density of the attractor?"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmarks.images.checks import enough, rgb_images
from benchmarks.images.paired import block_floor
from benchmarks.statistics.arrays import Floats, real_array, require
from benchmarks.statistics.permutation import Floor
from fdd.defaults import with_defaults
from fdd.errors import FddError, known
from fdd.rendering.palettes import PALETTES, WHITE

ROWS = 64  # images worked on at once
UNSEEN = 65535  # in the table of levels: a colour that no picture has had yet


@with_defaults
def counts_correlation(images: ArrayLike, counts: ArrayLike, *, palette: str = "kbc") -> Floats:
    """Spearman correlation between the level of each picture's pixels and the true counts.

    The level of a pixel is 0 for white, which is an empty cell, and 1 to 256 for the colours of the
    palette, from the rarest cells to the densest: of the nearest of these 257 in RGB, the lower one
    of two equally near. Ranks are over all pixels of an image, empty ones too; equal values share
    their mean rank.

    Parameters
    ----------
    images : uint8 [N, H, W, 3]
    counts : whole numbers [N, H, W] of at least 0, as `fdd.render(params, output="counts")` gives
    palette : "kbc", "inferno" or "viridis": the one that the pictures are drawn in

    Returns
    -------
    float64 [N] from -1 to 1 (best: the levels are in the order of the counts). FD(v)'s own pictures
    get more than 0.99999, and not 1, since 256 colours merge some counts. 0 for a picture of one
    level and for counts of one value. Chance is 0 for noise, and not 0 for pictures of other
    attractors (0.1 among those of `fdd`): read the mean beside that with the counts in another
    order.

    Notes
    -----
    Unchanged by any increasing change of the counts, as the shading is (histogram equalisation),
    and by moving the pixels of both alike. The densest colours of each palette are pale, so that
    what is blurred into white may look dense. A shift by a pixel costs as much as in `ssim`.
    Spearman, The proof and measurement of association between two things, 1904.

    Examples
    --------
    >>> import numpy as np
    >>> from fdd.rendering.palettes import PALETTES
    >>> picture = PALETTES["kbc"][[[[10, 200], [90, 90]]]]
    >>> counts_correlation(picture, [[[1, 7], [3, 3]]])
    array([1.])
    """
    pictures, true = _checked(images, counts, palette)
    levels, found = _levels(palette), np.empty(len(pictures))
    for start in range(0, len(pictures), ROWS):
        rows = slice(start, start + ROWS)
        found[rows] = (_ranks(levels.of(pictures[rows])) * _ranks(true[rows])).sum(axis=1)
    return found


@with_defaults
def counts_floor(
    images: ArrayLike,
    counts: ArrayLike,
    *,
    palette: str = "kbc",
    draws: int = 999,
    block: int = 10,
    seed: int = 0,
) -> Floor:
    """The mean of `counts_correlation` over all pairs, beside that of wrong pairs.

    The same as `pair_floor(counts_correlation, images, counts)`, and faster: an image is ranked
    once for all the counts that it is compared with.

    >>> import numpy as np
    >>> from fdd.rendering.palettes import PALETTES
    >>> counts = np.random.default_rng(0).integers(1, 256, size=(20, 16, 16))
    >>> floor = counts_floor(PALETTES["kbc"][counts], counts, draws=99)
    >>> floor.score.round(6).item(), bool(abs(floor.chance) < 0.1), floor.p.item()
    (1.0, True, 0.01)
    """
    pictures, true = _checked(images, counts, palette)
    enough("images", pictures, 2)
    levels = _levels(palette)

    def every(rows: NDArray[np.intp]) -> Floats:
        return np.asarray(_ranks(levels.of(pictures[rows])) @ _ranks(true[rows]).T)

    return block_floor(every, len(pictures), draws=draws, block=block, seed=seed)


def level_ranks(images: ArrayLike, counts: ArrayLike, palette: str) -> tuple[Floats, Floats]:
    """The ranks of levels and counts over the cells with points, each float64 [N, H * W].

    Of each image with mean 0 and length 1, so that the sum of products is their correlation; zeros
    in empty cells, and everywhere where all are equal. Arguments as `counts_correlation`.
    """
    pictures, true = _checked(images, counts, palette)
    levels = _Levels(palette)
    found = np.zeros((2, len(true), true[0].size))
    for row, cells in enumerate(true.reshape(len(true), -1) > 0):
        if cells.any():
            pixels = levels.of(pictures[row : row + 1]).ravel()[cells], true[row].ravel()[cells]
            found[:, row, cells] = [_ranks(values[None])[0] for values in pixels]
    return found[0], found[1]


def _checked(
    images: ArrayLike, counts: ArrayLike, palette: str
) -> tuple[NDArray[np.uint8], NDArray[Any]]:
    known("palette", palette, PALETTES)
    pictures, true = rgb_images("images", images), real_array("counts", counts)
    if true.dtype.kind not in "iu" or true.min(initial=0) < 0:
        raise FddError(
            f"counts has dtype {true.dtype} and values from {true.min(initial=0)}: "
            "it must hold whole numbers of at least 0"
        )
    if true.shape != pictures.shape[:3]:
        raise FddError(
            f"images has shape {pictures.shape} and counts {true.shape}: "
            "they must agree in [N, H, W]"
        )
    return pictures, true


class _Levels:
    """The levels of colours; that of each is found when it is first met."""

    def __init__(self, palette: str) -> None:
        self.colours = np.concatenate([np.full((1, 3), WHITE, np.uint8), PALETTES[palette]])
        self.table = np.full(2**24, UNSEEN, np.uint16)

    def of(self, pictures: NDArray[np.uint8]) -> NDArray[np.uint16]:
        """uint8 [N, H, W, 3] -> uint16 [N, H, W]."""
        red, green, blue = np.moveaxis(pictures.astype(np.uint32), -1, 0)
        packed = red << 16 | green << 8 | blue
        found = self.table[packed]
        new = np.unique(packed[found == UNSEEN])
        if len(new):
            pixels = np.stack([new >> 16, new >> 8 & 255, new & 255], axis=1)
            self.table[new] = _nearest(pixels, self.colours)
            found = self.table[packed]
        return found


@lru_cache(maxsize=1)
def _levels(palette: str) -> _Levels:
    """Its table is for all calls: the colours of a generator come again."""
    return _Levels(palette)


def _nearest(pixels: NDArray[Any], colours: NDArray[np.uint8]) -> NDArray[np.intp]:
    """int [P]: the row of colours [K, 3] nearest to each of pixels [P, 3], the first of several."""
    palette = colours.astype(np.float32)  # every product and sum is a whole number below 2^24
    own = (palette**2).sum(axis=1)
    level = np.empty(len(pixels), np.intp)
    for start in range(0, len(pixels), 4096):
        rows = slice(start, start + 4096)
        level[rows] = (own - 2 * (pixels[rows].astype(np.float32) @ palette.T)).argmin(axis=1)
    return level


def _ranks(values: NDArray[Any]) -> Floats:
    """float64 [N, P]: the ranks of the pixels of each of [N, ...], with mean 0 and length 1; zeros
    where all are equal."""
    pixels = values.reshape(len(values), -1)
    ranks = require("scipy.stats").rankdata(pixels, axis=1) - (pixels.shape[1] + 1) / 2
    length = np.sqrt((ranks**2).sum(axis=1, keepdims=True))
    return np.asarray(ranks / np.where(length > 0, length, 1))
