"""The CPU kernel: sixteen independent images side by side, exact to the bit.

Two vectors of eight lanes advance together, since one alone leaves the processor waiting for its
own results. A lane whose sine the fast path cannot prove turns NaN; the step is then repeated for
that lane by the scalar sine. What is still NaN is left to the reference (status UNDECIDED).
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np

from fdd.exact import sin_lanes, sin_one
from fdd.families import FAMILIES, bind
from fdd.jit import jit, source_digest
from fdd.simd import (
    LANES,
    address,
    any_nan,
    load,
    maximum,
    minimum,
    one_where_equal,
    store,
    store_cells,
    truncate,
)

GROUP = 2 * LANES
"""Images in one call of the kernel."""

STORED = 65536
"""Points of a trajectory kept at a time (16 MiB for a group); longer ones are computed twice."""

BINNED = 128
"""Points binned at a time, so that their cells stay in the first-level cache."""

DONE, DEGENERATE, UNDECIDED = 0, 1, 2

_step = FAMILIES["fractal_dream"].step
_step_lanes = numba.njit(inline="always", error_model="numpy")(bind(_step, sin=sin_lanes))
_step_one = numba.njit(error_model="numpy")(bind(_step, sin=sin_one))


@numba.njit(error_model="numpy")
def _repair(trajectory: Any, t: int, params: Any) -> None:
    """Point t of the lanes that are NaN, from point t - 1 by the scalar step."""
    for image in range(GROUP):
        before = trajectory[t - 1, image // LANES, :, image % LANES]
        after = trajectory[t, image // LANES, :, image % LANES]
        if math.isnan(after[0] + after[1]):
            a, b, c, d = params[2:, image]
            after[0], after[1] = _step_one(before[0], before[1], a, b, c, d)


@numba.njit(error_model="numpy")
def _iterate(params: Any, trajectory: Any, points: int, bounds: Any) -> None:
    """Fills trajectory [1:points] from its point 0 and widens bounds [2, 4, LANES] accordingly."""
    p, o, g = address(params), address(trajectory), address(bounds)
    n = LANES
    a, b, c, d = load(p, 4 * n), load(p, 6 * n), load(p, 8 * n), load(p, 10 * n)
    a2, b2, c2, d2 = load(p, 5 * n), load(p, 7 * n), load(p, 9 * n), load(p, 11 * n)
    x, y, x2, y2 = load(o, 0), load(o, n), load(o, 2 * n), load(o, 3 * n)
    left, right, bottom, top = load(g, 0), load(g, n), load(g, 2 * n), load(g, 3 * n)
    left2, right2, bottom2, top2 = load(g, 4 * n), load(g, 5 * n), load(g, 6 * n), load(g, 7 * n)
    for t in range(1, points):
        o += 8 * 4 * n
        x, y = _step_lanes(x, y, a, b, c, d)
        x2, y2 = _step_lanes(x2, y2, a2, b2, c2, d2)
        store(o, 0, x)
        store(o, n, y)
        store(o, 2 * n, x2)
        store(o, 3 * n, y2)
        if any_nan(x + x2, y + y2):
            _repair(trajectory, t, params)
            x, y, x2, y2 = load(o, 0), load(o, n), load(o, 2 * n), load(o, 3 * n)
        left, right = minimum(x, left), maximum(x, right)
        bottom, top = minimum(y, bottom), maximum(y, top)
        left2, right2 = minimum(x2, left2), maximum(x2, right2)
        bottom2, top2 = minimum(y2, bottom2), maximum(y2, top2)
    store(g, 0, left)
    store(g, n, right)
    store(g, 2 * n, bottom)
    store(g, 3 * n, top)
    store(g, 4 * n, left2)
    store(g, 5 * n, right2)
    store(g, 6 * n, bottom2)
    store(g, 7 * n, top2)


@numba.njit(error_model="numpy")
def _bin(trajectory: Any, points: int, bounds: Any, scales: Any, cells: Any, counts: Any) -> None:
    """Adds trajectory [:points] to counts [n, size, size] of the first n images."""
    n = LANES
    size = counts.shape[1]
    flat = counts.reshape(len(counts), size * size)
    o, g, s, z = address(trajectory), address(bounds), address(scales), address(cells)
    for start in range(0, points, BINNED):
        length = min(BINNED, points - start)
        for half in range(2):
            h = 4 * n * half
            right, top = load(g, h + n), load(g, h + 3 * n)
            x_scale, x_shift = load(s, h), load(s, h + n)
            y_scale, y_shift = load(s, h + 2 * n), load(s, h + 3 * n)
            last, zero = x_scale * 0.0 + (size - 1.0), x_scale * 0.0
            for t in range(length):
                point = (start + t) * 4 * n + 2 * n * half
                x, y = load(o, point), load(o, point + n)
                column = truncate(x * x_scale + x_shift) - one_where_equal(x, right)
                row = truncate(y * y_scale + y_shift) - one_where_equal(y, top)
                column = maximum(minimum(column, last), zero)
                row = last - maximum(minimum(row, last), zero)
                store_cells(z, t * GROUP + n * half, row, column, size)
        for image in range(len(counts)):
            histogram = flat[image]
            for t in range(length):
                histogram[np.uint64(cells[t, image])] += np.uint32(1)


@numba.njit(error_model="numpy")
def _scale(trajectory: Any, last: int, bounds: Any, size: int, scales: Any, status: Any) -> None:
    """Scale and shift of each image's two axes, and which images have none."""
    for image in range(GROUP):
        half, lane = image // LANES, image % LANES
        status[image] = DONE
        for axis in range(2):
            low, high = bounds[half, 2 * axis, lane], bounds[half, 2 * axis + 1, lane]
            scale = size / (high - low)
            shift = -low * scale
            if not (math.isfinite(scale) and math.isfinite(shift)):
                status[image] = DEGENERATE
                scale = shift = 0.0
            scales[half, 2 * axis, lane] = scale
            scales[half, 2 * axis + 1, lane] = shift
        if math.isnan(trajectory[last, half, 0, lane] + trajectory[last, half, 1, lane]):
            status[image] = UNDECIDED


