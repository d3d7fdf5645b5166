"""An emulator of the renderer: from a', b', c, d to the density of the attractor, cell by cell.

An image is a count of points. So the network gives, for each cell, the probability that a point of
the orbit falls into it, and is trained on the likelihood of the counts of FD(v), the cross-entropy.
G(v) draws as many points as the renderer from these probabilities and colours their counts as the
renderer does: outline and density come from the network, the grain from chance. What is drawn is a
function of v and of a number, `noise`, and independent for each of both.

Symmetries of the equation hold by construction: eight vectors have one picture, turned, and the
mean over starting points is its own half-turn (`fdd.families`).

The other losses, for comparison, are those of the same network where it paints pixels: MSE,
MS-SSIM, and squared differences of feature maps (Johnson et al. 2016, arXiv:1603.08155) of an
encoder that was trained without labels, alone or with a discriminator.
"""

from __future__ import annotations

import sys

from baselines.train import main

if __name__ == "__main__":  # before torch, which help does without
    sys.exit(main(["emulator", *sys.argv[1:]]))

import math
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import AdamW

from baselines import dcgan, load_trained
from baselines.configs.emulator import CODES, Config
from baselines.configs.emulator import PRESETS as PRESETS
from baselines.parts.losses import discriminator_loss, generator_loss, reconstruction_loss
from baselines.parts.networks import Block, Discriminator, frozen, initialise
from baselines.parts.vectors import canonical, fold, generators, unfold
from baselines.training.baseline import Baseline
from baselines.training.data import Batch, to_tensor
from baselines.training.runs import must_agree
from fdd.errors import FddError, shown
from fdd.releases.cards import release
from fdd.rendering.palettes import PALETTES
from fdd.rendering.shading import rgb

TEACHERS = ("contrastive", "lejepa", "dcca")
"""Baselines whose encoders, which saw no labels, may lend their feature maps."""
MIXING = 6.0
"""Standard deviation of the weights with which codes, in thirds, are mixed for the sines."""
PIXELS = 0.2
"""Weight of the MSE beside feature maps."""


