"""`python -m baselines` lists what there is to run."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from fdd.commands import arguments_of, command, say
from fdd.options import catalogue


@command()
def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns its exit status, as `fdd.commands.command` says."""
    say(catalogue("baselines", arguments_of(argv)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
