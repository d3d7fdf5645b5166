"""BigGAN on v (Brock et al. 2019, arXiv:1809.11096): a picture of a', b', c, d and of noise.

Where BigGAN has classes, this has the parameters that an image shows. Starting point and sign,
which it hardly shows, are left to the noise z. Every step makes two updates with the hinge loss:

1. discriminator: tell a real picture of v from a made one, and from a real picture of another v;
2. generator: have the discriminator take those that it makes of v for real ones of v.

Pairs that do not match make the discriminator read v (Reed et al. 2016, arXiv:1605.05396). It
judges a picture by a projection, w'h + psi(v)'h of its features h (Miyato and Koyama 2018,
arXiv:1802.05637). BigGAN's attention is left out, and v goes into the generator's entrance, too,
as in the deep variant of the paper: a class has no outline, a v has.

Symmetries of the equation hold by construction: both networks see the one of eight equivalent
vectors that `baselines.parts.vectors.fold` chooses, and its picture.
"""

from __future__ import annotations

import sys

from baselines.train import main

if __name__ == "__main__":  # before torch, which help does without
    sys.exit(main(["biggan", *sys.argv[1:]]))

import math
from itertools import pairwise
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Adam
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from baselines.configs.biggan import CODES, ENDS, Config
from baselines.configs.biggan import PRESETS as PRESETS
from baselines.parts.losses import discriminator_loss, generator_loss
from baselines.parts.networks import DoubledConv2d, PooledConv2d, frozen, orthogonal
from baselines.parts.vectors import canonical, fold, generators, refold, unfold
from baselines.training.baseline import Baseline
from baselines.training.data import Batch, send
from baselines.training.parallel import BatchNorm, gather, processes, share
from fdd.errors import FddError

FREQUENCIES = 4
"""Sines and cosines of each number of v, as many of each; every frequency is twice the last."""
WIDEST = 16
"""Most channels, in multiples of those at the widest resolution."""


def waves(conditions: Tensor) -> Tensor:
    """Conditions [N, 4] in [-1, 1] with their sines and cosines (Tancik et al. 2020,
    arXiv:2006.10739), which have length 1 together: [N, 4 + 8 FREQUENCIES]."""
    angles = torch.cat([conditions * 2**k * math.pi / 2 for k in range(FREQUENCIES)], dim=1)
    length = math.sqrt(angles.shape[1])
    return torch.cat([conditions, angles.sin() / length, angles.cos() / length], dim=1)


def embedding(out: int) -> nn.Sequential:
    """A small network for `waves`: [N, 4 + 8 FREQUENCIES] -> [N, out]."""
    inputs = CODES + 2 * CODES * FREQUENCIES
    return nn.Sequential(nn.Linear(inputs, out), nn.ReLU(), nn.Linear(out, out))


class ConditionalBatchNorm(nn.Module):
    """BatchNorm whose gain, about 1, and bias are linear in numbers [N, inputs]; with none of them
    the ordinary one."""

    def __init__(self, channels: int, inputs: int) -> None:
        super().__init__()
        self.conditional = inputs > 0
        self.norm = BatchNorm(channels, affine=not self.conditional)
        if self.conditional:
            self.gain = nn.Linear(inputs, channels, bias=False)
            self.bias = nn.Linear(inputs, channels, bias=False)

    def forward(self, x: Tensor, numbers: Tensor) -> Tensor:
        x = self.norm(x)
        if not self.conditional:
            return x
        return x * (1 + self.gain(numbers))[:, :, None, None] + self.bias(numbers)[:, :, None, None]


class Enlarging(nn.Module):
    """A residual block of the generator: [N, channels, S, S] -> [N, out, 2S, 2S]."""

    def __init__(self, channels: int, out: int, inputs: int) -> None:
        super().__init__()
        self.first = ConditionalBatchNorm(channels, inputs)
        self.enlarge = DoubledConv2d(channels, out, 3)
        self.second = ConditionalBatchNorm(out, inputs)
        self.convolve = nn.Conv2d(out, out, 3, padding=1)
        self.skip = nn.Conv2d(channels, out, 1)

    def forward(self, x: Tensor, numbers: Tensor) -> Tensor:
        found = self.enlarge(functional.relu(self.first(x, numbers)))
        found = self.convolve(functional.relu(self.second(found, numbers)))
        return found + functional.interpolate(self.skip(x), scale_factor=2.0)


class Shrinking(nn.Module):
    """A residual block of the discriminator: [N, channels, 2S, 2S] -> [N, out, S, S]. The first
    begins without a ReLU; the last keeps its side and its channels."""

    def __init__(self, channels: int, out: int, first: bool = False, last: bool = False) -> None:
        super().__init__()
        self.first = first
        self.enter = nn.Conv2d(channels, out, 3, padding=1)
        self.leave = nn.Conv2d(out, out, 3, padding=1) if last else PooledConv2d(out, out, 3)
        pooled = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(channels, out, 1))
        self.skip = nn.Identity() if last else pooled

    def forward(self, x: Tensor) -> Tensor:
        found = self.enter(x if self.first else functional.relu(x))
        return self.leave(functional.relu(found)) + self.skip(x)


