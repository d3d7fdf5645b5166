"""The options of the flow, and its presets."""

from __future__ import annotations

from dataclasses import dataclass

from baselines.configs import emulator
from baselines.training.config import Count
from fdd.errors import FddError, shown

MAPS = 4
"""Maps of v that the convolutions see, the density first."""
GROUPS = 8
"""Groups of channels that are normalised together."""


@dataclass(frozen=True)
class Config(emulator.Config):
    """Train a flow from noise and a', b', c, d to the picture.

    Without a GPU use --preset mini.
    """

    batch_size: Count = 64
    """Images in a batch."""
    channels: Count = 32
    """Channels of the convolutions where pixels are many, a multiple of 8; twice as many below."""
    noise_steps: Count = 10
    """Steps from noise to picture."""

    @property
    def changeable(self) -> set[str]:
        return super().changeable | {"noise_steps"}

    @property
    def maps(self) -> int:
        return MAPS

    def check(self) -> None:
        super().check()
        if self.channels % GROUPS:
            raise FddError(f"channels={self.channels} must be a multiple of {GROUPS}")
        if self.loss != "counts":
            raise FddError(f"loss={self.loss!r} must be 'counts': the others are the emulator's")
        if self.draws != 1:
            raise FddError(f"draws={self.draws} must be 1: a flow draws a picture at once")
        for name in ("features", "adversarial_weight"):
            value, own = getattr(self, name), getattr(emulator.Config, name)
            if value != own:
                raise FddError(f"{name}={shown(value)} must be {own!r}: it is the emulator's")


PRESETS = emulator.presets(Config(), Config(width=1024, channels=64, steps=100_000))
