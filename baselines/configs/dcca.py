"""The options of deep CCA, and its presets."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

from baselines.training.config import (
    Count,
    CountOrZero,
    Members,
    PairConfig,
    Share,
    encoder_presets,
)
from fdd.errors import FddError, shown

TELL_APART = ("near", "some", "one")
"""Pairs that keep some parameters, or hardly move them: by these they can be told apart."""


@dataclass(frozen=True)
class Config(PairConfig):
    """Train deep CCA on the codes of a contrastive encoder of Fractal Dream images.

    It starts from a run of baselines.contrastive: --encoder-from. With --preset sorted, axes and
    one, from a run of its own: --codes-from.
    """

    steps: Count = 1000
    """Training steps; each sees one batch."""
    pairs: Literal["start", "near", "ou", "one", "some"] = "some"
    """How the second image of a pair follows from the first: see docs/pairs.md."""
    ou_members: Members = 2
    """With ou, images in a group, any two of which are such a pair: 32 have 496 pairs, 16 times 2
    have 16. A batch has batch_size groups."""
    latent_size: Count = 16
    """Numbers in a code."""
    decay: Share = 0.5
    """Share of the steps, the last ones, in which all learning rates fall to 0, linearly."""
    encoder_from: str | None = None
    """Take the encoder from this run folder of baselines.contrastive and leave it as it is."""
    encoder_codes: Count = 24
    """The latent_size of that run."""
    encoder_odd_codes: CountOrZero = 12
    """The odd_codes of that run."""
    width: Count = 32
    """The width of that run."""
    reads: Literal["codes", "hidden", "features"] = "codes"
    """What of the encoder the small network reads: its codes, its hidden layer before them, or the
    feature maps before that, which know most and ask for the most pairs."""
    codes: CountOrZero = 0
    """The latent_size of a finished run of deep CCA, codes_from: a second small network makes new
    codes of its codes by the same loss, in the order of their correlation, with unit variance; all
    before it stays as it is. 0 trains the first one."""
    sorted_codes: CountOrZero = 0
    """The latent_size of such a second run, then codes_from: a last map makes codes of its codes,
    of which each is to follow one parameter; all before it stays as it is. On near or some pairs it
    is a linear map and a small network, by contrastive learning with the conditional sparse. On one
    pairs it is a linear map, which is computed, not learned: lr and decay do nothing."""
    codes_from: str | None = None
    """With codes, the run folder of baselines.dcca that they are of."""
    odd_codes: CountOrZero = 8
    """How many codes, the last ones, change their sign when an image is turned upside down; all
    others keep theirs. Needs an encoder with odd codes."""
    hidden: Count = 256
    """Units in each of the two hidden layers of the small network."""
    memory: CountOrZero = 200_000
    """Pairs whose codes are kept, the latest ones; with 0 a step is on its batch alone."""
    sample: Count = 8192
    """Pairs of the memory in each step."""
    optimizer: Literal["adamw", "muon"] = "adamw"
    """Of the small network: adamw, or muon for its matrices (torch 2.9 or newer), at ten times the
    learning rate, and adamw for the rest."""

    @property
    def supervision(self) -> str:
        told = super().supervision
        return "symmetry" if self.encoder_odd_codes and told == "pairs" else told

    @property
    def members(self) -> int:
        return self.ou_members if self.pairs == "ou" else super().members

    def pair_options(self) -> dict[str, Any]:
        return super().pair_options() | ({"members": self.members} if self.pairs == "ou" else {})

    @property
    def odd_inputs(self) -> int:
        """How many of the numbers that the small network reads, the last ones, are odd codes."""
        return self.encoder_odd_codes if self.reads == "codes" else 0

    def check(self) -> None:
        super().check()
        if self.codes:
            self.check_codes()
        elif self.sorted_codes:
            raise FddError(
                f"sorted_codes={self.sorted_codes} must be 0 with codes=0: they are made of codes"
            )
        elif self.codes_from is not None:
            raise FddError(
                f"codes_from={shown(self.codes_from)} must be None with codes=0, which trains deep "
                "CCA itself"
            )
        elif self.encoder_from is None:
            raise FddError(
                "encoder_from=None must be the folder of a run of baselines.contrastive, whose "
                "encoder this one starts from"
            )
        name = "codes" if self.codes else "latent_size"
        if self.odd_codes > getattr(self, name):
            raise FddError(
                f"odd_codes={self.odd_codes} must be at most {name}={getattr(self, name)}"
            )
        if self.encoder_odd_codes > self.encoder_codes:
            raise FddError(
                f"encoder_odd_codes={self.encoder_odd_codes} must be at most "
                f"encoder_codes={self.encoder_codes}"
            )
        if self.odd_codes and not self.encoder_odd_codes:
            raise FddError(
                f"odd_codes={self.odd_codes} must be 0 with encoder_odd_codes=0: functions of even "
                "codes are even"
            )
        if self.odd_codes and self.reads != "codes":
            raise FddError(
                f"odd_codes={self.odd_codes} must be 0 with reads={self.reads!r}: what a turned "
                "image does to them is not known"
            )
        if self.latent_size >= self.batch_size:
            raise FddError(
                f"latent_size={self.latent_size} must be below batch_size={self.batch_size}: codes "
                "wider than the batch are correlated by chance"
            )

    def check_codes(self) -> None:
        if self.codes_from is None:
            raise FddError(
                f"codes_from=None must be the folder of a run of baselines.dcca with "
                f"codes={self.codes}: new codes are made of its codes"
            )
        if self.encoder_from is not None:
            raise FddError(
                f"encoder_from={shown(self.encoder_from)} must be None with codes={self.codes}: "
                "the encoder is that of codes_from"
            )
        if self.sorted_codes and self.pairs not in TELL_APART:
            raise FddError(
                f"pairs={self.pairs!r} must be {' or '.join(TELL_APART)} with sorted_codes="
                f"{self.sorted_codes}"
            )
        if self.sorted_codes and self.pairs == "one" and self.latent_size > self.sorted_codes:
            raise FddError(
                f"latent_size={self.latent_size} must be at most sorted_codes={self.sorted_codes} "
                "with pairs='one', which give a linear map"
            )
        if self.memory:
            raise FddError(f"memory={self.memory} must be 0 with codes={self.codes}")


PAIRS = Config(
    batch_size=64,
    pairs="ou",
    ou_rho=0.7,
    ou_members=32,
    latent_size=24,
    encoder_odd_codes=0,
    odd_codes=0,
    reads="features",
    hidden=1024,
    memory=0,
    optimizer="muon",
    lr=1e-3,
)
"""Pairs alone."""
PRESETS = encoder_presets(PAIRS, mini_steps=800)
"""And more of mini-1: "sorted", after "mini", then "axes", or "one" where the pairs tell which
parameter changed; and "odd", with the symmetry."""
PRESETS["mini"] = replace(PRESETS["mini"], batch_size=128)  # a step of Muon is dear without AMX
PRESETS["sorted"] = replace(
    PRESETS["mini"],
    codes=24,
    latent_size=16,
    batch_size=64,
    steps=400,
    optimizer="adamw",
    lr=2e-3,
)
PRESETS["axes"] = replace(
    PRESETS["sorted"], sorted_codes=16, pairs="some", batch_size=256, steps=1000, lr=1e-3
)
PRESETS["one"] = replace(PRESETS["axes"], pairs="one", steps=100)
PRESETS["odd"] = encoder_presets(Config(), mini_steps=1000)["mini"]
