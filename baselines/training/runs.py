"""The run folder: what a training run leaves behind, and how it is read.

    config.json            resolved options, name of the baseline, versions
    metrics.csv, tb/       losses, as a table and as TensorBoard events
    samples/, reconstructions/      PNG pictures by step; neighbours/ without a generator
    checkpoints/last/      model.safetensors (weights), state.pt (optimisers, random state, step)
    checkpoints/best/      the same for the checkpoint with the best score

A checkpoint is written under another name and renamed when it is complete, and the one before it
stays until then: a run that is killed at any moment can be loaded and resumed.
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
from torch import Tensor, nn

from baselines.training.config import RunConfig
from fdd.errors import FddError
from fdd.files import LOCK, atomic_write, not_linked, writing_to

C = TypeVar("C", bound=RunConfig)

PROVENANCE = frozenset({"baseline", "fdd_version", "data_version", "trained_on"})
"""What config.json says besides the options."""


def read_config(folder: Path) -> dict[str, Any]:
    """The contents of config.json. FddError if the folder is not that of a run."""
    path = folder / "config.json"
    if not folder.is_dir():
        raise FddError(f"run folder '{folder}': there is no such folder")
    if not path.is_file():
        raise FddError(f"run folder '{folder}': config.json is missing, so this is not a run")
    try:
        config = json.loads(path.read_text())
    except (OSError, RecursionError, ValueError) as error:
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
    """FddError unless a run with `config` can begin or resume in `folder`. Writes nothing."""
    for name in ("checkpoints", "metrics.csv", "neighbours", "reconstructions", "samples", "tb"):
        not_linked(folder / name)
    if (folder / "config.json").exists():
        here, wanted = read_config(folder), {"baseline": baseline, **asdict(config)}
        for name, value in wanted.items():
            if name not in config.changeable and here.get(name) != value:
                raise FddError(
                    f"run folder '{folder}': it holds a run with {name}={here.get(name)!r}, "
                    f"not {value!r}; choose another folder with --out"
                )
    elif folder.is_dir() and any(path.name != LOCK for path in folder.iterdir()):
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
    """Make the folder and its config.json. FddError if that fails, or if the run had other data."""
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


def find_checkpoint(folder: Path, which: str = "last") -> Path | None:
    """The newest complete checkpoint of a run ("last"), or that of the best score; or None."""
    aside = {"last": "previous", "best": "previous-best"}[which]
    complete = (folder / "checkpoints" / which, folder / "checkpoints" / aside)
    return next((path for path in complete if path.is_dir()), None)


def save_checkpoint(
    folder: Path, weights: dict[str, Tensor], state: dict[str, Any], best: bool = False
) -> None:
    """Replace checkpoints/last, and checkpoints/best if this is the best one.

    FddError when it cannot be written; the old one is kept then.
    """
    checkpoints = folder / "checkpoints"
    new = checkpoints / "new"
    buffer = io.BytesIO()
    torch.save(state, buffer)
    tensors = {name: weight.contiguous() for name, weight in weights.items()}
    with writing_to(folder):
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(parents=True)
        (new / "model.safetensors").write_bytes(safetensors.torch.save(tensors))
        (new / "state.pt").write_bytes(buffer.getbuffer())
        if best:
            copy = checkpoints / "new-best"
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(new, copy, copy_function=_link)
            _replace(copy, checkpoints / "best", checkpoints / "previous-best")
        _replace(new, checkpoints / "last", checkpoints / "previous")


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # a file system without links
        shutil.copy2(source, target)


def _replace(new: Path, name: Path, aside: Path) -> None:
    """Rename a folder to `name`; what was there stays as `aside` until it is."""
    if name.exists():
        shutil.rmtree(aside, ignore_errors=True)
        name.rename(aside)
    new.rename(name)
    shutil.rmtree(aside, ignore_errors=True)


def load_weights(folder: Path, which: str = "last") -> dict[str, Tensor]:
    """The weights of a checkpoint. FddError if there are none or they are damaged."""
    return _load(folder, which, "model.safetensors", safetensors.torch.load_file)


def load_network(network: nn.Module, prefix: str, folder: Path) -> None:
    """Put the part `prefix` of a run's newest weights into `network`; FddError if it cannot."""
    start = prefix + "."
    weights = load_weights(folder).items()
    part = {name.removeprefix(start): w for name, w in weights if name.startswith(start)}
    try:
        network.load_state_dict(part)
    except RuntimeError:
        raise FddError(f"run folder '{folder}': its {prefix} does not fit these options") from None


def load_state(folder: Path, which: str = "last") -> dict[str, Any]:
    """Optimisers, random state and step of a checkpoint. FddError as `load_weights`."""
    return _load(
        folder, which, "state.pt", partial(torch.load, map_location="cpu", weights_only=True)
    )


def _load(
    folder: Path, which: str, name: str, read: Callable[[Path], dict[str, Any]]
) -> dict[str, Any]:
    path = (find_checkpoint(folder, which) or folder / "checkpoints" / which) / name
    if not path.is_file():
        raise FddError(f"run folder '{folder}': {path.relative_to(folder)} is missing")
    try:
        return read(path)
    except Exception as error:  # what torch.load raises for a damaged file has no common type
        reason = str(error).partition("\n")[0]
        raise FddError(
            f"run folder '{folder}': {path.relative_to(folder)} is damaged: {reason}"
        ) from None
