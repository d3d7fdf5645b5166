"""Scores of images against images: pure functions of arrays, deterministic, never NaN.

Images are [N, H, W, C] or [N, H, W], uint8 or floats; row i of one argument belongs to row i of the
other. Every score raises FddError, naming the argument, on other shapes, on shapes that do not
agree, on NaN or infinity, and where there are too few images for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmarks.arrays import LARGEST, Floats, real_array
from benchmarks.permutation import Floor, floor_of
from fdd.checks import whole_number
from fdd.errors import FddError

Ranks = NDArray[np.int64]

RADIUS, SIGMA = 5, 1.5  # the 11 x 11 Gaussian window of Wang et al.
PAIRS = 4  # pairs worked on at once: they stay in the processor's cache
ROWS = 256  # images whose pixels are held as floats at once


def ssim(images_a: ArrayLike, images_b: ArrayLike, *, data_range: float = 255.0) -> Floats:
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

    Returns
    -------
    float64 [N] from -1 to 1 (best: the images are the same). Chance is not 0: two attractors on
    white share much white. Read the mean beside `ssim_floor`.

    Notes
    -----
    Symmetric in its arguments. It rewards blur where a sharp guess would be misplaced, and compares
    colour channels apart. Wang, Bovik, Sheikh and Simoncelli, Image quality assessment: from error
    visibility to structural similarity, 2004.

    Examples
    --------
    >>> import numpy as np
    >>> images = np.random.default_rng(0).integers(0, 256, size=(2, 32, 32, 3), dtype=np.uint8)
    >>> ssim(images, images), ssim(images, 255 - images).round(1)
    (array([1., 1.]), array([-1., -1.]))
    """
    a, b = _images("images_a", images_a), _images("images_b", images_b)
    _comparable(a, b, data_range)
    found = np.empty(len(a))
    for start in range(0, len(a), PAIRS):
        rows = slice(start, start + PAIRS)
        found[rows] = _similarity(_Windows.of(a[rows]), _Windows.of(b[rows]), data_range)
    return found


