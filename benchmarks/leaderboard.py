"""Result files of several people as one table.

    python -m benchmarks.leaderboard mine.json theirs.json --sort mcc/canonical --out table

Files that were not made in the same way are refused. Results that differ in the seed of the
training alone are one line: the interquartile mean over seeds (Agarwal et al., Deep reinforcement
learning at the edge of the statistical precipice, 2021), which for fewer than four is the mean.
"""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from html import escape
from pathlib import Path
from typing import Any

from benchmarks.protocol.descriptions import description_of
from benchmarks.reporting.results import (
    SAME,
    Cell,
    Result,
    column_names,
    find_cell,
    mean_cell,
    read_results,
)
from benchmarks.reporting.runs import OF_A_SEED
from benchmarks.statistics.arrays import require
from fdd.commands import command
from fdd.errors import FddError, known
from fdd.files import atomic_write, writing_to

COLUMNS = (
    "linear_r2/canonical",
    "nonlinear_r2/canonical",
    "mcc/canonical",
    "top10/direct",
    "top10/aligned",
    "ssim/direct",
    "ssim/aligned",
    "fdd_fid/samples",
)
ENOUGH = 5
"""Seeds below which a difference is no finding."""


@dataclass(frozen=True)
class Line:
    """One model.

    cells: by column; None where a result of the model lacks it. Of one result: score and, if it has
    them, low, high, chance, p, ceiling. Of several: interquartile means of score, chance, ceiling.
    results: file, seed, score by column, weights and version of the package of each.
    """

    name: str
    seeds: int
    cells: dict[str, Cell | None]
    results: list[dict[str, Any]]


@dataclass(frozen=True)
class Board:
    """The table; `about` is what all files agree on."""

    about: dict[str, Any]
    columns: tuple[str, ...]
    sort: str
    lines: list[Line]


def leaderboard(
    files: Sequence[Path], scores: Sequence[str] = (), sort: str | None = None
) -> Board:
    """Result files as one table.

    Parameters
    ----------
    files : paths of result files, at least one
    scores : columns score/set or score/set/parameter; if none, those of COLUMNS that a file has
    sort : the column that lines are sorted by, the best first and lines without it last; the first
        column if None

    Raises
    ------
    FddError : for a file that is no result, was not made as the first one was, or is there twice;
        for a column that no file has; for a model that has the same seed twice.
    """
    if not files:
        raise FddError("files is empty: give at least one result file")
    results = read_results(files)
    columns = _columns(list(results.values()), scores)
    sort = columns[0] if sort is None else sort
    known("sort", sort, columns)
    groups = _by_model(results)
    names = [next(iter(group.values()))["name"] for group in groups]
    lines = [
        _line(name if names.count(name) == 1 else f"{name} ({next(iter(group))})", group, columns)
        for name, group in zip(names, groups, strict=True)
    ]
    described = description_of(sort.partition("/")[0])

    def place(line: Line) -> tuple[bool, float, str]:
        cell = line.cells[sort]
        return (
            cell is None,
            0.0 if cell is None else float(described.loss(cell["score"])),
            line.name,
        )

    about = {key: results[files[0]][key] for key in SAME}
    return Board(about, columns, sort, sorted(lines, key=place))


def _columns(results: list[Result], chosen: Sequence[str]) -> tuple[str, ...]:
    there = column_names(results)
    for column in chosen:
        if column not in there:
            near = ", ".join(get_close_matches(column, there, 5, cutoff=0))
            raise FddError(f"scores={column!r} is in no file; the nearest are {near}")
    columns = tuple(dict.fromkeys(chosen) or [c for c in COLUMNS if c in there])
    if not columns:
        raise FddError(
            f"scores is empty, and no file has a usual column: choose some, as {there[0]}"
        )
    return columns


def _by_model(results: dict[Path, Result]) -> list[dict[Path, Result]]:
    """Results that differ in the seed alone, together; a result without config is alone."""
    groups: dict[Any, dict[Path, Result]] = {}
    for path, result in results.items():
        config = result["config"] or {}
        rest = {name: value for name, value in config.items() if name not in OF_A_SEED}
        key: Any = (result["name"], json.dumps(rest, sort_keys=True))
        group = groups.setdefault(key if "seed" in config else path, {})
        for other, before in group.items():
            if before["config"]["seed"] == config["seed"]:
                raise FddError(
                    f"'{path}' and '{other}' have the same name={result['name']!r}, config and "
                    f"seed={config['seed']!r:.20}, but other weights: name them apart"
                )
        group[path] = result
    return list(groups.values())


def _line(name: str, group: dict[Path, Result], columns: tuple[str, ...]) -> Line:
    found = {path: {c: find_cell(result, c) for c in columns} for path, result in group.items()}
    cells = {c: _merged([of[c] for of in found.values()]) for c in columns}
    results = [
        {
            "file": str(path),
            "seed": (result["config"] or {}).get("seed"),
            "scores": {c: cell["score"] for c, cell in found[path].items() if cell},
            "weights_sha256": result["weights_sha256"],
            "fdd_version": result["fdd_version"],
        }
        for path, result in group.items()
    ]
    return Line(name, len(group), cells, results)


def _merged(cells: list[Cell | None]) -> Cell | None:
    there = [cell for cell in cells if cell is not None]
    if len(there) < len(cells):
        return None
    trim_mean = require("scipy.stats").trim_mean
    return there[0] if len(there) == 1 else mean_cell(there, lambda x: trim_mean(x, 0.25))


