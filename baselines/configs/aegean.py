"""The options of AEGeAN, and its presets."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Literal

from baselines.configs import aae
from baselines.training.config import (
    BatchSize,
    Count,
    Fraction,
    NotNegative,
    OddCount,
    Open,
    Positive,
    ReconstructionName,
)
from fdd.errors import FddError

SHARE_OF_BACKGROUND = 4
"""One of so many channels draws the background: 2 of 8."""


@dataclass(frozen=True)
class Config(aae.Config):
    """Train AEGeAN, the adversarial auto-encoder of 2020, on Fractal Dream images.

    The defaults are the settings of 2020. They need a GPU: on a laptop use --preset mini.
    """

    batch_size: BatchSize = 128
    """Images in a batch."""
    latent_size: Count = 42
    """Numbers in a code."""
    network: Literal["2019", "2020"] = "2020"
    """The networks: those of the AAE of 2019, or those of 2020, with residual blocks."""
    width: Count = 8
    """Filters at the widest resolution; the narrowest has 16 times as many (in 2019: 8)."""
    kernel_size: OddCount = 5
    """Side of the convolutions' square kernels, an odd number."""
    batch_norm_eps: Positive = 0.01
    """BatchNorm's epsilon."""
    leaky_slope: NotNegative = 0.0
    """Slope of LeakyReLU below zero."""
    dropout: Fraction = 0.05
    """Share of the encoder's channels that a step leaves out, with the networks of 2020."""
    background: bool = True
    """Draw a figure before a background that a step shifts at random, with the networks of 2020."""
    prior: Literal["normal", "between"] = "between"
    """The codes of the images that the discriminator sees: z ~ N(0, 1), or a quarter of the way
    from the code of one image to that of another, on an arc."""
    insight: bool = False
    """Show the discriminator G(E(x)) as real images, in place of x."""
    reconstruction_loss: ReconstructionName = "ms-ssim"
    """How the reconstruction is compared with the image: mse, or 1 - MS-SSIM of the scales that fit
    into an image."""
    moments: Literal["each", "mean"] = "mean"
    """What is drawn to 0, and squared to 1: each number of a code, as in 2019, or their mean over
    the batch."""
    moments_weight: NotNegative = 0.04
    """Weight of that."""
    decorrelation: NotNegative = 0.02
    """Weight of the products of the codes of different generated images in the generator's loss."""
    encoder_noise: NotNegative = 0.01
    """Noise on the images that the encoder sees in a step, as a share of a pixel's range."""
    image_noise: NotNegative = 0.001
    """The same for the images that the discriminator sees, real and generated."""
    smoothing: Fraction = 0.06
    """The label of real images is drawn from 1 - smoothing to 1 - smoothing/2, and that of
    generated ones is 1 minus it; 0 is as in 2019, from 0.9 to 1, and 0."""
    optimizer: Literal["adam", "sgd"] = "sgd"
    """Adam, or gradient descent with Nesterov's momentum."""
    momentum: Open = 0.015
    """With sgd, the momentum."""
    weight_decay: NotNegative = 0.01
    """With sgd, the weight decay."""
    lr_generator: Positive = 2e-4
    """Learning rate of the generator's adversarial step."""
    lr_discriminator: Positive = 5e-5
    """Learning rate of the discriminator."""
    lr_encoder: Positive = 1e-4
    """Learning rate of the autoencoder step."""

    def check(self) -> None:
        super().check()
        if self.network == "2019":
            needs, unused = "network='2020'", {"dropout": 0, "background": False}
        else:
            needs, unused = "network='2019'", {"generator_stride": 1, "mapping_layers": 0}
        for name, value in unused.items():
            if getattr(self, name) != value:
                raise FddError(f"{name}={getattr(self, name)} needs {needs}")
        if self.background and self.width < SHARE_OF_BACKGROUND:
            raise FddError(
                f"width={self.width} must be {SHARE_OF_BACKGROUND} or more with background=True"
            )


OF_2019 = Config(
    **asdict(aae.Config()),
    network="2019",
    dropout=0.0,
    background=False,
    prior="normal",
    moments="each",
    moments_weight=1.0,
    decorrelation=0.0,
    encoder_noise=0.0,
    image_noise=0.0,
    smoothing=0.0,
    optimizer="adam",
)
"""The AAE."""
PRESETS = {
    "2020": Config(),
    "2019": OF_2019,
    "mini": replace(
        Config(),
        version="mini-1",
        data="stream",
        image_size=32,
        batch_size=32,
        latent_size=32,
        steps=500,
        decay=0.5,
        optimizer="adam",
        lr_generator=2e-4,
        lr_discriminator=1e-4,
        lr_encoder=2e-3,
        log_every=50,
        sample_every=250,
        checkpoint_every=250,
    ),
}
"""Named settings: "2020" and "2019" for a GPU, "mini" for two CPU cores."""
