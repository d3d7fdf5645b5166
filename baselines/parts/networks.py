"""Generator, discriminator and encoder of the 2019 experiments, and a residual encoder.

With the default options the generator goes from 512x16x16 over 256x32x32 and 128x64x64 to
64x128x128, and the other two go from 64x64x64 to 512x8x8; smaller numbers give smaller networks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import _SpectralNorm
from torch.nn.utils.parametrize import register_parametrization

from baselines.training.parallel import BatchNorm

MAPPING_WIDTH = 256


class NetworkOptions(Protocol):
    """What the networks of a model read of its options; `baselines.dcgan.Config` describes each."""

    @property
    def image_size(self) -> int: ...
    @property
    def width(self) -> int: ...
    @property
    def kernel_size(self) -> int: ...
    @property
    def generator_stride(self) -> int: ...
    @property
    def mapping_layers(self) -> int: ...
    @property
    def batch_norm_eps(self) -> float: ...
    @property
    def leaky_slope(self) -> float: ...
    @property
    def precision(self) -> str: ...


class ResidualOptions(Protocol):
    """What a `ResidualEncoder` reads of a model's options."""

    @property
    def image_size(self) -> int: ...
    @property
    def width(self) -> int: ...
    @property
    def precision(self) -> str: ...


def normalise(options: NetworkOptions, channels: int) -> nn.Module:
    return BatchNorm(channels, eps=options.batch_norm_eps)


def activate(options: NetworkOptions) -> nn.Module:
    return nn.LeakyReLU(options.leaky_slope)


