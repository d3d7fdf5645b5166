"""Correctly rounded sine and cosine for |x| <= 1024: sixteen lanes at a time, or one.

With t = k/64 the multiple of 1/64 nearest to x, r = x - t is exact and |r| <= 1/128, and

    sin x = sin t cos r + cos t sin r = S + C r + r^2 (S B(r^2) + C r A(r^2)) + (tails of S and C)

where S + S' and C + C' are sin t and cos t as pairs of float64, and A, B are polynomials for
(sin r - r)/r^3 and (cos r - 1)/r^2. No multiple of pi is needed up to |x| = 15. The sum is kept
as h + lo. The cosine is the same sum with the roles changed: cos x = C - S r + ...

Bound of the first try, with q = r^2 and u = 2^-53, in units of u q:
- h is the rounded sum of S and the rounded product C r. S is a multiple of 2^-58, so that S - h is
  exact also where |S| < |C r| (Fast2Sum; Boldo, Graillat and Muller 2017), and one fused
  multiply-add gives the error l = C r - (h - S), rounded.
- B is off by 0.25 (rounding at 1/2) and 0.06 (series cut after q^2); v = S B + p A, |v| <= 0.502,
  rounds by 0.5; q v takes 0.51 from the rounding of q, lo another 0.51; the omitted S' B q is at
  most 0.25; the rest of the sum is below 0.02. Together at most 2.1.
- adding +-e to lo rounds once more: 0.51. In all less than 2.7, which is 1.35 * 2^-52 q.
- l, the tails C' r + S' and their sum round at 2^-54: less than 2^-104, whatever q is.
So the true sine lies within e = 1.35 * 2^-52 q + 2^-90 |S| of h + lo: |S| > 2^-11 in each row but
the one of t = 0, where S = S' = C' = 0, the sum is r + r^3 A and 1.35 * 2^-52 q covers it alone.
If h + (lo + e) and h + (lo - e) round to one float64, that is the answer. In about 1 of 1800 sines
they do not, and the second try repeats the sum in double-double arithmetic, good to 2^-98. What it
leaves open becomes NaN, and the caller asks the reference.

Beyond 15, n whole turns go first, 2 pi being the words W1 + W2 (+ W3). With n nearest to x / 2 pi,
x - n W1 is exact: a multiple of 2^-51 below 4. Taking off n W2 leaves a head and a tail, whose
errors (of n W3, below 2^-97; of x - n W1 - head where that is not exact, below 2^-96) are less than
2^-95 n, which e includes. r + tail is renormalised to r and a new tail of at most u |r|, which
enters as tail (C - S r): what that omits is below 0.01 u q.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numpy.typing import ArrayLike

from fdd.arithmetic.compiling import jit, source_digest
from fdd.arithmetic.lane_memory import address, constant_table, load, load_one, lookup, store
from fdd.arithmetic.lanes import LANES, agreed, doubts, fabs, fma, where_less
from fdd.arithmetic.sine_table import ROWS, table, taylor, turn_words
from fdd.attractors import reference
from fdd.errors import FddError

NARROW = 15.0
"""Largest |x| that the table reaches without a multiple of pi; it goes a little further."""

LIMIT = reference.LIMIT
"""Largest |x| taken."""

_MAGIC = 1.5 * 2.0**52  # adding it rounds to an integer, which lands in the low bits
_NODE_MAGIC = _MAGIC / 64  # adding it rounds to a multiple of 1/64
_TURN = turn_words(3)
_PER_TURN = 1 / _TURN[0]

_table = constant_table("fdd_sine_table", table)

_A0, _A1, _A2 = -1 / 6, 1 / 120, -1 / 5040
_B0, _B1, _B2 = -1 / 2, 1 / 24, -1 / 720
_E_SQUARE = 1.35 * 2.0**-52
_E_NODE = 2.0**-90
_E_TURN = 2.0**-95


@numba.njit(inline="always", error_model="numpy")
def _error(s: Any, q: Any, e_node: Any) -> Any:
    return fma(q, _E_SQUARE, e_node)


@numba.njit(inline="always", error_model="numpy")
def _candidates(s: Any, c: Any, tails: Any, r: Any, e_node: Any) -> Any:
    p = c * r
    h = s + p
    l = fma(c, r, s - h)
    q = r * r
    a = fma(fma(q, _A2, _A1), q, _A0)
    b = fma(fma(q, _B2, _B1), q, _B0)
    lo = fma(q, fma(s, b, p * a), l + tails)
    e = _error(s, q, e_node)
    return h + (lo + e), h + (lo - e)


@numba.njit(inline="always", error_model="numpy")
def _rows(key: Any) -> Any:
    return lookup(_table(), key)


@numba.njit(inline="always", error_model="numpy")
def _nearest(x: Any) -> Any:
    """The table's rows nearest to x, |x| <= NARROW, and x less their node."""
    key = x + _NODE_MAGIC
    return _rows(key), x - (key - _NODE_MAGIC)


