"""Is the true match of an image the nearest one?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmarks.images.checks import enough, on_device, torch_device
from benchmarks.statistics.arrays import Floats, generator, real_array, require
from benchmarks.statistics.permutation import Floor, floor_of, permutations
from fdd.defaults import with_defaults
from fdd.errors import FddError

if TYPE_CHECKING:
    import torch

Ranks = NDArray[np.int64]

ROWS = 256  # images whose pixels are held as floats at once
SHIFT = 128  # makes uint8 int8, and no distance another
LEAST_BYTES = 64  # of smaller rows the products of floats are as fast, and torch's of one wrong
COLUMNS = 2**16  # pixels whose products int32 holds: 2^14 each


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


@with_defaults
def retrieval(
    queries: ArrayLike,
    gallery: ArrayLike,
    *,
    also: ArrayLike | None = None,
    device: str | torch.device = "cpu",
) -> Retrieval:
    """Rank of gallery[i] among the whole gallery by its distance from queries[i].

    The distance is the Euclidean one over all pixels and channels. A gallery image as near as the
    true match counts as nearer: ties are failures, so a generator that draws one image for all
    codes, or a gallery that holds an image twice, gains nothing.

    Parameters
    ----------
    queries : array [N, ...], rows of any shape that the gallery shares
    gallery : array [M, ...], M >= N and M >= 2
    also : array like the gallery, another form of each of its images that counts as the same one
        (its mirror image, say): the distance is that of the nearer form
    device : cpu, cuda, cuda:N or auto: where to compute. A torch.device: torch computes there, on
        the processor too

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
    >>> retrieval([[0], [9]], [[7], [8]], also=[[1], [8]]).top1
    1.0
    """
    q, g, other = _gallery(queries, gallery, also)
    return Retrieval(_ranks(q, g, other, np.arange(len(q))[None], torch_device(device))[0], len(g))


@with_defaults
def retrieval_floor(
    queries: ArrayLike,
    gallery: ArrayLike,
    *,
    also: ArrayLike | None = None,
    draws: int = 999,
    seed: int = 0,
    device: str | torch.device = "cpu",
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
    every = successes(
        drawn_ranks(queries, gallery, also=also, draws=draws, seed=seed, device=device)
    )
    means = {name: values.mean(axis=1) for name, values in every.items()}
    return {name: floor_of(values[0], values[1:]) for name, values in means.items()}


def drawn_ranks(
    queries: ArrayLike,
    gallery: ArrayLike,
    *,
    also: ArrayLike | None = None,
    draws: int = 999,
    seed: int = 0,
    device: str | torch.device = "cpu",
) -> Ranks:
    """int64 [1 + draws, N]: the ranks of the true matches, then of each draw of wrong ones."""
    q, g, other = _gallery(queries, gallery, also, 2)
    shuffled = permutations(len(q), draws, generator(seed))
    own = np.arange(len(q))[None]
    return _ranks(q, g, other, np.concatenate([own, shuffled]), torch_device(device))


def successes(ranks: Ranks) -> dict[str, NDArray[Any]]:
    """What ranks of any shape count for in the three scores: bool, bool and float64."""
    return {"top1": ranks <= 1, "top10": ranks <= 10, "mean_reciprocal_rank": 1 / ranks}


def _ranks(
    queries: NDArray[Any],
    gallery: NDArray[Any],
    also: NDArray[Any] | None,
    matches: NDArray[np.intp],
    where: torch.device | None,
) -> Ranks:
    """int64 [B, N]: how many gallery rows are as near queries[i] as matches[b, i], with itself."""
    forms = [gallery] if also is None else [gallery, also]
    exact = all(a.dtype.kind in "biu" and a.dtype.itemsize <= 2 for a in (queries, *forms))
    if where is not None:
        return _ranks_by_torch(queries, forms, matches, exact, where)
    ranks = np.empty(matches.shape, dtype=np.int64)
    bytes_only = all(a.dtype == np.uint8 for a in (queries, *forms))
    bytes_only &= queries[0].size >= LEAST_BYTES and _multiplies_bytes()
    multiply = _byte_products if bytes_only else _products
    squares = [_squares(form, bytes_only) for form in forms]
    largest = max(square.max() for square in squares)
    for start in range(0, len(queries), ROWS):
        block = queries[start : start + ROWS]
        own = _squares(block, bytes_only)
        distances = np.min(
            [
                own[:, None] + square - 2 * multiply(block, form)
                for form, square in zip(forms, squares, strict=True)
            ],
            axis=0,
        )
        slack = 0 * own if exact else 1e-9 * (own + largest)
        for i, row in enumerate(distances, start):
            limit = row[matches[:, i]] + slack[i - start]
            ranks[:, i] = np.searchsorted(np.sort(row), limit, side="right")
    return ranks


def _ranks_by_torch(
    queries: NDArray[Any],
    forms: list[NDArray[Any]],
    matches: NDArray[np.intp],
    exact: bool,
    where: torch.device,
) -> Ranks:
    """As `_ranks`, by products in float64, which hold those of bytes exactly."""
    import torch

    def pixels(images: torch.Tensor) -> torch.Tensor:
        return images.flatten(1).double()

    def squares(images: torch.Tensor) -> torch.Tensor:
        return torch.cat([(pixels(part) ** 2).sum(dim=1) for part in images.split(ROWS)])

    galleries = [on_device(form, where) for form in forms]
    lengths = [squares(gallery) for gallery in galleries]
    largest = torch.stack([length.max() for length in lengths]).max()
    chosen = torch.from_numpy(np.ascontiguousarray(matches.T)).to(where)
    ranks = []
    for start in range(0, len(queries), ROWS):
        block = on_device(queries[start : start + ROWS], where)
        own, one = squares(block), pixels(block)
        distances = torch.stack(
            [
                own[:, None]
                + length
                - 2 * torch.cat([one @ pixels(part).T for part in gallery.split(ROWS)], dim=1)
                for gallery, length in zip(galleries, lengths, strict=True)
            ]
        ).amin(dim=0)
        limits = distances.gather(1, chosen[start : start + ROWS])
        if not exact:
            limits += 1e-9 * (own + largest)[:, None]
        ranks.append(torch.searchsorted(distances.sort(dim=1).values, limits, right=True).cpu())
    return np.ascontiguousarray(torch.cat(ranks).numpy().T)


def _squares(images: NDArray[Any], shifted: bool) -> Floats:
    shift = SHIFT if shifted else 0
    return np.concatenate([((block - shift) ** 2).sum(axis=1) for block in _blocks(images)])


def _products(block: NDArray[Any], gallery: NDArray[Any]) -> Floats:
    (one,) = _blocks(block)
    return np.concatenate([one @ other.T for other in _blocks(gallery)], axis=1)


def _byte_products(block: NDArray[Any], gallery: NDArray[Any]) -> Floats:
    """`_products` of uint8 images less SHIFT: integers, so as exact, and ten times as fast."""
    torch = require("torch")
    one, others = (
        torch.from_numpy((images.reshape(len(images), -1) ^ SHIFT).view(np.int8))
        for images in (block, gallery)
    )
    found = np.zeros((len(one), len(others)))
    for start in range(0, one.shape[1], COLUMNS):
        part = slice(start, start + COLUMNS)
        found += torch._int_mm(one[:, part], others[:, part].t()).numpy()
    return found


@lru_cache(maxsize=1)
def _multiplies_bytes() -> bool:
    """Whether torch multiplies int8 matrices exactly, and quickly: some processors would saturate,
    and those with AVX2 alone take five times as long as for floats."""
    try:
        import torch

        if torch.backends.cpu.get_cpu_capability() == "AVX2":
            return False
        least = torch.full((64, 4096), -SHIFT, dtype=torch.int8)
        return bool((torch._int_mm(least, least.t()) == 4096 * SHIFT**2).all())
    except (ImportError, AttributeError, RuntimeError):
        return False


def _blocks(images: NDArray[Any]) -> Iterator[Floats]:
    """float64 [at most ROWS, pixels] of images, one after the other."""
    for start in range(0, len(images), ROWS):
        block = images[start : start + ROWS]
        yield block.reshape(len(block), -1).astype(np.float64)


def _gallery(
    queries: ArrayLike, gallery: ArrayLike, also: ArrayLike | None, rows: int = 1
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any] | None]:
    q, g = real_array("queries", queries), real_array("gallery", gallery)
    for name, images in (("queries", q), ("gallery", g)):
        if images.ndim < 2 or 0 in images.shape[1:]:
            raise FddError(
                f"{name} has shape {images.shape}: it must be [N, ...] with pixels in each row"
            )
    enough("queries", q, rows)
    enough("gallery", g, max(len(q), 2))
    if q.shape[1:] != g.shape[1:]:
        raise FddError(
            f"queries are images {q.shape[1:]} and the gallery {g.shape[1:]}: they must agree"
        )
    if also is None:
        return q, g, None
    other = real_array("also", also)
    if other.shape != g.shape:
        raise FddError(f"also has shape {other.shape} and gallery {g.shape}: they must agree")
    enough("also", other, 2)
    return q, g, other
