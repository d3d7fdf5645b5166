"""What every score promises: it joins by an entry of its name, and every test below asks it.

A case is a score with good arrays, each under the name that errors call it by. Where a name has a
second word, that is an option. What is special to one score is tested beside its definition.
"""

import ast
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import image_scores, scores
from benchmarks.codes.similarity import rank_table
from benchmarks.images import translation
from benchmarks.images.retrieval import Retrieval
from benchmarks.statistics.arrays import folds
from benchmarks.statistics.permutation import Floor, pairs_floor
from fdd import FddError

CHECKOUT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Case:
    """A score and what its docstring says of it.

    range: of all numbers, or of each by its name in a dict that the score gives. constant, equal:
    what constant codes (images) and equal images get, where it names all or some of the numbers.
    axes: of each array, "K" for codes, "D" for parameters, "N" for rows.

    codes, params: the CHANGES that leave the score as it is, up to `within`, and those that do not;
    what is in neither is not promised. any_order: nothing is dealt by the order of the rows; folds:
    they are dealt to folds where no rows are held out. bytes_only: images are uint8 alone.

    rows: the fewest that it takes; fewer: what it says to one row less. shapes: what it says to an
    array of another shape; apart: to a last array that is one row shorter than the others.
    """

    score: Callable[..., Any]
    arrays: dict[str, Any] = field(default_factory=dict)
    range: Any = (-np.inf, np.inf)
    constant: Any = None
    constant_within: float = 1e-12
    equal: Any = None
    axes: dict[str, str] = field(default_factory=dict)
    codes: tuple[str, str] = ("", "")
    params: tuple[str, str] = ("", "")
    within: float = 1e-6
    rows: int = 2
    fewer: str | None = None
    any_order: bool = True
    folds: bool = False
    symmetric: bool = False
    bytes_only: bool = False
    shapes: dict[str, str] = field(default_factory=dict)
    apart: str = ""

    def __call__(self, arrays, **options):
        given = dict(arrays)
        if "test codes" in given:
            given["test"] = given.pop("test codes"), given.pop("test params")
        return numbers(self.score(**given, **options))


def numbers(found, name=""):
    """All numbers of a result by name; None is an array without entries."""
    if isinstance(found, Floor):
        found = {"score": found.score, "chance": found.chance, "upper": found.upper, "p": found.p}
    if isinstance(found, Retrieval):
        found = {"ranks": found.ranks}
    if isinstance(found, dict):
        parts = [numbers(part, f"{name} {key}".strip()) for key, part in found.items()]
        return {key: value for part in parts for key, value in part.items()}
    return {name: np.array([] if found is None else found, dtype=np.float64)}


def agree(found, want, within):
    assert found.keys() == want.keys()
    for name, value in want.items():
        np.testing.assert_allclose(found[name], value, rtol=0, atol=within, err_msg=name)


def differ(found, want, by=1e-3):
    return any(
        value.shape != found[name].shape or np.abs(found[name] - value).max(initial=0) > by
        for name, value in want.items()
    )


# Scores of codes

TRAIN, TEST = 120, 60
RNG = np.random.default_rng(0)
PARAMS = RNG.uniform(-1, 1, size=(TRAIN + TEST, 3))
CODES = np.column_stack(
    [
        PARAMS[:, 0] + 0.5 * PARAMS[:, 1],
        PARAMS[:, 2] ** 3,
        2 * PARAMS[:, 1] + 0.5 * RNG.normal(size=TRAIN + TEST),
        RNG.normal(size=TRAIN + TEST),
    ]
)
IN_SAMPLE = {"codes": CODES[:TRAIN], "params": PARAMS[:TRAIN]}
HELD_OUT = IN_SAMPLE | {"test codes": CODES[TRAIN:], "test params": PARAMS[TRAIN:]}


def orthogonal(columns):
    return np.linalg.qr(np.random.default_rng(9).normal(size=(columns, columns)))[0]


def orders(columns):
    return np.random.default_rng(2).permutation(columns)


AXIS = {"codes": "K", "params": "D"}
CHANGES = {
    "order": [lambda x: x[:, orders(x.shape[1])]],
    "scale": [lambda x, s=s: (x + 5) * s for s in (1e-300, 3.0, 1e99)],
    "sign": [lambda x: -x],
    "units": [lambda x: x * np.resize([-1e-6, 30, 1e5, -1], x.shape[1]) + np.arange(x.shape[1])],
    "turn": [lambda x: x @ orthogonal(x.shape[1])],
}
AFFINE = ("order scale sign units turn", "")
SINGLE = ("order scale sign units", "turn")
SPACE = ("order scale sign turn", "units")


def r2_of_the_mean(arrays):
    """What a regression gets that predicts the mean of the rows it is fitted on."""
    params = arrays["params"]
    if "test params" in arrays:
        true, mean = arrays["test params"], params.mean(axis=0)
    else:
        true, mean = params, np.empty_like(params)
        for train, held_out in folds(len(params), 5, 0):
            mean[held_out] = params[train].mean(axis=0)
    return 1 - ((true - mean) ** 2).sum(axis=0) / ((true - true.mean(axis=0)) ** 2).sum(axis=0)


def chance_trust(arrays, k=10):
    rows = len(arrays["codes"])
    return 1 - (rows - k) * (rows - k - 1) / ((rows - 1) * (2 * rows - 3 * k - 1))


def pairs_floor_of_rsa(codes, params, test=None, **options):
    tables = {"of_codes": rank_table, "of_params": rank_table}
    return pairs_floor(scores.rsa, codes, params, test, **tables, **options)


