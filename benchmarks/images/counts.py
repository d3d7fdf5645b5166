"""Do the colours of a picture stand for the density of the attractor?"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmarks.images.checks import rgb_images
from benchmarks.statistics.arrays import Floats, real_array, require
from fdd.errors import FddError, known
from fdd.rendering.palettes import PALETTES, WHITE

ROWS = 64  # images worked on at once
UNSEEN = 65535  # in the table of levels: a colour that no picture has had yet


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
    colours = np.concatenate([np.full((1, 3), WHITE, np.uint8), PALETTES[palette]])
    levels = np.full(2**24, UNSEEN, np.uint16)  # of each colour, found when it is first met
    found = np.empty(len(pictures))
    for start in range(0, len(pictures), ROWS):
        red, green, blue = np.moveaxis(pictures[start : start + ROWS].astype(np.uint32), -1, 0)
        packed = (red << 16 | green << 8 | blue).reshape(len(red), -1)
        new = np.unique(packed[levels[packed] == UNSEEN])
        levels[new] = _nearest(np.stack([new >> 16, new >> 8 & 255, new & 255], axis=1), colours)
        found[start : start + ROWS] = _spearman(
            levels[packed], true[start : start + ROWS].reshape(packed.shape)
        )
    return found


def _nearest(pixels: NDArray[Any], colours: NDArray[np.uint8]) -> NDArray[np.intp]:
    """int [P]: the row of colours [K, 3] nearest to each of pixels [P, 3], the first of several."""
    palette = colours.astype(np.float32)  # every product and sum is a whole number below 2^24
    own = (palette**2).sum(axis=1)
    level = np.empty(len(pixels), np.intp)
    for start in range(0, len(pixels), 4096):
        rows = slice(start, start + 4096)
        level[rows] = (own - 2 * (pixels[rows].astype(np.float32) @ palette.T)).argmin(axis=1)
    return level


def _spearman(a: NDArray[Any], b: NDArray[Any]) -> Floats:
    """float64 [N] of rows [N, P] with rows [N, P]; 0 where one of them is constant."""
    rank, mean = require("scipy.stats").rankdata, (a.shape[1] + 1) / 2
    x, y = rank(a, axis=1) - mean, rank(b, axis=1) - mean
    size = np.sqrt((x**2).sum(axis=1) * (y**2).sum(axis=1))
    return np.asarray((x * y).sum(axis=1) / np.where(size > 0, size, 1))
