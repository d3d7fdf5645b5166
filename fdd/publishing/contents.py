"""What a package holds, file by file and column by column, for the texts that describe it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from fdd.attractors.families import FAMILIES
from fdd.releases.cards import Release, kaggle_handle

CREATOR = "The Fractal Dream Dataset maintainers"
LICENCE_URL = "https://creativecommons.org/licenses/by/4.0/"

COLOURS = {
    "kbc": "`kbc`, colorcet's `linear_kbc_5_95_c73` (P. Kovesi, CC BY 4.0)",
    "inferno": "`inferno` (S. van der Walt, N. Smith, CC0)",
    "viridis": "`viridis` (S. van der Walt, N. Smith, CC0)",
}
"""Where the colours of a palette come from."""


@dataclass(frozen=True)
class Contents:
    """What a package's folder holds when a text about it is written.

    `splits` has the rows of each split, `shards` the names of its Parquet files, and `files`
    (bytes, SHA-256) of every file that is there.
    """

    card: Release
    palette: str
    owner: str | None
    splits: dict[str, int]
    shards: dict[str, list[str]]
    files: dict[str, tuple[int, str]]

    @property
    def images(self) -> int:
        """Number of images in the package."""
        return sum(self.splits.values())

    @property
    def whole(self) -> bool:
        """Whether these are all images of the release."""
        return self.splits == self.card.splits

    @property
    def handle(self) -> str:
        """`owner/slug` on Kaggle."""
        return kaggle_handle(self.card, self.owner)

    @property
    def url(self) -> str:
        """The data set's page."""
        return f"https://www.kaggle.com/datasets/{self.handle}"

    @property
    def wheels(self) -> list[str]:
        """The wheels that the package carries."""
        return [name for name in self.files if name.endswith(".whl")]


class Column(NamedTuple):
    """A column of a table: "integer", "decimal", "string" or "image", and what it means."""

    kind: str
    meaning: str


_RANGES = zip(FAMILIES["fractal_dream"].parameters, FAMILIES["fractal_dream"].ranges, strict=True)
_ROLES = {
    "x0": "where the trajectory starts, horizontally",
    "y0": "where the trajectory starts, vertically",
    "a": "coefficient a in y' = sin(a x) + d sin(a y)",
    "b": "coefficient b in x' = sin(b y) + c sin(b x)",
    "c": "coefficient c in x' = sin(b y) + c sin(b x)",
    "d": "coefficient d in y' = sin(a x) + d sin(a y)",
}
_PARAMETERS = {
    name: Column("decimal", f"Latent parameter from {low:g} to {high:g}: {_ROLES[name]}")
    for name, (low, high) in _RANGES
}
_INDEX = Column("integer", "Number of the image in its split, from 0")

SHARD_COLUMNS: dict[str, Column] = {
    "index": _INDEX,
    **_PARAMETERS,
    "image": Column(
        "image", "The picture: `bytes`, a PNG file with indexed colours, and `path`, its name"
    ),
}
"""Columns of a Parquet file, in their order."""

TABLE_COLUMNS: dict[str, Column] = {
    "split": Column("string", "Split of the image: train, val or test"),
    "index": _INDEX,
    "file": Column("string", "Parquet file that holds the picture"),
    **_PARAMETERS,
}
"""Columns of params.csv, in their order."""

_MEANINGS = {
    "params.csv": "The latent parameters of every image of all splits, at full precision: the "
    "shortest decimals that give the same float64",
    "preview.png": "A contact sheet of images of the test split",
    "README.md": "What the data set is, how to read it, every column, how it was made, its limits",
    "LICENSE.txt": "The licences of the images, the parameters and the code",
    "croissant.json": "The data set described for machines, in the format Croissant 1.1",
    "sha256sums.txt": "The SHA-256 of every other file, for `sha256sum -c sha256sums.txt`",
}


def meaning(name: str, contents: Contents) -> str:
    """What a file of the package is, in one phrase. Raises KeyError for an unknown name."""
    size = contents.card.size
    for split, names in contents.shards.items():
        if name in names:
            place = f"part {names.index(name) + 1} of {len(names)}"
            return (
                f"Images of the split {split} ({size} x {size} pixels, as PNG) and their latent "
                f"parameters, {place}"
            )
    if name.endswith(".whl"):
        package = name.split("-")[0]
        return f"The Python package {package} as a wheel, for machines without internet"
    if name.startswith("sample-test-"):
        number = int(name.removeprefix("sample-test-").removesuffix(".png"))
        return f"Image {number} of the test split as a plain RGB picture"
    return _MEANINGS[name]


def citation(contents: Contents) -> str:
    """How the data set is cited, in BibTeX."""
    return (
        f"@misc{{fractal-dream-{contents.card.name},\n"
        f"  title = {{Fractal Dream Dataset, release {contents.card.name}}},\n"
        f"  author = {{{{{CREATOR}}}}},\n"
        f"  year = {{{contents.card.published[:4]}}},\n"
        f"  url = {{{contents.url}}}\n"
        "}"
    )
