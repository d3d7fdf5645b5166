"""A trained baseline as functions from numpy to numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import nn

from baselines.training.data import Batch, Images, to_images, to_tensor
from fdd.attractors.params import Params, checked_params
from fdd.defaults import with_defaults
from fdd.errors import FddError, shown, whole_number

BATCH = 256
"""Rows that go through a network at a time."""


class Model:
    """Encoder, generator or translator of a run, in evaluation mode, without gradients.

    `config` is what config.json says; `supervision` is what the run was trained with, by its
    baseline where config.json is older than that; codes have `latent_size` numbers, images
    `image_size` pixels on a side; `network` is the torch module.
    """

    def __init__(self, network: nn.Module, config: dict[str, Any], device: torch.device) -> None:
        self.config = config
        self.supervision: str = config.get("supervision", network.supervision)
        self.image_size: int = config["image_size"]
        self.latent_size: int = config["latent_size"]
        self.can_encode = hasattr(network, "encode")
        self.has_vectors = hasattr(network, "vectors")
        self.can_generate: bool = getattr(network, "generates", True)
        self.can_translate: bool = getattr(network, "translates", False)
        self._device = device
        self.network: Any = network.eval().to(device)

    def __repr__(self) -> str:
        names = ("baseline", "version", "image_size", "latent_size")
        return f"Model({', '.join(f'{name}={self.config.get(name)!r}' for name in names)})"

    @with_defaults
    def encode(self, images: Images) -> NDArray[np.float32]:
        """Images uint8 [N, image_size, image_size, 3] -> codes float32 [N, latent_size].

        FddError for another shape or type, and for a baseline without an encoder.
        """
        if not self.can_encode:
            raise FddError(f"baseline={shown(self.config['baseline'])} has no encoder")
        images = self._checked(images)
        codes = np.empty((len(images), self.latent_size), np.float32)
        with torch.no_grad():
            for rows in batches(len(images)):
                pixels = to_tensor(images[rows], self._device, self.config["colors"])
                codes[rows] = self.network.encode(pixels).cpu().numpy()
        return codes

    @with_defaults
    def vectors(self, params: Params) -> NDArray[np.float32]:
        """Raw parameters [N, 6] -> the codes that stand for them, float32 [N, latent_size].

        Named columns are matched by name, as in `fdd.render`. FddError for parameters out of range,
        and for a baseline that finds codes of its own (`has_vectors` is False).
        """
        if not self.has_vectors:
            raise FddError(
                f"baseline={shown(self.config['baseline'])} finds codes of its own: none stands "
                "for parameters, so encode the images"
            )
        rows = torch.from_numpy(checked_params(params)).to(self._device)
        return self.network.vectors(Batch(torch.empty(0), rows)).cpu().numpy()

    @with_defaults
    def generate(self, codes: ArrayLike, noise: int = 0) -> Images:
        """Codes [N, latent_size] -> images uint8 [N, image_size, image_size, 3].

        `noise`, a whole number from 0 to 2**32 - 1, gives other images of the same codes where the
        baseline draws at random what codes leave open (emulator, flow, biggan); the same one gives
        the same again. FddError unless the codes are finite numbers of that shape, for a noise that
        the baseline does not have, and for a baseline without a generator.
        """
        if not self.can_generate:
            raise FddError(f"baseline={self.config['baseline']!r} has no generator")
        try:
            codes = np.asarray(codes, dtype=np.float32)
        except (TypeError, ValueError):
            raise FddError(f"codes={shown(codes, 80)} must be numbers") from None
        if codes.ndim != 2 or codes.shape[1] != self.latent_size:
            raise FddError(f"codes {list(codes.shape)} must be [N, {self.latent_size}]")
        if not np.isfinite(codes).all():
            raise FddError("codes must be finite, but some are NaN or infinite")
        noise = whole_number("noise", noise, 0, 2**32 - 1)
        if noise and not self.network.noisy:
            name = shown(self.config["baseline"])
            raise FddError(f"noise={noise} must be 0: baseline={name} makes one image of a code")
        given = {"noise": noise} if noise else {}
        images = np.empty((len(codes), self.image_size, self.image_size, 3), np.uint8)
        with torch.no_grad():
            for rows in batches(len(codes)):
                z = torch.from_numpy(codes[rows]).to(self._device)
                images[rows] = to_images(self.network.generate(z, **given), self.config["colors"])
        return images

    @with_defaults
    def translate(self, images: Images, back: bool = False) -> Images:
        """Images of one domain as images of the other, uint8 [N, image_size, image_size, 3].

        Of the first domain, or with `back` of the second. FddError for another shape or type, and
        for a baseline that does not translate.
        """
        if not self.can_translate:
            raise FddError(f"baseline={shown(self.config['baseline'])} does not translate images")
        images = self._checked(images)
        made = np.empty_like(images)
        with torch.no_grad():
            for rows in batches(len(images)):
                pixels = to_tensor(images[rows], self._device)
                made[rows] = to_images(self.network.translate(pixels, back))
        return made

    def _checked(self, images: Images) -> Images:
        """The images, if they are as the network takes them."""
        images, side = np.asarray(images), self.image_size
        if images.dtype != np.uint8 or images.shape[1:] != (side, side, 3):
            raise FddError(
                f"images {images.dtype} {list(images.shape)} must be uint8 [N, {side}, {side}, 3]; "
                "fdd.pictures.resize makes them so"
            )
        return images


def batches(n: int) -> list[slice]:
    """Slices of at most BATCH rows that cover n rows."""
    return [slice(start, start + BATCH) for start in range(0, n, BATCH)]
