"""The networks are those of 2019; a folded upsampling equals a repetition and a convolution."""

import math
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from baselines.dcgan import Config
from baselines.parts.networks import (
    MAPPING_WIDTH,
    Discriminator,
    DoubledConv2d,
    Encoder,
    FoldedConv2d,
    Generator,
    InstanceNorm,
    PooledConv2d,
    UpsampledConv2d,
    frozen,
    initialise,
    orthogonal,
    without_averages,
)

GENERATOR = {
    "linear": [(131072, 6)],
    "convolutions": [(256, 512, 9, 9), (128, 256, 9, 9), (64, 128, 9, 9), (3, 64, 3, 3)],
    "sides": [16, 32, 64, 128],
    "parameters": 917504 + (10616832 + 2654208 + 663552) + (256 + 128 + 64) * 3 + 1731,
}
DOWN = [(64, 3, 9, 9), (128, 64, 9, 9), (256, 128, 9, 9), (512, 256, 9, 9)]
DOWN_PARAMETERS = (15552 + 663552 + 2654208 + 10616832) + 960 + (128 + 256 + 512) * 2
SMALL = Config(image_size=16, width=2, kernel_size=3)


@pytest.fixture(scope="module")
def shapes():
    """The three networks at their published size."""
    return SimpleNamespace(
        generator=Generator(Config(), 6).eval(),
        encoder=Encoder(Config(), 6).eval(),
        discriminator=Discriminator(Config()).eval(),
    )


def weights(network, kind):
    return [tuple(layer.weight.shape) for layer in network if isinstance(layer, kind)]


def count(network):
    return sum(parameter.numel() for parameter in network.parameters())


