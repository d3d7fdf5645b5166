"""An endless stream is the images it promises, once each, whoever takes them and however often."""

import json
import signal
import socket
import threading
from itertools import islice

import numpy as np
import pytest
import torch
from conftest import REGISTER_TINY
from torch.utils.data import DataLoader, IterableDataset
from torchdata.stateful_dataloader import StatefulDataLoader

import fdd
from fdd import FddError


@pytest.fixture
def make(tiny):
    """make(...) is a stream of the release tiny-1 in batches of 3, unless said otherwise."""

    def go(*arguments, **options):
        return fdd.stream(*arguments, **{"version": tiny.name, "batch_size": 3} | options)

    return go


def promised(first, rows, *, split="train", output="rgb", palette="kbc"):
    """Images and raw parameters first .. first + rows - 1, rendered one by one from their name."""
    params = fdd.sample_params(rows, split, first, version="tiny-1")
    return fdd.render(params, output, 16, 400, palette), params


def take(source, batches):
    """The images and the parameters of the next batches, joined, as numpy arrays."""
    taken = list(islice(source, batches))
    return tuple(np.concatenate(parts) for parts in zip(*taken, strict=True))


def assert_same(found, expected):
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)


def rendering_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("fdd-stream")]


@pytest.mark.parametrize("split", ["train", "val"])
@pytest.mark.parametrize("output", ["rgb", "gray", "counts"])
def test_batches_are_the_images_of_the_split_and_go_on_beyond_it(make, split, output):
    found = take(make(split, output=output, palette="inferno"), 10)
    assert_same(found, promised(0, 30, split=split, output=output, palette="inferno"))


def test_the_default_release_begins_with_what_load_gives():
    images, params = next(iter(fdd.stream("test", 2, block=2)))
    assert (images.dtype, images.shape) == (np.uint8, (2, 128, 128, 3))
    np.testing.assert_array_equal(params, fdd.sample_params(2, "test"))
    np.testing.assert_array_equal(images, fdd.render(params))


def test_a_stream_begins_at_its_start_and_stores_nothing(make, tmp_path, monkeypatch):
    monkeypatch.setenv("FDD_DATA", str(tmp_path / "data"))
    assert_same(take(make(start=25), 3), promised(25, 9))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("prefetch", [0, 1, 5])
@pytest.mark.parametrize("block", [1, 7, 1000])
def test_blocks_and_prefetching_change_nothing(make, block, prefetch):
    assert_same(take(make(block=block, prefetch=prefetch, threads=2), 8), promised(0, 24))


def test_parameters_come_in_every_form_or_not_at_all(make):
    raw = promised(0, 3)[1]
    for params, expected in (
        (True, raw),
        ("raw", raw),
        ("scaled", fdd.scale_params(raw)),
        ("canonical", fdd.canonical_params(raw)),
    ):
        np.testing.assert_array_equal(next(iter(make(params=params)))[1], expected)
    np.testing.assert_array_equal(next(iter(make(params=False))), promised(0, 3)[0])


def test_transforms_take_whole_batches(make):
    stream = make(transform=lambda images: images[:, ::2], target_transform=lambda v: v.sum(axis=1))
    images, params = promised(0, 3)
    assert_same(next(iter(stream)), (images[:, ::2], params.sum(axis=1)))


@pytest.mark.parametrize("workers", [0, 1, 2, 3])
@pytest.mark.parametrize("block", [1, 6])
@pytest.mark.filterwarnings("ignore:This DataLoader will create 3 worker")
def test_any_number_of_workers_gives_the_same_stream_of_tensors(make, workers, block):
    stream = make(block=block)
    assert isinstance(stream, IterableDataset)
    loader = DataLoader(stream, batch_size=None, num_workers=workers)
    images, params = next(iter(loader))
    assert (images.dtype, params.dtype) == (torch.uint8, torch.float64)
    stream.seek(0)
    assert_same(take(loader, 8), promised(0, 24))


def test_ranks_given_by_hand_take_turns(make):
    shares = [take(make(rank=rank, world_size=3), 2) for rank in range(3)]
    whole, params = promised(0, 18)
    for rank, (images, vectors) in enumerate(shares):
        rows = np.concatenate([np.arange(3) + 3 * rank, np.arange(3) + 3 * (rank + 3)])
        assert_same((images, vectors), (whole[rows], params[rows]))


