"""Pictures of any origin: smaller, side by side, as PNG, in a notebook."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from fdd.errors import FddError, shown, whole_number
from fdd.files import as_file, atomic_write, writing_to

GAP = 4
"""Pixels of white around the images of a grid."""

MOST_IMAGES, MOST_PIXELS = 2**16, 2**29
"""Of a sheet: images, which are drawn without a progress bar, and pixels, 1.6 GB of them and as
much again for the images that are put into it."""


PROGRAMS = frozenset(
    {"__macosx", "@eadir", "@tmp", "#recycle", "$recycle.bin", "lost+found", "thumbs.db"}
    | {"desktop.ini", "system volume information"}
)
"""What macOS, Windows, storage boxes and file systems put into a user's folders, in lower case."""


def is_set_aside(name: str) -> bool:
    """Whether a file or folder of that name is hidden or a program's own, so nobody's picture."""
    return name.startswith(".") or name.lower() in PROGRAMS


def grid(images: np.ndarray, columns: int, gap: int = GAP) -> np.ndarray:
    """Images uint8 [n, H, W, 3] as one picture, in rows of `columns`, on white."""
    columns = min(whole_number("columns", columns, 1), len(images))
    rows = -(-len(images) // columns)
    height, width = images.shape[1:3]
    sheet = np.full((rows * (height + gap) + gap, columns * (width + gap) + gap, 3), 255, np.uint8)
    for number, image in enumerate(images):
        top = gap + number // columns * (height + gap)
        left = gap + number % columns * (width + gap)
        sheet[top : top + height, left : left + width] = image
    return sheet


def check_count(count: int, size: int) -> None:
    """Refuses more images of size x size than a sheet may have, before they are drawn."""
    most = min(MOST_IMAGES, MOST_PIXELS // (size + GAP) ** 2)
    if count > most:
        raise FddError(f"count={count} must be at most {most} in a sheet of images of size={size}")


def png(image: np.ndarray) -> bytes:
    """uint8 [H, W, 3] or [H, W] as the bytes of a PNG file."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, format="PNG")
    return file.getvalue()


def save_png(image: np.ndarray, path: Path, durable: bool = True) -> None:
    """Writes uint8 [H, W, 3] as PNG, under a temporary name first; `durable` as `atomic_write`."""
    with atomic_write(path, durable) as temporary:
        Image.fromarray(image).save(temporary, format="PNG")


def checked_png(argument: str, value: Any) -> Path:
    """`fdd.files.as_file`; FddError also unless its name ends in .png."""
    path = as_file(argument, value)
    if path.suffix.lower() != ".png":
        raise FddError(f"{argument}={shown(value)} must end in .png, as a PNG is what is written")
    return path


@dataclass(frozen=True, eq=False, repr=False)
class Picture:
    """One picture, which a notebook shows."""

    image: np.ndarray
    """Its pixels: uint8 [H, W, 3]."""

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes it as a PNG file, and makes the folder for it if need be.

        Raises FddError as `checked_png`, and where the folder cannot be written.
        """
        file = checked_png("path", path)
        with writing_to(file.parent):
            file.parent.mkdir(parents=True, exist_ok=True)
            save_png(self.image, file)

    def _repr_png_(self) -> bytes:
        return png(self.image)

    def __repr__(self) -> str:
        height, width = self.image.shape[:2]
        return f"Picture({width} x {height} pixels)"


def resize(images: np.ndarray, size: int) -> np.ndarray:
    """Block means, rounded half up: uint8 [N, S, S, 3] -> uint8 [N, size, size, 3].

    FddError unless the images are uint8, square and RGB, and `size` divides S.
    """
    side = images.shape[1] if images.ndim == 4 else 0
    if images.dtype != np.uint8 or images.shape[1:] != (side, side, 3):
        raise FddError(f"images {images.dtype} {list(images.shape)} must be uint8 [N, S, S, 3]")
    if size < 1 or side % size:
        raise FddError(f"size={size} must divide {side}, the side of the images")
    block = side // size
    if block == 1:
        return images
    rows = images[:, ::block].astype(np.uint32)
    for i in range(1, block):
        rows += images[:, i::block]
    sums = rows[:, :, ::block].copy()
    for i in range(1, block):
        sums += rows[:, :, i::block]
    return ((2 * sums + block * block) // (2 * block * block)).astype(np.uint8)
