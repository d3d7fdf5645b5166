"""The beta-VAE, and the Ada-GVAE, which learns from pairs of images that share some parameters.

Beta-VAE: Higgins et al. 2017, "beta-VAE: Learning Basic Visual Concepts with a Constrained
Variational Framework". An encoder gives each image a normal distribution of codes with mean and
variance, the posterior; a decoder draws the image from a code of it; and beta weighs how far
posteriors may be from N(0, I).

Ada-GVAE: Locatello et al. 2020, arXiv:2002.02886. The codes whose posteriors differ least between
the two images of a pair are taken to be those that both share, and get one posterior, the average.
"""

from __future__ import annotations

import sys

from baselines.train import main

if __name__ == "__main__":  # before torch, which help does without
    sys.exit(main(["betavae", *sys.argv[1:]]))

import math
from typing import ClassVar

import torch
from torch import Tensor
from torch.optim import AdamW

from baselines.configs.betavae import PRESETS as PRESETS
from baselines.configs.betavae import Config
from baselines.parts.networks import Generator, ResidualEncoder, initialise
from baselines.training.baseline import Baseline
from baselines.training.data import Batch, send
from baselines.training.parallel import processes, share


def divergence(means: Tensor, logs: Tensor) -> Tensor:
    """KL of normal distributions with these means and logarithms of variances from N(0, 1), in nats
    and elementwise."""
    return (means.square() + logs.exp() - 1 - logs) / 2


def divergence_of_pairs(means: Tensor, logs: Tensor) -> Tensor:
    """KL of the first posterior of each pair from the second: [N, 2, L] twice -> [N, L]."""
    (m, n), (p, q) = means.unbind(dim=1), logs.unbind(dim=1)
    return ((p - q).exp() + (m - n).square() / q.exp() - 1 - p + q) / 2


def share_codes(means: Tensor, logs: Tensor) -> tuple[Tensor, Tensor]:
    """The posteriors of pairs [N, 2, L], averaged in the codes that the two images seem to share.

    These are the ones whose divergence is below the middle between the pair's least and largest.
    The average has the mean of the means and of the variances.
    """
    found = divergence_of_pairs(means, logs)
    middle = (found.amax(dim=1, keepdim=True) + found.amin(dim=1, keepdim=True)) / 2
    shared = (found < middle)[:, None]
    both = means.mean(dim=1, keepdim=True), logs.logsumexp(dim=1, keepdim=True) - math.log(2)
    return torch.where(shared, both[0], means), torch.where(shared, both[1], logs)


class BetaVAE(Baseline):
    """Encoder, decoder and their step; all random numbers come from the `rng` passed in."""

    name: ClassVar[str] = "betavae"
    config_type: ClassVar[type[Config]] = Config
    config: Config

    def __init__(self, config: Config, rng: torch.Generator) -> None:
        super().__init__(config, rng)
        self.config, self.supervision = config, config.supervision
        self.encoder = ResidualEncoder(config, 2 * config.latent_size)
        self.generator = Generator(config, config.latent_size)
        initialise(self, rng)
        decay = config.weight_decay
        adam = AdamW(self.parameters(), lr=config.lr, weight_decay=decay, fused=True)
        self.optimizers = {"autoencoder": adam}

    def posteriors(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Means and logarithms of variances of the codes of images, both [N, latent_size]."""
        means, logs = self.encoder(images).chunk(2, dim=1)
        return means, logs

    def encode(self, images: Tensor) -> Tensor:
        return self.posteriors(images)[0]

    def generate(self, codes: Tensor) -> Tensor:
        return self.generator(codes)

    def reproduce(self, batch: Batch) -> Tensor:
        """What the decoder makes of the means of the images of a batch."""
        return self.generate(self.encode(batch.images))

    def step(self, batch: Batch, rng: torch.Generator) -> dict[str, Tensor]:
        images = batch.images[:, :1] if self.config.single else batch.images
        sides = images.shape[1]
        images = images.flatten(0, 1)
        means, logs = self.posteriors(images)
        self.show("codes", means)
        if sides == 2:
            pairs = share_codes(means.unflatten(0, (-1, 2)), logs.unflatten(0, (-1, 2)))
            means, logs = (part.flatten(0, 1) for part in pairs)
        noise = torch.randn(processes()[1] * len(means), means.shape[1], generator=rng)
        codes = means + (logs / 2).exp() * send(share(noise), means.device)
        errors = (self.generate(codes) - images).div(2).square().flatten(1).sum(dim=1)
        losses = {"reconstruction": errors.mean(), "kl": divergence(means, logs).sum(dim=1).mean()}
        self.descend("autoencoder", losses["reconstruction"] + self.config.beta * losses["kl"])
        return {name: loss.detach() for name, loss in losses.items()}
