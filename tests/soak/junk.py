"""Junk calls: whatever a public function is given, it returns or raises FddError.

hypothesis makes the calls, and shows the smallest one that fails.
"""

from __future__ import annotations

import resource
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import HealthCheck, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import fdd
from fdd.releases.kinds import OPTIONS
from tests.soak.tries import Try, alone, last_line
from tests.soak.works import SOAK

CALLS = 25
"""Calls of a try."""
MEMORY, SECONDS = 6 << 30, 60
"""What a try may take, in bytes and in processor time, which a busy machine does not use up: a call
that asks for more is refused by its own check, not by the system."""

STACK = 64 << 20
"""Bytes of the stack of the thread that makes the calls, mapped at once: that of a process's first
thread grows as it is used, and where memory is at its limit Linux answers with status 11."""

NUMBERS = st.one_of(  # none between, which would be long work and no junk
    st.integers(-3, 40),
    st.integers(min_value=2**40),
    st.integers(max_value=-1),
    st.floats(),
    st.booleans(),
    st.sampled_from([2**63, 10**400]),
)
WORDS = st.one_of(st.text(max_size=8), st.sampled_from(["", "\0", "\ud800", "train", "kbc", "raw"]))
SHAPES = arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
KINDS = st.one_of(
    arrays.floating_dtypes(),
    arrays.integer_dtypes(),
    arrays.boolean_dtypes(),
    arrays.complex_number_dtypes(),
    arrays.unicode_string_dtypes(max_len=3),
    st.just(np.dtype(object)),
)
ARRAYS = KINDS.flatmap(lambda kind: arrays.arrays(kind, SHAPES))
VECTORS = arrays.arrays(np.float64, st.tuples(st.integers(0, 3), st.just(6)))
TABLES = VECTORS.map(lambda rows: pd.DataFrame(rows, columns=["x0", "y0", "a", "b", "c", "d"]))
PICTURES = st.sampled_from([(3, 16, 16, 3), (2, 16, 16), (0, 16, 16, 3)]).flatmap(
    lambda shape: arrays.arrays(np.uint8, shape)
)
VALUES = st.one_of(
    st.none(), NUMBERS, WORDS, st.binary(max_size=4), ARRAYS, VECTORS, TABLES,
    st.lists(st.one_of(NUMBERS, st.none(), st.lists(NUMBERS, max_size=6)), max_size=7),
    st.dictionaries(WORDS, NUMBERS, max_size=3), st.builds(object),
)  # fmt: skip


VERSION = st.just(SOAK.name)