@numba.njit(inline="always", error_model="numpy")
def _node_error(s: Any) -> Any:
    return fabs(s) * _E_NODE


@numba.njit(inline="always", error_model="numpy")
def _first_try(s: Any, c: Any, s_tail: Any, c_tail: Any, r: Any) -> Any:
    tails = fma(c_tail, r, s_tail)
    upper, lower = _candidates(s, c, tails, r, _node_error(s))
    return agreed(upper, lower)


@numba.njit(inline="always", error_model="numpy")
def sin_lanes(x: Any) -> Any:
    """Correctly rounded sine of |x| <= NARROW, in doubt in the few lanes that stay open."""
    (s, c, s_tail, c_tail), r = _nearest(x)
    return _first_try(s, c, s_tail, c_tail, r)


@numba.njit(inline="always", error_model="numpy")
def cos_lanes(x: Any) -> Any:
    """Correctly rounded cosine of |x| <= NARROW, in doubt in the few lanes that stay open."""
    (s, c, s_tail, c_tail), r = _nearest(x)
    return _first_try(c, s, c_tail, s_tail, -r)


@numba.njit(inline="always", error_model="numpy")
def _nearest_wide(x: Any) -> Any:
    """As `_nearest` for |x| <= LIMIT: also the tail of x less its node, and the turns taken off."""
    n = fma(x, _PER_TURN, _MAGIC) - _MAGIC
    whole = fma(n, -_TURN[0], x)
    head = fma(n, -_TURN[1], whole)
    tail = fma(n, -_TURN[1], whole - head)
    rows, rest = _nearest(head)
    r = rest + tail
    return rows, r, (rest - r) + tail, n


@numba.njit(inline="always", error_model="numpy")
def _first_try_wide(
    x: Any, s: Any, c: Any, s_tail: Any, c_tail: Any, r: Any, r_tail: Any, n: Any
) -> Any:
    tails = fma(r_tail, fma(-s, r, c), fma(c_tail, r, s_tail))
    e_node = fma(fabs(n), _E_TURN, _node_error(s))
    upper, lower = _candidates(s, c, tails, r, e_node)
    return agreed(upper, lower + where_less(LIMIT, fabs(x), math.nan, 0.0 * s))


@numba.njit(inline="always", error_model="numpy")
def wide_sin_lanes(x: Any) -> Any:
    """Correctly rounded sine of any x, in doubt in lanes that stay open or exceed LIMIT."""
    (s, c, s_tail, c_tail), r, r_tail, n = _nearest_wide(x)
    return _first_try_wide(x, s, c, s_tail, c_tail, r, r_tail, n)


@numba.njit(inline="always", error_model="numpy")
def wide_cos_lanes(x: Any) -> Any:
    """Correctly rounded cosine of any x, in doubt in lanes that stay open or exceed LIMIT."""
    (s, c, s_tail, c_tail), r, r_tail, n = _nearest_wide(x)
    return _first_try_wide(x, c, s, c_tail, s_tail, -r, -r_tail, n)


