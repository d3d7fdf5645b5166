"""Training runs of a fraction of a second: a data set in memory, and options to go with it."""

import csv
import hashlib
import signal
from functools import cache
from importlib import import_module

import numpy as np
import pandas as pd
import torch

import fdd
from baselines import BASELINES
from baselines.aae import Config
from baselines.training.data import Batch
from baselines.training.loop import Outcome, train
from fdd.attractors.params import NAMES

TINY = {
    "steps": 8,
    "batch_size": 4,
    "image_size": 16,
    "width": 2,
    "kernel_size": 3,
    "device": "cpu",
    "log_every": 1,
    "sample_every": 8,
    "checkpoint_every": 4,
}
OPTIONS = Config(**TINY)
SYSTEMS = ("dcgan", "aae", "lsd")
"""The baselines of 2019, which make images and have these options."""


class Images:
    """A data set in memory; `on_read` is called with the number of each read, from 1.

    Training reads a batch ahead, in another thread.
    """

    version = "fdd-1"

    def __init__(self, images, on_read=lambda number: None, params=None):
        self.images, self.on_read, self.reads = images, on_read, 0
        self.params = None if params is None else pd.DataFrame(params, columns=NAMES)

    def __len__(self):
        return len(self.images)

    def read(self, indices):
        self.reads += 1
        self.on_read(self.reads)
        return self.images[np.asarray(indices)]


@cache
def drawn(count):
    """The first images of the train split, with fewer points, and their parameters."""
    params = fdd.sample_params(count)
    return fdd.render(params, points=2000), params


def render(count):
    """The first images of the train split, drawn with fewer points: uint8 [count, 128, 128, 3]."""
    return drawn(count)[0]


def data_sets(on_read=lambda number: None):
    """32 images to train on and 8 that are held out, with their parameters."""
    images, params = drawn(40)
    return {
        "data": Images(images[:32], on_read, params[:32]),
        "held_out": Images(images[32:], params=params[32:]),
    }


def batch(rows=4, seed=0, size=16):
    """Images and parameters that do not belong together, to step on."""
    rng = torch.Generator().manual_seed(seed)
    images = torch.rand(rows, 3, size, size, generator=rng) * 2 - 1
    return Batch(images, torch.from_numpy(fdd.uniform_params(rows, seed=seed)))


def pairs(rows=8, seed=0, size=16):
    """Pairs of images, parameters and numbers of parameters that do not belong together."""
    images, params = batch(2 * rows, seed, size)[:2]
    numbers = torch.arange(rows) % 6
    return Batch(images.unflatten(0, (rows, 2)), params.unflatten(0, (rows, 2)), numbers)


def baseline(name):
    """The class of a baseline."""
    module, made = BASELINES[name]
    return getattr(import_module(module), made)


def acting(make, number, act):
    """The baseline `make`, which calls act(model, losses) at the end of the step of that number.

    What it returns, if anything, takes the place of the losses.
    """

    class Acting(make):
        made = 0

        def step(self, batch, rng):
            losses = super().step(batch, rng)
            self.made += 1
            return (self.made == number and act(self, losses)) or losses

    return Acting


def resumed(make, config, folder, **data):
    """`result` of a run that is stopped after three steps and then goes on to the eighth."""
    stopping = acting(make, 3, lambda *_: signal.raise_signal(signal.SIGTERM))
    assert train(stopping, config, folder, **data) == Outcome(3, stopped=True)
    assert train(make, config, folder, **data) == Outcome(8)
    return result(folder)


def words(**options):
    """Options as a command line has them."""
    given = []
    for name, value in options.items():
        name = name.replace("_", "-")
        switch = {True: f"--{name}", False: f"--no-{name}"}
        given.append(switch[value] if isinstance(value, bool) else f"--{name}={value}")
    return given


def table(folder):
    """The rows of a run's metrics.csv."""
    with (folder / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def seal(checkpoint):
    """Write the checksums of a checkpoint's files again, as somebody does who changes them."""
    names = ("model.safetensors", "state.pt")
    digests = {name: hashlib.sha256((checkpoint / name).read_bytes()).hexdigest() for name in names}
    lines = (f"{digest}  {name}\n" for name, digest in digests.items())
    (checkpoint / "SHA256SUMS").write_text("".join(lines))


def result(folder):
    """All that a run must have in common with its repetition: its files, as bytes."""
    last, best = folder / "checkpoints" / "last", folder / "checkpoints" / "best"
    return (
        (last / "model.safetensors").read_bytes(),
        (best / "model.safetensors").read_bytes() if best.exists() else None,
        (last / "state.pt").read_bytes(),
        (folder / "metrics.csv").read_bytes(),
    )
