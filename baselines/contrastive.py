"""Contrastive learning on pairs of images: an encoder without a decoder.

The encoder learns to find, for each image, its partner among the partners of all images of a batch:
InfoNCE (van den Oord et al. 2018, arXiv:1807.03748), both ways. How alike two codes are is told by
a conditional, the law by which the code of the second image follows from that of the first. Where
it fits the law of the pairs, the codes that are best at this are the parameters themselves, up to
their order, signs and scales (Zimmermann et al. 2021, arXiv:2102.08850).
"""

from __future__ import annotations

import sys

from baselines.train import main

if __name__ == "__main__":  # before torch, which help does without
    sys.exit(main(["contrastive", *sys.argv[1:]]))

from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import AdamW

from baselines.configs.contrastive import PARAMETERS, Config
from baselines.configs.contrastive import PRESETS as PRESETS
from baselines.parts.networks import ResidualEncoder, initialise
from baselines.training.baseline import Baseline
from baselines.training.data import Batch

HEIGHT = 2.0
"""Of the sparse conditional at first: how much likelier it is to be near than anywhere, the
logarithm."""
START = 2
"""Parameters that come before them: x0 and y0, which an image hardly shows."""


def log_ratios(
    conditional: str,
    codes: Tensor,
    others: Tensor,
    scales: Tensor,
    heights: Tensor,
    numbers: Tensor | None = None,
) -> Tensor:
    """How much likelier code j of `others` follows code i of `codes` than any other: [N, M].

    codes [N, L], others [M, L], scales and heights [L], numbers int64 [N] with "one": the logarithm
    of the ratio, up to a term that does not depend on j.
    """
    if conditional == "cosine":
        angles = functional.normalize(codes, dim=1) @ functional.normalize(others, dim=1).T
        return scales.mean() * angles
    if conditional == "laplace":
        return -torch.cdist(codes * scales, others * scales, p=1)
    distances = (codes[:, None] - others[None]).abs() * scales
    if conditional == "normal":
        return -distances.square().sum(dim=2)
    if conditional == "sparse":  # log(1 + h exp(-d)): near with some probability, or anywhere
        return functional.softplus(heights - distances).sum(dim=2)
    assert numbers is not None
    owners = torch.arange(codes.shape[1], device=codes.device) % PARAMETERS + START
    return -(distances * (numbers[:, None] != owners)[:, None]).sum(dim=2)


def info_nce(first: Tensor, second: Tensor, ratios: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Cross-entropy of finding the partner of each code [N, L] among all [N, L] of the other side,
    the mean of both ways; a scalar, log N for codes that tell nothing.

    ratios(codes, others): how much likelier each of `others` follows each of `codes` than any other
    does, the logarithm, [N, M]; the partner comes first among the M in its place.
    """
    own = torch.arange(len(first), device=first.device)
    ways = ratios(first, second), ratios(second, first)
    return (functional.cross_entropy(ways[0], own) + functional.cross_entropy(ways[1], own)) / 2


def turned(codes: Tensor, odd: int) -> Tensor:
    """Codes [N, L] of images as they are when the images are turned upside down: [N, L]."""
    even = codes.shape[1] - odd
    return torch.cat([codes[:, :even], -codes[:, even:]], dim=1)


def even_and_odd(
    network: Callable[[Tensor], Tensor], upright: Tensor, down: Tensor, odd: int
) -> Tensor:
    """Codes [N, L] of inputs [N, ...], of which the last `odd` change their sign when the inputs
    `upright` and `down`, the same turned upside down, are exchanged, and the others do not."""
    codes, others = network(torch.cat([upright, down])).chunk(2)
    return (codes + turned(others, odd)) / 2


class Contrastive(Baseline):
    """An encoder, the widths of its codes, and their step."""

    name: ClassVar[str] = "contrastive"
    config_type: ClassVar[type[Config]] = Config
    generates: ClassVar[bool] = False
    config: Config

    def __init__(self, config: Config, rng: torch.Generator) -> None:
        super().__init__(config, rng)
        self.config, self.supervision = config, config.supervision
        self.encoder = ResidualEncoder(config, config.latent_size)
        initialise(self.encoder, rng)
        self.log_scales = nn.Parameter(torch.zeros(config.latent_size))
        self.heights = nn.Parameter(torch.full((config.latent_size,), HEIGHT))
        free: dict[str, Any] = {"params": [self.log_scales, self.heights], "weight_decay": 0.0}
        weights = {"params": list(self.encoder.parameters()), "weight_decay": config.weight_decay}
        self.optimizers = {"encoder": AdamW([weights, free], lr=config.lr, fused=True)}

    def encode(self, images: Tensor) -> Tensor:
        if not self.config.odd_codes:
            return self.encoder(images)
        return even_and_odd(self.encoder, images, images.flip(2), self.config.odd_codes)

    def loss(self, batch: Batch) -> Tensor:
        """InfoNCE of a batch of pairs, the mean of both ways; a scalar, log N for codes that tell
        nothing. All partners of all processes are candidates."""
        codes = self.encode(batch.images.flatten(0, 1)).unflatten(0, (-1, 2))
        self.show("codes", codes)
        first, second = self.gathered(codes).unbind(dim=1)
        numbers = None if batch.numbers is None else self.gathered(batch.numbers)
        law = self.config.conditional
        shape = self.log_scales.exp(), self.heights, numbers

        def ratios(codes: Tensor, others: Tensor) -> Tensor:
            if self.config.odd_codes:
                others = torch.cat([others, turned(others, self.config.odd_codes)])
            return log_ratios(law, codes, others, *shape)

        return info_nce(first, second, ratios)

    def step(self, batch: Batch, rng: torch.Generator) -> dict[str, Tensor]:
        loss = self.loss(batch)
        self.descend("encoder", loss)
        return {"contrastive": loss.detach()}
