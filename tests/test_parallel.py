"""Two processes on one batch give the numbers of one: losses, BatchNorm, gradients, stops."""

import contextlib
import os
import socket
import subprocess
import sys

import numpy as np
import parallel_program as program
import pytest
import torch
import warm
from PIL import Image
from skimage import data as shipped
from tiny_runs import baseline, table
from torch import nn

import baselines
from baselines import aae, biggan, dcgan, lsd
from baselines.aae import AAE
from baselines.training import parallel
from baselines.training.cli import main
from fdd.files import alone_in

LOSSES = {
    "dcgan": ["discriminator", "generator"],
    "lsd": ["discriminator", "generator", "correspondence"],
    "aae": ["reconstruction", "moments", "discriminator", "generator"],
    "biggan": ["discriminator", "generator"],
    "contrastive": ["contrastive", "held_out_loss", "score"],
    "lejepa": ["distance", "sigreg", "held_out_loss", "score"],
    "betavae": ["reconstruction", "kl"],
    "cyclegan": ["translators", "cycle", "identity", "D_A", "D_B", "score"],
}
AAE_OPTIONS = [*program.OPTIONS, "--flip", "--rotate=20", "--autoencoder-loss=EG"]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    for name in ("astronaut", "camera", "chelsea", "coffee", "coins", "moon", "page", "rocket"):
        picture = Image.fromarray(getattr(shipped, name)())
        picture.thumbnail((128, 128))
        picture.save(folder / f"{name}.png")
        picture.rotate(180).save(folder / f"{name}-turned.png")
    return folder


@pytest.fixture(scope="module")
def warm_python(tmp_path_factory):
    """A script in place of the interpreter, which has what every process of a run imports."""
    folder = tmp_path_factory.mktemp("warm")
    modules = ("fdd.rendering.cpu", "lightning_fabric", "torch.utils.tensorboard")
    with warm.serving(folder, *modules) as script:
        yield script


@pytest.fixture(scope="module")
def together(warm_python, pictures, tmp_path_factory):
    """(folder, what each of two processes found) of tests/parallel_program.py.

    They are told by the environment what torchrun would tell them.
    """
    folder = tmp_path_factory.mktemp("together")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        group = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1])}
    group |= {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "TORCHELASTIC_RUN_ID": "tests"}
    words = [sys.executable, warm_python, program.__file__, folder, pictures]
    with alone_in(folder / "in use"), contextlib.ExitStack() as stack:
        processes = []
        for rank in ("0", "1"):
            environment = os.environ | group | {"RANK": rank, "LOCAL_RANK": rank}
            process = subprocess.Popen(words, env=environment, stderr=subprocess.PIPE, text=True)
            processes.append(stack.enter_context(process))
            stack.callback(process.kill)  # where the other one has failed
        for process in processes:
            errors = process.communicate(timeout=600)[1]
            assert process.returncode == 0, errors
        assert len(list((folder / "in use").iterdir())) == 1  # the lock
    return folder, [torch.load(folder / f"{rank}.pt", weights_only=False) for rank in (0, 1)]


def equal_losses(one, other, name):
    """Both runs have the same losses at every step, but for rounding."""
    numbers = [
        [[float(row[loss]) for loss in LOSSES[name]] for row in table(f)] for f in (one, other)
    ]
    assert len(numbers[0]) == len(numbers[1]) > 0
    assert len({tuple(row) for row in numbers[0]}) == len(numbers[0])
    np.testing.assert_allclose(numbers[1], numbers[0], rtol=1e-4, atol=1e-5)


def test_an_lsd_on_the_stream_has_the_losses_of_one_process(together, tiny, tmp_path):
    folder, found = together
    assert [each["lsd"] for each in found] == [(0, [])] * 2
    assert main(lsd.LSD, lsd.PRESETS, [*program.LSD, "--out", str(tmp_path / "one")]) == 0
    equal_losses(tmp_path / "one", folder / "lsd", "lsd")


def test_a_biggan_has_the_losses_of_one_process(together, tiny, tmp_path):
    """Pairs do not match across both halves of a batch, and BatchNorm has no weights of its own."""
    folder, found = together
    assert [each["biggan"] for each in found] == [(0, [])] * 2
    options = [*program.BIGGAN, "--out", str(tmp_path / "one")]
    assert main(biggan.BigGAN, biggan.PRESETS, options) == 0
    equal_losses(tmp_path / "one", folder / "biggan", "biggan")


def test_a_wasserstein_game_has_the_losses_of_one_process(together, pictures, tmp_path):
    folder, found = together
    assert [each["dcgan"] for each in found] == [(0, [])] * 2
    options = [*program.critic(pictures), "--out", str(tmp_path / "one")]
    assert main(dcgan.DCGAN, dcgan.PRESETS, options) == 0
    equal_losses(tmp_path / "one", folder / "dcgan", "dcgan")


