"""Parameters: checked, drawn, and the forms of the latent vector: raw, scaled, canonical."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from fdd.attractors.families import FAMILIES, Family
from fdd.defaults import with_defaults
from fdd.errors import MOST, FddError, known, shown, whole_number

Params: TypeAlias = ArrayLike | Mapping[str, ArrayLike]
"""What functions take as parameters: an array, or named columns (a DataFrame, a dict)."""

NAMES = ("x0", "y0", "a", "b", "c", "d")
_SCALE = np.array([1.0, 1.0, 3.0, 3.0, 3.0, 3.0])


def _labels(params: Any) -> list[Any]:
    """Names of the columns of a dict, a table or a row of one; none where numbers alone tell."""
    if hasattr(params, "keys"):  # dict, pandas
        labels = list(params.keys())
    else:  # pyarrow, polars
        labels = list(getattr(params, "column_names", getattr(params, "columns", ())))
    numbered = all(isinstance(label, (int, np.integer)) for label in labels)
    return [] if numbered else labels


def _in_order(params: Any, labels: list[Any], columns: tuple[str, ...]) -> np.ndarray:
    """The named columns of `params` in the order of `columns`; FddError unless each is there."""
    faults = {
        "unknown": [label for label in labels if label not in columns],
        "missing": [name for name in columns if name not in labels],
        "repeated": [name for name in columns if labels.count(name) > 1],
    }
    found = [
        f"{', '.join(map(str, names)):.80} {fault}" for fault, names in faults.items() if names
    ]
    if found:
        raise FddError(
            f"params has columns by name, {' and '.join(found)}; they must be "
            f"{', '.join(columns)}, each once, in any order"
        )
    return np.stack([np.asarray(params[name]) for name in columns], axis=-1)


def as_params(params: Params, columns: tuple[str, ...] = NAMES) -> np.ndarray:
    """Parameters as a new float64 array [..., P]; refused unless numbers in these P columns.

    Columns with names (a DataFrame, one of its rows, a dict of columns) are matched by name, in
    whatever order they come; columns numbered by integers are an array without names.
    """
    names = ", ".join(columns)
    if getattr(params, "is_cuda", False):  # a torch tensor; parameters are checked on the host
        params = params.cpu()  # type: ignore[union-attr]
    try:
        labels = _labels(params)
        numbers = _in_order(params, labels, columns) if labels else np.asarray(params)
        if numbers.dtype.kind not in "biufO":
            raise TypeError(numbers.dtype)
        array = numbers.astype(np.float64)
    except FddError:
        raise
    except (TypeError, ValueError, OverflowError, RuntimeError):
        raise FddError(
            f"params must be numbers, rows of ({names}), not {shown(params, 80)}"
        ) from None
    if array.shape[-1:] != (len(columns),):
        raise FddError(
            f"params has shape {list(array.shape)}; it must be [N, {len(columns)}] or "
            f"[{len(columns)}], columns {names}"
        )
    return array


@with_defaults
def checked_params(params: Params, family: Family = FAMILIES["fractal_dream"]) -> np.ndarray:
    """Parameters as float64 [N, P] or [P]; refused when not numbers, not finite or out of range."""
    array = as_params(params, family.parameters)
    if array.ndim > 2:
        raise FddError(
            f"params has shape {list(array.shape)}; it must be [N, {array.shape[-1]}] or "
            f"[{array.shape[-1]}], columns {', '.join(family.parameters)}"
        )
    rows = array.reshape(-1, array.shape[-1])
    low, high = np.array(family.ranges).T
    whole = np.isin(family.parameters, family.whole)
    good = (rows >= low) & (rows <= high) & (~whole | (rows == np.trunc(rows)))
    for row, column in np.argwhere(~good)[:1]:
        kind = "whole" if whole[column] else "finite"
        raise FddError(
            f"params: {family.parameters[column]}={shown(float(rows[row, column]))} in row {row} "
            f"must be a {kind} number from {low[column]:g} to {high[column]:g}"
        )
    return array


@with_defaults
def uniform_params(n: int, family: str = "fractal_dream", seed: int = 0) -> np.ndarray:
    """Independent draws, uniform over a family's ranges: float64 [n, P], the same on every machine.

    Row i depends on the seed and i alone. At least the share `fdd.families[family].imaged` of many
    draws has an image; the others are degenerate. Raises FddError for an unknown family, or unless
    n is a whole number from 0 to 10^9 and seed one of at least 0.
    """
    known("family", family, FAMILIES)
    n, seed = whole_number("n", n, 0, MOST), whole_number("seed", seed, 0, 2**128 - 1)
    ranges = FAMILIES[family].ranges
    low, high = np.array(ranges).T
    whole = np.isin(FAMILIES[family].parameters, FAMILIES[family].whole)
    bits = np.random.Philox(key=seed)
    words = bits.random_raw(n * len(ranges)).reshape(n, len(ranges))
    uniform = (words >> np.uint64(11)) * 2.0**-53
    params = low + (high - low + whole) * uniform
    return np.where(whole, np.floor(params), params)


@with_defaults
def scale_params(params: Params) -> np.ndarray:
    """(x0, y0, a/3, b/3, c/3, d/3), each in [-1, 1]: float64 [..., 6] to float64 [..., 6].

    This is what the original loader of 2019 gave. A DataFrame or a dict of columns is matched by
    its names, as in `fdd.render`. Raises FddError unless params are numbers in these columns.
    """
    return as_params(params) / _SCALE


@with_defaults
def canonical_params(params: Params) -> np.ndarray:
    """(x0, y0, |a|, sign(a) b, c, d): float64 [..., 6] to float64 [..., 6].

    (a, b) and (-a, -b) draw the same attractor, so the sign of a cannot be read from an image; the
    canonical form is the one of the two with a > 0, or with b >= 0 where a is 0. A DataFrame or a
    dict of columns is matched by its names, as in `fdd.render`. Raises FddError unless params are
    numbers in these columns.
    """
    canonical = as_params(params)
    a, b = canonical[..., 2], canonical[..., 3]
    flipped = (a < 0) | ((a == 0) & (b < 0))
    canonical[..., 2:4] = np.where(flipped[..., None], -canonical[..., 2:4], canonical[..., 2:4])
    return canonical + 0.0  # no negative zero


FORMS: dict[str, Callable[[Params], np.ndarray]] = {
    "raw": as_params,
    "scaled": scale_params,
    "canonical": canonical_params,
}
