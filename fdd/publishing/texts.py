"""The texts of a package: README, licence, Kaggle's metadata, Croissant, from what it contains."""

from __future__ import annotations

from typing import Any

from fdd.data.packaged import MANIFEST
from fdd.publishing.contents import (
    COLOURS,
    CREATOR,
    LICENCE_URL,
    SHARD_COLUMNS,
    TABLE_COLUMNS,
    Contents,
    citation,
    meaning,
)
from fdd.publishing.croissant import croissant
from fdd.publishing.readme import PICTURE, readme
from fdd.releases.cards import KAGGLE_2019

__all__ = ["Contents", "croissant", "kaggle_metadata", "licence", "readme"]

_KAGGLE_TYPES = {
    "integer": "integer",
    "decimal": "decimal",
    "string": "string",
    "image": "string",  # Kaggle has no type for pictures in a table
}


def licence(contents: Contents) -> str:
    """LICENSE.txt: what may be done with images, parameters and code. Plain text."""
    colours = COLOURS[contents.palette].replace("`", "")
    wheels = "The Python package fdd is licensed under the MIT License."
    if contents.wheels:
        wheels += " Each wheel (*.whl) carries its own licence."
    return f"""\
Fractal Dream Dataset, release {contents.card.name}
Copyright (c) {contents.card.published[:4]} {CREATOR}

IMAGES, PARAMETERS AND TEXTS
All files of this folder, other than wheels, are licensed under the Creative Commons Attribution
4.0 International License (CC BY 4.0): {LICENCE_URL}
You may share and adapt them for any purpose if you give credit, link to the licence and say
whether you changed something. They come as they are, without warranties of any kind.

COLOURS
The pictures are coloured with {colours}.

CODE
{wheels}

CREDIT
{citation(contents)}
"""


def kaggle_metadata(contents: Contents) -> dict[str, Any]:
    """The value of dataset-metadata.json, which Kaggle's client reads from the uploaded folder.

    Every file that is uploaded is described, every column of a table in its order.
    """
    name = contents.card.name
    resources: list[dict[str, Any]] = []
    tables = {shard: SHARD_COLUMNS for shards in contents.shards.values() for shard in shards}
    tables["params.csv"] = TABLE_COLUMNS
    for path in (*contents.files, MANIFEST):
        resource: dict[str, Any] = {"path": path, "description": meaning(path, contents)}
        if path in tables:
            fields = [
                {"name": column, "description": text, "type": _KAGGLE_TYPES[kind]}
                for column, (kind, text) in tables[path].items()
            ]
            resource["schema"] = {"fields": fields}
        resources.append(resource)
    return {
        "title": f"Fractal Dream Dataset {name}",
        "subtitle": "Strange attractors, each drawn from six known numbers: its latent vector",
        "id": contents.handle,
        "licenses": [{"name": "CC-BY-4.0"}],
        "keywords": [  # Kaggle takes the tags that it has and names the others
            *("image", "computer vision", "deep learning", "gan", "mathematics"),
            "arts and entertainment",
        ],
        "description": readme(contents).replace(PICTURE, ""),  # Kaggle's page shows no file
        "expectedUpdateFrequency": "never",
        "userSpecifiedSources": (
            "Computed by the Python package fdd from random numbers. The equation is C. A. "
            "Pickover's (Chaos in Wonderland, 1994), the form that of the data set of 2019: "
            f"https://www.kaggle.com/datasets/{KAGGLE_2019}"
        ),
        "image": "preview.png",
        "resources": resources,
    }
