"""Train a baseline by its name: `fdd train aae` is `python -m baselines.aae`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

from baselines import BASELINES
from baselines.training.cli import main as train
from fdd.commands import arguments_of, command
from fdd.options import choose, summaries


@command()
def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns its exit status, as `fdd.commands.command` says."""
    told = summaries("baselines")
    lines = {name: told.get(name, "") for name in BASELINES}
    about = "Train a baseline, a model that learns a latent space from Fractal Dream images."
    name, others = choose(arguments_of(argv), lines, "fdd train", about, "baseline")
    module, made = BASELINES[name]
    found = import_module(module)
    return train(getattr(found, made), found.PRESETS, others)


if __name__ == "__main__":
    sys.exit(main())
