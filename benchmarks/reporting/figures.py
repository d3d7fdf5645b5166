"""Figures of the scores of one run or several, as PNG bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from benchmarks.protocol.images import CAPTIONS
from benchmarks.reporting.plots import (
    STYLE,
    Images,
    codes_figure,
    drawn,
    prediction_panels,
    predictions_figure,
    rows_figure,
    scores_figure,
    strip,
    training_figure,
)
from benchmarks.reporting.runs import Run, runs_of
from benchmarks.reporting.verdict import condition_of
from fdd.defaults import styled

if TYPE_CHECKING:
    from benchmarks.protocol.evaluation import Evaluation

IN_FULL = 3
"""Runs that get figures of their own."""
IN_ROWS = 12
"""Runs that get rows in the figures of images."""
IN_LEAD = 4
"""Runs that get a row at the top of the page."""
LEADS = ("rows", "panels")
"""Topics of the pictures at the top of a page, whose captions are labels: rows of images, one below
the other, or plots side by side."""
POINTS = 200
"""Points of a training curve; more values are averaged in this many equal parts."""
WATCHED = (" mean", " std", " cv", " norm")
"""Endings of columns of metrics.csv that are neither losses nor scores."""
PAIRS = {"FD(v)": "FD(v)"} | {caption: caption for caption in CAPTIONS.values()}
TRANSLATIONS = ("x", "G(x)", "T(x)", "F(G(x))", "F(y)", "G(F(y))")
"""Names, which are labels too, of rows of images and their translations; y is T(x)."""
PATH = {"FD path": "FD", "G path": "G"}
"""Labels of rows of images by their names in an evaluation, the renderer's first."""


@dataclass(frozen=True)
class Figure:
    """A picture: its file name, the part of the report it belongs to (a key of QUESTIONS,
    "headline", "training" or one of LEADS), what it is, what to see in it, the bytes of the PNG,
    and what can be pointed at in it, as `drawn` gives it."""

    name: str
    topic: str
    alt: str
    caption: str
    png: bytes
    marks: Sequence[Mapping[str, Any]] = ()


def all_figures(evaluations: Sequence[Evaluation]) -> list[Figure]:
    """The figures of a report; those that no model has anything for are left out.

    Where there is no room for the spread over seeds, the first seed of a run stands for all.
    """
    runs, first = _runs_and_first(evaluations)
    with styled(STYLE):
        found = [_scores(runs), *_of_codes(first), *_of_images(first), _training(runs)]
    return [*first_figures(evaluations), *(figure for figure in found if figure is not None)]


def _runs_and_first(
    evaluations: Sequence[Evaluation],
) -> tuple[Sequence[Run], dict[str, Evaluation]]:
    """The runs, and the evaluation of the first seed of each by its name."""
    runs = runs_of([evaluation.result for evaluation in evaluations])
    by_result = {id(evaluation.result): evaluation for evaluation in evaluations}
    return runs, {run.name: by_result[id(run.results[0])] for run in runs}


def first_figures(evaluations: Sequence[Evaluation]) -> list[Figure]:
    """What a reader sees first: FD(v) above what is made of v, of several runs in the way that each
    is judged by; without a generator, canonical parameters of the first run, true against read."""
    runs, first = _runs_and_first(evaluations)
    judged = {run.name: CAPTIONS[name] for run in runs if (name := condition_of(run))}
    shown = {name: found.pictures for name, found in first.items()}
    if len(runs) > 1:
        keys = dict(list(judged.items())[:IN_LEAD])
        shown = {
            name: {key: pictures[key] for key in ("FD(v)", keys.get(name)) if key in pictures}
            for name, pictures in shown.items()
        }
    rows = _rows(shown, PAIRS)
    if len(first) == 1:
        rows |= _translations(first)
    if len(rows) > 1:
        return [
            Figure(f"lead-{i}.png", "rows", f"{label}, the first test images", label, strip(images))
            for i, (label, images) in enumerate(rows.items(), 1)
        ]
    encoded = [name for name, found in first.items() if found.predicted is not None]
    if not encoded:
        return []
    of = f" of {encoded[0]}" if len(runs) > 1 else ""
    alt = "read against true, as points near or far from a diagonal"
    with styled(STYLE):
        panels = prediction_panels(first[encoded[0]])
        return [
            Figure(f"lead-{i}.png", "panels", f"{label}: {alt}", f"{label}{of}", *drawn(panel))
            for i, (label, panel) in enumerate(panels.items(), 1)
        ]


def _scores(runs: Sequence[Run]) -> Figure | None:
    shown = [run for run in runs if run.cell(("linear_r2", "canonical", "mean"))]
    if not shown:
        return None
    return Figure(
        "scores.png",
        "headline",
        "Dots for the R2 of each parameter, run by run.",
        "Share of each parameter's variance that is predicted from the codes of test images, by "
        "least squares (hollow) and by kernel ridge (filled), with 95 % intervals. Orange: chance; "
        "green: ceiling. Scores below -0.05 are drawn at the left edge. The parameters in the "
        "upper row are identifiable from an image, and below them are their magnitudes and signs; "
        "x0, y0 and signed a, b are not.",
        *drawn(scores_figure(shown)),
    )


