"""AEGeAN, the adversarial auto-encoder of 2020 (laurentperrinet/AEGeAN, as of November 2020).

The AAE with other networks, and with a discriminator that judges images between codes of images:

1. autoencoder: 1 - MS-SSIM(x, G(E(x + noise))), and the codes' mean and mean square at 0 and 1;
2. discriminator: tell x, or with `insight` G(E(x)), from G(slerp(E(x_i), E(x_j), 1/4));
3. generator: have the discriminator take those for real, with codes E(G(z)) that differ.

Kept of 2020: the networks' sizes, layers and figure before a shifted background, the losses and
their weights, the two-sided labels, the noise with a contrast of its own for each image and
colour, the optimiser and its rates.

Changed: slerp is row by row, where theirs divides by the norm of the whole batch; the hinge loss
counts real and generated images, where theirs forgets one; MS-SSIM has the scales that fit, where
theirs fails below 161 pixels; a switch can be switched off, where theirs (`type=bool`) takes any
text for True. Pixels lie in [-1, 1], weights begin as Glorot's, convolutions see zeros beyond the
edge, codes may be negative, a label is one for a batch, and the generator's step sees the images
that the discriminator's did, as in all baselines here.

The preset 2019 is the AAE.
"""

from __future__ import annotations

import sys

from baselines.train import main

if __name__ == "__main__":  # before torch, which help does without
    sys.exit(main(["aegean", *sys.argv[1:]]))

from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.optim import SGD, Optimizer

from baselines.aae import AAE
from baselines.configs.aegean import PRESETS as PRESETS
from baselines.configs.aegean import SHARE_OF_BACKGROUND, Config
from baselines.parts.losses import generator_loss, ms_ssim_loss
from baselines.parts.networks import (
    Block,
    Network,
    activate,
    frozen,
    normalise,
    shrink,
    without_averages,
)
from baselines.training.data import Batch
from baselines.training.parallel import gather, processes, share

BETWEEN = 0.25
"""How far the codes of generated images lie from one code to another."""
PARALLEL = 1e-6
"""Below this sine two codes have no arc between them."""


class AEGeAN(AAE):
    """The AAE with the networks, the codes and the losses of 2020."""

    name: ClassVar[str] = "aegean"
    config_type: ClassVar[type[Config]] = Config
    config: Config

    def __init__(self, config: Config, rng: torch.Generator) -> None:
        super().__init__(config, rng)
        if config.smoothing:
            self.real_label = 1 - config.smoothing, 1 - config.smoothing / 2
            self.two_sided = True
        if config.optimizer == "sgd":
            self.optimizers = {name: self.sgd(adam) for name, adam in self.optimizers.items()}

    def sgd(self, adam: Optimizer) -> SGD:
        """For the same weights, with the same rate."""
        return SGD(
            [{"params": group["params"], "lr": group["lr"]} for group in adam.param_groups],
            momentum=self.config.momentum,
            weight_decay=self.config.weight_decay,
            nesterov=True,
        )

    def networks(self, batch_norm: bool) -> tuple[nn.Module, nn.Module]:
        if self.config.network == "2019":
            return super().networks(batch_norm)
        return Generator(self.config), Discriminator(self.config, batch_norm)

    def coder(self) -> nn.Module:
        return super().coder() if self.config.network == "2019" else Encoder(self.config)

    def encode(self, images: Tensor) -> Tensor:
        return self.encoder(noisy(images, self.config.encoder_noise if self.training else 0))

    def step(self, batch: Batch, rng: torch.Generator) -> dict[str, Tensor]:
        """The three updates; what the networks draw themselves begins from a number of `rng`."""
        seed = int(torch.randint(2**63 - 1, (), generator=rng))
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            return super().step(batch, rng)

    def reconstruction(self, made: Tensor, images: Tensor) -> Tensor:
        if self.config.reconstruction_loss == "ms-ssim":
            return ms_ssim_loss(made, images)
        return super().reconstruction(made, images)

    def moments(self, codes: Tensor) -> Tensor:
        each = self.config.moments == "each"
        return self.config.moments_weight * (super().moments(codes) if each else mean_loss(codes))

    def noise(self, batch: Batch, rng: torch.Generator) -> Tensor:
        """z ~ N(0, 1), or codes between those of the batch and of another order of it."""
        if self.config.prior == "normal":
            return super().noise(batch, rng)
        with torch.no_grad():
            codes = gather(self.encode(batch.images))
        order = torch.randperm(len(codes), generator=rng).to(codes.device)
        return share(slerp(codes, codes[order], BETWEEN))

    def fakes(self, batch: Batch, rng: torch.Generator) -> Tensor:
        return noisy(super().fakes(batch, rng), self.config.image_noise)

    def discriminator_step(
        self, batch: Batch, fakes: Tensor, label: float, rng: torch.Generator
    ) -> Tensor:
        real = batch.images
        if self.config.insight:
            with torch.no_grad():
                real = self.generator(self.encode(real))
        seen = batch._replace(images=noisy(real, self.config.image_noise))
        return super().discriminator_step(seen, fakes, label, rng)

    def generator_step(self, batch: Batch, fakes: Tensor, label: float) -> dict[str, Tensor]:
        if not self.config.decorrelation:
            return super().generator_step(batch, fakes, label)
        with frozen(self.discriminator), frozen(self.encoder), without_averages(self.encoder):
            adversarial = generator_loss(
                self.config.adversarial_loss, self.discriminator(fakes), label
            )
            likeness = likeness_loss(self.encoder(fakes))
            self.descend("generator", adversarial + self.config.decorrelation * likeness)
        self.update_average()
        return {"generator": adversarial.detach(), "likeness": likeness.detach()}


