"""A package verified: every file hashed, every image rendered again."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from fdd.data import parquet
from fdd.data.indexed_png import decode
from fdd.data.packaged import MANIFEST, is_package, read_manifest
from fdd.errors import FddError
from fdd.files import LOCK, as_path, file_digest
from fdd.progress import progress_bar
from fdd.publishing.package import (
    METADATA,
    PALETTE,
    TABLE,
    TEXTS,
    Part,
    blocks,
    contents_of,
    file_names,
    plan,
    write_table,
)
from fdd.releases.cards import Release, release
from fdd.rendering.shading import shaded


def _card_of(root: Path) -> tuple[Release, list[Part]]:
    """The release of a complete package, and its shards, by what these say about themselves."""
    rows, versions = 0, []
    for name in read_manifest(root):
        if name.endswith(".parquet"):
            with contextlib.suppress(FddError):  # a damaged one is reported by its checksum
                shard = parquet.Shard(root / name)
                start = shard.note.get("start")
                rows = max(rows, (start if isinstance(start, int) else 0) + shard.rows)
                versions.append(shard.note.get("version"))
    if not versions:
        raise FddError(f"folder {str(root)!r} holds no readable shard of a package")
    card = release(str(versions[0]))
    return card, plan(card, rows)


def _metadata_is_right(root: Path, card: Release, parts: list[Part], names: list[str]) -> bool:
    """Whether dataset-metadata.json is what is written for this package, for any account."""
    wheels = [root / name for name in names if name.endswith(".whl")]
    order = [name for name in file_names(parts, wheels) if name != METADATA]
    try:
        text = (root / METADATA).read_text(encoding="utf-8")
        owner = json.loads(text)["id"].split("/")[0]
        files = {name: ((root / name).stat().st_size, file_digest(root / name)) for name in order}
        return text == TEXTS[METADATA](contents_of(card, parts, owner, files))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return False


def _check_shard(root: Path, card: Release, part: Part, progress: Callable[[int], Any]) -> str:
    """What is wrong with a shard, or "": it is rendered again and compared image by image."""
    shard = parquet.Shard(root / part.name)
    if [shard.note.get(key) for key in Part._fields] != list(part) or shard.rows != part.rows:
        return "it holds other rows than its name says"
    stored = shard.params()
    drawing, wrong = card.drawing(palette=PALETTE), 0
    for first, params, counts in blocks(card, part, progress):
        images = shaded(drawing, counts)
        inside = first - part.start
        if not np.array_equal(stored[inside : inside + len(params)], params):
            return f"parameters of rows {first} to {first + len(params) - 1} differ"
        found = np.empty_like(images)
        for group in range(-(-len(images) // parquet.GROUP_ROWS)):
            rows = slice(group * parquet.GROUP_ROWS, (group + 1) * parquet.GROUP_ROWS)
            pictures = shard.pictures(inside // parquet.GROUP_ROWS + group)
            for picture, image in zip(pictures, found[rows], strict=True):
                decode(picture, image, f"file {part.name!r}")
        wrong += int((found != images).any(axis=(1, 2, 3)).sum())
    return f"{wrong} of {part.rows} images differ" if wrong else ""


def check(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """Verifies a package and changes nothing.

    All files are hashed, all images are rendered again and compared pixel by pixel, and the table
    is compared with the shards.

    Returns `folder`, `version`, `images`, `files` (how many there should be), `equal` (how many are
    right) and `different`, a list of `file` and `reason`. Raises FddError for a folder that is no
    complete package.
    """
    root = as_path("folder", folder)
    if not is_package(root):
        raise FddError(
            f"folder {str(root)!r} holds no {MANIFEST}, which is written when all else is there; "
            f"run fdd package --out {root} to its end first"
        )
    digests = read_manifest(root)
    reasons: dict[str, str] = {}
    for name, digest in digests.items():
        if not (root / name).is_file():
            reasons[name] = "it is missing"
        elif file_digest(root / name) != digest:
            reasons[name] = "it is not what its checksum says"
    for path in root.iterdir():
        if path.name not in {*digests, MANIFEST, METADATA, LOCK}:
            reasons[path.name] = f"it is not listed in {MANIFEST}"
    card, parts = _card_of(root)
    rows = sum(part.rows for part in parts)
    with progress_bar(total=rows, unit="image", desc="checking", disable=None) as progress:
        for part in parts:
            if part.name not in digests:
                reasons[part.name] = "it is missing"
            if part.name in reasons:
                progress.update(part.rows)
                continue
            try:
                reason = _check_shard(root, card, part, progress.update)
            except FddError as error:
                reason = str(error)
            if reason:
                reasons[part.name] = reason
    present = [part for part in parts if (root / part.name).is_file()]
    if TABLE not in reasons and len(present) == len(parts):
        with tempfile.TemporaryDirectory() as place:
            table = Path(place) / TABLE
            write_table(table, root, parts)
            if file_digest(table) != digests[TABLE]:
                reasons[TABLE] = "it is not the table of the shards"
    # a downloaded package has none, since Kaggle's client does not upload it
    written = not reasons and (root / METADATA).is_file()
    if written and not _metadata_is_right(root, card, parts, sorted(digests)):
        reasons[METADATA] = "it is not what fdd package writes"
    different = [{"file": name, "reason": reason} for name, reason in sorted(reasons.items())]
    facts = {"folder": str(root), "version": card.name, "images": rows, "files": len(digests)}
    equal = len(digests) - len(reasons.keys() & digests.keys())
    return {**facts, "equal": equal, "different": different}
