"""Rows of a split of the data set, as models see them, and what is known of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

import fdd
from benchmarks.oracle import Oracle
from benchmarks.protocol.evaluation import Data
from benchmarks.protocol.images import World
from benchmarks.protocol.settings import FIT_SPLIT, SCORE_SPLIT, Settings
from benchmarks.statistics.arrays import Floats
from fdd.errors import FddError
from fdd.releases.cards import release

BLOCK = 500
"""Images read at once: 25 MB of a release of 128 x 128."""


def read_split(
    version: str, split: str, size: int, rows: int | Sequence[int], name: str = "rows"
) -> tuple[NDArray[np.uint8], Floats]:
    """Images uint8 [N, size, size, 3] and raw params float64 [N, 6] of the first so many rows of a
    split, or of these rows.

    FddError, which calls the number `name`, where the split has fewer.
    """
    from fdd.pictures import resize

    data = fdd.load(split, params="raw", version=version)
    if isinstance(rows, int):
        if rows > len(data):
            raise FddError(f"{name} is {rows}, but the {split} split has {len(data)} images")
        rows = range(rows)
    blocks = [rows[i : i + BLOCK] for i in range(0, len(rows), BLOCK)]
    images = np.concatenate([resize(data.read(block), size) for block in blocks])
    return images, data.params.to_numpy(dtype=np.float64)[list(rows)]


def read_data(version: str, size: int, settings: Settings, oracle: Oracle | None) -> Data:
    """What a model with images of that size is scored on; FddError as `read_split`.

    The oracle reads the release's own images, whatever the size of the model's.
    """
    from fdd.pictures import resize

    card = release(version)
    whole = size == card.size
    train = read_split(version, FIT_SPLIT, size, settings.train_images, "train_images")
    test = read_split(version, SCORE_SPLIT, size, settings.test_images, "images")
    codes = None
    if oracle is not None:
        codes = (
            _read_by(oracle, version, FIT_SPLIT, settings.train_images),
            _read_by(oracle, version, SCORE_SPLIT, settings.test_images),
        )

    def draw(params: Floats) -> NDArray[np.uint8]:
        parts = [params[i : i + BLOCK] for i in range(0, len(params), BLOCK)]
        drawn = [fdd.render(part, size=card.size, points=card.points) for part in parts]
        return np.concatenate([resize(part, size) for part in drawn])

    counts = None
    if whole:
        counts = fdd.render(test[1], output="counts", size=card.size, points=card.points)
    seen = (oracle, codes[1]) if whole and codes is not None else (None, None)
    return Data(train, test, World(draw, counts, *seen), codes)


def _read_by(oracle: Oracle, version: str, split: str, rows: int) -> Floats:
    blocks = [range(i, min(i + BLOCK, rows)) for i in range(0, rows, BLOCK)]
    images = (read_split(version, split, oracle.size, block)[0] for block in blocks)
    return np.concatenate([oracle.read(block) for block in images])
