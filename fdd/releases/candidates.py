"""The endless candidates of each image: independent, uniform over the family's ranges.

Philox4x64-10 (Salmon, Moraes, Dror and Shaw, Parallel Random Numbers: As Easy as 1, 2, 3, 2011),
with a key from the version and split and a counter from the index, so that no image depends on
another. The words are those of `numpy.random.Philox(key=key, counter=[0, index, 0, 0])`, here for
many images at once; they become doubles by their upper 53 bits, here and not in numpy, whose bit
streams are stable and whose distributions need not be.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numba
import numpy as np

from fdd.arithmetic.compiling import jit, source_digest
from fdd.attractors.families import FAMILIES
from fdd.releases.cards import Release

_LOW, _HIGH = np.array(FAMILIES["fractal_dream"].ranges).T
_HALF = np.uint64(32)
_LOWER = np.uint64(0xFFFFFFFF)
_MULTIPLIERS = np.uint64(0xD2E7470EE14C6C93), np.uint64(0xCA5A826395121157)
_BUMPS = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBB67AE8584CAA73B)


@numba.njit(inline="always")
def _upper_product(x: Any, y: Any) -> Any:
    """The upper 64 bits of the product of two uint64."""
    low = (x & _LOWER) * (y & _LOWER)
    middle = (x >> _HALF) * (y & _LOWER) + (low >> _HALF)
    other = (x & _LOWER) * (y >> _HALF) + (middle & _LOWER)
    return (x >> _HALF) * (y >> _HALF) + (middle >> _HALF) + (other >> _HALF)


@numba.njit
def _philox(key0: Any, key1: Any, counter: Any, index: Any) -> Any:
    """The four words of one counter."""
    c0, c1, c2, c3 = counter, index, np.uint64(0), np.uint64(0)
    first, second = _MULTIPLIERS
    for _ in range(10):
        upper0, upper1 = _upper_product(first, c0), _upper_product(second, c2)
        c0, c1, c2, c3 = upper1 ^ c1 ^ key0, second * c2, upper0 ^ c3 ^ key1, first * c0
        key0, key1 = key0 + _BUMPS[0], key1 + _BUMPS[1]
    return c0, c1, c2, c3


def _make_fill(sources: str) -> Any:
    @jit
    def fill(key: Any, indices: Any, attempt: Any, low: Any, width: Any, params: Any) -> None:
        """Fills params [n, P] with candidate number `attempt` of each image."""
        sources  # noqa: B018  a key of the compiled code's cache
        count = np.uint64(params.shape[1])
        for row in range(len(indices)):
            block, words = np.uint64(0), (key[0], key[0], key[0], key[0])
            for column in range(params.shape[1]):
                number = attempt * count + np.uint64(column)
                # numpy's generator counts before it draws
                if block != (number >> np.uint64(2)) + np.uint64(1):
                    block = (number >> np.uint64(2)) + np.uint64(1)
                    words = _philox(key[0], key[1], block, indices[row])
                uniform = np.float64(words[number & np.uint64(3)] >> np.uint64(11)) * 2.0**-53
                params[row, column] = low[column] + width[column] * uniform

    return fill


_fill = _make_fill(source_digest("releases/candidates", "arithmetic/compiling"))


def draws(
    name: str, indices: np.ndarray, attempt: int, low: np.ndarray, high: np.ndarray
) -> np.ndarray:
    """Draw number `attempt`, from 0, of each image's random stream of that name.

    indices: int64 [n]; uniform from low [P] to high [P]: float64 [n, P]. A name has one P.
    """
    key = np.frombuffer(hashlib.sha256(name.encode()).digest()[:16], "<u8").astype(np.uint64)
    numbers = np.empty((len(indices), len(low)))
    counters = np.asarray(indices).astype(np.uint64)
    _fill(key, counters, np.uint64(attempt), low, high - low, numbers)
    return numbers


def candidates(card: Release, split: str, indices: np.ndarray, attempt: int) -> np.ndarray:
    """Candidate number `attempt`, from 0, of each image: indices int64 [n] to float64 [n, 6]."""
    return draws(f"{card.name}/{split}", indices, attempt, _LOW, _HIGH)