_T3, _T3_TAIL = taylor(3)
_T4, _T4_TAIL = taylor(4)
_T5, _T5_TAIL = taylor(5)
_T6, _T7, _T8, _T9, _T10, _T11 = (taylor(n)[0] for n in range(6, 12))


@numba.njit(inline="always", error_model="numpy")
def _product(x: float, y: float) -> Any:
    p = x * y
    return p, fma(x, y, -p)


@numba.njit(inline="always", error_model="numpy")
def _dd_product(x: float, x_tail: float, y: float, y_tail: float) -> Any:
    p, e = _product(x, y)
    e = fma(x, y_tail, fma(x_tail, y, e))
    h = p + e
    return h, e - (h - p)


@numba.njit(inline="always", error_model="numpy")
def _dd_sum(x: float, x_tail: float, y: float, y_tail: float) -> Any:
    s = x + y
    t = s - x
    e = (x - (s - t)) + (y - t) + (x_tail + y_tail)
    h = s + e
    return h, e - (h - s)


@numba.njit(error_model="numpy")
def _second_try(
    s: float, c: float, s_tail: float, c_tail: float, r: float, r_tail: float, e_turn: float
) -> float:
    q, q_tail = _product(r, r)
    q_tail = fma(2.0 * r, r_tail, q_tail)
    high = fma(fma(fma(q, _T11, _T9), q, _T7), q, 0.0)  # sin r = r + r^3 (T3 + q (T5 + high))
    a, a_tail = _dd_sum(_T5, _T5_TAIL, high, 0.0)
    a, a_tail = _dd_product(a, a_tail, q, q_tail)
    a, a_tail = _dd_sum(_T3, _T3_TAIL, a, a_tail)
    a, a_tail = _dd_product(a, a_tail, q, q_tail)
    a, a_tail = _dd_product(a, a_tail, r, r_tail)
    a, a_tail = _dd_sum(r, r_tail, a, a_tail)
    if s == 0.0:  # the sine at node 0
        h, tail, e = a, a_tail, math.fabs(a) * 2.0**-96 + e_turn
    else:
        high = fma(fma(fma(q, _T10, _T8), q, _T6), q, 0.0)  # cos r - 1 = q (-1/2 + q (T4 + high))
        b, b_tail = _dd_sum(_T4, _T4_TAIL, high, 0.0)
        b, b_tail = _dd_product(b, b_tail, q, q_tail)
        b, b_tail = _dd_sum(-0.5, 0.0, b, b_tail)
        b, b_tail = _dd_product(b, b_tail, q, q_tail)
        a, a_tail = _dd_product(c, c_tail, a, a_tail)
        b, b_tail = _dd_product(s, s_tail, b, b_tail)
        a, a_tail = _dd_sum(a, a_tail, b, b_tail)
        h, tail = _dd_sum(s, s_tail, a, a_tail)
        e = math.fabs(h) * 2.0**-96 + 2.0**-98
    upper, lower = h + (tail + e), h + (tail - e)
    return upper if upper == lower else math.nan


@numba.njit(error_model="numpy")
def _reduced(x: float) -> Any:
    """The node of x, |x| <= LIMIT, in 64ths; x less it as a sum; how many turns were taken off."""
    n, head, tail = 0.0, x, 0.0
    if math.fabs(x) > NARROW:
        n = fma(x, _PER_TURN, _MAGIC) - _MAGIC
        product, error = _product(n, _TURN[1])
        head, tail = _dd_sum(fma(n, -_TURN[0], x), 0.0, -product, fma(n, -_TURN[2], -error))
    nearest = fma(head, 64.0, _MAGIC) - _MAGIC
    r, r_tail = _dd_sum(fma(nearest, -1.0 / 64.0, head), 0.0, tail, 0.0)
    return nearest, r, r_tail, math.fabs(n)