def shrink(options: NetworkOptions, channels: int, out: int) -> nn.Module:
    return nn.Conv2d(channels, out, options.kernel_size, stride=2, padding=options.kernel_size // 2)


def enlarge(options: NetworkOptions, channels: int, out: int) -> nn.Module:
    return UpsampledConv2d(channels, out, options.kernel_size, options.generator_stride)


class UpsampledConv2d(nn.Conv2d):
    """Repeat pixels 2*stride times in each direction, then convolve with that stride: [N, C, S, S]
    -> [N, out, 2S, 2S].

    Computed without the repeated pixels. The taps of a kernel that meet one pixel's copies are
    added up first, which leaves a small kernel for each of the four positions in a 2x2 block of the
    result (Shi et al. 2016, arXiv:1609.07009, for their pixel shuffle): 9x9 becomes four times 5x5,
    25 products an output pixel in place of 81.
    """

    sums: Tensor

    def __init__(self, channels: int, out: int, kernel_size: int, stride: int = 1) -> None:
        super().__init__(channels, out, kernel_size, stride, padding=kernel_size // 2)
        half, copies = kernel_size // 2, 2 * stride
        taps = torch.arange(-half, half + 1)
        met = torch.stack([taps, taps + stride]) // copies  # the pixel a tap meets, by position
        self.reach = max(-(-half // copies), (half + stride) // copies)
        small = torch.arange(-self.reach, self.reach + 1)
        sums = (met[:, None] == small[:, None]).float()  # [2, 2 reach + 1, kernel_size]
        both = torch.einsum("pak,qbl->pqabkl", sums, sums)
        self.register_buffer("sums", both.flatten(0, 3).flatten(1), persistent=False)

    def folded(self) -> Tensor:
        """The four small kernels, one after another: [4 out, C, k, k], channels last in memory."""
        side = 2 * self.reach + 1
        with torch.autocast(self.weight.device.type, enabled=False):  # sums want all their bits
            weight = self.weight.permute(0, 2, 3, 1).flatten(1, 2)
            kernels = torch.matmul(self.sums, weight).unflatten(1, (4, side, side))
        return kernels.transpose(0, 1).flatten(0, 1).permute(0, 3, 1, 2)

    def forward(self, x: Tensor) -> Tensor:
        bias = None if self.bias is None else self.bias.repeat(4)
        blocks = functional.conv2d(x, self.folded(), bias, padding=self.reach)
        # torch's pixel_shuffle, but channels last in memory on a GPU, too
        blocks = blocks.permute(0, 2, 3, 1).unflatten(3, (2, 2, self.out_channels))
        return blocks.transpose(2, 3).flatten(3, 4).flatten(1, 2).permute(0, 3, 1, 2)


class DoubledConv2d(nn.Conv2d):
    """Repeat pixels twice in each direction, then convolve: [N, C, S, S] -> [N, out, 2S, 2S].

    Computed as one transposed convolution of stride 2, whose kernel is the sum of four shifted
    ones: 3x3 becomes 4x4, 4 products a pixel of the result in place of 9.
    """

    def __init__(self, channels: int, out: int, kernel_size: int) -> None:
        super().__init__(channels, out, kernel_size, padding=kernel_size // 2)

    def forward(self, x: Tensor) -> Tensor:
        kernels = 4 * shifted(self.weight).flip(2, 3).transpose(0, 1)
        return functional.conv_transpose2d(x, kernels, self.bias, 2, self.kernel_size[0] // 2)


class PooledConv2d(nn.Conv2d):
    """Convolve, then average blocks of 2x2: [N, C, 2S, 2S] -> [N, out, S, S].

    Computed as one convolution of stride 2 whose kernel is the average of the four shifted ones:
    3x3 becomes 4x4, 16 products a pixel of the result in place of 36.
    """

    def __init__(self, channels: int, out: int, kernel_size: int) -> None:
        super().__init__(channels, out, kernel_size, stride=2, padding=kernel_size // 2)

    def forward(self, x: Tensor) -> Tensor:
        return functional.conv2d(x, shifted(self.weight), self.bias, self.stride, self.padding)


class FoldedConv2d(nn.Conv2d):
    """Continue images by their reflection, then convolve: [N, C, S, S] -> [N, out, S, S], S even.

    Computed for blocks of 2x2 pixels, as one convolution of stride 2 with the kernel at each of the
    four places in a block. That is four times as many channels of the result, of which processors
    compute sixteen at once, where `out` is 3, for 1.3 times the products of a 7x7 kernel.
    """

    def __init__(self, channels: int, out: int, kernel_size: int) -> None:
        super().__init__(channels, out, kernel_size, padding=kernel_size // 2)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.pad(x, 4 * (self.kernel_size[0] // 2,), mode="reflect")
        places = [(j, 1 - j, i, 1 - i) for i in (0, 1) for j in (0, 1)]
        kernels = torch.stack([functional.pad(self.weight, place) for place in places], dim=1)
        bias = None if self.bias is None else self.bias.repeat_interleave(4)
        return functional.pixel_shuffle(functional.conv2d(x, kernels.flatten(0, 1), bias, 2), 2)


class InstanceNorm(nn.InstanceNorm2d):
    """Each channel of each image to mean 0 and variance 1: [N, C, S, S] -> the same.

    Computed as GroupNorm of groups of one channel, which torch does fastest where channels come
    first in memory; the result has them last, for the next convolution.
    """

    def forward(self, x: Tensor) -> Tensor:
        normal = functional.group_norm(x.contiguous(), self.num_features, eps=self.eps)
        return normal.contiguous(memory_format=torch.channels_last)


def shifted(kernels: Tensor) -> Tensor:
    """The mean of kernels at four places, one pixel apart: [out, C, k, k] -> [.., k + 1, k + 1]."""
    return functional.avg_pool2d(functional.pad(kernels, (1, 1, 1, 1)), 2, stride=1)


class Network(nn.Sequential):
    """Layers that compute in bfloat16 while training, if asked to; input and output are float32."""

    def __init__(self, options: NetworkOptions | ResidualOptions, layers: list[nn.Module]) -> None:
        super().__init__(*layers)
        self.lower = options.precision == "bfloat16"

    def forward(self, x: Tensor) -> Tensor:
        lower = self.lower and self.training
        with torch.autocast(x.device.type, torch.bfloat16, enabled=lower):
            return super().forward(x).to(x.dtype)


class Generator(Network):
    """Codes [N, latent_size] -> images [N, 3, S, S] in [-1, 1].

    Linear to 8*width channels of S/8 x S/8; three times upsampling by repetition and a convolution
    that halves the channels; a 3x3 one to RGB. With `mapping_layers` the codes pass through a small
    network first (Karras et al. 2019, arXiv:1812.04948, section 2). With `generator_stride` 2,
    which gave noise in 2019, the convolution skips every second pixel, and pixels are repeated four
    times so that the sizes stay the same.
    """

    def __init__(self, options: NetworkOptions, latent_size: int) -> None:
        first, side = 8 * options.width, options.image_size // 8
        layers: list[nn.Module] = []
        inputs = latent_size
        for _ in range(options.mapping_layers):
            layers += [nn.Linear(inputs, MAPPING_WIDTH), activate(options)]
            inputs = MAPPING_WIDTH
        layers += [
            nn.Linear(inputs, first * side * side),
            nn.Unflatten(1, (first, side, side)),
            activate(options),
        ]
        for channels in (first, first // 2, first // 4):
            layers += [
                enlarge(options, channels, channels // 2),
                normalise(options, channels // 2),
                activate(options),
            ]
        layers += [nn.Conv2d(options.width, 3, 3, padding=1), nn.Tanh()]
        super().__init__(options, layers)


class Encoder(Network):
    """Images [N, 3, S, S] in [-1, 1] -> codes [N, latent_size].

    Four convolutions of stride 2 to width, 2, 4 and 8 times width channels, and a linear layer.
    """

    def __init__(self, options: NetworkOptions, latent_size: int, batch_norm: bool = True) -> None:
        width = options.width
        layers: list[nn.Module] = [shrink(options, 3, width), activate(options)]
        for channels in (width, 2 * width, 4 * width):
            layers += [shrink(options, channels, 2 * channels), activate(options)]
            layers += [normalise(options, 2 * channels)] if batch_norm else []
        side = options.image_size // 16
        layers += [nn.Flatten(), nn.Linear(8 * width * side * side, latent_size)]
        super().__init__(options, layers)


class Block(nn.Module):
    """A residual block (He et al. 2016, arXiv:1512.03385): two 3x3 convolutions beside the input.

    Where it has more channels at its end, it halves the side, and the input is averaged and mapped.
    `norm` makes the layer that normalises so many channels.
    """

    def __init__(
        self, channels: int, out: int, norm: Callable[[int], nn.Module] = BatchNorm
    ) -> None:
        super().__init__()
        stride = 1 if channels == out else 2
        self.body = nn.Sequential(
            nn.Conv2d(channels, out, 3, stride, 1, bias=False),
            norm(out),
            nn.ReLU(),
            nn.Conv2d(out, out, 3, 1, 1, bias=False),
            norm(out),
        )
        self.skip: nn.Module = nn.Identity()
        if stride == 2:
            self.skip = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(channels, out, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.skip(x) + self.body(x))


class ResidualEncoder(Network):
    """Images [N, 3, S, S] in [-1, 1] -> codes [N, latent_size].

    Convolutions of stride 2 down to 16 x 16 (8 x 8 for size 16), three residual blocks of width, 2
    and 4 times width channels, the last two at half the side, and two linear layers. Few channels
    where pixels are many: it is made for processors.
    """

    def __init__(self, options: ResidualOptions, latent_size: int) -> None:
        width, size = options.width, options.image_size
        halvings = max(size.bit_length() - 6, 0)
        stem = [3, *(width >> k for k in reversed(range(halvings))), width]
        layers: list[nn.Module] = []
        for channels, out in pairwise(stem):
            layers += [nn.Conv2d(channels, out, 4, 2, 1, bias=False), BatchNorm(out), nn.ReLU()]
        layers += [Block(width, width), Block(width, 2 * width), Block(2 * width, 4 * width)]
        features = 4 * width * (min(size, 32) // 8) ** 2
        layers += [nn.Flatten(), nn.Linear(features, 8 * width), nn.ReLU()]
        layers += [nn.Linear(8 * width, latent_size)]
        super().__init__(options, layers)


class Discriminator(Encoder):
    """Images [N, 3, S, S] -> logits [N, 1], high for real ones.

    A Wasserstein critic goes without BatchNorm: normalised separately, real and generated images
    have the same means, and the difference of means is all that it is trained on.
    """

    def __init__(self, options: NetworkOptions, batch_norm: bool = True) -> None:
        super().__init__(options, 1, batch_norm)


@torch.no_grad()
def initialise(network: nn.Module, rng: torch.Generator) -> None:
    """Glorot-normal weights (Glorot and Bengio 2010) drawn from `rng`, zero biases; in place."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.xavier_normal_(layer.weight, generator=rng)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


class SpectralNorm(_SpectralNorm):
    """torch's. On the meta device, where shapes alone are asked for, it does not iterate: that
    would take seconds."""

    def _power_method(self, weight_mat: Tensor, n_power_iterations: int) -> None:
        if not weight_mat.is_meta:
            super()._power_method(weight_mat, n_power_iterations)


def orthogonal(network: nn.Module, rng: torch.Generator) -> None:
    """Orthogonal weights (Saxe et al. 2014, arXiv:1312.6120) drawn from `rng`, zero biases; each
    convolution and linear layer from then on divided by its largest singular value (Miyato et al.
    2018, arXiv:1802.05957); in place.
    """
    layers = [one for one in network.modules() if isinstance(one, nn.Conv2d | nn.Linear)]
    seed = int(torch.randint(2**62, (), generator=rng, device="cpu"))
    with torch.random.fork_rng(devices=[]):  # the power iteration starts from torch's own numbers
        torch.default_generator.manual_seed(seed)
        for layer in layers:
            nn.init.orthogonal_(layer.weight, generator=rng)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
            register_parametrization(layer, "weight", SpectralNorm(layer.weight))


@contextmanager
def frozen(network: nn.Module) -> Iterator[None]:
    """Inside, gradients flow through `network` but its parameters get none."""
    network.requires_grad_(False)
    try:
        yield
    finally:
        network.requires_grad_(True)


@contextmanager
def without_averages(network: nn.Module) -> Iterator[None]:
    """Inside, BatchNorm normalises by the batch as usual but leaves its running averages alone."""
    layers = [layer for layer in network.modules() if isinstance(layer, nn.BatchNorm2d)]
    for layer in layers:
        layer.track_running_stats = False
    try:
        yield
    finally:
        for layer in layers:
            layer.track_running_stats = True