def noisy(images: Tensor, noise: float) -> Tensor:
    """Images [N, 3, S, S] in [-1, 1] and normal noise on them, of standard deviation 2 `noise`.

    Each image and colour has a contrast of its own, the absolute value of a normal number. Drawn
    from torch's generator, for the images of all processes together.
    """
    if not noise:
        return images
    rows = len(images) * processes()[1]
    drawn = torch.randn(rows, *images.shape[1:]) * torch.randn(rows, images.shape[1], 1, 1).abs()
    return images + 2 * noise * share(drawn).to(images.device)


def slerp(start: Tensor, end: Tensor, part: float) -> Tensor:
    """Row by row the point of the arc from `start` to `end`, [N, L], at that part of its angle.

    On the straight line where the two are parallel or one is 0, since there is no arc then. The
    same as `baselines.interpolate.spherical` (slerp; Shoemake 1985).
    """
    p, q = (one * other.norm(dim=1, keepdim=True) for one, other in ((start, end), (end, start)))
    angle = 2 * torch.atan2((p - q).norm(dim=1), (p + q).norm(dim=1))[:, None]
    arc = (torch.sin((1 - part) * angle) * start + torch.sin(part * angle) * end) / angle.sin()
    return torch.where(angle.sin() < PARALLEL, torch.lerp(start, end, part), arc)


def mean_loss(codes: Tensor) -> Tensor:
    """(mean z)^2 + |mean z^2 - 1| of all numbers z in codes [N, L]; a scalar.

    0 for codes of N(0, 1), and for others. Over the codes of all processes.
    """
    codes = gather(codes)
    return codes.mean().square() + (codes.square().mean() - 1).abs()


def likeness_loss(codes: Tensor) -> Tensor:
    """The norm of the products of different rows of codes [N, L], each divided by L; a scalar.

    0 where all rows are at right angles. Over the codes of all processes.
    """
    codes = gather(codes)
    products = codes @ codes.T / codes.shape[1]
    return torch.linalg.vector_norm(products - products.diag().diag())


class Dropout(nn.Module):
    """Leave out whole channels of [N, C, S, S], a share of them; the others grow to make up for it.

    torch's own draws on the device that it runs on, and for one process alone.
    """

    def __init__(self, dropped: float) -> None:
        super().__init__()
        self.dropped = dropped

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or not self.dropped:
            return x
        kept = torch.rand(len(x) * processes()[1], x.shape[1], 1, 1) >= self.dropped
        return x * share(kept).to(x) / (1 - self.dropped)