RANK = """
import sys
import numpy as np, torch.distributed, fdd
from torch.utils.data import DataLoader
if __name__ == "__main__":
    stream = fdd.stream(batch_size=3, version="tiny-1")  # before the group is there
    torch.distributed.init_process_group("gloo")
    for name, workers, method in (("none", 0, None), ("fork", 2, "fork"), ("spawn", 1, "spawn")):
        loader = DataLoader(stream, None, num_workers=workers, multiprocessing_context=method)
        params = [vectors.numpy() for _, (_, vectors) in zip(range(4), loader)]
        np.save(f"{sys.argv[1]}-{name}", params)
        stream.seek(0)
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()
"""


def test_processes_of_a_group_share_one_stream(start_python, warm_python, tiny, tmp_path):
    """Without workers, with forked ones, and with spawned ones, who know nothing of the group."""
    program = tmp_path / "rank.py"
    program.write_text(REGISTER_TINY + RANK)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    group = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": 2}
    processes = [
        start_python(warm_python, program, tmp_path / str(rank), RANK=rank, **group)
        for rank in (0, 1)
    ]
    for process in processes:
        errors = process.communicate(timeout=600)[1]
        assert process.returncode == 0, errors
    for workers in ("none", "fork", "spawn"):
        in_step = np.stack([np.load(tmp_path / f"{rank}-{workers}.npy") for rank in (0, 1)], axis=1)
        np.testing.assert_array_equal(in_step.reshape(24, 6), promised(0, 24)[1])


def test_breaking_off_loses_nothing_and_leaves_no_thread(make):
    stream = make(block=3, prefetch=4)
    seen = []
    for stop in (1, 3, 2):
        for number, (images, _) in enumerate(stream, 1):
            seen.append(images)
            if number == stop:
                break
        assert rendering_threads() == []
    iterator = iter(stream)
    seen.append(next(iterator)[0])
    assert rendering_threads() != []
    iterator.close()
    assert rendering_threads() == []
    np.testing.assert_array_equal(np.concatenate(seen), promised(0, 21)[0])


def test_exactly_the_prefetched_batches_are_rendered_ahead_in_a_thread(make):
    done = threading.Semaphore(0)
    seen = []

    def note(images):
        seen.append(threading.current_thread())
        done.release()
        return images

    iterator = iter(make(block=1, prefetch=3, transform=note))
    next(iterator)
    for _ in range(4):
        assert done.acquire(timeout=600)
    assert not done.acquire(blocking=False)
    assert threading.main_thread() not in seen
    next(iterator)
    assert done.acquire(timeout=600)
    iterator.close()

    seen.clear()
    next(iter(make(block=1, prefetch=0, transform=note)))
    assert seen == [threading.main_thread()]


@pytest.mark.parametrize("prefetch", [0, 3])
def test_an_error_while_rendering_reaches_the_consumer_and_nothing_is_lost(make, prefetch):
    calls = []

    def fail_at_the_third(images):
        calls.append(len(images))
        if len(calls) == 3:
            raise RuntimeError("the third")
        return images

    stream = make(block=1, prefetch=prefetch, transform=fail_at_the_third)
    iterator = iter(stream)
    found = [next(iterator)[0], next(iterator)[0]]
    with pytest.raises(RuntimeError, match="the third"):
        next(iterator)
    assert rendering_threads() == []
    found.append(next(iter(stream))[0])
    np.testing.assert_array_equal(np.concatenate(found), promised(0, 9)[0])


def test_a_saved_state_goes_on_with_the_next_batch(make):
    stream = make("val", start=4, prefetch=4)
    take(stream, 3)
    state = json.loads(json.dumps(stream.state_dict()))
    assert state == {
        "version": "tiny-1",
        "split": "val",
        "start": 4,
        "batch_size": 3,
        "params": "raw",
        "output": "rgb",
        "palette": "kbc",
        "batch": 3,
    }
    other = make("val", start=4)
    other.load_state_dict(state)
    assert_same(take(other, 2), promised(13, 6, split="val"))


def test_a_state_serves_any_number_of_ranks(make):
    ranks = [make(rank=rank, world_size=2) for rank in range(2)]
    states = [take(rank, 3) and rank.state_dict() for rank in ranks]
    assert states[0] == states[1]
    assert states[0]["batch"] == 6
    for rank in range(3):
        stream = make(rank=rank, world_size=3)
        stream.load_state_dict(states[0])
        assert_same(take(stream, 1), promised(18 + 3 * rank, 3))


