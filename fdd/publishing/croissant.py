"""A package described in Croissant 1.1, the machine-readable format of MLCommons.

`mlcroissant` reads the records of such a description; so do the loaders that are built on it. Its
classes write exactly what is written here (a test). They are not used for it: `fdd package --check`
would then need mlcroissant, with scipy and rdflib, of everybody who checks what was downloaded.
"""

from __future__ import annotations

from typing import Any

from fdd.publishing.contents import (
    CREATOR,
    LICENCE_URL,
    SHARD_COLUMNS,
    TABLE_COLUMNS,
    Column,
    Contents,
    citation,
    meaning,
)

CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "dct": "http://purl.org/dc/terms/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "sc": "https://schema.org/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "description": {"@container": "@language"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "name": {"@container": "@language"},
} | {
    word: f"cr:{word}"
    for word in (
        "arrayShape",
        "citeAs",
        "column",
        "containedIn",
        "equivalentProperty",
        "extract",
        "field",
        "fileObject",
        "fileProperty",
        "fileSet",
        "format",
        "includes",
        "isArray",
        "isLiveDataset",
        "jsonPath",
        "key",
        "md5",
        "parentField",
        "path",
        "recordSet",
        "references",
        "regex",
        "repeated",
        "replace",
        "samplingRate",
        "separator",
        "source",
        "subField",
        "transform",
    )
}
"""The names of Croissant 1.1, as its specification gives them."""

PARQUET, CSV = "application/x-parquet", "text/csv"
SHARDS = "shards"
_TYPES = {
    "integer": "cr:Int64",
    "decimal": "cr:Float64",
    "string": "sc:Text",
    "image": "sc:ImageObject",
}


def croissant(contents: Contents) -> dict[str, Any]:
    """The description of a package, as the value of its croissant.json.

    It has a file set of all Parquet files and three record sets: `splits`; `images`, which can be
    filtered by `images/split`; and `params`.
    """
    card = contents.card
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": [
            "http://mlcommons.org/croissant/1.1",
            "http://mlcommons.org/croissant/RAI/1.0",
        ],
        "name": f"fractal-dream-{card.name}",
        "alternateName": f"Fractal Dream Dataset, release {card.name}",
        "description": (
            f"{contents.images:,} images of strange attractors, {card.size} x {card.size} pixels, "
            "each drawn by an equation from six numbers that are given at full precision: the true "
            "latent vector of every image is known."
        ),
        "url": contents.url,
        "license": LICENCE_URL,
        "creator": {"@type": "sc:Organization", "name": CREATOR, "url": contents.url},
        "datePublished": contents.card.published,
        "version": f"{card.name.rsplit('-')[-1]}.0.0",
        "citeAs": citation(contents),
        "keywords": [
            "representation learning",
            "disentanglement",
            "generative models",
            "latent space",
            "strange attractors",
            "fractals",
        ],
        "isLiveDataset": False,
        **_responsible(contents),
        "distribution": _distribution(contents),
        "recordSet": [_splits(contents), _images(contents), _params()],
    }


def _responsible(contents: Contents) -> dict[str, Any]:
    card = contents.card
    return {
        "rai:dataCollection": (
            "Nothing was collected. Parameters are drawn by a counter-based generator from the "
            "names of version and split and the number of the image, and the images are computed "
            "from them."
        ),
        "rai:dataCollectionType": "Others",
        "rai:dataPreprocessingProtocol": (
            f"{card.points:,} points of the trajectory are counted on a grid of {card.size} x "
            f"{card.size} cells, the counts are equalised over the occupied cells and coloured."
        ),
        "rai:dataAnnotationProtocol": (
            "None: the parameters are the cause of the image, not an annotation of it."
        ),
        "rai:dataUseCases": (
            "Measuring whether the codes of a generative or self-supervised model correspond to "
            "the true latent vectors; regression of parameters from images; tests of scores of "
            "disentanglement and correspondence."
        ),
        "rai:dataBiases": (
            f"A candidate is kept when at least {card.occupied_percent} % of the pixels are "
            "occupied, so parameters with a small magnitude are rarer than under a uniform draw."
        ),
        "rai:dataLimitations": [
            "The signs of a and b and the starting point cannot be read from an image: the "
            "equation has symmetries.",
            "An image shows the shape of the attractor, not its scale, and there is one image for "
            "each vector.",
        ],
        "rai:personalSensitiveInformation": "None. No image shows a person, a place or a thing.",
        "rai:dataReleaseMaintenancePlan": (
            "A release never changes; what changes a byte of it gets a new name."
        ),
    }


