"""Training on `fdd.stream` beside the same steps on one batch that is at hand; pairs beside it.

    python -m pytest benchmarks/speed/bench_stream.py

The numbers in brackets are ratios to the fastest of the group: what an endless supply of new images
costs. On the CPU the small adversarial auto-encoder trains in one thread and the stream renders in
another; on a GPU, which it skips without, the one of 2019 trains while the same GPU renders. Pairs
of each kind, and groups, are taken beside as many images of the stream, one thread rendering and
none training.
"""

import itertools
from functools import partial

import pytest
import torch

import fdd
from baselines.aae import AAE, PRESETS
from baselines.training.data import Batch, to_tensor
from benchmarks.statistics.threads import torch_threads
from fdd.pictures import resize


@pytest.fixture
def one_thread():
    """torch computes in one thread, and the stream has the other processor."""
    with torch_threads(1):
        yield


def trainer(config, device):
    """step(images): one update on uint8 [N, S, S, 3], an array or a tensor on the device."""
    rng = torch.Generator().manual_seed(0)
    model = AAE(config, rng).to(device, memory_format=torch.channels_last)

    def step(images):
        if isinstance(images, torch.Tensor):
            pixels = images.permute(0, 3, 1, 2).float() / 127.5 - 1
        else:
            pixels = to_tensor(images, device)
        return model.step(Batch(pixels, None), rng)["generator"]

    return step


def measure(benchmark, kind, stream, step, steps, rounds=10):
    """Time rounds of `steps` steps on the stream or, if `kind` is "fixed", on its first batch.

    A round ends when its last loss is known. Before the first, three blocks are trained on: more
    than the stream has ready when it begins, so that its head start is not measured.
    """
    batches = iter(stream)
    if kind == "fixed":
        batch = next(batches)
        batches.close()
        batches = itertools.repeat(batch)

    def go(number):
        for images in itertools.islice(batches, number):
            loss = step(images)
        assert loss.isfinite()

    go(3 * stream.block // stream.batch_size)
    benchmark.pedantic(go, args=(steps,), rounds=rounds)


@pytest.mark.parametrize("kind", ["fixed", "stream"])
@pytest.mark.parametrize("version", ["fdd-1", "mini-1"])
def test_training_on_the_cpu(benchmark, one_thread, version, kind):
    benchmark.group = f"20 steps of the small AAE, batch 32, {version} at 32 x 32"
    config = PRESETS["small"]
    shrink = partial(resize, size=config.image_size)
    stream = fdd.stream(
        "train",
        config.batch_size,
        params=False,
        version=version,
        threads=1,
        block=256,
        transform=shrink,
    )
    step = trainer(config, torch.device("cpu"))
    measure(benchmark, kind, stream, step, steps=20)


KINDS = ["start", "near", "ou", "one", "some", "views"]


@pytest.mark.parametrize("kind", ["stream", *KINDS, "groups"])
@pytest.mark.parametrize(("version", "images"), [("fdd-1", 1024), ("mini-1", 8192)])
def test_pairs_on_the_cpu(benchmark, version, images, kind):
    """As many images in pairs, and in groups of 32, as alone; each kind has its options by
    default."""
    benchmark.group = f"{images} images of {version}, alone and together, one core"
    options = {"version": version, "threads": 1, "prefetch": 0}
    together = {"stream": 1, "groups": 32}.get(kind, 2)
    if kind == "groups":
        kind, options = "ou", options | {"members": together}
    source = fdd.stream(**options) if kind == "stream" else fdd.pairs(kind, **options)
    batches = iter(source)

    def go():
        for _ in itertools.islice(batches, images // 32 // together):
            pass

    benchmark.pedantic(go, rounds=7, warmup_rounds=1)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU that torch can use")
@pytest.mark.parametrize("kind", ["fixed", "stream"])
@pytest.mark.parametrize("batch_size", [16, 128])
def test_training_on_a_gpu(benchmark, batch_size, kind):
    benchmark.group = f"50 steps of the AAE of 2019, batch {batch_size}, on a GPU"
    stream = fdd.stream("train", batch_size, params=False, device="cuda", block=2048)
    step = trainer(PRESETS["paper"], torch.device("cuda"))
    measure(benchmark, kind, stream, step, steps=50, rounds=5)
