"""The training loop that all baselines share; it knows none of them by name."""

from __future__ import annotations

import math
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

import fdd
from baselines.training import parallel, runs
from baselines.training.baseline import Baseline
from baselines.training.config import RunConfig
from baselines.training.data import (
    HELD_OUT,
    Batch,
    ImageData,
    held_out_batch,
    open_data,
    read_ahead,
)
from baselines.training.record import Recorder
from baselines.training.stopping import EarlyStopping, stop_on_signal
from fdd.defaults import with_defaults
from fdd.devices import pick_device
from fdd.errors import FddError, shown
from fdd.files import alone_in, as_path
from fdd.progress import progress_bar

if TYPE_CHECKING:
    from lightning_fabric import Fabric

HOURS, SMALL = 2, 32
"""A run is long from so many hours on; images are small up to so many pixels on a side."""


@dataclass(frozen=True)
class Outcome:
    """How training ended: the step it reached, and why before its time, if so.

    `stopped`: a signal asked it to.
    """

    step: int
    reason: str | None = None
    stopped: bool = False


@dataclass
class Run:
    """A run between two steps: what a checkpoint holds of it, and how it is trained."""

    folder: Path
    config: RunConfig
    model: Baseline
    rng: torch.Generator
    device: torch.device
    writes: bool
    """Whether this process is the one that writes the folder."""
    stopping: EarlyStopping = field(default_factory=EarlyStopping)
    step: int = 0
    saved: int = 0
    """The step of the last checkpoint."""
    losses: dict[str, float] = field(default_factory=dict)
    """The last losses that were read."""
    unread: deque[tuple[int, Callable[[], dict[str, float]]]] = field(default_factory=deque)
    """Later steps, and the calls that give their losses."""


def train(
    make: type[Baseline],
    config: RunConfig,
    out: str | PathLike[str],
    *,
    data: ImageData | None = None,
    held_out: ImageData | None = None,
) -> Outcome:
    """Train `make(config, rng)` until it has made `config.steps` steps or early stopping ends it.

    `out` becomes the run folder (see `baselines.training.runs`). If it holds a run with the same
    options, that run resumes from its last checkpoint and ends with the same bits as if it had
    never stopped (on a CPU, with as many threads). Ctrl-C and SIGTERM finish the step and save; a
    second one does not wait. `data` and `held_out` default to what the option `data` says. Under
    `torchrun` the processes share each batch and give the numbers that one would, up to rounding.

    FddError for bad options, a folder that cannot be used or has another process at work in it, and
    a loss that is not finite.
    """
    config.check()
    return train_checked(make, config, out, data=data, held_out=held_out)


@with_defaults
def train_checked(
    make: type[Baseline],
    config: RunConfig,
    out: str | PathLike[str],
    *,
    data: ImageData | None = None,
    held_out: ImageData | None = None,
) -> Outcome:
    """`train` with options that `config.check()` has passed."""
    folder = as_path("out", out)
    try:
        str(folder).encode()
    except UnicodeEncodeError:
        raise FddError(
            f"out={shown(out)} is not UTF-8, as TensorBoard needs it; choose another folder"
        ) from None
    fabric = parallel.start(pick_device(config.device))
    if config.batch_size % fabric.world_size:
        raise FddError(
            f"batch_size={config.batch_size} must be a multiple of {fabric.world_size}, the number "
            "of processes that share it"
        )
    chosen = fabric.broadcast(runs.precision(folder, config, fabric.device))
    config = replace(config, precision=chosen)
    runs.check_folder(folder, make.name, config)
    # a caller may have switched gradients off
    with torch.inference_mode(False), torch.enable_grad(), held(folder, fabric):
        return go_on(make, config, folder, fabric, data, held_out)


@contextmanager
def held(folder: Path, fabric: Fabric) -> Iterator[None]:
    """Inside, the process that writes holds the folder; FddError in all of them if it cannot."""
    refused: FddError | None = None
    with ExitStack() as stack:
        if fabric.is_global_zero:
            try:
                stack.enter_context(alone_in(folder))
            except FddError as error:
                refused = error
        if refused := fabric.broadcast(refused):
            raise refused
        yield


