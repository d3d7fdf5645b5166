"""Where published data lies: attached to a notebook on Kaggle, cached by kagglehub, or remote."""

from __future__ import annotations

import contextlib
import errno
import logging
import ntpath
import os
import re
import shutil
import stat
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from filelock import FileLock

from fdd.errors import FddError, missing_extra, shown
from fdd.files import as_path
from fdd.releases.cards import DEFAULT_VERSION, KAGGLE_2019, kaggle_handle, release

EXPANSION, SMALL = 10, 2**20
"""An archive of pictures, Parquet and text is a bomb when it unpacks to that many times its size;
one that unpacks to no more bytes than SMALL never is."""

GUARD = threading.Lock()
"""Held while kagglehub is patched: one download at a time in a process."""

FULL = (errno.ENOSPC, errno.EDQUOT)
CLASHES = (errno.EEXIST, errno.EISDIR, errno.ENOTDIR, errno.ENAMETOOLONG, errno.EINVAL)
"""Errors for a file that is also a folder, and for a name that the file system refuses."""


def find(source: str, version: str = DEFAULT_VERSION) -> Path:
    """The folder of a published data set; downloads it if this machine does not have it.

    In this order: the input attached to a notebook on Kaggle (below $KAGGLE_CACHE_MOUNT_FOLDER,
    /kaggle/input by default); kagglehub's cache ($KAGGLEHUB_CACHE, ~/.cache/kagglehub by default),
    without asking the server, since a release never changes; kagglehub's download of the newest
    version. No account is needed for a public data set.

    Parameters
    ----------
    source : str
        "kaggle" is our package of the release, "kaggle-2019" the data set of 2019, and
        "kaggle:OWNER/SLUG" somebody's copy of either.
    version : str
        Name of the release that "kaggle" stands for.

    Returns
    -------
    Path
        The folder. Its files are not verified; `fdd.load` verifies a package's, once.

    Raises
    ------
    FddError
        An unknown source, kagglehub not installed, no network, a data set that is private or does
        not exist, a download that is damaged or unsafe to unpack, a full disk.
    """
    handle = _handle(source, version)
    return _attached(handle) or _cached(handle) or _download(handle)


def _handle(source: str, version: str) -> str:
    """The data set on Kaggle, OWNER/SLUG, that a source stands for; see `find`."""
    if source == "kaggle":
        return kaggle_handle(release(version))
    if source == "kaggle-2019":
        return KAGGLE_2019
    # a name becomes a part of paths
    match = re.fullmatch(r"kaggle:([\w-]+/[\w-]+)", str(source), re.ASCII)
    if match is None:
        raise FddError(
            f"source={shown(source)} is not known; choose kaggle, kaggle-2019 or kaggle:OWNER/SLUG"
        )
    return match[1]


def _attached(handle: str) -> Path | None:
    """The input of a notebook on Kaggle, which has lain in two places over the years."""
    mount = Path(os.environ.get("KAGGLE_CACHE_MOUNT_FOLDER", "/kaggle/input"))
    places = (mount / "datasets" / handle, mount / handle.partition("/")[2])
    return next((place for place in places if place.is_dir()), None)


def _cache(handle: str) -> Path:
    place = os.environ.get("KAGGLEHUB_CACHE") or "~/.cache/kagglehub"
    return as_path("$KAGGLEHUB_CACHE", place, "set it to a folder") / "datasets" / handle


def _cached(handle: str) -> Path | None:
    """The newest version in kagglehub's cache; a file N.complete says that version N is whole."""
    cache = _cache(handle)
    numbers = [int(mark.stem) for mark in cache.glob("*.complete") if mark.stem.isdecimal()]
    folders = [cache / "versions" / str(number) for number in sorted(numbers, reverse=True)]
    return next((folder for folder in folders if folder.is_dir()), None)


def _download(handle: str) -> Path:
    try:
        import kagglehub
    except ImportError as error:
        raise missing_extra("kaggle", error) from error
    cache = _cache(handle)
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with GUARD, FileLock(cache / ".lock"), _guarded(), _silent():
            return _cached(handle) or Path(kagglehub.dataset_download(handle))
    except FddError:
        raise
    except Exception as error:  # of kagglehub, requests, zipfile, or the system
        raise FddError(_complaint(handle, error)) from error


