"""Result files of several people as one table.

    fdd leaderboard mine.json theirs.json --sort mcc/canonical --out table

Files that were not made in the same way are refused. Results that differ in the seed of the
training alone are one line: the interquartile mean over seeds (Agarwal et al., Deep reinforcement
learning at the edge of the statistical precipice, 2021), which for fewer than four is the mean.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from difflib import get_close_matches
from math import inf
from pathlib import Path
from typing import Annotated, Any

from benchmarks.protocol.cells import Cell
from benchmarks.protocol.descriptions import description_of
from benchmarks.reporting.files import csv_text, remove_page, strict_json, write_files
from benchmarks.reporting.html import (
    LADDER_PLACES,
    OTHERS,
    Column,
    ladder_of,
    page,
    settings_text,
    table_of,
    tracks_of,
    words_of,
)
from benchmarks.reporting.results import SAME, column_names, read_results
from benchmarks.reporting.runs import (
    Result,
    Row,
    Run,
    cell_of,
    place_of,
    runs_of,
    seed_notes,
    seed_of,
)
from benchmarks.reporting.text import aligned
from fdd.commands import arguments_of, command, say
from fdd.errors import FddError, known, shown
from fdd.files import PATIENCE, alone_in, as_path
from fdd.options import Arg, parse

COLUMNS = (
    "linear_r2/canonical",
    "nonlinear_r2/canonical",
    "nonlinear_r2/magnitudes",
    "nonlinear_r2/signs",
    "mcc/canonical",
    "top10/direct",
    "top10/aligned",
    "ssim/direct",
    "ssim/aligned",
    "fdd_fid/samples",
    "translated_top1/forth",
    "translated_top1/back",
    "translated_top10/forth",
    "translated_l1/forth",
    "translated_l1/back",
    "inverted/forth",
    "permuted/forth",
    "hidden/cycle",
)
"""The usual columns, those of every protocol."""
WRITTEN = "leaderboard.html"
"""The page, which is written last."""


@dataclass(frozen=True)
class Line:
    """One model.

    cells: by column; None where a result of the model lacks it. Each has score and, if the results
    have them, low, high, chance, p, ceiling; what they are of several seeds, `Run.cell` says.
    results: file, seed, score by column, weights and version of the package of each. track: what
    it was trained with, "" if its results are older than that. ladder: cells by column of the table
    of tracks.
    """

    name: str
    seeds: int
    cells: dict[str, Cell | None]
    results: list[dict[str, Any]]
    track: str
    ladder: dict[str, Cell | None]


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
    sort : the column that the lines of a track are sorted by, the best first and lines without it
        last; the first column if None. Tracks have the order of TRACKS.

    Raises
    ------
    FddError : for a file that is not a result, was not made as the first one was, or is there
        twice; for a column that no file has; for a model that has the same seed twice.
    """
    if not files:
        raise FddError("files is empty: give at least one result file")
    by_path = read_results([as_path("files", file) for file in files])
    results = list(by_path.values())
    paths = {id(result): str(path) for path, result in by_path.items()}
    columns = _columns(results, scores)
    sort = columns[0] if sort is None else sort
    known("sort", sort, columns)
    runs = runs_of(results, [f"{result['name']} ({paths[id(result)]})" for result in results])
    for run in runs:
        _check_seeds(run, paths)
    lines = [_line(run, columns, paths) for run in runs]
    described = description_of(sort.partition("/")[0])

    def place(line: Line) -> tuple[int, float, str]:
        cell = line.cells[sort]
        loss = inf if cell is None else float(described.loss(cell["score"]))
        return place_of(line.track), loss, line.name

    about = {key: results[0][key] for key in SAME}
    return Board(about, columns, sort, sorted(lines, key=place))


def _columns(results: Sequence[Result], chosen: Sequence[str]) -> tuple[str, ...]:
    there = column_names(results)
    for column in chosen:
        if column not in there:
            near = ", ".join(get_close_matches(column, there, 5, cutoff=0))
            raise FddError(f"scores={shown(column)} is in no file; the nearest are {near}")
    columns = tuple(dict.fromkeys(chosen) or [c for c in COLUMNS if c in there])
    if not columns:
        raise FddError(
            f"scores is empty, and no file has a usual column: choose some, as {there[0]}"
        )
    return columns


def _check_seeds(run: Run, paths: Mapping[int, str]) -> None:
    """FddError where two results of a run have one seed."""
    for number, result in enumerate(run.results):
        for other in run.results[:number]:
            if seed_of(other) == seed_of(result):
                raise FddError(
                    f"{shown(paths[id(result)])} and {shown(paths[id(other)])} have the same "
                    f"name={shown(result['name'])}, config and seed={shown(seed_of(result), 20)}, "
                    "but other weights: name them apart"
                )


