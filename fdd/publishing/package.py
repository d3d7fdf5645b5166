"""The folder that is published: Parquet shards, tables, texts, checksums, all in one flat folder.

Its bytes depend on the release and on the versions of fdd, pyarrow, Pillow and zlib alone.
`.package.json` holds the checksums of the shards that are complete, until the list of all files,
written last, takes its place.
"""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import fdd
from fdd.attractors.params import NAMES
from fdd.data import parquet
from fdd.data.indexed_png import encode
from fdd.data.packaged import MANIFEST, read_manifest
from fdd.devices import available_threads
from fdd.errors import FddError, shown, whole_number
from fdd.files import (
    LOCK,
    TEMPORARY,
    alone_in,
    as_path,
    atomic_write,
    file_digest,
    writing_to,
)
from fdd.pictures import grid, save_png
from fdd.progress import progress_bar
from fdd.publishing.contents import Contents
from fdd.publishing.croissant import croissant
from fdd.publishing.texts import kaggle_metadata, licence, readme
from fdd.releases.cards import DEFAULT_VERSION, Release, release
from fdd.releases.sampling import draw, sample_params
from fdd.rendering.render import render
from fdd.rendering.shading import shaded

PALETTE = "kbc"
SHARD_PIXELS = 5000 * 128**2
BLOCK = 10 * parquet.GROUP_ROWS
"""Images in memory at once."""
SAMPLES, PREVIEW = 12, 24
"""Pictures of the test split as single files, and in the contact sheet."""
TABLE, PICTURE, METADATA = "params.csv", "preview.png", "dataset-metadata.json"
UNFINISHED = ".package.json"
MOST_FILES, MOST_BYTES = 50, 20e9
"""What Kaggle takes: files at the top level, bytes in all."""


class Part(NamedTuple):
    """One shard: rows start .. start + rows - 1 of a split."""

    name: str
    split: str
    start: int
    rows: int


