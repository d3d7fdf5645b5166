"""The options of the CycleGAN, and its presets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from baselines.training.config import (
    Count,
    CountOrZero,
    DomainConfig,
    Fraction,
    Layers,
    NotNegative,
    Positive,
    Share,
)
from fdd.errors import FddError
from fdd.releases.cards import DEFAULT_VERSION

CODES = 6
"""What `latent_size` is where nobody uses it."""


@dataclass(frozen=True)
class Config(DomainConfig):
    """Train a CycleGAN, which turns images of one domain into those of another and back.

    The defaults are the settings of its paper. They need a GPU: on a laptop use --preset mini.
    """

    steps: Count = 250_000
    """Training steps; each sees one batch."""
    batch_size: Count = 1
    """Images in a batch, of each domain."""
    decay: Share = 0.5
    """Share of the steps, the last ones, in which all learning rates fall to 0, linearly."""
    version: str = DEFAULT_VERSION
    """Release to draw from: fdd-1, of 128x128 pixels, or mini-1, of 32x32."""
    cycle_weight: NotNegative = 10.0
    """Weight of |F(G(x)) - x| and |G(F(y)) - y| beside the games."""
    identity_weight: NotNegative = 5.0
    """Weight of |G(y) - y| and |F(x) - x|; 0 leaves it out, and a third of the work."""
    cycle_noise: NotNegative = 0.0
    """Standard deviation of noise, in levels of 0 to 255, on translated images before they are
    translated back: a defence against information that is hidden in them."""
    pool: CountOrZero = 50
    """Translated images that are kept, so that a discriminator sees older ones half of the time; 0
    shows the newest."""
    width: Count = 64
    """Channels of all networks at their widest resolution."""
    blocks: Layers = 6
    """Residual blocks of the translators; the paper has 9 for 256x256 pixels."""
    downs: Literal[1, 2] = 2
    """How often translators halve the side before these: 2 as in the paper; 1 for small images, of
    which 8x8 numbers leave little."""
    halvings: Count = 3
    """Convolutions of stride 2 in a discriminator: 3 for patches of 70x70 pixels, 2 of 34x34."""
    upsampling: Literal["transposed", "resize"] = "transposed"
    """How translators double the side: transposed convolutions as in the paper, or convolutions of
    repeated pixels."""
    lr: Positive = 2e-4
    """Learning rate of all networks."""
    beta1: Fraction = 0.5
    """Adam's first moment decay; the second is 0.999."""

    def check(self) -> None:
        super().check()
        if self.latent_size != CODES:
            raise FddError(f"latent_size={self.latent_size} must be {CODES}: there are no codes")
        if 0 < self.pool < self.batch_size:
            raise FddError(f"pool={self.pool} must be 0 or at least batch_size={self.batch_size}")
        most = (self.image_size // 4).bit_length() - 1
        if self.halvings > most:
            raise FddError(
                f"halvings={self.halvings} must be at most {most} for image_size={self.image_size}"
            )


MINI = Config(
    version="mini-1",
    image_size=32,
    steps=1000,
    batch_size=4,
    identity_weight=0.0,
    width=16,
    blocks=2,
    downs=1,
    halvings=2,
    upsampling="resize",
    lr=5e-4,
    precision="auto",
    log_every=100,
    sample_every=500,
    checkpoint_every=250,
)
PRESETS = {"paper": Config(), "mini": MINI}
