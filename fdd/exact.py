"""Correctly rounded sine for |x| <= 15: eight lanes at a time, and one at a time.

With t = k/64 the multiple of 1/64 nearest to x, r = x - t is exact and |r| <= 1/128, and

    sin x = sin t cos r + cos t sin r = S + C r + r^2 (S B(r^2) + C r A(r^2)) + (tails of S and C)

where S + S' and C + C' are sin t and cos t as pairs of float64, and A, B are polynomials for
(sin r - r)/r^3 and (cos r - 1)/r^2. No multiple of pi is needed. The sum is kept as h + lo.

Bound of the first try, with q = r^2 and u = 2^-53, in units of u q:
- h + l = S + C r up to the product's error pe, which one fused multiply-add gives. S is rounded to
  a multiple of 2^-58, so that Fast2Sum is exact also where |S| < |C r| (Boldo, Graillat and Muller
  2017).
- B is off by 0.25 (rounding at 1/2) and 0.06 (series cut after q^2); v = S B + p A, |v| <= 0.502,
  rounds by 0.5; q v takes 0.51 from the rounding of q, lo another 0.51; the omitted S' B q is at
  most 0.25; the rest of the sum is below 0.02. Together at most 2.1.
- adding +-e to lo rounds once more: 0.51. In all less than 2.7, which is 1.35 * 2^-52 q.
- the tails l + pe, C' r + S' and their sum round at 2^-54: less than 2^-104, whatever q is.
So the true sine lies within e = 1.35 * 2^-52 q + 2^-90 |S| of h + lo: |S| > 2^-11 in each row but
the one of t = 0, where S = S' = C' = 0, the sum is r + r^3 A and 1.35 * 2^-52 q covers it alone.
If h + (lo + e) and h + (lo - e) round to one float64, that is the answer. In about 1 of 3000 sines
they do not, and the second try repeats the sum in double-double arithmetic, good to 2^-98. What it
leaves open becomes NaN, and the caller asks the reference.
"""

from __future__ import annotations

import math
from fractions import Fraction
from math import factorial
from typing import Any

import numba
import numpy as np
from numpy.typing import ArrayLike

from fdd import reference
from fdd.errors import FddError
from fdd.jit import jit, source_digest
from fdd.simd import (
    LANES,
    absolute,
    address,
    agreed,
    constant_table,
    fma,
    load,
    load_one,
    lookup,
    store,
)

LIMIT = 15.0  # largest |x| taken; the table goes a little further

_STEPS = 64  # nodes to the unit
_ROWS = 2048  # a power of two above 2 * LIMIT * _STEPS
_MAGIC = 1.5 * 2.0**52  # adding it rounds to an integer, which lands in the low bits
_WORKING_BITS = 400


