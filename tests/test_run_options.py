"""Runs with options: precision, compilation, averages, colours, a generator of another run."""

import shutil
import signal

import numpy as np
import pytest
import torch
from tiny_runs import TINY, acting, baseline, data_sets, table

import baselines
from baselines.training.loop import Outcome, train
from baselines.training.runs import load_weights
from fdd import FddError

CODES = np.random.default_rng(0).normal(size=(5, 6))
each_baseline = pytest.mark.parametrize("name", baselines.BASELINES)


@pytest.fixture
def run(tmp_path):
    """run(baseline, folder, option=value, ...) trains there and gives the folder."""

    def go(name, folder, **options):
        make, folder = baseline(name), tmp_path / folder
        config = make.config_type(**TINY | {"steps": 4} | options)
        assert train(make, config, folder, **data_sets()) == Outcome(config.steps)
        return folder

    return go


def losses(folder):
    """The rows of metrics.csv as numbers, without what may be nan."""
    rows = table(folder)
    names = [name for name in rows[0] if not name.endswith(" cv")]
    found = np.array([[float(row[name]) for name in names] for row in rows])
    assert np.isfinite(found).all()
    return found


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("dcgan", {"colors": "hsv"}),
        ("aae", {"colors": "hsv"}),
        ("lsd", {"colors": "hsv"}),
        ("dcgan", {"mapping_layers": 2}),
        ("dcgan", {"generator_stride": 2}),
        ("dcgan", {"rotate": 10.0, "translate": 0.1, "zoom": 0.1}),
        ("aae", {"reconstruction_loss": "ms-ssim"}),
        ("aae", {"latent_size": 3, "flip": True, "rotate": 180.0}),
        ("aae", {"autoencoder_loss": "E", "adversarial_loss": "wgan-gp"}),
        ("lsd", {"correspondence_loss": "ms-ssim", "flip": True}),
        ("lsd", {"adversarial_weight": 0.0, "vector": "canonical"}),
        ("lsd", {"noise": "vectors", "adversarial_loss": "hinge"}),
    ],
)
def test_options_train_go_on_and_load(run, name, options):
    whole, halves = run(name, "whole", **options), run(name, "halves", steps=2, **options)
    run(name, "halves", **options)
    assert np.array_equal(losses(halves), losses(whole))
    model = baselines.load_run(halves)
    codes = CODES[:, : model.latent_size]
    assert model.generate(codes).shape == (5, 16, 16, 3)
    assert np.array_equal(model.generate(codes), baselines.load_run(whole).generate(codes))


@each_baseline
def test_bfloat16_is_near_float32_and_evaluates_in_it(run, name):
    rough, fine = run(name, "rough", precision="bfloat16"), run(name, "fine")
    found, exact = losses(rough), losses(fine)
    assert not np.array_equal(found, exact)
    first = table(rough)[0], table(fine)[0]
    for loss in ("discriminator", "generator"):
        assert float(first[0][loss]) == pytest.approx(float(first[1][loss]), rel=0.02)
    weights = load_weights(rough)
    assert {weight.dtype for weight in weights.values() if weight.is_floating_point()} == {
        torch.float32
    }
    make = baseline(name)
    network = make(make.config_type(**TINY), torch.Generator())
    network.load_state_dict(weights)
    expected = baselines.training.model.Model(
        network, baselines.load_run(rough).config, torch.device("cpu")
    )
    assert np.array_equal(baselines.load_run(rough).generate(CODES), expected.generate(CODES))


@each_baseline
def test_falling_learning_rates_are_those_of_the_step_after_an_interruption(run, tmp_path, name):
    make, rates = baseline(name), []
    config = make.config_type(**TINY | {"decay": 0.5, "lr_discriminator": 0.01})

    def look(model, losses):
        rates.append(model.optimizers["discriminator"].param_groups[0]["lr"])

    def stop(model, losses):
        look(model, losses)
        signal.raise_signal(signal.SIGINT)

    whole = run(name, "whole", steps=8, decay=0.5, lr_discriminator=0.01)
    half = acting(make, 6, stop)
    assert train(half, config, tmp_path / "halves", **data_sets()) == Outcome(6, stopped=True)
    assert train(acting(make, 1, look), config, tmp_path / "halves", **data_sets()) == Outcome(8)
    assert rates == pytest.approx([0.0075, 0.005])
    assert np.array_equal(losses(tmp_path / "halves"), losses(whole))
    with pytest.raises(FddError, match=r"it holds a run with steps=8, not 9; choose another"):
        run(name, "halves", steps=9, decay=0.5, lr_discriminator=0.01)


