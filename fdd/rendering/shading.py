"""Counts to images: histogram equalisation over the occupied cells, then a palette.

The bytes are those of datashader's `shade(how="eq_hist")` on a white background (its release 0.19
on the same counts; the tests compare), computed once for each distinct count, not for each cell.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numba
import numpy as np

from fdd.arithmetic.compiling import jit, source_digest
from fdd.arithmetic.lane_memory import address, store_bytes

BINS = 65536
"""From this spread of counts on, datashader's equalisation bins them (65,536 equal bins)."""

WHITE = 255


@numba.njit(error_model="numpy")
def _extremes(counts: Any) -> Any:
    """The lowest and the highest count of the occupied cells, as int64; (1, 0) if there is none."""
    unsigned = counts.dtype.type
    before_lowest, highest = unsigned(counts[0] - 1), counts[0]
    for cell in range(counts.size):  # so written, LLVM takes many cells at once
        before, count = unsigned(counts[cell] - 1), counts[cell]
        if before < before_lowest:  # an empty cell's 0 - 1 is the largest number of its type
            before_lowest = before
        if count > highest:
            highest = count
    return (np.int64(before_lowest) + 1, np.int64(highest)) if highest else (1, 0)


@numba.njit(error_model="numpy")
def _level(count: Any, lowest: int) -> Any:
    """0 for an empty cell, otherwise 1 for the lowest count, 2 for the next, and so on."""
    return np.uint64(count) - np.uint64(lowest - 1) if count else np.uint64(0)


@numba.njit(error_model="numpy")
def _occurrences(counts: Any, lowest: int, highest: int) -> Any:
    """How many cells are at each level: int32 [highest - lowest + 2]."""
    # Neighbours are often at the same level: four tables, so that none waits for the one before.
    found = np.zeros((4, highest - lowest + 2), np.int32)
    whole = counts.size - counts.size % 4
    for cell in range(0, whole, 4):
        for part in range(4):
            found[part, _level(counts[cell + part], lowest)] += 1
    for cell in range(whole, counts.size):
        found[0, _level(counts[cell], lowest)] += 1
    return found[0] + found[1] + found[2] + found[3]


@numba.njit(error_model="numpy")
def _colour_table(occurrences: Any, palette: Any) -> Any:
    """The colour of each level: uint8 [len(occurrences), 3], white for the empty cells.

    The share of occupied cells with at most that count (its cdf) goes from the lowest share to 1
    over the 256 colours, linearly interpolated in float64, truncated.
    """
    table = np.full((occurrences.size, 3), np.uint8(WHITE))
    occupied = float(occurrences[1:].sum())
    running, colour = 0, 0
    lowest = step = -1.0
    for level in range(1, occurrences.size):
        if occurrences[level] == 0:
            continue
        running += occurrences[level]
        share = running / occupied
        if lowest < 0.0:
            lowest = share
            step = (1.0 - lowest) / 255
        if share >= 1.0:
            table[level] = palette[255]
            continue
        while colour < 254 and (colour + 1) * step + lowest <= share:
            colour += 1
        left = colour * step + lowest
        right = (colour + 1) * step + lowest if colour < 254 else 1.0
        for channel in range(3):
            low, high = float(palette[colour, channel]), float(palette[colour + 1, channel])
            slope = (high - low) / (right - left)
            table[level, channel] = np.uint8(slope * (share - left) + low)
    return table


@numba.njit(error_model="numpy")
def _gray_table(occurrences: Any) -> Any:
    """The gray of each level: uint8 [len(occurrences)]."""
    table = np.full(occurrences.size, np.uint8(WHITE))
    occupied = float(occurrences[1:].sum())
    running = 0
    for level in range(1, occurrences.size):
        running += occurrences[level]
        table[level] = np.uint8(255.0 * (1.0 - running / occupied))
    return table


