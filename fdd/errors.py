"""The one exception for users' mistakes, and checks of arguments, each with its one sentence."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np


class FddError(ValueError):
    """A mistake in what was asked for: names the argument, the value and what would be right."""


def missing_extra(extra: str, error: ImportError) -> FddError:
    """The error for an optional dependency that is not installed."""
    return FddError(f"this needs the package {error.name!r}: pip install 'fdd[{extra}]'")


def known(argument: str, value: Any, choices: Iterable[str]) -> None:
    """Refuses a value that is not one of the known names, and says which these are."""
    names = list(choices)
    if not isinstance(value, str) or value not in names:
        raise FddError(f"{argument}={value!r} is not known; choose from {', '.join(names)}")


def whole_number(argument: str, value: Any, lowest: int, highest: int | None = None) -> int:
    """The value as an int, refused when it is not a whole number in the closed range."""
    limits = f"of at least {lowest}" if highest is None else f"from {lowest} to {highest}"
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise FddError(f"{argument}={value!r} must be a whole number {limits}")
    if value < lowest or (highest is not None and value > highest):
        raise FddError(f"{argument}={value} must be a whole number {limits}")
    return int(value)
