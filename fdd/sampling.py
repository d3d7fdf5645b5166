"""From (version, split, index) to parameters: random access, the same on every machine."""

from __future__ import annotations

import hashlib

import numpy as np

from fdd.cards import DEFAULT_VERSION, Release, release
from fdd.checks import whole_number
from fdd.families import FAMILIES
from fdd.render import count_groups

_LOW, _HIGH = np.array(FAMILIES["fractal_dream"].ranges).T


class CandidateStream:
    """The endless candidates of one image: independent, uniform over the ranges.

    Philox (Salmon, Moraes, Dror and Shaw 2011) with a key from the version and split and a counter
    from the index, so that no image depends on another. Raw words become doubles by their upper 53
    bits, here and not in numpy, whose bit streams are stable and whose distributions need not be.
    """

    def __init__(self, version: str, split: str, index: int) -> None:
        key = hashlib.sha256(f"{version}/{split}".encode()).digest()[:16]
        self._bits = np.random.Philox(key=np.frombuffer(key, "<u8"), counter=[0, index, 0, 0])

    def next(self) -> np.ndarray:
        """The next candidate: float64 [6]."""
        uniform = (self._bits.random_raw(len(_LOW)) >> np.uint64(11)) * 2.0**-53
        return _LOW + (_HIGH - _LOW) * uniform


def draw(
    card: Release, split: str, start: int, rows: int, counts: np.ndarray | None = None
) -> np.ndarray:
    """Parameters float64 [rows, 6] of images start .. start + rows - 1 of a split.

    Each image takes the first candidate of its own stream that occupies enough pixels; the
    degenerate occupy none. `counts`, unsigned integers [rows, H, W], receives the accepted counts.
    """
    streams = [CandidateStream(card.name, split, index) for index in range(start, start + rows)]
    params = np.empty((rows, len(_LOW)))
    needed = card.occupied_percent * card.size**2
    open_rows = np.arange(rows)
    while len(open_rows):
        candidates = np.array([streams[row].next() for row in open_rows])
        accepted = np.zeros(len(open_rows), bool)

        def finish(group: slice, found: np.ndarray, degenerate: np.ndarray) -> None:
            occupied = np.count_nonzero(found.reshape(len(found), -1), axis=1)
            kept = (100 * occupied >= needed) & ~degenerate
            accepted[group] = kept  # noqa: B023  called before the next turn of the loop
            if counts is not None:
                counts[open_rows[group][kept]] = found[kept]  # noqa: B023

        count_groups(candidates, card.size, card.points, None, finish)
        params[open_rows[accepted]] = candidates[accepted]
        open_rows = open_rows[~accepted]
    return params


def sample_params(
    n: int, split: str = "train", start: int = 0, version: str = DEFAULT_VERSION
) -> np.ndarray:
    """Rows start .. start + n - 1 of a split's parameters: float64 [n, 6].

    Columns x0, y0, a, b, c, d; raw ranges [-1, 1] for the first two and [-3, 3] for the others. The
    stream goes on beyond the split's stored size, so any number of new rows can be had. Each row
    costs about two renderings, since half of the candidates are refused for their emptiness.

    Raises FddError for an unknown split or version, or a negative number.
    """
    card = release(version)
    card.rows(split)
    n = whole_number("n", n, 0)
    start = whole_number("start", start, 0, 2**62)
    return draw(card, split, start, n)