class Encoder(Network):
    """Images [N, 3, S, S] in [-1, 1] -> codes [N, latent_size].

    Four convolutions of stride 2 to width, 2, 4 and 16 times width channels, a residual block after
    the second and the third, and two linear layers.
    """

    def __init__(self, config: Config) -> None:
        width, side = config.width, config.image_size // 16
        layers: list[nn.Module] = [shrink(config, 3, width), activate(config)]
        for channels, out in pairwise((width, 2 * width, 4 * width, 16 * width)):
            layers += [shrink(config, channels, out), Dropout(config.dropout)]
            layers += [normalise(config, out), activate(config)]
            layers += [Block(out, out)] if out < 16 * width else []
        layers += [nn.Flatten(), nn.Linear(16 * width * side * side, 64 * width), activate(config)]
        layers += [nn.Linear(64 * width, config.latent_size)]
        super().__init__(config, layers)


class Generator(Network):
    """Codes [N, latent_size] -> images [N, 3, S, S] in [-1, 1].

    Two linear layers to 16 times width channels of S/4 x S/4, three convolutions to 4, 2 and 1
    times width, the last two with bilinear upsampling, InstanceNorm and a residual block, and a
    `Picture`.
    """

    def __init__(self, config: Config) -> None:
        width, side = config.width, config.image_size // 4
        first = 16 * width
        layers: list[nn.Module] = [
            nn.Linear(config.latent_size, 64 * width),
            activate(config),
            nn.Linear(64 * width, first * side * side),
            activate(config),
            nn.Unflatten(1, (first, side, side)),
            same(config, first, 4 * width),
            activate(config),
        ]
        for channels in (4 * width, 2 * width):
            out = channels // 2
            layers += [same(config, channels, out), nn.Upsample(scale_factor=2, mode="bilinear")]
            layers += [nn.InstanceNorm2d(out), activate(config)]
            layers += [Block(out, out, nn.InstanceNorm2d)]
        super().__init__(config, [*layers, Picture(config)])


class Picture(nn.Module):
    """Channels [N, width, S, S] -> images [N, 3, S, S] in [-1, 1].

    Three quarters of the channels give a figure, the others a background and all of them a mask:
    figure where the mask is high, background where it is low. In training the background is rolled
    by a random shift, so that it cannot hold what has a place. Without `background` all give the
    figure, and that is the image.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        width = config.width
        behind = width // SHARE_OF_BACKGROUND if config.background else 0
        self.split = [width - behind, behind]
        self.figure = same(config, width - behind, 3)
        if behind:
            self.background = same(config, behind, 3)
            self.mask = same(config, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        before, behind = x.split(self.split, dim=1)
        picture = squashed(self.figure(before))
        if self.split[1]:
            background = squashed(self.background(behind))
            if self.training:
                shifts = torch.randint(x.shape[-1], (2,)).tolist()
                background = background.roll(shifts, dims=(2, 3))
            picture = torch.lerp(background, picture, self.mask(x).sigmoid())
        return 2 * picture - 1


def squashed(x: Tensor) -> Tensor:
    """0.9 times x cut to [0, 1], and 0.1 times the sigmoid of x - 0.5, so that no gradient is 0."""
    return 0.9 * x.clamp(0, 1) + 0.1 * torch.sigmoid(x - 0.5)


class Discriminator(Network):
    """Images [N, 3, S, S] -> logits [N, 1], high for real ones.

    Four convolutions to width, 2, 4 and 16 times width channels, after each the largest of 5x5
    pixels with stride 2, and two linear layers.
    """

    def __init__(self, config: Config, batch_norm: bool) -> None:
        width, side = config.width, config.image_size // 16
        layers: list[nn.Module] = []
        for channels, out in pairwise((3, width, 2 * width, 4 * width, 16 * width)):
            layers += [same(config, channels, out), nn.MaxPool2d(5, stride=2, padding=2)]
            layers += [normalise(config, out)] if batch_norm and channels > 3 else []
            layers += [activate(config)]
        layers += [nn.Flatten(), nn.Linear(16 * width * side * side, 64 * width), activate(config)]
        layers += [nn.Linear(64 * width, 1)]
        super().__init__(config, layers)


def same(config: Config, channels: int, out: int) -> nn.Module:
    """A convolution that keeps the side."""
    return nn.Conv2d(channels, out, config.kernel_size, padding=config.kernel_size // 2)
