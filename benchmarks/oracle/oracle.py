"""The oracle: a supervised reader of the parameters that comes with a release.

It was trained on the stream of `train`, each image once; it never saw val or test. What it reads is
a ceiling for codes (in practice, not in theory: after longer training it would read a little more);
what it reads from G(v) says whether the generator drew v; and the channels before its last layers
are the features of FID and the like, since those of networks for photographs do not fit these
images.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from importlib.resources import as_file, files
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.oracle.network import READ_IMAGES, WEIGHTS, Images, Reader, load_reader, to_tensor
from benchmarks.statistics.arrays import Floats
from fdd.defaults import with_defaults
from fdd.errors import FddError, shown
from fdd.files import as_path
from fdd.releases.cards import release

SHIPPED = {
    "fdd-1": "bea08e1b53915f3ff80c35afc0afa8ec3bebf6c81ec9dc5262fb5c58154041a7",
    "mini-1": "7c980814fa9cfc7956f3c2c9e9576acd8df4730075ab94ddd3d0f1f7a8ddc5b0",
}
"""SHA-256 of the oracles that come with this package, by release."""


@dataclass(frozen=True)
class Oracle:
    """A trained reader, and where it comes from.

    origin: "shipped" or the path of its file. sha256: of that file.
    """

    reader: Reader
    origin: str
    sha256: str

    @property
    def size(self) -> int:
        """Pixels on a side of the images that it reads."""
        return int(self.reader.config["size"])

    def read(self, images: Images) -> Floats:
        """Images uint8 [N, S, S, 3] -> a', b', c, d, float64 [N, 4]; the mean over eight views."""
        return self.reader(images)

    @with_defaults
    def features(self, images: Images) -> NDArray[np.float32]:
        """Images uint8 [N, S, S, 3] -> features float32 [N, F].

        The channels of the last residual block, averaged over the image. FddError for images of
        another shape.
        """
        import torch

        side = self.size
        if images.dtype != np.uint8 or images.shape[1:] != (side, side, 3):
            raise FddError(
                f"images are {images.dtype} {list(images.shape)}: "
                f"they must be uint8 [N, {side}, {side}, 3]"
            )
        net: Any = self.reader.net
        flat = next(i for i, layer in enumerate(net) if isinstance(layer, torch.nn.Flatten))
        with torch.no_grad():
            parts = [
                net[:flat](to_tensor(images[start : start + READ_IMAGES], net)).mean(dim=(2, 3))
                for start in range(0, len(images), READ_IMAGES)
            ]
        return torch.cat(parts).float().cpu().numpy()


def load_oracle(
    version: str, path: str | PathLike[str] | None = None, device: str = "cpu"
) -> Oracle | None:
    """The oracle of a release: that in `path`, else the one that is shipped, else None.

    `path` is what `python -m benchmarks.reader --version VERSION --out PATH` wrote. FddError if it
    is missing, damaged or for another release, or if the shipped file is not the published one.
    """
    name = release(version).name
    if path is not None:
        file = as_path("oracle", path)
        return _loaded(name, file / WEIGHTS if file.is_dir() else file, str(path), device)
    if name not in SHIPPED:
        return None
    with as_file(files("benchmarks.oracle") / f"{name}.safetensors") as file:  # out of a zip too
        return _loaded(name, file, "shipped", device)


def _loaded(name: str, file: Path, origin: str, device: str) -> Oracle:
    """The oracle in a file, of the release of that name; see `load_oracle`."""
    reader = load_reader(file, device)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    if origin == "shipped" and digest != SHIPPED[name]:
        raise FddError(f"oracle {shown(file)}: its SHA-256 is {digest}, not {SHIPPED[name]}")
    card, config = release(name), reader.config
    for option, value in (
        ("version", name),
        ("size", card.size),
        ("points", card.points),
        ("occupied_percent", card.occupied_percent),
    ):
        if config[option] != value:
            raise FddError(
                f"oracle {shown(origin)}: it was trained with {option}={shown(config[option])}, "
                f"and {name} has {shown(value)}"
            )
    return Oracle(reader, origin, digest)


def packed(path: str | PathLike[str]) -> bytes:
    """A trained reader's file with its matrices in half precision: what is shipped as an oracle.

    This halves the file and changes what is read by less than 0.002. FddError as `load_reader`.
    """
    import safetensors.torch

    reader = load_reader(path)
    weights = {
        name: (weight.half() if weight.ndim > 1 else weight).contiguous()
        for name, weight in reader.net.state_dict().items()
    }
    return safetensors.torch.save(weights, {"config": json.dumps(reader.config)})
