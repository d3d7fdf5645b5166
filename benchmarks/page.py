"""Scores as tables of text, and as a folder with an HTML page that stands alone."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure
from fdd.errors import FddError
from fdd.store import atomic_write

Cell = Mapping[str, Any]


@dataclass(frozen=True)
class Table:
    """Scores with their chance levels, and the names of the figures that show them.

    lines: (name, one cell for each group of columns).
    """

    title: str
    note: str
    figures: tuple[str, ...]
    groups: tuple[str, ...]
    lines: list[tuple[str, list[Cell]]]


def tables(scores: Mapping[str, Any]) -> list[Table]:
    """The tables of one run's scores (`correspondence.evaluate`)."""
    kinds = ("linear_r2", "nonlinear_r2")
    forms = ("raw", "canonical")
    lines = []
    for raw, folded in zip(
        scores["parameters"]["raw"], scores["parameters"]["canonical"], strict=True
    ):
        of = {"raw": raw, "canonical": folded}
        name = raw if raw == folded else f"{raw}, {folded}"
        lines.append((name, [scores["parameters"][f][of[f]][k] for f in forms for k in kinds]))
    mean = [scores["mean_abcd"][f][k] for f in forms for k in kinds]
    matched = [
        (f"{kind.title()}, {label}", [scores["mcc"][f][kind][part] for f in forms])
        for part, label in (("all", "all six"), ("abcd", "a, b, c, d"))
        for kind in ("pearson", "spearman")
    ]
    drawn = {name: cells for name, cells in scores["generator"].items() if "skipped" not in cells}
    skipped = [cells["skipped"] for cells in scores["generator"].values() if "skipped" in cells]
    fits, tests = scores["settings"]["train_images"], scores["settings"]["test_images"]
    return [
        Table(
            "Parameters read from codes (R2)",
            f"Fitted on {fits} train images, scored on {tests} test images, by least "
            "squares and by kernel ridge (the nonlinear R2). Canonical: a' = |a|, b' = sign(a) b. "
            "No image tells x0, y0 and the sign of a and b: they are near 0 for every model.",
            ("scores.png", "predictions.png"),
            ("raw, linear", "raw, kernel", "canonical, linear", "canonical, kernel"),
            [*lines, ("mean of a to d", mean)],
        ),
        Table(
            "Single codes for single parameters (MCC)",
            "Codes are assigned to parameters on train images; the mean |correlation| of these "
            "pairs on test images.",
            ("codes.png",),
            forms,
            matched,
        ),
        Table(
            "Generator against renderer",
            f"G's images against the {tests} test images FD(v). Direct: v is the code. Aligned: "
            "the code is Mv + b, fitted by least squares on train images, from raw or canonical v. "
            "Reconstruction: the code is E(FD(v)). "
            + " ".join(f"No direct: {s}." for s in skipped),
            ("pairs.png",),
            ("SSIM", "found first", "found in 10", "mean 1/rank"),
            [
                (
                    name.replace("_", ", "),
                    [cells[k] for k in ("ssim", "top1", "top10", "mean_reciprocal_rank")],
                )
                for name, cells in drawn.items()
            ],
        ),
    ]


def as_text(scores: Mapping[str, Any]) -> str:
    """The tables for a terminal, at most 100 columns wide."""
    blocks = []
    for table in tables(scores):
        width = max(len(name) for name, _ in table.lines)
        head = " " * width + "".join(f"{group:>20}" for group in table.groups)
        below = " " * width + "  score chance     p" * len(table.groups)
        lines = [f"{name:{width}}" + "".join(map(_cell_text, cells)) for name, cells in table.lines]
        blocks.append("\n".join([table.title, head, below, *lines, ""]))
    return "\n".join(blocks)


def _cell_text(cell: Cell) -> str:
    return f" {_short(cell['score']):>6} {_short(cell['chance']):>6} {cell['p']:5.3f}"


def _short(value: float) -> str:
    return f"{round(value, 3) + 0:.3f}"  # + 0 makes -0.0 a plain 0.0


def check_out(out: Path) -> None:
    """FddError unless the folder `out` is there or can be made, and be written; writes nothing."""
    parent = out.absolute()
    while not parent.exists() and parent != parent.parent:
        parent = parent.parent
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        raise FddError(f"out is {str(out)!r}, which cannot be written: see {parent}")


