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
from contextlib import nullcontext
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from baselines import dcgan
from baselines.dcgan import DCGAN
from baselines.parts.losses import ReconstructionName, moments_loss, reconstruction_loss
from baselines.parts.networks import Encoder, frozen, initialise, without_averages
from baselines.training.cli import main
from baselines.training.config import Positive
from baselines.training.data import Batch
from baselines.training.runs import load_network
from fdd.errors import FddError, shown
from fdd.files import as_path


@dataclass(frozen=True)
class Config(dcgan.Config):
    """Train the adversarial auto-encoder (AAE) of the 2019 experiments on Fractal Dream images.

    The defaults are the settings of 2019. They need a GPU: on a laptop use --preset small.
    """

    autoencoder_loss: Literal["EG", "E"] = "EG"
    """What the autoencoder step trains: encoder and generator (EG) or the encoder alone (E)."""
    reconstruction_loss: ReconstructionName = "mse"
    """How the reconstruction is compared with the image: mse, or 1 - MS-SSIM."""
    lr_encoder: Positive = 1e-3
    """Learning rate of the autoencoder step."""
    generator_from: str | None = None
    """With loss E, take the generator from this run folder and leave it as it is."""

    def check(self) -> None:
        super().check()
        if self.generator_from is not None and self.autoencoder_loss != "E":
            raise FddError(
                f"generator_from={shown(self.generator_from)} needs autoencoder_loss='E', "
                f"not {shown(self.autoencoder_loss)}"
            )


PRESETS = dcgan.presets(Config, lr_generator=1e-5)


class AAE(DCGAN):
    """The DCGAN, an encoder, and their step.

    Three optimisers, since the generator follows two aims at two rates, each with its moments.
    """

    name: ClassVar[str] = "aae"
    config_type: ClassVar[type[Config]] = Config
    config: Config

    def __init__(self, config: Config, rng: torch.Generator) -> None:
        super().__init__(config, rng)
        self.encoder = Encoder(config, config.latent_size)
        initialise(self.encoder, rng)
        self.decoder_learns = config.autoencoder_loss == "EG"
        coders = (self.encoder, self.generator) if self.decoder_learns else (self.encoder,)
        self.optimizers["autoencoder"] = self.adam(config.lr_encoder, *coders)

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
            reconstruction = reconstruction_loss(self.config.reconstruction_loss, made, images)
            moments = moments_loss(codes)
            self.descend("autoencoder", reconstruction + moments)
        return {"reconstruction": reconstruction.detach(), "moments": moments.detach()}


if __name__ == "__main__":
    sys.exit(main(AAE, PRESETS))
