"""Blocks of a stream on a GPU: drawn on a CUDA stream of their own while the model trains."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fdd.releases.cards import Release
from fdd.releases.sampling import Propose, first_accepted
from fdd.rendering.drawing import Drawing

Render = Callable[[Drawing, np.ndarray, Any], tuple[Any, np.ndarray]]
"""Drawing, rows and device -> images on the device, and which rows are degenerate: bool [n]."""


class SideStream:
    """Draws blocks of a release on a stream of the current device, and hands their batches over.

    `render` draws rows of parameters on a device, as `fdd.rendering.cuda.render_cuda` does.
    """

    def __init__(self, card: Release, drawing: Drawing, render: Render) -> None:
        import torch

        self._torch = torch
        self._card, self._drawing, self._draw_rows = card, drawing, render
        self._stream = self._torch.cuda.Stream()

    def draw(self, make: Callable[[SideStream], list[Any]]) -> list[tuple[Any, Any]]:
        """The batches that make(self) gives on that stream, each with the event of its end."""
        with self._torch.cuda.stream(self._stream):
            batches = make(self)
            done = self._torch.cuda.Event()
            done.record()
        return [(batch, done) for batch in batches]

    def blank(self, *shape: int) -> Any:
        """Memory for that many images, [*shape, H, W, ...]."""
        kind = self._torch.int32 if self._drawing.output == "counts" else self._torch.uint8
        device = self._stream.device
        return self._torch.empty((*shape, *self._drawing.shape), dtype=kind, device=device)

    def fill(self, memory: Any, propose: Propose) -> np.ndarray:
        """Draws the first accepted candidate of each image into memory [n, ...]: its parameters."""

        def keep(places: np.ndarray, images: Any, chosen: np.ndarray) -> None:
            memory[self.place(places)] = images[self.place(chosen)]

        return first_accepted(len(memory), propose, self._render, keep, -(-len(memory) // 2))

    def images(self, memory: Any) -> Any:
        """The images in a filled memory: counts stay int32, with which torch computes."""
        return memory

    def hand(self, batch_and_event: tuple[Any, Any]) -> Any:
        """The batch; the caller's stream waits for it and keeps its memory while in use."""
        batch, done = batch_and_event
        current = self._torch.cuda.current_stream(self._stream.device)
        current.wait_event(done)
        for part in batch if isinstance(batch, tuple) else (batch,):
            if isinstance(part, self._torch.Tensor):
                part.record_stream(current)
        return batch

    def place(self, array: np.ndarray) -> Any:
        """An array as a tensor where the images lie."""
        return self._torch.from_numpy(array).to(self._stream.device)

    def _render(self, rows: np.ndarray) -> tuple[Any, np.ndarray]:
        """The images of these parameters, and which of them occupy enough pixels: bool [n]."""
        images, degenerate = self._draw_rows(self._drawing, rows, self._stream.device)
        if self._drawing.output == "counts":  # torch computes little with uint32; these counts fit
            images = images.view(self._torch.int32)
        pixels = images.reshape(len(rows), self._card.size**2, -1)
        occupied = (pixels != self._drawing.empty).any(dim=2).sum(dim=1).cpu().numpy()
        enough = occupied >= self._card.occupied_cells
        return images, enough & ~degenerate
