"""The adversarial auto-encoder of 2019: a DCGAN whose generator is also a decoder.

Every step makes three updates, in this order:

1. autoencoder: on MSE(x, G(E(x))) + MSE(E(x), 0) + sqrt(MSE(E(x)^2, 1)), of encoder and generator
   ("EG"), or of the encoder alone ("E"), which then looks for the codes of images in a latent space
   that the GAN alone shapes;
2. discriminator: tell real images from those of z ~ N(0, 1);
3. generator: have the discriminator take those for real.
"""

from __future__ import annotations

import math
import sys
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Adam

from baselines.cli import main
from baselines.config import Count, Fraction, NotNegative, OddCount, Positive, RunConfig
from baselines.networks import (
    Discriminator,
    Encoder,
    Generator,
    Shape,
    frozen,
    initialise,
    without_averages,
)
from baselines.train import Baseline

REAL_LABEL = (0.9, 1.0)
"""The label of real images is drawn from this range for every batch."""
FAKE_LABEL = 0.0


@dataclass(frozen=True)
class Config(RunConfig):
    """Train the adversarial auto-encoder (AAE) of the 2019 experiments on Fractal Dream images.

    The defaults are the settings of 2019. They want a GPU: on a laptop use --preset small.
    """

    autoencoder_loss: Literal["EG", "E"] = "EG"
    """What the autoencoder step trains: encoder and generator (EG) or the encoder alone (E)."""
    width: Count = 64
    """Filters at the widest resolution; the narrowest has 8 times as many."""
    kernel_size: OddCount = 9
    """Side of the convolutions' square kernels, an odd number."""
    batch_norm_eps: Positive = 0.5
    """BatchNorm's epsilon, tuned for these images: so large a one normalises little."""
    leaky_slope: NotNegative = 1e-6
    """Slope of LeakyReLU below zero."""
    lr_encoder: Positive = 1e-3
    """Learning rate of the autoencoder step."""
    lr_generator: Positive = 1e-3
    """Learning rate of the generator's adversarial step; a scan in 2019 preferred 1e-5."""
    lr_discriminator: Positive = 1e-4
    """Learning rate of the discriminator."""
    beta1: Fraction = 0.5
    """Adam's first moment decay; the second is 0.999."""


_SMALL = Config(
    steps=800,
    batch_size=32,
    image_size=32,
    width=8,
    kernel_size=5,
    leaky_slope=0.1,
    lr_generator=1e-5,
    log_every=20,
    sample_every=200,
    checkpoint_every=200,
)
PRESETS = {"paper": Config(), "small": _SMALL, "mini": replace(_SMALL, version="mini-1")}
"""Named settings: "paper" those of 2019; "small" and "mini" take a minute on two CPU cores."""


def moments_loss(codes: Tensor) -> Tensor:
    """MSE(codes, 0) + sqrt(MSE(codes^2, 1)) of codes [N, L]; a scalar, at least 1.

    Least where all numbers in the codes have one absolute value, of at most 1. By `vector_norm`,
    whose gradient is finite where that of a square root is not.
    """
    spread = torch.linalg.vector_norm(codes.square() - 1) / math.sqrt(codes.numel())
    return codes.square().mean() + spread


def label_loss(logits: Tensor, label: Tensor | float) -> Tensor:
    """Mean binary cross-entropy of logits [N, 1] with one label in [0, 1]; a scalar."""
    labels = torch.as_tensor(label, dtype=logits.dtype, device=logits.device).expand_as(logits)
    return functional.binary_cross_entropy_with_logits(logits, labels)


class AAE(Baseline):
    """Networks, optimisers, losses and step; all random numbers come from the `rng` passed in.

    Three optimisers, since the generator follows two aims at two rates, each with its moments.
    """

    name: ClassVar[str] = "aae"
    config_type: ClassVar[type[Config]] = Config

    def __init__(self, config: Config, rng: torch.Generator) -> None:
        super().__init__(config, rng)
        shape = Shape(
            image_size=config.image_size,
            width=config.width,
            kernel_size=config.kernel_size,
            batch_norm_eps=config.batch_norm_eps,
            leaky_slope=config.leaky_slope,
        )
        self.latent_size = config.latent_size
        self.encoder = Encoder(shape, config.latent_size)
        self.generator = Generator(shape, config.latent_size)
        self.discriminator = Discriminator(shape)
        initialise(self, rng)

        def adam(lr: float, *networks: nn.Module) -> Adam:
            parameters = [p for network in networks for p in network.parameters()]
            return Adam(parameters, lr=lr, betas=(config.beta1, 0.999))

        self.decoder_learns = config.autoencoder_loss == "EG"
        coders = (self.encoder, self.generator) if self.decoder_learns else (self.encoder,)
        self.optimizers = {
            "autoencoder": adam(config.lr_encoder, *coders),
            "generator": adam(config.lr_generator, self.generator),
            "discriminator": adam(config.lr_discriminator, self.discriminator),
        }

    def encode(self, images: Tensor) -> Tensor:
        return self.encoder(images)

    def generate(self, codes: Tensor) -> Tensor:
        return self.generator(codes)

    def step(self, images: Tensor, rng: torch.Generator) -> dict[str, Tensor]:
        """The three updates on a batch [N, 3, S, S]; the losses they were made on.

        BatchNorm's running averages, which only evaluation uses, are left to the autoencoder: mixed
        with those of noise, which is spread wider than codes, they would suit neither.
        """
        losses = self.autoencoder_step(images)

        noise = torch.randn(len(images), self.latent_size, generator=rng).to(images.device)
        real_label = torch.empty(1).uniform_(*REAL_LABEL, generator=rng).to(images.device)
        with without_averages(self.generator):
            fakes = self.generator(noise)

        real_logits, fake_logits = self.discriminator(images), self.discriminator(fakes.detach())
        loss = label_loss(real_logits, real_label) + label_loss(fake_logits, FAKE_LABEL)
        losses["discriminator"] = self.descend("discriminator", loss)

        with frozen(self.discriminator):
            loss = label_loss(self.discriminator(fakes), real_label)
            losses["generator"] = self.descend("generator", loss)
        return losses

    def autoencoder_step(self, images: Tensor) -> dict[str, Tensor]:
        """The first update and its two losses; with "E" no weight of the generator changes."""
        with nullcontext() if self.decoder_learns else frozen(self.generator):
            codes = self.encode(images)
            reconstruction = functional.mse_loss(self.generate(codes), images)
            moments = moments_loss(codes)
            self.descend("autoencoder", reconstruction + moments)
        return {"reconstruction": reconstruction.detach(), "moments": moments.detach()}

    def descend(self, name: str, loss: Tensor) -> Tensor:
        """One step of an optimiser down the gradient of `loss`, which is returned as a number."""
        self.optimizers[name].zero_grad()
        loss.backward()
        self.optimizers[name].step()
        return loss.detach()


if __name__ == "__main__":
    sys.exit(main(AAE, PRESETS))
