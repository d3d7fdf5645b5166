"""Models that draw the picture of v: what they promise of it, their losses, their runs."""

import json
import math
import shutil

import numpy as np
import pytest
import torch
from test_encoders import SMALL, release  # noqa: F401  a fixture
from tiny_runs import TINY, baseline, result, resumed, table

import baselines
import fdd
from baselines.emulator import PRESETS, Config, Emulator, coloured, drawn, surprise
from baselines.flow import EMPTY, Flow, levels_of
from baselines.pretrained.models import SHIPPED
from baselines.training.data import Batch, to_images, to_tensor
from baselines.training.loop import Outcome, train
from fdd import FddError

SHARED = {name: value for name, value in TINY.items() if name != "kernel_size"} | {
    "version": SMALL.name,
    "batch_size": 8,
    "width": 16,
    "blocks": 1,
    "frequencies": 4,
}
OWN = {"emulator": {}, "flow": {"channels": 8, "noise_steps": 3}}
LOSSES = {"emulator": ["counts"], "flow": ["velocity", "counts"]}
each = pytest.mark.parametrize("name", OWN)
PARAMS = fdd.uniform_params(40, seed=5)


def small(name="emulator", **options):
    """Options of a run of a fraction of a second."""
    return baseline(name).config_type(**SHARED | OWN[name] | options)


def model(name="emulator", **options):
    """A model with weights that are all random."""
    made = baseline(name)(small(name, **options), torch.Generator().manual_seed(0))
    rng = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in made.parameters():
            weight += 0.1 * torch.randn(weight.shape, generator=rng)
    return made.eval()


def batch(rows=8, start=0):
    """Images, counts and parameters that belong together."""
    params = fdd.sample_params(rows, "val", start, version=SMALL.name)
    how = {"size": SMALL.size, "points": SMALL.points}
    counts = fdd.render(params, output="counts", **how).astype(np.int32)
    images = to_tensor(fdd.render(params, **how), torch.device("cpu"))
    return Batch(images, torch.from_numpy(params), None, torch.from_numpy(counts))


def codes_of(made, params):
    return made.vectors(Batch(torch.empty(0), torch.from_numpy(params)))


@pytest.fixture(scope="module")
def folders(release, tmp_path_factory):  # noqa: F811
    """A run folder of each, after eight steps."""
    folder = tmp_path_factory.mktemp("drawing")
    for name in OWN:
        assert train(baseline(name), small(name), folder / name) == Outcome(8)
    return folder


@each
def test_a_run_leaves_what_the_docs_say(folders, name):
    rows = table(folders / name)
    judged = ["held_out_mse", "score", "diversity", "sharpness"]
    wanted = ["step", "epoch", *LOSSES[name], "gradient of generator norm", *judged]
    assert list(rows[0]) == wanted
    assert [int(row["step"]) for row in rows] == list(range(1, 9))
    assert all(math.isfinite(float(row[column])) for row in rows for column in wanted)
    saved = json.loads((folders / name / "config.json").read_text())
    assert (saved["baseline"], saved["supervision"]) == (name, "labels")


@each
def test_a_run_that_was_stopped_ends_with_the_same_bits(folders, name, tmp_path):
    assert resumed(baseline(name), small(name), tmp_path / "run") == result(folders / name)


@each
def test_a_loaded_run_draws_each_vector_for_itself(folders, name):
    loaded = baselines.load_run(folders / name)
    codes = loaded.vectors(PARAMS)
    assert (codes.shape, codes.dtype) == ((40, 4), np.float32)
    canonical = fdd.canonical_params(PARAMS)[:, 2:]
    np.testing.assert_allclose(codes * [1.5, 3, 3, 3] + [1.5, 0, 0, 0], canonical, atol=1e-6)
    made = loaded.generate(codes)
    assert (made.shape, made.dtype) == ((40, 16, 16, 3), np.uint8)
    assert (made != 255).any(axis=(1, 2, 3)).all()
    assert np.array_equal(made, loaded.generate(codes))
    other = loaded.generate(codes, noise=1)
    assert (made != other).any(axis=(1, 2, 3)).all()
    assert np.array_equal(other, loaded.generate(codes, noise=1))


@pytest.mark.parametrize("noise", [-1, 2**32, 0.5, True, "1"])
def test_a_noise_that_is_none_is_one_sentence(folders, noise):
    loaded = baselines.load_run(folders / "emulator")
    with pytest.raises(FddError) as error:
        loaded.generate(np.zeros((1, 4)), noise=noise)
    assert str(error.value) == f"noise={noise!r} must be a whole number from 0 to 4294967295"


