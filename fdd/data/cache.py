"""Rendered shards on disk: checksummed, written under a temporary name, safe to share.

A shard is one `.npy` file of records (params, counts), so one rename publishes both, beside a
`.json` with the SHA-256 of its data and the size and time of the file that was last verified. A
file that has not changed since is not hashed again.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import re
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs
from filelock import FileLock

from fdd.errors import FddError, shown, starved
from fdd.files import as_path, atomic_write, writing_to
from fdd.progress import progress_bar
from fdd.releases.cards import RELEASES, Release, published_checksums
from fdd.releases.sampling import draw
from fdd.rendering.render import render

ENVIRONMENT = "FDD_DATA"
CHOOSE = f"choose another one with cache= or ${ENVIRONMENT}"
"""What to do about a cache folder that cannot be used."""

BLOCK, BLOCK_BYTES = 1000, 2**26
"""Records in memory while a file of them is written, and no more bytes than that if several."""


def cache_folder(cache: str | os.PathLike[str] | None = None) -> Path:
    """Where shards are kept: `cache`, else $FDD_DATA, else the user's cache folder. Not made.

    Raises FddError as `fdd.files.as_path`, and where the user has no home folder.
    """
    if cache is not None:
        return as_path("cache", cache, CHOOSE).absolute()
    if os.environ.get(ENVIRONMENT):
        return as_path(f"${ENVIRONMENT}", os.environ[ENVIRONMENT], "set it to a folder").absolute()
    try:
        folder = platformdirs.user_cache_path("fdd")
    except RuntimeError:
        folder = Path("~")
    if not folder.is_absolute():  # older versions leave the ~ in it
        raise FddError(f"there is no home folder to keep images in; set ${ENVIRONMENT} to a folder")
    return as_path("cache", folder, CHOOSE)


def record_type(card: Release) -> np.dtype:
    """One image of a shard: its parameters and its counts, uint16 where it holds all points."""
    kind = np.dtype(card.drawing("counts").count_kind).newbyteorder("<")
    return np.dtype([("params", "<f8", (6,)), ("counts", kind, (card.size, card.size))])


def npy_header(card: Release, rows: int) -> bytes:
    """What precedes the records in a shard of that many rows."""
    header = io.BytesIO()
    records = np.empty(0, record_type(card))
    np.lib.format.write_array_header_1_0(
        header, np.lib.format.header_data_from_array_1_0(records) | {"shape": (rows,)}
    )
    return header.getvalue()


def shards(card: Release, split: str) -> list[tuple[str, int, int]]:
    """(file name, first row, number of rows) of each shard of a split."""
    total = card.rows(split)
    return [
        (f"shard-{start // card.shard_rows:05d}.npy", start, min(card.shard_rows, total - start))
        for start in range(0, total, card.shard_rows)
    ]


def open_shard(path: Path) -> np.memmap:
    """A shard's records, memory-mapped."""
    return np.lib.format.open_memmap(path, mode="r")


def _sha256(records: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(records).view(np.uint8).data).hexdigest()


def _stamp(path: Path) -> dict[str, int]:
    status = path.stat()
    return {"bytes": status.st_size, "mtime_ns": status.st_mtime_ns}


def _note(path: Path) -> Path:
    return path.with_suffix(".json")


def _write_note(path: Path, digest: str) -> None:
    with atomic_write(_note(path), durable=False) as temporary:
        temporary.write_text(json.dumps({"sha256": digest, **_stamp(path)}) + "\n")


def check_shard(
    path: Path, card: Release, rows: int, published: str | None, trust_note: bool = True
) -> str | None:
    """What is wrong with a shard, or None if it is what it should be.

    A file unchanged since it was last verified is trusted, unless `trust_note` is False.
    """
    if not path.is_file():
        return "missing"
    try:
        records = open_shard(path)
    except Exception as error:  # numpy evaluates a damaged header in many ways
        if starved(error):
            raise
        return "truncated or unreadable"
    if records.dtype != record_type(card) or records.shape != (rows,):
        return "not of the right shape"
    if path.stat().st_size != records.offset + records.nbytes:
        return "longer than its records"
    try:
        note = json.loads(_note(path).read_text())
        digest = published or note["sha256"]
        if trust_note and note == {"sha256": digest, **_stamp(path)}:
            return None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        digest = published
    if digest is None:
        return "without its checksum"
    if _sha256(records) != digest:
        return "not what its checksum says"
    with contextlib.suppress(OSError):  # a shared folder may be read-only
        _write_note(path, digest)
    return None


