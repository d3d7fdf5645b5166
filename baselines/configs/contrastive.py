"""The options of contrastive learning, and its presets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from baselines.training.config import Count, CountOrZero, PairConfig, encoder_presets
from fdd.errors import FddError

FITS: dict[str, tuple[str, ...]] = {
    "start": ("cosine",),
    "near": ("laplace", "normal", "sparse"),
    "ou": ("normal",),
    "one": ("one",),
    "some": ("sparse",),
}
"""The conditionals that fit each kind of pairs."""
PARAMETERS = 4
"""a, b, c, d: with conditional "one" each has as many codes."""


@dataclass(frozen=True)
class Config(PairConfig):
    """Train an encoder by contrastive learning on pairs of Fractal Dream images.

    Without a GPU use --preset mini.
    """

    latent_size: Count = 8
    """Numbers in a code. More than the parameters leave room for what helps to find them."""
    conditional: Literal["laplace", "normal", "cosine", "sparse", "one"] = "laplace"
    """How the code of the second image is spread around that of the first, each code with a width
    of its own that is learned: laplace (L1 distance), normal (squared distance); cosine, of the
    angle between the codes; sparse, near or anywhere, each code for itself; one, laplace without
    the codes of the parameter that was drawn anew."""
    odd_codes: CountOrZero = 0
    """How many codes, the last ones, change their sign when an image is turned upside down; all
    others keep theirs then. That holds by construction, and turned partners are told apart, too:
    the symmetry of the equation, which is a supervision of its own."""

    @property
    def supervision(self) -> str:
        told = super().supervision
        return "symmetry" if self.odd_codes and told == "pairs" else told

    def check(self) -> None:
        super().check()
        if self.conditional not in FITS[self.pairs]:
            raise FddError(
                f"conditional={self.conditional!r} does not fit pairs={self.pairs!r}; choose from "
                f"{', '.join(FITS[self.pairs])}"
            )
        if self.latent_size >= self.batch_size:
            raise FddError(
                f"latent_size={self.latent_size} must be below batch_size={self.batch_size}: codes "
                "wider than the batch tell its pairs apart by chance"
            )
        if self.odd_codes > self.latent_size:
            raise FddError(
                f"odd_codes={self.odd_codes} must be at most latent_size={self.latent_size}"
            )
        if self.conditional == "one" and self.latent_size % PARAMETERS:
            raise FddError(
                f"latent_size={self.latent_size} must be a multiple of {PARAMETERS} with "
                "conditional='one': each of a, b, c, d has as many codes"
            )


PRESETS = encoder_presets(Config())
