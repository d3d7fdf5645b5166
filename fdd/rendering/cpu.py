"""Rendering on the CPU: blocks of images on several threads, and what the kernel leaves open."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import replace
from typing import Any

import numpy as np

from fdd.arithmetic.compiling import is_cached, is_compiled
from fdd.attractors.families import FAMILIES
from fdd.defaults import with_defaults
from fdd.devices import available_threads
from fdd.rendering import shading, uncompiled
from fdd.rendering.cpu_kernel import (
    BINNED,
    COLUMNS,
    DEGENERATE,
    DONE,
    GROUP,
    PROBED,
    STORED,
    UNDECIDED,
    kernel,
    selector,
)
from fdd.rendering.drawing import Drawing
from fdd.rendering.shading import shaded

Finish = Callable[[slice, np.ndarray, np.ndarray], None]
"""What is done with a block: its rows, counts [n, size, size], degeneracy bool [n]."""

_NO_IMAGES = np.empty((0, 0, 0), np.uint8)


@with_defaults
def render_cpu(
    drawing: Drawing, params: np.ndarray, threads: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Images as `fdd.render` gives them, and which rows are degenerate: bool [N].

    params: float64 [N, P], checked. The images of degenerate rows are empty.
    """
    call, arguments = _kernel_call(drawing)
    if not is_compiled(call, *arguments) and uncompiled.draws(
        drawing, len(params), is_cached(call)
    ):
        return uncompiled.render_by_reference(drawing, params)
    _compile(call, arguments)
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


@with_defaults
def count_groups(
    drawing: Drawing, params: np.ndarray, finish: Finish, threads: int | None = None
) -> None:
    """Calls finish(rows, counts [n, size, size], degenerate bool [n]) for blocks of rows.

    Each call comes from the thread that rendered the block, in any order; the counts, uint16 or
    uint32, are scratch memory, valid only during the call, and those of degenerate rows mean
    nothing. Memory does not grow with the number of rows.
    """
    _compile(*_kernel_call(drawing))
    _render_blocks(drawing, params, finish, threads)


