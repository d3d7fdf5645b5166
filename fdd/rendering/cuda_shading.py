"""Counts to images on CUDA: the bytes of `fdd.rendering.shading`, a block of threads an image.

The colour of each level depends on the share of occupied cells up to it, so a prefix sum over the
levels' occurrences gives all colours independently of each other; the float64 expressions are those
of `fdd.rendering.shading`. Images whose counts spread over BINS or more are only marked, and shaded
by the host.
"""

from __future__ import annotations

import functools
from typing import Any

from numba import cuda, types

from fdd.arithmetic.cuda_numbers import device, launched, number, truncated
from fdd.rendering.palettes import WHITE
from fdd.rendering.shading import BINS

THREADS = 256
"""Threads of a block; three blocks of them keep an SM's memory busy."""

BLOCKS_PER_SM = 3

NEAR = 8192
"""Levels counted in shared memory, the usual number; those beyond are counted in global memory."""

_SUMS = NEAR
"""Where in shared memory the threads' sums are: THREADS + 1 words; then the extremes."""

SHARED_BYTES = 4 * (NEAR + THREADS + 3)


@device
def _gray(share):
    return truncated(255.0 * (1.0 - share))


@device
def _rgb(share, lowest, palette):
    """Red, green and blue, a byte each, of a share of the occupied cells, as `shading.rgb`."""
    step = (1.0 - lowest) / 255.0
    colour = 254
    if share < 1.0:
        colour = min(max(truncated((share - lowest) / step), 0), 254)
        while colour < 254 and (colour + 1) * step + lowest <= share:
            colour += 1
        while colour > 0 and colour * step + lowest > share:
            colour -= 1
    left = colour * step + lowest
    right = (colour + 1) * step + lowest if colour < 254 else number(1.0)
    packed = 0
    for channel in range(3):
        low, high = number(palette[3 * colour + channel]), number(palette[3 * colour + 3 + channel])
        slope = (high - low) / (right - left)
        value = truncated(slope * (share - left) + low) if share < 1.0 else truncated(high)
        packed |= value << 8 * channel
    return packed


def _shade(counts, cells, channels, palette, occurrences, colours, images, wide):
    """Fills images uint8 [N * cells * channels], except those it marks in wide uint8 [N].

    counts int32 [N * cells], channels 3 (colours) or 1 (gray), palette uint8 [256 * 3]; scratch
    occurrences and colours int32 [blocks * levels], levels being one more than counts can spread.
    """
    words = cuda.shared.array(0, types.int32)
    thread, threads = cuda.threadIdx.x, cuda.blockDim.x
    sums, low, high = _SUMS, _SUMS + threads + 1, _SUMS + threads + 2
    own = cuda.blockIdx.x * (occurrences.size // cuda.gridDim.x)
    for image in range(cuda.blockIdx.x, wide.size, cuda.gridDim.x):
        start = image * cells
        if thread == 0:
            words[low], words[high] = 0x7FFFFFFF, 0
        cuda.syncthreads()
        lowest, highest = 0x7FFFFFFF, 0
        for cell in range(thread, cells, threads):
            count = counts[start + cell]
            if count > 0:
                lowest, highest = min(lowest, count), max(highest, count)
        cuda.atomic.min(words, low, lowest)
        cuda.atomic.max(words, high, highest)
        cuda.syncthreads()
        lowest, highest = words[low], words[high]
        levels = highest - lowest + 1 if highest > 0 else 0
        if thread == 0:
            wide[image] = levels > BINS
        if levels <= BINS:
            for level in range(thread, levels, threads):
                if level < NEAR:
                    words[level] = 0
                else:
                    occurrences[own + level] = 0
            cuda.syncthreads()
            for cell in range(thread, cells, threads):
                level = counts[start + cell] - lowest
                if 0 <= level < NEAR:
                    cuda.atomic.add(words, level, 1)
                elif level >= NEAR:
                    cuda.atomic.add(occurrences, own + level, 1)
            cuda.syncthreads()
            share_of = (levels + threads - 1) // threads
            first, last = thread * share_of, min(levels, (thread + 1) * share_of)
            total = 0
            for level in range(first, last):
                total += words[level] if level < NEAR else occurrences[own + level]
            words[sums + thread] = total
            cuda.syncthreads()
            if thread == 0:
                total = 0
                for other in range(threads):
                    before = total
                    total += words[sums + other]
                    words[sums + other] = before
                words[sums + threads] = total
            cuda.syncthreads()
            occupied, running = words[sums + threads], words[sums + thread]
            for level in range(first, last):
                found = words[level] if level < NEAR else occurrences[own + level]
                running += found
                if found > 0:
                    share = number(running) / occupied
                    if channels == 1:
                        colours[own + level] = _gray(share)
                    else:
                        colours[own + level] = _rgb(share, number(words[0]) / occupied, palette)
            cuda.syncthreads()
            for cell in range(thread, cells, threads):
                count = counts[start + cell]
                place = (start + cell) * channels
                for channel in range(channels):
                    value = WHITE
                    if count > 0:
                        value = colours[own + count - lowest] >> 8 * channel & 0xFF
                    images[place + channel] = value
        cuda.syncthreads()


@functools.cache
def kernel() -> Any:
    """The kernel that shades (see `_shade`), to be compiled at its first launch."""
    return launched(THREADS, BLOCKS_PER_SM, SHARED_BYTES)(_shade)
