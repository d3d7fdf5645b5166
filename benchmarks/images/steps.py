"""Does a small step in the parameters move the made image as it moves the true one?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmarks.images.checks import enough
from benchmarks.statistics.arrays import (
    Floats,
    constant_columns,
    generator,
    real_array,
    require,
    standardise,
)
from benchmarks.statistics.permutation import Floor, floor_of, permutations
from fdd.defaults import with_defaults
from fdd.errors import FddError

ROWS = 256  # steps whose pixels are held as floats at once

Steps = tuple[NDArray[Any], NDArray[Any]]
"""Images [N, ...] before and after the steps."""


@with_defaults
def local_correspondence(
    made: ArrayLike, made_moved: ArrayLike, true: ArrayLike, true_moved: ArrayLike
) -> dict[str, float]:
    """How far G(v + h) - G(v) agrees with FD(v + h) - FD(v), over N pairs of v and a small h.

    Parameters
    ----------
    made, made_moved : G(v) and G(v + h), arrays [N, ...] of one shape, N at least 2
    true, true_moved : FD(v) and FD(v + h), arrays of that shape too

    Returns
    -------
    dict of float. "cosine", -1 to 1 (best): the mean over steps of the cosine between the two
    differences, all pixels and channels as one vector; a step that leaves one of the images as it
    is counts 0. "sensitivity", -1 to 1 (best): the Spearman correlation over steps between the
    sizes |G(v + h) - G(v)| and |FD(v + h) - FD(v)|; 0 where either is constant. "gain", of at least
    0 (best 1): the median of the first size over the second, among the steps that move FD(v); 0
    where none does. For chance see `local_floor`; the gain has none.

    Notes
    -----
    Cosine and sensitivity are unchanged by scaling all made images and by adding one image to all
    of them; the gain by the latter. The cosine is near 0 where lines move by more than their width,
    however well G draws the rest: take steps so small that FD(v) and FD(v + h) still look alike,
    which chaotic parameters may not allow. A G that ignores v scores 0 in all three. Take all h of
    one length; otherwise both sizes follow that length and sensitivity is high for any G that sees
    it. Sizes that agree to 1e-12 of the largest are ties. The definition is this project's.

    Examples
    --------
    >>> import numpy as np
    >>> before = np.zeros((3, 2))
    >>> true = np.array([[1.0, 0.0], [0.0, 2.0], [3.0, 0.0]])
    >>> made = np.array([[2.0, 0.0], [0.0, 4.0], [0.0, 6.0]])
    >>> found = local_correspondence(before, made, before, true)
    >>> {name: round(value, 6) for name, value in found.items()}
    {'cosine': 0.666667, 'sensitivity': 1.0, 'gain': 2.0}
    """
    return agreement(*compare_steps(made, made_moved, true, true_moved))


def compare_steps(
    made: ArrayLike, made_moved: ArrayLike, true: ArrayLike, true_moved: ArrayLike
) -> tuple[Floats, Floats, Floats]:
    """Of each step, float64 [N]: the cosine, |G(v + h) - G(v)| and |FD(v + h) - FD(v)|.

    All that `local_correspondence` sees of the images, whose arguments it takes.
    """
    ours, theirs = _steps(made, made_moved, true, true_moved)
    cosines, own, want = (np.empty(len(ours[0])) for _ in range(3))
    for rows in _blocks(len(own)):
        ours_units, own[rows] = _directions(ours, rows)
        their_units, want[rows] = _directions(theirs, rows)
        cosines[rows] = (ours_units * their_units).sum(axis=1)
    return cosines, own, want


def agreement(cosines: Floats, own: Floats, want: Floats) -> dict[str, float]:
    """`local_correspondence` of some steps, from what `compare_steps` gives for them."""
    moves = want > 0
    return {
        "cosine": float(cosines.mean()),
        "sensitivity": float((_ranks(own) * _ranks(want)).mean()),
        "gain": float(np.median(own[moves] / want[moves])) if moves.any() else 0.0,
    }


@with_defaults
def local_floor(
    made: ArrayLike,
    made_moved: ArrayLike,
    true: ArrayLike,
    true_moved: ArrayLike,
    *,
    draws: int = 999,
    seed: int = 0,
) -> dict[str, Floor]:
    """`local_correspondence`'s "cosine" and "sensitivity", each beside that of wrong pairs.

    Each draw gives every step of G the step of FD of another row. Every difference is compared with
    every other one; memory grows as N and the draws, not as N^2.

    >>> import numpy as np
    >>> before, after = np.random.default_rng(0).normal(size=(2, 40, 8, 8, 3))
    >>> floor = local_floor(before, after, before, after, draws=99)["cosine"]
    >>> floor.score.round(6).item(), bool(abs(floor.chance) < 0.1), floor.p.item()
    (1.0, True, 0.01)
    """
    ours, theirs = _steps(made, made_moved, true, true_moved)
    count = len(ours[0])
    shuffled = permutations(count, draws, generator(seed))
    matches = np.concatenate([np.arange(count)[None], shuffled])
    cosines, own, want = np.zeros(len(matches)), np.empty(count), np.empty(count)
    for rows in _blocks(count):
        units, own[rows] = _directions(ours, rows)
        every = np.empty((len(units), count))
        for others in _blocks(count):
            their_units, want[others] = _directions(theirs, others)
            every[:, others] = units @ their_units.T
        cosines += every[np.arange(len(units)), matches[:, rows]].sum(axis=1) / count
    sensitivities = _ranks(want)[matches] @ _ranks(own) / count
    every_score = {"cosine": cosines, "sensitivity": sensitivities}
    return {name: floor_of(values[0], values[1:]) for name, values in every_score.items()}


def _steps(*images: ArrayLike) -> tuple[Steps, Steps]:
    names = ("made", "made_moved", "true", "true_moved")
    made, made_moved, true, true_moved = (
        real_array(name, value) for name, value in zip(names, images, strict=True)
    )
    if made.ndim < 2 or 0 in made.shape[1:]:
        raise FddError(f"made has shape {made.shape}: it must be [N, ...] with pixels in each row")
    for name, array in zip(names, (made, made_moved, true, true_moved), strict=True):
        if array.shape != made.shape:
            raise FddError(f"made has shape {made.shape} and {name} {array.shape}: they must agree")
        enough(name, array, 2)
    return (made, made_moved), (true, true_moved)


def _blocks(count: int) -> Iterator[slice]:
    for start in range(0, count, ROWS):
        yield slice(start, start + ROWS)


def _directions(steps: Steps, rows: slice) -> tuple[Floats, Floats]:
    """The differences of some rows as vectors of length 1, or 0, and their lengths.

    By the largest entry first, so that no square under- or overflows.
    """
    before, after = (image[rows].astype(np.float64) for image in steps)
    vectors = (after - before).reshape(len(before), -1)
    largest = np.abs(vectors).max(axis=1)
    vectors /= np.where(largest > 0, largest, 1)[:, None]
    lengths = np.linalg.norm(vectors, axis=1)
    vectors /= np.where(lengths > 0, lengths, 1)[:, None]
    return vectors, largest * lengths


def _ranks(sizes: Floats) -> Floats:
    """The ranks of [N] with mean 0 and deviation 1; all 0 where sizes is constant."""
    rounded = (sizes / (sizes.max() or 1)).round(12)[:, None]
    if constant_columns(rounded)[0]:
        return np.zeros(len(sizes))
    return standardise(require("scipy.stats").rankdata(rounded, axis=0))[0][:, 0]
