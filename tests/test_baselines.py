"""The networks, losses and options are those of 2019; a wrong option is one sentence."""

import dataclasses
import json
import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from baselines import networks
from baselines.aae import AAE, PRESETS, Config, label_loss, moments_loss
from baselines.data import Batches, resize, to_images, to_tensor
from baselines.runs import saved_options
from fdd import FddError

SMALL = {"image_size": 16, "width": 2, "kernel_size": 3, "batch_size": 4, "steps": 2}
GENERATOR = {
    "linear": [(131072, 6)],
    "convolutions": [(256, 512, 9, 9), (128, 256, 9, 9), (64, 128, 9, 9), (3, 64, 3, 3)],
    "sides": [16, 32, 64, 128],
    "parameters": 917504 + (10616832 + 2654208 + 663552) + (256 + 128 + 64) * 3 + 1731,
}
DOWN = [(64, 3, 9, 9), (128, 64, 9, 9), (256, 128, 9, 9), (512, 256, 9, 9)]
DOWN_PARAMETERS = (15552 + 663552 + 2654208 + 10616832) + 960 + (128 + 256 + 512) * 2


def model(seed=0, **options):
    return AAE(Config(**SMALL | options), torch.Generator().manual_seed(seed))


def pixels(n=4, seed=0):
    return torch.rand(n, 3, 16, 16, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def copy(network):
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def changed(network, before):
    return {
        name
        for name, _ in network.named_parameters()
        if not torch.equal(before[name], network.state_dict()[name])
    }


@pytest.fixture(scope="module")
def shapes():
    """The three networks at their published size, without memory for their weights."""
    with torch.device("meta"):
        shape = networks.Shape()
        return SimpleNamespace(
            generator=networks.Generator(shape, 6),
            encoder=networks.Encoder(shape, 6),
            discriminator=networks.Discriminator(shape),
        )


def weights(network, kind):
    return [tuple(layer.weight.shape) for layer in network if isinstance(layer, kind)]


def count(network):
    return sum(parameter.numel() for parameter in network.parameters())


def test_generator_is_that_of_2019(shapes):
    network = shapes.generator
    assert weights(network, nn.Linear) == GENERATOR["linear"]
    assert weights(network, nn.Conv2d) == GENERATOR["convolutions"]
    assert count(network) == GENERATOR["parameters"]
    x, sides = torch.empty(2, 6, device="meta"), []
    for layer in network:
        x = layer(x)
        if isinstance(layer, nn.Unflatten | nn.Upsample):
            sides.append(x.shape[-1])
    assert sides == GENERATOR["sides"]
    assert x.shape == (2, 3, 128, 128)
    assert isinstance(network[-1], nn.Tanh)
    assert {layer.mode for layer in network if isinstance(layer, nn.Upsample)} == {"nearest"}


@pytest.mark.parametrize(("name", "outputs"), [("encoder", 6), ("discriminator", 1)])
def test_encoder_and_discriminator_are_those_of_2019(shapes, name, outputs):
    network = getattr(shapes, name)
    assert weights(network, nn.Conv2d) == DOWN
    assert weights(network, nn.Linear) == [(outputs, 512 * 8 * 8)]
    assert count(network) == DOWN_PARAMETERS + (512 * 8 * 8 + 1) * outputs
    assert network(torch.empty(2, 3, 128, 128, device="meta")).shape == (2, outputs)
    order = [type(layer).__name__ for layer in network]
    normed = ["Conv2d", "LeakyReLU", "BatchNorm2d"]
    assert order == ["Conv2d", "LeakyReLU", *normed * 3, "Flatten", "Linear"]


def test_every_layer_has_the_epsilon_and_the_slope_of_2019(shapes):
    for network in vars(shapes).values():
        assert {layer.eps for layer in network if isinstance(layer, nn.BatchNorm2d)} == {0.5}
        slopes = {layer.negative_slope for layer in network if isinstance(layer, nn.LeakyReLU)}
        assert slopes == {1e-6}


@pytest.mark.parametrize("size", [16, 32, 64])
def test_smaller_networks_fit_together(size):
    network = model(image_size=size, latent_size=3, kernel_size=5)
    codes = network.encode(torch.zeros(2, 3, size, size))
    assert codes.shape == (2, 3)
    images = network.generate(codes)
    assert images.shape == (2, 3, size, size)
    assert images.abs().max() <= 1
    assert network.discriminator(images).shape == (2, 1)


def test_weights_are_glorot_normal_from_the_generator_alone():
    layer, again = nn.Linear(300, 500), nn.Linear(300, 500)
    for linear in (layer, again):
        networks.initialise(linear, torch.Generator().manual_seed(3))
    assert torch.equal(layer.weight, again.weight)
    assert layer.weight.std().item() == pytest.approx(math.sqrt(2 / 800), rel=0.01)
    assert layer.weight.mean().item() == pytest.approx(0, abs=5e-4)
    assert not layer.bias.any()
    global_state = torch.get_rng_state()
    first, second = model(seed=7), model(seed=7)
    torch.set_rng_state(global_state)
    assert all(
        torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True)
    )


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
    assert label_loss(logits, torch.tensor([label])).item() == pytest.approx(expected, abs=1e-6)


