"""Sparse deep predictive coding (SDPC): layers of sparse maps, each predicts the one below.

Boutin, Franciosini, Ruffier and Perrinet 2020 (arXiv:2002.00892); Boutin, Franciosini, Chavane,
Ruffier and Perrinet 2021 (arXiv:1902.07651). Layer i has maps g_i >= 0 and a dictionary D_i of
atoms of norm 1, and from the maps follows what is below: D_i' g_i is to be v_{i-1} g_{i-1}, and the
image for the first layer. Given an image, the maps of each layer descend

    F_i = 1/2 ||v_{i-1} g_{i-1} - D_i' g_i||^2
          + k/2 ||(v_i g_i - D_{i+1}' g_{i+1}) / v_i||^2 + lambda_i |g_i|_1,

all layers in turn. The second term is the feedback of strength k. Then the dictionaries descend the
first term, and atoms get norm 1 again; so do the gains v, which make up for what lambda takes away.

Images go in less their mean and divided by one scale, both of the first batches.
"""

from __future__ import annotations

import sys

from baselines.train import main

if __name__ == "__main__":  # before torch, which help does without
    sys.exit(main(["sdpc", *sys.argv[1:]]))

import math
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import SGD, Adam

from baselines.configs.sdpc import PRESETS as PRESETS
from baselines.configs.sdpc import Config, counts, numbers
from baselines.parts.sparse_maps import Rates, channels_last, predict, threshold
from baselines.training.baseline import Baseline
from baselines.training.data import Batch
from fdd.errors import FddError

WARM = 100
"""Batches over which the mean and the scale of images are taken."""
ROUNDS = 50
"""Power iterations that find the curvature of a new dictionary; later ones go on from there."""
LEAST = 4
"""Fewest iterations of an inference."""
DEAD = 20
"""Batches without activity after which an atom counts as dead."""


class Layer(NamedTuple):
    """A layer as inference sees it."""

    atoms: Tensor
    """D: [K, C * stride**2, h, w], as `folded` gives them."""
    stride: int
    sparsity: float
    """lambda."""
    gain: Tensor
    """v: [K, 1, 1]."""
    curvature: float
    """The largest eigenvalue of D D'."""

    def fold(self, below: Tensor) -> Tensor:
        """What is below with the pixels of a stride as channels: [N, C, S, S] -> [N, C * stride**2,
        S / stride, S / stride]."""
        return below if self.stride == 1 else functional.pixel_unshuffle(below, self.stride)

    def unfold(self, below: Tensor) -> Tensor:
        """The other way."""
        return below if self.stride == 1 else functional.pixel_shuffle(below, self.stride)

    def analyse(self, below: Tensor) -> Tensor:
        """D of what is below: [N, C, S, S] -> [N, K, s, s]."""
        return functional.conv2d(self.fold(below), self.atoms)

    def predict(self, maps: Tensor) -> Tensor:
        """D' of maps: [N, K, s, s] -> [N, C, S, S]."""
        return self.unfold(functional.conv_transpose2d(maps, self.atoms))


class Inference(NamedTuple):
    """What is inferred from N images."""

    maps: list[Tensor]
    """g_i of each layer, [N, K_i, s_i, s_i], not negative."""
    iterations: Tensor
    """How many each image took, int64 [N]."""
    energies: Tensor | None
    """E_k after each iteration, [iterations + 1, N], from that of empty maps; where an image took
    fewer, its last stays. None unless asked for."""


def folded(atoms: Tensor, stride: int) -> Tensor:
    """Atoms [K, C, h, w] that lie `stride` apart as atoms that lie 1 apart in images whose pixels
    went into channels: [K, C * stride**2, h / stride, w / stride].

    Convolutions of stride 1 are the fast ones, above all the transposed.
    """
    return functional.pixel_unshuffle(atoms, stride).contiguous(memory_format=torch.channels_last)


def strongest(layer: Layer, maps: Tensor, rounds: int) -> tuple[Tensor, Tensor]:
    """The largest eigenvalue of D D', from below, and maps [1, K, s, s] nearly of it, by so many
    rounds of the power method from these."""
    for _ in range(rounds):
        maps = functional.normalize(maps.flatten(), dim=0).view_as(maps)
        maps = layer.analyse(layer.predict(maps))
    return maps.norm(), maps


