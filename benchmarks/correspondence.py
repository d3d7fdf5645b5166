"""Does a trained model's latent space correspond to the parameters? The scores of one run.

    python -m benchmarks.correspondence runs/first

`evaluate` is the protocol as a function of a model and arrays; the command feeds it a run folder
and the data set, prints the tables and writes scores.json, index.html and figures.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

import fdd
from benchmarks import figures, regressors
from benchmarks.arrays import Floats, real_array, require, same
from benchmarks.codes.matching import assigned
from benchmarks.image_scores import retrieval_floor, ssim_floor
from benchmarks.page import as_text, check_out, write_report
from benchmarks.permutation import Floor, floor_of
from benchmarks.scores import (
    correlations,
    linear_r2,
    nonlinear_r2,
    permutation_floor,
    predict,
)
from benchmarks.splits import read_split
from benchmarks.targets import FORMS, TARGETS, all_targets
from fdd.checks import whole_number
from fdd.errors import FddError

PROTOCOL = "correspondence-1"
LEAST_IMAGES = 20
CONDITIONS = ("direct", "aligned_raw", "aligned_canonical", "reconstruction")
"""Which code the generator gets for v. direct: v itself, scaled. aligned_*: a linear map of v in
that form, fitted on (params, codes) of train. reconstruction: E(FD(v)), the best it can show."""
CAPTIONS = {"direct": "G(v)", "aligned_canonical": "G(Mv + b)", "reconstruction": "G(E(FD(v)))"}
SHOWN = 8
"""Columns of the figure of pairs; its rows are FD(v) and CAPTIONS."""

Images = NDArray[np.uint8]
Rows = tuple[ArrayLike, ArrayLike]
Arrays = tuple[Floats, Floats]


class Model(Protocol):
    """What is scored: an encoder and a generator as functions from numpy to numpy."""

    @property
    def latent_size(self) -> int:
        """Numbers in a code."""

    def encode(self, images: Any, /) -> ArrayLike:
        """Images uint8 [N, S, S, 3] -> codes [N, latent_size]."""

    def generate(self, codes: Any, /) -> ArrayLike:
        """Codes float64 [N, latent_size] -> images uint8 [N, S, S, 3]."""


@dataclass(frozen=True)
class Settings:
    """What the protocol fixes. Other values are allowed and listed as deviations in the scores."""

    seed: int = 0
    draws: int = 999
    nonlinear_draws: int = 199
    nonlinear_rows: int = 2000
    ssim_block: int = 10


TRAIN_IMAGES, TEST_IMAGES = 4000, 2000
STANDARD = {"train_images": TRAIN_IMAGES, "test_images": TEST_IMAGES, **asdict(Settings())}


@dataclass(frozen=True)
class Evaluation:
    """`scores`, ready for JSON, and what the figures show.

    truth, predicted: float64 [N, 8], test parameters (columns TARGETS) and their nonlinear guesses.
    correlation: float64 [K, 8], |Pearson| of test codes and parameters.
    pictures: by name, uint8 [8, S, S, 3], a few test images and what the generator makes of them.
    """

    scores: dict[str, Any]
    truth: Floats
    predicted: Floats
    correlation: Floats
    pictures: dict[str, Images]


def evaluate(
    model: Model,
    train: Rows,
    test: Rows,
    *,
    settings: Settings | None = None,
    say: Callable[[str], None] | None = None,
) -> Evaluation:
    """Score a model on images and the raw parameters they were drawn from.

    Parameters
    ----------
    model : has `latent_size`, `encode` and `generate`, as `Model` says
    train, test : pairs of images uint8 [N, S, S, 3], S >= 11, and raw params [N, 6]; everything is
        fitted on the first and scored on the second
    settings : seed, draws and sizes; those of the protocol if not given
    say : told what begins

    Raises
    ------
    FddError : on other shapes, fewer than 20 images, values that are not finite, in what is given
        and in what the model returns.
    """
    settings, say = settings or Settings(), say or (lambda _: None)
    fit_images, fit_params = _rows("train", train)
    images, params = _rows("test", test)
    say(f"encoding {len(fit_images)} + {len(images)} images")
    fit = (_codes(model, fit_images), all_targets(fit_params))
    held_out = (_codes(model, images), all_targets(params))
    say("scoring codes against parameters")
    scores = _header(model, fit_images, images, settings) | _code_scores(fit, held_out, settings)
    say("scoring the generator against the renderer")
    made = _generated(model, fit, held_out)
    scores["generator"] = {
        name: _image_scores(made[name], images, settings)
        if name in made
        else {"skipped": f"latent_size is {model.latent_size}, not 6: v is no code of this model"}
        for name in CONDITIONS
    }
    rows, seed = settings.nonlinear_rows, settings.seed
    predicted = predict(*fit, held_out[0], regressor="kernel", max_rows=rows, seed=seed)
    shown = {"FD(v)": images[:SHOWN]}
    shown |= {CAPTIONS[name]: made[name][:SHOWN] for name in CAPTIONS if name in made}
    return Evaluation(scores, held_out[1], predicted, correlations(*held_out), shown)


def _header(model: Model, fit_images: Images, images: Images, settings: Settings) -> dict[str, Any]:
    used = {"train_images": len(fit_images), "test_images": len(images), **asdict(settings)}
    return {
        "protocol": PROTOCOL,
        "deviations": [
            f"{name} is {used[name]}, not {value}"
            for name, value in STANDARD.items()
            if used[name] != value
        ],
        "settings": used,
        "split": {"fit": "train", "score": "test"},
        "image_size": images.shape[1],
        "latent_size": model.latent_size,
    }


def _codes(model: Model, images: Images) -> Floats:
    codes = real_array("the encoder's codes", model.encode(images))
    if codes.shape != (len(images), model.latent_size):
        expected = (len(images), model.latent_size)
        raise FddError(f"the encoder's codes have shape {codes.shape}: it must be {expected}")
    return codes.astype(np.float64)


def _code_scores(fit: Arrays, held_out: Arrays, settings: Settings) -> dict[str, Any]:
    """R2 a parameter and their means over a, b, c, d; MCC of all six and of these four."""

    def kernel(codes: Floats, params: Floats, test: Any) -> Floats:
        rows, seed = settings.nonlinear_rows, settings.seed
        return nonlinear_r2(codes, params, test=test, max_rows=rows, seed=seed)

    def every_mcc(codes: Floats, params: Floats, test: Any) -> Floats:
        found, again = correlations(codes, params), correlations(*test)
        kinds = [columns[first:] for columns in FORMS.values() for first in (0, 2)]
        return np.array([assigned(found[:, c], again[:, c]) for c in kinds])

    def floor(score: Any, draws: int, batch: int, ranked: bool = False) -> Floor:
        train, test = fit, held_out
        if ranked:  # Spearman's correlation is Pearson's of ranks, which no permutation changes
            rank = require("scipy.stats").rankdata
            train, test = (tuple(rank(array, axis=0) for array in pair) for pair in (fit, held_out))
        return permutation_floor(score, *train, test, draws, settings.seed, batch=batch)

    r2 = {
        "linear_r2": floor(linear_r2, settings.draws, 100),
        "nonlinear_r2": floor(kernel, settings.nonlinear_draws, settings.nonlinear_draws),
    }
    matched = {
        "pearson": floor(every_mcc, settings.draws, 1),
        "spearman": floor(every_mcc, settings.draws, 1, ranked=True),
    }
    return {
        "parameters": {
            form: {
                TARGETS[c]: {name: found.at(c).as_dict() for name, found in r2.items()}
                for c in columns
            }
            for form, columns in FORMS.items()
        },
        "mean_abcd": {
            form: {name: _mean(found, c[2:]).as_dict() for name, found in r2.items()}
            for form, c in FORMS.items()
        },
        "mcc": {
            form: {
                name: {"all": found.at(2 * i).as_dict(), "abcd": found.at(2 * i + 1).as_dict()}
                for name, found in matched.items()
            }
            for i, form in enumerate(FORMS)
        },
    }


def _generated(model: Model, fit: Arrays, held_out: Arrays) -> dict[str, Images]:
    """The generator's images for the test parameters, by CONDITIONS; "direct" only for 6 codes."""
    (fit_codes, fit_truth), (codes, truth) = fit, held_out
    given = {"direct": fdd.scale_params(truth[:, FORMS["raw"]])} if model.latent_size == 6 else {}
    for form, columns in FORMS.items():
        given[f"aligned_{form}"] = regressors.linear(
            fit_truth[:, columns], fit_codes, truth[:, columns]
        )
    given["reconstruction"] = codes
    return {
        name: real_array("the generator's images", model.generate(v)) for name, v in given.items()
    }


