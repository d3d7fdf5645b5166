"""Families as a terminal and a notebook show them: parameters with their ranges, and equations."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Collection, Sequence
from html import escape
from itertools import groupby, zip_longest
from typing import Any

HEAD = (["family"], ["parameters"], ["equation"])
"""The first row of a table; each of its rows has three cells, lists of lines."""


def parameter_lines(
    names: Sequence[str], ranges: Sequence[tuple[float, float]], whole: Collection[str]
) -> list[str]:
    """Neighbours with one range on one line: "x0, y0 in [-1, 1]"."""
    lines = []
    columns = zip(names, ranges, (name in whole for name in names), strict=True)
    for ((low, high), is_whole), group in groupby(columns, lambda column: column[1:]):
        listed = ", ".join(name for name, *_ in group)
        lines.append(f"{listed} in [{low:g}, {high:g}]{', whole' if is_whole else ''}")
    return lines


def equation_lines(step: Callable[..., Any]) -> list[str]:
    """The statements of a step, what it returns as x', y'; its call where no source is at hand."""
    try:
        definition = ast.parse(textwrap.dedent(inspect.getsource(step))).body[0]
    except (OSError, SyntaxError):  # typed into an interpreter; a lambda amid other code
        definition = None
    if not isinstance(definition, ast.FunctionDef):
        return [f"x', y' = {step.__name__}{inspect.signature(step)}"]
    text = "\n".join(map(ast.unparse, definition.body))
    return text.replace("return ", "x', y' = ").splitlines()


def text_table(rows: Sequence[Sequence[list[str]]]) -> str:
    """Rows of cells below `HEAD`, columns side by side."""
    table = [HEAD, *rows]
    widths = [max(len(line) for row in table for line in row[column]) for column in range(2)]
    lines = []
    for row in table:
        for name, parameters, equation in zip_longest(*row, fillvalue=""):
            lines.append(f"{name:{widths[0]}}  {parameters:{widths[1]}}  {equation}".rstrip())
    return "\n".join(lines)


def html_table(rows: Sequence[Sequence[list[str]]]) -> str:
    """The same as HTML; texts may hold anything, they are escaped."""

    def html_row(row: Sequence[list[str]], tag: str) -> str:
        cells = (f"<{tag}><pre>{escape(chr(10).join(lines))}</pre></{tag}>" for lines in row)
        return f"<tr>{''.join(cells)}</tr>"

    body = "".join(html_row(row, "td") for row in rows)
    return f"<table><thead>{html_row(HEAD, 'th')}</thead><tbody>{body}</tbody></table>"
