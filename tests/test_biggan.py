"""BigGAN on v: what its networks are, what a step trains, what its runs promise."""

import json
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch
from test_encoders import SMALL, release  # noqa: F401  a fixture
from tiny_runs import acting, batch, data_sets, result, table

import baselines
import fdd
from baselines.biggan import BigGAN, conditions_of, near, waves
from baselines.configs.biggan import PRESETS, Config
from baselines.parts.losses import discriminator_loss, generator_loss
from baselines.parts.vectors import fold, refold, unfold
from baselines.training.data import Batch
from baselines.training.loop import Outcome, train
from fdd import FddError

TINY = Config(
    version=SMALL.name,
    image_size=16,
    steps=8,
    batch_size=8,
    ema=0.9,
    precision="float32",
    noise_size=2,
    embedding=4,
    width=2,
    discriminator_width=2,
    lr_generator=1e-3,
    lr_discriminator=1e-3,
    device="cpu",
    log_every=1,
    sample_every=4,
    checkpoint_every=4,
)
ARMS = ("concatenation", "batch-norm", "projection", "mismatched")
LOSSES = ["discriminator", "generator"]
SHOWN = ("D(x, v)", "D(G(z, v), v)", "D(x, other v)")
PARAMS = fdd.uniform_params(40, seed=5)


def rng(seed=1):
    return torch.Generator().manual_seed(seed)


def model(**options):
    return BigGAN(replace(TINY, **options), rng(0))


def noise(made, rows, seed=3):
    shape = rows, made.generator.levels, made.config.noise_size
    return torch.randn(shape, generator=rng(seed))


def codes_of(made, params=PARAMS):
    return made.vectors(Batch(torch.empty(0), torch.from_numpy(params)))


@pytest.fixture(scope="module")
def folder(release, tmp_path_factory):  # noqa: F811
    """A run folder after eight steps."""
    out = tmp_path_factory.mktemp("biggan") / "run"
    assert train(BigGAN, TINY, out) == Outcome(8)
    return out


@pytest.fixture(scope="module")
def loaded(folder):
    return baselines.load_run(folder)


def test_a_run_leaves_what_the_docs_say(folder):
    rows = table(folder)
    seen = [f"{name} {kind}" for name in SHOWN for kind in ("mean", "std", "cv")]
    gradients = [f"gradient of {name} norm" for name in LOSSES]
    judged = ["held_out_mse", "score", "diversity", "sharpness"]
    assert set(rows[0]) == {"step", "epoch", *LOSSES, *seen, *gradients, *judged}
    assert [int(row["step"]) for row in rows] == list(range(1, 9))
    saved = json.loads((folder / "config.json").read_text())
    assert (saved["baseline"], saved["supervision"]) == ("biggan", "labels")


def test_a_run_that_was_stopped_ends_with_the_same_bits(folder, tmp_path):
    make = acting(BigGAN, 3, lambda *_: signal.raise_signal(signal.SIGTERM))
    assert train(make, TINY, tmp_path / "run") == Outcome(3, stopped=True)
    assert train(BigGAN, TINY, tmp_path / "run") == Outcome(8)
    assert result(tmp_path / "run") == result(folder)


def test_a_loaded_run_draws_other_pictures_of_a_vector_for_another_noise(loaded):
    codes = loaded.vectors(PARAMS)
    assert (codes.shape, codes.dtype) == ((40, 4), np.float32)
    canonical = fdd.canonical_params(PARAMS)[:, 2:]
    np.testing.assert_allclose(codes * [1.5, 3, 3, 3] + [1.5, 0, 0, 0], canonical, atol=1e-6)
    made = loaded.generate(codes)
    assert (made.shape, made.dtype) == ((40, 16, 16, 3), np.uint8)
    assert np.array_equal(made, loaded.generate(codes))
    np.testing.assert_allclose(made[7:9], loaded.generate(codes[7:9]), atol=1)
    other = loaded.generate(codes, noise=1)
    assert (made != other).any(axis=(1, 2, 3)).all()
    assert np.array_equal(other, loaded.generate(codes, noise=1))


