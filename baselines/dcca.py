"""Deep CCA on a trained encoder: what images share that are far apart.

A contrastive encoder that was trained on nearby pairs knows more than its codes show: which of two
signs a parameter has is in them, but folded, so that no simple function reads it, and its feature
maps know still more. Here the convolutions stay as they are, and a small network maps what they
give to new codes: those whose canonical correlations between the two images of a pair have the
largest sum (Andrew et al. 2013, Deep Canonical Correlation Analysis, with one network for both
sides). The pairs differ in some parameters altogether, so what the two share is global.

The sum is linear in each correlation, where the gain of InfoNCE grows with its square: what agrees
but little is not drowned by what agrees a lot, if there are codes for both.
A small correlation needs many pairs to be seen at all. Groups of images, any two of which are a
pair (`ou_members`), give them: K images have K (K - 1) / 2. Or the codes of all pairs seen so far
are kept, up to `memory`, and each step draws `sample` of them.

Which functions have the largest correlation is for the pairs to say. Where scores follow an
Ornstein-Uhlenbeck step (pairs `ou`) with correlation rho, a Hermite polynomial of degree n has
rho^n, so the parameters come before all other functions of them, their signs with them, and few
codes do.

Two runs more start from such a one, each with a map of minutes on what was found before. With
`codes` a second small network has the same loss: of two dozen numbers it finds more than the first
one does of a thousand. Its codes are canonical variates, the first ones those that agree most, so
what is not smooth in the parameters is left behind. With `sorted_codes` a last map, which begins at
these, is turned until each code is near or anywhere, as single parameters are: pairs that keep or
redraw each parameter (`some`) tell the parameters apart, which those of a normal law cannot.

Where the pairs tell which parameter changed (`one`), nothing need be turned step by step. A code
that follows one parameter differs between the two images where that one changed, and not where
another did. The linear maps of which this is most true are eigenvectors: of the covariance of
differences where one parameter changed, in units of that where another did (the ratio of Fisher
1936, The use of multiple measurements in taxonomic problems, of differences in place of classes).
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
from fdd.attractors.params import NAMES
from fdd.errors import FddError, shown
from fdd.files import as_path

RIDGE = 1e-4
"""Added to the variances of codes, so that a code that is constant does no harm."""
UNREAD = {"codes": 0, "hidden": 1, "features": 3}
"""How many of the encoder's last layers are left out, by what is read of it."""
FASTER = 10
"""Muon's learning rate (Jordan et al. 2024), in those of AdamW."""
LAST_WIDTH = 256
"""Units in each of the two hidden layers of the maps that follow a run."""
STRAIGHT = 5
"""The learning rate of the linear part of the axes, in that of their network."""
QUARTILE = 0.6745
"""The median distance from the mean of a normal law, in its standard deviations."""
FARTHEST = 4.0
"""Codes further from their median than so many such deviations count as if they lay there: one odd
picture in a thousand would otherwise have a code for itself."""
LEVEL = 2 / 3
"""Of the largest ratio of variances: codes with so much follow a parameter about as far."""
HORIZON = 30
"""Steps that the moments of codes are a mean of, about."""
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


def mean_correlation(groups: Tensor, odd: int = 0) -> Tensor:
    """Mean canonical correlation of codes of groups [N, K, L], over all pairs of a group; a scalar
    up to 1.

    tr(C^-1 R) / L, with C the covariance of all codes and R that between the members of a group.
    The last `odd` codes have mean 0 and no covariance with the others, as those that change their
    sign with a symmetry of the data have.
    """
    even = groups.shape[2] - odd
    total = groups.new_zeros(())
    for part, centre in ((slice(0, even), True), (slice(even, None), False)):
        codes = groups[:, :, part]
        if centre:
            codes = codes - codes.mean(dim=(0, 1))
        own, cross = moments(codes)
        own = own + RIDGE * torch.eye(len(own), device=own.device)
        total = total + torch.linalg.solve(own, cross).trace()
    return total / groups.shape[2]


def moments(codes: Tensor) -> tuple[Tensor, Tensor]:
    """Of codes of groups [N, K, L] with mean 0: their covariance [L, L], and that of two different
    members of a group, the mean over all such pairs [L, L]."""
    members = codes.shape[1]
    each, together = codes.flatten(0, 1), codes.sum(dim=1)
    own = each.T @ each
    cross = (together.T @ together - own) / (members - 1)
    return own / len(each), cross / len(each)