def random(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def test_generator_is_that_of_2019(shapes):
    network = shapes.generator
    assert weights(network, nn.Linear) == GENERATOR["linear"]
    assert weights(network, nn.Conv2d) == GENERATOR["convolutions"]
    assert [type(layer) for layer in network if isinstance(layer, nn.Conv2d)] == [
        *[UpsampledConv2d] * 3,
        nn.Conv2d,
    ]
    assert count(network) == GENERATOR["parameters"]
    x, sides = torch.zeros(1, 6), []
    with torch.no_grad():
        for layer in network:
            x = layer(x)
            if isinstance(layer, nn.Unflatten | UpsampledConv2d):
                sides.append(x.shape[-1])
    assert sides == GENERATOR["sides"]
    assert x.shape == (1, 3, 128, 128)
    assert isinstance(network[-1], nn.Tanh)


@pytest.mark.parametrize(("name", "outputs"), [("encoder", 6), ("discriminator", 1)])
def test_encoder_and_discriminator_are_those_of_2019(shapes, name, outputs):
    network = getattr(shapes, name)
    assert weights(network, nn.Conv2d) == DOWN
    assert weights(network, nn.Linear) == [(outputs, 512 * 8 * 8)]
    assert count(network) == DOWN_PARAMETERS + (512 * 8 * 8 + 1) * outputs
    with torch.no_grad():
        assert network(torch.zeros(1, 3, 128, 128)).shape == (1, outputs)
    order = [type(layer).__name__ for layer in network]
    normed = ["Conv2d", "LeakyReLU", "BatchNorm"]
    assert order == ["Conv2d", "LeakyReLU", *normed * 3, "Flatten", "Linear"]


def test_every_layer_has_the_epsilon_and_the_slope_of_2019(shapes):
    for network in vars(shapes).values():
        assert {layer.eps for layer in network if isinstance(layer, nn.BatchNorm2d)} == {0.5}
        slopes = {layer.negative_slope for layer in network if isinstance(layer, nn.LeakyReLU)}
        assert slopes == {1e-6}


def test_what_is_saved_of_a_generator_has_the_published_names_and_shapes(shapes):
    saved = shapes.generator.state_dict()
    convolutions = [tuple(saved[f"{layer}.weight"].shape) for layer in (3, 6, 9, 12)]
    assert convolutions == GENERATOR["convolutions"]
    assert {name.rpartition(".")[2] for name in saved} == {
        "weight",
        "bias",
        "running_mean",
        "running_var",
        "num_batches_tracked",
    }


@pytest.mark.parametrize("size", [16, 32, 64])
def test_smaller_networks_fit_together(size):
    options = Config(image_size=size, width=2, kernel_size=5)
    codes = Encoder(options, 3)(torch.zeros(2, 3, size, size))
    assert codes.shape == (2, 3)
    images = Generator(options, 3)(codes)
    assert images.shape == (2, 3, size, size)
    assert images.abs().max() <= 1
    assert Discriminator(options)(images).shape == (2, 1)


def test_weights_are_glorot_normal_from_the_generator_alone():
    layer, again = nn.Linear(300, 500), nn.Linear(300, 500)
    before = torch.get_rng_state()
    for linear in (layer, again):
        initialise(linear, torch.Generator().manual_seed(3))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(layer.weight, again.weight)
    assert layer.weight.std().item() == pytest.approx(math.sqrt(2 / 800), rel=0.01)
    assert layer.weight.mean().item() == pytest.approx(0, abs=5e-4)
    assert not layer.bias.any()


def test_a_folded_layer_is_initialised_as_the_convolution_it_stands_for():
    folded, plain = UpsampledConv2d(20, 30, 5), nn.Conv2d(20, 30, 5)
    for layer in (folded, plain):
        initialise(layer, torch.Generator().manual_seed(3))
    assert torch.equal(folded.weight, plain.weight)
    assert not folded.bias.any()


def repeated(layer):
    """The layers that a folded one stands for, with its weights."""
    stride = layer.stride[0]
    sizes = layer.in_channels, layer.out_channels, layer.kernel_size
    convolution = nn.Conv2d(*sizes, stride, layer.padding).to(layer.weight)
    convolution.load_state_dict(layer.state_dict())
    return nn.Sequential(nn.Upsample(scale_factor=2 * stride), convolution)


@pytest.mark.parametrize("side", [1, 4, 5])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel", [1, 3, 5, 7, 9])
def test_a_folded_upsampling_equals_repetition_and_convolution(kernel, stride, side):
    folded = UpsampledConv2d(3, 2, kernel, stride).double()
    plain = repeated(folded)
    gradients = []
    for layer in (folded, plain):
        x = random(2, 3, side, side).requires_grad_()
        made = layer(x)
        assert made.shape == (2, 2, 2 * side, 2 * side)
        made.backward(random(*made.shape, seed=1))
        gradients.append([made, x.grad, *(p.grad for p in layer.parameters())])
    for a, b in zip(*gradients, strict=True):
        assert a.shape == b.shape
        assert (a - b).abs().max() < 1e-12


@pytest.mark.parametrize("kernel", [1, 3, 5])
@pytest.mark.parametrize("kind", [DoubledConv2d, PooledConv2d])
def test_a_convolution_folded_with_a_change_of_side_equals_both(kind, kernel):
    folded = kind(3, 2, kernel).double()
    convolution = nn.Conv2d(3, 2, kernel, padding=kernel // 2).double()
    convolution.load_state_dict(folded.state_dict())
    plain = nn.Sequential(nn.Upsample(scale_factor=2), convolution)
    if kind is PooledConv2d:
        plain = nn.Sequential(convolution, nn.AvgPool2d(2))
    gradients = []
    for layer in (folded, plain):
        x = random(2, 3, 6, 4).requires_grad_()
        made = layer(x)
        made.backward(random(*made.shape, seed=1))
        gradients.append([made, x.grad, *(p.grad for p in layer.parameters())])
    for a, b in zip(*gradients, strict=True):
        assert a.shape == b.shape
        assert (a - b).abs().max() < 1e-12


@pytest.mark.parametrize(
    ("kind", "plain"),
    [
        (
            lambda: FoldedConv2d(5, 3, 7),
            lambda: nn.Conv2d(5, 3, 7, padding=3, padding_mode="reflect"),
        ),
        (
            lambda: FoldedConv2d(5, 2, 3),
            lambda: nn.Conv2d(5, 2, 3, padding=1, padding_mode="reflect"),
        ),
        (lambda: InstanceNorm(5), lambda: nn.InstanceNorm2d(5)),
    ],
)
def test_a_layer_of_translators_is_that_of_torch(kind, plain):
    layers = kind().double(), plain().double()
    layers[1].load_state_dict(layers[0].state_dict())
    gradients = []
    for layer in layers:
        x = random(2, 5, 8, 6).requires_grad_()
        made = layer(x)
        made.backward(random(*made.shape, seed=1))
        gradients.append([made, x.grad, *(p.grad for p in layer.parameters())])
    for a, b in zip(*gradients, strict=True):
        assert a.shape == b.shape
        assert (a - b).abs().max() < 1e-12


def test_orthogonal_layers_are_divided_by_their_largest_singular_value():
    layers = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Linear(20, 5)), nn.Sequential(nn.Conv2d(3, 8, 3))
    before = torch.get_rng_state()
    for network in layers:
        orthogonal(network, torch.Generator().manual_seed(3))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(layers[0][0].weight, layers[1][0].weight)
    for layer in layers[0]:
        values = torch.linalg.svdvals(layer.weight.flatten(1))
        torch.testing.assert_close(values, torch.ones_like(values))
        assert not layer.bias.any()
        with torch.no_grad():
            layer.parametrizations.weight.original[0] *= 4
        for _ in range(30):
            weight = layer.weight  # each use in training is a step of the power iteration
        assert torch.linalg.matrix_norm(weight.flatten(1), 2).item() == pytest.approx(1, rel=1e-3)


def test_a_folded_kernel_has_a_quarter_of_a_hundred_taps():
    assert UpsampledConv2d(3, 2, 9).folded().shape == (4 * 2, 3, 5, 5)


def test_the_folded_generator_is_the_generator_of_2019():
    folded = Generator(SMALL, 6).double()
    initialise(folded, torch.Generator().manual_seed(0))
    layers = [repeated(x) if isinstance(x, UpsampledConv2d) else x for x in folded]
    plain = nn.Sequential(*layers)
    codes = random(4, 6)
    with torch.no_grad():
        for a, b in zip(folded, plain, strict=True):
            codes, same = a(codes), b(codes)
            assert (codes - same).abs().max() < 1e-12


def test_layers_before_the_generator_map_the_codes():
    network = Generator(Config(image_size=16, width=2, kernel_size=3, mapping_layers=2), 6)
    assert weights(network, nn.Linear) == [
        (MAPPING_WIDTH, 6),
        (MAPPING_WIDTH, MAPPING_WIDTH),
        (16 * 2 * 2, MAPPING_WIDTH),
    ]
    assert [type(layer) for layer in network][:4] == [nn.Linear, nn.LeakyReLU] * 2
    assert network(torch.zeros(2, 6)).shape == (2, 3, 16, 16)


def test_a_strided_generator_makes_images_of_the_same_size():
    options = Config(image_size=16, width=2, kernel_size=3, generator_stride=2)
    network = Generator(options, 6)
    assert [x.stride for x in network if isinstance(x, UpsampledConv2d)] == [(2, 2)] * 3
    assert network(torch.zeros(2, 6)).shape == (2, 3, 16, 16)
    assert count(network) == count(Generator(SMALL, 6))


def test_bfloat16_is_for_training_alone():
    lower = Encoder(Config(image_size=16, width=2, kernel_size=3, precision="bfloat16"), 6)
    initialise(lower, torch.Generator().manual_seed(0))
    exact = Encoder(SMALL, 6)
    exact.load_state_dict(lower.state_dict())
    images = random(4, 3, 16, 16, dtype=torch.float32)
    rough, fine = lower(images), exact(images)
    assert rough.dtype == fine.dtype == torch.float32
    assert 0 < (rough - fine).abs().max() < 0.1 * fine.abs().max()
    lower.load_state_dict(exact.state_dict())
    assert torch.equal(lower.eval()(images), exact.eval()(images))
    assert {p.dtype for p in lower.parameters()} == {torch.float32}


def test_frozen_networks_pass_gradients_on():
    network, codes = Generator(SMALL, 6), random(4, 6, dtype=torch.float32).requires_grad_()
    with frozen(network):
        network(codes).sum().backward()
    assert codes.grad.abs().sum() > 0
    assert all(p.grad is None and p.requires_grad for p in network.parameters())


def test_running_averages_can_be_left_alone():
    network, codes = Generator(SMALL, 6), random(4, 6, dtype=torch.float32)
    initialise(network, torch.Generator().manual_seed(0))
    before = [buffer.clone() for buffer in network.buffers()]
    with without_averages(network):
        without = network(codes)
    assert all(map(torch.equal, before, network.buffers()))
    assert torch.equal(network(codes), without)
    assert not all(map(torch.equal, before, network.buffers()))