def _of_codes(first: Mapping[str, Evaluation]) -> list[Figure]:
    encoded = [(name, found) for name, found in first.items() if found.predicted is not None]
    figures = []
    for number, (name, found) in enumerate(encoded[:IN_FULL], 1):
        suffix, of = (f"-{number}", f"{name}: ") if len(encoded) > 1 else ("", "")
        figures += [
            Figure(
                f"predictions{suffix}.png",
                "read",
                f"{of}Scatter plots of read against true parameters.",
                f"{of}True parameter against the one that kernel ridge predicts from the code, on "
                "test images. Upper row: parameters that are identifiable from an image, and below "
                "them their magnitudes and signs; lowest row: those that are not.",
                *drawn(predictions_figure(found)),
            ),
            Figure(
                f"codes{suffix}.png",
                "single",
                f"{of}Matrix of correlations of codes with parameters.",
                f"{of}|correlation| of every code with every parameter on test images. Codes "
                "that stand for single parameters would give one cell near 1 in each row and "
                "column.",
                *drawn(codes_figure(found)),
            ),
        ]
    return figures


def _of_images(first: Mapping[str, Evaluation]) -> list[Figure]:
    shown = dict(list(first.items())[:IN_ROWS])
    pictures = {name: found.pictures for name, found in shown.items()}
    pairs, paths = _rows(pictures, PAIRS), _rows(pictures, PATH)
    figures = []
    if translated := _translations(shown):
        figures.append(
            Figure(
                "translations.png",
                "pairing",
                "Rows of images: those of the first domain, translated, and translated back.",
                "The first test images x, their translations G(x), the true ones T(x), and x as it "
                "comes back, F(G(x)); then F(y) and G(F(y)) of y = T(x).",
                *drawn(rows_figure(translated)),
            )
        )
    if len(pairs) > 1:
        figures.append(
            Figure(
                "pairs.png",
                "generator",
                "Rows of images: the renderer's, and the generator's of the same parameters.",
                "The first test images as the renderer draws them, and as the generator draws the "
                "same parameters v: from the code that stands for v, from a linear map of v, and "
                "from the code that the encoder gives the image.",
                *drawn(rows_figure(pairs)),
            )
        )
    if len(paths) > 1:
        steps = [f"{t:.2g}" for t in np.linspace(0, 1, len(next(iter(paths.values()))))]
        figures.append(
            Figure(
                "path.png",
                "generator",
                "Rows of images along a line of parameters: the renderer's and the generator's.",
                "Along the straight line of canonical parameters from one test image to another: "
                "the renderer's image of each point, and the generator's of the code for it.",
                *drawn(rows_figure(paths, steps)),
            )
        )
    return figures


def _translations(shown: Mapping[str, Evaluation]) -> dict[str, Images]:
    """The rows of images and translations of each run, by label."""
    rows: dict[str, Images] = {}
    for name, found in shown.items():
        of = f" of {name}" if len(shown) > 1 else ""
        rows |= {f"{n}{of}": found.pictures[n] for n in TRANSLATIONS if n in found.pictures}
    return rows


def _rows(
    found: Mapping[str, Mapping[str, Images]], captions: Mapping[str, str]
) -> dict[str, Images]:
    """The renderer's row, which all runs share, and the rows of each run, by label.

    captions: labels by the names of the pictures in an evaluation, the renderer's first.
    """
    truth, *own = captions
    shared = [pictures[truth] for pictures in found.values() if truth in pictures]
    rows = {captions[truth]: shared[0]} if shared else {}
    for name, pictures in found.items():
        of = f" of {name}" if len(found) > 1 else ""
        rows |= {f"{captions[key]}{of}": pictures[key] for key in own if key in pictures}
    return rows


def _training(runs: Sequence[Run]) -> Figure | None:
    curves = [
        (number, table)
        for number, run in enumerate(runs)
        for result in run.results
        if (table := read_metrics(result.get("run", ""))) is not None
    ]
    if not curves:
        return None
    return Figure(
        "training.png",
        "training",
        "Curves of losses and held-out scores over training steps.",
        f"What each run wrote into its metrics.csv, one line for each seed; more than {POINTS} "
        f"values are averaged in {POINTS} equal parts. score: SSIM of held-out images with what "
        "the model makes of them, or minus the energy distance of its samples; diversity and "
        "sharpness: those of samples, relative to those of real images.",
        *drawn(training_figure(curves, [run.name for run in runs])),
    )


def read_metrics(run: str) -> pd.DataFrame | None:
    """metrics.csv of a run folder: step, losses and scores; None if there is none to read."""
    try:
        table = pd.read_csv(Path(run) / "metrics.csv")
    except (OSError, ValueError):  # no such file; not a table
        return None
    names = [str(c) for c in table.columns if c != "epoch" and not str(c).endswith(WATCHED)]
    table = table[names].apply(pd.to_numeric, errors="coerce")
    if "step" not in names or len(names) < 2 or table["step"].isna().all():
        return None
    table = table.dropna(subset="step")
    parts = np.arange(len(table)) * POINTS // max(len(table), POINTS)
    return table.groupby(parts).mean()


def rows_png(pictures: Mapping[str, Images]) -> bytes:
    """A PNG of named rows of images, uint8 [N, S, S, 3] each, one below the other."""
    with styled(STYLE):
        return drawn(rows_figure(pictures))[0]
