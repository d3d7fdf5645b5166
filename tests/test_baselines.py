"""What a step of each baseline trains, on which losses, and what it leaves alone."""

import math

import numpy as np
import pytest
import torch
from tiny_runs import SYSTEMS, TINY, baseline, batch

import fdd
from baselines.parts.losses import CLIP, label_loss, moments_loss
from baselines.training.data import Batch
from fdd import FddError

LOSSES = {
    "dcgan": ["discriminator", "generator"],
    "aae": ["reconstruction", "moments", "discriminator", "generator"],
    "lsd": ["discriminator", "generator", "correspondence"],
}
NETWORKS = {
    "dcgan": {"generator", "discriminator"},
    "aae": {"encoder", "generator", "discriminator"},
    "lsd": {"generator", "discriminator"},
}
each_baseline = pytest.mark.parametrize("name", SYSTEMS)


def model(name, seed=0, **options):
    make = baseline(name)
    return make(make.config_type(**TINY | options), torch.Generator().manual_seed(seed))


def rng(seed=1):
    return torch.Generator().manual_seed(seed)


def copy(network):
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def changed(network, before):
    """The names of the tensors that are others than they were."""
    return {
        name for name, now in network.state_dict().items() if not torch.equal(before[name], now)
    }


def parts(names):
    return {name.split(".")[0] for name in names}


def gradients(network, step):
    """The gradients that each optimiser followed in a step, by its name."""
    network.shown = {}
    step()
    shown, network.shown = network.shown, None
    return {
        name.removeprefix("gradient of "): torch.cat([gradient.flatten() for gradient in found])
        for name, found in shown.items()
        if name.startswith("gradient of ")
    }


@each_baseline
def test_a_step_updates_every_network_and_is_repeatable(name):
    results = []
    for _ in range(2):
        network = model(name)
        before = copy(network)
        losses = network.step(batch(), rng())
        learned = changed(network, before) & {name for name, _ in network.named_parameters()}
        assert parts(learned) == NETWORKS[name]
        assert list(losses) == LOSSES[name]
        assert not any(loss.requires_grad for loss in losses.values())
        results.append([loss.item() for loss in losses.values()])
    assert results[0] == results[1]
    assert all(map(math.isfinite, results[0]))
    assert all(parameter.requires_grad for parameter in network.parameters())


@each_baseline
def test_all_random_numbers_come_from_the_generator_passed_in(name):
    with torch.random.fork_rng():
        first = model(name, 7)
        torch.manual_seed(torch.initial_seed() + 1)
        second, other = model(name, 7), model(name, 8)
        before = torch.get_rng_state()
        first.step(batch(), rng())
        assert torch.equal(torch.get_rng_state(), before)
        torch.manual_seed(torch.initial_seed() + 1)
        second.step(batch(), rng())
    assert not changed(first, copy(second))
    assert parts(changed(second, copy(other))) == NETWORKS[name]


@each_baseline
@pytest.mark.parametrize("game", ["bce", "hinge", "wgan-clip", "wgan-gp"])
def test_every_game_trains(name, game):
    network = model(name, adversarial_loss=game, discriminator_steps=2)
    before = copy(network)
    for seed in range(3):
        losses = network.step(batch(seed=seed), rng(seed))
        assert all(loss.isfinite() for loss in losses.values())
    assert parts(changed(network, before)) == NETWORKS[name]
    largest = max(p.abs().max() for p in network.discriminator.parameters())
    assert (largest <= CLIP) == (game == "wgan-clip")
    normalised = any(isinstance(m, torch.nn.BatchNorm2d) for m in network.discriminator.modules())
    assert normalised == (not game.startswith("wgan"))


