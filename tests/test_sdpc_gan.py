"""The fusion of SDPC and a GAN: what its steps train, the decoder by hand, runs that resume."""

import numpy as np
import pytest
import torch
from tiny_runs import TINY, batch, data_sets, render, result, table
from torch.nn import functional

import baselines
from baselines.parts.losses import moments_loss
from baselines.sdpc_gan import SDPCGAN, Config
from baselines.training.loop import Outcome, train
from fdd import FddError

SMALL = TINY | {
    "data": "fdd",
    "atoms": "6:8",
    "sides": "4:3",
    "strides": "2:1",
    "lambdas": "0.1:0.02",
    "rates": "1e-4:1e-3",
    "iterations": 5,
    "hidden": 8,
    "pool": 2,
    "latent_size": 3,
    "dictionary_steps": 3,
}


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def model(**options):
    config = Config(**SMALL | options)
    config.check()
    return SDPCGAN(config, rng())


def changed_by(network, steps):
    """The first parts of the names of the parameters that these steps change."""
    before = {name: weight.clone() for name, weight in network.named_parameters()}
    for seed in range(steps):
        losses = network.step(batch(seed=seed), rng(seed))
    names = {n for n, weight in network.named_parameters() if not torch.equal(weight, before[n])}
    return {name.split(".")[0] for name in names}, names, losses


def test_dictionaries_are_learned_in_the_first_steps_and_stay_as_they_are():
    network = model()
    parts, names, losses = changed_by(network, 3)
    assert parts == {"coder", "generator", "encoder", "discriminator"}
    assert {n for n in names if n.startswith("coder")} == {
        "coder.dictionaries.0",
        "coder.dictionaries.1",
    }
    parts, names, later = changed_by(network, 2)
    assert parts == {"generator", "encoder", "discriminator"}
    assert list(later) == list(losses)
    for atoms in network.coder.dictionaries:
        torch.testing.assert_close(atoms.flatten(1).norm(dim=1), torch.ones(len(atoms)))


def test_without_steps_of_their_own_dictionaries_are_random_atoms_of_norm_1():
    network = model(dictionary_steps=0)
    parts, *_ = changed_by(network, 2)
    assert parts == {"generator", "encoder", "discriminator"}
    for atoms in network.coder.dictionaries:
        torch.testing.assert_close(atoms.flatten(1).norm(dim=1), torch.ones(len(atoms)))
    assert network.coder.seen == 2


def test_the_decoder_is_its_equations():
    network = model()
    network.coder.mean.fill_(0.25)
    network.coder.variance.fill_(4.0)
    codes = 20 * torch.randn(2, 3, generator=rng(1))
    decoder, (first, second) = network.generator, network.coder.dictionaries
    last = functional.relu(decoder.first(codes) - decoder.thresholds[1])
    predicted = functional.conv_transpose2d(last, second)
    refined = decoder.refine[0](functional.interpolate(last, size=7))
    below = functional.relu(predicted + refined - decoder.thresholds[0])
    assert all(0.1 < (maps > 0).float().mean() < 0.9 for maps in (last, below))
    image = 0.25 + 2 * functional.conv_transpose2d(below, first, stride=2)
    torch.testing.assert_close(network.generate(codes), image)


def test_the_losses_are_those_before_the_update():
    network = model(dictionary_steps=0)
    images = batch().images
    network.coder.watch(images)
    network.coder.seen.fill_(100)
    maps = network.coder.infer(images).maps
    codes = network.read(maps)
    made = network.generator(codes, network.coder.layers())
    apart = sum((a - b).square().sum() for a, b in zip(made, maps, strict=True)) / images.numel()
    error = (network.generate(codes) - images).square().mean()
    wanted = {"reconstruction": error, "maps": apart, "moments": moments_loss(codes)}
    network.encoder[0].reset_running_stats()
    found = network.step(batch(), rng())
    for name, value in wanted.items():
        assert found[name].item() == pytest.approx(value.item(), rel=1e-4), name
    assert found["active 1"].item() == pytest.approx((maps[0] > 0).float().mean().item(), abs=0.02)


def test_an_average_of_the_decoder_is_what_is_evaluated():
    network = model(ema=0.75, dictionary_steps=0)
    codes = 20 * torch.randn(2, 3, generator=rng(1))
    for seed in range(3):
        network.step(batch(seed=seed), rng(seed))
    network.eval()
    averaged = network.average(codes, network.coder.layers())
    assert torch.equal(network.generate(codes), network.coder.reconstruct(averaged))
    now = network.coder.reconstruct(network.generator(codes, network.coder.layers()))
    assert not torch.equal(network.generate(codes), now)


@pytest.mark.parametrize("stop", [2, 5])
def test_a_run_that_was_stopped_ends_with_the_same_bits(stop, tmp_path, whole):
    half = Config(**SMALL | {"steps": stop})
    train(SDPCGAN, half, tmp_path / "run", **data_sets())
    assert train(SDPCGAN, Config(**SMALL), tmp_path / "run", **data_sets()) == Outcome(8)
    last, wanted = result(tmp_path / "run"), result(whole)
    assert (last[0], last[2], last[3]) == (wanted[0], wanted[2], wanted[3])


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folder of a run of eight steps."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    assert train(SDPCGAN, Config(**SMALL), folder, **data_sets()) == Outcome(8)
    return folder


def test_a_loaded_run_encodes_and_generates(whole):
    loaded = baselines.load_run(whole, "cpu")
    images = render(3)[:, ::8, ::8].copy()
    codes = loaded.encode(images)
    assert codes.shape == (3, 3)
    assert np.isfinite(codes).all()
    made = loaded.generate(codes)
    assert (made.shape, made.dtype) == ((3, 16, 16, 3), np.uint8)
    drawn = {path.name for path in whole.iterdir()}
    assert drawn >= {"atoms-1", "atoms-2", "samples", "reconstructions"}
    told = {"active 1", "dead 2", "error 1", "iterations", "maps", "reconstruction"}
    assert told < set(table(whole)[0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": -1.0}, "k=-1.0 must be a finite number of 0 or more"),
        (
            {"rates": "1e-3"},
            "rates='1e-3' must have as many numbers as atoms='6:8': one a layer",
        ),
        ({"mapping_layers": 2}, "mapping_layers=2 must be 0: it is the DCGAN's"),
        ({"pool": 6}, "pool=6 must be at most 5, the side of the maps of the last layer"),
    ],
)
def test_a_bad_option_is_one_sentence(options, message):
    with pytest.raises(FddError) as error:
        model(**options)
    assert str(error.value) == message


def test_a_lambda_that_leaves_nothing_is_said():
    network = model(lambdas="1e4:1", dictionary_steps=0)
    network.coder.idle_0.fill_(19)
    with pytest.raises(FddError) as error:
        network.step(batch(), rng())
    assert str(error.value) == (
        "lambdas='1e4:1' have left all maps of layer 1 at 0 for 20 batches, so it learns nothing; "
        "choose a smaller number for it"
    )
