"""The drawings of a report: from scores and images to matplotlib figures, in one style, and what
their marks say to those who point at them."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from benchmarks.protocol.cells import Cell
from benchmarks.protocol.descriptions import description_of
from benchmarks.protocol.settings import TARGETS
from benchmarks.reporting.runs import Run, cell_of, cut, written_ends
from benchmarks.statistics.arrays import require

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

    from benchmarks.protocol.evaluation import Evaluation

Images = NDArray[np.uint8]

INK, BLUE, PALE, GREY = "#1c2b3a", "#0b61a4", "#9cc3ea", "#8a949e"
CHANCE, CEILING = "#b84a00", "#00745a"
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000")
"""Of runs: those of Okabe and Ito, which colour-blind readers can tell apart."""
DASHES = ("-", "--", ":", "-.")
"""Of runs, once all colours are taken."""
STYLE = {
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": INK,
    "text.parse_math": False,  # names of runs are not formulas
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
}
LABEL = 28
"""Characters of a run's name that there is room for."""
LABELS = (
    *("x0", "y0", "a", "b", "c", "d", "|a|", "sign(a) b"),
    *("|a|", "|b|", "|c|", "|d|", "sign ab", "sign c", "sign d"),
)
PANELS: tuple[tuple[tuple[str, int] | None, ...], ...] = (
    (("canonical", 6), ("canonical", 7), ("canonical", 4), ("canonical", 5)),
    (None, ("magnitudes", 9), ("magnitudes", 10), ("magnitudes", 11)),
    (None, ("signs", 12), ("signs", 13), ("signs", 14)),
    (("start", 0), ("start", 1), ("raw", 2), ("raw", 3)),
)
"""Sets and columns of TARGETS in rows: first those that are identifiable from an image, below each
its magnitude and its sign, where they are not the same."""
DIGITS = 3
"""Of a number that stands for a mark: a thousandth of an axis is less than a pixel."""


@dataclass(frozen=True)
class Marks:
    """Marks of one panel: dots, the corners of a line, the cells of a matrix.

    x, y: the names of the axes and where the marks are on them; NaN is nowhere.
    name: what all of them are of. words: what each is; if empty, its numbers on both axes.
    """

    axes: Axes
    name: str
    x: tuple[str, ArrayLike]
    y: tuple[str, ArrayLike]
    words: Sequence[str] = ()


@dataclass(frozen=True)
class Plot:
    """A drawing and what in it can be pointed at."""

    canvas: Canvas
    marks: Sequence[Marks]


def scores_figure(runs: Sequence[Run]) -> Plot:
    """R2 between chance and ceiling: a panel for each parameter, a line for each run."""
    known = {k for run in runs for one in run.results for k in one["scores"].get("linear_r2", {})}
    rows = [row for row in PANELS if all(panel is None or panel[0] in known for panel in row)]
    figure = _canvas(9.6, (0.6 + 0.26 * len(runs)) * len(rows) + 0.3)
    marks = []
    for axes, kind, column in _panels(figure, rows, shared=True):
        name = TARGETS[column]
        x, y, words = [], [], []
        for line, run in enumerate(runs):
            for score, offset, face in (
                ("linear_r2", -0.17, "white"),
                ("nonlinear_r2", 0.17, BLUE),
            ):
                cell = run.cell((score, kind, name))
                if cell:
                    x.append(_dot(axes, cell, line + offset, face))
                    y.append(line + offset)
                    words.append(_words(run.name, score, cell))
        marks.append(Marks(axes, LABELS[column], ("R2", x), ("run", y), words))
        axes.set_title(LABELS[column])
        axes.grid(axis="x", color="#e2e7ec", linewidth=0.8)
        axes.set_axisbelow(True)
        axes.tick_params(axis="y", length=0)
    axes.set_xlim(-0.06, 1.02)
    axes.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
    axes.set_ylim(len(runs) - 0.4, -0.6)
    axes.set_yticks(range(len(runs)), [cut(run.name, LABEL) for run in runs], fontsize=9)
    figure.supxlabel("R2 on test images", fontsize=9)
    return Plot(figure, marks)


