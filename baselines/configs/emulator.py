"""The options of the emulator, and its presets."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, TypeVar

from baselines.training.config import Count, Data, Layers, NotNegative, Positive, RunConfig, Share
from fdd.errors import FddError, shown
from fdd.releases.cards import release

CODES = 4
"""a', b', c, d."""


@dataclass(frozen=True)
class Config(RunConfig):
    """Train an emulator of the renderer: from a', b', c, d to the picture.

    Without a GPU use --preset mini.
    """

    steps: Count = 24_000
    """Training steps; each sees one batch."""
    batch_size: Count = 256
    """Images in a batch."""
    data: Data = "stream"
    """Images are new ones in every batch: stream."""
    latent_size: Count = CODES
    """Numbers in a code: 4, for a', b', c and d."""
    decay: Share = 0.6
    """Share of the steps, the last ones, in which all learning rates fall to 0, linearly."""
    loss: Literal["counts", "mse", "ms-ssim", "features", "adversary"] = "counts"
    """What is compared with FD(v): the probabilities of cells with its counts (counts), or painted
    pixels with its pixels (mse, ms-ssim), with 0.2 MSE and feature maps of an encoder (features),
    and with a discriminator besides (adversary)."""
    features: str = "mini-contrastive"
    """With features and adversary: whose feature maps, a pretrained model that has an encoder or
    the folder of a run of contrastive or lejepa."""
    adversarial_weight: NotNegative = 0.01
    """With adversary, the weight of that term."""
    symmetry: bool = True
    """Build the symmetries of the equation into the network."""
    width: Count = 512
    """Units of the network's layers."""
    blocks: Layers = 3
    """Residual blocks of two layers."""
    frequencies: Count = 64
    """Sines and cosines of the parameters that the network starts from, as many of each."""
    emulator_from: str | None = None
    """Start from the network of an emulator with the same width, blocks and frequencies, a
    pretrained one or the folder of a run; if its pictures have another size, all but its last
    layer."""
    draws: Count = 1
    """Drawings that are averaged to one picture: one has the grain of a single orbit, many are the
    mean image."""
    lr: Positive = 2e-3
    """Learning rate of AdamW."""
    weight_decay: NotNegative = 1e-4
    """Weight decay of AdamW."""

    @property
    def changeable(self) -> set[str]:
        return super().changeable | {"draws"}

    @property
    def counts(self) -> bool:
        """Batches bring the counts of the images, too."""
        return True

    @property
    def maps(self) -> int:
        """Numbers that the network gives for each cell."""
        return 1 if self.loss == "counts" else 3

    def check(self) -> None:
        super().check()
        if self.emulator_from is not None and self.loss != "counts":
            raise FddError(
                f"emulator_from={shown(self.emulator_from)} must be None with loss={self.loss!r}: "
                "an emulator that gives densities has learned something else"
            )
        if self.latent_size != CODES:
            raise FddError(f"latent_size={self.latent_size} must be {CODES}: a', b', c and d")
        if self.data != "stream":
            raise FddError(
                f"data={shown(self.data)} must be 'stream': counts are drawn as they are used"
            )
        card = release(self.version)
        if self.image_size != card.size:
            raise FddError(
                f"image_size={self.image_size} must be {card.size}: counts of {card.name} have "
                "that size"
            )
        for name in ("flip", "rotate", "translate", "zoom", "ema"):
            if value := getattr(self, name):
                raise FddError(f"{name}={value!r} must be off: this baseline does without")
        if self.colors != "rgb":
            raise FddError(f"colors={self.colors!r} must be 'rgb', as counts are coloured")


C = TypeVar("C", bound=Config)


def presets(mini: C, full: C) -> dict[str, C]:
    """Named settings: "full" for a GPU, and "mini", of mini-1, for two CPU cores."""
    small = replace(
        mini,
        version="mini-1",
        image_size=32,
        steps=6000,
        sample_every=1000,
        checkpoint_every=500,
    )
    return {"full": full, "mini": small}


PRESETS = presets(Config(), Config(width=1024, steps=100_000))
PRESETS["cpu"] = Config(
    steps=6500,
    decay=0.5,
    precision="auto",
    emulator_from="mini-emulator",
    checkpoint_every=500,
)
"""And "cpu", of fdd-1 in 128 x 128 pixels, an hour or two of one core: it starts from the trained
emulator of mini-1."""