def test_a_parameter_out_of_its_range_is_one_sentence(loaded):
    wrong = PARAMS.copy()
    wrong[3, 4] = 3.5
    with pytest.raises(FddError) as error:
        loaded.vectors(wrong)
    assert str(error.value) == "params: c=3.5 in row 3 must be a finite number from -3 to 3"


@pytest.mark.parametrize("condition", ARMS)
def test_a_step_trains_everything_on_random_numbers_of_its_own(condition):
    made = []
    for _ in range(2):
        torch.manual_seed(torch.initial_seed() + 1)
        network = model(condition=condition, discriminator_steps=2).train()
        before = torch.get_rng_state()
        was = {key: value.clone() for key, value in network.named_parameters()}
        losses = network.step(batch(8), rng())
        assert list(losses) == LOSSES
        assert not any(loss.requires_grad for loss in losses.values())
        assert torch.equal(torch.get_rng_state(), before)
        assert [k for k, v in network.named_parameters() if torch.equal(v, was[k])] == []
        made.append(network.state_dict())
    assert all(torch.equal(made[0][key], made[1][key]) for key in made[0])


def test_where_v_and_noise_enter_each_arm():
    """The concatenated noise is that of all levels; only a projection judges pairs it is given."""
    for condition in ARMS:
        made = model(condition=condition).eval()
        codes, z = codes_of(made)[:4], noise(made, 4)
        images = made.generator(codes, z)
        for level in range(made.generator.levels):
            other = z.clone()
            other[:, level] += 1
            assert not torch.allclose(made.generator(codes, other), images)
        assert not torch.allclose(made.generator(codes.flip(0), z), images)
        gains = [name for name, _ in made.generator.named_parameters() if "gain" in name]
        assert bool(gains) == (condition != "concatenation")
        logits = made.discriminator(images, codes)
        assert logits.shape == (4, 1)
        assert not torch.allclose(made.discriminator(images, codes.flip(0)), logits)


def test_a_projection_judges_other_pairs_as_if_they_were_given():
    made = model().eval()
    images, codes = batch(6).images, codes_of(made)[:6]
    both = made.discriminator(images, codes, codes[:3].flip(0))
    torch.testing.assert_close(both[:6], made.discriminator(images, codes))
    torch.testing.assert_close(both[6:], made.discriminator(images[:3], codes[:3].flip(0)))


@pytest.mark.parametrize("condition", ["projection", "mismatched"])
def test_the_losses_are_those_before_each_update(condition):
    network, same = (model(condition=condition).train() for _ in range(2))
    told, numbers = batch(8), rng()
    images, v = same.seen(told, numbers)
    fakes = same.generator(v, noise(same, 8, seed=1)).detach()
    pictures, vectors = [images, fakes], [v, v]
    if condition == "mismatched":
        pictures, vectors = [images, fakes, images], [v, v, v.roll(1, dims=0)]
    logits = same.discriminator(torch.cat(pictures), torch.cat(vectors))
    judged = discriminator_loss("hinge", logits[:8], logits[8:], 1.0)
    losses = network.step(told, rng())
    assert losses["discriminator"].item() == pytest.approx(judged.item(), rel=1e-5)
    network = model(condition=condition).train()
    network.discriminator_step(images, fakes, v)
    fooled = generator_loss("hinge", network.discriminator(fakes, v), 1.0)
    assert losses["generator"].item() == pytest.approx(fooled.item(), rel=1e-4)


def test_each_of_two_opponents_learns_in_its_own_step_alone():
    network = model().train()
    images, v = network.seen(batch(8), rng())
    fakes = network.generator(v, noise(network, 8))
    network.generator_step(fakes, v)
    assert all(p.grad is None for p in network.discriminator.parameters())
    network = model().train()
    network.discriminator_step(images, fakes.detach(), v)
    assert all(p.grad is None for p in network.generator.parameters())


