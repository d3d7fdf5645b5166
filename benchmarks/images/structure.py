"""Structural similarity of pairs of images."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmarks.images.checks import RADIUS, checked_images, comparable, on_device, torch_device
from benchmarks.images.paired import block_floor
from benchmarks.statistics.arrays import Floats
from benchmarks.statistics.permutation import Floor
from fdd.arithmetic.similarity import (
    WEIGHTS,
    Array,
    Windows,
    scaled,
    similarity,
    similarity_of_scales,
    windows,
)
from fdd.defaults import with_defaults
from fdd.errors import FddError, whole_number

if TYPE_CHECKING:
    import torch

PAIRS = 4  # pairs worked on at once: they stay in the processor's cache
GPU_PIXELS = 2**24  # worked on at once on a GPU: 128 MB in float64


@with_defaults
def ssim(
    images_a: ArrayLike,
    images_b: ArrayLike,
    *,
    data_range: float = 255.0,
    device: str | torch.device = "cpu",
) -> Floats:
    """Structural similarity of every pair (images_a[i], images_b[i]).

    The mean over windows and channels of
    (2 m n + c1) (2 s + c2) / ((m^2 + n^2 + c1) (u + v + c2)), where m, n are the means, u, v the
    variances and s the covariance under an 11 x 11 Gaussian window with sigma 1.5; c1 = (0.01
    data_range)^2, c2 = (0.03 data_range)^2. Windows lie wholly inside the image. The same numbers
    as scikit-image's `structural_similarity(gaussian_weights=True, sigma=1.5,
    use_sample_covariance=False)`.

    Parameters
    ----------
    images_a, images_b : arrays [N, H, W, C] or [N, H, W] of one shape, H and W at least 11
    data_range : largest minus smallest value that a pixel can have; 255 for uint8
    device : cpu, cuda, cuda:N or auto: where to compute, in float64 everywhere. A torch.device:
        torch computes there, on the processor too

    Returns
    -------
    float64 [N] from -1 to 1 (best: the images are the same). Chance is not 0: two attractors on
    white share much white. Read the mean beside `ssim_floor`.

    Notes
    -----
    Symmetric in its arguments. It rewards blur where a sharp guess would be misplaced, and compares
    colour channels separately. Wang, Bovik, Sheikh and Simoncelli, Image quality assessment: from
    error visibility to structural similarity, 2004.

    Examples
    --------
    >>> import numpy as np
    >>> images = np.random.default_rng(0).integers(0, 256, size=(2, 32, 32, 3), dtype=np.uint8)
    >>> ssim(images, images), ssim(images, 255 - images).round(1)
    (array([1., 1.]), array([-1., -1.]))
    """
    a, b = checked_images("images_a", images_a), checked_images("images_b", images_b)
    comparable(a, b, data_range)
    where = torch_device(device)
    found = np.empty(len(a))
    for rows in _chunks(a, where):
        pair = (windows(_pixels(images[rows], data_range, where), RADIUS) for images in (a, b))
        found[rows] = _on_host(similarity(*pair))
    return found


@with_defaults
def ms_ssim(
    images_a: ArrayLike,
    images_b: ArrayLike,
    *,
    data_range: float = 255.0,
    scales: int | None = None,
    device: str | torch.device = "cpu",
) -> Floats:
    """Multi-scale structural similarity of every pair (images_a[i], images_b[i]).

    For each channel the product over scales of s^w, where s is at the coarsest scale the mean over
    windows of `ssim`, and at the others that of its second factor alone,
    (2 s + c2) / (u + v + c2), which leaves brightness out; negative ones count 0. Then the mean
    over channels. Each scale has half the sides of the one before, by means of 2 x 2 pixels,
    and w = 0.0448, 0.2856, 0.3001, 0.2363, 0.1333, the finest first. The same numbers as
    `pytorch_msssim.ms_ssim`, which puts a black row or column before an odd side.

    Parameters
    ----------
    images_a, images_b : arrays [N, H, W, C] or [N, H, W] of one shape, H and W at least 11
    data_range : largest minus smallest value that a pixel can have; 255 for uint8
    scales : how many, 1 to 5. None: as many as fit, since the window has 11 pixels at the coarsest
        too: 5 for sides of more than 160 pixels, 4 for 128, 3 for 64, 2 for 32. Of fewer than
        five the first weights are taken, divided by their sum: compare at one size only.
    device : as for `ssim`

    Returns
    -------
    float64 [N] from 0 to 1 (best: the images are the same). Chance is not 0; see `ssim`.

    Notes
    -----
    Symmetric in its arguments. One scale whose mean is negative makes a channel 0. Nearly blind to
    a wrong brightness or colour, which the coarsest scale alone sees. Wang, Simoncelli and Bovik,
    Multi-scale structural similarity for image quality assessment, 2003, equation 7.

    Examples
    --------
    >>> import numpy as np
    >>> images = np.random.default_rng(0).integers(0, 256, size=(2, 32, 32, 3), dtype=np.uint8)
    >>> ms_ssim(images, images), ms_ssim(images, 255 - images)
    (array([1., 1.]), array([0., 0.]))
    """
    a, b = checked_images("images_a", images_a), checked_images("images_b", images_b)
    comparable(a, b, data_range)
    weights = _weights(a, scales)
    where = torch_device(device)
    found = np.empty(len(a))
    for rows in _chunks(a, where):
        pair = (
            scaled(_pixels(images[rows], data_range, where), RADIUS, len(weights))
            for images in (a, b)
        )
        found[rows] = _on_host(similarity_of_scales(weights, *pair))
    return found


@with_defaults
def ssim_floor(
    images_a: ArrayLike,
    images_b: ArrayLike,
    *,
    draws: int = 999,
    block: int = 10,
    seed: int = 0,
    data_range: float = 255.0,
    device: str | torch.device = "cpu",
) -> Floor:
    """The mean of `ssim` over all pairs, beside that of wrongly paired images.

    The same as `pair_floor(ssim, images_a, images_b)`, and faster: the windows of an image are
    computed once for all the images it is compared with.

    >>> import numpy as np
    >>> images = np.random.default_rng(0).integers(0, 256, size=(20, 16, 16), dtype=np.uint8)
    >>> floor = ssim_floor(images, images, draws=99)
    >>> floor.score.round(6).item(), bool(abs(floor.chance) < 0.2), floor.p.item()
    (1.0, True, 0.01)
    """
    a, b = checked_images("images_a", images_a, 2), checked_images("images_b", images_b, 2)
    comparable(a, b, data_range)
    where = torch_device(device)

    def prepared(images: NDArray[Any]) -> Windows:
        return windows(_pixels(images, data_range, where), RADIUS)

    def every(rows: NDArray[np.intp]) -> Floats:
        return _every_pair(a[rows], b[rows], prepared, similarity, where)

    return block_floor(every, len(a), draws=draws, block=block, seed=seed)


@with_defaults
def ms_ssim_floor(
    images_a: ArrayLike,
    images_b: ArrayLike,
    *,
    draws: int = 999,
    block: int = 10,
    seed: int = 0,
    data_range: float = 255.0,
    scales: int | None = None,
    device: str | torch.device = "cpu",
) -> Floor:
    """The mean of `ms_ssim` over all pairs, beside that of wrongly paired images.

    The same as `pair_floor(ms_ssim, images_a, images_b)`, and faster, as `ssim_floor` is.

    >>> import numpy as np
    >>> images = np.random.default_rng(0).integers(0, 256, size=(20, 32, 32), dtype=np.uint8)
    >>> floor = ms_ssim_floor(images, images, draws=99)
    >>> floor.score.round(6).item(), bool(abs(floor.chance) < 0.2), floor.p.item()
    (1.0, True, 0.01)
    """
    a, b = checked_images("images_a", images_a, 2), checked_images("images_b", images_b, 2)
    comparable(a, b, data_range)
    weights, where = _weights(a, scales), torch_device(device)

    def prepared(images: NDArray[Any]) -> list[Windows]:
        return scaled(_pixels(images, data_range, where), RADIUS, len(weights))

    def every(rows: NDArray[np.intp]) -> Floats:
        alike = partial(similarity_of_scales, weights)
        return _every_pair(a[rows], b[rows], prepared, alike, where)

    return block_floor(every, len(a), draws=draws, block=block, seed=seed)


def _pixels(images: NDArray[Any], data_range: float, where: torch.device | None) -> Array:
    """Images as [N, C, H, W], float64, from 0 to 1; of torch if there is a device."""
    pixels = np.moveaxis(images, -1, 1) if images.ndim == 4 else images[:, None]
    if where is not None:
        return on_device(pixels, where).double() / data_range
    return np.divide(np.ascontiguousarray(pixels), data_range, dtype=np.float64)


def _chunks(images: NDArray[Any], where: torch.device | None) -> Iterator[slice]:
    """The rows that are worked on at once."""
    cpu = where is None or where.type == "cpu"
    size = PAIRS if cpu else max(1, GPU_PIXELS // images[0].size)
    for start in range(0, len(images), size):
        yield slice(start, start + size)


def _on_host(array: Array) -> Floats:
    return array if isinstance(array, np.ndarray) else np.asarray(array.cpu())


def _weights(images: NDArray[Any], scales: int | None) -> list[float]:
    """Of as many scales as wanted, or as fit, with the sum 1."""
    weights = np.array(WEIGHTS[: _scales(images.shape, scales)])
    return list((weights / weights.sum()).tolist())


def _every_pair(
    a: NDArray[Any],
    b: NDArray[Any],
    prepared: Callable[[NDArray[Any]], Any],
    alike: Callable[[Any, Any], Array],
    where: torch.device | None,
) -> Floats:
    """float64 [N, M]: the similarity of every image of a with every one of b, from their windows,
    which are computed once for each image."""
    others = [prepared(b[rows]) for rows in _chunks(b, where)]
    every = np.empty((len(a), len(b)))
    for i in range(len(a)):
        one = prepared(a[i : i + 1])
        every[i] = np.concatenate([_on_host(alike(one, other)) for other in others])
    return every


def _scales(shape: tuple[int, ...], wanted: int | None) -> int:
    """How many scales fit images of that shape [N, H, W, ...], or the number wanted."""
    side, fit = min(shape[1:3]), 1
    while fit < len(WEIGHTS) and (side := (side + 1) // 2) > 2 * RADIUS:
        fit += 1
    if wanted is None:
        return fit
    if whole_number("scales", wanted, 1, len(WEIGHTS)) > fit:
        raise FddError(
            f"scales is {wanted}: images_a has shape {shape}, whose shorter side has room for {fit}"
        )
    return wanted
