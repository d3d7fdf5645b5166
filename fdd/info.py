"""What there is: releases, splits, families, and the contents of the cache, as data and as text."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import fdd
from fdd.data.cache import cache_folder, record_type, redrawn_in, shards
from fdd.devices import available_threads
from fdd.releases.cards import DEFAULT_VERSION, RELEASES, Release
from fdd.rendering.palettes import PALETTES


def _splits(card: Release, folder: Path) -> dict[str, dict[str, int]]:
    """By split how many images there are, how many are in the cache, and its bytes when all are."""
    cached = {
        split: sum(
            rows
            for file, _, rows in shards(card, split)
            if (folder / card.name / split / file).is_file()
        )
        for split in card.splits
    }
    return {
        split: {
            "images": images,
            "cached_images": cached[split],
            "cache_bytes": images * record_type(card).itemsize,
        }
        for split, images in card.splits.items()
    }


def describe(cache: str | os.PathLike[str] | None = None) -> dict[str, Any]:
    """Facts about the package, its releases and the cache, ready for JSON."""
    folder = cache_folder(cache)
    releases = {
        name: {
            "size": card.size,
            "points": card.points,
            "occupied_percent": card.occupied_percent,
            "licence": card.licence,
            "splits": _splits(card, folder),
        }
        for name, card in RELEASES.items()
    }
    redrawn = {card.name: {"splits": _splits(card, folder)} for card in redrawn_in(folder)}
    return {
        "fdd": fdd.__version__,
        "default_version": DEFAULT_VERSION,
        "releases": releases,
        "redrawn": redrawn,
        "families": {
            name: dict(zip(family.parameters, family.ranges, strict=True))
            for name, family in fdd.families.items()
        },
        "palettes": list(PALETTES),
        "cache": str(folder),
        "threads": available_threads(),
    }


def _split_lines(splits: dict[str, dict[str, int]]) -> list[str]:
    return [
        f"  {split:6} {sizes['images']:6} images, {sizes['cached_images']:6} in the cache, "
        f"{sizes['cache_bytes'] / 1e6:6.0f} MB when all are"
        for split, sizes in splits.items()
    ]


def summary(facts: dict[str, Any]) -> str:
    """The facts of `describe`, and reports of `verify_cache` as "check", as text for a terminal."""
    lines = [f"fdd {facts['fdd']}, cache {facts['cache']}, {facts['threads']} threads"]
    for name, release in facts["releases"].items():
        default = " (default)" if name == facts["default_version"] else ""
        lines.append(
            f"{name}{default}: {release['size']} x {release['size']} pixels, "
            f"{release['points']} points, at least {release['occupied_percent']} % of the pixels "
            f"occupied, {release['licence']}"
        )
        lines += _split_lines(release["splits"])
    for name, drawn in facts["redrawn"].items():
        lines.append(f"{name}: drawn in another size or with other points")
        lines += _split_lines(drawn["splits"])
    for name, ranges in facts["families"].items():
        listed = ", ".join(f"{key} {low:g}..{high:g}" for key, (low, high) in ranges.items())
        lines.append(f"family {name}: {listed}")
    lines.append(f"palettes: {', '.join(facts['palettes'])}")
    for report in facts.get("check", []):
        lines.append(
            f"{report['folder']}: {report['equal']} of {report['shards']} shards are what their "
            "checksums say"
        )
        lines += [f"  {entry['file']}: {entry['reason']}" for entry in report["different"]]
    return "\n".join(lines)
