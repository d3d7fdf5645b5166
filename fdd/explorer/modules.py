"""The page's JavaScript: modules of this folder, and those that are written from what fdd declares.

Each is an ES module, which node can import; `script` joins them for a page that stands alone.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from fractions import Fraction
from importlib.resources import files
from typing import Any

import numpy as np

from fdd.arithmetic.sine_table import table, taylor, turn_words
from fdd.attractors.families import FAMILIES, Family, Vector
from fdd.explorer.gallery import GALLERY
from fdd.explorer.translation import changes, orbit_function
from fdd.pages import MODULES as SHARED
from fdd.pages import joined
from fdd.pages import module as shared_module
from fdd.releases.cards import DEFAULT_VERSION, release
from fdd.rendering.palettes import PALETTES

PURE = (
    "bytes",
    "families",
    "constants",
    "sines",
    "orbits",
    "counts",
    "shading",
    "state",
    "weights",
    "layers",
    "pixels",
    "networks",
    "aegean",
    "sdpc",
    "colours",
    "oracle",
    "vectors",
    "emulator",
    "flow",
    "biggan",
    "models",
    "similarity",
    "statistics",
)
"""The modules that compute, each after those that it imports; none needs a browser."""


def module(name: str) -> str:
    """The source of a module: one of those in js/, of those that pages share, or written here."""
    if name in SHARED:
        return shared_module(name)
    written = {"families": _families, "constants": _constants, "orbits": _orbits}
    if name in written:
        return written[name]()
    return (files("fdd.explorer") / "js" / f"{name}.js").read_text(encoding="utf-8")


def script(names: Iterable[str]) -> str:
    """Modules as one script: without the lines by which they import and export."""
    return joined(map(module, names))


def data(value: Any) -> str:
    """A value as JavaScript that may stand in a page: no text in it ends a script."""
    return json.dumps(value).replace("<", "\\u003c")


def _turn() -> list[float]:
    """2 pi in three words; up to 256 times the first or the second is exact."""
    rest = sum(map(Fraction, turn_words(4)), Fraction(0))
    words = []
    for places in (42, 87):
        words.append(Fraction(round(rest * 2**places), 2**places))
        rest -= words[-1]
    return [float(word) for word in (*words, rest)]


def _start(family: Family) -> tuple[Vector, ...]:
    """What the page shows of a family at first, and offers beside it."""
    middle = tuple(float(round(sum(ends) / 2, 2)) for ends in family.ranges)
    return GALLERY.get(family.name, (middle,))


def _facts(family: Family) -> dict[str, Any]:
    return {
        "parameters": family.parameters,
        "ranges": family.ranges,
        "whole": family.whole,
        "gallery": _start(family),
        "symmetries": [symmetry.name for symmetry in family.symmetries],
    }


def _families() -> str:
    card = release(DEFAULT_VERSION)
    palettes = {name: colours.tobytes().hex() for name, colours in PALETTES.items()}
    facts = {name: _facts(family) for name, family in FAMILIES.items()}
    symmetries = "\n".join(
        f"{data(name)}: [{', '.join(changes(family))}]," for name, family in FAMILIES.items()
    )
    return f"""// What fdd declares of its families, palettes and releases.

const coloursOf = (text) => Uint8Array.from(text.match(/../g), (one) => parseInt(one, 16));

export const PALETTES = {data(palettes)};
for (const name in PALETTES) PALETTES[name] = coloursOf(PALETTES[name]);

export const FAMILIES = {data(facts)};

// The changes of the vector that a family's symmetries are, in the order of their names.
export const CHANGES = {{
{symmetries}
}};

// A release keeps an image of this drawing with at least so many percent of its cells occupied.
export const RELEASE = {{ size: {card.size}, points: {card.points} }};
export const KEPT_PERCENT = {card.occupied_percent};
"""


def _constants() -> str:
    sine_table = base64.b64encode(np.array(table(), "<f8").tobytes()).decode()
    return f"""// The numbers of fdd/arithmetic/sine_table.py.

import {{ bytesOf }} from "./bytes.js";

// Rows S, C, S', C' of t = k/64, at row k modulo 2048.
export const SINE_TABLE = new Float64Array(bytesOf("{sine_table}").buffer);
export const TURN = {data(_turn())};
export const TAYLOR = {data([taylor(n) for n in range(12)])};
"""


def _orbits() -> str:
    functions = "\n".join(
        f"{data(name)}: {orbit_function(family)}," for name, family in FAMILIES.items()
    )
    return f"""// The families' equations, translated from fdd/attractors/families.py.

import {{ sin, cos }} from "./sines.js";

// Each fills xs and ys, Float64Array [points], from the starting point that they hold.
export const orbits = {{
{functions}
}};
"""
