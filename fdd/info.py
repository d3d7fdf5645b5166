"""What there is: releases, splits, families, and the contents of the cache, as data and as text."""

from __future__ import annotations

import os
from typing import Any

import fdd
from fdd.data.cache import cache_folder, record_type, shards
from fdd.devices import available_threads
from fdd.releases.cards import DEFAULT_VERSION, RELEASES
from fdd.rendering.palettes import PALETTES


def describe(cache: str | os.PathLike[str] | None = None) -> dict[str, Any]:
    """Facts about the package, its releases and the cache, ready for JSON."""
    folder = cache_folder(cache)
    releases = {}
    for name, card in RELEASES.items():
        splits = {}
        for split, images in card.splits.items():
            present = [
                rows
                for file, _, rows in shards(card, split)
                if (folder / name / split / file).is_file()
            ]
            splits[split] = {
                "images": images,
                "cached_images": sum(present),
                "cache_bytes": images * record_type(card).itemsize,
            }
        releases[name] = {
            "size": card.size,
            "points": card.points,
            "occupied_percent": card.occupied_percent,
            "licence": card.licence,
            "splits": splits,
        }
    return {
        "fdd": fdd.__version__,
        "default_version": DEFAULT_VERSION,
        "releases": releases,
        "families": {
            name: dict(zip(family.parameters, family.ranges, strict=True))
            for name, family in fdd.families.items()
        },
        "palettes": list(PALETTES),
        "cache": str(folder),
        "threads": available_threads(),
    }


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
        for split, sizes in release["splits"].items():
            lines.append(
                f"  {split:6} {sizes['images']:6} images, {sizes['cached_images']:6} in the cache, "
                f"{sizes['cache_bytes'] / 1e6:6.0f} MB when all are"
            )
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
