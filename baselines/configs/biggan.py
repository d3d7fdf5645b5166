"""The options of BigGAN on v, and its presets."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from baselines.training.config import (
    BatchSize,
    Count,
    Data,
    Fraction,
    Positive,
    Precision,
    RunConfig,
    Share,
)
from fdd.errors import FddError, shown

CODES = 4
"""a', b', c, d."""
ENDS = 4
"""Pixels on a side at which the generator starts, and the discriminator stops shrinking."""


@dataclass(frozen=True)
class Config(RunConfig):
    """Train a BigGAN that draws the picture of a', b', c, d.

    The defaults have the rates of the paper, fewer channels and smaller batches. They need a GPU:
    on a laptop use --preset mini.
    """

    steps: Count = 100_000
    """Training steps; each sees one batch."""
    batch_size: BatchSize = 256
    """Images in a batch."""
    data: Data = "stream"
    """Images to train on: new ones in every batch (stream), or the stored ones of the release,
    drawn here (fdd) or as they are published on Kaggle (kaggle)."""
    latent_size: Count = CODES
    """Numbers in a code: 4, for a', b', c and d."""
    ema: Fraction = 0.9999
    """Evaluate an average of the generator's weights that keeps this share at each step, as 0.999;
    0 evaluates the weights themselves."""
    precision: Precision = "auto"
    condition: Literal["concatenation", "batch-norm", "projection", "mismatched"] = "mismatched"
    """How the two networks read v, each way with what the ones before it have: beside the noise and
    as planes beside the picture (concatenation), in the generator's BatchNorms (batch-norm), by a
    projection in place of the planes (projection), and with real pictures under the v of others
    among the fakes (mismatched)."""
    vicinity: Share = 0.0
    """Show the networks each v with noise of up to so much on each of its numbers, which go from -1
    to 1 (CcGAN); for stored images."""
    symmetry: bool = True
    """Build the symmetries of the equation into the networks."""
    noise_size: Count = 20
    """Numbers of noise at the generator's entrance, and as many in each of its blocks."""
    embedding: Count = 128
    """Numbers that v becomes before the generator's networks read it."""
    width: Count = 64
    """Channels of the generator at its widest resolution."""
    discriminator_width: Count = 64
    """Channels of the discriminator at its widest resolution."""
    patch: Literal[1, 2, 4] = 1
    """Pixels on a side of the blocks that the networks see as one pixel of more channels."""
    discriminator_steps: Count = 1
    """Updates of the discriminator for one of the generator, on the same images and new noise."""
    lr_generator: Positive = 1e-4
    """Learning rate of the generator."""
    lr_discriminator: Positive = 4e-4
    """Learning rate of the discriminator."""
    beta1: Fraction = 0.0
    """Adam's first moment decay; the second is 0.999."""

    @property
    def side(self) -> int:
        """Blocks of pixels on a side: the widest resolution that convolutions see."""
        return self.image_size // self.patch

    def check(self) -> None:
        super().check()
        if self.latent_size != CODES:
            raise FddError(f"latent_size={self.latent_size} must be {CODES}: a', b', c and d")
        if self.data.startswith("images:"):
            raise FddError(
                f"data={shown(self.data)} must be fdd or stream: pictures have no parameters"
            )
        if self.rotate or self.translate or self.zoom:
            raise FddError(
                f"rotate={self.rotate}, translate={self.translate}, zoom={self.zoom} must be 0: "
                "such an image has no parameters; flip keeps them"
            )
        if self.vicinity and self.data == "stream":
            raise FddError(
                f"vicinity={self.vicinity} must be 0 with data='stream', which has images of "
                "exactly the v that is asked for"
            )
        if self.side < 2 * ENDS:
            raise FddError(
                f"patch={self.patch} must be at most {self.image_size // (2 * ENDS)} with "
                f"image_size={self.image_size}"
            )


PAPER = Config()
PRESETS = {
    "paper": PAPER,
    "mini": replace(
        PAPER,
        version="mini-1",
        image_size=32,
        steps=2000,
        batch_size=32,
        decay=0.5,
        ema=0.99,
        precision="float32",
        noise_size=8,
        width=24,
        discriminator_width=32,
        patch=2,
        discriminator_steps=2,
        lr_generator=1e-3,
        lr_discriminator=2e-3,
        log_every=100,
        sample_every=500,
        checkpoint_every=250,
    ),
}
"""Named settings: "paper" for a GPU, and "mini", of mini-1, for two CPU cores."""
