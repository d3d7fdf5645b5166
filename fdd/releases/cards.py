"""The releases of the data set, as data: sizes, splits, the rule of acceptance, checksums."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.resources import files

from fdd.errors import known
from fdd.rendering.drawing import Drawing


@dataclass(frozen=True)
class Release:
    """One named version. Anything that changes a byte of it makes a new version."""

    name: str
    splits: dict[str, int]
    size: int = 128
    points: int = 60000
    occupied_percent: int = 15
    """An image is kept when at least this share of its pixels is occupied."""
    shard_rows: int = 1000
    licence: str = "CC BY 4.0"
    published: str = "2026-11-24"
    """The day of its publication; it has not changed since."""
    origin: Release | None = None
    """The release whose parameters these are, if they are only drawn otherwise: see `redrawn`."""

    def redrawn(self, size: int, points: int) -> Release:
        """The same parameters drawn in another size or with other points, named after both.

        Which candidates are accepted stays what this release says. A shard has no more pixels than
        one of this release.
        """
        if (size, points) == (self.size, self.points):
            return self
        return replace(
            self,
            name=f"{self.name}-{size}x{size}-{points}",
            size=size,
            points=points,
            shard_rows=max(1, self.shard_rows * self.size**2 // max(self.size, size) ** 2),
            origin=self,
        )

    def rows(self, split: str) -> int:
        """Number of images of a split."""
        known("split", split, self.splits)
        return self.splits[split]

    @property
    def occupied_cells(self) -> int:
        """An image is kept when it occupies at least this many cells."""
        return -(-self.occupied_percent * self.size**2 // 100)

    def drawing(self, output: str = "rgb", palette: str = "kbc") -> Drawing:
        """How its images are drawn, as this output."""
        return Drawing(size=self.size, points=self.points, output=output, palette=palette)


RELEASES: dict[str, Release] = {
    "fdd-1": Release("fdd-1", splits={"train": 40000, "val": 5000, "test": 5000}),
    "mini-1": Release(
        "mini-1",
        splits={"train": 100000, "val": 10000, "test": 10000},
        size=32,
        points=4000,
        occupied_percent=28,  # keeps what fdd-1 keeps, for 97.5 % of the candidates (docs/mini.md)
        shard_rows=10000,
    ),
}
NEWEST = {"fdd": "fdd-1", "mini": "mini-1"}
"""The release meant by a name without a number."""

DEFAULT_VERSION = "fdd-1"

KAGGLE_OWNER = "fractal-dream"
"""The account on Kaggle that publishes our data sets and notebooks."""

KAGGLE_2019 = "lgoareguer/fractal-dream-dataset"
"""The data set of 2019 on Kaggle."""


def release(version: str) -> Release:
    """The release of that name, or the newest of its line: "fdd-1" or "fdd"."""
    known("version", version, [*RELEASES, *NEWEST])
    return RELEASES[NEWEST.get(version, version)]


def kaggle_handle(card: Release, owner: str | None = None) -> str:
    """A release's data set on Kaggle, as `owner/slug`."""
    return f"{owner or KAGGLE_OWNER}/fractal-dream-{card.name}"


def published_checksums(version: str) -> dict[str, str]:
    """SHA-256 of each shard's data by `split/shard name`; empty for a version without a list.

    The list makes "the same bytes everywhere" something that each machine checks for itself.
    """
    listing = files("fdd.releases").joinpath("checksums", f"{version}.sha256")
    if not listing.is_file():
        return {}
    lines = listing.read_text(encoding="ascii").split("\n")
    return {name: digest for digest, name in (line.split("  ") for line in lines if line)}
