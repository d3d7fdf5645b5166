"""Images as indexed-colour PNG files in memory, small and quick to read.

An attractor has some fifty colours, so a pixel is one byte and a table holds the colours: a third
of the bytes of an RGB picture. Any reader of PNG opens them; `decode` is several times as fast on
those that `encode` made, and reads any other PNG through Pillow.
"""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numba
import numpy as np
from PIL import Image

from fdd.arithmetic.compiling import jit
from fdd.errors import FddError, starved

try:
    from isal import isal_zlib as inflate  # the same results in half the time
except ImportError:
    import zlib as inflate  # type: ignore[no-redef]

SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOURS = 256
SLOTS = 4096


@numba.njit(error_model="numpy")
def _slot(colour: Any, keys: Any) -> Any:
    """Where a colour is in an open-addressed table, or the free place where it belongs."""
    slot = (colour * 2654435761 >> 20) % SLOTS  # Knuth's multiplicative hash
    while keys[slot] and keys[slot] != colour + 1:
        slot = (slot + 1) % SLOTS
    return slot


def _index(image: Any, rows: Any, colours: Any) -> Any:
    """Fills rows uint8 [H, W + 1], filter bytes first, and colours [256, 3]; their number.

    Colours are numbered in order of appearance. 257 means too many.
    """
    keys = np.zeros(SLOTS, np.int64)
    places = np.empty(SLOTS, np.uint8)
    found = 0
    height, width = image.shape[:2]
    for y in range(height):
        rows[y, 0] = 0
        for x in range(width):
            red, green, blue = image[y, x, 0], image[y, x, 1], image[y, x, 2]
            colour = np.int64(red) << 16 | np.int64(green) << 8 | np.int64(blue)
            slot = _slot(colour, keys)
            if not keys[slot]:
                if found == COLOURS:
                    return COLOURS + 1
                keys[slot] = colour + 1
                places[slot] = found
                colours[found, 0], colours[found, 1], colours[found, 2] = red, green, blue
                found += 1
            rows[y, x + 1] = places[slot]
    return found


def _paint(rows: Any, colours: Any, image: Any) -> Any:
    """The inverse of `_index`; False, and nothing useful, for filtered rows."""
    height, width = image.shape[:2]
    for y in range(height):
        if rows[y, 0]:
            return False
        for x in range(width):
            place = rows[y, x + 1]
            image[y, x, 0] = colours[place, 0]
            image[y, x, 1] = colours[place, 1]
            image[y, x, 2] = colours[place, 2]
    return True


index_kernel, paint_kernel = jit(_index), jit(_paint)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def encode(image: np.ndarray) -> bytes:
    """An image uint8 [H, W, 3] as PNG: indexed, or RGB if it has more than 256 colours.

    The same bytes for the same image and release of zlib.
    """
    height, width = image.shape[:2]
    rows = np.empty((height, width + 1), np.uint8)
    colours = np.empty((COLOURS, 3), np.uint8)
    found = index_kernel(image, rows, colours)
    if found > COLOURS:
        kind, table, raw = 2, b"", np.pad(image.reshape(height, -1), ((0, 0), (1, 0))).tobytes()
    else:
        kind, table, raw = 3, _chunk(b"PLTE", colours[:found].tobytes()), rows.tobytes()
    # run lengths alone: an attractor is dust on white; they are quickest, and here the smallest too
    packer = zlib.compressobj(6, zlib.DEFLATED, 15, 9, zlib.Z_RLE)
    header = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0))
    pixels = _chunk(b"IDAT", packer.compress(raw) + packer.flush())
    return b"".join((SIGNATURE, header, table, pixels, _chunk(b"IEND", b"")))


def decode(picture: bytes, image: np.ndarray, name: str) -> None:
    """Reads a PNG file into an image uint8 [H, W, 3]; nothing larger is ever unpacked.

    Raises FddError, which calls the picture `name`, for one that is not a readable PNG of H x W
    pixels.
    """
    if not _decode_indexed(picture, image):
        _decode_any(picture, image, name)


def _decode_indexed(picture: bytes, image: np.ndarray) -> bool:
    """Reads a picture that `encode` made; False for any other."""
    height, width = image.shape[:2]
    start = SIGNATURE + _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0))
    at = len(start)
    if picture[:at] != start or picture[at + 4 : at + 8] != b"PLTE":
        return False
    table = int.from_bytes(picture[at : at + 4], "big")
    pixels = at + 12 + table
    if table % 3 or table > 3 * COLOURS or picture[pixels + 4 : pixels + 8] != b"IDAT":
        return False
    packed = int.from_bytes(picture[pixels : pixels + 4], "big")
    if len(picture) != pixels + packed + 24:  # two lengths, kinds and checksums: then IEND
        return False
    size = height * (width + 1)
    unpacker = inflate.decompressobj()
    try:
        raw = unpacker.decompress(memoryview(picture)[pixels + 8 : -16], size)
    except Exception:  # each inflater raises its own type
        return False
    if len(raw) != size:
        return False
    colours = np.zeros((COLOURS, 3), np.uint8)
    colours.reshape(-1)[:table] = np.frombuffer(picture, np.uint8, table, at + 8)
    rows = np.frombuffer(raw, np.uint8).reshape(height, width + 1)
    return bool(paint_kernel(rows, colours, image))


def _decode_any(picture: bytes, image: np.ndarray, name: str) -> None:
    height, width = image.shape[:2]
    if picture.startswith(SIGNATURE) and len(picture) > 24:
        found = struct.unpack(">II", picture[16:24])
        if found != (width, height):  # before Pillow makes room for a picture of that size
            raise FddError(f"{name} is {found[0]} x {found[1]} pixels, not {width} x {height}")
    try:
        with Image.open(io.BytesIO(picture), formats=["PNG"]) as opened:
            image[:] = np.asarray(opened.convert("RGB"))
    except Exception as error:  # Pillow raises many types on damaged files
        if starved(error):
            raise
        raise FddError(f"{name} is not a readable PNG picture") from error
