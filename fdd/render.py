"""`render`: parameters to counts or images, exact, in groups that run on several threads."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from fdd import reference, shade
from fdd.checks import known, whole_number
from fdd.errors import FddError
from fdd.families import FAMILIES, Family
from fdd.palettes import PALETTES
from fdd.params import as_params

Output = Literal["rgb", "gray", "counts"]
OUTPUTS = ("rgb", "gray", "counts")
DEVICES = ("cpu",)
MAX_SIZE = 4096
MAX_POINTS = 2**32 - 1

FAMILY = FAMILIES["fractal_dream"]


def available_threads() -> int:
    """The number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def checked_params(params: ArrayLike, family: Family = FAMILY) -> np.ndarray:
    """Parameters as float64 [N, P] or [P]; refused when not numbers, not finite or out of range."""
    array = as_params(params, family.parameters)
    if array.ndim > 2:
        raise FddError(
            f"params has shape {list(array.shape)}; it must be [N, {array.shape[-1]}] or "
            f"[{array.shape[-1]}], columns {', '.join(family.parameters)}"
        )
    rows = array.reshape(-1, array.shape[-1])
    low, high = np.array(family.ranges).T
    whole = np.isin(family.parameters, family.whole)
    good = (rows >= low) & (rows <= high) & (~whole | (rows == np.trunc(rows)))
    for row, column in np.argwhere(~good)[:1]:
        kind = "whole" if whole[column] else "finite"
        raise FddError(
            f"params: {family.parameters[column]}={float(rows[row, column])!r} in row {row} must "
            f"be a {kind} number from {low[column]:g} to {high[column]:g}"
        )
    return array


class _Scratch(threading.local):
    """Working memory of each thread, kept from group to group of one call."""

    def __init__(self, size: int, points: int) -> None:
        from fdd.render_cpu import BINNED, GROUP, LANES, STORED

        self.trajectory = np.empty((min(max(points, 2), STORED), 2, 2, LANES))
        # half the memory where it suffices, so that a histogram stays in the nearest cache
        self.cells = np.empty((BINNED, GROUP), np.uint16 if size <= 256 else np.uint32)
        self.counts = np.empty((GROUP, size, size), np.uint16 if points < 2**16 else np.uint32)
        self.status = np.empty(GROUP, np.uint8)


def _count_group(
    params: np.ndarray, points: int, scratch: _Scratch, family: Family
) -> tuple[np.ndarray, Any]:
    """Counts [n, size, size] and degeneracy bool [n] of at most GROUP parameter rows."""
    from fdd.render_cpu import DEGENERATE, DONE, GROUP, UNDECIDED, kernel

    padded = params[np.minimum(np.arange(GROUP), len(params) - 1)]
    counts, status = scratch.counts[: len(params)], scratch.status
    kernel(family)(
        np.ascontiguousarray(padded.T), points, scratch.trajectory, scratch.cells, counts, status
    )
    status = status[: len(params)]
    for row in np.flatnonzero(status == UNDECIDED):
        orbit = reference.orbit(family, tuple(params[row].tolist()), points)
        exact = reference.counts(orbit, counts.shape[1])
        status[row] = DEGENERATE if exact is None else DONE
        if exact is not None:
            counts[row] = exact
    return counts, status == DEGENERATE