def test_autoencoder_losses_are_those_before_the_update():
    network = model()
    images = pixels()
    codes = network.encode(images)
    expected = (network.generate(codes) - images).square().mean().item()
    losses = network.autoencoder_step(images)
    assert losses["reconstruction"].item() == pytest.approx(expected, rel=1e-5)
    assert losses["moments"].item() == pytest.approx(moments_loss(codes).item(), rel=1e-5)


@pytest.mark.parametrize(("choice", "learners"), [("EG", "encoder generator"), ("E", "encoder")])
def test_who_learns_in_the_autoencoder_step(choice, learners):
    network = model(autoencoder_loss=choice)
    before = copy(network)
    network.autoencoder_step(pixels())
    assert {name.split(".")[0] for name in changed(network, before)} == set(learners.split())
    assert all(parameter.requires_grad for parameter in network.parameters())


def test_a_step_updates_every_network_and_is_repeatable():
    results = []
    for _ in range(2):
        network, rng = model(), torch.Generator().manual_seed(1)
        before = copy(network)
        losses = network.step(pixels(), rng)
        assert {name.split(".")[0] for name in changed(network, before)} == {
            "encoder",
            "generator",
            "discriminator",
        }
        assert list(losses) == ["reconstruction", "moments", "discriminator", "generator"]
        results.append([loss.item() for loss in losses.values()])
    assert results[0] == results[1]
    assert all(map(math.isfinite, results[0]))


def test_running_averages_are_those_of_codes_alone():
    whole, part = model(), model()
    whole.step(pixels(), torch.Generator())
    part.autoencoder_step(pixels())
    averages = [name for name, _ in part.generator.named_buffers()]
    assert averages
    for name in averages:
        assert torch.equal(whole.generator.get_buffer(name), part.generator.get_buffer(name))


def test_resize_is_the_block_mean_rounded_half_up():
    image = np.arange(4 * 4 * 3, dtype=np.uint8).reshape(1, 4, 4, 3)
    half = resize(image, 2)
    assert half.dtype == np.uint8
    assert half[0, 0, 0].tolist() == [8, 9, 10]  # of 0, 3, 12, 15 is 7.5
    assert resize(np.full((1, 128, 128, 3), 255, np.uint8), 16).min() == 255
    random = np.random.default_rng(0).integers(0, 256, (3, 128, 128, 3), dtype=np.uint8)
    means = random.reshape(3, 32, 4, 32, 4, 3).mean(axis=(2, 4))
    assert np.array_equal(resize(random, 32), np.floor(means + 0.5))
    assert np.array_equal(resize(random, 128), random)


@pytest.mark.parametrize(
    ("images", "size", "message"),
    [
        (np.zeros((1, 8, 8, 3)), 4, "images float64 [1, 8, 8, 3] must be uint8 [N, S, S, 3]"),
        (np.zeros((8, 8, 3), "u1"), 4, "images uint8 [8, 8, 3] must be uint8 [N, S, S, 3]"),
        (np.zeros((1, 8, 4, 3), "u1"), 4, "images uint8 [1, 8, 4, 3] must be uint8 [N, S, S, 3]"),
        (np.zeros((1, 8, 8, 3), "u1"), 3, "size=3 must divide 8, the side of the images"),
        (np.zeros((1, 8, 8, 3), "u1"), 0, "size=0 must divide 8, the side of the images"),
    ],
)
def test_resize_refuses(images, size, message):
    with pytest.raises(FddError) as error:
        resize(images, size)
    assert str(error.value) == message


def test_images_survive_the_way_to_the_network_and_back():
    images = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1).repeat(3, axis=3)
    tensor = to_tensor(images, torch.device("cpu"))
    assert tensor.shape == (1, 3, 16, 16)
    assert (tensor.min(), tensor.max()) == (-1, 1)
    assert np.array_equal(to_images(tensor), images)


