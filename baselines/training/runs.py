"""The run folder: what a training run leaves behind, and how it is read.

    config.json            resolved options, name of the baseline, versions
    metrics.csv, tb/       losses, as a table and as TensorBoard events
    samples/, reconstructions/      PNG pictures by step; neighbours/ without a generator;
                           translations/ of a model of two domains
    checkpoints/last/      model.safetensors (weights), state.pt (optimisers, random state, step),
                           SHA256SUMS of both, as `sha256sum -c` reads it
    checkpoints/best/      the same for the checkpoint with the best score

A checkpoint is written under another name and renamed when it is complete and on the disk, and the
one before it stays until then: a run that is killed at any moment can be loaded and resumed. Each
file is compared with its checksum whenever it is read, so weights and a state that were not saved
together do not go together. The weights carry the options that they were trained with, which are
compared with those in config.json. In runs of versions without SHA256SUMS neither is checked.
"""

from __future__ import annotations

import errno
import io
import json
import os
import shutil
import sys
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import safetensors.torch
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from baselines.training.config import Precision, RunConfig
from baselines.training.stopping import EarlyStopping
from fdd.devices import fast_in_bfloat16
from fdd.errors import FddError, shown, starved, whole_number
from fdd.files import LOCK, atomic_write, not_linked, sum_line, to_disk, writing_to

C = TypeVar("C", bound=RunConfig)

WEIGHTS, STATE, SUMS = "model.safetensors", "state.pt", "SHA256SUMS"
ASIDE = {"last": "previous", "best": "previous-best"}
"""What a checkpoint is called while another one takes its place."""

PROVENANCE = frozenset({"baseline", "supervision", "fdd_version", "data_version", "trained_on"})
"""What config.json says besides the options."""

MOVABLE = frozenset(
    {"codes_from", "data", "emulator_from", "encoder_from", "exclude", "generator_from", "other"}
)
"""Options with paths, which somebody who moves a folder has to change in config.json."""


def read_config(folder: Path) -> dict[str, Any]:
    """The contents of config.json. FddError if the folder is not that of a run."""
    path = folder / "config.json"
    if not folder.is_dir():
        raise FddError(f"run folder '{folder}': there is no such folder")
    if not path.is_file():
        raise FddError(f"run folder '{folder}': config.json is missing, so this is not a run")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, RecursionError, ValueError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else error
        raise FddError(f"run folder '{folder}': config.json cannot be read: {reason}") from None
    if not isinstance(config, dict) or not isinstance(config.get("baseline"), str):
        raise FddError(f"run folder '{folder}': config.json does not name its baseline")
    kinds = {"data_version": str | None, "supervision": str | None, "trained_on": dict | None}
    for name, kind in kinds.items():
        if not isinstance(config.get(name), kind):
            raise FddError(
                f"run folder '{folder}': config.json has {name}={shown(config[name], 80)}"
            )
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


def precision(folder: Path, config: RunConfig, device: torch.device) -> Precision:
    """What layers compute in: for "auto" what the run in `folder` began with, if there is one, else
    bfloat16 where `device` is fast with it."""
    if config.precision != "auto":
        return config.precision
    if (folder / "config.json").exists():
        begun = read_config(folder).get("precision")
        if begun in ("float32", "bfloat16"):
            return begun
    return "bfloat16" if fast_in_bfloat16(device) else "float32"