def some(good: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Good values for an argument, and junk about as often."""
    return st.one_of(good, VALUES)


Arguments = dict[str, st.SearchStrategy[Any]]

SPLITS = some(st.sampled_from(["train", "val", "test"]))
COUNTS = some(st.integers(1, 5))
PARAMS = some(st.one_of(VECTORS, TABLES))


def _first(make: Callable[..., Any], **options: Any) -> Any:
    return next(iter(make(**options)))


def _load(**options: Any) -> Any:
    return fdd.load(**options).read([0])


FUNCTIONS: dict[str, tuple[Callable[..., Any], Arguments, Arguments]] = {
    "fdd.render": (
        fdd.render,
        {"params": PARAMS},
        {
            "size": COUNTS,
            "points": COUNTS,
            "palette": some(st.sampled_from(["kbc", "inferno"])),
            "output": some(st.sampled_from(["rgb", "gray", "counts"])),
            "family": some(st.just("bedhead")),
            "threads": COUNTS,
        },
    ),
    "fdd.canonical_params": (fdd.canonical_params, {"params": PARAMS}, {}),
    "fdd.scale_params": (fdd.scale_params, {"params": PARAMS}, {}),
    "fdd.uniform_params": (
        fdd.uniform_params,
        {"n": COUNTS},
        {"seed": COUNTS, "family": some(st.just("bedhead"))},
    ),
    "fdd.sample_params": (
        fdd.sample_params,
        {"n": COUNTS, "version": VERSION},
        {"split": SPLITS, "start": COUNTS},
    ),
    "fdd.path": (
        fdd.path,
        {"v": PARAMS, "w": PARAMS, "n": COUNTS, "version": VERSION},
        {"form": some(st.sampled_from(["canonical", "raw"])), "output": some(st.just("counts"))},
    ),
    "fdd.load": (
        _load,
        {"split": SPLITS, "version": VERSION},
        {"params": some(st.sampled_from(["raw", "canonical"])), "palette": some(st.just("kbc"))},
    ),
    "fdd.stream": (
        partial(_first, fdd.stream),
        {"split": SPLITS, "batch_size": COUNTS, "version": VERSION},
        {"start": COUNTS, "rank": some(st.just(0)), "world_size": COUNTS},
    ),
    "fdd.pairs": (
        partial(_first, fdd.pairs),
        {"split": SPLITS, "kind": some(st.sampled_from(sorted(OPTIONS))), "version": VERSION},
        {"batch_size": COUNTS, "start": COUNTS},
    ),
    "fdd.show": (
        fdd.show,
        {"what": st.one_of(PARAMS, PICTURES)},
        {"columns": COUNTS, "count": COUNTS, "out": st.one_of(NUMBERS, st.just("show.jpg"))},
    ),
    "fdd.explore": (
        fdd.explore,
        {"runs": some(st.sampled_from([[], ["mini-one"]]))},
        {"oracle": some(st.none())},
    ),
}


def _models() -> dict[str, tuple[Callable[..., Any], Arguments, Arguments]]:
    import baselines

    model = baselines.load_pretrained("mini-emulator", device="cpu")
    options = {"device": some(st.just("cpu")), "checkpoint": some(st.just("last"))}
    return {
        "baselines.load_run": (baselines.load_run, {"path": VALUES}, options),
        "baselines.load_pretrained": (
            baselines.load_pretrained,
            {"name": some(st.just("mini-one"))},
            {"device": options["device"]},
        ),
        "a model's vectors": (model.vectors, {"params": PARAMS}, {}),
        "a model's generate": (model.generate, {"codes": PARAMS}, {"noise": COUNTS}),
        "a model's encode": (model.encode, {"images": some(PICTURES)}, {}),
    }


def _image_scores() -> dict[str, tuple[Callable[..., Any], Arguments, Arguments]]:
    from benchmarks import image_scores
    from benchmarks.images import translation

    pairs = ("ssim", "ms_ssim", "fid", "kid", "prdc", "retrieval", "counts_correlation")
    two = [getattr(image_scores, name) for name in pairs] + [translation.pixel_l1]
    images, errors = some(PICTURES), some(arrays.arrays(np.float64, st.integers(0, 5)))
    return {
        f"{function.__module__}.{function.__name__}": (partial(_score, function), given, {})
        for function, given in [
            *((function, {"codes": images, "params": images}) for function in two),
            (translation.hidden, {"codes": errors, "params": errors}),
            (translation.permuted, {"codes": errors, "params": errors}),
            (translation.noisy, {"codes": images, "params": COUNTS}),
            (translation.inverted, {"codes": images, "params": images}),
        ]
    }


def _scores() -> dict[str, tuple[Callable[..., Any], Arguments, Arguments]]:
    from benchmarks import scores

    rows = st.builds(_rows, st.integers(1, 4), st.integers(0, 2**32 - 1))
    names = ("cka", "cca", "svcca", "pwcca", "rsa", "procrustes", "linear_r2", "mcc", "knn_overlap")
    names += ("trustworthiness", "continuity", "distance_correlation", "sap", "modularity", "mig")
    return {
        f"benchmarks.scores.{name}": (
            partial(_score, getattr(scores, name)),
            {"codes": some(rows), "params": some(rows)},
            {},
        )
        for name in names
    }


def _rows(columns: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(40, columns))


def _score(score: Callable[..., Any], codes: Any, params: Any) -> Any:
    return score(codes, params)


def tries(rng: Random, place: Path) -> Iterator[Try]:
    """One public function after another, each with calls of good and junk arguments."""
    functions = [*(FUNCTIONS | _models() | _scores() | _image_scores()).items()]
    while True:
        rng.shuffle(functions)
        for name, (function, needed, options) in functions:
            seed = rng.getrandbits(32)
            yield Try(
                f"{CALLS} junk calls of {'scores' if name.startswith('benchmarks') else name}",
                f"{name}, seed {seed}",
                partial(called, function, needed, options, seed),
            )


def called(function: Callable[..., Any], needed: Arguments, options: Arguments, seed: int) -> str:
    """What the smallest call that ends in another error ends with, or ""."""
    end = alone(partial(_called, function, needed, options, seed))
    return str(end.value) if end.how == "done" else f"it ended with {last_line(end.text)}"


def _called(function: Callable[..., Any], needed: Arguments, options: Arguments, seed: int) -> str:
    threading.stack_size(STACK)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS + 5))
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(_failing, function, needed, options, seed).result()


def _failing(function: Callable[..., Any], needed: Arguments, options: Arguments, seed: int) -> str:
    @seeded(seed)
    @settings(
        max_examples=CALLS,
        database=None,
        deadline=None,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    @given(junk=st.fixed_dictionaries(needed, optional=options))
    def call(junk: dict[str, Any]) -> None:
        try:
            function(**junk)
        except fdd.FddError:
            pass
        except Exception as error:
            raise AssertionError(f"{type(error).__name__}: {error}, given {junk}") from error

    try:
        call()
    except AssertionError as error:
        return last_line(" ".join(str(error).split()))
    return ""
