"""The texts of a package: README, licence, Kaggle's metadata, from what it contains."""

from __future__ import annotations

from typing import Any

from fdd.data.packaged import MANIFEST
from fdd.publishing.contents import (
    COLOURS,
    CREATOR,
    LICENCE_URL,
    SHARD_COLUMNS,
    TABLE_COLUMNS,
    Column,
    Contents,
    citation,
    meaning,
)
from fdd.releases.cards import DEFAULT_VERSION, KAGGLE_2019

TEXTS = ("README.md", "LICENSE.txt", "croissant.json", MANIFEST)
"""Written after the data; the README is the same whether they are there yet or not."""

PICTURE = "![Images of the test split](preview.png)\n\n"

DENSITIES = {
    "fdd-1": """\
49 % of 4,000 candidates passed. Density on the whole train split relative to uniform, in twelve
bins from -3 to 3:

| | | | | | | | | | | | | |
|---|---|---|---|---|---|---|---|---|---|---|---|---|
| a | 1.48 | 1.37 | 1.16 | 0.95 | 0.61 | 0.39 | 0.37 | 0.61 | 0.97 | 1.18 | 1.40 | 1.50 |
| b | 1.52 | 1.42 | 1.14 | 0.97 | 0.61 | 0.35 | 0.39 | 0.63 | 0.95 | 1.17 | 1.36 | 1.48 |
| c | 1.31 | 1.26 | 1.11 | 0.96 | 0.79 | 0.60 | 0.61 | 0.73 | 0.95 | 1.10 | 1.29 | 1.30 |
| d | 1.39 | 1.22 | 1.08 | 0.97 | 0.74 | 0.63 | 0.61 | 0.76 | 0.96 | 1.06 | 1.23 | 1.34 |

`x0` and `y0` stay uniform within 2 %. The largest correlation between two parameters is 0.038 (`c`
with `d`). In the data set of 2019 those among `a`, `b`, `c`, `d` were 0.80 to 0.85 and that of `x0`
with `y0` 0.75.""",
}
"""What was measured of the parameters, by release."""

_TYPES = {
    "integer": "int64",
    "decimal": "float64",
    "string": "string",
    "image": "struct of binary and string",
}


def _size(amount: int) -> str:
    return f"{amount / 1e6:,.1f} MB" if amount >= 1e6 else f"{amount / 1e3:.1f} kB"


def readme(contents: Contents) -> str:
    """README.md, the text for the folder and for the page on Kaggle: Markdown."""
    card = contents.card
    return (
        "\n\n".join(
            (
                f"# Fractal Dream Dataset, release `{card.name}`",
                PICTURE.strip(),
                _summary(contents),
                _quick_start(contents),
                _files(contents),
                _columns(),
                _drawing(contents),
                _SYMMETRIES,
                _LIMITS,
                _rights(contents),
            )
        )
        + "\n"
    )


def _summary(contents: Contents) -> str:
    card = contents.card
    splits = ", ".join(f"{split} {rows:,}" for split, rows in contents.splits.items())
    part = ", ".join(
        f"{rows:,} of {card.splits[split]:,} images of {split}"
        for split, rows in contents.splits.items()
    )
    return (
        f"{contents.images:,} images of strange attractors, each drawn by an equation from six "
        "numbers that stand beside it at full precision: **every image's true latent vector is "
        "known**. Did your model find the latent space? Here a number answers that question."
        f"\n\nSplits: {splits}. Images: {card.size} x {card.size} pixels, RGB, uint8."
        + ("" if contents.whole else f"\n\n**This is a part of the release**: the first {part}.")
    )


def _quick_start(contents: Contents) -> str:
    card = contents.card
    split, shards = list(contents.shards.items())[-1]
    version = "" if card.name == DEFAULT_VERSION else f', version="{card.name}"'
    offline = (
        "\nThis package carries the wheels. On a machine without internet, such as a notebook on "
        "Kaggle, where it\nis mounted at `/kaggle/input`:\n\n"
        "    pip install --no-index --find-links /kaggle/input/"
        f"{contents.handle.split('/')[1]} fdd\n"
        if contents.wheels
        else ""
    )
    return f"""\
## Quick start

With our package, which loads and draws:

    pip install 'fdd[kaggle]'

```python
import fdd

data = fdd.load("{split}", params=True, source="kaggle"{version})  # downloaded once
image, vector = data[0]  # uint8 [{card.size}, {card.size}, 3]; float64 [6]: x0, y0, a, b, c, d
image = fdd.render([0.1, 0.1, -2.0, -1.5, -2.6, 0.9])  # any other vector you like
```

`data` works in a `torch.utils.data.DataLoader` as it is. On Kaggle the attached data set is read
where it lies, and `root="FOLDER"` in place of `source="kaggle"` opens a folder that you have.
{offline}
Without it, the Parquet files have Hugging Face's layout for images:

```python
import io

import pandas as pd
from PIL import Image

table = pd.read_parquet("{shards[0]}")
image = Image.open(io.BytesIO(table["image"][0]["bytes"])).convert("RGB")
vector = table.loc[0, ["x0", "y0", "a", "b", "c", "d"]].to_numpy(float)
```

The parameters of all images are also in one table. Pandas before 3.1 reads them with errors in the
last bits, unless it gets `float_precision="round_trip"`:

```python
import pandas as pd

table = pd.read_csv("params.csv")
vectors = table[table["split"] == "{split}"][["x0", "y0", "a", "b", "c", "d"]].to_numpy()
```

`croissant.json` describes both tables for mlcroissant and what is built on it:

```python
import mlcroissant

dataset = mlcroissant.Dataset("croissant.json")
for record in dataset.records("images", filters={{"images/split": "{split}"}}):
    image, x0 = record["images/image"].convert("RGB"), record["images/x0"]
```"""


