"""Random flips and affine maps of images, each a pure function of its seed and step."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

Images = NDArray[np.uint8]
Params = NDArray[np.float64]

UPSIDE_DOWN = np.array([1, -1, -1, -1, -1, -1])
LEFT_TO_RIGHT = np.array([-1, 1, -1, -1, -1, -1])
"""What becomes of (x0, y0, a, b, c, d): (a, b, c, d) -> -(a, b, c, d) and y0 -> -y0 flips the image
top to bottom, and with the half turn by (x0, y0) -> -(x0, y0) left to right."""
WHITE = 255.0


def random_numbers(seed: int, step: int, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Uniform numbers in [0, 1) of that shape, a function of the seed and the step, from 0.

    They are not those that order the images, whose counter begins at 0.
    """
    return np.random.Generator(np.random.Philox(key=[seed, step], counter=[0, 0, 0, 1])).random(
        shape
    )


def flip(images: Images, params: Params | None, numbers: Params) -> tuple[Images, Params | None]:
    """Flip image i upside down if numbers[i, 0] < 0.5, left to right if numbers[i, 1] < 0.5.

    images uint8 [N, S, S, 3], raw params [N, 6] or None, which follow, numbers [N, 2].
    """
    images = images.copy()
    params = None if params is None else params.copy()
    down, across = (numbers < 0.5).T
    images[down] = images[down, ::-1]
    images[across] = images[across, :, ::-1]
    if params is not None:
        params[down] *= UPSIDE_DOWN
        params[across] *= LEFT_TO_RIGHT
    return images, params


def affine(images: Images, numbers: Params, rotate: float, translate: float, zoom: float) -> Images:
    """Turn, scale and shift images uint8 [N, S, S, 3] about their middle; what appears is white.

    By up to `rotate` degrees, a factor of 1 - zoom to 1 + zoom, and the share `translate` of the
    side; numbers [N, 4] in [0, 1) say how much. Bilinear.
    """
    turn, scale, right, down = (2 * numbers - 1).T
    angle, factor = np.radians(rotate * turn), 1 / (1 + zoom * scale)
    cos, sin = factor * np.cos(angle), factor * np.sin(angle)
    shift = 2 * translate * np.stack([right, down], axis=1)
    inverse = np.stack([np.stack([cos, sin], 1), np.stack([-sin, cos], 1)], axis=1)
    maps = np.concatenate([inverse, -inverse @ shift[:, :, None]], axis=2)
    ink = WHITE - torch.from_numpy(images).permute(0, 3, 1, 2).float()
    grid = functional.affine_grid(
        torch.from_numpy(maps).float(), list(ink.shape), align_corners=False
    )
    moved = WHITE - functional.grid_sample(ink, grid, align_corners=False)
    return moved.round().clamp(0, WHITE).to(torch.uint8).permute(0, 2, 3, 1).numpy()
