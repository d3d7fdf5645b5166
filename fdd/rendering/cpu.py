"""Rendering on the CPU: blocks of images on several threads, and what the kernel leaves open."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait

import numpy as np

from fdd.attractors import reference
from fdd.attractors.families import FAMILIES, Family
from fdd.devices import available_threads
from fdd.rendering import shading
from fdd.rendering.palettes import PALETTES


def _block_rows(rows: int, size: int, points: int, workers: int) -> int:
    """Rows of one call of the kernel: some milliseconds of work, and some calls for each worker."""
    from fdd.rendering.cpu_kernel import GROUP

    groups = min(2**17 // points, 2**20 // size**2, -(-rows // (4 * workers * GROUP)))
    return max(groups, 1) * GROUP


class _Scratch(threading.local):
    """Working memory of each thread, kept from block to block of one call."""

    def __init__(self, rows: int, kept: int, size: int, points: int) -> None:
        from fdd.rendering.cpu_kernel import BINNED, GROUP, STORED

        shape = (min(max(points, 2), STORED), 2, GROUP)
        space = np.empty(math.prod(shape) + 7)
        first = -space.ctypes.data // 8 % 8  # no vector of it lies across two lines of the cache
        self.trajectory = space[first : first + math.prod(shape)].reshape(shape)
        # half the memory where it suffices, so that a histogram stays in the nearest cache
        self.cells = np.empty((BINNED, GROUP), np.uint16 if size <= 256 else np.uint32)
        self.counts = np.empty((kept, size, size), np.uint16 if points < 2**16 else np.uint32)
        self.status = np.empty(rows, np.uint8)


_NO_IMAGES = np.empty((0, 0, 0), np.uint8)


def _render_block(
    params: np.ndarray,
    points: int,
    scratch: _Scratch,
    family: Family,
    images: np.ndarray | None,
    palette: str,
) -> tuple[np.ndarray, np.ndarray]:
    """Counts [n, size, size] and degeneracy bool [n] of some rows; only the latter with images."""
    from fdd.rendering.cpu_kernel import DEGENERATE, DONE, UNDECIDED, kernel

    counts, status = scratch.counts[: len(params)], scratch.status[: len(params)]
    pictures = _NO_IMAGES if images is None else images
    kernel(family)(
        *(np.ascontiguousarray(params), points, PALETTES[palette], scratch.trajectory),
        *(scratch.cells, counts, pictures, status),
    )
    for row in np.flatnonzero(status == UNDECIDED):
        orbit = reference.orbit(family, tuple(params[row].tolist()), points)
        exact = reference.counts(orbit, counts.shape[1])
        status[row] = DEGENERATE if exact is None else DONE
        if exact is None:
            continue
        if images is None:
            counts[row] = exact
        else:
            shading.paint(exact.reshape(-1), PALETTES[palette], images[row])
    return counts, status == DEGENERATE


def _render_blocks(
    params: np.ndarray,
    size: int,
    points: int,
    threads: int | None,
    finish: Callable[[slice, np.ndarray, np.ndarray], None],
    family: Family,
    images: np.ndarray | None = None,
    palette: str = "kbc",
) -> None:
    """As `count_groups`; with images uint8 [N, size * size, 3 or 1], fills these instead."""
    from fdd.rendering.cpu_kernel import GROUP

    workers = min(available_threads() if threads is None else threads, -(-len(params) // GROUP))
    rows = _block_rows(len(params), size, points, max(workers, 1))
    scratch = _Scratch(rows, rows if images is None else GROUP, size, points)
    starts = deque(range(0, len(params), rows))

    def work() -> None:
        while starts:
            try:
                start = starts.popleft()
            except IndexError:  # another thread took the last one
                return
            block = slice(start, min(start + rows, len(params)))
            pictures = None if images is None else images[block]
            finish(block, *_render_block(params[block], points, scratch, family, pictures, palette))

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


def count_groups(
    params: np.ndarray,
    size: int,
    points: int,
    threads: int | None,
    finish: Callable[[slice, np.ndarray, np.ndarray], None],
    family: Family = FAMILIES["fractal_dream"],
) -> None:
    """Calls finish(rows, counts [n, size, size], degenerate bool [n]) for blocks of rows.

    Each call comes from the thread that rendered the block, in any order; the counts, uint16 or
    uint32, are scratch memory, valid only during the call. Memory does not grow with the number of
    rows.
    """
    _render_blocks(params, size, points, threads, finish, family)


def shaded(counts: np.ndarray, output: str, palette: str) -> np.ndarray:
    """Counts [N, H, W] as the asked output: counts uint32, or gray or rgb uint8."""
    if output == "rgb":
        return shading.rgb(counts, PALETTES[palette])
    return shading.gray(counts) if output == "gray" else counts.astype(np.uint32, copy=False)


def render_cpu(
    rows: np.ndarray,
    output: str,
    size: int,
    points: int,
    palette: str,
    threads: int | None,
    family: Family,
) -> tuple[np.ndarray, np.ndarray]:
    """The images, as `render` gives them, and which rows are degenerate: bool [N]."""
    kind = np.uint32 if output == "counts" else np.uint8
    images = np.empty((len(rows), size, size, *(3,) * (output == "rgb")), kind)
    degenerate = np.empty(len(rows), bool)
    in_kernel = output != "counts" and points <= shading.BINS
    channels = 3 if output == "rgb" else 1
    pictures = images.reshape(len(rows), size * size, channels) if in_kernel else None

    def finish(block: slice, counts: np.ndarray, without: np.ndarray) -> None:
        degenerate[block] = without
        if not in_kernel:
            images[block] = shaded(counts, output, palette)

    _render_blocks(rows, size, points, threads, finish, family, pictures, palette)
    return images, degenerate
