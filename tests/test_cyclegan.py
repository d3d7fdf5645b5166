"""A CycleGAN and its domains: what images belong together, what a step trains, runs and errors."""

import dataclasses
import json
import math
import signal

import numpy as np
import pytest
import torch
from PIL import Image
from test_encoders import SMALL, release  # noqa: F401  a fixture
from tiny_runs import TINY, acting, baseline, data_sets, result, table, words

import baselines
import fdd
from baselines.configs.cyclegan import PRESETS
from baselines.cyclegan import Config, CycleGAN, from_pool, real_loss
from baselines.parts.translators import PatchDiscriminator, Translator
from baselines.train import main
from baselines.training.data import Batch, open_data
from baselines.training.domains import draw
from baselines.training.loop import Outcome, train
from baselines.training.stopping import judge_translations
from benchmarks.image_scores import counts_correlation
from benchmarks.speed.plain_cyclegan import PlainCycleGAN
from benchmarks.speed.plain_lsd import copy_weights
from fdd import FddError

CPU = torch.device("cpu")
SHARED = {name: value for name, value in TINY.items() if name != "kernel_size"} | {
    "version": SMALL.name,
    "batch_size": 4,
    "blocks": 1,
    "halvings": 2,
    "pool": 6,
}
LOSSES = ["translators", "cycle", "identity", "D_A", "D_B"]
JUDGED = ["held_out_cycle", "held_out_distance", "score", "diversity", "sharpness"]
DOMAINS = ("palettes", "mask", "points", "sign", "turn")
PARAMS = fdd.uniform_params(12, seed=5)


def small(**options):
    """Options of a run of a fraction of a second."""
    return Config(**SHARED | options)


def model(seed=0, **options):
    return CycleGAN(small(**options), torch.Generator().manual_seed(seed))


def batch(rows=4, seed=0):
    """Images of two domains to step on."""
    rng = torch.Generator().manual_seed(seed)
    return Batch(torch.rand(rows, 2, 3, 16, 16, generator=rng) * 2 - 1, None)


def rng(seed=1):
    return torch.Generator().manual_seed(seed)


def of(domains, second, params=PARAMS):
    counts = fdd.render(params, "counts", SMALL.size, SMALL.points)
    return draw(domains, second, counts, params, SMALL)


@pytest.fixture(scope="module")
def folder(release, tmp_path_factory):  # noqa: F811
    """A run folder, after eight steps."""
    folder = tmp_path_factory.mktemp("cyclegan") / "run"
    assert train(CycleGAN, small(), folder) == Outcome(8)
    return folder


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """Two folders of photographs, not as many nor of one size, cut from those of scikit-learn."""
    datasets = pytest.importorskip("sklearn.datasets")
    folder = tmp_path_factory.mktemp("photographs")
    for name, count, side in (("china", 9, 40), ("flower", 12, 30)):
        picture = datasets.load_sample_image(f"{name}.jpg")
        (folder / name).mkdir()
        for number in range(count):
            part = picture[:side, number * side : (number + 1) * side]
            Image.fromarray(part).save(folder / name / f"{number}.png")
    return folder


# Domains


