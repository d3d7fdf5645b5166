"""Search the options of a baseline: many short runs, ranked by their best score.

    fdd sweep aae --preset mini --set lr_generator=1e-5,1e-4 --set beta1=0.5,0.7

    optuna.log              what was asked for, and each trial that has ended (an Optuna journal)
    trial-0000/ and so on   the trials, ordinary run folders (see `baselines.training.runs`)
    trials.csv, scores.png  the trials by score; the score against each option

This is the command; `baselines.trials` does the work.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Annotated, Literal

from baselines import BASELINES
from fdd.commands import arguments_of, command, complain, say
from fdd.errors import known
from fdd.options import Arg, parse

Search = Literal["grid", "random", "tpe"]


@dataclass(frozen=True)
class Arguments:
    """Search the options of a baseline: train it with many of them, rank the runs by best score.

    The score of a run is the best that it had at a checkpoint, on held-out images. The same command
    again resumes a sweep that was stopped, and shows the table of one that is complete.
    """

    baseline: Annotated[str, Arg("BASELINE", positional=True)]
    """The model to train, one of those that `fdd train --help` lists."""
    preset: Annotated[str | None, Arg("NAME", "the first")] = None
    """The settings to start from, which --set changes."""
    set: Annotated[tuple[str, ...], Arg("NAME=VALUES", "as the preset has it", each=True)] = ()
    """An option and what it may be, once for each option. One value: steps=400. Several:
    beta1=0.5,0.7 or flip=true,false. A range, not for a grid: beta1=0.3:0.9 or width=4:16. A range
    on a logarithmic scale: lr_generator=log:1e-6:1e-2."""
    search: Search = "grid"
    """grid: each combination once. random: at random. tpe: 10 at random, then near those that did
    well (tree-structured Parzen estimator)."""
    trials: Annotated[int | None, Arg(default="all of a grid, else 20")] = None
    """How many runs; more than before adds to them."""
    search_seed: int = 0
    """The seed of the search; the option seed is that of training."""
    out: Annotated[Path | None, Arg("FOLDER", "runs/sweep-BASELINE-PRESET")] = None
    """The folder for the runs, trials.csv and scores.png."""


@command(stopped="stopped; run the same command again to go on")
def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns its exit status, as `fdd.commands.command` says.

    0: all trials have ended; 2: also where no trial ended without failure.
    """
    asked = parse(Arguments, arguments_of(argv), "fdd sweep")
    known("baseline", asked.baseline, BASELINES)
    import optuna  # after --help, which does without

    from baselines.trials import make_plan, sweep

    preset = asked.preset or next(iter(import_module(BASELINES[asked.baseline][0]).PRESETS))
    out = asked.out or Path("runs", f"sweep-{asked.baseline}-{preset}")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    plan = make_plan(
        asked.baseline, preset, asked.set, asked.search, asked.trials, asked.search_seed
    )
    table = sweep(plan, out)
    if len(table):
        scored = table.drop(columns="reason").astype(object).fillna("-")
        say(scored.to_string(index=False, float_format="{:.4g}".format))
    for number, reason in table[["number", "reason"]].dropna().itertuples(index=False):
        say(f"trial {number}: {reason}")
    if len(table) < plan.trials:
        ended = f"{len(table)} of {plan.trials} trials"
        complain(f"stopped after {ended}; run the same command again to go on")
        return 130
    say(f"best: {out / table['folder'][0]}; see also {out / 'trials.csv'}, {out / 'scores.png'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
