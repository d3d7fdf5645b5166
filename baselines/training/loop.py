"""The training loop that all baselines share; it knows none of them by name."""

from __future__ import annotations

import math
import os
import sys
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from os import PathLike
from pathlib import Path

import torch
from tqdm import tqdm

import fdd
from baselines.training import parallel, runs
from baselines.training.baseline import Baseline
from baselines.training.config import RunConfig
from baselines.training.data import (
    HELD_OUT,
    ImageData,
    held_out_batch,
    open_data,
    read_ahead,
)
from baselines.training.record import Recorder
from baselines.training.stopping import EarlyStopping, stop_on_signal
from fdd.devices import pick_device
from fdd.errors import FddError


@dataclass(frozen=True)
class Outcome:
    """How training ended: the step it reached, and why before its time, if so.

    `stopped`: a signal asked it to.
    """

    step: int
    reason: str | None = None
    stopped: bool = False


def train(
    make: type[Baseline],
    config: RunConfig,
    out: str | PathLike[str],
    *,
    data: ImageData | None = None,
    held_out: ImageData | None = None,
) -> Outcome:
    """Train `make(config, rng)` until it has made `config.steps` steps, or collapsed.

    `out` becomes the run folder (see `baselines.training.runs`). If it holds a run with the same
    options, that run goes on from its last checkpoint and ends with the same bits as if it had
    never stopped (on a CPU, with as many threads). Ctrl-C and SIGTERM finish the step and save; a
    second one does not wait. `data` and `held_out` default to what the option `data` says. Under
    `torchrun` the processes share each batch and give the numbers that one would, up to rounding.

    FddError for bad options, a folder that cannot be used, and a loss that is not finite.
    """
    config.check()
    fabric, folder = parallel.start(pick_device(config.device)), Path(out)
    device, alone = fabric.device, fabric.is_global_zero
    if config.batch_size % fabric.world_size:
        raise FddError(
            f"batch_size={config.batch_size} must be a multiple of {fabric.world_size}, the number "
            "of processes that share it"
        )
    runs.check_folder(folder, make.name, config)
    batches, images = open_data(config, data, held_out)

    rng = torch.Generator().manual_seed(config.seed)
    model = make(config, rng).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    stopping = EarlyStopping()
    start = restore(folder, model, rng, stopping)
    if start >= config.steps:
        if start > config.steps:
            raise FddError(f"steps={config.steps} must be {start} or more: '{folder}' is that far")
        return Outcome(start)
    reason = stopping.verdict(config)
    if reason:
        return Outcome(start, reason)
    if start == 0:
        model.begin()
    model.train()
    fabric.barrier()  # no process may find the folder half made by another
    few = held_out_batch(images, config, device)
    where = {"device": str(device), "threads": torch.get_num_threads(), "torch": torch.__version__}
    where["processes"] = fabric.world_size
    versions = {"fdd_version": fdd.__version__, "data_version": batches.version}
    if alone:
        runs.write_config(
            folder, {"baseline": make.name, **asdict(config), **versions, "trained_on": where}
        )
    if config.compile:
        for network in model.children():
            network.compile()

    codes = torch.randn(
        HELD_OUT, config.latent_size, generator=torch.Generator().manual_seed(config.seed)
    )
    recorder = Recorder(folder, start, few, codes.to(device), config.colors, writes=alone)
    wait = 0.1 if sys.stderr.isatty() else 10.0
    bar = tqdm(total=config.steps, initial=start, unit="step", mininterval=wait, disable=not alone)

    milestones = config.log_every, config.sample_every, config.checkpoint_every
    unread: deque[tuple[int, Callable[[], dict[str, float]]]] = deque()
    values: dict[str, float] = {}
    with (
        recorder,
        bar,
        stop_on_signal() as stop,
        deterministic(config.deterministic),
        read_ahead(batches, config, start, device) as coming,
    ):
        step = saved = start
        if start == 0 and alone:
            save(folder, model, rng, stopping, 0, 0)
        while step < config.steps and not reason and not parallel.any_of(stop.is_set(), device):
            set_rates(model, config.rate(step))
            step += 1
            look = step % config.log_every == 0
            model.shown = {} if look else None
            unread.append((step, parallel.read_later(model.step(next(coming), rng))))
            due = any(step % every == 0 for every in milestones) or step == config.steps
            while len(unread) > (0 if due or device.type == "cpu" else 1):
                number, read = unread.popleft()
                values = read()
                for name, value in values.items():
                    if not math.isfinite(value):
                        raise not_finite(f"loss {name}={value}", number, saved, folder)
            if look:
                recorder.numbers(step, batches.epoch(step - 1), values, model)
            if step % config.sample_every == 0 or step == config.steps:
                recorder.pictures(step, model)
            if step % config.checkpoint_every == 0:
                best = stopping.update(step, recorder.judge(model))
                reason = stopping.verdict(config)
                if alone:
                    save(folder, model, rng, stopping, step, saved, best)
                saved = step
            bar.set_postfix({k: f"{v:.3g}" for k, v in values.items()}, refresh=False)
            bar.update()
        if step != saved and alone:
            save(folder, model, rng, stopping, step, saved)
    fabric.barrier()
    return Outcome(step, reason, parallel.any_of(stop.is_set(), device))


def set_rates(model: Baseline, share: float) -> None:
    """Give all optimisers this share of their learning rates."""
    for optimizer in model.optimizers.values():
        for group in optimizer.param_groups:
            group["lr"] = share * group.setdefault("initial_lr", group["lr"])


@contextmanager
def deterministic(wanted: bool) -> Iterator[None]:
    """Inside, a GPU gives the same bits again; or else cuDNN may try which algorithm is fastest."""
    if wanted:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    before = torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark
    torch.use_deterministic_algorithms(wanted or before[0])
    torch.backends.cudnn.benchmark = not wanted
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0])
        torch.backends.cudnn.benchmark = before[1]


def restore(folder: Path, model: Baseline, rng: torch.Generator, stopping: EarlyStopping) -> int:
    """Put the newest checkpoint into `model`, `rng` and `stopping`; its step, or 0 without one."""
    if runs.find_checkpoint(folder) is None:
        return 0
    state = runs.load_state(folder)
    model.load_state_dict(runs.load_weights(folder))
    for name, optimizer in model.optimizers.items():
        optimizer.load_state_dict(state["optimizers"][name])
    rng.set_state(state["rng"])
    vars(stopping).update(state["watch"])
    return state["step"]


def save(
    folder: Path,
    model: Baseline,
    rng: torch.Generator,
    stopping: EarlyStopping,
    step: int,
    saved: int,
    best: bool = False,
) -> None:
    """Make the checkpoint of `step`; if a weight is not finite, FddError instead."""
    weights = model.state_dict()
    for name, weight in weights.items():
        if not weight.isfinite().all():
            raise not_finite(f"weight {name} is not finite", step, saved, folder)
    optimizers = {name: optimizer.state_dict() for name, optimizer in model.optimizers.items()}
    state = {"step": step, "rng": rng.get_state(), "optimizers": optimizers}
    runs.save_checkpoint(folder, weights, state | {"watch": stopping.state_dict()}, best)


def not_finite(what: str, step: int, saved: int, folder: Path) -> FddError:
    return FddError(
        f"{what} at step {step}, so training stopped; the last good checkpoint, of step {saved}, "
        f"is in '{runs.find_checkpoint(folder)}'; a smaller learning rate may help"
    )
