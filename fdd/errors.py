"""The one exception for users' mistakes, and checks of arguments, each with its one sentence."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

import numpy as np

SHOWN, MESSAGE = 240, 2000
"""Characters that a value has room for in a message, and those of a whole message."""
MOST = 10**9
"""Vectors, images or batches that one call can be asked for: more than any memory holds."""


def printable(text: str) -> str:
    """A text that any terminal and any encoding takes: control characters and so on are escaped.

    >>> printable("a name with \\x1b[2J in it")
    'a name with \\\\x1b[2J in it'
    """
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in text
    )


def one_line(text: str) -> str:
    """`printable`, the lines of the text joined by blanks."""
    return printable(" ".join(filter(None, map(str.strip, text.splitlines()))))


def shown(value: Any, most: int = SHOWN) -> str:
    """A value as a message has it: its repr, a path in quotes, on one line, as far as it fits."""
    try:
        text = repr(os.fspath(value) if isinstance(value, os.PathLike) else value)
    except Exception:  # somebody else's class, or a number of more digits than Python writes
        text = f"<{type(value).__name__}>"
    return one_line(text)[:most]


class FddError(ValueError):
    """A mistake in what was asked for: names the argument, the value and what would be right.

    Its message is one printable line of bounded length, whatever was asked for.
    """

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message)[:MESSAGE])


def starved(error: BaseException) -> bool:
    """Whether an error tells of too little memory or too few open files, not of damaged data."""
    if isinstance(error, OSError):
        return error.errno in (errno.ENOMEM, errno.EMFILE, errno.ENFILE)
    return isinstance(error, MemoryError)


def missing_extra(extra: str, error: ImportError) -> FddError:
    """The error for an optional dependency that is not installed."""
    return FddError(f"this needs the package {error.name!r}: pip install 'fdd[{extra}]'")


def meant(value: str, choices: Iterable[str]) -> str:
    """What a message adds about the name that was probably meant; nothing if none is near.

    >>> meant("validation", ["train", "val", "test"])
    ' (did you mean val?)'
    """
    names = {name.lower(): name for name in choices}
    low = value.lower()
    near = get_close_matches(low, names, 1, cutoff=0.7)
    near += [name for name in names if sorted(name) == sorted(low)]
    near += [name for name in names if low[2:] and name.startswith(low[:3])]
    return f" (did you mean {names[near[0]]}?)" if near else ""


def known(argument: str, value: Any, choices: Iterable[str]) -> None:
    """Refuses a value that is not one of the known names, and says which these are."""
    names = list(choices)
    if not isinstance(value, str) or value not in names:
        near = meant(value, names) if isinstance(value, str) else ""
        raise FddError(
            f"{argument}={shown(value)} is not known{near}; choose from {', '.join(names)}"
        )


def whole_number(argument: str, value: Any, lowest: int, highest: int | None = None) -> int:
    """The value as an int, refused when it is not a whole number in the closed range."""
    limits = f"of at least {lowest}" if highest is None else f"from {lowest} to {highest}"
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise FddError(f"{argument}={shown(value)} must be a whole number {limits}")
    if value < lowest or (highest is not None and value > highest):
        raise FddError(f"{argument}={shown(value)} must be a whole number {limits}")
    return int(value)
