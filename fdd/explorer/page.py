"""The page: HTML, style and scripts in one text that asks for nothing outside itself."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Sequence
from importlib.resources import files
from os import PathLike
from typing import Any

from fdd.defaults import with_defaults
from fdd.errors import FddError, shown, whole_number
from fdd.explorer.models import PRETRAINED, SHOWN, pretrained, test_params, trained
from fdd.explorer.modules import PURE, data, script
from fdd.files import as_file, as_path, atomic_write, writing_to
from fdd.pages import MODULES as SHARED
from fdd.pages import look
from fdd.rendering.drawing import MAX_SIZE

COMPUTING = (*PURE, "worker")
"""What runs in the workers, in an order in which each comes after what it imports."""
PAGE = (
    *SHARED,
    "bytes",
    "families",
    "state",
    "elements",
    "asking",
    "learned",
    "codes",
    "made",
    "reading",
    "map",
    "paths",
    "strip",
    "app",
)
"""What runs in the page itself."""
SHIPPED = ("mini-1", "fdd-1")
"""Releases whose oracles come with the package, as data of its benchmarks."""
LARGEST_ORACLE = 2**24
"""Bytes of an oracle that a page takes in."""


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

    def save(self, path: Any) -> None:
        """Writes the page as one file, and makes the folder that it is to lie in.

        Raises FddError for what is not the path of a file, or cannot be written.
        """
        out = as_file("out", path)
        with writing_to(out.parent):
            out.parent.mkdir(parents=True, exist_ok=True)
            with atomic_write(out) as temporary:
                temporary.write_text(self._text, encoding="utf-8")


@with_defaults
def explore(
    runs: str | PathLike[str] | Sequence[str | PathLike[str]] | None = None, oracle: Any = None
) -> Explorer:
    """The explorer: draws any attractor in the browser, to the same bytes as `fdd.render`, and
    beside it what trained models make of it.

    As the last line of a notebook's cell it is shown there; `save` writes it to a file.

    Parameters
    ----------
    runs : the folder of a run of `baselines`, the name of a pretrained model, or a list of such;
        mini-emulator, mini-contrastive and mini-dcca if it is left out, and none with []
    oracle : "mini-1" or "fdd-1", the oracle that comes with that release, or the path of a file
        that `python -m benchmarks.reader` wrote; the page then shows what it reads

    Raises FddError for what is no run or no oracle, for a baseline that the page does not know, and
    if a family has a step that cannot be translated.
    """
    if runs is None:
        runs = SHOWN
    try:
        chosen = [runs] if isinstance(runs, str | PathLike) else list(runs)
    except TypeError:
        raise FddError(
            f"runs={shown(runs)} must be the folder of a run, the name of a pretrained model, or a "
            "list of such"
        ) from None
    models = [
        pretrained(run) if isinstance(run, str) and run in PRETRAINED else trained(run)
        for run in chosen
    ]
    versions = {model["config"]["version"] for model in models}
    learned = {"models": models, "vectors": {name: test_params(name) for name in sorted(versions)}}
    folder = files("fdd.explorer")
    text = (folder / "page.html").read_text(encoding="utf-8")
    parts = {
        "style": look() + (folder / "style.css").read_text(encoding="utf-8"),
        "oracle": "" if oracle is None else base64.b64encode(_checked_oracle(oracle)).decode(),
        "models": data(learned),
        "computing": script(COMPUTING),
        "page": script(PAGE),
    }
    for name, part in parts.items():
        text = text.replace(f"/* {name} */", part)
    return Explorer(text)


def _checked_oracle(value: Any) -> bytes:
    """The bytes of an oracle's file."""
    path = as_path("oracle", value, "choose another file")
    if value in SHIPPED:  # read as it is, as the packages may lie in a zip archive
        data = (files("benchmarks") / "oracle" / f"{value}.safetensors").read_bytes()
    elif path.is_file() and path.stat().st_size <= LARGEST_ORACLE:
        data = path.read_bytes()
    else:
        raise FddError(
            f"oracle={shown(value)} must be {', '.join(SHIPPED)} or a file of at most "
            f"{LARGEST_ORACLE // 2**20} MiB"
        )
    try:
        length = int.from_bytes(data[:8], "little")
        config = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["config"])
        whole_number("size", config["size"], 16, MAX_SIZE)
        whole_number("points", config["points"], 1)
    except Exception as error:  # what a foreign file raises has no common type
        raise FddError(
            f"oracle={shown(value)} is not a file that python -m benchmarks.reader wrote; choose "
            f"such a file, {' or '.join(SHIPPED)}"
        ) from error
    return data
