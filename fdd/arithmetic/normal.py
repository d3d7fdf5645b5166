"""Logarithm, exponential and normal distribution, the same bits on every machine.

C libraries and numpy's vector code round log and exp differently from machine to machine, and a
parameter that differs in its last bit has another image. So these use nothing but `+ - * /`, square
roots and exact scaling, each rounded by itself as IEEE 754 says. They are not correctly rounded;
the tests hold their errors to a few units in the last place.
"""

from __future__ import annotations

import math

import numpy as np

_LN2_HIGH, _LN2_LOW = float.fromhex("0x1.62e42fee00000p-1"), float.fromhex("0x1.a39ef35793c76p-33")
"""ln 2 in two parts: the first has so many zeros at its end that its multiples are exact."""
_ROOT_HALF = 0.7071067811865476

_LOG = tuple(2.0 / power for power in range(21, 0, -2))
"""Coefficients of log((1 + s) / (1 - s)) = 2 s + 2/3 s^3 + ..., highest first."""
_EXP = tuple(1.0 / math.factorial(power) for power in range(13, -1, -1))
"""Coefficients of Taylor's series, highest first."""

# Quantiles: M. J. Wichura, The Percentage Points of the Normal Distribution, AS 241, 1988.
_MIDDLE = (
    (
        2.5090809287301226727e3,
        3.3430575583588128105e4,
        6.7265770927008700853e4,
        4.5921953931549871457e4,
        1.3731693765509461125e4,
        1.9715909503065514427e3,
        1.3314166789178437745e2,
        3.3871328727963666080e0,
    ),
    (
        5.2264952788528545610e3,
        2.8729085735721942674e4,
        3.9307895800092710610e4,
        2.1213794301586595867e4,
        5.3941960214247511077e3,
        6.8718700749205790830e2,
        4.2313330701600911252e1,
        1.0,
    ),
)
_TAIL = (
    (
        7.74545014278341407640e-4,
        2.27238449892691845833e-2,
        2.41780725177450611770e-1,
        1.27045825245236838258e0,
        3.64784832476320460504e0,
        5.76949722146069140550e0,
        4.63033784615654529590e0,
        1.42343711074968357734e0,
    ),
    (
        1.05075007164441684324e-9,
        5.47593808499534494600e-4,
        1.51986665636164571966e-2,
        1.48103976427480074590e-1,
        6.89767334985100004550e-1,
        1.67638483018380384940e0,
        2.05319162663775882187e0,
        1.0,
    ),
)
_FAR_TAIL = (
    (
        2.01033439929228813265e-7,
        2.71155556874348757815e-5,
        1.24266094738807843860e-3,
        2.65321895265761230930e-2,
        2.96560571828504891230e-1,
        1.78482653991729133580e0,
        5.46378491116411436990e0,
        6.65790464350110377720e0,
    ),
    (
        2.04426310338993978564e-15,
        1.42151175831644588870e-7,
        1.84631831751005468180e-5,
        7.86869131145613259100e-4,
        1.48753612908506148525e-2,
        1.36929880922735805310e-1,
        5.99832206555887937690e-1,
        1.0,
    ),
)

# The distribution function: J. F. Hart et al., Computer Approximations, 1968, algorithm 5666, as
# G. West, Better Approximations to Cumulative Normal Functions, 2005, gives it.
_BELOW = (
    (
        3.52624965998911e-2,
        0.700383064443688,
        6.37396220353165,
        33.912866078383,
        112.079291497871,
        221.213596169931,
        220.206867912376,
    ),
    (
        8.83883476483184e-2,
        1.75566716318264,
        16.064177579207,
        86.7807322029461,
        296.564248779674,
        637.333633378831,
        793.826512519948,
        440.413735824752,
    ),
)


def _polynomial(coefficients: tuple[float, ...], x: np.ndarray) -> np.ndarray:
    """The polynomial with these coefficients, highest first, by Horner's rule."""
    value = np.full_like(x, coefficients[0])
    for coefficient in coefficients[1:]:
        value = value * x + coefficient
    return value


def _ratio(parts: tuple[tuple[float, ...], tuple[float, ...]], x: np.ndarray) -> np.ndarray:
    return _polynomial(parts[0], x) / _polynomial(parts[1], x)


def log(x: np.ndarray) -> np.ndarray:
    """The natural logarithm of float64 [...], positive and finite."""
    mantissa, exponent = np.frexp(x)
    low = mantissa < _ROOT_HALF
    mantissa, exponent = np.where(low, 2.0 * mantissa, mantissa), exponent - low
    s = (mantissa - 1.0) / (mantissa + 1.0)
    series = s * _polynomial(_LOG, s * s)
    return exponent * _LN2_HIGH + (series + exponent * _LN2_LOW)


def exp(x: np.ndarray) -> np.ndarray:
    """The exponential of float64 [...], from -700 to 700."""
    times = np.rint(x * (1.0 / 0.6931471805599453))
    rest = (x - times * _LN2_HIGH) - times * _LN2_LOW
    return np.ldexp(_polynomial(_EXP, rest), times.astype(np.int32))


def normal_quantile(p: np.ndarray) -> np.ndarray:
    """z with Phi(z) = p, for p float64 [...] above 0 and below 1."""
    q = p - 0.5
    middle = q * _ratio(_MIDDLE, 0.180625 - q * q)
    r = np.sqrt(-log(np.where(q <= 0.0, p, 1.0 - p)))
    tail = np.where(r <= 5.0, _ratio(_TAIL, r - 1.6), _ratio(_FAR_TAIL, r - 5.0))
    return np.where(np.abs(q) <= 0.425, middle, np.where(q < 0.0, -tail, tail))


def normal_cdf(z: np.ndarray) -> np.ndarray:
    """Phi(z), the share of N(0, 1) below z, for z float64 [...] from -37 to 37."""
    size = np.abs(z)
    fraction = size + 0.65
    for term in (4.0, 3.0, 2.0, 1.0):
        fraction = size + term / fraction
    near = size < 7.07106781186547
    below = exp(-0.5 * (size * size)) * np.where(
        near, _ratio(_BELOW, size), 1.0 / (fraction * 2.506628274631)
    )
    return np.where(z > 0.0, 1.0 - below, below)
