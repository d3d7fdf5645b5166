"""Deep CCA on a trained encoder: what images share that are far apart.

A contrastive encoder that was trained on nearby pairs knows more than its codes show: which of two
signs a parameter has is in them, but folded, so that no simple function reads it, and its feature
maps know still more. Here the convolutions stay as they are, and a small network maps what they
give to new codes: those whose canonical correlations between the two images of a pair have the
largest sum (Andrew et al. 2013, Deep Canonical Correlation Analysis, with one network for both
sides). The pairs differ in some parameters altogether, so what the two share is global.

The sum is linear in each correlation, where the gain of InfoNCE grows with its square: what agrees
but little is not drowned by what agrees a lot, if there are codes for both.
Codes of few correlations need many pairs at once: those of all pairs seen so far, up to `memory`,
may be kept, and each step then draws `sample` of them.

Which functions have the largest correlation is for the pairs to say. Where scores follow an
Ornstein-Uhlenbeck step (pairs `ou`) with correlation rho, a Hermite polynomial of degree n has
rho^n, so the parameters come before all other functions of them, their signs with them, and few
codes do. Pairs that keep or redraw each parameter (`some`) give every function of one parameter the
same correlation. But they tell the parameters apart: with `codes`, a last small network turns the
codes of a finished run until each of its own is near or anywhere, as single parameters are.
"""

from __future__ import annotations

import sys

from baselines.train import main

if __name__ == "__main__":  # before torch, which help does without
    sys.exit(main(["dcca", *sys.argv[1:]]))

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.optim import AdamW

from baselines.configs.dcca import PRESETS as PRESETS
from baselines.configs.dcca import Config
from baselines.contrastive import HEIGHT, even_and_odd, info_nce, log_ratios, turned
from baselines.parts.networks import Network, ResidualEncoder, initialise
from baselines.training.baseline import Baseline
from baselines.training.data import Batch
from baselines.training.runs import load_network, load_weights, must_agree, read_config
from fdd.errors import FddError, shown
from fdd.files import as_path

RIDGE = 1e-4
"""Added to the variances of codes, so that a code that is constant does no harm."""
UNREAD = {"codes": 0, "hidden": 1, "features": 3}
"""How many of the encoder's last layers are left out, by what is read of it."""
FASTER = 10
"""Muon's learning rate (Jordan et al. 2024), in those of AdamW."""
AXES_WIDTH = 256
"""Units in each of the two hidden layers before the axes."""
SHAPE = (
    "version",
    "image_size",
    "colors",
    "encoder_codes",
    "encoder_odd_codes",
    "width",
    "reads",
    "odd_codes",
    "hidden",
)
"""Options that a run on the codes of another has to share with it."""


def mean_correlation(first: Tensor, second: Tensor, odd: int = 0) -> Tensor:
    """Mean canonical correlation of codes [N, L] with their partners' [N, L]; a scalar up to 1.

    tr(C^-1 R) / L, with C the covariance of the codes of both sides and R that between the sides,
    made symmetric. The last `odd` codes have mean 0 and no covariance with the others, as those
    that change their sign with a symmetry of the data have.
    """
    even = first.shape[1] - odd
    total = first.new_zeros(())
    for part, centre in ((slice(0, even), True), (slice(even, None), False)):
        codes = torch.stack([first[:, part], second[:, part]])
        if centre:
            codes = codes - codes.mean(dim=(0, 1))
        one, other = codes
        count = 2 * len(one)
        own = (one.T @ one + other.T @ other) / count
        cross = (one.T @ other + other.T @ one) / count
        own = own + RIDGE * torch.eye(len(own), device=own.device)
        total = total + torch.linalg.solve(own, cross).trace()
    return total / first.shape[1]


def small_network(config: Config, sizes: tuple[int, int, int], rng: torch.Generator) -> Network:
    """Two hidden layers; sizes are those of its input, of each hidden layer and of its output."""
    inputs, hidden, outputs = sizes
    layers: list[nn.Module] = [nn.Linear(inputs, hidden), nn.ReLU()]
    layers += [nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, outputs)]
    network = Network(config, layers)
    initialise(network, rng)
    return network


