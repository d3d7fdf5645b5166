"""What a run writes while it trains: metrics.csv, TensorBoard events, pictures."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from baselines.training.baseline import Baseline
from baselines.training.data import Batch, Images, to_images, to_tensor
from baselines.training.stopping import judge, judge_translations
from fdd.errors import FddError
from fdd.files import atomic_write, not_linked
from fdd.pictures import grid, save_png

COLUMNS = 8
"""Images in a row of a picture."""
READABLE = 96
"""Pixels on a side below which the images in a picture are enlarged by a whole number."""
GAP = 2
"""White pixels around each image of a picture."""


class Recorder:
    """Writes into the folder of a run that resumes after step `start`; later steps are dropped.

    `held_out` are images [n, 3, S, S] that the model does not train on, and their parameters;
    `codes` [m, L] is the fixed noise whose images are drawn. Of a model without a generator
    (`generates` is false) its loss on held-out pairs is judged, and neighbours are drawn; of one
    that translates, its translations. Where `writes` is false, as in all processes but one, nothing
    is written.
    """

    def __init__(
        self,
        folder: Path,
        start: int,
        held_out: Batch,
        codes: Tensor,
        colors: str = "rgb",
        writes: bool = True,
        generates: bool = True,
    ) -> None:
        self.folder, self.codes = folder, codes
        self.colors, self.writes = colors, writes
        self.held_out = held_out.first() if generates else held_out
        self.real = self.rgb(held_out.first().images)
        self.table = folder / "metrics.csv"
        if writes:
            if self.table.exists():
                drop_rows(self.table, start)
            self.events = SummaryWriter(str(folder / "tb"), purge_step=start + 1)

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, *error: object) -> None:
        if self.writes:
            self.events.close()

    def numbers(self, step: int, epoch: int, losses: dict[str, float], model: Baseline) -> None:
        """One row of metrics.csv: the losses of this batch, what the model showed, held-out images.

        Of what it showed: mean, standard deviation and, unless the mean is near 0, their ratio
        (the coefficient of variation); of gradients the norm.
        """
        shown = model.shown or {}
        model.shown = None
        if not self.writes:
            return
        row = {"step": step, "epoch": epoch, **losses}
        for name, tensors in shown.items():
            if name.startswith("gradient of "):
                row[f"{name} norm"] = torch.nn.utils.get_total_norm(tensors).item()
                continue
            values = tensors[0].float()
            mean, deviation = values.mean().item(), values.std(correction=0).item()
            ratio = deviation / abs(mean) if abs(mean) > 1e-6 else math.nan
            row |= {f"{name} mean": mean, f"{name} std": deviation, f"{name} cv": ratio}
            self.events.add_histogram(name, values.cpu().numpy(), step)
        row |= self.judge(model)
        with self.table.open("a", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            if file.tell() == 0:
                writer.writerow(row)
            writer.writerow(row.values())
        for name in row.keys() - {"step", "epoch"}:
            self.events.add_scalar(name.replace(" ", "/"), row[name], step)

    def rgb(self, pixels: Tensor) -> Tensor:
        """Pixels as a model has them -> RGB in [-1, 1], in 256 levels as in a picture."""
        return to_tensor(to_images(pixels, self.colors), pixels.device)

    def judge(self, model: Baseline) -> dict[str, float]:
        """`stopping.judge` of the model as it is now, on held-out images and fixed noise; for a
        model without a generator its loss on held-out pairs, and as score minus that; for one that
        translates `stopping.judge_translations`."""
        if model.translates:
            x, made_y, back_x, y, made_x, back_y = self.translations(model)
            return judge_translations((x, y), (made_x, made_y), (back_x, back_y))
        if not model.generates:
            loss = evaluate(model, model.loss, self.held_out).item()
            return {"held_out_loss": loss, "score": -loss}
        made = reproduce(model, self.held_out)
        return judge(
            self.rgb(evaluate(model, model.generate, self.codes)),
            None if made is None else self.rgb(made),
            self.real,
        )

    def pictures(self, step: int, model: Baseline) -> None:
        """samples/step-N.png of the fixed noise; reconstructions/step-N.png, held-out images above
        what the model makes of each. Without a generator neighbours/step-N.png, held-out images
        above those with the nearest codes; or translations/step-N.png, images of each domain above
        their translations, and these translated back. And the model's own `drawings`, by their
        names."""
        if not self.writes:
            return
        for name, drawn in model.drawings().items():
            self.sheet(name, to_images(drawn), step, COLUMNS)
        if model.translates:
            rows = torch.cat([images[:COLUMNS] for images in self.translations(model)])
            self.sheet("translations", to_images(rows), step, min(COLUMNS, len(self.real)))
            return
        if not model.generates:
            encode: Any = model.encode
            codes = evaluate(model, encode, self.held_out.first().images)
            self.sheet("neighbours", to_images(neighbours(codes, self.real)), step, COLUMNS)
            return
        samples = evaluate(model, model.generate, self.codes)
        sheets = {"samples": to_images(samples, self.colors)}
        columns = min(COLUMNS, len(self.held_out.images))
        shown = min(2, len(self.held_out.images) // columns) * columns
        made = reproduce(model, self.held_out)
        if made is not None:
            pairs = torch.stack([self.held_out.images[:shown], made[:shown]])
            pairs = pairs.unflatten(1, (-1, columns)).transpose(0, 1).flatten(0, 2)
            sheets["reconstructions"] = to_images(pairs, self.colors)
        for name, images in sheets.items():
            self.sheet(name, images, step, columns if name == "reconstructions" else COLUMNS)

    def translations(self, model: Baseline) -> list[Tensor]:
        """Held-out images of the first domain, translated, and back; and of the second, each
        [n, 3, S, S] of pixels in 256 levels."""
        translate: Any = model.translate
        found = []
        for images, back in zip(self.held_out.images.unbind(dim=1), (False, True), strict=True):
            made = self.rgb(evaluate(model, partial(translate, back=back), images))
            returned = self.rgb(evaluate(model, partial(translate, back=not back), made))
            found += [self.rgb(images), made, returned]
        return found

    def sheet(self, name: str, images: Images, step: int, columns: int) -> None:
        """NAME/step-N.png and a TensorBoard image of images uint8 [n, S, S, 3]."""
        zoom = max(1, READABLE // images.shape[1])
        sheet = grid(images.repeat(zoom, axis=1).repeat(zoom, axis=2), columns, gap=GAP)
        not_linked(self.folder / name).mkdir(exist_ok=True)
        save_png(sheet, self.folder / name / f"step-{step:06d}.png")
        self.events.add_image(name, sheet, step, dataformats="HWC")


def neighbours(codes: Tensor, images: Tensor) -> Tensor:
    """The first images of [N, 3, S, S], a row of COLUMNS above those with the nearest codes
    [N, L], two rows of each."""
    distances = torch.cdist(codes, codes, p=1).fill_diagonal_(math.inf)
    nearest = images[distances.argmin(dim=1)]
    columns = min(COLUMNS, len(images))
    shown = min(2, len(images) // columns) * columns
    pairs = torch.stack([images[:shown], nearest[:shown]])
    return pairs.unflatten(1, (-1, columns)).transpose(0, 1).flatten(0, 2)


def drop_rows(table: Path, step: int) -> None:
    """Keep the rows of a metrics.csv up to `step`; a row that a kill cut short is dropped too.

    FddError for a file that is not such a table.
    """
    try:
        with table.open(newline="", encoding="utf-8") as file:
            header, *rows = list(csv.reader(file)) or [[]]
        if header and header[0] != "step":
            raise ValueError("its first column is not step")
        kept = [row for row in rows if len(row) == len(header) and int(row[0]) <= step]
    except (csv.Error, OSError, ValueError) as error:
        raise FddError(
            f"file '{table}' is not a table of this run: {error}; remove it to resume without it"
        ) from None
    with atomic_write(table) as path, path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *kept] if kept else [])


@torch.no_grad()
def evaluate(model: Baseline, function: Callable[[Any], Tensor], inputs: Any) -> Tensor:
    """`function(inputs)` with `model` in evaluation mode and without gradients."""
    model.eval()
    try:
        return function(inputs)
    finally:
        model.train()


def reproduce(model: Baseline, batch: Batch) -> Tensor | None:
    """What the model makes of the images of a batch, or None if it has no `reproduce`."""
    make = getattr(model, "reproduce", None)
    return None if make is None else evaluate(model, make, batch)