def _words(name: str, score: str, cell: Cell) -> str:
    """The score of a run with all that stands beside it, a line each."""
    described = description_of(score)
    interval = " to ".join(written_ends(cell, described))
    return "\n".join(
        [
            f"{name}: {described.title} {described.written(cell['score'])}",
            *([f"95 %: {interval}"] if interval else []),
            *(f"{k} {described.written(cell[k])}" for k in ("chance", "ceiling") if k in cell),
        ]
    )


def _rows_of(columns: int) -> list[tuple[tuple[str, int] | None, ...]]:
    """The rows of PANELS that so many TARGETS have; results of correspondence-2 have 8."""
    return [row for row in PANELS if all(panel is None or panel[1] < columns for panel in row)]


def _panels(
    figure: Canvas, rows: Sequence[Sequence[tuple[str, int] | None]], shared: bool = False
) -> Iterator[tuple[Axes, str, int]]:
    """Axes, set and column of each panel; places without one stay empty."""
    grid: Any = figure.subplots(len(rows), 4, squeeze=False, sharex=shared, sharey=shared)
    last = panel = rows[0][0]
    for axes, panel in zip(grid.flat, (panel for row in rows for panel in row), strict=True):
        if panel is None:
            axes.set_axis_off()
        else:
            if last is None:
                axes.tick_params(labelleft=True)
            yield axes, *panel
        last = panel


def _dot(axes: Axes, cell: Mapping[str, Any], at: float, face: str) -> float:
    """Draws a score at that height; gives where it is across."""
    ends = [cell.get(key, cell["score"]) for key in ("low", "high", "score")]
    low, high, score = np.clip(ends, -0.05, 1)
    for key, colour in (("chance", CHANCE), ("ceiling", CEILING)):
        if key in cell:
            axes.vlines(max(cell[key], -0.05), at - 0.15, at + 0.15, color=colour, linewidth=1.6)
    axes.hlines(at, low, high, color=PALE, linewidth=3)
    axes.plot(score, at, "o", markersize=5, markerfacecolor=face, markeredgecolor=BLUE)
    return float(score)


def predictions_figure(found: Evaluation) -> Plot:
    """True against predicted, a panel for each parameter."""
    rows = _rows_of(found.truth.shape[1])
    figure = _canvas(8.4, 0.2 + 2.2 * len(rows))
    marks = []
    for axes, kind, column in _panels(figure, rows):
        marks.append(_read_against_true(axes, found, column))
        axes.locator_params(nbins=4)
        axes.set_title(_with_r2(found, kind, column))
    figure.supxlabel("true", fontsize=10)
    figure.supylabel("read from the code", fontsize=10)
    return Plot(figure, marks)


def prediction_panels(found: Evaluation) -> dict[str, Plot]:
    """The canonical parameters, true across and read upwards, a drawing without words for each
    label."""
    panels = {}
    for panel in PANELS[0]:
        kind, column = panel  # type: ignore[misc]
        figure = _canvas(2, 2)
        axes = figure.subplots()
        marks = _read_against_true(axes, found, column)
        axes.set_xticks([])
        axes.set_yticks([])
        panels[_with_r2(found, kind, column)] = Plot(figure, [marks])
    return panels


def _with_r2(found: Evaluation, kind: str, column: int) -> str:
    cell = cell_of(found.result, ("nonlinear_r2", kind, TARGETS[column]))
    score = f"    R2 {round(cell['score'], 2) + 0:.2f}" if cell else ""
    return f"{LABELS[column]}{score}"


