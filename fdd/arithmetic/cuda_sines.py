"""Correctly rounded sine and cosine on CUDA: the functions of `fdd.arithmetic.sines` themselves.

They are compiled anew with their bare names (`fma`, `agreed`, ...) bound to the operations of
`fdd.arithmetic.cuda_numbers`, which round as the CPU's do. What differs is the table of the first
try, which has to share a block's memory with little else, so that many blocks run side by side:

- Only the nodes t = k/64 of k = 0 .. 1023 are kept; those of -k differ in the sign of S and S'.
- Of the tails S' and C' only the upper words are kept, rounded to 21 bits, since they become a
  float64 without a conversion. |S'|, |C'| <= 2^-54 makes each wrong by at most 2^-75, and the sum
  by 2^-75 (1 + |r|) < 1.01 * 2^-75. So the error of a node is e_node = 1.03125 * 2^-75, in which
  the 2^-90 |S| of `fdd.arithmetic.sines` has room. At node 0 of the sine S = S' = C' = 0, and
  e_node = 0.

And the first try is judged more closely, since a whole warp waits for a sine in doubt. All parts of
the bound in `fdd.arithmetic.sines` are products with S or with p = C r, |p| <= 2^-7. Of |S| u q: B
takes 0.31, the roundings of v, q, lo and of lo +- e 0.51 each, the omitted S' B q 0.5. Of |p| u q:
A takes 0.45 and the four roundings 0.17 each. Together less than 2.85 |S| + 1.15 |p|, and beyond 15
another 0.005. So e = 1.45 * 2^-52 q (|S| + 2^-7) + e_node. Steps of random orbits are in doubt a
sixth as often.

A sine that the first try leaves open is NaN; `sin_one` and `cos_one` are complete, with the full
table in global memory.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from types import FunctionType
from typing import Any

import numpy as np

from fdd.arithmetic import cuda_numbers, sines
from fdd.arithmetic.cuda_numbers import (
    constant_table,
    device,
    fma,
    from_words,
    high_word,
    inlined,
    load_shared,
    load_shared_pair,
    low_word,
)
from fdd.arithmetic.sine_table import table
from fdd.attractors import reference

NODES = 1024
"""Rows of the table of the first try: k = 0 .. 1023."""

TABLE_NUMBERS = 3 * NODES
"""Its length in float64: pairs S, C, and after all of them the upper words of S' and C' in one."""

_E_NODE = 1.03125 * 2.0**-75  # its low word is 0 too, which saves an instruction
_E_SQUARE = 1.45 * 2.0**-52
_P_MOST = 1 / 128  # of |C r|
_NAN = 0x7FF80000  # the high word of one
_SIGN = -0x80000000

_ROWS = np.array(table()).reshape(-1, 4)[:NODES]
_element = constant_table("fdd_sine_table", _ROWS.ravel().tolist())


def shared_table() -> np.ndarray:
    """The table of the first try: float64 [TABLE_NUMBERS]."""
    bits = np.ascontiguousarray(_ROWS[:, 2:]).view(np.uint64)
    upper = (bits + np.uint64(1 << 31)) >> np.uint64(32)
    return np.concatenate(
        [_ROWS[:, :2].ravel(), (upper[:, 0] | upper[:, 1] << np.uint64(32)).view(np.float64)]
    )


def bound(compiled: Any, function: Callable[..., Any], **names: Any) -> Any:
    """The same function, compiled by `compiled`, some of its global names bound to other values."""
    function = getattr(function, "py_func", function)
    assert isinstance(function, FunctionType)
    names = {**function.__globals__, **names}
    return compiled(FunctionType(function.__code__, names, function.__name__))


@inlined
def _rows(key):
    """The row (S, C, S', C') of the node whose number is in the low bits of `key`."""
    k = low_word(key)
    row, sign = abs(k) & (NODES - 1), k & _SIGN
    s, c = load_shared_pair(2 * row)
    tails = load_shared(2 * NODES + row)
    s = from_words(high_word(s) ^ sign, low_word(s))
    return s, c, from_words(low_word(tails) ^ sign, 0), from_words(high_word(tails), 0)


@inlined
def _agreed(x, y):
    differing = (high_word(x) ^ high_word(y)) | (low_word(x) ^ low_word(y))
    return from_words(_NAN if differing else high_word(x), low_word(x))


@inlined
def _node_error(s):
    return _E_NODE if high_word(s) & ~_SIGN else 0.0


@inlined
def _error(s, q, e_node):
    return fma(q * _E_SQUARE, cuda_numbers.fabs(s) + _P_MOST, e_node)


@device
def _row(nearest):
    """The full row (S, C, S', C') of node `nearest`, a whole number."""
    k = low_word(nearest + sines._MAGIC)
    place = 4 * (abs(k) & (NODES - 1))
    s, s_tail = _element(place), _element(place + 2)
    if k < 0:
        s, s_tail = -s, -s_tail
    return s, _element(place + 1), s_tail, _element(place + 3)


sign, where_less = (inlined(f) for f in (reference.sign, reference.where_less))

_NAMES = {"fma": fma, "fabs": cuda_numbers.fabs, "where_less": where_less, "agreed": _agreed}
_NAMES |= {"_rows": _rows, "_node_error": _node_error, "_error": _error}
for _name in (
    "_product",
    "_dd_product",
    "_dd_sum",
    "_candidates",
    "_nearest",
    "_first_try",
    "sin_lanes",
    "cos_lanes",
    "_nearest_wide",
    "_first_try_wide",
    "wide_sin_lanes",
    "wide_cos_lanes",
):
    _NAMES[_name] = bound(inlined, getattr(sines, _name), **_NAMES)
for _name in ("_reduced", "_second_try", "_decided"):
    _NAMES[_name] = bound(device, getattr(sines, _name), **_NAMES)

_reduced, _decided = _NAMES["_reduced"], _NAMES["_decided"]


@device
def sin_one(x):
    """Correctly rounded sine of |x| <= LIMIT, or NaN: beyond it, and where still open."""
    if not cuda_numbers.fabs(x) <= sines.LIMIT:
        return math.nan
    nearest, r, r_tail, turns = _reduced(x)
    s, c, s_tail, c_tail = _row(nearest)
    return _decided(s, c, s_tail, c_tail, r, r_tail, turns)


@device
def cos_one(x):
    """Correctly rounded cosine of |x| <= LIMIT, or NaN: beyond it, and where still open."""
    if not cuda_numbers.fabs(x) <= sines.LIMIT:
        return math.nan
    nearest, r, r_tail, turns = _reduced(x)
    s, c, s_tail, c_tail = _row(nearest)
    return _decided(c, s, c_tail, s_tail, -r, -r_tail, turns)


def step_functions(wide: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a family's step is bound to: its first try (NaN where in doubt), and in full.

    `wide` tells whether arguments of sine and cosine may exceed `fdd.arithmetic.sines.NARROW`.
    """
    others = {"sqrt": cuda_numbers.sqrt, "fabs": cuda_numbers.fabs}
    others |= {"sign": sign, "where_less": where_less}
    prefix = "wide_" if wide else ""
    first = {name: _NAMES[f"{prefix}{name}_lanes"] for name in ("sin", "cos")}
    return {**first, **others}, {"sin": sin_one, "cos": cos_one, **others}