def test_layers_begin_with_singular_values_of_one():
    for name, module in model(width=4).named_modules():
        if isinstance(module, torch.nn.Conv2d | torch.nn.Linear):
            values = torch.linalg.svdvals(module.weight.flatten(1))
            torch.testing.assert_close(values, torch.ones_like(values), msg=name)


def test_the_average_is_one_of_weights_and_has_the_buffers_as_they_are():
    network, expected = model(ema=0.75).train(), None
    for seed in range(4):
        network.step(batch(8, seed), rng(seed))
        now = {name: weight.clone() for name, weight in network.generator.named_parameters()}
        before = now if expected is None else expected
        expected = {name: 0.75 * before[name] + 0.25 * weight for name, weight in now.items()}
    found = network.average.module
    for name, weight in found.named_parameters():
        torch.testing.assert_close(weight, expected[name], rtol=1e-6, atol=1e-7)
    buffers = dict(network.generator.named_buffers())
    for name, buffer in found.named_buffers():
        assert torch.equal(buffer, buffers[name])
        if name.endswith(("_u", "_v")):
            assert buffer.norm().item() == pytest.approx(1)
    network.eval()
    z, v = noise(network, len(PARAMS)), codes_of(network)
    drawn = network.pictures(v, z)
    chosen, swapped, flipped = fold(v)
    assert torch.equal(drawn, unfold(found(conditions_of(chosen), z), swapped, flipped))


def test_no_layer_stretches_after_many_steps():
    network = model(lr_generator=0.02, lr_discriminator=0.02).train()
    for seed in range(20):
        network.step(batch(8, seed), rng(seed))
    network.eval()
    for part in (network.generator, network.discriminator, network.average):
        for name, module in part.named_modules():
            if isinstance(module, torch.nn.Conv2d | torch.nn.Linear):
                largest = torch.linalg.matrix_norm(module.weight.flatten(1), 2)
                assert largest < 1.5, name


@pytest.mark.parametrize("symmetry", fdd.families["fractal_dream"].symmetries, ids=lambda s: s.name)
def test_symmetries_of_the_equation_hold_by_construction(symmetry):
    made = model().eval()
    changed = np.array([symmetry.change(tuple(row)) for row in PARAMS])
    z = noise(made, len(PARAMS))
    with torch.no_grad():
        here, there = (made.pictures(codes_of(made, rows), z).numpy() for rows in (PARAMS, changed))
    turned = np.array([[symmetry.effect(cells) for cells in planes] for planes in here])
    half = turned[:, :, ::-1, ::-1]  # the other orbit of the same vector
    apart = [np.abs(there - one).max(axis=(1, 2, 3)) for one in (turned, half)]
    assert np.minimum(*apart).max() < 1e-4


def test_without_symmetry_it_has_to_learn_them():
    made = model(symmetry=False).eval()
    codes, z = codes_of(made), noise(made, len(PARAMS))
    swapped = codes.clone()
    swapped[:, 2:] *= -1
    with torch.no_grad():
        here, there = made.pictures(codes, z), made.pictures(swapped, z)
    assert not torch.allclose(there, here.flip(2), atol=1e-3)


def test_what_the_networks_see_is_the_folded_picture_of_the_folded_vector():
    made, told = model(), batch(40)
    codes = codes_of(made, told.params.numpy())
    images, conditions = made.seen(told, rng())
    chosen, swapped, flipped = fold(codes)
    assert swapped.any()
    assert flipped.any()
    assert torch.equal(conditions, conditions_of(chosen))
    assert conditions.abs().max() <= 1
    assert torch.equal(unfold(images, swapped, flipped), told.images)
    assert torch.equal(refold(told.images, swapped, flipped), images)