@contextlib.contextmanager
def _guarded() -> Iterator[None]:
    """Within the block kagglehub unpacks with `unpack`.

    Its own function writes bombs until the disk is full, and takes tar archives, whose links lead
    out of the folder on a Python without the fix for CVE-2025-4517.
    """
    from kagglehub import __version__, http_resolver

    theirs = getattr(http_resolver, "_extract_archive", None)
    if theirs is None:
        raise FddError(
            f"kagglehub {__version__} unpacks downloads in a way that cannot be guarded: "
            "pip install kagglehub==1.0.3"
        )
    http_resolver._extract_archive = unpack
    try:
        yield
    finally:
        http_resolver._extract_archive = theirs


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Within the block kagglehub writes no lines to standard output; its progress bar stays."""
    logger = logging.getLogger("kagglehub")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


def unpack(archive: str | os.PathLike[str], folder: str | os.PathLike[str]) -> None:
    """Unpacks a zip archive into a folder, if all its members are files within that folder.

    Raises FddError for an archive that is refused or damaged, and deletes it; OSError if the disk
    cannot hold it. The folder does not exist then. FddError also for a folder that is a link, which
    is left as it is.
    """
    path, target = Path(archive), Path(folder)
    if target.is_symlink():
        raise FddError(f"folder {shown(target)} is a symbolic link; remove it")
    if target.exists():  # an attempt was interrupted
        shutil.rmtree(target)
    try:
        with zipfile.ZipFile(path) as file:
            problem = _problem(file.infolist(), path.stat().st_size)
            if problem is None:
                if _unpacked(file.infolist()) > shutil.disk_usage(path.parent).free:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                file.extractall(target)
    except (OSError, MemoryError) as error:
        if not isinstance(error, OSError) or error.errno not in CLASHES:
            shutil.rmtree(target, ignore_errors=True)
            raise
        problem = f"its names do not go together ({error.strerror})"
    except Exception:  # zipfile and the decompressors raise many types
        problem = "it is not a whole zip archive"
    if problem is not None:
        shutil.rmtree(target, ignore_errors=True)
        path.unlink()  # or it would be taken for a finished download
        raise FddError(f"archive {shown(path)}: {problem}; nothing of it was kept")


def _unpacked(members: list[zipfile.ZipInfo]) -> int:
    """Bytes of an archive's files; zipfile writes no more than its table says."""
    return sum(member.file_size for member in members)


def _problem(members: list[zipfile.ZipInfo], archive_bytes: int) -> str | None:
    """Why an archive is not unpacked."""
    names: set[str] = set()
    for member in members:
        name = member.orig_filename
        parts = name.replace("\\", "/").split("/")
        if not parts[0] or ".." in parts or "\0" in name or ntpath.splitdrive(name)[0]:
            return f"its member {shown(name)} would lie outside of the folder"
        if stat.S_IFMT(member.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
            return f"its member {shown(name)} is neither file nor folder"
        if name.casefold() in names:
            return f"its member {shown(name)} is there twice"
        names.add(name.casefold())
    unpacked = _unpacked(members)
    if unpacked > max(EXPANSION * archive_bytes, SMALL):
        return f"it would unpack {archive_bytes} bytes to {unpacked}"
    return None


def _complaint(handle: str, error: Exception) -> str:
    """One sentence on why there is no data set, and on what to do."""
    import requests  # kagglehub brings it
    from kagglehub.config import get_kaggle_credentials
    from kagglehub.exceptions import DataCorruptionError

    response: Any = getattr(error, "response", None)
    status = None if response is None else response.status_code
    system = error.errno if isinstance(error, OSError) else None
    if status == 404:
        return f"data set {shown(handle)} does not exist on Kaggle"
    if status in (401, 403) and get_kaggle_credentials() is None:
        return (
            f"data set {shown(handle)} is private or does not exist on Kaggle, and there are no "
            "credentials; put an API token that may read it into $KAGGLE_API_TOKEN"
        )
    if status in (401, 403):
        return (
            f"data set {shown(handle)} is private or does not exist on Kaggle; the credentials of "
            "this machine may not read it"
        )
    if system is not None:
        reason = (
            "the disk is full" if system in FULL else f"it cannot be used ({os.strerror(system)})"
        )
        return f"folder {shown(_cache(handle))}: {reason}; choose another with $KAGGLEHUB_CACHE"
    if "KAGGLE_KERNEL_RUN_TYPE" in os.environ:
        return (
            f"data set {shown(handle)} is not attached to this notebook and cannot be downloaded "
            "from "
            'here; add it under "Add Input"'
        )
    if status is not None:
        return f"data set {shown(handle)}: Kaggle answers with error {status}; try again later"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return f"data set {shown(handle)}: the download broke off; run it again to go on"
    if isinstance(error, (requests.ConnectionError, requests.Timeout)):
        return (
            f"data set {shown(handle)} is not on this machine and Kaggle cannot be reached; "
            "connect to the internet, or give a folder that holds it with root="
        )
    if isinstance(error, DataCorruptionError):
        return f"data set {shown(handle)} arrived damaged; run it again"
    reason = str(error).partition("\n")[0]
    return f"data set {shown(handle)} cannot be downloaded: {reason} ({type(error).__name__})"