def count_groups(
    params: np.ndarray,
    size: int,
    points: int,
    threads: int | None,
    finish: Callable[[slice, np.ndarray, np.ndarray], None],
    family: Family = FAMILY,
) -> None:
    """Calls finish(rows, counts [n, size, size], degenerate bool [n]) for groups of rows.

    Each call comes from the thread that rendered the group, in any order; the counts, uint16 or
    uint32, are scratch memory, valid only during the call. Memory does not grow with the number of
    rows.
    """
    from fdd.render_cpu import GROUP

    scratch = _Scratch(size, points)
    starts = deque(range(0, len(params), GROUP))

    def work() -> None:
        while starts:
            try:
                start = starts.popleft()
            except IndexError:  # another thread took the last one
                return
            rows = slice(start, min(start + GROUP, len(params)))
            finish(rows, *_count_group(params[rows], points, scratch, family))

    workers = min(available_threads() if threads is None else threads, -(-len(params) // GROUP))
    if workers <= 1:
        work()
        return
    with ThreadPoolExecutor(workers) as pool:
        futures = [pool.submit(work) for _ in range(workers)]
        try:
            for future in wait(futures, return_when=FIRST_EXCEPTION).done:
                future.result()
        finally:  # after an error or an interruption the other threads stop at their next group
            starts.clear()


def shaded(
    counts: np.ndarray, output: str, palette: str, out: np.ndarray | None = None
) -> np.ndarray:
    """Counts [N, H, W] as the asked output, counts uint32, gray or rgb uint8; in `out` if given."""
    if output == "rgb":
        return shade.rgb(counts, PALETTES[palette], out)
    if output == "gray":
        return shade.gray(counts, out)
    if out is None:
        return counts.astype(np.uint32, copy=False)
    out[...] = counts
    return out


def render(
    params: ArrayLike,
    output: Output = "rgb",
    size: int = 128,
    points: int = 60000,
    palette: str = "kbc",
    device: str = "cpu",
    threads: int | None = None,
    family: str = "fractal_dream",
) -> np.ndarray:
    """Draws attractors, exact to the byte whatever the batch, the threads or the processor.

    Parameters
    ----------
    params : float array [N, P] or [P]
        Rows of the family's parameters within its ranges; for the Fractal Dream P is 6: (x0, y0, a,
        b, c, d), x0 and y0 in [-1, 1], the others in [-3, 3].
    output : "rgb", "gray" or "counts"
        Palette colours on white, ink on white paper (see `fdd.shade.gray`), or visits to each cell.
    size : int
        Width and height in pixels, 2 to 4096.
    points : int
        Length of the trajectory, its starting point counted.
    palette : "kbc", "inferno" or "viridis"
        Colours of the output "rgb".
    device : "cpu"
        Where to render.
    threads : int, optional
        Number of threads; by default one for each processor that this process may use.
    family : str
        The attractor: a name in `fdd.families`, which tells its equation, parameters and ranges.

    Returns
    -------
    array
        uint8 [N, size, size, 3], uint8 [N, size, size] or uint32 [N, size, size]; without the
        first axis if `params` is one row. Row 0 is the top of the image, where y is largest.

    Raises
    ------
    FddError
        An argument out of its range, or degenerate parameters: an orbit that is constant in x or
        in y, leaves the finite numbers or exceeds the family's `argument` has no image.
    """
    known("output", output, OUTPUTS)
    known("palette", palette, PALETTES)
    known("device", device, DEVICES)
    size = whole_number("size", size, 2, MAX_SIZE)
    points = whole_number("points", points, 1, MAX_POINTS)
    if threads is not None:
        threads = whole_number("threads", threads, 1)
    known("family", family, FAMILIES)
    attractor = FAMILIES[family]
    array = checked_params(params, attractor)
    rows = array.reshape(-1, array.shape[-1])
    kind = np.uint32 if output == "counts" else np.uint8
    images = np.empty((len(rows), size, size, *(3,) * (output == "rgb")), kind)

    without_image: list[int] = []

    def finish(group: slice, counts: np.ndarray, degenerate: np.ndarray) -> None:
        without_image.extend(np.flatnonzero(degenerate) + group.start)
        shaded(counts, output, palette, images[group])

    count_groups(rows, size, points, threads, finish, attractor)
    if without_image:
        row = min(without_image)
        from fdd.exact import NARROW

        wild = "" if 0 < attractor.argument <= NARROW else ", or not finite,"
        raise FddError(
            f"params row {row}, {tuple(rows[row].tolist())}, is degenerate: its orbit of "
            f"{points} points is constant in x or in y{wild} and has no image"
        )
    return images if array.ndim == 2 else images[0]
