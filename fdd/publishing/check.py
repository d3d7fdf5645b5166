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
from PIL import Image

from fdd.data import parquet
from fdd.data.indexed_png import decode
from fdd.data.packaged import MANIFEST, is_package, read_manifest
from fdd.errors import FddError, starved
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
    samples,
    write_table,
)
from fdd.releases.cards import Release, release
from fdd.rendering.shading import shaded

CROISSANT = "croissant.json"


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


def _described(croissant: dict[str, Any]) -> dict[str, Any]:
    """What a reader of a croissant.json relies on, without the words for people."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(inner) for key, inner in value.items() if key != "description"}
        return [plain(inner) for inner in value] if isinstance(value, list) else value

    keys = ("@type", "conformsTo", "name", "version", "distribution", "recordSet")
    return {key: plain(croissant[key]) for key in keys} | {"@context": croissant["@context"]}


def _description_is_right(
    root: Path, card: Release, parts: list[Part], digests: dict[str, str]
) -> bool:
    """Whether croissant.json describes the files that are there, and their columns."""
    try:
        found = json.loads((root / CROISSANT).read_text(encoding="utf-8"))
        files = {name: ((root / name).stat().st_size, digests[name]) for name in digests}
        wanted = json.loads(TEXTS[CROISSANT](contents_of(card, parts, None, files)))
        return _described(found) == _described(wanted)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return False


def _shows(path: Path, image: np.ndarray) -> bool:
    """Whether a file is a PNG picture with these pixels."""
    try:
        with Image.open(path, formats=["PNG"]) as picture:
            if picture.size != image.shape[1::-1]:
                return False
            return np.array_equal(np.asarray(picture.convert("RGB")), image)
    except Exception as error:  # Pillow raises many types on damaged files
        if starved(error):
            raise
        return False


def _check_shard(root: Path, card: Release, part: Part, progress: Callable[[int], Any]) -> str:
    """What is wrong with a shard, or "": it is rendered again and compared image by image."""
    shard = parquet.Shard(root / part.name)
    if [shard.note.get(key) for key in Part._fields] != list(part) or shard.rows != part.rows:
        return "it holds other rows than its name says"
    indices, names = shard.names()
    if not np.array_equal(indices, np.arange(part.start, part.start + part.rows)):
        return f"its index does not run from {part.start} to {part.start + part.rows - 1}"
    if names != [parquet.picture_name(part.split, index) for index in indices.tolist()]:
        return "its pictures have other names than their split and index"
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

    All files are hashed, all images are rendered again and compared pixel by pixel, indices and
    names of pictures, the table, the samples and what croissant.json says are compared with what
    they must be. Of README, licence and wheels the checksums alone are compared.

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
    wheels = [root / name for name in digests if name.endswith(".whl")]
    for name in file_names(parts, wheels):
        if name not in digests and name != METADATA:
            reasons.setdefault(name, "it is missing")
    whole = not reasons.keys() & {CROISSANT, TABLE, *(part.name for part in parts)}
    if whole and not _description_is_right(root, card, parts, digests):
        reasons[CROISSANT] = "it describes other files or columns than those that are here"
    rows = sum(part.rows for part in parts)
    with progress_bar(total=rows, unit="image", desc="checking", disable=None) as progress:
        for part in parts:
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
        # a shard that cannot be read has its own reason
        with tempfile.TemporaryDirectory() as place, contextlib.suppress(FddError):
            table = Path(place) / TABLE
            write_table(table, root, parts)
            if file_digest(table) != digests[TABLE]:
                reasons[TABLE] = "it is not the table of the shards"
    for name, image in samples(card, parts).items():
        if name not in reasons and not _shows(root / name, image):
            reasons[name] = "it shows other pixels than the first images of the test split"
    # a downloaded package has none, since Kaggle's client does not upload it
    written = not reasons and (root / METADATA).is_file()
    if written and not _metadata_is_right(root, card, parts, sorted(digests)):
        reasons[METADATA] = "it is not what fdd package writes"
    different = [{"file": name, "reason": reason} for name, reason in sorted(reasons.items())]
    facts = {"folder": str(root), "version": card.name, "images": rows, "files": len(digests)}
    equal = len(digests) - len(reasons.keys() & digests.keys())
    return {**facts, "equal": equal, "different": different}
