"""The network that reads parameters from images, and a trained one as a function of images.

read = load_reader("runs/reader")
read(images)    # uint8 [N, S, S, 3] -> float64 [N, 4]: a' = |a|, b' = sign(a) b, c, d
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import fdd
from benchmarks.statistics.arrays import Floats
from fdd.defaults import with_defaults
from fdd.errors import FddError, shown
from fdd.files import as_path

if TYPE_CHECKING:
    from torch import Tensor, nn

Images = NDArray[np.uint8]

CANONICAL = ("a'", "b'", "c", "d")
"""What a reader reads: a' = |a|, b' = sign(a) b, c, d."""
WEIGHTS = "reader.safetensors"
CENTRE = np.array([1.5, 1.5, 0, 0])
SPREAD = np.sqrt([0.75, 0.75, 3, 3])
"""Mean and deviation of |a|, |b|, c, d under uniform parameters: the network's unit."""
READ_IMAGES = 30
"""Images that the network reads at once: with more, its activations leave the cache of a core."""


def network(size: int, width: int) -> nn.Module:
    """Images [N, 3, size, size] -> [N, 5]: |a|, |b|, c, d in units of CENTRE and SPREAD, and the
    logit of a b > 0.

    Convolutions of stride 2 down to 16 x 16 (8 x 8 for size 16), then three residual blocks (He et
    al. 2016) of width, 2 and 4 times width channels, the last two at half the resolution each.
    """
    from torch import nn

    class Block(nn.Module):
        def __init__(self, channels: int, out: int) -> None:
            super().__init__()
            stride = 1 if channels == out else 2
            self.body = nn.Sequential(
                nn.Conv2d(channels, out, 3, stride, 1, bias=False),
                nn.BatchNorm2d(out),
                nn.ReLU(),
                nn.Conv2d(out, out, 3, 1, 1, bias=False),
                nn.BatchNorm2d(out),
            )
            self.skip: nn.Module = nn.Identity()
            if stride == 2:
                self.skip = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(channels, out, 1, bias=False))
            self.activate = nn.ReLU()

        def forward(self, x: Tensor) -> Tensor:
            return self.activate(self.skip(x) + self.body(x))

    halvings = max(size.bit_length() - 6, 0)
    stem = [3, *(width >> k for k in reversed(range(halvings))), width]
    layers: list[nn.Module] = []
    for channels, out in pairwise(stem):
        conv = nn.Conv2d(channels, out, 4, 2, 1, bias=False)
        layers += [conv, nn.BatchNorm2d(out), nn.ReLU()]
    layers += [Block(width, width), Block(width, 2 * width), Block(2 * width, 4 * width)]
    features = 4 * width * (min(size, 32) // 8) ** 2
    layers += [nn.Flatten(), nn.Linear(features, 8 * width), nn.ReLU(), nn.Linear(8 * width, 5)]
    return nn.Sequential(*layers)


def labels(params: Floats) -> NDArray[np.float32]:
    """What the network learns: params [N, 6] -> float32 [N, 5], in the units of its output; in the
    last column 1 where a b > 0 and 0 elsewhere."""
    a, b, c, d = params[:, 2:].T
    units = (np.stack([np.abs(a), np.abs(b), c, d], axis=1) - CENTRE) / SPREAD
    return np.column_stack([units, a * b > 0]).astype(np.float32)


def views() -> Iterator[tuple[bool, bool, bool]]:
    """The eight symmetries of the square, as (upside down, left to right, transposed)."""
    for number in range(8):
        yield bool(number & 1), bool(number & 2), bool(number & 4)


class Reader:
    """A trained network as a function: images uint8 [N, S, S, 3] -> float64 [N, 4] (CANONICAL).

    Each number is the mean over the eight views of an image, flipped and transposed; the symmetries
    of the equation give the parameters of each view.
    """

    def __init__(self, net: nn.Module, config: dict[str, Any]) -> None:
        self.net, self.config = net, config

    def __call__(self, images: Images) -> Floats:
        """What it reads; FddError unless images are uint8 [N, S, S, 3] of the right S."""
        return canonical(self.read(images))

    @with_defaults
    def read(self, images: Images, all_views: bool = True) -> Floats:
        """float64 [N, 5]: |a|, |b|, c, d and the probability of a b > 0."""
        size, kind = self.config["size"], getattr(images, "dtype", type(images).__name__)
        if kind != np.uint8:
            raise FddError(f"images must be a uint8 array, not {kind}")
        if images.shape[1:] != (size, size, 3):
            raise FddError(
                f"images has shape {list(images.shape)}; it must be [N, {size}, {size}, 3]"
            )
        chosen = list(views()) if all_views else [(False, False, False)]
        return np.mean([self._read_view(images, *view) for view in chosen], axis=0)

    def _read_view(self, images: Images, down: bool, across: bool, transposed: bool) -> Floats:
        import torch

        seen = images[:, :: -1 if down else 1, :: -1 if across else 1]
        if transposed:
            seen = seen.swapaxes(1, 2)
        found = np.empty((len(images), 5))
        training = self.net.training
        self.net.eval()
        with torch.no_grad():
            for start in range(0, len(images), READ_IMAGES):
                part = slice(start, start + READ_IMAGES)
                found[part] = self.net(to_tensor(seen[part], self.net)).cpu().double().numpy()
        self.net.train(training)
        found[:, :4] = found[:, :4] * SPREAD + CENTRE
        found[:, 4] = 1 / (1 + np.exp(-found[:, 4]))
        return upright(found, down, across, transposed)


def upright(found: Floats, down: bool, across: bool, transposed: bool) -> Floats:
    """What is read from images that were flipped and then transposed, [N, 5] -> the same for the
    images themselves.

    By the symmetries in `fdd.families`, a flip changes the signs of c and d, and transposing swaps
    a with b and c with d.
    """
    found = found[:, [1, 0, 3, 2, 4]] if transposed else found
    return found * [1, 1, -1, -1, 1] if down != across else found


def canonical(found: Floats) -> Floats:
    """[N, 5] as `Reader.read` gives it -> [N, 4]: a', b', c, d.

    b' is |b| times (2 p - 1): its mean, if its size and its sign are independent given the image.
    """
    size_a, size_b, c, d, positive = found.T
    return np.stack([size_a, size_b * (2 * positive - 1), c, d], axis=1)


def to_tensor(images: Images, net: nn.Module) -> Tensor:
    """uint8 [N, S, S, 3] -> float32 [N, 3, S, S] in [-1, 1] where `net` is, channels last."""
    import torch

    pixels = torch.from_numpy(np.array(images, order="C")).to(next(net.parameters()).device)
    return pixels.permute(0, 3, 1, 2).float() / 127.5 - 1


@with_defaults
def load_reader(path: str | PathLike[str], device: str = "cpu") -> Reader:
    """The reader that `python -m benchmarks.reader` wrote: its folder, or the .safetensors file.

    Raises FddError if there is none, or the file is damaged.
    """
    import safetensors

    from fdd.devices import pick_device

    place = pick_device(device)
    file = as_path("path", path)
    file = file / WEIGHTS if file.is_dir() else file
    if not file.is_file():
        raise FddError(f"reader {shown(file)}: there is no such file")
    try:
        with safetensors.safe_open(file, "pt") as saved:
            config = json.loads(saved.metadata()["config"])
            weights = {name: saved.get_tensor(name) for name in saved.keys()}  # noqa: SIM118
        net = network(config["size"], config["width"])
        net.load_state_dict(weights)
    except Exception as error:  # what a damaged file raises has no common type
        reason = str(error).partition("\n")[0]
        raise FddError(f"reader {shown(file)}: it cannot be read: {reason}") from None
    return Reader(place_network(net, place), config)


def place_network(net: nn.Module, device: Any) -> nn.Module:
    """`net` on `device`, channels last, in evaluation mode."""
    import torch

    return net.to(device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]


def accuracy(found: Floats, params: Floats) -> dict[str, float]:
    """R2 of a', b', c, d and |b|, and how often the sign of a b is right.

    found float64 [N, 5] as `Reader.read` gives it; params [N, 6]. R2 is at most 1; it is 0 for the
    mean, and negative for anything worse.
    """
    true = fdd.canonical_params(params)[:, 2:]
    true = np.column_stack([true, np.abs(true[:, 1])])
    read = np.column_stack([canonical(found), found[:, 1]])
    r2 = 1 - ((read - true) ** 2).mean(axis=0) / true.var(axis=0)
    sign = (found[:, 4] > 0.5) == (params[:, 2] * params[:, 3] > 0)
    names = (*CANONICAL, "|b|")
    return dict(zip(names, r2.tolist(), strict=True)) | {"sign of ab": float(sign.mean())}
