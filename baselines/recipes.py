"""The experiments of 2019 as recipes, and those that followed.

    fdd recipes list
    fdd recipes run lsd --mini --seeds 0 1 2

A recipe is a few runs to be compared: the settings of 2019 at full size, which need a GPU, or with
--mini narrower networks on the 32x32 release, for two CPU cores. The runs are ordinary run folders,
OUT/RUN-seedN, with "mini-" before RUN for the small ones; the same command again resumes them,
and recipes share them. `python -m benchmarks.recipes` scores them and makes the table.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

from baselines import BASELINES
from baselines.training.cli import run
from baselines.training.config import Precision, RunConfig
from fdd.commands import arguments_of, command, say
from fdd.errors import FddError, known, shown
from fdd.files import as_path
from fdd.options import Arg, parse_one

Options = Mapping[str, Any]

FDD: Options = {"train_images": 1984}
"""The images of 2019; all else are the defaults."""
FACES: Options = {"latent_size": 32, "lr_generator": 2.5e-4, "lr_discriminator": 5e-5}
STREAM: Options = {**FDD, "train_images": 0, "data": "stream"}
CANONICAL: Options = {**STREAM, "vector": "canonical"}
VECTORS: Options = {**CANONICAL, "noise": "vectors"}
BALANCED: Options = {**VECTORS, "adversarial_weight": 0.01}
NETWORK: Options = {"mapping_layers": 2, "batch_norm_eps": 1e-3, "leaky_slope": 0.1}
SCHEDULE: Options = {"batch_size": 64, "precision": "auto", "decay": 0.5}
LSD: Options = {**BALANCED, **NETWORK, **SCHEDULE, "lr_generator": 2e-3, "ema": 0.995}
AAE_NETWORK: Options = {**STREAM, **NETWORK, "lr_generator": 1e-5}
AAE: Options = {**AAE_NETWORK, **SCHEDULE, "lr_encoder": 2e-3}
STORED: Options = {"data": "fdd", "train_images": 1984}
FULL: Options = {"steps": 24_800}
"""200 epochs of the 1984 images."""
MINI: Options = {
    "width": 16,
    "leaky_slope": 1e-6,
    "lr_generator": 1e-3,
    "steps": 4000,
    "precision": "auto",
    "log_every": 100,
    "sample_every": 1000,
    "checkpoint_every": 250,
}
FORMS: dict[str, tuple[Options, Options]] = dict.fromkeys(("dcgan", "aae", "lsd"), (FULL, MINI))
"""What the runs of a baseline have beside its first preset, and with `--mini` beside its preset
mini; their own options go on top."""

RUNS: dict[str, tuple[str, Options]] = {
    "dcgan-2019": ("dcgan", FDD),
    "dcgan-stride-2": ("dcgan", {**FDD, "generator_stride": 2}),
    "aae-2019": ("aae", FDD),
    "aae-detached": ("aae", {**FDD, "autoencoder_loss": "E"}),
    "aae-ms-ssim": ("aae", {**FDD, "reconstruction_loss": "ms-ssim"}),
    "aae-faces": ("aae", FACES),
    "aae-faces-detached": ("aae", {**FACES, "autoencoder_loss": "E"}),
    "lsd-2019": ("lsd", FDD),
    "lsd-ms-ssim": ("lsd", {**FDD, "correspondence_loss": "ms-ssim"}),
    "lsd-stream": ("lsd", STREAM),
    "lsd-canonical": ("lsd", CANONICAL),
    "lsd-vectors": ("lsd", VECTORS),
    "lsd-balanced": ("lsd", BALANCED),
    "lsd-network": ("lsd", {**BALANCED, **NETWORK}),
    "lsd": ("lsd", LSD),
    "aae-stream": ("aae", STREAM),
    "aae-network": ("aae", AAE_NETWORK),
    "aae": ("aae", AAE),
    "aae-32": ("aae", {**AAE, "latent_size": 32}),
    "aegean": ("aegean", {}),
    "aegean-normal": ("aegean", {"prior": "normal"}),
    "aegean-plain": ("aegean", {"background": False}),
    "aegean-insight": ("aegean", {"insight": True}),
    "sdpc-k0": ("sdpc", {"k": 0.0}),
    "sdpc-k1": ("sdpc", {"k": 1.0}),
    "sdpc-k4": ("sdpc", {"k": 4.0}),
    "sdpc-gan": ("sdpc_gan", {}),
    "sdpc-gan-k0": ("sdpc_gan", {"k": 0.0}),
    "sdpc-gan-dense": ("sdpc_gan", {"lambdas": "0:0"}),
    "sdpc-gan-random": ("sdpc_gan", {"dictionary_steps": 0}),
    "draw-mse": ("emulator", {"loss": "mse", "steps": 1120}),
    "draw-ms-ssim": ("emulator", {"loss": "ms-ssim", "steps": 180}),
    "draw-features": ("emulator", {"loss": "features", "steps": 520}),
    "draw-adversary": ("emulator", {"loss": "adversary", "steps": 280}),
    "draw-counts": ("emulator", {"steps": 1280}),
    "draw-flow": ("flow", {"steps": 500}),
    "biggan": ("biggan", {}),
    "biggan-concatenation": ("biggan", {"condition": "concatenation"}),
    "biggan-batch-norm": ("biggan", {"condition": "batch-norm"}),
    "biggan-projection": ("biggan", {"condition": "projection"}),
    "biggan-asymmetric": ("biggan", {"symmetry": False}),
    "biggan-1984": ("biggan", STORED),
    "biggan-vicinity": ("biggan", {**STORED, "vicinity": 0.1}),
    "cyclegan-mask": ("cyclegan", {"domains": "mask"}),
    "cyclegan-mask-noise": ("cyclegan", {"domains": "mask", "cycle_noise": 8.0}),
    "cyclegan-mask-paired": ("cyclegan", {"domains": "mask", "paired": True}),
    "cyclegan-palettes": ("cyclegan", {"domains": "palettes"}),
    "cyclegan-palettes-paired": ("cyclegan", {"domains": "palettes", "paired": True}),
    "cyclegan-points": ("cyclegan", {"domains": "points"}),
    "cyclegan-sign": ("cyclegan", {"domains": "sign"}),
    "cyclegan-turn": ("cyclegan", {"domains": "turn"}),
}
"""Every run by its name: a baseline and the options that differ from its defaults."""


@dataclass(frozen=True)
class Recipe:
    """Runs to be compared, by their names in RUNS, and why."""

    question: str
    runs: tuple[str, ...]
    concluded: str = ""
    """What was seen in 2019, by eye."""
    interpolate: bool = False
    """Whether to draw paths in the latent spaces at the end."""


RECIPES: dict[str, Recipe] = {
    "detach-fdd": Recipe(
        "Does an encoder alone find the codes of images in the latent space of a GAN?",
        ("aae-2019", "aae-detached"),
        "With loss E the reconstructions are plausible images, but not the encoded ones.",
    ),
    "detach-faces": Recipe(
        "The same on a folder of pictures, such as the Simpsons Faces of 2019.",
        ("aae-faces", "aae-faces-detached"),
        "As on FDD.",
    ),
    "g-stride": Recipe(
        "Does the generator need convolutions of stride 1?",
        ("dcgan-2019", "dcgan-stride-2"),
        "Stride 2 gives noise.",
    ),
    "interpolation": Recipe(
        "Do images between two codes lie between the two images?",
        ("dcgan-2019", "aae-2019"),
        "Paths are smooth, but they cross incoherent regions.",
        interpolate=True,
    ),
    "lsd": Recipe(
        "Does a term MSE(FD(v), G(v)) make G(v) look like FD(v)?",
        ("dcgan-2019", "lsd-2019"),
        "No correspondence; best around epoch 40 of 200, blurred after it while the MSE falls.",
    ),
    "ms-ssim-aae": Recipe(
        "Is MS-SSIM a better reconstruction loss than the MSE?",
        ("aae-2019", "aae-ms-ssim"),
        "Sharper, with wrong colours; the AAE fails.",
    ),
    "ms-ssim-lsd": Recipe(
        "Is MS-SSIM a better correspondence loss than the MSE?",
        ("lsd-2019", "lsd-ms-ssim"),
        "Sharper, with wrong colours.",
    ),
    "lsd-why": Recipe(
        "What kept G(v) from looking like FD(v)? One change at a time, each on top of the last.",
        (
            "lsd-2019",
            "lsd-stream",
            "lsd-canonical",
            "lsd-vectors",
            "lsd-balanced",
            "lsd-network",
            "lsd",
        ),
    ),
    "draw-why": Recipe(
        "Which loss makes a generator draw the attractor of v? Steps for equal processor time.",
        (
            "draw-mse",
            "draw-ms-ssim",
            "draw-features",
            "draw-adversary",
            "draw-counts",
            "draw-flow",
        ),
    ),
    "biggan": Recipe(
        "How should a BigGAN read v? Each arm adds to the one before, then one change at a time.",
        (
            "biggan-concatenation",
            "biggan-batch-norm",
            "biggan-projection",
            "biggan",
            "biggan-asymmetric",
            "biggan-1984",
            "biggan-vicinity",
            "lsd",
        ),
    ),
    "aegean": Recipe(
        "What do codes between images, a background and insight change in the AEGeAN of 2020?",
        ("aegean", "aegean-normal", "aegean-plain", "aegean-insight"),
    ),
    "cyclegan": Recipe(
        "Which translations between two domains are found without pairs, and what is hidden?",
        (
            "cyclegan-mask",
            "cyclegan-mask-noise",
            "cyclegan-mask-paired",
            "cyclegan-palettes",
            "cyclegan-palettes-paired",
            "cyclegan-points",
            "cyclegan-sign",
            "cyclegan-turn",
        ),
    ),
    "sdpc": Recipe(
        "What does feedback do for sparse deep predictive coding? See benchmarks.feedback.",
        ("sdpc-k0", "sdpc-k1", "sdpc-k4"),
    ),
    "sdpc-gan": Recipe(
        "Is a decoder of predictive coding worth it beside an auto-encoder?",
        ("sdpc-gan", "sdpc-gan-k0", "sdpc-gan-dense", "sdpc-gan-random", "aae-32"),
    ),
    "aae-why": Recipe(
        "What do the reconstructions of 2019 lack? One change at a time, each on top of the last.",
        ("aae-2019", "aae-stream", "aae-network", "aae", "aae-32"),
    ),
}


@dataclass(frozen=True)
class List:
    """List the recipes, what they ask and what 2019 concluded."""


@dataclass(frozen=True)
class Run:
    """Train the runs of a recipe, one after another; the same command again resumes them."""

    recipe: Annotated[str, Arg("RECIPE", positional=True)]
    """Its name, as `list` has it."""
    mini: bool = False
    """The small form: 32x32 images and narrower networks, for two CPU cores."""
    seeds: tuple[int, ...] = (0,)
    """Each run is trained once with each of these seeds."""
    only: tuple[str, ...] = ()
    """Train only the runs with these names."""
    steps: int | None = None
    """Training steps, in place of the recipe's."""
    precision: Precision | None = None
    """What layers compute in, in place of the recipe's; auto is bfloat16 where that is faster."""
    data: str | None = None
    """images:FOLDER, for a recipe on pictures."""
    device: str = "auto"
    """Where to train: cpu, cuda, cuda:1 and so on; auto takes cuda when there is one."""
    out: Path = Path("runs/recipes")
    """The folder that gets a run folder for each run and seed."""


