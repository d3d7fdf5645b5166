"""Train a baseline by its name: `fdd train aae` is `python -m baselines.aae`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

from baselines import BASELINES
from baselines.training.cli import parse, run
from fdd.commands import arguments_of, command
from fdd.options import choose, summaries


@command()
def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns its exit status, as `fdd.commands.command` says."""
    told = summaries("baselines")
    lines = {name: told.get(name, "") for name in BASELINES}
    about = "Train a baseline, a model that learns a latent space from Fractal Dream images."
    name, others = choose(arguments_of(argv), lines, "fdd train", about, "baseline")
    presets = import_module(f"baselines.configs.{name}").PRESETS
    config, out = parse(name, presets, others)
    module, made = BASELINES[name]  # with the networks, which --help does without
    return run(getattr(import_module(module), made), config, out)


if __name__ == "__main__":
    sys.exit(main())