def energy(images: Tensor, maps: list[Tensor], layers: list[Layer], k: float) -> Tensor:
    """E_k of maps: sum_i k^(i-1) (1/2 ||v_{i-1} g_{i-1} - D_i' g_i||^2 + lambda_i |g_i|_1), [N].

    With gains of 1 and without momentum no iteration of `infer` raises it.
    """
    below, total = images, torch.zeros(len(images), dtype=images.dtype, device=images.device)
    for i, (g, layer) in enumerate(zip(maps, layers, strict=True)):
        apart = (below - layer.predict(g)).square().flatten(1).sum(1) / 2
        total += k**i * (apart + layer.sparsity * g.flatten(1).sum(1))
        below = layer.gain * g
    return total


@torch.no_grad()
def infer(
    images: Tensor,
    layers: list[Layer],
    k: float = 1.0,
    iterations: int = 1000,
    tolerance: float = 5e-4,
    *,
    momentum: bool = True,
    energies: bool = False,
) -> Inference:
    """The maps of images [N, C, S, S], already less their mean and scaled, from empty ones.

    Proximal gradient steps of 1 / (curvature + k), with the momentum of FISTA (Beck and Teboulle
    2009) or without. An image is done, and left out of the next iterations, when one has changed
    the maps of no layer by more than `tolerance` of their norm.

    Predictions are made of maps that momentum has carried on, once a layer and iteration: by a
    transposed convolution, or, on a processor, by adding up the atoms of the few numbers that are
    not 0.
    """
    state = _State(images, layers)
    done = [torch.zeros_like(maps) for maps in state.maps]
    rows = torch.arange(len(images), device=images.device)
    taken = torch.full((len(images),), iterations, device=images.device)
    trace = [energy(images, done, layers, k)] if energies else []
    t = 1.0
    for iteration in range(1, iterations + 1):
        before, t = t, (1 + math.sqrt(1 + 4 * t * t)) / 2
        changed = state.advance(layers, k, (before - 1) / t if momentum else 0.0)
        ready = changed < tolerance if iteration >= LEAST else torch.zeros_like(changed).bool()
        last = iteration == iterations
        if energies:
            now = trace[-1].clone()
            now[rows] = energy(images[rows], state.maps, layers, k)
            trace.append(now)
        if last or ready.any():
            over = torch.ones_like(ready) if last else ready
            for whole, part in zip(done, state.maps, strict=True):
                whole[rows[over]] = part[over]
            taken[rows[over]] = iteration
            if over.all():
                break
            rows = rows[~over]
            state.keep(~over)
    return Inference(done, taken, torch.stack(trace) if energies else None)


class _State:
    """The maps of images between two iterations, channels last in memory as all that is here."""

    def __init__(self, images: Tensor, layers: list[Layer]) -> None:
        self.maps: list[Tensor] = []
        self.made: list[Tensor] = []
        below = images
        for layer in layers:
            self.made.append(torch.zeros_like(channels_last(layer.fold(below))))
            below = torch.zeros_like(channels_last(layer.analyse(below)))
            self.maps.append(below)
        self.images = channels_last(layers[0].fold(images))
        self.ahead = [maps.clone() for maps in self.maps]

    def advance(self, layers: list[Layer], k: float, momentum: float) -> Tensor:
        """One iteration of all layers in turn; the largest relative change of a layer's maps, [N].

        `ahead` are the maps that momentum has carried on, `made` their predictions, folded.
        """
        changes = []
        below = self.made[0].sub_(self.images)
        for i, (layer, ahead) in enumerate(zip(layers, self.ahead, strict=True)):
            slope = channels_last(functional.conv2d(below, layer.atoms))
            top = i + 1 == len(layers)
            above = None if top else channels_last(layers[i + 1].unfold(self.made[i + 1]))
            feedback = 0.0 if top else k
            rate = 1 / (layer.curvature + feedback)
            rates = Rates(rate, rate * layer.sparsity, feedback, momentum)
            changed, active = threshold(slope, ahead, self.maps[i], above, layer.gain, rates)
            changes.append(changed)
            self.made[i] = predict(ahead, layer.atoms, self.made[i], active)
            if above is not None:
                below = self.made[i + 1] = channels_last(layers[i + 1].fold(above))
        return torch.stack(changes).amax(0)

    def keep(self, rows: Tensor) -> None:
        """Go on with these rows alone, bool [N]."""
        self.images = self.images[rows]
        for part in (self.maps, self.ahead, self.made):
            part[:] = [tensor[rows] for tensor in part]


