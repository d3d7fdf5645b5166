"""CycleGAN: two domains of images, of which no two belong together, and a translator each way.

Zhu et al. 2017, Unpaired image-to-image translation using cycle-consistent adversarial networks
(arXiv:1703.10593).

G makes images of domain B of those of A, F the other way; D_A and D_B tell translated images from
those of their domain. Every step makes these updates on a batch of images x of A and y of B:

1. G and F: fool the discriminators (least squares), come back, F(G(x)) = x and G(F(y)) = y, and
   leave images of their own target as they are, G(y) = y and F(x) = x;
2. D_A and D_B, each on images of its domain and on translated ones, half of them older.

With `paired` each x comes with its own y, and G and F learn |G(x) - y| and |F(y) - x| alone: what
the same networks reach when they are told.
"""

from __future__ import annotations

import sys

from baselines.train import main

if __name__ == "__main__":  # before torch, which help does without
    sys.exit(main(["cyclegan", *sys.argv[1:]]))

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Adam
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from baselines.configs.cyclegan import PRESETS as PRESETS
from baselines.configs.cyclegan import Config
from baselines.parts.networks import frozen
from baselines.parts.translators import PatchDiscriminator, Translator, initialise
from baselines.training.baseline import Baseline
from baselines.training.data import Batch
from baselines.training.parallel import gather, processes, share

LEVEL = 2 / 255
"""A level of a picture in the units of the networks."""


