"""Training steps of `baselines.lsd`, `biggan` and `cyclegan` beside the same as usually written.

    python -m pytest benchmarks/speed/bench_baselines.py

The numbers in brackets are ratios to the fastest of the group. `plain_lsd.py` and
`plain_cyclegan.py` are the peers, in float32; all begin with the same weights. Then what it costs
to feed the steps from the stored release or the stream, and how long a user waits for samples of a
model. With --benchmark-json=FILE the file has the operations of a step of the LSD, in GFLOP an
image, too. What needs a GPU is skipped without.
"""

import os
import random
import shutil
from dataclasses import asdict, replace
from importlib.util import find_spec
from itertools import islice
from types import MethodType

import pytest
import torch
from pytorch_msssim import ms_ssim
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.symbolic_shapes import ShapeEnv
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

import fdd
from baselines import biggan, contrastive, cyclegan, emulator, flow, load_run, sdpc
from baselines.lsd import LSD, PRESETS
from baselines.parts import losses
from baselines.parts.networks import DoubledConv2d, PooledConv2d
from baselines.training import runs
from baselines.training.config import PairConfig
from baselines.training.data import Batch, Batches, StreamBatches, read_ahead, to_tensor
from baselines.training.model import BATCH
from benchmarks.speed.plain_cyclegan import PlainCycleGAN
from benchmarks.speed.plain_lsd import PlainLSD, copy_weights
from benchmarks.speed.plain_sdpc import plain_infer, plain_layers
from fdd.pictures import grid, resize, save_png
from fdd.releases.cards import release

CPU, GPU = torch.device("cpu"), torch.device("cuda")
SAMPLES = 64

needs_gpu = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="needs a GPU that torch can use"
)
needs_compiler = pytest.mark.skipif(
    shutil.which(os.environ.get("CXX", "g++")) is None, reason="torch.compile needs a C++ compiler"
)
needs_triton = pytest.mark.skipif(
    find_spec("triton") is None, reason="torch.compile needs triton for a GPU"
)


def first_images(config):
    """Images of the train split, uint8 [batch_size, S, S, 3], and parameters [batch_size, 6]."""
    card = release(config.version)
    params = fdd.sample_params(config.batch_size, version=card.name)
    images = fdd.render(params, size=card.size, points=card.points)
    return resize(images, config.image_size), params


def first_batch(config, device):
    images, params = first_images(config)
    return Batch(to_tensor(images, device), torch.from_numpy(params).to(device))


def trainer(config, device, make=LSD):
    """The model of `baselines`, as its training loop makes it."""
    model = make(config, torch.Generator().manual_seed(0))
    model.to(device, memory_format=torch.channels_last)
    if config.compile:
        for network in model.children():
            network.compile()
    return model


def our_step(config, batch):
    """step(): one of `baselines.lsd` on this batch; the losses by name."""
    model, rng = trainer(config, batch.images.device), torch.Generator().manual_seed(0)
    return lambda: model.step(batch, rng)


def plain_step(config, batch):
    """step(): one of the plain implementation on this batch, in torch's default memory format."""
    device = batch.images.device
    ours = LSD(config, torch.Generator().manual_seed(0))
    model = PlainLSD(config.image_size, config.width, config.kernel_size)
    copy_weights(ours.generator, model.generator)
    copy_weights(ours.discriminator, model.discriminator)
    model.to(device)
    images, v = batch.images.contiguous(), ours.vectors(batch)

    def step():
        z = torch.randn(len(v), 6, device=device)
        return model.step(images, v, z, random.uniform(0.9, 1))

    return step


def gflop_per_image(step, batch_size):
    """GFLOP an image of a step, in matrix products and convolutions, by torch's counter.

    A multiplication and its addition are two. Nothing is computed, and the gradients that the step
    leaves hold no numbers, so it is of no use afterwards.
    """
    fake = FakeTensorMode(allow_non_fake_inputs=True, shape_env=ShapeEnv())  # scalars, too
    with fake, FlopCounterMode(display=False) as counter:
        step()
    return counter.get_total_flops() / batch_size / 1e9


