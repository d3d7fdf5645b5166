"""The codes of parameters: a', b', c, d in [-1, 1], what their symmetries do, and their noise."""

from __future__ import annotations

from hashlib import sha256

import numpy as np
import torch
from torch import Tensor


def canonical(params: Tensor) -> Tensor:
    """The codes of raw parameters float64 [N, 6]: float32 [N, 4], each in [-1, 1].

    (2 a' / 3 - 1, b' / 3, c / 3, d / 3); a', b' are a, b without the sign that no image shows.
    """
    a, b, c, d = params[:, 2:].T
    sign = torch.where((a < 0) | ((a == 0) & (b < 0)), -1.0, 1.0)
    return torch.stack([2 * a.abs() / 3 - 1, sign * b / 3, c / 3, d / 3], dim=1).float()


def fold(codes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Of the eight vectors with one picture the one with a >= |b| and c >= 0, in thirds [N, 4], and
    whether its picture is to be flipped and then transposed: bool [N] (transposed), [N] (flipped).
    """
    a, b, c, d = ((codes[:, 0] + 1) / 2, *codes[:, 1:].T)
    swapped = b.abs() > a.abs()
    a, b = torch.where(swapped, b, a), torch.where(swapped, a, b)
    c, d = torch.where(swapped, d, c), torch.where(swapped, c, d)
    sign, turn = torch.where(a < 0, -1.0, 1.0), torch.where(c < 0, -1.0, 1.0)
    return torch.stack([sign * a, sign * b, turn * c, turn * d], dim=1), swapped, c < 0


def unfold(images: Tensor, swapped: Tensor, flipped: Tensor) -> Tensor:
    """Images [N, C, S, S] of folded vectors as those of the vectors themselves."""
    images = torch.where(flipped[:, None, None, None], images.flip(2), images)
    return torch.where(swapped[:, None, None, None], images.flip(2, 3).transpose(2, 3), images)


def refold(images: Tensor, swapped: Tensor, flipped: Tensor) -> Tensor:
    """Images [N, C, S, S] of vectors as those of the folded vectors: the inverse of `unfold`."""
    turned = images.flip(2, 3).transpose(2, 3)
    images = torch.where(swapped[:, None, None, None], turned, images)
    return torch.where(flipped[:, None, None, None], images.flip(2), images)


def generators(codes: Tensor, noise: int) -> list[np.random.Generator]:
    """Random numbers for each of codes [N, L]: a function of the code's bits and of `noise`."""
    rows = codes.detach().float().cpu().contiguous().numpy()
    keys = [int.from_bytes(sha256(row.tobytes()).digest()[:8], "little") for row in rows]
    return [np.random.Generator(np.random.Philox(key=[noise, key])) for key in keys]
