"""The supervised row: the encoder of the other baselines, told the parameters of each image.

It reads what an image shows of them, |a|, |b|, c, d and the sign of a b, and what it reads is its
code: a' = |a|, b' = sign(a) b, c and d (docs/protocol.md says why a and b are known up to a common
sign). Baselines that learn without labels can be seen beside it: same network, same images.
"""

from __future__ import annotations

import sys

from baselines.train import main

if __name__ == "__main__":  # before torch, which help does without
    sys.exit(main(["regression", *sys.argv[1:]]))

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional
from torch.optim import AdamW

from baselines.configs.regression import CODES, Config
from baselines.configs.regression import PRESETS as PRESETS
from baselines.parts.networks import ResidualEncoder, initialise
from baselines.training.baseline import Baseline
from baselines.training.data import Batch
from fdd.errors import FddError

CENTRE = (1.5, 1.5, 0.0, 0.0)
SPREAD = (0.75**0.5, 0.75**0.5, 3**0.5, 3**0.5)
"""Mean and standard deviation of |a|, |b|, c, d where a, b, c, d are uniform in [-3, 3]."""


def labels(params: Tensor) -> Tensor:
    """What is learned of raw parameters [N, 6]: |a|, |b|, c, d in units of CENTRE and SPREAD, and 1
    where a b > 0, else 0; float32 [N, 5]."""
    a, b, c, d = params[:, 2:].T
    found = torch.stack([a.abs(), b.abs(), c, d], dim=1)
    units = (found - found.new_tensor(CENTRE)) / found.new_tensor(SPREAD)
    return torch.column_stack([units, a * b > 0]).float()


def canonical(read: Tensor) -> Tensor:
    """What the network says [N, 5], in the units of `labels` and with the logit of a b > 0, as a',
    b', c, d [N, 4]. b' is |b| times its mean sign."""
    found = read[:, :4] * read.new_tensor(SPREAD) + read.new_tensor(CENTRE)
    a, b, c, d = found.T
    return torch.stack([a, b * torch.tanh(read[:, 4] / 2), c, d], dim=1)


class Regression(Baseline):
    """An encoder and its step."""

    name: ClassVar[str] = "regression"
    config_type: ClassVar[type[Config]] = Config
    generates: ClassVar[bool] = False
    supervision = "labels"
    config: Config

    def __init__(self, config: Config, rng: torch.Generator) -> None:
        super().__init__(config, rng)
        self.config = config
        self.encoder = ResidualEncoder(config, CODES + 1)
        initialise(self.encoder, rng)
        parameters = self.encoder.parameters()
        decay = config.weight_decay
        adam = AdamW(parameters, lr=config.lr, weight_decay=decay, fused=True)
        self.optimizers = {"encoder": adam}

    def encode(self, images: Tensor) -> Tensor:
        return canonical(self.encoder(images))

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """The mean squared error of |a|, |b|, c, d and the cross-entropy of the sign of a b."""
        if batch.params is None:
            raise FddError(
                "data without parameters: this baseline learns them, so use fdd, kaggle or stream"
            )
        read, told = self.encoder(batch.images), labels(batch.params)
        return {
            "regression": functional.mse_loss(read[:, :4], told[:, :4]),
            "sign": functional.binary_cross_entropy_with_logits(read[:, 4], told[:, 4]),
        }

    def loss(self, batch: Batch) -> Tensor:
        losses = self.losses(batch)
        return losses["regression"] + losses["sign"]

    def step(self, batch: Batch, rng: torch.Generator) -> dict[str, Tensor]:
        losses = self.losses(batch)
        self.descend("encoder", losses["regression"] + losses["sign"])
        return {name: loss.detach() for name, loss in losses.items()}