class Residual(nn.Module):
    """Two layers beside the input, which they leave as it is at first (He et al. 2016)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.first, self.second = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(functional.silu(self.first(self.norm(x))))


class Canvas(nn.Module):
    """Codes [N, 4] -> numbers for each cell, [N, maps, S, S].

    Sines and cosines of random mixtures of the codes (Tancik et al. 2020, arXiv:2006.10739), a
    linear layer, residual blocks, a linear layer. With `symmetry` it sees the one of eight
    equivalent vectors with a >= |b| and c >= 0, and gives half of the cells, of which the others
    are the half-turn; the result is then turned as the symmetries say.
    """

    mixtures: Tensor

    def __init__(self, config: Config, rng: torch.Generator) -> None:
        super().__init__()
        side, self.symmetry = config.image_size, config.symmetry
        self.shape = config.maps, side, side
        mixtures = MIXING * torch.randn(CODES, config.frequencies, generator=rng)
        self.register_buffer("mixtures", mixtures)
        self.first = nn.Linear(CODES + 2 * config.frequencies, config.width)
        self.blocks = nn.Sequential(*(Residual(config.width) for _ in range(config.blocks)))
        self.norm = nn.LayerNorm(config.width)
        cells = side**2 // (2 if config.symmetry else 1)
        self.last = nn.Linear(config.width, config.maps * cells)
        self.lower = config.precision == "bfloat16"
        initialise(self, rng)
        for layer in self.modules():
            if isinstance(layer, Residual):
                nn.init.zeros_(layer.second.weight)

    def forward(self, codes: Tensor) -> Tensor:
        if not self.symmetry:
            return self.cells(codes).unflatten(1, self.shape)
        chosen, swapped, flipped = fold(codes)
        half = self.cells(chosen).unflatten(1, (self.shape[0], -1))
        cells = torch.cat([half, half.flip(2)], dim=2).unflatten(2, self.shape[1:])
        return unfold(cells, swapped, flipped)

    def cells(self, codes: Tensor) -> Tensor:
        with torch.autocast(codes.device.type, torch.bfloat16, self.lower and self.training):
            waves = codes @ self.mixtures
            x = self.first(torch.cat([2 * codes, waves.sin(), waves.cos()], dim=1))
            return self.last(self.norm(self.blocks(x))).float()


class Emulator(Baseline):
    """The network, its losses and its step."""

    name: ClassVar[str] = "emulator"
    config_type: ClassVar[type[Config]] = Config
    supervision = "labels"
    config: Config

    def __init__(self, config: Config, rng: torch.Generator) -> None:
        super().__init__(config, rng)
        self.config, self.noisy = config, config.loss == "counts"
        self.canvas = Canvas(config, rng)
        self.optimizers = {"generator": self.adam(self.canvas)}
        if config.loss == "adversary":
            self.discriminator = Discriminator(critic(config))
            initialise(self.discriminator, rng)
            self.optimizers["discriminator"] = self.adam(self.discriminator)
        self.teacher: Any = None

    def adam(self, network: nn.Module) -> AdamW:
        decay = self.config.weight_decay
        return AdamW(network.parameters(), lr=self.config.lr, weight_decay=decay, fused=True)

    def vectors(self, batch: Batch) -> Tensor:
        """The codes of the parameters of a batch, float32 [N, 4], each in [-1, 1]."""
        if batch.params is None:
            raise FddError("data without parameters: this baseline learns them, so use stream")
        return canonical(batch.params)

    def generate(self, codes: Tensor, noise: int = 0) -> Tensor:
        """Codes [N, 4] -> images [N, 3, S, S] in [-1, 1]; other ones for another noise, 0 to 2**32.

        Painted pixels know no noise.
        """
        made = self.canvas(codes)
        if self.config.loss != "counts":
            return made.tanh()
        points, draws = release(self.config.version).points, self.config.draws
        uniform = [rng.random((draws, points)) for rng in generators(codes, noise)]
        numbers = torch.from_numpy(np.stack(uniform)).to(made.device)
        probabilities = made.flatten(1).softmax(dim=1)
        pictures = [coloured(drawn(probabilities, numbers[:, draw])) for draw in range(draws)]
        return torch.stack(pictures).mean(dim=0)

    def reproduce(self, batch: Batch) -> Tensor:
        """G(v) of the parameters of a batch."""
        return self.generate(self.vectors(batch))

    def begin(self) -> None:
        if self.config.emulator_from is not None:
            take(self.canvas, self.config)
        if self.config.loss in ("features", "adversary"):
            self.find_teacher()

    def find_teacher(self) -> None:
        """Loads the encoder whose feature maps are compared."""
        self.teacher = [teacher(self.config)]  # in a list: no part of the model's weights

    def loss(self, batch: Batch) -> Tensor:
        """What the network is trained on, of a batch; a scalar."""
        made = self.canvas(self.vectors(batch))
        if self.config.loss == "counts":
            return surprise(made[:, 0], batch)
        return self.painted(made.tanh(), batch.images)

    def painted(self, made: Tensor, images: Tensor) -> Tensor:
        """How far pictures are from FD(v), both [N, 3, S, S], by a loss on pixels."""
        name = self.config.loss
        if name in ("mse", "ms-ssim"):
            return reconstruction_loss(name, made, images)
        if self.teacher is None:  # of a run that resumes
            self.find_teacher()
        encoder = self.teacher[0].to(images.device)
        with torch.no_grad():
            wanted = feature_maps(encoder, images)
        found = feature_maps(encoder, made)
        apart = [(a - b).square().mean() / b.var() for a, b in zip(found, wanted, strict=True)]
        return PIXELS * functional.mse_loss(made, images) + torch.stack(apart).mean()

    def step(self, batch: Batch, rng: torch.Generator) -> dict[str, Tensor]:
        if self.config.loss != "adversary":
            loss = self.loss(batch)
            self.descend("generator", loss)
            return {self.config.loss: loss.detach()}
        made = self.canvas(self.vectors(batch)).tanh()
        real, fake = self.discriminator(batch.images), self.discriminator(made.detach())
        judged = discriminator_loss("hinge", real, fake, 1.0)
        self.descend("discriminator", judged)
        with frozen(self.discriminator):
            fooled = generator_loss("hinge", self.discriminator(made), 1.0)
            painted = self.painted(made, batch.images)
            self.descend("generator", painted + self.config.adversarial_weight * fooled)
        losses = {"discriminator": judged, "generator": fooled, "features": painted}
        return {name: loss.detach() for name, loss in losses.items()}


def surprise(scores: Tensor, batch: Batch) -> Tensor:
    """Mean cross-entropy, in nats a point, of the counts of a batch with the probabilities that are
    the softmax of scores [N, S, S]; a scalar."""
    assert batch.counts is not None
    told = batch.counts.flatten(1).float()
    return -(told * scores.flatten(1).log_softmax(dim=1)).sum() / told.sum()


def drawn(probabilities: Tensor, numbers: Tensor) -> Tensor:
    """Counts int64 [N, cells] of points that fall into cells of these probabilities [N, cells].

    numbers [N, points], uniform in [0, 1): a point falls into the cell where the sum of the
    probabilities reaches its number.
    """
    sums = probabilities.double().cumsum(dim=1)
    cells = torch.searchsorted(sums, numbers * sums[:, -1:], right=True)
    cells = cells.clamp(max=sums.shape[1] - 1)
    counts = torch.zeros(sums.shape, dtype=torch.int64, device=sums.device)
    return counts.scatter_add_(1, cells, torch.ones_like(cells))


def coloured(counts: Tensor) -> Tensor:
    """Counts [N, S * S] -> the picture that the renderer makes of them, [N, 3, S, S] in [-1, 1]."""
    side = math.isqrt(counts.shape[1])
    images = rgb(counts.unflatten(1, (side, side)).cpu().numpy(), PALETTES["kbc"])
    return to_tensor(images, counts.device)


def feature_maps(encoder: Any, images: Tensor) -> list[Tensor]:
    """What a `ResidualEncoder` makes of images: before its blocks, after each, and at its end."""
    maps: list[Tensor] = []
    x = images
    for layer in encoder:
        if isinstance(layer, Block):
            maps += [x] if not maps else []
            x = layer(x)
            maps.append(x)
        else:
            x = layer(x)
    return [*maps, x]


def take(canvas: Canvas, config: Config) -> None:
    """Put the network that `emulator_from` names, pretrained or in a run folder, into `canvas`, in
    place. Its last layer stays as it is if the other emulator's pictures have another size.

    FddError if it is no emulator of densities whose layers fit.
    """
    name = str(config.emulator_from)
    model = load_trained("emulator_from", name, "cpu")
    other, weights = model.config, model.network.state_dict()
    wanted = {"baseline": "emulator", "loss": "counts"}
    wanted |= {key: getattr(config, key) for key in ("width", "blocks", "frequencies", "symmetry")}
    must_agree(f"emulator_from={shown(name)}", other, wanted)
    for key, own in canvas.state_dict().items():
        density = own[: len(own) // config.maps] if key.startswith("last.") else own
        if other["image_size"] == config.image_size or not key.startswith("last."):
            density.copy_(weights[f"canvas.{key}"])


def teacher(config: Config) -> nn.Module:
    """The encoder that `features` names, as it is. FddError if it may not or cannot teach."""
    name = config.features
    folder = Path(name)
    if folder.suffix == ".safetensors" or (folder / "reader.safetensors").exists():
        raise FddError(
            f"features={shown(name)} must not be an oracle: it is the judge of what is drawn"
        )
    model = load_trained("features", name, "cpu")
    if (told := model.config["baseline"]) not in TEACHERS:
        raise FddError(
            f"features={shown(name)} is a run of {told}; it must be one of {', '.join(TEACHERS)}"
        )
    for key in ("version", "image_size"):
        if model.config[key] != getattr(config, key):
            raise FddError(
                f"features={shown(name)} has {key}={shown(model.config[key])}; it must be "
                f"{getattr(config, key)!r}, as here"
            )
    return model.network.encoder.requires_grad_(False)


def critic(config: Config) -> dcgan.Config:
    """The options of the discriminator: a small one, as those of the presets mini."""
    return dcgan.Config(
        image_size=config.image_size,
        width=16,
        kernel_size=5,
        batch_norm_eps=1e-3,
        leaky_slope=0.1,
        precision=config.precision,
    )