def write_report(out: Path, scores: Mapping[str, Any], figures: Sequence[Figure]) -> None:
    """Write figures, index.html and, last, scores.json into the folder `out`, each atomically.

    Raises FddError where the folder cannot be written.
    """
    files = {figure.name: figure.png for figure in figures}
    files["index.html"] = as_html(scores, figures).encode()
    files["scores.json"] = (
        json.dumps(scores, indent=2, allow_nan=False, default=str) + "\n"
    ).encode()
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            with atomic_write(out / name) as path:
                Path(path).write_bytes(content)
    except OSError as error:
        raise FddError(f"out is {str(out)!r}, which cannot be written: {error}") from error


def as_html(scores: Mapping[str, Any], figures: Sequence[Figure]) -> str:
    """One page with tables and figures that needs no other file and no network."""
    run = scores.get("run", "a model")
    facts = {
        "protocol": scores["protocol"],
        "data": scores.get("data_version", "given arrays"),
        "image size": scores["image_size"],
        "codes": scores["latent_size"],
        "deviations": "; ".join(scores["deviations"]),
        "package": scores.get("fdd_version", ""),
    }
    facts_html = "".join(
        f"<li>{k} <b>{escape(str(v))}</b></li>" for k, v in facts.items() if v != ""
    )
    pictures = {figure.name: _figure_html(figure) for figure in figures}
    body = "".join(_table_html(table, pictures) for table in tables(scores))
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Correspondence of {escape(str(run))}</title><style>{CSS}</style></head>"
        "<body><main>"
        f"<h1>Do the codes correspond to the parameters?</h1><p class=run>{escape(str(run))}</p>"
        f"<ul>{facts_html}</ul>{body}</main></body></html>\n"
    )


def _figure_html(figure: Figure) -> str:
    data, caption = base64.b64encode(figure.png).decode(), escape(figure.caption)
    return (
        f'<figure><img alt="{caption}" src="data:image/png;base64,{data}">'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def _table_html(table: Table, pictures: Mapping[str, str]) -> str:
    head = "".join(f"<th>{escape(group)}</th>" for group in table.groups)
    lines = "".join(
        f"<tr><th>{escape(name)}</th>{''.join(map(_cell_html, cells))}</tr>"
        for name, cells in table.lines
    )
    return (
        f"<section><h2>{escape(table.title)}</h2>"
        f"{''.join(pictures.get(name, '') for name in table.figures)}"
        f"<p>{escape(table.note)}</p><div class=wide><table>"
        f"<thead><tr><th></th>{head}</tr></thead><tbody>{lines}</tbody></table></div></section>"
    )


def _cell_html(cell: Cell) -> str:
    weak = " class=weak" if cell["p"] > 0.05 else ""
    return (
        f"<td{weak}><b>{_short(cell['score'])}</b>"
        f"<small>chance {_short(cell['chance'])}, p {cell['p']:.3f}</small></td>"
    )


CSS = """
body{margin:0;background:#fff;color:#1c2b3a;font:16px/1.5 system-ui,sans-serif}
main{max-width:60rem;margin:0 auto;padding:1.5rem 1rem 4rem}
h1{font-size:1.6rem;line-height:1.2;margin:.5rem 0}h2{font-size:1.15rem;margin:2.5rem 0 .3rem}
.run{font-family:ui-monospace,monospace;overflow-wrap:anywhere;margin:0}
ul{list-style:none;display:flex;flex-wrap:wrap;gap:.2rem 1.4rem;padding:0;color:#5b6670}
figure{margin:2rem 0}img{max-width:100%;height:auto;display:block;margin:auto}
figcaption,section p{color:#5b6670;font-size:.92rem;max-width:46rem}
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%}
th,td{text-align:right;padding:.35rem .6rem;border-bottom:1px solid #e3e7eb;white-space:nowrap}
th{font-weight:500}tbody th{text-align:left}td b{font-variant-numeric:tabular-nums}
small{display:block;color:#8a949e;font-size:.72rem}.weak b{font-weight:400;color:#8a949e}
""".strip()
