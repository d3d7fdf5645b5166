"""The options of the DCGAN, and its presets."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

from baselines.training.config import (
    AdversarialName,
    Count,
    Fraction,
    Layers,
    NotNegative,
    OddCount,
    Positive,
    RunConfig,
)

C = TypeVar("C", bound=RunConfig)


@dataclass(frozen=True)
class Config(RunConfig):
    """Train the DCGAN of the 2019 experiments on Fractal Dream images.

    The defaults are the settings of 2019. They need a GPU: on a laptop use --preset mini.
    """

    adversarial_loss: AdversarialName = "bce"
    """The game of the two networks: bce as in 2019, hinge, or Wasserstein with clipped weights or a
    gradient penalty. Those two discriminators have no BatchNorm and need several steps."""
    discriminator_steps: Count = 1
    """Updates of the discriminator for one of the generator, on the same images and new noise."""
    width: Count = 64
    """Filters at the widest resolution; the narrowest has 8 times as many."""
    kernel_size: OddCount = 9
    """Side of the convolutions' square kernels, an odd number."""
    generator_stride: Literal[1, 2] = 1
    """Stride of the generator's convolutions; 2 gave noise in 2019."""
    mapping_layers: Layers = 0
    """Layers between the code and the generator of 2019, as in StyleGAN; 2019 had none."""
    batch_norm_eps: Positive = 0.5
    """BatchNorm's epsilon, tuned for these images: one this large normalises little."""
    leaky_slope: NotNegative = 1e-6
    """Slope of LeakyReLU below zero."""
    lr_generator: Positive = 1e-3
    """Learning rate of the generator's adversarial step."""
    lr_discriminator: Positive = 1e-4
    """Learning rate of the discriminator."""
    beta1: Fraction = 0.5
    """Adam's first moment decay; the second is 0.999."""


SMALL: dict[str, Any] = {
    "steps": 800,
    "batch_size": 32,
    "image_size": 32,
    "width": 8,
    "kernel_size": 5,
    "leaky_slope": 0.1,
    "log_every": 20,
    "sample_every": 200,
    "checkpoint_every": 200,
}


def presets(config_type: type[C], **changes: Any) -> dict[str, C]:
    """Named settings: "paper" those of 2019; "small" and "mini", with these changes, take a minute
    or two on two CPU cores."""
    small = config_type(**SMALL | changes)
    return {"paper": config_type(), "small": small, "mini": replace(small, version="mini-1")}


PRESETS = presets(Config)