class SDPC(Baseline):
    """The dictionaries and gains, the mean and the scale of images, and their step."""

    name: ClassVar[str] = "sdpc"
    config_type: ClassVar[type[Config]] = Config
    generates: ClassVar[bool] = False
    config: Config
    mean: Tensor
    variance: Tensor
    seen: Tensor

    def __init__(self, config: Config, rng: torch.Generator) -> None:
        super().__init__(config, rng)
        self.config = config
        self.strides = counts(config.strides)
        self.lambdas = numbers(config.lambdas)
        self.dictionaries, self.gains = nn.ParameterList(), nn.ParameterList()
        self.register_buffer("mean", torch.zeros(3, config.image_size, config.image_size))
        self.register_buffer("variance", torch.ones(()))
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))
        channels = 3
        shapes = zip(counts(config.atoms), counts(config.sides), config.map_sides, strict=True)
        for i, (count, size, side) in enumerate(shapes):
            atoms = torch.randn(count, channels, size, size, generator=rng)
            self.dictionaries.append(nn.Parameter(unit(atoms)))
            self.gains.append(nn.Parameter(torch.ones(count, 1, 1)))
            start = torch.randn(1, count, side, side, generator=rng)
            self.register_buffer(f"strongest_{i}", strongest(self.layer(i), start, ROUNDS)[1])
            self.register_buffer(f"idle_{i}", torch.zeros(count, dtype=torch.int64))
            channels = count
        rates = numbers(config.rates)
        groups = [{"params": [d], "lr": r} for d, r in zip(self.dictionaries, rates, strict=True)]
        self.optimizers = {
            "dictionaries": SGD(groups, lr=0.0, momentum=0.9),
            "gains": Adam(self.gains.parameters(), lr=float(config.lr_gains)),
        }

    def layer(self, i: int) -> Layer:
        """Layer i, without its curvature."""
        return Layer(
            folded(self.dictionaries[i].detach(), self.strides[i]),
            self.strides[i],
            self.lambdas[i],
            self.gains[i].detach(),
            math.nan,
        )

    def layers(self, rounds: int = 4) -> list[Layer]:
        """The layers as they are now, their curvatures after so many more power iterations."""
        made = []
        for i in range(len(self.strides)):
            layer, maps = self.layer(i), self.get_buffer(f"strongest_{i}")
            curvature, maps = strongest(layer, maps, rounds)
            if self.training:
                self.get_buffer(f"strongest_{i}").copy_(maps)
            made.append(layer._replace(curvature=curvature.item()))
        return made

    def centred(self, images: Tensor) -> Tensor:
        """Images [N, 3, S, S] less their mean, in units of their scale."""
        return (images - self.mean) / self.variance.sqrt()

    @torch.no_grad()
    def infer(self, images: Tensor, k: float | None = None, energies: bool = False) -> Inference:
        """What images float32 [N, 3, S, S] in [-1, 1] are made of; with another feedback than that
        of the options where `k` is given, and with the trace of the energy where asked for."""
        options = self.config
        k = float(options.k) if k is None else k
        limits = options.iterations, options.tolerance
        return infer(self.centred(images), self.layers(), k, *limits, energies=energies)

    def pooled(self, maps: list[Tensor]) -> Tensor:
        """Codes [N, latent_size] of maps: the means of parts of those of the last layer."""
        parts = math.isqrt(self.config.latent_size // maps[-1].shape[1])
        return functional.adaptive_avg_pool2d(maps[-1], parts).flatten(1)

    def encode(self, images: Tensor) -> Tensor:
        return self.pooled(self.infer(images).maps)

    def reconstruct(self, maps: list[Tensor]) -> Tensor:
        """The images [N, 3, S, S] that the maps of the first layer stand for."""
        return self.mean + self.variance.sqrt() * self.layer(0).predict(maps[0])

    def loss(self, batch: Batch) -> Tensor:
        """The mean of E_k of images, a scalar."""
        maps = self.infer(batch.images).maps
        return energy(self.centred(batch.images), maps, self.layers(), float(self.config.k)).mean()

    def errors(self, images: Tensor, maps: list[Tensor], gained: bool = False) -> list[Tensor]:
        """Half the squared error with which each layer predicts what is below, the mean over
        centred images; a function of the dictionaries, or, with `gained`, of the gains."""
        found, below = [], images
        for i, (atoms, gain, g) in enumerate(zip(self.dictionaries, self.gains, maps, strict=True)):
            layer = self.layer(i)
            if gained:
                g = gain * g
            else:
                layer = layer._replace(atoms=folded(atoms, layer.stride))
            found.append((below - layer.predict(g)).square().sum() / (2 * len(images)))
            below = layer.gain * maps[i]
        return found

    def step(self, batch: Batch, rng: torch.Generator) -> dict[str, Tensor]:
        self.watch(batch.images)
        found = self.infer(batch.images)
        self.show("codes", self.pooled(found.maps))
        told = self.told(batch.images, found)
        self.learn(batch.images, found.maps)
        return told

    def learn(self, images: Tensor, maps: list[Tensor]) -> None:
        """One update of the dictionaries, and of the gains, on images and what was inferred."""
        images = self.centred(images)
        self.descend("dictionaries", torch.stack(self.errors(images, maps)).sum())
        if self.config.lr_gains:
            self.descend("gains", torch.stack(self.errors(images, maps, gained=True)).sum())
        with torch.no_grad():
            for atoms in self.dictionaries:
                atoms.copy_(unit(atoms))

    @torch.no_grad()
    def told(self, images: Tensor, found: Inference) -> dict[str, Tensor]:
        """What the log has of an inference: errors, activity, dead atoms, iterations."""
        errors = self.errors(self.centred(images), found.maps)
        losses = {f"error {i}": error for i, error in enumerate(errors, 1)}
        iterations = {"iterations": found.iterations.float().mean()}
        return losses | self.activity(found.maps) | iterations

    @torch.no_grad()
    def watch(self, images: Tensor) -> None:
        """Take images of the first batches into mean and scale."""
        if self.seen == WARM:
            return
        self.seen += 1
        self.mean.lerp_(self.gathered(images.mean(0, keepdim=True)).mean(0), 1 / self.seen)
        spread = (images - self.mean).square().mean()
        self.variance.lerp_(self.gathered(spread[None]).mean(), 1 / self.seen)

    def activity(self, maps: list[Tensor]) -> dict[str, Tensor]:
        """Of each layer the share of its maps that is not 0, and of its atoms that are dead.

        FddError for a layer all of whose atoms are dead, which learns nothing any more.
        """
        told = {}
        for i, g in enumerate(maps):
            active = g > 0
            used = self.gathered(active.any(dim=3).any(dim=2).any(dim=0)[None].float()).any(dim=0)
            idle = self.get_buffer(f"idle_{i}")
            idle.add_(1).masked_fill_(used, 0)
            if idle.min() >= DEAD:
                raise FddError(
                    f"lambdas={self.config.lambdas!r} have left all maps of layer {i + 1} at 0 for "
                    f"{DEAD} batches, so it learns nothing; choose a smaller number for it"
                )
            told[f"active {i + 1}"] = active.float().mean()
            told[f"dead {i + 1}"] = (idle >= DEAD).float().mean()
        return told

    def drawings(self) -> dict[str, Tensor]:
        """The dictionaries: what one unit of activity in each map adds to an image, brought into
        [-1, 1], by layer."""
        sheets = {}
        for i in range(len(self.strides)):
            below = self.dictionaries[i].detach()
            for j in reversed(range(i)):
                below = self.layer(j).predict(below)
            sheets[f"atoms-{i + 1}"] = below / below.abs().amax(dim=(1, 2, 3), keepdim=True)
        return sheets


def unit(atoms: Tensor) -> Tensor:
    """Atoms [K, C, h, w], each divided by its norm."""
    return functional.normalize(atoms.flatten(1), dim=1).view_as(atoms)
