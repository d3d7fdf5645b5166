"""AEGeAN: the AAE with what 2020 added, each part by hand, and without the faults it had there."""

import math

import numpy as np
import pytest
import torch
from tiny_runs import TINY, batch, data_sets, result, resumed
from torch import nn
from torch.nn import functional

import baselines
from baselines.aae import AAE
from baselines.aegean import (
    PRESETS,
    AEGeAN,
    Config,
    Dropout,
    likeness_loss,
    mean_loss,
    noisy,
    slerp,
    squashed,
)
from baselines.configs.aegean import OF_2019
from baselines.interpolate import spherical
from baselines.parts.losses import discriminator_loss, generator_loss, moments_loss, ms_ssim_loss
from baselines.training.cli import parse
from baselines.training.loop import Outcome, train
from fdd import FddError

SMALL = TINY | {"width": 4, "latent_size": 5}
SILENT = {"dropout": 0.0, "encoder_noise": 0.0, "image_noise": 0.0}
NETWORKS = {"encoder", "generator", "discriminator"}


def rng(seed=1):
    return torch.Generator().manual_seed(seed)


def random(*shape, seed=0):
    return torch.randn(*shape, generator=rng(seed))


def model(seed=0, **options):
    return AEGeAN(Config(**SMALL | options), rng(seed))


def weights(network):
    return {name: weight.clone() for name, weight in network.named_parameters()}


def learned(network, before):
    """The parts whose weights are others than they were."""
    now = network.named_parameters()
    return {n.split(".")[0] for n, weight in now if not torch.equal(weight, before[n])}


def seen_by(network):
    """What a network is given from now on, a list that grows."""
    seen = []
    network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach().clone()))
    return seen


def test_the_preset_of_2019_is_the_aae():
    options = {name: SMALL[name] for name in TINY}
    ours = AEGeAN(Config(**vars(OF_2019) | options), rng())
    aae = AAE(AAE.config_type(**options), rng())
    numbers, same = rng(), rng()
    for seed in range(2):
        torch.randint(2**63 - 1, (), generator=same)  # what ours draws at random begins from it
        assert ours.step(batch(seed=seed), numbers) == aae.step(batch(seed=seed), same)
    found, wanted = ours.state_dict(), aae.state_dict()
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


def test_the_preset_of_2020_has_its_sizes():
    config = PRESETS["2020"]
    assert config == Config()
    rates = config.lr_encoder, config.lr_discriminator, config.lr_generator
    assert rates == (1e-4, 5e-5, 2e-4)
    assert (config.image_size, config.batch_size, config.latent_size) == (128, 128, 42)
    network = AEGeAN(Config(image_size=16), rng())
    filters = {
        name: [one.out_channels for one in part.modules() if isinstance(one, nn.Conv2d)]
        for name, part in network.named_children()
    }
    assert filters == {
        "encoder": [8, 16, 16, 16, 32, 32, 32, 128],
        "discriminator": [8, 16, 32, 128],
        "generator": [32, 16, 16, 16, 8, 8, 8, 3, 3, 1],
    }
    inner = [
        [one.out_features for one in part.modules() if isinstance(one, nn.Linear)]
        for part in (network.encoder, network.discriminator, network.generator)
    ]
    assert inner == [[512, 42], [512, 1], [512, 128 * 4 * 4]]
    (sgd, *_) = network.optimizers.values()
    assert (type(sgd), sgd.defaults["nesterov"]) == (torch.optim.SGD, True)


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_passes_its_own_check(preset):
    PRESETS[preset].check()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"optimizer": "adam", "insight": True, "prior": "normal", "background": False},
        {"network": "2019", "dropout": 0.0, "background": False},
        {"adversarial_loss": "hinge"},
        {"adversarial_loss": "wgan-gp", "image_size": 32},
    ],
)
def test_a_step_trains_everything_on_random_numbers_of_its_own(options):
    made, size = [], options.get("image_size", 16)
    for _ in range(2):
        network = model(**options)
        torch.manual_seed(torch.initial_seed() + 1)
        state, before = torch.get_rng_state(), weights(network)
        losses = network.step(batch(size=size), rng())
        assert torch.equal(torch.get_rng_state(), state)
        assert learned(network, before) == NETWORKS
        assert not any(loss.requires_grad for loss in losses.values())
        made.append(network.state_dict())
    names = ["reconstruction", "moments", "discriminator", "generator", "likeness"]
    assert list(losses) == names
    assert all(map(math.isfinite, losses.values()))
    assert all(torch.equal(made[0][key], made[1][key]) for key in made[0])