R2 = {"range": (-np.inf, 1), "axes": {"": "D"}, "constant": r2_of_the_mean, "folds": True}
TABLE = {"axes": {"": "KD"}, "constant": 0, "codes": SINGLE, "params": SINGLE}
DCI = {
    "range": {
        "disentanglement": (0, 1),
        "completeness": (0, 1),
        "explicitness": (-1, 1),
        "informativeness": (-np.inf, 1),
        "size": (0, np.inf),
        "importance": (0, 1),
        "known": (0, 1),
    },
    "axes": {"importance": "KD", "informativeness": "D", "known": "D"},
    "constant": lambda arrays: {
        "disentanglement": None,
        "completeness": None,
        "explicitness": None,
        "size": None,
        "importance": np.zeros((4, 3)),
        "known": 0,
        "informativeness": r2_of_the_mean(arrays),
    },
    "codes": ("scale", "turn"),
    "params": ("scale", ""),
    "any_order": False,
    "rows": 10,
    "fewer": "codes has 9 rows: DCI needs at least 10",
}
FLOOR_RANGE = {"score": (-1, 1), "chance": (-1, 1), "upper": (-1, 1), "p": (0.05, 1)}
FLOOR = {
    "params": ("scale", ""),
    "any_order": False,
}

# Of each, whether it takes held-out rows as `test`.
NO, MAY, MUST = "takes none", "may take some", "must have some"
ON_CODES = {
    "linear_r2": (MAY, Case(scores.linear_r2, **R2, codes=AFFINE, params=SINGLE)),
    "nonlinear_r2": (MAY, Case(scores.nonlinear_r2, **R2, codes=SINGLE, params=SINGLE)),
    "nonlinear_r2 boosting": (
        MAY,
        Case(
            partial(scores.nonlinear_r2, regressor="boosting"),
            **R2,
            constant_within=0.03,
            codes=("scale", "turn"),
            params=SINGLE,
            any_order=False,
        ),
    ),
    "nonlinear_r2 neighbours": (
        MAY,
        Case(
            partial(scores.nonlinear_r2, regressor="neighbours"),
            **R2,
            codes=SINGLE,
            params=SINGLE,
        ),
    ),
    "mcc": (MAY, Case(scores.mcc, range=(0, 1), constant=0, codes=SINGLE, params=SINGLE)),
    "mcc spearman": (
        MAY,
        Case(
            partial(scores.mcc, correlation="spearman"),
            range=(0, 1),
            constant=0,
            codes=SINGLE,
            params=SINGLE,
        ),
    ),
    "mcc affine": (
        MUST,
        Case(
            partial(scores.mcc, alignment="affine"),
            range=(0, 1),
            constant=0,
            codes=AFFINE,
            params=SINGLE,
        ),
    ),
    "mcc weak": (
        MUST,
        Case(
            partial(scores.mcc, alignment="weak"),
            range=(0, 1),
            constant=0,
            codes=AFFINE,
            params=AFFINE,
        ),
    ),
    "correlations": (NO, Case(scores.correlations, range=(0, 1), **TABLE)),
    "correlations spearman": (
        NO,
        Case(partial(scores.correlations, correlation="spearman"), range=(0, 1), **TABLE),
    ),
    "sap": (MAY, Case(scores.sap, range=(-1, 1), constant=0, codes=SINGLE, params=SINGLE)),
    "mutual_information": (
        NO,
        Case(
            scores.mutual_information,
            range=(0, np.inf),
            **TABLE,
            rows=4,
            fewer="codes has 3 rows: it must have at least 4 for k=3",
        ),
    ),
    "mi_gap": (
        NO,
        Case(
            scores.mi_gap,
            range=(0, np.inf),
            constant=0,
            codes=SINGLE,
            params=SINGLE,
            rows=4,
            fewer="codes has 3 rows: it must have at least 4 for k=3",
        ),
    ),
    "infom": (
        NO,
        Case(
            scores.infom,
            range=(0, 1),
            constant=0,
            codes=SINGLE,
            params=SINGLE,
            rows=5,
            fewer="codes has 4 rows: it must have at least 5 for bins=5",
        ),
    ),
    "infoc": (
        NO,
        Case(
            scores.infoc,
            range=(0, 1),
            constant=0,
            codes=SINGLE,
            params=SINGLE,
            rows=5,
            fewer="codes has 4 rows: it must have at least 5 for bins=5",
        ),
    ),
    "infoe": (
        MAY,
        Case(scores.infoe, range=(0, 1), constant=0, codes=AFFINE, params=SINGLE, folds=True),
    ),
    "orthogonality": (
        MAY,
        Case(
            scores.orthogonality,
            range=(0, 1),
            constant=0,
            codes=SPACE,
            params=SINGLE,
            folds=True,
        ),
    ),
    "mig": (
        NO,
        Case(
            scores.mig,
            range=(0, 1),
            constant=0,
            codes=SINGLE,
            params=SINGLE,
            rows=20,
            fewer="codes has 19 rows: it must have at least 20 for bins=20",
        ),
    ),
    "modularity": (
        NO,
        Case(
            scores.modularity,
            range=(0, 1),
            constant=0,
            codes=SINGLE,
            params=SINGLE,
            rows=20,
            fewer="codes has 19 rows: it must have at least 20 for bins=20",
        ),
    ),
    "cca": (MAY, Case(scores.cca, range=(-1, 1), constant=[0, 0, 0], codes=AFFINE, params=AFFINE)),
    "svcca": (NO, Case(scores.svcca, range=(0, 1), constant=0, codes=SPACE, params=SPACE)),
    "pwcca": (
        NO,
        Case(
            scores.pwcca,
            range=(0, 1),
            constant=0,
            codes=("order scale sign", "units turn"),
            params=AFFINE,
        ),
    ),
    "procrustes": (
        NO,
        Case(scores.procrustes, range=(0, 1), constant=1, codes=SPACE, params=SPACE),
    ),
    "cka": (NO, Case(scores.cka, range=(-1, 1), constant=0, codes=SPACE, params=SPACE, rows=4)),
    "cka rbf": (
        NO,
        Case(
            partial(scores.cka, kernel="rbf"),
            range=(-1, 1),
            constant=0,
            codes=AFFINE,
            params=SINGLE,
            rows=4,
        ),
    ),
    "distance_correlation": (
        NO,
        Case(
            scores.distance_correlation,
            range=(-1, 1),
            constant=0,
            codes=SPACE,
            params=SPACE,
            rows=4,
        ),
    ),
    "rsa": (NO, Case(scores.rsa, range=(-1, 1), constant=0, codes=SPACE, params=SPACE, rows=3)),
    "knn_overlap": (
        NO,
        Case(
            scores.knn_overlap,
            range=(0, 1),
            constant=10 / (TRAIN - 1),
            codes=SPACE,
            params=SPACE,
            rows=11,
            fewer="codes has 10 rows: it must have at least 11 for k=10",
        ),
    ),
    "trustworthiness": (
        NO,
        Case(
            scores.trustworthiness,
            range=(0, 1),
            constant=chance_trust,
            codes=SPACE,
            params=SPACE,
            rows=21,
            fewer="codes has 20 rows: it must have at least 21 for k=10",
        ),
    ),
    "continuity": (
        NO,
        Case(
            scores.continuity,
            range=(0, 1),
            constant=chance_trust,
            codes=SPACE,
            params=SPACE,
            rows=21,
            fewer="codes has 20 rows: it must have at least 21 for k=10",
        ),
    ),
    "irs": (
        NO,
        Case(
            scores.irs,
            range=(-np.inf, 1),
            constant=0,
            codes=("order scale sign", "units turn"),
            params=("order scale", "turn"),
            rows=20,
            fewer="codes has 19 rows: it must have at least 20 for bins=10",
        ),
    ),
    "factor_vae": (
        MAY,
        Case(
            partial(scores.factor_vae, group_size=4),
            range=(0, 1),
            constant=1 / 3,
            codes=SINGLE,
            params=("order scale", "turn"),
            any_order=False,
            rows=8,
            fewer="codes has 7 rows: it must have at least 8 for group_size=4",
        ),
    ),
    "beta_vae": (
        MAY,
        Case(
            partial(scores.beta_vae, group_size=4),
            range=(0, 1),
            constant=1 / 3,
            codes=SINGLE,
            params=("scale", "turn"),
            within=0.02,
            any_order=False,
            rows=16,
            fewer="codes has 15 rows: it must have at least 16 for group_size=4",
        ),
    ),
    "dci": (MUST, Case(scores.dci, **DCI, constant_within=0.03)),
    "dci lasso": (MUST, Case(partial(scores.dci, regressor="lasso"), **DCI)),
    "predict": (
        NO,
        Case(
            scores.predict,
            IN_SAMPLE | {"new_codes": CODES[TRAIN:]},
            constant=lambda arrays: np.tile(arrays["params"].mean(axis=0), (TEST, 1)),
            codes=AFFINE,
        ),
    ),
    "permutation_floor": (
        MAY,
        Case(
            partial(scores.permutation_floor, scores.linear_r2, draws=19),
            **FLOOR,
            range=FLOOR_RANGE | dict.fromkeys(("score", "chance", "upper"), (-np.inf, 1)),
            axes=dict.fromkeys(("score", "chance", "upper", "p"), "D"),
            constant=lambda arrays: {"score": r2_of_the_mean(arrays)},
            codes=AFFINE,
        ),
    ),
    "pairs_floor": (
        NO,
        Case(
            partial(pairs_floor_of_rsa, draws=19),
            **FLOOR,
            range=FLOOR_RANGE,
            constant={"score": 0, "chance": 0, "upper": 0, "p": 1},
            codes=SPACE,
            rows=3,
            fewer="array has shape (2, 4): it must have at least 3 rows",
        ),
    ),
}
OF_TRANSLATIONS = {"hidden", "inverted", "permuted", "pixel_l1"}
"""Of `benchmarks.images.translation`, which has two functions besides that score nothing."""
NOT_IN_THE_FACADE = {"pairs_floor", *OF_TRANSLATIONS}
OF_OTHER_ARRAYS = {
    "disentanglement": Case(scores.disentanglement, {"importance": np.abs(CODES)}, (0, 1)),
    "completeness": Case(scores.completeness, {"importance": np.abs(CODES)}, (0, 1)),
    "explicitness": Case(scores.explicitness, {"losses": np.array([0.9, 0.5, 0.6, 0.2])}, (-1, 1)),
    "intervened_params": Case(
        partial(scores.intervened_params, 7, 5),
        {"low": np.array([0.0, -1.0]), "high": np.array([1.0, 1.0])},
        (-1, 1),
    ),
    "hidden": Case(
        translation.hidden,
        {"cycle": np.abs(CODES[:, 0]), "honest": np.abs(CODES[:50, 1])},
        (-np.inf, 1),
    ),
    "permuted": Case(
        translation.permuted,
        {"returned": np.arange(40) % 3 + 1, "found": np.arange(40) % 4 + 1},
        (0, 1),
    ),
}
RESULTS = {"Floor", "Retrieval"}


