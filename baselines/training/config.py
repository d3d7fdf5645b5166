"""Options that every baseline has, their ranges, and the one check of them.

A range is part of an option's type (`steps: Count`), so it is declared once, where the option is.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from fdd.devices import pick_device
from fdd.errors import FddError, known, shown
from fdd.releases.cards import release


@dataclass(frozen=True)
class Rule:
    """What an option must be, in words and as a test."""

    words: str
    accepts: Callable[[Any], bool]


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _finite(value: Any) -> bool:
    largest = sys.float_info.max  # math.isfinite fails for a whole number above it
    return (_whole(value) or isinstance(value, float)) and -largest <= value <= largest


def _at_least(low: int) -> Rule:
    return Rule(f"a whole number of {low} or more", lambda v: _whole(v) and v >= low)


COUNTABLE = Rule("at most 2**53", lambda v: v <= 2**53)
"""Larger ones have no exact float, and many no float at all."""
Count = Annotated[int, _at_least(1), COUNTABLE]
CountOrZero = Annotated[int, _at_least(0), COUNTABLE]
BatchSize = Annotated[int, _at_least(2), COUNTABLE]
Members = Annotated[
    int, Rule("a whole number from 2 to 1024", lambda v: _whole(v) and 2 <= v <= 1024)
]
Layers = Annotated[int, Rule("a whole number from 0 to 100", lambda v: _whole(v) and 0 <= v <= 100)]
Seed = Annotated[
    int, Rule("a whole number from 0 to 2**63 - 1", lambda v: _whole(v) and 0 <= v < 2**63)
]
OddCount = Annotated[
    int,
    Rule("an odd whole number of 1 or more", lambda v: _whole(v) and v >= 1 and v % 2),
    COUNTABLE,
]
ImageSize = Annotated[
    int, Rule("16, 32, 64 or 128", lambda v: _whole(v) and v in (16, 32, 64, 128))
]
Positive = Annotated[float, Rule("a finite number above 0", lambda v: _finite(v) and v > 0)]
NotNegative = Annotated[
    float, Rule("a finite number of 0 or more", lambda v: _finite(v) and v >= 0)
]
Fraction = Annotated[float, Rule("a number from 0 to below 1", lambda v: _finite(v) and 0 <= v < 1)]
Open = Annotated[float, Rule("a number above 0 and below 1", lambda v: _finite(v) and 0 < v < 1)]
Step = Annotated[float, Rule("a number above 0 and at most 6", lambda v: _finite(v) and 0 < v <= 6)]
Share = Annotated[float, Rule("a number from 0 to 1", lambda v: _finite(v) and 0 <= v <= 1)]
AdversarialName = Literal["bce", "hinge", "wgan-clip", "wgan-gp"]
ReconstructionName = Literal["mse", "ms-ssim"]
Precision = Literal["auto", "float32", "bfloat16"]
STORED: dict[str, str | None] = {"fdd": None, "kaggle": "kaggle"}
"""Values of `data` that mean the stored images of a release: the `source` of `fdd.load`."""
Data = Annotated[
    str,
    Rule(
        "fdd, kaggle, stream or images:FOLDER",
        lambda v: (
            isinstance(v, str)
            and (v in STORED or v == "stream" or (v.startswith("images:") and v != "images:"))
        ),
    ),
]


PLAIN: dict[Any, str] = {bool: "True or False", str: "text", str | None: "text or None"}
"""What options of a type without rules must be, in words."""


@dataclass(frozen=True)
class RunConfig:
    """The options of a run that do not depend on the model."""

    seed: Seed = 0
    """Everything random in the run follows from this number."""
    steps: Count = 25_000
    """Training steps; each sees one batch."""
    batch_size: BatchSize = 16
    """Images in a batch."""
    data: Data = "fdd"
    """Images to train on: the stored ones of the release, drawn here (fdd) or as they are published
    on Kaggle (kaggle), new ones in every batch (stream), or all pictures in a folder and the
    folders in it (images:FOLDER)."""
    exclude: str | None = None
    """With images:FOLDER, a text file that names pictures or folders to leave out, one per
    line."""
    version: str = "fdd-1"
    """Release to train on: fdd-1, of 128x128 pixels, or mini-1, of 32x32."""
    image_size: ImageSize = 128
    """Pixels on a side: 16, 32, 64 or 128, at most the release's; smaller ones are block means."""
    colors: Literal["rgb", "hsv"] = "rgb"
    """Colour space of a pixel's three numbers. The hue of hsv jumps at red."""
    flip: bool = False
    """Flip each image at random: upside down, left to right, both or not at all; its parameters
    follow."""
    rotate: NotNegative = 0.0
    """Turn each image by up to this many degrees; its parameters are lost."""
    translate: Fraction = 0.0
    """Shift each image by up to this share of its side; its parameters are lost."""
    zoom: Fraction = 0.0
    """Scale each image by 1 - zoom to 1 + zoom; its parameters are lost."""
    latent_size: Count = 6
    """Numbers in a code: 6, as many as the equation has parameters, to compare the two."""
    train_images: CountOrZero = 0
    """Use only this many images, the first of the train split or the folder; 0 uses all."""
    decay: Share = 0.0
    """Share of the steps, the last ones, in which all learning rates fall to 0, linearly."""
    ema: Fraction = 0.0
    """Evaluate an average of the generator's weights that keeps this share at each step, as 0.999;
    0 evaluates the weights themselves."""
    precision: Precision = "float32"
    """What layers compute in while training: bfloat16 is faster where the hardware has it, and many
    times slower where a processor has not; auto takes it where it is faster, and float32
    elsewhere. A run that resumes keeps what it began with."""
    compile: bool = False
    """Compile the networks with torch.compile: minutes at the start, faster steps on a GPU."""
    deterministic: bool = False
    """Give the same bits again on a GPU, too, at some cost; a CPU does so anyway."""
    device: str = "auto"
    """Where to train: cpu, cuda, cuda:1 and so on; auto takes cuda when there is one."""
    log_every: Count = 100
    """Steps between rows of metrics.csv and TensorBoard."""
    sample_every: Count = 1000
    """Steps between pictures of samples and reconstructions."""
    checkpoint_every: Count = 1000
    """Steps between checkpoints, at each of which the score and the samples are judged."""
    stop_on_collapse: bool = True
    """Stop when samples have lost most of the variety or sharpness that they had."""
    patience: CountOrZero = 0
    """Stop when the score has not risen for this many checkpoints; 0 never does."""

    @property
    def changeable(self) -> set[str]:
        """Options that may change when a run resumes: they do not change what a step does."""
        names = {"device", "compile", "stop_on_collapse", "patience"}
        names |= {"log_every", "sample_every", "checkpoint_every"}
        return names if self.decay else names | {"steps"}

    @property
    def counts(self) -> bool:
        """Whether batches bring the counts of the images, too."""
        return False

    def rate(self, step: int) -> float:
        """The share of the learning rates that step number `step`, from 0, is made with."""
        return min(1.0, (1 - step / self.steps) / self.decay) if self.decay else 1.0

    def check(self) -> None:
        """Raise FddError for the first option whose value is out of its range."""
        hints = get_type_hints(type(self), include_extras=True)
        for field in fields(self):
            value, hint = getattr(self, field.name), hints[field.name]
            if get_origin(hint) is Literal:
                choices = get_args(hint)
                if all(isinstance(one, str) for one in choices):
                    known(field.name, value, choices)
                elif type(value) is not int or value not in choices:
                    words = " or ".join(map(str, choices))
                    raise FddError(f"{field.name}={shown(value)} must be {words}")
            if hint in PLAIN and not isinstance(value, hint):
                raise FddError(f"{field.name}={shown(value)} must be {PLAIN[hint]}")
            for rule in getattr(hint, "__metadata__", ()):
                if isinstance(rule, Rule) and not rule.accepts(value):
                    raise FddError(f"{field.name}={shown(value)} must be {rule.words}")
        if self.exclude is not None and not self.data.startswith("images:"):
            raise FddError(
                f"exclude={shown(self.exclude)} needs data=images:FOLDER, not {shown(self.data)}"
            )
        if self.data == "stream" and self.train_images:
            raise FddError(f"train_images={self.train_images} must be 0 with data='stream'")
        release(self.version)
        pick_device(self.device)


