"""The CPU kernel: sixteen independent images side by side, exact to the bit.

Two vectors of eight lanes advance together, since one alone leaves the processor waiting for its
own results. Where the fast path cannot prove a lane's sine or cosine, the step is repeated for that
lane by the scalar functions; a lane that these leave open too is NaN from there on, and the whole
orbit is left to the reference (status UNDECIDED).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from types import FunctionType
from typing import Any

import numba
import numpy as np

from fdd import exact, reference, simd
from fdd.families import Family, bind
from fdd.jit import jit, source_digest
from fdd.simd import LANES, doubts, maximum, minimum, one_where_equal, truncate, trusted, unlikely
from fdd.simd_memory import address, load, load_column, load_rows, store, store_cells

GROUP = 2 * LANES
"""Images in one call of the kernel."""

STORED = 65536
"""Points of a trajectory kept at a time (16 MiB for a group); longer ones are computed twice."""

BINNED = 2048
"""Points binned at a time, so that their cells stay in the nearest caches."""

CHUNK = 512
"""Points computed between two looks for cycles."""

MANY_REPAIRS = CHUNK // 16
"""More in one chunk hint at a cycle; an orbit without one has a third of that."""

TINY = 1e-300
"""Numbers below this are near zero."""

DONE, DEGENERATE, UNDECIDED = 0, 1, 2

# What `kernel` binds for each family: the number of parameters after the starting point, the step
# on lanes and on numbers, and the functions below that need one of these.
COUNT = 0
step_lanes = step_one = repair = advance = iterate = iterate_part = None

_sign_one = numba.njit(error_model="numpy")(reference.sign)
_where_less_one = numba.njit(error_model="numpy")(reference.where_less)


def _repair(trajectory: Any, t: int, open_lanes: int, params: Any) -> None:
    """Point t of the images in `open_lanes` (bits), from point t - 1 by the scalar step."""
    base = address(params)
    for image in range(GROUP):
        if open_lanes >> image & 1:
            before = trajectory[t - 1, image // LANES, :, image % LANES]
            after = trajectory[t, image // LANES, :, image % LANES]
            values = load_column(base, 2 * GROUP + image, GROUP, COUNT)
            after[0], after[1] = step_one(before[0], before[1], *values)


def _advance(params: Any, trajectory: Any, t: int, points: int, bounds: Any) -> Any:
    """Fills trajectory [t:points] and widens bounds [2, 4, LANES], from point t - 1 on.

    Stops at the first point with lanes in doubt; returns (that point, these lanes as bits), or
    (points, 0). The loop calls nothing, since a call would have every register saved in memory.
    """
    n = LANES
    p, o, g = address(params), address(trajectory) + 8 * 4 * n * (t - 1), address(bounds)
    values = load_rows(p, 4 * n, 2 * n, COUNT)
    values2 = load_rows(p, 5 * n, 2 * n, COUNT)
    x, y, x2, y2 = load(o, 0), load(o, n), load(o, 2 * n), load(o, 3 * n)
    left, right, bottom, top = load(g, 0), load(g, n), load(g, 2 * n), load(g, 3 * n)
    left2, right2, bottom2, top2 = load(g, 4 * n), load(g, 5 * n), load(g, 6 * n), load(g, 7 * n)
    open_lanes = 0
    while True:
        left, right = minimum(x, left), maximum(x, right)
        bottom, top = minimum(y, bottom), maximum(y, top)
        left2, right2 = minimum(x2, left2), maximum(x2, right2)
        bottom2, top2 = minimum(y2, bottom2), maximum(y2, top2)
        if t >= points:
            break
        o += 8 * 4 * n
        x, y = step_lanes(x, y, *values)
        x2, y2 = step_lanes(x2, y2, *values2)
        store(o, 0, x)
        store(o, n, y)
        store(o, 2 * n, x2)
        store(o, 3 * n, y2)
        open_lanes = doubts(x, y) | doubts(x2, y2) << LANES
        if unlikely(open_lanes):
            break
        x, y, x2, y2 = trusted(x), trusted(y), trusted(x2), trusted(y2)
        t += 1
    store(g, 0, left)
    store(g, n, right)
    store(g, 2 * n, bottom)
    store(g, 3 * n, top)
    store(g, 4 * n, left2)
    store(g, 5 * n, right2)
    store(g, 6 * n, bottom2)
    store(g, 7 * n, top2)
    return t, open_lanes


@numba.njit(error_model="numpy")
def _near_zero(point: Any) -> bool:
    return 0.0 < abs(point[0]) < TINY or 0.0 < abs(point[1]) < TINY


@numba.njit(error_model="numpy")
def _period(points: Any) -> int:
    """The smallest period with which an orbit [n, 2] has come back to its last point, or 0."""
    for period in range(1, len(points)):
        if points[-1 - period, 0] == points[-1, 0] and points[-1 - period, 1] == points[-1, 1]:
            return period
    return 0


def _iterate(params: Any, trajectory: Any, points: int, bounds: Any) -> None:
    """Fills trajectory [1:points] from its point 0 and widens bounds [2, 4, LANES] accordingly.

    Two kinds of cycles would hold up an orbit's fifteen neighbours: one of subnormal numbers near
    zero, with which some processors compute a hundred times more slowly, and one with an argument
    that has to be repaired each time it comes. Once such a period is known, the lane computes with
    zeros instead, and its points are copied.
    """
    period = np.zeros(GROUP, np.int64)
    for start in range(1, points, CHUNK):
        stop = min(start + CHUNK, points)
        settled = np.flatnonzero(period)
        last, box = trajectory[start - 1].copy(), bounds.copy()
        for image in settled:
            trajectory[start - 1, image // LANES, :, image % LANES] = 0.0
        t, repairs = start, 0
        while True:
            t, open_lanes = advance(params, trajectory, t, stop, bounds)
            if t >= stop:
                break
            repair(trajectory, t, open_lanes, params)
            repairs += 1
            t += 1
        for image in settled:
            half, lane = image // LANES, image % LANES
            trajectory[start - 1, half, :, lane] = last[half, :, lane]
            bounds[half, :, lane] = box[half, :, lane]
            for t in range(start, stop):
                trajectory[t, half, 0, lane] = trajectory[t - period[image], half, 0, lane]
                trajectory[t, half, 1, lane] = trajectory[t - period[image], half, 1, lane]
        for image in range(GROUP):
            orbit = trajectory[start - 1 : stop, image // LANES, :, image % LANES]
            if period[image] == 0 and (repairs > MANY_REPAIRS or _near_zero(orbit[-1])):
                period[image] = _period(orbit)


@numba.njit(error_model="numpy")
def _bin(trajectory: Any, points: int, bounds: Any, scales: Any, cells: Any, counts: Any) -> None:
    """Adds trajectory [:points] to counts [n, size, size] of the first n images."""
    n = LANES
    size = counts.shape[1]
    one = counts.dtype.type(1)
    flat = counts.reshape(len(counts), size * size)
    o, g, s = address(trajectory), address(bounds), address(scales)
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
                store_cells(cells, t * GROUP + n * half, row, column, size)
        for image in range(len(counts)):
            histogram = flat[image]
            for t in range(length):
                histogram[np.uint64(cells[t, image])] += one


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


def _iterate_part(params: Any, trajectory: Any, points: int, part: int, bounds: Any) -> int:
    """Computes one part of the trajectory and returns its length."""
    stored = trajectory.shape[0]
    if part:
        trajectory[0] = trajectory[stored - 1]
    length = min(stored, points - part * (stored - 1))
    iterate(params, trajectory, length, bounds)
    return length


def _make_count_group(sources: str) -> Any:
    def count_group(
        params: Any, points: int, trajectory: Any, cells: Any, counts: Any, status: Any
    ) -> None:
        """Counts of the first n <= GROUP images.

        params float64 [2 + COUNT, GROUP]; scratch trajectory float64 [2 to STORED, 2, 2, LANES]
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
            length = iterate_part(params, trajectory, points, part, bounds)
        _scale(trajectory, length - 1, bounds, size, scales, status)
        counts[:] = 0
        if parts == 1:
            _bin(trajectory, points, bounds, scales, cells, counts)
        else:
            trajectory[0] = start
            for part in range(parts):
                length = iterate_part(params, trajectory, points, part, bounds)
                new = length if part == parts - 1 else length - 1
                _bin(trajectory, new, bounds, scales, cells, counts)

    return count_group


