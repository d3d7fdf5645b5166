"""The CPU kernel: blocks of images, sixteen side by side, exact to the bit.

Sixteen orbits advance together as one `fdd.arithmetic.lanes` value. Where the fast path cannot
prove a lane's sine or cosine, the step is repeated for that lane by the scalar functions; a lane
that these leave open too is NaN from there on, and the whole orbit is left to the reference (status
UNDECIDED). Points are binned and the counts coloured before the next sixteen begin, while they are
in the processor's caches.
"""

from __future__ import annotations

import functools
import hashlib
import math
from collections.abc import Callable
from types import FunctionType
from typing import Any

import numba
import numpy as np

from fdd.arithmetic import lanes, sines
from fdd.arithmetic.compiling import jit, source_digest
from fdd.arithmetic.lane_memory import address, load, load_column, load_rows, store, store_cells
from fdd.arithmetic.lanes import (
    LANES,
    doubts,
    maximum,
    minimum,
    one_where_equal,
    truncate,
    trusted,
    unlikely,
)
from fdd.attractors import reference
from fdd.attractors.families import Family, bind
from fdd.rendering import shading

GROUP = LANES
"""Images side by side."""

STORED = 65536
"""Points of a trajectory kept at a time (16 MiB for a group); longer ones are computed twice."""

BINNED = 512
"""Points binned at a time, so that their cells stay in the nearest caches."""

CHUNK = 512
"""Points computed between two looks for cycles."""

MANY_REPAIRS = CHUNK // 16
"""More repairs than this in one chunk hint at a cycle; other orbits need a third of that."""

TINY = 1e-300
"""Numbers below this are near zero."""

PROBED = 4096
"""Points of a candidate after which `selector` asks whether its orbit has come back."""

LOOK_BACK = 1024
"""The longest period that it finds."""

DONE, DEGENERATE, UNDECIDED, REFUSED = 0, 1, 2, 3

BOUNDS, SCALES, LAST, BOX, COLUMNS = slice(0, 4), slice(4, 8), slice(8, 10), slice(10, 14), 14
"""Rows of the kernel's scratch numbers. It allocates nothing and assigns no slices: each would have
numba compile error messages, with strings and joins, for a second or more."""

# What `kernel` binds for each family: the number of parameters after the starting point, the step
# on lanes and on numbers, and the functions below that need one of these.
COUNT = 0
step_lanes = step_one = repair = advance = iterate = iterate_part = count_group = settle = None

_sign_one = numba.njit(error_model="numpy")(reference.sign)
_where_less_one = numba.njit(error_model="numpy")(reference.where_less)


def _repair(trajectory: Any, t: int, open_lanes: int, params: Any) -> None:
    """Point t of the images in `open_lanes` (bits), from point t - 1 by the scalar step."""
    base = address(params)
    for image in range(GROUP):
        if open_lanes >> image & 1:
            before, after = trajectory[t - 1, :, image], trajectory[t, :, image]
            values = load_column(base, 2 * GROUP + image, GROUP, COUNT)
            after[0], after[1] = step_one(before[0], before[1], *values)


def _advance(params: Any, trajectory: Any, t: int, points: int, bounds: Any) -> Any:
    """Fills trajectory [t:points] and widens bounds [4, GROUP], from point t - 1 on.

    Stops at the first point with lanes in doubt; returns (that point, these lanes as bits), or
    (points, 0). The loop calls nothing, since a call would have every register saved in memory.
    """
    n = GROUP
    p, o, g = address(params), address(trajectory) + 8 * 2 * n * (t - 1), address(bounds)
    values = load_rows(p, 2 * n, n, COUNT)
    x, y = load(o, 0), load(o, n)
    left, right, bottom, top = load(g, 0), load(g, n), load(g, 2 * n), load(g, 3 * n)
    open_lanes = 0
    while True:
        left, right = minimum(x, left), maximum(x, right)
        bottom, top = minimum(y, bottom), maximum(y, top)
        if t >= points:
            break
        o += 8 * 2 * n
        x, y = step_lanes(x, y, *values)
        store(o, 0, x)
        store(o, n, y)
        open_lanes = doubts(x, y)
        if unlikely(open_lanes):
            break
        x, y = trusted(x), trusted(y)
        t += 1
    store(g, 0, left)
    store(g, n, right)
    store(g, 2 * n, bottom)
    store(g, 3 * n, top)
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


