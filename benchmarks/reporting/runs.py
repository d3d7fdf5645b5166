"""Results side by side: the seeds of one run become one row, with the spread over them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import numpy as np

from benchmarks.protocol.cells import LEAST_ROOM, Cell
from benchmarks.protocol.descriptions import DESCRIPTIONS, QUESTIONS, Description
from benchmarks.protocol.images import CAPTIONS
from benchmarks.protocol.settings import TRACKS
from benchmarks.protocol.translation import CAPTIONS as TRANSLATED
from benchmarks.statistics.intervals import interquartile_mean, seed_interval
from fdd.errors import FddError

Result = Mapping[str, Any]
Place = tuple[str, ...]
"""Where a Cell is in a result's scores: (score, set) or (score, set, parameter)."""

PARAMETERS = {
    "canonical": ("a'", "b'", "c", "d", "mean"),
    "magnitudes": ("abs(a)", "abs(b)", "abs(c)", "abs(d)", "mean"),
    "signs": ("sign(a b)", "sign(c)", "sign(d)", "mean"),
    "raw": ("a", "b", "mean"),
    "start": ("x0", "y0"),
}
"""What is shown of a score that is given for each parameter; c and d are the same in raw."""
MERGED: dict[str, Callable[..., Any]] = {
    "chance": np.mean,
    "ceiling": np.mean,
    "p": np.max,
    "p_same": np.max,
}
"""How what stands beside a score is merged over several seeds."""
MEANS = ("score", "chance", "ceiling")
"""What is averaged over parameters; intervals and p-values are not."""
OF_A_SEED = ("seed", "trained_on", "supervision")
"""What the configs of the seeds of one run may differ in; older ones lack the last."""
ENOUGH = 5
"""Seeds below which a difference between runs is no finding."""
WEAK = 0.05
"""A score with a larger p is no better than chance."""


@dataclass(frozen=True)
class Run:
    """A model, or several that differ in the seed of their training."""

    name: str
    results: tuple[Result, ...]

    @property
    def track(self) -> str:
        """What it was trained with."""
        return track_of(self.results[0])

    def cell(self, place: Place) -> Cell | None:
        """The cell at a place, with "seeds", the number of results that have it; None if none has.

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


@dataclass(frozen=True)
class Row:
    """A run in a table: its name, the number of its seeds, its cell in each column, its track.

    about: what stands below the name; if empty, what the intervals are over.
    """

    name: str
    seeds: int
    cells: Sequence[Cell | None]
    track: str = ""
    about: str = ""


def runs_of(results: Sequence[Result], labels: Sequence[str] | None = None) -> list[Run]:
    """The runs by track, and within one in the order of their first result.

    Results are seeds of one run if they have the same name and their configs differ in the seed
    alone; without labels, their run folders must also lie in the same folder.

    labels: one for each result; where several runs have one name, a run is called by the label of
    its first result. Without labels, by the path of its run folder, or else by name and number.

    FddError for results of several protocols.
    """
    protocols = sorted({str(result.get("protocol")) for result in results})
    if len(protocols) > 1:
        raise FddError(
            f"the results are of the protocols {', '.join(protocols)}, which are not comparable: "
            "show those of one"
        )
    paths = [str(result.get("run", "")) for result in results]
    folders = [PurePath(path).parent if labels is None else None for path in paths]
    groups: dict[Any, list[int]] = {}
    for number, result in enumerate(results):
        config = result.get("config") or {}
        rest = {key: value for key, value in config.items() if key not in OF_A_SEED}
        same = (folders[number], json.dumps(rest, sort_keys=True, default=str))
        alone = ((labels or paths)[number] or number,)
        key = (name_of(result), track_of(result), *(same if "seed" in config else alone))
        groups.setdefault(key, []).append(number)
    names = [name for name, *_ in groups]
    runs = []
    for number, (name, group) in enumerate(zip(names, groups.values(), strict=True), 1):
        label = (labels or paths)[group[0]] or f"{name} {number}"
        title = name if names.count(name) == 1 else label
        runs.append(Run(title, tuple(results[i] for i in group)))
    return sorted(runs, key=lambda run: place_of(run.track))


def rows_of(runs: Sequence[Run], places: Sequence[Place]) -> list[Row]:
    """The runs as rows of a table with these columns."""
    return [
        Row(run.name, len(run.results), [run.cell(p) for p in places], run.track) for run in runs
    ]


def seed_notes(seeds: Sequence[int]) -> list[str]:
    """What a reader must know of runs with these numbers of seeds."""
    notes = []
    if max(seeds) > 1:
        notes.append(
            "Of several seeds: the interquartile mean, with its bootstrap interval over seeds."
        )
    if len(seeds) > 1 and min(seeds) < ENOUGH:
        notes.append(f"A difference between runs of fewer than {ENOUGH} seeds is no finding.")
    return notes


def name_of(result: Result) -> str:
    """What the model of a result is called."""
    return str(result.get("name") or result.get("run") or "a model")


def track_of(result: Result) -> str:
    """What the model was trained with, one of TRACKS; "" of results that are older than these."""
    return str(result.get("supervision") or "")


def place_of(track: str) -> int:
    """Where a track stands among the others."""
    return list(TRACKS).index(track) if track in TRACKS else -1


def parameter_text(label: str) -> str:
    """What a parameter is called where people read it.

    >>> parameter_text("abs(b)"), parameter_text("b'")
    ('|b|', "b'")
    """
    return f"|{label[4:-1]}|" if label.startswith("abs(") else label


def seed_of(result: Result) -> Any:
    """The seed of the model's training; None where that is not known."""
    return (result.get("config") or {}).get("seed")


