"""`stream`: an endless, seekable source of batches, rendered where they are used."""

from __future__ import annotations

import contextlib
import sys
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import count, islice
from multiprocessing.context import get_spawning_popen
from multiprocessing.sharedctypes import RawValue
from typing import Any

import numpy as np

from fdd.attractors.params import FORMS
from fdd.data.datasets import Item, Transform, checked_item, data_loader_worker
from fdd.devices import available_threads
from fdd.errors import MOST, FddError, known, shown, whole_number
from fdd.releases.cards import DEFAULT_VERSION, Release, release
from fdd.releases.sampling import Propose, first_accepted, on_cpu, proposed
from fdd.rendering.drawing import OUTPUTS, Drawing
from fdd.rendering.palettes import PALETTES
from fdd.rendering.render import DEVICES
from fdd.rendering.shading import shaded

CPU_BLOCK, CUDA_BLOCK = 64, 4096
"""Images rendered together by default, on the CPU for each thread and at least four times as many:
towards the end of a block few candidates are left, too few for all lanes and threads."""
MOST_THREADS = 4096
"""More than any machine has; a block grows with the threads."""


@dataclass(frozen=True)
class Canvas:
    """Draws blocks of a release on the CPU; `fdd.data.stream_cuda.SideStream` does on a GPU."""

    card: Release
    drawing: Drawing
    threads: int

    def blank(self, *shape: int) -> np.ndarray:
        """Memory for that many images: their counts, [*shape, H, W]."""
        return np.empty((*shape, self.card.size, self.card.size), self.drawing.count_kind)

    def fill(self, memory: np.ndarray, propose: Propose) -> np.ndarray:
        """Draws the first accepted candidate of each image into memory [n, ...]: its parameters."""
        images = len(memory)
        return first_accepted(images, propose, *on_cpu(self.card, images, memory, self.threads))

    def images(self, memory: np.ndarray) -> np.ndarray:
        """The images in a filled memory."""
        images = shaded(self.drawing, memory.reshape(-1, *memory.shape[-2:]))
        return images.reshape(*memory.shape[:-2], *self.drawing.shape)

    def place(self, array: np.ndarray) -> np.ndarray:
        """An array where the images lie."""
        return array


