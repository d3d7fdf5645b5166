"""The data set as a map from an index to an image and its latent vector."""

from __future__ import annotations

import operator
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from fdd.attractors.params import FORMS, NAMES
from fdd.data import cache, published
from fdd.errors import FddError, known, shown
from fdd.releases.cards import Release
from fdd.rendering.drawing import Drawing
from fdd.rendering.palettes import PALETTES
from fdd.rendering.shading import rgb, shaded

if TYPE_CHECKING:
    import pandas as pd

Transform = Callable[[Any], Any]


@dataclass(frozen=True)
class Item:
    """What is handed out: an image, or (image, vector), each through its transform."""

    form: str | None
    """The vector's form, a name in FORMS; None for the image alone."""
    transform: Transform | None = None
    target_transform: Transform | None = None

    def vectors(self, params: np.ndarray) -> np.ndarray:
        """Parameters float64 [n, 6] in that form, raw where no vector is handed out."""
        return FORMS[self.form or "raw"](params)

    def of(self, image: Any, vector: Any) -> Any:
        """The item of an image and its vector, or of a batch of each."""
        if self.transform is not None:
            image = self.transform(image)
        if self.form is None:
            return image
        return image, vector if self.target_transform is None else self.target_transform(vector)


def checked_item(
    params: bool | str, transform: Transform | None, target_transform: Transform | None
) -> Item:
    """The item for these arguments of `fdd.load` or `fdd.stream`; FddError for a wrong one."""
    form = {False: None, True: "raw"}[params] if isinstance(params, bool) else params
    if form is not None:
        known("params", form, FORMS)
    for name, function in (("transform", transform), ("target_transform", target_transform)):
        if function is not None and not callable(function):
            raise FddError(f"{name}={shown(function)} must be a function of one argument")
    return Item(form, transform, target_transform)


def in_colours(images: np.ndarray, palette: str = Drawing.palette) -> np.ndarray:
    """Images of any output as RGB: counts [n, H, W] are painted, gray is a colour like others.

    uint8 [n, H, W, 3] or [n, H, W], or counts of another unsigned type, to uint8 [n, H, W, 3].
    """
    if images.dtype != np.uint8:
        return rgb(images, PALETTES[palette])
    return images if images.ndim == 4 else np.repeat(images[..., None], 3, axis=-1)


class Dataset:
    """A map data set in torch's style: `ds[i]` is an image, or (image, vector) with parameters.

    Works in a `torch.utils.data.DataLoader` with any number of workers, and needs no torch.
    Subclasses give `read`, and set the attributes below.
    """

    version: str | None = None
    """Name of the release; None for pictures of unknown origin."""
    split: str
    size: int
    """Width and height of an image in pixels."""
    output: str = "rgb"
    palette: str

    def __init__(self, vectors: np.ndarray, item: Item) -> None:
        self._vectors = item.vectors(vectors)
        self._form = item.form
        self._images: np.ndarray | None = None
        self.transform, self.target_transform = item.transform, item.target_transform

    def read(self, indices: ArrayLike) -> np.ndarray:
        """The images at these indices, untransformed: uint8 [k, H, W, 3] for the output "rgb"."""
        raise NotImplementedError

    @property
    def images(self) -> np.ndarray:
        """All images, untransformed, uint8 [n, H, W, 3]; read into memory at the first use."""
        if self._images is None:
            self._images = self.read(np.arange(len(self)))
        return self._images

    def pictures(self, count: int) -> np.ndarray:
        """The first `count` images as a person looks at them: uint8 [k, H, W, 3], of any output."""
        return in_colours(self.read(np.arange(min(count, len(self)))), self.palette)

    @property
    def params(self) -> pd.DataFrame:
        """The parameters in the form asked for (raw by default): columns x0, y0, a, b, c, d."""
        import pandas as pd  # slow to import, and rendering does not need it

        return pd.DataFrame(self._vectors.copy(), columns=list(NAMES))

    def __len__(self) -> int:
        return len(self._vectors)

    def __getitem__(self, index: int) -> Any:
        row = operator.index(index)
        if not -len(self) <= row < len(self):
            raise IndexError(f"index {row} is out of range for {len(self)} images")
        image = self.read([row % len(self)])[0]
        item = Item(self._form, self.transform, self.target_transform)
        return item.of(image, self._vectors[row].copy())

    def __repr__(self) -> str:
        names = ("version", "split", "output", "palette")
        shown = {name: getattr(self, name) for name in names} | {"params": self._form or False}
        options = ", ".join(f"{name}={value!r}" for name, value in shown.items())
        return f"{type(self).__name__}({len(self)} images, {options})"

    def __iter__(self) -> Iterator[Any]:
        return (self[row] for row in range(len(self)))

    def _rows(self, indices: ArrayLike) -> np.ndarray:
        rows = np.atleast_1d(np.asarray(indices))
        if rows.ndim != 1 or (rows.size and not np.issubdtype(rows.dtype, np.integer)):
            raise FddError(
                f"indices must be whole numbers in one dimension, not {shown(indices, 80)}"
            )
        if rows.size and not (0 <= rows.min() and rows.max() < len(self)):
            raise IndexError(f"indices must be from 0 to {len(self) - 1}")
        return rows.astype(np.int64)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_images": None}  # a worker process reads its own