def test_batches_are_permutations_that_can_be_taken_up_anywhere():
    data = type("Data", (), {"__len__": lambda _: 23})()
    config = Config(**SMALL | {"batch_size": 5, "seed": 4})
    batches = Batches(data, config)
    epochs = [np.concatenate([batches.rows(4 * e + i) for i in range(4)]) for e in range(3)]
    for rows in epochs:
        assert len(set(rows.tolist())) == 20
        assert set(rows.tolist()) <= set(range(23))
    assert not np.array_equal(epochs[0], epochs[1])
    assert [batches.epoch(step) for step in (0, 3, 4, 8)] == [0, 0, 1, 2]
    assert np.array_equal(Batches(data, config).rows(6), batches.rows(6))
    other = dataclasses.replace(config, seed=5)
    assert not np.array_equal(Batches(data, other).rows(0), epochs[0][:5])
    few = Batches(data, dataclasses.replace(config, train_images=6))
    assert set(few.rows(3).tolist()) < set(range(6))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"train_images": 24}, "train_images=24 must be at most 23, all that there are"),
        ({"train_images": 3}, "batch_size=4 must be at most 3, the images to train on"),
        ({"batch_size": 64}, "batch_size=64 must be at most 23, the images to train on"),
    ],
)
def test_batches_refuse_what_the_data_cannot_fill(options, message):
    data = type("Data", (), {"__len__": lambda _: 23})()
    with pytest.raises(FddError) as error:
        Batches(data, Config(**SMALL | options))
    assert str(error.value) == message


def test_the_default_is_the_setting_of_2019_and_small_is_small():
    assert PRESETS["paper"] == Config()
    paper = dataclasses.asdict(Config())
    assert {
        "image_size": 128,
        "batch_size": 16,
        "width": 64,
        "kernel_size": 9,
        "batch_norm_eps": 0.5,
        "leaky_slope": 1e-6,
        "beta1": 0.5,
        "autoencoder_loss": "EG",
        "lr_encoder": 1e-3,
        "lr_generator": 1e-3,
        "lr_discriminator": 1e-4,
    }.items() <= paper.items()
    small = PRESETS["small"]
    assert small.latent_size == Config().latent_size == 6
    assert small.image_size <= 64
    assert small.steps < 1000
    assert count(AAE(small, torch.Generator())) < 1_000_000


@pytest.mark.parametrize("name", PRESETS)
def test_options_survive_json(name, tmp_path):
    saved = json.loads(json.dumps({"baseline": "aae", **dataclasses.asdict(PRESETS[name])}))
    assert saved_options(Config, saved, tmp_path) == PRESETS[name]


WHOLE = "must be a whole number of 1 or more"
POSITIVE = "must be a finite number above 0"


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("steps", 0, WHOLE),
        ("steps", 2.5, WHOLE),
        ("steps", True, WHOLE),
        ("width", -1, WHOLE),
        ("latent_size", 0, WHOLE),
        ("log_every", 0, WHOLE),
        ("sample_every", 0, WHOLE),
        ("checkpoint_every", -5, WHOLE),
        ("batch_size", 0, "must be a whole number of 2 or more"),
        ("batch_size", 1, "must be a whole number of 2 or more"),
        ("train_images", -1, "must be a whole number of 0 or more"),
        ("image_size", 8, "must be 16, 32, 64 or 128"),
        ("image_size", 48, "must be 16, 32, 64 or 128"),
        ("kernel_size", 4, "must be an odd whole number of 1 or more"),
        ("seed", -1, "must be a whole number from 0 to 2**63 - 1"),
        ("lr_encoder", 0.0, POSITIVE),
        ("lr_generator", math.nan, POSITIVE),
        ("lr_discriminator", math.inf, POSITIVE),
        ("batch_norm_eps", -0.1, POSITIVE),
        ("leaky_slope", -1e-9, "must be a finite number of 0 or more"),
        ("beta1", 1.0, "must be a number from 0 to below 1"),
        ("beta1", "a", "must be a number from 0 to below 1"),
        ("autoencoder_loss", "GE", "must be 'EG' or 'E'"),
        ("device", "tpu", "must be auto, cpu, cuda or cuda:N"),
        ("device", "cuda:x", "must be auto, cpu, cuda or cuda:N"),
    ],
)
def test_options_out_of_range(option, value, message):
    with pytest.raises(FddError) as error:
        dataclasses.replace(Config(), **{option: value}).check()
    assert str(error.value) == f"{option}={value!r} {message}"


def test_a_cuda_device_that_is_not_there():
    n = torch.cuda.device_count()
    with pytest.raises(FddError) as error:
        Config(device=f"cuda:{n}").check()
    assert str(error.value) == (f"device='cuda:{n}', but torch sees {n} CUDA devices here; use cpu")


def test_options_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Config().steps = 3