def named(name: str) -> Recipe:
    """The recipe of that name. FddError for an unknown one."""
    known("recipe", name, RECIPES)
    return RECIPES[name]


def configured(name: str, mini: bool = False, **changes: Any) -> tuple[Any, RunConfig]:
    """Class and options of the run of that name; `changes` go on top."""
    baseline, options = RUNS[name]
    module_name, class_name = BASELINES[baseline]
    module = import_module(module_name)
    preset = "mini" if mini else next(iter(module.PRESETS))
    form = FORMS.get(baseline, ({}, {}))[mini]
    config = replace(module.PRESETS[preset], **{**form, **options, **changes})
    return getattr(module, class_name), config


def run_recipe(options: Run, changes: Options | None = None) -> int:
    """Train; the exit status of the first run that fails or is stopped, else 0.

    `changes` go into every run, below what `options` says. FddError, before the first run begins,
    for a bad option of any.
    """
    recipe = named(options.recipe)
    for name in options.only:
        known("only", name, recipe.runs)
    faces = any(name.startswith("aae-faces") for name in recipe.runs)
    if faces and not str(options.data).startswith("images:"):
        raise FddError(
            f"recipe={shown(options.recipe)} trains on a folder of pictures: name it with "
            "--data images:FOLDER"
        )
    given = {name: getattr(options, name) for name in ("device", "data", "steps", "precision")}
    asked = {option: value for option, value in given.items() if value is not None}
    every = {**(changes or {}), **asked}
    names = [(name, seed) for seed in options.seeds for name in options.only or recipe.runs]
    runs = [configured(name, options.mini, **every, seed=seed) for name, seed in names]
    for _, config in runs:
        config.check()
    folder = as_path("out", options.out)
    for (name, seed), (make, config) in zip(names, runs, strict=True):
        out = folder / f"{'mini-' if options.mini else ''}{name}-seed{seed}"
        say(f"== {options.recipe}: {name}, seed {seed}")
        status = run(make, config, out)
        if status:
            return status
        if recipe.interpolate:
            draw_paths(out)
    return 0


