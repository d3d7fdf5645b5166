"""A trained model in one file: its weights, and as metadata its config.json, scores and licence.

A model that was made of another one has its own weights alone, and names the other's file.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from importlib.resources import files
from os import PathLike
from typing import TYPE_CHECKING, Any

from baselines.training.runs import load_weights, read_config
from fdd.errors import FddError
from fdd.files import as_path

if TYPE_CHECKING:
    from torch import Tensor

SHIPPED = {
    "mini-contrastive": "a28aed8372e6607dd2f90ac046ecd84cf6dccb3b4f6fac68069c039077c4e6c8",
    "mini-pairs": "e5bc5b4f7e2946cdf39bf507a76aa6a104e687b284fab328ff3f5587b8a02386",
    "mini-dcca": "ec7c18ddb239130a1fee354794eab5661e2601be898cfdfb330abdfc060279b9",
    "mini-one": "0084a4a5d3a86643caf0bdeb0118f89b0e228141b789cd15f3e13e6350ed81b3",
    "mini-emulator": "f82bca1f14b9d72c1f8a7e3c87de4726f68242b7a8eba0818faeea27e80211a9",
    "mini-aae": "9997452d12c9b4ca79e261f63dcc09e50863cd67867f793df37f694e449cb1c0",
}
"""SHA-256 of the models that come with this package, by name."""
LICENCE = "CC-BY-4.0"
"""Of the weights, as of the data that they were trained on."""


def about(name: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """What a shipped model's file says, {"config", "scores", "licence"}, and its weights, float32.

    FddError if the file is not the published one.
    """
    told, tensors = contents(name)
    if "shared" in told:
        other = contents(told["shared"]["model"])[1]
        tensors |= {key: other[key] for key in told["shared"]["tensors"]}
    weights = {
        key: tensor.float() if tensor.is_floating_point() else tensor
        for key, tensor in tensors.items()
    }
    return told, weights


def contents(name: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """What the one file of a shipped model says, and the tensors in it."""
    import safetensors.torch

    data = (files("baselines.pretrained") / f"{name}.safetensors").read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    if digest != SHIPPED[name]:
        raise FddError(f"pretrained model {name}: its SHA-256 is {digest}, not {SHIPPED[name]}")
    length = int.from_bytes(data[:8], "little")
    told = json.loads(data[8 : 8 + length])["__metadata__"]
    return json.loads(told["about"]), safetensors.torch.load(data)


def packed(
    run: str | PathLike[str], scores: Mapping[str, float], sharing: str | None = None
) -> bytes:
    """The last checkpoint of a run folder as one file, its matrices in half precision.

    scores: what the file is to say of the model. sharing: the name of a shipped model; tensors that
    are the same in both are left to its file. What a run only trains with, its memory of codes and
    its discriminator, is left out; of other runs that it began with, the folders' names are told.
    FddError as `baselines.load_run`.
    """
    import safetensors.torch
    import torch

    folder = as_path("run", run)
    config, weights = read_config(folder), load_weights(folder)
    began = {
        key: as_path(key, place).name
        for key, place in config.items()
        if key.endswith("_from") and place
    }
    config |= began
    if "memory" in weights:
        config, weights = config | {"memory": 0}, weights | {"memory": weights["memory"][:0]}
    small = {
        name: (
            weight.to(torch.float16) if weight.is_floating_point() and weight.ndim > 1 else weight
        )
        for name, weight in weights.items()
        if not name.startswith("discriminator.")
    }
    told = {"config": config, "scores": dict(scores), "licence": LICENCE}
    tensors = {name: weight.contiguous() for name, weight in small.items()}
    if sharing:
        other = contents(sharing)[1]
        same = [key for key in tensors if key in other and torch.equal(tensors[key], other[key])]
        tensors = {key: tensor for key, tensor in tensors.items() if key not in same}
        told["shared"] = {"model": sharing, "sha256": SHIPPED[sharing], "tensors": same}
    return safetensors.torch.save(tensors, {"about": json.dumps(told, sort_keys=True)})
