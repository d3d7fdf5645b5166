"""What tests/test_parallel.py has two processes do: parallel_program.py FOLDER PICTURES.

Each writes what it saw to FOLDER/RANK.pt.
"""

import contextlib
import io
import signal
import sys
from pathlib import Path

import torch
from conftest import REGISTER_TINY
from tiny_runs import acting, baseline
from torch import nn

from baselines import betavae, biggan, contrastive, cyclegan, dcgan, lejepa, lsd
from baselines.parts.losses import moments_loss
from baselines.training import parallel
from baselines.training.cli import main

OPTIONS = [
    "--device=cpu",
    "--steps=6",
    "--batch-size=8",
    "--image-size=16",
    "--width=2",
    "--kernel-size=3",
    "--log-every=1",
    "--sample-every=3",
    "--checkpoint-every=3",
    # so that few steps go far
    "--leaky-slope=0.2",
    "--batch-norm-eps=0.01",
    "--lr-discriminator=0.001",
    "--lr-generator=0.003",
    "--no-stop-on-collapse",
]
LSD = [*OPTIONS, "--data=stream", "--version=tiny-1", "--flip"]
BIGGAN = [
    "--device=cpu",
    "--version=tiny-1",
    "--steps=4",
    "--batch-size=8",
    "--image-size=16",
    "--width=2",
    "--discriminator-width=2",
    "--noise-size=2",
    "--embedding=4",
    "--precision=float32",
    "--lr-generator=0.001",
    "--log-every=1",
    "--sample-every=4",
    "--checkpoint-every=2",
]
PAIRS = [
    "--device=cpu",
    "--version=tiny-1",
    "--steps=4",
    "--batch-size=8",
    "--latent-size=4",
    "--image-size=16",
    "--width=2",
    "--precision=float32",
    "--log-every=1",
    "--sample-every=4",
    "--checkpoint-every=2",
    "--lr=0.0001",  # Adam makes much of what is left by rounding where a gradient is 0
]
ON_PAIRS = {
    "contrastive": [*PAIRS, "--pairs=one", "--conditional=one"],
    "lejepa": [*PAIRS, "--directions=8"],
    "betavae": [*PAIRS, "--kernel-size=3"],
    "cyclegan": [
        *(word for word in PAIRS if "latent" not in word),
        "--blocks=1",
        "--halvings=2",
        "--pool=10",
        "--cycle-noise=4",
    ],
}
"""Options of the baselines that learn from pairs, or from two domains."""
STOPPED = [*OPTIONS, "--steps=9", "--version=tiny-1"]
MODULES = {
    "contrastive": contrastive,
    "lejepa": lejepa,
    "betavae": betavae,
    "cyclegan": cyclegan,
}


def critic(pictures):
    """Options of a Wasserstein game, of 32 pixels since a critic of 16 has no slope."""
    game = ["--adversarial-loss=wgan-gp", "--discriminator-steps=2", "--image-size=32"]
    return [*OPTIONS, *game, f"--data=images:{pictures}"]


def run(make, module, options):
    """(exit status, errors but for the progress) of a command in this process."""
    with contextlib.redirect_stderr(io.StringIO()) as errors:
        status = main(make, module.PRESETS, options)
    lines = errors.getvalue().splitlines()
    return status, [line for line in lines if line.startswith(("error", "stopped"))]


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def normalise(layer, share=lambda rows: rows, weights=None):
    """What a BatchNorm layer makes of seeded images and the gradients of a mean over them."""
    x = share(3 * random(8, 3, 4, 4) + 2).requires_grad_()
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([0.5, 1.0, 2.0]))
        layer.bias.copy_(torch.tensor([0.0, 1.0, -1.0]))
    made = layer(x)
    ((made * share(random(8, 3, 4, 4, seed=1))).sum() / len(x)).backward()
    parallel.average_gradients(layer.parameters())
    gradients = [x.grad * len(x), layer.weight.grad, layer.bias.grad]
    averages = [layer.running_mean, layer.running_var, layer.num_batches_tracked]
    return [made.detach(), *gradients, *averages]


def averaged(rank):
    """The means of gradients, one of them with channels last in memory, one missing."""
    shapes = (2, 3, 4, 4), (5,), (1,)
    parameters = [nn.Parameter(torch.zeros(shape)) for shape in shapes]
    for seed, parameter in enumerate(parameters[:2]):
        parameter.grad = random(*parameter.shape, seed=10 * seed + rank)
    parameters[0].grad = parameters[0].grad.to(memory_format=torch.channels_last)
    parallel.average_gradients(parameters)
    return [parameter.grad for parameter in parameters]


def moments(share=lambda rows: rows):
    codes = (2 * random(8, 6)).requires_grad_()
    loss = moments_loss(share(codes))
    loss.backward()
    return loss.detach(), codes.grad


def program(folder, pictures):
    exec(REGISTER_TINY)
    found = {}
    uneven = [*OPTIONS, "--batch-size=9", "--out", str(folder / "uneven")]
    found["uneven"] = run(dcgan.DCGAN, dcgan, uneven)
    found["in use"] = run(dcgan.DCGAN, dcgan, [*STOPPED, "--out", str(folder / "in use")])
    rank, world = parallel.processes()
    found["processes"] = rank, world

    found["lsd"] = run(lsd.LSD, lsd, [*LSD, "--out", str(folder / "lsd")])
    found["dcgan"] = run(dcgan.DCGAN, dcgan, [*critic(pictures), "--out", str(folder / "dcgan")])
    options = [*BIGGAN, "--out", str(folder / "biggan")]
    found["biggan"] = run(biggan.BigGAN, biggan, options)
    for name, options in ON_PAIRS.items():
        options = [*options, "--out", str(folder / name)]
        found[name] = run(baseline(name), MODULES[name], options)
    asked = acting(
        baseline("dcgan"), 4, lambda *_: signal.raise_signal(signal.SIGTERM) if rank else None
    )
    found["stopped"] = run(asked, dcgan, [*STOPPED, "--out", str(folder / "stopped")])

    found["batch norm"] = normalise(parallel.BatchNorm(3, eps=0.1), parallel.share)
    found["evaluated"] = parallel.BatchNorm(3).eval()(random(4, 3, 2, 2))
    found["average"] = averaged(rank)
    found["moments"] = moments(parallel.share)
    found["gathered"] = parallel.gather(torch.full((2, 1), float(rank)))
    found["any"] = [parallel.any_of(flag, torch.device("cpu")) for flag in (False, rank == 1, True)]
    found["mean"] = parallel.read_later({"a": torch.tensor(float(rank)), "b": torch.tensor(3.0)})()
    torch.save(found, folder / f"{rank}.pt")


if __name__ == "__main__":
    program(*map(Path, sys.argv[1:]))
