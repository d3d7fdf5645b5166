"""Generated folders: any rows of a split on disk, shard by shard, here or on a Dask cluster.

A folder holds the union of the ranges that `generate` finished, cut at the multiples of
`shard_rows`: its bytes do not depend on how, where or in which order they were made.
`manifest.json` is written when everything else is there; until then `.generate.json` holds the
settings and the ranges that were complete before.
"""

from __future__ import annotations

import contextlib
import csv
import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fdd
from fdd.errors import FddError, known, shown, whole_number
from fdd.files import (
    alone_in,
    alone_in_part,
    as_path,
    atomic_write,
    file_digest,
    not_linked,
    to_disk,
    within,
    writing_to,
)
from fdd.folders import cluster
from fdd.folders.shards import COLUMNS, FORMATS, Job, Shard, listed, make_shard, npy_bytes, seal
from fdd.progress import progress_bar
from fdd.releases.cards import DEFAULT_VERSION, release
from fdd.rendering.palettes import PALETTES

MANIFEST, UNFINISHED, LISTING = "manifest.json", ".generate.json", "params.csv"

PNG_BYTES = (600, 0.933)
"""Bytes of a picture, and more for each pixel: 15.9 KB at 128 x 128, 1.56 KB at 32 x 32, the means
of a thousand images each of train and test of fdd-1 and mini-1."""

SHARD_NAME = re.compile(r"shard-(?P<number>\d{5,18})\+(?P<offset>\d{1,18})\.(npy|csv)(\.sha256)?")
"""Files of a shard that does not begin at a multiple of shard_rows."""

PICTURES = 256
"""Pictures of a shard by default; records are as many as in a shard of the cache."""

Ranges = list[tuple[int, int]]
"""(first row, last row + 1) of each, in ascending order, not touching."""


def union(ranges: Ranges, start: int, stop: int) -> Ranges:
    """The ranges together with rows start .. stop - 1."""
    apart = [one for one in ranges if one[1] < start or one[0] > stop]
    bounds = [one for one in ranges if one not in apart] + [(start, stop)]
    return sorted([*apart, (min(low for low, _ in bounds), max(high for _, high in bounds))])