class CycleGAN(Baseline):
    """Translators, discriminators, pools of translated images, losses and step."""

    name: ClassVar[str] = "cyclegan"
    config_type: ClassVar[type[Config]] = Config
    generates: ClassVar[bool] = False
    translates: ClassVar[bool] = True
    config: Config
    pool_a: Tensor
    pool_b: Tensor
    filled: Tensor

    def __init__(self, config: Config, rng: torch.Generator) -> None:
        super().__init__(config, rng)
        self.config, self.supervision = config, "pairs" if config.paired else "none"
        self.G, self.F = Translator(config), Translator(config)
        learners: dict[str, list[nn.Module]] = {"translators": [self.G, self.F]}
        if not config.paired:
            self.D_A, self.D_B = PatchDiscriminator(config), PatchDiscriminator(config)
            learners["discriminators"] = [self.D_A, self.D_B]
            shape = config.pool, 3, config.image_size, config.image_size
            self.register_buffer("pool_a", torch.zeros(shape))
            self.register_buffer("pool_b", torch.zeros(shape))
            self.register_buffer("filled", torch.zeros((), dtype=torch.int64))
        initialise(self, rng)
        self.optimizers = {name: self.adam(networks) for name, networks in learners.items()}
        if config.ema:
            decay = get_ema_multi_avg_fn(config.ema)
            self.average = AveragedModel(self.translators(), multi_avg_fn=decay)

    def adam(self, networks: list[nn.Module]) -> Adam:
        parameters = [p for network in networks for p in network.parameters()]
        betas = float(self.config.beta1), 0.999
        return Adam(parameters, lr=self.config.lr, betas=betas, fused=True)

    def translators(self) -> nn.ModuleDict:
        return nn.ModuleDict({"G": self.G, "F": self.F})

    def translate(self, images: Tensor, back: bool = False) -> Tensor:
        """G(x), or with `back` F(y), of images [N, 3, S, S] in [-1, 1]: images like them."""
        averaged = self.config.ema and not self.training
        networks: Any = self.average.module if averaged else self.translators()
        return networks["F" if back else "G"](images)

    def step(self, batch: Batch, rng: torch.Generator) -> dict[str, Tensor]:
        x, y = batch.images.unbind(dim=1)
        if self.config.paired:
            return self.step_on_pairs(x, y)
        losses, made_x, made_y = self.translator_step(x, y, rng)
        return losses | self.discriminator_step(x, y, made_x, made_y, rng)

    def step_on_pairs(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        """G and F learn the translations that they are shown; the losses."""
        there, back = functional.l1_loss(self.G(x), y), functional.l1_loss(self.F(y), x)
        self.descend("translators", there + back)
        self.update_average()
        return {"pairs there": there.detach(), "pairs back": back.detach()}

    def translator_step(
        self, x: Tensor, y: Tensor, rng: torch.Generator
    ) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        """The losses, and images of both domains, F(y) and G(x), that were made before the update.

        An image and one of the other domain go through a network together: it normalises each by
        itself.
        """
        config, same = self.config, {}
        if config.identity_weight:
            made_y, same_y = self.G(torch.cat([x, y])).chunk(2)
            made_x, same_x = self.F(torch.cat([y, x])).chunk(2)
            same["identity"] = functional.l1_loss(same_y, y) + functional.l1_loss(same_x, x)
        else:
            made_y, made_x = self.G(x), self.F(y)
        back_x = self.F(self.disturbed(made_y, rng))
        back_y = self.G(self.disturbed(made_x, rng))
        with frozen(self.D_A), frozen(self.D_B):
            game = real_loss(self.D_B(made_y)) + real_loss(self.D_A(made_x))
            cycle = functional.l1_loss(back_x, x) + functional.l1_loss(back_y, y)
            loss = game + config.cycle_weight * cycle
            if same:
                loss = loss + config.identity_weight * same["identity"]
            self.descend("translators", loss)
        self.update_average()
        losses = {"translators": game, "cycle": cycle, **same}
        return {n: value.detach() for n, value in losses.items()}, made_x.detach(), made_y.detach()

    def disturbed(self, images: Tensor, rng: torch.Generator) -> Tensor:
        """Translated images with the noise that `cycle_noise` asks for."""
        if not self.config.cycle_noise:
            return images
        rows = len(images) * processes()[1]
        noise = share(torch.randn(rows, *images.shape[1:], generator=rng)).to(images.device)
        return images + LEVEL * self.config.cycle_noise * noise

    def discriminator_step(
        self, x: Tensor, y: Tensor, made_x: Tensor, made_y: Tensor, rng: torch.Generator
    ) -> dict[str, Tensor]:
        """The two discriminators learn, on images that the pools have for the translated ones."""
        filled = int(self.filled) if self.config.pool else 0
        shown_x = share(from_pool(self.pool_a, filled, gather(made_x), rng))
        shown_y = share(from_pool(self.pool_b, filled, gather(made_y), rng))
        self.filled.fill_(min(filled + len(x) * processes()[1], self.config.pool))
        losses = {}
        for name, network, real, fake in (
            ("D_A", self.D_A, x, shown_x),
            ("D_B", self.D_B, y, shown_y),
        ):
            of_real, of_fake = network(torch.cat([real, fake])).chunk(2)
            self.show(f"{name}(real)", of_real)
            self.show(f"{name}(fake)", of_fake)
            losses[name] = (real_loss(of_real) + of_fake.square().mean()) / 2
        self.descend("discriminators", losses["D_A"] + losses["D_B"])
        return {name: loss.detach() for name, loss in losses.items()}

    def update_average(self) -> None:
        if self.config.ema:
            self.average.update_parameters(self.translators())


def real_loss(logits: Tensor) -> Tensor:
    """Mean squared distance of logits from 1, which stands for real; a scalar (Mao et al. 2017,
    arXiv:1611.04076)."""
    return (logits - 1).square().mean()


def from_pool(pool: Tensor, filled: int, made: Tensor, rng: torch.Generator) -> Tensor:
    """What a discriminator is shown of translated images [N, 3, S, S]: as many, some of them older.

    The first `filled` images of the pool [P, 3, S, S] are there. While it has room, new images are
    kept and shown; then each is shown, or, with probability 1/2, takes the place of one that is
    shown instead (Shrivastava et al. 2017, arXiv:1612.07828, section 2.3). Changes the pool.
    """
    order, coins = torch.randperm(len(pool), generator=rng), torch.rand(len(made), generator=rng)
    new = min(len(pool) - filled, len(made))
    pool[filled : filled + new] = made[:new]
    swapped = torch.arange(len(made))[new:]
    swapped = swapped[coins[new:] < 0.5] if len(pool) else swapped[:0]
    places = order[: len(swapped)].to(pool.device)
    swapped = swapped.to(pool.device)
    shown = made.clone()
    shown[swapped] = pool[places]
    pool[places] = made[swapped]
    return shown
