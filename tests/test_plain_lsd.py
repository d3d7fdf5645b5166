"""The LSD of `baselines` computes what a plain implementation of 2019 does, in float64.

The benchmark compares their speed; here are their numbers, and the operations they take.
"""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.testing import assert_close

from baselines.lsd import LSD, PRESETS
from baselines.training.data import Batch
from benchmarks.speed.bench_baselines import gflop_per_image, our_step, plain_step
from benchmarks.speed.plain_lsd import PlainLSD, copy_weights

CONFIG = replace(PRESETS["paper"], batch_size=4, image_size=16, width=2)
SCALE = torch.tensor([1, 1, 3, 3, 3, 3], dtype=torch.float64)


class DoubleLSD(LSD):
    """What it draws and makes of a batch is float32; this rounds nothing after that."""

    def vectors(self, batch):
        return super().vectors(batch).double()

    def noise(self, batch, rng):
        return super().noise(batch, rng).double()


@pytest.fixture
def both():
    """The two models in float64, from the same weights."""
    ours = DoubleLSD(CONFIG, torch.Generator().manual_seed(0)).double()
    plain = PlainLSD(CONFIG.image_size, CONFIG.width, CONFIG.kernel_size).double()
    copy_weights(ours.generator, plain.generator)
    copy_weights(ours.discriminator, plain.discriminator)
    return ours, plain


def three_steps(ours, plain):
    """Train both on the same batches and noise; the losses of each, a dictionary a step."""
    data, rng, same_rng = (torch.Generator().manual_seed(seed) for seed in (1, 2, 2))
    losses = [], []
    for _ in range(3):
        images = 2 * torch.rand(4, 3, 16, 16, dtype=torch.float64, generator=data) - 1
        params = SCALE * (2 * torch.rand(4, 6, dtype=torch.float64, generator=data) - 1)
        losses[0].append(ours.step(Batch(images, params), rng))
        label = torch.empty(1).uniform_(0.9, 1, generator=same_rng).item()
        z = torch.randn(4, 6, generator=same_rng).double()
        v = (params / SCALE).float().double()
        losses[1].append(plain.step(images, v, z, label))
    return losses


def equal(ours, plain):
    assert_close(list(ours), list(plain), rtol=1e-9, atol=1e-9)


def averages(network):
    """The running averages of BatchNorm."""
    return [buffer for name, buffer in network.named_buffers() if "running" in name]


def test_three_steps_give_the_same_losses_and_weights(both):
    ours, plain = both
    weights = [parameter for parameter in plain.parameters() if parameter.dim() > 1]
    before = [weight.detach().clone() for weight in weights]
    mine, theirs = three_steps(ours, plain)
    equal(mine, theirs)
    equal(ours.generator.parameters(), plain.generator.parameters())
    equal(ours.discriminator.parameters(), plain.discriminator.parameters())
    equal(averages(ours.discriminator), averages(plain.discriminator))
    assert all((now - then).abs().max() > 1e-4 for now, then in zip(weights, before, strict=True))


def test_the_generators_running_averages_are_those_of_vectors_alone(both):
    """The same as the plain generator's if that leaves out its first call of a step, of noise."""
    ours, plain = both
    of_vectors = itertools.cycle([False, True])

    def leave_out_noise(network, inputs):
        track = next(of_vectors)
        for layer in network.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.track_running_stats = track

    plain.generator.register_forward_pre_hook(leave_out_noise)
    three_steps(ours, plain)
    equal(averages(ours.generator), averages(plain.generator))


def test_a_step_of_2019_takes_fewer_operations():
    """Counted for the networks and the batch of 2019 without computing anything."""
    config = PRESETS["paper"]
    images = torch.empty(16, 3, 128, 128)
    batch = Batch(images, torch.empty(16, 6, dtype=torch.float64))
    counted = [gflop_per_image(make(config, batch), 16) for make in (plain_step, our_step)]
    assert np.round(counted, 1).tolist() == [429.3, 155.2]