@pytest.mark.parametrize("name", program.ON_PAIRS)
def test_a_run_on_pairs_has_the_losses_of_one_process(together, tiny, tmp_path, name):
    """And without a generator it is judged as by one, on all held-out pairs and those alone."""
    folder, found = together
    assert [each[name] for each in found] == [(0, [])] * 2
    options = [*program.ON_PAIRS[name], "--out", str(tmp_path / "one")]
    assert main(baseline(name), program.MODULES[name].PRESETS, options) == 0
    equal_losses(tmp_path / "one", folder / name, name)


def test_the_command_runs_under_torchrun(run_python, warm_python, pictures, tmp_path):
    options = [*AAE_OPTIONS, f"--data=images:{pictures}"]
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    code, output, errors = run_python(
        *torchrun, warm_python, "-m", "baselines.aae", *options, "--out", tmp_path / "two"
    )
    assert code == 0, errors
    assert f"trained to step 6: {tmp_path / 'two'}" in output
    assert main(AAE, aae.PRESETS, [*options, "--out", str(tmp_path / "one")]) == 0
    equal_losses(tmp_path / "one", tmp_path / "two", "aae")
    config = baselines.load_run(tmp_path / "two").config
    assert config["trained_on"]["processes"] == 2
    names = [
        sorted(str(path.relative_to(tmp_path / run)) for path in (tmp_path / run).rglob("*.*"))
        for run in ("one", "two")
    ]
    events = [[name for name in found if "tfevents" not in name] for found in names]
    assert events[0] == events[1]
    assert len(names[1]) - len(events[1]) == 1  # one process writes


def test_a_signal_to_one_process_stops_both_and_one_can_go_on(together, tiny, tmp_path):
    folder, found = together
    stopped = f"stopped and saved at step 4; go on with --resume {folder / 'stopped'}"
    assert [each["stopped"] for each in found] == [(130, [stopped])] * 2
    assert len(table(folder / "stopped")) == 4
    for where in (folder / "stopped", tmp_path / "whole"):
        options = [*program.STOPPED, "--out", str(where)]
        assert main(dcgan.DCGAN, dcgan.PRESETS, options) == 0
    equal_losses(tmp_path / "whole", folder / "stopped", "dcgan")


UNEVEN = "batch_size=9 must be a multiple of 2, the number of processes that share it"


def test_a_batch_that_cannot_be_shared_is_one_sentence(together):
    folder, found = together
    assert [each["uneven"] for each in found] == [(2, [f"error: {UNEVEN}"])] * 2
    assert not (folder / "uneven").exists()


def test_a_folder_in_use_is_one_sentence_of_each(together):
    folder, found = together
    sentence = (
        f"error: folder {str(folder / 'in use')!r} is in use: another process works in it; wait "
        "until it has ended or choose another folder"
    )
    assert [each["in use"] for each in found] == [(2, [sentence])] * 2


def test_each_process_knows_its_place(together):
    _, found = together
    assert [each["processes"] for each in found] == [(0, 2), (1, 2)]
    for each in found:
        assert each["gathered"].tolist() == [[0], [0], [1], [1]]
        assert each["any"] == [False, True, True]
        assert each["mean"] == {"a": 0.5, "b": 3.0}


def test_batch_norm_of_two_is_that_of_torch_on_the_whole_batch(together):
    _, found = together
    one = program.normalise(nn.BatchNorm2d(3, eps=0.1))
    two = [each["batch norm"] for each in found]
    for i, name in enumerate(["images", "gradient of images"]):
        joined = torch.cat([each[i] for each in two])
        torch.testing.assert_close(joined, one[i], rtol=1e-4, atol=1e-5, msg=name)
    for each in two:
        for a, b in zip(each[2:], one[2:], strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)
    x = program.random(4, 3, 2, 2)
    for each in found:
        torch.testing.assert_close(each["evaluated"], nn.BatchNorm2d(3).eval()(x))


def test_gradients_are_averaged_where_there_are_any(together):
    _, found = together
    shapes = (2, 3, 4, 4), (5,)
    for each in found:
        *averages, missing = each["average"]
        assert missing is None
        for seed, (shape, average) in enumerate(zip(shapes, averages, strict=True)):
            both = [program.random(*shape, seed=10 * seed + rank) for rank in (0, 1)]
            torch.testing.assert_close(average, (both[0] + both[1]) / 2)


def test_the_moments_are_those_of_the_codes_of_all_processes(together):
    _, found = together
    loss, gradient = program.moments()
    for each in found:
        torch.testing.assert_close(each["moments"][0], loss)
    # each has the gradients of its own codes, twice since they are then averaged
    joined = sum(each["moments"][1] for each in found) / 2
    torch.testing.assert_close(joined, gradient)


def test_one_process_alone_does_nothing():
    rows = torch.ones(3, 2)
    assert parallel.processes() == (0, 1)
    assert parallel.gather(rows) is rows
    assert torch.equal(parallel.share(rows), rows)
    parameter = nn.Parameter(rows)
    parameter.grad = rows.clone()
    parallel.average_gradients([parameter])
    assert torch.equal(parameter.grad, rows)
