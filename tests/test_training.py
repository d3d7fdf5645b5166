"""Any baseline's run can be repeated, stopped, resumed and loaded; a fault keeps what was good."""

import dataclasses
import json
import math
import os
import shutil
import signal
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image
from tiny_runs import (
    OPTIONS,
    SYSTEMS,
    TINY,
    Images,
    acting,
    baseline,
    data_sets,
    render,
    result,
    table,
)

import baselines
import fdd
from baselines.training.loop import Outcome, train
from fdd import FddError

DISCRIMINATOR = ["D(x) mean", "D(x) std", "D(x) cv", "D(G(z)) mean", "D(G(z)) std", "D(G(z)) cv"]
GRADIENTS = ["gradient of discriminator norm", "gradient of generator norm"]
FOUND = ["score", "diversity", "sharpness"]
COLUMNS = {
    "dcgan": ["discriminator", "generator", *DISCRIMINATOR, *GRADIENTS, *FOUND],
    "aae": [
        "reconstruction",
        "moments",
        "discriminator",
        "generator",
        "codes mean",
        "codes std",
        "codes cv",
        "gradient of autoencoder norm",
        *DISCRIMINATOR,
        *GRADIENTS,
        "held_out_mse",
        *FOUND,
    ],
    "lsd": [
        "discriminator",
        "generator",
        "correspondence",
        *DISCRIMINATOR,
        *GRADIENTS,
        "held_out_mse",
        *FOUND,
    ],
}
each_baseline = pytest.mark.parametrize("name", SYSTEMS)


@pytest.fixture
def run(tmp_path):
    """run(baseline, folder, option=value, ...) trains there and gives (outcome, folder)."""

    def go(make, folder, *, on_read=lambda number: None, **options):
        make = baseline(make) if isinstance(make, str) else make
        config = make.config_type(**TINY | options)
        return train(make, config, tmp_path / folder, **data_sets(on_read)), tmp_path / folder

    return go


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """whole(name, option=value, ...): the folder of such a run, which is trained once; to be read
    or copied."""

    @cache
    def folder(name, **options):
        made = tmp_path_factory.mktemp(name) / "run"
        config = baseline(name).config_type(**TINY | options)
        assert train(baseline(name), config, made, **data_sets()) == Outcome(config.steps)
        return made

    return folder


@each_baseline
def test_a_run_leaves_what_the_docs_say(run, name):
    outcome, folder = run(name, "a", sample_every=4)
    assert outcome == Outcome(8, None)
    config = json.loads((folder / "config.json").read_text())
    assert {
        **dataclasses.asdict(baseline(name).config_type(**TINY | {"sample_every": 4})),
        "baseline": name,
        "fdd_version": fdd.__version__,
        "data_version": "fdd-1",
    }.items() <= config.items()
    assert config["trained_on"] == {
        "device": "cpu",
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "processes": 1,
    }
    rows = table(folder)
    assert list(rows[0]) == ["step", "epoch", *COLUMNS[name]]
    assert [int(row["step"]) for row in rows] == list(range(1, 9))
    assert [row["epoch"] for row in rows] == ["0"] * 8
    for row in rows:
        for column, value in row.items():
            kind, _, what = column.rpartition(" ")
            if what != "cv":
                assert math.isfinite(float(value))
            elif abs(mean := float(row[f"{kind} mean"])) > 1e-6:
                assert float(value) == pytest.approx(float(row[f"{kind} std"]) / abs(mean))
            else:
                assert value == "nan"
    assert any((folder / "tb").iterdir())
    kinds = {"samples"} if name == "dcgan" else {"samples", "reconstructions"}
    for kind in kinds:
        names = sorted(path.name for path in (folder / kind).iterdir())
        assert names == ["step-000004.png", "step-000008.png"]
    assert {path.name for path in folder.iterdir()} == {
        "config.json",
        "metrics.csv",
        "tb",
        "checkpoints",
        *kinds,
    }
    assert {path.name for path in (folder / "checkpoints").iterdir()} == {"last", "best"}
    assert not list(folder.rglob("*.tmp"))


