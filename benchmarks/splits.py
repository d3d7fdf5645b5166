"""Rows of a split of the data set, as models see them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

import fdd
from benchmarks.arrays import Floats
from fdd.errors import FddError

BLOCK = 500
"""Images read at once: 25 MB of a release of 128 x 128."""


def read_split(
    version: str, split: str, size: int, rows: int | Sequence[int], name: str = "rows"
) -> tuple[NDArray[np.uint8], Floats]:
    """Images uint8 [N, size, size, 3] and raw params float64 [N, 6] of the first so many rows of a
    split, or of these rows.

    FddError, which calls the number `name`, where the split has fewer.
    """
    from baselines.data import resize

    data = fdd.load(split, params="raw", version=version)
    if isinstance(rows, int):
        if rows > len(data):
            raise FddError(f"{name} is {rows}, but the {split} split has {len(data)} images")
        rows = range(rows)
    blocks = [rows[i : i + BLOCK] for i in range(0, len(rows), BLOCK)]
    images = np.concatenate([resize(data.read(block), size) for block in blocks])
    return images, data.params.to_numpy(dtype=np.float64)[list(rows)]
