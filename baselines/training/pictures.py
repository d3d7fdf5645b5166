"""A folder of pictures as a data set: files of the usual formats, cropped to squares, in memory."""

from __future__ import annotations

import io
import os
import warnings
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections import defaultdict, deque
from collections.abc import Iterator
from pathlib import Path
from unicodedata import normalize

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from fdd.errors import FddError
from fdd.files import LOCK
from fdd.pictures import is_set_aside
from fdd.progress import progress_bar

EIGHT_BITS = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr"})
"""Modes of Pillow that become RGB without loss of range; 16-bit and float pictures do not."""
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""What a file may be, whatever its name: for some of the others Pillow runs programs."""
ENDINGS = frozenset(
    {".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm", ".ppm"}
    | {".tif", ".tiff", ".webp"}
)
RUN = frozenset({"config.json", "checkpoints"})
"""What a folder holds that is a run's: its samples are no pictures to train on."""
SHOWN = 3
"""Examples that a message gives of what was left out."""


class Pictures:
    """Pictures uint8 [N, size, size, 3] in the order of their names; `read` gives rows of them.

    `left_out` says in words what else the folder holds and was not read; "" if there is nothing.
    """

    version = None
    params = None

    def __init__(self, images: NDArray[np.uint8], names: list[str], left_out: str = "") -> None:
        self.images, self.names, self.left_out = images, names, left_out

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
        return Pictures(self.images[chosen], names, self.left_out)


def read_pictures(
    folder: Path, size: int, exclude: Path | None = None, option: str = "data"
) -> Pictures:
    """All pictures in `folder` and the folders in it, as RGB of size x size pixels.

    The largest square in the middle of each, scaled by Pillow's Lanczos filter; transparent parts
    on white; of an animation the first frame. Links are followed, but each folder is read once.
    What programs leave (hidden files and folders, __MACOSX, @eaDir) is no picture, and neither are
    the samples of runs.

    `exclude` is a text file that names pictures and folders to leave out, one per line, relative
    to the folder or to the working folder, or absolute. Empty lines are skipped, and so are those
    that begin with # unless a picture has that name. `option` is what named the folder.

    FddError for a folder without pictures or that cannot be read, a file that is not a picture (by
    name: exclude it), an entry of `exclude` that is not there.
    """
    if not folder.is_dir():
        raise FddError(f"{option}='images:{folder}': there is no such folder")
    names, left_out = _walk(folder, option)
    if exclude is not None:
        excluded = _excluded(exclude, folder, names)
        names = [name for name in names if name not in excluded]
        left_out["that exclude names"] = sorted(excluded)
    words = _in_words(left_out)
    if not names:
        raise FddError(
            f"{option}='images:{folder}': it holds no pictures ({', '.join(sorted(ENDINGS))})"
            + (f"; left out: {words}" if words else "")
        )
    images = np.empty((len(names), size, size, 3), np.uint8)
    bar = progress_bar(names, "reading pictures", unit="picture", delay=2)
    for place, name in enumerate(bar):
        images[place] = _read(folder / name, size)
    return Pictures(images, names, words)


def _walk(top: Path, option: str) -> tuple[list[str], dict[str, list[str]]]:
    """The names of all pictures below a folder, in order, and what is left out, by reason."""
    names: list[str] = []
    left_out: dict[str, list[str]] = defaultdict(list)
    coming, read = deque([""]), set()
    while coming:
        place = coming.popleft()
        try:
            status = os.stat(top / place)
            with os.scandir(top / place) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            if not place:
                raise FddError(
                    f"{option}='images:{top}': it cannot be read ({error.strerror}); choose a "
                    "folder that you may read"
                ) from None
            left_out["folders that cannot be read"].append(place)
            continue
        if (status.st_dev, status.st_ino) in read:
            left_out["links to folders that are read anyway"].append(place)
            continue
        read.add((status.st_dev, status.st_ino))
        if place and RUN <= {entry.name for entry in found}:
            left_out["folders of runs"].append(place)
            continue
        inner: list[str] = []
        for entry in found:
            name = f"{place}/{entry.name}" if place else entry.name
            ending = Path(entry.name).suffix
            if entry.name == LOCK:  # of a run that begins there
                continue
            if is_set_aside(entry.name):
                left_out["that are hidden or a program's own"].append(name)
            elif entry.is_dir(follow_symlinks=False):
                inner.append(name)
            elif os.path.isdir(entry) and not top.resolve().is_relative_to(Path(entry).resolve()):
                coming.append(name)  # after all that are no links
            elif os.path.isdir(entry):
                left_out["links to folders that are read anyway"].append(name)
            elif ending.lower() not in ENDINGS:
                left_out["that are no pictures by their endings"].append(ending or entry.name)
            elif os.path.isfile(entry):
                names.append(name)
            else:
                left_out["that cannot be reached or are no files"].append(name)
        coming.extendleft(reversed(inner))
    return sorted(names, key=lambda name: name.split("/")), left_out


def _in_words(left_out: dict[str, list[str]]) -> str:
    """How many things were left out for each reason, with examples."""
    parts = []
    for reason, names in left_out.items():
        examples = list(dict.fromkeys(map(repr, names)))
        some = ", ".join(examples[:SHOWN]) + (", ..." if len(examples) > SHOWN else "")
        if names:
            parts.append(f"{len(names)} {reason} ({some})")
    return "; ".join(parts)


def _excluded(exclude: Path, folder: Path, names: list[str]) -> set[str]:
    """Those of the names that a list leaves out. FddError for an entry that is nothing there."""
    by_name: dict[str, set[str]] = defaultdict(set)
    for name in names:
        for spelled in (name, normalize("NFC", name)):  # macOS writes accents as letters
            parts = spelled.split("/")
            for depth in range(1, len(parts) + 1):
                by_name["/".join(parts[:depth])].add(name)
    excluded: set[str] = set()
    tops = [folder.absolute(), folder.resolve()]
    for line in _lines(exclude):
        meant = _meanings(line, tops)
        known = next((by_name[name] for name in meant if name in by_name), None)
        if known is not None:
            excluded |= known
        elif not line.startswith("#") and not any(os.path.lexists(folder / m) for m in meant):
            raise FddError(
                f"exclude='{exclude}' names {line.strip()!r}, which is not a picture in the "
                "folder; write names relative to it, one per line"
            )
    return excluded


def _lines(exclude: Path) -> Iterator[str]:
    """The lines of a list that are not empty; the names in it may be of any bytes."""
    try:
        data = exclude.read_bytes()
        if data.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):  # PowerShell's lists
            text = data.decode("utf-16")
        else:
            text = data.decode("utf-8-sig", "surrogateescape")
    except (OSError, ValueError) as error:
        raise FddError(f"exclude='{exclude}' cannot be read: {error}") from None
    for line in io.StringIO(text, newline=None):
        if line.strip():
            yield line.removesuffix("\n")


def _meanings(line: str, tops: list[Path]) -> list[str]:
    """What a line of a list may name, relative to the folder; the most literal comes first."""
    found = []
    for text in (line, line.strip(), line.strip().replace("\\", "/")):
        for top in tops:
            for start in (top, Path()):
                path = os.path.relpath(start / text, top)
                name = path.replace(os.sep, "/")
                if name.partition("/")[0] not in (".", ".."):
                    found += [name, normalize("NFC", name)]
    return found


def _read(path: Path, size: int) -> NDArray[np.uint8]:
    try:
        if not path.stat().st_size:
            raise ValueError("it is empty")
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
