"""A family's `step` as JavaScript: run once on names in place of numbers, each operation a line.

So a family stays declared once, and the page rounds every product and sum where Python does:
JavaScript's numbers are float64, and it fuses nothing.
"""

from __future__ import annotations

from itertools import product
from typing import Any

from fdd.attractors.families import Family, Symmetry, bind
from fdd.errors import FddError, shown

_CALLS = {"sin": "sin", "cos": "cos", "sqrt": "Math.sqrt", "fabs": "Math.abs", "sign": "Math.sign"}


class _Term:
    """A number of a step that is being translated, by its name in JavaScript.

    Names begin with $, which those in Python and JavaScript's own words never do.
    """

    def __init__(self, name: str, lines: list[str]) -> None:
        self.name, self.lines = name, lines

    def __str__(self) -> str:
        return self.name

    def then(self, text: str) -> _Term:
        """What `text` computes, under a name of its own."""
        name = f"${len(self.lines) + 1}"
        self.lines.append(f"const {name} = {text};")
        return _Term(name, self.lines)

    def __add__(self, other: Any) -> _Term:
        return self.then(f"{self} + {_text(other)}")

    def __radd__(self, other: Any) -> _Term:
        return self.then(f"{_text(other)} + {self}")

    def __sub__(self, other: Any) -> _Term:
        return self.then(f"{self} - {_text(other)}")

    def __rsub__(self, other: Any) -> _Term:
        return self.then(f"{_text(other)} - {self}")

    def __mul__(self, other: Any) -> _Term:
        return self.then(f"{self} * {_text(other)}")

    def __rmul__(self, other: Any) -> _Term:
        return self.then(f"{_text(other)} * {self}")

    def __truediv__(self, other: Any) -> _Term:
        return self.then(f"{self} / {_text(other)}")

    def __rtruediv__(self, other: Any) -> _Term:
        return self.then(f"{_text(other)} / {self}")

    def __neg__(self) -> _Term:
        return self.then(f"-{self}")

    def __bool__(self) -> bool:
        raise TypeError("it branches on a number")

    def __eq__(self, other: object) -> bool:
        raise TypeError("it compares numbers")

    __hash__ = None  # type: ignore[assignment]


def _text(value: Any) -> str:
    """A term or a number as JavaScript has it; TypeError for anything else."""
    if isinstance(value, _Term):
        return str(value)
    return repr(float(value))


def orbit_function(family: Family) -> str:
    """A JavaScript function `(xs, ys, parameters)` that fills an orbit from its first point.

    xs, ys: Float64Array [points]. It calls `sin` and `cos`. Raises FddError for a step that does
    more than `fdd.attractors.families` says.
    """
    lines: list[str] = []
    x, y = _Term("$x", lines), _Term("$y", lines)

    def call(function: str) -> Any:
        return lambda value: x.then(f"{function}({_text(value)})")

    def where_less(one: Any, two: Any, chosen: Any, other: Any) -> _Term:
        return x.then(f"{_text(one)} < {_text(two)} ? {_text(chosen)} : {_text(other)}")

    names = [f"${name}" for name in family.parameters[2:]]
    functions = {name: call(function) for name, function in _CALLS.items()}
    step = bind(family.step, **functions, where_less=where_less)
    try:
        new = step(x, y, *(_Term(name, lines) for name in names))
        new_x, new_y = map(_text, new)
    except (NameError, TypeError, ValueError) as error:
        raise FddError(
            f"family {shown(family.name)}: its step cannot be translated ({error}); it may use "
            "+ - * / and the functions that fdd.attractors.families names"
        ) from error
    body = "\n".join(f"    {line}" for line in lines)
    return f"""(xs, ys, [{", ".join(names)}]) => {{
  let $x = xs[0];
  let $y = ys[0];
  for (let $ = 1; $ < xs.length; $++) {{
{body}
    xs[$] = $x = {new_x};
    ys[$] = $y = {new_y};
  }}
}}"""


def changes(family: Family) -> list[str]:
    """A family's symmetries as JavaScript functions of its vector, in their order.

    A change may depend on parameters that are whole numbers: it is translated for each of them.
    """
    choices = [
        range(int(low), int(high) + 1) if name in family.whole else (None,)
        for name, (low, high) in zip(family.parameters, family.ranges, strict=True)
    ]
    return [_change(family, symmetry, list(product(*choices))) for symmetry in family.symmetries]


def _change(family: Family, symmetry: Symmetry, choices: list[tuple[int | None, ...]]) -> str:
    names = [f"${name}" for name in family.parameters]
    cases = []
    for choice in choices:
        lines: list[str] = []
        vector = tuple(
            _Term(name, lines) if whole is None else whole
            for name, whole in zip(names, choice, strict=True)
        )
        changed = ", ".join(map(_text, symmetry.change(vector)))  # type: ignore[arg-type]
        case = " && ".join(
            f"{name} === {whole}"
            for name, whole in zip(names, choice, strict=True)
            if whole is not None
        )
        body = "{ " + " ".join([*lines, f"return [{changed}];"]) + " }"
        cases.append(f"if ({case}) {body}" if case else body)
    return f"([{', '.join(names)}]) => {{ {' '.join(cases)} }}"
