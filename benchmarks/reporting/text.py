"""Scores as text for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from benchmarks.protocol.cells import Cell
from benchmarks.protocol.descriptions import DESCRIPTIONS, HEADLINE, QUESTIONS, Description
from benchmarks.protocol.images import CAPTIONS
from benchmarks.protocol.translation import CAPTIONS as TRANSLATED
from benchmarks.reporting.runs import (
    PARAMETERS,
    Result,
    Row,
    cell_of,
    cut,
    name_of,
    parameter_text,
    places_of,
    rows_of,
    runs_of,
    span,
    track_of,
    written_ends,
)
from benchmarks.reporting.verdict import verdict

WIDTH = 100
"""Columns of a terminal."""
LIMITS = f"{'score':>7}{'95 % interval':>17}{'chance':>7}{'ceil.':>7}"
MEANS_OF = {"magnitudes": "mean |a|-|d|", "signs": "mean sign"}
"""Titles of means; that of other sets names their first and last parameter."""
BESIDE = f"{LIMITS}{'p':>6}"


def as_text(result: Result) -> str:
    """The scores of one model in words, then the most important ones in full, at most 100 columns
    wide."""
    blocks = [verdicts([result]), _about(result), _readings(result), _codes(result)]
    blocks += [_generator(result), _samples(result), _translations(result)]
    return "\n\n".join("\n".join(block) for block in blocks if block)


def verdicts(results: Sequence[Result]) -> list[str]:
    """What the scores of each run say, in lines of at most 100 columns."""
    runs = runs_of(results)
    named = [f"{cut(run.name, WIDTH // 2)}: " if len(runs) > 1 else "" for run in runs]
    said = [name + text for name, run in zip(named, runs, strict=True) if (text := verdict(run))]
    return [line for text in said for line in textwrap.wrap(text, WIDTH)]


def headline(results: Sequence[Result]) -> str:
    """A line for each run, at most 100 columns wide, between lines of chance and of ceiling.

    These are the middle of what the runs have. A name is followed by the number of seeds, if it is
    not 1, and ± by half the width of the 95 % interval: over seeds where a run has several, else
    over images.
    """
    rows = rows_of(runs_of(results), [place for _, _, place in HEADLINE])
    columns = [
        [group, head, _middle(place[0], cells, "chance")]
        + [_spread(place[0], cell) for cell in cells]
        + [_middle(place[0], cells, "ceiling")]
        for i, (group, head, place) in enumerate(HEADLINE)
        if any(cells := [row.cells[i] for row in rows])
    ]
    room = WIDTH - sum(max(map(len, column)) + 1 for column in columns)
    titles = ["", "", "chance", *(_title(row, room - 1) for row in rows), "ceiling"]
    return "\n".join(aligned([titles, *columns], gap=1))


def aligned(columns: Sequence[Sequence[str]], gap: int) -> list[str]:
    """The lines of a table: titles, on the left, and columns of numbers, `gap` spaces apart."""
    (titles, *others) = columns
    room = max(map(len, titles)) + 2 - gap  # so that two spaces at least follow a title
    texts = [[f"{title:{room}}" for title in titles]]
    texts += [[f"{text:>{max(map(len, column)) + gap}}" for text in column] for column in others]
    return ["".join(line).rstrip() for line in zip(*texts, strict=True)]


def _middle(score: str, cells: Sequence[Cell | None], key: str) -> str:
    ends = span(cells, key)
    return "" if ends is None else _value(score, sum(ends) / 2)


def _title(row: Row, room: int) -> str:
    seeds = f" ({row.seeds})" if row.seeds > 1 else ""
    return cut(row.name, room - len(seeds)) + seeds


def _value(score: str, value: float) -> str:
    return DESCRIPTIONS[score].written(value, 2)


def _spread(score: str, cell: Cell | None) -> str:
    if cell is None:
        return "-"
    text = _value(score, cell["score"])
    if "low" not in cell:
        return text
    return f"{text}±{_value(score, (cell['high'] - cell['low']) / 2)}"


def _about(result: Result) -> list[str]:
    used, size = result["settings"], result["image_size"]
    track = f", trained with: {track_of(result)}" if track_of(result) else ""
    lines = [
        f"{name_of(result)}{track}",
        f"{result['protocol']}, {result.get('data_version', 'given arrays')} at {size} x {size}: "
        f"{used['test_images']} test images{_fitted(result)}",
        *(f"not as the protocol has it: {text}" for text in result["deviations"]),
    ]
    return [cut(line, WIDTH) for line in lines]


def _fitted(result: Result) -> str:
    count = result["settings"].get("train_images")
    return "" if count is None else f", fitted on {count} train images"


def _readings(result: Result) -> list[str]:
    kinds = {"linear_r2": "least squares", "nonlinear_r2": "kernel ridge"}
    lines = []
    for name, labels in PARAMETERS.items():
        for label in labels:
            cells = [cell_of(result, (kind, name, label)) for kind in kinds]
            title = parameter_text(label)
            if label == "mean":
                title = MEANS_OF.get(name, f"mean {labels[0]} to d")
            texts = (_full(cell, DESCRIPTIONS["linear_r2"]) for cell in cells)
            lines += [f"{title:12}{''.join(texts)}".rstrip()] if any(cells) else []
    heads = "".join(f"   {f'R2, {label}':41}" for label in kinds.values())
    top = [f"Parameter   {heads}".rstrip(), f"{'':12}{BESIDE * len(kinds)}"]
    return top + lines if lines else []


def _codes(result: Result) -> list[str]:
    """Each score of codes for the canonical parameters, and MCC for the other sets too."""
    lines, questions = [], ("read", "single", "geometry", "old")
    wide = _widest(*questions)
    for question in questions:
        for name, described in QUESTIONS[question].scores.items():
            for place in places_of(name):
                mean = place[1] == "canonical" and place[2:] in ((), ("mean",))
                cell = cell_of(result, place)
                if cell and name not in ("linear_r2", "nonlinear_r2") and (mean or name == "mcc"):
                    title = described.title if mean else f"{described.title}, {place[1]}"
                    goal = "" if described.bounded else f"  {described.goal.split(';')[0]}"
                    lines.append(f"{title:{wide}}{_full(cell, described)}{goal}".rstrip(" ."))
    return [f"{'Canonical parameters':{wide}}{BESIDE}", *lines] if lines else []


def _generator(result: Result) -> list[str]:
    given = [c for c in CAPTIONS if cell_of(result, ("ssim", c))]
    lines, wide = [], _widest("generator")
    for name, described in QUESTIONS["generator"].scores.items():
        mean = ("mean",) if described.each else ()
        cells = [cell_of(result, (name, condition, *mean)) for condition in given]
        texts = ("  " + _part(cell, described, ("score", "chance", "ceiling")) for cell in cells)
        lines += [f"{described.title:{wide}}{''.join(texts)}".rstrip()] if any(cells) else []
    heads = "".join(f"    {CAPTIONS[c]:19}" for c in given)
    below = f"    {'score':>5}{'chance':>7}{'ceil.':>7}" * len(given)
    return [f"{'Images':{wide}}{heads}".rstrip(), f"{'':{wide}}{below}", *lines] if lines else []


def _samples(result: Result) -> list[str]:
    wide = _widest("samples")
    lines = [
        f"{described.title:{wide}}{_limits(cell, described)}{_p(cell, 'p_same'):>8}".rstrip()
        for name, described in QUESTIONS["samples"].scores.items()
        if (cell := cell_of(result, (name, "samples")))
    ]
    return [f"{'Samples':{wide}}{LIMITS}{'p same':>8}", *lines] if lines else []


def _translations(result: Result) -> list[str]:
    """Each score of translations: of what, and how."""
    lines = []
    for question in ("pairing", "hidden"):
        for name, described in QUESTIONS[question].scores.items():
            for place in places_of(name):
                if cell := cell_of(result, place):
                    title = f"{described.title}, {TRANSLATED[place[1]]}"
                    lines.append(f"{title:46}{_full(cell, described)}".rstrip())
    return [f"{'Translations':46}{BESIDE}", *lines] if lines else []


def _widest(*questions: str) -> int:
    """The length of the longest title of the scores of these questions."""
    return max(len(d.title) for q in questions for d in QUESTIONS[q].scores.values())


def _full(cell: Cell | None, described: Description) -> str:
    """A cell under BESIDE."""
    if cell is None:
        return " " * len(BESIDE)
    return f"{_limits(cell, described)}{_p(cell, 'p'):>6}"


def _limits(cell: Cell, described: Description) -> str:
    """A cell under LIMITS."""
    ends = written_ends(cell, described)
    interval = f" [{', '.join(ends)}]" if ends else ""
    numbers = _part(cell, described, ("chance", "ceiling"))
    return f"{_part(cell, described, ('score',))}{interval:>17}{numbers}"


def _p(cell: Cell, key: str) -> str:
    return f"{cell[key]:.3f}" if key in cell else ""


def _part(cell: Cell | None, described: Description, keys: Sequence[str]) -> str:
    texts = (described.written(cell[key]) if cell and key in cell else "" for key in keys)
    return "".join(f" {text:>6}" for text in texts)