def _image_scores(made: Images, images: Images, settings: Settings) -> dict[str, Any]:
    """SSIM and retrieval of FD(v) from the generator's images, each beside wrong pairs."""
    if made.shape != images.shape:
        raise FddError(f"the generator's images have shape {made.shape}: it must be {images.shape}")
    draws, seed = settings.draws, settings.seed
    found = {"ssim": ssim_floor(made, images, draws=draws, block=settings.ssim_block, seed=seed)}
    found |= retrieval_floor(made, images, draws=draws, seed=seed)
    return {name: floor.as_dict() for name, floor in found.items()}


def _mean(floor: Floor, columns: list[int]) -> Floor:
    return floor_of(floor.score[columns].mean(), floor.null[:, columns].mean(axis=1))


def _rows(name: str, rows: Rows) -> tuple[Images, Floats]:
    images, params = real_array(f"{name} images", rows[0]), real_array(f"{name} params", rows[1])
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3:
        raise FddError(
            f"{name} images are {images.dtype} {images.shape}: they must be uint8 [N, S, S, 3]"
        )
    if params.ndim != 2 or params.shape[1] != 6:
        raise FddError(f"{name} params has shape {params.shape}: it must be [N, 6], raw")
    same((f"{name} images", len(images)), (f"{name} params", len(params)), "rows")
    whole_number(f"the number of {name} images", len(images), LEAST_IMAGES)
    return images, params.astype(np.float64)


