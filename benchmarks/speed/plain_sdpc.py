"""Inference of SDPC as its authors wrote it: the peer of `baselines.sdpc` in bench_baselines.py.

Convolutions and transposed convolutions with the dictionaries as they are, all of an image's
predictions made anew in each step of each layer, and the whole batch until its last image stands
still. Gradients are written out where the authors let autograd find them, which is slower.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from baselines.parts.sparse_maps import TINY
from baselines.sdpc import LEAST, Layer


def plain_layers(layers: list[Layer]) -> list[Layer]:
    """The same layers with atoms [K, C, h, w] that lie `stride` apart."""
    return [
        layer._replace(atoms=functional.pixel_shuffle(layer.atoms, layer.stride).contiguous())
        for layer in layers
    ]


@torch.no_grad()
def plain_infer(
    images: Tensor, layers: list[Layer], k: float, iterations: int, tolerance: float
) -> tuple[list[Tensor], int]:
    """The maps of images [N, C, S, S], and the iterations that they took."""
    maps, below = [], images
    for layer in layers:
        below = torch.zeros_like(functional.conv2d(below, layer.atoms, stride=layer.stride))
        maps.append(below)
    ahead, t = list(maps), 1.0
    for iteration in range(1, iterations + 1):
        before, t = t, (1 + math.sqrt(1 + 4 * t * t)) / 2
        changed = torch.zeros(len(images), dtype=images.dtype)
        for i, layer in enumerate(layers):
            target = images if i == 0 else layers[i - 1].gain * ahead[i - 1]
            made = functional.conv_transpose2d(ahead[i], layer.atoms, stride=layer.stride)
            slope = functional.conv2d(made - target, layer.atoms, stride=layer.stride)
            rate = 1 / layer.curvature
            if i + 1 < len(layers):
                above = layers[i + 1]
                feedback = functional.conv_transpose2d(
                    ahead[i + 1], above.atoms, stride=above.stride
                )
                slope = slope + k * (layer.gain * ahead[i] - feedback) / layer.gain
                rate = 1 / (layer.curvature + k)
            new = functional.relu(ahead[i] - rate * (slope + layer.sparsity))
            change, size = (new - maps[i]).flatten(1).norm(dim=1), new.flatten(1).norm(dim=1)
            changed = torch.maximum(changed, change / size.clamp(min=TINY))
            ahead[i] = new + (before - 1) / t * (new - maps[i])
            maps[i] = new
        if iteration >= LEAST and (changed < tolerance).all():
            break
    return maps, iteration
