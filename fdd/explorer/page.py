"""The page: HTML, style and scripts in one text that asks for nothing outside itself."""

from __future__ import annotations

import html
from importlib.resources import files

from fdd.explorer.modules import PURE, script
from fdd.files import as_file, atomic_write

COMPUTING = (*PURE, "worker")
"""What runs in the workers, in an order in which each comes after what it imports."""
PAGE = ("families", "state", "asking", "strip", "app")
"""What runs in the page itself."""


class Explorer:
    """The explorer as a notebook shows it, and as `str` gives its HTML."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __str__(self) -> str:
        return self._text

    def _repr_html_(self) -> str:
        """The page inside the notebook's own, apart from it."""
        return (
            '<iframe title="Fractal Dream explorer" style="width:100%;height:900px;border:0" '
            f'srcdoc="{html.escape(self._text)}"></iframe>'
        )

    def save(self, path: object) -> None:
        """Writes the page as one file. Raises FddError for what is not the path of a file."""
        with atomic_write(as_file("out", path)) as temporary:
            temporary.write_text(self._text, encoding="utf-8")


def explore() -> Explorer:
    """The explorer: draws any attractor in the browser, to the same bytes as `fdd.render`.

    As the last line of a notebook's cell it is shown there; `save` writes it to a file. Raises
    FddError if a family has a step that cannot be translated.
    """
    folder = files("fdd.explorer")
    text = (folder / "page.html").read_text(encoding="utf-8")
    parts = {
        "style": (folder / "style.css").read_text(encoding="utf-8"),
        "computing": script(COMPUTING),
        "page": script(PAGE),
    }
    for name, part in parts.items():
        text = text.replace(f"/* {name} */", part)
    return Explorer(text)