def write_records(
    path: Path,
    card: Release,
    split: str,
    start: int,
    rows: int,
    published: str | None = None,
    threads: int | None = None,
    durable: bool = True,
) -> tuple[str, str]:
    """Renders rows start .. start + rows - 1 of a split into a `.npy` file of records.

    Returns the SHA-256 of the records and of the whole file. Memory is that of a block of rows.
    `durable` as `atomic_write`.
    Raises FddError if the records are not those of the checksum `published`.
    """
    kind = record_type(card)
    together = max(1, min(rows, BLOCK, BLOCK_BYTES // kind.itemsize))
    records = np.empty(together, kind)
    header = npy_header(card, rows)
    data, whole = hashlib.sha256(), hashlib.sha256(header)
    # not numpy.save, which needs all rows at once and hides why the system refused to write
    with atomic_write(path, durable) as temporary, temporary.open("wb") as file:
        file.write(header)
        for first in range(start, start + rows, together):
            block = records[: start + rows - first]
            _fill(block, card, split, first, threads)
            part = block.view(np.uint8).data
            file.write(part)
            data.update(part)
            whole.update(part)
        digest = data.hexdigest()
        if published not in (None, digest):
            raise FddError(
                f"this machine renders {card.name}/{split}/{path.name} with other bytes than those "
                f"published (SHA-256 {digest}, expected {published}); please report its processor"
            )
    return digest, whole.hexdigest()


def _fill(block: np.ndarray, card: Release, split: str, first: int, threads: int | None) -> None:
    """Fills records with the images of a split from number `first` on."""
    if card.origin is None:
        block["params"] = draw(card, split, first, len(block), block["counts"], threads)
        return
    params = draw(card.origin, split, first, len(block), threads=threads)
    block["params"] = params
    block["counts"] = render(params, "counts", card.size, card.points, threads=threads)


def _write_shard(path: Path, card: Release, split: str, start: int, rows: int) -> None:
    """Renders a shard and writes it with its checksum."""
    published = published_checksums(card.name).get(f"{split}/{path.name}")
    digest, _ = write_records(path, card, split, start, rows, published)
    _write_note(path, digest)


def _wrong_shards(
    folder: Path, card: Release, split: str
) -> tuple[list[tuple[str, int, int]], list[str]]:
    published = published_checksums(card.name)
    wrong, complaints = [], []
    for name, start, rows in shards(card, split):
        problem = check_shard(folder / name, card, rows, published.get(f"{split}/{name}"))
        if problem:
            wrong.append((name, start, rows))
            if problem != "missing":
                complaints.append(f"{folder / name} is {problem}; it is rendered again")
    return wrong, complaints


def redrawn_in(cache: Path) -> Iterator[Release]:
    """The releases drawn in another size or with other points that have a folder in the cache."""
    for path in sorted(cache.glob("*-*x*-*")):
        match = re.fullmatch(r"(.+)-([0-9]+)x\2-([0-9]+)", path.name)
        if match and match[1] in RELEASES:
            yield RELEASES[match[1]].redrawn(int(match[2]), int(match[3]))


def verify_cache(cache: Path) -> list[dict[str, Any]]:
    """Hashes every cached shard again; the next load renders those that are damaged.

    One report for each split that has shards: `folder`, `shards` (how many are there), `equal` (how
    many are what their checksum says), and `different`, a list of `file` and `reason`.
    """
    reports = []
    for card in [*RELEASES.values(), *redrawn_in(cache)]:
        published = published_checksums(card.name)
        for split in card.splits:
            folder = cache / card.name / split
            there = [part for part in shards(card, split) if (folder / part[0]).is_file()]
            different = []
            for name, _, rows in progress_bar(
                there, unit="shard", desc=f"verifying {split}", disable=None
            ):
                reason = check_shard(
                    folder / name, card, rows, published.get(f"{split}/{name}"), trust_note=False
                )
                if reason:
                    with contextlib.suppress(OSError):  # a shared folder may be read-only
                        _note(folder / name).unlink()
                    different.append({"file": name, "reason": f"it is {reason}"})
            if there:
                reports.append(
                    {
                        "folder": str(folder),
                        "shards": len(there),
                        "equal": len(there) - len(different),
                        "different": different,
                    }
                )
    return reports


def ensure_split(card: Release, split: str, cache: Path) -> list[Path]:
    """Paths of a split's shards, each verified; those missing or damaged are rendered first.

    Safe to interrupt (complete shards stay) and to run twice at once (the second waits).
    """
    folder = cache / card.name / split
    with writing_to(folder, CHOOSE):
        if _wrong_shards(folder, card, split)[0]:
            folder.mkdir(parents=True, exist_ok=True)
            with FileLock(folder / ".lock"):
                _render_missing(folder, card, split)
    return [folder / name for name, _, _ in shards(card, split)]


def _render_missing(folder: Path, card: Release, split: str) -> None:
    wrong, complaints = _wrong_shards(folder, card, split)
    for complaint in complaints:
        warnings.warn(complaint, stacklevel=4)  # the line that calls load
    for leftover in folder.glob(".*.tmp"):
        leftover.unlink()
    images = sum(rows for _, _, rows in wrong)
    needed = images * record_type(card).itemsize
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise FddError(
            f"folder {shown(folder)} has {free / 1e9:.2f} GB free and {card.name}/{split} "
            f"needs {needed / 1e9:.2f} GB; {CHOOSE}"
        )
    description = f"rendering {card.name}/{split}"
    with progress_bar(total=images, unit="image", desc=description, disable=None) as progress:
        for name, start, rows in wrong:
            _write_shard(folder / name, card, split, start, rows)
            progress.update(rows)