def variance_ratios(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """How much larger one covariance [L, L] is than another one, and along what: the ratios [L] of
    the two variances, the largest first, and the linear maps that have them, the columns of
    [L, L]; what these give has variance 1 by the second covariance, and none is correlated with
    another by either."""
    least = RIDGE * second.diag().mean().clamp_min(RIDGE)
    ridge = least * torch.eye(len(second), device=second.device)
    unit = torch.linalg.inv(torch.linalg.cholesky(second + ridge)).T
    values, vectors = torch.linalg.eigh(unit.T @ first @ unit)
    return values.flip(0), unit @ vectors.flip(1)


def axes_of(own: Tensor, others: Tensor, agreement: Tensor) -> tuple[Tensor, Tensor]:
    """Linear maps of codes [L] of variance 1 that follow one parameter: how far [L], and the maps,
    the columns of [L, L], each of variance 1.

    own and others [L, L]: the covariance of differences where the parameter changed, and where
    another one did. Of functions of one parameter these do not always tell which is which: those
    that follow it about as far are turned until they agree as differently as they can, as c, which
    comes first, and |c| do. agreement [L, L]: the covariance of codes of images that are far apart.
    """
    values, maps = variance_ratios(own, others)
    maps = maps / maps.norm(dim=0)
    level = int((values >= LEVEL * values[0]).sum())
    basis = torch.linalg.qr(maps[:, :level]).Q
    turn = torch.linalg.eigh(basis.T @ agreement @ basis).eigenvectors.flip(1)
    return values, torch.cat([basis @ turn, maps[:, level:]], dim=1)


def small_network(config: Config, sizes: tuple[int, int, int], rng: torch.Generator) -> Network:
    """Two hidden layers; sizes are those of its input, of each hidden layer and of its output."""
    inputs, hidden, outputs = sizes
    layers: list[nn.Module] = [nn.Linear(inputs, hidden), nn.ReLU()]
    layers += [nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, outputs)]
    network = Network(config, layers)
    initialise(network, rng)
    return network


class Bent(nn.Module):
    """A linear map [N, inputs] -> [N, outputs] and a small network added to it, which gives 0 at
    first."""

    def __init__(self, config: Config, sizes: tuple[int, int], rng: torch.Generator) -> None:
        super().__init__()
        inputs, outputs = sizes
        self.straight = nn.Linear(inputs, outputs)
        nn.init.orthogonal_(self.straight.weight, generator=rng)
        nn.init.zeros_(self.straight.bias)
        self.bend = small_network(config, (inputs, LAST_WIDTH, outputs), rng)
        last = self.bend[-1]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)

    def forward(self, codes: Tensor) -> Tensor:
        return self.straight(codes) + self.bend(codes)