@numba.njit(error_model="numpy")
def _parts(points: int, stored: int) -> int:
    """In how many parts a trajectory is computed; each begins with the last point of the former."""
    return max(1, -(-(points - 1) // (stored - 1)))


@numba.njit(error_model="numpy")
def _iterate_part(params: Any, trajectory: Any, points: int, part: int, bounds: Any) -> int:
    """Computes one part of the trajectory and returns its length."""
    stored = trajectory.shape[0]
    if part:
        trajectory[0] = trajectory[stored - 1]
    length = min(stored, points - part * (stored - 1))
    _iterate(params, trajectory, length, bounds)
    return length


def _make_kernel(sources: str) -> Any:
    @jit
    def count_group(
        params: Any, points: int, trajectory: Any, cells: Any, counts: Any, status: Any
    ) -> None:
        """Counts of the first n <= GROUP images.

        params float64 [6, GROUP]; scratch trajectory float64 [2 to STORED, 2, 2, LANES]
        and cells int32 [BINNED, GROUP]; results counts uint32 [n, size, size] and status
        uint8 [GROUP]: DONE, DEGENERATE (no counts) or UNDECIDED (counts are to be ignored).
        """
        sources  # noqa: B018  a key of the compiled code's cache
        size = counts.shape[1]
        bounds = np.empty((2, 4, LANES))
        scales = np.empty((2, 4, LANES))
        for image in range(GROUP):
            half, lane = image // LANES, image % LANES
            for axis in range(2):
                trajectory[0, half, axis, lane] = params[axis, image]
                bounds[half, 2 * axis : 2 * axis + 2, lane] = params[axis, image]
        start = trajectory[0].copy()
        parts = _parts(points, trajectory.shape[0])
        for part in range(parts):
            length = _iterate_part(params, trajectory, points, part, bounds)
        _scale(trajectory, length - 1, bounds, size, scales, status)
        counts[:] = 0
        if parts == 1:
            _bin(trajectory, points, bounds, scales, cells, counts)
        else:
            trajectory[0] = start
            for part in range(parts):
                length = _iterate_part(params, trajectory, points, part, bounds)
                new = length if part == parts - 1 else length - 1
                _bin(trajectory, new, bounds, scales, cells, counts)

    return count_group


count_group = _make_kernel(source_digest("exact", "families", "jit", "render_cpu", "simd"))
