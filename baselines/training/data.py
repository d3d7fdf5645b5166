"""Images as the networks take them: of their size, in [-1, 1], in batches."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

import fdd
from baselines.training import augment
from baselines.training.config import STORED, DomainConfig, PairConfig, RunConfig
from baselines.training.domains import draw
from baselines.training.parallel import processes
from baselines.training.pictures import Pictures, read_pictures
from fdd.commands import complain
from fdd.defaults import matplotlib
from fdd.errors import FddError, shown
from fdd.files import as_path
from fdd.pictures import resize
from fdd.releases.cards import release

Images = NDArray[np.uint8]
Params = NDArray[np.float64]

HELD_OUT = 64
"""Images that a run is judged on while it trains; as many samples are drawn."""
HELD_OUT_PAIRS = 256
"""Pairs that a run on pairs is judged on, or groups of as many images."""


class Batch(NamedTuple):
    """Images float32 [N, 3, S, S] in [-1, 1] and their raw parameters float64 [N, 6], if known.

    Of two domains: images [N, 2, 3, S, S], one of each in a row.
    Of pairs: images [N, 2, 3, S, S] and parameters [N, 2, 6], of groups with their members in place
    of the 2; where one parameter differs its number, int64 [N].
    Of a model that asks for them (`RunConfig.counts`): the counts, int32 [N, S, S].
    """

    images: Tensor
    params: Tensor | None
    numbers: Tensor | None = None
    counts: Tensor | None = None

    def first(self) -> Batch:
        """The first images of pairs; images that are no pairs as they are."""
        if self.images.ndim == 4:
            return self
        return Batch(self.images[:, 0], None if self.params is None else self.params[:, 0])


class ImageData(Protocol):
    """What training needs of a data set; those of `fdd.load` have it.

    A pandas DataFrame `params` of raw parameters, a row an image, or None, may come with it.
    """

    def __len__(self) -> int: ...

    def read(self, indices: Any) -> Images:
        """Images of those rows, uint8 [k, S, S, 3]."""
        ...


def send(tensor: Tensor, device: torch.device) -> Tensor:
    """A CPU tensor on `device`; a GPU's work does not wait for the copy."""
    if device.type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


def to_tensor(images: Images, device: torch.device, colors: str = "rgb") -> Tensor:
    """uint8 [N, S, S, 3] -> float32 [N, 3, S, S] in [-1, 1], channels last in memory.

    Images of pairs or groups keep their axis: [N, 2, S, S, 3] -> [N, 2, 3, S, S].
    With colors "hsv": hue, saturation and value, each from -1 to 1, by matplotlib on the CPU.
    """
    if images.ndim == 5:
        return to_tensor(images.reshape(-1, *images.shape[2:]), device, colors).unflatten(
            0, images.shape[:2]
        )
    if colors == "hsv":
        matplotlib()
        from matplotlib.colors import rgb_to_hsv

        pixels = torch.from_numpy(rgb_to_hsv(images / 255).astype(np.float32)).to(device)
        return pixels.permute(0, 3, 1, 2) * 2 - 1
    pixels = send(torch.from_numpy(np.ascontiguousarray(images)), device)
    return pixels.permute(0, 3, 1, 2).float() / 127.5 - 1


def to_images(pixels: Tensor, colors: str = "rgb") -> Images:
    """float [N, 3, S, S] in [-1, 1] -> uint8 [N, S, S, 3], rounded and clipped: the inverse."""
    if colors == "hsv":
        matplotlib()
        from matplotlib.colors import hsv_to_rgb

        shares = (pixels.permute(0, 2, 3, 1) + 1).div(2).clamp(0, 1).cpu().numpy()
        return (hsv_to_rgb(shares) * 255).round().astype(np.uint8)
    levels = (pixels.permute(0, 2, 3, 1) * 127.5 + 127.5).round().clamp(0, 255)
    return levels.to(torch.uint8).contiguous().cpu().numpy()


def params_of(data: ImageData) -> Params | None:
    """The raw parameters of a data set, float64 [N, 6], or None."""
    table = getattr(data, "params", None)
    return None if table is None else table.to_numpy(np.float64)


