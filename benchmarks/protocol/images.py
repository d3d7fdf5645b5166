"""Every score of a generator against the renderer, each between baseline and ceiling."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

import fdd
from benchmarks import image_scores
from benchmarks.images.retrieval import drawn_ranks, successes
from benchmarks.images.steps import agreement, compare_steps
from benchmarks.oracle.network import CANONICAL
from benchmarks.protocol.cells import Cell, cell, grouped_cells, r2
from benchmarks.protocol.data import Data, Images
from benchmarks.protocol.kept import kept_scores
from benchmarks.protocol.parts import Parts
from benchmarks.protocol.settings import Settings
from benchmarks.statistics import regressors
from benchmarks.statistics.arrays import Floats, real_array
from benchmarks.statistics.intervals import half_sample_interval
from benchmarks.statistics.permutation import Floor, floor_of, permutations
from fdd.errors import FddError

Codes = Callable[[Floats], ArrayLike]
"""Raw parameters [N, 6] -> codes [N, K]."""

CONDITIONS = ("direct", "aligned", "reconstruction")
"""Which code the generator gets for v. direct: the code that stands for v in this model; if codes
have six numbers, v itself, scaled. aligned: a linear map of canonical v, fitted on (params, codes)
of train. reconstruction: E(FD(v)), the best that it can show."""
RANKED = ("top1", "top10", "mean_reciprocal_rank")
CAPTIONS = {"direct": "G(v)", "aligned": "G(Mv + b)", "reconstruction": "G(E(FD(v)))"}


def vectors_of(model: Any) -> Codes | None:
    """The function that gives the codes that stand for parameters, if the model has one."""
    vectors = getattr(model, "vectors", None) if getattr(model, "has_vectors", True) else None
    return None if vectors is None or vectors(np.zeros((1, 6))) is None else vectors


def conditions(
    model: Any, data: Data, fit_codes: Floats | None, codes: Floats | None
) -> dict[str, Codes | Floats]:
    """By CONDITIONS: a function from v to codes, or the codes of the test images.

    fit_codes, codes: what the encoder gives for train and for test; None without an encoder.
    """
    given: dict[str, Any] = {}
    vectors = vectors_of(model)
    if vectors is not None:
        given["direct"] = vectors
    elif model.latent_size == 6:
        given["direct"] = fdd.scale_params
    if fit_codes is not None and codes is not None:
        known = fdd.canonical_params(data.train[1])[:, 2:]
        given["aligned"] = lambda v: regressors.linear(
            known, fit_codes, fdd.canonical_params(v)[:, 2:]
        )
        given["reconstruction"] = codes
    return given


def generator_parts(
    model: Any, given: Mapping[str, Codes | Floats], data: Data, settings: Settings
) -> tuple[Parts, dict[str, Images]]:
    """All scores of G(v) against FD(v), and G's images by condition; nothing without a renderer.

    Parameters
    ----------
    model : has `generate`
    given : what `conditions` returns

    Returns
    -------
    Parts that give {score: {condition: Cell}}, for oracle_r2 {score: {condition: {parameter or
    "mean": Cell}}}; and {condition: uint8 [N, S, S, 3]}
    """
    if data.world is None:
        return {}, {}
    (images, truth), draw = data.test, data.world.draw
    rng = np.random.default_rng(settings.seed)
    moved = _moved(truth, settings.step, rng)
    again, again_moved = truth.copy(), moved.copy()
    again[:, :2] = again_moved[:, :2] = rng.uniform(-1, 1, (len(truth), 2))
    other, true_moved = draw(again), draw(moved)
    top: dict[str, Any] = dict(_ceilings(other, data))
    if data.oracle is not None and data.oracle_codes is not None:
        # the renderer draws what the test images show, so the oracle reads these
        top["oracle_r2"] = r2(fdd.canonical_params(truth)[:, 2:], data.oracle_codes[1])
    steps = other, draw(again_moved), images, true_moved
    top_steps = kept_scores("steps", steps, lambda: image_scores.local_correspondence(*steps))
    parts: Parts = {}
    made: dict[str, Images] = {}
    for name, codes in given.items():
        at = codes(truth) if callable(codes) else codes
        made[name] = generate(model, at, images)
        best = {} if name == "reconstruction" else top
        pairs = partial(_cells, made[name], data, settings, best)
        parts[f"G against FD: {name}"] = partial(_of_condition, name, pairs)
        if callable(codes):
            moves = partial(
                _step_cells,
                (made[name], generate(model, codes(moved), images), images, true_moved),
                top_steps,
                settings,
            )
            parts[f"steps of G: {name}"] = partial(_of_condition, name, moves)
    return parts, made


def _of_condition(name: str, cells: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    return {score: {name: value} for score, value in cells().items()}


def generate(model: Any, codes: ArrayLike, like: Images) -> Images:
    """The generator's images for codes; FddError unless they are uint8 in the shape of `like`."""
    made = real_array("the generator's images", model.generate(np.asarray(codes, np.float64)))
    expected = (len(np.asarray(codes)), *like.shape[1:])
    if made.shape != expected or made.dtype != np.uint8:
        raise FddError(
            f"the generator's images are {made.dtype} {made.shape}: they must be uint8 {expected}"
        )
    return made