def go_on(
    make: type[Baseline],
    config: RunConfig,
    folder: Path,
    fabric: Fabric,
    data: ImageData | None,
    held_out: ImageData | None,
) -> Outcome:
    """Begin or resume the run in a folder that is checked, and held by the process that writes."""
    batches, images = open_data(config, data, held_out)
    saved = newest(make, config, folder)
    run = prepare(make, config, folder, fabric)
    if saved is not None:
        restore(run, saved)
    if run.writes:
        runs.clear_up(folder)
    if run.step == config.steps:
        return Outcome(run.step)
    if reason := run.stopping.verdict(config):
        return Outcome(run.step, reason)
    if run.step == 0:
        run.model.begin()
    run.model.train()
    few = held_out_batch(images, config, run.device)
    fabric.barrier()  # no process may find the folder half made by another
    if run.writes:
        runs.write_config(folder, resolved(run, batches.version, fabric.world_size))
    if config.compile:
        for network in run.model.children():
            network.compile()

    with (
        open_recorder(run, few) as recorder,
        progress_bar(
            total=config.steps, initial=run.step, unit="step", disable=not run.writes
        ) as bar,
        stop_on_signal() as stop,
        deterministic(config.deterministic),
        read_ahead(batches, config, run.step, run.device) as coming,
    ):
        if run.step == 0:
            checkpoint(run)
        second, clock = run.step + 2, 0.0
        while not ended(run) and not parallel.any_of(stop.is_set(), run.device):
            learn(run, next(coming))
            read_losses(run)
            milestones(run, recorder, batches.epoch(run.step - 1))
            bar.set_postfix({k: f"{v:.3g}" for k, v in run.losses.items()}, refresh=False)
            bar.update()
            if run.step == second and run.writes and run.device.type == "cpu":
                told = forecast(config, config.steps - run.step, time.monotonic() - clock)
                if told is not None:
                    bar.write(told, file=sys.stderr)
            clock = time.monotonic()
        if run.step != run.saved:
            checkpoint(run)
    fabric.barrier()
    stopped = parallel.any_of(stop.is_set(), run.device)
    return Outcome(run.step, run.stopping.verdict(config), stopped)


def forecast(config: RunConfig, steps: int, seconds: float) -> str | None:
    """What a run on a processor is told if so many steps, of so many seconds each, take hours.

    None for another, and for one of small images.
    """
    hours = steps * seconds / 3600
    if hours < HOURS or config.image_size <= SMALL:
        return None
    return (
        f"a step takes {seconds:.3g} s here, so the other {steps} take about {hours:,.0f} hours; "
        "without a GPU, --preset mini trains on small images in minutes"
    )


def newest(make: type[Baseline], config: RunConfig, folder: Path) -> runs.Saved | None:
    """The newest checkpoint, if there is one. FddError if it is damaged or of other options."""
    if runs.find_checkpoint(folder) is None:
        return None
    state = runs.load_state(folder)
    return runs.Saved(runs.load_fitting(folder, make, config), state)


def prepare(make: type[Baseline], config: RunConfig, folder: Path, fabric: Fabric) -> Run:
    """A run before its first step. FddError for networks that do not fit into memory."""
    rng = torch.Generator().manual_seed(config.seed)
    try:
        model: Any = make(config, rng)
        model = model.to(fabric.device, memory_format=torch.channels_last)
    except (RuntimeError, MemoryError) as error:  # torch raises the first
        reason = str(error).partition("\n")[0]
        raise FddError(f"the networks of these options cannot be made: {reason}") from error
    return Run(folder, config, model, rng, fabric.device, fabric.is_global_zero)


