"""How a release of small images is chosen: its rule of acceptance, and what a reader loses by it.

    python -m benchmarks.mini acceptance
    python -m benchmarks.mini curves --runs runs/large-0 runs/mini-0 runs/mini-1

The second reads the folders that `benchmarks.reader` wrote.
"""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import fdd
from benchmarks.oracle.network import CANONICAL
from benchmarks.reader import RESULT
from benchmarks.reporting.files import check_out, write_files
from benchmarks.reporting.plots import BLUE, GREY, INK, PALE, STYLE
from benchmarks.statistics.arrays import Floats, require
from fdd.commands import arguments_of, command, say
from fdd.defaults import styled
from fdd.errors import FddError, shown, whole_number
from fdd.files import as_file, as_path
from fdd.options import parse_one
from fdd.pictures import checked_png
from fdd.releases.cards import release
from fdd.rendering.cpu import count_groups
from fdd.rendering.drawing import Drawing

BINS = 6
"""Equal bins of |a|, |b|, |c|, |d| from 0 to 3."""
TIE = 1e-4
"""Of thresholds whose agreement differs by no more than this, the share that they keep decides."""
BASE = "fdd-1"


@dataclass(frozen=True)
class Acceptance:
    """Find the occupancy of small images that keeps what fdd-1 keeps.

    For each number of points: the whole percentage that agrees with fdd-1 on most candidates.
    """

    candidates: int = 100_000
    """Number of uniform candidates, drawn by `fdd.uniform_params`."""
    seed: int = 0
    """Seed of the candidates."""
    size: int = 32
    """Pixels on a side of the small images."""
    points: tuple[int, ...] = (2000, 4000, 8000)
    """Numbers of points to try."""
    out: Path = Path("docs/mini-acceptance.json")
    """The file to write."""


@dataclass(frozen=True)
class Curves:
    """Put what readers learned, by images seen, into one table and one figure."""

    runs: tuple[Path, ...]
    """Run folders of `benchmarks.reader`."""
    csv: Path = Path("docs/mini-curves.csv")
    """The table to write."""
    png: Path = Path("docs/images/mini.png")
    """The figure to write."""


def occupied(params: Floats, size: int, points: int) -> NDArray[np.int64]:
    """How many cells each image occupies: params [N, 6] -> int64 [N], 0 for the degenerate."""
    cells = np.zeros(len(params), np.int64)

    def finish(rows: slice, counts: np.ndarray, degenerate: np.ndarray) -> None:
        found = np.count_nonzero(counts.reshape(len(counts), -1), axis=1)
        cells[rows] = np.where(degenerate, 0, found)

    count_groups(Drawing(size=size, points=points), params, finish)
    return cells


def best_percent(cells: NDArray[np.int64], size: int, wanted: NDArray[np.bool_]) -> int:
    """The whole percentage of occupied cells that agrees best with `wanted` [N], from 1 to 90.

    If several agree equally well (within TIE), it is the one that keeps the share nearest to that
    of `wanted`.
    """
    percents = np.arange(1, 91)
    kept = 100 * cells[:, None] >= percents * size**2
    agreement = (kept == wanted[:, None]).mean(axis=0)
    off = np.abs(kept.mean(axis=0) - wanted.mean())
    off[agreement < agreement.max() - TIE] = np.inf
    return int(percents[off.argmin()])


def distribution(params: Floats) -> dict[str, Any]:
    """How params [N, 6] are distributed: the density of |a|, |b|, |c|, |d| relative to uniform, in
    BINS bins, and the largest correlation in size between two of the six."""
    density = {
        name: (BINS * np.histogram(np.abs(column), BINS, (0, 3))[0] / len(params)).round(3).tolist()
        for name, column in zip("abcd", params[:, 2:].T, strict=True)
    }
    correlation = np.abs(np.corrcoef(params.T) - np.eye(params.shape[1])).max()
    return {"density": density, "largest_correlation": round(float(correlation), 4)}


def acceptance(options: Acceptance) -> dict[str, Any]:
    """What `Acceptance` writes. FddError for a number out of its range."""
    whole_number("candidates", options.candidates, 100)
    params, card = fdd.uniform_params(options.candidates, seed=options.seed), release(BASE)
    percent = card.occupied_percent
    wanted = 100 * occupied(params, card.size, card.points) >= percent * card.size**2
    base = {"size": card.size, "points": card.points, "occupied_percent": percent}
    rules = [base | {"kept": wanted.mean()} | distribution(params[wanted])]
    for points in options.points:
        cells = occupied(params, options.size, points)
        percent = best_percent(cells, options.size, wanted)
        kept = 100 * cells >= percent * options.size**2
        near = {
            str(other): ((100 * cells >= other * options.size**2) == wanted).mean()
            for other in range(percent - 3, percent + 4)
        }
        rules.append(
            {
                "size": options.size,
                "points": points,
                "occupied_percent": percent,
                "kept": kept.mean(),
                "agreement": (kept == wanted).mean(),
                "kept_by_fdd_1_only": (wanted & ~kept).mean(),
                "kept_here_only": (kept & ~wanted).mean(),
                "agreement_near": near,
                **distribution(params[kept]),
            }
        )
    return {"candidates": options.candidates, "seed": options.seed, "rules": rules}


