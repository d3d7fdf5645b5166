"""The losses give the numbers that their definitions give, and gradients that are finite."""

import math

import pytest
import torch
from pytorch_msssim import ms_ssim
from torch import nn

from baselines.parts.losses import (
    CLIP,
    clip_weights,
    discriminator_loss,
    generator_loss,
    gradient_penalty,
    label_loss,
    moments_loss,
    ms_ssim_loss,
    reconstruction_loss,
)

REAL, FAKE = torch.tensor([[0.5], [2.0]]), torch.tensor([[-3.0], [1.0]])


def images(side, seed=0, rows=2):
    rng = torch.Generator().manual_seed(seed)
    return torch.rand(rows, 3, side, side, generator=rng) * 2 - 1


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        ([[1.0, -1.0], [-1.0, 1.0]], 1.0),
        ([[0.0, 0.0]], 1.0),
        ([[2.0, 0.0]], 2 + math.sqrt(5)),
        ([[2.0], [-2.0]], 4 + 3),
    ],
)
def test_moments_loss_by_hand(codes, expected):
    codes = torch.tensor(codes, requires_grad=True)
    loss = moments_loss(codes)
    loss.backward()
    assert loss.item() == pytest.approx(expected, rel=1e-6)
    assert codes.grad.isfinite().all()


@pytest.mark.parametrize(("label", "expected"), [(1.0, 0.410038), (0.0, 1.410038), (0.9, 0.510038)])
def test_label_loss_by_hand(label, expected):
    logits = torch.tensor([[0.0], [2.0]])
    by_hand = [math.log(2), math.log1p(math.exp(-2)) + (1 - label) * 2]
    assert sum(by_hand) / 2 == pytest.approx(expected, abs=1e-6)
    assert label_loss(logits, label).item() == pytest.approx(expected, abs=1e-6)


def softplus(x):
    return math.log1p(math.exp(x))


@pytest.mark.parametrize(
    ("name", "discriminator", "generator"),
    [
        # -log D for real ones with label 0.9 and -log(1 - D) for the others: D = sigmoid(logit)
        (
            "bce",
            (softplus(-0.5) + 0.1 * 0.5 + softplus(-2) + 0.1 * 2) / 2
            + (softplus(-3) + softplus(1)) / 2,
            (softplus(3) + 0.1 * -3 + softplus(-1) + 0.1 * 1) / 2,
        ),
        # 1 - 0.5 and nothing; nothing and 1 + 1
        ("hinge", (0.5 + 0) / 2 + (0 + 2) / 2, 1.0),
        ("wgan-clip", -1.0 - 1.25, 1.0),
        ("wgan-gp", -1.0 - 1.25, 1.0),
    ],
)
def test_adversarial_losses_by_hand(name, discriminator, generator):
    label = 0.9
    assert discriminator_loss(name, REAL, FAKE, label).item() == pytest.approx(discriminator)
    assert generator_loss(name, FAKE, label).item() == pytest.approx(generator)


class Linear(nn.Module):
    """x -> w . x, whose gradient is w everywhere."""

    def __init__(self, shape, norm):
        super().__init__()
        weight = torch.randn(shape, generator=torch.Generator().manual_seed(0))
        self.weight = nn.Parameter(weight * norm / weight.norm())

    def forward(self, x):
        return (x * self.weight).flatten(1).sum(dim=1, keepdim=True)


@pytest.mark.parametrize("norm", [0.5, 1.0, 3.0])
def test_gradient_penalty_of_a_linear_critic(norm):
    critic = Linear((3, 16, 16), norm)
    penalty = gradient_penalty(critic, images(16), images(16, 1), torch.Generator().manual_seed(0))
    assert penalty.item() == pytest.approx(10 * (norm - 1) ** 2, rel=1e-5, abs=1e-6)
    penalty.backward()
    # of 10 (|w| - 1)^2 by w
    expected = 20 * (norm - 1) * critic.weight.detach() / norm
    assert torch.allclose(critic.weight.grad, expected, atol=1e-5)


