"""Scores of the runs of `baselines.recipes`, as one table with the spread over seeds.

    python -m benchmarks.recipes --folder runs/recipes

Every run is scored on the test split of its own release, or on the pictures that it held out.
Beside them stand scores without any model: of the best constant, of the nearest training image, of
the renderer itself from another starting point, and of the mean of its images from many, which no
model of a', b', c, d can beat by much.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import fdd
from benchmarks.image_scores import fid, retrieval, ssim
from benchmarks.oracle import Oracle, load_oracle
from benchmarks.oracle.oracle import SHIPPED
from benchmarks.protocol.cells import r2
from benchmarks.protocol.data import open_split, read_images, read_split
from benchmarks.reporting.figures import rows_png
from benchmarks.reporting.files import check_out, write_files
from benchmarks.scores import nonlinear_r2
from benchmarks.statistics.arrays import require
from fdd.commands import arguments_of, command, say
from fdd.errors import FddError, known, shown
from fdd.files import as_file, as_path
from fdd.options import parse
from fdd.pictures import resize
from fdd.progress import progress_bar
from fdd.releases.cards import release

Images = NDArray[np.uint8]
Params = NDArray[np.float64]
Read = Callable[[Any], Images]

COLUMNS = {
    "ssim": "SSIM",
    "top1": "retrieval at 1",
    "top10": "retrieval at 10",
    "oracle": "oracle R2",
    "variety": "variety",
    "r2": "R2 of a', b', c, d",
    "fid": "FDD-FID",
    "distance": "distance",
    "diversity": "diversity",
    "sharpness": "sharpness",
}
"""What is scored, with the heading in the table. ssim: between a test image and what the model
makes of it, G(E(x)) or G(v). top1, top10: retrieval of the test image among all of them. oracle:
mean over a', b', c, d of the R2 of what the release's oracle reads from G(v). variety: distance of
two pictures of one v with other noise, divided by that of FD(v) from other starts. r2: mean over
the four parameters of the kernel R2 of codes E(x). fid: FDD-FID of samples G(z) and test images, as
many of each, on the features of the release's oracle. distance: energy distance of samples G(z) to
test images, on pixels. diversity, sharpness: of samples, divided by those of test images."""
SAMPLES = 1000
STARTS = 64
"""Starting points over which the renderer's images are averaged."""
SHOWN = 8
FIT = 4000
"""Train images that R2 is fitted on, and whose mean is the best constant."""
ENDS = (1984, 100_000)
"""Training images that are searched for the nearest: those of 2019, and all of mini-1."""
BLOCK = 2000


@dataclass(frozen=True)
class Options:
    """Score the runs of the recipes and print their table."""

    folder: Path = Path("runs/recipes")
    """The folder of run folders."""
    images: int = 2000
    """Test images."""
    checkpoint: Literal["last", "best"] = "last"
    """Weights to score: the newest, or those of the best score on held-out images."""
    fit: int = FIT
    """Train images that R2 is fitted on."""
    references: bool = True
    """Also score what needs no model."""
    against: str | None = None
    """Also print by how much the runs differ from those of this name, in the mean over seeds, with
    95 % intervals (Welch)."""
    out: Path | None = None
    """Also write the numbers of each run to this CSV file."""
    figure: Path | None = None
    """Also draw what the runs make of a few test images, in this PNG file."""
    runs: tuple[str, ...] = ()
    """Only the runs of these names, in this order in the figure."""


def score_run(
    model: Any,
    test: tuple[Images, Params | None],
    fit: Any,
    seed: int,
    oracle: Oracle | None = None,
) -> dict[str, float]:
    """COLUMNS of a model, as far as it has them.

    test: images uint8 [N, S, S, 3] and raw parameters [N, 6], or None; fit: the same of train.
    oracle: that of the release, where it reads images of that size.
    """
    images, params = test
    found = {}
    codes = codes_of(model, images, params)
    if codes is not None and params is not None and model.can_encode:
        held = codes, fdd.canonical_params(params)[:, 2:]
        learned = model.encode(fit[0]), fdd.canonical_params(fit[1])[:, 2:]
        found["r2"] = float(nonlinear_r2(*learned, test=held, seed=seed).mean())
    if codes is not None:
        made = model.generate(codes)
        found |= pair_scores(made, images)
        if params is not None and model.has_vectors:
            found |= read_scores(made, params, oracle)
            found |= {"variety": variety(model, made, codes, images, params)}
    noise = np.random.default_rng(seed).standard_normal((SAMPLES, model.latent_size))
    samples = model.generate(noise)
    if oracle is not None:
        real, made = (oracle.features(i[: len(images)]) for i in (images[:SAMPLES], samples))
        found["fid"] = fid(real, made)
    return found | sample_scores(samples, images)