def _files(contents: Contents) -> str:
    rows = []
    for split, names in contents.shards.items():
        size = _size(sum(contents.files[name][0] for name in names))
        what = f"{contents.splits[split]:,} images of the split {split} and their parameters"
        rows.append(f"| `{split}-*.parquet` | {what} | {len(names)} | {size} |")
    shards = {name for names in contents.shards.values() for name in names}
    samples = [name for name in contents.files if name.startswith("sample-")]
    if samples:
        size = _size(sum(contents.files[name][0] for name in samples))
        what = "The first images of the test split as plain RGB pictures, for a look"
        rows.append(f"| `sample-test-*.png` | {what} | {len(samples)} | {size} |")
    for name in contents.files:
        if name not in (*shards, *samples, *TEXTS):
            size = _size(contents.files[name][0])
            rows.append(f"| `{name}` | {meaning(name, contents)} | 1 | {size} |")
    rows += [f"| `{name}` | {meaning(name, contents)} | 1 | |" for name in TEXTS]
    return "\n".join(("## Files", "", "| name | what | files | size |", "|---|---|---|---|", *rows))


def _columns() -> str:
    def table(columns: dict[str, Column]) -> str:
        rows = [
            f"| `{name}` | {_TYPES[column.kind]} | {column.meaning} |"
            for name, column in columns.items()
        ]
        return "\n".join(("| column | type | meaning |", "|---|---|---|", *rows))

    return (
        f"## Columns\n\nOf the Parquet files:\n\n{table(SHARD_COLUMNS)}\n\n"
        f"Of `params.csv`:\n\n{table(TABLE_COLUMNS)}\n\n"
        "No value is missing. Image `index` of a split is the same in both, and in every copy."
    )


def _drawing(contents: Contents) -> str:
    card = contents.card
    return f"""\
## How an image is drawn

    x' = sin(b y) + c sin(b x)
    y' = sin(a x) + d sin(a y)

1. The trajectory of {card.points:,} points, including the starting point `(x0, y0)`, in float64
   with a correctly rounded sine and no fused multiply-add: the same bits on every processor. The
   map is chaotic: a change in the last bit anywhere gives another image after 50 steps.
2. Visits are counted on a grid of {card.size} x {card.size} over the trajectory's own bounding box.
   An image shows shape, not scale.
3. Counts are equalised over the occupied cells (their histogram becomes uniform) and coloured with
   the palette `{contents.palette}`; empty cells are white.

`fdd.render` draws every image of this data set from its six numbers, equal in every byte.

## How the parameters are drawn

Image `i` of a split takes the first candidate of its own random stream (Philox, keyed by the names
of version and split, counted by `i`) that occupies at least {card.occupied_percent} % of the
pixels. Candidates are independent and uniform: `x0`, `y0` in [-1, 1], `a`, `b`, `c`, `d` in
[-3, 3]. The accepted vectors are no longer uniform: small `|a|`, `|b|`, `|c|`, `|d|` give orbits
that settle on a few points.

{DENSITIES.get(card.name, "")}""".rstrip()


_SYMMETRIES = """\
## What can be known from an image, and what cannot

| change of the vector | effect on the image | kind |
|---|---|---|
| `(x0, y0) -> (-x0, -y0)` | rotated by 180 degrees | exact |
| `(x0, a, c) <-> (y0, b, d)` | mirrored about the diagonal y = x | exact |
| `(a, b, c, d) -> (-a, -b, -c, -d)`, `y0 -> -y0` | flipped top to bottom | exact |
| `(a, b) -> (-a, -b)` | the same attractor, or it interleaved with its rotation | in distribution |
| `x0`, `y0` moved | the same attractor for most parameters | in distribution |

So nobody can read the signs of `a` and `b` and the starting point from an image; `|a|` and
`sign(a) b` are identifiable. `fdd.load(..., params="canonical")` gives those. Exact means equal
counts, up to points on the edge of a cell."""

_LIMITS = """\
## Limits

- The rule of acceptance is part of the release: these are not all attractors of the map.
- Near-periodic orbits are kept when they occupy enough pixels, so some images show dotted curves.
- One vector, one image: there is no nuisance variation unless you add it (other starting points
  do).
- Nothing was collected and nothing shows a person: every byte is computed from names and numbers.\
"""


def _rights(contents: Contents) -> str:
    return f"""\
## Checksums

    sha256sum -c {MANIFEST}

`fdd package --check FOLDER` also draws every image again and compares it.

## Licence and citation

Images and parameters: [CC BY 4.0]({LICENCE_URL}). Code: MIT. The palette is
{COLOURS[contents.palette]}.

```bibtex
{citation(contents)}
```

The question was asked in 2019, with
[the first data set](https://www.kaggle.com/datasets/{KAGGLE_2019})."""


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
            "image",
            "computer vision",
            "deep learning",
            "gan",
            "mathematics",
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
