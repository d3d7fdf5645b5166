"""The command `fdd explore`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from fdd.commands import arguments_of, command, say
from fdd.explorer.page import explore
from fdd.files import as_file
from fdd.options import Arg, parse


@dataclass(frozen=True)
class Explore:
    """Write a page that draws every attractor while you change its parameters, and beside it what
    trained models make of it.

    It draws to the same bytes as fdd.render, is one file and works without a network.
    """

    runs: Annotated[
        tuple[str, ...], Arg("RUN", positional=True, default="the pretrained ones")
    ] = ()
    """Folders of runs, or names of pretrained models, to show."""
    plain: bool = False
    """Without models."""
    out: Path = Path("explorer.html")
    """HTML to write."""
    oracle: str | None = None
    """Oracle whose reading of the pictures the page shows: mini-1, fdd-1, or a file that python -m
    benchmarks.reader wrote."""


@command()
def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; its exit status is as `fdd.commands.command` says."""
    options = parse(Explore, arguments_of(argv), "fdd explore")
    out = as_file("out", options.out)
    runs: Sequence[str] | None = () if options.plain else options.runs or None
    explore(runs, options.oracle).save(out)
    say(f"the explorer in {out}")
    return 0
