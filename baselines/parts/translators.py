"""Networks from images to images, and a discriminator of patches, as CycleGAN has them.

Translator: Johnson et al. 2016 (arXiv:1603.08155), in the sizes of Zhu et al. 2017
(arXiv:1703.10593). Patches: Isola et al. 2017 (arXiv:1611.07004).
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn

from baselines.parts.networks import DoubledConv2d, FoldedConv2d, InstanceNorm, Network

DEVIATION = 0.02
"""Standard deviation of all weights at first."""
SLOPE = 0.2
"""Of LeakyReLU below zero."""
WIDEST = 8
"""Times the width, the most channels of a discriminator."""


class TranslatorOptions(Protocol):
    """What the networks read of a model's options."""

    @property
    def image_size(self) -> int: ...
    @property
    def width(self) -> int: ...
    @property
    def blocks(self) -> int: ...
    @property
    def downs(self) -> int: ...
    @property
    def halvings(self) -> int: ...
    @property
    def upsampling(self) -> str: ...
    @property
    def precision(self) -> str: ...


def convolve(channels: int, out: int, kernel_size: int, stride: int = 1) -> nn.Module:
    """A convolution that continues images by their reflection at the edges."""
    return nn.Conv2d(channels, out, kernel_size, stride, kernel_size // 2, padding_mode="reflect")


def enlarge(options: TranslatorOptions, channels: int, out: int) -> nn.Module:
    """[N, channels, S, S] -> [N, out, 2S, 2S]: 3x3, transposed or after repeating pixels."""
    if options.upsampling == "transposed":
        return nn.ConvTranspose2d(channels, out, 3, 2, 1, output_padding=1)
    return DoubledConv2d(channels, out, 3)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with InstanceNorm beside the input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            convolve(channels, channels, 3),
            InstanceNorm(channels),
            nn.ReLU(),
            convolve(channels, channels, 3),
            InstanceNorm(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


class Translator(Network):
    """Images [N, 3, S, S] in [-1, 1] -> images of the same size.

    A 7x7 convolution to `width` channels, `downs` of stride 2 that double them, residual blocks, as
    many that double the side again, and a 7x7 one to RGB; InstanceNorm (Ulyanov et al. 2016,
    arXiv:1607.08022) after all but the last.
    """

    def __init__(self, options: TranslatorOptions) -> None:
        width = options.width
        widths = [width * 2**number for number in range(options.downs + 1)]
        layers: list[nn.Module] = [convolve(3, width, 7), InstanceNorm(width), nn.ReLU()]
        for channels in widths[:-1]:
            layers += [nn.Conv2d(channels, 2 * channels, 3, 2, 1)]
            layers += [InstanceNorm(2 * channels), nn.ReLU()]
        layers += [ResidualBlock(widths[-1]) for _ in range(options.blocks)]
        for channels in reversed(widths[1:]):
            layers += [enlarge(options, channels, channels // 2)]
            layers += [InstanceNorm(channels // 2), nn.ReLU()]
        layers += [FoldedConv2d(width, 3, 7), nn.Tanh()]
        super().__init__(options, layers)


class PatchDiscriminator(Network):
    """Images [N, 3, S, S] -> logits [N, 1, h, w], one for each patch, high for real ones.

    4x4 convolutions, `halvings` of stride 2 and one more, from `width` channels on, doubled by each
    up to WIDEST times as many, and one to a logit. Three halvings see 70x70 pixels, two 34x34.
    """

    def __init__(self, options: TranslatorOptions) -> None:
        width = options.width
        layers: list[nn.Module] = [nn.Conv2d(3, width, 4, 2, 1), nn.LeakyReLU(SLOPE)]
        channels = width
        for number in range(1, options.halvings + 1):
            out = min(2**number, WIDEST) * width
            stride = 2 if number < options.halvings else 1
            layers += [nn.Conv2d(channels, out, 4, stride, 1)]
            layers += [InstanceNorm(out), nn.LeakyReLU(SLOPE)]
            channels = out
        super().__init__(options, [*layers, nn.Conv2d(channels, 1, 4, 1, 1)])


@torch.no_grad()
def initialise(network: nn.Module, rng: torch.Generator) -> None:
    """Weights N(0, 0.02^2) drawn from `rng`, zero biases; in place."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(layer.weight, 0.0, DEVIATION, generator=rng)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
