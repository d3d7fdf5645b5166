"""The command line: `fdd info | preview | generate | package | verify`, also `python -m fdd`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

from fdd.attractors.families import FAMILIES
from fdd.commands import arguments_of, command, complain, say
from fdd.errors import shown
from fdd.files import as_path
from fdd.folders.shards import FORMATS
from fdd.releases.cards import DEFAULT_VERSION
from fdd.rendering.palettes import PALETTES


def _image_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--palette", choices=list(PALETTES), default="kbc", help="colours")
    parser.add_argument("--size", type=int, help="width and height (128, or the release's)")
    parser.add_argument("--points", type=int, help="points of an orbit (60000, or the release's)")


def _rows_options(parser: argparse.ArgumentParser, count: int) -> None:
    parser.add_argument("--version", default=DEFAULT_VERSION, help="release to draw from")
    parser.add_argument("--split", default="train", help="train, val or test")
    parser.add_argument("--start", type=int, default=0, help="first image of the split (0)")
    parser.add_argument("--count", type=int, default=count, help=f"number of images ({count})")


def parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    main_parser = argparse.ArgumentParser(
        prog="fdd", description="The Fractal Dream Dataset: images with known latent vectors."
    )
    commands = main_parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    info = commands.add_parser("info", help="show what is there: releases, splits, cache")
    info.add_argument("--cache", help="cache folder (default: $FDD_DATA, else the user's cache)")
    info.add_argument(
        "--check",
        action="store_true",
        help="hash all that is in the cache again; exit 1 if damaged",
    )
    info.add_argument("--json", action="store_true", help="as JSON")

    preview = commands.add_parser(
        "preview", help="draw a contact sheet, a PNG, of a split or of given parameters"
    )
    _rows_options(preview, count=24)
    preview.add_argument(
        "--family",
        choices=list(FAMILIES),
        help="draw uniform parameters of this attractor instead of a split",
    )
    preview.add_argument("--seed", type=int, default=0, help="seed of these (0)")
    preview.add_argument(
        "--params",
        nargs="+",
        type=float,
        action="append",
        metavar="VALUE",
        help="draw this vector (x0 y0 a b c d, or the family's) instead; give several",
    )
    preview.add_argument("--columns", type=int, default=8, help="images in a row (8)")
    preview.add_argument("--out", default="preview.png", help="PNG to write, .png")
    _image_options(preview)

    generate = commands.add_parser(
        "generate",
        help="render images of a split to a folder, on this machine or on many",
        description="Renders images of a split to a folder, in shards. The same command again "
        "verifies what is there and renders what is missing or damaged. The folder is complete "
        "when manifest.json is there. Jobs of 20,000 images or more run on a local Dask cluster, "
        "one process for each processor, if Dask is installed (pip install 'fdd[dask]'); smaller "
        "ones in this process.",
    )
    generate.add_argument("folder", help="folder to write; run again to resume")
    _rows_options(generate, count=1000)
    generate.add_argument(
        "--format",
        choices=list(FORMATS),
        default="png",
        help="png: one picture an image, and params.csv (default); npy: params and counts, as in "
        "the cache",
    )
    generate.add_argument("--palette", choices=list(PALETTES), help="colours of the pictures (kbc)")
    generate.add_argument(
        "--shard-rows", type=int, help="images of a shard, the unit of work (png 256, npy 1000)"
    )
    generate.add_argument(
        "--workers",
        type=int,
        help="processes of a local Dask cluster; 0: no cluster, in this process with all threads",
    )
    generate.add_argument(
        "--scheduler", metavar="ADDRESS", help="run on this Dask cluster, such as tcp://host:8786"
    )
    generate.add_argument(
        "--shard",
        type=int,
        metavar="K",
        help="render only shard K of the range, from 0, in this process (for SLURM arrays); the "
        "command without it then adds what is missing and the manifest",
    )
    generate.add_argument(
        "--check",
        action="store_true",
        help="render nothing: hash all that manifest.json lists; exit 1 if damaged",
    )

    package = commands.add_parser(
        "package",
        help="write or verify the folder that is published on Kaggle",
        description="Writes the folder that `kaggle datasets create -p OUT` uploads: the images "
        "as Parquet, the parameters as CSV, samples, texts, checksums. The same command again "
        "goes on where it was interrupted.",
    )
    place = package.add_mutually_exclusive_group(required=True)
    place.add_argument("--out", metavar="DIR", help="folder to write")
    place.add_argument(
        "--check",
        metavar="DIR",
        help="write nothing: hash all files of this package and render all of its images again; "
        "exit 1 if anything differs",
    )
    package.add_argument("--version", default=DEFAULT_VERSION, help="release to package")
    package.add_argument(
        "--images", type=int, help="only the first IMAGES of each split, for a trial"
    )
    package.add_argument(
        "--wheels",
        metavar="DIR",
        help="folder of wheels to carry, fdd's own among them, for notebooks without internet",
    )
    package.add_argument("--owner", help="account on Kaggle")

    verify = commands.add_parser(
        "verify", help="render each picture of a published folder from its name and compare"
    )
    pictures = verify.add_mutually_exclusive_group(required=True)
    pictures.add_argument("folder", nargs="?", help="folder that holds kbc/, inferno/ or viridis/")
    pictures.add_argument(
        "--source", help="instead of a folder: kaggle-2019, or kaggle:OWNER/SLUG for a copy of it"
    )
    _image_options(verify)
    verify.set_defaults(palette=None, size=128, points=60000)
    verify.add_argument("--json", action="store_true", help="as JSON")
    return main_parser


def _info(arguments: argparse.Namespace) -> int:
    from fdd.data.cache import cache_folder, verify_cache
    from fdd.info import describe, summary

    facts = describe(arguments.cache)
    if arguments.check:
        facts["check"] = verify_cache(cache_folder(arguments.cache))
    say(json.dumps(facts, indent=2) if arguments.json else summary(facts))
    return 1 if any(report["different"] for report in facts.get("check", [])) else 0


def _preview(arguments: argparse.Namespace) -> int:
    from fdd.folders.sheets import check_count, contact_sheet, imaged_params
    from fdd.pictures import checked_png
    from fdd.releases.cards import release
    from fdd.releases.sampling import sample_params
    from fdd.rendering.drawing import checked_drawing

    card = release(arguments.version)
    size = card.size if arguments.size is None else arguments.size
    points = card.points if arguments.points is None else arguments.points
    family = arguments.family or "fractal_dream"
    drawing = checked_drawing(family, size, points, palette=arguments.palette)
    out = checked_png("out", arguments.out)
    params = arguments.params
    if params is None:
        check_count(arguments.count, size)
    if params is None and arguments.family is None:
        params = sample_params(arguments.count, arguments.split, arguments.start, arguments.version)
    elif params is None:
        params = imaged_params(arguments.count, family, arguments.seed, points)
    contact_sheet(drawing, params, out, arguments.columns)
    say(f"{len(params)} images in {out}")
    return 0


def _say_beyond(arguments: argparse.Namespace) -> None:
    """Says in one line of stderr that some of the images are not among those of the split."""
    from fdd.releases.cards import release

    card = release(arguments.version)
    rows, stop = card.rows(arguments.split), arguments.start + arguments.count
    first = max(rows, arguments.start)
    if first < stop:
        complain(
            f"fdd: split {shown(arguments.split)} of {card.name} has {rows} images; images "
            f"{first} to {stop - 1} are not among them, and continue it"
        )


def _generate(arguments: argparse.Namespace) -> int:
    from fdd.folders.generate import check, generate

    folder = as_path("folder", arguments.folder)
    if arguments.check:
        report = check(folder)
        say(f"{folder}: {report['equal']} of {report['shards']} shards are as in manifest.json")
        for difference in report["different"]:
            say(f"  {difference['file']}: {difference['reason']}")
        return 1 if report["different"] else 0
    rendered, images = generate(
        folder,
        split=arguments.split,
        start=arguments.start,
        count=arguments.count,
        version=arguments.version,
        palette=arguments.palette,
        format=arguments.format,
        shard_rows=arguments.shard_rows,
        workers=arguments.workers,
        scheduler=arguments.scheduler,
        shard=arguments.shard,
    )
    _say_beyond(arguments)
    if arguments.format == "png":
        folder /= arguments.palette or "kbc"
    place = folder if arguments.shard is None else f"shard {arguments.shard} of {folder}"
    say(f"{images} images in {place}, {rendered} of them new")
    return 0


def _package(arguments: argparse.Namespace) -> int:
    if arguments.check is not None:
        from fdd.publishing.check import check

        report = check(arguments.check)
        say(
            f"{report['folder']}: {report['equal']} of {report['files']} files are right, "
            f"{report['images']} images of {report['version']} rendered again"
        )
        for difference in report["different"]:
            say(f"  {difference['file']}: {difference['reason']}")
        return 1 if report["different"] else 0
    from fdd.publishing.package import estimate, package

    choice = (arguments.version, arguments.images, arguments.wheels)
    plan = estimate(*choice)
    say(
        f"{plan['images']} images in {plan['files']} files: about {plan['bytes'] / 1e6:.0f} MB to "
        "upload"
    )
    made = package(arguments.out, *choice, owner=arguments.owner)
    say(
        f"{made['images']} images, {made['rendered']} of them new: {made['files']} files with "
        f"{made['bytes'] / 1e6:.1f} MB in {made['folder']}"
    )
    return 0


def _verify(arguments: argparse.Namespace) -> int:
    from fdd.data.kaggle import find
    from fdd.folders.verify import verify

    reports = verify(
        find(arguments.source) if arguments.source is not None else arguments.folder,
        palette=arguments.palette,
        size=arguments.size,
        points=arguments.points,
    )
    if arguments.json:
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


def _is_negative(word: str) -> bool:
    """Whether a word is a negative number, which argparse takes for an option if it is -1e-3."""
    try:
        float(word)
    except ValueError:
        return False
    return word.startswith("-")


@command("fdd", stopped="fdd: interrupted; run the same command again to go on")
def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command; its exit status is 1 where a check found a difference.

    Otherwise it is as `fdd.commands.command` says.
    """
    given = [f" {word}" if _is_negative(word) else word for word in arguments_of(argv)]
    arguments = parser().parse_args(given)
    commands = {
        "info": _info,
        "preview": _preview,
        "generate": _generate,
        "package": _package,
        "verify": _verify,
    }
    return commands[arguments.command](arguments)
