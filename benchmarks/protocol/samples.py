"""The quality of the samples of a generator: its own images as a set, beside real ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from benchmarks import image_scores
from benchmarks.images import features
from benchmarks.images.pooled import fid_null, kid_null, prdc_null
from benchmarks.oracle import Oracle
from benchmarks.protocol.cells import Cell, cell
from benchmarks.protocol.data import Data, Images
from benchmarks.protocol.descriptions import DESCRIPTIONS
from benchmarks.protocol.images import generate, vectors_of
from benchmarks.protocol.kept import kept_of
from benchmarks.protocol.parts import Parts
from benchmarks.protocol.settings import Settings
from benchmarks.statistics.arrays import Floats
from benchmarks.statistics.intervals import half_sample_interval
from benchmarks.statistics.permutation import floor_of

COMPONENTS = 64
"""Principal components that the control `pca_fid` takes."""
NEAREST = 5
"""Neighbours that set the radius of the balls of precision, recall, density and coverage."""

Sets = tuple[Floats, Floats, Floats, Floats]
"""Features [N, F] of real, made and other real images, and of noise."""


def sample_parts(model: Any, data: Data, settings: Settings) -> Parts:
    """Quality of a generator's samples, between that of noise and that of other real images.

    Parameters
    ----------
    model : has `generate`; if it has `vectors`, they give the codes for parameters of train, which
        are not those of the real images, else codes are standard normal
    data : the images of test are the real ones; of those of train the first, as many, are the
        ceiling, and the rest is what the control by principal components is fitted on

    Returns
    -------
    Parts that give {score: {"samples": Cell}}. Intervals are over halves of both sets. "chance" is
    what images of random pixels get; that is not a null hypothesis, so there is no p. "p_same" is
    the p-value of the hypothesis that made and real images come from one distribution, from "draws"
    random deals (`benchmarks.images.pooled`).
    """
    (others, params), images = data.train, data.test[0]
    count = min(len(images), len(others) // 2)
    rng = np.random.default_rng(settings.seed)
    vectors, normal = vectors_of(model), rng.standard_normal((count, model.latent_size))
    codes = normal if vectors is None else vectors(params[:count])
    made = generate(model, codes, images)
    noise = rng.integers(0, 256, made.shape, dtype=np.uint8)
    sets = (images[:count], made, others[:count], noise)
    return {"quality of samples": partial(_cells_of, sets, others[count:], data.oracle, settings)}


def _cells_of(
    sets: tuple[Images, Images, Images, Images],
    rest: Images,
    oracle: Oracle | None,
    settings: Settings,
) -> dict[str, Any]:
    spaces: dict[str, Callable[[Images], ArrayLike]] = {
        "random_fid": features.random_convolution(),
        "pca_fid": features.pixel_pca(rest, min(COMPONENTS, len(rest))),
    }
    found: dict[str, Cell] = {}
    for name, features_of in spaces.items():
        found |= _fid_cells(name, _features(features_of, sets), settings)
    if oracle is not None:
        found |= _quality_cells(_oracle_features(oracle, sets), settings)
    return {name: {"samples": value} for name, value in found.items()}


def _features(features_of: Callable[[Images], ArrayLike], sets: Sequence[Images]) -> Sets:
    real, made, other, noise = (np.asarray(features_of(one), np.float64) for one in sets)
    return real, made, other, noise


def _oracle_features(oracle: Oracle, sets: Sequence[Images]) -> Sets:
    """As `_features`; what the oracle gives for all but the made images is kept."""

    def kept(images: Images) -> ArrayLike:
        return kept_of(f"features-{oracle.sha256}", [images], lambda: oracle.features(images))

    found = [
        oracle.features(images) if images is sets[1] else kept(images)  # the made ones are second
        for images in sets
    ]
    real, made, other, noise = (np.asarray(one, np.float64) for one in found)
    return real, made, other, noise


def _fid_cells(name: str, sets: Sets, settings: Settings) -> dict[str, Cell]:
    null = fid_null(*sets[:2], draws=settings.slow_draws, seed=settings.seed)
    return _cells(lambda x, y: {name: image_scores.fid(x, y)}, sets, {name: null}, settings)


def _quality_cells(sets: Sets, settings: Settings) -> dict[str, Cell]:
    def quality(x: Floats, y: Floats) -> dict[str, float]:
        found = {"fid": image_scores.fid(x, y), "kid": image_scores.kid(x, y)}
        return _named(found | image_scores.prdc(x, y, k=NEAREST))

    real, made, draws, seed = *sets[:2], settings.draws, settings.seed
    null = {
        "fid": fid_null(real, made, draws=settings.slow_draws, seed=seed),
        "kid": kid_null(real, made, draws=draws, seed=seed),
    }
    null |= prdc_null(real, made, k=NEAREST, draws=draws, seed=seed)
    return _cells(quality, sets, _named(null), settings)


def _named(found: Mapping[str, Any]) -> dict[str, Any]:
    return {f"fdd_{name}": value for name, value in found.items()}


def _cells(
    score: Callable[[Floats, Floats], dict[str, float]],
    sets: Sets,
    null: Mapping[str, Floats],
    settings: Settings,
) -> dict[str, Cell]:
    real, made, other, noise = sets
    here, best, chance = (score(real, fake) for fake in (made, other, noise))
    interval = half_sample_interval(
        lambda rows: list(score(real[rows], made[rows]).values()),
        len(real),
        draws=settings.halves,
        seed=settings.seed,
    )
    found = {}
    for i, (name, value) in enumerate(here.items()):
        described = DESCRIPTIONS[name]
        # the further apart a score says that the sets are, the larger its loss
        apart = floor_of(described.loss(value), described.loss(null[name]))
        found[name] = cell(
            value,
            interval=interval.at(i),
            chance=chance[name],
            ceiling=best[name],
            described=described,
        ) | {"p_same": float(apart.p), "draws": apart.draws}
    return found
