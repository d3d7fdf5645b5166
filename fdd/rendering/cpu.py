"""Rendering on the CPU: blocks of images on several threads, and what the kernel leaves open."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait

import numpy as np

from fdd.attractors import reference
from fdd.attractors.families import FAMILIES
from fdd.devices import available_threads
from fdd.rendering import shading
from fdd.rendering.cpu_kernel import (
    BINNED,
    COLUMNS,
    DEGENERATE,
    DONE,
    GROUP,
    STORED,
    UNDECIDED,
    kernel,
)
from fdd.rendering.drawing import Drawing, shaded

Finish = Callable[[slice, np.ndarray, np.ndarray], None]
"""What is done with a block: its rows, counts [n, size, size], degeneracy bool [n]."""

_NO_IMAGES = np.empty((0, 0, 0), np.uint8)


def render_cpu(
    drawing: Drawing, params: np.ndarray, threads: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Images as `fdd.render` gives them, and which rows are degenerate: bool [N].

    params: float64 [N, P], checked. The images of degenerate rows are empty.
    """
    images = np.empty((len(params), *drawing.shape), drawing.kind)
    degenerate = np.empty(len(params), bool)
    in_kernel = drawing.output != "counts" and drawing.points <= shading.BINS
    cells = drawing.size**2
    pictures = images.reshape(len(params), cells, drawing.channels) if in_kernel else None

    def finish(block: slice, counts: np.ndarray, without: np.ndarray) -> None:
        degenerate[block] = without
        if not in_kernel:
            images[block] = shaded(drawing, counts)

    _render_blocks(drawing, params, finish, threads, pictures)
    images[degenerate] = drawing.empty
    return images, degenerate


def count_groups(
    drawing: Drawing, params: np.ndarray, finish: Finish, threads: int | None = None
) -> None:
    """Calls finish(rows, counts [n, size, size], degenerate bool [n]) for blocks of rows.

    Each call comes from the thread that rendered the block, in any order; the counts, uint16 or
    uint32, are scratch memory, valid only during the call, and those of degenerate rows mean
    nothing. Memory does not grow with the number of rows.
    """
    _render_blocks(drawing, params, finish, threads)


def _render_blocks(
    drawing: Drawing,
    params: np.ndarray,
    finish: Finish,
    threads: int | None,
    images: np.ndarray | None = None,
) -> None:
    """As `count_groups`; with images uint8 [N, size * size, 3 or 1], fills these instead."""
    workers = min(available_threads() if threads is None else threads, -(-len(params) // GROUP))
    rows = _block_rows(drawing, len(params), max(workers, 1))
    scratch = _Scratch(drawing, rows, rows if images is None else GROUP)
    starts = deque(range(0, len(params), rows))

    def work() -> None:
        while starts:
            try:
                start = starts.popleft()
            except IndexError:  # another thread took the last one
                return
            block = slice(start, min(start + rows, len(params)))
            pictures = None if images is None else images[block]
            finish(block, *_render_block(drawing, params[block], scratch, pictures))

    if workers <= 1:
        work()
        return
    with ThreadPoolExecutor(workers) as pool:
        futures = [pool.submit(work) for _ in range(workers)]
        try:
            for future in wait(futures, return_when=FIRST_EXCEPTION).done:
                future.result()
        finally:  # after an error or an interruption the other threads stop at their next block
            starts.clear()


def _block_rows(drawing: Drawing, rows: int, workers: int) -> int:
    """Rows of one call of the kernel: some milliseconds of work, and some calls for each worker."""
    short = min(2**17 // drawing.points, 2**20 // drawing.size**2)
    return max(1, min(short, -(-rows // (4 * workers * GROUP)))) * GROUP


class _Scratch(threading.local):
    """Working memory of each thread, kept from block to block of one call."""

    def __init__(self, drawing: Drawing, rows: int, kept: int) -> None:
        size, points = drawing.size, drawing.points
        shape = (min(max(points, 2), STORED), 2, GROUP)
        space = np.empty(math.prod(shape) + 7)
        first = -space.ctypes.data // 8 % 8  # no vector of it lies across two lines of the cache
        self.trajectory = space[first : first + math.prod(shape)].reshape(shape)
        # half the memory where it suffices, so that a histogram stays in the nearest cache
        self.cells = np.empty((BINNED, GROUP), np.uint16 if size <= 256 else np.uint32)
        self.counts = np.empty((kept, size, size), np.uint16 if points < 2**16 else np.uint32)
        self.status = np.empty(rows, np.uint8)
        parameters = len(FAMILIES[drawing.family].parameters)
        self.numbers = np.empty((COLUMNS + parameters, GROUP))
        self.notes = np.empty((2, GROUP), np.int64)
        self.levels = shading.scratch()


def _render_block(
    drawing: Drawing, params: np.ndarray, scratch: _Scratch, images: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Counts [n, size, size] and degeneracy bool [n] of some rows; only the latter with images."""
    family = FAMILIES[drawing.family]
    counts, status = scratch.counts[: len(params)], scratch.status[: len(params)]
    kernel(family)(
        np.ascontiguousarray(params),
        drawing.points,
        drawing.colours,
        scratch.trajectory,
        scratch.cells,
        scratch.numbers,
        scratch.notes,
        scratch.levels,
        counts,
        _NO_IMAGES if images is None else images,
        status,
    )
    for row in np.flatnonzero(status == UNDECIDED):
        orbit = reference.orbit(family, tuple(params[row].tolist()), drawing.points)
        exact = reference.counts(orbit, drawing.size)
        status[row] = DEGENERATE if exact is None else DONE
        if exact is None:
            continue
        if images is None:
            counts[row] = exact
        else:
            shading.paint(exact.reshape(-1), drawing.colours, images[row], scratch.levels)
    return counts, status == DEGENERATE