def test_gradient_penalty_is_taken_at_points_between_real_and_fake():
    """Half the square has its point as gradient, and so it gives the points away."""
    real, fake = torch.full((50, 3, 4, 4), 1.0), torch.full((50, 3, 4, 4), -0.5)
    seen = []

    def critic(x):
        seen.append(x.detach())
        return x.flatten(1).square().sum(dim=1) / 2

    penalty = gradient_penalty(
        critic, real, fake.requires_grad_(), torch.Generator().manual_seed(0)
    )
    (points,) = seen
    assert (points == points[:, :1, :1, :1]).all()
    shares = (points[:, 0, 0, 0] + 0.5) / 1.5
    assert 0 <= shares.min() < 0.1 < 0.9 < shares.max() < 1
    norms = points.flatten(1).norm(dim=1)
    assert penalty.item() == pytest.approx(10 * (norms - 1).square().mean().item(), rel=1e-6)
    assert torch.autograd.grad(penalty, fake, allow_unused=True) == (None,)


def test_clipped_weights_lie_in_a_box_and_small_ones_stay():
    network = nn.Linear(3, 2)
    with torch.no_grad():
        network.weight.copy_(torch.tensor([[5.0, -5.0, 0.003], [0.01, -0.01, 0.0]]))
        network.bias.copy_(torch.tensor([-0.011, 0.009]))
    clip_weights(network)
    assert CLIP == 0.01
    expected = torch.tensor([[0.01, -0.01, 0.003], [0.01, -0.01, 0.0]])
    assert torch.equal(network.weight.detach(), expected)
    assert torch.equal(network.bias.detach(), torch.tensor([-0.01, 0.009]))


def test_the_mean_squared_difference_by_hand():
    made = torch.full((2, 3, 16, 16), 0.5)
    assert reconstruction_loss("mse", made, -made).item() == 1.0


@pytest.mark.parametrize("name", ["mse", "ms-ssim"])
@pytest.mark.parametrize("side", [16, 32, 64, 128])
def test_equal_images_lose_nothing_and_others_something(name, side):
    pictures = images(side)
    assert reconstruction_loss(name, pictures, pictures).item() == pytest.approx(0, abs=1e-6)
    made = (0.9 * pictures).requires_grad_()
    loss = reconstruction_loss(name, made, pictures)
    assert 1e-4 < loss.item() < 1
    loss.backward()
    assert made.grad.isfinite().all()
    with torch.no_grad():
        better = reconstruction_loss(name, made - 0.01 * made.grad / made.grad.norm(), pictures)
    assert better < loss


def test_ms_ssim_is_that_of_the_library_on_images_from_0_to_1():
    made, pictures = 0.5 * images(128).double() + 0.2, images(128, 1).double()
    window = torch.exp(-0.5 * (torch.arange(-3, 4).double() / 1.5) ** 2)
    window = (window / window.sum()).repeat(3, 1, 1, 1)  # its own is rounded to float32
    expected = 1 - ms_ssim((made + 1) / 2, (pictures + 1) / 2, data_range=1.0, win=window)
    for found in (reconstruction_loss("ms-ssim", made, pictures), ms_ssim_loss(made, pictures)):
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("side", [16, 32, 64, 128])
def test_ms_ssim_of_the_scales_that_fit_judges_images_of_every_size(side):
    pictures = images(side)
    assert ms_ssim_loss(pictures, pictures).item() == pytest.approx(0, abs=1e-6)
    for made in (0.9 * pictures, -pictures):
        made.requires_grad_()
        loss = ms_ssim_loss(made, pictures)
        assert 1e-4 < loss.item() <= 1
        loss.backward()
        assert made.grad.isfinite().all()


def test_small_images_are_compared_as_if_each_pixel_were_many():
    made, pictures = 0.7 * images(16), images(16)
    large = [x.repeat_interleave(8, 2).repeat_interleave(8, 3) for x in (made, pictures)]
    expected = reconstruction_loss("ms-ssim", *large)
    assert torch.equal(reconstruction_loss("ms-ssim", made, pictures), expected)


@pytest.mark.parametrize("side", [16, 128])
def test_the_gradient_of_anticorrelated_images_is_finite(side):
    pictures = images(side)
    made = (-pictures).requires_grad_()
    loss = reconstruction_loss("ms-ssim", made, pictures)
    loss.backward()
    assert loss.item() == pytest.approx(1)
    assert made.grad.isfinite().all()
