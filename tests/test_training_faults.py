"""What stops a run or cannot be trained is one sentence, and what was good stays."""

import os
import shutil

import numpy as np
import pytest
import safetensors.torch
import torch
from tiny_runs import OPTIONS, TINY, Images, acting, data_sets, render

from baselines.aae import AAE
from baselines.training.loop import Outcome, train
from fdd import FddError


@pytest.fixture
def run(tmp_path):
    """run(folder, option=value, ...) trains an AAE there and gives (outcome, folder)."""

    def go(folder, *, make=AAE, **options):
        config = make.config_type(**TINY | options)
        return train(make, config, tmp_path / folder, **data_sets()), tmp_path / folder

    return go


def explode(model, losses):
    return losses | {"moments": losses["moments"] * np.nan}


def spoil(model, losses):
    with torch.no_grad():
        model.encoder[-1].bias[0] = np.inf


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (acting(AAE, 6, explode), "loss moments=nan at step 6"),
        (acting(AAE, 8, spoil), "weight encoder.12.bias is not finite at step 8"),
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
    assert run("a") == (Outcome(8), folder)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_folders_that_cannot_be_used(run, tmp_path):
    _, folder = run("a")
    before = contents(folder)
    with pytest.raises(FddError) as error:
        run("a", width=3)
    assert str(error.value) == (
        f"run folder '{folder}': it holds a run with width=2, not 3; "
        "choose another folder with --out"
    )
    with pytest.raises(FddError) as error:
        run("a", steps=5)
    assert str(error.value) == f"steps=5 must be 8 or more: '{folder}' is that far"
    assert contents(folder) == before

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


def test_another_version_of_the_data_is_another_run(run, tmp_path):
    run("a", steps=4)
    other = Images(render(40))
    other.version = "fdd-2"
    with pytest.raises(FddError, match="data_version='fdd-1', and here it is 'fdd-2'"):
        train(AAE, OPTIONS, tmp_path / "a", data=other, held_out=other)


def test_a_run_trains_on_the_release_that_it_names(tiny, tmp_path):
    config = AAE.config_type(**TINY | {"version": tiny.name})
    assert train(AAE, config, tmp_path / "run") == Outcome(8)
    saved = (tmp_path / "run" / "config.json").read_text()
    assert '"version": "tiny-1"' in saved
    assert '"data_version": "tiny-1"' in saved
    for changed, message in [
        ({"version": "mini-0"}, "version='mini-0' is not known; choose from fdd-1, mini-1"),
        ({"image_size": 32}, "size=32 must divide 16, the side of the images"),
    ]:
        with pytest.raises(FddError, match=message):
            train(AAE, AAE.config_type(**TINY | {"version": tiny.name} | changed), tmp_path / "x")
    assert not (tmp_path / "x").exists()