def cell_of(result: Result, place: Place) -> Cell | None:
    """The cell at a place in a result; None where it has none.

    At (score, set) of a score that is given for each parameter, the cell of their mean.
    """
    found: Any = result["scores"]
    for key in place:
        found = found.get(key) if isinstance(found, Mapping) else None
    if not isinstance(found, Mapping):
        return None
    if "score" in found:
        return dict(found)
    return dict(found["mean"]) if "mean" in found else mean_cell(list(found.values()))


def mean_cell(cells: Sequence[Cell]) -> Cell:
    """The mean of each of MEANS that all cells have.

    >>> mean_cell([{"score": 1.0, "chance": 0.0, "p": 0.1}, {"score": 2.0, "p": 0.1}])
    {'score': 1.5}
    """
    return {
        key: float(np.mean([cell[key] for cell in cells]))
        for key in MEANS
        if all(key in cell for cell in cells)
    }


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
    if question in ("pairing", "hidden"):
        return [(score, name) for name in TRANSLATED]
    if question == "generator":
        labels = PARAMETERS["canonical"]
        return [(score, c, *label) for c in CAPTIONS for label in _labels(labels, each)]
    return [(score, s, *label) for s in PARAMETERS for label in _labels(PARAMETERS[s], each)]


def _labels(labels: tuple[str, ...], each: bool) -> list[tuple[str, ...]]:
    return [(label,) for label in labels] if each else [()]


def beats_chance(cell: Cell, described: Description) -> bool:
    """Whether a score is better than chance: its p is at most WEAK, or, without a p, all of its
    interval is better. Never where there is no chance to compare with.

    >>> beats_chance({"score": 0.3, "chance": 0.1, "p": 0.2}, DESCRIPTIONS["mcc"])
    False
    >>> beats_chance({"score": 3, "low": 2, "high": 4, "chance": 9}, DESCRIPTIONS["fdd_fid"])
    True
    """
    if "p" in cell:
        return bool(cell["p"] <= WEAK)
    if "chance" not in cell:
        return False
    whole = {"low": cell["score"], "high": cell["score"], **cell}
    return bool(
        described.loss([whole["low"], whole["high"]]).max() < described.loss(cell["chance"])
    )


def written_ends(cell: Cell, described: Description) -> list[str]:
    """The ends of a score's interval as text, no further than it can reach; [] without one."""
    if not {"low", "high"} <= cell.keys():
        return []
    return [described.written(end) for end in described.interval(cell["low"], cell["high"])]


def share_of(cell: Cell, described: Description) -> float | None:
    """How far a score has come from chance, 0, to its ceiling, 1, and never beyond these.

    None where there is no chance, no ceiling, or too little room between them.

    >>> share_of({"score": 0.5, "chance": 0.1, "ceiling": 0.9}, DESCRIPTIONS["mcc"])
    0.5
    """
    if not {"chance", "ceiling"} <= cell.keys():
        return None
    losses = described.loss([cell[key] for key in ("chance", "ceiling", "score")])
    room, come = losses[0] - losses[1:]
    return None if room <= LEAST_ROOM else float(np.clip(come / room, 0, 1))


def span(cells: Sequence[Cell | None], key: str) -> tuple[float, float] | None:
    """The smallest and the largest "chance" or "ceiling" of these cells; None if none has it."""
    found = [cell[key] for cell in cells if cell and key in cell]
    return (min(found), max(found)) if found else None


def cut(text: str, width: int) -> str:
    """`text` on one line of at most that width, without characters that control a terminal.

    >>> cut("a long\\nname", 9)
    'a long...'
    """
    plain = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return plain if len(plain) <= width else f"{plain[: width - 3]}..."
