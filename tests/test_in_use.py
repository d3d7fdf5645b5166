"""Of two commands in one folder the second is told so and writes nothing; a kill frees the folder.

The first is a process that is stopped in the middle of its work, so that it still holds the folder.
"""

import csv
import signal
import time

import pytest
import torch
from conftest import tree
from PIL import Image

NUMBERS = ["--format", "npy", "--version", "mini-1", "--workers", "0"]


def sentence(folder):
    return (
        f"folder {str(folder)!r} is in use: another process works in it; wait until it has ended "
        "or choose another folder\n"
    )


@pytest.fixture
def busy(start_python):
    """busy(begun, *arguments) starts the interpreter and stops it once begun() holds."""

    def start(begun, *arguments):
        process = start_python(*arguments)
        until = time.monotonic() + 600
        while not begun():
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < until
            time.sleep(0.005)
        process.send_signal(signal.SIGSTOP)
        time.sleep(0.05)  # until its other threads stand still too
        assert process.poll() is None
        return process

    return start


@pytest.fixture
def refused(run_module):
    """refused(folder, *arguments): that one sentence, status 2, and nothing is written."""

    def check(folder, *arguments):
        before = tree(folder)
        status, _, errors = run_module(*arguments)
        assert (status, errors) == (2, f"error: {sentence(folder)}")
        assert tree(folder) == before

    return check


def kill(process):
    process.kill()
    process.communicate()


def hidden(folder):
    return [path.name for path in folder.rglob(".*")]


def rows(folder):
    table = folder / "metrics.csv"
    return list(csv.DictReader(table.read_text().splitlines())) if table.exists() else []


def test_a_run_is_trained_by_one_command_at_a_time(busy, refused, run_module, tmp_path):
    pictures, folder = tmp_path / "pictures", tmp_path / "run"
    pictures.mkdir()
    for number in range(40):
        Image.new("RGB", (16, 16), (6 * number, 0, 99)).save(pictures / f"{number}.png")
    words = ["-m", "baselines.dcgan", "--preset", "mini", "--data", f"images:{pictures}"]
    words += ["--image-size", "16", "--batch-size", "4", "--width", "2", "--device", "cpu"]
    words += ["--log-every", "1", "--checkpoint-every", "2", "--sample-every", "100000"]
    words += ["--out", folder, "--steps"]
    first = busy(lambda: len(rows(folder)) > 4, *words, "100000")
    refused(folder, *words, "100000")
    refused(folder, "-m", "baselines.dcgan", "--resume", folder)
    kill(first)
    state = torch.load(folder / "checkpoints" / "last" / "state.pt", weights_only=True)
    steps = state["step"] + 2
    status, output, errors = run_module(*words, steps)
    assert status == 0, errors
    assert output.endswith(f"trained to step {steps}: {folder}\n")
    assert [int(row["step"]) for row in rows(folder)] == list(range(1, steps + 1))
    assert hidden(folder) == []


def test_a_folder_is_generated_by_one_command_at_a_time(busy, refused, run_module, tmp_path):
    folder = tmp_path / "out"
    words = ["-m", "fdd", "generate", folder, *NUMBERS, "--shard-rows", "10", "--count"]
    first = busy((folder / "shard-00000.npy").exists, *words, "100000")
    refused(folder, *words, "100000")
    refused(folder, *words, "20")
    kill(first)
    status, output, errors = run_module(*words, "20")
    assert status == 0, errors
    assert output.startswith(f"20 images in {folder}, ")
    assert hidden(folder) == []
    assert run_module("-m", "fdd", "generate", folder, "--check")[0] == 0


def test_different_shards_of_a_folder_are_generated_side_by_side(
    busy, refused, run_module, tmp_path
):
    folder = tmp_path / "out"
    words = ["-m", "fdd", "generate", folder, *NUMBERS[:4], "--count", "2400"]
    words += ["--shard-rows", "2000"]
    first = busy((folder / ".generate.json").exists, *words, "--shard", "0")
    status, output, errors = run_module(*words, "--shard", "1")
    assert (status, output) == (
        0,
        f"400 images in shard 1 of {folder}, 400 of them new\n",
    ), errors
    refused(folder, *words, "--shard", "0")
    refused(folder, *words)
    kill(first)
    assert run_module(*words)[:2] == (0, f"2400 images in {folder}, 2000 of them new\n")
    assert hidden(folder) == []


def test_a_package_is_written_by_one_command_at_a_time(busy, refused, run_module, tmp_path):
    pytest.importorskip("pyarrow", reason="a package is written with pyarrow")
    folder = tmp_path / "package"
    words = ["-m", "fdd", "package", "--out", folder, "--version", "mini-1", "--images"]
    first = busy((folder / ".package.json").exists, *words, "400")
    refused(folder, *words, "400")
    kill(first)
    status, _, errors = run_module(*words, "20")
    assert status == 0, errors
    assert hidden(folder) == []
    (folder / ".lock").touch()  # as a kill at the very end leaves it
    assert run_module("-m", "fdd", "package", "--check", folder)[0] == 0


def test_a_reader_is_trained_by_one_command_at_a_time(busy, refused, run_module, tmp_path):
    folder = tmp_path / "reader"
    words = ["-m", "benchmarks.reader", "--version", "mini", "--out", folder, "--size", "16"]
    words += ["--points", "300", "--width", "4", "--batch-size", "10", "--every", "10"]
    words += ["--test-images", "20", "--images"]
    first = busy((folder / "state.pt").exists, *words, "400000")
    refused(folder, *words, "20")
    kill(first)