def _read_against_true(axes: Axes, found: Evaluation, column: int) -> Marks:
    truth, predicted = found.truth[:, column], found.predicted[:, column]  # type: ignore[index]
    low, high = truth.min(), truth.max()
    axes.plot([low, high], [low, high], color=GREY, linewidth=0.8, zorder=1)
    axes.scatter(truth, predicted, s=4, color=BLUE, alpha=0.25, linewidths=0, zorder=2)
    margin = 0.05 * (high - low)
    axes.set_xlim(low - margin, high + margin)
    axes.set_ylim(low - margin, high + margin)
    axes.set_aspect("equal")
    return Marks(axes, LABELS[column], ("true", truth), ("read", predicted))


def codes_figure(found: Evaluation) -> Plot:
    """Matrix of |correlation|, codes downwards, parameters across; numbers where there is room."""
    rows = _rows_of(found.correlation.shape[1])  # type: ignore[union-attr]
    order = [panel[1] for row in rows for panel in row if panel]
    shown = found.correlation[:, order]  # type: ignore[index]
    codes = len(shown)
    figure = _canvas(1.6 + 0.5 * len(order), float(np.clip(0.32 * codes, 1.6, 8)) + 0.6)
    axes = figure.subplots()
    image = axes.imshow(shown, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    axes.set_xticks(range(len(order)), [LABELS[i] for i in order], fontsize=9)
    axes.set_ylabel("code")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    if codes <= 16:
        axes.set_yticks(range(codes), [str(i) for i in range(codes)])
        for (i, j), value in np.ndenumerate(shown):
            colour = "white" if value > 0.6 else INK
            axes.text(j, i, f"{value:.2f}", ha="center", va="center", fontsize=7, color=colour)
    bar = figure.colorbar(image, ax=axes, shrink=0.9)
    bar.outline.set_visible(False)
    columns = np.arange(len(order))
    marks = [
        Marks(
            axes,
            f"code {code}",
            ("parameter", columns),
            ("code", np.full(len(order), code)),
            [
                f"{LABELS[i]}: |correlation| {value:.2f}"
                for i, value in zip(order, row, strict=True)
            ],
        )
        for code, row in enumerate(shown)
    ]
    return Plot(figure, marks)


def rows_figure(rows: Mapping[str, Images], heads: Sequence[str] = ()) -> Plot:
    """Images in rows, each under its name; heads stand below the columns, which are test images if
    there are none."""
    across = len(next(iter(rows.values())))
    figure = _canvas(1.15 * across, 1.43 * len(rows) + (0.25 if heads else 0), gap=0.02)
    lines: Any = figure.subplots(len(rows), squeeze=False)[:, 0]
    marks = []
    words = [f"at {head}" for head in heads] or [f"test image {i + 1}" for i in range(across)]
    for axes, (name, images) in zip(lines, rows.items(), strict=True):
        strip = _strip(images)
        middles = (np.arange(across) + 0.5) * strip.shape[1] / across
        middle = np.full(across, strip.shape[0] / 2)
        marks.append(Marks(axes, name, ("column", middles), ("row", middle), words))
        axes.imshow(strip, interpolation="nearest")
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines[:].set_visible(False)
        axes.set_title(cut(name, 100), loc="left", pad=3)
    if heads:
        lines[-1].set_xticks(middles, heads)
        lines[-1].tick_params(length=0)
    return Plot(figure, marks)


def strip(images: Images) -> bytes:
    """A PNG of images uint8 [N, S, S, 3] side by side as they are, with grey lines between."""
    line = max(1, images.shape[2] // 64)
    apart = np.pad(images, ((0, 0), (0, 0), (0, line), (0, 0)), constant_values=190)
    buffer = io.BytesIO()
    picture = Image.fromarray(np.concatenate(list(apart), axis=1)[:, :-line])
    picture.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _strip(images: Images) -> Images:
    """Images uint8 [N, S, S, 3] side by side, each in a thin frame, as one image."""
    zoom = max(1, 128 // images.shape[1])
    large = images.repeat(zoom, axis=1).repeat(zoom, axis=2)
    framed = np.pad(large, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=215)
    apart = np.pad(framed, ((0, 0), (0, 0), (2, 2), (0, 0)), constant_values=255)
    return np.concatenate(list(apart), axis=1)


def training_figure(curves: Sequence[tuple[int, pd.DataFrame]], names: Sequence[str]) -> Plot:
    """A panel for each column of the tables; curves: (number of the run, its metrics)."""
    columns = list(dict.fromkeys(c for _, table in curves for c in table.columns if c != "step"))
    down = -(-len(columns) // 4)
    figure = _canvas(9.6, 1.75 * down + 0.3 * -(-len(names) // 4))
    panels: Any = figure.subplots(down, 4, squeeze=False, sharex=True)
    lines: dict[int, Any] = {}
    marks = []
    for axes, column in zip(panels.flat, columns, strict=False):
        for number, table in curves:
            if column in table:
                style = {
                    "color": COLOURS[number % len(COLOURS)],
                    "linestyle": DASHES[number // len(COLOURS) % len(DASHES)],
                }
                (line,) = axes.plot(table["step"], table[column], linewidth=1.1, **style)
                lines.setdefault(number, line)
                of = (column.replace("_", " "), table[column])
                marks.append(Marks(axes, names[number], ("step", table["step"]), of))
        axes.set_title(column.replace("_", " "))
        axes.locator_params(nbins=4)
        axes.tick_params(labelbottom=True)
    for axes in panels.flat[len(columns) :]:
        axes.set_visible(False)
    if len(lines) > 1:
        labels = [cut(names[number], LABEL) for number in lines]
        legend = figure.legend(list(lines.values()), labels, loc="outside lower center", ncols=4)
        legend.set_frame_on(False)
    return Plot(figure, marks)


def _canvas(width: float, height: float, gap: float = 0.06) -> Canvas:
    figure = require("matplotlib.figure").Figure(figsize=(width, height), layout="constrained")
    figure.get_layout_engine().set(w_pad=gap, h_pad=gap)
    return figure


def drawn(plot: Plot) -> tuple[bytes, list[dict[str, Any]]]:
    """A plot as a PNG, and its marks as JSON has them: name, words, x and y.

    x and y: name; values, the marks on that axis; ends, the least and the greatest number on it;
    at, where these are, in shares of the picture's width from the left, of its height from the top.
    """
    figure, buffer = plot.canvas, io.BytesIO()
    figure.savefig(buffer, format="png", dpi=160, facecolor="white", metadata={"Software": None})
    return buffer.getvalue(), [_placed(marks) for marks in plot.marks]


def _placed(marks: Marks) -> dict[str, Any]:
    """Marks in axes that have been drawn, and so have their place; but none that lie outside."""
    axes = marks.axes
    values = np.array([marks.x[1], marks.y[1]], float)
    limits = np.sort([axes.get_xlim(), axes.get_ylim()])
    across, up = (axes.transData.transform(limits.T) / axes.figure.bbox.size).T
    seen = np.all((limits[:, :1] <= values) & (values <= limits[:, 1:]), axis=0)
    sides = {
        key: {
            "name": name,
            "at": at.round(5).tolist(),
            "ends": ends.tolist(),
            "values": _rounded(row[seen], np.ptp(ends)),
        }
        for key, (name, _), row, at, ends in zip(
            "xy", (marks.x, marks.y), values, (across, 1 - up), limits, strict=True
        )
    }
    words = [word for word, is_seen in zip(marks.words, seen, strict=False) if is_seen]
    return {"name": marks.name, "words": words, **sides}


def _rounded(values: NDArray[np.float64], length: float) -> list[float]:
    """Values as they are read off an axis of that length."""
    decimals = int(np.clip(DIGITS - np.ceil(np.log10(length)), 0, 15))
    return np.round(values, decimals).tolist()
