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
from fdd.rendering.drawing import Drawing
from fdd.rendering.palettes import PALETTES, WHITE

BINS = 65536
"""From this spread of counts on, datashader's equalisation bins them (65,536 equal bins)."""


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
def _count_levels(counts: Any, lowest: int, size: int, levels: Any) -> None:
    """Fills levels[0, :size] with how many cells are at each level; levels[1:4] are scratch."""
    # Neighbours are often at the same level: four tables, so that none waits for the one before.
    for part in range(4):
        for level in range(size):
            levels[part, level] = 0
    whole = counts.size - counts.size % 4
    for cell in range(0, whole, 4):
        for part in range(4):
            levels[part, _level(counts[cell + part], lowest)] += 1
    for cell in range(whole, counts.size):
        levels[0, _level(counts[cell], lowest)] += 1
    for level in range(size):
        levels[0, level] += levels[1, level] + levels[2, level] + levels[3, level]


@numba.njit(error_model="numpy")
def _colour_levels(occurrences: Any, size: int, occupied: float, palette: Any, table: Any) -> None:
    """Fills table [:size] with the packed colour of each level, white for the empty cells.

    The share of occupied cells with at most that count (its cdf) goes from the lowest share to 1
    over the 256 colours, linearly interpolated in float64, truncated.
    """
    table[0] = WHITE | WHITE << 8 | WHITE << 16
    running, colour = 0, 0
    lowest = step = -1.0
    for level in range(1, size):
        if occurrences[level] == 0:
            continue
        running += occurrences[level]
        share = running / occupied
        if lowest < 0.0:
            lowest = share
            step = (1.0 - lowest) / 255
        if share >= 1.0:
            table[level] = palette[255, 0] | palette[255, 1] << 8 | palette[255, 2] << 16
            continue
        while colour < 254 and (colour + 1) * step + lowest <= share:
            colour += 1
        left = colour * step + lowest
        right = (colour + 1) * step + lowest if colour < 254 else 1.0
        packed = 0
        for channel in range(3):
            low, high = float(palette[colour, channel]), float(palette[colour + 1, channel])
            slope = (high - low) / (right - left)
            packed |= int(slope * (share - left) + low) << 8 * channel
        table[level] = packed


@numba.njit(error_model="numpy")
def _gray_levels(occurrences: Any, size: int, occupied: float, table: Any) -> None:
    """Fills table [:size] with the gray of each level."""
    table[0] = WHITE
    running = 0
    for level in range(1, size):
        running += occurrences[level]
        table[level] = int(255.0 * (1.0 - running / occupied))


def scratch() -> np.ndarray:
    """The working memory of `paint`: int32 [5, BINS + 1]."""
    return np.empty((5, BINS + 1), np.int32)


@numba.njit(error_model="numpy")
def paint(counts: Any, palette: Any, image: Any, levels: Any) -> bool:
    """Fills image uint8 [cells, 3], in colours, or [cells, 1], in gray, from counts [cells].

    `levels` is a `scratch`. It allocates nothing and assigns no slices, for which numba would
    compile error messages. False, with nothing painted, if the counts spread over BINS or more.
    """
    lowest, highest = _extremes(counts)
    if highest - lowest >= BINS:
        return False
    size = highest - lowest + 2
    _count_levels(counts, lowest, size, levels)
    occurrences, table = levels[0], levels[4]
    occupied = float(counts.size - occurrences[0])
    if image.shape[1] == 1:
        _gray_levels(occurrences, size, occupied, table)
        for cell in range(counts.size):
            image[cell, 0] = table[_level(counts[cell], lowest)]
        return True
    _colour_levels(occurrences, size, occupied, palette, table)
    place = address(image)
    for cell in range(counts.size - 1):  # four bytes at once; the next cell overwrites the fourth
        store_bytes(place, 3 * cell, np.uint32(table[_level(counts[cell], lowest)]))
    packed = table[_level(counts[-1], lowest)]
    for channel in range(3):
        image[counts.size - 1, channel] = packed >> 8 * channel & 255
    return True


def _make_paint_each(sources: str) -> Any:
    @jit
    def paint_each(counts: Any, palette: Any, images: Any, levels: Any, wide: Any) -> None:
        """Paints counts [N, cells] into images [N, cells, 1 or 3]; wide [N]: which spread far."""
        sources  # noqa: B018  a key of the compiled code's cache
        for image in range(counts.shape[0]):
            wide[image] = not paint(counts[image], palette, images[image], levels)

    return paint_each


_paint_each = _make_paint_each(
    source_digest(
        "arithmetic/compiling",
        "arithmetic/lane_memory",
        "arithmetic/lanes",
        "rendering/palettes",
        "rendering/shading",
    )
)


def paint_by_numpy(counts: np.ndarray, palette: np.ndarray, channels: int) -> np.ndarray:
    """What `paint` would draw, uint8 [cells, channels], with nothing compiled.

    The levels, of which there are few, go through the same functions in plain Python.
    """
    occupied = counts[counts > 0].astype(np.int64)
    lowest, highest = int(occupied.min()), int(occupied.max())
    if highest - lowest >= BINS:
        return _binned_rgb(counts, palette) if channels == 3 else _wide_gray(counts)[:, None]
    level = np.where(counts > 0, counts.astype(np.int64) - (lowest - 1), 0)
    occurrences = np.bincount(level, minlength=highest - lowest + 2).tolist()
    table = [0] * len(occurrences)
    if channels == 3:
        colours = palette.astype(object)  # Python's numbers, which have 64 bits and more to shift
        _colour_levels.py_func(occurrences, len(table), float(occupied.size), colours, table)
    else:
        _gray_levels.py_func(occurrences, len(table), float(occupied.size), table)
    bits = np.array(table)[level]
    return np.stack([bits >> 8 * channel & 255 for channel in range(channels)], 1).astype(np.uint8)


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
    _paint_each(flat, palette, images, scratch(), wide)
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
    no_palette = PALETTES["kbc"][:0]  # read-only, as all are: code for colours serves gray, too
    return _shaded(counts, no_palette, 1, lambda wide: _wide_gray(wide)[:, None]).reshape(
        counts.shape
    )


def shaded(drawing: Drawing, counts: np.ndarray) -> np.ndarray:
    """Counts [N, size, size] as the output: uint32 counts, or gray or colours as uint8."""
    if drawing.output == "rgb":
        return rgb(counts, drawing.colours)
    if drawing.output == "gray":
        return gray(counts)
    return counts.astype(np.uint32, copy=False)
