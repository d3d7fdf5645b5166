"""What the pages that we write share, the explorer and those of results: look.css, and in js/ what
their pictures, plots and tables do.

May import: errors.
"""

import re
from collections.abc import Iterable
from importlib.resources import files

__all__ = ["MODULES", "joined", "look", "module"]

MODULES = ("enlarging", "pointing", "sorting")
"""The ES modules of js/; each needs a page."""


def look() -> str:
    """The style sheet that stands before a page's own."""
    return (files("fdd.pages") / "look.css").read_text(encoding="utf-8")


def module(name: str) -> str:
    """The source of a module."""
    return (files("fdd.pages") / "js" / f"{name}.js").read_text(encoding="utf-8")


def joined(modules: Iterable[str]) -> str:
    """Modules as one script: without the lines by which they import and export."""
    text = re.sub(r"^import [^;]*;\n", "", "\n".join(modules), flags=re.MULTILINE)
    return re.sub(r"^export ", "", text, flags=re.MULTILINE)
