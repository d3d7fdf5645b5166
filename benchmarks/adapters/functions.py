"""Models as the benchmark takes them: functions from numpy to numpy, or codes given elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmarks.statistics.arrays import Floats, matrix, real_array
from fdd.errors import FddError, known, shown, whole_number
from fdd.files import as_path

Images = NDArray[np.uint8]
Function = Callable[[Any], Any]

SPLITS = ("train", "test")


@dataclass(frozen=True)
class Adapted:
    """A model as functions from numpy to numpy that check what they take and return.

    `from_functions` says what they are; those that the model lacks are None. image_size: pixels on
    a side of its images, if the model fixes it. config: how it was made, if that is known.
    supervision: what it was trained with, one of TRACKS of the protocol, if the model states it.
    """

    latent_size: int
    encode: Callable[[ArrayLike], Floats] | None = None
    generate: Callable[[ArrayLike], Images] | None = None
    vectors: Callable[[ArrayLike], Floats] | None = None
    name: str = ""
    image_size: int | None = None
    config: Mapping[str, Any] | None = None
    supervision: str | None = None


@dataclass(frozen=True)
class StoredCodes:
    """Codes that a model gave elsewhere, by split: float64 [N, latent_size].

    It has `codes` instead of `encode`, and no other function.
    """

    latent_size: int
    stored: Mapping[str, Floats]
    name: str = ""
    encode: None = None
    generate: None = None
    vectors: None = None
    image_size: None = None
    config: None = None
    supervision: str | None = None

    def codes(self, split: str, rows: int) -> Floats:
        """Codes of the first images of "train" or "test", float64 [rows, latent_size].

        FddError if fewer are stored.
        """
        known("split", split, SPLITS)
        found = self.stored[split]
        if whole_number("rows", rows, 1) > len(found):
            raise FddError(f"{split}.npy has {len(found)} rows, but {rows} are asked for")
        return found[:rows]


def from_functions(
    encode: Function | None = None,
    generate: Function | None = None,
    *,
    latent_size: int,
    vectors: Function | None = None,
    name: str = "",
) -> Adapted:
    """A model of functions from numpy to numpy, with at least one of encode and generate.

    Parameters
    ----------
    encode : images uint8 [N, S, S, 3] -> codes [N, latent_size], finite
    generate : codes float64 [N, latent_size] -> images uint8 [N, S, S, 3]
    latent_size : numbers in a code
    vectors : raw parameters float64 [N, 6] -> codes [N, latent_size] that stand for them, for a
        model that was trained with the parameters
    name : what the model is called in tables

    Raises
    ------
    FddError : if both are missing, or an argument is not a function; later, if a function is given
        or returns something else.

    Examples
    --------
    >>> model = from_functions(lambda images: images.mean(axis=(1, 2)), latent_size=3)
    >>> model.encode(np.full((1, 16, 16, 3), 7, np.uint8))
    array([[7., 7., 7.]])
    """
    if encode is None and generate is None:
        raise FddError("encode and generate are both None: a model must have at least one of them")
    for argument, given in (("encode", encode), ("generate", generate), ("vectors", vectors)):
        if given is not None and not callable(given):
            raise FddError(f"{argument} is {type(given).__name__}: it must be a function or None")
    width = whole_number("latent_size", latent_size, 1)
    give_codes = partial(checked_codes, "the encoder's codes", width)
    give_images = partial(checked_images, "the generator's images")
    give_vectors = partial(checked_codes, "the codes of vectors", width)
    return Adapted(
        width,
        checked(partial(checked_images, "images"), encode, give_codes),
        checked(partial(checked_codes, "codes", width), generate, give_images),
        checked(partial(checked_codes, "params", 6), vectors, give_vectors),
        name,
    )


def checked(
    take: Function, function: Function | None, give: Callable[[Any, int], Any]
) -> Function | None:
    """x -> give(function(take(x)), number of rows), where take and give check; None for None."""
    if function is None:
        return None

    def call(value: Any) -> Any:
        taken = take(value)
        return give(function(taken), len(taken))

    return call


def checked_images(name: str, value: ArrayLike, rows: int | None = None) -> Images:
    """`value` as images uint8 [rows, S, S, 3]; an FddError otherwise."""
    images = real_array(name, value)
    square = images.ndim == 4 and images.shape[1] == images.shape[2] and images.shape[3] == 3
    if images.dtype != np.uint8 or not square or not images.size:
        raise FddError(
            f"{name} are {images.dtype} {list(images.shape)}: they must be uint8 [N, S, S, 3]"
        )
    return counted(name, images, rows)


def checked_codes(name: str, width: int, value: ArrayLike, rows: int | None = None) -> Floats:
    """`value` as float64 [rows, width]; an FddError otherwise."""
    codes: Floats = counted(name, matrix(name, value, 1), rows)
    if codes.shape[1] != width:
        raise FddError(f"{name} have shape {list(codes.shape)}: it must be [N, {width}]")
    return codes


def counted(name: str, array: NDArray[Any], rows: int | None) -> NDArray[Any]:
    """The array, if it has that many rows; an FddError otherwise."""
    if rows is not None and len(array) != rows:
        raise FddError(f"{name} have {len(array)} rows: they must have {rows}, one for each given")
    return array


def from_codes(folder: str | PathLike[str], name: str = "") -> StoredCodes:
    """Codes that a model gave elsewhere: train.npy and test.npy in a folder.

    Each holds codes, float [N, K], of the first N images of that split in their order, at least as
    many as the scores need. The images of a generator cannot be stored like this, since only the
    evaluation knows which codes it asks for. Nothing is unpickled.

    Raises
    ------
    FddError : if a file is missing or holds no array of finite numbers [N, K], or the two differ
        in K.
    """
    stored = {split: _stored(as_path("folder", folder) / f"{split}.npy") for split in SPLITS}
    train, test = (stored[split].shape[1] for split in SPLITS)
    if train != test:
        raise FddError(
            f"{shown(folder)}: train.npy has {train} columns and test.npy {test}: they must agree"
        )
    return StoredCodes(train, stored, name)


def _stored(path: Path) -> Floats:
    if not path.is_file():
        raise FddError(
            f"{shown(path)} is missing: it must hold codes, float [N, K], from numpy.save"
        )
    try:
        array = np.lib.format.open_memmap(path, mode="r")  # which has no way to unpickle
    except (OSError, ValueError) as error:
        raise FddError(
            f"{shown(path)} must be a .npy file of numbers, without pickle: {error}"
        ) from error
    return matrix(f"{shown(path)}", array, 1)
