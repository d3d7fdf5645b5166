"""A run can be repeated, interrupted, continued and loaded; what goes wrong is one sentence."""

import csv
import dataclasses
import json
import os
import shutil
import signal
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image
from tiny_runs import OPTIONS, Images, render

import baselines
import fdd
from baselines.aae import AAE
from baselines.train import train
from fdd import FddError

LOSSES = ["reconstruction", "moments", "discriminator", "generator"]


@pytest.fixture(scope="module")
def images():
    return render(40)


@pytest.fixture
def run(images, tmp_path):
    """run(folder, option=value, ...) trains there and gives (step, folder)."""

    def go(name, *, make=AAE, on_read=lambda number: None, **options):
        config = dataclasses.replace(OPTIONS, **options)
        data, held_out = Images(images[:32], on_read), Images(images[32:])
        return train(make, config, tmp_path / name, data=data, held_out=held_out), tmp_path / name

    return go


def result(folder):
    """All that a run must have in common with its repetition, as bytes and tensors."""
    last = folder / "checkpoints" / "last"
    state = torch.load(last / "state.pt", weights_only=True)
    moments = [
        tensor
        for optimizer in state["optimizers"].values()
        for entry in optimizer["state"].values()
        for tensor in entry.values()
    ]
    return (
        (last / "model.safetensors").read_bytes(),
        (folder / "metrics.csv").read_bytes(),
        state["step"],
        [tensor.numpy().tobytes() for tensor in [state["rng"], *moments]],
    )


def table(folder):
    with (folder / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_run_leaves_what_the_docs_say(run, images):
    step, folder = run("a")
    assert step == 8
    config = json.loads((folder / "config.json").read_text())
    assert {
        **dataclasses.asdict(OPTIONS),
        "baseline": "aae",
        "fdd_version": fdd.__version__,
        "data_version": "fdd-1",
    }.items() <= config.items()
    rows = table(folder)
    assert list(rows[0]) == ["step", "epoch", *LOSSES, "held_out_mse"]
    assert [int(row["step"]) for row in rows] == list(range(1, 9))
    assert [row["epoch"] for row in rows] == ["0"] * 8
    assert all(np.isfinite(float(value)) for row in rows for value in row.values())
    assert any((folder / "tb").iterdir())
    for kind in ("samples", "reconstructions"):
        names = sorted(path.name for path in (folder / kind).iterdir())
        assert names == ["step-000004.png", "step-000008.png"]
    above = np.asarray(Image.open(folder / "reconstructions" / "step-000008.png"))
    first = above[2:98:6, 2:98:6]  # a 16 x 16 image, six times enlarged, with a gap of two pixels
    assert np.array_equal(first, baselines.data.resize(images[32:33], 16)[0])
    assert {path.name for path in (folder / "checkpoints").iterdir()} == {"last"}
    assert not list(folder.rglob("*.tmp"))


def test_the_same_seed_gives_the_same_run_and_another_another(run):
    first, second, third = run("a")[1], run("b")[1], run("c", seed=1)[1]
    assert result(first) == result(second)
    assert result(first)[0] != result(third)[0]


def test_two_halves_are_bit_for_bit_a_whole(run):
    whole = result(run("whole", steps=12)[1])
    step, folder = run("halves", steps=6)
    assert step == 6
    assert run("halves", steps=12) == (12, folder)
    assert result(folder) == whole


def test_a_run_that_died_goes_on_from_its_checkpoint(run):
    def die(number):
        if number == 7:
            raise MemoryError

    with pytest.raises(MemoryError):
        run("died", steps=12, on_read=die)
    died, folder = run("died", steps=12)
    assert died == 12
    assert [int(row["step"]) for row in table(folder)] == list(range(1, 13))
    assert result(folder) == result(run("whole", steps=12)[1])


def test_a_row_that_was_cut_short_is_written_again(run):
    whole = result(run("whole")[1])
    _, folder = run("cut", steps=4)
    with (folder / "metrics.csv").open("a") as file:
        file.write("5,0,0.12")
    run("cut")
    assert result(folder) == whole


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_finishes_the_step_and_saves(run, number):
    before = signal.getsignal(number)
    stop = lambda read: signal.raise_signal(number) if read == 3 else None  # noqa: E731
    step, folder = run("stopped", on_read=stop)
    assert step == 3
    assert signal.getsignal(number) is before
    assert torch.load(folder / "checkpoints/last/state.pt", weights_only=True)["step"] == 3
    assert baselines.load_run(folder).config["steps"] == 8
    run("stopped")
    assert result(folder) == result(run("whole")[1])


def test_a_second_ctrl_c_does_not_wait_and_keeps_the_checkpoint(run):
    def stop(read):
        if read == 6:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run("stopped", on_read=stop)
    _, folder = run("stopped")
    assert result(folder) == result(run("whole")[1])


def test_a_run_in_a_thread_leaves_signals_alone(run):
    with ThreadPoolExecutor(1) as pool:
        step, folder = pool.submit(run, "threaded").result()
    assert step == 8
    assert result(folder) == result(run("whole")[1])


def test_a_kill_while_a_checkpoint_is_replaced(run):
    _, folder = run("killed", steps=4)
    checkpoints = folder / "checkpoints"
    (checkpoints / "last").rename(checkpoints / "previous")
    (checkpoints / "new").mkdir()
    (checkpoints / "new" / "model.safetensors").write_bytes(b"half")
    assert baselines.load_run(folder).latent_size == 6
    run("killed")
    assert {path.name for path in checkpoints.iterdir()} == {"last"}
    assert result(folder) == result(run("whole")[1])


class Exploding(AAE):
    """Its loss `moments` is not a number at the sixth step."""

    def step(self, images, rng):
        losses = super().step(images, rng)
        self.calls = getattr(self, "calls", 0) + 1
        return losses | {"moments": losses["moments"] * (np.nan if self.calls == 6 else 1)}


class Spoiled(AAE):
    """Its losses are finite, but at the eighth step a weight is not."""

    def step(self, images, rng):
        losses = super().step(images, rng)
        self.calls = getattr(self, "calls", 0) + 1
        if self.calls == 8:
            with torch.no_grad():
                self.encoder[-1].bias[0] = np.inf
        return losses | {"reconstruction": torch.tensor(0.0), "moments": torch.tensor(1.0)}


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (Exploding, "loss moments=nan at step 6"),
        (Spoiled, "weight encoder.12.bias is not finite at step 8"),
    ],
)
def test_numbers_that_are_not_finite_stop_the_run(run, tmp_path, make, what):
    with pytest.raises(FddError) as error:
        run("bad", make=make, log_every=100, sample_every=100)
    last = tmp_path / "bad" / "checkpoints" / "last"
    assert str(error.value) == (
        f"{what}, so training stopped; the last good checkpoint, of step 4, is in '{last}'; "
        "a smaller learning rate may help"
    )
    weights = safetensors.torch.load_file(last / "model.safetensors")
    assert all(tensor.isfinite().all() for tensor in weights.values())
    good = run("good", steps=4)[1] / "checkpoints/last/model.safetensors"
    assert (last / "model.safetensors").read_bytes() == good.read_bytes()