def joined(table):
    """The cases of a table, those that take held-out rows without them and with them."""
    for name, (test, case) in table.items():
        if test != MUST:
            order = case.any_order and not case.folds
            yield name, replace(case, arrays=case.arrays or IN_SAMPLE, any_order=order)
        if test != NO:
            yield f"{name} on test", replace(case, arrays=HELD_OUT, **on_test(case))


def on_test(case):
    """Groups are made on each half of the rows, or on all of them where others are held out."""
    if not case.fewer or "group_size" not in case.fewer:
        return {}
    rows = case.rows // 2
    message = f"codes has {rows - 1} rows: it must have at least {rows} for group_size=4"
    return {"rows": rows, "fewer": message}


CODE_SCORES = dict(joined(ON_CODES))

# Scores of images

IMAGES, OTHERS = RNG.integers(0, 256, size=(2, 40, 24, 22, 3), dtype=np.uint8)
OTHERS[::2] = IMAGES[::2] // 2 + OTHERS[::2] // 2
COUNTS = np.random.default_rng(5).integers(0, 9, size=(40, 24, 22))
FEATURES = np.random.default_rng(6).normal(size=(2, 40, 5)) + np.array([0, 0.5])[:, None, None]
PAIR = {"images_a": IMAGES, "images_b": OTHERS}
GALLERY = {"queries": IMAGES, "gallery": OTHERS}
STEPS = dict(
    zip(
        ("made", "made_moved", "true", "true_moved"),
        (IMAGES, OTHERS, IMAGES[::-1], OTHERS[::-1] // 2 + OTHERS // 2),
        strict=True,
    )
)
SETS = {"real": FEATURES[0], "fake": FEATURES[1]}
WINDOWS = "{name} has shape {shape}: it must be [N, H, W, C] or [N, H, W], H and W at least 11"
PIXELS = "{name} has shape {shape}: it must be [N, ...] with pixels in each row"
UNLIKE_MADE = "made has shape (40, 24, 22, 3) and {name} {shape}: they must agree"
NONE = "{name} has 0 images: it must have at least 1"
ONE = "{name} has 1 images: it must have at least 2"
NOTHING = {"cosine": 0, "sensitivity": 0, "gain": 0}
PERFECT = {"precision": 1, "recall": 1, "density": 1, "coverage": 1}
STEP_SHAPES = {
    "made": PIXELS,
    "made_moved": UNLIKE_MADE,
    "true": UNLIKE_MADE,
    "true_moved": UNLIKE_MADE,
}
IMAGE_SCORES = {
    "ssim": Case(
        image_scores.ssim,
        PAIR,
        range=(-1, 1),
        equal=1,
        constant=1,
        axes={"": "N"},
        symmetric=True,
        rows=1,
        fewer=NONE,
        shapes={"images_a": WINDOWS, "images_b": WINDOWS},
        apart="images_a has shape (40, 24, 22, 3) and images_b (39, 24, 22, 3): they must agree",
    ),
    "ms_ssim": Case(
        image_scores.ms_ssim,
        PAIR,
        range=(0, 1),
        equal=1,
        constant=1,
        axes={"": "N"},
        symmetric=True,
        rows=1,
        fewer=NONE,
        shapes={"images_a": WINDOWS, "images_b": WINDOWS},
        apart="images_a has shape (40, 24, 22, 3) and images_b (39, 24, 22, 3): they must agree",
    ),
    "ssim_floor": Case(
        partial(image_scores.ssim_floor, draws=19),
        PAIR,
        range=(-1, 1),
        equal={"score": 1, "p": 0.05},
        constant=dict.fromkeys(("score", "chance", "upper", "p"), 1),
        rows=2,
        fewer=ONE,
        shapes={"images_a": WINDOWS, "images_b": WINDOWS},
        apart="images_a has shape (40, 24, 22, 3) and images_b (39, 24, 22, 3): they must agree",
    ),
    "ms_ssim_floor": Case(
        partial(image_scores.ms_ssim_floor, draws=19),
        PAIR,
        range=(0, 1),
        equal={"score": 1, "p": 0.05},
        constant=dict.fromkeys(("score", "chance", "upper", "p"), 1),
        rows=2,
        fewer=ONE,
        shapes={"images_a": WINDOWS, "images_b": WINDOWS},
        apart="images_a has shape (40, 24, 22, 3) and images_b (39, 24, 22, 3): they must agree",
    ),
    "pair_floor": Case(
        partial(image_scores.pair_floor, image_scores.ms_ssim, draws=19),
        {"a": IMAGES, "b": OTHERS},
        range=(0, 1),
        equal={"score": 1, "p": 0.05},
        constant=dict.fromkeys(("score", "chance", "upper", "p"), 1),
        rows=2,
        fewer="the number of pairs=1 must be a whole number of at least 2",
        apart="a has 40 rows and b 39: they must agree",
    ),
    "retrieval": Case(
        image_scores.retrieval,
        GALLERY,
        range=(1, 40),
        equal={"ranks": 1},
        constant={"ranks": 40},
        axes={"ranks": "N"},
        rows=1,
        fewer=NONE,
        shapes={"queries": PIXELS, "gallery": PIXELS},
        apart="gallery has 39 images: it must have at least 40",
    ),
    "retrieval also": Case(
        image_scores.retrieval,
        GALLERY | {"also": OTHERS[:, ::-1]},
        range=(1, 40),
        equal={"ranks": 1},
        constant={"ranks": 40},
        axes={"ranks": "N"},
        rows=1,
        fewer=NONE,
        shapes={
            "queries": PIXELS,
            "gallery": PIXELS,
            "also": "{name} has shape {shape} and gallery (40, 24, 22, 3): they must agree",
        },
        apart="also has shape (39, 24, 22, 3) and gallery (40, 24, 22, 3): they must agree",
    ),
    "retrieval_floor": Case(
        partial(image_scores.retrieval_floor, draws=19),
        GALLERY,
        range=(0, 1),
        equal={f"{name} score": 1 for name in ("top1", "top10", "mean_reciprocal_rank")}
        | {f"{name} p": 0.05 for name in ("top1", "top10", "mean_reciprocal_rank")},
        constant={
            "top1 score": 0,
            "top10 score": 0,
            "mean_reciprocal_rank score": 1 / 40,
            "top1 p": 1,
            "top10 p": 1,
            "mean_reciprocal_rank p": 1,
        },
        rows=2,
        fewer=ONE,
        shapes={"queries": PIXELS, "gallery": PIXELS},
        apart="gallery has 39 images: it must have at least 40",
    ),
    "local_correspondence": Case(
        image_scores.local_correspondence,
        STEPS,
        range={"cosine": (-1, 1), "sensitivity": (-1, 1), "gain": (0, np.inf)},
        equal={"cosine": 1, "sensitivity": 1, "gain": 1},
        constant=NOTHING,
        rows=2,
        fewer=ONE,
        shapes=STEP_SHAPES,
        apart="made has shape (40, 24, 22, 3) and true_moved (39, 24, 22, 3): they must agree",
    ),
    "local_floor": Case(
        partial(image_scores.local_floor, draws=19),
        STEPS,
        range=(-1, 1),
        equal={
            "cosine score": 1,
            "cosine p": 0.05,
            "sensitivity score": 1,
            "sensitivity p": 0.05,
        },
        constant={
            f"{name} {part}": float(part == "p")
            for name in ("cosine", "sensitivity")
            for part in ("score", "chance", "upper", "p")
        },
        rows=2,
        fewer=ONE,
        shapes=STEP_SHAPES,
        apart="made has shape (40, 24, 22, 3) and true_moved (39, 24, 22, 3): they must agree",
    ),
    "counts_correlation": Case(
        image_scores.counts_correlation,
        {"images": IMAGES, "counts": COUNTS},
        bytes_only=True,
        range=(-1, 1),
        constant=0,
        axes={"": "N"},
        rows=1,
        fewer=NONE,
        shapes={
            "images": "{name} has shape {shape}: it must be [N, H, W, 3]",
            "counts": "images has shape (40, 24, 22, 3) and {name} {shape}: "
            "they must agree in [N, H, W]",
        },
        apart="images has shape (40, 24, 22, 3) and counts (39, 24, 22): "
        "they must agree in [N, H, W]",
    ),
    "counts_floor": Case(
        partial(image_scores.counts_floor, draws=19),
        {"images": IMAGES, "counts": COUNTS},
        bytes_only=True,
        range=(-1, 1),
        constant={"score": 0, "chance": 0, "upper": 0, "p": 1},
        rows=2,
        fewer=ONE,
        shapes={
            "images": "{name} has shape {shape}: it must be [N, H, W, 3]",
            "counts": "images has shape (40, 24, 22, 3) and {name} {shape}: "
            "they must agree in [N, H, W]",
        },
        apart="images has shape (40, 24, 22, 3) and counts (39, 24, 22): "
        "they must agree in [N, H, W]",
    ),
    "inverted": Case(
        translation.inverted,
        {"images": IMAGES, "counts": COUNTS},
        bytes_only=True,
        range=(0, 1),
        constant=0,
        axes={"": "N"},
        rows=1,
        fewer=NONE,
        shapes={
            "images": "{name} has shape {shape}: it must be [N, H, W, 3]",
            "counts": "images has shape (40, 24, 22, 3) and {name} {shape}: "
            "they must agree in [N, H, W]",
        },
        apart="images has shape (40, 24, 22, 3) and counts (39, 24, 22): "
        "they must agree in [N, H, W]",
    ),
    "pixel_l1": Case(
        translation.pixel_l1,
        PAIR,
        bytes_only=True,
        range=(0, 1),
        equal=0,
        constant=0,
        axes={"": "N"},
        symmetric=True,
        rows=1,
        fewer=NONE,
        shapes=dict.fromkeys(PAIR, "{name} has shape {shape}: it must be [N, H, W, 3]"),
        apart="images_a has shape (40, 24, 22, 3) and images_b (39, 24, 22, 3): they must agree",
    ),
    "fid": Case(
        image_scores.fid,
        SETS,
        range=(0, np.inf),
        equal=0,
        constant=0,
        symmetric=True,
    ),
    "kid": Case(image_scores.kid, SETS, constant=0, symmetric=True),
    "prdc": Case(
        image_scores.prdc,
        SETS,
        range={"precision": (0, 1), "recall": (0, 1), "density": (0, np.inf), "coverage": (0, 1)},
        equal=PERFECT,
        constant=PERFECT,
        rows=6,
    ),
}
OF_SETS = {name: case for name, case in IMAGE_SCORES.items() if "real" in case.arrays}
OF_PIXELS = {name: case for name, case in IMAGE_SCORES.items() if name not in OF_SETS}

EVERY = CODE_SCORES | OF_OTHER_ARRAYS | IMAGE_SCORES
TARGETS = ("params", "test params")
MATRICES = ("codes", "new_codes", "test codes", "importance", "real", "fake", *TARGETS)
PLAIN_ARRAYS = ("a", "b")  # of `pair_floor`, which leaves them to the score it is given


def cases(table):
    return pytest.mark.parametrize(
        "case", [pytest.param(case, id=id) for id, case in table.items()]
    )


def arguments(table, names=None):
    """(case, the name of one of its arrays)."""
    return pytest.mark.parametrize(
        ("case", "name"),
        [
            pytest.param(case, name, id=f"{id}, {name}")
            for id, case in table.items()
            for name in case.arrays
            if name not in PLAIN_ARRAYS and (names is None or name in names)
        ],
    )


def taking(table, option):
    return {id: case for id, case in table.items() if option in signature(case.score).parameters}


def refused(message, case, arrays, **options):
    with pytest.raises(FddError) as caught:
        case(arrays, **options)
    assert str(caught.value) == message


def in_range(case, found):
    for name, value in found.items():
        low, high = case.range[name] if isinstance(case.range, dict) else case.range
        assert np.isfinite(value).all(), name
        assert (value >= low - 1e-12).all(), name
        assert (value <= high + 1e-12).all(), name


def expected(case, want, found):
    """Compares the numbers that are named; one number stands for all of an array's."""
    want = numbers(want(case.arrays) if callable(want) else want)
    assert want.keys() <= found.keys()
    for name, value in want.items():
        assert value.size > 0 or found[name].size == 0, name
        np.testing.assert_allclose(
            found[name],
            value if value.size else found[name],
            rtol=0,
            atol=case.constant_within,
            err_msg=name,
        )


# All scores


@pytest.mark.parametrize(
    ("facade", "names"),
    [(scores, [*ON_CODES, *OF_OTHER_ARRAYS]), (image_scores, IMAGE_SCORES)],
    ids=["codes", "images"],
)
def test_every_score_has_joined(facade, names):
    assert {name.split()[0] for name in names} - NOT_IN_THE_FACADE == set(facade.__all__) - RESULTS


def test_every_score_of_translations_has_joined():
    assert EVERY.keys() >= OF_TRANSLATIONS == set(translation.__all__) - {"binarised", "noisy"}


@pytest.mark.filterwarnings("error")
@cases(EVERY)
def test_numbers_are_finite_in_their_range_and_the_same_in_every_call(case):
    found = case(case.arrays)
    in_range(case, found)
    agree(case(case.arrays), found, 0)


@cases(EVERY)
def test_arrays_are_left_as_they_are(case):
    arrays = {name: np.array(value) for name, value in case.arrays.items()}
    for array in arrays.values():
        array.flags.writeable = False
    case(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, case.arrays[name])


@cases({name: case for name, case in EVERY.items() if not case.bytes_only})
def test_float32_gives_what_the_same_numbers_give_as_float64(case):
    single = {name: np.asarray(value, np.float32) for name, value in case.arrays.items()}
    double = {name: np.asarray(value, np.float64) for name, value in single.items()}
    agree(case(single), case(double), 1e-12)


@arguments(EVERY)
def test_what_is_no_array_of_finite_real_numbers_is_named(case, name):
    good = case.arrays[name]
    bad = np.array(good, dtype=np.float64)
    index = tuple(min(2, size - 1) for size in bad.shape)
    for value in (np.nan, -np.inf):
        bad[index] = value
        shown = f"{name} holds NaN or infinity: 1 of {bad.size} values, the first at index {index}"
        refused(shown, case, case.arrays | {name: bad})
    sentence = f"{name} has dtype {{}}: it must hold real numbers"
    refused(sentence.format("complex128"), case, case.arrays | {name: good * 1j})
    refused(sentence.format("<U1"), case, case.arrays | {name: [["a"], ["b"]]})
    with pytest.raises(FddError, match=rf"^{name} cannot be read as an array: "):
        case(case.arrays | {name: [[1.0], [1.0, 2.0]]})


@cases(taking(EVERY, "seed"))
def test_the_same_seed_gives_the_same_and_only_whole_numbers_are_seeds(case):
    first, second = (case(case.arrays, seed=seed) for seed in (3, np.int64(3)))
    agree(first, second, 0)
    for seed in (1.5, -1, "0", True, None):
        refused(f"seed={seed!r} must be a whole number of at least 0", case, case.arrays, seed=seed)


@cases(taking(EVERY, "draws"))
def test_a_floor_follows_its_seed_and_needs_a_draw(case):
    found, other = (case(case.arrays, draws=99, seed=seed) for seed in (0, 1))
    assert differ(other, found, by=0)
    for name, value in found.items():
        if name.endswith("score"):
            np.testing.assert_allclose(other[name], value, rtol=1e-12)
        if name.endswith("chance"):
            np.testing.assert_allclose(other[name], value, atol=0.1)
    for draws in (0, 2.5):
        message = f"draws={draws} must be a whole number of at least 1"
        refused(message, case, case.arrays, draws=draws)


@cases(EVERY)
def test_a_missing_package_is_one_sentence(case, monkeypatch):
    found = case(case.arrays)
    for name in list(sys.modules):
        if name.partition(".")[0] in ("scipy", "sklearn", "torch", "threadpoolctl"):
            monkeypatch.setitem(sys.modules, name, None)
    try:
        without, said = case(case.arrays), None
    except FddError as error:
        without, said = found, str(error)
    agree(without, found, 0)
    assert said is None or said.endswith(": pip install 'fdd[benchmarks]'")


# Matrices [rows, columns]


@arguments(EVERY, MATRICES)
def test_what_is_no_matrix_is_named(case, name):
    good = case.arrays[name]
    rows, columns = good.shape
    for bad in (good[:, 0], good[None]):
        message = f"{name} has shape {bad.shape}: it must be 2-D, [rows, columns]"
        refused(message, case, case.arrays | {name: bad})
    message = f"{name} has shape ({rows}, 0): it must have at least 1 column"
    refused(message, case, case.arrays | {name: good[:, :0]})
    for value in (1e101, -1e101):
        message = f"{name} reaches 1e+101 in size: at most 1e100 is allowed"
        refused(message, case, case.arrays | {name: good * 0 + value})
    with pytest.raises(FddError) as caught:
        case(case.arrays | {name: good[:0]})
    assert str(caught.value).startswith(f"{name} has shape (0, {columns}): it must have at least ")


@arguments(EVERY, TARGETS)
def test_constant_parameters_are_named(case, name):
    bad = case.arrays[name] * [1, 0, 1] + [0, 0.1, 0]
    message = f"{name} column 1 is constant: it has no variance to explain; drop it"
    refused(message, case, case.arrays | {name: bad})


@cases(CODE_SCORES)
def test_fewer_rows_than_a_score_needs_are_named(case):
    shape = f"codes has shape ({case.rows - 1}, 4): it must have at least {case.rows} rows"
    few = {name: case.arrays[name][: case.rows - 1] for name in ("codes", "params")}
    refused(case.fewer or shape, case, case.arrays | few)


@cases(CODE_SCORES)
def test_codes_and_parameters_that_do_not_belong_together_are_named(case):
    arrays = case.arrays
    refused(
        "codes has 119 rows and params 120: they must agree",
        case,
        arrays | {"codes": arrays["codes"][1:]},
    )
    if "new_codes" in arrays:
        refused(
            "codes has 4 columns and new_codes 3: they must agree",
            case,
            arrays | {"new_codes": arrays["new_codes"][:, 1:]},
        )


@cases({name: case for name, case in CODE_SCORES.items() if "test codes" in case.arrays})
def test_held_out_rows_that_do_not_fit_are_named(case):
    arrays = case.arrays
    codes, params = arrays["test codes"], arrays["test params"]
    for bad, message in (
        ((codes[1:], params), "test codes has 59 rows and test params 60: they must agree"),
        ((codes[:, 1:], params), "codes has 4 columns and test codes 3: they must agree"),
        ((codes, params[:, 1:]), "params has 3 columns and test params 2: they must agree"),
        (
            (codes[:1], params[:1]),
            "test codes has shape (1, 4): it must have at least 2 rows",
        ),
    ):
        changed = dict(zip(("test codes", "test params"), bad, strict=True))
        refused(message, case, arrays | changed)
    for bad, kind in ((codes, "ndarray"), ((codes, params, codes), "tuple")):
        with pytest.raises(FddError) as caught:
            case.score(arrays["codes"], arrays["params"], test=bad)
        assert str(caught.value) == f"test is {kind}: it must be a pair (codes, params)"


# Codes


def changed(arrays, side, change):
    """The arrays with codes, or params, changed wherever they are."""
    return {name: change(value) if name.endswith(side) else value for name, value in arrays.items()}


def reordered(case, found, axis, order):
    """A result for columns in another order, from that for the old one."""
    return {
        name: value.take(order, case.axes[name].index(axis))
        if axis in case.axes.get(name, "")
        else value
        for name, value in found.items()
    }


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("side", ["codes", "params"])
@cases(CODE_SCORES)
def test_a_change_of_codes_or_parameters_matters_where_the_definition_says(case, side):
    found = case(case.arrays)
    keeps, minds = (words.split() for words in getattr(case, side))
    for word in keeps:
        want = found
        if word == "order":
            columns = case.arrays[side].shape[1]
            want = reordered(case, found, AXIS[side], orders(columns))
        for change in CHANGES[word]:
            agree(case(changed(case.arrays, side, change)), want, case.within)
    for word in minds:
        assert differ(case(changed(case.arrays, side, CHANGES[word][0])), found), word


@cases({name: case for name, case in CODE_SCORES.items() if case.any_order})
def test_the_order_of_rows_does_not_matter(case):
    order = np.random.default_rng(1).permutation(TRAIN)
    arrays = case.arrays | {name: case.arrays[name][order] for name in ("codes", "params")}
    if "test codes" in arrays:
        order = np.random.default_rng(1).permutation(TEST)
        arrays |= {name: arrays[name][order] for name in ("test codes", "test params")}
    agree(case(arrays), case(case.arrays), case.within)


@cases(CODE_SCORES)
def test_constant_codes_get_what_the_docstring_says(case):
    found = case(changed(case.arrays, "codes", lambda codes: np.full_like(codes, 0.1)))
    in_range(case, found)
    expected(case, case.constant, found)


@cases(CODE_SCORES)
def test_constant_codes_beside_others_do_not_matter_even_huge_ones(case):
    want = case(case.arrays)
    for scale in (1, 1e-250):

        def with_dead(codes, scale=scale):
            dead, rows = (0.1, 0, 1e95), len(codes)
            return np.column_stack([np.tile(dead, (rows, 1)), codes * scale, np.full(rows, 7)])

        found = case(changed(case.arrays, "codes", with_dead))
        for name, axes in case.axes.items():
            if "K" in axes:
                assert not found[name][[0, 1, 2, -1]].any()
                found[name] = found[name][3:-1]
        agree(found, want, 1e-9)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("scale", [1e-300, 1e-200, 1.0, 1e99])
@cases(CODE_SCORES)
def test_few_rows_twins_and_any_scale_have_a_finite_answer_without_a_warning(case, scale):
    for rows in (case.rows, case.rows + 1, 40):
        rng = np.random.default_rng(rows)
        arrays = {
            name: rng.normal(size=(max(rows, 2), 2 if name.endswith("params") else 5)) * scale
            for name in case.arrays
        }
        arrays["codes"][:, 0] *= 1e-9
        for name in arrays:
            if name.endswith("codes"):
                arrays[name][:, 1] = arrays[name][:, 2]
        in_range(case, case(arrays))


@pytest.mark.filterwarnings("error")
@cases(CODE_SCORES)
def test_more_codes_than_rows_have_a_finite_answer(case):
    for rows in {max(case.rows, 2), max(case.rows, 12)}:
        rng = np.random.default_rng(0)
        arrays = {
            name: rng.normal(size=(rows, 2 if name.endswith("params") else rows + 30))
            for name in case.arrays
        }
        in_range(case, case(arrays))


# Images


@cases({name: case for name, case in IMAGE_SCORES.items() if case.equal is not None})
def test_equal_images_get_what_the_docstring_says(case):
    first, *others = case.arrays
    arrays = case.arrays | dict.fromkeys(others, case.arrays[first])
    if "made" in arrays:
        arrays |= {"made_moved": OTHERS, "true_moved": OTHERS}
    found = case(arrays)
    in_range(case, found)
    expected(case, case.equal, found)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("value", [0, 7])
@cases(IMAGE_SCORES)
def test_constant_images_get_what_the_docstring_says(case, value):
    found = case({name: np.full_like(array, value) for name, array in case.arrays.items()})
    in_range(case, found)
    expected(case, case.constant, found)


@cases({name: case for name, case in OF_PIXELS.items() if not case.bytes_only})
def test_bytes_give_what_floats_of_the_same_values_give(case):
    floats = {name: array.astype(np.float64) for name, array in case.arrays.items()}
    agree(case(floats), case(case.arrays), 1e-12)


@cases(IMAGE_SCORES)
def test_the_order_of_pairs_or_of_sets_does_not_matter(case):
    order = np.random.default_rng(1).permutation(40)
    turned = {"fake": order[::-1]}  # no row of a set belongs to a row of the other
    found = case({name: array[turned.get(name, order)] for name, array in case.arrays.items()})
    want = reordered(case, case(case.arrays), "N", order)
    for name in [name for name in want if name.endswith(("chance", "upper", "p"))]:
        del want[name], found[name]  # the draws are other ones
    agree(found, want, 1e-9)


@cases({name: case for name, case in IMAGE_SCORES.items() if case.symmetric})
def test_symmetric_scores_are(case):
    swapped = dict(zip(case.arrays, reversed(case.arrays.values()), strict=True))
    agree(case(swapped), case(case.arrays), 1e-12)


@arguments(OF_PIXELS)
def test_images_of_other_shapes_are_named(case, name):
    bad = case.arrays[name].reshape(-1)[:40]
    message = case.shapes[name].format(name=name, shape=bad.shape)
    refused(message, case, case.arrays | {name: bad})
    if name not in ("made_moved", "true", "true_moved", "also", "counts"):
        bad = case.arrays[name][:, :0]
        message = case.shapes[name].format(name=name, shape=bad.shape)
        refused(message, case, case.arrays | {name: bad})


@cases(OF_PIXELS)
def test_images_that_do_not_belong_together_or_are_too_few_are_named(case):
    *_, last = case.arrays
    refused(case.apart, case, case.arrays | {last: case.arrays[last][1:]})
    few = {name: array[: case.rows - 1] for name, array in case.arrays.items()}
    refused(case.fewer.format(name=next(iter(few))), case, few)


@arguments({name: case for name, case in OF_PIXELS.items() if not case.bytes_only})
def test_pixels_that_are_no_pixels_are_named(case, name):
    message = f"{name} has pixels beyond 1e100 in size: that is not an image"
    refused(message, case, case.arrays | {name: case.arrays[name] * 1e150})


@cases(OF_SETS)
def test_sets_that_do_not_fit_are_named(case):
    real, fake = case.arrays["real"], case.arrays["fake"]
    message = "real has 5 columns and fake 4: they must agree"
    refused(message, case, {"real": real, "fake": fake[:, 1:]})
    few = f"has shape ({case.rows - 1}, 5): it must have at least {case.rows} rows"
    refused(f"real {few}", case, {"real": real[: case.rows - 1], "fake": fake})
    refused(f"fake {few}", case, {"real": real, "fake": fake[: case.rows - 1]})


@cases(taking(EVERY, "device"))
def test_a_device_that_is_not_known_is_refused(case):
    message = "device='tpu' must be auto, cpu, cuda or cuda:N"
    refused(message, case, case.arrays, device="tpu")
    message = "device=array([], dtype=float64) must be auto, cpu, cuda or cuda:N"
    refused(message, case, case.arrays, device=np.array([]))


# What scores need


def test_the_scores_import_nothing_of_the_baselines_nor_of_what_applies_them():
    folders = [CHECKOUT / "benchmarks" / room for room in ("codes", "images", "statistics")]
    paths = [path for folder in folders for path in folder.glob("*.py")]
    paths += [Path(facade.__file__) for facade in (scores, image_scores)]
    rooms = {"codes", "images", "statistics"}
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [
                alias.name for alias in getattr(node, "names", []) if isinstance(node, ast.Import)
            ]
            names += [node.module] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                top, *room = name.split(".")
                assert top != "baselines", path
                assert top != "benchmarks" or room[0] in rooms, path


WITHOUT = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in sys.argv[1].split(","):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
import numpy as np
from benchmarks import image_scores, scores
from fdd import FddError

images = np.random.default_rng(0).integers(0, 256, size=(12, 16, 16, 3), dtype=np.uint8)
params = images[:, :1, :2, 0].reshape(12, 2).astype(float)
print(image_scores.ssim(images, images).round(9).tolist() == [1.0] * 12)
print(image_scores.retrieval(images, images).top1, scores.cca(params, params).round(9).tolist())
try:
    print(image_scores.ssim(images, images, device=sys.argv[2]).round(9).tolist() == [1.0] * 12)
except FddError as error:
    print(error)
"""
EXTRAS = "baselines,tensorboard,lightning,lightning_fabric,optuna,matplotlib,skimage"


def test_scores_need_torch_on_a_gpu_alone_and_never_the_baselines(run_python):
    start = "True\n1.0 [1.0, 1.0]\n"
    code, output, errors = run_python("-c", WITHOUT, EXTRAS, "auto")
    assert (code, output) == (0, start + "True\n"), errors
    code, output, errors = run_python("-c", WITHOUT, f"{EXTRAS},torch,scipy,sklearn", "cuda")
    missing = "this needs the package 'torch': pip install 'fdd[torch]'\n"
    assert (code, output) == (0, start + missing), errors