class RenderedDataset(Dataset):
    """A split of a release, rendered into the cache once."""

    def __init__(
        self, card: Release, split: str, paths: list[Path], drawing: Drawing, item: Item
    ) -> None:
        self.version, self.split, self.size = card.name, split, card.size
        self.output, self.palette = drawing.output, drawing.palette
        self._drawing = drawing
        self._card, self._paths = card, paths
        self._shards: dict[int, np.ndarray] = {}
        vectors = np.concatenate([cache.open_shard(path)["params"] for path in paths])
        super().__init__(vectors, item)

    def _shard(self, number: int) -> np.ndarray:
        if number not in self._shards:
            self._shards[number] = cache.open_shard(self._paths[number])
        return self._shards[number]

    def read(self, indices: ArrayLike) -> np.ndarray:
        """The images at these indices, untransformed.

        uint8 [k, 128, 128, 3] for the output "rgb", uint8 [k, 128, 128] for "gray", uint32 for
        "counts".
        """
        rows = self._rows(indices)
        images = np.empty((len(rows), *self._drawing.shape), self._drawing.kind)
        numbers = rows // self._card.shard_rows
        for number in np.unique(numbers):
            places = np.flatnonzero(numbers == number)
            counts = self._shard(number)["counts"]
            for start in range(0, len(places), 256):  # memory for a block, not for the whole shard
                part = places[start : start + 256]
                found = counts[rows[part] % self._card.shard_rows]
                images[part] = shaded(self._drawing, found)
        return images

    def __getstate__(self) -> dict[str, Any]:
        return super().__getstate__() | {"_shards": {}}  # a memory map would travel as a full copy


class PublishedDataset(Dataset):
    """The pictures of a published folder; parameters are read from the file names."""

    def __init__(self, root: str | os.PathLike[str], palette: str, size: int, item: Item) -> None:
        folder = published.image_folder(root, palette)
        self.split, self.size = "train", size
        self.palette = folder.name if folder.name in PALETTES else palette
        self.paths = published.list_images(folder)
        vectors = np.array([published.parse_name(path) for path in self.paths])
        for path in self.paths:
            published.check_image(path, size)
        super().__init__(vectors, item)

    def read(self, indices: ArrayLike) -> np.ndarray:
        """The images at these indices, untransformed: uint8 [k, H, W, 3]."""
        rows = self._rows(indices)
        images = np.empty((len(rows), self.size, self.size, 3), np.uint8)
        for place, row in enumerate(rows):
            images[place] = published.read_image(self.paths[row], self.size)
        return images
