"""A supervised reader: a small residual network that learns to read the parameters from images.

It trains on an endless stream and sees no image twice. What it reads is a lower bound on what can
be known from an image: trained on more images, it reads more. `load_reader` of
`benchmarks.oracle.network` opens it.
"""

from __future__ import annotations

import contextlib
import io
import json
import math
import sys
import time
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

import fdd
from benchmarks.oracle.network import (
    WEIGHTS,
    Images,
    Reader,
    accuracy,
    labels,
    network,
    place_network,
    to_tensor,
)
from benchmarks.statistics.arrays import Floats, require
from benchmarks.statistics.threads import torch_threads
from fdd.commands import arguments_of, command, say
from fdd.defaults import with_defaults
from fdd.errors import FddError, known, shown, whole_number
from fdd.files import alone_in, as_path, atomic_write, writing_to
from fdd.options import parse
from fdd.progress import progress_bar
from fdd.releases.cards import DEFAULT_VERSION, Release, release
from fdd.releases.sampling import draw
from fdd.rendering.shading import shaded

SIZES = (16, 32, 64, 128, 256)
STATE, RESULT = "state.pt", "result.json"
CHANGEABLE = ("out", "device", "threads")
"""Options that may change when a run is resumed."""
SEED_ROWS = 10**9
"""Training with seed s reads the train split from row s * SEED_ROWS on."""
BLOCK_BATCHES = 8
"""Batches that are rendered at once, while the network learns those before."""
EMA_DECAY = 0.99
"""Decay of the average of the weights; the average is what is scored and kept."""


@dataclass(frozen=True)
class Options:
    """Train a network to read a', b', c, d from images, none of them seen twice; report test R2.

    Writes reader.safetensors (averaged weights and these options) and result.json (R2 by images
    seen). The same command again resumes an interrupted run exactly.
    """

    out: Path
    """The folder to write to."""
    version: str = DEFAULT_VERSION
    """The release whose streams of candidates and whose test split are read."""
    size: int | None = None
    """Pixels on a side: 16, 32, 64, 128 or 256. As the release has it, if not given."""
    points: int | None = None
    """Points of a trajectory. As the release has it, if not given."""
    occupied_percent: int | None = None
    """An image is kept when at least this share of its pixels is occupied. As the release has it,
    if not given."""
    images: int = 400_000
    """Images to train on, rounded up to whole batches."""
    test_images: int = 5000
    """Images of the test split to score on."""
    every: int = 25_000
    """Images between two points of the curve."""
    seed: int = 0
    """Everything random follows from this number: the first weights and which images are drawn."""
    batch_size: int = 125
    """Images in a batch."""
    learning_rate: float = 2e-3
    """Of Adam; it rises over the first 2 % of the steps, then falls to 0 along a cosine."""
    width: int = 32
    """Channels at the highest resolution of the residual part; the lowest has 4 times as many."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Precision of the products in training; bfloat16 is faster on processors that have it."""
    device: str = "auto"
    """cpu, cuda or cuda:N; auto takes cuda when there is one."""
    threads: int | None = None
    """Threads of torch on the CPU. The result depends on them in the last digits."""

    def card(self) -> Release:
        """The release with these options' size, points and rule of acceptance."""
        names = ("size", "points", "occupied_percent")
        given: Any = {
            name: getattr(self, name) for name in names if getattr(self, name) is not None
        }
        return replace(release(self.version), **given)

    def check(self) -> None:
        """FddError for the first option that is out of its range."""
        card = self.card()
        if card.size not in SIZES:
            raise FddError(f"size={card.size} must be one of {', '.join(map(str, SIZES))}")
        whole_number("points", card.points, 2, 2**16 - 1)
        whole_number("occupied_percent", card.occupied_percent, 0, 90)
        whole_number("images", self.images, 1, SEED_ROWS)
        whole_number("test_images", self.test_images, 2)
        whole_number("every", self.every, 1)
        whole_number("seed", self.seed, 0, SEED_ROWS)
        whole_number("batch_size", self.batch_size, 2, 10_000)
        whole_number("width", self.width, 4, 1024)
        known("precision", self.precision, ("float32", "bfloat16"))
        if self.threads is not None:
            whole_number("threads", self.threads, 1)
        if not 0 < self.learning_rate < 1:
            raise FddError(
                f"learning_rate={shown(self.learning_rate)} must be a number between 0 and 1"
            )