@dataclass(frozen=True)
class EncoderConfig(RunConfig):
    """The options of a run whose encoder is a `ResidualEncoder`, with what suits it by default."""

    steps: Count = 30_000
    """Training steps; each sees one batch."""
    batch_size: BatchSize = 256
    """Images, or pairs of images, in a batch."""
    data: Data = "stream"
    """Images to train on: new ones in every batch (stream), or the stored ones of the release,
    drawn here (fdd) or as they are published on Kaggle (kaggle)."""
    decay: Share = 0.8
    """Share of the steps, the last ones, in which all learning rates fall to 0, linearly."""
    precision: Precision = "auto"
    width: Count = 32
    """Channels of the encoder at its widest resolution."""
    lr: Positive = 2e-3
    """Learning rate of AdamW."""
    weight_decay: NotNegative = 1e-4
    """Weight decay of AdamW."""

    def check(self) -> None:
        super().check()
        if self.ema:
            raise FddError(f"ema={self.ema} must be off: this baseline does without")


E = TypeVar("E", bound=EncoderConfig)


def encoder_presets(full: E, mini_steps: int = 3000) -> dict[str, E]:
    """Named settings: "full" for a GPU; "small" takes a minute or two on two CPU cores, and "mini",
    of mini-1, about ten minutes."""
    small = replace(
        full,
        image_size=32,
        width=16,
        steps=mini_steps // 6,
        log_every=20,
        sample_every=250,
        checkpoint_every=250,
    )
    return {
        "full": full,
        "small": small,
        "mini": replace(small, version="mini-1", steps=mini_steps),
    }


