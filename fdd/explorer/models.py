"""Trained models as the page takes them in: the weights of a run's networks, small, and what the
page must know to use them. No torch is needed: a run's files say everything.

What the page makes of them is in js/models.js.
"""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Callable, Mapping
from importlib.resources import files
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fdd.errors import FddError, known, shown, starved
from fdd.files import as_path, sum_line
from fdd.releases.cards import RELEASES, release
from fdd.releases.sampling import sample_params

Weights = Mapping[str, NDArray[Any]]

SHOWN = ("mini-emulator", "mini-contrastive", "mini-dcca")
"""The models that a page has unless others are named: with one more it would exceed 6 MB."""
PRETRAINED = (*SHOWN, "mini-pairs", "mini-one", "mini-aae")
"""The models that come with the package, as data of its baselines."""
PARTS = {
    "dcgan": ("generator",),
    "lsd": ("generator",),
    "aae": ("generator", "encoder"),
    "betavae": ("generator", "encoder"),
    "contrastive": ("encoder",),
    "lejepa": ("encoder",),
    "regression": ("encoder",),
    "dcca": (
        "encoder",
        "head",
        "centre",
        "scale",
        "middle",
        "spread",
        "sorting",
        "variates",
        "axes",
    ),
    "emulator": ("canvas",),
    "flow": ("canvas", "velocity"),
    "biggan": ("generator",),
    "aegean": ("generator", "encoder"),
    "sdpc": ("dictionaries", "gains", "mean", "variance", "strongest"),
    "sdpc_gan": ("generator", "encoder", "coder"),
}
"""The networks of each baseline that the page has."""
OF_VECTORS = ("lsd", "emulator", "flow", "biggan")
"""Baselines with codes that stand for parameters."""
TEST_IMAGES = 2000
"""Vectors of the release's test split that come with a model: the map of codes shows them."""
PRIVATE = (
    "codes_from",
    "data",
    "device",
    "emulator_from",
    "encoder_from",
    "exclude",
    "generator_from",
    "other",
    "trained_on",
)
"""What of a run's config is no business of the page: paths and machines."""
LARGEST = 2**28
"""Bytes of weights that are read."""
DTYPES = {"F16": "<f2", "F32": "<f4", "I8": "i1"}


def pretrained(name: str) -> dict[str, Any]:
    """A model that comes with the package, its matrices in eight bits."""
    told, weights = shipped(name)
    if "shared" in told:
        other = shipped(told["shared"]["model"])[1]
        weights |= {key: other[key] for key in told["shared"]["tensors"] if key in other}
    return described(name, told["config"], weights, in_bytes)


def shipped(name: str) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """What the file of a model that comes with the package says, and the tensors in it."""
    file = files("baselines.pretrained") / f"{name}.safetensors"
    about, weights = unpacked(file.read_bytes())
    return json.loads(about["about"]), weights


def trained(run: str | PathLike[str]) -> dict[str, Any]:
    """The model of a run's folder, its matrices in half precision.

    Raises FddError for a folder that is no run, or a damaged one, and for a baseline or colours
    that the page does not know.
    """
    folder = as_path("run", run, "choose another folder")
    kept = folder / "checkpoints" / "last" / "model.safetensors"
    for file in (folder / "config.json", kept):
        if not file.is_file() or file.stat().st_size > LARGEST:
            raise FddError(
                f"run={shown(run)} must be the folder of a run, or one of {', '.join(PRETRAINED)}: "
                f"there is no {shown(file)} of at most {LARGEST // 2**20} MiB"
            )
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        weights = whole_weights(kept)
        baseline, colors, version = (config[name] for name in ("baseline", "colors", "version"))
    except Exception as error:  # what a damaged file raises has no common type
        if starved(error):
            raise
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise FddError(f"run={shown(run)} is damaged: {shown(reason, 80)}") from None
    if baseline == "cyclegan":
        raise FddError(
            f"run={shown(run)} is a cyclegan, which translates images: it draws no vector and "
            "reads none, so the page has nothing to show of it; fdd train lists other baselines"
        )
    known(f"run={shown(run)}: baseline", baseline, PARTS)
    known(f"run={shown(run)}: version", version, RELEASES)
    known(f"run={shown(run)}: colors", colors, ("rgb", "hsv"))
    return described(folder.absolute().name, config, weights, in_half)