def _sine_cosine_nodes() -> list[tuple[int, int]]:
    """sin(k/64) and cos(k/64), k = 0 .. 1024, as integers scaled by 2^_WORKING_BITS.

    Angle addition from k = 1 loses about 2 units a step: over 380 of the 400 bits stay right.
    """
    one = 1 << _WORKING_BITS
    sine = cosine = 0
    term, n = one, 0
    while term:  # Taylor series at 1/64
        if n % 2:
            sine += term if n % 4 == 1 else -term
        else:
            cosine += term if n % 4 == 0 else -term
        n += 1
        term = term // (_STEPS * n)
    nodes = [(0, one)]
    for _ in range(_ROWS // 2):
        s, c = nodes[-1]
        nodes.append(
            ((s * cosine + c * sine) >> _WORKING_BITS, (c * cosine - s * sine) >> _WORKING_BITS)
        )
    return nodes


def _pair(value: int, quantum: int = 0) -> tuple[float, float]:
    """`value` / 2^_WORKING_BITS as head + tail; the head a multiple of 2^-quantum if given."""
    one = 1 << _WORKING_BITS
    if quantum and abs(value) < one >> 5:
        unit = one >> quantum
        head = (value + unit // 2) // unit * unit
    else:
        numerator, denominator = (value / one).as_integer_ratio()
        head = numerator * one // denominator
    return head / one, (value - head) / one


def table() -> list[float]:
    """Rows (S, C, S', C') of t = k/64, at row k modulo 2048, flat: 8192 floats."""
    rows: list[tuple[float, float, float, float]] = [(0.0, 1.0, 0.0, 0.0)] * _ROWS
    for k, (sine, cosine) in enumerate(_sine_cosine_nodes()):
        (s, s_tail), (c, c_tail) = _pair(sine, quantum=58), _pair(cosine)
        rows[-k % _ROWS] = (-s, c, -s_tail, c_tail)
        rows[k % _ROWS] = (s, c, s_tail, c_tail)
    return [value for row in rows for value in row]


_table = constant_table("fdd_sine_table", table)

_A0, _A1, _A2 = -1 / 6, 1 / 120, -1 / 5040
_B0, _B1, _B2 = -1 / 2, 1 / 24, -1 / 720
_E_SQUARE = 1.35 * 2.0**-52
_E_NODE = 2.0**-90


@numba.njit(inline="always", error_model="numpy")
def _candidates(s: Any, c: Any, s_tail: Any, c_tail: Any, r: Any, e_node: Any) -> Any:
    p = c * r
    pe = fma(c, r, p * -1.0)
    h = s + p
    l = p - (h - s)
    q = r * r
    a = fma(fma(q, _A2, _A1), q, _A0)
    b = fma(fma(q, _B2, _B1), q, _B0)
    lo = fma(q, fma(s, b, p * a), (l + pe) + fma(c_tail, r, s_tail))
    e = fma(q, _E_SQUARE, e_node)
    return h + (lo + e), h + (lo - e)


@numba.njit(inline="always", error_model="numpy")
def sin_lanes(x: Any) -> Any:
    """Correctly rounded sine in each lane, or NaN in the few lanes that the first try leaves open.

    Every |x| must be at most LIMIT.
    """
    key = fma(x, 64.0, _MAGIC)
    r = fma(key - _MAGIC, -1.0 / 64.0, x)
    s, c, s_tail, c_tail = lookup(_table(), key)
    upper, lower = _candidates(s, c, s_tail, c_tail, r, absolute(s) * _E_NODE)
    return agreed(upper, lower)


def _double_double(n: int) -> tuple[float, float]:
    """The Taylor coefficient +-1/n! of sine or cosine as head + tail."""
    exact = Fraction(-1 if n % 4 in (2, 3) else 1, factorial(n))
    head = float(exact)
    return head, float(exact - Fraction(head))


_T3, _T3_TAIL = _double_double(3)
_T4, _T4_TAIL = _double_double(4)
_T5, _T5_TAIL = _double_double(5)
_T6, _T7, _T8, _T9, _T10, _T11 = (_double_double(n)[0] for n in range(6, 12))


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
def _second_try(k: int, r: float, s: float, c: float, s_tail: float, c_tail: float) -> float:
    q, q_tail = _product(r, r)
    high = fma(fma(fma(q, _T11, _T9), q, _T7), q, 0.0)  # sin r = r + r^3 (T3 + q (T5 + high))
    a, a_tail = _dd_sum(_T5, _T5_TAIL, high, 0.0)
    a, a_tail = _dd_product(a, a_tail, q, q_tail)
    a, a_tail = _dd_sum(_T3, _T3_TAIL, a, a_tail)
    a, a_tail = _dd_product(a, a_tail, q, q_tail)
    a, a_tail = _dd_product(a, a_tail, r, 0.0)
    a, a_tail = _dd_sum(r, 0.0, a, a_tail)
    if k == 0:
        h, tail, e = a, a_tail, abs(a) * 2.0**-96
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
        e = abs(h) * 2.0**-96 + 2.0**-98
    upper, lower = h + (tail + e), h + (tail - e)
    return upper if upper == lower else math.nan


@numba.njit(error_model="numpy")
def sin_one(x: float) -> float:
    """Correctly rounded sine of one |x| <= LIMIT, or NaN where 2^-98 does not decide it."""
    nearest = fma(x, 64.0, _MAGIC) - _MAGIC
    r = fma(nearest, -1.0 / 64.0, x)
    if not math.isfinite(r):
        return math.nan
    k = int(nearest)
    row = 4 * (k & (_ROWS - 1))
    s, c = load_one(_table(), row), load_one(_table(), row + 1)
    s_tail, c_tail = load_one(_table(), row + 2), load_one(_table(), row + 3)
    upper, lower = _candidates(s, c, s_tail, c_tail, r, abs(s) * _E_NODE)
    if upper == lower:
        return upper
    return _second_try(k, r, s, c, s_tail, c_tail)


def _make_sin_array(sources: str) -> Any:
    @jit
    def sin_array(x: Any, sines: Any) -> None:
        """Fills sines [n] from x [n], n a multiple of LANES; NaN where neither try decides."""
        sources  # noqa: B018  a key of the compiled code's cache
        for i in range(0, x.size, LANES):
            store(address(sines), i, sin_lanes(load(address(x), i)))
        for i in range(x.size):
            if math.isnan(sines[i]):
                sines[i] = sin_one(x[i])

    return sin_array


_sin_array = _make_sin_array(source_digest("exact", "jit", "simd"))


def sin(x: ArrayLike) -> np.ndarray:
    """The float64 nearest to the true sine, elementwise: float64 [...] to float64 [...].

    The rounding is IEEE's to nearest even; a zero keeps its value, not its sign. Raises FddError
    unless every |x| <= 15.
    """
    values = np.asarray(x, np.float64)
    if not np.all(np.abs(values) <= LIMIT):
        raise FddError(f"x must be finite numbers from -{LIMIT:g} to {LIMIT:g}")
    padded = np.zeros(-(-values.size // LANES) * LANES)
    padded[: values.size] = values.ravel()
    sines = np.empty_like(padded)
    _sin_array(padded, sines)
    for i in np.flatnonzero(np.isnan(sines[: values.size])):
        sines[i] = reference.sin(float(padded[i]))
    return sines[: values.size].reshape(values.shape)