def test_waves_are_the_sines_and_cosines_of_the_docs():
    found = waves(torch.tensor([[1.0, 0.5, 0.0, -1.0]]))
    assert found.shape == (1, 36)
    assert found[0, :4].tolist() == [1, 0.5, 0, -1]
    sines, cosines = (4 * found[0, 4:]).chunk(2)
    root = 0.5**0.5
    expected = [1, root, 0, -1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
    torch.testing.assert_close(sines, torch.tensor(expected), atol=1e-5, rtol=0)
    torch.testing.assert_close(sines**2 + cosines**2, torch.ones(16))


def test_a_vicinity_is_even_around_each_label_and_ends_where_codes_end():
    codes = torch.tensor([[0.0, 0.95, -1.0, 0.5]])
    moved = near(codes, torch.tensor([[1.0, 1.0, -1.0, -0.5]]), 0.2)
    torch.testing.assert_close(moved, torch.tensor([[0.2, 1.0, -1.0, 0.4]]))
    exact = model().seen(batch(8), rng())[1]
    moved = model(data="fdd", vicinity=0.1, symmetry=False).seen(batch(8), rng())[1]
    assert torch.equal(exact, conditions_of(fold(codes_of(model(), batch(8).params.numpy()))[0]))
    apart = moved - codes_of(model(), batch(8).params.numpy())
    assert 0.05 < apart.abs().max() <= 0.1 + 1e-6


def test_a_vicinity_trains_on_stored_images(tmp_path):
    config = replace(TINY, version="fdd-1", data="fdd", train_images=16, vicinity=0.1)
    assert train(BigGAN, config, tmp_path / "run", **data_sets()) == Outcome(8)


def test_the_presets():
    paper, mini = PRESETS["paper"], PRESETS["mini"]
    assert paper == Config()
    assert (paper.image_size, paper.batch_size, paper.width, paper.ema) == (128, 256, 64, 0.9999)
    assert (paper.lr_generator, paper.lr_discriminator, paper.beta1) == (1e-4, 4e-4, 0)
    assert (mini.version, mini.image_size) == ("mini-1", 32)
    for preset in PRESETS.values():
        preset.check()


def test_the_paper_preset_takes_a_step_at_a_small_size():
    small = {"width": 1, "discriminator_width": 1, "embedding": 4, "noise_size": 2}
    network = BigGAN(replace(PRESETS["paper"], batch_size=2, **small), rng()).train()
    losses = network.step(batch(2, size=128), rng())
    assert all(loss.isfinite() for loss in losses.values())
    assert network.generator.levels == 6
    assert network.reproduce(batch(2, size=128)).shape == (2, 3, 128, 128)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"latent_size": 6}, "latent_size=6 must be 4: a', b', c and d"),
        (
            {"data": "images:photos"},
            "data='images:photos' must be fdd or stream: pictures have no parameters",
        ),
        (
            {"rotate": 5.0},
            "rotate=5.0, translate=0.0, zoom=0.0 must be 0: such an image has no parameters; flip "
            "keeps them",
        ),
        (
            {"vicinity": 0.1},
            "vicinity=0.1 must be 0 with data='stream', which has images of exactly the v that is "
            "asked for",
        ),
        ({"vicinity": -0.1, "data": "fdd"}, "vicinity=-0.1 must be a number from 0 to 1"),
        ({"patch": 4}, "patch=4 must be at most 2 with image_size=16"),
        ({"patch": 3}, "patch=3 must be 1 or 2 or 4"),
        (
            {"condition": "mismatch"},
            "condition='mismatch' is not known (did you mean mismatched?); choose from "
            "concatenation, batch-norm, projection, mismatched",
        ),
        ({"noise_size": 0}, "noise_size=0 must be a whole number of 1 or more"),
        ({"beta1": 1.0}, "beta1=1.0 must be a number from 0 to below 1"),
    ],
)
@pytest.mark.usefixtures("release")
def test_a_bad_option_is_one_sentence(options, message):
    with pytest.raises(FddError) as error:
        replace(TINY, **options).check()
    assert str(error.value) == message


def test_images_without_parameters_are_one_sentence():
    with pytest.raises(FddError) as error:
        model().vectors(Batch(batch().images, None))
    assert str(error.value) == (
        "data without parameters: this baseline learns them, so use fdd or stream"
    )
