"""The published folder layout: one PNG an image, its parameters in the file name.

`FOLDER/<palette>/x0_y0_a_b_c_d.png`, as messy as it was published in 2019: some names write the
decimals with a comma, some hold a blank before a number.
"""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np
from PIL import Image

from fdd.attractors.params import NAMES
from fdd.errors import FddError, starved
from fdd.files import as_path
from fdd.pictures import is_set_aside
from fdd.rendering.palettes import PALETTES


def parse_name(path: str | os.PathLike[str]) -> tuple[float, ...]:
    """The six parameters in a file name, in the order x0, y0, a, b, c, d."""
    parts = Path(path).name.removesuffix(".png").split("_")
    try:
        values = tuple(float(part.replace(",", ".")) for part in parts)
    except ValueError:
        values = ()
    if len(values) != len(NAMES) or not all(map(math.isfinite, values)):
        raise FddError(
            f"file {str(path)!r}: its name must be six finite numbers, "
            f"{'_'.join(NAMES)}.png, such as -0.27_-0.82_-2.41_-0.55_-0.04_-1.5.png"
        )
    return values


def format_name(params: np.ndarray) -> str:
    """The file name of a parameter vector [6]; `parse_name` gives the same float64 back."""
    return "_".join(repr(value) for value in np.asarray(params, np.float64).tolist()) + ".png"


def is_image(path: Path) -> bool:
    """Whether a path is named like a picture; the hidden files that macOS leaves are not."""
    return path.suffix == ".png" and not path.name.startswith(".")


def _holds_images(folder: Path) -> bool:
    return os.path.isdir(folder) and any(map(is_image, folder.iterdir()))


def palette_folders(root: Path) -> dict[str, list[Path]]:
    """By palette the folders of its name that hold pictures, in the first two levels below root.

    What comes from Kaggle or out of an archive often lies one folder deeper than before.
    """
    with os.scandir(root) as entries:
        inner = [entry for entry in entries if entry.is_dir() and not is_set_aside(entry.name)]
        parents = [root, *sorted(map(Path, inner))]
    places = {name: [parent / name for parent in parents] for name in PALETTES}
    return {
        name: [place for place in folders if _holds_images(place)]
        for name, folders in places.items()
    }


def image_folder(root: str | os.PathLike[str], palette: str) -> Path:
    """The folder of a palette's pictures: ROOT/palette, one level deeper, or ROOT itself."""
    folder = as_path("root", root).absolute()
    if not folder.is_dir():
        raise FddError(f"root={str(root)!r} is not a folder; give the folder that holds {palette}/")
    found = palette_folders(folder)
    if len(found[palette]) > 1:
        places = ", ".join(str(place) for place in found[palette])
        raise FddError(f"root={str(root)!r} holds {palette!r} more than once; give one of {places}")
    if found[palette]:
        return found[palette][0]
    if (folder / palette).is_dir():
        return folder / palette
    if any(found.values()):
        names = ", ".join(name for name in PALETTES if found[name])
        raise FddError(f"root={str(root)!r} holds no folder {palette!r}; it holds {names}")
    return folder


def list_images(folder: Path) -> list[Path]:
    """The PNG files of a folder, in the order of their names."""
    paths = sorted(filter(is_image, folder.iterdir()))
    if not paths:
        raise FddError(f"folder {str(folder)!r} holds no .png file")
    return paths


def _open(path: Path, size: int) -> Image.Image:
    try:
        picture = Image.open(path, formats=["PNG"])
    except Exception as error:  # Pillow raises many types on damaged files
        if starved(error):
            raise
        raise FddError(f"file {str(path)!r} is not a readable PNG picture") from error
    if picture.size != (size, size):
        width, height = picture.size
        picture.close()
        raise FddError(f"file {str(path)!r} is {width} x {height} pixels, not {size} x {size}")
    return picture


def check_image(path: Path, size: int) -> None:
    """Refuses a file that is not a picture of the right size, by its header alone."""
    _open(path, size).close()


def read_image(path: Path, size: int) -> np.ndarray:
    """The pixels of a picture: uint8 [size, size, 3]."""
    with _open(path, size) as picture:
        try:
            return np.asarray(picture.convert("RGB"))
        except Exception as error:
            if starved(error):
                raise
            raise FddError(f"file {str(path)!r} is damaged: {error}") from error
