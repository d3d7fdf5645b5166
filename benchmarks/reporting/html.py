"""What stands on the pages; the files in templates/ say how they look."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from benchmarks.protocol.cells import Cell
from benchmarks.protocol.descriptions import HEADLINE, QUESTIONS, Description, description_of
from benchmarks.protocol.images import CAPTIONS
from benchmarks.reporting.figures import Figure
from benchmarks.reporting.runs import (
    Place,
    Result,
    Row,
    Run,
    name_of,
    places_of,
    rows_of,
    runs_of,
    seed_notes,
    seed_of,
    span,
)
from benchmarks.statistics.arrays import require

WEAK = 0.05
"""A score with a larger p is shown as no better than chance."""
BESIDE_ONE_ANOTHER = 5
"""A table that stands beside another one has at most this many columns."""


@dataclass(frozen=True)
class Shown:
    """A score as the page shows it.

    text: the number. interval: "0.588 to 0.632", or empty. marks: where score, low, high, chance
    and ceiling are, in percent of the bar's length. weak: p, where it is above WEAK. same: the p of
    samples and images having one distribution. spoken: what a screen reader says of the bar. note:
    how many seeds have the score, if not all.
    """

    text: str
    interval: str
    marks: Mapping[str, float]
    weak: str
    same: str
    spoken: str
    note: str


@dataclass(frozen=True)
class Column:
    """A column of a table: its head, the head that it shares with its neighbours, its place."""

    head: str
    group: str
    place: Place

    @property
    def described(self) -> Description:
        """The description of its score."""
        return description_of(self.place[0])


@dataclass(frozen=True)
class Table:
    """A row a run between a row of chance and one of ceilings.

    notes: sentences above it. groups: (shared head, number of columns), or empty. chance, ceiling:
    a text for each column. rows: (name, what its intervals are over, a cell for each column).
    """

    title: str
    notes: tuple[str, ...]
    groups: list[tuple[str, int]]
    heads: list[str]
    chance: list[str]
    rows: list[tuple[str, str, list[Shown | None]]]
    ceiling: list[str]

    @property
    def wide(self) -> bool:
        """Whether it needs the whole width of a page."""
        return len(self.heads) > BESIDE_ONE_ANOTHER


def page(template: str, **values: Any) -> str:
    """A page of templates/ that needs no other file and no network; all values are escaped."""
    jinja2 = require("jinja2")
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("benchmarks.reporting"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(values)


def as_html(results: Sequence[Result], figures: Sequence[Figure] = ()) -> str:
    """The page of a report of one result or several."""
    runs = runs_of(results)
    pictures: dict[str, list[dict[str, str]]] = {}
    for figure in figures:
        data = base64.b64encode(figure.png).decode()
        shown = {"alt": figure.alt, "caption": figure.caption, "data": data}
        pictures.setdefault(figure.topic, []).append(shown)
    tables = {key: _tables(key, runs) for key in QUESTIONS}
    return page(
        "report.html",
        title=", ".join(run.name for run in runs),
        facts=_facts(results),
        deviations=list(dict.fromkeys(text for r in results for text in r["deviations"])),
        headline=_headline(runs),
        seed_notes=seed_notes([len(run.results) for run in runs]),
        questions={key: q for key, q in QUESTIONS.items() if tables[key] or key in pictures},
        tables=tables,
        pictures=pictures,
        models=[_model(run.name, result) for run in runs for result in run.results],
    )


def _facts(results: Sequence[Result]) -> dict[str, str]:
    """How the results were made; where they differ, all that occurs."""

    def all_of(say: Callable[[Result], Any]) -> str:
        return "; ".join(dict.fromkeys(str(say(result)) for result in results))

    return {
        "Protocol": all_of(lambda r: r["protocol"]),
        "Data": all_of(lambda r: r.get("data_version", "given arrays")),
        "Images": all_of(
            lambda r: (
                f"{r['image_size']} x {r['image_size']}; fitted on the first "
                f"{r['settings']['train_images']} of {r['split']['fit']}, scored on the first "
                f"{r['settings']['test_images']} of {r['split']['score']}"
            )
        ),
        "Oracle": all_of(_oracle),
        "Settings": all_of(lambda r: settings_text(r["settings"])),
        "Package": all_of(lambda r: f"fdd {r.get('fdd_version', '')}"),
    }


def settings_text(settings: Mapping[str, Any]) -> str:
    """The settings of the protocol in one line."""
    return ", ".join(f"{name} {value}" for name, value in settings.items())


def _oracle(result: Result) -> str:
    oracle = result.get("oracle")
    if oracle is None:
        return "none, so codes have no ceiling here, and samples no FDD-FID"
    shipped = oracle["origin"] == "shipped"
    by = "shipped with the package" if shipped else (
        f"trained by python -m benchmarks.reader, read from {oracle['origin']}"
    )  # fmt: skip
    return f"{by}; SHA-256 {oracle['sha256']}"


def _model(name: str, result: Result) -> dict[str, Any]:
    """A row of the list of models, by column."""
    config = result.get("config") or {}
    return {
        "Run": name,
        "Seed": seed_of(result),
        "Kind": config.get("baseline"),
        "Steps": config.get("steps"),
        "Codes": result["latent_size"],
        "From": result.get("run", name_of(result)),
        "Checkpoint": result.get("checkpoint"),
        "Weights, SHA-256": str(result.get("weights_sha256") or "")[:12],
    }


def _headline(runs: Sequence[Run]) -> Table | None:
    columns = [Column(head, group, place) for group, head, place in HEADLINE]
    return _table("", (), columns, runs, every=True)


def _tables(question: str, runs: Sequence[Run]) -> list[Table]:
    """A table for each score of a question that a run has; for samples, one of all scores."""
    scores = QUESTIONS[question].scores
    if question == "samples":
        columns = [Column(d.title, "", (name, "samples")) for name, d in scores.items()]
        notes = tuple(f"{d.title}: {d.asks} {d.goal}" for d in scores.values())
        found = [_table("", notes, columns, runs)]
    else:
        found = [
            _table(d.title, (d.asks, d.goal), [_column(place) for place in places_of(name)], runs)
            for name, d in scores.items()
        ]
    return [table for table in found if table]


def _column(place: Place) -> Column:
    group = CAPTIONS.get(place[1], place[1])
    return Column(place[2], group, place) if len(place) > 2 else Column(group, "", place)


def _table(
    title: str,
    notes: tuple[str, ...],
    columns: Sequence[Column],
    runs: Sequence[Run],
    every: bool = False,
) -> Table | None:
    """A table of the columns in which any run has a score; None if there is none.

    every: whether runs without any of these scores have a row too.
    """
    columns = [column for column in columns if any(run.cell(column.place) for run in runs)]
    if not columns:
        return None
    rows = rows_of(runs, [column.place for column in columns])
    shown = [row for row in rows if every or any(row.cells)]
    return table_of(columns, shown, title, notes)


def table_of(
    columns: Sequence[Column], rows: Sequence[Row], title: str = "", notes: tuple[str, ...] = ()
) -> Table:
    """A table of these columns and rows; each row has a cell for each column."""
    found = list(zip(*(row.cells for row in rows), strict=True))
    tops = [_top(c.described, cells) for c, cells in zip(columns, found, strict=True)]
    shown = [
        (
            row.name,
            _seeds(row.seeds),
            [_shown(*of_each, row.seeds) for of_each in zip(columns, row.cells, tops, strict=True)],
        )
        for row in rows
    ]
    chance, ceiling = (
        [_limits(c.described, cells, key) for c, cells in zip(columns, found, strict=True)]
        for key in ("chance", "ceiling")
    )
    groups = [(group, len(list(of))) for group, of in groupby(c.group for c in columns)]
    heads = [column.head for column in columns]
    return Table(
        title, notes, groups if any(g for g, _ in groups) else [], heads, chance, shown, ceiling
    )


def _seeds(count: int) -> str:
    """How many seeds a row has, and what its intervals are over."""
    return "interval over images" if count == 1 else f"{count} seeds, interval over them"


def _top(described: Description, found: Sequence[Cell | None]) -> float:
    """The value at the right end of the bars of a column; 0 is at their left end."""
    if described.bounded:
        return 1.0
    keys = ("score", "high", "chance", "ceiling")
    values = [cell[key] for cell in found if cell for key in keys if key in cell]
    return max(1.0 if described.best == 1 else 1e-12, *values)


def _shown(column: Column, cell: Cell | None, top: float, seeds: int) -> Shown | None:
    if cell is None:
        return None
    write = column.described.written
    marks: dict[str, float] = {
        key: round(100 * min(max(cell[key] / top, 0), 1), 1)
        for key in ("score", "low", "high", "chance", "ceiling")
        if key in cell
    }
    said = [f"{key} {write(cell[key])}" for key in ("chance", "ceiling") if key in cell]
    said += [f"p {cell['p']:.3f}"] if "p" in cell else []
    said += [f"{cell['share']:.0%} of the way from chance to ceiling"] if "share" in cell else []
    interval = f"{write(cell['low'])} to {write(cell['high'])}" if "low" in cell else ""
    weak = f"p {cell['p']:.2f}" if cell.get("p", 0) > WEAK else ""
    same = f"p same {cell['p_same']:.3f}" if "p_same" in cell else ""
    said += [same] if same else []
    note = f"of {cell['seeds']} of {seeds} seeds" if cell["seeds"] < seeds else ""
    return Shown(write(cell["score"]), interval, marks, weak, same, ", ".join(said), note)


def _limits(described: Description, cells: Sequence[Cell | None], key: str) -> str:
    """Chance or ceiling of a column: one number, or the range over its rows."""
    ends = span(cells, key)
    return " to ".join(dict.fromkeys(map(described.written, ends))) if ends else ""