def finish(losses, device):
    """Wait until the device has done all of a round."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    assert all(loss.isfinite() for loss in losses.values())


def measure(benchmark, step, device, steps, rounds):
    """Time rounds of `steps` steps, after one that compiles and chooses algorithms."""

    def go():
        for _ in range(steps):
            losses = step()
        finish(losses, device)

    benchmark.pedantic(go, rounds=rounds, warmup_rounds=1)


OURS = {
    "float32": {},
    "bfloat16": {"precision": "bfloat16"},
    "compiled": {"compile": True},
    "bfloat16-compiled": {"precision": "bfloat16", "compile": True},
}
"""Options beyond those of 2019."""
STEPS = {"plain": plain_step, "plain-without-tf32": plain_step} | dict.fromkeys(OURS, our_step)


def a_step(benchmark, kind, config, device, steps, rounds):
    config = replace(config, **OURS.get(kind, {}))
    batch = first_batch(config, device)
    eager = STEPS[kind](replace(config, compile=False), first_batch(config, CPU))
    gflop = gflop_per_image(eager, config.batch_size)
    benchmark.extra_info["GFLOP an image"] = round(gflop, 1)
    measure(benchmark, STEPS[kind](config, batch), device, steps, rounds)


@pytest.mark.parametrize(
    "kind", ["plain", "float32", "bfloat16", pytest.param("compiled", marks=needs_compiler)]
)
def test_a_step_on_the_cpu(benchmark, kind):
    config = PRESETS["paper"]
    benchmark.group = (
        f"LSD step, batch {config.batch_size}, {config.image_size}x{config.image_size}, "
        "network of 2019, CPU"
    )
    a_step(benchmark, kind, config, CPU, steps=1, rounds=3)


@pytest.fixture
def tf32(monkeypatch):
    """Gives the switches of TF32 and sets them back afterwards; cuDNN picks what is fastest."""
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", True)
    switches = torch.backends.cuda.matmul, torch.backends.cudnn
    before = [switch.allow_tf32 for switch in switches]
    yield switches
    for switch, allowed in zip(switches, before, strict=True):
        switch.allow_tf32 = allowed


@needs_gpu
@pytest.mark.parametrize(
    "kind",
    [
        "plain",
        "plain-without-tf32",
        "float32",
        "bfloat16",
        pytest.param("compiled", marks=[needs_compiler, needs_triton]),
        pytest.param("bfloat16-compiled", marks=[needs_compiler, needs_triton]),
    ],
)
@pytest.mark.parametrize("batch_size", [16, 128])
def test_a_step_on_a_gpu(benchmark, tf32, batch_size, kind):
    """By default torch convolves in TF32 on a GPU, so the plain one is measured with it, too."""
    if kind == "plain-without-tf32":
        for switch in tf32:
            switch.allow_tf32 = False
    config = replace(PRESETS["paper"], batch_size=batch_size)
    benchmark.group = (
        f"10 LSD steps, batch {batch_size}, {config.image_size}x{config.image_size}, "
        "network of 2019, GPU"
    )
    a_step(benchmark, kind, config, GPU, steps=10, rounds=5)


def doubled(layer, x):
    """What a `DoubledConv2d` stands for."""
    repeated = functional.interpolate(x, scale_factor=2.0)
    return functional.conv2d(repeated, layer.weight, layer.bias, padding=layer.padding)


def pooled(layer, x):
    """What a `PooledConv2d` stands for."""
    full = functional.conv2d(x, layer.weight, layer.bias, padding=layer.padding)
    return functional.avg_pool2d(full, 2)


def biggan_step(kind, config, batch):
    """step(): one of `baselines.biggan` on this batch, or the plain one: convolutions that fold
    nothing, in torch's default memory format."""
    device, rng = batch.images.device, torch.Generator().manual_seed(0)
    if kind == "plain":
        model = biggan.BigGAN(config, torch.Generator().manual_seed(0)).to(device)
        batch = batch._replace(images=batch.images.contiguous())
        for layer in model.modules():
            if isinstance(layer, DoubledConv2d):
                layer.forward = MethodType(doubled, layer)
            if isinstance(layer, PooledConv2d):
                layer.forward = MethodType(pooled, layer)
    else:
        model = trainer(config, device, biggan.BigGAN)
    return lambda: model.step(batch, rng)


def a_biggan_step(benchmark, kind, config, device, steps, rounds):
    counted = replace(config, ema=0.0, compile=False)  # what the average does depends on numbers
    eager = biggan_step(kind, counted, first_batch(config, CPU))
    gflop = gflop_per_image(eager, config.batch_size)
    benchmark.extra_info["GFLOP an image"] = round(gflop, 3)
    measure(
        benchmark, biggan_step(kind, config, first_batch(config, device)), device, steps, rounds
    )


@pytest.mark.parametrize("kind", ["plain", "biggan"])
def test_a_biggan_step_on_the_cpu(benchmark, kind):
    config = biggan.PRESETS["mini"]
    benchmark.group = f"BigGAN step, batch {config.batch_size}, mini-1, CPU"
    a_biggan_step(benchmark, kind, config, CPU, steps=2, rounds=5)


@needs_gpu
@pytest.mark.parametrize("kind", ["plain", "biggan"])
def test_a_biggan_step_on_a_gpu(benchmark, kind):
    config = biggan.PRESETS["paper"]
    benchmark.group = f"10 BigGAN steps, batch {config.batch_size}, 128x128, bfloat16, GPU"
    a_biggan_step(benchmark, kind, config, GPU, steps=10, rounds=5)