@dataclass(eq=False, repr=False)
class Stream:
    """Batches without end, as `fdd.stream` describes them; a `torch.utils.data.IterableDataset`.

    Batch k holds the images start + k batch_size and following. `batch` is the number of the next
    batch that is handed out: iteration begins there, and goes on there after a `break`.
    """

    card: Release
    split: str
    start: int
    batch_size: int
    drawing: Drawing
    item: Item
    gpu: Callable[[Release, Drawing], Any] | None
    """Makes the `SideStream` that draws on a GPU; None for the CPU."""
    threads: int | None
    prefetch: int
    block: int | None
    ranks: tuple[int, int] | None
    batch: int = field(default=0, init=False)
    _ranks_outside: tuple[int, int] | None = field(default=None, init=False)
    _iterators: Any = field(default_factory=lambda: RawValue("b", 0), init=False)
    """How many iterators workers have begun since a seek, 2 for more; all processes share it."""
    _begun_here: bool = field(default=False, init=False)
    """Whether one was begun in this worker, which a seek in another process does not move."""

    @property
    def version(self) -> str:
        """Name of the release."""
        return self.card.name

    @property
    def device(self) -> str:
        """Where the images are drawn and lie: cpu or cuda."""
        return "cuda" if self.gpu else "cpu"

    def __repr__(self) -> str:
        given = {name: value for name, value in self.state_dict().items() if value is not None}
        shown = given | {"device": self.device}
        return f"{type(self).__name__}({', '.join(f'{n}={value!r}' for n, value in shown.items())})"

    def seek(self, batch: int) -> None:
        """Iterators made from now on begin at that batch of the whole stream, counted from 0.

        With several ranks it is the number of batches that all of them have taken together. Raises
        FddError unless it is a whole number of at least 0.
        """
        self.batch = whole_number("batch", batch, 0, (2**62 - self.start) // self.batch_size)
        self._iterators.value, self._begun_here = 0, False

    def state_dict(self) -> dict[str, Any]:
        """Where the stream is, and what it is a stream of; JSON can hold it.

        "batch" counts what has been handed out, not what has been rendered ahead. With several
        ranks in step every one of them gives the same state, and any number of them can go on.
        """
        return {
            "version": self.version,
            "split": self.split,
            "start": self.start,
            "batch_size": self.batch_size,
            "params": self.item.form or False,
            "output": self.drawing.output,
            "palette": self.drawing.palette,
            "batch": self.batch,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Seeks to where `state_dict` was called; FddError if that was another stream."""
        expected = self.state_dict()
        if not isinstance(state, dict) or state.keys() != expected.keys():
            raise FddError(
                f"state={shown(state, 80)} must be what state_dict() of a stream gave: a dict with "
                f"the keys {', '.join(expected)}"
            )
        for name in expected:
            if name != "batch" and state[name] != expected[name]:
                raise FddError(
                    f"state is from a stream with {name}={shown(state[name])}, and this one has "
                    f"{name}={shown(expected[name])}; make it with the same arguments, or use "
                    "seek()"
                )
        self.seek(state["batch"])

    def __iter__(self) -> Iterator[Any]:
        consumer, consumers = self._place()
        self._warn_of_a_second_iterator()
        first = self.batch
        numbers = count(first + consumer, consumers)
        together = self._together(consumers)
        groups = iter(lambda: list(islice(numbers, together)), [])
        render, hand = self._renderer()
        handed = 0
        with contextlib.closing(_ahead(render, groups, -(-self.prefetch // together))) as blocks:
            for block in blocks:
                for batch in block:
                    ready = hand(batch)
                    handed += 1
                    self.batch = first + handed * consumers
                    yield ready

    def _place(self) -> tuple[int, int]:
        """The number of this consumer and how many there are: ranks times DataLoader workers.

        A DataLoader takes from its workers in turn, so the order is that of a single consumer.
        """
        worker = data_loader_worker()
        rank, world_size = self.ranks or (worker and self._ranks_outside) or _distributed_ranks()
        if worker is None:
            return rank, world_size
        return rank + world_size * worker.id, world_size * worker.num_workers

    def _warn_of_a_second_iterator(self) -> None:
        """Once, in the first worker: the loader of an endless stream has no second epoch."""
        worker = data_loader_worker()
        if worker is None or worker.id > 0:
            return
        begun = max(self._iterators.value, self._begun_here)
        self._iterators.value, self._begun_here = min(2, begun + 1), True
        if begun == 1:
            warnings.warn(
                "a second iterator of a DataLoader's workers over one fdd stream gives batches "
                "again, or leaves some out; keep one iterator for all epochs, or seek() before "
                "each (without persistent_workers)",
                stacklevel=3,
            )

    def _together(self, consumers: int) -> int:
        """How many batches make a block. On the CPU a block is a run of adjacent batches."""
        if not self.gpu and consumers > 1:
            return 1
        default = CUDA_BLOCK if self.gpu else CPU_BLOCK * max(4, self._threads())
        return max(1, (self.block or default) // self.batch_size)

    def _threads(self) -> int:
        return self.threads or (1 if data_loader_worker() else max(1, available_threads() - 1))

    def _renderer(self) -> tuple[Callable[[list[int]], list[Any]], Callable[[Any], Any]]:
        """Two functions: one makes batches of given numbers ahead of time, one hands them out."""
        if not self.gpu:
            canvas = Canvas(self.card, self.drawing, self._threads())
            return lambda numbers: self._drawn(self._rows(numbers), canvas), lambda batch: batch
        if data_loader_worker():
            raise FddError("device='cuda' renders in the main process: use num_workers=0")
        side = self.gpu(self.card, self.drawing)

        def render(numbers: list[int]) -> list[Any]:
            rows = self._rows(numbers)
            return side.draw(lambda canvas: self._drawn(rows, canvas))

        return render, side.hand

    def _rows(self, numbers: list[int]) -> np.ndarray:
        """The images of these batches: int64 [len(numbers) * batch_size]."""
        firsts = self.start + np.array(numbers) * self.batch_size
        return (firsts[:, None] + np.arange(self.batch_size)).ravel()

    def _drawn(self, rows: np.ndarray, canvas: Any) -> list[Any]:
        """These images, int64 [n], drawn on a `Canvas` or a `SideStream`, as batches."""
        memory = canvas.blank(len(rows))
        params = canvas.fill(memory, proposed(self.card, self.split, rows))
        return self._cut(canvas.images(memory), canvas.place(self.item.vectors(params)))

    def _cut(self, images: Any, vectors: Any) -> list[Any]:
        """Some images and their vectors as the batches that are handed out."""
        batches = []
        for first in range(0, len(images), self.batch_size):
            rows = slice(first, first + self.batch_size)
            batches.append(self.item.of(images[rows], vectors[rows]))
        return batches

    def __getstate__(self) -> dict[str, Any]:
        """A spawned worker process knows nothing of torch.distributed, so the ranks go along.

        What is shared goes along to such a process alone; a copy has its own.
        """
        iterators = self._iterators if get_spawning_popen() else None
        return self.__dict__ | {"_ranks_outside": _distributed_ranks(), "_iterators": iterators}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if self._iterators is None:
            self._iterators = RawValue("b", 0)


def _ahead(
    make: Callable[[Any], Any], arguments: Iterable[Any], depth: int
) -> Generator[Any, None, None]:
    """make(argument) of each in order, `depth` of them begun in a thread before they are needed.

    Closing it drops what has not begun and waits for what has.
    """
    if depth == 0:
        yield from map(make, arguments)
        return
    begun: deque[Future[Any]] = deque()
    pool = ThreadPoolExecutor(1, "fdd-stream")
    try:
        for argument in arguments:
            begun.append(pool.submit(make, argument))
            if len(begun) > depth:
                yield begun.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _distributed_ranks() -> tuple[int, int]:
    """(rank, world size) of torch.distributed, (0, 1) where it has not been initialised."""
    distributed = sys.modules.get("torch.distributed")
    if distributed and distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1


def stream(
    split: str = "train",
    batch_size: int = 32,
    *,
    params: bool | str = True,
    version: str = DEFAULT_VERSION,
    output: str = "rgb",
    palette: str = "kbc",
    start: int = 0,
    device: str = "cpu",
    threads: int | None = None,
    prefetch: int = 2,
    block: int | None = None,
    rank: int | None = None,
    world_size: int | None = None,
    transform: Transform | None = None,
    target_transform: Transform | None = None,
) -> Stream:
    """Batches without end, rendered while you train; nothing is stored, no image comes twice.

    Image i of a split is a pure function of (version, split, i), and batch k holds the images
    start + k batch_size and following. The first images of a stream are those of `fdd.load`: to
    train on others than the stored ones, start at `start=40000`. The splits share no image, so
    "val" and "test" stay unseen wherever "train" starts.

        for images, vectors in fdd.stream("train", 32):  # uint8 [32, 128, 128, 3], float64 [32, 6]
            ...

    Batches are rendered ahead in a thread, which ends with the iterator. `state_dict`,
    `load_state_dict` and `seek` save and restore the place exactly. Breaking off loses nothing: the
    next iterator goes on with the next batch.

    With torch, the stream is an `IterableDataset`: `DataLoader(stream, batch_size=None,
    num_workers=4)` gives the same batches in the same order as tensors, whatever the number of
    workers. Keep one iterator of such a loader for all epochs:

        batches = iter(loader)
        for epoch in range(epochs):
            for images, vectors in itertools.islice(batches, 1000):
                ...

    The stream in your process does not see what the workers hand out, so a second iterator begins
    where the stream was last set to, and gives the same batches again; with `persistent_workers`,
    which a seek does not reach either, it leaves some out and changes their order. The first worker
    warns of it. To resume, seek to the number of batches taken, or use
    `torchdata.stateful_dataloader.StatefulDataLoader`, which keeps the state.

    Ranks share the stream: in each step rank r of R takes the r-th of the next R batches.

    Parameters
    ----------
    split : "train", "val" or "test"
        Whose stream.
    batch_size : int
        Images in a batch.
    params : True, "raw", "scaled", "canonical" or False
        (images, vectors), the vectors float64 [batch_size, 6] in a form of `fdd.load`; False: the
        images alone.
    version : str
        Name of the release.
    output : "rgb", "gray" or "counts"
        uint8 [batch_size, H, W, 3], uint8 [batch_size, H, W] or uint32 [batch_size, H, W]. torch
        has no `max`, `>` or `+` for uint32: for a DataLoader give `transform=np.int32`, which every
        count fits. With device="cuda" counts are int32.
    palette : "kbc", "inferno" or "viridis"
        Colours of the output "rgb".
    start : int
        The first image of batch 0.
    device : "cpu" or "cuda"
        "cuda" renders on torch's current GPU beside the training, and gives tensors that lie there.
    threads : int, optional
        Threads that render on the CPU; by default one in a DataLoader's worker, elsewhere one fewer
        than there are processors, so that one is left to train.
    prefetch : int
        Batches begun ahead, at least; rounded up to whole blocks. 0 renders when asked.
    block : int, optional
        About how many images are rendered together, at least a batch: on the CPU by default 64 for
        each thread and no fewer than 256, but one batch where workers or ranks share the stream; on
        a GPU 4096, which take about 5 GB there.
    rank, world_size : int, optional
        Which share of the batches; by default as torch.distributed says, where it is initialised.
    transform, target_transform : callable, optional
        Applied to the images and to the vectors of a batch at once, in the thread that renders.

    Raises
    ------
    FddError
        An unknown name or a number out of its range (numbers of images, batches and ranks end at
        10^9, threads at 4096); `device="cuda"` without a GPU that torch sees.
    """
    return Stream(
        **checked_fields(
            split,
            batch_size,
            params=params,
            version=version,
            output=output,
            palette=palette,
            start=start,
            device=device,
            threads=threads,
            prefetch=prefetch,
            block=block,
            rank=rank,
            world_size=world_size,
            transform=transform,
            target_transform=target_transform,
        )
    )


def checked_fields(
    split: str,
    batch_size: int,
    *,
    params: bool | str,
    version: str,
    output: str,
    palette: str,
    start: int,
    device: str,
    threads: int | None,
    prefetch: int,
    block: int | None,
    rank: int | None,
    world_size: int | None,
    transform: Transform | None,
    target_transform: Transform | None,
) -> dict[str, Any]:
    """The fields of a `Stream` for these arguments of `fdd.stream`; FddError for a wrong one."""
    if not isinstance(params, bool):
        known("params", params, FORMS)
    item = checked_item(params, transform, target_transform)
    known("output", output, OUTPUTS)
    known("palette", palette, PALETTES)
    known("device", device, DEVICES)
    card = release(version)
    card.rows(split)
    if (rank is None) != (world_size is None):
        raise FddError(f"rank={rank} and world_size={world_size} must be given together")
    ranks = None
    if rank is not None:
        world_size = whole_number("world_size", world_size, 1, MOST)
        ranks = whole_number("rank", rank, 0, world_size - 1), world_size
    gpu = None
    if device == "cuda":
        from fdd.data.stream_cuda import SideStream
        from fdd.rendering.cuda import render_cuda, torch_for

        torch_for(device)
        gpu = partial(SideStream, render=render_cuda)
    with contextlib.suppress(ImportError):  # without torch it is an iterable like others
        from torch.utils.data import IterableDataset

        IterableDataset.register(Stream)
    return {
        "card": card,
        "split": split,
        "start": whole_number("start", start, 0, 2**62),
        "batch_size": whole_number("batch_size", batch_size, 1, MOST),
        "drawing": card.drawing(output, palette),
        "item": item,
        "gpu": gpu,
        "threads": None if threads is None else whole_number("threads", threads, 1, MOST_THREADS),
        "prefetch": whole_number("prefetch", prefetch, 0, MOST),
        "block": None if block is None else whole_number("block", block, 1, MOST),
        "ranks": ranks,
    }
