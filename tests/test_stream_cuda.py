"""A stream on a GPU gives the images of the CPU's; its scheduling is tested where there is no GPU.

There a side stream is given the CPU's renderer, and a record of calls stands in for CUDA's streams.
"""

from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import islice
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

import fdd
from fdd import FddError
from fdd.data.stream_cuda import SideStream
from fdd.releases.candidates import candidates
from fdd.releases.sampling import draw_in_rounds
from fdd.rendering.cpu import render_cpu
from fdd.rendering.palettes import PALETTES

VERSION = "tiny-1"


def counted(rows, card):
    """Counts uint32 [n, size, size], zero where degenerate, and which rows are: bool [n]."""
    return render_cpu(card.drawing("counts"), rows, threads=1)


@pytest.fixture
def calls(monkeypatch, tiny):
    """Stand-ins for CUDA's streams; the calls that order work between them."""
    made, inside = Calls(), []

    @contextmanager
    def stream(side):
        inside.append(side)
        yield
        inside.pop()

    def render(drawing, rows, device):
        assert inside == [side]
        made.append(("render", len(rows)))
        images, degenerate = render_cpu(drawing, rows, threads=1)
        return torch.from_numpy(images), degenerate

    def event():
        return SimpleNamespace(record=lambda: made.append(("record", len(inside))))

    side = SimpleNamespace(device=torch.device("cpu"))
    user = SimpleNamespace(wait_event=lambda event: made.append(("wait", len(inside))))
    monkeypatch.setattr(torch.cuda, "Stream", lambda: side)
    monkeypatch.setattr(torch.cuda, "stream", stream)
    monkeypatch.setattr(torch.cuda, "Event", event)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: user)
    monkeypatch.setattr(
        torch.Tensor, "record_stream", lambda tensor, by: made.append(("keep", by is user))
    )
    made.gpu = partial(SideStream, render=render)
    return made


class Calls(list):
    """What was called; `beside` gives a stream that draws on a side stream, as on a GPU."""

    def beside(self, make, *arguments, **options):
        return replace(make(*arguments, **options), gpu=self.gpu)


@pytest.mark.parametrize("together", [1, 8, 40, 1000])
def test_rounds_find_the_first_accepted_candidate_of_each_image(tiny, together):
    """Whatever the images, their order, and how many candidates are tried at once."""
    indices = np.array([3, 4, 5, 2**40, 0, 17, 16, 99])
    kept = np.zeros((len(indices), tiny.size, tiny.size), np.uint32)

    def render(rows):
        assert len(rows) <= max(together, len(indices))
        counts, degenerate = counted(rows, tiny)
        occupied = np.count_nonzero(counts, axis=(1, 2))
        return counts, (100 * occupied >= 15 * tiny.size**2) & ~degenerate

    def keep(places, images, chosen):
        kept[places] = images[chosen]

    params = draw_in_rounds(tiny, "train", indices, render, keep, together)
    expected = [fdd.sample_params(1, start=int(i), version=VERSION)[0] for i in indices]
    np.testing.assert_array_equal(params, expected)
    np.testing.assert_array_equal(kept, fdd.render(expected, "counts", tiny.size, tiny.points))


def test_candidates_differ_and_are_refused_for_their_emptiness(tiny):
    """Else the test above would pass with any acceptance."""
    rows = np.concatenate([candidates(tiny, "train", np.arange(50), i) for i in range(2)])
    occupied = np.count_nonzero(counted(rows, tiny)[0], axis=(1, 2))
    assert 20 < np.count_nonzero(100 * occupied >= 15 * tiny.size**2) < 80


@pytest.mark.parametrize("output", ["rgb", "gray", "counts"])
@pytest.mark.parametrize("palette", PALETTES)
@pytest.mark.parametrize("block", [3, 12])
def test_the_stream_is_that_of_the_cpu(calls, output, palette, block):
    options = {"version": VERSION, "output": output, "palette": palette, "params": "scaled"}
    on_gpu = calls.beside(fdd.stream, "val", 3, block=block, **options)
    for found, expected in zip(islice(on_gpu, 9), fdd.stream("val", 3, **options), strict=False):
        for tensor, array in zip(found, expected, strict=True):
            assert isinstance(tensor, torch.Tensor)
            np.testing.assert_array_equal(tensor.numpy(), array)
    assert on_gpu.batch == 9


