"""The options of LeJEPA, and its presets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from baselines.training.config import Count, Open, PairConfig, encoder_presets


@dataclass(frozen=True)
class Config(PairConfig):
    """Train an encoder by LeJEPA on pairs of Fractal Dream images.

    Without a GPU use --preset mini.
    """

    latent_size: Count = 6
    """Numbers in a code: 6, as many as the equation has parameters."""
    pairs: Literal["start", "near", "ou", "some"] = "ou"
    """How the second image of a pair follows from the first: see docs/pairs.md."""
    gaussian: Open = 0.05
    """The share of SIGReg in the loss; that of the distance between the codes of a pair is 1 minus
    it."""
    directions: Count = 64
    """Random directions that the codes of a step are projected on."""


PRESETS = encoder_presets(Config())
