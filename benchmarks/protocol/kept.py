"""Numbers that every model is scored beside, kept in the cache folder of the data set."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmarks.protocol.settings import PROTOCOL
from fdd.data.cache import cache_folder
from fdd.errors import FddError
from fdd.files import atomic_write

DIGEST = hashlib.sha256().digest_size


def kept(name: str, compute: Callable[[], NDArray[Any]]) -> NDArray[Any]:
    """The array of that name; computed, and kept, where it is missing or damaged.

    The name must say everything that the array follows from. A file is the SHA-256 of a .npy file
    and that file's bytes. Where the folder cannot be written to, nothing is kept.
    """
    with suppress(OSError, FddError):
        path = cache_folder() / "scores" / name
        saved = path.read_bytes()
        if hashlib.sha256(saved[DIGEST:]).digest() == saved[:DIGEST]:
            return np.asarray(np.load(io.BytesIO(saved[DIGEST:]), allow_pickle=False))
    array, file = compute(), io.BytesIO()
    np.save(file, array, allow_pickle=False)
    with suppress(OSError, FddError):
        path = cache_folder() / "scores" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as unfinished:
            unfinished.write_bytes(hashlib.sha256(file.getvalue()).digest() + file.getvalue())
    return array


def kept_of(
    name: str, given: Iterable[ArrayLike], compute: Callable[[], NDArray[Any]]
) -> NDArray[Any]:
    """`kept`, for an array that follows from those that are given: a digest of them is in its name.

    A protocol's name stands for how it is computed, so what it gives may not change under one name.
    """
    digest = hashlib.sha256()
    for array in map(np.ascontiguousarray, given):
        digest.update(f"{array.dtype} {array.shape} ".encode())
        digest.update(array.data)
    return kept(f"{PROTOCOL}-{name}-{digest.hexdigest()}", compute)


def kept_scores(
    name: str, given: Iterable[ArrayLike], compute: Callable[[], dict[str, float]]
) -> dict[str, float]:
    """`kept_of` for scores by name, at least one."""

    def table() -> NDArray[Any]:
        found = compute()
        return np.array(tuple(found.values()), [(score, np.float64) for score in found])

    found = kept_of(name, given, table)
    return dict(zip(found.dtype.names or (), found.item(), strict=True))
