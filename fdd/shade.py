"""Counts to images: histogram equalisation over the occupied cells, then a palette.

The bytes are those of datashader's `shade(how="eq_hist")` on a white background (its release 0.19
on the same counts; the tests compare), computed once for each distinct count, not for each cell.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from fdd.jit import jit

BINS = 65536
"""From this spread of counts on, datashader's equalisation bins them (65,536 equal bins)."""

WHITE = 255


@numba.njit(error_model="numpy")
def _occurrences(counts: Any) -> Any:
    """How many cells hold each count, 0 to the largest: int64 [largest + 1]."""
    largest = counts[0]
    for count in counts:
        largest = max(largest, count)
    # Neighbours often hold the same count: four tables, so that none waits for the one before.
    found = np.zeros((4, np.int64(largest) + 1), np.int64)
    whole = counts.size - counts.size % 4
    for cell in range(0, whole, 4):
        for part in range(4):
            found[part, np.uint64(counts[cell + part])] += 1
    for cell in range(whole, counts.size):
        found[0, np.uint64(counts[cell])] += 1
    return found[0] + found[1] + found[2] + found[3]


@numba.njit(error_model="numpy")
def _colour_table(occurrences: Any, palette: Any) -> Any:
    """The colour of each count: uint8 [len(occurrences), 3], white for the empty cells.

    The share of occupied cells with at most that count (its cdf) goes from the lowest share to 1
    over the 256 colours, linearly interpolated in float64, truncated.
    """
    table = np.full((occurrences.size, 3), np.uint8(WHITE))
    occupied = float(occurrences[1:].sum())
    running, colour = 0, 0
    lowest = step = -1.0
    for count in range(1, occurrences.size):
        if occurrences[count] == 0:
            continue
        running += occurrences[count]
        share = running / occupied
        if lowest < 0.0:
            lowest = share
            step = (1.0 - lowest) / 255
        if share >= 1.0:
            table[count] = palette[255]
            continue
        while colour < 254 and (colour + 1) * step + lowest <= share:
            colour += 1
        left = colour * step + lowest
        right = (colour + 1) * step + lowest if colour < 254 else 1.0
        for channel in range(3):
            low, high = float(palette[colour, channel]), float(palette[colour + 1, channel])
            slope = (high - low) / (right - left)
            table[count, channel] = np.uint8(slope * (share - left) + low)
    return table


@jit
def _shade_rgb(counts: Any, palette: Any, images: Any) -> None:
    for image in range(counts.shape[0]):
        table = _colour_table(_occurrences(counts[image]), palette)
        for cell in range(counts.shape[1]):
            count = np.uint64(counts[image, cell])
            images[image, cell, 0] = table[count, 0]
            images[image, cell, 1] = table[count, 1]
            images[image, cell, 2] = table[count, 2]


@jit
def _shade_gray(counts: Any, images: Any) -> None:
    for image in range(counts.shape[0]):
        occurrences = _occurrences(counts[image])
        occupied = float(occurrences[1:].sum())
        table = np.full(occurrences.size, np.uint8(WHITE))
        running = 0
        for count in range(1, occurrences.size):
            running += occurrences[count]
            table[count] = np.uint8(255.0 * (1.0 - running / occupied))
        for cell in range(counts.shape[1]):
            images[image, cell] = table[np.uint64(counts[image, cell])]


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


def rgb(counts: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """Colour images of counts.

    counts: unsigned integers [N, H, W]; palette: uint8 [256, 3]; returns uint8 [N, H, W, 3], empty
    cells white. Source: datashader, `transfer_functions.shade`, how="eq_hist".
    """
    flat = counts.reshape(len(counts), -1)
    images = np.empty((*flat.shape, 3), np.uint8)
    _shade_rgb(flat, palette, images)
    if counts.dtype.itemsize > 2:
        for index in np.flatnonzero(flat.max(axis=1, initial=0) >= BINS):
            if np.ptp(flat[index][flat[index] > 0]) >= BINS:
                images[index] = _binned_rgb(flat[index], palette)
    return images.reshape(*counts.shape, 3)


def gray(counts: np.ndarray) -> np.ndarray:
    """Ink on paper: 255 in empty cells, otherwise 255 (1 - F(count)), truncated.

    F is the share of occupied cells with at most that count, so the densest cell is 0 and every
    occupied cell is darker than the paper. counts: unsigned integers [N, H, W]; returns uint8
    [N, H, W].
    """
    images = np.empty(counts.shape, np.uint8)
    _shade_gray(counts.reshape(len(counts), -1), images.reshape(len(counts), -1))
    return images
