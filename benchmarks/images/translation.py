"""Scores of translations between two domains of images whose truth is known.

x is an image of domain A, T(x) its translation; G makes images of B of those of A, F the other way.
Pairing is `benchmarks.image_scores.retrieval`, likeness `ssim` and, here, `pixel_l1`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmarks.images.checks import rgb_images
from benchmarks.images.counts import level_ranks
from benchmarks.statistics.arrays import Floats, generator, real_number, row, same
from fdd.defaults import with_defaults
from fdd.errors import FddError, whole_number

__all__ = ["binarised", "hidden", "inverted", "noisy", "permuted", "pixel_l1"]

ROWS = 256
"""Images worked on at once."""
MIDDLE = 127.5
"""Between the two levels of a binary image."""


@with_defaults
def pixel_l1(images_a: ArrayLike, images_b: ArrayLike) -> Floats:
    """Mean absolute difference of every pair (images_a[i], images_b[i]), over pixels and channels.

    Parameters
    ----------
    images_a, images_b : uint8 [N, H, W, 3] of one shape

    Returns
    -------
    float64 [N] from 0 (best: the images are the same) to 1 (black and white). Floors to read it
    beside: images of other rows, the mean image, and the image that was to be translated.

    Notes
    -----
    Symmetric. Of all images of a guess the median is the nearest: blur is rewarded.

    Examples
    --------
    >>> black, white = np.zeros((2, 1, 16, 16, 3), np.uint8) + np.reshape([0, 255], (2, 1, 1, 1, 1))
    >>> pixel_l1(black, white.astype(np.uint8))
    array([1.])
    """
    a, b = rgb_images("images_a", images_a), rgb_images("images_b", images_b)
    if a.shape != b.shape:
        raise FddError(f"images_a has shape {a.shape} and images_b {b.shape}: they must agree")
    found = np.empty(len(a))
    for start in range(0, len(a), ROWS):
        rows = slice(start, start + ROWS)
        apart = np.abs(a[rows].astype(np.int16) - b[rows])
        found[rows] = apart.mean(axis=(1, 2, 3)) / 255
    return found


@with_defaults
def inverted(images: ArrayLike, counts: ArrayLike, *, palette: str = "kbc") -> NDArray[np.bool_]:
    """Whether the colours of each picture rank its cells the wrong way round.

    True where the Spearman correlation between the level of colours in the palette and the counts,
    over the cells with points, is below 0.

    Parameters
    ----------
    images : uint8 [N, H, W, 3], of attractors with these counts
    counts : whole numbers [N, H, W] of at least 0
    palette : "kbc", "inferno" or "viridis": the one that the pictures should be drawn in

    Returns
    -------
    bool [N]. The share of True is 0 at best, 1 for a palette turned round, and one half for colours
    at random; that of pictures of other attractors is the floor. A picture of one level, or one
    with fewer than two cells, is not inverted.

    Examples
    --------
    >>> from fdd.rendering.palettes import PALETTES
    >>> picture, counts = PALETTES["inferno"][[[[10, 90, 200]]]], [[[1, 3, 7]]]
    >>> inverted(picture, counts, palette="inferno"), inverted(picture, [[[7, 3, 1]]])
    (array([False]), array([ True]))
    """
    levels, true = level_ranks(images, counts, palette)
    return np.asarray((levels * true).sum(axis=1) < 0)


@with_defaults
def permuted(returned: ArrayLike, found: ArrayLike) -> NDArray[np.bool_]:
    """Whether each image comes back as itself although it was given another one's translation.

    Parameters
    ----------
    returned : ranks [N] of `retrieval(F(G(x)), x)`: 1 where x is nearer than all other images
    found : ranks [N] of `retrieval(G(x), T(x))`: 1 where T(x) is the nearest translation

    Returns
    -------
    bool [N]: the cycle is closed, and the content is not that of x. The share of True is 0 at best;
    ranks among wrong matches give its floor, and the share of closed cycles is the most it can be.

    Examples
    --------
    >>> permuted([1, 1, 7], [1, 4, 4])
    array([False,  True, False])
    """
    back, there = row("returned", returned), row("found", found)
    same(("returned", len(back)), ("found", len(there)), "ranks")
    return np.asarray((back == 1) & (there > 1))


@with_defaults
def hidden(cycle: ArrayLike, honest: ArrayLike) -> float:
    """What F knows of x from G(x) that no honest translation could tell it, as a share.

    H = 1 - e_cycle / e_honest, the means of both arguments.

    Parameters
    ----------
    cycle : errors [N] of x as it comes back, such as pixel_l1(F(G(x)), x); or with something else
        in the place of G(x)
    honest : errors [M] of a network like F that was trained on true translations, pixel_l1(F(T(x)),
        x), M mostly N

    Returns
    -------
    At most 1 (nothing is lost); 0 is the floor: F does as well as an honest one; below 0 it does
    worse. After Chu et al. 2017 (arXiv:1712.02950), who found the hiding, and Bashkirova et al.
    2019 (arXiv:1908.01517), who disturbed it.

    Notes
    -----
    An F that is trained for longer than the honest one would seem to know more: look whether the
    honest error still falls.

    Examples
    --------
    >>> hidden([0.1, 0.1], [0.2, 0.2]), hidden([0.3], [0.2])
    (0.5, -0.5)
    """
    one, other = row("cycle", cycle), row("honest", honest)
    if not len(one) or not len(other) or min(one.min(), other.min()) < 0 or not other.any():
        raise FddError("cycle and honest must be errors of 0 or more, those of honest not all 0")
    means = one.mean(dtype=np.float64), other.mean(dtype=np.float64)
    return float(round(1 - means[0] / means[1], 12))


@with_defaults
def noisy(images: ArrayLike, levels: float, *, seed: int = 0) -> NDArray[np.uint8]:
    """Images uint8 [N, H, W, 3] with Gaussian noise of a standard deviation in levels of 0 to 255.

    >>> noisy(np.full((1, 1, 1, 3), 100, np.uint8), 0.0)
    array([[[[100, 100, 100]]]], dtype=uint8)
    """
    pictures = rgb_images("images", images)
    levels = real_number("levels", levels, 0, 255)
    rng = generator(whole_number("seed", seed, 0))
    noise = levels * rng.standard_normal(pictures.shape, dtype=np.float32)
    return (pictures + noise).round().clip(0, 255).astype(np.uint8)


@with_defaults
def binarised(images: ArrayLike) -> NDArray[np.uint8]:
    """Images uint8 [N, H, W, 3] in black and white: black where the mean of the channels is below
    127.5.

    >>> binarised(np.reshape(np.uint8([0, 90, 200, 250, 250, 3]), (1, 1, 2, 3))).ravel()
    array([  0,   0,   0, 255, 255, 255], dtype=uint8)
    """
    pictures = rgb_images("images", images)
    white = pictures.mean(axis=-1, keepdims=True) >= MIDDLE
    return np.broadcast_to(np.where(white, 255, 0), pictures.shape).astype(np.uint8)
