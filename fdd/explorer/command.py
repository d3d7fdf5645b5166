"""The command: `python -m fdd.explorer --out explorer.html`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from fdd.commands import arguments_of, command, say
from fdd.explorer.page import explore
from fdd.files import as_file


def parser() -> argparse.ArgumentParser:
    """The parser of the command."""
    made = argparse.ArgumentParser(
        prog="fdd explore",
        description="Writes a page that draws every attractor while you change its parameters, to "
        "the same bytes as fdd.render. It is one file and works without a network.",
    )
    made.add_argument("--out", default="explorer.html", help="HTML to write (explorer.html)")
    made.add_argument(
        "--oracle",
        metavar="FILE",
        help="oracle whose reading of the pictures the page shows, such as "
        "benchmarks/oracle/mini-1.safetensors",
    )
    return made


@command("fdd explore")
def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; its exit status is as `fdd.commands.command` says."""
    arguments = parser().parse_args(arguments_of(argv))
    out = as_file("out", arguments.out)
    explore(arguments.oracle).save(out)
    say(f"the explorer in {out}")
    return 0
