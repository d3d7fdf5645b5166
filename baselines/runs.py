"""The run folder: what a training run leaves, and how it is found again.

    config.json            resolved options, name of the baseline, versions
    metrics.csv, tb/       losses, as a table and as TensorBoard events
    samples/, reconstructions/      PNG pictures by step
    checkpoints/last/      model.safetensors (weights), state.pt (optimisers, random state, step)

A checkpoint is written under another name and renamed when it is complete, and the one before it
stays until then: a run that is killed at any moment can be loaded, and go on.
"""

from __future__ import annotations

import io
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict, fields
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import safetensors.torch
import torch
from torch import Tensor

from baselines.config import RunConfig
from fdd.errors import FddError
from fdd.store import atomic_write, writing_to

C = TypeVar("C", bound=RunConfig)

PROVENANCE = frozenset({"baseline", "fdd_version", "data_version", "trained_on"})
"""What config.json says besides the options."""


def read_config(folder: Path) -> dict[str, Any]:
    """The contents of config.json. FddError if the folder is not that of a run."""
    path = folder / "config.json"
    if not folder.is_dir():
        raise FddError(f"run folder '{folder}': there is no such folder")
    if not path.is_file():
        raise FddError(f"run folder '{folder}': config.json is missing, so this is no run")
    try:
        config = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise FddError(f"run folder '{folder}': config.json cannot be read: {error}") from None
    if not isinstance(config, dict) or not isinstance(config.get("baseline"), str):
        raise FddError(f"run folder '{folder}': config.json does not name its baseline")
    return config


def saved_options(config_type: type[C], saved: dict[str, Any], folder: Path) -> C:
    """The options in a config.json, checked. FddError for a bad, missing or unknown one."""
    names = {field.name for field in fields(config_type)}
    for name in sorted(names ^ (saved.keys() - PROVENANCE)):
        fault = "lacks the option" if name in names else "has the unknown option"
        raise FddError(f"run folder '{folder}': config.json {fault} {name!r}")
    config = config_type(**{name: saved[name] for name in names})
    config.check()
    return config


def check_folder(folder: Path, baseline: str, config: RunConfig) -> None:
    """FddError unless a run with `config` can begin or go on in `folder`. Writes nothing."""
    if (folder / "config.json").exists():
        here, wanted = read_config(folder), {"baseline": baseline, **asdict(config)}
        for name, value in wanted.items():
            if name not in config.changeable and here.get(name) != value:
                raise FddError(
                    f"run folder '{folder}': it holds a run with {name}={here.get(name)!r}, "
                    f"not {value!r}; choose another folder with --out"
                )
    elif folder.is_dir() and any(folder.iterdir()):
        raise FddError(
            f"run folder '{folder}': it holds files but no run; choose another folder with --out"
        )
    existing = folder.absolute()
    while not existing.exists():
        existing = existing.parent
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        raise FddError(
            f"run folder '{folder}': '{existing}' cannot be written; choose another --out"
        )


def write_config(folder: Path, config: dict[str, Any]) -> None:
    """Make the folder and its config.json. FddError where it cannot be, or other data was used."""
    if (folder / "config.json").exists():
        version = read_config(folder).get("data_version")
        if version != config["data_version"]:
            raise FddError(
                f"run folder '{folder}': its data_version={version!r}, and here it is "
                f"{config['data_version']!r}; choose another folder with --out"
            )
    with writing_to(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with atomic_write(folder / "config.json") as path:
            path.write_text(json.dumps(config, indent=2) + "\n")


def find_checkpoint(folder: Path) -> Path | None:
    """The newest complete checkpoint of a run, or None."""
    checkpoints = folder / "checkpoints"
    complete = (checkpoints / "last", checkpoints / "previous")
    return next((path for path in complete if path.is_dir()), None)


def save_checkpoint(folder: Path, weights: dict[str, Tensor], state: dict[str, Any]) -> None:
    """Replace checkpoints/last. FddError when it cannot be written; the old one is kept then."""
    new, last, previous = (folder / "checkpoints" / name for name in ("new", "last", "previous"))
    buffer = io.BytesIO()
    torch.save(state, buffer)
    tensors = {name: weight.contiguous() for name, weight in weights.items()}
    with writing_to(folder):
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(parents=True)
        (new / "model.safetensors").write_bytes(safetensors.torch.save(tensors))
        (new / "state.pt").write_bytes(buffer.getbuffer())
        if last.exists():
            shutil.rmtree(previous, ignore_errors=True)
            last.rename(previous)
        new.rename(last)
        shutil.rmtree(previous, ignore_errors=True)


def load_weights(folder: Path) -> dict[str, Tensor]:
    """The weights of the newest checkpoint. FddError if there are none or they are damaged."""
    return _load(folder, "model.safetensors", safetensors.torch.load_file)


def load_state(folder: Path) -> dict[str, Any]:
    """Optimisers, random state and step of the newest checkpoint. FddError as `load_weights`."""
    return _load(folder, "state.pt", partial(torch.load, map_location="cpu", weights_only=True))


def _load(folder: Path, name: str, read: Callable[[Path], dict[str, Any]]) -> dict[str, Any]:
    path = (find_checkpoint(folder) or folder / "checkpoints" / "last") / name
    if not path.is_file():
        raise FddError(f"run folder '{folder}': {path.relative_to(folder)} is missing")
    try:
        return read(path)
    except Exception as error:  # what torch.load raises for a damaged file has no common type
        reason = str(error).partition("\n")[0]
        raise FddError(
            f"run folder '{folder}': {path.relative_to(folder)} is damaged: {reason}"
        ) from None