def ssim_floor(
    images_a: ArrayLike,
    images_b: ArrayLike,
    *,
    draws: int = 999,
    block: int = 10,
    seed: int = 0,
    data_range: float = 255.0,
) -> Floor:
    """The mean of `ssim` over all pairs, beside that of wrongly paired images.

    The rows are dealt by `seed` into blocks of `block` (a few more where N is no multiple of it).
    Within a block every image of a is compared with every one of b. `chance` is the mean over all
    wrong pairs. Each draw pairs the images anew within their blocks, which the null hypothesis
    allows as it allows any pairing; some stay with their own, so `upper` and `p` are a little on
    the cautious side.

    >>> import numpy as np
    >>> images = np.random.default_rng(0).integers(0, 256, size=(20, 16, 16), dtype=np.uint8)
    >>> floor = ssim_floor(images, images, draws=99)
    >>> floor.score.round(6).item(), bool(abs(floor.chance) < 0.2), floor.p.item()
    (1.0, True, 0.01)
    """
    a, b = _images("images_a", images_a, 2), _images("images_b", images_b, 2)
    _comparable(a, b, data_range)
    rng, blocks = np.random.default_rng(seed), max(1, len(a) // whole_number("block", block, 2))
    null, true, wrong, wrong_pairs = np.zeros(whole_number("draws", draws, 1)), 0.0, 0.0, 0
    for rows in np.array_split(rng.permutation(len(a)), blocks):
        every = _every_pair(a[rows], b[rows], data_range)
        null += every[np.arange(len(rows)), _permutations(len(rows), draws, rng)].sum(axis=1)
        true += every.trace()
        wrong += every.sum() - every.trace()
        wrong_pairs += every.size - len(rows)
    floor = floor_of(true / len(a), null / len(a))
    return replace(floor, chance=np.asarray(wrong / wrong_pairs))


@dataclass(frozen=True)
class Retrieval:
    """Where the true match of each query stands in the gallery, 1 being the nearest.

    ranks: int64 [N] in 1 .. gallery_size.
    """

    ranks: Ranks
    gallery_size: int

    @property
    def top1(self) -> float:
        """Share of queries whose true match is the nearest."""
        return float(np.mean(self.ranks <= 1))

    @property
    def top10(self) -> float:
        """Share of queries whose true match is among the ten nearest."""
        return float(np.mean(self.ranks <= 10))

    @property
    def mean_reciprocal_rank(self) -> float:
        """Mean of 1 / rank."""
        return float(np.mean(1 / self.ranks))

    @property
    def chance_top1(self) -> float:
        """`top1` of random ranks."""
        return 1 / self.gallery_size

    @property
    def chance_top10(self) -> float:
        """`top10` of random ranks."""
        return min(10, self.gallery_size) / self.gallery_size

    @property
    def chance_mean_reciprocal_rank(self) -> float:
        """`mean_reciprocal_rank` of random ranks."""
        return float(np.mean(1 / np.arange(1, self.gallery_size + 1)))


def retrieval(queries: ArrayLike, gallery: ArrayLike) -> Retrieval:
    """Rank of gallery[i] among the whole gallery by its distance from queries[i].

    The distance is the Euclidean one over all pixels and channels. A gallery image as near as the
    true match counts as nearer: ties are failures, so a generator that draws one image for all
    codes, or a gallery that holds an image twice, gains nothing.

    Parameters
    ----------
    queries : array [N, ...]; of any shape a row that the gallery shares
    gallery : array [M, ...], M >= N and M >= 2

    Returns
    -------
    Retrieval with int64 ranks [N] in 1 .. M (best 1), top1, top10, mean_reciprocal_rank and their
    chance.

    Notes
    -----
    Exact, ties included, for pixels of 8 or 16 bits; for others, distances whose squares agree to
    1e-9 of the images' own squares are ties. Memory grows as N and M, not as N * M * pixels.
    Pixels punish a small shift as hard as another picture, and ranks depend on M: compare at one M
    only. Voorhees, The TREC-8 question answering track report, 1999 (mean reciprocal rank).

    Examples
    --------
    >>> retrieval([[0], [9], [5]], [[1], [8], [2]]).ranks
    array([1, 1, 2])
    >>> retrieval([[0], [0]], [[4], [4]]).top1
    0.0
    """
    q, g = _gallery(queries, gallery)
    return Retrieval(_ranks(q, g, np.arange(len(q))[None])[0], len(g))


def retrieval_floor(
    queries: ArrayLike, gallery: ArrayLike, *, draws: int = 999, seed: int = 0
) -> dict[str, Floor]:
    """`retrieval`'s top1, top10 and mean_reciprocal_rank, each beside that of wrong matches.

    Each draw gives every query the true match of another one; all queries and the whole gallery
    take part. Keys: "top1", "top10", "mean_reciprocal_rank".

    >>> import numpy as np
    >>> images = np.random.default_rng(0).integers(0, 256, size=(50, 16), dtype=np.uint8)
    >>> floor = retrieval_floor(images, images, draws=99)["top1"]
    >>> floor.score.item(), floor.p.item(), bool(floor.chance < 0.05)
    (1.0, 0.01, True)
    """
    q, g = _gallery(queries, gallery, 2)
    shuffled = _permutations(len(q), draws, np.random.default_rng(seed))
    ranks = _ranks(q, g, np.concatenate([np.arange(len(q))[None], shuffled]))
    every = {
        "top1": np.mean(ranks <= 1, axis=1),
        "top10": np.mean(ranks <= 10, axis=1),
        "mean_reciprocal_rank": np.mean(1 / ranks, axis=1),
    }
    return {name: floor_of(values[0], values[1:]) for name, values in every.items()}


@dataclass(frozen=True)
class _Windows:
    """Pixels [N, C, H, W] of images and their local means and variances [N, C, H - 10, W - 10]."""

    pixels: Floats
    means: Floats
    variances: Floats

    @classmethod
    def of(cls, images: NDArray[Any]) -> _Windows:
        pixels = np.moveaxis(images, -1, 1) if images.ndim == 4 else images[:, None]
        pixels = np.ascontiguousarray(pixels, dtype=np.float64)
        means = _blur(pixels)
        return cls(pixels, means, _blur(pixels**2) - means**2)


def _similarity(a: _Windows, b: _Windows, data_range: float) -> Floats:
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    product = a.means * b.means
    covariance = _blur(a.pixels * b.pixels) - product
    numerator = (2 * product + c1) * (2 * covariance + c2)
    denominator = (a.means**2 + b.means**2 + c1) * (a.variances + b.variances + c2)
    return np.asarray((numerator / denominator).mean(axis=(1, 2, 3)))


def _every_pair(a: NDArray[Any], b: NDArray[Any], data_range: float) -> Floats:
    """float64 [N, M]: the similarity of every image of a with every one of b."""
    others = [_Windows.of(b[start : start + PAIRS]) for start in range(0, len(b), PAIRS)]
    every = np.empty((len(a), len(b)))
    for i in range(len(a)):
        one = _Windows.of(a[i : i + 1])
        every[i] = np.concatenate([_similarity(one, other, data_range) for other in others])
    return every


def _blur(pixels: Floats) -> Floats:
    """Gaussian means of the windows inside [..., H, W], by products with banded matrices."""
    height, width = (_band(size) for size in pixels.shape[-2:])
    return np.asarray(height @ (pixels @ width.T))


@lru_cache(maxsize=8)
def _band(size: int) -> Floats:
    """float64 [size - 10, size]: row r holds the window from column r on. Not to be written to."""
    window = np.exp(-0.5 * (np.arange(-RADIUS, RADIUS + 1) / SIGMA) ** 2)
    band = np.zeros((size - 2 * RADIUS, size))
    for row in range(len(band)):
        band[row, row : row + len(window)] = window / window.sum()
    return band


def _ranks(queries: NDArray[Any], gallery: NDArray[Any], matches: NDArray[np.intp]) -> Ranks:
    """int64 [B, N]: how many gallery rows are as near queries[i] as matches[b, i], with itself."""
    ranks = np.empty(matches.shape, dtype=np.int64)
    squares = np.concatenate([(block**2).sum(axis=1) for _, block in _blocks(gallery)])
    exact = all(a.dtype.kind in "biu" and a.dtype.itemsize <= 2 for a in (queries, gallery))
    for start, block in _blocks(queries):
        own = (block**2).sum(axis=1)
        products = np.concatenate([block @ other.T for _, other in _blocks(gallery)], axis=1)
        distances = own[:, None] + squares - 2 * products
        slack = 0 * own if exact else 1e-9 * (own + squares.max())
        for i, row in enumerate(distances, start):
            limit = row[matches[:, i]] + slack[i - start]
            ranks[:, i] = np.searchsorted(np.sort(row), limit, side="right")
    return ranks


def _blocks(images: NDArray[Any]) -> Iterator[tuple[int, Floats]]:
    """(first row, float64 [at most ROWS, pixels]) of images, one after the other."""
    for start in range(0, len(images), ROWS):
        block = images[start : start + ROWS]
        yield start, block.reshape(len(block), -1).astype(np.float64)


def _permutations(rows: int, draws: int, rng: np.random.Generator) -> NDArray[np.intp]:
    return rng.permuted(np.tile(np.arange(rows), (whole_number("draws", draws, 1), 1)), axis=1)


def _images(name: str, value: ArrayLike, rows: int = 1) -> NDArray[Any]:
    images = real_array(name, value)
    if images.ndim not in (3, 4) or min(images.shape[1:3]) <= 2 * RADIUS or images.shape[-1] == 0:
        raise FddError(
            f"{name} has shape {images.shape}: it must be [N, H, W, C] or [N, H, W], "
            "H and W at least 11"
        )
    _enough(name, images, rows)
    return images


def _enough(name: str, images: NDArray[Any], rows: int) -> None:
    if len(images) < rows:
        raise FddError(f"{name} has {len(images)} images: it must have at least {rows}")
    if max(float(images.max()), -float(images.min())) > LARGEST:
        raise FddError(f"{name} has pixels beyond 1e100 in size: that is no image")


def _comparable(a: NDArray[Any], b: NDArray[Any], data_range: float) -> None:
    if a.shape != b.shape:
        raise FddError(f"images_a has shape {a.shape} and images_b {b.shape}: they must agree")
    if not (np.isfinite(data_range) and data_range > 0):
        raise FddError(f"data_range is {data_range!r}: it must be a positive number")


def _gallery(
    queries: ArrayLike, gallery: ArrayLike, rows: int = 1
) -> tuple[NDArray[Any], NDArray[Any]]:
    q, g = real_array("queries", queries), real_array("gallery", gallery)
    for name, images in (("queries", q), ("gallery", g)):
        if images.ndim < 2 or 0 in images.shape[1:]:
            raise FddError(
                f"{name} has shape {images.shape}: it must be [N, ...] with pixels a row"
            )
    _enough("queries", q, rows)
    _enough("gallery", g, max(len(q), 2))
    if q.shape[1:] != g.shape[1:]:
        raise FddError(
            f"queries are images {q.shape[1:]} and the gallery {g.shape[1:]}: they must agree"
        )
    return q, g
