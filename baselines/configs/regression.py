"""The options of the supervised regression, and its presets."""

from __future__ import annotations

from dataclasses import dataclass

from baselines.training.config import Count, EncoderConfig, encoder_presets
from fdd.errors import FddError

CODES = 4
"""a', b', c, d."""


@dataclass(frozen=True)
class Config(EncoderConfig):
    """Train an encoder on Fractal Dream images and their parameters.

    Without a GPU use --preset mini.
    """

    latent_size: Count = CODES
    """Numbers in a code: 4, the parameters that it reads."""

    def check(self) -> None:
        super().check()
        if self.latent_size != CODES:
            raise FddError(f"latent_size={self.latent_size} must be {CODES}: a', b', c and d")
        if self.data.startswith("images:"):
            raise FddError(
                f"data={self.data!r} must be stream, fdd or kaggle: pictures have no parameters"
            )
        for name in ("rotate", "translate", "zoom"):
            if value := getattr(self, name):
                raise FddError(
                    f"{name}={value!r} must be 0: such an image has no parameters; flip keeps them"
                )


PRESETS = encoder_presets(Config())
