"""The protocol as a function of a model and arrays: every score that the model can have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

import fdd
from benchmarks.oracle import Oracle
from benchmarks.protocol.codes import code_parts, read_both
from benchmarks.protocol.data import Coded, Data, Draw, Images, Rows
from benchmarks.protocol.images import CAPTIONS, conditions, generate, generator_parts
from benchmarks.protocol.parts import Parts, Run, run_parts
from benchmarks.protocol.samples import sample_parts
from benchmarks.protocol.settings import FIT_SPLIT, PROTOCOL, SCORE_SPLIT, Settings, all_targets
from benchmarks.protocol.strata import strata
from benchmarks.scores import correlations
from benchmarks.statistics.arrays import Floats, real_array, same
from fdd.defaults import with_defaults
from fdd.errors import FddError, whole_number

LEAST_IMAGES = 40
SHOWN = 8
"""Columns of the figure of pairs; its rows are FD(v) and those of CAPTIONS."""


@dataclass(frozen=True)
class Evaluation:
    """`result`, ready for JSON, and what the figures show.

    truth, predicted: float64 [N, 15], the test parameters (columns TARGETS) and the nonlinear
    predictions of them. correlation: float64 [K, 15], |Pearson| of test codes and parameters. Of
    correspondence-2, the first 8 columns. Without an encoder, predicted and correlation are None.
    pictures: by name, uint8 [8, S, S, 3]: test images and what the generator makes of them, and
    both along a line of parameters.
    """

    result: dict[str, Any]
    truth: Floats
    predicted: Floats | None = None
    correlation: Floats | None = None
    pictures: dict[str, Images] = field(default_factory=dict)


@with_defaults
def evaluate(
    model: Any,
    data: Data,
    *,
    settings: Settings | None = None,
    run: Run = run_parts,
) -> Evaluation:
    """Score a model.

    Parameters
    ----------
    model : has `latent_size` and any of `encode` (images uint8 [N, S, S, 3] -> codes [N,
        latent_size]), `codes` (name of a split, N -> the codes of its first N images), `generate`
        (codes -> images uint8) and `vectors` (raw params [N, 6] -> the codes that stand for them);
        what it lacks is missing or None, and the scores that need it are absent
    settings : draws, sizes and seed; those of the protocol if not given
    run : what runs the parts; partial(run_parts, processes=2) has two side by side

    Raises
    ------
    FddError : for other shapes, fewer than 40 images or values that are not finite, given or
        returned by the model; for a model that neither encodes nor generates.
    """
    settings = settings or Settings()
    data = replace(data, train=_rows("train", data.train), test=_rows("test", data.test))
    (fit_images, fit_params), (images, params) = data.train, data.test
    fit_codes, codes = _codes(model, FIT_SPLIT, fit_images), _codes(model, SCORE_SPLIT, images)
    generates = getattr(model, "generate", None) is not None
    if fit_codes is None and not generates:
        raise FddError("the model has neither encode nor generate: there is nothing to score")
    truth = all_targets(params)
    parts: Parts = {}
    predicted = correlation = None
    if fit_codes is not None and codes is not None:
        learned, best = all_targets(fit_params), None
        coded = Coded((fit_codes, learned), (codes, truth))
        if data.oracle_codes is not None:
            best = Coded((data.oracle_codes[0], learned), (data.oracle_codes[1], truth))
        reads = read_both("nonlinear_r2", coded, settings, best)
        predicted = reads[0]
        parts |= code_parts(coded, settings, best, {"nonlinear_r2": reads})
        correlation = correlations(codes, truth)
        if data.traits is not None:
            parts["strata"] = partial(strata, truth, *reads, data.traits, settings)
    shown = {"FD(v)": images[:SHOWN]}
    if generates and data.world is not None:
        given = conditions(model, data, fit_codes, codes)
        of_generator, made = generator_parts(model, given, data, settings)
        parts |= of_generator | sample_parts(model, data, settings)
        shown |= {CAPTIONS[name]: made[name][:SHOWN] for name in CAPTIONS if name in made}
        shown |= _paths(model, given.get("direct", given.get("aligned")), params, data.world.draw)
    scores: dict[str, Any] = {}
    done = run(parts)
    by_stratum = done.pop("strata", None)
    for found in done.values():
        for name, cells in found.items():
            scores.setdefault(name, {}).update(cells)
    result = _header(model, len(fit_images), images, settings) | {"scores": scores}
    if by_stratum is not None:
        result["strata"] = by_stratum
    return Evaluation(result, truth, predicted, correlation, shown)


def _paths(model: Any, codes: Any, params: Floats, draw: Draw) -> dict[str, Images]:
    """Along the straight line of canonical parameters from the first test image to the second: what
    the renderer draws, and what the generator draws for the codes that stand for them."""
    if codes is None:
        return {}
    ends = fdd.canonical_params(params[:2])
    line = ends[:1] + np.linspace(0, 1, SHOWN)[:, None] * (ends[1:] - ends[:1])
    drawn = draw(line)
    return {"FD path": drawn, "G path": generate(model, codes(line), drawn)}


def head(
    name: str,
    version: str,
    oracle: Oracle | None,
    *,
    run: str = "",
    checkpoint: str = "",
    config: Mapping[str, Any] | None = None,
    weights_sha256: str = "",
    supervision: str = "none",
) -> dict[str, Any]:
    """What a result file says about the model, the release `version` and the oracle.

    supervision: what the model was trained with, one of TRACKS.
    """
    return {
        "name": name,
        "run": run,
        "checkpoint": checkpoint,
        "config": config or None,
        "weights_sha256": weights_sha256,
        "supervision": supervision,
        "data_version": version,
        "fdd_version": fdd.__version__,
        "oracle": oracle and {"origin": oracle.origin, "sha256": oracle.sha256},
    }


def _header(model: Any, fitted: int, images: Images, settings: Settings) -> dict[str, Any]:
    used = asdict(settings) | {"train_images": fitted, "test_images": len(images)}
    return {
        "protocol": PROTOCOL,
        "deviations": Settings(**used).deviations(),
        "settings": used,
        "split": {"fit": FIT_SPLIT, "score": SCORE_SPLIT},
        "image_size": images.shape[1],
        "latent_size": model.latent_size,
    }


def _codes(model: Any, split: str, images: Images) -> Floats | None:
    if getattr(model, "codes", None) is not None:
        found = model.codes(split, len(images))
    elif getattr(model, "encode", None) is not None:
        found = model.encode(images)
    else:
        return None
    codes = real_array("the encoder's codes", found)
    if codes.shape != (len(images), model.latent_size):
        expected = (len(images), model.latent_size)
        raise FddError(f"the encoder's codes have shape {codes.shape}: it must be {expected}")
    return codes.astype(np.float64)


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
