"""What the tests that publish share: names, and what a package and a notebook hold."""

import importlib.util
import json

import pytest

HANDLE = "fractal-dream/fractal-dream-mini-1"
SOURCE = "fractal-dream/fractal-dream-fdd-1"
WHEEL = "fdd-0.1.0-py3-none-any.whl"

needs_publish = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("kaggle", "pyarrow")),
    reason="needs the packages of the extra publish",
)


def contents(folder):
    """The files that the client uploads, with their bytes: all but the metadata."""
    paths = [path for path in folder.iterdir() if path.name != "dataset-metadata.json"]
    return {path.name: path.read_bytes() for path in paths}


def cells(text):
    """(type, source) of each cell of a notebook."""
    return [(cell["cell_type"], "".join(cell["source"])) for cell in json.loads(text)["cells"]]
