"""The training loop that all baselines share; it knows none of them by name."""

from __future__ import annotations

import math
import sys
from dataclasses import asdict
from os import PathLike
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from tqdm import tqdm

import fdd
from baselines import runs
from baselines.config import RunConfig, pick_device
from baselines.data import Batches, ImageData, resize, to_tensor
from baselines.interrupt import stop_on_signal
from baselines.record import Recorder
from fdd.errors import FddError

HELD_OUT = 64
"""Images that the reconstruction is measured on; as many samples are drawn."""


class Baseline(nn.Module):
    """What the loop needs of a model. With a method `encode`, reconstructions are drawn too."""

    name: ClassVar[str]
    config_type: ClassVar[type[RunConfig]]
    optimizers: dict[str, Optimizer]

    def __init__(self, config: RunConfig, rng: torch.Generator) -> None:
        super().__init__()

    def step(self, images: Tensor, rng: torch.Generator) -> dict[str, Tensor]:
        """One update on images [N, 3, S, S] in [-1, 1], noise from `rng`; the losses by name."""
        raise NotImplementedError

    def generate(self, codes: Tensor) -> Tensor:
        """Codes [N, latent_size] -> images [N, 3, S, S] in [-1, 1]."""
        raise NotImplementedError


def train(
    make: type[Baseline],
    config: RunConfig,
    out: str | PathLike[str],
    *,
    data: ImageData | None = None,
    held_out: ImageData | None = None,
) -> int:
    """Train `make(config, rng)` until it has made `config.steps` steps; the step it reached.

    `out` becomes the run folder (see `baselines.runs`). If it holds a run with the same options,
    that run goes on from its last checkpoint and ends with the same bits as if it had never stopped
    (on a CPU, with as many threads). Ctrl-C and SIGTERM finish the step and save; a second one does
    not wait. `data` and `held_out` default to the train and val splits of the release.

    FddError for bad options, a folder that cannot be used, and a loss that is not finite.
    """
    config.check()
    device, folder = pick_device(config.device), Path(out)
    runs.check_folder(folder, make.name, config)
    data = fdd.load("train", version=config.version) if data is None else data
    held_out = fdd.load("val", version=config.version) if held_out is None else held_out
    batches = Batches(data, config)

    rng = torch.Generator().manual_seed(config.seed)
    model = make(config, rng).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    start = restore(folder, model, rng)
    if start >= config.steps:
        if start > config.steps:
            raise FddError(f"steps={config.steps} must be {start} or more: '{folder}' is that far")
        return start
    few = resize(held_out.read(range(min(HELD_OUT, len(held_out)))), config.image_size)
    version = getattr(data, "version", None)
    where = {"device": str(device), "threads": torch.get_num_threads(), "torch": torch.__version__}
    versions = {"fdd_version": fdd.__version__, "data_version": version, "trained_on": where}
    runs.write_config(folder, {"baseline": make.name, **asdict(config), **versions})

    codes = torch.randn(
        HELD_OUT, config.latent_size, generator=torch.Generator().manual_seed(config.seed)
    )
    recorder = Recorder(folder, start, to_tensor(few, device), codes.to(device))
    wait = 0.1 if sys.stderr.isatty() else 10.0
    bar = tqdm(total=config.steps, initial=start, unit="step", mininterval=wait)

    with recorder, bar, stop_on_signal() as stop:
        step = saved = start
        if start == 0:
            save(folder, model, rng, 0, 0)
        while step < config.steps and not stop.is_set():
            images = to_tensor(batches[step], device)
            losses = model.step(images, rng)
            step += 1
            values = dict(zip(losses, torch.stack(list(losses.values())).tolist(), strict=True))
            for name, value in values.items():
                if not math.isfinite(value):
                    raise not_finite(f"loss {name}={value}", step, saved, folder)
            if step % config.log_every == 0:
                recorder.numbers(step, batches.epoch(step - 1), values, model)
            if step % config.sample_every == 0 or step == config.steps:
                recorder.pictures(step, model)
            if step % config.checkpoint_every == 0:
                save(folder, model, rng, step, saved)
                saved = step
            bar.set_postfix({k: f"{v:.3g}" for k, v in values.items()}, refresh=False)
            bar.update()
        if step != saved:
            save(folder, model, rng, step, saved)
    return step


def restore(folder: Path, model: Baseline, rng: torch.Generator) -> int:
    """Put the newest checkpoint into `model` and `rng`; its step, or 0 if there is none."""
    if runs.find_checkpoint(folder) is None:
        return 0
    state = runs.load_state(folder)
    model.load_state_dict(runs.load_weights(folder))
    for name, optimizer in model.optimizers.items():
        optimizer.load_state_dict(state["optimizers"][name])
    rng.set_state(state["rng"])
    return state["step"]


def save(folder: Path, model: Baseline, rng: torch.Generator, step: int, saved: int) -> None:
    """Make the checkpoint of `step`; if a weight is not finite, FddError instead."""
    weights = model.state_dict()
    for name, weight in weights.items():
        if not weight.isfinite().all():
            raise not_finite(f"weight {name} is not finite", step, saved, folder)
    optimizers = {name: optimizer.state_dict() for name, optimizer in model.optimizers.items()}
    state = {"step": step, "rng": rng.get_state(), "optimizers": optimizers}
    runs.save_checkpoint(folder, weights, state)


def not_finite(what: str, step: int, saved: int, folder: Path) -> FddError:
    return FddError(
        f"{what} at step {step}, so training stopped; the last good checkpoint, of step {saved}, "
        f"is in '{runs.find_checkpoint(folder)}'; a smaller learning rate may help"
    )