@numba.njit(error_model="numpy")
def paint(counts: Any, palette: Any, image: Any) -> bool:
    """Fills image uint8 [cells, 3], in colours, or [cells, 1], in gray, from counts [cells].

    False, with nothing painted, if the counts spread over BINS or more.
    """
    lowest, highest = _extremes(counts)
    if highest - lowest >= BINS:
        return False
    occurrences = _occurrences(counts, lowest, highest)
    if image.shape[1] == 1:
        grays = _gray_table(occurrences)
        for cell in range(counts.size):
            image[cell, 0] = grays[_level(counts[cell], lowest)]
        return True
    table = _colour_table(occurrences, palette)
    packed = np.empty(table.shape[0], np.uint32)
    for level in range(packed.size):
        red, green, blue = table[level]
        packed[level] = red | green << 8 | blue << 16
    place = address(image)
    for cell in range(counts.size - 1):  # four bytes at once; the next cell overwrites the fourth
        store_bytes(place, 3 * cell, packed[_level(counts[cell], lowest)])
    image[-1] = table[_level(counts[-1], lowest)]
    return True


def _make_paint_each(sources: str) -> Any:
    @jit
    def paint_each(counts: Any, palette: Any, images: Any, wide: Any) -> None:
        """Paints counts [N, cells] into images [N, cells, 1 or 3]; wide [N]: which spread far."""
        sources  # noqa: B018  a key of the compiled code's cache
        for image in range(counts.shape[0]):
            wide[image] = not paint(counts[image], palette, images[image])

    return paint_each


_paint_each = _make_paint_each(
    source_digest(
        "arithmetic/compiling", "arithmetic/lane_memory", "arithmetic/lanes", "rendering/shading"
    )
)


def _binned_rgb(counts: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """RGB [cells, 3] of one image whose counts spread over BINS or more, as datashader does it."""
    occupied = counts > 0
    values = counts[occupied]
    offset_values = values - values.min()
    histogram, edges = np.histogram(offset_values, bins=BINS)
    filled = histogram > 0
    centres = ((edges[:-1] + edges[1:]) / 2)[filled]
    cdf = histogram[filled].cumsum()
    share = np.interp(offset_values, centres, cdf / float(cdf[-1]))
    span = np.linspace(share.min(), share.max(), 256)
    image = np.full((counts.size, 3), WHITE, np.uint8)
    for channel in range(3):
        image[occupied, channel] = np.interp(share, span, palette[:, channel]).astype(np.uint8)
    return image


def _wide_gray(counts: np.ndarray) -> np.ndarray:
    """Gray [cells] of one image whose counts spread over BINS or more."""
    occupied = counts > 0
    _, level, cells = np.unique(counts[occupied], return_inverse=True, return_counts=True)
    image = np.full(counts.size, WHITE, np.uint8)
    image[occupied] = (255.0 * (1.0 - cells.cumsum() / float(cells.sum())))[level]
    return image


def _shaded(
    counts: np.ndarray,
    palette: np.ndarray,
    channels: int,
    shade_wide: Callable[[np.ndarray], np.ndarray],
) -> np.ndarray:
    """Images uint8 [N, cells, channels] of counts [N, H, W]."""
    unsigned = counts if counts.dtype.kind == "u" else counts.astype(np.uint64)
    flat = np.ascontiguousarray(unsigned).reshape(len(counts), math.prod(counts.shape[1:]))
    images = np.empty((*flat.shape, channels), np.uint8)
    wide = np.empty(len(flat), np.bool_)
    _paint_each(flat, palette, images, wide)
    for image in np.flatnonzero(wide):
        images[image] = shade_wide(flat[image])
    return images


def rgb(counts: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """Colour images of counts.

    counts: whole numbers [N, H, W] of at least 0; palette: uint8 [256, 3]; returns uint8
    [N, H, W, 3], empty cells white. Source: datashader, `transfer_functions.shade`, how="eq_hist".
    """
    images = _shaded(counts, palette, 3, lambda wide: _binned_rgb(wide, palette))
    return images.reshape(*counts.shape, 3)


def gray(counts: np.ndarray) -> np.ndarray:
    """Ink on paper: 255 in empty cells, otherwise 255 (1 - F(count)), truncated.

    F is the share of occupied cells with at most that count, so the densest cell is 0 and every
    occupied cell is darker than the paper. counts: whole numbers [N, H, W] of at least 0; returns
    uint8 [N, H, W].
    """
    no_palette = np.empty((0, 3), np.uint8)
    return _shaded(counts, no_palette, 1, lambda wide: _wide_gray(wide)[:, None]).reshape(
        counts.shape
    )
