"""What a model is scored on: images of two splits, their parameters, the renderer, the oracle."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

import fdd
from benchmarks.oracle import Oracle
from benchmarks.protocol.kept import kept
from benchmarks.protocol.parts import Parts, Run, run_parts
from benchmarks.protocol.settings import FIT_SPLIT, PROTOCOL, SCORE_SPLIT, Settings
from benchmarks.statistics.arrays import Floats
from fdd.data.cache import cache_folder, ensure_split
from fdd.data.datasets import Dataset, Item, RenderedDataset
from fdd.errors import FddError
from fdd.pictures import resize
from fdd.releases.cards import Release, release
from fdd.rendering.periods import periods

Images = NDArray[np.uint8]
Rows = tuple[Images, Floats]
"""Images uint8 [N, S, S, 3] and their raw parameters [N, 6]."""
Pair = tuple[Floats, Floats]
"""Codes [N, K] and parameters [N, D]."""
Columns = slice | Sequence[int]
"""Which TARGETS."""
Draw = Callable[[Floats], Images]
"""Raw parameters [N, 6] -> the images that the renderer draws."""

BLOCK = 500
"""Images read at once: 25 MB of a release of 128 x 128."""


@dataclass(frozen=True)
class World:
    """The renderer at the size of the model's images.

    draw : raw params [N, 6] -> images uint8 [N, S, S, 3]
    counts : of the test images, uint32 [N, S, S]; None where the model's images are smaller than
        the release's, and have none
    """

    draw: Draw
    counts: NDArray[np.uint32] | None = None


@dataclass(frozen=True)
class Traits:
    """What the test images are like: the share of pixels of the release's own image with points,
    float64 [N], and the period of the orbit, 0 of those that do not repeat themselves, int64 [N].
    """

    occupied: Floats
    periods: NDArray[np.int64]


@dataclass(frozen=True)
class Data:
    """The images that a model is scored on, and what is known about them.

    train, test : images uint8 [N, S, S, 3], S >= 11, and raw params [N, 6]; everything is fitted on
        the first and scored on the second
    world : the renderer at that size; None leaves out the scores of a generator
    oracle_codes : what the oracle reads from the images of train and test, [N, 4] each: the ceiling
        of codes
    oracle : the oracle itself, for images that a model makes; None where it reads another size
    traits : of the test images; None leaves out the scores by stratum
    """

    train: Rows
    test: Rows
    world: World | None = None
    oracle_codes: tuple[Floats, Floats] | None = None
    oracle: Oracle | None = None
    traits: Traits | None = None

    @property
    def counts(self) -> NDArray[np.uint32] | None:
        """Counts of the test images, where they have any."""
        return None if self.world is None else self.world.counts


@dataclass(frozen=True)
class Coded:
    """Images as codes [N, K], beside the TARGETS [N, D] of their parameters: all 15, or some.

    fit, test : of the images of train, that scores are fitted on, and of those of test
    """

    fit: Pair
    test: Pair

    def of(self, columns: Columns, rows: int | None = None) -> Coded:
        """The same with some of the columns, and with at most this many test rows."""
        (codes, params), (new, truth) = self.fit, self.test
        known, asked = params[:, columns], truth[:rows][:, columns]
        if isinstance(columns, slice):  # products of arrays that lie otherwise may round otherwise
            known, asked = known.copy(), asked.copy()
        return Coded((codes, known), (new[:rows], asked))


def open_split(version: str, split: str, rows: int, name: str = "rows") -> Dataset:
    """The first shards of a split of a release that hold so many rows, with raw parameters.

    The others are not rendered. FddError, which calls the number of rows `name`, if the split has
    fewer.
    """
    card = release(version)
    if rows > card.rows(split):
        raise FddError(f"{name} is {rows}, but the {split} split has {card.rows(split)} images")
    whole = min(-(-rows // card.shard_rows) * card.shard_rows, card.rows(split))
    card = replace(card, splits={split: whole})
    paths = ensure_split(card, split, cache_folder())
    return RenderedDataset(card, split, paths, card.drawing(), Item("raw", None, None))


def read_images(data: Dataset, size: int, rows: Sequence[int]) -> Images:
    """These rows of a split as images uint8 [N, size, size, 3]."""
    return np.concatenate([resize(block, size) for block in _blocks(data, rows)])


def read_split(version: str, split: str, size: int, rows: int, name: str = "rows") -> Rows:
    """The first rows of a split at that size; errors as of `open_split`."""
    return _first(open_split(version, split, rows, name), size, rows)


def read_data(
    version: str,
    size: int,
    settings: Settings,
    oracle: Oracle | None,
    run: Run = run_parts,
) -> Data:
    """What a model with images of that size is scored on; errors as of `open_split`.

    The oracle reads the release's own images, whatever the size of the model's. What it reads is
    kept in the cache folder for the next time; the first time it is `run` in parts.
    """
    card = release(version)
    fitted, scored = settings.train_images, settings.test_images
    fit = open_split(version, FIT_SPLIT, fitted, "train_images")
    held_out = open_split(version, SCORE_SPLIT, scored, "images")
    train, test = _first(fit, size, fitted), _first(held_out, size, scored)
    codes = None
    if oracle is not None:
        codes = _codes(oracle, fit, fitted, run), _codes(oracle, held_out, scored, run)
    draw = partial(_drawn, card, size)
    counts = fdd.render(test[1], output="counts", size=card.size, points=card.points)
    traits = Traits((counts > 0).mean(axis=(1, 2)), periods(test[1], card.points))
    if size != card.size:
        return Data(train, test, World(draw), codes, None, traits)
    return Data(train, test, World(draw, counts), codes, oracle, traits)


def _first(data: Dataset, size: int, rows: int) -> Rows:
    params = data.params.to_numpy(dtype=np.float64)[list(range(rows))]
    return read_images(data, size, range(rows)), params


def _drawn(card: Release, size: int, params: Floats) -> Images:
    parts = [params[i : i + BLOCK] for i in range(0, len(params), BLOCK)]
    drawn = [fdd.render(part, size=card.size, points=card.points) for part in parts]
    return np.concatenate([resize(part, size) for part in drawn])


def _codes(oracle: Oracle, data: Dataset, rows: int, run: Run) -> Floats:
    def compute() -> Floats:
        parts: Parts = {
            f"the oracle reads {data.split} from image {number * BLOCK}": partial(
                oracle.read, block
            )
            for number, block in enumerate(_blocks(data, range(rows)))
        }
        return np.concatenate([*run(parts).values()])

    name = f"{PROTOCOL}-{data.version}-{data.split}-{rows}-{oracle.sha256}"
    return kept(name, compute)


def _blocks(data: Dataset, rows: Sequence[int]) -> Iterator[Images]:
    for start in range(0, len(rows), BLOCK):
        yield data.read(rows[start : start + BLOCK])
