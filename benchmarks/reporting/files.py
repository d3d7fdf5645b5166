"""Results as files: a folder with a page, figures, CSV and JSON, each of them whole or absent."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.reporting.figures import Figure
from benchmarks.reporting.html import as_html
from benchmarks.reporting.runs import Result, cells_of, runs_of, seed_of
from fdd.errors import FddError, shown
from fdd.files import atomic_write, writing_to

PAGE = "index.html"
FIELDS = ("low", "high", "chance", "p", "ceiling", "share", "p_same")
"""What results.csv says of a score beside its value."""


def check_out(out: Path, argument: str = "out") -> None:
    """FddError unless the folder `out` is there or can be made, and be written; writes nothing."""
    parent = out.absolute()
    while not parent.exists() and parent != parent.parent:
        parent = parent.parent
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        raise FddError(f"{argument} is {shown(out)}, which cannot be written: see {parent}")


def write_report(
    out: Path, results: Sequence[Result], draw: Callable[[], Sequence[Figure]]
) -> None:
    """Write a report of one result or several into the folder `out`.

    results.json, results.csv, the figures that `draw` gives and, last, index.html, each atomically.
    What `draw` raises leaves the numbers, and no page of others. FddError where the folder cannot
    be written.
    """
    remove_page(out)
    numbers = {
        "results.json": strict_json(results).encode(),
        "results.csv": as_csv(results).encode(errors="replace"),
    }
    write_files(out, numbers)
    figures = draw()
    files = {figure.name: figure.png for figure in figures}
    files[PAGE] = as_html(results, figures).encode(errors="replace")
    write_files(out, files)


def remove_page(out: Path, name: str = PAGE) -> None:
    """Remove the page of a folder, if there is one, so that it never stands beside new numbers.

    FddError where it cannot be removed.
    """
    with writing_to(out):
        (out / name).unlink(missing_ok=True)


def write_files(out: Path, files: Mapping[str, bytes]) -> None:
    """Write files into the folder `out`, made if need be, each atomically, in that order.

    FddError where it cannot be written.
    """
    with writing_to(out):
        out.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            with atomic_write(out / name) as path:
                path.write_bytes(content)


def strict_json(value: Any) -> str:
    """JSON without NaN and infinity, which other languages would not read."""

    def plain(other: Any) -> Any:
        return other.item() if isinstance(other, np.generic) else str(other)

    return json.dumps(value, indent=2, allow_nan=False, default=plain) + "\n"


def as_csv(results: Sequence[Result]) -> str:
    """A line for each score of each result, in full precision; an empty field where there is none.

    The columns: name, seed, score, set, parameter, value, and FIELDS.
    """
    lines: list[Sequence[Any]] = [
        ["name", "seed", "score", "set", "parameter", "value", *FIELDS],
    ]
    for run in runs_of(results):
        for result in run.results:
            for place, cell in cells_of(result):
                where = [*place, ""][:3]
                numbers = [cell["score"], *(cell.get(field) for field in FIELDS)]
                lines.append([run.name, seed_of(result), *where, *numbers])
    return csv_text(lines)


def csv_text(lines: Iterable[Sequence[Any]]) -> str:
    """A CSV file of these lines; None is an empty field."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    return text.getvalue()