def draw_images(card: Release, split: str, start: int, rows: int) -> tuple[Images, Floats]:
    """Rows from `start` on of a split: images uint8 [rows, S, S, 3], params float64 [rows, 6]."""
    counts = np.empty((rows, card.size, card.size), np.uint16)
    params = draw(card, split, start, rows, counts)
    return shaded(card.drawing(), counts), params


class Training:
    """All that a step changes, so that a run can be saved and resumed exactly."""

    def __init__(self, options: Options, device: Any) -> None:
        import torch
        from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

        size = options.card().size
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(options.seed)
            net = network(size, options.width)
        self.net = place_network(net, device).train()
        self.average = AveragedModel(
            self.net, multi_avg_fn=get_ema_multi_avg_fn(EMA_DECAY), use_buffers=True
        )
        self.adam = torch.optim.Adam(self.net.parameters(), options.learning_rate)
        self.options, self.steps = options, -(-options.images // options.batch_size)
        self.step, self.seconds, self.curve = 0, 0.0, list[dict[str, float]]()

    def learn(self, images: Images, labels: NDArray[np.float32]) -> None:
        """One step on images uint8 [B, S, S, 3] and their `labels` [B, 5]."""
        import torch
        from torch.nn import functional

        x = to_tensor(images, self.net)
        wanted = torch.from_numpy(labels).to(x.device)
        for group in self.adam.param_groups:
            group["lr"] = self.options.learning_rate * schedule(self.step, self.steps)
        with torch.autocast(
            x.device.type, torch.bfloat16, enabled=self.options.precision == "bfloat16"
        ):
            found = self.net(x).float()
        loss = functional.mse_loss(found[:, :4], wanted[:, :4])
        loss = loss + functional.binary_cross_entropy_with_logits(found[:, 4], wanted[:, 4])
        self.adam.zero_grad()
        loss.backward()
        self.adam.step()
        self.average.update_parameters(self.net)
        self.step += 1

    def reader(self) -> Reader:
        """The averaged weights as a reader, with what it was trained on as its config."""
        return Reader(self.average.module, described(self.options))

    def state(self) -> dict[str, Any]:
        """All that `restore` needs."""
        parts = {name: getattr(self, name).state_dict() for name in ("net", "average", "adam")}
        counters = {"step": self.step, "seconds": self.seconds, "curve": self.curve}
        return parts | counters | {"config": described(self.options)}

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from `state`. FddError if it is not that of these options."""
        from baselines.training.runs import load_optimizer

        try:
            for name in ("net", "average"):
                getattr(self, name).load_state_dict(state[name])
            load_optimizer(self.adam, state["adam"])
            self.step = whole_number("step", state["step"], 0, self.steps)
            self.seconds = float(state["seconds"])
            self.curve = state["curve"]
            if not all(isinstance(n, int | float) for point in self.curve for n in point.values()):
                raise ValueError("its curve must have numbers")
        except (
            AttributeError,
            LookupError,
            OverflowError,
            RuntimeError,
            TypeError,
            ValueError,
        ) as error:
            reason = str(error).partition("\n")[0] or type(error).__name__
            raise FddError(
                f"folder '{self.options.out}': {STATE} does not fit its options: {reason}"
            ) from None


def schedule(step: int, steps: int) -> float:
    """The share of the learning rate at a step: up over the first 2 %, then a cosine to 0."""
    warm = max(steps // 50, 1)
    if step < warm:
        return (step + 1) / warm
    return 0.5 + 0.5 * math.cos(math.pi * (step - warm) / max(steps - warm, 1))


def described(options: Options) -> dict[str, Any]:
    """The options that decide the result, with the release's numbers filled in."""
    card = options.card()
    config = asdict(options) | {"version": card.name, "size": card.size, "points": card.points}
    config |= {"occupied_percent": card.occupied_percent, "fdd_version": fdd.__version__}
    return {name: value for name, value in config.items() if name not in CHANGEABLE}


@with_defaults
def train(options: Options) -> dict[str, Any]:
    """Train, or resume, in the folder `options.out`; returns what result.json then holds.

    Raises FddError for an option out of range and for a folder that cannot be written, is in use or
    holds another run; KeyboardInterrupt after Ctrl-C, once state and result, without "test", are
    saved.
    """
    import torch

    from fdd.devices import pick_device

    options.check()
    options = replace(options, out=as_path("out", options.out))
    device = pick_device(options.device)
    # a caller may have switched gradients off
    gradients = torch.inference_mode(False), torch.enable_grad()
    with gradients[0], gradients[1], torch_threads(options.threads), alone_in(options.out):
        training = Training(options, device)
        if (options.out / STATE).exists():
            training.restore(saved_state(options))
        test = draw_images(options.card(), "test", 0, options.test_images)
        finished = run(training, test)
        reader = training.reader()
        result = {
            "config": reader.config,
            "images": training.step * options.batch_size,
            "steps": training.step,
            "parameters": sum(weight.numel() for weight in training.net.parameters()),
            "device": str(device),
            "threads": torch.get_num_threads(),
            "seconds": round(training.seconds, 1),
            "curve": training.curve,
        }
        if finished:
            result["test"] = accuracy(reader.read(test[0]), test[1])
        with writing_to(options.out), atomic_write(options.out / RESULT) as path:
            path.write_text(json.dumps(result, indent=1) + "\n")
    if not finished:
        raise KeyboardInterrupt
    return result


def run(training: Training, test: tuple[Images, Floats]) -> bool:
    """Take the remaining steps and save at each point of the curve; False if Ctrl-C stopped it."""
    from baselines.training.stopping import stop_on_signal

    options, batch = training.options, training.options.batch_size
    bar = progress_bar(total=training.steps * batch, initial=training.step * batch, unit="image")
    began = time.perf_counter() - training.seconds
    every = max(options.every // batch, 1)
    with stop_on_signal() as stop, bar, contextlib.closing(batches(options, training.step)) as data:
        while training.step < training.steps and not stop.is_set():
            training.learn(*next(data))
            bar.update(batch)
            if training.step % every == 0 or training.step == training.steps:
                training.seconds = time.perf_counter() - began
                found = training.reader().read(test[0], all_views=False)
                point = {"images": training.step * batch, "seconds": training.seconds}
                training.curve.append(point | accuracy(found, test[1]))
                bar.set_postfix(training.curve[-1], refresh=False)
                save(training)
        training.seconds = time.perf_counter() - began
        save(training)
    return training.step == training.steps


def batches(options: Options, step: int) -> Generator[tuple[Images, NDArray[np.float32]]]:
    """Batches step, step + 1, ... without end: images and their `labels`.

    Each is a pure function of the options and its number. A block of them is rendered in another
    thread while the network learns the block before.
    """
    batch, rows = options.batch_size, options.batch_size * BLOCK_BATCHES
    card, first = options.card(), options.seed * SEED_ROWS

    def render(block: int) -> tuple[Images, Floats]:
        return draw_images(card, "train", first + block * rows, rows)

    block, skipped = divmod(step, BLOCK_BATCHES)
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(render, block)
        while True:
            images, params = coming.result()
            block += 1
            coming = pool.submit(render, block)
            wanted = labels(params)
            for start in range(skipped * batch, rows, batch):
                yield images[start : start + batch], wanted[start : start + batch]
            skipped = 0


def save(training: Training) -> None:
    """Write reader.safetensors and the state; each appears only when it is complete."""
    import safetensors.torch
    import torch

    reader, buffer = training.reader(), io.BytesIO()
    torch.save(training.state(), buffer)
    weights = {name: value.contiguous() for name, value in reader.net.state_dict().items()}
    data = safetensors.torch.save(weights, {"config": json.dumps(reader.config)})
    out = training.options.out
    with writing_to(out):
        for name, content in ((WEIGHTS, data), (STATE, buffer.getvalue())):
            with atomic_write(out / name) as path:
                path.write_bytes(content)


def saved_state(options: Options) -> dict[str, Any]:
    """The state in `options.out`. FddError if it is damaged or from a run with other options."""
    from baselines.training.runs import read_state

    try:
        state = read_state((options.out / STATE).read_bytes())
        here = dict(state["config"])
    except Exception as error:  # what torch.load raises for a damaged file has no common type
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise FddError(f"folder {shown(options.out)}: {STATE} cannot be read: {reason}") from None
    for name, value in described(options).items():
        if here.get(name) != value:
            raise FddError(
                f"folder {shown(options.out)}: it holds a run with {name}={shown(here.get(name))}, "
                f"not {shown(value)}; choose another folder with --out"
            )
    return state


@command(stopped="stopped; run the same command again to go on")
def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns its exit status, as `fdd.commands.command` says."""
    options = parse(Options, arguments_of(argv), "python -m benchmarks.reader")
    for package in ("torch", "safetensors"):
        require(package)
    result = train(options)
    say(*(f"{name:12}{score:.3f}" for name, score in result["test"].items()))
    say(f"{WEIGHTS}, {RESULT}: {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