def test_two_images_of_a_row_are_translations():
    rgb = fdd.render(PARAMS, size=SMALL.size, points=SMALL.points)
    counts = fdd.render(PARAMS, "counts", SMALL.size, SMALL.points)
    kbc, inferno = of("palettes", False), of("palettes", True)
    assert np.array_equal(kbc, rgb)
    for images, palette in ((kbc, "kbc"), (inferno, "inferno")):
        assert counts_correlation(images, counts, palette=palette).min() > 0.999
        assert (images[counts == 0] == 255).all()
    assert np.array_equal(of("mask", True), np.where(counts > 0, 0, 255)[..., None] * np.ones(3))
    assert np.array_equal(of("turn", True), rgb[:, ::-1, ::-1])
    few = fdd.render(PARAMS, size=SMALL.size, points=SMALL.points // 15)
    assert np.array_equal(of("points", False), few)
    assert np.array_equal(of("points", True), rgb)
    for name in ("mask", "points", "turn"):
        first = few if name == "points" else rgb
        assert np.array_equal(of(name, False), first)


def test_the_domains_of_a_sign_are_drawn_by_the_renderer_itself():
    """A picture that is on the wrong side is that of the flipped parameters, up to a few cells."""
    for second, wanted in ((False, 1), (True, -1)):
        turned = np.where(np.sign(PARAMS[:, 4:5]) == wanted, 1, [1, -1, -1, -1, -1, -1])
        expected = fdd.render(PARAMS * turned, size=SMALL.size, points=SMALL.points)
        apart = (of("sign", second) != expected).any(axis=-1).mean()
        assert apart < 0.02
    assert np.array_equal(of("sign", True), of("sign", False)[:, ::-1])


@pytest.mark.parametrize("domains", DOMAINS)
def test_no_two_images_of_a_step_belong_together_unless_they_are_to(domains, release):  # noqa: F811
    batches, held_out = open_data(small(domains=domains))
    images = batches[0][0]
    assert images.shape == (4, 2, 16, 16, 3)
    start = 2**40
    params = fdd.sample_params(8, "train", start, version=SMALL.name)
    assert np.array_equal(images[:, 0], of(domains, False, params[::2]))
    assert np.array_equal(images[:, 1], of(domains, True, params[1::2]))
    val = fdd.sample_params(128, "val", version=SMALL.name)
    assert np.array_equal(held_out.read(range(3))[:, 1], of(domains, True, val[1:6:2]))
    together = open_data(small(domains=domains, paired=True))[0][0][0]
    assert np.array_equal(together[:, 1], of(domains, True, params[:4]))
    assert np.array_equal(together[:, 0], of(domains, False, params[:4]))


def test_two_folders_have_epochs_of_their_own(photographs):
    config = small(
        data=f"images:{photographs}/china", other=f"images:{photographs}/flower", batch_size=2
    )
    batches, held_out = open_data(config)
    assert len(held_out) == 2
    seen = [batches[step][0] for step in range(10)]
    assert all(images.shape == (2, 2, 16, 16, 3) for images in seen)
    count = [len({image.tobytes() for images in seen for image in images[:, k]}) for k in (0, 1)]
    assert count == [7, 10]  # all that are not held out, of 9 and of 12
    assert {images[:, 0].tobytes() for images in seen[:3]} != {
        images[:, 1].tobytes() for images in seen[:3]
    }


# Networks


def count(network):
    return sum(parameter.numel() for parameter in network.parameters())


def test_the_networks_of_the_paper():
    config = PRESETS["paper"]
    with torch.device("meta"):
        nine = Translator(dataclasses.replace(config, blocks=9))
    discriminator = PatchDiscriminator(config)
    logits = discriminator(torch.zeros(1, 3, 128, 128))
    assert count(nine) == 11_378_179  # of the authors' own ResNet of 9 blocks, without its norms
    assert count(discriminator) == 2_764_737
    assert logits.shape == (1, 1, 14, 14)


def test_a_patch_of_the_paper_has_seventy_pixels():
    config = Config(width=1, batch_size=2)
    network = PatchDiscriminator(config)
    layers = [layer for layer in network if not isinstance(layer, torch.nn.InstanceNorm2d)]
    image = torch.zeros(1, 3, 128, 128, requires_grad=True)
    torch.nn.Sequential(*layers)(image + 1)[0, 0, 6, 6].backward()
    seen = image.grad.abs().sum(dim=(0, 1)).nonzero()
    assert (seen.amax(dim=0) - seen.amin(dim=0) + 1).tolist() == [70, 70]


@pytest.mark.parametrize(("upsampling", "downs"), [("transposed", 2), ("resize", 1)])
def test_an_image_is_translated_by_itself(upsampling, downs):
    network = model(upsampling=upsampling, downs=downs).eval()
    images = batch().images[:, 0]
    whole = network.translate(images)
    alone = torch.cat([network.translate(image[None]) for image in images])
    assert whole.shape == images.shape
    assert whole.abs().max() <= 1
    torch.testing.assert_close(whole, alone, atol=1e-5, rtol=0)
    assert not torch.allclose(whole, network.translate(images, back=True))


# Steps


def gradients(network):
    return torch.cat([parameter.grad.flatten() for parameter in network.parameters()])


@pytest.mark.parametrize(("dtype", "near"), [(torch.float64, 1e-9), (torch.float32, 1e-4)])
@pytest.mark.parametrize(("upsampling", "downs"), [("transposed", 2), ("resize", 1)])
def test_a_step_computes_what_the_plain_one_does(upsampling, downs, dtype, near):
    ours = model(upsampling=upsampling, downs=downs, pool=50).to(dtype)
    plain = PlainCycleGAN(2, 1, downs, 2, upsampling == "transposed", ours.config.lr).to(dtype)
    names = "G", "F", "D_A", "D_B"
    for name in names:
        copy_weights(getattr(ours, name), getattr(plain, name))
    images = batch().images.to(dtype)
    for step in range(2):  # the second one sees what the first has learned
        found = ours.step(Batch(images, None), rng())
        expected = plain.step(*images.unbind(dim=1))
        for name, loss in expected.items():
            assert found[name].item() == pytest.approx(loss.item(), rel=max(near, 1e-6)), name
        for name in names if step == 0 else ():
            one, other = (gradients(getattr(whole, name)) for whole in (ours, plain))
            assert (one - other).norm() < near * other.norm(), name


def test_a_step_trains_all_networks_with_the_generator_passed_in():
    made = []
    for _ in range(2):
        torch.manual_seed(torch.initial_seed() + 1)
        network, before = model(), torch.get_rng_state()
        was = {key: value.clone() for key, value in network.named_parameters()}
        losses = network.step(batch(), rng())
        assert torch.equal(torch.get_rng_state(), before)
        assert list(losses) == LOSSES
        assert not any(loss.requires_grad for loss in losses.values())
        assert not [
            key for key, value in network.named_parameters()
            if key.endswith("weight") and torch.equal(value, was[key])
        ]  # fmt: skip
        assert all(parameter.requires_grad for parameter in network.parameters())
        made.append(network.state_dict())
    assert all(torch.equal(made[0][key], made[1][key]) for key in made[0])


def test_the_losses_are_those_of_the_paper():
    network, same, told = model(identity_weight=2.0), model(), batch()
    x, y = told.images.unbind(dim=1)
    with torch.no_grad():
        made_y, made_x = same.G(x), same.F(y)
        expected = {
            "translators": sum((d - 1).pow(2).mean() for d in (same.D_B(made_y), same.D_A(made_x))),
            "cycle": (same.F(made_y) - x).abs().mean() + (same.G(made_x) - y).abs().mean(),
            "identity": (same.G(y) - y).abs().mean() + (same.F(x) - x).abs().mean(),
            "D_A": ((same.D_A(x) - 1).pow(2).mean() + same.D_A(made_x).pow(2).mean()) / 2,
            "D_B": ((same.D_B(y) - 1).pow(2).mean() + same.D_B(made_y).pow(2).mean()) / 2,
        }  # fmt: skip
    found = network.step(told, rng())
    for name, value in expected.items():
        assert found[name].item() == pytest.approx(value.item(), rel=1e-4), name


def test_each_opponent_learns_in_its_own_step_alone():
    network, (x, y) = model(), batch().images.unbind(dim=1)
    _, made_x, made_y = network.translator_step(x, y, rng())
    assert all(p.grad is None for d in (network.D_A, network.D_B) for p in d.parameters())
    network = model()
    network.discriminator_step(x, y, made_x, made_y, rng())
    assert all(p.grad is None for g in (network.G, network.F) for p in g.parameters())


def test_without_identity_and_pool_they_are_left_out():
    losses = model(identity_weight=0.0, pool=0).step(batch(), rng())
    assert list(losses) == [name for name in LOSSES if name != "identity"]


def test_noise_disturbs_what_is_translated_back_and_nothing_else():
    quiet, loud = (model(cycle_noise=level).step(batch(), rng()) for level in (0.0, 40.0))
    assert quiet["translators"] == loud["translators"]
    assert quiet["identity"] == loud["identity"]
    assert quiet["cycle"] != loud["cycle"]
    level = model(cycle_noise=8.0).disturbed(torch.zeros(4, 3, 64, 64), rng()).std().item()
    assert level == pytest.approx(8 * 2 / 255, rel=0.02)


def test_pairs_are_learned_from_their_difference_alone():
    network, told = model(paired=True), batch()
    x, y = told.images.unbind(dim=1)
    with torch.no_grad():
        expected = (network.G(x) - y).abs().mean(), (network.F(y) - x).abs().mean()
    found = network.step(told, rng())
    assert list(found) == ["pairs there", "pairs back"]
    for value, wanted in zip(found.values(), expected, strict=True):
        assert value.item() == pytest.approx(wanted.item(), rel=1e-5)
    assert (network.supervision, model().supervision) == ("pairs", "none")
    assert not hasattr(network, "D_A")


def test_real_is_one():
    assert real_loss(torch.tensor([1.0, 1.0])) == 0
    assert real_loss(torch.tensor([0.0, 3.0])) == 2.5


def test_a_pool_shows_older_images_half_of_the_time():
    pool, numbers, filled, old, kept = torch.zeros(50, 1, 1, 1), rng(), 0, 0, 0
    for step in range(400):
        made = torch.arange(4 * step + 1, 4 * step + 5).float().view(4, 1, 1, 1)
        before = pool.clone()
        shown = from_pool(pool, filled, made, numbers)
        new = shown.flatten() > 4 * step
        if step < 12:
            assert torch.equal(shown, made)
        else:
            old, kept = old + int((~new).sum()), kept + 4
        for image, fresh, own in zip(shown, new, made, strict=True):
            assert fresh or (before == image).any()  # it was in the pool,
            assert fresh or (pool == own).any()  # and the new one is now
        filled = min(filled + 4, 50)
    assert len(pool.unique()) == 50
    assert old / kept == pytest.approx(0.5, abs=0.04)


def test_no_pool_shows_what_was_made():
    made = torch.ones(3, 1, 2, 2)
    assert torch.equal(from_pool(torch.zeros(0, 1, 2, 2), 0, made, rng()), made)


def test_the_average_is_what_is_evaluated():
    network, images = model(ema=0.75), batch().images[:, 0]
    for seed in range(3):
        network.step(batch(seed=seed), rng(seed))
    assert torch.equal(network.translate(images), network.G(images))
    network.eval()
    averaged = network.average.module
    assert torch.equal(network.translate(images), averaged["G"](images))
    assert torch.equal(network.translate(images, back=True), averaged["F"](images))
    assert not torch.allclose(network.translate(images), network.G(images))


# The criterion that asks for no truth


def test_a_translator_is_judged_without_its_truth():
    x, y = torch.rand(2, 8, 3, 16, 16, generator=rng()).mul(2).sub(1).unbind()
    found = judge_translations((x, y), (x.flip(0), y.flip(0)), (x, y))
    assert list(found) == JUDGED
    assert found["held_out_cycle"] == 0
    assert (found["diversity"], found["sharpness"]) == pytest.approx((1, 1))
    assert found["held_out_distance"] < 0  # of one set, without bias
    assert found["score"] == -found["held_out_distance"]
    one = x[:1].expand_as(x)
    collapsed = judge_translations((x, y), (y, one), (x, y - 0.5))
    assert collapsed["diversity"] < 1e-3
    assert collapsed["held_out_cycle"] == pytest.approx(0.25)
    assert collapsed["score"] < found["score"]


# Runs


def test_a_run_leaves_what_the_docs_say(folder):
    rows = table(folder)
    shown = [f"{d}({kind}) {what}" for d in ("D_A", "D_B") for kind in ("real", "fake")
             for what in ("mean", "std", "cv")]  # fmt: skip
    gradients = [f"gradient of {name} norm" for name in ("translators", "discriminators")]
    assert set(rows[0]) == {"step", "epoch", *LOSSES, *shown, *gradients, *JUDGED}
    assert [int(row["step"]) for row in rows] == list(range(1, 9))
    assert all(math.isfinite(float(row[column])) for row in rows for column in LOSSES + JUDGED)
    saved = json.loads((folder / "config.json").read_text())
    assert (saved["baseline"], saved["supervision"]) == ("cyclegan", "none")
    names = {path.name for path in folder.iterdir()}
    assert names == {"config.json", "metrics.csv", "tb", "checkpoints", "translations"}
    sheet = np.asarray(Image.open(folder / "translations" / "step-000008.png"))
    assert sheet.shape == (6 * (96 + 2) + 2, 8 * (96 + 2) + 2, 3)


def test_a_run_that_was_stopped_ends_with_the_same_bits(folder, tmp_path):
    make = acting(CycleGAN, 3, lambda *_: signal.raise_signal(signal.SIGTERM))
    assert train(make, small(), tmp_path / "run") == Outcome(3, stopped=True)
    assert train(CycleGAN, small(), tmp_path / "run") == Outcome(8)
    assert result(tmp_path / "run") == result(folder)


def test_a_loaded_run_translates_pictures(folder):
    loaded = baselines.load_run(folder, "cpu")
    assert (loaded.can_translate, loaded.can_generate, loaded.can_encode) == (True, False, False)
    images = fdd.render(PARAMS, size=SMALL.size, points=SMALL.points)
    made, returned = loaded.translate(images), loaded.translate(images, back=True)
    assert made.dtype == np.uint8
    assert made.shape == returned.shape == images.shape
    assert not np.array_equal(made, returned)
    with pytest.raises(FddError) as error:
        loaded.translate(images[:, :8])
    message = "images uint8 [12, 8, 16, 3] must be uint8 [N, 16, 16, 3]"
    assert str(error.value).startswith(message)
    with pytest.raises(FddError) as error:
        loaded.generate(np.zeros((1, 6)))
    assert str(error.value) == "baseline='cyclegan' has no generator"


def test_a_generator_does_not_translate(tmp_path):
    make = baseline("dcgan")
    train(make, make.config_type(**TINY | {"steps": 1}), tmp_path / "run", **data_sets())
    with pytest.raises(FddError) as error:
        baselines.load_run(tmp_path / "run", "cpu").translate(np.zeros((1, 16, 16, 3), np.uint8))
    assert str(error.value) == "baseline='dcgan' does not translate images"


def test_the_command_trains_on_two_folders(photographs, tmp_path, capsys):
    given = words(
        **SHARED | {"steps": 2, "batch_size": 2, "data": f"images:{photographs}/china",
                    "other": f"images:{photographs}/flower", "out": tmp_path / "run"}
    )  # fmt: skip
    given = [word for word in given if not word.startswith("--version")]
    assert main(["cyclegan", *given]) == 0
    loaded = baselines.load_run(tmp_path / "run", "cpu")
    assert loaded.config["data_version"] is None
    assert len(table(tmp_path / "run")) == 2


# Errors


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"data": "fdd"}, "data='fdd' must be stream or images:FOLDER: domains are drawn as they "
         "are used"),
        ({"data": "images:a"}, "data='images:a' is one domain: name the folder of the other with "
         "other=images:FOLDER"),
        ({"other": "images:b"}, "other='images:b' needs data=images:FOLDER, not 'stream'"),
        ({"other": "b"}, "other='b' must be images:FOLDER or None"),
        ({"data": "images:a", "other": "images:b", "paired": True}, "paired=True needs "
         "data='stream', not 'images:a': of pictures no translation is known"),
        ({"image_size": 32}, "image_size=32 must be 16: smaller images of small-1 blend the "
         "colours of cells"),
        ({"flip": True}, "flip=True must be off with data='stream'"),
        ({"colors": "hsv"}, "colors='hsv' must be 'rgb': domains are of such pixels"),
        ({"domains": "masks"}, "domains='masks' is not known (did you mean mask?); choose from "
         "palettes, mask, points, sign, turn"),
        ({"latent_size": 3}, "latent_size=3 must be 6: there are no codes"),
        ({"pool": 3}, "pool=3 must be 0 or at least batch_size=4"),
        ({"halvings": 3}, "halvings=3 must be at most 2 for image_size=16"),
        ({"cycle_noise": -1.0}, "cycle_noise=-1.0 must be a finite number of 0 or more"),
    ],
)  # fmt: skip
def test_a_bad_option_is_one_sentence(release, options, message):  # noqa: F811
    with pytest.raises(FddError) as error:
        small(**options).check()
    assert str(error.value) == message


def test_a_folder_without_pictures_is_named_by_its_option(photographs, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    given = {"data": f"images:{photographs}/china", "batch_size": 2}
    cases = {
        f"images:{empty}": f"other='images:{empty}': it holds no pictures (",
        f"images:{tmp_path}/no": f"other='images:{tmp_path}/no': there is no such folder",
    }
    for other, message in cases.items():
        with pytest.raises(FddError) as error:
            train(CycleGAN, small(**given, other=other), tmp_path / "run")
        assert str(error.value).startswith(message)
    few = small(**given | {"batch_size": 8}, other=f"images:{photographs}/flower", pool=8)
    with pytest.raises(FddError) as error:
        train(CycleGAN, few, tmp_path / "run")
    assert str(error.value) == (
        f"data='images:{photographs}/china': 9 pictures are too few; it must hold at least 10 for "
        "batch_size=8"
    )
    assert not (tmp_path / "run" / "config.json").exists()


def test_the_defaults_are_for_a_gpu():
    paper = PRESETS["paper"]
    assert (paper.image_size, paper.version, paper.batch_size) == (128, "fdd-1", 1)
    for preset in PRESETS.values():
        preset.check()