def _iterate(
    params: Any, trajectory: Any, begin: int, points: int, numbers: Any, period: Any
) -> None:
    """Fills trajectory [begin:points] from the points before and widens the bounds in numbers.

    Two kinds of cycles would hold up an orbit's fifteen neighbours: one of subnormal numbers near
    zero, with which some processors compute a hundred times more slowly, and one with an argument
    that has to be repaired each time it comes. Once such a period is known, the lane computes with
    zeros instead, and its points are copied.
    """
    bounds, last, box = numbers[BOUNDS], numbers[LAST], numbers[BOX]
    for image in range(GROUP):
        period[image] = 0
    for start in range(begin, points, CHUNK):
        stop = min(start + CHUNK, points)
        for image in range(GROUP):
            if period[image]:
                for axis in range(2):
                    last[axis, image] = trajectory[start - 1, axis, image]
                    trajectory[start - 1, axis, image] = 0.0
                for side in range(4):
                    box[side, image] = bounds[side, image]
        t, repairs = start, 0
        while True:
            t, open_lanes = advance(params, trajectory, t, stop, bounds)
            if t >= stop:
                break
            repair(trajectory, t, open_lanes, params)
            repairs += 1
            t += 1
        for image in range(GROUP):
            if period[image]:
                for side in range(4):
                    bounds[side, image] = box[side, image]
                for axis in range(2):
                    trajectory[start - 1, axis, image] = last[axis, image]
                    for t in range(start, stop):
                        before = trajectory[t - period[image], axis, image]
                        trajectory[t, axis, image] = before
            elif repairs > MANY_REPAIRS or _near_zero(trajectory[stop - 1, :, image]):
                period[image] = _period(trajectory[start - 1 : stop, :, image])


@numba.njit(error_model="numpy")
def _bin(trajectory: Any, points: int, bounds: Any, scales: Any, cells: Any, counts: Any) -> None:
    """Adds trajectory [:points] to counts [n, size, size] of the first n images."""
    n = GROUP
    size = counts.shape[1]
    one = counts.dtype.type(1)
    flat = counts.reshape(len(counts), size * size)
    o, g, s = address(trajectory), address(bounds), address(scales)
    right, top = load(g, n), load(g, 3 * n)
    x_scale, x_shift, y_scale, y_shift = load(s, 0), load(s, n), load(s, 2 * n), load(s, 3 * n)
    last, zero = x_scale * 0.0 + (size - 1.0), x_scale * 0.0
    for start in range(0, points, BINNED):
        length = min(BINNED, points - start)
        for t in range(length):
            point = (start + t) * 2 * n
            x, y = load(o, point), load(o, point + n)
            column = truncate(x * x_scale + x_shift) - one_where_equal(x, right)
            row = truncate(y * y_scale + y_shift) - one_where_equal(y, top)
            column = maximum(minimum(column, last), zero)
            row = last - maximum(minimum(row, last), zero)
            store_cells(cells, t * n, row, column, size)
        for image in range(len(counts)):
            histogram = flat[image]
            for t in range(length):
                histogram[np.uint64(cells[t, image])] += one


@numba.njit(error_model="numpy")
def _scale(last: Any, bounds: Any, size: int, scales: Any, status: Any) -> None:
    """Scale and shift of each image's two axes, and which images have none; last [2, GROUP]."""
    for image in range(GROUP):
        status[image] = DONE
        for axis in range(2):
            low, high = bounds[2 * axis, image], bounds[2 * axis + 1, image]
            scale = size / (high - low)
            shift = -low * scale
            if not (math.isfinite(scale) and math.isfinite(shift)):
                status[image] = DEGENERATE
                scale = shift = 0.0
            scales[2 * axis, image] = scale
            scales[2 * axis + 1, image] = shift
        if math.isnan(last[0, image] + last[1, image]):
            status[image] = UNDECIDED


