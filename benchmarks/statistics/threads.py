"""How many threads libraries compute with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.statistics.arrays import require


@contextmanager
def torch_threads(count: int | None) -> Iterator[None]:
    """Inside, torch computes with `count` threads on the CPU; with None, with those it has."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def one_thread_for_all() -> Iterator[None]:
    """Inside, BLAS, OpenMP and torch compute with one thread.

    Sums have one order, and no thread waits for another one whose processor is taken.
    """
    with torch_threads(1), require("threadpoolctl").threadpool_limits(1):
        yield