@pytest.mark.parametrize("name", ["aae", "lsd"])
def test_reconstructions_stand_below_the_images_that_they_are_of(whole, name):
    folder = whole(name)
    sheet = np.asarray(Image.open(folder / "reconstructions" / "step-000008.png"))
    # 16 x 16 images, six times enlarged, each between gaps of two pixels
    rows = [sheet[start : start + 96 : 6] for start in (2, 100)]
    above, below = (
        np.stack([row[:, 2 + 98 * i : 98 + 98 * i : 6] for i in range(8)]) for row in rows
    )
    small = fdd.pictures.resize(render(40)[32:], 16)
    assert np.array_equal(above, small)
    mse = ((below.astype(float) - above) ** 2).mean() / 127.5**2
    assert float(table(folder)[-1]["held_out_mse"]) == pytest.approx(mse, rel=1e-5)


def test_the_tests_compute_with_one_thread_in_every_process():
    """With another number the bits differ; any library that a test imports may set it."""
    with ThreadPoolExecutor(1) as pool:
        threads = torch.get_num_threads(), pool.submit(torch.get_num_threads).result()
    assert threads == (1, 1)


@each_baseline
def test_the_same_seed_gives_the_same_run_and_another_another(run, whole, name):
    first, second, third = whole(name), run(name, "b")[1], run(name, "c", seed=1)[1]
    assert result(first) == result(second)
    assert result(first)[0] != result(third)[0]


@each_baseline
def test_two_halves_are_bit_for_bit_a_whole(run, name):
    options = {"ema": 0.9, "checkpoint_every": 3}
    whole = result(run(name, "whole", steps=12, **options)[1])
    outcome, folder = run(name, "halves", steps=6, **options)
    assert outcome == Outcome(6)
    assert run(name, "halves", steps=12, **options) == (Outcome(12), folder)
    assert result(folder) == whole


@each_baseline
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_finishes_the_step_and_saves(run, whole, name, number):
    before = signal.getsignal(number)
    make = acting(baseline(name), 3, lambda model, losses: signal.raise_signal(number))
    outcome, folder = run(make, "stopped")
    assert outcome == Outcome(3, stopped=True)
    assert signal.getsignal(number) is before
    assert torch.load(folder / "checkpoints/last/state.pt", weights_only=True)["step"] == 3
    assert baselines.load_run(folder).config["steps"] == 8
    run(name, "stopped")
    assert result(folder) == result(whole(name))


def test_a_signal_while_a_batch_is_read_finishes_the_step_as_well(run, whole):
    """Which step that is, the thread that reads ahead and the system decide."""
    outcome, folder = run(
        "aae",
        "stopped",
        on_read=lambda read: signal.raise_signal(signal.SIGTERM) if read == 3 else None,
    )
    assert outcome.step in (2, 3)
    assert [int(row["step"]) for row in table(folder)] == list(range(1, outcome.step + 1))
    run("aae", "stopped")
    assert result(folder) == result(whole("aae"))


def test_a_second_ctrl_c_does_not_wait_and_keeps_the_checkpoint(run, whole):
    def stop(model, losses):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run(acting(baseline("aae"), 6, stop), "stopped")
    outcome, folder = run("aae", "stopped", steps=4)
    assert outcome == Outcome(4)
    run("aae", "stopped")
    assert result(folder) == result(whole("aae"))


def test_a_run_in_a_thread_leaves_signals_alone(run, whole):
    with ThreadPoolExecutor(1) as pool:
        outcome, folder = pool.submit(run, "aae", "threaded").result()
    assert outcome == Outcome(8)
    assert result(folder) == result(whole("aae"))


