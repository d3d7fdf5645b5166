"""The beta-VAE and the Ada-GVAE: divergences, averages by hand, and what a step is made on."""

import copy

import pytest
import torch
from test_encoders import small
from tiny_runs import pairs
from torch.distributions import Normal, kl_divergence

from baselines.betavae import BetaVAE, Config, divergence, divergence_of_pairs, share_codes
from fdd import FddError


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def model(**options):
    return BetaVAE(small("betavae", **options), rng())


def posteriors(*shape):
    return torch.randn(2, *shape, generator=rng(), dtype=torch.float64)


def normals(means, logs):
    return Normal(means, (logs / 2).exp())


def test_divergences_are_those_of_torch():
    means, logs = posteriors(5, 2, 3)
    each = normals(means, logs)
    standard = Normal(torch.zeros_like(means), torch.ones_like(means))
    torch.testing.assert_close(divergence(means, logs), kl_divergence(each, standard))
    sides = [normals(means[:, k], logs[:, k]) for k in (0, 1)]
    torch.testing.assert_close(divergence_of_pairs(means, logs), kl_divergence(*sides))


def test_the_codes_that_differ_least_are_averaged():
    """Of variance 1 and 3 each, a divergence of 0.22 without the means, which add 0, 1/6 and 6."""
    means = torch.tensor([[[1.0, 2.0, 3.0], [1.0, 3.0, 9.0]]])
    logs = torch.tensor([[[1.0] * 3, [3.0] * 3]]).log()
    found, spread = share_codes(means, logs)
    torch.testing.assert_close(found, torch.tensor([[[1.0, 2.5, 3.0], [1.0, 2.5, 9.0]]]))
    torch.testing.assert_close(spread.exp(), torch.tensor([[[2.0, 2.0, 1.0], [2.0, 2.0, 3.0]]]))


def test_a_pair_of_the_same_image_keeps_its_codes():
    means, logs = posteriors(4, 1, 6).expand(2, 4, 2, 6)
    for found, was in zip(share_codes(means, logs), (means, logs), strict=True):
        torch.testing.assert_close(found, was, rtol=0, atol=0)


def losses_by_hand(made, images, average, numbers):
    """(squared error, divergence) of images [N, sides, 3, S, S], a side and an image at a time."""
    sides = [made.encoder(images.flatten(0, 1)).unflatten(0, images.shape[:2])]
    means, logs = sides[0].chunk(2, dim=2)
    if average:
        means, logs = share_codes(means, logs)
    noise = torch.randn(means.shape[0] * means.shape[1], means.shape[2], generator=numbers)
    codes = means.flatten(0, 1) + logs.flatten(0, 1).exp().sqrt() * noise
    drawn, true = (part / 2 + 0.5 for part in (made.generator(codes), images.flatten(0, 1)))
    standard = Normal(torch.zeros_like(means), torch.ones_like(means))
    kl = kl_divergence(normals(means, logs), standard).sum(dim=2).mean()
    return ((drawn - true) ** 2).sum(dim=(1, 2, 3)).mean(), kl


@pytest.mark.parametrize("single", [False, True])
def test_a_step_is_made_on_these_losses(single):
    made, batch = model(single=single), pairs()
    same = copy.deepcopy(made)
    losses = made.step(batch, rng(5))
    images = batch.images[:, :1] if single else batch.images
    error, kl = losses_by_hand(same, images, not single, rng(5))
    torch.testing.assert_close(losses, {"reconstruction": error.detach(), "kl": kl.detach()})


def after(batch, steps=1, **options):
    """A model after steps on a batch, and the losses of the last."""
    made, numbers = model(**options), rng(5)
    for _ in range(steps):
        losses = made.step(batch, numbers)
    return made, losses


def test_single_images_are_the_first_of_each_pair():
    batch = pairs()
    other = batch._replace(images=torch.stack([batch.images[:, 0], -batch.images[:, 1]], dim=1))
    assert after(batch, single=True)[1] == after(other, single=True)[1]
    assert after(batch)[1] != after(other)[1]


def test_beta_weighs_the_divergence():
    batch = pairs()
    (_, without), (_, much) = (after(batch, 30, single=True, beta=beta) for beta in (0, 1000))
    assert much["kl"] < 0.5 * without["kl"]
    assert without["reconstruction"] < much["reconstruction"]
    first, other = (after(batch, single=True, beta=beta)[1] for beta in (0, 1000))
    assert first == other  # before the update


def test_codes_are_the_means_and_images_come_back():
    made, batch = model(), pairs()
    made.eval()
    images = batch.images[:, 0]
    with torch.no_grad():
        means = made.encoder(images)[:, :4]
        torch.testing.assert_close(made.encode(images), means)
        torch.testing.assert_close(made.reproduce(batch.first()), made.generator(means))


@pytest.mark.parametrize("kind", ["near", "ou"])
def test_a_bad_option_is_one_sentence(kind):
    with pytest.raises(FddError) as error:
        Config(pairs=kind).check()
    assert str(error.value) == (
        f"pairs='{kind}' must be one of start, one, some, whose images share parameters, unless "
        "single=True"
    )
    Config(pairs=kind, single=True).check()
    with pytest.raises(FddError) as error:
        Config(beta=-1.0).check()
    assert str(error.value) == "beta=-1.0 must be a finite number of 0 or more"