def test_a_model_without_noise_says_so():
    made = baseline("dcgan")(baseline("dcgan").config_type(**TINY), torch.Generator())
    loaded = baselines.training.model.Model(
        made,
        {"baseline": "dcgan", "image_size": 16, "latent_size": 6, "colors": "rgb"},
        torch.device("cpu"),
    )
    with pytest.raises(FddError) as error:
        loaded.generate(np.zeros((1, 6)), noise=3)
    assert str(error.value) == "noise=3 must be 0: baseline='dcgan' makes one image of a code"


@pytest.mark.parametrize("symmetry", fdd.families["fractal_dream"].symmetries, ids=lambda s: s.name)
@each
def test_symmetries_of_the_equation_hold_by_construction(name, symmetry):
    made = model(name)
    changed = np.array([symmetry.change(tuple(row)) for row in PARAMS])
    with torch.no_grad():
        here, there = (made.canvas(codes_of(made, rows)).numpy() for rows in (PARAMS, changed))
    turned = np.array([[symmetry.effect(cells) for cells in maps] for maps in here])
    np.testing.assert_allclose(there, turned, atol=1e-4)
    half = here[:, :, ::-1, ::-1]
    np.testing.assert_allclose(here, half, atol=1e-6)


def test_without_symmetry_it_has_to_learn_them():
    made = model(symmetry=False)
    with torch.no_grad():
        cells = made.canvas(codes_of(made, PARAMS))
    assert not torch.allclose(cells, cells.flip(2, 3), atol=0.1)