def _file(name: str, encoding: str, contents: Contents) -> dict[str, Any]:
    size, digest = contents.files[name]
    return {
        "@type": "cr:FileObject",
        "@id": name,
        "name": name,
        "description": meaning(name, contents),
        "contentUrl": name,
        "contentSize": f"{size} B",
        "encodingFormat": encoding,
        "sha256": digest,
    }


def _distribution(contents: Contents) -> list[dict[str, Any]]:
    names = [name for shards in contents.shards.values() for name in shards]
    return [
        *(_file(name, PARQUET, contents) for name in names),
        _file("params.csv", CSV, contents),
        {
            # not contained in its files: mlcroissant reads Parquet files of a folder, not of others
            "@type": "cr:FileSet",
            "@id": SHARDS,
            "name": SHARDS,
            "description": "The Parquet files of all splits.",
            "encodingFormat": PARQUET,
            "includes": [f"{split}-*-of-*.parquet" for split in contents.splits],
        },
    ]


def _field(records: str, name: str, column: Column, source: dict[str, Any]) -> dict[str, Any]:
    return {
        "@type": "cr:Field",
        "@id": f"{records}/{name}",
        "name": name,
        "description": column.meaning,
        "dataType": _TYPES[column.kind],
        **source,
    }


def _splits(contents: Contents) -> dict[str, Any]:
    columns = {
        "name": Column("string", "Name of the split."),
        "rows": Column("integer", "Number of its images."),
    }
    return {
        "@type": "cr:RecordSet",
        "@id": "splits",
        "name": "splits",
        "description": "The splits. Their images come from random streams of their own.",
        "dataType": "cr:Split",
        "key": {"@id": "splits/name"},
        "field": [_field("splits", name, column, {}) for name, column in columns.items()],
        "data": [
            {"splits/name": split, "splits/rows": rows} for split, rows in contents.splits.items()
        ],
    }


def _images(contents: Contents) -> dict[str, Any]:
    files = {"fileSet": {"@id": SHARDS}}
    # the rest of the name is optional, since mlcroissant applies the pattern to its result again
    split = {
        "references": {"field": {"@id": "splits/name"}},
        "source": {
            **files,
            "extract": {"fileProperty": "fullpath"},
            "transform": {"regex": f"^({'|'.join(contents.splits)})(?:-.*)?$"},
        },
    }

    def source(name: str, column: Column) -> dict[str, Any]:
        unpack = {"transform": {"jsonPath": "bytes"}} if column.kind == "image" else {}
        return {"source": {**files, "extract": {"column": name}, **unpack}}

    return {
        "@type": "cr:RecordSet",
        "@id": "images",
        "name": "images",
        "description": "Every image with its latent parameters.",
        "key": [{"@id": "images/split"}, {"@id": "images/index"}],
        "field": [
            _field("images", "split", TABLE_COLUMNS["split"], split),
            *(
                _field("images", name, column, source(name, column))
                for name, column in SHARD_COLUMNS.items()
            ),
        ],
    }


def _params() -> dict[str, Any]:
    table = {"fileObject": {"@id": "params.csv"}}
    return {
        "@type": "cr:RecordSet",
        "@id": "params",
        "name": "params",
        "description": (
            "The latent parameters of every image without the pictures. They are exact in the "
            "file; pandas before 3.1, which mlcroissant uses, errs in their last bits."
        ),
        "key": [{"@id": "params/split"}, {"@id": "params/index"}],
        "field": [
            _field("params", name, column, {"source": {**table, "extract": {"column": name}}})
            for name, column in TABLE_COLUMNS.items()
        ],
    }
