"""InfoNCE on pairs: the conditionals by hand, what does not change the loss, and what lowers it."""

import math

import numpy as np
import pytest
import torch
from test_encoders import small
from tiny_runs import pairs

import fdd
from baselines.configs.contrastive import FITS
from baselines.contrastive import Config, Contrastive, log_ratios
from baselines.training.data import Batch
from fdd import FddError

FITTING = [(kind, law) for kind, laws in FITS.items() for law in laws]
each_law = pytest.mark.parametrize("law", ["laplace", "normal", "cosine", "sparse", "one"])


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def model(make=Contrastive, **options):
    return make(small("contrastive", **options), rng())


def tensor(*rows):
    return torch.tensor(rows, dtype=torch.float64)


CODES, OTHERS, SCALES = tensor([0, 0], [3, 4]), tensor([1, 2], [-4, 3]), tensor([2, 0.5])[0]
"""Distances, scaled: 2 and 1, 8 and 1.5; 4 and 1, 14 and 0.5."""
HEIGHTS = tensor([0, 5])[0]


def sparse(*distances):
    return sum(math.log1p(math.exp(h - d)) for h, d in zip((0, 5), distances, strict=True))


@pytest.mark.parametrize(
    ("law", "wanted"),
    [
        ("laplace", [[-3, -9.5], [-5, -14.5]]),
        ("normal", [[-5, -66.25], [-17, -196.25]]),
        ("cosine", [[0, 0], [1.25 * 11 / (5 * math.sqrt(5)), 0]]),
        ("sparse", [[sparse(2, 1), sparse(8, 1.5)], [sparse(4, 1), sparse(14, 0.5)]]),
    ],
)
def test_the_conditionals_by_hand(law, wanted):
    found = log_ratios(law, CODES, OTHERS, SCALES, HEIGHTS)
    np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-12)


def test_one_leaves_out_the_codes_of_the_parameter_that_was_drawn_anew():
    """Eight codes, two each of a, b, c, d: code k belongs to parameter k % 4 of these."""
    codes, others = torch.zeros(6, 8), 2.0 ** torch.arange(8)[None]
    found = log_ratios("one", codes, others, torch.ones(8), HEIGHTS, torch.arange(6)).flatten()
    everything = 2**8 - 1
    owned = [1 + 16, 2 + 32, 4 + 64, 8 + 128]
    assert found.tolist() == [-everything, -everything, *(k - everything for k in owned)]


@each_law
def test_a_ratio_does_not_change_with_the_order_of_the_codes(law):
    first, second, scales, heights = torch.randn(4, 5, 8, generator=rng()).double()
    scales, heights = scales[0].exp(), heights[0]
    numbers = torch.arange(5) + 1
    found = log_ratios(law, first, second, scales, heights, numbers)
    order = [4, 1, 2, 7, 0, 5, 6, 3] if law == "one" else [3, 0, 7, 5, 1, 2, 6, 4]
    moved = (part[..., order] for part in (first, second, scales, heights))
    torch.testing.assert_close(log_ratios(law, *moved, numbers), found)
    if law == "cosine":
        torch.testing.assert_close(log_ratios(law, 3 * first, 0.2 * second, scales, heights), found)
        return
    shift = torch.randn(8, generator=rng(1))
    torch.testing.assert_close(
        log_ratios(law, first + shift, second + shift, scales, heights, numbers), found
    )


class Knowing(Contrastive):
    """An encoder that knows what the images are."""

    known: torch.Tensor

    def encode(self, images):
        return self.known


@pytest.mark.parametrize(("kind", "law"), FITTING)
def test_codes_that_tell_nothing_have_the_loss_log_n(kind, law):
    made = model(Knowing, pairs=kind, conditional=law)
    for codes in (torch.zeros(16, 4), torch.full((16, 4), 0.7)):
        made.known = codes
        assert made.loss(pairs()).item() == pytest.approx(math.log(8), rel=1e-6)


@pytest.mark.parametrize(("kind", "law"), FITTING)
def test_the_two_sides_of_a_pair_are_alike(kind, law):
    made, batch = model(pairs=kind, conditional=law), pairs()
    made.eval()
    turned = batch._replace(images=batch.images.flip(1))
    assert made.loss(turned).item() == pytest.approx(made.loss(batch).item(), rel=1e-5)


@pytest.mark.parametrize(
    ("kind", "law"), [("near", "laplace"), ("near", "normal"), ("near", "sparse"), ("one", "one")]
)
def test_the_true_parameters_find_their_partners(kind, law):
    _, params, *rest = next(iter(fdd.pairs(kind, "train", 32, version="mini-1")))
    made = model(Knowing, pairs=kind, conditional=law, batch_size=32)
    batch = Batch(
        torch.empty(32, 2, 3, 1, 1), torch.from_numpy(params), *map(torch.from_numpy, rest)
    )
    made.known = torch.from_numpy(params[..., 2:]).float().flatten(0, 1)
    with torch.no_grad():
        made.log_scales += math.log(10)
        knows = made.loss(batch)
        strangers = made.known.unflatten(0, (32, 2)).clone()
        strangers[:, 1] = strangers[:, 1].roll(1, dims=0)
        made.known = strangers.flatten(0, 1)
        guesses = made.loss(batch)
    assert knows < 0.3 * math.log(32) < math.log(32) < guesses


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"pairs": "start"},
            "conditional='laplace' does not fit pairs='start'; choose from cosine",
        ),
        (
            {"conditional": "one"},
            "conditional='one' does not fit pairs='near'; choose from laplace, normal, sparse",
        ),
        (
            {"pairs": "one", "conditional": "sparse"},
            "conditional='sparse' does not fit pairs='one'; choose from one",
        ),
        (
            {"latent_size": 256},
            "latent_size=256 must be below batch_size=256: codes wider than the batch tell its "
            "pairs apart by chance",
        ),
        (
            {"pairs": "one", "conditional": "one", "latent_size": 6},
            "latent_size=6 must be a multiple of 4 with conditional='one': each of a, b, c, d has "
            "as many codes",
        ),
        ({"lr": 0}, "lr=0 must be a finite number above 0"),
        ({"weight_decay": -1}, "weight_decay=-1 must be a finite number of 0 or more"),
        ({"width": 0}, "width=0 must be a whole number of 1 or more"),
    ],
)
def test_a_bad_option_is_one_sentence(options, message):
    with pytest.raises(FddError) as error:
        Config(**options).check()
    assert str(error.value) == message
