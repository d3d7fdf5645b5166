"""Inference of SDPC as its authors wrote it: the peer of `baselines.sdpc` in bench_baselines.py.

Convolutions and transposed convolutions with the dictionaries as they are, all of an image's
predictions made anew in each step of each layer, gradients by autograd, and the whole batch until
its last image stands still (`Coding.py` of SPC_2L, the code of arXiv:2002.00892).
The step and the rule by which it ends are those of `baselines.sdpc`, so that both find the same.
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
    images: Tensor,
    layers: list[Layer],
    k: float,
    iterations: int,
    tolerance: float,
    autograd: bool = True,
) -> tuple[list[Tensor], int]:
    """The maps of images [N, C, S, S], and the iterations that they took. Without autograd, the
    gradients are written out, which the authors did not do and which is faster."""
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
            above = layers[i + 1] if i + 1 < len(layers) else None
            predicted = None
            if above is not None:
                predicted = functional.conv_transpose2d(
                    ahead[i + 1], above.atoms, stride=above.stride
                )
            find = slope_by_autograd if autograd else slope_written_out
            slope = find(ahead[i], layer, target, predicted, k)
            rate = 1 / (layer.curvature + (0 if above is None else k))
            new = functional.relu(ahead[i] - rate * (slope + layer.sparsity))
            change, size = (new - maps[i]).flatten(1).norm(dim=1), new.flatten(1).norm(dim=1)
            changed = torch.maximum(changed, change / size.clamp(min=TINY))
            ahead[i] = new + (before - 1) / t * (new - maps[i])
            maps[i] = new
        if iteration >= LEAST and (changed < tolerance).all():
            break
    return maps, iteration


@torch.enable_grad()
def slope_by_autograd(
    maps: Tensor, layer: Layer, target: Tensor, predicted: Tensor | None, k: float
) -> Tensor:
    """The gradient of what the maps of a layer descend, without lambda: how far they are from the
    target below them, and from what is predicted of them from above."""
    maps = maps.detach().requires_grad_()
    made = functional.conv_transpose2d(maps, layer.atoms, stride=layer.stride)
    loss = (target - made).pow(2).sum().mul(0.5)
    if predicted is not None:
        loss = loss + (layer.gain * maps - predicted).div(layer.gain).pow(2).sum().mul(k / 2)
    return torch.autograd.grad(loss, maps)[0]


def slope_written_out(
    maps: Tensor, layer: Layer, target: Tensor, predicted: Tensor | None, k: float
) -> Tensor:
    """The same."""
    made = functional.conv_transpose2d(maps, layer.atoms, stride=layer.stride)
    slope = functional.conv2d(made - target, layer.atoms, stride=layer.stride)
    if predicted is not None:
        slope = slope + k * (layer.gain * maps - predicted) / layer.gain
    return slope
