"""Bars that show how far a piece of work is, where there is somewhere to show them."""

from __future__ import annotations

import sys
from typing import Any

from tqdm import tqdm

from fdd.errors import printable


def progress_bar(items: Any = None, desc: str = "", **options: Any) -> tqdm[Any]:
    """tqdm's bar; none without stderr, as after 2>&- or in a program without a console.

    It is refreshed rarely where it goes to a file. `desc` may hold a name from a file: what a
    terminal would take for a command is escaped.
    """
    if sys.stderr is None or getattr(sys.stderr, "closed", False):
        options["disable"] = True
    elif not getattr(sys.stderr, "isatty", bool)():
        options.setdefault("mininterval", 10.0)
    return tqdm(items, printable(desc), **options)
