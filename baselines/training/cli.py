"""The command line that all baselines share: made from a baseline's Config and its presets."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, make_dataclass, replace
from pathlib import Path
from typing import Annotated, Any

from baselines.training.config import RunConfig
from fdd.commands import arguments_of, command, complain, say
from fdd.devices import pick_device
from fdd.errors import FddError, known, shown
from fdd.files import as_path
from fdd.options import Arg, given, glance, one_of


@dataclass(frozen=True)
class Start:
    """What a run starts from, and where it goes."""

    preset: str
    """The settings to start from, which the other options change."""
    resume: Annotated[Path | None, Arg("FOLDER", "start a new run")] = None
    """Resume the run in this folder with its own options. Only device, compile, stop-on-collapse,
    patience, those that end in -every and, unless rates decay, steps may be changed."""
    out: Annotated[Path | None, Arg("FOLDER", "runs/BASELINE-PRESET-seedSEED")] = None
    """The run folder. If it holds a run with the same options, that run resumes."""


@command()
def main(
    make: Any,
    presets: Mapping[str, RunConfig],
    argv: Sequence[str] | None = None,
    **data: Any,
) -> int:
    """The command of a baseline of one's own; returns its exit status, as `command` says.

    0: trained, or stopped as its options say. `data` goes to `baselines.training.loop.train`. That
    of a baseline of the package is `baselines.train`.
    """
    return run(make, *parse(make.name, presets, arguments_of(argv)), **data)


@command(stopped="stopped; the run goes on from its last checkpoint, if any")
def run(make: Any, config: RunConfig, out: Path, **data: Any) -> int:
    """Print what differs from the defaults, train, say how it ended; the status of `main`.

    `config` is one that its `check` has passed; config.json has all of it. What precision "auto"
    comes to is printed, too.
    """
    from baselines.training import runs
    from baselines.training.loop import train_checked

    precision = runs.precision(as_path("out", out), config, pick_device(config.device))
    config = replace(config, precision=precision)
    values = [(option, getattr(config, option.name)) for option in fields(config)]
    lines = [(option.name, value) for option, value in values if value != option.default]
    say(*(f"{name:23}{value}" for name, value in [*lines, ("run folder", out)]))
    outcome = train_checked(make, config, out, **data)
    if outcome.reason:
        say(f"stopped at step {outcome.step}: {outcome.reason}")
    elif outcome.step < config.steps:
        complain(f"stopped and saved at step {outcome.step}; go on with --resume {out}")
        return 130
    else:
        say(f"trained to step {outcome.step}: {out}")
    return 0


def parse(baseline: str, presets: Mapping[str, RunConfig], argv: list[str]) -> tuple[Any, Path]:
    """The options, checked, and the run folder that `argv` asks for.

    --preset or --resume sets the defaults that the other options then change.
    """
    preset = ("preset", Annotated[str, one_of(presets)], next(iter(presets)))
    start: Any = make_dataclass("Start", [preset], bases=(Start,), frozen=True)
    first = start(**glance(start, argv))
    known("preset", first.preset, presets)
    defaults = presets[first.preset]
    if first.resume is not None:
        defaults = saved_config(baseline, type(defaults), as_path("resume", first.resume))
    about = inspect.getdoc(type(defaults)) or ""
    changes = given([start, defaults], argv, f"fdd train {baseline}", about)
    told = {name: changes.pop(name) for name in ("preset", "resume", "out") if name in changes}
    config = replace(defaults, **changes)
    config.check()
    if first.resume is None:
        name = f"{baseline}-{first.preset}-seed{config.seed}"
        return config, first.out or Path("runs", name)
    if len(told) > 1:
        raise FddError(
            "--resume has the folder and the options of its run; leave out --out, --preset"
        )
    return config, first.resume


def saved_config(baseline: str, config_type: type[RunConfig], folder: Path) -> RunConfig:
    """The options of the run in `folder`. FddError if it holds no run of this baseline."""
    from baselines.training.runs import read_config, saved_options

    saved = read_config(folder)
    if saved["baseline"] != baseline:
        raise FddError(
            f"run folder {shown(folder)}: its baseline is {shown(saved['baseline'])}, not "
            f"{shown(baseline)}"
        )
    return saved_options(config_type, saved, folder)
