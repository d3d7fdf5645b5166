"""Paths that users give, files that are whole or absent, folders in use, digests."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import uuid
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import Any

from filelock import FileLock, Timeout

from fdd.errors import FddError, shown

try:
    import fcntl
except ImportError:  # on Windows
    fcntl = None  # type: ignore[assignment]

LOCK = ".lock"
"""What lies in a folder while a process works in it, and may stay there if that one is killed."""
LONGEST = 255
"""Bytes of a name that a listing gives: what file systems take."""
PATIENCE = 10.0
"""Seconds that one waits for others who hold a folder for a moment."""
TEMPORARY = re.compile(r"\.(.+\.)?[0-9a-f]{32}\.tmp", re.DOTALL)
"""Names of files that are not complete, and of which nothing is known once nobody writes them."""


def as_path(argument: str, value: Any, instead: str = "write another path") -> Path:
    """The path that a user gave, the home folder in place of ~; what it names need not be there.

    Raises FddError, which ends with `instead`, for what is no path, an empty one, one that the
    system refuses to look up (too long, a loop of links, a folder that may not be searched), and a
    ~ without a home folder.
    """
    try:
        text = os.fspath(value)
        if not isinstance(text, str):
            raise TypeError
    except TypeError:
        raise FddError(f"{argument}={shown(value)} is not a path; {instead}") from None
    if not text:
        raise FddError(f"{argument}='' is empty; {instead}")
    if "\0" in text:  # before Python says so, in words of its own in each version
        raise FddError(f"{argument}={shown(value)} cannot be used (embedded null byte); {instead}")
    try:
        path = Path(text).expanduser()
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        pass
    except RuntimeError:  # of expanduser
        raise FddError(
            f"{argument}={shown(value)}: there is no such home folder; {instead}"
        ) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise FddError(f"{argument}={shown(value)} cannot be used ({reason}); {instead}") from error
    return path


def as_file(argument: str, value: Any) -> Path:
    """`as_path` of a file to write, which is new or replaces a file.

    Raises FddError also for a folder, and for a device or a pipe, which a file would replace.
    """
    path = as_path(argument, value)
    if not path.name or path.is_dir():
        raise FddError(f"{argument}={shown(value)} is a folder; write the name of a file")
    if path.exists() and not path.is_file():
        raise FddError(f"{argument}={shown(value)} is a device or a pipe; write the name of a file")
    return path


@contextlib.contextmanager
def writing_to(folder: Path, instead: str = "choose another one") -> Iterator[None]:
    """Turns the system's complaints about a folder into one FddError that names it.

    The message ends with `instead`.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            reason = "the disk is full"
        else:
            reason = f"it cannot be written ({error.strerror or error})"
        raise FddError(f"folder {shown(folder)}: {reason}; {instead}") from error


@contextlib.contextmanager
def alone_in(folder: Path, patience: float = 0.0) -> Iterator[None]:
    """Within the block no other process works in a folder, which is made if need be.

    Raises FddError where one does already, and still does after `patience` seconds, and where the
    folder cannot be written. A folder that
    was made and holds nothing at the end goes again. A process that is killed holds nobody up.
    """
    with _made(folder), _locked(folder, LOCK, patience):
        for part in folder.glob(".part-*.lock"):
            with _locked(folder, part.name):
                pass
        yield


@contextlib.contextmanager
def alone_in_part(folder: Path, part: str) -> Iterator[None]:
    """As `alone_in`, beside processes that work in other parts of the folder."""
    with _made(folder), contextlib.ExitStack() as stack:
        with _locked(folder, LOCK, PATIENCE):
            stack.enter_context(_locked(folder, f".part-{part}.lock"))
        yield


@contextlib.contextmanager
def _made(folder: Path) -> Iterator[None]:
    """Makes a folder; removes what was made of its path if nothing was put there."""
    absent = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        with writing_to(folder):
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except FileExistsError:
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)) from None
        yield
    finally:
        with contextlib.suppress(OSError):  # it is no longer empty
            for path in absent:
                path.rmdir()