def restore(run: Run, saved: runs.Saved) -> None:
    """Put a checkpoint into a run. FddError if it does not fit or has too many steps."""
    state = saved.state
    run.model.load_state_dict(saved.weights)
    try:
        for name, optimizer in run.model.optimizers.items():
            runs.load_optimizer(optimizer, state["optimizers"][name])
        run.rng.set_state(state["rng"])
    except (AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise FddError(
            f"run folder '{run.folder}': state.pt does not fit config.json: {reason}"
        ) from None
    run.stopping = EarlyStopping.restored(state["watch"])
    run.step = run.saved = state["step"]
    if run.step > run.config.steps:
        raise FddError(
            f"steps={run.config.steps} must be {run.step} or more: {shown(run.folder)} is that far"
        )


def resolved(run: Run, data_version: str | None, processes: int) -> dict[str, Any]:
    """What config.json says: all options, and what else the numbers depend on."""
    return {
        "baseline": run.model.name,
        "supervision": run.model.supervision,
        **asdict(run.config),
        "fdd_version": fdd.__version__,
        "data_version": data_version,
        "trained_on": {
            "device": str(run.device),
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
            "processes": processes,
        },
    }


def open_recorder(run: Run, held_out: Batch) -> Recorder:
    """The recorder of a run, with the noise that all its samples are drawn from."""
    rng = torch.Generator().manual_seed(run.config.seed)
    codes = torch.randn(HELD_OUT, run.config.latent_size, generator=rng).to(run.device)
    return Recorder(
        run.folder,
        run.step,
        held_out,
        codes,
        run.config.colors,
        run.writes,
        run.model.generates,
    )


def ended(run: Run) -> bool:
    """Whether a run has made all its steps, or early stopping ends it."""
    return run.step == run.config.steps or run.stopping.verdict(run.config) is not None


def learn(run: Run, batch: Batch) -> None:
    """Make the next step; its losses are left to be read."""
    set_rates(run.model, run.config.rate(run.step))
    run.step += 1
    run.model.shown = {} if run.step % run.config.log_every == 0 else None
    losses = run.model.step(batch, run.rng)
    run.unread.append((run.step, parallel.read_later(losses)))


def set_rates(model: Baseline, share: float) -> None:
    """Give all optimisers this share of their learning rates."""
    for optimizer in model.optimizers.values():
        for group in optimizer.param_groups:
            group["lr"] = share * group.setdefault("initial_lr", group["lr"])


def read_losses(run: Run) -> None:
    """Read the losses of the last step, or, on a GPU, of the one before unless something is due.

    A GPU is then at work on a step while the losses of another are read. FddError for a loss that
    is not finite.
    """
    config = run.config
    periods = config.log_every, config.sample_every, config.checkpoint_every, config.steps
    due = any(run.step % every == 0 for every in periods)
    while len(run.unread) > (0 if due or run.device.type == "cpu" else 1):
        step, read = run.unread.popleft()
        run.losses = read()
        for name, value in run.losses.items():
            if not math.isfinite(value):
                raise not_finite(f"loss {name}={value}", step, run)


def milestones(run: Run, recorder: Recorder, epoch: int) -> None:
    """Do what is due after a step: a row of numbers, pictures, a checkpoint with its score."""
    step, config = run.step, run.config
    if step % config.log_every == 0:
        recorder.numbers(step, epoch, run.losses, run.model)
    if step % config.sample_every == 0 or step == config.steps:
        recorder.pictures(step, run.model)
    if step % config.checkpoint_every == 0:
        checkpoint(run, best=run.stopping.update(step, recorder.judge(run.model)))


def checkpoint(run: Run, best: bool = False) -> None:
    """Save a run as it is, also as the best if it is; FddError for a weight that is not finite."""
    if run.writes:
        weights = run.model.state_dict()
        for name, weight in weights.items():
            if not weight.isfinite().all():
                raise not_finite(f"weight {name} is not finite", run.step, run)
        state = {
            "step": run.step,
            "rng": run.rng.get_state(),
            "optimizers": {n: o.state_dict() for n, o in run.model.optimizers.items()},
            "watch": run.stopping.state_dict(),  # the name of it in all saved runs
        }
        runs.save_checkpoint(run.folder, run.config, runs.Saved(weights, state), best)
    run.saved = run.step


def not_finite(what: str, step: int, run: Run) -> FddError:
    return FddError(
        f"{what} at step {step}, so training stopped; the last good checkpoint, of step "
        f"{run.saved}, is in {shown(runs.find_checkpoint(run.folder))}; a smaller learning rate "
        "may help"
    )


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
