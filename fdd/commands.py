"""How a command speaks and ends: any name is shown, and a mistake is one line, no traceback."""

from __future__ import annotations

import contextlib
import functools
import io
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import ParamSpec

from fdd.errors import FddError, one_line, printable

P = ParamSpec("P")


def say(*lines: str) -> None:
    """Prints lines, or texts of several lines; what a terminal would take for a command is escaped.

    So names may stand in them that come from files of other people.
    """
    for line in lines:
        print("\n".join(map(printable, line.split("\n"))), flush=True)


def complain(line: str) -> None:
    """Writes a line to stderr as `say` does, in one piece: other processes may write there."""
    print(f"{printable(line)}\n", end="", file=sys.stderr, flush=True)


def arguments_of(argv: Sequence[str] | None) -> list[str]:
    """The arguments of a command, by default those of the process.

    Raises FddError for an empty one, such as "$UNSET" of a script: as a path it would be the
    working folder.
    """
    given = sys.argv[1:] if argv is None else list(argv)
    if "" in given:
        place = given.index("")
        before = f" after {given[place - 1]}" if place else ""
        raise FddError(f"the argument{before} is empty; write what it is to be, or leave it out")
    return given


def command(stopped: str = "stopped") -> Callable[[Callable[P, int]], Callable[P, int]]:
    """Makes a function that does the work of a command end as all commands do.

    It returns the function's own exit status, or 2 after a mistake (an FddError, an OSError or a
    MemoryError: one line of stderr), 130 after Ctrl-C (stderr says `stopped`), and 1 when whoever
    read the output has gone. SystemExit, which --help raises, passes through.
    """

    def wrap(work: Callable[P, int]) -> Callable[P, int]:
        @functools.wraps(work)
        def ended(*arguments: P.args, **options: P.kwargs) -> int:
            with _streams():
                return watched(*arguments, **options)

        def watched(*arguments: P.args, **options: P.kwargs) -> int:
            try:
                try:
                    status = work(*arguments, **options)
                except SystemExit:  # after --help
                    print(end="", flush=True)
                    raise
                print(end="", flush=True)  # while a reader that has gone can still be noticed
                return status
            except BrokenPipeError:  # nobody is left to tell
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
                return 1
            except (FddError, OSError) as error:
                complain(f"error: {one_line(str(error))}")
                return 2
            except MemoryError:
                complain("error: there is not enough memory")
                return 2
            except KeyboardInterrupt:
                complain(stopped)
                return 130

        return ended

    return wrap


@contextlib.contextmanager
def _streams() -> Iterator[None]:
    """Inside, the standard streams take any text: closed ones lead nowhere, names are escaped.

    A number that is free, as 2 after 2>&-, would go to the next file that is opened, and what a
    library in C complains of would be written into that file.
    """
    for number, mode in enumerate((os.O_RDONLY, os.O_WRONLY, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            nowhere = os.open(os.devnull, mode)
            if nowhere != number:
                os.dup2(nowhere, number)
                os.close(nowhere)
            os.set_inheritable(number, True)
    with contextlib.ExitStack() as stack:
        for redirect, stream in (
            (contextlib.redirect_stdout, sys.stdout),
            (contextlib.redirect_stderr, sys.stderr),
        ):
            if stream is None or getattr(stream, "closed", False):
                nothing = stack.enter_context(open(os.devnull, "w", encoding="utf-8"))
                stack.enter_context(redirect(nothing))
            elif isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
                stream.reconfigure(errors="backslashreplace")
                stack.callback(_strict_again, stream)
        yield


def _strict_again(stream: io.TextIOWrapper) -> None:
    with contextlib.suppress(OSError):  # it is flushed, and its reader may have gone
        stream.reconfigure(errors="strict")
