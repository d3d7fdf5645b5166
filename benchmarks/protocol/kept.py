"""Numbers that every model is scored beside, kept in the cache folder of the data set."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from contextlib import suppress

import numpy as np

from benchmarks.statistics.arrays import Floats
from fdd.data.cache import cache_folder
from fdd.errors import FddError
from fdd.files import atomic_write

DIGEST = hashlib.sha256().digest_size


def kept(name: str, compute: Callable[[], Floats]) -> Floats:
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