def test_seek_goes_anywhere(make):
    stream = make()
    for batch in (7, 0, 10**12, 3):
        stream.seek(batch)
        assert_same(take(stream, 2), promised(3 * batch, 6))
        assert stream.batch == batch + 2


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("taken", [1, 4])
@pytest.mark.filterwarnings("ignore:'set_vital' is deprecated")
def test_torchdata_saves_and_restores_in_the_middle(make, workers, taken):
    def loader():
        return StatefulDataLoader(make(block=6), batch_size=None, num_workers=workers)

    first, second = loader(), loader()
    iterator = iter(first)
    assert_same(take(iterator, taken), promised(0, 3 * taken))
    second.load_state_dict(first.state_dict())
    expected = promised(3 * taken, 15)
    assert_same(take(second, 5), expected)
    assert_same(take(iterator, 5), expected)


def test_a_state_of_another_stream_is_refused(make):
    state = make().state_dict()
    stream = make("val")
    with pytest.raises(FddError) as error:
        stream.load_state_dict(state)
    assert str(error.value) == (
        "state is from a stream with split='train', and this one has split='val'; make it with the "
        "same arguments, or use seek()"
    )
    for other in ({"start": 1}, {"batch_size": 4}, {"output": "gray"}, {"params": False}):
        with pytest.raises(FddError, match=f"{next(iter(other))}="):
            make(**other).load_state_dict(state)
    for broken in ({}, None, {"batch": 1}):
        with pytest.raises(FddError, match="must be what state_dict"):
            stream.load_state_dict(broken)
    with pytest.raises(FddError, match="batch=-1 must be a whole number from 0"):
        make().load_state_dict(state | {"batch": -1})


FEW, MANY = "must be a whole number from 1 to 4096", "must be a whole number from 1 to 1000000000"
ERRORS = [
    ({"batch_size": 0}, f"batch_size=0 {MANY}"),
    ({"batch_size": 2**40}, f"batch_size={2**40} {MANY}"),
    ({"split": "tain"}, "split='tain' is not known (did you mean train?); choose from train, val"),
    ({"version": "fdd-0"}, "version='fdd-0' is not known (did you mean fdd-1?); choose from "),
    ({"start": -1}, "start=-1 must be a whole number from 0 to 4611686018427387904"),
    ({"prefetch": -1}, "prefetch=-1 must be a whole number from 0 to 1000000000"),
    ({"prefetch": 2**63}, f"prefetch={2**63} must be a whole number from 0 to 1000000000"),
    ({"threads": 0}, f"threads=0 {FEW}"),
    ({"threads": 2**40}, f"threads={2**40} {FEW}"),
    ({"block": 0}, f"block=0 {MANY}"),
    ({"block": 2**63}, f"block={2**63} {MANY}"),
    ({"device": "tpu"}, "device='tpu' is not known; choose from cpu, cuda"),
    ({"params": "folded"}, "params='folded' is not known; choose from raw, scaled, canonical"),
    ({"params": None}, "params=None is not known; choose from raw, scaled, canonical"),
    ({"output": "png"}, "output='png' is not known; choose from rgb, gray, counts"),
    ({"rank": 1}, "rank=1 and world_size=None must be given together"),
    ({"world_size": 2}, "rank=None and world_size=2 must be given together"),
    ({"rank": 2, "world_size": 2}, "rank=2 must be a whole number from 0 to 1"),
    ({"rank": 0, "world_size": 0}, f"world_size=0 {MANY}"),
    ({"rank": 0, "world_size": 2**63}, f"world_size={2**63} {MANY}"),
    ({"transform": 3}, "transform=3 must be a function of one argument"),
]


@pytest.mark.parametrize(("arguments", "message"), ERRORS)
def test_bad_arguments_are_one_sentence(arguments, message):
    with pytest.raises(FddError) as error:
        fdd.stream(**arguments)
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


def test_it_needs_no_torch_and_ends_with_the_interpreter(run_python):
    program = (
        REGISTER_TINY
        + """
import sys
sys.modules["torch"] = None  # as if it were not installed
import fdd
batches = iter(fdd.stream(batch_size=3, version="tiny-1"))
print(next(batches)[0].shape)
"""
    )
    assert run_python("-c", program) == (0, "(3, 16, 16, 3)\n", "")


def test_an_interruption_ends_it_at_once(start_python):
    program = (
        REGISTER_TINY
        + """
import sys
sys.modules["torch"] = None  # only because it takes seconds to import
import fdd
stream = fdd.stream(batch_size=3, version="tiny-1", prefetch=1000)
try:
    for number, batch in enumerate(stream, 1):
        print(number, flush=True)
except KeyboardInterrupt:
    print("\\nstopped", number - stream.batch)  # the number before may lack its end
"""
    )
    process = start_python("-c", program)
    for _ in range(50):
        assert process.stdout.readline()
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=600)
    assert (process.returncode, errors) == (0, "")
    assert output.splitlines()[-1] in {"stopped 0", "stopped -1"}  # -1: between yield and print
