"""The CUDA kernel: parameters to counts, a block of threads for as many images at a time.

Each block takes batches of images until none is left. First each thread iterates one image of the
batch, keeps its bounding box in registers and writes its trajectory to the block's slab of global
memory. Then all threads of the block together read one trajectory after another and count its cells
in shared memory, two 16-bit counts to a word, where the table of the sine was before. So an SM has
room for four blocks or more, and a trajectory is computed once.

In the slab RUN points of an image lie side by side, so that memory is read and written in whole
sectors: a warp gathers that many points of each of its images in shared memory, then writes them.

A step whose sines the first try leaves open is NaN and computed again, with full sines where the
first try gives none. What is then still not finite ends the orbit. An orbit that repeats itself
may need this at each step, and its whole warp would wait, and the kernel for that warp: so each
orbit keeps the last step of this kind, and looks there first.
"""

from __future__ import annotations

import functools
import math
from typing import Any

from numba import cuda, types

from fdd.arithmetic.cuda_numbers import (
    add_shared,
    device,
    high_word,
    inlined,
    int32,
    launched,
    load,
    load_pair,
    load_shared_pair,
    number,
    row_loader,
    store,
    store_pair,
    store_shared_pair,
    sync_warp,
    truncated,
)
from fdd.arithmetic.cuda_sines import TABLE_NUMBERS, bound, step_functions
from fdd.arithmetic.sines import NARROW
from fdd.attractors.families import Family, bind

DONE, DEGENERATE, UNDECIDED = 0, 1, 2

WARP = 32

THREADS = 64
"""Images of a batch. Two warps suffice: the sines of a step do not wait for each other, and four
blocks share an SM. With more, fewer blocks would be left to balance, and to overlap arithmetic with
memory traffic."""

BAND = 16384
"""Cells counted at a time; larger images are counted in several readings of the trajectory."""

RUN = 4
"""Points of an image that lie side by side in the slab: 64 bytes, a burst of the memory."""

