"""The command `fdd`, also `python -m fdd`: its table of commands, and those that draw images."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import fdd
from fdd.attractors.families import FAMILIES
from fdd.attractors.params import checked_params
from fdd.commands import arguments_of, command, complain, say
from fdd.errors import FddError, shown, whole_number
from fdd.files import as_path
from fdd.options import Arg, choose, first_lines, one_of, parse
from fdd.releases.cards import DEFAULT_VERSION, release
from fdd.rendering.palettes import PALETTES

Palette = Annotated[str, one_of(PALETTES)]
Split = Annotated[str, one_of(("train", "val", "test"))]


@dataclass(frozen=True)
class Preview:
    """Draw a contact sheet, a PNG, of a split or of given parameters."""

    version: str = DEFAULT_VERSION
    """Release to draw from."""
    split: Split = "train"
    """Split to draw from."""
    start: int = 0
    """First image of the split."""
    count: int = 24
    """Number of images."""
    family: Annotated[str | None, one_of(FAMILIES)] = None
    """Draw uniform parameters of this attractor instead of a split."""
    seed: int = 0
    """Seed of these."""
    params: Annotated[tuple[tuple[float, ...], ...], Arg("VALUE", each=True)] = ()
    """Draw this vector (x0 y0 a b c d, or the family's) instead; give several."""
    columns: int = 8
    """Images in a row."""
    out: Path = Path("preview.png")
    """PNG to write, .png."""
    palette: Palette = "kbc"
    """Colours."""
    size: Annotated[int | None, Arg(default="the release's")] = None
    """Width and height in pixels."""
    points: Annotated[int | None, Arg(default="the release's")] = None
    """Points of an orbit."""


@dataclass(frozen=True)
class Show:
    """Show images side by side in one PNG, as fdd.show does."""

    split: Split = "test"
    """Split of fdd-1 to show the first images of."""
    count: int = 24
    """Number of images, at most."""
    columns: int = 8
    """Images in a row."""
    params: Annotated[tuple[tuple[float, ...], ...], Arg("VALUE", each=True)] = ()
    """Show this vector (x0 y0 a b c d) instead; give several."""
    out: Path = Path("show.png")
    """PNG to write, .png."""


@dataclass(frozen=True)
class Generate:
    """Render images of a split to a folder, on this machine or on many.

    They are rendered in shards. The same command again verifies what is there and renders what is
    missing or damaged. The folder is complete when manifest.json is there.

    Jobs of 20,000 images or more run on a local Dask cluster, one process for each processor, if
    Dask is installed (pip install 'fdd[dask]'); smaller ones in this process.
    """

    folder: Annotated[Path, Arg("FOLDER", positional=True)]
    """Folder to write; run again to resume."""
    version: str = DEFAULT_VERSION
    """Release to draw from."""
    split: Split = "train"
    """Split to draw from."""
    start: int = 0
    """First image of the split."""
    count: int = 1000
    """Number of images."""
    format: Annotated[str, one_of(("png", "npy"))] = "png"
    """png: one picture an image, and params.csv; npy: params and counts, as in the cache."""
    palette: Annotated[str | None, one_of(PALETTES)] = None
    """Colours of the pictures; kbc if not given."""
    shard_rows: Annotated[int | None, Arg(default="png 256, npy 1000")] = None
    """Images of a shard, the unit of work."""
    workers: int | None = None
    """Processes of a local Dask cluster; 0: no cluster, in this process with all threads."""
    scheduler: Annotated[str | None, Arg("ADDRESS")] = None
    """Run on this Dask cluster, such as tcp://host:8786."""
    shard: Annotated[int | None, Arg("K")] = None
    """Render only shard K of the range, from 0, in this process (for SLURM arrays); the command
    without it then adds what is missing and the manifest."""
    check: bool = False
    """Render nothing: hash all that manifest.json lists; exit 1 if damaged."""


@dataclass(frozen=True)
class Verify:
    """Render each picture of a published folder from its name and compare."""

    folder: Annotated[Path | None, Arg("FOLDER", positional=True)] = None
    """Folder that holds kbc/, inferno/ or viridis/."""
    source: str | None = None
    """Instead of a folder: kaggle-2019, or kaggle:OWNER/SLUG for a copy of it."""
    palette: Annotated[str | None, one_of(PALETTES)] = None
    """Colours, where the folder is not named after them."""
    size: int = 128
    """Width and height in pixels."""
    points: int = 60000
    """Points of an orbit."""
    json: bool = False
    """Print JSON."""


@dataclass(frozen=True)
class Package:
    """Write or verify the folder that is published on Kaggle.

    It holds what `kaggle datasets create -p OUT` uploads: the images as Parquet, the parameters as
    CSV, samples, texts, checksums. The same command again goes on where it was interrupted.
    """

    out: Annotated[Path | None, Arg("FOLDER")] = None
    """Folder to write."""
    check: Annotated[Path | None, Arg("FOLDER")] = None
    """Write nothing: hash all files of this package and render all of its images again; exit 1 if
    anything differs."""
    version: str = DEFAULT_VERSION
    """Release to package."""
    images: Annotated[int | None, Arg(default="all")] = None
    """Only the first N images of each split, for a trial."""
    wheels: Annotated[Path | None, Arg("FOLDER")] = None
    """Folder of wheels to carry, fdd's own among them, for notebooks without internet."""
    owner: str | None = None
    """Account on Kaggle."""


@dataclass(frozen=True)
class Info:
    """Show what is there: releases, splits, cache."""

    cache: Annotated[Path | None, Arg("FOLDER", "$FDD_DATA, else the user's cache")] = None
    """Cache folder."""
    check: bool = False
    """Hash all that is in the cache again; exit 1 if damaged."""
    json: bool = False
    """Print JSON."""


def info(options: Info) -> int:
    from fdd.data.cache import cache_folder, verify_cache
    from fdd.info import describe, summary

    facts = describe(options.cache)
    if options.check:
        facts["check"] = verify_cache(cache_folder(options.cache))
    say(json.dumps(facts, indent=2) if options.json else summary(facts))
    return 1 if any(report["different"] for report in facts.get("check", [])) else 0


def preview(options: Preview) -> int:
    from fdd.folders.sheets import contact_sheet
    from fdd.pictures import check_count, checked_png
    from fdd.releases.sampling import sample_params
    from fdd.rendering.drawing import checked_drawing
    from fdd.rendering.render import imaged_params

    card = release(options.version)
    size = card.size if options.size is None else options.size
    points = card.points if options.points is None else options.points
    family = options.family or "fractal_dream"
    drawing = checked_drawing(family, size, points, palette=options.palette)
    out = checked_png("out", options.out)
    params: Any = options.params
    if not params:
        check_count(whole_number("count", options.count, 1), size)
    if not params and options.family is None:
        params = sample_params(options.count, options.split, options.start, options.version)
    elif not params:
        params = imaged_params(options.count, family, options.seed, points)
    contact_sheet(drawing, params, out, options.columns)
    say(f"{len(params)} images in {out}")
    return 0


def show(options: Show) -> int:
    from fdd.pictures import check_count, checked_png

    count = whole_number("count", options.count, 1)
    out = checked_png("out", options.out)
    if options.params:
        params = checked_params(options.params)
    else:
        check_count(count, release(DEFAULT_VERSION).size)
        params = fdd.sample_params(count, options.split)
    fdd.show(params, columns=options.columns, count=count, out=out)
    say(f"{min(count, len(params))} images in {out}")
    return 0


def _say_beyond(options: Generate) -> None:
    """Says in one line of stderr that some of the images are not among those of the split."""
    card = release(options.version)
    rows, stop = card.rows(options.split), options.start + options.count
    first = max(rows, options.start)
    if first < stop:
        complain(
            f"split {shown(options.split)} of {card.name} has {rows} images; images "
            f"{first} to {stop - 1} are not among them, and continue it"
        )


def generate(options: Generate) -> int:
    from fdd.folders.generate import check, generate

    folder = as_path("folder", options.folder)
    if options.check:
        report = check(folder)
        say(f"{folder}: {report['equal']} of {report['shards']} shards are as in manifest.json")
        for difference in report["different"]:
            say(f"  {difference['file']}: {difference['reason']}")
        return 1 if report["different"] else 0
    rendered, images = generate(
        folder,
        split=options.split,
        start=options.start,
        count=options.count,
        version=options.version,
        palette=options.palette,
        format=options.format,
        shard_rows=options.shard_rows,
        workers=options.workers,
        scheduler=options.scheduler,
        shard=options.shard,
    )
    _say_beyond(options)
    if options.format == "png":
        folder /= options.palette or "kbc"
    place = folder if options.shard is None else f"shard {options.shard} of {folder}"
    say(f"{images} images in {place}, {rendered} of them new")
    return 0


def package(options: Package) -> int:
    given = [folder for folder in (options.out, options.check) if folder is not None]
    if len(given) != 1:
        raise FddError("give --out FOLDER, to write a package, or --check FOLDER, to verify one")
    if options.check is not None:
        from fdd.publishing.check import check

        report = check(given[0])
        say(
            f"{report['folder']}: {report['equal']} of {report['files']} files are right, "
            f"{report['images']} images of {report['version']} rendered again"
        )
        for difference in report["different"]:
            say(f"  {difference['file']}: {difference['reason']}")
        return 1 if report["different"] else 0
    from fdd.publishing.package import estimate, package

    choice = (options.version, options.images, options.wheels)
    plan = estimate(*choice)
    say(
        f"{plan['images']} images in {plan['files']} files: about {plan['bytes'] / 1e6:.0f} MB to "
        "upload"
    )
    made = package(given[0], *choice, owner=options.owner)
    say(
        f"{made['images']} images, {made['rendered']} of them new: {made['files']} files with "
        f"{made['bytes'] / 1e6:.1f} MB in {made['folder']}"
    )
    return 0


def verify(options: Verify) -> int:
    from fdd.data.kaggle import find
    from fdd.folders.verify import verify

    given = [place for place in (options.folder, options.source) if place is not None]
    if len(given) != 1:
        raise FddError("give the folder to verify, or --source and no folder")
    reports = verify(
        given[0] if options.source is None else find(options.source),
        palette=options.palette,
        size=options.size,
        points=options.points,
    )
    if options.json:
        say(json.dumps(reports, indent=2))
    else:
        for report in reports:
            say(
                f"{report['folder']}: {report['equal']} of {report['images']} images equal byte "
                f"for byte ({report['palette']})"
            )
            for difference in report["different"]:
                name = difference["file"]  # somebody else's, with anything in it
                say(f"  {name if name.isprintable() else repr(name)}: {difference['reason']}")
    return 0 if all(not report["different"] for report in reports) else 1


OWN: dict[str, tuple[Any, Callable[[Any], int]]] = {
    "preview": (Preview, preview),
    "show": (Show, show),
    "generate": (Generate, generate),
    "verify": (Verify, verify),
    "package": (Package, package),
    "info": (Info, info),
}
"""Commands of this module: their options and what does the work."""

ELSEWHERE = {
    "explore": ("fdd.explorer.command", "Write a page that draws attractors as you change them."),
    "train": ("baselines.train", "Train a baseline, a model that learns a latent space."),
    "recipes": ("baselines.recipes", "List the experiments of 2019 and later, and train them."),
    "sweep": ("baselines.sweep", "Search the options of a baseline: many runs, ranked."),
    "interpolate": ("baselines.interpolate", "Draw what a model makes along a latent path."),
    "score": ("benchmarks.correspondence", "Score how far a model found the latent space."),
    "report": ("benchmarks.report", "Score several models and put them on one page."),
    "leaderboard": ("benchmarks.leaderboard", "Merge result files into one table."),
    "translation": ("benchmarks.translation", "Score images that a model translates."),
}
"""Commands of other modules, which are imported when asked for: the module, which has a `main` that
takes the words after the command, and a line about it."""


@command(stopped="interrupted; run the same command again to go on")
def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command; its exit status is 1 where a check found a difference.

    Otherwise it is as `fdd.commands.command` says.
    """
    words = arguments_of(argv)
    if words == ["--version"]:
        say(f"fdd {fdd.__version__}")
        return 0
    lines = first_lines({name: kind for name, (kind, _) in OWN.items()})
    lines |= {name: line for name, (_, line) in ELSEWHERE.items()}
    name, others = choose(words, lines, "fdd", "Images of attractors with known latent vectors.")
    if name in ELSEWHERE:
        return int(import_module(ELSEWHERE[name][0]).main(others))
    kind, work = OWN[name]
    return work(parse(kind, others, f"fdd {name}"))
