"""The options of LSD, and its presets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from baselines.configs import dcgan
from baselines.training.config import NotNegative, ReconstructionName
from fdd.errors import FddError, shown


@dataclass(frozen=True)
class Config(dcgan.Config):
    """Train the LSD model of the 2019 experiments on Fractal Dream images.

    The defaults are the settings of 2019. They need a GPU: on a laptop use --preset mini.
    """

    correspondence_loss: ReconstructionName = "mse"
    """How G(v) is compared with FD(v): mse, or 1 - MS-SSIM."""
    correspondence_weight: NotNegative = 1.0
    """Weight of that term in the generator's loss."""
    adversarial_weight: NotNegative = 1.0
    """Weight of the adversarial term; 0 trains the generator on the correspondence alone."""
    vector: Literal["scaled", "canonical"] = "scaled"
    """The v that stands for an image: (x0, y0, a/3, b/3, c/3, d/3) as in 2019, or the same with
    (-1 + 2|a|/3, sign(a) b/3) for a and b, since an image does not show their common sign."""
    noise: Literal["normal", "vectors"] = "normal"
    """What the discriminator sees images of: z ~ N(0, 1) as in 2019, or the v of the batch."""

    def check(self) -> None:
        super().check()
        if self.latent_size != 6:
            raise FddError(f"latent_size={self.latent_size} must be 6, as many as parameters")
        if self.data.startswith("images:"):
            raise FddError(
                f"data={shown(self.data)} must be fdd or stream: pictures have no parameters"
            )
        if self.rotate or self.translate or self.zoom:
            raise FddError(
                f"rotate={self.rotate}, translate={self.translate}, zoom={self.zoom} must be 0: "
                "such an image has no parameters; flip keeps them"
            )


PRESETS = dcgan.presets(Config)
