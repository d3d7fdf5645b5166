"""How many threads libraries compute with."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

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


def one_thread() -> AbstractContextManager[Any]:
    """Inside, OpenMP's loops take one thread, unless the variable OMP_NUM_THREADS is set.

    Gradient boosting is thousands of loops of microseconds, after each of which all threads wait
    for the last. More threads win little, and where another process has one of the processors, the
    wait is for the scheduler, and fits take 50 times as long.
    """
    if "OMP_NUM_THREADS" in os.environ:
        return nullcontext()
    require("sklearn.ensemble")  # limits hold for the libraries that are loaded
    limits: AbstractContextManager[Any] = require("threadpoolctl").threadpool_limits(
        1, user_api="openmp"
    )
    return limits
