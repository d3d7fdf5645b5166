"""Memory that stays as it is, however long a stream runs: here and in DataLoader workers."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import fdd
from tests.soak.tries import Try, alone, last_line
from tests.soak.works import SOAK

BATCH = 100
MOST = 16 << 20
"""Bytes by which a process may grow; one that kept its images would grow by six times as much."""


def tries(rng: Random, place: Path) -> Iterator[Try]:
    """Streams of 200,000 images, in one process and over two workers; the first are of 20,000."""
    images = 20_000
    while True:
        for workers in (0, 2):
            start = rng.randrange(2**40)
            yield Try(
                f"memory over a stream of {images:,} images"
                + (f", in {workers} workers of a DataLoader" if workers else ""),
                f"from image {start}",
                partial(grown, partial(_batches, workers, start), images // BATCH),
            )
        images = 200_000


def _batches(workers: int, start: int) -> Iterator[Any]:
    from torch.utils.data import DataLoader

    stream = fdd.stream("train", BATCH, version=SOAK.name, start=start)
    return iter(DataLoader(stream, batch_size=None, num_workers=workers) if workers else stream)


def grown(make: Callable[[], Iterator[Any]], number: int) -> str:
    """Whether a process grows while it takes that many batches, in words, or ""."""
    end = alone(partial(_growth, make, number))
    if end.how != "done":
        return f"it ended with {last_line(end.text)}"
    return "" if end.value <= MOST else f"it grew by {end.value / 2**20:.0f} MiB"


def _growth(make: Callable[[], Iterator[Any]], number: int) -> int:
    """By how many bytes this process and its children grow after the first fifth of the batches."""
    import psutil

    me, batches = psutil.Process(os.getpid()), make()
    begun, later = 0, 0
    for taken in range(number):
        next(batches)
        if taken % 10 == 0:
            held = sum(one.memory_full_info().uss for one in (me, *me.children(recursive=True)))
            if 5 * taken < number:
                begun = max(begun, held)
            else:
                later = max(later, held)
    return later - begun
