"""Result files, read with distrust: they come from other people."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.protocol.cells import Cell
from benchmarks.protocol.settings import TRACKS
from benchmarks.reporting.runs import Result
from benchmarks.statistics.arrays import LARGEST
from fdd.errors import FddError, shown

LIMIT = 20 * 10**6
"""Bytes of a result file; real ones have some 100 kB."""
KEYS: dict[str, type | tuple[type, ...]] = {
    "protocol": str,
    "data_version": str,
    "fdd_version": str,
    "name": str,
    "weights_sha256": str,
    "settings": dict,
    "deviations": list,
    "config": (dict, type(None)),
    "scores": dict,
}
NUMBERS = ("score", "low", "high", "chance", "p", "ceiling")
"""What is kept of a cell; all but the score may be absent."""
NAME = "name of at most 80 printable characters that begins with a letter or a digit"
SAME = ("protocol", "data_version", "settings", "deviations")
"""What all files of a table agree on, with the size of the images and the oracle."""


def read_results(paths: Sequence[Path]) -> dict[Path, Result]:
    """Result files by path, in that order.

    FddError for one that is not a result, was not made as the first one was, or is there twice.
    """
    results: dict[Path, Result] = {}
    for path in paths:
        if path.resolve() in {other.resolve() for other in results}:
            raise FddError(f"'{path}' is given twice")
        result = read_result(path)
        for other, before in results.items():
            _check_beside(path, result, other, before)
        results[path] = result
    return results


def read_result(path: Path) -> Result:
    """A result file, checked; of its cells NUMBERS alone are kept.

    FddError that names the file and what is wrong in it.
    """
    try:
        with path.open("rb") as file:
            content = file.read(LIMIT + 1)
    except OSError as error:
        raise FddError(f"'{path}' cannot be read: {error.strerror or error}") from error
    if len(content) > LIMIT:
        raise FddError(f"'{path}' has more than {LIMIT // 10**6} MB: that is not a result file")
    try:
        result = json.loads(content)
        json.dumps(result, allow_nan=False, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else error
        raise FddError(f"'{path}' is not strict JSON: {reason}") from error
    scores = checked_scores(path, result)
    if not _plain(result["name"]):
        raise FddError(f"'{path}': name={shown(result['name'], 40)} must be a {NAME}")
    return result | {"scores": scores}


def checked_scores(path: Path, result: Any) -> dict[str, Any]:
    """The scores of a result that was read from a file, of whose cells NUMBERS alone are kept.

    FddError that names the file and what is wrong in it.
    """
    if not isinstance(result, dict):
        raise FddError(f"'{path}' is not a result file: it holds no JSON object")
    for key, kind in KEYS.items():
        if key not in result:
            raise FddError(f"'{path}' is not a result file: it lacks {key!r}")
        if not isinstance(result[key], kind):
            raise FddError(f"'{path}' is not a result file: {key}={shown(result[key], 40)}")
    said = (result["protocol"], result["data_version"], *result["deviations"], *result["settings"])
    for text in said:
        if not isinstance(text, str) or not text.isprintable():
            raise FddError(
                f"'{path}' is not a result file: {shown(text, 40)} is not printable text"
            )
    if result.get("supervision", "none") not in list(TRACKS):
        raise FddError(
            f"'{path}' is not a result file: supervision={shown(result['supervision'], 40)} is "
            f"none of {', '.join(TRACKS)}"
        )
    if not result["scores"]:
        raise FddError(f"'{path}' is not a result file: it has no scores")
    return {name: _cells(path, (name,), sets) for name, sets in result["scores"].items()}


def _plain(text: str) -> bool:
    """Safe to print, and at the start of a field in a CSV file that a spreadsheet opens."""
    return text[:1].isalnum() and len(text) <= 80 and text.isprintable()


def _cells(path: Path, names: tuple[str, ...], value: Any) -> dict[str, Any]:
    """What stands at score, score/set or score/set/parameter: a cell, or an object of cells."""
    where = f"'{path}': score {shown('/'.join(names), 80)}"
    if not _plain(names[-1]) or "/" in names[-1]:
        raise FddError(f"{where} must have a {NAME}, without '/'")
    if not isinstance(value, dict) or not value or (len(names) == 3 and "score" not in value):
        raise FddError(f"{where} must be an object of cells, with 'score' in each")
    if len(names) == 1 or "score" not in value:
        return {name: _cells(path, (*names, name), inner) for name, inner in value.items()}
    return _cell(where, value)


def _cell(where: str, value: dict[str, Any]) -> Cell:
    for key in NUMBERS:
        number = value.get(key, 0)
        if isinstance(number, bool) or not isinstance(number, int | float):
            raise FddError(f"{where} has {key}={shown(number, 40)}: it must be a number")
        if not -LARGEST <= number <= LARGEST:
            raise FddError(
                f"{where} has {key}={shown(number, 40)}: at most 1e100 in size is allowed"
            )
    without = set() if {"low", "high"} <= value.keys() else {"low", "high"}  # half an interval
    return {key: float(value[key]) for key in NUMBERS if key in value.keys() - without}


def _check_beside(path: Path, result: Result, other: Path, before: Result) -> None:
    """FddError where two results cannot stand in one table."""
    here, there = _facts(result), _facts(before)
    for fact in [*there, *here]:
        if here.get(fact) != there.get(fact):
            raise FddError(
                f"'{path}' has {fact}={shown(here.get(fact), 80)} and '{other}' "
                f"{shown(there.get(fact), 80)}: they cannot stand in one table"
            )
    same = all(result[key] == before[key] for key in ("name", "weights_sha256"))
    # models without a file of weights are the same one if all else is equal too
    if same and (result["weights_sha256"] or result == before):
        raise FddError(
            f"'{path}' and '{other}' are results of the same model: name={result['name']!r}, "
            f"weights_sha256={shown(result['weights_sha256'], 20)}"
        )


def _facts(result: Result) -> dict[str, Any]:
    settings = {f"settings.{name}": value for name, value in result["settings"].items()}
    oracle = result.get("oracle")
    seen = {
        "image_size": result.get("image_size"),
        "oracle": oracle.get("sha256") if isinstance(oracle, dict) else None,
    }
    return {key: result[key] for key in SAME if key != "settings"} | seen | settings


def column_names(results: Sequence[Result]) -> list[str]:
    """Every column that a result has: all score/set, then all score/set/parameter."""
    short, long = dict[str, None](), dict[str, None]()
    for result in results:
        for score, sets in result["scores"].items():
            for kind, cells in sets.items():
                short[f"{score}/{kind}"] = None
                if "score" not in cells:
                    long |= {f"{score}/{kind}/{name}": None for name in cells}
    return [*short, *long]