def as_text(board: Board) -> str:
    """The table for a terminal."""
    scores, _, kinds = zip(*(column.partition("/") for column in board.columns), strict=True)
    rows = [["", "", *scores], ["model", "seeds", *kinds]]
    rows += [[line.name, *_texts(board, line)] for line in board.lines]
    wide = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [_about(board), ""]
    for name, *texts in rows:
        right = (text.rjust(w) for text, w in zip(texts, wide[1:], strict=True))
        lines.append("  ".join([name.ljust(wide[0]), *right]).rstrip())
    return "\n".join([*lines, "", *_notes(board)])


def _texts(board: Board, line: Line) -> list[str]:
    cells = (line.cells[column] for column in board.columns)
    return [str(line.seeds), *("-" if cell is None else _short(cell["score"]) for cell in cells)]


def _short(value: float) -> str:
    usual = value == 0 or 0.0005 <= abs(value) < 1000
    return f"{value + 0:.3f}" if usual else f"{value:.4g}"


def _about(board: Board) -> str:
    facts = [f"protocol {board.about['protocol']}", f"data {board.about['data_version']}"]
    if board.about["deviations"]:
        facts.append("not as the protocol has it: " + "; ".join(board.about["deviations"]))
    return ", ".join(facts)


def _notes(board: Board) -> list[str]:
    notes = [f"Sorted by {board.sort}."]
    if any(line.seeds > 1 for line in board.lines):
        notes.append(
            "Of several seeds: the interquartile mean. A difference between lines of fewer than "
            f"{ENOUGH} seeds is no finding."
        )
    return notes


def as_csv(board: Board) -> str:
    """The scores in full precision; an empty field where there is none."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["name", "seeds", *board.columns])
    for line in board.lines:
        cells = (line.cells[column] for column in board.columns)
        scores = ("" if cell is None else cell["score"] for cell in cells)
        writer.writerow([line.name, line.seeds, *scores])
    return text.getvalue()


def as_html(board: Board) -> str:
    """One page that needs no other file and no network; on a phone a card for each line."""
    heads = "".join(f"<th>{'<br>'.join(map(escape, c.split('/', 1)))}</th>" for c in board.columns)
    rows = "".join(
        f"<tr><th>{escape(line.name)}</th><td data-of=seeds>{line.seeds}</td>"
        + "".join(_cell_html(column, line.cells[column]) for column in board.columns)
        + "</tr>"
        for line in board.lines
    )
    notes = "".join(f"<p>{escape(note)}</p>" for note in _notes(board))
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Fractal Dream leaderboard</title><style>{CSS}</style></head><body><main>"
        f"<h1>Do the codes correspond to the parameters?</h1><p>{escape(_about(board))}</p>"
        f"<table><thead><tr><th>model</th><th>seeds</th>{heads}</tr></thead>"
        f"<tbody>{rows}</tbody></table>{notes}</main></body></html>\n"
    )


def _cell_html(column: str, cell: Cell | None) -> str:
    label = f'<td data-of="{escape(column)}">'
    if cell is None:
        return f"{label}-</td>"
    beside = [f"{key} {_short(cell[key])}" for key in ("chance", "ceiling") if key in cell]
    if "low" in cell and "high" in cell:
        beside.insert(0, f"{_short(cell['low'])} to {_short(cell['high'])}")
    small = "".join(f"<small>{text}</small>" for text in beside)
    return f"{label}<b>{_short(cell['score'])}</b>{small}</td>"


def write_board(out: Path, board: Board) -> None:
    """leaderboard.csv, .html and .json in the folder `out`; FddError where it cannot be written."""
    contents = {
        "csv": as_csv(board),
        "html": as_html(board),
        "json": json.dumps(asdict(board), indent=2, allow_nan=False) + "\n",
    }
    with writing_to(out):
        out.mkdir(parents=True, exist_ok=True)
        for suffix, content in contents.items():
            with atomic_write(out / f"leaderboard.{suffix}") as path:
                path.write_text(content, encoding="utf-8")


@dataclass(frozen=True)
class Options:
    """Merge result files of the benchmark into one table."""

    files: tuple[Path, ...]
    """Result files (JSON) made by the same protocol on the same data."""
    out: Path | None = None
    """Also write leaderboard.csv, leaderboard.json and leaderboard.html into this folder."""
    sort: str | None = None
    """The column to sort by, the best first; the first column if not given."""
    scores: tuple[str, ...] = ()
    """Columns, each score/set or score/set/parameter, such as mcc/raw; the usual ones if none."""


@command()
def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns its exit status, as `fdd.commands.command` says."""
    tyro = require("tyro")
    options = tyro.cli(
        Options,
        args=argv,
        config=(tyro.conf.PositionalRequiredArgs,),
        prog="python -m benchmarks.leaderboard",
    )
    board = leaderboard(options.files, options.scores, options.sort)
    if options.out is not None:
        write_board(options.out, board)
    print(as_text(board))
    return 0


CSS = """
body{margin:0;background:#fff;color:#1c2b3a;font:16px/1.5 system-ui,sans-serif}
main{max-width:72rem;margin:0 auto;padding:1.5rem 1rem 4rem}
h1{font-size:1.6rem;line-height:1.2}p{color:#5b6670;max-width:46rem;overflow-wrap:anywhere}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{text-align:right;vertical-align:top;padding:.4rem .6rem;border-bottom:1px solid #e3e7eb}
th{font-weight:500}th:first-child{text-align:left;overflow-wrap:anywhere}
small{display:block;color:#6b7680;font-size:.72rem}
@media(max-width:50rem){thead{display:none}table,tbody,tr,td,tbody th{display:block}
tr{margin-bottom:1.5rem;border-top:2px solid #1c2b3a}tbody th{font-weight:700}
td::before{content:attr(data-of);float:left;color:#5b6670}}
""".strip()

if __name__ == "__main__":
    sys.exit(main())