class DCCA(Baseline):
    """A frozen encoder, a small network on its codes, the memory of codes, and their step; with
    `codes`, all of that frozen, and a last network on its codes."""

    name: ClassVar[str] = "dcca"
    config_type: ClassVar[type[Config]] = Config
    generates: ClassVar[bool] = False
    config: Config
    memory: Tensor
    seen: Tensor
    centre: Tensor
    scale: Tensor
    middle: Tensor
    spread: Tensor

    def __init__(self, config: Config, rng: torch.Generator) -> None:
        super().__init__(config, rng)
        self.config, self.supervision = config, config.supervision
        whole = list(ResidualEncoder(config, config.encoder_codes))
        self.encoder = Network(config, whole[: len(whole) - UNREAD[config.reads]])
        features, hidden = (one.in_features for one in whole if isinstance(one, nn.Linear))
        inputs = {"codes": config.encoder_codes, "hidden": hidden, "features": features}[
            config.reads
        ]
        found = config.codes or config.latent_size
        self.head = small_network(config, (inputs, config.hidden, found), rng)
        self.register_buffer("memory", torch.zeros(config.memory, 2, inputs, dtype=torch.float16))
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))
        self.register_buffer("centre", torch.zeros(inputs))
        self.register_buffer("scale", torch.ones(inputs))
        self.optimizers = self.axes_of(rng) if config.codes else self.head_of()

    def head_of(self) -> dict[str, torch.optim.Optimizer]:
        """The optimisers of the small network."""
        config, parameters = self.config, list(self.head.parameters())
        optimizers: dict[str, torch.optim.Optimizer] = {}
        if config.optimizer == "muon" and hasattr(torch.optim, "Muon"):
            matrices = [one for one in parameters if one.ndim == 2]
            parameters = [one for one in parameters if one.ndim != 2]
            optimizers["matrices"] = torch.optim.Muon(
                matrices,
                lr=FASTER * config.lr,
                weight_decay=config.weight_decay,
                adjust_lr_fn="match_rms_adamw",
            )
        decay = config.weight_decay
        return optimizers | {
            "head": AdamW(parameters, lr=config.lr, weight_decay=decay, fused=True)
        }

    def axes_of(self, rng: torch.Generator) -> dict[str, torch.optim.Optimizer]:
        """Adds the network that makes codes of the codes of a run; its optimiser."""
        config = self.config
        self.axes = small_network(config, (config.codes, AXES_WIDTH, config.latent_size), rng)
        self.register_buffer("middle", torch.zeros(config.codes))
        self.register_buffer("spread", torch.ones(config.codes))
        self.log_scales = nn.Parameter(torch.zeros(config.latent_size))
        self.heights = nn.Parameter(torch.full((config.latent_size,), HEIGHT))
        free: dict[str, Any] = {"params": [self.log_scales, self.heights], "weight_decay": 0.0}
        weights = {"params": list(self.axes.parameters()), "weight_decay": config.weight_decay}
        return {"axes": AdamW([weights, free], lr=config.lr, fused=True)}

    def begin(self) -> None:
        if self.config.codes:
            self.take_codes()
            return
        if self.config.optimizer == "muon" and "matrices" not in self.optimizers:
            raise FddError(
                "optimizer='muon' needs torch 2.9 or newer, and this is "
                f"{torch.__version__}; choose optimizer='adamw'"
            )
        folder = as_path("encoder_from", self.config.encoder_from)
        told, source = read_config(folder), f"encoder_from={shown(self.config.encoder_from)}"
        if told["baseline"] != "contrastive":
            raise FddError(
                f"{source} is a run of {told['baseline']}; it must be one of contrastive"
            )
        odd = self.config.encoder_odd_codes
        if odd != told.get("odd_codes"):
            raise FddError(
                f"encoder_odd_codes={odd} must be {told.get('odd_codes')!r}, as in {source}"
            )
        whole = ResidualEncoder(self.config, self.config.encoder_codes)
        load_network(whole, "encoder", folder)
        weights = whole.state_dict()
        self.encoder.load_state_dict({name: weights[name] for name in self.encoder.state_dict()})

    def take_codes(self) -> None:
        """Put all that comes before the axes, from the run of `codes_from`, into this model."""
        name = self.config.codes_from
        folder = as_path("codes_from", name)
        told = read_config(folder)
        wanted = {"baseline": "dcca", "codes": 0, "latent_size": self.config.codes}
        wanted |= {key: getattr(self.config, key) for key in SHAPE}
        must_agree(f"codes_from={shown(name)}", told, wanted)
        own = self.state_dict()
        for key, value in load_weights(folder).items():
            if key not in ("memory", "seen"):
                own[key].copy_(value)

    def train(self, mode: bool = True) -> DCCA:
        super().train(mode)
        self.encoder.eval()
        self.encoder.training = (
            mode  # the network computes in bfloat16 then; its layers do not learn
        )
        return self

    @torch.no_grad()
    def read(self, images: Tensor) -> Tensor:
        """What the small network reads of images [N, 3, S, S]: the encoder's codes
        [N, encoder_codes], or what comes before them."""
        odd = self.config.odd_inputs
        if not odd:
            return self.encoder(images)
        return even_and_odd(self.encoder, images, images.flip(2), odd)

    def map(self, codes: Tensor) -> Tensor:
        """What was read of N images -> what deep CCA finds in it, [N, codes or latent_size]."""
        codes = (codes - self.centre) / self.scale
        if not self.config.odd_codes:
            return self.head(codes)
        down = turned(codes, self.config.odd_inputs)
        return even_and_odd(self.head, codes, down, self.config.odd_codes)

    def encode(self, images: Tensor) -> Tensor:
        codes = self.map(self.read(images))
        return self.turn(codes) if self.config.codes else codes

    def turn(self, codes: Tensor) -> Tensor:
        """Codes [N, codes] of deep CCA -> those that follow parameters, [N, latent_size]."""
        return self.axes((codes - self.middle) / self.spread)

    def loss(self, batch: Batch) -> Tensor:
        """Minus the mean canonical correlation over a batch of pairs, of the axes InfoNCE; a
        scalar."""
        images = batch.images.flatten(0, 1)
        if self.config.codes:
            return self.apart(self.gathered(self.encode(images).unflatten(0, (-1, 2))))
        return self.of_codes(self.read(images).unflatten(0, (-1, 2)))

    def apart(self, codes: Tensor) -> Tensor:
        """InfoNCE of new codes of pairs [N, 2, latent_size], each near or anywhere; a scalar."""
        self.show("codes", codes.flatten(0, 1))
        shape = self.log_scales.exp(), self.heights
        return info_nce(
            codes[:, 0], codes[:, 1], lambda own, others: log_ratios("sparse", own, others, *shape)
        )

    def step_of_axes(self, batch: Batch) -> dict[str, Tensor]:
        """One step of the axes, on codes that stay."""
        with torch.no_grad():
            codes = self.gathered(self.map(self.read(batch.images.flatten(0, 1))))
        if self.seen == 0:
            self.middle.copy_(codes.mean(dim=0))
            self.spread.copy_(codes.std(dim=0) + RIDGE)
        self.seen += len(codes) // 2
        loss = self.apart(self.turn(codes).unflatten(0, (-1, 2)))
        self.descend("axes", loss)
        return {"contrastive": loss.detach()}

    def of_codes(self, codes: Tensor) -> Tensor:
        """The loss of what was read of pairs [N, 2, ...]."""
        mapped = self.map(codes.flatten(0, 1))
        self.show("codes", mapped)
        first, second = mapped.unflatten(0, (-1, 2)).unbind(dim=1)
        return -mean_correlation(first, second, self.config.odd_codes)

    def measure(self, codes: Tensor) -> None:
        """Take the unit in which the small network sees codes from pairs of them [N, 2, ...]. Odd
        ones have mean 0 over images and their turned ones."""
        even = codes.shape[2] - self.config.odd_inputs
        self.centre[:even] = codes.mean(dim=(0, 1))[:even]
        self.scale.copy_((codes - self.centre).square().mean(dim=(0, 1)).sqrt() + RIDGE)

    def remember(self, codes: Tensor) -> None:
        """Put pairs of codes [N, 2, ...] into the memory, over the oldest ones."""
        places = (self.seen + torch.arange(len(codes), device=codes.device)) % len(self.memory)
        self.memory[places] = codes.to(self.memory.dtype)
        self.seen += len(codes)

    def step(self, batch: Batch, rng: torch.Generator) -> dict[str, Tensor]:
        if self.config.codes:
            return self.step_of_axes(batch)
        codes = self.read(batch.images.flatten(0, 1)).unflatten(0, (-1, 2))
        codes = self.gathered(codes)
        if self.seen == 0:
            self.measure(codes)
        if not self.config.memory:
            self.seen += len(codes)
        else:
            self.remember(codes)
            held = min(int(self.seen), len(self.memory))
            chosen = torch.randint(held, (min(self.config.sample, held),), generator=rng)
            codes = self.memory[chosen.to(codes.device)].float()
        loss = self.of_codes(codes)
        self.descend(tuple(self.optimizers), loss)
        return {"correlation": -loss.detach()}
