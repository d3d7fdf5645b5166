"""The supervised row: what it is told of an image, and what its codes are."""

import numpy as np
import pytest
import torch
from test_encoders import small
from tiny_runs import batch
from torch.nn import functional

import fdd
from baselines.regression import Config, Regression, canonical, labels
from baselines.training.data import Batch
from benchmarks.oracle import network
from fdd import FddError

PARAMS = fdd.uniform_params(2000, seed=3)


def model():
    return Regression(small("regression"), torch.Generator().manual_seed(0))


def test_it_is_told_what_an_image_shows():
    found = labels(torch.from_numpy(PARAMS))
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found, network.labels(PARAMS), atol=1e-6)
    np.testing.assert_allclose(found[:, :4].mean(dim=0), 0, atol=0.1)
    np.testing.assert_allclose(found[:, :4].std(dim=0), 1, atol=0.05)
    one = torch.tensor([[0.1, 0.2, -1.5, 3.0, -3.0, 0.0]], dtype=torch.float64)
    root = 3**0.5
    np.testing.assert_allclose(labels(one)[0], [0, root, -root, 0, 0], atol=1e-6)


def test_its_codes_are_the_canonical_parameters_where_it_is_right():
    sure = labels(torch.from_numpy(PARAMS))
    sure[:, 4] = 200 * sure[:, 4] - 100
    wanted = fdd.canonical_params(PARAMS)[:, 2:]
    np.testing.assert_allclose(canonical(sure), wanted, atol=1e-5)
    sure[:, 4] = 0  # no idea of the sign
    wanted[:, 1] = 0
    np.testing.assert_allclose(canonical(sure), wanted, atol=1e-5)


def test_the_losses_by_hand():
    made, images = model(), batch(8)
    made.eval()
    with torch.no_grad():
        read, told = made.encoder(images.images), labels(images.params)
        losses = made.losses(images)
        assert made.loss(images) == losses["regression"] + losses["sign"]
    right = torch.where(told[:, 4] == 1, read[:, 4], -read[:, 4])
    torch.testing.assert_close(losses["regression"], (read - told)[:, :4].square().mean())
    torch.testing.assert_close(losses["sign"], -functional.logsigmoid(right).mean())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"latent_size": 6}, "latent_size=6 must be 4: a', b', c and d"),
        (
            {"data": "images:faces"},
            "data='images:faces' must be stream, fdd or kaggle: pictures have no parameters",
        ),
        ({"rotate": 5}, "rotate=5 must be 0: such an image has no parameters; flip keeps them"),
        ({"zoom": 0.1}, "zoom=0.1 must be 0: such an image has no parameters; flip keeps them"),
    ],
)
def test_a_bad_option_is_one_sentence(options, message):
    with pytest.raises(FddError) as error:
        Config(**options).check()
    assert str(error.value) == message


def test_images_without_parameters_are_one_sentence():
    with pytest.raises(FddError) as error:
        model().step(Batch(batch().images, None), torch.Generator())
    assert str(error.value) == (
        "data without parameters: this baseline learns them, so use fdd, kaggle or stream"
    )