def translator_step(kind, config):
    """step(): one of a CycleGAN, ours or the plain one, on one batch; the losses by name."""
    rng = torch.Generator().manual_seed(0)
    shape = 2 * config.batch_size, 3, config.image_size, config.image_size
    images = torch.rand(shape, generator=rng).mul(2).sub(1)
    ours = trainer(config, CPU, cyclegan.CycleGAN)
    if kind == "plain":
        sizes = config.width, config.blocks, config.downs, config.halvings
        plain = PlainCycleGAN(*sizes, config.upsampling == "transposed", config.lr)
        for name in ("G", "F", "D_A", "D_B"):
            copy_weights(getattr(ours, name), getattr(plain, name))
        x, y = images.unflatten(0, (-1, 2)).unbind(dim=1)
        return lambda: plain.step(x.contiguous(), y.contiguous())
    batch = Batch(images.contiguous(memory_format=torch.channels_last).unflatten(0, (-1, 2)), None)
    return lambda: ours.step(batch, rng)


@pytest.mark.parametrize("kind", ["plain", "float32", "bfloat16"])
@pytest.mark.parametrize("preset", cyclegan.PRESETS)
def test_a_step_of_translators_on_the_cpu(benchmark, preset, kind):
    """With the identity loss, which the preset mini does without."""
    config = replace(cyclegan.PRESETS[preset], identity_weight=5.0, **OURS.get(kind, {}))
    benchmark.group = (
        f"CycleGAN step, batch {config.batch_size}, {config.image_size}x{config.image_size}, "
        f"preset {preset}, CPU"
    )
    measure(benchmark, translator_step(kind, config), CPU, steps=1, rounds=10)


class OneBatch:
    """A source of batches that has one."""

    def __init__(self, config):
        own = isinstance(config, PairConfig) or config.counts
        self.batch = StreamBatches(config)[0] if own else first_images(config)

    def __getitem__(self, step):
        return self.batch


def stored(config):
    """The release, rendered into the user's cache first if it is not there."""
    return Batches(fdd.load("train", version=config.version), config)


SOURCES = {"one-batch": OneBatch, "stored": stored, "stream": StreamBatches}