def test_the_losses_of_a_dcgan_are_those_before_each_update():
    network, same = model("dcgan"), model("dcgan")
    numbers = rng()
    label = torch.empty(1).uniform_(0.9, 1.0, generator=numbers).item()
    fakes = same.generator(torch.randn(4, 6, generator=numbers))
    images = batch().images
    judged = label_loss(same.discriminator(images), label) + label_loss(
        same.discriminator(fakes), 0.0
    )
    losses = network.step(batch(), rng())
    assert losses["discriminator"].item() == pytest.approx(judged.item(), rel=1e-6)
    same.discriminator.load_state_dict(network.discriminator.state_dict())
    fooled = label_loss(same.discriminator(fakes), label)
    assert losses["generator"].item() == pytest.approx(fooled.item(), rel=1e-6)


@each_baseline
def test_each_of_two_opponents_learns_in_its_own_step_alone(name):
    network, label = model(name), 0.95
    fakes = network.fakes(batch(), rng())
    network.generator_step(batch(), fakes, label)
    assert all(p.grad is None for p in network.discriminator.parameters())
    network = model(name)
    network.discriminator_step(batch(), network.fakes(batch(), rng()), label, rng())
    assert all(p.grad is None for p in network.generator.parameters())


def test_a_discriminator_may_take_several_steps_with_new_noise():
    network, seen = model("dcgan", discriminator_steps=3), []
    network.generator.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    network.step(batch(), rng())
    assert len(seen) == 3
    assert not torch.equal(seen[0], seen[1])
    steps = {n: o.state_dict()["state"][0]["step"].item() for n, o in network.optimizers.items()}
    assert steps == {"discriminator": 3, "generator": 1}


def test_autoencoder_losses_are_those_before_the_update():
    network, images = model("aae"), batch().images
    codes = network.encode(images)
    expected = (network.generate(codes) - images).square().mean().item()
    losses = network.autoencoder_step(images)
    assert losses["reconstruction"].item() == pytest.approx(expected, rel=1e-5)
    assert losses["moments"].item() == pytest.approx(moments_loss(codes).item(), rel=1e-5)


@pytest.mark.parametrize(
    ("choice", "learners"), [("EG", {"encoder", "generator"}), ("E", {"encoder"})]
)
def test_who_learns_in_the_autoencoder_step(choice, learners):
    network = model("aae", autoencoder_loss=choice)
    before = copy(network)
    network.autoencoder_step(batch().images)
    weights = {name for name, _ in network.named_parameters()}
    assert parts(changed(network, before) & weights) == learners
    assert all(parameter.requires_grad for parameter in network.parameters())


def test_running_averages_of_an_aae_are_those_of_codes_alone():
    whole, part = model("aae"), model("aae")
    whole.step(batch(), rng())
    part.autoencoder_step(batch().images)
    averages = [name for name, _ in part.generator.named_buffers() if "running" in name]
    assert averages
    for name in averages:
        assert torch.equal(whole.generator.get_buffer(name), part.generator.get_buffer(name))


def test_the_reconstruction_of_an_aae_is_decoded_codes():
    network = model("aae").eval()
    images = batch().images
    assert torch.equal(network.reproduce(batch()), network.generator(network.encoder(images)))


PARAMS = np.vstack(
    [
        fdd.uniform_params(50),
        [[0.5, -1, 0, -3, 0, 1], [0, 0, 0, 2, -1, 3], [1, 1, -3, 0, 3, 3], [0, 0, -0.0, 1, 2, 3]],
    ]
)


@pytest.mark.parametrize("form", ["scaled", "canonical"])
def test_the_vectors_of_an_lsd_are_the_forms_of_the_data_set(form):
    params = torch.from_numpy(PARAMS)
    found = model("lsd", vector=form).vectors(Batch(torch.empty(0), params))
    expected = {
        "scaled": fdd.scale_params(PARAMS),
        "canonical": fdd.scale_params(fdd.canonical_params(PARAMS)) * [1, 1, 2, 1, 1, 1]
        - [0, 0, 1, 0, 0, 0],
    }[form]
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert found.abs().max() == 1