@each_baseline
def test_a_run_that_died_goes_on_from_its_checkpoint(run, whole, name):
    def die(number):
        if number == 7:
            raise MemoryError

    with pytest.raises(MemoryError):
        run(name, "died", on_read=die)
    outcome, folder = run(name, "died")
    assert outcome == Outcome(8)
    assert [int(row["step"]) for row in table(folder)] == list(range(1, 9))
    assert result(folder) == result(whole(name))


def test_a_row_that_was_cut_short_is_written_again(run, whole):
    _, folder = run("aae", "cut", steps=4)
    with (folder / "metrics.csv").open("a") as file:
        file.write("5,0,0.12")
    run("aae", "cut")
    assert result(folder) == result(whole("aae"))


@pytest.mark.parametrize("which", ["last", "best"])
def test_a_kill_while_a_checkpoint_is_replaced(run, whole, which):
    _, folder = run("aae", "killed", steps=4)
    checkpoints = folder / "checkpoints"
    aside = {"last": "previous", "best": "previous-best"}[which]
    new = {"last": "new", "best": "new-best"}[which]
    (checkpoints / which).rename(checkpoints / aside)
    (checkpoints / new).mkdir()
    (checkpoints / new / "model.safetensors").write_bytes(b"half")
    assert baselines.load_run(folder, checkpoint=which).latent_size == 6
    run("aae", "killed")
    assert {path.name for path in checkpoints.iterdir()} == {"last", "best"}
    assert result(folder) == result(whole("aae"))


@each_baseline
@pytest.mark.parametrize("checkpoint", ["last", "best"])
def test_a_run_is_loaded_as_functions_of_arrays(whole, name, checkpoint):
    model = baselines.load_run(whole(name), checkpoint=checkpoint)
    assert (model.image_size, model.latent_size, model.config["baseline"]) == (16, 6, name)
    codes = np.random.default_rng(0).normal(size=(5, 6))
    images = model.generate(codes)
    assert (images.shape, images.dtype) == ((5, 16, 16, 3), np.uint8)
    small = fdd.pictures.resize(render(40)[:5], 16)
    if name == "aae":
        assert model.encode(small).shape == (5, 6)
        return
    with pytest.raises(FddError) as error:
        model.encode(small)
    assert str(error.value) == f"baseline={name!r} has no encoder"


@pytest.mark.parametrize(
    ("name", "rates"),
    [("aae", {"lr_encoder": 5e-3, "lr_generator": 1e-5}), ("lsd", {"lr_generator": 5e-3})],
)
def test_training_learns(run, name, rates):
    _, folder = run(name, "a", steps=60, leaky_slope=0.1, **rates)
    errors = [float(row["held_out_mse"]) for row in table(folder)]
    assert errors[-1] < 0.7 * errors[0]


def explode(model, losses):
    return losses | {"moments": losses["moments"] * np.nan}


def spoil(model, losses):
    with torch.no_grad():
        model.encoder[-1].bias[0] = np.inf


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (acting(baseline("aae"), 6, explode), "loss moments=nan at step 6"),
        (acting(baseline("aae"), 8, spoil), "weight encoder.12.bias is not finite at step 8"),
    ],
)
def test_numbers_that_are_not_finite_stop_the_run(run, whole, tmp_path, make, what):
    with pytest.raises(FddError) as error:
        run(make, "bad", log_every=100, sample_every=100)
    last = tmp_path / "bad" / "checkpoints" / "last"
    assert str(error.value) == (
        f"{what}, so training stopped; the last good checkpoint, of step 4, is in '{last}'; "
        "a smaller learning rate may help"
    )
    weights = safetensors.torch.load_file(last / "model.safetensors")
    assert all(tensor.isfinite().all() for tensor in weights.values())
    good = whole("aae", steps=4) / "checkpoints/last/model.safetensors"
    assert (last / "model.safetensors").read_bytes() == good.read_bytes()


def test_a_learning_rate_far_too_large_is_stopped_in_earnest(run):
    with pytest.raises(FddError, match="last good checkpoint, of step 0"):
        run("aae", "wild", lr_encoder=1e38, batch_norm_eps=1e-5)