@numba.njit(error_model="numpy")
def _parts(points: int, stored: int) -> int:
    """In how many parts a trajectory is computed; each begins with the last point before it."""
    return max(1, -(-(points - 1) // (stored - 1)))


def _iterate_part(
    params: Any, trajectory: Any, points: int, part: int, numbers: Any, period: Any
) -> int:
    """Computes one part of the trajectory and returns its length."""
    stored = trajectory.shape[0]
    for image in range(GROUP):
        for axis in range(2):
            first = trajectory[stored - 1, axis, image] if part else params[axis, image]
            trajectory[0, axis, image] = first
    length = min(stored, points - part * (stored - 1))
    iterate(params, trajectory, 1, length, numbers, period)
    return length


@numba.njit(error_model="numpy")
def _clear(counts: Any) -> None:
    flat = counts.reshape(counts.size)
    for cell in range(flat.size):
        flat[cell] = 0


@numba.njit(error_model="numpy")
def _begin(numbers: Any, counts: Any) -> None:
    """Bounds of the starting points alone, and no counts."""
    for image in range(GROUP):
        for side in range(4):
            numbers[side, image] = numbers[COLUMNS + side // 2, image]
    _clear(counts)


def _count_group(
    points: int, trajectory: Any, cells: Any, numbers: Any, period: Any, counts: Any, status: Any
) -> None:
    """Counts of the first n <= GROUP images, from the parameters in numbers [COLUMNS:].

    The results are counts [n, size, size] and status [GROUP]; the others are scratch.
    """
    size = counts.shape[1]
    params, bounds, scales = numbers[COLUMNS:], numbers[BOUNDS], numbers[SCALES]
    _begin(numbers, counts)
    parts = _parts(points, trajectory.shape[0])
    for part in range(parts):
        length = iterate_part(params, trajectory, points, part, numbers, period)
    _scale(trajectory[length - 1], bounds, size, scales, status)
    for part in range(parts):
        if parts > 1:  # what was stored of the trajectory is its end alone
            length = iterate_part(params, trajectory, points, part, numbers, period)
        new = length if part == parts - 1 else length - 1
        _bin(trajectory, new, bounds, scales, cells, counts)


def _make_render_rows(sources: str) -> Any:
    def render_rows(
        params: Any,
        points: int,
        palette: Any,
        trajectory: Any,
        cells: Any,
        numbers: Any,
        notes: Any,
        levels: Any,
        counts: Any,
        images: Any,
        status: Any,
    ) -> None:
        """Counts of params float64 [n, 2 + COUNT] and, where asked for, their images.

        Results: counts, unsigned [n, size, size], or [GROUP, size, size] if they are not to be
        kept; images uint8 [n, size * size, 3] in colours or [n, size * size, 1] in gray, or none,
        [0, 0, 0] (points at most `fdd.rendering.shading.BINS` otherwise); status uint8 [n]: DONE,
        DEGENERATE (no counts) or UNDECIDED (counts to be ignored). Scratch: trajectory float64 [2
        to STORED, 2, GROUP], cells, unsigned [BINNED, GROUP], numbers float64 [COLUMNS + 2 + COUNT,
        GROUP], notes int64 [2, GROUP] and levels, `fdd.rendering.shading.scratch()`.
        """
        sources  # noqa: B018  a key of the compiled code's cache
        period, found = notes[0], notes[1]
        for first in range(0, len(params), GROUP):
            last = min(first + GROUP, len(params))
            for image in range(GROUP):
                for column in range(2 + COUNT):
                    numbers[COLUMNS + column, image] = params[min(first + image, last - 1), column]
            place = first % len(counts)
            group = counts[place : place + last - first]
            count_group(points, trajectory, cells, numbers, period, group, found)
            for image in range(last - first):
                status[first + image] = found[image]
                if len(images):
                    shading.paint(group[image].reshape(-1), palette, images[first + image], levels)

    return render_rows


@numba.njit(error_model="numpy")
def _mark_cycles(trajectory: Any, points: int, back: Any) -> None:
    """Sets back [GROUP] to 1 where the last point was there before, in the last LOOK_BACK."""
    for image in range(GROUP):
        back[image] = 0
    last = trajectory[points - 1]
    for t in range(max(points - 1 - LOOK_BACK, 0), points - 1):
        point = trajectory[t]
        for image in range(GROUP):
            same = (point[0, image] == last[0, image]) & (point[1, image] == last[1, image])
            back[image] |= same


@numba.njit(error_model="numpy")
def _occupied(counts: Any) -> int:
    """How many cells of counts [size, size] are not 0."""
    flat = counts.reshape(counts.size)
    cells = 0
    for cell in range(flat.size):
        cells += flat[cell] != 0
    return cells


@numba.njit(error_model="numpy")
def _move(probe: Any, numbers: Any, source: Any, trajectory: Any, kept: Any, waiting: int) -> None:
    """Copies the lanes `source` of probe and numbers to lanes `waiting` and following of others."""
    for t in range(len(probe)):
        for axis in range(2):
            for lane in range(len(source)):
                trajectory[t, axis, waiting + lane] = probe[t, axis, source[lane]]
    for number in range(numbers.shape[0]):
        for lane in range(len(source)):
            kept[number, waiting + lane] = numbers[number, source[lane]]


def _settle(
    points: int,
    probed: int,
    needed: int,
    trajectory: Any,
    cells: Any,
    numbers: Any,
    notes: Any,
    group: Any,
    waiting: int,
    counts: Any,
    status: Any,
) -> None:
    """Goes on with candidates that have been iterated to `probed` points, and judges them."""
    period, found, rows = notes[0], notes[1], notes[2]
    for image in range(waiting, GROUP):  # lanes that would be left over repeat the first
        for t in range(probed):
            for axis in range(2):
                trajectory[t, axis, image] = trajectory[t, axis, 0]
        for number in range(numbers.shape[0]):
            numbers[number, image] = numbers[number, 0]
    _clear(group)
    iterate(numbers[COLUMNS:], trajectory, probed, points, numbers, period)
    _scale(trajectory[points - 1], numbers[BOUNDS], group.shape[1], numbers[SCALES], found)
    _bin(trajectory, points, numbers[BOUNDS], numbers[SCALES], cells, group)
    for image in range(waiting):
        row = rows[image]
        status[row] = found[image]
        if found[image] != DONE:
            continue
        if _occupied(group[image]) < needed:
            status[row] = REFUSED
        elif len(counts):
            for y in range(group.shape[1]):
                for x in range(group.shape[1]):
                    counts[row, y, x] = group[image, y, x]


def _make_select_rows(sources: str) -> Any:
    def select_rows(
        params: Any,
        points: int,
        needed: int,
        trajectory: Any,
        probe: Any,
        cells: Any,
        numbers: Any,
        kept: Any,
        notes: Any,
        group: Any,
        counts: Any,
        status: Any,
    ) -> None:
        """Counts of those candidates, params float64 [n, 2 + COUNT], that occupy `needed` cells.

        A third of uniform candidates end in an exact cycle early on. Once a state has come back,
        the bounding box and the occupied cells are those of the points so far, whatever comes: so
        a candidate is refused there, and its lane goes to the next one.

        Results: counts, unsigned [n, size, size], of the rows that are DONE, or none, [0, size,
        size]; status uint8 [n]: DONE, DEGENERATE, UNDECIDED, or REFUSED for too few cells. Scratch:
        trajectory float64 [points or more, 2, GROUP], probe float64 [p, 2, GROUP], p < points, the
        points after which candidates are looked at, numbers and kept as in `render_rows`, notes
        int64 [5, GROUP], group, unsigned [GROUP, size, size].
        """
        sources  # noqa: B018  a key of the compiled code's cache
        period, found, rows, back, source = notes[0], notes[1], notes[2], notes[3], notes[4]
        probed, waiting = len(probe), 0
        for first in range(0, len(params), GROUP):
            last = min(first + GROUP, len(params))
            for image in range(GROUP):
                for column in range(2 + COUNT):
                    numbers[COLUMNS + column, image] = params[min(first + image, last - 1), column]
            count_group(probed, probe, cells, numbers, period, group, found)
            _mark_cycles(probe, probed, back)
            open_lanes = 0
            for image in range(last - first):
                empty = found[image] == DEGENERATE
                if back[image] and (empty or _occupied(group[image]) < needed):
                    status[first + image] = REFUSED
                else:
                    source[open_lanes] = image
                    open_lanes += 1
            taken, end = 0, last == len(params)
            while True:
                take = min(open_lanes - taken, GROUP - waiting)
                _move(probe, numbers, source[taken : taken + take], trajectory, kept, waiting)
                for lane in range(take):
                    rows[waiting + lane] = first + source[taken + lane]
                taken, waiting = taken + take, waiting + take
                if waiting == GROUP or (waiting and end and taken == open_lanes):
                    settle(
                        points,
                        probed,
                        needed,
                        trajectory,
                        cells,
                        kept,
                        notes,
                        group,
                        waiting,
                        counts,
                        status,
                    )
                    waiting = 0
                if taken == open_lanes:
                    break

    return select_rows


def _bound(function: Callable[..., Any], identity: str, **names: Any) -> Callable[..., Any]:
    """The same function with some of its global names bound to other values.

    Compiled code from the cache is linked by names that know neither these values nor the process
    it was compiled in, so `identity` becomes part of the name.
    """
    assert isinstance(function, FunctionType)
    names = {**function.__globals__, **names}
    bound = FunctionType(function.__code__, names, function.__name__, None, function.__closure__)
    bound.__qualname__ = f"{function.__qualname__}_{identity}"
    return bound


def _identity(family: Family) -> str:
    """A digest of all that the compiled code of a family depends on, besides this package."""
    code = family.step.__code__
    parts = (family.name, len(family.parameters), family.argument > sines.NARROW)
    parts += (code.co_code, code.co_consts, code.co_names)
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


@functools.cache
def _functions(family: Family) -> dict[str, Any]:
    """What the kernels of a family bind: its steps, and the functions that need them."""
    wide = "wide_" if family.argument > sines.NARROW else ""
    lanes_functions = {name: getattr(sines, f"{wide}{name}_lanes") for name in ("sin", "cos")}
    lanes_functions |= {
        name: getattr(lanes, name) for name in ("sqrt", "fabs", "sign", "where_less")
    }
    one_functions = {"sin": sines.sin_one, "cos": sines.cos_one, "sqrt": math.sqrt}
    one_functions |= {"fabs": math.fabs, "sign": _sign_one, "where_less": _where_less_one}

    compile_inner = numba.njit(error_model="numpy")
    inline = numba.njit(error_model="numpy", forceinline=True)
    names: dict[str, Any] = {"COUNT": len(family.parameters) - 2}
    names["step_lanes"] = inline(bind(family.step, **lanes_functions))
    names["step_one"] = compile_inner(bind(family.step, **one_functions))
    identity = _identity(family)
    for name, function in (
        ("repair", _repair),
        ("advance", _advance),
        ("iterate", _iterate),
        ("iterate_part", _iterate_part),
        ("count_group", _count_group),
        ("settle", _settle),
    ):
        names[name] = compile_inner(_bound(function, identity, **names))
    return names


def compiled(make: Callable[[str], Any], family: Family) -> Any:
    """A kernel of a family, cached on disk; `make` closes over the identity that it is given.

    numba's cache keys it by its code and its closure.
    """
    identity = _identity(family)
    return jit(_bound(make(f"{identity} {_SOURCES}"), identity, **_functions(family)))


@functools.cache
def kernel(family: Family) -> Any:
    """The compiled `render_rows` of a family (see `_make_render_rows`), cached on disk."""
    return compiled(_make_render_rows, family)


@functools.cache
def selector(family: Family) -> Any:
    """The compiled `select_rows` of a family (see `_make_select_rows`), cached on disk."""
    return compiled(_make_select_rows, family)


_SOURCES = source_digest(
    "arithmetic/compiling",
    "arithmetic/lane_memory",
    "arithmetic/lanes",
    "arithmetic/sine_table",
    "arithmetic/sines",
    "attractors/families",
    "attractors/reference",
    "rendering/cpu_kernel",
    "rendering/palettes",
    "rendering/shading",
)