@pytest.mark.parametrize("adam", [True, False])
def test_a_run_that_was_stopped_ends_with_the_same_bits(adam, tmp_path):
    config = Config(**SMALL | {"optimizer": "adam" if adam else "sgd", "momentum": 0.9})
    assert train(AEGeAN, config, tmp_path / "whole", **data_sets()) == Outcome(8)
    again = resumed(AEGeAN, config, tmp_path / "run", **data_sets())
    assert again == result(tmp_path / "whole")
    loaded = baselines.load_run(tmp_path / "run")
    images = data_sets()["held_out"].images[:3, ::8, ::8]
    codes = loaded.encode(images)
    assert (codes.shape, loaded.supervision) == ((3, 5), "none")
    assert np.array_equal(loaded.encode(images), codes)
    drawn = loaded.generate(codes)
    assert (drawn.shape, drawn.dtype) == ((3, 16, 16, 3), np.uint8)
    assert np.array_equal(loaded.generate(codes), drawn)


def test_slerp_is_row_by_row():
    start, end = random(6, 4), random(6, 4, seed=1)
    start[4], end[4] = 0, 1
    end[5] = 2 * start[5]
    found = slerp(start, end, 0.25)
    ends = zip(start.numpy(), end.numpy(), strict=True)
    each = [spherical(p, q, np.array([0.25])) for p, q in ends]
    np.testing.assert_allclose(found, np.concatenate(each), rtol=1e-5, atol=1e-6)
    large = torch.cat([start, 1000 * random(3, 4)])
    assert torch.equal(slerp(large, torch.cat([end, random(3, 4)]), 0.25)[:6], found)


def test_fakes_lie_between_the_codes_of_two_images():
    network = model(**SILENT)
    images = batch(8).images
    codes = network.encode(images)
    found = network.noise(batch(8), rng(3))
    assert not found.requires_grad
    order = torch.randperm(8, generator=rng(3))
    assert (order != torch.arange(8)).any()
    torch.testing.assert_close(found, slerp(codes, codes[order], 0.25))
    network = model(prior="normal")
    assert torch.equal(network.noise(batch(8), rng(3)), torch.randn(8, 5, generator=rng(3)))


def judged(network, rows=4):
    """What a step's discriminator is given as real and as generated images."""
    seen = seen_by(network.discriminator)
    network.step(batch(rows), rng())
    return seen[:2]


def test_with_insight_the_real_images_are_reconstructions():
    real, _ = judged(model(**SILENT))
    assert torch.equal(real, batch().images)
    network = model(**SILENT, insight=True, background=False)
    made = []
    network.generator.register_forward_hook(lambda _, inputs, images: made.append(images.detach()))
    real, fake = judged(network)
    # of the autoencoder's step, of codes between images, of insight
    assert len(made) == 3
    assert torch.equal(fake, made[1])
    assert torch.equal(real, made[2])


def test_the_discriminator_counts_real_and_generated_images():
    """In 2020 the hinge loss of generated images took the place of that of real ones."""
    for game in ("hinge", "bce"):
        network, same = (model(**SILENT, adversarial_loss=game) for _ in range(2))
        fakes, label = torch.tanh(random(4, 3, 16, 16)), 0.95
        loss = network.discriminator_step(batch(), fakes, label, rng())
        real, fake = (same.discriminator(images) for images in (batch().images, fakes))
        if game == "hinge":
            wanted = functional.relu(1 - real).mean() + functional.relu(1 + fake).mean()
        else:
            logs = [functional.logsigmoid(sign * of) for of in (real, fake) for sign in (1, -1)]
            shares = (label, 1 - label, 1 - label, label)
            wanted = -sum(share * log.mean() for share, log in zip(shares, logs, strict=True))
        assert loss.item() == pytest.approx(wanted.item(), rel=1e-5)


