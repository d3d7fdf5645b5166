"""SIGReg by its formula, its value for normal codes and others, and the two terms of the loss."""

import math

import numpy as np
import pytest
import torch
from test_encoders import small
from tiny_runs import pairs

from baselines.lejepa import Config, LeJEPA, random_directions, sigreg
from fdd import FddError

NORMAL = math.sqrt(2 * math.pi) * (1 - 1 / math.sqrt(3))
"""What is expected for N(0, I)."""


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(rows, size=3, seed=0):
    return torch.randn(rows, size, generator=rng(seed), dtype=torch.float64)


def slow(codes, directions):
    """The formula, one number after another."""
    t = np.arange(17) * 10 / 16 - 5
    values = []
    for direction in directions:
        empirical = np.array([np.mean(np.exp(1j * s * (codes @ direction))) for s in t])
        height = np.abs(empirical - np.exp(-(t**2) / 2)) ** 2 * np.exp(-(t**2) / 2)
        area = sum((height[k] + height[k + 1]) / 2 * 10 / 16 for k in range(16))
        values.append(len(codes) * area)
    return np.mean(values)


def test_sigreg_is_its_formula():
    codes, directions = normal(20) * 1.3 + 0.2, random_directions(5, 3, rng(1)).double()
    found = sigreg(codes, directions)
    assert found.item() == pytest.approx(slow(codes.numpy(), directions.numpy()), rel=1e-5)


def test_directions_are_of_length_one_and_of_no_preference():
    found = random_directions(4000, 3, rng())
    torch.testing.assert_close(found.norm(dim=1), torch.ones(4000))
    torch.testing.assert_close(found.mean(dim=0), torch.zeros(3), rtol=0, atol=0.04)
    torch.testing.assert_close(found.T @ found / 4000, torch.eye(3) / 3, rtol=0, atol=0.02)


@pytest.mark.parametrize("rows", [10, 500])
def test_normal_codes_have_the_value_that_is_expected_of_them(rows):
    directions = random_directions(4, 3, rng(1)).double()
    found = [sigreg(normal(rows, seed=seed), directions).item() for seed in range(200)]
    assert np.mean(found) == pytest.approx(NORMAL, abs=4 * np.std(found) / math.sqrt(200))


BIMODAL = torch.sign(normal(500)) * 0.95 + 0.3 * normal(500, seed=1)  # of variance 1, nearly


@pytest.mark.parametrize(
    "codes",
    [
        torch.full((500, 3), 0.0, dtype=torch.float64),
        normal(500) * 0.5,
        normal(500) * 2,
        normal(500) + 0.5,
        BIMODAL,
        normal(500)[:, [0, 0, 0]],
    ],
    ids=["constant", "narrow", "wide", "shifted", "bimodal", "in a line"],
)
def test_other_codes_have_more_and_the_more_the_more_they_are(codes):
    directions = random_directions(200, 3, rng(1)).double()
    all_of_them, half = sigreg(codes, directions), sigreg(codes[:250], directions)
    assert all_of_them > 4 * NORMAL
    assert all_of_them == pytest.approx(2 * half.item(), rel=0.3)


def test_a_rotation_changes_nothing_but_by_chance():
    """Exactly nothing where the directions turn, too; over many directions hardly anything."""
    codes = BIMODAL[:100] * torch.tensor([1.0, 0.5, 2.0])
    turn = torch.linalg.qr(normal(3, seed=5)).Q
    few, many = (random_directions(n, 3, rng(1)).double() for n in (3, 3000))
    torch.testing.assert_close(sigreg(codes @ turn, few @ turn), sigreg(codes, few))
    assert sigreg(codes @ turn, many).item() == pytest.approx(sigreg(codes, many).item(), rel=0.05)


def test_the_two_terms_by_hand():
    made, batch = LeJEPA(small("lejepa", gaussian=0.2), rng()), pairs()
    directions = random_directions(8, 4, rng(3))
    made.eval()
    with torch.no_grad():
        first, second = made.encode(batch.images[:, 0]), made.encode(batch.images[:, 1])
        found = made.losses(batch, directions)
    middle = (first + second) / 2
    distance = ((first - middle) ** 2 + (second - middle) ** 2).mean() / 2
    gaussian = (sigreg(first, directions) + sigreg(second, directions)) / 2
    torch.testing.assert_close(found["distance"], distance)
    torch.testing.assert_close(found["sigreg"], gaussian)
    torch.testing.assert_close(made.total(found), 0.8 * distance + 0.2 * gaussian)


def test_each_step_has_directions_of_its_own_and_all_judgements_the_same():
    made, numbers = LeJEPA(small("lejepa", lr=1e-30), rng()), rng()
    first, second = (made.step(pairs(), numbers)["sigreg"].item() for _ in range(2))
    assert first != pytest.approx(second, rel=1e-3)
    made.eval()
    assert made.loss(pairs()) == made.loss(pairs())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pairs": "one"}, "pairs='one' is not known; choose from start, near, ou, some"),
        ({"gaussian": 1}, "gaussian=1 must be a number above 0 and below 1"),
        ({"directions": 0}, "directions=0 must be a whole number of 1 or more"),
    ],
)
def test_a_bad_option_is_one_sentence(options, message):
    with pytest.raises(FddError) as error:
        Config(**options).check()
    assert str(error.value) == message
