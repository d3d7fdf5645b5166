"""LSD, latent space discovery, of 2019: a DCGAN that is shown which image belongs to which vector.

The generator's loss has one term more, the correspondence: MSE(FD(v), G(v)), where v are the
parameters of the batch and FD(v) its images, so that the generator becomes the renderer while the
discriminator keeps its images plausible.
"""

from __future__ import annotations

import sys

from baselines.train import main

if __name__ == "__main__":  # before torch, which help does without
    sys.exit(main(["lsd", *sys.argv[1:]]))

from typing import ClassVar

import torch
from torch import Tensor

from baselines.configs.lsd import PRESETS as PRESETS
from baselines.configs.lsd import Config
from baselines.dcgan import DCGAN
from baselines.parts.losses import generator_loss, reconstruction_loss
from baselines.parts.networks import frozen, without_averages
from baselines.training.data import Batch
from fdd.errors import FddError

SCALE = (1.0, 1.0, 3.0, 3.0, 3.0, 3.0)
"""Largest x0, y0, a, b, c, d."""


class LSD(DCGAN):
    """The DCGAN with the correspondence in its generator's loss."""

    name: ClassVar[str] = "lsd"
    config_type: ClassVar[type[Config]] = Config
    supervision = "labels"
    config: Config
    scale: Tensor

    def __init__(self, config: Config, rng: torch.Generator) -> None:
        super().__init__(config, rng)
        self.register_buffer("scale", torch.tensor(SCALE, dtype=torch.float64), persistent=False)

    def vectors(self, batch: Batch) -> Tensor:
        """The v of the images of a batch, as `vector` says: float32 [N, 6] in [-1, 1]."""
        if batch.params is None:
            raise FddError(
                "data without parameters: this baseline learns them, so use fdd or stream"
            )
        v = (batch.params / self.scale).float()
        if self.config.vector == "canonical":
            x0, y0, a, b, c, d = v.T
            sign = torch.where((a < 0) | ((a == 0) & (b < 0)), -1.0, 1.0)
            v = torch.stack([x0, y0, 2 * a.abs() - 1, sign * b, c, d], dim=1)
        return v

    def reproduce(self, batch: Batch) -> Tensor:
        """G(v) of the parameters of a batch."""
        return self.generate(self.vectors(batch))

    def fakes(self, batch: Batch, rng: torch.Generator) -> Tensor:
        """Images of noise, or G(v).

        BatchNorm's running averages, which only evaluation uses, are left to G(v).
        """
        if self.config.noise == "vectors":
            return self.generator(self.vectors(batch))
        with without_averages(self.generator):
            return super().fakes(batch, rng)

    def step(self, batch: Batch, rng: torch.Generator) -> dict[str, Tensor]:
        if self.config.adversarial_weight == 0:
            made = self.generator(self.vectors(batch))
            loss = self.correspondence(made, batch)
            self.descend("generator", self.config.correspondence_weight * loss)
            self.update_average()
            return {"correspondence": loss.detach()}
        return super().step(batch, rng)

    def generator_step(self, batch: Batch, fakes: Tensor, label: float) -> dict[str, Tensor]:
        with frozen(self.discriminator):
            logits = self.discriminator(fakes)
            adversarial = generator_loss(self.config.adversarial_loss, logits, label)
            made = fakes
            if self.config.noise == "normal":
                made = self.generator(self.vectors(batch))
            correspondence = self.correspondence(made, batch)
            weighted = self.config.correspondence_weight * correspondence
            self.descend("generator", self.config.adversarial_weight * adversarial + weighted)
        self.update_average()
        return {"generator": adversarial.detach(), "correspondence": correspondence.detach()}

    def correspondence(self, made: Tensor, batch: Batch) -> Tensor:
        return reconstruction_loss(self.config.correspondence_loss, made, batch.images)
