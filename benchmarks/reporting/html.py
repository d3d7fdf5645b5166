"""What stands on the pages; the files in templates/ say how they look."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from benchmarks.protocol.cells import Cell
from benchmarks.protocol.descriptions import (
    LADDER,
    QUESTIONS,
    Description,
    description_of,
)
from benchmarks.protocol.images import CAPTIONS
from benchmarks.protocol.settings import TRACKS
from benchmarks.protocol.translation import CAPTIONS as TRANSLATED
from benchmarks.reporting.figures import Figure
from benchmarks.reporting.runs import (
    WEAK,
    Place,
    Result,
    Row,
    Run,
    beats_chance,
    name_of,
    parameter_text,
    places_of,
    rows_of,
    runs_of,
    seed_notes,
    seed_of,
    share_of,
    span,
    written_ends,
)
from benchmarks.reporting.verdict import condition_of, rules_of, verdict
from benchmarks.statistics.arrays import require
from fdd.pages import MODULES, joined, look, module

BESIDE_ONE_ANOTHER = 5
"""A table that stands beside another one has at most this many columns."""
ORACLE = "the oracle"
OTHERS = (
    ("all methods without labels", "at most 0.58 on average"),
    ("the supervised method", "0.99"),
)
"""MCC on the static scenes of CausalVerse, by method."""


@dataclass(frozen=True)
class Shown:
    """A score as the page shows it.

    text: the number. value: the same in full precision. better: whether it is better than chance.
    interval: "0.588 to 0.632", or empty. marks: where score, low, high, chance and ceiling are, in
    percent of the bar's length. weak: p, where it is above WEAK. same: the p of samples and images
    having one distribution. spoken: what a screen reader says of the bar. note: how many seeds have
    the score, if not all.
    """

    text: str
    value: float
    better: bool
    interval: str
    marks: Mapping[str, float]
    weak: str
    same: str
    spoken: str
    note: str


@dataclass(frozen=True)
class Column:
    """A column of a table: its head, the head that it shares with its neighbours, its place.

    about: what a reader must know of it; if empty, the description of its score.
    """

    head: str
    group: str
    place: Place
    about: str = ""

    @property
    def tip(self) -> str:
        """What a reader must know of it."""
        return self.about or f"{self.described.asks} {self.described.goal}".strip()

    @property
    def described(self) -> Description:
        """The description of its score."""
        return description_of(self.place[0])


@dataclass(frozen=True)
class Table:
    """A row a run between a row of chance and one of ceilings.

    notes: sentences above it. groups: (shared head, number of columns), or empty. heads: (head,
    what a reader must know of it) of each column. chance, ceiling: a text for each column. bands:
    the rows of each track, or all under ""; a row is (name, what its intervals are over, a cell for
    each column).
    """

    title: str
    notes: tuple[str, ...]
    groups: list[tuple[str, int]]
    heads: list[tuple[str, str]]
    chance: list[str]
    bands: list[tuple[str, list[tuple[str, str, list[Shown | None]]]]]
    ceiling: list[str]

    @property
    def wide(self) -> bool:
        """Whether it needs the whole width of a page."""
        return len(self.heads) > BESIDE_ONE_ANOTHER


AT_FIRST = 5
"""Numbers at the top of a page."""
ASKS = {
    "correspondence": "Do the codes correspond to the parameters?",
    "translation": "Does each image get its own translation?",
}
"""What a page asks, by the name of its protocol without the number."""
LEAD_NOTES = {
    "correspondence": "The same test images: FD(v) as the renderer draws the parameters v, and as "
    "the generator does, from the code for v, G(v), from a linear map of v, G(Mv + b), and from "
    "the encoder's code of the image, G(E(FD(v))).",
    "translation": "The first test images: x and its translation G(x), the true one T(x), and x as "
    "it comes back, F(G(x)); then T(x) as y, translated the other way.",
}
"""What the pictures at the top of a page show."""
CEILINGS = {
    "correspondence": "what an oracle or the renderer gets",
    "translation": "what the same networks get that were shown pairs",
}
JUDGED = "the condition that the generator is judged by"
NUMBERS: tuple[tuple[str, Place, str], ...] = (
    (
        "R2 of parameters",
        ("nonlinear_r2", "canonical", "mean"),
        "Share of the variance of |a|, sign(a) b, c and d that kernel ridge reads from new codes.",
    ),
    (
        "MCC",
        ("mcc", "canonical"),
        "How strongly single codes correlate with single parameters, each with a code of its own.",
    ),
    (
        "Retrieval at 10, {}",
        ("top10", JUDGED),
        "How often FD(v), the renderer's image, is among the ten test images nearest to {}.",
    ),
    (
        "Oracle R2, {}",
        ("oracle_r2", JUDGED, "mean"),
        "Share of the variance of v that the oracle, a supervised reader, reads from {}.",
    ),
    (
        "FDD-FID",
        ("fdd_fid", "samples"),
        "Distance of the generator's samples from real images, in the oracle's features; "
        "less is better.",
    ),
    (
        "R2 of magnitudes",
        ("nonlinear_r2", "magnitudes", "mean"),
        "Share of the variance of |a|, |b|, |c| and |d| that is read, whatever the signs.",
    ),
    (
        "R2 of signs",
        ("nonlinear_r2", "signs", "mean"),
        "What is read of the signs of ab, c and d: 0 for guessing, 1 for knowing them.",
    ),
    (
        "R2, linear",
        ("linear_r2", "canonical", "mean"),
        "Share of the variance of |a|, sign(a) b, c and d that least squares reads from new codes.",
    ),
    (
        "SSIM, {}",
        ("ssim", JUDGED),
        "How alike {} and FD(v) are in the structure of small windows.",
    ),
    (
        "Step cosine similarity, {}",
        ("step_cosine", JUDGED),
        "Whether a small step in v changes {} in the pixels that it changes in FD(v).",
    ),
    (
        "Recall",
        ("fdd_recall", "samples"),
        "Share of the real images that lies among the generator's samples.",
    ),
    (
        "Retrieval at 1, G(x)",
        ("translated_top1", "forth"),
        "How often T(x) is, of all translations, the one nearest to G(x).",
    ),
    (
        "Retrieval at 1, F(y)",
        ("translated_top1", "back"),
        "The same from the second domain to the first.",
    ),
    (
        "L1 to the truth, G(x)",
        ("translated_l1", "forth"),
        "Mean absolute difference of G(x) and T(x), of 1 for black and white; less is better.",
    ),
    (
        "Inverted, G(x)",
        ("inverted", "forth"),
        "Share of pictures whose colours rank the cells the wrong way round; less is better.",
    ),
    (
        "Permuted, G(x)",
        ("permuted", "forth"),
        "Share of images that come back as themselves although T(x) is not nearest to G(x).",
    ),
    (
        "Hidden information, H",
        ("hidden", "cycle"),
        "Share of the honest error that F saves by what it sees in G(x); 0 is honest.",
    ),
)
"""What a page may begin with, the most important first: head, place, and what it says; {} is the
caption of the condition."""
LADDER_PLACES = [place for _, _, place in LADDER]
STRATA_SETS = ("magnitudes", "canonical")
STRATA = {
    "occupied": "By the share of pixels with points, in quarters of the test images",
    "periodic": "By whether the orbit has come back to a state, and so repeats itself",
}
"""Titles of the tables of strata, by trait."""


def page(template: str, **values: Any) -> str:
    """A page of templates/ that needs no other file and no network; all values are escaped.

    A browser runs page.js in it, with what it imports, and no other script.
    """
    jinja2, markupsafe = require("jinja2"), require("markupsafe")
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("benchmarks.reporting"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    own = environment.loader.get_source(environment, "page.js")[0]
    script = '"use strict";\n' + joined([*map(module, MODULES), own])
    shared = {"look": markupsafe.Markup(look()), "script": markupsafe.Markup(script)}
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return environment.get_template(template).render(values, digest=digest, **shared)


def as_html(results: Sequence[Result], figures: Sequence[Figure] = ()) -> str:
    """The page of a report of one result or several."""
    runs = runs_of(results)
    pictures: dict[str, list[dict[str, str]]] = {}
    for figure in figures:
        data = base64.b64encode(figure.png).decode()
        marks = json.dumps(figure.marks, allow_nan=False, separators=(",", ":"))
        shown = {"alt": figure.alt, "caption": figure.caption, "data": data}
        shown["marks"] = marks if figure.marks else ""
        pictures.setdefault(figure.topic, []).append(shown)
    tables = {key: _tables(key, runs) for key in QUESTIONS}
    return page(
        "report.html",
        names=[run.name for run in runs],
        verdicts={run.name: _unbroken(text) for run in runs if (text := verdict(run))},
        rules=rules_of(runs),
        **words_of(results[0]["protocol"]),
        numbers=_table("", (), numbers_of(runs), runs, every=True),
        facts=_facts(results),
        deviations=list(dict.fromkeys(text for r in results for text in r["deviations"])),
        ladder=ladder_of(rows_of(runs, LADDER_PLACES)),
        tracks=tracks_of([run.track for run in runs]),
        others=OTHERS,
        strata=_strata(runs),
        seed_notes=seed_notes([len(run.results) for run in runs]),
        questions={key: q for key, q in QUESTIONS.items() if tables[key] or key in pictures},
        tables=tables,
        pictures=pictures,
        models=[_model(run.name, result) for run in runs for result in run.results],
    )


def words_of(protocol: str) -> dict[str, str]:
    """What a page of results of a protocol asks, and what its pictures and ceilings are."""
    kind = protocol.rpartition("-")[0]
    kind = kind if kind in ASKS else "correspondence"
    return {"asks": ASKS[kind], "lead_note": LEAD_NOTES[kind], "ceilings": CEILINGS[kind]}


def _unbroken(text: str) -> str:
    """Percentages that stay on one line."""
    return text.replace(" %", "\N{NO-BREAK SPACE}%")


def numbers_of(runs: Sequence[Run]) -> list[Column]:
    """The first AT_FIRST of NUMBERS that any of the runs has."""
    judged = {condition_of(run) for run in runs}
    condition = next((name for name in CAPTIONS if name in judged), "direct")
    caption = CAPTIONS[condition]
    columns = []
    for head, place, about in NUMBERS:
        where = tuple(condition if part == JUDGED else part for part in place)
        if any(run.cell(where) for run in runs):
            columns.append(Column(head.format(caption), "", where, about.format(caption)))
    return columns[:AT_FIRST]


def _facts(results: Sequence[Result]) -> dict[str, str]:
    """How the results were made; where they differ, all that occurs."""

    def all_of(say: Callable[[Result], Any]) -> str:
        return "; ".join(dict.fromkeys(str(say(result)) for result in results))

    return {
        "Protocol": all_of(lambda r: r["protocol"]),
        "Data": all_of(lambda r: r.get("data_version", "given arrays")),
        "Images": all_of(
            lambda r: (
                f"{r['image_size']} x {r['image_size']}; {_fitted(r)}scored on the first "
                f"{r['settings']['test_images']} of {r['split']['score']}"
            )
        ),
        **({"Told": all_of(_told)} if "domains" in results[0] else {"Oracle": all_of(_oracle)}),
        "Settings": all_of(lambda r: settings_text(r["settings"])),
        "Package": all_of(lambda r: f"fdd {r.get('fdd_version', '')}"),
    }


def _fitted(result: Result) -> str:
    """What scores were fitted on, if they were."""
    split = result["split"].get("fit")
    return f"fitted on the first {result['settings']['train_images']} of {split}, " if split else ""


def _told(result: Result) -> str:
    """The domains, and the networks that were shown pairs."""
    told = result.get("told")
    ceiling = f"{told['run']}, SHA-256 {told['sha256']}" if told else "none, so there is no ceiling"
    return f"domains {result['domains']}; networks shown pairs: {ceiling}"


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
        "Codes": result.get("latent_size"),
        "From": result.get("run", name_of(result)),
        "Checkpoint": result.get("checkpoint"),
        "Weights, SHA-256": str(result.get("weights_sha256") or "")[:12],
    }


def ladder_of(rows: Sequence[Row]) -> Table | None:
    """The table of tracks, the oracle among those with labels; None without any magnitudes.

    rows: with a cell for each of LADDER.
    """
    columns = [Column(head, group, place) for group, head, place in LADDER]
    if not any(row.cells[0] for row in rows):
        return None
    tops = [span(cells, "ceiling") for cells in zip(*(row.cells for row in rows), strict=True)]
    oracle = [top and {"score": sum(top) / 2, "seeds": 1} for top in tops]
    known = [Row(ORACLE, 1, oracle, "labels", "supervised, the ceiling")] if any(oracle) else []
    table = table_of(columns, [*rows, *known], "Tracks", tracks=True)
    return replace(table, ceiling=[])


def tracks_of(tracks: Sequence[str]) -> dict[str, str]:
    """All tracks and what a model of each may use; none where no model states its own."""
    return {str(name): text for name, text in TRACKS.items()} if any(tracks) else {}


def _strata(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """By trait of the images, a line for each run and stratum; of several seeds, the first."""
    lines: dict[str, list[list[str]]] = {}
    for run in runs:
        for trait, strata in run.results[0].get("strata", {}).items():
            for name, found in strata.items():
                cells = [_written(found.get(kind)) for kind in STRATA_SETS]
                lines.setdefault(trait, []).append([run.name, name, str(found["images"]), *cells])
    return [{"title": STRATA.get(trait, trait), "lines": found} for trait, found in lines.items()]


def _written(cell: Cell | None) -> str:
    """A score by stratum: itself, its interval and its ceiling."""
    if not cell:
        return ""
    described = description_of("nonlinear_r2")
    text = f"{described.written(cell['score'])} [{', '.join(written_ends(cell, described))}]"
    return f"{text} of {cell['ceiling']:.3f}" if "ceiling" in cell else text


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
    group = (CAPTIONS | TRANSLATED).get(place[1], place[1])
    if len(place) > 2:
        return Column(parameter_text(place[2]), group, place)
    return Column(group, "", place)


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
    filled = [row for row in rows if every or any(row.cells)]
    return table_of(columns, filled, title, notes, tracks=every)


def table_of(
    columns: Sequence[Column],
    rows: Sequence[Row],
    title: str = "",
    notes: tuple[str, ...] = (),
    *,
    tracks: bool = False,
) -> Table:
    """A table of these columns and rows; each row has a cell for each column.

    tracks: whether the tracks of the rows, which are in their order, stand above them.
    """
    found = list(zip(*(row.cells for row in rows), strict=True))
    tops = [_top(c.described, cells) for c, cells in zip(columns, found, strict=True)]
    bands = [
        (
            track,
            [
                (
                    row.name,
                    row.about or _seeds(row.seeds),
                    [
                        _shown(*of_each, row.seeds)
                        for of_each in zip(columns, row.cells, tops, strict=True)
                    ],
                )
                for row in of_track
            ],
        )
        for track, of_track in groupby(rows, lambda row: row.track if tracks else "")
    ]
    chance, ceiling = (
        [_limits(c.described, cells, key) for c, cells in zip(columns, found, strict=True)]
        for key in ("chance", "ceiling")
    )
    groups = [(group, len(list(of))) for group, of in groupby(c.group for c in columns)]
    heads = [(column.head, column.tip) for column in columns]
    return Table(
        title, notes, groups if any(g for g, _ in groups) else [], heads, chance, bands, ceiling
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
    described, better = column.described, beats_chance(cell, column.described)
    marks: dict[str, float] = {
        key: round(100 * min(max(cell[key] / top, 0), 1), 1)
        for key in ("score", "low", "high", "chance", "ceiling")
        if key in cell
    }
    said = [f"{key} {described.written(cell[key])}" for key in ("chance", "ceiling") if key in cell]
    share = share_of(cell, described)
    said += [] if share is None else [_way(share, better)]
    said += [f"p {cell['p']:.3f}"] if "p" in cell else []
    interval = " to ".join(written_ends(cell, described))
    weak = f"p {cell['p']:.2f}" if cell.get("p", 0) > WEAK else ""
    same = f"p same {cell['p_same']:.3f}" if "p_same" in cell else ""
    said += [same] if same else []
    return Shown(
        text=described.written(cell["score"]),
        value=cell["score"],
        better=better,
        interval=interval,
        marks=marks,
        weak=weak,
        same=same,
        spoken=", ".join(said),
        note=f"of {cell['seeds']} of {seeds} seeds" if cell["seeds"] < seeds else "",
    )


def _way(share: float, better: bool) -> str:
    """How far a score has come from chance to its ceiling, in words."""
    if not better or share == 0:
        return "no better than chance"
    return "at the ceiling" if share == 1 else f"{100 * share:.0f} % of the way"


def _limits(described: Description, cells: Sequence[Cell | None], key: str) -> str:
    """Chance or ceiling of a column: one number, or the range over its rows."""
    ends = span(cells, key)
    return " to ".join(dict.fromkeys(map(described.written, ends))) if ends else ""
