"""The data set as a map from an index to an image and its latent vector."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from fdd.attractors.params import FORMS, NAMES
from fdd.data import cache, published
from fdd.data.html import overview
from fdd.errors import FddError, known, shown
from fdd.releases.cards import Release
from fdd.rendering.drawing import Drawing
from fdd.rendering.palettes import PALETTES
from fdd.rendering.shading import rgb, shaded

if TYPE_CHECKING:
    import pandas as pd

Transform = Callable[[Any], Any]

FIRST = 6
"""Images that a notebook shows of a data set."""


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


def data_loader_worker() -> Any:
    """torch's description of the DataLoader worker that this is, or None."""
    data = sys.modules.get("torch.utils.data")
    return data.get_worker_info() if data else None


def in_colours(images: np.ndarray, palette: str = Drawing.palette) -> np.ndarray:
    """Images of any output as RGB: counts [n, H, W] are painted, gray is a colour like others.

    uint8 [n, H, W, 3] or [n, H, W], or counts of another unsigned type, to uint8 [n, H, W, 3].
    """
    if images.dtype != np.uint8:
        return rgb(images, PALETTES[palette])
    return images if images.ndim == 4 else np.repeat(images[..., None], 3, axis=-1)


def _stacked(results: list[Any]) -> Any:
    """Arrays or numbers of one shape as an array, tensors as a tensor, anything else as a list."""
    torch: Any = sys.modules.get("torch")
    if len({(type(one), getattr(one, "shape", ())) for one in results}) == 1:
        if torch and isinstance(results[0], torch.Tensor):
            return torch.stack(results)
        if isinstance(results[0], (np.ndarray, np.generic, int, float)):
            return np.stack(results)
    return results


def _of_each(transform: Transform | None) -> Transform | None:
    """The transform of one image or vector as a transform of a batch of them."""
    if transform is None:
        return None
    return lambda batch: _stacked([transform(one) for one in batch])


class Dataset:
    """A map data set in torch's style: `ds[i]` is an image, or (image, vector) with parameters.

    A slice, a list or an array of whole numbers, or one of booleans gives a batch: images [n, ...],
    or (images, vectors [n, 6]). Transforms are applied to each item of it, and what they give is
    stacked: arrays and numbers to an array, tensors to a tensor, anything else to a list.

    Works in a `torch.utils.data.DataLoader` with any number of workers, in torch's samplers, splits
    and concatenations, and needs no torch: it does not inherit from torch's class. Where a library
    asks for an instance of that, `torch.utils.data.Subset(ds, range(len(ds)))` is one, and as fast.
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

    def __getitem__(self, index: int | slice | ArrayLike) -> Any:
        """An item, or for a slice, a list, an array of whole numbers or a mask a batch of items.

        Raises IndexError for a number out of range, FddError for any other index.
        """
        rows = self._chosen(index)
        if isinstance(rows, int):
            return self.__getitems__([rows])[0]
        item = Item(self._form, _of_each(self.transform), _of_each(self.target_transform))
        return item.of(self.read(rows), self._vectors[rows])

    def __getitems__(self, indices: Iterable[int]) -> list[Any]:
        """The items at these indices, read together: what a DataLoader calls for a batch."""
        rows = self._several(list(indices))
        item = Item(self._form, self.transform, self.target_transform)
        return list(map(item.of, self.read(rows), self._vectors[rows]))

    def __repr__(self) -> str:
        names = ("version", "split", "output", "palette")
        shown = {name: getattr(self, name) for name in names} | {"params": self._form or False}
        options = ", ".join(f"{name}={value!r}" for name, value in shown.items())
        return f"{type(self).__name__}({len(self)} images, {options})"

    def __iter__(self) -> Iterator[Any]:
        return (self[row] for row in range(len(self)))

    def _repr_html_(self) -> str:
        vector = f"float64 [{len(NAMES)}], {self._form or 'raw'}"
        image = self.read([0])
        item = f"image {image.dtype} {list(image.shape[1:])}"
        item = f"({item}, vector {vector})" if self._form else f"{item}; its vector is {vector}"
        changes = {"transform": self.transform, "target_transform": self.target_transform}
        given = [f", {name}={shown(value)}" for name, value in changes.items() if value is not None]
        images = self.pictures(FIRST)
        return overview(
            repr(self), f"An item: {item}{''.join(given)}", images, self._vectors[:FIRST], NAMES
        )

    def _chosen(self, index: Any) -> int | np.ndarray:
        """The row that a number means, counted from 0, or the rows int64 [n] of another index."""
        if getattr(index, "ndim", 0) == 0:  # torch takes a tensor of one number for that number
            try:
                rows = range(len(self))[index]
                return rows if isinstance(rows, int) else np.array(rows, np.int64)
            except TypeError:
                pass
            except IndexError:
                raise self._out_of_range(index) from None
        return self._several(index)

    def _several(self, indices: Any) -> np.ndarray:
        """The rows int64 [n] of a list or an array: numbers, negative ones from the end, or a mask.

        A mask has a boolean for each image.
        """
        try:
            rows = np.asarray(None if isinstance(indices, tuple) else indices)
        except (TypeError, ValueError):  # lists in a list, a tensor on a GPU
            rows = np.array(None)
        if rows.dtype == bool and rows.shape == (len(self),):
            return np.flatnonzero(rows)
        if rows.ndim != 1 or (rows.size and rows.dtype.kind not in "iu"):
            raise FddError(
                f"index={shown(indices, 80)} must be a whole number, a slice, or a list or an "
                f"array of whole numbers or of {len(self)} booleans"
            )
        for outside in rows[(rows < -len(self)) | (rows >= len(self))]:
            raise self._out_of_range(outside)
        return rows.astype(np.int64) % len(self)

    def _out_of_range(self, index: Any) -> IndexError:
        return IndexError(f"index {int(index)} is out of range for {len(self)} images")

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
        self.version, self.split = (card.origin or card).name, split
        self.size, self.points = card.size, card.points
        self.output, self.palette = drawing.output, drawing.palette
        self._drawing = drawing
        self._card, self._paths = card, paths
        self._shards: dict[int, np.ndarray] = {}
        vectors = np.concatenate([cache.open_shard(path)["params"] for path in paths])
        super().__init__(vectors, item)

    def __repr__(self) -> str:
        drawn = f", size={self.size}, points={self.points})" if self._card.origin else ")"
        return super().__repr__().removesuffix(")") + drawn

    def _shard(self, number: int) -> np.ndarray:
        if number not in self._shards:
            self._shards[number] = cache.open_shard(self._paths[number])
        return self._shards[number]

    def read(self, indices: ArrayLike) -> np.ndarray:
        """The images at these indices, untransformed.

        uint8 [k, H, W, 3] for the output "rgb", uint8 [k, H, W] for "gray", uint32 for "counts".
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