@numba.njit(error_model="numpy")
def _decided(
    s: float, c: float, s_tail: float, c_tail: float, r: float, r_tail: float, turns: float
) -> float:
    tails = fma(r_tail, fma(-s, r, c), fma(c_tail, r, s_tail))
    upper, lower = _candidates(s, c, tails, r, fma(turns, _E_TURN, math.fabs(s) * _E_NODE))
    if upper == lower:
        return upper
    return _second_try(s, c, s_tail, c_tail, r, r_tail, turns * 2.0**-102)


@numba.njit(error_model="numpy")
def _rounded(x: float, cosine: bool) -> float:
    nearest, r, r_tail, turns = _reduced(x)
    row = 4 * (int(nearest) & (ROWS - 1))
    s, c = load_one(_table(), row), load_one(_table(), row + 1)
    s_tail, c_tail = load_one(_table(), row + 2), load_one(_table(), row + 3)
    if cosine:
        return _decided(c, s, c_tail, s_tail, -r, -r_tail, turns)
    return _decided(s, c, s_tail, c_tail, r, r_tail, turns)


@numba.njit(error_model="numpy")
def sin_one(x: float) -> float:
    """Correctly rounded sine of one |x| <= LIMIT, or NaN: beyond it, and where still open."""
    return _rounded(x, False) if math.fabs(x) <= LIMIT else math.nan


@numba.njit(error_model="numpy")
def cos_one(x: float) -> float:
    """Correctly rounded cosine of one |x| <= LIMIT, or NaN: beyond it, and where still open."""
    return _rounded(x, True) if math.fabs(x) <= LIMIT else math.nan


def _make_fill(lanes_function: Any, one: Any, sources: str) -> Any:
    @jit
    def fill(x: Any, results: Any) -> None:
        """Fills results [n] from x [n], n a multiple of LANES; NaN where neither try decides."""
        sources  # noqa: B018  a key of the compiled code's cache
        for i in range(0, x.size, LANES):
            result = lanes_function(load(address(x), i))
            store(address(results), i, result)
            open_lanes = doubts(result, result)
            for lane in range(LANES):
                if open_lanes >> lane & 1:
                    results[i + lane] = one(x[i + lane])

    return fill


_SOURCES = source_digest(
    "arithmetic/compiling",
    "arithmetic/lane_memory",
    "arithmetic/lanes",
    "arithmetic/sine_table",
    "arithmetic/sines",
    "attractors/reference",
)
_fill_sin = _make_fill(wide_sin_lanes, sin_one, _SOURCES)
_fill_cos = _make_fill(wide_cos_lanes, cos_one, _SOURCES)


def _elementwise(fill: Any, exactly: Callable[[float], float], x: ArrayLike) -> np.ndarray:
    values = np.asarray(x, np.float64)
    if not np.all(np.abs(values) <= LIMIT):
        raise FddError(f"x must be finite numbers from -{LIMIT:g} to {LIMIT:g}")
    padded = np.zeros(-(-values.size // LANES) * LANES)
    padded[: values.size] = values.ravel()
    results = np.empty_like(padded)
    fill(padded, results)
    for i in np.flatnonzero(np.isnan(results[: values.size])):
        results[i] = exactly(float(padded[i]))
    return results[: values.size].reshape(values.shape)


def sin(x: ArrayLike) -> np.ndarray:
    """The float64 nearest to the true sine, elementwise: float64 [...] to float64 [...].

    The rounding is IEEE's to nearest even; a zero keeps its value, not its sign. Raises FddError
    unless every |x| <= 1024.
    """
    return _elementwise(_fill_sin, reference.sin, x)


def cos(x: ArrayLike) -> np.ndarray:
    """The float64 nearest to the true cosine, elementwise: float64 [...] to float64 [...].

    Raises FddError unless every |x| <= 1024.
    """
    return _elementwise(_fill_cos, reference.cos, x)
