"""What the training loop needs of a model."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from baselines.training.config import RunConfig
from baselines.training.data import Batch
from baselines.training.parallel import average_gradients, gather


class Baseline(nn.Module):
    """What the loop needs of a model.

    With a method `reproduce(batch) -> images`, what it makes of held-out images is compared with
    them; with `encode(images) -> codes`, codes can be asked for.
    """

    name: ClassVar[str]
    generates: ClassVar[bool] = True
    """Whether it has a generator. Without one it has `encode` and `loss`."""
    translates: ClassVar[bool] = False
    """Whether it makes images of one domain of those of another, with a method `translate(images,
    back) -> images`. It then has neither generator nor codes."""
    noisy: bool = False
    """Whether `generate` takes a `noise` too, and draws with it what codes leave open."""
    config_type: ClassVar[type[RunConfig]]
    supervision: str = "none"
    """What it learns from, one of the benchmark's tracks: "none" (images alone), "pairs" (of images
    whose relation is known), "symmetry" (pairs, and what a symmetry does to codes), "one" (pairs
    that differ in one parameter that is named) or "labels" (the parameters)."""
    optimizers: dict[str, Optimizer]
    shown: dict[str, list[Tensor]] | None = None
    """What `show` was given in this step, by name; None in steps that are not recorded."""

    def __init__(self, config: RunConfig, rng: torch.Generator) -> None:
        super().__init__()

    def begin(self) -> None:
        """Called once before the first step of a new run."""

    def step(self, batch: Batch, rng: torch.Generator) -> dict[str, Tensor]:
        """One update on a batch, noise from `rng`; the losses by name."""
        raise NotImplementedError

    def loss(self, batch: Batch) -> Tensor:
        """What a model without a generator is trained on and judged by, of a batch; a scalar."""
        raise NotImplementedError

    def generate(self, codes: Tensor) -> Tensor:
        """Codes [N, latent_size] -> images [N, 3, S, S] in [-1, 1]."""
        raise NotImplementedError

    def drawings(self) -> dict[str, Tensor]:
        """What else is to be drawn of it, by name: images [n, 3, h, w] in [-1, 1]."""
        return {}

    def show(self, name: str, tensors: Tensor | list[Tensor]) -> None:
        """Keep tensors of this step for the recorder, if the step is recorded."""
        if self.shown is not None:
            tensors = [tensors] if isinstance(tensors, Tensor) else tensors
            self.shown[name] = [tensor.detach().clone() for tensor in tensors]

    def gathered(self, rows: Tensor) -> Tensor:
        """The rows of all processes while they train, each on its share of a batch; in evaluation
        mode the rows alone, since the process that judges may be the only one."""
        return gather(rows) if self.training else rows

    def descend(self, names: str | tuple[str, ...], loss: Tensor) -> None:
        """One step of an optimiser, or of several for different parameters, down the gradient of
        `loss`, averaged over the processes."""
        names = (names,) if isinstance(names, str) else names
        optimizers = [self.optimizers[name] for name in names]
        groups = [group for optimizer in optimizers for group in optimizer.param_groups]
        parameters = [p for group in groups for p in group["params"]]
        for optimizer in optimizers:
            optimizer.zero_grad()
        loss.backward()
        average_gradients(parameters)
        self.show(
            f"gradient of {' and '.join(names)}", [p.grad for p in parameters if p.grad is not None]
        )
        for optimizer in optimizers:
            optimizer.step()
