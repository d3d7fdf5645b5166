"""The CUDA kernel: parameters to counts, a block of threads for as many images at a time.

Each block takes batches of images until none is left. First each thread iterates one image of the
batch, keeps its bounding box in registers and writes its trajectory to the block's slab of global
memory. Then all threads of the block together read one trajectory after another and count its cells
in shared memory, two 16-bit counts to a word, in the place where the table of the sine was before.
So an SM has room for six blocks, of which some compute while others wait for memory; and a
trajectory is computed once.

A step whose sines the first try leaves open is NaN and computed again in full. What is then still
not finite ends the orbit.
"""

from __future__ import annotations

import functools
from typing import Any

from numba import cuda, types

from fdd.exact import NARROW
from fdd.exact_cuda import TABLE_NUMBERS, bound, step_functions
from fdd.families import Family, bind
from fdd.number_cuda import (
    add_shared,
    device,
    high_word,
    inlined,
    int32,
    launched,
    load,
    load_pair,
    row_loader,
    store,
    store_pair,
    truncated,
)

DONE, DEGENERATE, UNDECIDED = 0, 1, 2

THREADS = 64
"""Images of a batch. Two warps suffice: the sines of a step do not wait for each other, and six
blocks share an SM. With more, fewer blocks would be left to balance, and to overlap arithmetic with
memory traffic."""

BAND = 16384
"""Cells counted at a time; larger images are counted in several readings of the trajectory."""

SHARED_BYTES = 2 * BAND
"""Shared memory of a block: a band of counts, or the table of the sine (24 KiB)."""

MOST_STORED = 65534
"""Points of a trajectory stored at a time: even, and no more than a 16-bit count can tell."""

BLOCKS_PER_SM = 6
"""Resident blocks of an SM of 228 KiB, which keeps 1 KiB of each for itself."""

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


def _iterate(x, y, parameters, box, length, storing, slab, place, stride):
    """Computes the points from (x, y) on, `length` of them, and widens the box accordingly.

    If `storing`, points t and t + 1 (t even) go to slab[place + t // 2 * stride] and the three
    numbers behind. Returns the point after the last one, the box, and how many points were finite.
    """
    left, right, bottom, top = box
    hop = 2
    if not _finite(x, y):
        return x, y, box, 0
    for t in range(int32(length)):
        left, right = x if x < left else left, x if x > right else right
        bottom, top = y if y < bottom else bottom, y if y > top else top
        if storing:
            store_pair(slab, place, x, y)
        place += hop
        hop = stride - hop
        new_x, new_y = step_first(x, y, *parameters)
        if not _finite(new_x, new_y):
            new_x, new_y = step_full(x, y, *parameters)
            if not _finite(new_x, new_y):
                return new_x, new_y, (left, right, bottom, top), t + 1
        x, y = new_x, new_y
    return x, y, (left, right, bottom, top), length


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
def _tally(slab, start, stride, first, step, length, boxes, box, size, band):
    """Counts the points first, first + 1, first + step, ... of a trajectory, from cell `band` on.

    Equal cells that follow each other are added at once: where an orbit rests, all threads would
    otherwise wait for each other.
    """
    x_scale, x_shift, right = load(boxes, box), load(boxes, box + 1), load(boxes, box + 2)
    y_scale, y_shift, top = load(boxes, box + 3), load(boxes, box + 4), load(boxes, box + 5)
    size, band = int32(size), int32(band)
    even_cell = odd_cell = even_times = odd_times = int32(0)
    place = start + (first >> 1) * stride
    for t in range(int32(first), int32(length), int32(step)):
        x, y = load_pair(slab, place)
        row = size - 1 - _cell(y, y_scale, y_shift, top, size)
        cell = int32(row * size + _cell(x, x_scale, x_shift, right, size) - band)
        if cell != even_cell:
            _add(even_cell, even_times)
            even_cell, even_times = cell, int32(0)
        even_times = int32(even_times + 1)
        if int32(t + 1) < int32(length):
            x, y = load_pair(slab, place + 2)
            row = size - 1 - _cell(y, y_scale, y_shift, top, size)
            cell = int32(row * size + _cell(x, x_scale, x_shift, right, size) - band)
            if cell != odd_cell:
                _add(odd_cell, odd_times)
                odd_cell, odd_times = cell, int32(0)
            odd_times = int32(odd_times + 1)
        place += (step >> 1) * stride
    _add(even_cell, even_times)
    _add(odd_cell, odd_times)


@inlined
def _put(counts, place, found, part):
    counts[place] = counts[place] + found if part else found


def _count(params, points, stored, size, table, slab, boxes, counts, status):
    """Counts of images, and which have any.

    params float64 [N * P]; stored: points of a trajectory kept at a time, even; table
    float64 [TABLE_NUMBERS]; scratch slab float64 [blocks * threads * stored * 2] and boxes
    float64 [blocks * threads * BOX]; results counts int32 [N * size * size] and status uint8 [N]:
    DONE, DEGENERATE or UNDECIDED, the counts of the last two being zero.
    """
    numbers, words = cuda.shared.array(0, types.float64), cuda.shared.array(0, types.int32)
    thread, threads = cuda.threadIdx.x, cuda.blockDim.x
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
                *(x, y, parameters, box, length),
                *(part >= 0, slab, slab_start + 4 * thread, 4 * threads),
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
                    _tally(
                        *(slab, slab_start + 4 * other, 4 * threads, 2 * thread, 2 * threads),
                        *(used, boxes, boxes_start + other * BOX, size, band),
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


def _step_names(family: Family) -> dict[str, Any]:
    first, full = step_functions(wide=family.argument > NARROW)
    names: dict[str, Any] = {"COUNT": len(family.parameters) - 2}
    names["load_parameters"] = row_loader(names["COUNT"])
    names["step_first"] = inlined(bind(family.step, **first))
    names["step_full"] = device(bind(family.step, **full))
    # the sines of a family with arguments may be undecided; without any, only overflow gives NaN
    names["NOT_FINITE"] = UNDECIDED if family.argument else DEGENERATE
    return names


@functools.cache
def kernel(family: Family) -> Any:
    """The kernel of a family (see `_count`), to be compiled at its first launch."""
    names = _step_names(family)
    names["iterate"] = bound(inlined, _iterate, **names)
    return bound(launched(THREADS, BLOCKS_PER_SM, SHARED_BYTES), _count, **names)