def read_result(run: Path) -> dict[str, Any]:
    """result.json of a run of `benchmarks.reader`. FddError if there is none."""
    try:
        result = json.loads((run / RESULT).read_text())
        result["config"], result["curve"][0]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise FddError(f"run folder {shown(run)}: {RESULT} cannot be read: {error}") from None
    return result


COLUMNS = ("size", "points", "occupied_percent", "width", "seed")
"""Options of a run that the table repeats."""


def table(results: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """A row for each point of each curve; one more, `views` 8, for the scores of a finished run."""
    rows = []
    for result in results:
        config = result["config"]
        common = {name: config[name] for name in COLUMNS}
        last = {name: result["curve"][-1][name] for name in ("images", "seconds")}
        final = [(8, last | result["test"])] if "test" in result else []
        for views, point in [*((1, point) for point in result["curve"]), *final]:
            numbers = {name: round(value, 4) for name, value in point.items()}
            rows.append(common | {"views": views} | numbers)
    return rows


def _kind(result: dict[str, Any]) -> tuple[int, int, int]:
    """Size, points and width of a run: a colour of the figure."""
    size, points, width = (result["config"][name] for name in ("size", "points", "width"))
    return size, points, width


def figure(results: Sequence[dict[str, Any]]) -> Any:
    """R2 of a', b', c, d by images seen, a panel each, a line for each run."""
    canvas = require("matplotlib.figure").Figure(figsize=(8.4, 3.1), layout="constrained")
    panels = canvas.subplots(1, 4, sharey=True)
    kinds = sorted({_kind(result) for result in results}, reverse=True)
    colours = dict(zip(kinds, (INK, PALE, BLUE, GREY), strict=False))
    for axes, name in zip(panels, CANONICAL, strict=True):
        labelled = set()
        for result in results:
            kind = _kind(result)
            label = None if kind in labelled else "{0} x {0}, {1:,} points, width {2}".format(*kind)
            labelled.add(kind)
            seen = [point["images"] / 1000 for point in result["curve"]]
            scores = [point[name] for point in result["curve"]]
            axes.plot(seen, scores, color=colours.get(kind, GREY), linewidth=1.4, label=label)
        axes.set_title(name, fontsize=10)
        axes.set_xlim(left=0)
        axes.set_ylim(-0.05, 1)
    panels[0].set_ylabel("test R2")
    canvas.supxlabel("thousands of images seen", fontsize=10)
    handles, labels = panels[0].get_legend_handles_labels()
    canvas.legend(handles, labels, loc="outside upper center", ncols=2, frameon=False, fontsize=8)
    return canvas


def write_acceptance(options: Acceptance) -> None:
    """Measure and write the file."""
    out = as_file("out", options.out)
    check_out(out.parent, "the folder of out")
    found = json.dumps(acceptance(options), indent=1, default=float)
    write_files(out.parent, {out.name: f"{found}\n".encode()})


def write_curves(options: Curves) -> None:
    """Write the table and the figure."""
    png, csv_file = checked_png("png", options.png), as_file("csv", options.csv)
    results = [read_result(as_path("runs", run)) for run in options.runs]
    rows = table(results)
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_files(csv_file.parent, {csv_file.name: text.getvalue().encode()})
    picture = io.BytesIO()
    with styled(STYLE):
        figure(results).savefig(picture, format="png", dpi=160, metadata={"Software": None})
    write_files(png.parent, {png.name: picture.getvalue()})


@command()
def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns its exit status, as `fdd.commands.command` says."""
    kinds = {"acceptance": Acceptance, "curves": Curves}
    about = "How a release of small images is chosen."
    options = parse_one(kinds, arguments_of(argv), "python -m benchmarks.mini", about)
    if isinstance(options, Acceptance):
        write_acceptance(options)
        say(str(options.out))
    else:
        write_curves(options)
        say(str(options.csv), str(options.png))
    return 0


if __name__ == "__main__":
    sys.exit(main())