def test_a_kill_after_the_last_checkpoint_leaves_nothing(run, whole, tmp_path):
    folder = shutil.copytree(whole("aae"), tmp_path / "killed")
    before = sorted(folder.rglob("*"))
    shutil.copytree(folder / "checkpoints" / "last", folder / "checkpoints" / "previous")
    assert run("aae", "killed") == (Outcome(8), folder)
    assert sorted(folder.rglob("*")) == before


def test_a_finished_run_is_left_alone(run, whole, tmp_path):
    folder = shutil.copytree(whole("aae"), tmp_path / "a")
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert run("aae", "a") == (Outcome(8), folder)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_folders_that_cannot_be_used(run, whole, tmp_path):
    folder = shutil.copytree(whole("aae"), tmp_path / "a")
    before = contents(folder)
    with pytest.raises(FddError) as error:
        run("aae", "a", width=3)
    assert str(error.value) == (
        f"run folder '{folder}': it holds a run with width=2, not 3; "
        "choose another folder with --out"
    )
    with pytest.raises(FddError) as error:
        run("aae", "a", steps=5)
    assert str(error.value) == f"steps=5 must be 8 or more: '{folder}' is that far"
    assert contents(folder) == before

    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    with pytest.raises(FddError) as error:
        run("aae", "full")
    assert str(error.value) == (
        f"run folder '{tmp_path / 'full'}': it holds files but no run; "
        "choose another folder with --out"
    )
    assert os.listdir(tmp_path / "full") == ["thesis.txt"]
    with pytest.raises(FddError, match="cannot be written; choose another --out"):
        run("aae", "full/thesis.txt/run")


def test_a_checkpoint_that_cannot_be_written(run, whole, tmp_path):
    folder = shutil.copytree(whole("aae", steps=4), tmp_path / "a")
    shutil.rmtree(folder / "checkpoints")
    (folder / "checkpoints").write_text("in the way")
    with pytest.raises(FddError, match="cannot be written"):
        run("aae", "a")


def test_another_version_of_the_data_is_another_run(whole, tmp_path):
    shutil.copytree(whole("aae", steps=4), tmp_path / "a")
    other = Images(render(40))
    other.version = "fdd-2"
    with pytest.raises(FddError, match="data_version='fdd-1', and here it is 'fdd-2'"):
        train(baseline("aae"), OPTIONS, tmp_path / "a", data=other, held_out=other)


def test_a_run_trains_on_the_release_that_it_names(tiny, tmp_path):
    make = baseline("aae")
    config = make.config_type(**TINY | {"version": tiny.name})
    assert train(make, config, tmp_path / "run") == Outcome(8)
    saved = (tmp_path / "run" / "config.json").read_text()
    assert '"version": "tiny-1"' in saved
    assert '"data_version": "tiny-1"' in saved
    for changed, message in [
        ({"version": "mini-0"}, r"version='mini-0' is not known \(did you mean mini-1\?\)"),
        ({"image_size": 32}, "size=32 must divide 16, the side of the images"),
    ]:
        with pytest.raises(FddError, match=message):
            train(make, dataclasses.replace(config, **changed), tmp_path / "x")
    assert not (tmp_path / "x").exists()


@each_baseline
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device; torch sees none")
def test_a_run_on_cuda_stops_goes_on_and_loads(run, name):
    assert run(name, "a", device="cuda", steps=4)[0] == Outcome(4)
    outcome, folder = run(name, "a", device="cuda")
    assert outcome == Outcome(8)
    assert [row["step"] for row in table(folder)] == [str(n) for n in range(1, 9)]
    assert json.loads((folder / "config.json").read_text())["trained_on"]["device"] == "cuda:0"
    codes = np.random.default_rng(0).normal(size=(4, 6))
    on_cpu, on_cuda = (baselines.load_run(folder, at).generate(codes) for at in ("cpu", "cuda"))
    np.testing.assert_allclose(on_cuda.astype(int), on_cpu.astype(int), atol=2)
