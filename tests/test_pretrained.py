"""Models that come with the package: they load, are the published ones, and know the magnitudes."""

import json
import re

import numpy as np
import pytest
import safetensors.torch
import torch
from tiny_runs import TINY

import baselines
import fdd
from baselines.contrastive import Config, Contrastive
from baselines.pretrained import models
from baselines.training.data import to_tensor
from baselines.training.loop import train
from benchmarks import image_scores, scores
from benchmarks.oracle import load_oracle
from fdd import FddError

DRAWS, REPRODUCES = "mini-emulator", "mini-aae"
"""The one that draws and the one that reproduces images; all others read."""
each = pytest.mark.parametrize("name", models.SHIPPED)
READERS = [name for name in models.SHIPPED if name not in (DRAWS, REPRODUCES)]


@pytest.fixture(scope="module")
def images():
    """600 test images of mini-1, and their canonical a', b', c, d."""
    params = fdd.sample_params(600, "test", version="mini")
    return fdd.render(params, size=32, points=4000), fdd.canonical_params(params)[:, 2:]


@pytest.mark.parametrize("name", READERS)
def test_it_reads_magnitudes_from_images(name, images):
    pictures, params = images
    model = baselines.load_pretrained(name, device="cpu")
    codes = model.encode(pictures)
    assert codes.shape == (600, model.latent_size)
    found = scores.nonlinear_r2(
        codes[:400], np.abs(params[:400]), (codes[400:], np.abs(params[400:]))
    )
    assert (found > 0.3).all(), found


def test_it_draws_what_is_found_and_what_the_oracle_can_read(images):
    pictures, params = images
    model = baselines.load_pretrained(DRAWS, device="cpu")
    made = model.generate(model.vectors(fdd.sample_params(600, "test", version="mini")))
    assert image_scores.retrieval(made, pictures).top10 > 0.7
    read = load_oracle("mini-1").read(made[:200])
    left = ((read - params[:200]) ** 2).mean(axis=0) / params[:200].var(axis=0)
    assert (left < 0.6).all(), left


def test_what_it_reproduces_is_found_among_all_images(images):
    pictures, _ = images
    model = baselines.load_pretrained(REPRODUCES, device="cpu")
    codes = model.encode(pictures)
    assert codes.shape == (600, 32)
    assert image_scores.retrieval(model.generate(codes), pictures).top10 > 0.7


@each
def test_it_says_what_it_is(name):
    told, _ = models.about(name)
    assert told["config"]["baseline"] in baselines.BASELINES
    assert told["config"]["version"] == "mini-1"
    assert told["licence"] == "CC-BY-4.0"
    assert all(0 <= value <= 1 for value in told["scores"].values())
    assert baselines.load_pretrained(name, device="cpu").config == told["config"]


def test_an_unknown_name_is_one_sentence():
    with pytest.raises(FddError) as error:
        baselines.load_pretrained("mini-contrastiv")
    assert str(error.value) == (
        "name='mini-contrastiv' is not known (did you mean mini-contrastive?); choose from "
        + ", ".join(models.SHIPPED)
    )


def test_a_file_that_is_not_the_published_one_is_refused(monkeypatch):
    name = next(iter(models.SHIPPED))
    monkeypatch.setitem(models.SHIPPED, name, "0" * 64)
    with pytest.raises(FddError, match=rf"^pretrained model {re.escape(name)}: its SHA-256 is "):
        baselines.load_pretrained(name)


def test_a_packed_run_has_the_weights_of_the_run_in_half_precision(tmp_path):
    small = {name: value for name, value in TINY.items() if name != "kernel_size"}
    small |= {"version": "mini-1", "steps": 2, "latent_size": 3}
    train(Contrastive, Config(**small), tmp_path / "run")
    packed = models.packed(tmp_path / "run", {"mcc": 0.5})
    tensors = safetensors.torch.load(packed)
    run = baselines.load_run(tmp_path / "run", "cpu")
    network = Contrastive(Config(**small), None)
    network.load_state_dict(tensors)
    white = np.full((2, 16, 16, 3), 255, np.uint8)
    there = run.encode(white)
    assert tensors["log_scales"].dtype != tensors["encoder.0.weight"].dtype
    found = network.eval().encode(to_tensor(white, torch.device("cpu"))).detach().numpy()
    np.testing.assert_allclose(found, there, atol=0.02)
    length = int.from_bytes(packed[:8], "little")
    told = json.loads(json.loads(packed[8 : 8 + length])["__metadata__"]["about"])
    assert told["scores"] == {"mcc": 0.5}
    assert told["config"]["baseline"] == "contrastive"


def test_a_model_made_of_another_one_has_its_own_weights_alone():
    own, weights = models.about("mini-one")
    other = models.about("mini-pairs")[1]
    shared = own["shared"]
    assert (shared["model"], shared["sha256"]) == ("mini-pairs", models.SHIPPED["mini-pairs"])
    apart = {name for name in weights if name not in shared["tensors"]}
    assert apart == {"axes.weight", "owners", "changes", "counts", "seen"}
    for name in shared["tensors"]:
        assert torch.equal(weights[name], other[name])
