"""A flow: from noise and a', b', c, d to a picture, by conditional flow matching.

A picture is one level a cell: how dark its ink is, or that it is empty. On the straight way from
noise x0 to a picture x1, at time t, a network learns the velocity x1 - x0 (Lipman et al. 2023,
arXiv:2210.02747; Liu et al. 2023, arXiv:2209.03003); followed in a few steps from other noise, the
velocities end at a new picture. The levels are coloured as the renderer colours counts.

What the network knows of v are maps of the size of the picture, which the emulator's network makes
(`baselines.emulator`). Their first is the density of the attractor, trained on the counts as there;
so the small convolutions that follow need only learn the grain, and which of several attractors a
starting point falls to.
"""

from __future__ import annotations

import sys

from baselines.train import main

if __name__ == "__main__":  # before torch, which help does without
    sys.exit(main(["flow", *sys.argv[1:]]))

import math
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from baselines.configs.flow import GROUPS, MAPS, Config
from baselines.configs.flow import PRESETS as PRESETS
from baselines.emulator import Emulator, coloured, surprise
from baselines.parts.networks import initialise
from baselines.parts.vectors import generators
from baselines.training.data import Batch, send
from baselines.training.parallel import processes, share
from fdd.rendering.shading import gray

TIMES = 16
"""Sines and cosines of the time, as many of each."""


EMPTY = -1.0
"""The level of an empty cell; those of ink are from 0, the lightest, to 1."""

FAINT = 6.0
"""A density below exp(-6) times the mean one is seen as that."""


class Part(nn.Module):
    """Two convolutions beside the input, and what the time adds to each channel:
    [N, channels, S, S] -> [N, out, S, S]."""

    def __init__(self, channels: int, out: int, times: int) -> None:
        super().__init__()
        self.first = nn.Sequential(
            nn.GroupNorm(GROUPS, channels), nn.SiLU(), nn.Conv2d(channels, out, 3, padding=1)
        )
        self.time = nn.Linear(times, out)
        self.second = nn.Sequential(
            nn.GroupNorm(GROUPS, out), nn.SiLU(), nn.Conv2d(out, out, 3, padding=1)
        )
        self.skip = nn.Conv2d(channels, out, 1)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        found = self.first(x) + self.time(time)[:, :, None, None]
        return self.skip(x) + self.second(found)


class Velocity(nn.Module):
    """Levels [N, 1, S, S] on their way, maps of v [N, MAPS, S, S] and times [N] -> velocities
    [N, 1, S, S].

    A small U-Net (Ronneberger et al. 2015, arXiv:1505.04597) on blocks of pixels as channels, so
    that convolutions meet 16 x 16 positions of a picture of 32 x 32, and 8 x 8 below.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.block = max(2, config.image_size // 32)
        wide, cells, times = config.channels, self.block**2, 2 * TIMES
        self.enter = nn.Conv2d((1 + MAPS) * cells, wide, 3, padding=1)
        self.above = Part(wide, wide, times)
        self.down = nn.Conv2d(wide, 2 * wide, 4, 2, 1)
        self.below = nn.ModuleList(Part(2 * wide, 2 * wide, times) for _ in range(2))
        self.merge = Part(3 * wide, wide, times)
        self.leave = nn.Conv2d(wide, cells, 3, padding=1)
        self.lower = config.precision == "bfloat16"

    def forward(self, levels: Tensor, maps: Tensor, times: Tensor) -> Tensor:
        with torch.autocast(levels.device.type, torch.bfloat16, self.lower and self.training):
            angles = times[:, None] * torch.arange(1, TIMES + 1, device=times.device) * math.pi
            time = torch.cat([angles.sin(), angles.cos()], dim=1)
            seen = functional.pixel_unshuffle(torch.cat([levels, maps], dim=1), self.block)
            above = self.above(self.enter(seen), time)
            below = self.down(above)
            for part in self.below:
                below = part(below, time)
            below = functional.interpolate(below, scale_factor=2.0)
            merged = self.merge(torch.cat([above, below], dim=1), time)
            return functional.pixel_shuffle(self.leave(merged), self.block).float()


class Flow(Emulator):
    """The emulator's network, the one of velocities, and their step."""

    name: ClassVar[str] = "flow"
    config_type: ClassVar[type[Config]] = Config
    config: Config

    def __init__(self, config: Config, rng: torch.Generator) -> None:
        super().__init__(config, rng)
        self.velocity = Velocity(config)
        initialise(self.velocity, rng)
        nn.init.zeros_(self.velocity.leave.weight)
        self.optimizers = {"generator": self.adam(self)}

    def seen(self, made: Tensor) -> Tensor:
        """Maps of v [N, MAPS, S, S] as the convolutions see them: of the density the logarithm,
        with 0 for an even one; it learns from the counts alone."""
        density = made[:, :1].detach().flatten(1).log_softmax(dim=1) + 2 * math.log(made.shape[3])
        return torch.cat(
            [density.clamp(min=-FAINT).view_as(made[:, :1]) / FAINT, made[:, 1:]], dim=1
        )

    def generate(self, codes: Tensor, noise: int = 0) -> Tensor:
        """Codes [N, 4] -> images [N, 3, S, S] in [-1, 1]; other ones for another noise."""
        maps = self.seen(self.canvas(codes))
        start = [
            rng.standard_normal((1, *maps.shape[2:]), np.float32)
            for rng in generators(codes, noise)
        ]
        levels = torch.from_numpy(np.stack(start)).to(maps.device)
        for step in range(self.config.noise_steps):
            times = torch.full((len(levels),), step / self.config.noise_steps, device=maps.device)
            levels = levels + self.velocity(levels, maps, times) / self.config.noise_steps
        inked = levels > EMPTY / 2
        return coloured(
            torch.where(inked, 1 + 254 * levels.clamp(0, 1), 0).round().long().flatten(1)
        )

    def losses(self, batch: Batch, noise: Tensor, times: Tensor) -> dict[str, Tensor]:
        """The mean squared error of velocities on the way from noise [N, 1, S, S] at times [N], and
        the cross-entropy of the counts."""
        assert batch.counts is not None
        made = self.canvas(self.vectors(batch))
        levels = levels_of(batch.counts)
        share = times[:, None, None, None]
        velocity = self.velocity(torch.lerp(noise, levels, share), self.seen(made), times)
        return {
            "velocity": functional.mse_loss(velocity, levels - noise),
            "counts": surprise(made[:, 0], batch),
        }

    def step(self, batch: Batch, rng: torch.Generator) -> dict[str, Tensor]:
        rows, side, device = len(batch.images), self.config.image_size, batch.images.device
        everyone = rows * processes()[1]
        noise = send(share(torch.randn(everyone, 1, side, side, generator=rng)), device)
        times = send(share(torch.rand(everyone, generator=rng)), device)
        losses = self.losses(batch, noise, times)
        self.descend("generator", losses["velocity"] + losses["counts"])
        return {name: loss.detach() for name, loss in losses.items()}


def levels_of(counts: Tensor) -> Tensor:
    """Counts [N, S, S] -> levels float32 [N, 1, S, S]: EMPTY, or how dark the ink is, 0 to 1."""
    ink = 1 - torch.from_numpy(gray(counts.cpu().numpy())).to(counts.device)[:, None] / 255
    return torch.where(counts[:, None] > 0, ink, EMPTY)
