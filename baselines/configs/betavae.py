"""The options of the beta-VAE and the Ada-GVAE, and its presets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from baselines.training.config import (
    BatchSize,
    Count,
    Layers,
    NotNegative,
    OddCount,
    PairConfig,
    Positive,
    encoder_presets,
)
from fdd.errors import FddError

SHARED = ("start", "one", "some")
"""The kinds of pairs that share parameters."""


@dataclass(frozen=True)
class Config(PairConfig):
    """Train an Ada-GVAE on pairs of Fractal Dream images, or a beta-VAE on single ones.

    Without a GPU use --preset mini.
    """

    batch_size: BatchSize = 128
    """Pairs in a batch."""
    latent_size: Count = 10
    """Numbers in a code. Those that are not needed stay at N(0, 1)."""
    pairs: Literal["start", "near", "ou", "one", "some"] = "one"
    """How the second image of a pair follows from the first: see docs/pairs.md. Those of start, one
    and some share parameters."""
    single: bool = False
    """Learn from the first image of each pair alone: the beta-VAE, which knows nothing of pairs."""
    beta: NotNegative = 1.0
    """Weight of the divergence of posteriors from N(0, I), in nats, beside the squared error of an
    image, summed over its numbers from 0 to 1."""
    width: Count = 32
    """Channels of encoder and decoder at their widest resolution."""
    kernel_size: OddCount = 5
    """Side of the decoder's square kernels, an odd number."""
    generator_stride: Literal[1, 2] = 1
    """Stride of the decoder's convolutions; 2 gave noise in 2019."""
    mapping_layers: Layers = 1
    """Layers between the code and the decoder's convolutions."""
    batch_norm_eps: Positive = 1e-3
    """The epsilon of the decoder's BatchNorm."""
    leaky_slope: NotNegative = 0.1
    """Slope of the decoder's LeakyReLU below zero."""
    lr: Positive = 1e-3
    """Learning rate of AdamW."""
    weight_decay: NotNegative = 0.0
    """Weight decay of AdamW; the papers have none."""

    @property
    def supervision(self) -> str:
        return "none" if self.single else super().supervision

    def check(self) -> None:
        super().check()
        if self.pairs not in SHARED and not self.single:
            raise FddError(
                f"pairs={self.pairs!r} must be one of {', '.join(SHARED)}, whose images share "
                "parameters, unless single=True"
            )


PRESETS = encoder_presets(Config())
