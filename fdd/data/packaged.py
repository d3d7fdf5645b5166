"""A package as a data set: what `fdd package` made, read where it lies."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fdd.data import parquet
from fdd.data.cache import cache_folder
from fdd.data.datasets import Dataset, Item, data_loader_worker
from fdd.data.indexed_png import decode
from fdd.devices import available_threads
from fdd.errors import FddError, shown
from fdd.files import as_path, atomic_write, file_digest
from fdd.progress import progress_bar
from fdd.releases.cards import Release

MANIFEST = "sha256sums.txt"
"""Lists every file with its SHA-256, in the form that `sha256sum -c` reads; written last."""


def is_package(root: str | os.PathLike[str]) -> bool:
    """Whether a folder is a complete package."""
    return (as_path("root", root) / MANIFEST).is_file()


def refuse_part_of_package(root: str | os.PathLike[str]) -> None:
    """FddError for a folder that is no package but holds one, or the shards of one."""
    folder = as_path("root", root)
    if not folder.is_dir():
        return
    for inner in sorted(folder.iterdir()):
        if is_package(inner):
            raise FddError(f"root={shown(root)} holds a package in {shown(inner.name)}; give that")
        if inner.suffix == ".parquet":
            raise FddError(
                f"root={shown(root)} holds shards of a package and not {MANIFEST}, which lists "
                "them; get the package again"
            )


def read_manifest(root: Path) -> dict[str, str]:
    """SHA-256 by file name. Raises FddError for a manifest that names anything but plain files."""
    path = root / MANIFEST
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        pairs = [line.split("  ", 1) for line in lines]
        digests = {name: digest for digest, name in pairs}
        for name, digest in digests.items():
            if Path(name).name != name or name.startswith(".") or "\\" in name or "\0" in name:
                raise ValueError(f"{name!r} is not the plain name of a file")
            if len(digest) != 64 or not set(digest) <= set("0123456789abcdef"):
                raise ValueError(f"the checksum of {name!r} is not 64 hexadecimal digits")
    except (OSError, ValueError) as error:
        raise FddError(f"file {str(path)!r} is not a package's list of files: {error}") from error
    return digests


def _stamp(path: Path, digest: str) -> list[Any]:
    status = path.stat()
    return [digest, status.st_size, status.st_mtime_ns]


def verify(root: Path, names: list[str], cache: str | os.PathLike[str] | None) -> None:
    """Refuses files that are not what the manifest says; each is hashed once, until it changes.

    What was verified is noted in the cache folder, since the package may be read-only.
    """
    digests = read_manifest(root)
    key = hashlib.sha256(os.fsencode(root.resolve())).hexdigest()[:16]
    known: dict[str, Any] = {}
    with contextlib.suppress(OSError, ValueError, TypeError, RecursionError):
        note = cache_folder(cache) / "verified" / f"{key}.json"
        known = dict(json.loads(note.read_text(encoding="utf-8")))
    for name in names:
        if name not in digests:
            raise FddError(f"folder {str(root)!r}: {MANIFEST} does not list {name!r}")
        if not (root / name).is_file():
            raise FddError(f"folder {str(root)!r} lacks {name!r}, which {MANIFEST} lists")
    fresh = {name: _stamp(root / name, digests[name]) for name in names}
    for name in progress_bar(
        [name for name in names if known.get(name) != fresh[name]],
        unit="file",
        desc=f"verifying {root.name}",
        disable=None,
    ):
        found = file_digest(root / name)
        if found != digests[name]:
            raise FddError(
                f"file {str(root / name)!r} is damaged: its SHA-256 is {found} and {MANIFEST} "
                f"says {digests[name]}; remove the folder and get it again"
            )
    if not fresh.items() <= known.items():
        with contextlib.suppress(OSError, FddError):
            note = cache_folder(cache) / "verified" / f"{key}.json"
            note.parent.mkdir(parents=True, exist_ok=True)
            with atomic_write(note) as temporary:
                temporary.write_text(json.dumps(known | fresh), encoding="utf-8")


def shard_names(root: Path, split: str) -> list[str]:
    """The files of a split, in order; FddError if the package has no such split."""
    names = sorted(name for name in read_manifest(root) if name.endswith(".parquet"))
    found = [name for name in names if name.startswith(f"{split}-")]
    if not found:
        splits = ", ".join(dict.fromkeys(name.split("-")[0] for name in names)) or "nothing"
        raise FddError(f"split={split!r}: folder {str(root)!r} holds {splits}")
    return found


class PackagedDataset(Dataset):
    """A split of a package. Pictures are unpacked when they are read; nothing is written.

    Raises FddError for a file that is not what the manifest says, or a package of another release,
    split or palette.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        card: Release,
        split: str,
        palette: str,
        cache: str | os.PathLike[str] | None,
        item: Item,
    ) -> None:
        self.root = as_path("root", root).absolute()
        self.version, self.split, self.palette = card.name, split, palette
        self.size = card.size
        self._paths = [self.root / name for name in shard_names(self.root, split)]
        verify(self.root, [path.name for path in self._paths], cache)
        self._open: dict[int, parquet.Shard] = {}
        shards = [self._shard(number) for number in range(len(self._paths))]
        for shard in shards:
            for key, wanted in {"version": card.name, "split": split, "palette": palette}.items():
                if shard.note.get(key) != wanted:
                    raise FddError(
                        f"{key}={wanted!r}: file {str(shard.path)!r} holds images of "
                        f"{shown(shard.note.get(key), 80)}"
                    )
        self._starts = np.cumsum([0, *(shard.rows for shard in shards)])
        for shard, start in zip(shards, self._starts.tolist(), strict=False):
            if shard.note.get("start") != start:
                raise FddError(
                    f"file {str(shard.path)!r} holds the rows from "
                    f"{shown(shard.note.get('start'), 80)} on, and its name says those from "
                    f"{start} on; get the package again"
                )
        super().__init__(np.concatenate([shard.params() for shard in shards]), item)

    def _shard(self, number: int) -> parquet.Shard:
        if number not in self._open:
            self._open[number] = parquet.Shard(self._paths[number])
        return self._open[number]

    def _groups(self, rows: np.ndarray) -> Iterator[tuple[int, int, np.ndarray]]:
        """(shard, row group, which of the rows lie there)."""
        numbers = np.searchsorted(self._starts, rows, side="right") - 1
        groups = (rows - self._starts[numbers]) // parquet.GROUP_ROWS
        order = np.lexsort((groups, numbers))
        changes = np.flatnonzero(np.diff(numbers[order]) | np.diff(groups[order])) + 1
        for places in np.split(order, changes):
            yield int(numbers[places[0]]), int(groups[places[0]]), places

    def read(self, indices: ArrayLike) -> np.ndarray:
        """The images at these indices, untransformed: uint8 [k, H, W, 3]."""
        rows = self._rows(indices)
        images = np.empty((len(rows), self.size, self.size, 3), np.uint8)
        if not len(rows):
            return images

        def work(part: tuple[int, int, np.ndarray]) -> None:
            number, group, places = part
            inside = rows[places] - self._starts[number] - group * parquet.GROUP_ROWS
            pictures = self._shard(number).pictures(group)
            name = f"file {str(self._paths[number])!r}, row group {group}"
            for place, row in zip(places, inside, strict=True):
                decode(pictures[row], images[place], f"{name}, row {row}")

        parts = list(self._groups(rows))
        threads = 1 if data_loader_worker() else min(available_threads(), len(parts))
        if threads == 1:
            for part in parts:
                work(part)
            return images
        with ThreadPoolExecutor(threads) as pool:
            for _ in pool.map(work, parts):
                pass
        return images

    def __getstate__(self) -> dict[str, Any]:
        return super().__getstate__() | {"_open": {}}  # files are opened again where they are read