def held_out_batch(data: ImageData | None, config: RunConfig, device: torch.device) -> Batch:
    """The first HELD_OUT images of a data set, as a batch; for a run on pairs those of val."""
    if isinstance(config, PairConfig):
        groups = -(-2 * HELD_OUT_PAIRS // config.members)
        return to_batch(next(iter(open_pairs(config, "val", groups))), config, device)
    assert data is not None
    rows = range(min(HELD_OUT, len(data)))
    images = data.read(rows)
    if not isinstance(config, DomainConfig):
        images = resize(images, config.image_size)
    pixels = to_tensor(images, device, config.colors)
    params = params_of(data)
    return Batch(pixels, None if params is None else torch.from_numpy(params[rows]).to(device))


class Batches:
    """Batch number `step` of endless epochs: a pure function of (seed, step), so it has no state.

    Every epoch is a permutation of the training rows by Philox, keyed by seed and epoch. The rest
    of an epoch that does not fill a batch is left out. With several processes each gets its share.
    """

    def __init__(self, data: ImageData, config: RunConfig) -> None:
        rows = config.train_images or len(data)
        if rows > len(data):
            raise FddError(f"train_images={rows} must be at most {len(data)}, all that there are")
        if config.batch_size > rows:
            raise FddError(
                f"batch_size={config.batch_size} must be at most {rows}, the images to train on"
            )
        self.data, self._config, self._rows = data, config, rows
        self._params = params_of(data)
        self.version: str | None = getattr(data, "version", None)
        self._order_of: tuple[int, NDArray[np.int64]] = (-1, np.empty(0, np.int64))

    def epoch(self, step: int) -> int:
        """The epoch, from 0, that batch number `step` belongs to."""
        return step // (self._rows // self._config.batch_size)

    def rows(self, step: int) -> NDArray[np.int64]:
        """The rows of batch number `step`, from 0."""
        epoch, size = self.epoch(step), self._config.batch_size
        if self._order_of[0] != epoch:
            rng = np.random.Generator(np.random.Philox(key=[self._config.seed, epoch]))
            self._order_of = epoch, rng.permutation(self._rows)
        start = step % (self._rows // size) * size
        return self._order_of[1][start : start + size]

    def __getitem__(self, step: int) -> tuple[Images, Params | None]:
        """Batch number `step`: uint8 [N, image_size, image_size, 3], float64 [N, 6] or None."""
        rank, world = processes()
        rows = np.split(self.rows(step), world)[rank]
        images = resize(self.data.read(rows), self._config.image_size)
        params = None if self._params is None else self._params[rows]
        return augmented(images, params, self._config, step)


def open_pairs(config: PairConfig, split: str, batch_size: int, **options: Any) -> Any:
    """The pairs of a split that the options ask for, resized, as an endless stream."""

    def smaller(images: Images) -> Images:
        return np.stack([resize(side, config.image_size) for side in images.swapaxes(0, 1)], axis=1)

    return fdd.pairs(
        config.pairs,
        split,
        batch_size,
        version=config.version,
        transform=smaller,
        **config.pair_options(),
        **options,
    )


class StreamBatches:
    """Batch number `step` of the endless stream, image or pair step * batch_size and following.

    It begins beyond the stored images, seed s at (s + 1) * 2**40: no two seeds below 2**20 meet.
    """

    def __init__(self, config: RunConfig) -> None:
        rank, world = processes()
        self._config, self._next = config, -1
        self.version = release(config.version).name
        size = config.batch_size // world
        start = (config.seed % 2**20 + 1) * 2**40
        where: dict[str, Any] = {"start": start, "rank": rank, "world_size": world}
        if isinstance(config, PairConfig):
            self._stream = open_pairs(config, "train", size, **where)
        else:
            domains = isinstance(config, DomainConfig)
            each = config.each if isinstance(config, DomainConfig) else 1
            output = "counts" if config.counts or domains else "rgb"
            self._stream = fdd.stream(
                "train", each * size, version=config.version, output=output, **where
            )

    def epoch(self, step: int) -> int:
        """0: no image comes twice."""
        return 0

    def __getitem__(self, step: int) -> tuple[Any, ...]:
        """As `Batches` gives it, or a batch of `fdd.pairs`, or (images, params, None, counts);
        cheap if steps come in order."""
        if step != self._next:
            self._stream.seek(step * processes()[1])
            self._batches = iter(self._stream)
        self._next = step + 1
        if isinstance(self._config, PairConfig):
            return next(self._batches)
        images, params = next(self._batches)
        if isinstance(self._config, DomainConfig):
            return of_domains(images, params, self._config), None
        if self._config.counts:
            from fdd.rendering.palettes import PALETTES
            from fdd.rendering.shading import rgb

            return rgb(images, PALETTES["kbc"]), params, None, images.astype(np.int32)
        return augmented(resize(images, self._config.image_size), params, self._config, step)


def of_domains(counts: Any, params: Params, config: DomainConfig) -> Images:
    """Images of both domains, uint8 [n, 2, S, S, 3].

    counts [n * each, S, S] and raw params [n * each, 6] are of the attractors that are drawn for
    the first and the second domain in turn, so that several processes draw the same; with `paired`
    each is drawn for both.
    """
    card, step = release(config.version), config.each
    rows = slice(0, None, step), slice(step - 1, None, step)
    images = [
        draw(config.domains, bool(side), counts[chosen], params[chosen], card)
        for side, chosen in enumerate(rows)
    ]
    return np.stack(images, axis=1)


class DomainBatches:
    """Batches of pictures of two folders, uint8 [N, 2, S, S, 3], each in an order of its own."""

    version = None

    def __init__(self, first: Batches, second: Batches) -> None:
        self._both = first, second

    def epoch(self, step: int) -> int:
        """The epoch of the first folder, from 0, that batch number `step` belongs to."""
        return self._both[0].epoch(step)

    def __getitem__(self, step: int) -> tuple[Images, None]:
        """Batch number `step`."""
        return np.stack([batches[step][0] for batches in self._both], axis=1), None


def open_domains(config: DomainConfig) -> tuple[StreamBatches | DomainBatches, ImageData]:
    """Batches of two domains, and images of both that are held out."""
    if config.data == "stream":
        where: dict[str, Any] = {"output": "counts", "rank": 0, "world_size": 1}
        size = HELD_OUT * config.each
        counts, params = next(iter(fdd.stream("val", size, version=config.version, **where)))
        few = of_domains(counts, params, config)
        return StreamBatches(config), Pictures(few, [""] * len(few))
    assert config.other is not None
    seed = (config.seed + 2**62) % 2**63
    second = replace(config, data=config.other, exclude=None, seed=seed)
    (rest, chosen), (others, others_chosen) = open_pictures(config), open_pictures(second, "other")
    count = min(len(chosen), len(others_chosen))
    few = np.stack([chosen.images[:count], others_chosen.images[:count]], axis=1)
    batches = DomainBatches(Batches(rest, config), Batches(others, second))
    return batches, Pictures(few, chosen.names[:count])


def open_data(
    config: RunConfig, data: ImageData | None = None, held_out: ImageData | None = None
) -> tuple[Batches | StreamBatches | DomainBatches, ImageData | None]:
    """Batches to train on and the images held out of them, as the option `data` says.

    These are the release's val split, or pictures of the folder that are evenly spaced; None for
    pairs, which are drawn. `data` and `held_out`, where they are given, take the place of either.
    """
    if isinstance(config, PairConfig):
        return StreamBatches(config), None
    if isinstance(config, DomainConfig):
        return open_domains(config)
    if config.data.startswith("images:") and (data is None or held_out is None):
        rest, chosen = open_pictures(config)
        data = rest if data is None else data
        held_out = chosen if held_out is None else held_out
    where: dict[str, Any] = {"version": config.version, "source": STORED.get(config.data)}
    if data is None and config.data != "stream":
        data = fdd.load("train", **where)
    if held_out is None:
        held_out = fdd.load("val", **where)
    return StreamBatches(config) if data is None else Batches(data, config), held_out


def open_pictures(config: RunConfig, option: str = "data") -> tuple[Pictures, Pictures]:
    """The pictures to train on and those held out. FddError if they are too few for a batch.

    One process says on stderr what was left out of the folder. `option` is what named it.
    """
    exclude = None if config.exclude is None else as_path("exclude", config.exclude)
    folder = as_path(option, config.data.removeprefix("images:"))
    pictures = read_pictures(folder, config.image_size, exclude, option)
    if pictures.left_out and processes()[0] == 0:
        complain(
            f"{option}={shown(config.data)}: {len(pictures)} pictures; left out: "
            f"{pictures.left_out}"
        )
    if len(pictures) < config.batch_size + 2:
        raise FddError(
            f"{option}={shown(config.data)}: {len(pictures)} pictures are too few; it must hold at "
            f"least {config.batch_size + 2} for batch_size={config.batch_size}"
        )
    return pictures.split(
        min(HELD_OUT, max(2, len(pictures) // 10), len(pictures) - config.batch_size)
    )


def augmented(
    images: Images, params: Params | None, config: RunConfig, step: int
) -> tuple[Images, Params | None]:
    """The batch augmented as the options `flip`, `rotate`, `translate` and `zoom` say."""
    rank, world = processes()
    numbers = augment.random_numbers(config.seed, step, (world * len(images), 6))
    numbers = np.split(numbers, world)[rank]
    if config.flip:
        images, params = augment.flip(images, params, numbers[:, :2])
    if config.rotate or config.translate or config.zoom:
        moves = config.rotate, config.translate, config.zoom
        images, params = augment.affine(images, numbers[:, 2:], *moves), None
    return images, params


def to_batch(parts: tuple[Any, ...], config: RunConfig, device: torch.device) -> Batch:
    """What `Batches` and `StreamBatches` give, as a batch."""
    images, *rest = parts
    sent = [None if part is None else send(torch.from_numpy(part), device) for part in rest]
    return Batch(to_tensor(images, device, config.colors), *sent)


@contextmanager
def read_ahead(
    batches: Batches | StreamBatches | DomainBatches,
    config: RunConfig,
    start: int,
    device: torch.device,
) -> Iterator[Iterator[Batch]]:
    """The batches from `start` on, each made in another thread while the one before is used."""

    def make(step: int) -> Batch:
        return to_batch(batches[step], config, device)

    def forever(coming: Future[Batch], step: int) -> Iterator[Batch]:
        while True:
            batch = coming.result()
            step += 1
            coming = pool.submit(make, step)
            yield batch

    pool = ThreadPoolExecutor(1, "batches")
    try:
        yield forever(pool.submit(make, start), start)
    finally:
        pool.shutdown(cancel_futures=True)