@each_baseline
def test_deterministic_gives_the_same_bits_on_a_cpu(run, name):
    before = torch.are_deterministic_algorithms_enabled()
    found, expected = losses(run(name, "a", deterministic=True)), losses(run(name, "b"))
    assert np.array_equal(found, expected)
    assert torch.are_deterministic_algorithms_enabled() == before


def test_deterministic_algorithms_are_asked_for_while_training(run, monkeypatch):
    make, seen = baseline("dcgan"), []
    step = make.step

    def looking(self, *arguments):
        seen.append(torch.are_deterministic_algorithms_enabled())
        return step(self, *arguments)

    monkeypatch.setattr(make, "step", looking)
    run("dcgan", "a", deterministic=True, steps=1)
    run("dcgan", "b", steps=1)
    assert seen == [True, False]


def test_compiled_networks_give_the_same_losses(run, monkeypatch):
    """Traced by torch.compile and run without its C++ compiler, which takes minutes."""
    compiled, in_full = [], torch.compile

    def traced(call):
        compiled.append(type(call.__self__).__name__)
        return in_full(call, backend="aot_eager")

    monkeypatch.setattr(torch, "compile", traced)
    found = run("dcgan", "compiled", compile=True, steps=2)
    assert compiled == ["Generator", "Discriminator"]
    np.testing.assert_allclose(losses(found), losses(run("dcgan", "plain", steps=2)), rtol=1e-3)


@each_baseline
def test_a_run_with_an_average_loads_the_average(run, name):
    folder = run(name, "a", ema=0.9, lr_generator=0.01)
    weights = load_weights(folder)
    generator = baselines.parts.networks.Generator(baseline(name).config_type(**TINY), 6)
    codes, made = torch.from_numpy(CODES).float(), {}
    for prefix in ("average.module.", "generator."):
        found = {k.removeprefix(prefix): w for k, w in weights.items() if k.startswith(prefix)}
        generator.load_state_dict(found)
        with torch.no_grad():
            made[prefix] = baselines.training.data.to_images(generator.eval()(codes))
    shown = baselines.load_run(folder).generate(CODES)
    assert np.array_equal(shown, made["average.module."])
    assert not np.array_equal(shown, made["generator."])


def generator_of(folder):
    weights = load_weights(folder)
    return {k: w for k, w in weights.items() if k.startswith("generator.")}


TAKEN = {"autoencoder_loss": "E"}


def test_an_encoder_is_learned_for_the_generator_of_another_run(run, tmp_path):
    source = run("dcgan", "source", lr_generator=0.01)
    folder = run("aae", "encoder", **TAKEN, generator_from=str(source), steps=3)
    kept = generator_of(source)
    shutil.rmtree(source)  # it is needed for the first step alone
    run("aae", "encoder", **TAKEN, generator_from=str(source))
    found = generator_of(folder)
    assert kept.keys() == found.keys()
    assert any("running" in name for name in kept)
    assert all(torch.equal(found[name], kept[name]) for name in kept)
    columns = list(table(folder)[0])
    assert columns[:4] == ["step", "epoch", "reconstruction", "moments"]
    assert not {"discriminator", "generator"} & set(columns)
    errors = [float(row["reconstruction"]) for row in table(folder)]
    assert len(set(errors)) == 4


def test_the_images_of_a_taken_generator_are_those_of_its_run(run):
    source = run("dcgan", "source", lr_generator=0.01)
    expected = baselines.load_run(source).generate(CODES)
    for ema in (0.0, 0.9):
        folder = run("aae", f"encoder-{ema}", **TAKEN, generator_from=str(source), ema=ema)
        assert np.array_equal(baselines.load_run(folder).generate(CODES), expected)


def test_generators_that_cannot_be_taken(run, tmp_path):
    run("dcgan", "source", width=3)
    for source, message in [
        (tmp_path / "none", "checkpoints/last/model.safetensors is missing"),
        (tmp_path / "source", "its generator does not fit these options"),
    ]:
        with pytest.raises(FddError) as error:
            run("aae", "a", **TAKEN, generator_from=str(source))
        assert str(error.value) == f"run folder '{source}': {message}"
    assert not (tmp_path / "a").exists()
