"""Sparse deep predictive coding: one energy, gradients by hand, codes as scikit-learn's."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.decomposition import sparse_encode
from tiny_runs import TINY, batch, data_sets, render, result, table
from torch.nn import functional

import baselines
from baselines.configs.sdpc import PRESETS
from baselines.parts.sparse_maps import (
    Rates,
    channels_last,
    predict,
    threshold,
    threshold_tensors,
)
from baselines.sdpc import SDPC, Config, Layer, energy, folded, infer, strongest, unit
from baselines.training.data import to_tensor
from baselines.training.loop import Outcome, train
from benchmarks import feedback
from benchmarks.speed.plain_sdpc import plain_infer, plain_layers
from fdd import FddError
from fdd.releases.cards import RELEASES, Release

SMALL = {name: value for name, value in TINY.items() if name not in ("width", "kernel_size")} | {
    "data": "fdd",
    "atoms": "6:8",
    "sides": "4:3",
    "strides": "2:1",
    "lambdas": "0.1:0.02",
    "rates": "1e-4:1e-3",
    "latent_size": 8,
    "iterations": 20,
}


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def model(**options):
    config = Config(**SMALL | options)
    config.check()
    return SDPC(config, rng())


def stack(shapes, lambdas, side, gains=None):
    """Layers of random atoms in float64: shapes [(K, C, side of an atom, stride)]."""
    layers, numbers = [], rng(3)
    for i, (count, channels, size, stride) in enumerate(shapes):
        atoms = unit(torch.randn(count, channels, size, size, generator=numbers).double())
        gain = torch.ones(count, 1, 1).double() if gains is None else gains[i]
        layer = Layer(folded(atoms, stride), stride, lambdas[i], gain, math.nan)
        side = (side - size) // stride + 1
        start = torch.randn(1, count, side, side, generator=numbers).double()
        layers.append(layer._replace(curvature=strongest(layer, start, 100)[0].item()))
    return layers


TWO = ([(6, 3, 4, 2), (8, 6, 3, 1)], [0.2, 0.05], 12)
THREE = ([(6, 3, 4, 2), (8, 6, 3, 1), (5, 8, 2, 1)], [0.2, 0.05, 0.02], 12)
IMAGES = torch.randn(3, 3, 12, 12, generator=rng(1)).double()


@pytest.mark.parametrize("shape", [TWO, THREE])
@pytest.mark.parametrize("k", [0.0, 0.5, 1.0, 4.0])
def test_no_iteration_without_momentum_raises_the_energy(shape, k):
    layers = stack(*shape)
    found = infer(IMAGES, layers, k, 60, 1e-12, momentum=False, energies=True)
    assert found.energies.shape == (61, 3)
    assert found.energies.diff(dim=0).max() <= 1e-12 * found.energies.max()
    assert (found.energies[-1] < 0.99 * found.energies[0]).all()
    torch.testing.assert_close(found.energies[-1], energy(IMAGES, found.maps, layers, k))
    assert all((maps >= 0).all() and (maps > 0).any() for maps in found.maps)


def test_momentum_gets_to_the_same_energy_and_there_sooner():
    layers = stack(*TWO)
    slow, fast = (
        infer(IMAGES, layers, 0.0, 400, 1e-12, momentum=momentum, energies=True)
        for momentum in (False, True)
    )
    end = fast.energies[-1]
    torch.testing.assert_close(slow.energies[-1], end, rtol=1e-4, atol=0)
    assert (fast.energies[30] - end < slow.energies[30] - end).all()


def test_the_energy_of_empty_maps_is_that_of_the_image():
    found = infer(IMAGES, stack(*TWO), 1.0, 1, energies=True)
    expected = IMAGES.square().flatten(1).sum(1) / 2
    torch.testing.assert_close(found.energies[0], expected)


def test_one_layer_is_the_sparse_coding_of_scikit_learn():
    """Atoms as large as the image: one map value each, and a dictionary that is a matrix."""
    images = torch.randn(5, 3, 4, 4, generator=rng(2)).double()
    (layer,) = layers = stack([(20, 3, 4, 1)], [0.3], 4)
    found = infer(images, layers, 1.0, 5000, 1e-12).maps[0].flatten(1).numpy()
    dictionary = layer.atoms.flatten(1).numpy()
    wanted = sparse_encode(
        images.flatten(1).numpy(),
        dictionary,
        algorithm="lasso_cd",
        alpha=0.3,
        positive=True,
        max_iter=100_000,
    )
    assert 0.1 < (wanted > 0).mean() < 0.9
    np.testing.assert_allclose(found, wanted, atol=1e-3)


@pytest.mark.parametrize("k", [0.0, 1.0, 4.0])
def test_where_an_inference_ends_the_gradient_of_autograd_is_that_of_a_minimum(k):
    """Minus lambda where maps are active, and above it elsewhere, for F_i of each layer."""
    gains = [torch.rand(n, 1, 1, generator=rng(5)).double() / 2 + 0.75 for n in (6, 8)]
    layers = stack(*TWO, gains)
    maps = infer(IMAGES, layers, k, 3000, 1e-13, momentum=False).maps
    below = [IMAGES, layers[0].gain * maps[0]]
    for i, layer in enumerate(layers):
        g = maps[i].clone().requires_grad_()
        loss = (below[i] - layer.predict(g)).square().sum() / 2
        if i == 0:
            feedback = (layer.gain * g - layers[1].predict(maps[1])) / layer.gain
            loss = loss + k / 2 * feedback.square().sum()
        (gradient,) = torch.autograd.grad(loss, g)
        total, active = gradient + layer.sparsity, maps[i] > 0
        assert 0.05 < active.double().mean() < 0.95
        assert total[active].abs().max() < 1e-6
        assert total[~active].min() > -1e-6


def test_a_prediction_is_the_transposed_convolution_that_the_stride_asks_for():
    atoms = unit(torch.randn(6, 3, 4, 4, generator=rng()))
    layer = Layer(folded(atoms, 2), 2, 0.1, torch.ones(6, 1, 1), math.nan)
    maps, below = torch.randn(2, 6, 5, 5, generator=rng(1)), torch.randn(2, 3, 12, 12)
    torch.testing.assert_close(
        layer.predict(maps), functional.conv_transpose2d(maps, atoms, stride=2)
    )
    torch.testing.assert_close(layer.analyse(below), functional.conv2d(below, atoms, stride=2))


def test_the_curvature_is_the_largest_eigenvalue_of_the_dictionary_as_a_matrix():
    (layer,) = stack([(6, 3, 4, 2)], [0.1], 12)
    each = torch.eye(6 * 5 * 5).double().unflatten(1, (6, 5, 5))
    matrix = layer.predict(each).flatten(1)
    largest = torch.linalg.eigvalsh(matrix @ matrix.T)[-1]
    assert 0.98 * largest < layer.curvature <= largest * (1 + 1e-12)


def test_an_image_is_inferred_as_if_it_were_alone():
    layers = stack(*TWO)
    images = IMAGES * torch.tensor([0.3, 1.0, 3.0])[:, None, None, None]
    together = infer(images, layers, 1.0, 400, 1e-3, energies=True)
    assert len(set(together.iterations.tolist())) == 3
    assert together.iterations.max() < 400
    assert len(together.energies) == together.iterations.max() + 1
    for i, image in enumerate(images):
        alone = infer(image[None], layers, 1.0, 400, 1e-3, energies=True)
        assert alone.iterations.item() == together.iterations[i]
        for one, all_of_them in zip(alone.maps, together.maps, strict=True):
            torch.testing.assert_close(one[0], all_of_them[i])
        torch.testing.assert_close(alone.energies[-1, 0], together.energies[-1, i])


def test_atoms_stay_of_norm_1_and_steps_lower_the_errors():
    network = model()
    before = [atoms.clone() for atoms in network.dictionaries]
    losses = [network.step(batch(), rng()) for _ in range(15)]
    for atoms, old in zip(network.dictionaries, before, strict=True):
        torch.testing.assert_close(atoms.flatten(1).norm(dim=1), torch.ones(len(atoms)))
        assert not torch.equal(atoms, old)
    assert all(not torch.equal(gain, torch.ones_like(gain)) for gain in network.gains)
    assert losses[-1]["error 1"] < 0.9 * losses[0]["error 1"]
    assert not any(value.requires_grad for value in losses[0].values())


def test_the_log_tells_sparsity_and_dead_atoms():
    network = model(lr_gains=0.0)
    found = network.step(batch(), rng())
    assert found["dead 1"] == 0
    network.idle_0.fill_(200)
    assert all(torch.equal(gain, torch.ones_like(gain)) for gain in network.gains)
    maps = [g.clone() for g in network.infer(batch().images).maps]
    maps[0][:, :2] = 0
    maps[0][:, 2:] = 0.5
    told = network.activity(maps)
    assert told["active 1"].item() == pytest.approx(4 / 6)
    assert told["dead 1"].item() == pytest.approx(2 / 6)


def test_a_lambda_that_leaves_nothing_is_said():
    network = model(lambdas="0.1:1e4", iterations=2)
    for _ in range(19):
        assert network.step(batch(), rng())["active 2"] == 0
    with pytest.raises(FddError) as error:
        network.step(batch(), rng())
    assert str(error.value) == (
        "lambdas='0.1:1e4' have left all maps of layer 2 at 0 for 20 batches, so it learns "
        "nothing; choose a smaller number for it"
    )


def test_images_of_the_mean_are_empty_and_come_back():
    network = model()
    network.step(batch(), rng())
    network.eval()
    found = network.infer(network.mean[None])
    assert all(not maps.any() for maps in found.maps)
    torch.testing.assert_close(network.reconstruct(found.maps), network.mean[None])


@pytest.mark.parametrize("size", [8, 32])
def test_codes_are_the_means_of_the_maps_or_of_their_parts(size):
    network = model(latent_size=size).eval()
    images = batch().images
    last = network.infer(images).maps[-1]
    codes = network.encode(images)
    assert codes.shape == (4, size)
    parts = functional.adaptive_avg_pool2d(last, {8: 1, 32: 2}[size])
    assert torch.equal(codes, parts.flatten(1))


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_a_run_of_any_number_of_layers_resumes_with_the_same_bits_and_encodes(layers, tmp_path):
    deep = {
        "atoms": ["6", "6:8", "6:8:5"],
        "sides": ["4", "4:3", "4:3:2"],
        "strides": ["2", "2:1", "2:1:1"],
        "lambdas": ["0.1", "0.1:0.02", "0.1:0.02:0.01"],
        "rates": ["1e-4", "1e-4:1e-3", "1e-4:1e-3:1e-3"],
        "latent_size": [6, 8, 5],
    }
    options = SMALL | {name: values[layers - 1] for name, values in deep.items()}
    whole = Config(**options)
    assert train(SDPC, whole, tmp_path / "whole", **data_sets()) == Outcome(8)
    if layers == 2:
        half = Config(**options | {"steps": 4})
        train(SDPC, half, tmp_path / "parts", **data_sets())
        assert train(SDPC, whole, tmp_path / "parts", **data_sets()) == Outcome(8)
        assert result(tmp_path / "parts") == result(tmp_path / "whole")
    names = {path.name for path in (tmp_path / "whole").iterdir()}
    drawn = {f"atoms-{i}" for i in range(1, layers + 1)}
    assert names == {"config.json", "metrics.csv", "tb", "checkpoints", "neighbours"} | drawn
    rows = table(tmp_path / "whole")
    told = [f"{what} {i}" for i in range(1, layers + 1) for what in ("active", "dead", "error")]
    assert {*told, "iterations", "held_out_loss", "score"} <= set(rows[0])
    loaded = baselines.load_run(tmp_path / "whole", "cpu")
    codes = loaded.encode(render(3)[:, ::8, ::8].copy())
    assert codes.shape == (3, options["latent_size"])
    assert np.isfinite(codes).all()


def test_the_step_of_the_paper_runs_in_small():
    """Its layers and rates on 32 x 32 pixels, two images, two iterations."""
    options = {"image_size": 32, "batch_size": 2, "iterations": 2, "lambdas": "0.1:0.1"}
    network = SDPC(replace(PRESETS["paper"], **options), rng())
    losses = network.step(batch(2, size=32), rng())
    assert [tuple(atoms.shape) for atoms in network.dictionaries] == [
        (64, 3, 8, 8),
        (128, 64, 8, 8),
    ]
    assert all(loss.isfinite() for loss in losses.values())


@pytest.mark.parametrize("lambdas", [[0.2, 0.05], [0.2, 0.5]])
@pytest.mark.parametrize("k", [0.0, 1.0])
@pytest.mark.parametrize("autograd", [True, False])
def test_the_plain_loops_beside_which_the_speed_is_measured_give_the_same_maps(
    k, lambdas, autograd
):
    """With the larger lambda few maps of the second layer are active, and atoms are added up."""
    shapes, _, side = TWO
    gains = [torch.full((6, 1, 1), 1.5).double(), torch.ones(8, 1, 1).double()]
    layers = stack(shapes, lambdas, side, gains)
    plain = plain_layers(layers)
    for tolerance in (1e-12, 1e-2):
        found = infer(IMAGES[:1], layers, k, 40, tolerance)
        maps, iterations = plain_infer(IMAGES[:1], plain, k, 40, tolerance, autograd)
        assert found.iterations.item() == iterations
        for one, other in zip(found.maps, maps, strict=True):
            torch.testing.assert_close(one, other)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("active", [0, 7, 100, 500])
def test_atoms_that_are_added_up_are_the_transposed_convolution(active, dtype):
    maps = torch.zeros(2, 10, 5, 5, dtype=dtype)
    maps.view(-1)[torch.randperm(500, generator=rng())[:active]] = 1.5
    atoms = torch.randn(10, 3, 3, 3, generator=rng(1), dtype=dtype)
    below = channels_last(torch.full((2, 3, 7, 7), math.nan, dtype=dtype))
    found = predict(channels_last(maps), atoms, below, active)
    torch.testing.assert_close(found, functional.conv_transpose2d(maps, atoms))


@pytest.mark.parametrize("top", [False, True])
def test_a_compiled_step_is_that_of_tensors(top):
    def tensors():
        numbers = rng(4)
        four = [torch.randn(3, 6, 5, 5, generator=numbers).double() for _ in range(4)]
        return [channels_last(tensor) for tensor in four]

    gain = torch.rand(6, 1, 1, generator=rng(5)).double() + 0.5
    made = []
    for step in (threshold, threshold_tensors):
        slope, ahead, maps, above = tensors()
        given = None if top else above
        changes, active = step(slope, ahead, maps, given, gain, Rates(0.3, 0.1, 0.7, 0.4))
        made.append((changes, ahead, maps, above))
        assert (ahead != 0).sum() <= active
    for one, other in zip(*made, strict=True):
        torch.testing.assert_close(one, other)
    assert 0 < (made[0][2] > 0).sum() < made[0][2].numel()


EACH = "with colons between them, one a layer"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": -1.0}, "k=-1.0 must be a finite number of 0 or more"),
        ({"atoms": "6:0"}, f"atoms='6:0' must be whole numbers from 1 to 4096 {EACH}"),
        ({"atoms": "six"}, f"atoms='six' must be whole numbers from 1 to 4096 {EACH}"),
        ({"lambdas": "0.1:-1"}, f"lambdas='0.1:-1' must be numbers of 0 or more {EACH}"),
        (
            {"lambdas": "0.1"},
            "lambdas='0.1' must have as many numbers as atoms='6:8': one a layer",
        ),
        (
            {"sides": "5:3"},
            "sides='5:3' and strides='2:1' do not fit layer 1: side 5 must be at most 16, the side "
            "of what is below, and both must be multiples of the stride 2",
        ),
        (
            {"sides": "4:9"},
            "sides='4:9' and strides='2:1' do not fit layer 2: side 9 must be at most 7, the side "
            "of what is below, and both must be multiples of the stride 1",
        ),
        (
            {"latent_size": 24},
            "latent_size=24 must be 8, the atoms of the last layer, times 1, 4, 9 and so on, at "
            "most 5**2",
        ),
        ({"ema": 0.9}, "ema=0.9 must be off: this baseline does without"),
        (
            {"precision": "bfloat16"},
            "precision='bfloat16' must be 'float32': maps need its digits",
        ),
        ({"tolerance": 0.0}, "tolerance=0.0 must be a finite number above 0"),
    ],
)
def test_a_bad_option_is_one_sentence(options, message):
    with pytest.raises(FddError) as error:
        model(**options)
    assert str(error.value) == message


RELEASE = Release(
    "small-1", {"train": 40, "val": 8, "test": 10}, size=16, points=400, shard_rows=80
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run of eight steps on a small release, which is there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(RELEASES, RELEASE.name, RELEASE)
        folder = tmp_path_factory.mktemp("runs") / "sdpc"
        train(SDPC, Config(**SMALL | {"version": RELEASE.name}), folder)
        yield folder


def test_what_feedback_does_is_measured_as_it_is_defined(folder):
    model = baselines.load_run(folder, "cpu")
    images = render(6)[:, ::8, ::8].copy()
    found = feedback.measured(model, images, 0.0, 30, 1e-9)
    network, pixels = model.network, to_tensor(images, torch.device("cpu"))
    maps = network.infer(pixels, k=0.0).maps
    assert set(found["iterations"]) == {30.0}
    below = [network.centred(pixels), network.gains[0] * maps[0]]
    for i, layer in enumerate(network.layers()):
        apart = (below[i] - layer.predict(maps[i])).square().flatten(1).sum(1) / 2
        np.testing.assert_allclose(found[f"error {i + 1}"], apart.detach(), rtol=0.05)
        share = (maps[i] > 0).flatten(1).double().mean(1)
        np.testing.assert_allclose(found[f"active {i + 1}"], share, atol=0.03)
    np.testing.assert_array_equal(found["error"], found["error 1"] + found["error 2"])
    assert found["ssim 0"].mean() > found["ssim 0.25"].mean() > found["ssim 0.5"].mean()


def test_hoyers_sparsity_by_hand():
    rows = torch.tensor([[1.0, 1, 1, 1], [0, 5, 0, 0], [3, 4, 0, 0], [0, 0, 0, 0]])
    torch.testing.assert_close(feedback.hoyer(rows), torch.tensor([0.0, 1.0, 0.6, 1.0]))


def test_the_table_of_feedback_has_intervals_of_differences_over_images():
    rows = {"a": {"error": np.array([1.0, 2.0])}, "b": {"error": np.array([2.0, 5.0])}}
    assert feedback.table(rows) == (
        "|  | error |\n| --- | --- |\n| a | 1.5 |\n| b | 3.5 |\n\n"
        "| difference to the first | error |\n| --- | --- |\n| b | 2 (0.04 to 3.96) |"
    )


def test_the_command_prints_a_row_for_each_strength(folder, capsys, monkeypatch):
    monkeypatch.chdir(folder.parent.parent)
    run = f"{folder.parent.name}/{folder.name}"
    words = [run, "--k", "0", "2", "--images", "4", "--iterations", "5"]
    assert feedback.main(words) == 0
    output, errors = capsys.readouterr()
    assert errors == ""
    rows = [line.split(" | ")[0].removeprefix("| ") for line in output.splitlines() if "|" in line]
    assert [row for row in rows if row.startswith(run)] == [
        f"{run}, k = 0",
        f"{run}, k = 2",
        f"{run}, k = 2",
    ]


def test_runs_of_one_name_in_two_folders_are_two_rows(folder, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(folder.parent)
    (tmp_path / folder.name).symlink_to(folder)
    other = str(tmp_path / folder.name)
    assert feedback.main([folder.name, other, "--images", "4", "--iterations", "5"]) == 0
    found = [line.split(", k")[0] for line in capsys.readouterr().out.splitlines()]
    assert [line for line in found if line.endswith("sdpc")] == [
        f"| {folder.name}",
        f"| {other}",
        f"| {other}",
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "name one or more run folders of baselines.sdpc"),
        (["RUN", "--k", "-1"], "k=-1.0 must be a finite number of 0 or more"),
        (["RUN", "--images", "1"], "images=1 must be a whole number from 2 to 1048576"),
        (["RUN", "--iterations", "0"], "iterations=0 must be a whole number of at least 1"),
        (["RUN", "--tolerance", "nan"], "tolerance=nan must be a finite number of 0 or more"),
    ],
)
def test_a_mistake_in_the_command_is_one_sentence(folder, words, message, capsys):
    words = [str(folder) if word == "RUN" else word for word in words]
    assert feedback.main(words) == 2
    assert capsys.readouterr() == ("", f"error: {message}\n")