def plan(card: Release, images: int | None = None, shard_pixels: int = SHARD_PIXELS) -> list[Part]:
    """The shards of a package: of each split the first `images`, or all."""
    shard_rows = shard_pixels // card.size**2
    parts = []
    for split, stored in card.splits.items():
        rows = min(stored, images or stored)
        number = -(-rows // shard_rows)
        for place in range(number):
            start = place * shard_rows
            name = f"{split}-{place:05d}-of-{number:05d}.parquet"
            parts.append(Part(name, split, start, min(shard_rows, rows - start)))
    return parts


def blocks(
    card: Release, part: Part, progress: Callable[[int], Any]
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """(first row, params float64 [n, 6], counts uint16 [n, H, W]) of a shard, rendered."""
    counts = np.empty((min(part.rows, BLOCK), card.size, card.size), np.uint16)
    stop = part.start + part.rows
    for first in range(part.start, stop, BLOCK):
        block = counts[: stop - first]
        yield first, draw(card, part.split, first, len(block), block), block
        progress(len(block))


def _pictures(card: Release, counts: np.ndarray) -> list[bytes]:
    """Counts [n, H, W] as PNG files."""
    return [encode(image) for image in shaded(card.drawing(palette=PALETTE), counts)]


def note_of(card: Release, part: Part) -> dict[str, Any]:
    """What a shard's file says about itself."""
    pyarrow, _ = parquet.require()
    written = {
        "fdd": fdd.__version__,
        "pyarrow": pyarrow.__version__,
        "zlib": zlib.ZLIB_RUNTIME_VERSION,
    }
    return {"version": card.name, "palette": PALETTE, **part._asdict(), **written}


def _write_shard(path: Path, card: Release, part: Part, progress: Callable[[int], Any]) -> str:
    """Renders and writes a shard; its SHA-256."""
    pictures = partial(_pictures, card)
    with ThreadPoolExecutor(available_threads()) as pool, atomic_write(path) as temporary:

        def encoded() -> Iterator[tuple[int, np.ndarray, list[bytes]]]:
            for first, params, counts in blocks(card, part, progress):
                some = [counts[row : row + 20] for row in range(0, len(counts), 20)]
                yield first, params, [one for made in pool.map(pictures, some) for one in made]

        parquet.write(temporary, note_of(card, part), encoded())
        return file_digest(temporary)


def _is_shard(path: Path, card: Release, part: Part, digest: str | None) -> bool:
    """Whether a shard is there, undamaged, and what would be written now."""
    if digest is None or not path.is_file() or file_digest(path) != digest:
        return False
    try:
        return parquet.Shard(path).note == note_of(card, part)
    except FddError:  # somebody has listed a file of another kind
        return False


def write_table(path: Path, root: Path, parts: list[Part]) -> None:
    """params.csv: a row an image, floats as the shortest decimals that give the same float64."""
    with atomic_write(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["split", "index", "file", *NAMES])
        for part in parts:
            params = parquet.Shard(root / part.name).params()
            for row, vector in enumerate(params.tolist()):
                writer.writerow([part.split, part.start + row, part.name, *map(repr, vector)])


def _write_text(path: Path, text: str) -> None:
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def _as_json(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


TEXTS: dict[str, Callable[[Contents], str]] = {
    "LICENSE.txt": licence,
    "README.md": readme,
    "croissant.json": lambda contents: _as_json(croissant(contents)),
    METADATA: lambda contents: _as_json(kaggle_metadata(contents)),
}
"""Each text is given the files before it."""


def contents_of(
    card: Release, parts: list[Part], owner: str | None, files: dict[str, tuple[int, str]]
) -> Contents:
    """What the texts are made from; files: (bytes, SHA-256) of those before them, in order."""
    shards = {split: [part for part in parts if part.split == split] for split in card.splits}
    rows = {split: sum(part.rows for part in found) for split, found in shards.items()}
    names = {split: [part.name for part in found] for split, found in shards.items()}
    return Contents(card, PALETTE, owner, rows, names, dict(files))


def samples(card: Release, parts: list[Part]) -> dict[str, np.ndarray]:
    """By file name the contact sheet and the first test images, uint8 [H, W, 3] each."""
    rows = sum(part.rows for part in parts if part.split == "test")
    params = sample_params(min(rows, PREVIEW), "test", version=card.name)
    images = render(params, size=card.size, points=card.points, palette=PALETTE)
    first = enumerate(images[:SAMPLES])
    return {
        PICTURE: grid(images, 8, gap=12),
        **{f"sample-test-{number:03d}.png": image for number, image in first},
    }


def _wheels(folder: str | os.PathLike[str] | None) -> list[Path]:
    """The wheels of a folder, in the order of their names."""
    if folder is None:
        return []
    root = as_path("wheels", folder)
    found = sorted(root.glob("*.whl")) if root.is_dir() else []
    if not any(path.name.startswith(f"fdd-{fdd.__version__}-") for path in found):
        raise FddError(
            f"wheels={str(folder)!r} must be a folder that holds fdd-{fdd.__version__}-*.whl: "
            f"pip wheel --no-deps -w {folder} ."
        )
    return found


def estimate(
    version: str = DEFAULT_VERSION,
    images: int | None = None,
    wheels: str | os.PathLike[str] | None = None,
) -> dict[str, Any]:
    """How large a package will be: `images`, `files`, and `bytes`, to a few per cent.

    Raises FddError for an argument out of its range, or if Kaggle would not take it.
    """
    card = release(version)
    if images is not None:
        images = whole_number("images", images, 1)
    parts, extra = plan(card, images), _wheels(wheels)
    counts = np.empty((64, card.size, card.size), np.uint16)
    draw(card, "train", 0, len(counts), counts)
    picture = float(np.mean([len(made) for made in _pictures(card, counts)]))
    rows = sum(part.rows for part in parts)
    size = int(rows * (picture + 230)) + sum(path.stat().st_size for path in extra)
    files = len(
        file_names(parts, extra)
    )  # the list of files is added, the metadata is not uploaded
    if files > MOST_FILES or size > MOST_BYTES:
        raise FddError(
            f"version={version!r}: {files} files with {size / 1e9:.1f} GB are more than Kaggle's "
            f"{MOST_FILES} files and {MOST_BYTES / 1e9:.0f} GB"
        )
    return {"images": rows, "files": files, "bytes": size}


def file_names(parts: list[Part], wheels: Sequence[Path]) -> list[str]:
    """What a package consists of, without the list of files, in the order of writing."""
    tests = sum(part.rows for part in parts if part.split == "test")
    samples = [f"sample-test-{number:03d}.png" for number in range(min(tests, SAMPLES))]
    names = [*(part.name for part in parts), TABLE, PICTURE, *samples]
    return [*names, *(path.name for path in wheels), *TEXTS]


def _begin(root: Path, names: list[str]) -> dict[str, str]:
    """The checksums of what is complete; from now on the folder counts as unfinished."""
    expected = {*names, MANIFEST, UNFINISHED, LOCK}
    done: dict[str, str] = {}
    for path in sorted(root.iterdir()):
        if path.name not in expected and not TEMPORARY.fullmatch(path.name):
            raise FddError(
                f"folder {str(root)!r} holds {path.name!r}, which is not part of this package; "
                "remove it or choose another folder"
            )
    if (root / MANIFEST).is_file():
        done = read_manifest(root)
    elif (root / UNFINISHED).is_file():
        try:
            done = json.loads((root / UNFINISHED).read_text(encoding="utf-8"))
            if not isinstance(done, dict):
                raise ValueError("it must be an object of checksums by name")
        except (RecursionError, ValueError) as error:
            raise FddError(
                f"file {str(root / UNFINISHED)!r} is damaged; remove it and run the command again"
            ) from error
    done = {name: digest for name, digest in done.items() if name in names}
    _write_text(root / UNFINISHED, _as_json(done))
    (root / MANIFEST).unlink(missing_ok=True)
    return done


def package(
    out: str | os.PathLike[str],
    version: str = DEFAULT_VERSION,
    images: int | None = None,
    wheels: str | os.PathLike[str] | None = None,
    owner: str | None = None,
) -> dict[str, Any]:
    """Writes the folder that `kaggle datasets create -p OUT` uploads.

    Run again it keeps the shards that are whole, so it goes on where it was interrupted. The same
    bytes come out every time.

    Parameters
    ----------
    out : path
        A new or empty folder, or one that this function began.
    version : str
        Name of the release.
    images : int, optional
        At most that many images of each split, from the first; by default all.
    wheels : path, optional
        A folder of wheels to carry, fdd's own among them, for machines without internet.
    owner : str, optional
        The account on Kaggle, by default `fdd.releases.cards.KAGGLE_OWNER`.

    Returns
    -------
    dict
        `folder`, `images` (in it), `rendered` (now), `files` and `bytes` of the upload.

    Raises
    ------
    FddError
        An argument out of its range, a folder that holds something else, cannot be written or has
        another process at work in it, a package that Kaggle would refuse, pyarrow not installed.
    """
    root = as_path("out", out)
    if owner is not None and not (isinstance(owner, str) and re.fullmatch(r"[A-Za-z0-9-]+", owner)):
        raise FddError(f"owner={shown(owner)} must be letters, digits and hyphens")
    parquet.require()
    estimate(version, images, wheels)
    card = release(version)
    return write(root, card, plan(card, images), _wheels(wheels), owner)


def write(
    root: Path,
    card: Release,
    parts: list[Part],
    wheels: Sequence[Path] = (),
    owner: str | None = None,
) -> dict[str, Any]:
    """Writes a package of these shards; returns what `package` returns."""
    rows = sum(part.rows for part in parts)
    rendered = 0
    with writing_to(root), alone_in(root):
        done = _begin(root, file_names(parts, wheels))
        with progress_bar(total=rows, unit="image", desc="packaging", disable=None) as progress:
            for part in parts:
                path = root / part.name
                if _is_shard(path, card, part, done.get(part.name)):
                    progress.update(part.rows)
                    continue
                done[part.name] = _write_shard(path, card, part, progress.update)
                rendered += part.rows
                _write_text(root / UNFINISHED, _as_json(done))
        _finish(root, card, parts, wheels, owner)
    files = [path for path in root.iterdir() if path.name != METADATA]
    size = sum(path.stat().st_size for path in files)
    facts = {"images": rows, "rendered": rendered, "files": len(files), "bytes": size}
    return {"folder": str(root), **facts}


def _finish(
    root: Path, card: Release, parts: list[Part], wheels: Sequence[Path], owner: str | None
) -> None:
    """Writes everything but the shards, and the list of files last."""
    write_table(root / TABLE, root, parts)
    for name, image in samples(card, parts).items():
        save_png(image, root / name)
    for wheel in wheels:
        with atomic_write(root / wheel.name) as temporary:
            shutil.copyfile(wheel, temporary)
    files: dict[str, tuple[int, str]] = {}
    for name in file_names(parts, wheels):
        path = root / name
        if name in TEXTS:
            _write_text(path, TEXTS[name](contents_of(card, parts, owner, files)))
        files[name] = (path.stat().st_size, file_digest(path))
    listed = sorted(name for name in files if name != METADATA)
    _write_text(root / MANIFEST, "".join(f"{files[name][1]}  {name}\n" for name in listed))
    (root / UNFINISHED).unlink()