SHARED_BYTES = max(2 * BAND, 8 * (TABLE_NUMBERS + THREADS // WARP * RUN * (2 * WARP + 4)))
"""Shared memory of a block: a band of counts, or the table of the sine (24 KiB) and the points that
its warps gather (4.25 KiB)."""

MOST_STORED = 65532
"""Points of a trajectory stored at a time: a multiple of RUN that a 16-bit count can tell."""

BLOCKS_PER_SM = 4
"""Resident blocks of an SM. Its memory has room for six, but not enough registers without spills,
and 65,536 images are two rounds on 132 SMs in either case."""

BOX = 6
"""Numbers kept for the counting of an image: scale, shift and maximum of x, then of y."""

# What `kernel` binds for each family: its parameters after the starting point, its first try, its
# full step, what an orbit is that does not stay finite, and the functions that need one of these.
COUNT = 0
load_parameters = step_first = step_full = iterate = None
NOT_FINITE = DEGENERATE

_EXPONENT = 0x7FF00000


@inlined
def _finite(x, y):
    return (high_word(x) & _EXPONENT) != _EXPONENT and (high_word(y) & _EXPONENT) != _EXPONENT


@inlined
def _write_runs(slab, place, gathered, row, lane, warp):
    """Writes RUN points of each image of a warp to the slab, all lanes next to each other."""
    sync_warp()
    for first in range(0, RUN * warp, warp):
        index = first + lane
        x, y = load_shared_pair(gathered + index % RUN * row + index // RUN * 2)
        store_pair(slab, place + 2 * index, x, y)
    sync_warp()


def _iterate(x, y, parameters, box, length, storing, slab, place, hop, gathered, lane, warp):
    """Computes the points from (x, y) on, `length` of them, and widens the box accordingly.

    If `storing`, each RUN points of a warp go to slab[place] and behind, the next ones `hop`
    further; before, they are in shared memory at `gathered`. Returns the point after the last one,
    the box, and how many points were finite.
    """
    left, right, bottom, top = box
    row = 2 * warp + 4  # so that the lanes which read together find their points in other banks
    finite = length if _finite(x, y) else 0
    known_x = known_y = known_new_x = known_new_y = number(math.nan)
    for t in range(int32(length)):
        if t < finite:
            left, right = x if x < left else left, x if x > right else right
            bottom, top = y if y < bottom else bottom, y if y > top else top
            if storing:
                store_shared_pair(gathered + t % RUN * row + 2 * lane, x, y)
            new_x, new_y = step_first(x, y, *parameters)
            if not _finite(new_x, new_y):
                if x == known_x and y == known_y:
                    new_x, new_y = known_new_x, known_new_y
                else:
                    new_x, new_y = step_full(x, y, *parameters)
                    known_x, known_y, known_new_x, known_new_y = x, y, new_x, new_y
                if not _finite(new_x, new_y):
                    finite = t + 1
            x, y = new_x, new_y
        if storing and t % RUN == RUN - 1:
            _write_runs(slab, place, gathered, row, lane, warp)
            place += hop
    if storing and length % RUN > 0:
        _write_runs(slab, place, gathered, row, lane, warp)
    return x, y, (left, right, bottom, top), finite


@device
def _store_axis(boxes, place, lowest, highest, size):
    """Writes scale, shift and maximum of an axis; returns whether the first two are finite."""
    scale = size / (highest - lowest)
    shift = -lowest * scale
    store(boxes, place, scale)
    store(boxes, place + 1, shift)
    store(boxes, place + 2, highest)
    return _finite(scale, shift)


@inlined
def _cell(value, scale, shift, highest, size):
    """The column of an x, or the row from below of a y."""
    cell = truncated(value * scale + shift)
    if value == highest:
        cell = int32(cell - 1)
    return min(max(cell, int32(0)), int32(size - 1))


@inlined
def _add(cell, times):
    if times > int32(0) and int32(0) <= cell < int32(BAND):
        add_shared(cell >> 1, times << 16 * (cell & 1))


@inlined
def _fetch(slab, place, hop):
    """Four points, which are on their way from memory together."""
    return (
        load_pair(slab, place),
        load_pair(slab, place + hop),
        load_pair(slab, place + 2 * hop),
        load_pair(slab, place + 3 * hop),
    )


@inlined
def _noted(point, frame, size, band, cell, times):
    """Takes a point into the run of equal cells, `times` long, or begins another with it."""
    x, y = point
    x_scale, x_shift, right, y_scale, y_shift, top = frame
    row = size - 1 - _cell(y, y_scale, y_shift, top, size)
    found = int32(row * size + _cell(x, x_scale, x_shift, right, size) - band)
    if found != cell:
        _add(cell, times)
        cell, times = found, int32(0)
    return cell, int32(times + 1)


@inlined
def _tally(slab, start, place, hop, first, step, length, boxes, box, size, band):
    """Counts the points first, first + step, ... of a trajectory, from cell `band` on.

    The first is at slab[place], the next ones `hop` further each; slab[start] can be read in any
    case. Four points are fetched while those before are counted. Equal cells that follow each other
    are added at once: where an orbit rests, all threads would otherwise wait for each other.
    """
    frame = (
        load(boxes, box),
        load(boxes, box + 1),
        load(boxes, box + 2),
        load(boxes, box + 3),
        load(boxes, box + 4),
        load(boxes, box + 5),
    )
    size, band = int32(size), int32(band)
    t, step, length = int32(first), int32(step), int32(length)
    cell = times = int32(0)
    more = t + 3 * step < length
    coming = _fetch(slab, place if more else start, hop if more else 0)
    while more:
        t, place = int32(t + 4 * step), place + 4 * hop
        more = t + 3 * step < length
        points, coming = coming, _fetch(slab, place if more else start, hop if more else 0)
        cell, times = _noted(points[0], frame, size, band, cell, times)
        cell, times = _noted(points[1], frame, size, band, cell, times)
        cell, times = _noted(points[2], frame, size, band, cell, times)
        cell, times = _noted(points[3], frame, size, band, cell, times)
    while t < length:
        cell, times = _noted(load_pair(slab, place), frame, size, band, cell, times)
        t, place = int32(t + step), place + hop
    _add(cell, times)


@inlined
def _put(counts, place, found, part):
    counts[place] = counts[place] + found if part else found


def _count(params, points, stored, size, table, slab, boxes, counts, status):
    """Counts of images, and which have any.

    params float64 [N * P]; stored: points of a trajectory kept at a time, a multiple of RUN; table
    float64 [TABLE_NUMBERS]; scratch slab float64 [blocks * threads * stored * 2] and boxes
    float64 [blocks * threads * BOX]; results counts int32 [N * size * size] and status uint8 [N]:
    DONE, DEGENERATE or UNDECIDED, the counts of the last two being zero.
    """
    numbers, words = cuda.shared.array(0, types.float64), cuda.shared.array(0, types.int32)
    thread, threads = cuda.threadIdx.x, cuda.blockDim.x
    warp = min(threads, WARP)
    gathered = TABLE_NUMBERS + thread // warp * RUN * (2 * warp + 4)
    images, cells = status.size, size * size
    slab_start = cuda.blockIdx.x * threads * stored * 2
    boxes_start = cuda.blockIdx.x * threads * BOX
    parts = (points + stored - 1) // stored
    for batch in range(cuda.blockIdx.x, (images + threads - 1) // threads, cuda.gridDim.x):
        first_image = batch * threads
        own = min(first_image + thread, images - 1)  # threads to spare repeat the last image
        origin = own * (COUNT + 2)
        x, y = load(params, origin), load(params, origin + 1)
        parameters = load_parameters(params, origin + 2)
        box = (x, x, y, y)
        good = True
        # a trajectory of several parts is computed twice: first for its bounding box alone
        for part in range(-1 if parts > 1 else 0, parts):
            if part == 0:
                x, y = load(params, origin), load(params, origin + 1)
            length = min(stored, points - part * stored) if part >= 0 else points
            for i in range(thread, TABLE_NUMBERS, threads):
                numbers[i] = table[i]
            cuda.syncthreads()
            x, y, box, finite = iterate(
                x,
                y,
                parameters,
                box,
                length,
                part >= 0,
                slab,
                slab_start + 2 * RUN * (thread // warp * warp),
                2 * RUN * threads,
                gathered,
                thread % warp,
                warp,
            )
            good = good and finite == length
            own_box = boxes_start + thread * BOX
            x_good = _store_axis(boxes, own_box, box[0], box[1], size)
            y_good = _store_axis(boxes, own_box + 3, box[2], box[3], size)
            cuda.syncthreads()  # the table is no longer needed, and trajectories can be read
            if part < 0:
                continue
            state = DONE
            if not good:
                state = NOT_FINITE
            elif not (x_good and y_good):
                state = DEGENERATE
            status[own] = state
            for i in range(thread, BAND // 2, threads):
                words[i] = 0
            cuda.syncthreads()
            for image in range(first_image, min(first_image + threads, images)):
                other = image - first_image
                used = length if status[image] == DONE else 0
                for band in range(0, cells, BAND):
                    place = slab_start + 2 * (thread // RUN * threads + other) * RUN
                    _tally(
                        slab,
                        slab_start,
                        place + 2 * (thread % RUN),
                        2 * threads * threads,
                        thread,
                        threads,
                        used,
                        boxes,
                        boxes_start + other * BOX,
                        size,
                        band,
                    )
                    cuda.syncthreads()
                    last = min(BAND, cells - band)
                    place = image * cells + band
                    for i in range(2 * thread, last, 2 * threads):
                        two = words[i >> 1]
                        words[i >> 1] = 0
                        _put(counts, place + i, two & 0xFFFF, part)
                        if i + 1 < last:
                            _put(counts, place + i + 1, two >> 16 & 0xFFFF, part)
                    cuda.syncthreads()


def _either(first: Any, full: Any) -> Any:
    """The sine or cosine by its first try, and in full where that leaves it open."""

    def value(x):
        found = first(x)
        if not _finite(found, found):
            found = full(x)
        return found

    return inlined(value)


def _step_names(family: Family) -> dict[str, Any]:
    first, full = step_functions(wide=family.argument > NARROW)
    names: dict[str, Any] = {"COUNT": len(family.parameters) - 2}
    names["load_parameters"] = row_loader(names["COUNT"])
    names["step_first"] = inlined(bind(family.step, **first))
    names["step_full"] = device(
        bind(
            family.step,
            **full | {name: _either(first[name], full[name]) for name in ("sin", "cos")},
        )
    )
    # the sines of a family with arguments may be undecided; without any, only overflow gives NaN
    names["NOT_FINITE"] = UNDECIDED if family.argument else DEGENERATE
    return names


@functools.cache
def kernel(family: Family) -> Any:
    """The kernel of a family (see `_count`), to be compiled at its first launch."""
    names = _step_names(family)
    names["iterate"] = bound(inlined, _iterate, **names)
    return bound(launched(THREADS, BLOCKS_PER_SM, SHARED_BYTES), _count, **names)
