"""The CycleGAN as it is usually written: layers of torch.nn, a call of a network for each batch.

The peer of `baselines.cyclegan`, for the benchmark and for a test that both compute the same.
"""

from __future__ import annotations

import random
from itertools import chain

import torch
from torch import Tensor, nn
from torch.optim import Adam


class Block(nn.Module):
    """A residual block."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for last in (False, True):
            layers += [
                nn.ReflectionPad2d(1),
                nn.Conv2d(channels, channels, 3),
                nn.InstanceNorm2d(channels),
                *([] if last else [nn.ReLU()]),
            ]
        self.body = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


def translator(width: int, blocks: int, downs: int, transposed: bool) -> nn.Sequential:
    """Images [N, 3, S, S] in [-1, 1] -> images of the same size."""
    widths = [width * 2**number for number in range(downs + 1)]
    layers: list[nn.Module] = [nn.ReflectionPad2d(3), nn.Conv2d(3, width, 7)]
    layers += [nn.InstanceNorm2d(width), nn.ReLU()]
    for channels in widths[:-1]:
        layers += [nn.Conv2d(channels, 2 * channels, 3, 2, 1)]
        layers += [nn.InstanceNorm2d(2 * channels), nn.ReLU()]
    layers += [Block(widths[-1]) for _ in range(blocks)]
    for channels in reversed(widths[1:]):
        half = channels // 2
        if transposed:
            layers += [nn.ConvTranspose2d(channels, half, 3, 2, 1, output_padding=1)]
        else:
            layers += [nn.Upsample(scale_factor=2), nn.Conv2d(channels, half, 3, padding=1)]
        layers += [nn.InstanceNorm2d(half), nn.ReLU()]
    return nn.Sequential(*layers, nn.ReflectionPad2d(3), nn.Conv2d(width, 3, 7), nn.Tanh())


def discriminator(width: int, halvings: int) -> nn.Sequential:
    """Images [N, 3, S, S] -> logits [N, 1, h, w]."""
    layers: list[nn.Module] = [nn.Conv2d(3, width, 4, 2, 1), nn.LeakyReLU(0.2)]
    channels = width
    for number in range(1, halvings + 1):
        out = min(2**number, 8) * width
        layers += [nn.Conv2d(channels, out, 4, 2 if number < halvings else 1, 1)]
        layers += [nn.InstanceNorm2d(out), nn.LeakyReLU(0.2)]
        channels = out
    return nn.Sequential(*layers, nn.Conv2d(channels, 1, 4, 1, 1))


class Pool:
    """Fifty translated images, of which a batch is shown some."""

    def __init__(self, size: int = 50) -> None:
        self.size, self.images = size, list[Tensor]()

    def shown(self, made: Tensor) -> Tensor:
        found = []
        for image in made:
            if len(self.images) < self.size:
                self.images.append(image.clone())
                found.append(image)
            elif random.random() < 0.5:
                place = random.randrange(self.size)
                found.append(self.images[place])
                self.images[place] = image.clone()
            else:
                found.append(image)
        return torch.stack(found)


class PlainCycleGAN(nn.Module):
    """Networks, pools, optimisers and step."""

    def __init__(
        self, width: int, blocks: int, downs: int, halvings: int, transposed: bool, lr: float
    ) -> None:
        super().__init__()
        self.G, self.F = (translator(width, blocks, downs, transposed) for _ in range(2))
        self.D_A, self.D_B = (discriminator(width, halvings) for _ in range(2))
        betas = (0.5, 0.999)
        self.optimizer_g = Adam(chain(self.G.parameters(), self.F.parameters()), lr, betas)
        self.optimizer_d = Adam(chain(self.D_A.parameters(), self.D_B.parameters()), lr, betas)
        self.pool_a, self.pool_b = Pool(), Pool()
        self.mse, self.l1 = nn.MSELoss(), nn.L1Loss()

    def real(self, logits: Tensor) -> Tensor:
        return self.mse(logits, torch.ones_like(logits))

    def fake(self, logits: Tensor) -> Tensor:
        return self.mse(logits, torch.zeros_like(logits))

    def step(self, x: Tensor, y: Tensor, identity_weight: float = 5.0) -> dict[str, Tensor]:
        """One update of each network on images [N, 3, S, S] of A and B; the losses by name."""
        made_y, made_x = self.G(x), self.F(y)
        game = self.real(self.D_B(made_y)) + self.real(self.D_A(made_x))
        cycle = self.l1(self.F(made_y), x) + self.l1(self.G(made_x), y)
        identity = self.l1(self.G(y), y) + self.l1(self.F(x), x)
        self.optimizer_g.zero_grad()
        (game + 10 * cycle + identity_weight * identity).backward()
        self.optimizer_g.step()

        self.optimizer_d.zero_grad()
        losses = {}
        for name, network, image, shown in (
            ("D_A", self.D_A, x, self.pool_a.shown(made_x.detach())),
            ("D_B", self.D_B, y, self.pool_b.shown(made_y.detach())),
        ):
            losses[name] = (self.real(network(image)) + self.fake(network(shown))) / 2
            losses[name].backward()
        self.optimizer_d.step()
        found = {"translators": game, "cycle": cycle, "identity": identity, **losses}
        return {name: loss.detach() for name, loss in found.items()}
