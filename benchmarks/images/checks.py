"""Checks that image scores share."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmarks.statistics.arrays import LARGEST, is_number, real_array
from fdd.errors import FddError, shown

if TYPE_CHECKING:
    import torch

RADIUS = 5  # of the 11 x 11 window of SSIM


def checked_images(name: str, value: ArrayLike, rows: int = 1) -> NDArray[Any]:
    images = real_array(name, value)
    if images.ndim not in (3, 4) or min(images.shape[1:3]) <= 2 * RADIUS or images.shape[-1] == 0:
        raise FddError(
            f"{name} has shape {images.shape}: it must be [N, H, W, C] or [N, H, W], "
            "H and W at least 11"
        )
    enough(name, images, rows)
    return images


def rgb_images(name: str, value: ArrayLike) -> NDArray[np.uint8]:
    """`value` as uint8 [N >= 1, H >= 1, W >= 1, 3]; an FddError otherwise."""
    images = real_array(name, value)
    if images.dtype != np.uint8:
        raise FddError(f"{name} has dtype {images.dtype}: it must be uint8, as fdd.render gives it")
    if images.ndim != 4 or images.shape[-1] != 3 or 0 in images.shape[1:]:
        raise FddError(f"{name} has shape {images.shape}: it must be [N, H, W, 3]")
    enough(name, images, 1)
    return images


def torch_device(device: str | torch.device) -> torch.device | None:
    """Where torch computes, None for numpy: `device` is cpu, cuda, cuda:N, auto or torch's own."""
    if isinstance(device, str) and device == "cpu":
        return None
    torch = sys.modules.get("torch")  # whoever gives one of its devices has imported it
    if torch is not None and isinstance(device, torch.device):
        return device
    from fdd.devices import pick_device

    chosen = pick_device(device)
    return None if chosen.type == "cpu" else chosen


def on_device(array: NDArray[Any], where: torch.device) -> torch.Tensor:
    """The array as a tensor there: uint8 if it is, else float64."""
    import torch

    kept = array if array.dtype == np.uint8 else array.astype(np.float64)
    return torch.from_numpy(np.ascontiguousarray(kept)).to(where)


def enough(name: str, images: NDArray[Any], rows: int) -> None:
    if len(images) < rows:
        raise FddError(f"{name} has {len(images)} images: it must have at least {rows}")
    if max(float(images.max()), -float(images.min())) > LARGEST:
        raise FddError(f"{name} has pixels beyond 1e100 in size: that is not an image")


def comparable(a: NDArray[Any], b: NDArray[Any], data_range: float) -> None:
    if a.shape != b.shape:
        raise FddError(f"images_a has shape {a.shape} and images_b {b.shape}: they must agree")
    if not is_number(data_range) or not 0 < data_range <= sys.float_info.max:
        raise FddError(f"data_range is {shown(data_range)}: it must be a positive number")