def check_folder(folder: Path, baseline: str, config: RunConfig) -> None:
    """FddError unless a run with `config` can begin or resume in `folder`. Writes nothing."""
    names = ("checkpoints", "metrics.csv", "samples", "tb")
    for path in (*(folder / name for name in names), *folder.glob("*/")):  # others hold pictures
        not_linked(path)
    if (folder / "config.json").exists():
        here, wanted = read_config(folder), {"baseline": baseline, **asdict(config)}
        for name, value in wanted.items():
            if name not in config.changeable and here.get(name) != value:
                raise FddError(
                    f"run folder '{folder}': it holds a run with "
                    f"{name}={shown(here.get(name), 80)}, not {value!r}; choose another folder "
                    "with --out"
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
                f"run folder '{folder}': its data_version={shown(version, 80)}, and here it is "
                f"{config['data_version']!r}; choose another folder with --out"
            )
    with writing_to(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with atomic_write(folder / "config.json") as path:
            path.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def find_checkpoint(folder: Path, which: str = "last") -> Path | None:
    """The newest complete checkpoint of a run ("last"), or that of the best score; or None."""
    complete = (folder / "checkpoints" / which, folder / "checkpoints" / ASIDE[which])
    return next((path for path in complete if path.is_dir()), None)


class Saved(NamedTuple):
    """What a checkpoint holds."""

    weights: dict[str, Tensor]
    state: dict[str, Any]
    """Optimisers, random state, step, and the watch of early stopping."""


def save_checkpoint(folder: Path, config: RunConfig, saved: Saved, best: bool = False) -> None:
    """Replace checkpoints/last, and checkpoints/best if this is the best one.

    FddError when it cannot be written; the old one is kept then.
    """
    tensors = {name: weight.contiguous() for name, weight in saved.weights.items()}
    files = {
        WEIGHTS: safetensors.torch.save(tensors, {"options": json.dumps(decisive(config))}),
        STATE: state_bytes(saved.state),
    }
    files[SUMS] = b"".join(sum_line(name, data) for name, data in files.items())
    checkpoints = folder / "checkpoints"
    with writing_to(folder):
        if best:  # files of its own, so that what damages one checkpoint leaves the other
            _write(checkpoints / "new-best", files)
            _replace(checkpoints / "new-best", checkpoints / "best")
        _write(checkpoints / "new", files)
        _replace(checkpoints / "new", checkpoints / "last")


def clear_up(folder: Path) -> None:
    """Remove the checkpoint that a killed run had set aside, where the new one is in its place."""
    for name, aside in ASIDE.items():
        if (folder / "checkpoints" / name).is_dir():
            shutil.rmtree(folder / "checkpoints" / aside, ignore_errors=True)


def decisive(config: RunConfig) -> dict[str, Any]:
    """The options on which the weights of a run depend, except paths."""
    apart = config.changeable | MOVABLE
    return {name: value for name, value in asdict(config).items() if name not in apart}


def _write(folder: Path, files: dict[str, bytes]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
        to_disk(folder / name)
    to_disk(folder)


def _replace(new: Path, name: Path) -> None:
    """Rename a folder to `name`; what was there stays under another name until it is."""
    aside = name.with_name(ASIDE[name.name])
    if name.exists():
        shutil.rmtree(aside, ignore_errors=True)
        name.rename(aside)
    new.rename(name)
    to_disk(name.parent)
    shutil.rmtree(aside, ignore_errors=True)


def must_agree(source: str, told: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """FddError for the first option that the model which `source` names does not have as wanted."""
    for name, value in wanted.items():
        if told.get(name) != value:
            raise FddError(f"{source} has {name}={shown(told.get(name))}; it must be {value!r}")


def load_weights(folder: Path, which: str = "last") -> dict[str, Tensor]:
    """The weights of a checkpoint.

    FddError if there are none or they are damaged, which names the other checkpoint if that can
    be used.
    """
    return _load(folder, which, WEIGHTS)[0]


def load_state(folder: Path, which: str = "last") -> dict[str, Any]:
    """Optimisers, random state, step and watch of a checkpoint. FddError as `load_weights`."""
    return _load(folder, which, STATE)


def load_fitting(
    folder: Path, make: Callable[..., nn.Module], config: RunConfig, which: str = "last"
) -> dict[str, Tensor]:
    """The weights of a checkpoint of a model `make(config, rng)`, which is not made.

    FddError as `load_weights`, and for weights of another model or other options.
    """
    weights, about = _load(folder, which, WEIGHTS)
    try:
        with torch.device("meta"):  # no memory, whatever config.json asks for
            wanted = make(config, torch.Generator("cpu")).state_dict()
        fits = {n: (w.shape, w.dtype) for n, w in weights.items()} == {
            n: (w.shape, w.dtype) for n, w in wanted.items()
        }
    except (RuntimeError, TypeError, OverflowError):  # a size that no machine has
        fits = False
    if not fits:
        raise FddError(f"run folder '{folder}': the weights do not fit config.json")
    options = decisive(config)
    for name, value in about.items():
        if options.get(name) != value:
            raise FddError(
                f"run folder '{folder}': config.json has {name}={shown(options.get(name), 80)}, "
                f"and the weights were trained with {shown(value, 80)}; put that back"
            )
    return weights


def load_network(network: nn.Module, prefix: str, folder: Path) -> None:
    """Put the part `prefix` of a run's newest weights into `network`; FddError if it cannot."""
    start = prefix + "."
    weights = load_weights(folder).items()
    part = {name.removeprefix(start): w for name, w in weights if name.startswith(start)}
    try:
        network.load_state_dict(part)
    except RuntimeError:
        raise FddError(f"run folder '{folder}': its {prefix} does not fit these options") from None


def load_optimizer(optimizer: Optimizer, saved: dict[str, Any]) -> None:
    """Put the moments of a saved state into `optimizer`, Adam, SGD or Muon, whose settings stay.

    ValueError, or what comes of a structure that is not that of a state, if they do not fit.
    """
    groups = optimizer.state_dict()["param_groups"]
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    for number, moments in saved["state"].items():
        if type(number) is not int or not 0 <= number < len(parameters):
            raise ValueError(f"there is no parameter {shown(number, 80)}")
        kinds = {name: (one.shape, one.dtype) for name, one in moments.items() if name != "step"}
        of_each = (parameters[number].shape, parameters[number].dtype)
        if isinstance(optimizer, (torch.optim.SGD, getattr(torch.optim, "Muon", torch.optim.SGD))):
            counted, wanted = "step" not in moments, {"momentum_buffer": of_each}
        else:
            step = moments["step"]
            counted = not step.shape and step.is_floating_point()
            wanted = {"exp_avg": of_each, "exp_avg_sq": of_each}
        if not counted or kinds != wanted:
            raise ValueError(f"the moments of parameter {number} have other shapes or types")
    optimizer.load_state_dict({"state": saved["state"], "param_groups": groups})


def _load(folder: Path, which: str, name: str) -> Any:
    while True:
        place = find_checkpoint(folder, which) or folder / "checkpoints" / which
        before = _identity(place)
        try:
            return _read(place, name)
        except Exception as error:  # what torch.load raises for a damaged file has no common type
            if starved(error):
                raise
            after = find_checkpoint(folder, which)
            if after is not None and _identity(after) != before:
                continue  # a run that is training replaced it meanwhile
            file, reason = (place / name).relative_to(folder), _first_line(error)
            if isinstance(error, FileNotFoundError):
                file, fault = file.with_name(Path(error.filename).name), "is missing"
            else:
                fault = f"is damaged: {reason}"
        raise FddError(f"run folder '{folder}': {file} {fault}{_other(folder, which)}")


def _identity(place: Path) -> int | None:
    return place.stat().st_ino if place.is_dir() else None


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__


def _other(folder: Path, which: str) -> str:
    """What to say of the other checkpoint of a run, one of whose checkpoints cannot be used."""
    other = {"last": "best", "best": "last"}[which]
    place = find_checkpoint(folder, other)
    if place is None:
        return ""
    try:
        _read(place, WEIGHTS)
        step = _read(place, STATE)["step"]
    except Exception:
        return f"; nor can checkpoints/{other} be used"
    whole = f"; checkpoints/{other}, of step {step}, is whole: load it with checkpoint={other!r}"
    return whole + (", or put a copy in the place of checkpoints/last" if which == "last" else "")


def _read(place: Path, name: str) -> Any:
    """What a file of a checkpoint holds, compared with its checksum.

    The state, or the weights and the options that they were trained with, {} in older runs.
    FileNotFoundError if a file is missing, and whatever comes of a file that is damaged.
    """
    sums = (place / SUMS).read_bytes() if (place / SUMS).is_file() else None
    data = (place / name).read_bytes()
    if not data:
        raise ValueError("it is empty")
    if sums is not None and sum_line(name, data) not in sums.splitlines(keepends=True):
        raise ValueError(f"its SHA-256 is not the one in {SUMS}")
    if name == STATE:
        return checked_state(read_state(data))
    weights = safetensors.torch.load(data)
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    options = header.get("__metadata__", {}).get("options")
    if options is None:
        return weights, {}
    if sums is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), place / SUMS)
    return weights, dict(json.loads(options))


def state_bytes(state: dict[str, Any]) -> bytes:
    """A state as `torch.save` writes it; equal states give equal bytes."""
    buffer = io.BytesIO()
    torch.save(_unshared(state), buffer)
    return buffer.getvalue()


def _unshared(value: Any) -> Any:
    """The same plain data: equal strings are one object, and no container is met twice.

    Pickle writes an object that it has met as a reference to it, and which ones are the same object
    depends on whether a state was made or read.
    """
    if isinstance(value, dict):
        return {_unshared(key): _unshared(other) for key, other in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(map(_unshared, value))
    return sys.intern(value) if isinstance(value, str) else value


def read_state(data: bytes) -> Any:
    """What `torch.save` wrote, plain data alone; each part is compared with its own checksum."""
    if not data:
        raise ValueError("it is empty")
    state = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    if (part := zipfile.ZipFile(io.BytesIO(data)).testzip()) is not None:
        raise ValueError(f"{part} is not what its checksum says")
    return state


def checked_state(state: Any) -> dict[str, Any]:
    """The state of a checkpoint, unchanged. ValueError unless it has the parts of one."""
    wanted = {"step", "rng", "optimizers", "watch"}
    if not isinstance(state, dict) or not wanted <= state.keys():
        raise ValueError(f"it must hold {', '.join(sorted(wanted))}")
    whole_number("step", state["step"], 0, 2**53)
    EarlyStopping.restored(state["watch"])
    return state
