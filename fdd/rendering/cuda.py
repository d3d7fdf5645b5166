"""Rendering on CUDA: the bytes of the CPU, in torch tensors that never leave the device.

The kernels are numba-cuda's, compiled at their first launch from the same steps and the same
functions as the CPU's; torch owns all memory, and they run on its current stream. The CPU takes
what they leave: images with a sine that neither try decides, and the shading of counts that spread
over 65,536 or more.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from fdd.attractors.families import FAMILIES
from fdd.errors import FddError, missing_extra, shown, whole_number
from fdd.rendering.cpu import render_cpu
from fdd.rendering.drawing import Drawing
from fdd.rendering.shading import BINS, shaded

if TYPE_CHECKING:
    import torch

LEAST_STORED = 2048
"""Points stored at a time where memory is short: their counts are added to those before, which
moves 8 bytes for each pixel."""

MAX_POINTS = 2**31 - 1
"""The kernels count in int32, which torch computes with; uint32 is its type for the result."""


@dataclass(frozen=True)
class Gpu:
    """A device as the kernels see it: how many images a block has, its number of SMs, free bytes.

    `array` gives what numba takes for a tensor, without a copy.
    """

    device: torch.device
    stream: Any
    array: Callable[[torch.Tensor], Any]
    threads: int
    shade_threads: int
    processors: int
    free: int


@dataclass(frozen=True)
class Plan:
    """How memory is used.

    Points of a trajectory stored at a time, blocks that iterate, images whose counts are kept until
    they are shaded, blocks that shade, and the levels of each of these.
    """

    stored: int
    blocks: int
    images: int
    shading_blocks: int
    levels: int


def plan(gpu: Gpu, drawing: Drawing, images: int, memory: int | None) -> Plan:
    """The plan for that many images and at most `memory` bytes, by default half of what is free.

    If there is shading, counts that wait for it get up to a quarter and the levels of the blocks
    that shade up to an eighth; trajectories get the rest. Where storing whole trajectories would
    leave most processors idle, only a part of each is stored at a time, and it is computed twice.

    Raises FddError if `memory` does not suffice for one image.
    """
    from fdd.rendering.cuda_kernel import BLOCKS_PER_SM, BOX, MOST_STORED, RUN
    from fdd.rendering.cuda_shading import BLOCKS_PER_SM as SHADING_BLOCKS_PER_SM

    points, counts_bytes = drawing.points, 4 * drawing.size**2
    least = 2**23 + 4 * counts_bytes
    memory = max(gpu.free // 2, least) if memory is None else whole_number("memory", memory, least)
    levels, shading_blocks = min(points, BINS) + 1, 0
    if drawing.output != "counts":
        chunks = -(-images // max(1, memory // 4 // counts_bytes))
        images = -(-images // max(1, chunks))
        shading_blocks = min(
            images, gpu.processors * SHADING_BLOCKS_PER_SM, memory // 8 // 8 // levels
        )
        memory -= images * counts_bytes + shading_blocks * levels * 8

    batches = -(-images // gpu.threads)
    wanted = min(batches, gpu.processors * BLOCKS_PER_SM)
    whole = min(-(-points // RUN) * RUN, MOST_STORED)
    blocks = min(memory // (gpu.threads * (16 * whole + 8 * BOX)), wanted)
    stored = whole
    if 2 * blocks < wanted:
        blocks = max(1, min(wanted, memory // (gpu.threads * (16 * LEAST_STORED + 8 * BOX))))
        stored = min(whole, (memory // (blocks * gpu.threads) - 8 * BOX) // 16 // RUN * RUN)
    rounds = -(-batches // blocks)
    return Plan(stored, -(-batches // rounds), images, shading_blocks, levels)


def torch_for(device: str) -> ModuleType:
    """torch; FddError unless it and numba-cuda are installed and torch sees the device."""
    try:
        import torch
    except ImportError as error:
        raise missing_extra("cuda", error) from None
    if not torch.cuda.is_available():
        raise FddError(
            f"device={shown(device)} needs a GPU that torch can use; choose device='cpu'"
        )
    found = torch.cuda.device_count()
    if not re.fullmatch(r"cuda(:\d{1,4})?", device) or int(device[5:] or 0) >= found:
        there = ", ".join(["cpu", "cuda", *(f"cuda:{index}" for index in range(found))])
        raise FddError(f"device={shown(device)} is not known; choose from {there}")
    try:
        import numba_cuda  # noqa: F401  numba.cuda without it is another, older compiler
    except ImportError as error:
        raise missing_extra("cuda", error) from None
    return torch


def render_cuda(
    drawing: Drawing, rows: np.ndarray, device: str | torch.device, memory: int | None = None
) -> tuple[torch.Tensor, np.ndarray]:
    """Images as a tensor on the device, and which rows are degenerate: bool [N] in host memory.

    rows: float64 [N, P], checked; device: "cuda" (torch's current one) or "cuda:0" and so on;
    memory: bytes of the device that may be used besides the result, by default half of what is
    free. Images are uint32 [N, size, size] for output "counts" (torch computes little with uint32:
    `.view(torch.int32)` has the same numbers), otherwise uint8 [N, size, size] or
    [N, size, size, 3]; those of degenerate rows are empty. Whatever follows on torch's current
    stream sees what the kernels wrote.

    Raises FddError if torch, a CUDA device or numba-cuda is missing, `points` exceeds MAX_POINTS or
    `memory` does not suffice.
    """
    torch = torch_for(str(device))
    whole_number("points", drawing.points, 1, MAX_POINTS)
    from numba import cuda

    from fdd.rendering.cuda_kernel import THREADS
    from fdd.rendering.cuda_shading import THREADS as SHADE_THREADS

    index = torch.device(device).index
    index = torch.cuda.current_device() if index is None else index
    with torch.cuda.device(index), cuda.gpus[index]:
        kept_by_torch = torch.cuda.memory_reserved() - torch.cuda.memory_allocated()
        gpu = Gpu(
            device=torch.device("cuda", index),
            stream=cuda.external_stream(torch.cuda.current_stream().cuda_stream),
            array=lambda tensor: cuda.as_cuda_array(tensor, sync=False),
            threads=THREADS,
            shade_threads=SHADE_THREADS,
            processors=torch.cuda.get_device_properties(index).multi_processor_count,
            free=torch.cuda.mem_get_info()[0] + kept_by_torch,
        )
        return draw(gpu, drawing, rows, plan(gpu, drawing, max(1, len(rows)), memory))


def _configured(kernel: Any, *configuration: Any) -> Any:
    """The kernel, ready to be launched; numba's warning about few blocks is not for the user."""
    from numba.cuda.core.errors import NumbaPerformanceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NumbaPerformanceWarning)
        return kernel[configuration]