def read_scores(made: Images, params: Params, oracle: Oracle | None) -> dict[str, float]:
    """What an oracle, if there is one, reads from images uint8 [N, S, S, 3] of params [N, 6]."""
    if oracle is None:
        return {}
    true = fdd.canonical_params(params)[:, 2:]
    return {"oracle": float(r2(true, oracle.read(made)).mean())}


def variety(model: Any, made: Images, codes: Any, images: Images, params: Params) -> float:
    """Root mean square distance of the model's pictures of codes [N, L], uint8 [N, S, S, 3], to
    others of the same codes, divided by that of the renderer's images to others of the same a, b,
    c, d; 0 for a model without noise."""
    if not model.network.noisy:
        return 0.0
    other = resize(from_another_start(model.config["version"], params), model.image_size)
    pairs = ((made, model.generate(codes, noise=1)), (images, other))
    own, true = (np.square(np.subtract(*pair, dtype=np.float32)).mean() ** 0.5 for pair in pairs)
    return float(own / true)


def from_another_start(version: str, params: Params, seed: int = 0) -> Images:
    """The renderer's images of raw params [N, 6] of a release from other starting points."""
    card, other = release(version), params.copy()
    other[:, :2] = np.random.default_rng(seed).uniform(-1, 1, (len(params), 2))
    return fdd.render(other, size=card.size, points=card.points)


def codes_of(model: Any, images: Images, params: Params | None) -> Any:
    """The codes that stand for images, by their parameters or by the encoder; None if neither."""
    if params is not None and model.has_vectors:
        return model.vectors(params)
    return model.encode(images) if model.can_encode else None


def sample_scores(samples: Images, images: Images) -> dict[str, float]:
    """How similar samples uint8 [N, S, S, 3] are to the first SAMPLES of images [M, S, S, 3]."""
    from baselines.training.data import to_tensor
    from baselines.training.stopping import diversity, energy_distance, sharpness

    made, real = (to_tensor(i[:SAMPLES], require("torch").device("cpu")) for i in (samples, images))
    return {
        "distance": energy_distance(made, real),
        "diversity": diversity(made) / diversity(real),
        "sharpness": sharpness(made) / sharpness(real),
    }


def pair_scores(made: Images, images: Images) -> dict[str, float]:
    """How well made[i] shows images[i], both uint8 [N, S, S, 3]."""
    ranks = retrieval(made, images)
    return {"ssim": float(ssim(made, images).mean()), "top1": ranks.top1, "top10": ranks.top10}


def references(
    version: str,
    size: int,
    rows: int,
    ends: Sequence[int] = ENDS,
    oracle: Oracle | None = None,
) -> dict[str, dict[str, float]]:
    """The same scores without any model, on `rows` test images of a release at that size.

    ends: how many training images are searched for the nearest, as far as there are that many.
    oracle: as in `score_run`.
    """
    images, params = read_split(version, "test", size, rows)
    found = {"another test image": pair_scores(np.roll(images, 1, axis=0), images)}
    train, _ = fitted(version, size)
    found["training images"] = sample_scores(train, images)
    mean = train.mean(axis=0).round().astype(np.uint8)
    found["mean training image"] = pair_scores(np.broadcast_to(mean, images.shape), images)
    stored = release(version).rows("train")
    others = open_split(version, "train", stored)
    for count in sorted({min(count, stored) for count in ends}):
        near = nearest(images, lambda rows: read_images(others, size, rows), count)
        found[f"nearest of {count} training images"] = pair_scores(near, images)
    again = resize(from_another_start(version, params), size)
    found["FD from another start"] = pair_scores(again, images) | read_scores(again, params, oracle)
    mean = mean_image(version, size, params)
    found[f"mean of FD from {STARTS} starts"] = pair_scores(mean, images)
    found[f"mean of FD from {STARTS} starts"] |= read_scores(mean, params, oracle)
    return found


