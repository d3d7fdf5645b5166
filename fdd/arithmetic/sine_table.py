"""The constants of the exact sine: its table of nodes, the words of 2 pi, Taylor coefficients.

All from integers of 400 bits, so that they can be made anywhere and checked by anyone.
"""

from __future__ import annotations

from fractions import Fraction
from math import factorial

STEPS = 64
"""Nodes to the unit."""

ROWS = 2048
"""Rows of the table: a power of two above 2 * 15 * STEPS."""

_BITS = 400


def _sine_cosine_nodes() -> list[tuple[int, int]]:
    """sin(k/64) and cos(k/64), k = 0 .. 1024, as integers scaled by 2^_BITS.

    Angle addition from k = 1 loses about 2 units a step: over 380 of the 400 bits stay right.
    """
    one = 1 << _BITS
    sine = cosine = 0
    term, n = one, 0
    while term:  # Taylor series at 1/64
        if n % 2:
            sine += term if n % 4 == 1 else -term
        else:
            cosine += term if n % 4 == 0 else -term
        n += 1
        term = term // (STEPS * n)
    nodes = [(0, one)]
    for _ in range(ROWS // 2):
        s, c = nodes[-1]
        nodes.append(((s * cosine + c * sine) >> _BITS, (c * cosine - s * sine) >> _BITS))
    return nodes


def _pair(value: int, quantum: int) -> tuple[float, float]:
    """`value` / 2^_BITS as head + tail, the head a multiple of 2^-quantum."""
    one = 1 << _BITS
    if abs(value) < one >> 5:
        unit = one >> quantum
        head = (value + unit // 2) // unit * unit
    else:
        numerator, denominator = (value / one).as_integer_ratio()
        head = numerator * one // denominator
    return head / one, (value - head) / one


def table() -> list[float]:
    """Rows (S, C, S', C') of t = k/64, at row k modulo 2048, flat: 8192 floats."""
    rows: list[tuple[float, float, float, float]] = [(0.0, 1.0, 0.0, 0.0)] * ROWS
    for k, (sine, cosine) in enumerate(_sine_cosine_nodes()):
        (s, s_tail), (c, c_tail) = _pair(sine, 58), _pair(cosine, 58)
        rows[-k % ROWS] = (-s, c, -s_tail, c_tail)
        rows[k % ROWS] = (s, c, s_tail, c_tail)
    return [value for row in rows for value in row]


def turn_words(count: int) -> tuple[float, ...]:
    """2 pi as a sum of float64, by Machin's formula."""
    one = 1 << _BITS

    def arc_tangent_of_inverse(x: int) -> int:
        total, power, n = 0, one // x, 1
        while power:
            total += power // n if n % 4 == 1 else -(power // n)
            power //= x * x
            n += 2
        return total

    rest = Fraction(8 * (4 * arc_tangent_of_inverse(5) - arc_tangent_of_inverse(239)), one)
    words = []
    for _ in range(count):
        words.append(float(rest))
        rest -= Fraction(words[-1])
    return tuple(words)


def taylor(n: int) -> tuple[float, float]:
    """The Taylor coefficient +-1/n! of sine or cosine as head + tail."""
    exact = Fraction(-1 if n % 4 in (2, 3) else 1, factorial(n))
    head = float(exact)
    return head, float(exact - Fraction(head))