def draw_paths(out: Path) -> None:
    """Paths between codes, linear and spherical, of a trained run."""
    from baselines.interpolate import main as interpolate

    for path in ("linear", "spherical"):
        interpolate([str(out), "--path", path, "--out", str(out / f"interpolation-{path}")])


def describe() -> str:
    """All recipes, a few lines each."""
    lines = []
    for name, recipe in RECIPES.items():
        lines += [name, f"  {recipe.question}"]
        lines += [f"  2019: {recipe.concluded}"] if recipe.concluded else []
        for run_name in recipe.runs:
            baseline, options = RUNS[run_name]
            settings = ", ".join(f"{option}={value}" for option, value in options.items())
            lines += [f"    {run_name}: {baseline}, {settings}"]
    return "\n".join(lines)


@command()
def main(argv: Sequence[str] | None = None, changes: Options | None = None) -> int:
    """The command line; returns its exit status, as `fdd.commands.command` says.

    `changes` are as in `run_recipe`.
    """
    kinds, about = {"list": List, "run": Run}, "Experiments as recipes: a few runs to be compared."
    choice = parse_one(kinds, arguments_of(argv), "fdd recipes", about)
    if isinstance(choice, Run):
        return run_recipe(choice, changes)
    say(describe())
    return 0


if __name__ == "__main__":
    sys.exit(main())
