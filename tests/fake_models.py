"""Models that need no training, and images from which they can read the parameters."""

import dataclasses
from typing import ClassVar

import numpy as np

import fdd
from benchmarks.protocol.data import Data, World
from benchmarks.protocol.settings import Settings

SIZE = 16
QUICK = Settings(
    draws=19,
    slow_draws=9,
    few_draws=2,
    nonlinear_rows=100,
    pairwise_rows=60,
    halves=5,
    block=5,
)
FEW = dataclasses.replace(QUICK, draws=2, slow_draws=1, few_draws=1, halves=2)
"""For what does not look at chance."""


def draw(params):
    """A stand-in for the renderer that shows every parameter: a block of grey each, on white."""
    scaled = fdd.scale_params(params)
    images = np.full((len(params), SIZE, SIZE, 3), 255, np.uint8)
    for i in range(6):
        row, column = divmod(i, 3)
        grey = np.rint(127 + 120 * scaled[:, i]).astype(np.uint8)
        images[:, 8 * row : 8 * row + 8, 5 * column : 5 * column + 5] = grey[:, None, None, None]
    return images


def sample(count, seed):
    scale = np.array([1, 1, 3, 3, 3, 3])
    params = np.random.default_rng(seed).uniform(-1, 1, size=(count, 6)) * scale
    return draw(params), params


class Ideal:
    """Reads the scaled parameters off a drawn image, and draws them."""

    latent_size = 6
    image_size = SIZE
    can_encode = True
    config: ClassVar = {"baseline": "ideal", "steps": 0, "data_version": "fdd-1"}

    def encode(self, images):
        grey = [images[:, 8 * (i // 3), 5 * (i % 3), 0] for i in range(6)]
        return ((np.stack(grey, axis=1) - 127.0) / 120).astype(np.float32)

    def generate(self, codes):
        return draw(np.asarray(codes) * [1, 1, 3, 3, 3, 3])


class Blind(Ideal):
    """Codes that are noise, and images that do not depend on them."""

    def encode(self, images):
        return np.random.default_rng(len(images)).normal(size=(len(images), 6)).astype(np.float32)

    def generate(self, codes):
        return draw(np.random.default_rng(9).uniform(-1, 1, size=(len(codes), 6)))


class Wide(Ideal):
    """As Ideal, with two codes more."""

    latent_size = 8

    def encode(self, images):
        codes = super().encode(images)
        return np.column_stack([codes, codes[:, :2] ** 2])

    def generate(self, codes):
        return super().generate(np.asarray(codes)[:, :6])


TRAIN, TEST = sample(150, 0), sample(70, 1)
DATA = Data(TRAIN, TEST, World(draw))
