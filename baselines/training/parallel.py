"""One batch on several processes, with the mathematics of one process.

Each process (rank) holds the whole model and its share of every batch. Batch statistics are those
of the whole batch, and gradients are averaged before an optimiser's step. Without
torch.distributed, or with one process, all of this does nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, distributed, nn

from fdd.defaults import matplotlib
from fdd.errors import FddError, shown

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def start(device: torch.device) -> Fabric:
    """Join the processes that `torchrun` started, if it did; else be the only one.

    Under torchrun each process gets the GPU of its local rank, where `device` is a GPU. FddError
    for a variable of torchrun that is no number; an empty one counts as not set, and is removed.
    """
    for variable in ("LOCAL_RANK", "RANK"):
        if number_told(variable, 0) is None:  # Fabric and torchmetrics take "" for a number
            os.environ.pop(variable, None)
    matplotlib()  # before Fabric imports it, with torchmetrics where that is installed
    from lightning_fabric import Fabric  # slow to import, and --help needs none
    from lightning_fabric.plugins.environments import LightningEnvironment

    local, everywhere = processes_told("LOCAL_WORLD_SIZE"), processes_told("WORLD_SIZE")
    alone: Any = [device.index] if device.index is not None else 1
    fabric = Fabric(
        accelerator=device.type,
        devices=alone if everywhere == 1 else local,
        num_nodes=everywhere // local,
        strategy="auto" if everywhere == 1 else "ddp",
        # or one process in a job of several tasks would be taken for one of them
        plugins=LightningEnvironment() if everywhere == 1 else None,
    )
    fabric.launch()
    return fabric


def processes_told(variable: str) -> int:
    """The number of processes that torchrun has put into a variable; 1 if it is empty or not set.

    Raises FddError for anything else.
    """
    return number_told(variable, 1) or 1


def number_told(variable: str, least: int) -> int | None:
    """The number that torchrun has put into a variable; None if it is empty or not set.

    Raises FddError unless it is a whole number of at least `least`.
    """
    told = os.environ.get(variable)
    if not told:
        return None
    if not told.isdecimal() or int(told) < least:
        raise FddError(f"${variable}={shown(told)} must be a whole number of at least {least}")
    return int(told)


def processes() -> tuple[int, int]:
    """(rank, number of processes)."""
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1


class _Sum(torch.autograd.Function):
    """The sum of a tensor over the processes; each one's gradient is the sum of all gradients."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:
        total = tensor.clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return _Sum.apply(gradient)


def gather(rows: Tensor) -> Tensor:
    """The rows of all processes, [N, ...] -> [world N, ...]; gradients flow back to each."""
    rank, world = processes()
    if world == 1:
        return rows
    nothing = torch.zeros_like(rows)
    return _Sum.apply(torch.cat([rows if other == rank else nothing for other in range(world)]))


def share(rows: Tensor) -> Tensor:
    """This process's part of rows [N, ...] that all processes hold: [N / world, ...]."""
    rank, world = processes()
    return rows.chunk(world)[rank]


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replace the gradients of these parameters by their means over the processes; in place."""
    world = processes()[1]
    if world == 1:
        return
    gradients = [p.grad for p in parameters if p.grad is not None]
    flat = torch.cat([gradient.reshape(-1) for gradient in gradients]) / world
    distributed.all_reduce(flat)
    start = 0
    for gradient in gradients:
        gradient.copy_(flat[start : start + gradient.numel()].view_as(gradient))
        start += gradient.numel()


def read_later(numbers: dict[str, Tensor]) -> Callable[[], dict[str, float]]:
    """These scalars, each the mean over the processes, by a call that waits for a GPU to have them.

    Called a step later, it does not hold up the GPU.
    """
    values = torch.stack(list(numbers.values()))
    if processes()[1] > 1:
        distributed.all_reduce(values)
        values /= processes()[1]
    copy = values.to("cpu", non_blocking=True)
    there = torch.cuda.Event() if values.is_cuda else None
    if there is not None:
        there.record()

    def read() -> dict[str, float]:
        if there is not None:
            there.synchronize()
        return dict(zip(numbers, copy.tolist(), strict=True))

    return read


def any_of(flag: bool, device: torch.device) -> bool:
    """Whether the flag is set on any of the processes, so that they stop together."""
    if processes()[1] == 1:
        return flag
    total = torch.tensor(float(flag), device=device)
    distributed.all_reduce(total)
    return bool(total > 0)


class BatchNorm(nn.BatchNorm2d):
    """`BatchNorm2d` whose statistics are those of the batches of all processes together.

    torch's own `SyncBatchNorm` has no CPU version.
    """

    def forward(self, x: Tensor) -> Tensor:
        world = processes()[1]
        if world == 1 or not self.training:
            return super().forward(x)
        wide = x.float()
        mean = _Sum.apply(wide.mean((0, 2, 3)) / world)
        variance = _Sum.apply((wide - mean[:, None, None]).square().mean((0, 2, 3)) / world)
        if self.track_running_stats:
            count = world * x.numel() // x.shape[1]
            unbiased = variance * (count / (count - 1))
            self.update_averages(mean.detach(), unbiased.detach())
        scale = (variance + self.eps).rsqrt()
        if not self.affine:
            return (x - mean[:, None, None]) * scale[:, None, None]
        scale = self.weight * scale
        return x * scale[:, None, None] + (self.bias - mean * scale)[:, None, None]

    def update_averages(self, mean: Tensor, variance: Tensor) -> None:
        buffers: Any = self
        buffers.num_batches_tracked += 1
        buffers.running_mean.lerp_(mean, buffers.momentum)
        buffers.running_var.lerp_(variance, buffers.momentum)