def fed(benchmark, source, config, device, steps, make=LSD):
    """Time rounds of `steps` steps that are fed as in a training run.

    Before the first, 3000 images are trained on: more than the stream has ready when it begins, so
    that its head start is not measured.
    """
    model, rng = trainer(config, device, make), torch.Generator().manual_seed(0)
    with read_ahead(SOURCES[source](config), config, 0, device) as coming:

        def go(number):
            for batch in islice(coming, number):
                losses = model.step(batch, rng)
            finish(losses, device)

        go(3000 // config.batch_size)
        benchmark.pedantic(go, args=(steps,), rounds=10)


@pytest.mark.parametrize("source", SOURCES)
def test_the_input_on_the_cpu(benchmark, source):
    benchmark.group = "20 steps of the small LSD, batch 32, mini-1, CPU"
    fed(benchmark, source, PRESETS["mini"], CPU, steps=20)


@pytest.mark.parametrize("source", ["one-batch", "stream"])
def test_the_pairs_on_the_cpu(benchmark, source):
    """How well rendering hides behind a step of 512 images, with a core beside it."""
    config = replace(contrastive.PRESETS["mini"], width=32)
    benchmark.group = "5 contrastive steps, 256 pairs, mini-1, CPU"
    fed(benchmark, source, config, CPU, steps=5, make=contrastive.Contrastive)


@pytest.mark.parametrize("source", ["one-batch", "stream"])
def test_the_counts_on_the_cpu(benchmark, source):
    """How well rendering hides behind a step of the emulator, with a core beside it."""
    config = emulator.PRESETS["mini"]
    benchmark.group = "10 emulator steps, 256 images, mini-1, CPU"
    fed(benchmark, source, config, CPU, steps=10, make=emulator.Emulator)


@pytest.mark.parametrize("name", ["renderer", "emulator", "flow"])
def test_pictures_of_vectors_on_the_cpu(benchmark, name):
    """2,000 pictures of mini-1 from their parameters."""
    benchmark.group = "2000 pictures of mini-1, CPU"
    card, params = release("mini-1"), fdd.sample_params(2000, version="mini-1")
    makers = {"emulator": (emulator, emulator.Emulator), "flow": (flow, flow.Flow)}

    def draw():
        if name == "renderer":
            return fdd.render(params, size=card.size, points=card.points)
        with torch.no_grad():
            return [model.generate(rows) for rows in codes.split(BATCH)]

    if name != "renderer":
        module, make = makers[name]
        model = trainer(module.PRESETS["mini"], CPU, make).eval()
        codes = model.vectors(Batch(torch.empty(0), torch.from_numpy(params)))
    benchmark.pedantic(draw, rounds=3, warmup_rounds=1)


@pytest.fixture(scope="module")
def sparse():
    """Centred images of mini-1 [32, 3, 32, 32], and layers of SDPC after a few steps."""
    config = sdpc.PRESETS["mini"]
    model, batches = trainer(config, CPU, sdpc.SDPC), StreamBatches(config)
    for step in range(12):
        model.step(Batch(to_tensor(batches[step][0], CPU), None), torch.Generator())
    images = first_batch(replace(config, batch_size=32), CPU).images
    return model.centred(images), model.layers(rounds=20)


@pytest.mark.parametrize("kind", ["plain", "written-out", "sdpc", "sdpc-all-to-the-end"])
def test_an_inference_on_the_cpu(benchmark, sparse, kind):
    """Beside the authors' loop, and beside it without autograd. The last one goes on with each
    image until the last is done, as the plain ones do."""
    benchmark.group = "SDPC, maps of 32 images of mini-1 within 1 %, at most 100 iterations, CPU"
    images, layers = sparse
    images, plain = images.contiguous(), plain_layers(layers)
    found, needed = plain_infer(images, plain, 1.0, 100, 1e-2)
    ours = sdpc.infer(images, layers, 1.0, needed, 1e-12).maps
    assert all((a - b).norm() < 1e-2 * b.norm() for a, b in zip(ours, found, strict=True))
    calls = {
        "plain": lambda: plain_infer(images, plain, 1.0, 100, 1e-2),
        "written-out": lambda: plain_infer(images, plain, 1.0, 100, 1e-2, autograd=False),
        "sdpc": lambda: sdpc.infer(images, layers, 1.0, 100, 1e-2),
        "sdpc-all-to-the-end": lambda: sdpc.infer(images, layers, 1.0, needed, 1e-12),
    }
    benchmark.pedantic(calls[kind], rounds=3, warmup_rounds=1)


@pytest.mark.parametrize("kind", ["pytorch-msssim", "reconstruction-loss", "scales-that-fit"])
@pytest.mark.parametrize("side", [32, 128])
def test_an_ms_ssim_loss_and_its_gradient_on_the_cpu(benchmark, kind, side):
    """The library enlarges small images as the reconstruction loss does."""
    benchmark.group = f"MS-SSIM of 16 pairs of {side} x {side} and its gradient, CPU"
    numbers = torch.Generator().manual_seed(0)
    made, images = (2 * torch.rand(2, 16, 3, side, side, generator=numbers) - 1).unbind()
    made.requires_grad_()

    def library():
        pairs = functional.interpolate(torch.cat([made, images]), losses.MS_SSIM_SIDE)
        pair = ((pictures + 1) / 2 for pictures in pairs.chunk(2))
        return 1 - ms_ssim(*pair, data_range=1.0, win_size=losses.MS_SSIM_WINDOW)

    calls = {
        "pytorch-msssim": library,
        "reconstruction-loss": lambda: losses.reconstruction_loss("ms-ssim", made, images),
        "scales-that-fit": lambda: losses.ms_ssim_loss(made, images),
    }
    if kind == "reconstruction-loss":
        assert abs(calls[kind]() - library()) < 1e-5
    benchmark.pedantic(lambda: calls[kind]().backward(), rounds=5, warmup_rounds=1)


@needs_gpu
@pytest.mark.parametrize("source", SOURCES)
def test_the_input_on_a_gpu(benchmark, source):
    benchmark.group = "100 LSD steps, batch 16, 128x128, network of 2019, bfloat16, GPU"
    fed(benchmark, source, replace(PRESETS["paper"], precision="bfloat16"), GPU, steps=100)


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=needs_gpu)])
def test_from_a_checkpoint_to_a_grid_of_samples(benchmark, tmp_path, device):
    config = PRESETS["paper"]
    benchmark.group = f"load the LSD of 2019, {SAMPLES} samples, PNG"
    model = LSD(config, torch.Generator().manual_seed(0))
    runs.write_config(tmp_path, {"baseline": "lsd", **asdict(config), "data_version": "fdd-1"})
    runs.save_checkpoint(tmp_path, model.state_dict(), {})
    codes = torch.randn(SAMPLES, config.latent_size, generator=torch.Generator().manual_seed(0))

    def draw():
        images = load_run(tmp_path, device).generate(codes.numpy())
        save_png(grid(images, 8), tmp_path / "samples.png")

    benchmark.pedantic(draw, rounds=5, warmup_rounds=1)
