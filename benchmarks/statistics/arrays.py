"""What every score shares: checks of what comes in, standardised columns, generators, folds."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fdd.defaults import matplotlib
from fdd.errors import FddError, missing_extra, shown, whole_number

Floats = NDArray[np.float64]
Test = tuple[ArrayLike, ArrayLike] | None
"""Held-out codes [M, K] and params [M, D], for scores that fit something."""
REGULAR = 1e-3  # smallest pivot, by the largest, of a matrix that may be squared out
LARGEST = 1e100  # beyond it, squares and sums of squares would leave the finite numbers


def require(module: str) -> ModuleType:
    """The module of that name, or an FddError that says which extra installs it."""
    try:
        if module.partition(".")[0] == "matplotlib":
            matplotlib()
        return importlib.import_module(module)
    except ImportError as error:
        raise missing_extra("benchmarks", error) from error


def real_array(name: str, value: ArrayLike) -> NDArray[Any]:
    """`value` as an array of finite real numbers in its own dtype; an FddError otherwise."""
    try:
        array = np.asarray(value)
    except (TypeError, ValueError) as error:
        raise FddError(f"{name} cannot be read as an array: {error}") from error
    if array.dtype.kind not in "biuf":
        raise FddError(f"{name} has dtype {array.dtype}: it must hold real numbers")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        bad = ~np.isfinite(array)
        where = tuple(int(i) for i in np.argwhere(bad)[0])
        raise FddError(
            f"{name} holds NaN or infinity: {bad.sum()} of {bad.size} values, "
            f"the first at index {where}"
        )
    return array


def row(name: str, value: ArrayLike) -> NDArray[Any]:
    """`value` as an array [N] of finite real numbers in its own dtype; an FddError otherwise."""
    array = real_array(name, value)
    if array.ndim != 1:
        raise FddError(f"{name} has shape {array.shape}: it must be [N]")
    return array


def matrix(name: str, value: ArrayLike, rows: int = 2) -> Floats:
    """`value` as float64 [N >= rows, K >= 1] with every |value| <= 1e100; an FddError otherwise."""
    array = real_array(name, value)
    if array.ndim != 2:
        raise FddError(f"{name} has shape {array.shape}: it must be 2-D, [rows, columns]")
    if array.shape[0] < rows:
        raise FddError(f"{name} has shape {array.shape}: it must have at least {rows} rows")
    if array.shape[1] == 0:
        raise FddError(f"{name} has shape {array.shape}: it must have at least 1 column")
    array = array.astype(np.float64)
    largest = max(array.max(), -array.min())
    if largest > LARGEST:
        raise FddError(f"{name} reaches {largest:.3g} in size: at most 1e100 is allowed")
    return array


def constant_columns(array: Floats) -> NDArray[np.bool_]:
    """bool [..., K]: which columns of [..., N, K] hold one value only; no threshold, so at any
    scale."""
    first = array[..., 0, :]
    middle, last = array[..., array.shape[-2] // 2, :], array[..., -1, :]
    found = (first == middle) & (first == last)  # tells most at once
    if found.any():
        found &= (array == array[..., :1, :]).all(axis=-2)
    return np.asarray(found)


def varying(array: Floats) -> Floats:
    """[N, K] without its constant columns; itself where there are none."""
    constant = constant_columns(array)
    return array[:, ~constant] if constant.any() else array


def targets(name: str, value: ArrayLike, rows: int = 2) -> Floats:
    """`matrix`, and no column may be constant: it would have no variance to explain."""
    array = matrix(name, value, rows)
    dead = np.flatnonzero(constant_columns(array))
    if dead.size:
        raise FddError(
            f"{name} column {dead[0]} is constant: it has no variance to explain; drop it"
        )
    return array


@dataclass(frozen=True)
class Pairs:
    """Checked codes [N, K] and params [N, D], and the held-out ones (None without)."""

    codes: Floats
    params: Floats
    test: tuple[Floats, Floats] | None


def check_pairs(
    codes: ArrayLike, params: ArrayLike, test: tuple[ArrayLike, ArrayLike] | None
) -> Pairs:
    """Checks what a score is given.

    Raises FddError where an array is not numbers [rows, columns], is not finite, has fewer than two
    rows, where rows or columns do not agree, and where a parameter is constant.
    """
    x, y = matrix("codes", codes), targets("params", params)
    same(("codes", len(x)), ("params", len(y)), "rows")
    if test is None:
        return Pairs(x, y, None)
    if not isinstance(test, (tuple, list)) or len(test) != 2:
        raise FddError(f"test is {type(test).__name__}: it must be a pair (codes, params)")
    tx, ty = matrix("test codes", test[0]), targets("test params", test[1])
    same(("test codes", len(tx)), ("test params", len(ty)), "rows")
    same(("codes", x.shape[1]), ("test codes", tx.shape[1]), "columns")
    same(("params", y.shape[1]), ("test params", ty.shape[1]), "columns")
    return Pairs(x, y, (tx, ty))


def same(one: tuple[str, int], other: tuple[str, int], what: str) -> None:
    """An FddError unless two named counts agree."""
    if one[1] != other[1]:
        raise FddError(f"{one[0]} has {one[1]} {what} and {other[0]} {other[1]}: they must agree")


def enough_rows(name: str, rows: int, fewest: int, option: str) -> None:
    """An FddError unless there are as many rows as an option needs."""
    if rows < fewest:
        raise FddError(f"{name} has {rows} rows: it must have at least {fewest} for {option}")


def is_number(value: Any) -> bool:
    """Whether it is a real number of Python or numpy, and no boolean."""
    kinds = (int, float, np.integer, np.floating)
    return isinstance(value, kinds) and not isinstance(value, bool)


def real_number(name: str, value: Any, lowest: float, highest: float) -> float:
    """The value as a float; an FddError unless it is a number in the closed range."""
    if not is_number(value) or not lowest <= value <= highest:
        raise FddError(f"{name}={shown(value)} must be a number from {lowest} to {highest}")
    return float(value)


def generator(seed: int) -> np.random.Generator:
    """The generator of a seed; an FddError unless that is a whole number of at least 0."""
    return np.random.default_rng(whole_number("seed", seed, 0))


def standardise(train: Floats, *others: Floats) -> tuple[Floats, ...]:
    """All arrays [*, K] by mean and deviation of the first, without its constant columns.

    Scaled in two steps, so that neither tiny nor huge columns under- or overflow. A stack
    [B, *, K] may have no constant column.
    """
    constant = constant_columns(train)
    if constant.any():
        return standardise(*(array[:, ~constant] for array in (train, *others)))
    mean = train.mean(axis=-2, keepdims=True)
    apart = train - mean
    size = np.abs(apart).max(axis=-2, keepdims=True)
    apart /= size
    spread = apart.std(axis=-2, keepdims=True)
    return apart / spread, *((array - mean) / size / spread for array in others)


def unit_columns(array: Floats) -> Floats:
    """`standardise` of [..., N, K] or of stacks of it, with zeros in place of constant columns."""
    constant = constant_columns(array)[..., None, :]
    ramp = np.arange(array.shape[-2])[:, None]  # it stands in for a column that cannot be scaled
    return np.where(constant, 0, standardise(np.where(constant, ramp, array))[0])


def regular_factor(rows: Floats) -> Floats | None:
    """Cholesky's factor L [K, K], LL' = X'X, of rows X [N, K]; None where it is not exact enough.

    It is much quicker than the decompositions of X itself. Of a stack [B, N, K], [B, K, K], or None
    where one of them is not.
    """
    try:
        factor = np.asarray(np.linalg.cholesky(np.swapaxes(rows, -1, -2) @ rows), np.float64)
    except np.linalg.LinAlgError:
        return None
    pivots = np.diagonal(factor, axis1=-2, axis2=-1)
    exact = pivots.min(axis=-1) > REGULAR * pivots.max(axis=-1)
    return factor if exact.all() else None


def folds(rows: int, count: int, seed: int) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    """(train rows, held-out rows) of a shuffled `count`-fold split, at most one fold a row."""
    order = generator(seed).permutation(rows)
    for held_out in np.array_split(order, min(count, rows)):
        yield np.setdiff1d(order, held_out), np.sort(held_out)
