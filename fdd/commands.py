"""How a command ends: mistakes in one line, Ctrl-C and closed pipes without a traceback."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from typing import ParamSpec

from fdd.errors import FddError

P = ParamSpec("P")


def command(
    prefix: str = "error", stopped: str = "stopped"
) -> Callable[[Callable[P, int]], Callable[P, int]]:
    """Makes a function that does the work of a command end as all commands do.

    It returns the function's own exit status, or 2 after a mistake (an FddError, or an OSError:
    one line of stderr, after `prefix`), 130 after Ctrl-C (stderr says `stopped`), and 1 when
    whoever read the output has gone. SystemExit, which argparse and tyro raise, passes through.
    """

    def wrap(work: Callable[P, int]) -> Callable[P, int]:
        @functools.wraps(work)
        def ended(*arguments: P.args, **options: P.kwargs) -> int:
            try:
                status = work(*arguments, **options)
                print(end="", flush=True)  # while a reader that has gone can still be noticed
                return status
            except BrokenPipeError:  # nobody is left to tell
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
                return 1
            except (FddError, OSError) as error:
                print(f"{prefix}: {error}", file=sys.stderr)
                return 2
            except KeyboardInterrupt:
                print(stopped, file=sys.stderr)
                return 130

        return ended

    return wrap