def test_a_learning_rate_far_too_large_is_stopped_in_earnest(run):
    with pytest.raises(FddError, match="last good checkpoint, of step 0"):
        run("wild", lr_encoder=1e38, batch_norm_eps=1e-5)


def test_a_finished_run_is_left_alone(run):
    _, folder = run("a")
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert run("a") == (8, folder)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_folders_that_cannot_be_used(run, tmp_path):
    _, folder = run("a")
    before = result(folder)
    with pytest.raises(FddError) as error:
        run("a", width=3)
    assert str(error.value) == (
        f"run folder '{folder}': it holds a run with width=2, not 3; "
        "choose another folder with --out"
    )
    with pytest.raises(FddError) as error:
        run("a", steps=5)
    assert str(error.value) == f"steps=5 must be 8 or more: '{folder}' is that far"
    assert result(folder) == before

    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    with pytest.raises(FddError) as error:
        run("full")
    assert str(error.value) == (
        f"run folder '{tmp_path / 'full'}': it holds files but no run; "
        "choose another folder with --out"
    )
    assert os.listdir(tmp_path / "full") == ["thesis.txt"]
    with pytest.raises(FddError, match="cannot be written; choose another --out"):
        run("full/thesis.txt/run")


def test_a_checkpoint_that_cannot_be_written(run, tmp_path):
    (tmp_path / "a").mkdir()
    _, folder = run("a", steps=4)
    shutil.rmtree(folder / "checkpoints")
    (folder / "checkpoints").write_text("in the way")
    with pytest.raises(FddError, match="cannot be written"):
        run("a")


def test_another_version_of_the_data_is_another_run(run, images, tmp_path):
    run("a", steps=4)
    other = Images(images)
    other.version = "fdd-2"
    with pytest.raises(FddError, match="data_version='fdd-1', and here it is 'fdd-2'"):
        train(AAE, OPTIONS, tmp_path / "a", data=other, held_out=other)


def test_a_run_trains_on_the_release_that_it_names(tiny, tmp_path):
    config = dataclasses.replace(OPTIONS, version=tiny.name)
    assert train(AAE, config, tmp_path / "run") == 8
    saved = json.loads((tmp_path / "run" / "config.json").read_text())
    assert saved["version"] == saved["data_version"] == "tiny-1"
    with pytest.raises(FddError, match="version='mini-0' is not known; choose from fdd-1, mini-1"):
        train(AAE, dataclasses.replace(config, version="mini-0"), tmp_path / "other")
    with pytest.raises(FddError, match="size=32 must divide 16, the side of the images"):
        train(AAE, dataclasses.replace(config, image_size=32), tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_training_learns(run):
    _, folder = run("a", steps=60, lr_encoder=5e-3, lr_generator=1e-5, leaky_slope=0.1)
    errors = [float(row["held_out_mse"]) for row in table(folder)]
    assert errors[-1] < 0.7 * errors[0]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device; torch sees none")
def test_a_run_on_cuda_stops_goes_on_and_loads(run, images):
    assert run("a", device="cuda", steps=4)[0] == 4
    step, folder = run("a", device="cuda")
    assert step == 8
    assert [row["step"] for row in table(folder)] == [str(n) for n in range(1, 9)]
    assert json.loads((folder / "config.json").read_text())["trained_on"]["device"] == "cuda"
    small = baselines.data.resize(images[:4], 16)
    codes = {device: baselines.load_run(folder, device).encode(small) for device in ("cpu", "cuda")}
    np.testing.assert_allclose(codes["cuda"], codes["cpu"], rtol=1e-2, atol=1e-3)
