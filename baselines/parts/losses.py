"""The losses of the networks: pure functions of tensors, each giving a scalar."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from baselines.training.config import AdversarialName, ReconstructionName
from baselines.training.parallel import gather, processes, share
from fdd.arithmetic.similarity import WEIGHTS, scaled, similarity_of_scales

REAL_LABEL = (0.9, 1.0)
"""From this range 2019 drew the label of real images for every batch."""
FAKE_LABEL = 0.0
CLIP = 0.01
"""Largest size of a critic's weight with "wgan-clip"."""
PENALTY = 10.0
"""Weight of the gradient penalty of "wgan-gp"."""
MS_SSIM_SIDE, MS_SSIM_WINDOW = 128, 7
"""Five scales need a side of more than 16 (window - 1) pixels: 7 is the largest window for 128."""


def label_loss(logits: Tensor, label: float) -> Tensor:
    """Mean binary cross-entropy of logits [N, 1] with one label in [0, 1]; a scalar."""
    labels = torch.full_like(logits, label)
    return functional.binary_cross_entropy_with_logits(logits, labels)


def discriminator_loss(
    name: AdversarialName, real: Tensor, fake: Tensor, label: float, fake_label: float = FAKE_LABEL
) -> Tensor:
    """Of logits [N, 1] of real and generated images; "bce" labels them `label` and `fake_label`.

    "bce" is the loss of Goodfellow et al. 2014 (arXiv:1406.2661) with a smoothed label; "hinge"
    that of Lim and Ye 2017 (arXiv:1705.02894); the others estimate the Wasserstein distance
    (Arjovsky et al. 2017, arXiv:1701.07875), whose critic must be Lipschitz: see `clip_weights` and
    `gradient_penalty`.
    """
    if name == "bce":
        return label_loss(real, label) + label_loss(fake, fake_label)
    if name == "hinge":
        return functional.relu(1 - real).mean() + functional.relu(1 + fake).mean()
    return fake.mean() - real.mean()


def generator_loss(name: AdversarialName, fake: Tensor, label: float) -> Tensor:
    """Of logits [N, 1] of generated images: small where they are taken for real."""
    return label_loss(fake, label) if name == "bce" else -fake.mean()


def gradient_penalty(
    discriminator: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, rng: torch.Generator
) -> Tensor:
    """PENALTY times the mean of (|gradient| - 1)^2 at points between real and fake [N, 3, S, S].

    Gulrajani et al. 2017 (arXiv:1704.00028), equation 3.
    """
    between = torch.rand(len(real) * processes()[1], 1, 1, 1, generator=rng)
    between = share(between).to(real.device)
    points = torch.lerp(fake.detach(), real, between).requires_grad_()
    logits = discriminator(points)
    (gradient,) = torch.autograd.grad(logits.sum(), points, create_graph=True)
    return PENALTY * (gradient.flatten(1).norm(dim=1) - 1).square().mean()


@torch.no_grad()
def clip_weights(network: torch.nn.Module) -> None:
    """Bring all parameters into [-CLIP, CLIP], in place (Arjovsky et al. 2017, algorithm 1)."""
    for parameter in network.parameters():
        parameter.clamp_(-CLIP, CLIP)


def moments_loss(codes: Tensor) -> Tensor:
    """MSE(codes, 0) + sqrt(MSE(codes^2, 1)) of codes [N, L]; a scalar, at least 1.

    Least where all numbers in the codes have one absolute value, of at most 1. By `vector_norm`,
    whose gradient is finite where that of a square root is not. Over the codes of all processes.
    """
    codes = gather(codes)
    spread = torch.linalg.vector_norm(codes.square() - 1) / math.sqrt(codes.numel())
    return codes.square().mean() + spread


def reconstruction_loss(name: ReconstructionName, made: Tensor, images: Tensor) -> Tensor:
    """How far `made` is from `images`, both [N, 3, S, S] in [-1, 1]; 0 where they are the same.

    "mse": the mean squared difference. "ms-ssim": 1 - MS-SSIM (Wang, Simoncelli and Bovik 2003), of
    images mapped to [0, 1]. That mapping, a data range of 1 and the "1 -" all matter: SSIM divides
    by sums of squared means, which means nothing for pixels of both signs; with the library's
    default range of 255 its constants swamp pixels of size 1, all images are alike and there is no
    gradient; and as it is, it is largest for equal images, so minimising it drives them apart.
    Images with a side of less than 128 are enlarged by repetition, since five scales need that many
    pixels. An image that is anticorrelated with its target on one scale counts 0 and has no
    gradient.
    """
    if name == "mse":
        return functional.mse_loss(made, images)
    if images.shape[-1] < MS_SSIM_SIDE:
        pairs = functional.interpolate(torch.cat([made, images]), MS_SSIM_SIDE, mode="nearest")
        made, images = pairs.chunk(2)
    return ms_ssim_loss(made, images)


def ms_ssim_loss(made: Tensor, images: Tensor) -> Tensor:
    """1 - MS-SSIM of `made` and `images`, both [N, 3, S, S] in [-1, 1], of the scales that fit.

    Scale k, from 0, needs a side of more than 2^k (window - 1) pixels: two scales at S = 16, three
    at 32, four at 64 and all five at 128, where this is `reconstruction_loss`. The exponents are
    enlarged so that they sum up to the same. Small images are not enlarged, which would be sixteen
    times the pixels at S = 32.
    """
    radius = MS_SSIM_WINDOW // 2
    scales = sum(images.shape[-1] > 2**scale * 2 * radius for scale in range(len(WEIGHTS)))
    rest = sum(WEIGHTS) / sum(WEIGHTS[:scales])
    exponents = [rest * weight for weight in WEIGHTS[:scales]]
    pair = (scaled((pictures + 1) / 2, radius, scales) for pictures in (made, images))
    return 1 - similarity_of_scales(exponents, *pair).mean()
