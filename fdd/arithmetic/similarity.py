"""Structural similarity, SSIM and MS-SSIM: the one arithmetic of losses and of scores.

For arrays of numpy and for tensors, which keep their gradients. Gaussian means are products with
banded matrices, and those of an image are computed once however many it is compared with.

SSIM: Wang, Bovik, Sheikh and Simoncelli, Image quality assessment: from error visibility to
structural similarity, 2004. MS-SSIM: Wang, Simoncelli and Bovik, Multi-scale structural similarity
for image quality assessment, 2003, equation 7.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = Any  # of numpy or of torch, float32 or float64: the formulas are the same for both

SIGMA = 1.5
"""Standard deviation of the Gaussian window, in pixels."""
WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Exponents of the scales of MS-SSIM, the finest first."""
C1, C2 = 0.01**2, 0.03**2
"""They keep the quotients finite; for pixels from 0 to 1."""


@dataclass(frozen=True)
class Windows:
    """Pixels [N, C, H, W] from 0 to 1, and the means and variances of the windows inside them,
    [N, C, H - 2 radius, W - 2 radius]."""

    pixels: Array
    radius: int
    means: Array
    variances: Array


def windows(pixels: Array, radius: int) -> Windows:
    """The windows of 2 radius + 1 pixels of images [N, C, H, W]."""
    means = _blur(pixels, radius)
    return Windows(pixels, radius, means, _blur(pixels**2, radius) - means**2)


def scaled(pixels: Array, radius: int, scales: int) -> list[Windows]:
    """The windows of images [N, C, H, W] at so many scales, the finest first."""
    found = [windows(pixels, radius)]
    while len(found) < scales:
        found.append(windows(_halved(found[-1].pixels), radius))
    return found


def similarity(a: Windows, b: Windows) -> Array:
    """SSIM of each pair, [N]: the mean over channels and windows."""
    return (_luminance(a, b) * _contrast(a, b)).mean(axis=(1, 2, 3))


def similarity_of_scales(weights: list[float], a: list[Windows], b: list[Windows]) -> Array:
    """MS-SSIM of each pair, [N], with these exponents of the scales: the mean over channels of the
    product over scales. The coarsest alone sees brightness; a mean below 0 counts 0."""
    product: Array = 1.0
    for weight, *pair in zip(weights[:-1], a, b, strict=False):
        product = product * _kept(_contrast(*pair)) ** weight
    product = product * _kept(_luminance(a[-1], b[-1]) * _contrast(a[-1], b[-1])) ** weights[-1]
    return product.mean(axis=1)


def _luminance(a: Windows, b: Windows) -> Array:
    return (2 * a.means * b.means + C1) / (a.means**2 + b.means**2 + C1)


def _contrast(a: Windows, b: Windows) -> Array:
    covariance = _blur(a.pixels * b.pixels, a.radius) - a.means * b.means
    return (2 * covariance + C2) / (a.variances + b.variances + C2)


def _kept(alike: Array) -> Array:
    """The mean [N, C] over windows, 0 where it is negative."""
    return alike.mean(axis=(2, 3)).clip(min=0)


def _halved(pixels: Array) -> Array:
    """Means of 2 x 2 pixels; an odd side gets zeros before it, as `pytorch_msssim` does it."""
    height, width = pixels.shape[-2:]
    if height % 2 or width % 2:
        zeros = np.zeros if isinstance(pixels, np.ndarray) else pixels.new_zeros
        whole = zeros((*pixels.shape[:-2], height + height % 2, width + width % 2))
        whole[..., height % 2 :, width % 2 :] = pixels
        pixels = whole
    rows = pixels[..., ::2, :] + pixels[..., 1::2, :]
    return (rows[..., ::2] + rows[..., 1::2]) / 4


def _blur(pixels: Array, radius: int) -> Array:
    """Gaussian means of the windows inside [..., H, W]."""
    height, width = (_band_beside(pixels, size, radius) for size in pixels.shape[-2:])
    return height @ (pixels @ width.T)


def _band_beside(pixels: Array, size: int, radius: int) -> Array:
    band = _band(size, radius)
    return band if isinstance(pixels, np.ndarray) else pixels.new_tensor(band)


@lru_cache(maxsize=16)
def _band(size: int, radius: int) -> NDArray[np.float64]:
    """[size - 2 radius, size]: row r holds the window from column r on. Not to be written to."""
    window = np.exp(-0.5 * (np.arange(-radius, radius + 1) / SIGMA) ** 2)
    band = np.zeros((size - 2 * radius, size))
    for row in range(len(band)):
        band[row, row : row + len(window)] = window / window.sum()
    return band
