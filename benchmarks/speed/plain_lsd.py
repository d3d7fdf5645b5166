"""The LSD of 2019 as it is usually written: layers of torch.nn, one backward pass a loss.

The peer of `baselines.lsd`, for the benchmark and for a test that both compute the same.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.optim import Adam


def generator(image_size: int, width: int, kernel_size: int) -> nn.Sequential:
    """Vectors [N, 6] -> images [N, 3, S, S] in [-1, 1]."""
    first, side = 8 * width, image_size // 8
    layers = [
        nn.Linear(6, first * side * side),
        nn.Unflatten(1, (first, side, side)),
        nn.LeakyReLU(1e-6),
    ]
    for channels in (first, first // 2, first // 4):
        layers += [
            nn.Upsample(scale_factor=2, mode="nearest"),
            nn.Conv2d(channels, channels // 2, kernel_size, padding=kernel_size // 2),
            nn.BatchNorm2d(channels // 2, eps=0.5),
            nn.LeakyReLU(1e-6),
        ]
    return nn.Sequential(*layers, nn.Conv2d(width, 3, 3, padding=1), nn.Tanh())


def discriminator(image_size: int, width: int, kernel_size: int) -> nn.Sequential:
    """Images [N, 3, S, S] -> logits [N, 1], high for real ones."""
    half, side = kernel_size // 2, image_size // 16
    layers = [nn.Conv2d(3, width, kernel_size, stride=2, padding=half), nn.LeakyReLU(1e-6)]
    for channels in (width, 2 * width, 4 * width):
        layers += [
            nn.Conv2d(channels, 2 * channels, kernel_size, stride=2, padding=half),
            nn.LeakyReLU(1e-6),
            nn.BatchNorm2d(2 * channels, eps=0.5),
        ]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(8 * width * side * side, 1))


class PlainLSD(nn.Module):
    """Networks, optimisers and step."""

    def __init__(self, image_size: int, width: int, kernel_size: int) -> None:
        super().__init__()
        self.generator = generator(image_size, width, kernel_size)
        self.discriminator = discriminator(image_size, width, kernel_size)
        self.optimizer_g = Adam(self.generator.parameters(), lr=1e-3, betas=(0.5, 0.999))
        self.optimizer_d = Adam(self.discriminator.parameters(), lr=1e-4, betas=(0.5, 0.999))
        self.bce = nn.BCEWithLogitsLoss()
        self.mse = nn.MSELoss()

    def step(self, images: Tensor, v: Tensor, z: Tensor, label: float) -> dict[str, Tensor]:
        """One update of each network; the losses by name.

        Images [N, 3, S, S] in [-1, 1], their vectors v [N, 6] in [-1, 1], noise z [N, 6] from
        N(0, 1) and the label of real images from U(0.9, 1).
        """
        fakes = self.generator(z)
        real_logits = self.discriminator(images)
        fake_logits = self.discriminator(fakes.detach())
        real_labels = torch.full_like(real_logits, label)
        fake_labels = torch.zeros_like(fake_logits)

        self.optimizer_d.zero_grad()
        loss_d = self.bce(real_logits, real_labels) + self.bce(fake_logits, fake_labels)
        loss_d.backward()
        self.optimizer_d.step()

        self.optimizer_g.zero_grad()
        adversarial = self.bce(self.discriminator(fakes), real_labels)
        correspondence = self.mse(self.generator(v), images)
        (adversarial + correspondence).backward()
        self.optimizer_g.step()

        return {
            "discriminator": loss_d.detach(),
            "generator": adversarial.detach(),
            "correspondence": correspondence.detach(),
        }


def copy_weights(source: nn.Module, target: nn.Module) -> None:
    """Give `target` the weights and buffers of `source`, which has the same in the same order."""
    values = source.state_dict().values()
    target.load_state_dict(dict(zip(target.state_dict(), values, strict=True)))
