"""Figures of a run's correspondence scores, as PNG bytes."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.arrays import require
from benchmarks.targets import TARGETS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

    from benchmarks.correspondence import Evaluation, Images

INK, BLUE, PALE, GREY = "#1c2b3a", "#1f5fa8", "#9cc3ea", "#8a949e"
STYLE = {
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
}
LABELS = ("x0", "y0", "a", "b", "c", "d", "|a|", "sign(a) b")
ORDER = (0, 1, 2, 3, 6, 7, 4, 5)
"""Columns of the evaluation in the order shown: what nobody can know first, then what one can."""


@dataclass(frozen=True)
class Figure:
    """A picture: its file name, what it shows, and the bytes of the PNG."""

    name: str
    caption: str
    png: bytes


def all_figures(found: Evaluation) -> list[Figure]:
    """The four figures of a report, in the order in which they are read."""
    with require("matplotlib").rc_context(STYLE):
        return [
            Figure(
                "scores.png",
                "Share of each parameter's variance that a linear and a nonlinear reading of the "
                "codes explains on held-out images; the dash is the 95 % quantile of chance. "
                "x0, y0 and signed a, b cannot be seen in an image; |a| and sign(a) b can.",
                _png(scores_figure(found)),
            ),
            Figure(
                "predictions.png",
                "True parameter against the one read from the code (kernel ridge), on test images. "
                "Above: parameters that no image tells; below: parameters that it does.",
                _png(predictions_figure(found)),
            ),
            Figure(
                "codes.png",
                "|Correlation| of every code with every parameter on test images.",
                _png(codes_figure(found)),
            ),
            Figure(
                "pairs.png",
                "The first test images as the renderer draws them, and as the generator draws the "
                "same parameters v: taken as the code, mapped linearly to a code, and from the "
                "code that the encoder gives the image.",
                rows_png(found.pictures),
            ),
        ]


def rows_png(pictures: Mapping[str, Images]) -> bytes:
    """A PNG of named rows of images, uint8 [N, S, S, 3] each, one below the other."""
    with require("matplotlib").rc_context(STYLE):
        return _png(rows_figure(pictures))


def scores_figure(found: Evaluation) -> Canvas:
    """Linear and nonlinear R2 by parameter, over the 95 % quantile of chance."""
    figure = _canvas(7.2, 3.0)
    axes = figure.subplots()
    by_name = found.scores["parameters"]["raw"] | found.scores["parameters"]["canonical"]
    names = [TARGETS[column] for column in ORDER]
    for offset, kind, label, colour in (
        (-0.19, "linear_r2", "linear", PALE),
        (0.19, "nonlinear_r2", "nonlinear", BLUE),
    ):
        at = np.arange(len(names)) + offset
        axes.bar(
            at, [max(by_name[n][kind]["score"], 0) for n in names], 0.34, color=colour, label=label
        )
        chance = [max(by_name[n][kind]["chance_95"], 0) for n in names]
        axes.hlines(chance, at - 0.17, at + 0.17, color=INK, linewidth=1.2)
    axes.axvline(3.5, color=GREY, linewidth=0.8, linestyle=":")
    axes.set_xticks(np.arange(len(names)), [LABELS[i] for i in ORDER], fontsize=10)
    axes.set_ylim(0, 1)
    axes.set_ylabel("held-out R2")
    axes.legend(frameon=False, loc="upper left", ncols=2)
    return figure


def predictions_figure(found: Evaluation) -> Canvas:
    """True against predicted, a panel a parameter."""
    figure = _canvas(8.4, 4.6)
    panels: Any = figure.subplots(2, 4)
    by_name = found.scores["parameters"]["raw"] | found.scores["parameters"]["canonical"]
    for axes, column in zip(panels.flat, ORDER, strict=True):
        truth, predicted = found.truth[:, column], found.predicted[:, column]
        low, high = truth.min(), truth.max()
        axes.plot([low, high], [low, high], color=GREY, linewidth=0.8, zorder=1)
        axes.scatter(truth, predicted, s=4, color=BLUE, alpha=0.25, linewidths=0, zorder=2)
        margin = 0.05 * (high - low)
        axes.set_xlim(low - margin, high + margin)
        axes.set_ylim(low - margin, high + margin)
        axes.set_aspect("equal")
        axes.locator_params(nbins=4)
        score = by_name[TARGETS[column]]["nonlinear_r2"]["score"]
        axes.set_title(f"{LABELS[column]}    R2 {round(score, 2) + 0:.2f}", fontsize=10)
    figure.supxlabel("true", fontsize=10)
    figure.supylabel("read from the code", fontsize=10)
    return figure


def codes_figure(found: Evaluation) -> Canvas:
    """Matrix of |correlation|, codes downwards, parameters across; numbers where there is room."""
    codes = len(found.correlation)
    shown = found.correlation[:, ORDER]
    figure = _canvas(5.6, float(np.clip(0.32 * codes, 1.6, 8)) + 0.6)
    axes = figure.subplots()
    image = axes.imshow(shown, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    axes.set_xticks(range(len(ORDER)), [LABELS[i] for i in ORDER], fontsize=9)
    axes.set_ylabel("code")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    if codes <= 16:
        axes.set_yticks(range(codes), [str(i) for i in range(codes)])
        _write_cells(axes, shown)
    bar = figure.colorbar(image, ax=axes, shrink=0.9)
    bar.outline.set_visible(False)
    return figure


def rows_figure(rows: Mapping[str, Images]) -> Canvas:
    """Named rows of images: test images above what generators make of them."""
    across = len(next(iter(rows.values())))
    figure = _canvas(1.15 * across + 0.9, 1.15 * len(rows), gap=0.03)
    panels: Any = figure.subplots(len(rows), across, squeeze=False)
    for line, (name, images) in zip(panels, rows.items(), strict=True):
        for axes, image in zip(line, images, strict=True):
            axes.imshow(image, interpolation="nearest")
            axes.set_xticks([])
            axes.set_yticks([])
            axes.spines[:].set_visible(True)
            axes.spines[:].set_color("#d5dae0")
        line[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=10)
    return figure


def _write_cells(axes: Axes, values: Any) -> None:
    for (i, j), value in np.ndenumerate(values):
        colour = "white" if value > 0.6 else INK
        axes.text(j, i, f"{value:.2f}", ha="center", va="center", fontsize=7, color=colour)


def _canvas(width: float, height: float, gap: float = 0.06) -> Canvas:
    figure = require("matplotlib.figure").Figure(figsize=(width, height), layout="constrained")
    figure.get_layout_engine().set(w_pad=gap, h_pad=gap)
    return figure


def _png(figure: Canvas) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=160, facecolor="white", metadata={"Software": None})
    return buffer.getvalue()