def test_points_fall_where_the_probabilities_are():
    probabilities = torch.tensor([[0.0, 0.5, 0.25, 0.0, 0.25], [0.2, 0.2, 0.2, 0.2, 0.2]])
    numbers = torch.tensor([[0.0, 0.499, 0.5, 0.749, 0.75, 0.999999]] * 2, dtype=torch.float64)
    assert drawn(probabilities, numbers).tolist() == [[0, 2, 2, 0, 2], [1, 0, 2, 2, 1]]
    many = torch.rand(2, 100_000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    shares = drawn(probabilities, many) / 100_000
    torch.testing.assert_close(shares.float(), probabilities, atol=0.01, rtol=0)


def test_counts_are_coloured_as_the_renderer_does():
    told = batch()
    assert torch.equal(coloured(told.counts.long().flatten(1)), told.images)


def test_a_picture_of_the_true_density_is_one_of_the_renderer():
    """The probabilities that the counts themselves give, drawn with many points."""
    told = batch(4)
    shares = told.counts.flatten(1).double() / SMALL.points
    numbers = (torch.arange(4000, dtype=torch.float64) + 0.5) / 4000
    assert torch.equal(drawn(shares, numbers.expand(4, -1)), 10 * told.counts.flatten(1).long())


def test_the_likelihood_by_hand():
    counts = torch.tensor([[[3, 1], [0, 0]], [[1, 1], [1, 1]]])
    scores = torch.zeros(2, 2, 2)
    told = Batch(torch.empty(0), None, None, counts)
    assert surprise(scores, told).item() == pytest.approx(math.log(4))
    scores[0] = torch.tensor([[math.log(3), 0], [-math.inf, -math.inf]]).nan_to_num(neginf=-50)
    entropy = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    assert surprise(scores, told).item() == pytest.approx((entropy + math.log(4)) / 2, rel=1e-5)


@each
def test_steps_on_one_batch_lower_its_loss(name):
    network = baseline(name)(small(name), torch.Generator().manual_seed(0))
    rng, told = torch.Generator().manual_seed(1), batch()
    losses = [network.step(told, rng) for _ in range(60)]
    for loss in LOSSES[name]:
        assert losses[-1][loss] < 0.9 * losses[0][loss], loss


@each
def test_a_step_trains_everything_on_random_numbers_of_its_own(name):
    made = []
    for _ in range(2):
        torch.manual_seed(torch.initial_seed() + 1)
        network, before = model(name).train(), torch.get_rng_state()
        was = {key: value.clone() for key, value in network.named_parameters()}
        losses = network.step(batch(), torch.Generator().manual_seed(1))
        assert list(losses) == LOSSES[name]
        assert torch.equal(torch.get_rng_state(), before)
        assert [k for k, v in network.named_parameters() if torch.equal(v, was[k])] == []
        made.append(network.state_dict())
    assert all(torch.equal(made[0][key], made[1][key]) for key in made[0])


@pytest.fixture(scope="module")
def teacher(release, tmp_path_factory):  # noqa: F811
    """A run of contrastive on small-1."""
    folder = tmp_path_factory.mktemp("teacher") / "contrastive"
    options = {key: SHARED[key] for key in SHARED if key not in ("blocks", "frequencies")}
    config = baseline("contrastive").config_type(**options | {"width": 2, "latent_size": 4})
    train(baseline("contrastive"), config, folder)
    return folder


@pytest.mark.parametrize(
    ("loss", "names"),
    [
        ("mse", ["mse"]),
        ("features", ["features"]),
        ("adversary", ["discriminator", "generator", "features"]),
    ],
)
def test_pixels_may_be_painted_instead(teacher, tmp_path, loss, names):
    config = small(loss=loss, features=str(teacher))
    assert train(Emulator, config, tmp_path / "run") == Outcome(8)
    assert resumed(Emulator, config, tmp_path / "again") == result(tmp_path / "run")
    assert set(names) <= set(table(tmp_path / "run")[0])
    loaded = baselines.load_run(tmp_path / "run")
    images = loaded.generate(loaded.vectors(PARAMS))
    assert images.shape == (40, 16, 16, 3)
    with pytest.raises(FddError, match=r"^noise=1 must be 0: "):
        loaded.generate(np.zeros((1, 4)), noise=1)


def test_the_mean_image_is_the_mean_of_its_drawings():
    one, many = (Emulator(small(draws=n), torch.Generator().manual_seed(0)).eval() for n in (1, 64))
    codes = codes_of(one, PARAMS[:3])
    with torch.no_grad():
        single = torch.stack([one.generate(codes, noise) for noise in range(64)])
        mean = many.generate(codes)
    assert (mean - single.mean(dim=0)).abs().mean() < 0.15 * (single[0] - single[1]).abs().mean()


def test_levels_are_those_of_the_renderers_gray():
    told = batch()
    levels = levels_of(told.counts)
    assert (levels.shape, levels.dtype) == ((8, 1, 16, 16), torch.float32)
    assert torch.equal(levels[:, 0] == EMPTY, told.counts == 0)
    assert levels[levels != EMPTY].min() >= 0
    assert levels.max() == 1
    inked = torch.where(levels > EMPTY / 2, 1 + 254 * levels.clamp(0, 1), 0).round().long()
    apart = to_images(coloured(inked.flatten(1))).astype(int) - to_images(told.images)
    assert np.abs(apart).max() <= 4  # 256 levels in place of the counts


def test_a_flow_follows_its_velocities():
    """With the velocity that leads to a given picture, any noise ends there in any steps."""
    told = batch(4)
    levels = levels_of(told.counts)
    for steps in (1, 4):
        network = model("flow", noise_steps=steps)

        class Straight(torch.nn.Module):
            def forward(self, x, maps, times):
                return (levels - x) / (1 - times[:, None, None, None])

        network.velocity = Straight()
        made = network.generate(codes_of(network, told.params.numpy()))
        wanted = coloured(torch.where(levels > 0, 1 + 254 * levels, 0).round().long().flatten(1))
        assert (made - wanted).abs().max() < 0.1


def test_a_flow_begins_with_an_emulator(folders, tmp_path):
    config = small("flow", emulator_from=str(folders / "emulator"))
    network = Flow(config, torch.Generator().manual_seed(3))
    network.begin()
    loaded = baselines.load_run(folders / "emulator", "cpu")
    codes = codes_of(network, PARAMS)
    with torch.no_grad():
        ours, theirs = network.canvas(codes)[:, 0], loaded.network.canvas(codes)[:, 0]
    torch.testing.assert_close(ours, theirs)


def test_an_emulator_goes_on_where_another_ended(folders):
    config = small(emulator_from=str(folders / "emulator"))
    network = Emulator(config, torch.Generator().manual_seed(3))
    network.begin()
    told = baselines.load_run(folders / "emulator", "cpu").network.state_dict()
    assert all(torch.equal(value, told[name]) for name, value in network.state_dict().items())


def test_pictures_of_another_size_take_all_but_the_last_layer():
    config = PRESETS["cpu"]
    network = Emulator(config, torch.Generator().manual_seed(3))
    before = network.canvas.last.weight.clone()
    network.begin()
    told = baselines.load_pretrained("mini-emulator", "cpu").network.canvas.state_dict()
    own = network.canvas.state_dict()
    assert torch.equal(own["last.weight"], before)
    names = [name for name in own if not name.startswith("last.")]
    assert len(names) > 20
    assert all(torch.equal(own[name], told[name]) for name in names)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"width": 8}, "has width=16; it must be 8"),
        ({"symmetry": False}, "has symmetry=True; it must be False"),
    ],
)
def test_an_emulator_that_does_not_fit_is_one_sentence(folders, tmp_path, options, words):
    place = str(folders / "emulator")
    for name in OWN:
        with pytest.raises(FddError) as error:
            train(baseline(name), small(name, emulator_from=place, **options), tmp_path / "run")
        assert str(error.value) == f"emulator_from={place!r} {words}"
        assert not (tmp_path / "run" / "config.json").exists()