@dataclass(frozen=True)
class PairConfig(EncoderConfig):
    """The options of a run that learns from pairs of images, which `fdd.pairs` draws."""

    data: Data = "stream"
    """Pairs are new ones in every batch: stream."""
    pairs: Literal["start", "near", "ou", "one", "some"] = "near"
    """How the second image of a pair follows from the first: see docs/pairs.md."""
    near_law: Literal["laplace", "normal"] = "laplace"
    """With near, the law of the steps."""
    near_width: Step = 0.25
    """With near, the scale or standard deviation of the steps."""
    ou_rho: Open = 0.9
    """With ou, the correlation of the scores."""
    some_change: Open = 0.5
    """With some, the probability that a parameter is drawn anew."""

    @property
    def supervision(self) -> str:
        """What `Baseline.supervision` says of a model that learns from these pairs."""
        return "one" if self.pairs == "one" else "pairs"

    @property
    def members(self) -> int:
        """Images in a row of a batch: 2, or more where a baseline learns from groups."""
        return 2

    def pair_options(self) -> dict[str, Any]:
        """The options of `fdd.pairs` that go with the kind."""
        options: dict[str, dict[str, Any]] = {
            "near": {"law": self.near_law, "width": self.near_width},
            "ou": {"rho": self.ou_rho},
            "some": {"change": self.some_change},
        }
        return options.get(self.pairs, {})

    def check(self) -> None:
        super().check()
        if self.data != "stream":
            raise FddError(
                f"data={shown(self.data)} must be 'stream': pairs are drawn as they are used"
            )
        moved = {name: getattr(self, name) for name in ("flip", "rotate", "translate", "zoom")}
        for name, value in moved.items():
            if value:
                raise FddError(f"{name}={value!r} must be off: it changes how pairs are related")


DomainName = Literal["palettes", "mask", "points", "sign", "turn"]
Folder = Annotated[
    str | None,
    Rule(
        "images:FOLDER or None",
        lambda v: v is None or (isinstance(v, str) and v.startswith("images:") and v != "images:"),
    ),
]


@dataclass(frozen=True)
class DomainConfig(RunConfig):
    """The options of a run that learns from images of two domains, none of which belong together.

    Domains of attractors are drawn from parameters that no two images share.
    """

    data: Data = "stream"
    """Images of the two domains: attractors, new ones in every batch (stream), or all pictures in a
    folder (images:FOLDER), which `other` goes with."""
    other: Folder = None
    """With images:FOLDER, the folder of the second domain: images:FOLDER."""
    domains: DomainName = "mask"
    """With stream, the two domains, of which the truth is known. palettes: kbc and inferno; mask:
    colours and the occupied cells, black on white; points: a fifteenth of them, and all; sign: c
    above 0 and below 0; turn: upright and turned by 180 degrees, whose law is the same."""
    paired: bool = False
    """Show each image beside its own translation, as a ceiling for who is not shown them."""

    @property
    def each(self) -> int:
        """Attractors that are drawn for an image of both domains."""
        return 1 if self.paired else 2

    def check(self) -> None:
        super().check()
        if self.data in STORED:
            raise FddError(
                f"data={shown(self.data)} must be stream or images:FOLDER: domains are drawn as "
                "they are used"
            )
        pictures = self.data.startswith("images:")
        if pictures and self.other is None:
            raise FddError(
                f"data={shown(self.data)} is one domain: name the folder of the other with "
                "other=images:FOLDER"
            )
        if not pictures and self.other is not None:
            raise FddError(f"other={shown(self.other)} needs data=images:FOLDER, not 'stream'")
        if pictures and self.paired:
            raise FddError(
                f"paired=True needs data='stream', not {shown(self.data)}: of pictures no "
                "translation is known"
            )
        card = release(self.version)
        if not pictures and self.image_size != card.size:
            raise FddError(
                f"image_size={self.image_size} must be {card.size}: smaller images of {card.name} "
                "blend the colours of cells"
            )
        for name in ("flip", "rotate", "translate", "zoom"):
            if (value := getattr(self, name)) and not pictures:
                raise FddError(f"{name}={value!r} must be off with data='stream'")
        if self.colors != "rgb":
            raise FddError(f"colors={self.colors!r} must be 'rgb': domains are of such pixels")
