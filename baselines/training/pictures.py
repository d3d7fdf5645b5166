"""A folder of pictures as a data set: files of the usual formats, cropped to squares, in memory."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps
from tqdm import tqdm

from fdd.errors import FddError

EIGHT_BITS = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr"})
"""Modes of Pillow that become RGB without loss of range; 16-bit and float pictures do not."""
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""What a file may be, whatever its name: for some of the others Pillow runs programs."""
ENDINGS = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"})


class Pictures:
    """Pictures uint8 [N, size, size, 3] in the order of their names; `read` gives rows of them."""

    version = None
    params = None

    def __init__(self, images: NDArray[np.uint8], names: list[str]) -> None:
        self.images, self.names = images, names

    def __len__(self) -> int:
        return len(self.images)

    def read(self, indices: NDArray[np.int64] | range | list[int]) -> NDArray[np.uint8]:
        """The pictures at these indices: uint8 [k, size, size, 3]."""
        return self.images[np.asarray(indices, dtype=np.int64)]

    def split(self, held_out: int) -> tuple[Pictures, Pictures]:
        """All other pictures, and `held_out` of them evenly spaced in the order of names."""
        chosen = np.zeros(len(self), bool)
        chosen[np.linspace(0, len(self) - 1, held_out).round().astype(int)] = True
        return self._take(~chosen), self._take(chosen)

    def _take(self, chosen: NDArray[np.bool_]) -> Pictures:
        names = [name for name, taken in zip(self.names, chosen, strict=True) if taken]
        return Pictures(self.images[chosen], names)


def read_pictures(folder: Path, size: int, exclude: Path | None = None) -> Pictures:
    """All pictures in `folder` and the folders in it, as RGB of size x size pixels.

    The largest square in the middle of each, scaled by Pillow's Lanczos filter; transparent parts
    on white; of an animation the first frame. `exclude` names pictures to leave out, one per
    line, relative to the folder; empty lines and those that begin with # are skipped.

    FddError for a folder without pictures, a file that is not a picture (by name: exclude it), an
    entry of `exclude` that is not there.
    """
    if not folder.is_dir():
        raise FddError(f"data='images:{folder}': there is no such folder")
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in ENDINGS)
    names = [path.relative_to(folder).as_posix() for path in found if path.is_file()]
    left_out = _excluded(exclude, names) if exclude is not None else set()
    names = [name for name in names if name not in left_out]
    if not names:
        raise FddError(
            f"data='images:{folder}': it holds no pictures ({', '.join(sorted(ENDINGS))})"
        )
    images = np.empty((len(names), size, size, 3), np.uint8)
    bar = tqdm(names, "reading pictures", unit="picture", delay=2)
    for place, name in enumerate(bar):
        images[place] = _read(folder / name, size)
    return Pictures(images, names)


def _excluded(exclude: Path, names: list[str]) -> set[str]:
    try:
        lines = exclude.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise FddError(f"exclude='{exclude}' cannot be read: {error}") from None
    wanted = {line.strip() for line in lines if line.strip() and not line.startswith("#")}
    unknown = sorted(wanted - set(names))
    if unknown:
        raise FddError(
            f"exclude='{exclude}' names {unknown[0]!r}, which is not a picture in the folder; "
            "write names relative to it, one per line"
        )
    return wanted


def _read(path: Path, size: int) -> NDArray[np.uint8]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=FORMATS) as opened:
                opened.draft("RGB", (2 * size, 2 * size))
                if opened.mode not in EIGHT_BITS:
                    raise ValueError(
                        f"its mode is {opened.mode!r}; save it with 8 bits per channel"
                    )
                rgba = ImageOps.exif_transpose(opened).convert("RGBA")
    except Exception as error:  # Pillow's decoders raise many types for a damaged file
        raise FddError(f"picture '{path}' cannot be read: {error}; --exclude can name it") from None
    side = min(rgba.size)
    left, top = (rgba.width - side) // 2, (rgba.height - side) // 2
    white = Image.new("RGBA", rgba.size, "white")
    flat = Image.alpha_composite(white, rgba).convert("RGB")
    box = (left, top, left + side, top + side)
    return np.asarray(flat.resize((size, size), Image.Resampling.LANCZOS, box))