def test_an_emulator_is_asked_for(folders, tmp_path):
    for place, words in (
        ("mini-contrastive", "has baseline='contrastive'; it must be 'emulator'"),
        (str(folders / "flow"), "has baseline='flow'; it must be 'emulator'"),
    ):
        with pytest.raises(FddError) as error:
            train(Emulator, small(emulator_from=place), tmp_path / "run")
        assert str(error.value) == f"emulator_from={place!r} {words}"
    for option in ({"emulator_from": "mini-emulatr"}, {"features": "mini-emulatr"}):
        loss = {"loss": "features"} if "features" in option else {}
        with pytest.raises(FddError) as error:
            train(Emulator, small(**option, **loss), tmp_path / "run")
        assert str(error.value) == (
            f"{next(iter(option))}='mini-emulatr' is not there (did you mean mini-emulator?): it "
            f"must be a run folder, or one of {', '.join(SHIPPED)}"
        )


def test_a_flow_can_be_loaded_when_its_emulator_has_moved(folders, tmp_path):
    run, first = tmp_path / "run", tmp_path / "first"
    shutil.copytree(folders / "emulator", first)
    train(Flow, small("flow", emulator_from=str(first)), run)
    first.rename(tmp_path / "moved")
    config = json.loads((run / "config.json").read_text())
    moved = config | {"emulator_from": str(tmp_path / "moved")}
    (run / "config.json").write_text(json.dumps(moved))
    assert baselines.load_run(run, "cpu").config == moved


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("emulator", {"latent_size": 6}, "latent_size=6 must be 4: a', b', c and d"),
        (
            "emulator",
            {"data": "fdd"},
            "data='fdd' must be 'stream': counts are drawn as they are used",
        ),
        (
            "flow",
            {"image_size": 32},
            "image_size=32 must be 16: counts of small-1 have that size",
        ),
        ("emulator", {"colors": "hsv"}, "colors='hsv' must be 'rgb', as counts are coloured"),
        ("emulator", {"flip": True}, "flip=True must be off: this baseline does without"),
        ("flow", {"ema": 0.9}, "ema=0.9 must be off: this baseline does without"),
        (
            "flow",
            {"features": "mini-dcca"},
            "features='mini-dcca' must be 'mini-contrastive': it is the emulator's",
        ),
        (
            "flow",
            {"adversarial_weight": 0.5},
            "adversarial_weight=0.5 must be 0.01: it is the emulator's",
        ),
        (
            "emulator",
            {"emulator_from": "mini-emulator", "loss": "mse"},
            "emulator_from='mini-emulator' must be None with loss='mse': an emulator that gives "
            "densities has learned something else",
        ),
        ("emulator", {"draws": 0}, "draws=0 must be a whole number of 1 or more"),
        ("flow", {"noise_steps": 0}, "noise_steps=0 must be a whole number of 1 or more"),
        ("flow", {"channels": 12}, "channels=12 must be a multiple of 8"),
        ("flow", {"draws": 4}, "draws=4 must be 1: a flow draws a picture at once"),
        ("flow", {"loss": "mse"}, "loss='mse' must be 'counts': the others are the emulator's"),
    ],
)
def test_a_bad_option_is_one_sentence(name, options, message):
    with pytest.raises(FddError) as error:
        small(name, **options).check()
    assert str(error.value) == message


def test_who_may_not_teach(teacher, folders, tmp_path):
    refused = {
        "oracle/reader.safetensors": "must not be an oracle: it is the judge of what is drawn",
        str(
            folders / "emulator"
        ): "is a run of emulator; it must be one of contrastive, lejepa, dcca",
        "mini-contrastive": "has version='mini-1'; it must be 'small-1', as here",
    }
    for name, reason in refused.items():
        with pytest.raises(FddError) as error:
            train(Emulator, small(loss="features", features=name), tmp_path / "run")
        assert str(error.value) == f"features={name!r} {reason}"
    assert not (tmp_path / "run" / "config.json").exists()


def test_images_without_parameters_are_one_sentence():
    with pytest.raises(FddError) as error:
        model().vectors(Batch(batch().images, None))
    assert str(error.value) == "data without parameters: this baseline learns them, so use stream"


def test_the_default_is_for_a_gpu():
    assert (Config().image_size, Config().version) == (128, "fdd-1")
