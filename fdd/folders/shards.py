"""One shard of a generated folder: a pure function of its job and its rows, whole or absent.

A shard is one file, beside which `FILE.sha256`, in the form that `sha256sum -c` reads, says that it
is whole: `shard-00007.npy`, records of params and counts as in the cache, or, for pictures,
`shards/shard-00007.csv`, which lists them with their parameters and checksums. Whatever a power
failure does to one of them, the checksum tells, so nobody waits for the disk after each.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fdd.attractors.params import NAMES
from fdd.data.cache import npy_header, record_type, write_records
from fdd.data.published import format_name
from fdd.files import atomic_write, file_digest
from fdd.pictures import save_png
from fdd.releases.cards import Release, published_checksums
from fdd.releases.sampling import draw
from fdd.rendering.shading import shaded

BLOCK = 256
"""Pictures in memory at once."""

COLUMNS = ["file", "version", "split", "palette", "index", *NAMES]
"""Columns of params.csv; the listing of a shard has one more, sha256."""

FORMATS = ("png", "npy")


class Shard(NamedTuple):
    """Rows start .. start + rows - 1 of a split."""

    start: int
    rows: int


@dataclass(frozen=True)
class Job:
    """What a folder holds, except which rows."""

    folder: Path
    card: Release
    split: str
    format: str
    palette: str | None
    shard_rows: int

    @property
    def settings(self) -> dict[str, str | int | None]:
        """What all shards of a folder share, as its manifest says it."""
        return {
            "version": self.card.name,
            "split": self.split,
            "format": self.format,
            "palette": self.palette,
            "shard_rows": self.shard_rows,
        }

    @property
    def folders(self) -> list[Path]:
        """The folders that files are written to."""
        if self.palette is None:
            return [self.folder]
        return [self.folder, self.folder / self.palette, self.folder / "shards"]

    def path(self, shard: Shard) -> Path:
        """The file of a shard, named by its number and by the rows before it that are left out."""
        number, offset = divmod(shard.start, self.shard_rows)
        name = f"shard-{number:05d}" + (f"+{offset}" if offset else "")
        if self.format == "npy":
            return self.folder / f"{name}.npy"
        return self.folder / "shards" / f"{name}.csv"


def seal(path: Path) -> Path:
    """Where the checksum of a shard's file is."""
    return path.with_name(f"{path.name}.sha256")


def _seal(path: Path, digest: str) -> None:
    with atomic_write(seal(path), durable=False) as temporary:
        temporary.write_text(f"{digest}  {path.name}\n", encoding="ascii")


def _is_sealed(path: Path) -> bool:
    """Whether a file is there and is what its checksum says."""
    if not path.is_file() or not seal(path).is_file():
        return False
    return seal(path).read_bytes() == f"{file_digest(path)}  {path.name}\n".encode()


def listed(path: Path) -> Iterator[dict[str, str]]:
    """The rows of a listing: file, version, split, palette, index, the parameters, sha256."""
    with path.open(newline="", encoding="utf-8") as file:
        yield from csv.DictReader(file)


def npy_bytes(job: Job, rows: int) -> int:
    """The exact size of a shard of records of that many rows."""
    return len(npy_header(job.card, rows)) + rows * record_type(job.card).itemsize


def make_shard(
    job: Job, shard: Shard, before: Sequence[Shard] = (), threads: int | None = None
) -> int:
    """Renders what a shard lacks or holds damaged; returns the number of images rendered.

    `before` are smaller shards of the same rows whose pictures can be used.
    """
    if job.format == "npy":
        return _make_records(job, shard, threads)
    return _make_pictures(job, shard, before, threads)


def _make_records(job: Job, shard: Shard, threads: int | None) -> int:
    path = job.path(shard)
    size = npy_bytes(job, shard.rows)
    if path.is_file() and path.stat().st_size == size and _is_sealed(path):
        return 0
    published = None
    if job.shard_rows == job.card.shard_rows and shard.rows == job.shard_rows:
        published = published_checksums(job.card.name).get(f"{job.split}/{path.name}")
    _, digest = write_records(path, job.card, job.split, *shard, published, threads, durable=False)
    _seal(path, digest)
    return shard.rows


def _make_pictures(job: Job, shard: Shard, before: Sequence[Shard], threads: int | None) -> int:
    path = job.path(shard)
    table: dict[int, dict[str, str]] = {}
    for listing in dict.fromkeys([path, *map(job.path, before)]):
        table.update(_kept_pictures(job, listing))
    indices = range(shard.start, shard.start + shard.rows)
    missing = [index for index in indices if index not in table]
    for first, rows in _runs(missing):
        table.update(_draw_pictures(job, first, rows, threads))
    text = io.StringIO()
    writer = csv.DictWriter(text, [*COLUMNS, "sha256"])
    writer.writeheader()
    writer.writerows(table[index] for index in indices)
    content = text.getvalue().encode()
    if not _is_sealed(path) or path.read_bytes() != content:
        with atomic_write(path, durable=False) as temporary:
            temporary.write_bytes(content)
        _seal(path, hashlib.sha256(content).hexdigest())
    return len(missing)


def _kept_pictures(job: Job, listing: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """The pictures of a listing that are there and whole; the index of each and its row.

    A row counts only if it is exactly what this module writes for its parameters: the folder may
    come from somebody else.
    """
    if not _is_sealed(listing):
        return
    with contextlib.suppress(csv.Error, KeyError, TypeError, ValueError):
        for row in listed(listing):
            index, vector = int(row["index"]), np.array([float(row[name]) for name in NAMES])
            if _picture(job, vector).is_file() and row == _row(job, index, vector):
                yield index, row


def _picture(job: Job, vector: np.ndarray) -> Path:
    assert job.palette is not None
    return job.folder / job.palette / format_name(vector)


def _row(job: Job, index: int, vector: np.ndarray) -> dict[str, str]:
    """What the listing says about a picture that is there."""
    picture = _picture(job, vector)
    return {
        "file": picture.relative_to(job.folder).as_posix(),
        "version": job.card.name,
        "split": job.split,
        "palette": picture.parent.name,
        "index": str(index),
        **dict(zip(NAMES, map(repr, vector.tolist()), strict=True)),
        "sha256": file_digest(picture),
    }


def _draw_pictures(
    job: Job, first: int, rows: int, threads: int | None
) -> Iterator[tuple[int, dict[str, str]]]:
    """Renders and saves pictures; the index of each and its row of the listing."""
    assert job.palette is not None
    drawing = job.card.drawing(palette=job.palette)
    counts = np.empty((rows, drawing.size, drawing.size), drawing.count_kind)
    params = draw(job.card, job.split, first, rows, counts, threads)
    images = shaded(drawing, counts)
    for index, vector, image in zip(range(first, first + rows), params, images, strict=True):
        save_png(image, _picture(job, vector), durable=False)
        yield index, _row(job, index, vector)


def _runs(indices: list[int]) -> Iterator[tuple[int, int]]:
    """(first, length) of the runs of consecutive ascending indices, each at most BLOCK long."""
    begin = 0
    for end in range(1, len(indices) + 1):
        full = end - begin == BLOCK
        if end == len(indices) or full or indices[end] != indices[end - 1] + 1:
            yield indices[begin], end - begin
            begin = end