def draw(
    gpu: Gpu, drawing: Drawing, rows: np.ndarray, use: Plan
) -> tuple[torch.Tensor, np.ndarray]:
    """`render_cuda` on a device that is known and current, whose memory is used as planned."""
    import torch

    from fdd.arithmetic.cuda_sines import shared_table
    from fdd.rendering import cuda_kernel

    degenerate = np.zeros(len(rows), bool)
    counted = drawing.output == "counts"
    kind = torch.int32 if counted else torch.uint8
    images = torch.empty((len(rows), *drawing.shape), dtype=kind, device=gpu.device)
    if len(rows) == 0:
        return _as_promised(images), degenerate

    def scratch(*shape: int, dtype: torch.dtype) -> torch.Tensor:
        return torch.empty(shape, dtype=dtype, device=gpu.device)

    count = _configured(
        cuda_kernel.kernel(FAMILIES[drawing.family]),
        use.blocks,
        gpu.threads,
        gpu.stream,
        cuda_kernel.SHARED_BYTES,
    )
    params = torch.from_numpy(np.ascontiguousarray(rows)).to(gpu.device)
    table = torch.from_numpy(shared_table()).to(gpu.device)
    orbits = use.blocks * gpu.threads
    slab = scratch(orbits * use.stored * 2, dtype=torch.float64)
    boxes = scratch(orbits * cuda_kernel.BOX, dtype=torch.float64)
    status = scratch(use.images, dtype=torch.uint8)
    if not counted:
        waiting = scratch(use.images, drawing.size, drawing.size, dtype=torch.int32)
        shade = _Shading(gpu, use, drawing)
    for start in range(0, len(rows), use.images):
        part = slice(start, min(start + use.images, len(rows)))
        length = part.stop - part.start
        counts = images[part] if counted else waiting[:length]
        flat = (params[part].view(-1), table, slab, boxes, counts.view(-1), status[:length])
        values, table_array, *rest = map(gpu.array, flat)
        count(values, drawing.points, use.stored, drawing.size, table_array, *rest)
        found = status[:length].cpu().numpy()
        undecided = np.flatnonzero(found == cuda_kernel.UNDECIDED)
        degenerate[part] = found == cuda_kernel.DEGENERATE
        if len(undecided):
            exact, without = render_cpu(replace(drawing, output="counts"), rows[part][undecided])
            places = torch.from_numpy(undecided).to(gpu.device)
            counts[places] = torch.from_numpy(exact.view(np.int32)).to(gpu.device)
            degenerate[start + undecided] = without
        if not counted:
            shade(counts, images[part])
    return _as_promised(images), degenerate


def _as_promised(images: torch.Tensor) -> torch.Tensor:
    import torch

    return images.view(torch.uint32) if images.dtype == torch.int32 else images


class _Shading:
    """Shades counts int32 [n, size, size] into images on the device, with scratch of its own."""

    def __init__(self, gpu: Gpu, use: Plan, drawing: Drawing) -> None:
        import torch

        from fdd.rendering import cuda_shading

        self._gpu, self._drawing = gpu, drawing
        self._kernel = _configured(
            cuda_shading.kernel(),
            use.shading_blocks,
            gpu.shade_threads,
            gpu.stream,
            cuda_shading.SHARED_BYTES,
        )
        self._colours = torch.from_numpy(drawing.colours.flatten()).to(gpu.device)
        levels = (2, use.shading_blocks * use.levels)
        self._scratch = torch.empty(levels, dtype=torch.int32, device=gpu.device)
        self._wide = torch.empty(use.images, dtype=torch.uint8, device=gpu.device)
        self._may_be_wide = use.levels > BINS

    def __call__(self, counts: torch.Tensor, images: torch.Tensor) -> None:
        import torch

        wide = self._wide[: len(counts)]
        tensors = (counts.view(-1), self._colours, *self._scratch, images.view(-1), wide)
        flat, *rest = map(self._gpu.array, tensors)
        self._kernel(flat, self._drawing.size**2, self._drawing.channels, *rest)
        if not self._may_be_wide:
            return
        for image in np.flatnonzero(wide.cpu().numpy()).tolist():
            one = counts[image : image + 1].cpu().numpy().astype(np.uint32)
            (picture,) = shaded(self._drawing, one)
            images[image] = torch.from_numpy(picture).to(self._gpu.device)