KINDS = ["start", "near", "ou", "one", "some", "views"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("output", ["rgb", "gray", "counts"])
def test_pairs_are_those_of_the_cpu(calls, kind, output):
    options = {"version": VERSION, "output": output, "params": "canonical"}
    on_gpu = calls.beside(fdd.pairs, kind, "val", 3, block=6, **options)
    on_cpu = fdd.pairs(kind, "val", 3, **options)
    for found, expected in zip(islice(on_gpu, 5), on_cpu, strict=False):
        assert all(isinstance(tensor, torch.Tensor) for tensor in found)
        assert len(found) == len(expected)
        for tensor, array in zip(found, expected, strict=True):
            np.testing.assert_array_equal(tensor.numpy(), array)
    assert on_gpu.batch == 5


@pytest.mark.parametrize("make", [fdd.stream, partial(fdd.pairs, "near")])
def test_counts_are_numbers_that_torch_computes_with(calls, make):
    options = {"version": VERSION, "output": "counts", "params": False}
    counts = next(iter(calls.beside(make, "val", 3, block=3, **options)))
    expected = next(iter(make("val", 3, **options)))
    assert counts.dtype == torch.int32
    assert int(counts.max()) == expected.max()
    np.testing.assert_array_equal((counts > 0).numpy(), expected > 0)
    np.testing.assert_array_equal((counts + 1).numpy(), expected + 1)


def test_all_parts_of_a_pairs_batch_are_kept(calls):
    options = {"version": VERSION, "block": 3, "prefetch": 0}
    next(iter(calls.beside(fdd.pairs, "one", "val", 3, **options)))
    assert calls[-5:] == [("record", 1), ("wait", 0), *[("keep", True)] * 3]


def test_the_users_stream_waits_for_a_batch_and_keeps_its_memory(calls):
    """The event is recorded on the side stream after the rendering; both tensors are kept."""
    options = {"version": VERSION, "block": 6, "prefetch": 0}
    batches = iter(calls.beside(fdd.stream, "val", 3, **options))
    next(batches)
    names = [name for name, _ in calls]
    assert names == ["render"] * (len(names) - 4) + ["record", "wait", "keep", "keep"]
    assert calls[-4:] == [("record", 1), ("wait", 0), ("keep", True), ("keep", True)]
    calls.clear()
    next(batches)
    assert calls == [("wait", 0), ("keep", True), ("keep", True)]


def test_few_renderings_fill_a_block(calls):
    batches = iter(calls.beside(fdd.stream, batch_size=200, version=VERSION, prefetch=0))
    next(batches)
    rendered = [number for name, number in calls if name == "render"]
    assert rendered[0] == 4000
    assert len(rendered) <= 8


def test_transforms_run_on_the_side_stream(calls):
    def transform(images):
        calls.append(("transform", len(images)))
        return images.float()

    options = {"version": VERSION, "params": False, "block": 3, "prefetch": 0}
    stream = calls.beside(fdd.stream, batch_size=3, transform=transform, **options)
    assert next(iter(stream)).dtype == torch.float32
    assert [name for name, _ in calls][-4:] == ["transform", "record", "wait", "keep"]


def test_workers_of_a_loader_are_refused(calls):
    stream = calls.beside(fdd.stream, batch_size=3, version=VERSION)
    with pytest.raises(FddError, match="renders in the main process: use num_workers=0"):
        next(iter(DataLoader(stream, None, num_workers=1, multiprocessing_context="fork")))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_missing_gpu_is_one_sentence():
    with pytest.raises(FddError) as error:
        fdd.stream(device="cuda")
    assert str(error.value) == "device='cuda' needs a GPU that torch can use; choose device='cpu'"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU that torch can use")
@pytest.mark.parametrize("output", ["rgb", "gray", "counts"])
def test_on_a_gpu_the_stream_is_that_of_the_cpu(tiny, output):
    """While the user's stream is busy, and reuses the memory of batches that are gone."""
    options = {"version": VERSION, "output": output}
    on_gpu = iter(fdd.stream("val", 50, device="cuda", block=100, **options))
    busy = torch.randn(2000, 2000, device="cuda")
    sums = []
    for _ in range(20):
        images, params = next(on_gpu)
        assert images.is_cuda
        assert params.is_cuda
        for _ in range(20):
            busy = (busy @ busy).clamp(-1, 1)
        sums.append((images.clone(), params.clone()))
    for found, expected in zip(sums, fdd.stream("val", 50, **options), strict=False):
        for tensor, array in zip(found, expected, strict=True):
            np.testing.assert_array_equal(tensor.cpu().numpy(), array)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU that torch can use")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("output", ["rgb", "gray", "counts"])
def test_on_a_gpu_pairs_are_those_of_the_cpu(tiny, kind, output):
    options = {"version": VERSION, "output": output}
    on_gpu = fdd.pairs(kind, "val", 50, device="cuda", block=100, **options)
    on_cpu = fdd.pairs(kind, "val", 50, **options)
    for found, expected in zip(islice(on_gpu, 4), on_cpu, strict=False):
        for tensor, array in zip(found, expected, strict=True):
            assert tensor.is_cuda
            np.testing.assert_array_equal(tensor.cpu().numpy(), array)
