"""Memory that stays as it is, however long a stream runs: here and in DataLoader workers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from random import Random

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
                partial(_streamed, images, workers, start),
            )
        images = 200_000


def _streamed(images: int, workers: int, start: int) -> str:
    end = alone(partial(_growth, images, workers, start))
    if end.how != "done":
        return f"it ended with {last_line(end.text)}"
    return "" if end.value <= MOST else f"it grew by {end.value / 2**20:.0f} MiB"


def _growth(images: int, workers: int, start: int) -> int:
    """By how many bytes this process and its children grow after the first fifth of a stream."""
    import psutil
    from torch.utils.data import DataLoader

    stream = fdd.stream("train", BATCH, version=SOAK.name, start=start)
    batches = iter(DataLoader(stream, batch_size=None, num_workers=workers) if workers else stream)
    me, begun, most = psutil.Process(os.getpid()), 0, 0
    for number in range(images // BATCH):
        next(batches)
        if number * BATCH % 1000 == 0:
            held = sum(p.memory_full_info().uss for p in (me, *me.children(recursive=True)))
            begun, most = (
                (max(begun, held), 0) if number * BATCH * 5 < images else (begun, max(most, held))
            )
    return most - begun