def test_both_signs_of_an_attractor_are_one_canonical_vector():
    network = model("lsd", vector="canonical")
    one, other = (
        network.vectors(Batch(torch.empty(0), torch.from_numpy(PARAMS * signs)))
        for signs in ([1, 1, 1, 1, 1, 1], [1, 1, -1, -1, 1, 1])
    )
    assert torch.equal(one, other)


@pytest.mark.parametrize("noise", ["normal", "vectors"])
def test_the_correspondence_reaches_the_generator_alone_with_its_weight(noise):
    def weighed(adversarial, correspondence):
        network = model(
            "lsd",
            noise=noise,
            adversarial_weight=float(adversarial),
            correspondence_weight=float(correspondence),
        )
        return gradients(network, lambda: network.step(batch(), rng()))

    one, other, both = weighed(1000, 0), weighed(0, 1), weighed(2000, 3)
    assert other.keys() == {"generator"}
    assert torch.equal(both["discriminator"], one["discriminator"])
    scale = both["generator"].abs().max()
    assert one["generator"].abs().max() > 0.01 * scale
    assert other["generator"].abs().max() > 0.01 * scale
    expected = 2 * one["generator"] + 3 * other["generator"]
    assert (both["generator"] - expected).abs().max() < 1e-5 * scale


def test_an_lsd_without_a_game_leaves_the_discriminator_alone():
    network, numbers = model("lsd", adversarial_weight=0.0), rng()
    before, state = copy(network), numbers.get_state()
    losses = network.step(batch(), numbers)
    assert list(losses) == ["correspondence"]
    assert parts(changed(network, before)) == {"generator"}
    assert torch.equal(numbers.get_state(), state)
    made = model("lsd").generator(network.vectors(batch()))
    expected = (made - batch().images).square().mean().item()
    assert losses["correspondence"].item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("noise", "calls"), [("normal", 2), ("vectors", 1)])
def test_what_the_discriminator_of_an_lsd_sees(noise, calls):
    network, seen = model("lsd", noise=noise), []
    network.generator.register_forward_hook(lambda _, inputs, made: seen.append((*inputs, made)))
    judged = []
    network.discriminator.register_forward_hook(lambda _, inputs, __: judged.append(*inputs))
    network.step(batch(), rng())
    vectors = network.vectors(batch())
    assert len(seen) == calls
    assert torch.equal(seen[-1][0], vectors)
    assert torch.equal(seen[0][0], vectors) == (noise == "vectors")
    assert torch.equal(judged[1], seen[0][1])
    assert torch.equal(network.eval().reproduce(batch()), network.generator(vectors))


def test_an_lsd_needs_parameters():
    with pytest.raises(FddError) as error:
        model("lsd").step(Batch(batch().images, None), rng())
    assert str(error.value) == (
        "data without parameters: this baseline learns them, so use fdd or stream"
    )


@each_baseline
def test_the_average_of_a_generator_is_its_recursion(name):
    network, expected = model(name, ema=0.75), None
    for seed in range(4):
        network.step(batch(seed=seed), rng(seed))
        now = copy(network.generator)
        if expected is None:
            expected = now
        expected = {k: 0.75 * expected[k] + 0.25 * now[k] for k in now if "num_batches" not in k}
    found = network.average.module.state_dict()
    assert changed(network.average.module, now)
    for key, value in expected.items():
        torch.testing.assert_close(found[key], value, rtol=1e-6, atol=1e-7)


@each_baseline
def test_the_average_is_what_is_evaluated(name):
    network, codes = model(name, ema=0.75), torch.zeros(2, 6)
    for seed in range(3):
        network.step(batch(seed=seed), rng(seed))
    network.eval()
    assert torch.equal(network.generate(codes), network.average.module(codes))
    assert not torch.equal(network.generate(codes), network.generator(codes))
    training = network.train().generate(codes)
    assert torch.equal(training, network.generator(codes))
