"""How a run is judged while it trains, and what ends it early: its scores, or a signal."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from baselines.training.config import RunConfig
from fdd.errors import shown

LOST = 0.3
"""A collapse: samples keep less than this share of the diversity or sharpness that they had."""
IN_A_ROW = 3
"""Checkpoints in a row at which they do."""


def similarity(made: Tensor, images: Tensor) -> float:
    """Mean SSIM of pairs of images [N, 3, S, S] in [-1, 1], as `benchmarks.image_scores.ssim`."""
    from pytorch_msssim import ssim

    return ssim((made + 1) / 2, (images + 1) / 2, data_range=1.0).item()


def diversity(images: Tensor) -> float:
    """Root mean square distance of two different images, for each number in them."""
    flat = images.flatten(1)
    return torch.pdist(flat).square().mean().div(flat.shape[1]).sqrt().item()


def sharpness(images: Tensor) -> float:
    """Root mean square difference of neighbouring pixels."""
    across, down = images.diff(dim=3).square().mean(), images.diff(dim=2).square().mean()
    return ((across + down) / 2).sqrt().item()


def energy_distance(made: Tensor, images: Tensor, side: int = 16) -> float:
    """2 E|X - Y| - E|X - X'| - E|Y - Y'| of images of `side` pixels; 0 for one distribution.

    Szekely and Rizzo 2013. Unbiased, so it may be below 0.
    """
    x, y = (functional.adaptive_avg_pool2d(i, side).flatten(1) for i in (made, images))
    scale = x.shape[1] ** 0.5
    between = torch.cdist(x, y).mean()
    return ((2 * between - torch.pdist(x).mean() - torch.pdist(y).mean()) / scale).item()


def judge(samples: Tensor, reproduced: Tensor | None, held_out: Tensor) -> dict[str, float]:
    """Numbers about a model, from RGB images [N, 3, S, S] in [-1, 1].

    score, higher is better: the mean SSIM of held-out images and what the model makes of them, or,
    for a model that makes nothing of images, minus the energy distance of its samples to them.
    diversity and sharpness: those of the samples, divided by those of the held-out images.
    """
    found = {}
    if reproduced is not None:
        found["held_out_mse"] = (reproduced - held_out).square().mean().item()
        found["score"] = similarity(reproduced, held_out)
    else:
        found["score"] = -energy_distance(samples, held_out)
    found["diversity"] = diversity(samples) / max(diversity(held_out), 1e-6)
    found["sharpness"] = sharpness(samples) / max(sharpness(held_out), 1e-6)
    return found


def judge_translations(
    images: tuple[Tensor, Tensor],
    translated: tuple[Tensor, Tensor],
    returned: tuple[Tensor, Tensor],
) -> dict[str, float]:
    """Numbers about a translator, from images [N, 3, S, S] in [-1, 1] of its two domains.

    `translated` are images of the two domains that were made of the other's, `returned` the images
    as they come back. Nobody is asked which translation is right.

    held_out_cycle: mean absolute difference of images and returned ones. held_out_distance: energy
    distance of translated images to those of their domain. score, higher is better: minus the sum
    of both. diversity and sharpness of translated images, divided by those of images of their
    domain. Each is the mean of both directions, the last two the smaller one.
    """
    both = list(zip(translated, images, strict=True))
    cycles = [(b - i).abs().mean().item() for b, i in zip(returned, images, strict=True)]
    distances = [energy_distance(made, real) for made, real in both]
    cycle, distance = sum(cycles) / 2, sum(distances) / 2
    return {
        "held_out_cycle": cycle,
        "held_out_distance": distance,
        "score": -cycle - distance,
        "diversity": min(diversity(m) / max(diversity(r), 1e-6) for m, r in both),
        "sharpness": min(sharpness(m) / max(sharpness(r), 1e-6) for m, r in both),
    }


@dataclass
class EarlyStopping:
    """What a run remembers of its checkpoints to stop early; `state_dict` goes into them."""

    best_step: int = 0
    best_score: float = -float("inf")
    waited: int = 0
    """Checkpoints since the best."""
    diversity: float = 0.0
    sharpness: float = 0.0
    """The highest of each so far, at most 1, the value of real images."""
    collapsed: int = 0
    """Checkpoints in a row at which samples had lost it."""

    def update(self, step: int, found: dict[str, float]) -> bool:
        """Take in what `judge` found at a checkpoint; whether its score is the best so far."""
        kept = []
        for name in found.keys() & {"diversity", "sharpness"}:
            most = min(max(getattr(self, name), found[name]), 1.0)
            setattr(self, name, most)
            kept.append(found[name] >= LOST * most)
        self.collapsed = 0 if all(kept) else self.collapsed + 1
        if found["score"] > self.best_score:
            self.best_step, self.best_score, self.waited = step, found["score"], 0
            return True
        self.waited += 1
        return False

    def verdict(self, config: RunConfig) -> str | None:
        """Why training should stop, in a sentence, or None."""
        best = f"the best checkpoint is that of step {self.best_step} (score {self.best_score:.4g})"
        if config.stop_on_collapse and self.collapsed >= IN_A_ROW:
            return (
                f"collapse: at {IN_A_ROW} checkpoints in a row samples had less than {LOST:.0%} of "
                f"the diversity or sharpness they once had; {best}; --no-stop-on-collapse trains on"
            )
        if config.patience and self.waited >= config.patience:
            return f"no better score for {self.waited} checkpoints; {best}"
        return None

    def state_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def restored(cls, saved: Any) -> EarlyStopping:
        """What `state_dict` gave. ValueError for anything else."""
        fresh = asdict(cls())
        if not isinstance(saved, dict) or saved.keys() != fresh.keys():
            raise ValueError(f"the watch must have {', '.join(fresh)}")
        for name, value in saved.items():
            possible = type(value) is type(fresh[name]) and value < 2**53
            if not possible or (isinstance(value, int) and value < 0):
                raise ValueError(f"{name}={shown(value, 80)} of the watch is not a possible number")
        return cls(**saved)


@contextmanager
def stop_on_signal() -> Iterator[threading.Event]:
    """An event that Ctrl-C or SIGTERM sets, so that no step is cut in half.

    A second signal acts at once, as without this. Only the main thread can listen to signals; in
    another one the event is never set.
    """
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def ask(number: int, frame: object) -> None:
        stop.set()
        signal.signal(number, before[number])

    before: dict[int, Any] = {
        number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)
    }
    for number in before:
        signal.signal(number, ask)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
