"""Files that are whole or absent, folders that cannot lead elsewhere, digests."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path, PurePath

from fdd.errors import FddError


@contextlib.contextmanager
def writing_to(folder: Path) -> Iterator[None]:
    """Turns the system's complaints about a folder into one FddError that names it."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            reason = "the disk is full"
        else:
            reason = f"it cannot be written ({error.strerror or error})"
        raise FddError(f"folder {str(folder)!r}: {reason}; choose another one") from error


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yields a temporary path in the same folder that becomes `path` when the block succeeds."""
    final = Path(path)
    temporary = final.with_name(f".{final.name}.{uuid.uuid4().hex}.tmp")
    try:
        yield temporary
        os.replace(temporary, final)
    finally:
        temporary.unlink(missing_ok=True)


def within(folder: Path, name: str) -> Path:
    """The path of a file that a listing in a folder names; the listing may be somebody else's.

    Raises FddError unless the name is printable and leads into the folder.
    """
    parts = PurePath(name)
    if not name.isprintable() or parts.anchor or ".." in parts.parts:
        raise FddError(
            f"folder {str(folder)!r} lists {name!r:.80}, which is not the name of a file in it; "
            "choose another folder"
        )
    return folder / name


def not_linked(path: Path) -> Path:
    """A path that belongs to a folder, unchanged.

    Raises FddError for a link: what is written there would end up in another folder.
    """
    if path.is_symlink():
        raise FddError(
            f"{str(path)!r} is a link, and what is written there would lie elsewhere; put a folder "
            "in its place or choose another one"
        )
    return path


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(2**16):
            digest.update(block)
    return digest.hexdigest()