def whole_weights(kept: Path) -> Weights:
    """The weights in a checkpoint's file, compared with its checksum; older runs have none.

    Raises whatever comes of a damaged file.
    """
    data, listed = kept.read_bytes(), kept.with_name("SHA256SUMS")
    if listed.is_file() and sum_line(kept.name, data) not in listed.read_bytes().splitlines(True):
        raise ValueError("the SHA-256 of its weights is not the one in SHA256SUMS")
    about, weights = unpacked(data)
    if "options" in about and not listed.is_file():
        raise ValueError("there is no SHA256SUMS beside its weights")
    return weights


def described(
    name: str, config: Mapping[str, Any], weights: Weights, small: Callable[[str, Any], Weights]
) -> dict[str, Any]:
    """What the page is told of a model: name, config, how its release draws, and its weights as
    text, each made `small`."""
    if config.get("ema"):  # whose averages are the generator that a run is asked for
        weights = {
            one.replace("average.module.", "generator."): weight
            for one, weight in weights.items()
            if not one.startswith("generator.")
        }
    parts = PARTS[config["baseline"]]
    chosen = {
        key: weight
        for one, weight in sorted(divided(weights).items())
        if re.split("[._]", one)[0] in parts and weight.dtype.kind == "f"
        for key, weight in small(one, weight).items()
    }
    card = release(config["version"])
    does = {
        "generate": "generator" in parts or "canvas" in parts,
        "vector": config["baseline"] in OF_VECTORS,
        "encode": "encoder" in parts or "dictionaries" in parts,
    }
    return {
        "name": name,
        "does": [name for name, can in does.items() if can],
        "config": {name: value for name, value in config.items() if name not in PRIVATE},
        "drawing": {"size": card.size, "points": card.points},
        "weights": base64.b64encode(gzip.compress(packed(chosen), mtime=0)).decode(),
    }


def divided(weights: Weights) -> Weights:
    """Weights with a spectral norm divided by it, as torch uses them, under their own names."""
    start, end = ".parametrizations.weight.", "original"
    found = {}
    for name, weight in weights.items():
        layer, apart, rest = name.partition(start)
        if not apart:
            found[name] = weight
        elif rest == end:
            left, right = (weights[f"{layer}{start}0.{side}"] for side in ("_u", "_v"))
            found[f"{layer}.weight"] = weight / (left @ weight.reshape(len(weight), -1) @ right)
    return found


def in_half(name: str, weight: NDArray[np.floating]) -> Weights:
    """Matrices in half precision, vectors in single."""
    return {name: weight.astype("<f2" if weight.ndim > 1 else "<f4")}


def in_bytes(name: str, weight: NDArray[np.floating]) -> Weights:
    """Matrices in eight bits, with the scale of each row as NAME.scale; but the mixtures that go
    into an emulator's sines in half precision."""
    if weight.ndim < 2 or name == "canvas.mixtures":
        return in_half(name, weight)
    rows = weight.reshape(len(weight), -1).astype(np.float64)
    scale = np.abs(rows).max(axis=1, keepdims=True) / 127
    steps = np.divide(rows, scale, out=np.zeros_like(rows), where=scale > 0)
    return {
        name: np.round(steps).astype("i1").reshape(weight.shape),
        f"{name}.scale": scale[:, 0].astype("<f4"),
    }


def unpacked(data: bytes) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Metadata and floating-point tensors in the bytes of a safetensors file."""
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    about = header.pop("__metadata__", {})
    weights = {}
    for name, told in header.items():
        if told["dtype"] in DTYPES:
            first, last = (8 + length + offset for offset in told["data_offsets"])
            flat = np.frombuffer(data[first:last], DTYPES[told["dtype"]])
            weights[name] = flat.reshape(told["shape"])
    return about, weights


def packed(weights: Weights) -> bytes:
    """Tensors as the bytes of a safetensors file."""
    header, end = {}, 0
    names = {np.dtype(dtype): name for name, dtype in DTYPES.items()}
    for name, weight in weights.items():
        offsets = [end, end := end + weight.nbytes]
        shape = list(weight.shape)
        header[name] = {"dtype": names[weight.dtype], "shape": shape, "data_offsets": offsets}
    text = json.dumps(header).encode()
    data = b"".join(weight.tobytes() for weight in weights.values())
    return len(text).to_bytes(8, "little") + text + data


def test_params(version: str) -> str:
    """The first vectors of a release's test split, float64 [TEST_IMAGES, 6], as text."""
    rows = sample_params(TEST_IMAGES, "test", version=version)
    return base64.b64encode(rows.astype("<f8").tobytes()).decode()