def _moved(truth: Floats, step: float, rng: np.random.Generator) -> Floats:
    """Parameters one step of that length away in a, b, c, d; reversed where it would leave +-3."""
    direction = rng.standard_normal((len(truth), 4))
    direction *= step / np.linalg.norm(direction, axis=1, keepdims=True)
    direction = np.where(np.abs(truth[:, 2:] + direction) > 3, -direction, direction)
    moved = truth.copy()
    moved[:, 2:] += direction
    return moved


def _ceilings(made: Images, data: Data) -> dict[str, float]:
    """Each score of pairs that the renderer gets from another start; they are kept."""
    images, counts = data.test[0], data.counts

    def compute() -> dict[str, float]:
        found = {
            "ssim": float(image_scores.ssim(made, images).mean()),
            "ms_ssim": float(image_scores.ms_ssim(made, images).mean()),
        }
        if counts is not None:
            correlation = image_scores.counts_correlation(made, counts)
            found["counts_correlation"] = float(correlation.mean())
        for suffix, also in _forms(images).items():
            ranks = image_scores.retrieval(made, images, also=also)
            found |= {f"{name}{suffix}": getattr(ranks, name) for name in RANKED}
        return found

    given = (made, images) if counts is None else (made, images, counts)
    return kept_scores("renderer", given, compute)


def _forms(images: Images) -> dict[str, Images | None]:
    """By suffix of a score, another form of each image that counts as the same one, if any."""
    return {"": None, "_turned": images[:, ::-1, ::-1]}


def _cells(made: Images, data: Data, settings: Settings, best: Mapping[str, Any]) -> dict[str, Any]:
    images, truth = data.test
    draws, seed = settings.draws, settings.seed
    interval = partial(half_sample_interval, rows=len(images), draws=settings.halves, seed=seed)

    def of_pairs(name: str, values: Floats, floor: Floor) -> Cell:
        return cell(
            values.mean(), floor, interval(lambda rows: values[rows].mean()), best.get(name)
        )

    pairs: dict[str, tuple[Any, Any, Any]] = {
        "ssim": (image_scores.ssim, image_scores.ssim_floor, images),
        "ms_ssim": (image_scores.ms_ssim, image_scores.ms_ssim_floor, images),
    }
    if data.counts is not None:
        functions = image_scores.counts_correlation, image_scores.counts_floor
        pairs["counts_correlation"] = (*functions, data.counts)
    found: dict[str, Any] = {}
    for name, (score, floor_of_pairs, other) in pairs.items():
        floor = floor_of_pairs(made, other, draws=draws, block=settings.block, seed=seed)
        found[name] = of_pairs(name, score(made, other), floor)
    for suffix, also in _forms(images).items():
        every = successes(drawn_ranks(made, images, also=also, draws=draws, seed=seed))
        for name, values in every.items():
            means = values.mean(axis=1)
            floor = floor_of(means[0], means[1:])
            found[name + suffix] = of_pairs(name + suffix, values[0].astype(np.float64), floor)
    if data.oracle is not None:
        found["oracle_r2"] = _read(data.oracle.read(made), truth, settings, best)
    return found


def _read(
    read: Floats, truth: Floats, settings: Settings, best: Mapping[str, Any]
) -> dict[str, Cell]:
    """R2 of what the oracle reads from G(v); its baseline takes the parameters of other images."""
    true = fdd.canonical_params(truth)[:, 2:]
    rng = np.random.default_rng(settings.seed)
    orders = permutations(len(true), settings.draws, rng)
    null = np.stack([r2(true[order], read) for order in orders])
    groups: dict[str, list[int]] = {name: [i] for i, name in enumerate(CANONICAL)}
    return grouped_cells(
        lambda rows: r2(true[rows], read[rows]),
        len(true),
        null,
        best.get("oracle_r2"),
        groups | {"mean": [0, 1, 2, 3]},
        settings,
    )


def _step_cells(
    steps: tuple[Images, Images, Images, Images], best: Mapping[str, float], settings: Settings
) -> dict[str, Cell]:
    """Does a small step in v move G(v) as it moves FD(v)?"""
    floors = image_scores.local_floor(*steps, draws=settings.draws, seed=settings.seed)
    each, names = compare_steps(*steps), ("cosine", "sensitivity")

    def score(rows: Any) -> list[float]:
        found = agreement(*(values[rows] for values in each))
        return [found[name] for name in names]

    interval = half_sample_interval(score, len(steps[0]), draws=settings.halves, seed=settings.seed)
    found = {
        f"step_{name}": cell(float(floors[name].score), floors[name], interval.at(i), best[name])
        for i, name in enumerate(names)
    }
    return found | {"step_gain": cell(agreement(*each)["gain"], ceiling=best["gain"])}
