"""LeJEPA: the codes of the two images of a pair meet, and all codes together are Gaussian.

Balestriero and LeCun 2025, arXiv:2511.08544, algorithms 1 and 2, with the codes themselves in the
place of a projection. That the codes are those of a standard normal distribution is asked of their
projections on random directions, new ones in each step (SIGReg): each projection by the test of
Epps and Pulley 1983, which compares characteristic functions. The normal scores of the parameters
are such codes, and those of `ou` pairs are near each other.
"""

from __future__ import annotations

import sys

from baselines.train import main

if __name__ == "__main__":  # before torch, which help does without
    sys.exit(main(["lejepa", *sys.argv[1:]]))

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional
from torch.optim import AdamW

from baselines.configs.lejepa import PRESETS as PRESETS
from baselines.configs.lejepa import Config
from baselines.parts.networks import ResidualEncoder, initialise
from baselines.training.baseline import Baseline
from baselines.training.data import Batch, send

REACH, POINTS = 5.0, 17
"""The integral of the test goes from -REACH to REACH, by the trapezoidal rule with POINTS."""
JUDGES = 256
"""Directions that held-out codes are judged by, the same at each checkpoint."""


def random_directions(rows: int, size: int, rng: torch.Generator) -> Tensor:
    """Unit vectors [rows, size], uniform on the sphere."""
    return functional.normalize(torch.randn(rows, size, generator=rng), dim=1)


def sigreg(codes: Tensor, directions: Tensor) -> Tensor:
    """How far codes [N, L] are from N(0, I): the mean of a test over directions [M, L]; a scalar.

    Of a projection it is N times the integral of |f(t) - exp(-t^2/2)|^2 exp(-t^2/2) over t, where
    f(t) is the mean of exp(i t x) over the projected codes x. For codes of N(0, I) the mean is
    sqrt(2 pi) (1 - 1 / sqrt(3)) = 1.06, whatever N is; for all others it grows with N.
    """
    t = torch.linspace(0, REACH, POINTS // 2 + 1, device=codes.device)  # the other half is the same
    wanted = torch.exp(-t.square() / 2)
    angles = (codes @ directions.T)[..., None] * t
    real, imaginary = angles.cos().mean(dim=0), angles.sin().mean(dim=0)
    differences = (real - wanted).square() + imaginary.square()
    return 2 * len(codes) * torch.trapezoid(differences * wanted, t).mean()


class LeJEPA(Baseline):
    """An encoder and its step."""

    name: ClassVar[str] = "lejepa"
    config_type: ClassVar[type[Config]] = Config
    generates: ClassVar[bool] = False
    config: Config
    judges: Tensor

    def __init__(self, config: Config, rng: torch.Generator) -> None:
        super().__init__(config, rng)
        self.config, self.supervision = config, config.supervision
        self.encoder = ResidualEncoder(config, config.latent_size)
        initialise(self.encoder, rng)
        judges = random_directions(JUDGES, config.latent_size, torch.Generator().manual_seed(0))
        self.register_buffer("judges", judges, persistent=False)
        parameters = self.encoder.parameters()
        decay = config.weight_decay
        adam = AdamW(parameters, lr=config.lr, weight_decay=decay, fused=True)
        self.optimizers = {"encoder": adam}

    def encode(self, images: Tensor) -> Tensor:
        return self.encoder(images)

    def losses(self, batch: Batch, directions: Tensor) -> dict[str, Tensor]:
        """The two terms, of a batch of pairs of all processes: the squared distance of codes from
        the middle of their pair, the mean over numbers, and SIGReg, the mean over both sides."""
        codes = self.encode(batch.images.flatten(0, 1)).unflatten(0, (-1, 2))
        self.show("codes", codes)
        first, second = self.gathered(codes).unbind(dim=1)
        return {
            "distance": (first - second).square().mean() / 4,
            "sigreg": (sigreg(first, directions) + sigreg(second, directions)) / 2,
        }

    def total(self, losses: dict[str, Tensor]) -> Tensor:
        share = self.config.gaussian
        return (1 - share) * losses["distance"] + share * losses["sigreg"]

    def loss(self, batch: Batch) -> Tensor:
        return self.total(self.losses(batch, self.judges))

    def step(self, batch: Batch, rng: torch.Generator) -> dict[str, Tensor]:
        """One update; all processes draw the same directions."""
        directions = random_directions(self.config.directions, self.config.latent_size, rng)
        losses = self.losses(batch, send(directions, batch.images.device))
        self.descend("encoder", self.total(losses))
        return {name: loss.detach() for name, loss in losses.items()}