def _line(run: Run, columns: Sequence[str], paths: Mapping[int, str]) -> Line:
    results = []
    for result in run.results:
        found = {column: cell_of(result, _place(column)) for column in columns}
        results.append(
            {
                "file": paths[id(result)],
                "seed": seed_of(result),
                "scores": {column: cell["score"] for column, cell in found.items() if cell},
                "weights_sha256": result["weights_sha256"],
                "fdd_version": result["fdd_version"],
            }
        )
    rungs = {"/".join(place): _cell(run, "/".join(place)) for place in LADDER_PLACES}
    cells = {column: _cell(run, column) for column in columns}
    return Line(run.name, len(run.results), cells, results, run.track, rungs)


def _cell(run: Run, column: str) -> Cell | None:
    """What stands in a column; None unless every seed has it: those that failed count."""
    cell = run.cell(_place(column)) or {"seeds": 0}
    seeds = cell.pop("seeds")
    return cell if seeds == len(run.results) else None


def _place(column: str) -> tuple[str, ...]:
    return tuple(column.split("/"))


def as_text(board: Board) -> str:
    """The table for a terminal."""
    columns = [["", "model", *(line.name for line in board.lines)]]
    columns.append(["", "seeds", *(str(line.seeds) for line in board.lines)])
    if _tracked(board):
        columns.append(["", "track", *(line.track or "-" for line in board.lines)])
    for column in board.columns:
        score, _, kind = column.partition("/")
        cells = (line.cells[column] for line in board.lines)
        write = description_of(score).written
        columns.append([score, kind, *("-" if c is None else write(c["score"]) for c in cells)])
    return "\n".join([_about(board), "", *aligned(columns, gap=2), "", *_notes(board)])


def _about(board: Board) -> str:
    facts = [f"protocol {board.about['protocol']}", f"data {board.about['data_version']}"]
    if board.about["deviations"]:
        facts.append("not as the protocol has it: " + "; ".join(board.about["deviations"]))
    return ", ".join(facts)


def _tracked(board: Board) -> bool:
    """Whether any line says what it was trained with."""
    return any(line.track for line in board.lines)


def _notes(board: Board) -> list[str]:
    seeds = [line.seeds for line in board.lines]
    within = ", within each track" if _tracked(board) else ""
    return [f"Sorted by {board.sort}{within}.", *seed_notes(seeds)]


def as_csv(board: Board) -> str:
    """The scores in full precision; an empty field where there is none.

    The track stands after the seeds where any line has one.
    """
    tracked = _tracked(board)
    head = ["name", "seeds", *(["track"] if tracked else []), *board.columns]
    lines: list[Sequence[Any]] = [head]
    for line in board.lines:
        scores = [cell and cell["score"] for cell in line.cells.values()]
        track = [line.track] if tracked else []
        lines.append([line.name, line.seeds, *track, *scores])
    return csv_text(lines)


def as_html(board: Board) -> str:
    """One page that needs no other file and no network."""
    columns = []
    for name in board.columns:
        score, *rest = _place(name)
        columns.append(Column("/".join(rest), score, (score, *rest)))
    rows = [
        Row(
            line.name,
            line.seeds,
            [cell and {**cell, "seeds": line.seeds} for cell in line.cells.values()],
            line.track,
        )
        for line in board.lines
    ]
    rungs = [
        replace(row, cells=[cell and {**cell, "seeds": row.seeds} for cell in line.ladder.values()])
        for line, row in zip(board.lines, rows, strict=True)
    ]
    return page(
        "leaderboard.html",
        **words_of(board.about["protocol"]),
        facts={
            "Protocol": board.about["protocol"],
            "Data": board.about["data_version"],
            "Settings": settings_text(board.about["settings"]),
        },
        deviations=board.about["deviations"],
        tracks=tracks_of([line.track for line in board.lines]),
        ladder=ladder_of(rungs),
        others=OTHERS,
        table=table_of(columns, rows, tracks=True),
        verdict=_verdict(board),
        notes=_notes(board),
    )


def _verdict(board: Board) -> str:
    """Who is first, in each track."""
    first = {line.track: line.name for line in reversed(board.lines)}
    named = [f"{name} ({track})" if track else name for track, name in first.items()]
    each = " in each track" if _tracked(board) else ""
    return f"First by {board.sort}{each}: {', '.join(reversed(named))}."


def write_board(out: Path, board: Board) -> None:
    """leaderboard.csv, .html and .json in the folder `out`; FddError where it cannot be written.

    FddError, and nothing written, too where another process works in it for long.
    """
    with alone_in(out, PATIENCE):
        remove_page(out, WRITTEN)
        for name, write in (
            ("leaderboard.csv", as_csv),
            ("leaderboard.json", lambda found: strict_json(asdict(found))),
            (WRITTEN, as_html),
        ):
            write_files(out, {name: write(board).encode(errors="replace")})


@dataclass(frozen=True)
class Options:
    """Merge result files of the benchmark into one table."""

    files: Annotated[tuple[Path, ...], Arg("FILE", positional=True)] = ()
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
    options = parse(Options, arguments_of(argv), "fdd leaderboard")
    out = None if options.out is None else as_path("out", options.out)
    board = leaderboard(options.files, options.scores, options.sort)
    if out is not None:
        write_board(out, board)
    say(as_text(board))
    return 0


if __name__ == "__main__":
    sys.exit(main())