def _bound(function: Callable[..., Any], **names: Any) -> Callable[..., Any]:
    """The same function with some of its global names bound to other values."""
    assert isinstance(function, FunctionType)
    names = {**function.__globals__, **names}
    return FunctionType(function.__code__, names, function.__name__, None, function.__closure__)


@functools.cache
def kernel(family: Family) -> Any:
    """The compiled `count_group` of a family (see `_make_count_group`), cached on disk."""
    wide = "wide_" if family.argument > exact.NARROW else ""
    lanes_functions = {name: getattr(exact, f"{wide}{name}_lanes") for name in ("sin", "cos")}
    lanes_functions |= {
        name: getattr(simd, name) for name in ("sqrt", "fabs", "sign", "where_less")
    }
    one_functions = {"sin": exact.sin_one, "cos": exact.cos_one, "sqrt": math.sqrt}
    one_functions |= {"fabs": math.fabs, "sign": _sign_one, "where_less": _where_less_one}

    compile_inner = numba.njit(error_model="numpy")
    inline = numba.njit(error_model="numpy", forceinline=True)
    names: dict[str, Any] = {"COUNT": len(family.parameters) - 2}
    names["step_lanes"] = inline(bind(family.step, **lanes_functions))
    names["step_one"] = compile_inner(bind(family.step, **one_functions))
    names["repair"] = compile_inner(_bound(_repair, **names))
    names["advance"] = compile_inner(_bound(_advance, **names))
    names["iterate"] = compile_inner(_bound(_iterate, **names))
    names["iterate_part"] = compile_inner(_bound(_iterate_part, **names))
    # numba's cache keys a function by its code and closure: the family has to be part of these
    return jit(_bound(_make_count_group(f"{family.name} {_SOURCES}"), **names))


_SOURCES = source_digest(
    "exact", "families", "jit", "reference", "render_cpu", "simd", "simd_memory", "sine_table"
)