def cut(ranges: Ranges, shard_rows: int) -> Iterator[Shard]:
    """The shards of ranges: cut at the multiples of shard_rows."""
    for low, high in ranges:
        while low < high:
            end = min((low // shard_rows + 1) * shard_rows, high)
            yield Shard(low, end - low)
            low = end


def _overlap(shard: Shard, ranges: Ranges) -> list[Shard]:
    """The parts of a shard that ranges hold."""
    start, stop = shard.start, shard.start + shard.rows
    parts = [(max(low, start), min(high, stop)) for low, high in ranges]
    return [Shard(low, high - low) for low, high in parts if low < high]


def _before(shard: Shard, done: Ranges) -> list[Shard]:
    """The complete shards that this one replaces, if they are different from it."""
    return [part for part in _overlap(shard, done) if part != shard]


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turns what goes wrong with the content of a file into one FddError that names it."""
    try:
        yield
    except (
        AttributeError,
        csv.Error,
        LookupError,
        OverflowError,
        RecursionError,
        TypeError,
        ValueError,
    ) as error:
        raise FddError(
            f"file {str(path)!r} is not one that generate wrote; remove it and run the same "
            "command again"
        ) from error


def _read(path: Path) -> dict[str, Any]:
    """A manifest, or the file that takes its place until it is written."""
    with _reading(path):
        found = json.loads(path.read_text(encoding="utf-8"))
        whole_number("shard_rows", found["shard_rows"], 1)
        ranges = [(one["start"], one["start"] + one["count"]) for one in found["ranges"]]
        after = -1
        for start, stop in ranges:
            whole_number("start", start, after + 1)
            after = whole_number("stop", stop, start + 1, 2**62)
        return found | {"ranges": ranges}


def _read_listing(path: Path) -> dict[str, Any]:
    """What a params.csv without a manifest says about its folder."""
    keys = ("version", "split", "palette")
    ranges: Ranges = []
    settings: dict[str, str] | None = None
    try:
        for row in listed(path):
            if list(row) != COLUMNS or None in row.values():
                raise ValueError(f"its columns must be {', '.join(COLUMNS)}")
            settings = settings or {key: row[key] for key in keys}
            if settings != {key: row[key] for key in keys}:
                raise ValueError(f"its rows must agree in {', '.join(keys)}")
            index = whole_number("index", int(row["index"]), 0, 2**62)
            if ranges and ranges[-1][1] == index:
                ranges[-1] = (ranges[-1][0], index + 1)
            else:
                ranges = union(ranges, index, index + 1)
        if settings is None:
            raise ValueError("it has no rows")
    except (ValueError, TypeError, csv.Error) as error:
        raise FddError(f"file {str(path)!r} is not one that generate wrote: {error}") from error
    return {**settings, "format": "png", "ranges": ranges}


def _state(root: Path) -> dict[str, Any]:
    """What is known about a folder: its settings, and `ranges`, the rows that were complete."""
    for name, read in ((MANIFEST, _read), (UNFINISHED, _read), (LISTING, _read_listing)):
        if (root / name).is_file():
            return read(root / name)
    return {"ranges": []}


def _check_room(job: Job, rows: int) -> None:
    """Refuses more rows than the disk can hold, counting those that are there already."""
    png = PNG_BYTES[0] + PNG_BYTES[1] * job.card.size**2
    needed = rows * png if job.format == "png" else npy_bytes(job, rows)
    place = next(path for path in (job.folder, *job.folder.parents) if path.exists())
    free = shutil.disk_usage(place).free
    data = job.folders[-1] if job.format == "npy" else job.folders[1]
    if needed > free and data.is_dir():
        needed -= sum(entry.stat().st_size for entry in os.scandir(data) if entry.is_file())
    if needed > free:
        raise FddError(
            f"folder {str(job.folder)!r} has {free / 1e9:.2f} GB free and {rows} images as "
            f"{job.format} need {needed / 1e9:.2f} GB more; choose another one or a smaller count"
        )


def _as_json(job: Job, ranges: Ranges, **more: Any) -> str:
    spans = [{"start": low, "count": high - low} for low, high in ranges]
    settings = {"fdd": fdd.__version__, **job.settings, "ranges": spans, **more}
    return json.dumps(settings, indent=2)


def _begin(job: Job, ranges: Ranges, done: Ranges) -> None:
    """Makes the folders; removes a manifest that is about to become wrong."""
    for folder in reversed(job.folders):
        folder.mkdir(parents=True, exist_ok=True)
    manifest = job.folder / MANIFEST
    if not manifest.is_file() or done != ranges:
        with atomic_write(job.folder / UNFINISHED) as temporary:
            temporary.write_text(_as_json(job, done) + "\n", encoding="utf-8")
        manifest.unlink(missing_ok=True)


def _write_listing(job: Job, ranges: Ranges) -> dict[str, Any]:
    """Joins the listings of all shards to params.csv, row by row."""
    path = job.folder / LISTING
    with (
        atomic_write(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.DictWriter(file, COLUMNS, extrasaction="ignore")
        writer.writeheader()
        for shard in cut(ranges, job.shard_rows):
            writer.writerows(listed(job.path(shard)))
    return {"file": LISTING, "bytes": path.stat().st_size, "sha256": file_digest(path)}


def _finish(job: Job, ranges: Ranges) -> None:
    """Removes what was replaced or left half written; writes params.csv and the manifest.

    The manifest comes last, so that whoever is killed before has not finished, and the next one
    clears up.
    """
    cluster.clear_up(job)
    _remove_replaced(job, ranges)
    more: dict[str, Any] = {"images": sum(high - low for low, high in ranges)}
    if job.format == "png":
        more["listing"] = _write_listing(job, ranges)
    with (
        atomic_write(job.folder / MANIFEST) as temporary,
        temporary.open("w", encoding="utf-8") as file,
    ):
        separator = _as_json(job, ranges, **more).removesuffix("\n}") + ',\n  "shards": [\n    '
        for shard in cut(ranges, job.shard_rows):
            path = job.path(shard)
            to_disk(path)
            entry = {
                "file": path.relative_to(job.folder).as_posix(),
                "start": shard.start,
                "rows": shard.rows,
                "bytes": path.stat().st_size,
                "sha256": seal(path).read_text(encoding="ascii").partition(" ")[0],
            }
            file.write(separator + json.dumps(entry))
            separator = ",\n    "
        file.write("\n  ]\n}\n")
    (job.folder / UNFINISHED).unlink(missing_ok=True)


def _remove_replaced(job: Job, ranges: Ranges) -> None:
    """Removes shards that begin within a range where it is not cut: a larger one holds their rows.

    What they hold is known by their names, for whoever was to remove them may have been killed.
    """
    with os.scandir(job.path(Shard(0, 1)).parent) as entries:
        for entry in entries:
            if (found := SHARD_NAME.fullmatch(entry.name)) is None:
                continue
            start = int(found["number"]) * job.shard_rows + int(found["offset"])
            if any(low < start < high for low, high in ranges):
                Path(entry.path).unlink(missing_ok=True)


def _check_same(root: Path, job: Job, state: dict[str, Any]) -> None:
    """Refuses a folder that holds something else, or links where the job's own folders are."""
    for key, value in job.settings.items():
        if state.get(key, value) != value:
            raise FddError(
                f"folder {str(root)!r} holds images of another {key} "
                f"({shown(state[key], 80)}, not {value!r}); choose another folder"
            )
    for place in job.folders[1:]:
        not_linked(place)


def make_one(job: Job, done: Ranges, start: int, stop: int, number: int) -> tuple[int, int]:
    """Makes one of the shards that rows start .. stop - 1 touch.

    Returns the numbers of images rendered now and of its images.
    """
    first = start // job.shard_rows
    number = whole_number("shard", number, 0, (stop - 1) // job.shard_rows - first)
    ranges = union(done, start, stop)
    touched = [one for one in ranges if one[0] <= start < one[1]]
    cell = Shard((first + number) * job.shard_rows, job.shard_rows)
    (shard,) = _overlap(cell, touched)
    _check_room(job, shard.rows)
    _begin(job, ranges, done)
    return make_shard(job, shard, _before(shard, done)), shard.rows


def make_all(
    job: Job, done: Ranges, start: int, stop: int, workers: int | None, scheduler: str | None
) -> tuple[int, int]:
    """Makes all that the folder is to hold, rows start .. stop - 1 included, and the manifest.

    Returns the numbers of images rendered now and of all in the folder.
    """
    ranges = union(done, start, stop)
    images = sum(high - low for low, high in ranges)
    _check_room(job, images)
    tasks = ((shard, _before(shard, done)) for shard in cut(ranges, job.shard_rows))
    with cluster.client(job, stop - start, workers, scheduler) as client:
        _begin(job, ranges, done)
        with progress_bar(total=images, unit="image", desc="generating", disable=None) as progress:
            rendered = cluster.run(client, job, tasks, progress.update)
    _finish(job, ranges)
    return rendered, images


def check(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """Hashes all that the manifest of a generated folder lists, and changes nothing.

    Returns `folder`, `shards` (how many there should be), `equal` (how many are what the manifest
    says), and `different`, a list of `file` and `reason`. Raises FddError without a manifest.
    """
    root = as_path("folder", folder)
    if not (root / MANIFEST).is_file():
        raise FddError(
            f"folder {str(root)!r} holds no {MANIFEST}, which is written when all else is there; "
            "run the command that generates it to its end first"
        )
    manifest = _read(root / MANIFEST)
    different: list[dict[str, str]] = []

    def is_right(entry: dict[str, str]) -> bool:
        path = within(root, entry["file"])
        if path.is_file() and file_digest(path) == entry["sha256"]:
            return True
        reason = "not what its checksum says" if path.is_file() else "missing"
        different.append({"file": entry["file"], "reason": f"it is {reason}"})
        return False

    equal = 0
    with _reading(root / MANIFEST):
        for entry in progress_bar(manifest["shards"], unit="shard", desc="checking", disable=None):
            right = is_right(entry)
            if right and manifest["format"] == "png":
                found = [is_right(row) for row in listed(root / entry["file"])]
                right = all(found)
            equal += right
        if "listing" in manifest:
            is_right(manifest["listing"])
    return {
        "folder": str(root),
        "shards": len(manifest["shards"]),
        "equal": equal,
        "different": different,
    }


def generate(
    folder: str | os.PathLike[str],
    split: str = "train",
    start: int = 0,
    count: int = 1000,
    version: str = DEFAULT_VERSION,
    palette: str | None = None,
    format: str = "png",
    shard_rows: int | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    shard: int | None = None,
) -> tuple[int, int]:
    """Renders images start .. start + count - 1 of a split into a folder.

    Run again, it verifies what is there by its checksums and renders what is missing or damaged; so
    it goes on where it stopped, or adds other rows of the same split. Memory does not grow with
    the number of images, however many shards there are.

    Parameters
    ----------
    folder : path
        What is written is complete when `manifest.json` is there, which lists the shards with
        their SHA-256.
    format : "png" or "npy"
        FOLDER/palette/x0_y0_a_b_c_d.png, as published in 2019, listed in FOLDER/params.csv with
        index and parameters; or FOLDER/shard-00000.npy, records (params float64 [6], counts uint16
        [H, W]) as in the cache.
    palette : str, optional
        Colours of the pictures, "kbc" by default.
    shard_rows : int, optional
        Images of a shard, the unit of work: by default those of the folder if it was begun, else
        256 pictures, or as many records as in a shard of the cache (1000).
    workers : int, optional
        Processes of a local Dask cluster; 0 renders in this process. See `fdd.folders.cluster` for
        the default.
    scheduler : str, optional
        Address of a running Dask scheduler whose workers see the folder under the same path.
    shard : int, optional
        Renders this shard of the range alone, in this process.

    Returns
    -------
    (int, int)
        Images rendered now, and images that the folder, or that shard, holds.

    Raises
    ------
    FddError
        An argument out of its range, a folder that holds something else, cannot be written, is too
        small or has another process at work in it (two with different `shard` may be), or a
        cluster that cannot do it.
    """
    card = release(version)
    card.rows(split)
    known("format", format, FORMATS)
    if format == "png":
        palette = "kbc" if palette is None else palette
        known("palette", palette, PALETTES)
    elif palette is not None:
        raise FddError(
            f"palette={palette!r}: npy shards hold counts, which have none; leave it out"
        )
    start = whole_number("start", start, 0, 2**62)
    stop = start + whole_number("count", count, 1, 2**62)
    if shard_rows is not None:
        shard_rows = whole_number("shard_rows", shard_rows, 1, 10**6)
    cluster.check_options(workers, scheduler, shard)
    root = as_path("folder", folder)
    default_rows = PICTURES if format == "png" else card.shard_rows
    alone = alone_in(root) if shard is None else alone_in_part(root, f"{start}+{shard}")
    with writing_to(root), alone:
        state = _state(root)
        rows = shard_rows or state.get("shard_rows", default_rows)
        job, done = Job(root.absolute(), card, split, format, palette, rows), state["ranges"]
        _check_same(root, job, state)
        if shard is not None:
            return make_one(job, done, start, stop, shard)
        return make_all(job, done, start, stop, workers, scheduler)
