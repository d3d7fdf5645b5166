"""The command line that all baselines share: made from a baseline's Config and its presets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, make_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from baselines.training.config import RunConfig
from baselines.training.loop import train_checked
from baselines.training.runs import read_config, saved_options
from fdd.commands import arguments_of, command, complain, say
from fdd.errors import FddError, shown
from fdd.files import as_path


@command()
def main(
    make: Any,
    presets: Mapping[str, RunConfig],
    argv: Sequence[str] | None = None,
    **data: Any,
) -> int:
    """Run `python -m baselines.NAME`; its exit status, as `fdd.commands.command` says.

    0: trained, or stopped as its options say. `data` goes to `baselines.training.loop.train`.
    """
    config, out = parse(make, presets, arguments_of(argv))
    config.check()
    return run(make, config, out, **data)


@command(stopped="stopped; the run goes on from its last checkpoint, if any")
def run(make: Any, config: RunConfig, out: Path, **data: Any) -> int:
    """Print the options, train, and say how it ended; the exit status that `main` documents.

    `config` is one that its `check` has passed.
    """
    lines = {**asdict(config), "run folder": out}
    say(*(f"{name:23}{value}" for name, value in lines.items()))
    outcome = train_checked(make, config, out, **data)
    if outcome.reason:
        say(f"stopped at step {outcome.step}: {outcome.reason}")
    elif outcome.step < config.steps:
        complain(f"stopped and saved at step {outcome.step}; go on with --resume {out}")
        return 130
    else:
        say(f"trained to step {outcome.step}: {out}")
    return 0


def parse(make: Any, presets: Mapping[str, RunConfig], argv: list[str]) -> tuple[RunConfig, Path]:
    """The options and the run folder that `argv` asks for.

    --preset or --resume sets the defaults that the other options then change.
    """
    told, names = tyro.conf.arg, tuple(presets)
    preset = Annotated[
        Literal[names],  # type: ignore[valid-type]
        told(help="The settings to start from, which the other options change."),
    ]
    resume = Annotated[
        Path | None,
        told(
            help="Resume the run in this folder with its own options. Only device, compile, "
            "stop-on-collapse, patience, those that end in -every and, unless rates decay, steps "
            "may be changed.",
            metavar="FOLDER",
            help_behavior_hint="(default: start a new run)",
        ),
    ]
    out = Annotated[
        Path | None,
        told(
            help="The run folder. If it holds a run with the same options, that run resumes.",
            metavar="FOLDER",
            help_behavior_hint=f"(default: runs/{make.name}-PRESET-seedSEED)",
        ),
    ]
    choices: list[Any] = [("preset", preset, names[0]), ("resume", resume, None)]
    first: Any
    first, _ = tyro.cli(
        make_dataclass("Choices", choices), args=argv, return_unknown_args=True, add_help=False
    )
    defaults = presets[first.preset]
    if first.resume is not None:
        defaults = saved_config(make, as_path("resume", first.resume))

    config = tyro.conf.OmitArgPrefixes[make.config_type]
    options: Any = tyro.cli(
        make_dataclass("Options", [*choices, ("out", out, None), ("config", config, defaults)]),
        prog=f"python -m baselines.{make.name}",
        description=f"Train the baseline {make.name}.",
        args=argv,
    )
    if options.resume is None:
        name = f"{make.name}-{options.preset}-seed{options.config.seed}"
        return options.config, options.out or Path("runs", name)
    if options.out is not None or any(word.startswith("--preset") for word in argv):
        raise FddError(
            "--resume has the folder and the options of its run; leave out --out, --preset"
        )
    return options.config, options.resume


def saved_config(make: Any, folder: Path) -> RunConfig:
    """The options of the run in `folder`. FddError if it holds no run of this baseline."""
    saved = read_config(folder)
    if saved["baseline"] != make.name:
        raise FddError(
            f"run folder {shown(folder)}: its baseline is {shown(saved['baseline'])}, not "
            f"{shown(make.name)}"
        )
    return saved_options(make.config_type, saved, folder)
