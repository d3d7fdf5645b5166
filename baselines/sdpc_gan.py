"""SDPC and a GAN in one: a decoder that draws by sparse maps, and a discriminator.

Maps are inferred from an image in a few iterations, as by `baselines.sdpc`, with dictionaries that
learn in the first steps and then stay as they are. A linear map of what they are on average is its
code, E(x), and the decoder goes the way back: from the code to maps of the last layer, from these
to those of the layer below, and so on to the image,

    g_n = relu(M(z) - t_n),   g_{i-1} = relu(D_i' g_i + R_i(g_i) - t_{i-1}),   x = D_1' g_1,

with a small network M, thresholds t and convolutions R that are learned. Encoder and decoder
descend, at once, the error of G(E(x)), the distance of its maps to those that were inferred, the
moments of the codes, what the discriminator says of G(z), and the size of the maps.
"""

from __future__ import annotations

import sys

from baselines.train import main

if __name__ == "__main__":  # before torch, which help does without
    sys.exit(main(["sdpc_gan", *sys.argv[1:]]))

from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from baselines.configs.sdpc import counts
from baselines.configs.sdpc_gan import PRESETS as PRESETS
from baselines.configs.sdpc_gan import Config
from baselines.dcgan import DCGAN
from baselines.parts.losses import REAL_LABEL, generator_loss, moments_loss
from baselines.parts.networks import Discriminator, frozen, initialise
from baselines.sdpc import SDPC, Layer
from baselines.training.data import Batch
from baselines.training.parallel import BatchNorm

THRESHOLD = 0.1
"""Where the thresholds begin."""


class Decoder(nn.Module):
    """Codes [N, latent_size] and the layers of a `SDPC` -> the maps of each layer, as they lie in
    `Inference.maps`."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        atoms, sides = counts(config.atoms), config.coder.map_sides
        self.first = nn.Sequential(
            nn.Linear(config.latent_size, config.hidden),
            nn.LeakyReLU(config.leaky_slope),
            nn.Linear(config.hidden, atoms[-1] * sides[-1] ** 2),
            nn.Unflatten(1, (atoms[-1], sides[-1], sides[-1])),
        )
        self.thresholds = nn.ParameterList(torch.full((n, 1, 1), THRESHOLD) for n in atoms)
        self.refine = nn.ModuleList(
            nn.Conv2d(above, below, 3, padding=1) for below, above in pairwise(atoms)
        )

    def forward(self, codes: Tensor, layers: list[Layer]) -> list[Tensor]:
        maps = [functional.relu(self.first(codes) - self.thresholds[-1])]
        for i in reversed(range(1, len(layers))):
            predicted = layers[i].predict(maps[0])
            enlarged = functional.interpolate(maps[0], size=predicted.shape[-1])
            refined = self.refine[i - 1](enlarged)
            maps.insert(0, functional.relu(predicted + refined - self.thresholds[i - 1]))
        return maps


class SDPCGAN(DCGAN):
    """The dictionaries, an encoder, a decoder, a discriminator, and their step."""

    name: ClassVar[str] = "sdpc_gan"
    config_type: ClassVar[type[Config]] = Config
    config: Config
    made: Tensor

    def __init__(self, config: Config, rng: torch.Generator) -> None:
        super().__init__(config, rng)
        self.coder = SDPC(config.coder, rng)
        last = counts(config.atoms)[-1]
        self.encoder = nn.Sequential(
            BatchNorm(last), nn.Flatten(), nn.Linear(last * config.pool**2, config.latent_size)
        )
        initialise(self.encoder, rng)
        self.register_buffer("made", torch.zeros((), dtype=torch.int64))
        self.optimizers["generator"] = self.adam(config.lr_generator, self.generator, self.encoder)
        self.optimizers["dictionaries"] = self.coder.optimizers["dictionaries"]

    def networks(self, batch_norm: bool) -> tuple[nn.Module, nn.Module]:
        return Decoder(self.config), Discriminator(self.config, batch_norm)

    def generate(self, codes: Tensor) -> Tensor:
        averaged = self.config.ema and not self.training
        network = self.average if averaged else self.generator
        return self.coder.reconstruct(network(codes, self.coder.layers()))

    def fakes(self, batch: Batch, rng: torch.Generator) -> Tensor:
        return self.generate(self.noise(batch, rng))

    def read(self, maps: list[Tensor]) -> Tensor:
        """The codes [N, latent_size] of maps."""
        return self.encoder(functional.adaptive_avg_pool2d(maps[-1], self.config.pool))

    def encode(self, images: Tensor) -> Tensor:
        return self.read(self.coder.infer(images).maps)

    def reproduce(self, batch: Batch) -> Tensor:
        """G(E(x)) of the images of a batch."""
        return self.generate(self.encode(batch.images))

    def drawings(self) -> dict[str, Tensor]:
        return self.coder.drawings()

    def step(self, batch: Batch, rng: torch.Generator) -> dict[str, Tensor]:
        """One update of all, in the first steps of the dictionaries too; the losses by name, and
        what the log of `baselines.sdpc` has."""
        self.coder.watch(batch.images)
        found = self.coder.infer(batch.images)
        told = self.coder.told(batch.images, found)
        losses = self.fuse(batch, found.maps, rng)
        if self.made < self.config.dictionary_steps:
            self.made += 1
            self.coder.learn(batch.images, found.maps)
        return losses | told

    def fuse(self, batch: Batch, maps: list[Tensor], rng: torch.Generator) -> dict[str, Tensor]:
        """One update of the discriminator and one of encoder and decoder, on images and the maps
        that were inferred from them; the losses that these were made on."""
        config, images = self.config, batch.images
        label = torch.empty(1).uniform_(*REAL_LABEL, generator=rng).item()
        codes = self.read(maps)
        self.show("codes", codes)
        made = self.generator(codes, self.coder.layers())
        reconstruction = functional.mse_loss(self.coder.reconstruct(made), images)
        pairs = zip(made, maps, strict=True)
        apart = torch.stack([(a - b).square().sum() for a, b in pairs]).sum() / images.numel()
        size = torch.stack([a.sum() for a in made]).sum() / images.numel()
        moments = moments_loss(codes)
        fakes = self.fakes(batch, rng)
        judged = self.discriminator_step(batch, fakes, label, rng)
        with frozen(self.discriminator):
            fooled = generator_loss(config.adversarial_loss, self.discriminator(fakes), label)
            total = reconstruction + moments + config.adversarial_weight * fooled
            total = total + config.map_weight * apart + config.sparsity_weight * size
            self.descend("generator", total)
        self.update_average()
        losses = {
            "reconstruction": reconstruction,
            "maps": apart,
            "moments": moments,
            "discriminator": judged,
            "generator": fooled,
        }
        return {name: loss.detach() for name, loss in losses.items()}