def test_labels_are_smoothed_on_two_sides():
    network = model(smoothing=0.2)
    assert network.real_label == pytest.approx((0.8, 0.9))
    logits = random(4, 1), random(4, 1, seed=1)
    one, two = (discriminator_loss("bce", *logits, 0.85, fake) for fake in (0.0, 0.15))
    rest = functional.softplus(logits[1]).mean() - discriminator_loss("bce", *logits, 0.85) + one
    assert rest == pytest.approx(functional.softplus(logits[1]).mean())
    assert two - one == pytest.approx(-0.15 * logits[1].mean().item(), rel=1e-4)
    plain = model(smoothing=0.0)
    assert (plain.real_label, plain.two_sided) == ((0.9, 1.0), False)


def test_the_mean_loss_by_hand():
    codes = torch.tensor([[1.0, 2.0], [-1.0, 0.0]])
    assert mean_loss(codes).item() == pytest.approx(0.25 + 0.5)
    assert mean_loss(torch.tensor([[1.0, -1.0]])).item() == 0
    network = model(moments_weight=0.5)
    assert network.moments(codes).item() == pytest.approx(0.375)
    network = model(moments_weight=0.5, moments="each")
    assert network.moments(codes).item() == pytest.approx(0.5 * moments_loss(codes).item())


def test_likeness_is_of_different_codes_alone():
    codes = torch.tensor([[3.0, 0.0], [0.0, 5.0]])
    assert likeness_loss(codes).item() == 0
    codes = torch.tensor([[3.0, 1.0], [1.0, 1.0]], requires_grad=True)
    loss = likeness_loss(codes)
    assert loss.item() == pytest.approx(math.sqrt(2) * 4 / 2)
    loss.backward()
    assert codes.grad.isfinite().all()


def test_decorrelation_weighs_the_likeness_in_the_generators_loss_alone():
    def follow(decorrelation):
        network = model(**SILENT, background=False, decorrelation=decorrelation)
        fakes, before = network.fakes(batch(), rng()), weights(network)
        averages = [buffer.clone() for buffer in network.encoder.buffers()]
        network.shown = {}
        losses = network.generator_step(batch(), fakes, 0.95)
        assert learned(network, before) == {"generator"}
        assert all(map(torch.equal, network.encoder.buffers(), averages))
        return losses, torch.cat([g.flatten() for g in network.shown["gradient of generator"]])

    (without, none), (losses, one), (_, two) = map(follow, (0.0, 1.0, 2.0))
    assert losses["generator"] == without["generator"]
    assert losses["likeness"] > 0
    assert (one - none).abs().max() > 1e-6
    assert (two - none - 2 * (one - none)).abs().max() < 1e-4 * two.abs().max()


def test_noise_has_a_contrast_for_each_image_and_colour():
    images = torch.zeros(500, 3, 16, 16)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        found = noisy(images, 0.05)
    contrast = found.std(dim=(2, 3))
    assert found.std().item() == pytest.approx(0.1, rel=0.05)
    assert contrast.mean().item() == pytest.approx(0.1 * math.sqrt(2 / math.pi), rel=0.05)
    assert abs(np.corrcoef(contrast.T)[0, 1]) < 0.15
    assert noisy(images, 0) is images


def test_noise_is_on_what_the_networks_see_and_on_nothing_else():
    network = model(encoder_noise=0.1, image_noise=0.2, dropout=0.0)
    images, seen = batch().images, seen_by(network.encoder)
    real, fake = judged(network)
    assert (real - images).std() > 0.1
    assert fake.abs().max() > 1
    assert all((of - images).std() > 0.05 for of in seen[:2])
    network.eval()
    network.encode(images)
    assert torch.equal(seen[-1], images)


