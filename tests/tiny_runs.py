"""Training runs of a fraction of a second: a data set in memory, and options to go with it."""

import numpy as np

import fdd
from baselines.aae import Config

OPTIONS = Config(
    steps=8,
    batch_size=4,
    image_size=16,
    width=2,
    kernel_size=3,
    device="cpu",
    log_every=1,
    sample_every=4,
    checkpoint_every=4,
)


class Images:
    """A data set in memory; `on_read` is called with the number of each read, from 1."""

    version = "fdd-1"

    def __init__(self, images, on_read=lambda number: None):
        self.images, self.on_read, self.reads = images, on_read, 0

    def __len__(self):
        return len(self.images)

    def read(self, indices):
        self.reads += 1
        self.on_read(self.reads)
        return self.images[np.asarray(indices)]


def render(count):
    """The first images of the train split, drawn with fewer points: uint8 [count, 128, 128, 3]."""
    return fdd.render(fdd.sample_params(count), points=2000)
