"""Images as the networks want them: of their size, in [-1, 1], in batches."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from baselines.config import RunConfig
from fdd.errors import FddError

Images = NDArray[np.uint8]


class ImageData(Protocol):
    """What training needs of a data set; those of `fdd.load` have it."""

    def __len__(self) -> int: ...

    def read(self, indices: Any) -> Images:
        """Images of those rows, uint8 [k, 128, 128, 3]."""
        ...


def resize(images: Images, size: int) -> Images:
    """Block means, rounded half up: uint8 [N, S, S, 3] -> uint8 [N, size, size, 3].

    FddError unless the images are uint8, square and RGB, and `size` divides S.
    """
    side = images.shape[1] if images.ndim == 4 else 0
    if images.dtype != np.uint8 or images.shape[1:] != (side, side, 3):
        raise FddError(f"images {images.dtype} {list(images.shape)} must be uint8 [N, S, S, 3]")
    if size < 1 or side % size:
        raise FddError(f"size={size} must divide {side}, the side of the images")
    block = side // size
    if block == 1:
        return images
    rows = images[:, ::block].astype(np.uint32)
    for i in range(1, block):
        rows += images[:, i::block]
    sums = rows[:, :, ::block].copy()
    for i in range(1, block):
        sums += rows[:, :, i::block]
    return ((2 * sums + block * block) // (2 * block * block)).astype(np.uint8)


def to_tensor(images: Images, device: torch.device) -> Tensor:
    """uint8 [N, S, S, 3] -> float32 [N, 3, S, S] in [-1, 1], channels last in memory."""
    pixels = torch.from_numpy(np.ascontiguousarray(images)).to(device)
    return pixels.permute(0, 3, 1, 2).float() / 127.5 - 1


def to_images(pixels: Tensor) -> Images:
    """float [N, 3, S, S] in [-1, 1] -> uint8 [N, S, S, 3], rounded and clipped."""
    levels = (pixels.permute(0, 2, 3, 1) * 127.5 + 127.5).round().clamp(0, 255)
    return levels.to(torch.uint8).contiguous().cpu().numpy()


class Batches:
    """Batch number `step` of endless epochs: a pure function of (seed, step), so it has no state.

    Every epoch is a permutation of the training rows by Philox, keyed by seed and epoch. The rest
    of an epoch that does not fill a batch is left out.
    """

    def __init__(self, data: ImageData, config: RunConfig) -> None:
        rows = config.train_images or len(data)
        if rows > len(data):
            raise FddError(f"train_images={rows} must be at most {len(data)}, all that there are")
        if config.batch_size > rows:
            raise FddError(
                f"batch_size={config.batch_size} must be at most {rows}, the images to train on"
            )
        self._data, self._config, self._rows = data, config, rows
        self._order_of: tuple[int, NDArray[np.int64]] = (-1, np.empty(0, np.int64))

    def epoch(self, step: int) -> int:
        """The epoch, from 0, that batch number `step` belongs to."""
        return step // (self._rows // self._config.batch_size)

    def rows(self, step: int) -> NDArray[np.int64]:
        """The rows of batch number `step`, from 0."""
        epoch, size = self.epoch(step), self._config.batch_size
        if self._order_of[0] != epoch:
            rng = np.random.Generator(np.random.Philox(key=[self._config.seed, epoch]))
            self._order_of = epoch, rng.permutation(self._rows)
        start = step % (self._rows // size) * size
        return self._order_of[1][start : start + size]

    def __getitem__(self, step: int) -> Images:
        """Batch number `step`: uint8 [batch_size, image_size, image_size, 3]."""
        return resize(self._data.read(self.rows(step)), self._config.image_size)