@dataclass(frozen=True)
class Options:
    """Score how far the codes of a trained model correspond to the parameters of the images.

    Fits on the first train images, scores on the first test images; writes scores.json, index.html.
    """

    run: Path
    """The run folder that a baseline wrote."""
    images: int = TEST_IMAGES
    """Test images to score on; at least 20."""
    train_images: int = TRAIN_IMAGES
    """Train images to fit on; at least 20."""
    out: Path | None = None
    """Where to write; RUN/correspondence if not given."""
    seed: int = 0
    """Of subsets and permutations."""
    checkpoint: Literal["last", "best"] = "last"
    """Weights to score: the newest, or those of the best score on held-out images."""


def score_run(
    options: Options, say: Callable[[str], None] | None = None
) -> tuple[Evaluation, Path]:
    """Score a run folder on the data set; the scores, and the folder they were written to.

    FddError, and nothing written, for a bad option, run or folder.
    """
    for name, count in (("images", options.images), ("train_images", options.train_images)):
        whole_number(name, count, LEAST_IMAGES)
    whole_number("seed", options.seed, 0)
    out = options.out or options.run / "correspondence"
    check_out(out)
    for package in ("matplotlib", "scipy", "sklearn"):
        require(package)
    import baselines

    model = baselines.load_run(options.run, checkpoint=options.checkpoint)
    version, size = model.config["data_version"], model.image_size
    if version is None:
        raise FddError(f"run folder '{options.run}': it knows pictures, which have no parameters")
    if not model.can_encode:
        raise FddError(
            f"run folder '{options.run}': baseline={model.config['baseline']!r} has no encoder; "
            f"python -m benchmarks.recipes --folder {options.run.parent} scores what it draws"
        )
    train = read_split(version, "train", size, options.train_images, "train_images")
    test = read_split(version, "test", size, options.images, "images")
    # one thread: sums in one order, and no fight for cores where others compute too
    with require("threadpoolctl").threadpool_limits(1, user_api="blas"):
        found = evaluate(model, train, test, settings=Settings(seed=options.seed), say=say)
    weights = options.run / "checkpoints" / options.checkpoint / "model.safetensors"
    found.scores.update(
        run=str(options.run),
        checkpoint=options.checkpoint,
        config=model.config,
        weights_sha256=hashlib.sha256(weights.read_bytes()).hexdigest() if weights.exists() else "",
        data_version=version,
        fdd_version=fdd.__version__,
    )
    write_report(out, found.scores, figures.all_figures(found))
    return found, out


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; its exit status: 0 scored, 2 a mistake (one line on stderr), 130 Ctrl-C."""
    try:
        tyro = require("tyro")
        options = tyro.cli(
            Options,
            args=argv,
            config=(tyro.conf.PositionalRequiredArgs,),
            prog="python -m benchmarks.correspondence",
        )
        found, out = score_run(options, lambda text: print(text, "...", file=sys.stderr))
    except FddError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    print(as_text(found.scores))
    print(f"scores.json, index.html and figures: {out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