class DCCA(Baseline):
    """A frozen encoder, a small network on its codes, the memory of codes, and their step; with
    `codes`, all of that frozen and a second network on its codes; with `sorted_codes`, that frozen
    too, and the axes."""

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
    mean: Tensor
    own: Tensor
    cross: Tensor
    axes: nn.Module
    owners: Tensor
    changes: Tensor
    counts: Tensor

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
        self.register_buffer(
            "memory", torch.zeros(config.memory, config.members, inputs, dtype=torch.float16)
        )
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))
        self.register_buffer("centre", torch.zeros(inputs))
        self.register_buffer("scale", torch.ones(inputs))
        self.optimizers = self.last_of(rng) if config.codes else self.head_of()

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

    def last_of(self, rng: torch.Generator) -> dict[str, torch.optim.Optimizer]:
        """Adds the maps that make codes of the codes of a run; the optimiser of the last one."""
        config = self.config
        found = config.sorted_codes or config.latent_size
        self.sorting = Bent(config, (config.codes, found), rng)
        self.register_buffer("middle", torch.zeros(config.codes))
        self.register_buffer("spread", torch.ones(config.codes))
        self.register_buffer("mean", torch.zeros(found))
        self.register_buffer("own", torch.eye(found))
        self.register_buffer("cross", torch.eye(found))
        self.variates = nn.Linear(found, found).requires_grad_(False)
        nn.init.eye_(self.variates.weight)
        nn.init.zeros_(self.variates.bias)
        decay = config.weight_decay
        if not config.sorted_codes:
            parameters = list(self.sorting.parameters())
            return {"sorting": AdamW(parameters, lr=config.lr, weight_decay=decay, fused=True)}
        return self.discriminant() if config.pairs == "one" else self.turning(rng)

    def discriminant(self) -> dict[str, torch.optim.Optimizer]:
        """Adds axes that are computed, and what they are computed from; no optimiser."""
        found, codes = self.config.sorted_codes, self.config.latent_size
        axes = nn.Linear(found, codes, bias=False).requires_grad_(False)
        nn.init.eye_(axes.weight)
        self.axes = axes
        self.register_buffer("owners", torch.zeros(codes, dtype=torch.int64))
        self.register_buffer("changes", torch.zeros(len(NAMES), found, found))
        self.register_buffer("counts", torch.zeros(len(NAMES)))
        return {}

    def turning(self, rng: torch.Generator) -> dict[str, torch.optim.Optimizer]:
        """Adds axes that are learned; their optimiser."""
        config, codes = self.config, self.config.latent_size
        axes = Bent(config, (config.sorted_codes, codes), rng)
        nn.init.eye_(axes.straight.weight)
        self.axes = axes
        self.log_scales = nn.Parameter(torch.zeros(codes))
        self.heights = nn.Parameter(torch.full((codes,), HEIGHT))
        straight = [*axes.straight.parameters(), self.log_scales, self.heights]
        free: dict[str, Any] = {"params": straight, "lr": STRAIGHT * config.lr, "weight_decay": 0.0}
        bend: dict[str, Any] = {
            "params": list(axes.bend.parameters()),
            "weight_decay": config.weight_decay,
        }
        return {"axes": AdamW([free, bend], lr=config.lr, fused=True)}

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
        """Put all that comes before the last map, from the run of `codes_from`, into this model."""
        name = self.config.codes_from
        folder = as_path("codes_from", name)
        told = read_config(folder)
        config = self.config
        codes, found = (
            (config.codes, config.sorted_codes) if config.sorted_codes else (0, config.codes)
        )
        wanted = {"baseline": "dcca", "codes": codes, "sorted_codes": 0, "latent_size": found}
        wanted |= {key: getattr(config, key) for key in SHAPE}
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
        if not self.config.codes:
            return codes
        codes = self.sort(codes)
        return self.axes(codes) if self.config.sorted_codes else codes

    def again(self, codes: Tensor) -> Tensor:
        """Codes [N, codes] of deep CCA -> what the second network makes of them [N, L]."""
        units = (codes - self.middle) / self.spread
        return self.sorting(units.clamp(-FARTHEST, FARTHEST))

    def sort(self, codes: Tensor) -> Tensor:
        """Codes [N, codes] of deep CCA -> canonical variates of the second network's [N, L]: the
        first one agrees most, all have variance 1."""
        return self.variates(self.again(codes))

    def loss(self, batch: Batch) -> Tensor:
        """Minus the mean canonical correlation over a batch of groups; of the axes InfoNCE, or
        where the pairs tell what changed minus the mean share of that; a scalar."""
        codes = self.read(batch.images.flatten(0, 1))
        groups = -1, self.config.members
        if not self.config.codes:
            return self.of_codes(codes.unflatten(0, groups))
        codes = self.map(codes)
        if not self.config.sorted_codes:
            return self.agreeing(self.again(codes).unflatten(0, groups))
        made = self.gathered(self.axes(self.sort(codes)).unflatten(0, (-1, 2)))
        if batch.numbers is None:
            return self.apart(made)
        return -self.share(made, self.gathered(batch.numbers))

    def agreeing(self, codes: Tensor, odd: int = 0) -> Tensor:
        """Minus the mean canonical correlation of codes of groups [N, K, L], the last `odd` odd; a
        scalar."""
        self.show("codes", codes.flatten(0, 1))
        return -mean_correlation(codes, odd)

    def apart(self, codes: Tensor) -> Tensor:
        """InfoNCE of codes of pairs [N, 2, latent_size], each near or anywhere; a scalar."""
        self.show("codes", codes.flatten(0, 1))
        shape = self.log_scales.exp(), self.heights
        return info_nce(
            codes[:, 0], codes[:, 1], lambda own, others: log_ratios("sparse", own, others, *shape)
        )

    def share(self, codes: Tensor, numbers: Tensor) -> Tensor:
        """Of the squared differences of codes of pairs [N, 2, latent_size], the share in pairs
        whose changed parameter, `numbers` [N], is the one that the code follows; the mean over
        codes, a scalar."""
        self.show("codes", codes.flatten(0, 1))
        squares = (codes[:, 0] - codes[:, 1]).square()
        own = (squares * (numbers[:, None] == self.owners)).sum(dim=0)
        return (own / squares.sum(dim=0).clamp_min(RIDGE)).mean()

    @torch.no_grad()
    def discriminate(self, codes: Tensor, numbers: Tensor) -> None:
        """Take the sorted codes of pairs [N, 2, sorted_codes] into the covariance of differences
        for each parameter of which `numbers` [N] tell that it changed, and from these the axes:
        of all linear maps that follow one parameter those that follow it most, each of variance
        1."""
        differences = codes[:, 0] - codes[:, 1]
        for number in range(len(NAMES)):
            rows = differences[numbers == number]
            self.counts[number] += len(rows)
            rate = len(rows) / self.counts[number].clamp_min(1)
            self.changes[number].lerp_(rows.T @ rows / max(len(rows), 1), rate)
        whole = self.changes.sum(dim=0)
        agreement = self.variates.weight @ self.cross @ self.variates.weight.T
        each = [axes_of(own, (whole - own) / (len(NAMES) - 1), agreement) for own in self.changes]
        values, maps = (torch.cat(parts, dim=-1) for parts in zip(*each, strict=True))
        chosen = values.argsort(descending=True, stable=True)[: len(self.owners)]
        self.owners.copy_(chosen // codes.shape[2])
        assert isinstance(self.axes, nn.Linear)
        self.axes.weight.copy_(maps[:, chosen].T)

    def step_on_codes(self, batch: Batch) -> dict[str, Tensor]:
        """One step of the last map, on codes that stay."""
        with torch.no_grad():
            codes = self.gathered(self.map(self.read(batch.images.flatten(0, 1))))
            sorted_codes = self.sort(codes) if self.config.sorted_codes else None
        if sorted_codes is not None:
            self.seen += len(codes) // 2
            if batch.numbers is not None:
                numbers = self.gathered(batch.numbers)
                self.discriminate(sorted_codes.unflatten(0, (-1, 2)).float(), numbers)
                made = self.axes(sorted_codes).unflatten(0, (-1, 2))
                return {"share": self.share(made, numbers)}
            loss = self.apart(self.axes(sorted_codes).unflatten(0, (-1, 2)))
            self.descend("axes", loss)
            return {"contrastive": loss.detach()}
        if self.seen == 0:
            self.middle.copy_(codes.median(dim=0).values)
            self.spread.copy_((codes - self.middle).abs().median(dim=0).values / QUARTILE + RIDGE)
        made = self.again(codes).unflatten(0, (-1, self.config.members))
        loss = self.agreeing(made)
        self.descend("sorting", loss)
        self.follow(made.float())
        self.seen += len(made)
        return {"correlation": -loss.detach()}

    @torch.no_grad()
    def follow(self, groups: Tensor) -> None:
        """Take the codes of groups [N, K, L] into their moments, means over the last steps, and
        from these the linear map to canonical variates, in the order of correlation."""
        rate = max(len(groups) / (int(self.seen) + len(groups)), 1 / HORIZON)
        self.mean.lerp_(groups.mean(dim=(0, 1)), rate)
        own, cross = moments(groups - self.mean)
        self.own.lerp_(own, rate)
        self.cross.lerp_(cross, rate)
        self.variates.weight.copy_(variance_ratios(self.cross, self.own)[1].T)
        self.variates.bias.copy_(-self.variates.weight @ self.mean)

    def of_codes(self, codes: Tensor) -> Tensor:
        """The loss of what was read of groups [N, K, ...]."""
        mapped = self.map(codes.flatten(0, 1)).unflatten(0, codes.shape[:2])
        return self.agreeing(mapped, self.config.odd_codes)

    def measure(self, codes: Tensor) -> None:
        """Take the unit in which the small network sees codes from groups of them [N, K, ...]. Odd
        ones have mean 0 over images and their turned ones."""
        even = codes.shape[2] - self.config.odd_inputs
        self.centre[:even] = codes.mean(dim=(0, 1))[:even]
        self.scale.copy_((codes - self.centre).square().mean(dim=(0, 1)).sqrt() + RIDGE)

    def remember(self, codes: Tensor) -> None:
        """Put groups of codes [N, K, ...] into the memory, over the oldest ones."""
        places = (self.seen + torch.arange(len(codes), device=codes.device)) % len(self.memory)
        self.memory[places] = codes.to(self.memory.dtype)
        self.seen += len(codes)

    def step(self, batch: Batch, rng: torch.Generator) -> dict[str, Tensor]:
        if self.config.codes:
            return self.step_on_codes(batch)
        codes = self.read(batch.images.flatten(0, 1)).unflatten(0, (-1, self.config.members))
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