def sides(config: Config) -> list[int]:
    """The sides of what convolutions see, from the widest resolution down to ENDS."""
    return [config.side >> k for k in range((config.side // ENDS).bit_length())]


class Generator(nn.Module):
    """Conditions [N, 4] and noise [N, levels, noise_size] -> images [N, 3, S, S] in [-1, 1].

    Each level of noise goes into one part of the network: the first into its entrance, the others,
    each with what is made of v, into the BatchNorms of a block.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.patch, self.lower = config.patch, config.precision == "bfloat16"
        self.hierarchical = config.condition != "concatenation"
        channels = [config.width * min(2**k, WIDEST) for k in range(len(sides(config)))][::-1]
        self.levels = len(channels)
        self.shape = channels[0], ENDS, ENDS
        self.embedding = embedding(config.embedding)
        inputs = config.noise_size + config.embedding if self.hierarchical else 0
        entrance = config.embedding + config.noise_size * (1 if self.hierarchical else self.levels)
        self.enter = nn.Linear(entrance, math.prod(self.shape))
        self.blocks = nn.ModuleList(Enlarging(*pair, inputs) for pair in pairwise(channels))
        self.norm = BatchNorm(channels[-1])
        self.leave = nn.Conv2d(channels[-1], 3 * config.patch**2, 3, padding=1)

    def forward(self, conditions: Tensor, z: Tensor) -> Tensor:
        with torch.autocast(z.device.type, torch.bfloat16, self.lower and self.training):
            told = self.embedding(waves(conditions))
            first, *others = z.unbind(dim=1) if self.hierarchical else [z.flatten(1)]
            x = self.enter(torch.cat([told, first], dim=1)).unflatten(1, self.shape)
            numbers = [torch.cat([told, one], dim=1) for one in others] or [told] * len(self.blocks)
            for block, own in zip(self.blocks, numbers, strict=True):
                x = block(x, own)
            x = self.leave(functional.relu(self.norm(x)))
            return functional.pixel_shuffle(x, self.patch).tanh().float()


class Discriminator(nn.Module):
    """Images [N, 3, S, S] and conditions [N, 4] -> logits [N, 1], high for real pictures of v.

    With conditions `others` [M, 4], also of the first M images with those: [N + M, 1].
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.patch, self.lower = config.patch, config.precision == "bfloat16"
        self.projects = config.condition in ("projection", "mismatched")
        planes = 3 * config.patch**2 + (0 if self.projects else CODES)
        last = len(sides(config)) - 1
        channels = [config.discriminator_width * min(2**k, WIDEST) for k in range(last)]
        self.blocks = nn.Sequential(
            Shrinking(planes, channels[0], first=True),
            *(Shrinking(*pair) for pair in pairwise(channels)),
            Shrinking(channels[-1], channels[-1], last=True),
            nn.ReLU(),
        )
        self.real = nn.Linear(channels[-1], 1)
        if self.projects:
            self.embedding = embedding(channels[-1])

    def forward(self, images: Tensor, conditions: Tensor, others: Tensor | None = None) -> Tensor:
        with torch.autocast(images.device.type, torch.bfloat16, self.lower and self.training):
            seen = functional.pixel_unshuffle(images, self.patch)
            if not self.projects:
                planes = conditions[:, :, None, None].expand(-1, -1, *seen.shape[2:])
                return self.real(self.features(torch.cat([seen, planes], dim=1))).float()
            features = self.features(seen)
            if others is not None:
                features = torch.cat([features, features[: len(others)]])
                conditions = torch.cat([conditions, others])
            matching = (self.embedding(waves(conditions)) * features).sum(dim=1, keepdim=True)
            return (self.real(features) + matching).float()

    def features(self, seen: Tensor) -> Tensor:
        return self.blocks(seen).sum(dim=(2, 3))


class BigGAN(Baseline):
    """Networks, optimisers and step; all random numbers come from the `rng` passed in."""

    name: ClassVar[str] = "biggan"
    config_type: ClassVar[type[Config]] = Config
    supervision = "labels"
    noisy = True
    config: Config

    def __init__(self, config: Config, rng: torch.Generator) -> None:
        super().__init__(config, rng)
        self.config = config
        self.generator, self.discriminator = Generator(config), Discriminator(config)
        orthogonal(self, rng)
        self.optimizers = {
            "generator": self.adam(config.lr_generator, self.generator),
            "discriminator": self.adam(config.lr_discriminator, self.discriminator),
        }
        if config.ema:
            # Buffers are copied. The mean of the unit vectors of a power iteration is shorter, and
            # makes the largest singular value seem smaller; that of BatchNorm's running variances
            # keeps too much of where they began.
            decay = get_ema_multi_avg_fn(config.ema)
            self.average = AveragedModel(self.generator, multi_avg_fn=decay, use_buffers=False)

    def adam(self, lr: float, network: nn.Module) -> Adam:
        betas = float(self.config.beta1), 0.999  # config.json may say 0, and Adam wants two floats
        return Adam(network.parameters(), lr=lr, betas=betas, fused=True)

    def vectors(self, batch: Batch) -> Tensor:
        """The codes of the parameters of a batch, float32 [N, 4], each in [-1, 1]."""
        if batch.params is None:
            raise FddError(
                "data without parameters: this baseline learns them, so use fdd or stream"
            )
        return canonical(batch.params)

    def generate(self, codes: Tensor, noise: int = 0) -> Tensor:
        """Codes [N, 4] -> images [N, 3, S, S] in [-1, 1]; other ones for another noise, 0 to 2**32.

        z is normal, and independent for each code and each noise.
        """
        shape = self.generator.levels, self.config.noise_size
        drawn = [rng.standard_normal(shape, np.float32) for rng in generators(codes, noise)]
        return self.pictures(codes, torch.from_numpy(np.stack(drawn)).to(codes.device))

    def pictures(self, codes: Tensor, z: Tensor) -> Tensor:
        """Codes [N, 4] and noise [N, levels, noise_size] -> images [N, 3, S, S] in [-1, 1]."""
        network = self.average if self.config.ema and not self.training else self.generator
        if not self.config.symmetry:
            return network(codes, z)
        chosen, swapped, flipped = fold(codes)
        return unfold(network(conditions_of(chosen), z), swapped, flipped)

    def reproduce(self, batch: Batch) -> Tensor:
        """G(v) of the parameters of a batch."""
        return self.generate(self.vectors(batch))

    def normal(self, rows: int, rng: torch.Generator, device: torch.device) -> Tensor:
        """z ~ N(0, 1) [rows, levels, noise_size], this process's share of it."""
        shape = rows * processes()[1], self.generator.levels, self.config.noise_size
        return send(share(torch.randn(shape, generator=rng)), device)

    def seen(self, batch: Batch, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Images [N, 3, S, S] of a batch and their conditions [N, 4], as the networks see them."""
        images, codes = batch.images, self.vectors(batch)
        if self.config.vicinity:
            moves = torch.rand(len(codes) * processes()[1], CODES, generator=rng) * 2 - 1
            codes = near(codes, send(share(moves), codes.device), self.config.vicinity)
        if not self.config.symmetry:
            return images, codes
        chosen, swapped, flipped = fold(codes)
        return refold(images, swapped, flipped), conditions_of(chosen)

    def step(self, batch: Batch, rng: torch.Generator) -> dict[str, Tensor]:
        images, conditions = self.seen(batch, rng)
        losses = {}
        for _ in range(self.config.discriminator_steps):
            fakes = self.generator(conditions, self.normal(len(images), rng, images.device))
            losses["discriminator"] = self.discriminator_step(images, fakes.detach(), conditions)
        return losses | {"generator": self.generator_step(fakes, conditions)}

    def discriminator_step(self, images: Tensor, fakes: Tensor, conditions: Tensor) -> Tensor:
        count, others = len(images), None
        if self.config.condition == "mismatched":
            others = share(gather(conditions).roll(1, dims=0))
        both = torch.cat([images, fakes]), torch.cat([conditions, conditions])
        logits = self.discriminator(*both, others)
        real, fake = logits[:count], logits[count:]
        self.show("D(x, v)", real)
        self.show("D(G(z, v), v)", fake[:count])
        if others is not None:
            self.show("D(x, other v)", fake[count:])
        loss = discriminator_loss("hinge", real, fake, 1.0)
        self.descend("discriminator", loss)
        return loss.detach()

    def generator_step(self, fakes: Tensor, conditions: Tensor) -> Tensor:
        with frozen(self.discriminator):
            loss = generator_loss("hinge", self.discriminator(fakes, conditions), 1.0)
            self.descend("generator", loss)
        if self.config.ema:
            self.average.update_parameters(self.generator)
        return loss.detach()


def conditions_of(chosen: Tensor) -> Tensor:
    """The vectors that `fold` chooses [N, 4], whose a and c are at least 0, spread over [-1, 1]."""
    a, b, c, d = chosen.T
    return torch.stack([2 * a - 1, b, 2 * c - 1, d], dim=1)


def near(codes: Tensor, moves: Tensor, width: float) -> Tensor:
    """Codes [N, 4] moved by `width` times numbers in [-1, 1] [N, 4], as far as codes go.

    CcGAN's vicinal loss (Ding et al. 2021, arXiv:2011.07455) draws a target from the labels with
    noise, then a real image whose label is near it. Where the noise is even and as wide as "near"
    is, that is a label and its target, drawn even around it.
    """
    return (codes + width * moves).clamp(-1, 1)
