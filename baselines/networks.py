"""Generator, discriminator and encoder of the 2019 experiments.

With the default `Shape` the generator goes from 512x16x16 over 256x32x32 and 128x64x64 to
64x128x128, and the other two go from 64x64x64 to 512x8x8; smaller numbers give the same in small.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn


@dataclass(frozen=True)
class Shape:
    """What the networks of one model have in common; the defaults are those of 2019."""

    image_size: int = 128
    """Pixels on a side, S: a multiple of 16."""
    width: int = 64
    """Channels at the highest resolution; the lowest has 8 times as many."""
    kernel_size: int = 9
    """Side of the kernels, odd."""
    batch_norm_eps: float = 0.5
    leaky_slope: float = 1e-6

    def normalise(self, channels: int) -> nn.Module:
        return nn.BatchNorm2d(channels, eps=self.batch_norm_eps)

    def activate(self) -> nn.Module:
        return nn.LeakyReLU(self.leaky_slope)

    def convolve(self, channels: int, out: int, stride: int) -> nn.Module:
        return nn.Conv2d(channels, out, self.kernel_size, stride, padding=self.kernel_size // 2)


class Generator(nn.Sequential):
    """Codes [N, latent_size] -> images [N, 3, S, S] in [-1, 1].

    Linear to 8*width channels of S/8 x S/8; three times upsampling by repetition and a convolution
    that halves the channels (a convolution of stride 2 gave noise in 2019); a 3x3 one to RGB.
    """

    def __init__(self, shape: Shape, latent_size: int) -> None:
        first, side = 8 * shape.width, shape.image_size // 8
        layers: list[nn.Module] = [
            nn.Linear(latent_size, first * side * side),
            nn.Unflatten(1, (first, side, side)),
            shape.activate(),
        ]
        for channels in (first, first // 2, first // 4):
            layers += [
                nn.Upsample(scale_factor=2, mode="nearest"),
                shape.convolve(channels, channels // 2, stride=1),
                shape.normalise(channels // 2),
                shape.activate(),
            ]
        layers += [nn.Conv2d(shape.width, 3, 3, padding=1), nn.Tanh()]
        super().__init__(*layers)


class Encoder(nn.Sequential):
    """Images [N, 3, S, S] in [-1, 1] -> codes [N, latent_size].

    Four convolutions of stride 2 to width, 2, 4 and 8 times width channels, and a linear layer.
    """

    def __init__(self, shape: Shape, latent_size: int) -> None:
        width = shape.width
        layers: list[nn.Module] = [shape.convolve(3, width, stride=2), shape.activate()]
        for channels in (width, 2 * width, 4 * width):
            layers += [
                shape.convolve(channels, 2 * channels, stride=2),
                shape.activate(),
                shape.normalise(2 * channels),
            ]
        side = shape.image_size // 16
        layers += [nn.Flatten(), nn.Linear(8 * width * side * side, latent_size)]
        super().__init__(*layers)


class Discriminator(Encoder):
    """Images [N, 3, S, S] in [-1, 1] -> logits [N, 1], high for real ones."""

    def __init__(self, shape: Shape) -> None:
        super().__init__(shape, latent_size=1)


@torch.no_grad()
def initialise(network: nn.Module, rng: torch.Generator) -> None:
    """Glorot-normal weights (Glorot and Bengio 2010) drawn from `rng`, zero biases; in place."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.xavier_normal_(layer.weight, generator=rng)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


@contextmanager
def frozen(network: nn.Module) -> Iterator[None]:
    """Inside, gradients flow through `network` but its parameters get none."""
    network.requires_grad_(False)
    try:
        yield
    finally:
        network.requires_grad_(True)


@contextmanager
def without_averages(network: nn.Module) -> Iterator[None]:
    """Inside, BatchNorm normalises by the batch as ever but leaves its running averages alone."""
    layers = [layer for layer in network.modules() if isinstance(layer, nn.BatchNorm2d)]
    for layer in layers:
        layer.track_running_stats = False
    try:
        yield
    finally:
        for layer in layers:
            layer.track_running_stats = True
