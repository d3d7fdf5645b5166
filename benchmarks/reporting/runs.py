"""Results side by side: the seeds of one run become one line, with the spread over them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import numpy as np

from benchmarks.protocol.descriptions import DESCRIPTIONS, QUESTIONS
from benchmarks.protocol.settings import Cell
from benchmarks.statistics.intervals import interquartile_mean, seed_interval

Result = Mapping[str, Any]
Place = tuple[str, ...]
"""Where a Cell is in a result's scores: (score, set) or (score, set, parameter)."""

PARAMETERS = {"canonical": ("a'", "b'", "c", "d", "mean"), "raw": ("a", "b", "mean")}
PARAMETERS |= {"start": ("x0", "y0")}
"""What is shown of a score that is given for each parameter; c and d are the same in raw."""
CONDITIONS = {"direct": "G(v)", "aligned": "G(Mv + b)", "reconstruction": "G(E(FD(v)))"}

MERGED: dict[str, Callable[..., Any]] = {
    "chance": np.mean,
    "ceiling": np.mean,
    "p": np.max,
    "p_same": np.max,
}
"""What stands for several seeds beside their score."""
OF_A_SEED = ("seed", "trained_on")
"""What the configs of the seeds of one run differ in."""


@dataclass(frozen=True)
class Run:
    """A model, or several that differ in the seed of their training."""

    name: str
    results: tuple[Result, ...]

    def cell(self, place: Place) -> Cell | None:
        """What stands there, with "seeds", the number of results that have it; None without any.

        Of several seeds: the interquartile mean with its interval over seeds, and MERGED.
        """
        found = [cell for cell in (cell_of(result, place) for result in self.results) if cell]
        if len(found) < 2:
            return found[0] | {"seeds": 1} if found else None
        scores = [cell["score"] for cell in found]
        over = seed_interval(scores)
        merged: dict[str, Any] = {
            "score": interquartile_mean(scores),
            "low": over.low,
            "high": over.high,
        }
        for key, merge in MERGED.items():
            values = [cell[key] for cell in found if key in cell]
            merged |= {key: merge(values)} if values else {}
        return {key: float(value) for key, value in merged.items()} | {"seeds": len(found)}

    def seeds(self) -> str:
        """How many seeds, and what its intervals are of."""
        count = len(self.results)
        return "interval over images" if count == 1 else f"{count} seeds, interval over them"


def runs_of(results: Sequence[Result]) -> list[Run]:
    """The runs in the order of their first result.

    Results are seeds of one run if they lie in one folder, have the name and a config that differs
    in the seed alone. A name that two runs have is replaced by the path of the first seed, or
    numbered.
    """
    groups: dict[Any, list[Result]] = {}
    for number, result in enumerate(results):
        config, path = result.get("config") or {}, str(result.get("run", ""))
        rest = {key: value for key, value in config.items() if key not in OF_A_SEED}
        same = (PurePath(path).parent, json.dumps(rest, sort_keys=True, default=str))
        key = (name_of(result), *(same if "seed" in config else (path or number,)))
        groups.setdefault(key, []).append(result)
    names = [name for name, *_ in groups]
    return [
        Run(
            name if names.count(name) == 1 else str(group[0].get("run") or f"{name} {number}"),
            tuple(group),
        )
        for number, (name, group) in enumerate(zip(names, groups.values(), strict=True), 1)
    ]


def name_of(result: Result) -> str:
    """What the model of a result is called."""
    return str(result.get("name") or result.get("run") or "a model")


def seed_of(result: Result) -> Any:
    """The seed of the model's training; None where that is not known."""
    return (result.get("config") or {}).get("seed")


def cell_of(result: Result, place: Place) -> Cell | None:
    """The cell at a place in a result; None where it has none."""
    found: Any = result["scores"]
    for key in place:
        found = found.get(key, {})
    return found if "score" in found else None


def cells_of(result: Result) -> Iterator[tuple[Place, Cell]]:
    """All cells of a result and their places, in order."""

    def walk(tree: Mapping[str, Any], place: Place) -> Iterator[tuple[Place, Cell]]:
        if "score" in tree:
            yield place, dict(tree)
            return
        for key, below in tree.items():
            yield from walk(below, (*place, key))

    yield from walk(result["scores"], ())


def places_of(score: str) -> list[Place]:
    """Where a score can stand, in the order in which it is shown."""
    (question,) = (key for key, value in QUESTIONS.items() if score in value.scores)
    each = DESCRIPTIONS[score].each
    if question == "samples":
        return [(score, "samples")]
    if question == "generator":
        labels = PARAMETERS["canonical"]
        return [(score, c, *label) for c in CONDITIONS for label in _labels(labels, each)]
    return [(score, s, *label) for s in PARAMETERS for label in _labels(PARAMETERS[s], each)]


def _labels(labels: tuple[str, ...], each: bool) -> list[tuple[str, ...]]:
    return [(label,) for label in labels] if each else [()]


def span(runs: Sequence[Run], place: Place, key: str) -> tuple[float, float] | None:
    """The least and the largest "chance" or "ceiling" of all runs at a place, if any has it."""
    found = [cell[key] for run in runs if (cell := run.cell(place)) and key in cell]
    return (min(found), max(found)) if found else None


def cut(text: str, width: int) -> str:
    """`text` in one line of at most that width, without what a terminal would obey.

    >>> cut("a long\\nname", 9)
    'a long...'
    """
    plain = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return plain if len(plain) <= width else f"{plain[: width - 3]}..."