def test_dropout_leaves_out_channels_and_keeps_their_mean():
    layer, x = Dropout(0.25), torch.ones(400, 50, 2, 2)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        found = layer(x)
    torch.testing.assert_close(found.unique(), torch.tensor([0, 1 / 0.75]))
    assert torch.equal(found.amin((2, 3)), found.amax((2, 3)))
    assert found.mean().item() == pytest.approx(1, abs=0.01)
    assert torch.equal(layer.eval()(x), x)
    assert torch.equal(Dropout(0.0)(x), x)


def test_the_background_is_rolled_in_training_and_stands_still_after_it():
    picture = model().generator[-1]
    with torch.no_grad():
        picture.mask.weight.zero_()
        picture.mask.bias.fill_(-100)  # background alone
    x = random(2, 4, 16, 16)
    still = picture.eval()(x)
    expected = 2 * squashed(picture.background(x[:, 3:])) - 1
    torch.testing.assert_close(still, expected)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        down, across = torch.randint(16, (2,)).tolist()
        torch.manual_seed(0)
        rolled = picture.train()(x)
    assert (down, across) != (0, 0)
    torch.testing.assert_close(rolled, still.roll((down, across), (2, 3)))
    with torch.no_grad():
        picture.mask.bias.fill_(100)  # figure alone
    torch.testing.assert_close(picture(x), 2 * squashed(picture.figure(x[:, :3])) - 1)


def test_a_picture_lies_in_its_range_and_all_of_it_has_a_gradient():
    x = torch.tensor([-50.0, -1.0, 0.0, 0.5, 1.0, 3.0], requires_grad=True)
    found = squashed(x)
    assert 0 <= found.min() < found.max() <= 1
    assert found[3].item() == pytest.approx(0.5)
    (gradient,) = torch.autograd.grad(found.sum(), x)
    assert (gradient > 0).all()
    drawn = model().generator(100 * random(3, 5))
    assert (drawn.shape, drawn.abs().max() <= 1) == ((3, 3, 16, 16), True)


def test_the_reconstruction_is_compared_by_ms_ssim_or_as_in_the_aae():
    images, made = batch().images, 0.5 * batch().images
    assert model().reconstruction(made, images) == ms_ssim_loss(made, images)
    assert model(reconstruction_loss="mse").reconstruction(made, images) == functional.mse_loss(
        made, images
    )


def test_a_switch_can_be_switched_off_by_command():
    """In 2020 it could not: type=bool took any text for True."""
    config, _ = parse("aegean", PRESETS, ["--no-background", "--insight", "--preset", "mini"])
    assert (config.background, config.insight) == (False, True)
    with pytest.raises(FddError) as error:
        parse("aegean", PRESETS, ["--background=False"])
    assert "background" in str(error.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"network": "2018"},
            "network='2018' is not known (did you mean 2019?); choose from 2019, 2020",
        ),
        ({"network": "2019"}, "dropout=0.05 needs network='2020'"),
        ({"network": "2019", "dropout": 0.0}, "background=True needs network='2020'"),
        ({"mapping_layers": 2}, "mapping_layers=2 needs network='2019'"),
        ({"generator_stride": 2}, "generator_stride=2 needs network='2019'"),
        ({"width": 2}, "width=2 must be 4 or more with background=True"),
        ({"prior": "uniform"}, "prior='uniform' is not known; choose from normal, between"),
        ({"momentum": 1.0}, "momentum=1.0 must be a number above 0 and below 1"),
        ({"smoothing": 1.0}, "smoothing=1.0 must be a number from 0 to below 1"),
        ({"insight": "False"}, "insight='False' must be True or False"),
    ],
)
def test_a_bad_option_is_one_sentence(options, message):
    with pytest.raises(FddError) as error:
        Config(**options).check()
    assert str(error.value) == message


def test_the_generators_loss_is_the_game_that_was_asked_for():
    network = model(**SILENT, adversarial_loss="hinge")
    fakes = network.fakes(batch(), rng())
    with torch.no_grad():
        wanted = generator_loss("hinge", network.discriminator(fakes), 0.95)
    losses = network.generator_step(batch(), fakes, 0.95)
    assert losses["generator"].item() == pytest.approx(wanted.item(), rel=1e-5)
