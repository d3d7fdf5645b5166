"""The options of the fusion of SDPC with a GAN, and its presets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from baselines.configs import dcgan, sdpc
from baselines.configs.sdpc import Counts, Numbers
from baselines.training.config import BatchSize, Count, CountOrZero, Data, NotNegative, Positive
from fdd.errors import FddError

TOLERANCE = 1e-6
"""Below what an iteration changes, so that all are made."""


@dataclass(frozen=True)
class Config(dcgan.Config):
    """Train a decoder of sparse maps (SDPC) and a discriminator on Fractal Dream images.

    Without a GPU use --preset mini.
    """

    data: Data = "stream"
    """Images to train on: new ones in every batch (stream), the stored ones of the release, drawn
    here (fdd) or as they are published on Kaggle (kaggle), or those of images:FOLDER."""
    batch_size: BatchSize = 32
    """Images in a batch."""
    latent_size: Count = 32
    """Numbers in a code."""
    dictionary_steps: CountOrZero = 2000
    """The first steps, in which dictionaries are learned too, as by baselines.sdpc; afterwards they
    stay as they are. 0 leaves them random."""
    k: NotNegative = 1.0
    """Strength of the feedback from each layer to the one below; 0 is none."""
    atoms: Counts = "64:128"
    """Atoms of the dictionary of each layer, from the image up."""
    sides: Counts = "8:8"
    """Pixels on a side of the atoms of each layer, in pixels of the layer below."""
    strides: Counts = "2:1"
    """Steps between the places of an atom in the layer below."""
    lambdas: Numbers = "0.4:1.6"
    """Price of activity in each layer: the larger, the sparser."""
    rates: Numbers = "2e-3:1e-1"
    """Learning rate of the dictionary of each layer, by SGD with momentum 0.9."""
    iterations: Count = 20
    """Iterations of an inference."""
    hidden: Count = 256
    """Units of the hidden layer between code and maps."""
    pool: Count = 5
    """The maps of the last layer are averaged in so many parts a side before they become a code."""
    lr_generator: Positive = 2e-3
    """Learning rate of encoder and decoder."""
    adversarial_weight: NotNegative = 0.01
    """Weight of the discriminator's judgement beside the reconstruction."""
    map_weight: NotNegative = 0.1
    """Weight of the distance of the decoder's maps to those that were inferred."""
    sparsity_weight: NotNegative = 0.01
    """Weight of the size of the decoder's maps."""

    @property
    def coder(self) -> sdpc.Config:
        """The options of the dictionaries and of inference."""
        names = ("image_size", "k", "atoms", "sides", "strides", "lambdas", "rates", "iterations")
        options: dict[str, Any] = {name: getattr(self, name) for name in names}
        # Config.check of this class says what is wrong with an option before this is of use
        last = int(self.atoms.split(":")[-1])
        return sdpc.Config(**options, latent_size=last, lr_gains=0.0, tolerance=TOLERANCE)

    def check(self) -> None:
        super().check()
        self.coder.check()
        for name in ("discriminator_steps", "generator_stride", "mapping_layers"):
            value, own = getattr(self, name), getattr(dcgan.Config, name)
            if value != own:
                raise FddError(f"{name}={value} must be {own}: it is the DCGAN's")
        side = self.coder.map_sides[-1]
        if self.pool > side:
            raise FddError(
                f"pool={self.pool} must be at most {side}, the side of the maps of the last layer"
            )


MINI: dict[str, Any] = {
    "width": 16,
    "steps": 180,
    "dictionary_steps": 30,
    "decay": 0.5,
    "atoms": "32:64",
    "sides": "6:5",
    "lambdas": "0.8:0.4",
    "rates": "5e-4:5e-3",
    "batch_norm_eps": 1e-3,
    "log_every": 45,
    "sample_every": 180,
    "checkpoint_every": 180,
}
PRESETS = {
    "paper": Config(),
    "small": Config(**dcgan.SMALL | MINI | {"steps": 60}),
    "mini": Config(**dcgan.SMALL | MINI, version="mini-1"),
}
"""Named settings: "paper" has the layers of the authors of SDPC, for a GPU; "small" and "mini" take
minutes on two CPU cores."""
