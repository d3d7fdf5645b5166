"""The DCGAN of 2019 (after Radford et al. 2016, arXiv:1511.06434): a generator and a discriminator.

Every step makes two updates, in this order:

1. discriminator: tell real images from those of z ~ N(0, 1);
2. generator: have the discriminator take those for real.

The other baselines add a term or a network to this one.
"""

from __future__ import annotations

import sys

from baselines.train import main

if __name__ == "__main__":  # before torch, which help does without
    sys.exit(main(["dcgan", *sys.argv[1:]]))

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.optim import Adam
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from baselines.configs.dcgan import PRESETS as PRESETS
from baselines.configs.dcgan import Config
from baselines.parts.losses import (
    FAKE_LABEL,
    REAL_LABEL,
    clip_weights,
    discriminator_loss,
    generator_loss,
    gradient_penalty,
)
from baselines.parts.networks import Discriminator, Generator, frozen, initialise
from baselines.training.baseline import Baseline
from baselines.training.data import Batch, send
from baselines.training.parallel import processes, share


class DCGAN(Baseline):
    """Networks, optimisers, losses and step; all random numbers come from the `rng` passed in."""

    name: ClassVar[str] = "dcgan"
    config_type: ClassVar[type[Config]] = Config
    real_label: tuple[float, float] = REAL_LABEL
    """The label of real images is drawn from this range for every batch."""
    two_sided: bool = False
    """Whether generated images are labelled 1 minus that, and not 0."""

    def __init__(self, config: Config, rng: torch.Generator) -> None:
        super().__init__(config, rng)
        self.config = config
        critic = config.adversarial_loss.startswith("wgan")
        self.generator, self.discriminator = self.networks(batch_norm=not critic)
        initialise(self, rng)
        self.optimizers = {
            "generator": self.adam(config.lr_generator, self.generator),
            "discriminator": self.adam(config.lr_discriminator, self.discriminator),
        }
        if config.ema:
            decay = get_ema_multi_avg_fn(config.ema)
            self.average = AveragedModel(self.generator, multi_avg_fn=decay, use_buffers=True)

    def networks(self, batch_norm: bool) -> tuple[nn.Module, nn.Module]:
        """Generator and discriminator, the latter with BatchNorm or without."""
        config = self.config
        return Generator(config, config.latent_size), Discriminator(config, batch_norm)

    def adam(self, lr: float, *networks: nn.Module) -> Adam:
        parameters = [p for network in networks for p in network.parameters()]
        betas = float(self.config.beta1), 0.999  # config.json may say 0, and Adam wants two floats
        return Adam(parameters, lr=lr, betas=betas, fused=True)

    def generate(self, codes: Tensor) -> Tensor:
        averaged = self.config.ema and not self.training
        return self.average(codes) if averaged else self.generator(codes)

    def noise(self, batch: Batch, rng: torch.Generator) -> Tensor:
        """z ~ N(0, 1) [N, latent_size], this process's share of it."""
        rows = len(batch.images) * processes()[1]
        z = torch.randn(rows, self.config.latent_size, generator=rng)
        return send(share(z), batch.images.device)

    def fakes(self, batch: Batch, rng: torch.Generator) -> Tensor:
        """Images [N, 3, S, S] for the discriminator to judge."""
        return self.generator(self.noise(batch, rng))

    def step(self, batch: Batch, rng: torch.Generator) -> dict[str, Tensor]:
        """The two updates on a batch; the losses they were made on."""
        label = torch.empty(1).uniform_(*self.real_label, generator=rng).item()
        losses = {}
        for _ in range(self.config.discriminator_steps):
            fakes = self.fakes(batch, rng)
            losses["discriminator"] = self.discriminator_step(batch, fakes, label, rng)
        return losses | self.generator_step(batch, fakes, label)

    def discriminator_step(
        self, batch: Batch, fakes: Tensor, label: float, rng: torch.Generator
    ) -> Tensor:
        game = self.config.adversarial_loss
        fakes = fakes.detach()
        real_logits, fake_logits = self.discriminator(batch.images), self.discriminator(fakes)
        self.show("D(x)", real_logits)
        self.show("D(G(z))", fake_logits)
        fake_label = 1 - label if self.two_sided else FAKE_LABEL
        loss = discriminator_loss(game, real_logits, fake_logits, label, fake_label)
        if game == "wgan-gp":
            loss = loss + gradient_penalty(self.discriminator, batch.images, fakes, rng)
        self.descend("discriminator", loss)
        if game == "wgan-clip":
            clip_weights(self.discriminator)
        return loss.detach()

    def generator_step(self, batch: Batch, fakes: Tensor, label: float) -> dict[str, Tensor]:
        with frozen(self.discriminator):
            logits = self.discriminator(fakes)
            loss = generator_loss(self.config.adversarial_loss, logits, label)
            self.descend("generator", loss)
        self.update_average()
        return {"generator": loss.detach()}

    def update_average(self) -> None:
        if self.config.ema:
            self.average.update_parameters(self.generator)
