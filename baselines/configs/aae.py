"""The options of the AAE, and its presets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from baselines.configs import dcgan
from baselines.training.config import Positive, ReconstructionName
from fdd.errors import FddError, shown


@dataclass(frozen=True)
class Config(dcgan.Config):
    """Train the adversarial auto-encoder (AAE) of the 2019 experiments on Fractal Dream images.

    The defaults are the settings of 2019. They need a GPU: on a laptop use --preset mini.
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
