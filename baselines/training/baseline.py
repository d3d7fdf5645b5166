"""What the training loop needs of a model."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from baselines.training.config import RunConfig
from baselines.training.data import Batch


class Baseline(nn.Module):
    """What the loop needs of a model.

    With a method `reproduce(batch) -> images`, what it makes of held-out images is compared with
    them; with `encode(images) -> codes`, codes can be asked for.
    """

    name: ClassVar[str]
    config_type: ClassVar[type[RunConfig]]
    optimizers: dict[str, Optimizer]
    watched: dict[str, list[Tensor]] | None = None
    """Where the loop wants to see tensors of a step: what `watch` was given, by name."""

    def __init__(self, config: RunConfig, rng: torch.Generator) -> None:
        super().__init__()

    def begin(self) -> None:
        """Called once before the first step of a new run."""

    def step(self, batch: Batch, rng: torch.Generator) -> dict[str, Tensor]:
        """One update on a batch, noise from `rng`; the losses by name."""
        raise NotImplementedError

    def generate(self, codes: Tensor) -> Tensor:
        """Codes [N, latent_size] -> images [N, 3, S, S] in [-1, 1]."""
        raise NotImplementedError

    def watch(self, name: str, tensors: Tensor | list[Tensor]) -> None:
        """Show tensors of a step to the loop, if it looks."""
        if self.watched is not None:
            tensors = [tensors] if isinstance(tensors, Tensor) else tensors
            self.watched[name] = [tensor.detach().clone() for tensor in tensors]