def mean_image(version: str, size: int, params: Params) -> Images:
    """The mean, rounded, of the renderer's images of raw params [N, 6] from STARTS others."""
    total = np.zeros((len(params), size, size, 3), np.uint32)
    for seed in range(STARTS):
        total += resize(from_another_start(version, params, seed), size)
    return ((total + STARTS // 2) // STARTS).astype(np.uint8)


def nearest(images: Images, read: Read, count: int) -> Images:
    """For each image the nearest of `count` others, pixel by pixel, read in blocks."""
    flat = images.reshape(len(images), -1).astype(np.float32)
    least = np.full(len(images), np.inf, np.float32)
    found = np.empty_like(images)
    for start in range(0, count, BLOCK):
        block = read(range(start, min(start + BLOCK, count)))
        others = block.reshape(len(block), -1).astype(np.float32)
        distance = (others**2).sum(axis=1)[:, None] - 2 * others @ flat.T
        place = distance.argmin(axis=0)
        value = distance[place, np.arange(len(images))]
        closer = value < least
        least[closer], found[closer] = value[closer], block[place[closer]]
    return found


def fitted(version: str, size: int, rows: int = FIT) -> tuple[Images, Params]:
    """The first train images of a release, at most so many, and their parameters."""
    return read_split(version, "train", size, min(rows, release(version).rows("train")))


def data_of(config: dict[str, Any], rows: int, fit: int = FIT) -> tuple[Any, Any]:
    """(test images, parameters) and (train images, parameters) for a run with that config.json.

    For a run on a folder of pictures, those that it held out, without parameters.
    """
    version, size = config["version"], config["image_size"]
    if not config["data"].startswith("images:"):
        return read_split(version, "test", size, rows, "images"), fitted(version, size, fit)
    from baselines.training.config import RunConfig
    from baselines.training.data import open_pictures

    options = {name: config[name] for name in ("data", "exclude", "image_size", "batch_size")}
    _, pictures = open_pictures(RunConfig(**options))
    return (pictures.read(range(len(pictures))), None), None


def oracle_of(version: str, size: int) -> Oracle | None:
    """The oracle that comes with a release, if there is one that reads images of this size."""
    oracle = load_oracle(version) if version in SHIPPED else None
    return oracle if oracle is not None and oracle.size == size else None


def run_name(folder: Path) -> str:
    """RUN of a folder RUN-seedN, or its whole name."""
    return folder.name.rpartition("-seed")[0] or folder.name


def run_folders(options: Options) -> list[Path]:
    """The run folders that the options ask for. FddError if there are none, or one is missing."""
    found = sorted(path.parent for path in as_path("folder", options.folder).glob("*/config.json"))
    if not found:
        raise FddError(
            f"folder={shown(options.folder)} holds no runs; train some with baselines.recipes"
        )
    names = {run_name(folder) for folder in found}
    for name in options.runs:
        known("runs", name, sorted(names))
    order = options.runs or sorted(names)
    found = [folder for folder in found if run_name(folder) in order]
    return sorted(found, key=lambda folder: (order.index(run_name(folder)), folder.name))


def pictures(options: Options) -> dict[str, Images]:
    """The first test images, and what the first seed of each run makes of them, if anything."""
    from baselines import load_run

    rows: dict[str, Images] = {}
    for folder in run_folders(options):
        model = load_run(folder, checkpoint=options.checkpoint)
        images, params = data_of(model.config, SHOWN)[0]
        codes = codes_of(model, images[:SHOWN], params)
        if run_name(folder) not in rows and codes is not None:
            rows.setdefault("test image", images[:SHOWN])
            rows[run_name(folder)] = model.generate(codes)
    return rows


def score_folder(options: Options) -> pd.DataFrame:
    """A row for each run in the folder: run, seed, step, device, and COLUMNS."""
    from baselines import load_run
    from baselines.training.runs import load_state

    rows = []
    for folder in progress_bar(run_folders(options), "scoring", unit="run", leave=False):
        model = load_run(folder, checkpoint=options.checkpoint)
        name = run_name(folder)
        test, fit = data_of(model.config, options.images, options.fit)
        row = {"run": name, "seed": model.config["seed"]}
        row["step"] = load_state(folder, options.checkpoint)["step"]
        trained = model.config.get("data_version") or model.config["data"]
        row |= {"version": trained, "size": model.config["image_size"]}
        row["device"] = (model.config.get("trained_on") or {}).get("device", "unknown")
        oracle = oracle_of(model.config["version"], model.config["image_size"])
        rows.append(row | score_run(model, test, fit, model.config["seed"], oracle))
    return pd.DataFrame(rows).reindex(
        columns=["run", "seed", "step", "version", "size", "device", *COLUMNS]
    )


def table(scores: pd.DataFrame, beside: dict[str, dict[str, float]]) -> str:
    """Markdown: a line a run, mean and standard deviation over seeds; then a line a reference."""
    lines = [["run", "seeds", "steps", *COLUMNS.values()]]
    for name, group in scores.groupby("run", sort=False):
        steps = f"{group.step.min()}" if group.step.nunique() == 1 else "mixed"
        seeds = ", ".join(str(seed) for seed in sorted(group.seed))
        lines.append([str(name), seeds, steps, *(_cell(group[c]) for c in COLUMNS)])
    for name, found in beside.items():
        lines.append([name, "", "", *(_cell(pd.Series(found.get(c, np.nan))) for c in COLUMNS)])
    return _markdown(lines)


def _markdown(lines: list[list[str]]) -> str:
    wide = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    text = [" | ".join(cell.ljust(w) for cell, w in zip(line, wide, strict=True)) for line in lines]
    rule = "|".join("-" * (w + 2) for w in wide)
    return "\n".join([f"| {text[0]} |", f"|{rule}|", *(f"| {line} |" for line in text[1:])])


def differences(scores: pd.DataFrame, against: str) -> str:
    """Markdown: the means over seeds of each other run less those of the run `against`, with their
    95 % intervals (Welch 1947), where both have two seeds or more."""
    lines = [[f"difference to {against}", *COLUMNS.values()]]
    base = scores[scores["run"] == against]
    for name, group in scores.groupby("run", sort=False):
        if name != against:
            lines.append([str(name), *(_apart(group[c], base[c]) for c in COLUMNS)])
    return _markdown(lines)


def _apart(values: pd.Series, others: pd.Series) -> str:
    from scipy.stats import ttest_ind

    values, others = values.dropna(), others.dropna()
    if min(len(values), len(others)) < 2:
        return ""
    low, high = ttest_ind(values, others, equal_var=False).confidence_interval(0.95)
    return f"{values.mean() - others.mean():.3f} ({low:.3f} to {high:.3f})"


def _cell(values: pd.Series) -> str:
    if values.isna().all():
        return ""
    spread = f" ± {values.std():.3f}" if len(values) > 1 else ""
    return f"{values.mean():.3f}{spread}"


@command()
def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns its exit status, as `fdd.commands.command` says."""
    options = parse(Options, arguments_of(argv), "python -m benchmarks.recipes")
    require("torch")
    out = None if options.out is None else as_file("out", options.out)
    figure = None if options.figure is None else as_file("figure", options.figure)
    for argument, file in (("out", out), ("figure", figure)):
        if file is not None:
            check_out(file.parent, f"the folder of {argument}")
    if options.against is not None:
        known("against", options.against, sorted({run_name(f) for f in run_folders(options)}))
    scores = score_folder(options)
    if out is not None:
        write_files(out.parent, {out.name: scores.round(5).to_csv(index=False).encode()})
    for version in sorted(set(scores["version"])):
        of = scores[scores["version"] == version]
        for size in sorted(set(of["size"])):
            pictures_only = version.startswith("images:")
            tested = "held-out pictures" if pictures_only else f"{options.images} test images"
            say(f"\n{version}, {size} x {size} pixels, {tested}\n")
            beside = {}
            if options.references and not pictures_only:
                oracle = oracle_of(version, size)
                beside = references(version, size, options.images, oracle=oracle)
            say(table(of[of["size"] == size], beside))
            if options.against is not None:
                say("", differences(of[of["size"] == size], options.against))
    if figure is not None:
        write_files(figure.parent, {figure.name: rows_png(pictures(options))})
    return 0


if __name__ == "__main__":
    sys.exit(main())
