"""Options that every baseline has, their ranges, and the one check of them.

A range is part of an option's type (`steps: Count`), so it is declared once, where the option is.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Annotated, Any, ClassVar, Literal, get_args, get_origin, get_type_hints

import torch

from fdd.cards import release
from fdd.errors import FddError


@dataclass(frozen=True)
class Rule:
    """What an option must be, in words and as a test."""

    words: str
    accepts: Callable[[Any], bool]


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _finite(value: Any) -> bool:
    return (_whole(value) or isinstance(value, float)) and math.isfinite(value)


def _at_least(low: int) -> Rule:
    return Rule(f"a whole number of {low} or more", lambda v: _whole(v) and v >= low)


Count = Annotated[int, _at_least(1)]
CountOrZero = Annotated[int, _at_least(0)]
BatchSize = Annotated[int, _at_least(2)]
Seed = Annotated[
    int, Rule("a whole number from 0 to 2**63 - 1", lambda v: _whole(v) and 0 <= v < 2**63)
]
OddCount = Annotated[
    int, Rule("an odd whole number of 1 or more", lambda v: _whole(v) and v >= 1 and v % 2)
]
ImageSize = Annotated[
    int, Rule("16, 32, 64 or 128", lambda v: _whole(v) and v in (16, 32, 64, 128))
]
Positive = Annotated[float, Rule("a finite number above 0", lambda v: _finite(v) and v > 0)]
NotNegative = Annotated[
    float, Rule("a finite number of 0 or more", lambda v: _finite(v) and v >= 0)
]
Fraction = Annotated[float, Rule("a number from 0 to below 1", lambda v: _finite(v) and 0 <= v < 1)]


@dataclass(frozen=True)
class RunConfig:
    """The options of a run that do not depend on the model."""

    seed: Seed = 0
    """Everything random in the run follows from this number."""
    steps: Count = 25_000
    """Training steps; each sees one batch."""
    batch_size: BatchSize = 16
    """Images in a batch."""
    version: str = "fdd-1"
    """Release to train on: fdd-1, of 128x128 pixels, or mini-1, of 32x32."""
    image_size: ImageSize = 128
    """Pixels on a side: 16, 32, 64 or 128, at most the release's; smaller ones are block means."""
    latent_size: Count = 6
    """Numbers in a code: 6, as many as the equation has parameters, to compare the two."""
    train_images: CountOrZero = 0
    """Use only the first so many images of the train split; 0 uses all."""
    device: str = "auto"
    """Where to train: cpu, cuda, cuda:1 and so on; auto takes cuda when there is one."""
    log_every: Count = 50
    """Steps between rows of metrics.csv and TensorBoard."""
    sample_every: Count = 1000
    """Steps between pictures of samples and reconstructions."""
    checkpoint_every: Count = 1000
    """Steps between checkpoints."""

    changeable: ClassVar[frozenset[str]] = frozenset(
        {"steps", "device", "log_every", "sample_every", "checkpoint_every"}
    )
    """Options that may change when a run goes on: they do not change what a step does."""

    def check(self) -> None:
        """Raise FddError for the first option whose value is out of its range."""
        hints = get_type_hints(type(self), include_extras=True)
        for field in fields(self):
            value, hint = getattr(self, field.name), hints[field.name]
            if get_origin(hint) is Literal and value not in get_args(hint):
                known = " or ".join(map(repr, get_args(hint)))
                raise FddError(f"{field.name}={value!r} must be {known}")
            for rule in getattr(hint, "__metadata__", ()):
                if isinstance(rule, Rule) and not rule.accepts(value):
                    raise FddError(f"{field.name}={value!r} must be {rule.words}")
        release(self.version)
        pick_device(self.device)


def pick_device(name: str) -> torch.device:
    """The device called `name`: "auto", "cpu", "cuda" or "cuda:N". FddError for any other."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    kind, _, index = str(name).partition(":")
    if name != "cpu" and (kind != "cuda" or not (index.isdecimal() or name == "cuda")):
        raise FddError(f"device={name!r} must be auto, cpu, cuda or cuda:N")
    if kind == "cuda" and int(index or 0) >= torch.cuda.device_count():
        count = torch.cuda.device_count()
        raise FddError(f"device={name!r}, but torch sees {count} CUDA devices here; use cpu")
    return torch.device(name)
