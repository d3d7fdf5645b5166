"""What a run writes while it trains: metrics.csv, TensorBoard events, pictures."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from baselines.data import to_images
from fdd.folders import grid, save_png
from fdd.store import atomic_write

COLUMNS = 8
"""Images in a row of a picture."""
READABLE = 96
"""Pixels on a side below which the images in a picture are enlarged by a whole number."""
GAP = 2
"""White pixels around each image of a picture."""


class Recorder:
    """Writes into a run folder that goes on after step `start`; what it held of later is dropped.

    `held_out` are images [n, 3, S, S] that the model does not train on, `codes` [m, L] is the fixed
    noise whose images are drawn.
    """

    def __init__(self, folder: Path, start: int, held_out: Tensor, codes: Tensor) -> None:
        self.folder, self.held_out, self.codes = folder, held_out, codes
        self.table = folder / "metrics.csv"
        if self.table.exists():
            drop_rows(self.table, start)
        self.events = SummaryWriter(str(folder / "tb"), purge_step=start + 1)

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, *error: object) -> None:
        self.events.close()

    def numbers(self, step: int, epoch: int, losses: dict[str, float], model: Any) -> None:
        """One row of metrics.csv: the losses of this batch, and the error on held-out images."""
        row = {"step": step, "epoch": epoch, **losses}
        reconstructed = reconstruct(model, self.held_out)
        if reconstructed is not None:
            row["held_out_mse"] = (reconstructed - self.held_out).square().mean().item()
        with self.table.open("a", newline="") as file:
            writer = csv.writer(file)
            if file.tell() == 0:
                writer.writerow(row)
            writer.writerow(row.values())
        for name in row.keys() - {"step", "epoch"}:
            self.events.add_scalar(name, row[name], step)

    def pictures(self, step: int, model: Any) -> None:
        """samples/step-N.png of the fixed noise; reconstructions/step-N.png, originals above."""
        sheets = {"samples": to_images(evaluate(model, model.generate, self.codes))}
        columns = min(COLUMNS, len(self.held_out))
        originals = self.held_out[: min(2, len(self.held_out) // columns) * columns]
        reconstructed = reconstruct(model, originals)
        if reconstructed is not None:
            pairs = torch.stack([originals, reconstructed]).unflatten(1, (-1, columns))
            sheets["reconstructions"] = to_images(pairs.transpose(0, 1).flatten(0, 2))
        for name, images in sheets.items():
            zoom = max(1, READABLE // images.shape[1])
            wide = columns if name == "reconstructions" else COLUMNS
            sheet = grid(images.repeat(zoom, axis=1).repeat(zoom, axis=2), wide, gap=GAP)
            (self.folder / name).mkdir(exist_ok=True)
            save_png(sheet, self.folder / name / f"step-{step:06d}.png")
            self.events.add_image(name, sheet, step, dataformats="HWC")


def drop_rows(table: Path, step: int) -> None:
    """Keep the rows of a metrics.csv up to `step`; a row that a kill cut short goes too."""
    with table.open(newline="") as file:
        header, *rows = list(csv.reader(file)) or [[]]
    kept = [row for row in rows if len(row) == len(header) and int(row[0]) <= step]
    with atomic_write(table) as path, path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *kept] if kept else [])


@torch.no_grad()
def evaluate(model: Any, function: Callable[[Tensor], Tensor], inputs: Tensor) -> Tensor:
    """`function(inputs)` with `model` in evaluation mode and without gradients."""
    model.eval()
    try:
        return function(inputs)
    finally:
        model.train()


def reconstruct(model: Any, images: Tensor) -> Tensor | None:
    """G(E(images)), or None for a model without an encoder."""
    if not hasattr(model, "encode"):
        return None
    return evaluate(model, lambda x: model.generate(model.encode(x)), images)
