"""The scores of a model in parts, which run one after another or side by side in processes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from warnings import catch_warnings, filterwarnings

from benchmarks.statistics.arrays import require
from fdd.devices import available_threads
from fdd.errors import whole_number
from fdd.progress import progress_bar

Parts = dict[str, Callable[[], Any]]
"""What is to be computed, by a name that a person can read."""
Run = Callable[[Parts], dict[str, Any]]
"""`run_parts`, or that with some of its options."""
Tell = Callable[[str, int, int], None]
"""Called with the name of a part that is done ("" before the first), how many are, of how many."""

SLOW = ("boosting_r2 and dci", "nonlinear_r2")
"""Parts that begin first, so that none of them is left alone at the end."""
MOST = 6
"""Processes that pay off: the slowest part takes a sixth of the time."""
MANY = 2000
"""Images from which on processes pay off: each takes some seconds to start."""


def quiet(name: str, done: int, of: int) -> None:
    """Tells nobody."""


def processes_for(images: int, wanted: int | None = None) -> int:
    """How many processes score a model on so many images: those wanted, else as many as pay off.

    FddError unless a whole number of at least 1 is wanted.
    """
    if wanted is not None:
        return whole_number("processes", wanted, 1)
    return min(available_threads(), MOST) if images >= MANY else 1


@contextmanager
def progress() -> Iterator[Tell]:
    """From the first part on a bar on stderr, with what is left; it is gone at the end."""
    bars = ExitStack()
    bar = None

    def tell(name: str, done: int, of: int) -> None:
        nonlocal bar
        if bar is None or done == 0:
            bars.close()
            bar = bars.enter_context(
                progress_bar(desc="scoring", unit="part", total=of, leave=False)
            )
        bar.set_postfix_str(name, refresh=False)
        bar.update(done - bar.n)

    with bars:
        yield tell


def run_parts(parts: Parts, processes: int = 1, tell: Tell = quiet) -> dict[str, Any]:
    """The results by name, in the order of the parts, whatever was done first.

    In processes of their own each part has one thread, so the processor time is that of one after
    another. They must be picklable then, as cloudpickle does it.
    """
    names = sorted(parts, key=lambda name: name not in SLOW)
    found: dict[str, Any] = {}
    tell("", 0, len(parts))
    for name, value in zip(names, _values((parts[n] for n in names), processes), strict=True):
        found[name] = value
        tell(name, len(found), len(parts))
    return {name: found[name] for name in parts}


def _values(parts: Iterable[Callable[[], Any]], processes: int) -> Iterator[Any]:
    if processes == 1:
        yield from (part() for part in parts)
        return
    joblib = require("joblib")
    with joblib.parallel_config(backend="loky", inner_max_num_threads=1), catch_warnings():
        # it takes what torch loads for a leak of memory, and starts another process
        filterwarnings("ignore", "A worker stopped while some jobs were given")
        tasks = (joblib.delayed(part)() for part in parts)
        yield from joblib.Parallel(processes, return_as="generator")(tasks)
