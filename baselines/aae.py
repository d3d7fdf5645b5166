"""The adversarial auto-encoder of 2019: a DCGAN whose generator is also a decoder.

Every step makes one update more than the DCGAN's, before them:

    autoencoder: on MSE(x, G(E(x))) + MSE(E(x), 0) + sqrt(MSE(E(x)^2, 1)), of encoder and generator
    ("EG"), or of the encoder alone ("E"), which then looks for the codes of images in a latent
    space that the GAN alone shapes: in 2019 the "detach" experiment.

With `generator_from` the generator is that of a trained run and stays as it is: only the encoder
learns.
"""

from __future__ import annotations

import sys

from baselines.train import main

if __name__ == "__main__":  # before torch, which help does without
    sys.exit(main(["aae", *sys.argv[1:]]))

from contextlib import nullcontext
from typing import ClassVar

import torch
from torch import Tensor, nn

from baselines.configs.aae import PRESETS as PRESETS
from baselines.configs.aae import Config
from baselines.dcgan import DCGAN
from baselines.parts.losses import moments_loss, reconstruction_loss
from baselines.parts.networks import Encoder, frozen, initialise, without_averages
from baselines.training.data import Batch
from baselines.training.runs import load_network
from fdd.files import as_path


class AAE(DCGAN):
    """The DCGAN, an encoder, and their step.

    Three optimisers, since the generator follows two aims at two rates, each with its moments.
    """

    name: ClassVar[str] = "aae"
    config_type: ClassVar[type[Config]] = Config
    config: Config

    def __init__(self, config: Config, rng: torch.Generator) -> None:
        super().__init__(config, rng)
        self.encoder = self.coder()
        initialise(self.encoder, rng)
        self.decoder_learns = config.autoencoder_loss == "EG"
        coders = (self.encoder, self.generator) if self.decoder_learns else (self.encoder,)
        self.optimizers["autoencoder"] = self.adam(config.lr_encoder, *coders)

    def coder(self) -> nn.Module:
        """The encoder."""
        return Encoder(self.config, self.config.latent_size)

    def begin(self) -> None:
        if self.config.generator_from is not None:
            load_network(
                self.generator, "generator", as_path("generator_from", self.config.generator_from)
            )
            if self.config.ema:
                self.average.module.load_state_dict(self.generator.state_dict())

    def train(self, mode: bool = True) -> AAE:
        super().train(mode)
        if self.config.generator_from is not None:
            self.generator.eval()  # as it is, with its own averages
        return self

    def encode(self, images: Tensor) -> Tensor:
        return self.encoder(images)

    def reproduce(self, batch: Batch) -> Tensor:
        """G(E(x)) of the images of a batch."""
        return self.generate(self.encode(batch.images))

    def fakes(self, batch: Batch, rng: torch.Generator) -> Tensor:
        """Images of noise.

        BatchNorm's running averages, which only evaluation uses, are left to the autoencoder: mixed
        with those of noise, which is spread wider than codes, they would suit neither.
        """
        with without_averages(self.generator):
            return super().fakes(batch, rng)

    def step(self, batch: Batch, rng: torch.Generator) -> dict[str, Tensor]:
        """The three updates on a batch; the losses they were made on."""
        losses = self.autoencoder_step(batch.images)
        if self.config.generator_from is not None:
            return losses
        return losses | super().step(batch, rng)

    def autoencoder_step(self, images: Tensor) -> dict[str, Tensor]:
        """The first update and its two losses; with "E" no weight of the generator changes."""
        with nullcontext() if self.decoder_learns else frozen(self.generator):
            codes = self.encode(images)
            self.show("codes", codes)
            made = self.generator(codes)
            reconstruction = self.reconstruction(made, images)
            moments = self.moments(codes)
            self.descend("autoencoder", reconstruction + moments)
        return {"reconstruction": reconstruction.detach(), "moments": moments.detach()}

    def reconstruction(self, made: Tensor, images: Tensor) -> Tensor:
        return reconstruction_loss(self.config.reconstruction_loss, made, images)

    def moments(self, codes: Tensor) -> Tensor:
        return moments_loss(codes)