@with_defaults
def select(
    drawing: Drawing,
    params: np.ndarray,
    needed: int,
    counts: np.ndarray,
    threads: int | None = None,
) -> np.ndarray:
    """Which rows occupy at least `needed` cells, bool [N]; the degenerate occupy none.

    params: float64 [N, P], checked; counts: unsigned [N, size, size], receives those of these rows
    and may hold anything in the others, or [0, size, size] if they are not wanted. It takes about
    two thirds of the time of `count_groups` for uniform candidates (see `cpu_kernel.selector`).
    """
    accepted = np.empty(len(params), bool)
    probed = min(PROBED, drawing.points // 8)
    if probed < 2 or drawing.points > STORED:  # nothing to gain, or parts of trajectories

        def finish(block: slice, found: np.ndarray, degenerate: np.ndarray) -> None:
            occupied = np.count_nonzero(found.reshape(len(found), -1), axis=1)
            accepted[block] = (occupied >= needed) & ~degenerate
            if len(counts):
                counts[block] = found

        count_groups(drawing, params, finish, threads)
        return accepted
    _compile(*_selector_call(drawing, counts.dtype))
    workers = _workers(len(params), threads)
    # as long as possible: the last candidates of a block leave lanes without work
    rows = max(1, -(-len(params) // (max(workers, 1) * GROUP))) * GROUP
    scratch = _Scratch(drawing, rows, GROUP)
    probes = _Probes(drawing, probed)

    def work(block: slice) -> None:
        accepted[block] = _select_block(
            drawing, params[block], needed, scratch, probes, counts[block]
        )

    _in_threads(work, len(params), rows, workers)
    return accepted


def _workers(rows: int, threads: int | None) -> int:
    """How many threads have a group of rows to render."""
    return min(available_threads() if threads is None else threads, -(-rows // GROUP))


def _in_threads(work: Callable[[slice], None], total: int, rows: int, workers: int) -> None:
    """Calls work(block) for blocks of `rows` of all `total` rows, from several threads.

    After an error or an interruption the other threads stop at their next block.
    """
    starts = deque(range(0, total, rows))

    def take() -> None:
        while starts:
            try:
                start = starts.popleft()
            except IndexError:  # another thread took the last one
                return
            work(slice(start, min(start + rows, total)))

    if workers <= 1:
        take()
        return
    with ThreadPoolExecutor(workers) as pool:
        futures = [pool.submit(take) for _ in range(workers)]
        try:
            for future in wait(futures, return_when=FIRST_EXCEPTION).done:
                future.result()
        finally:
            starts.clear()


def _render_blocks(
    drawing: Drawing,
    params: np.ndarray,
    finish: Finish,
    threads: int | None,
    images: np.ndarray | None = None,
) -> None:
    """As `count_groups`; with images uint8 [N, size * size, 3 or 1], fills these instead."""
    workers = _workers(len(params), threads)
    rows = _block_rows(drawing, len(params), max(workers, 1))
    scratch = _Scratch(drawing, rows, rows if images is None else GROUP)

    def work(block: slice) -> None:
        pictures = None if images is None else images[block]
        finish(block, *_render_block(drawing, params[block], scratch, pictures))

    _in_threads(work, len(params), rows, workers)


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
        self.counts = np.empty((kept, size, size), drawing.count_kind)
        self.status = np.empty(rows, np.uint8)
        parameters = len(FAMILIES[drawing.family].parameters)
        self.numbers = np.empty((COLUMNS + parameters, GROUP))
        self.notes = np.empty((5, GROUP), np.int64)
        self.levels = shading.scratch()


class _Probes(threading.local):
    """More working memory of each thread, for the first points of candidates."""

    def __init__(self, drawing: Drawing, probed: int) -> None:
        parameters = len(FAMILIES[drawing.family].parameters)
        self.trajectory = np.empty((probed, 2, GROUP))
        self.numbers = np.empty((COLUMNS + parameters, GROUP))


def _select_arguments(
    drawing: Drawing,
    params: np.ndarray,
    needed: int,
    scratch: _Scratch,
    probes: _Probes,
    counts: np.ndarray,
) -> tuple[Any, ...]:
    """What the selector of a family takes."""
    return (
        np.ascontiguousarray(params),
        drawing.points,
        needed,
        scratch.trajectory,
        probes.trajectory,
        scratch.cells,
        probes.numbers,
        scratch.numbers,
        scratch.notes,
        scratch.counts,
        counts,
        scratch.status[: len(params)],
    )


def _select_block(
    drawing: Drawing,
    params: np.ndarray,
    needed: int,
    scratch: _Scratch,
    probes: _Probes,
    counts: np.ndarray,
) -> np.ndarray:
    """`select` for some rows; counts [n, size, size], or none, [0, size, size]."""
    status = scratch.status[: len(params)]
    arguments = _select_arguments(drawing, params, needed, scratch, probes, counts)
    selector(FAMILIES[drawing.family])(*arguments)
    accepted = status == DONE
    for row in np.flatnonzero(status == UNDECIDED):
        exact = uncompiled.counts_by_reference(drawing, params[row])
        accepted[row] = exact is not None and np.count_nonzero(exact) >= needed
        if accepted[row] and len(counts):
            counts[row] = exact
    return accepted


def _arguments(
    drawing: Drawing, params: np.ndarray, scratch: _Scratch, images: np.ndarray | None
) -> tuple[Any, ...]:
    """What the kernel of a family takes."""
    return (
        np.ascontiguousarray(params),
        drawing.points,
        drawing.colours,
        scratch.trajectory,
        scratch.cells,
        scratch.numbers,
        scratch.notes,
        scratch.levels,
        scratch.counts[: len(params)],
        _NO_IMAGES if images is None else images,
        scratch.status[: len(params)],
    )


def _render_block(
    drawing: Drawing, params: np.ndarray, scratch: _Scratch, images: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Counts [n, size, size] and degeneracy bool [n] of some rows; only the latter with images."""
    counts, status = scratch.counts[: len(params)], scratch.status[: len(params)]
    kernel(FAMILIES[drawing.family])(*_arguments(drawing, params, scratch, images))
    for row in np.flatnonzero(status == UNDECIDED):
        exact = uncompiled.counts_by_reference(drawing, params[row])
        status[row] = DEGENERATE if exact is None else DONE
        if exact is None:
            continue
        if images is None:
            counts[row] = exact
        else:
            shading.paint(exact.reshape(-1), drawing.colours, images[row], scratch.levels)
    return counts, status == DEGENERATE


def _smallest(drawing: Drawing) -> tuple[Drawing, np.ndarray]:
    """A drawing that needs the same compiled code as another one, and parameters for it."""
    points = 16 if drawing.points < 2**16 else 2**16
    size = 2 if drawing.size <= 256 else 257
    middle = np.array([[(low + high) / 2 for low, high in FAMILIES[drawing.family].ranges]])
    return replace(drawing, size=size, points=points), middle


def _kernel_call(drawing: Drawing) -> tuple[Any, tuple[Any, ...]]:
    """The kernel that a drawing needs, and arguments for a short call of it."""
    small, params = _smallest(drawing)
    return kernel(FAMILIES[small.family]), _arguments(small, params, _Scratch(small, 1, 1), None)


def _selector_call(drawing: Drawing, kind: np.dtype) -> tuple[Any, tuple[Any, ...]]:
    """The selector that a drawing needs, and arguments for a short call of it."""
    small, params = _smallest(drawing)
    scratch, probes = _Scratch(small, 1, GROUP), _Probes(small, 2)
    counts = np.empty((1, small.size, small.size), kind)
    arguments = _select_arguments(small, params, 1, scratch, probes, counts)
    return selector(FAMILIES[small.family]), arguments


def _compile(call: Any, arguments: tuple[Any, ...]) -> None:
    """Waits until code is compiled, here or by the process that began with it, and says so."""
    if not is_compiled(call, *arguments):
        uncompiled.wait()
    if not is_compiled(call, *arguments):
        with uncompiled.announced():
            call(*arguments)


def compile_for(family: str, size: int, points: int) -> None:
    """Compiles what draws, and then what selects, images of that size, of that many points."""
    drawing = Drawing(family, size, points)
    _compile(*_kernel_call(drawing))
    if points <= STORED:
        _compile(*_selector_call(drawing, np.dtype(np.uint16)))