@contextlib.contextmanager
def _locked(folder: Path, name: str, patience: float = 0.0) -> Iterator[None]:
    """Holds a lock file, and removes it; FddError if another one holds it for too long."""
    path = not_linked(folder / name)
    with writing_to(folder):
        lock = FileLock(path)
        try:
            while not lock.is_locked:
                try:
                    lock.acquire(timeout=patience)
                except FileNotFoundError:  # whoever held it had made the folder, and removed it
                    folder.mkdir(parents=True, exist_ok=True)
        except Timeout as error:
            raise FddError(
                f"folder {shown(folder)} is in use: another process works in it; wait until it "
                "has ended or choose another folder"
            ) from error
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # Windows removes no open file
            path.unlink()
        lock.release()


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike[str], durable: bool = True) -> Iterator[Path]:
    """Yields a temporary path in the same folder that becomes `path` when the block succeeds.

    Before, what killed writers left in the folder is removed, and after, a power failure leaves
    `path` as it is. Without `durable` neither is so: that is for files of which there are many and
    whose checksums tell.
    """
    final = Path(path)
    temporary = final.with_name(f".{final.name}.{uuid.uuid4().hex}.tmp")
    if durable:
        sweep(final.parent)
    try:
        with _in_work(temporary):
            yield temporary
            if durable:
                to_disk(temporary)
            os.replace(temporary, final)
        if durable:
            to_disk(final.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def _in_work(path: Path) -> Iterator[None]:
    """Makes a file and holds its lock, by which `sweep` knows that somebody writes it."""
    if fcntl is None:
        yield
        return
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            with contextlib.suppress(OSError):  # where there are no locks, nobody sweeps
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            if path.exists():  # not swept before it was locked
                yield
                return
        finally:
            os.close(descriptor)


def sweep(folder: Path) -> None:
    """Removes the temporary files that nobody writes any more, as far as the system can tell.

    Where it has no locks, as Windows and some network file systems, they all stay.
    """
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:  # not glob, which holds the names of a million pictures
            if TEMPORARY.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                _remove_abandoned(entry.path)


def _remove_abandoned(path: str) -> None:
    if fcntl is None:
        return
    with contextlib.suppress(OSError):  # it is held, or others were first
        descriptor = os.open(path, os.O_RDWR)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.unlink(path)
        finally:
            os.close(descriptor)


def to_disk(path: Path) -> None:
    """Waits until a file, or the names in a folder, are on the disk."""
    if path.is_dir():
        with contextlib.suppress(OSError):  # Windows opens no folder, some file systems sync none
            _sync(path, os.O_RDONLY)
    else:
        _sync(path, os.O_RDWR)


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def within(folder: Path, name: str) -> Path:
    """The path of a file that a listing in a folder names; the listing may be somebody else's.

    Raises FddError unless the name is printable, short enough and leads into the folder.
    """
    parts = PurePath(name)
    short = len(os.fsencode(name)) <= LONGEST if name.isprintable() else False
    if not short or parts.anchor or ".." in parts.parts:
        raise FddError(
            f"folder {shown(folder)} lists {shown(name, 80)}, which is not the name of a file in "
            "it; choose another folder"
        )
    return folder / name


def not_linked(path: Path) -> Path:
    """A path that belongs to a folder, unchanged.

    Raises FddError for a link: what is written there would end up in another folder.
    """
    if path.is_symlink():
        raise FddError(
            f"{shown(path)} is a link, and what is written there would lie elsewhere; put a folder "
            "in its place or choose another one"
        )
    return path


def sum_line(name: str, data: bytes) -> bytes:
    """The line for a file of these bytes in SHA256SUMS, as `sha256sum` writes it."""
    return f"{hashlib.sha256(data).hexdigest()}  {name}\n".encode()


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(2**16):
            digest.update(block)
    return digest.hexdigest()
