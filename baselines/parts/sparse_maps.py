"""Arithmetic on sparse maps: what `baselines.sdpc` does between its convolutions, and in place of
those whose input is nearly empty. Compiled for a processor.

Maps [N, K, s, s] and what is below them are channels last in memory; compiled code sees them as
[N, rows, length], a row of the picture in one.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from fdd.arithmetic.compiling import jit

Array = NDArray[np.floating[Any]]

TINY = 1e-12
FEW = 0.2
"""Share of maps that are not 0 up to which one thread adds up atoms faster than it convolves."""


def channels_last(maps: Tensor) -> Tensor:
    """The same, channels last in memory."""
    return maps.contiguous(memory_format=torch.channels_last)


class Rates(NamedTuple):
    """The numbers of a step: what a slope is multiplied by, what is then taken off, the weight of
    the feedback, and the share of a step that momentum goes on."""

    rate: float
    price: float
    feedback: float
    momentum: float


def threshold(
    slope: Tensor, ahead: Tensor, maps: Tensor, above: Tensor | None, gain: Tensor, rates: Rates
) -> tuple[Tensor, int]:
    """A step of maps from where momentum has carried them, in place, and the next momentum: how far
    those of each image went as a share of their norm, [N], and how many numbers of `ahead` may not
    be 0 then.

    slope, ahead, maps: [N, K, s, s]; what is in the first is lost. above: the same shape, what maps
    times gain [K, 1, 1] are predicted to be, and after the step what is wrong with that; None if
    nothing is above, and the feedback does nothing then.
    """
    if maps.device.type != "cpu":
        return threshold_tensors(slope, ahead, maps, above, gain, rates)
    changes = maps.new_empty(len(maps))
    tensors = slope, ahead, maps, maps[:0] if above is None else above
    rows = [_rows(tensor).numpy() for tensor in tensors]
    gains = gain.flatten().repeat(maps.shape[3]).numpy()
    numbers = (changes.numpy().dtype.type(x) for x in rates)
    return changes, _threshold(*rows, gains, *numbers, changes.numpy())


def threshold_tensors(
    slope: Tensor, ahead: Tensor, maps: Tensor, above: Tensor | None, gain: Tensor, rates: Rates
) -> tuple[Tensor, int]:
    """`threshold` on any device."""
    if above is not None:
        slope.add_(ahead, alpha=rates.feedback).addcdiv_(above, gain, value=-rates.feedback)
    new = ahead.sub(slope, alpha=rates.rate).sub_(rates.price).relu_()
    step = new - maps
    size, moved = (torch.linalg.vector_norm(part, dim=(1, 2, 3)) for part in (new, step))
    maps.copy_(new)
    torch.add(new, step, alpha=rates.momentum, out=ahead)
    if above is not None:
        above.addcmul_(gain, ahead, value=-1)
    return moved / size.clamp(min=TINY), maps.numel()


def predict(maps: Tensor, atoms: Tensor, below: Tensor, active: int) -> Tensor:
    """The sum of atoms [K, C, h, w], each where maps [N, K, s, s] have it and as often as they say:
    their transposed convolution, [N, C, S, S], channels last in memory.

    below: of this shape; it may be overwritten. active: the most numbers of maps that are not 0.
    """
    if active * torch.get_num_threads() > FEW * maps.numel():
        return channels_last(functional.conv_transpose2d(maps, atoms))
    flat = atoms.permute(0, 2, 3, 1).flatten(2)
    _scatter(maps.permute(0, 2, 3, 1).numpy(), flat.numpy(), _rows(below).numpy())
    return below


def _rows(maps: Tensor) -> Tensor:
    """[N, K, s, s] as [N, s, s * K], the same numbers in memory."""
    images, count, side, width = maps.shape
    return maps.permute(0, 2, 3, 1).view(images, side, width * count)


@jit
def _threshold(
    slope: Array,
    ahead: Array,
    maps: Array,
    above: Array,
    gain: Array,
    rate: float,
    price: float,
    feedback: float,
    momentum: float,
    changes: Array,
) -> int:
    """`threshold` on rows: `above` has no images where nothing is above, `gain` is [length]."""
    images, count, length = maps.shape
    number = maps.dtype.type
    zero, tiny = number(0), number(TINY * TINY)
    moved, size = np.empty(length, maps.dtype), np.empty(length, maps.dtype)
    active = 0
    for n in range(images):
        moved[:] = 0
        size[:] = 0
        for row in range(count):
            new, carried, old = slope[n, row], ahead[n, row], maps[n, row]
            # a loop each: the compiler takes many numbers at once where few arrays may overlap
            if len(above):
                predicted = above[n, row]
                for i in range(length):
                    new[i] += feedback * (carried[i] - predicted[i] / gain[i])
            for i in range(length):
                new[i] = max(carried[i] - rate * new[i] - price, zero)
            for i in range(length):
                step = new[i] - old[i]
                moved[i] += step * step
                size[i] += new[i] * new[i]
            for i in range(length):
                carried[i] = new[i] + momentum * (new[i] - old[i])
            for i in range(length):
                old[i] = new[i]
                active += carried[i] != 0
            if len(above):
                for i in range(length):
                    predicted[i] -= gain[i] * carried[i]
        changes[n] = math.sqrt(moved.sum() / max(size.sum(), tiny))
    return active


@jit
def _scatter(maps: Array, atoms: Array, below: Array) -> None:
    """`predict` of maps [N, s, s, K] and atoms [K, h, w * C] into what is below [N, S, S * C].

    Four atoms of a place at once, so that what is below is read and written a fourth as often.
    """
    images, side, _, count = maps.shape
    _, height, length = atoms.shape
    channels = below.shape[2] // below.shape[1]
    active = np.empty(count, np.int64)
    below[:] = 0
    for n in range(images):
        for y in range(side):
            for x in range(side):
                here = maps[n, y, x]
                found = 0
                for k in range(count):
                    active[found] = k
                    found += here[k] != 0
                fours = found - found % 4
                for h in range(height):
                    place = below[n, y + h, x * channels : x * channels + length]
                    for j in range(0, fours, 4):
                        p, q, r, s = active[j], active[j + 1], active[j + 2], active[j + 3]
                        a, b, c, d = here[p], here[q], here[r], here[s]
                        one, two, three, four = atoms[p, h], atoms[q, h], atoms[r, h], atoms[s, h]
                        for i in range(length):
                            place[i] += a * one[i] + b * two[i] + c * three[i] + d * four[i]
                    for j in range(fours, found):
                        often, atom = here[active[j]], atoms[active[j], h]
                        for i in range(length):
                            place[i] += often * atom[i]
