"""The normal distribution is accurate, MPFR being the judge, and has the same bits everywhere."""

import hashlib

import gmpy2
import numpy as np
import pytest

from fdd.arithmetic.normal import exp, log, normal_cdf, normal_quantile

ULP = 2.0**-52
DIGEST = "295a9d0a0f39cb0741add34f0c74e20228bceb8f931b10386577f0fa9f0d7dae"


def numbers():
    """Multiples of 2^-53 above 0 and below 1, as the candidates have them, with both ends."""
    words = np.random.Philox(key=7).random_raw(4000) >> np.uint64(11)
    uniform = np.maximum(words, 1) * 2.0**-53
    small = uniform[:1000] * uniform[1000:2000] * uniform[2000:3000] * uniform[3000:]
    ends = [2.0**-53, 2.0**-54, 1.0 - 2.0**-53, 0.5, 0.075, 0.925, 1.4e-11]
    return np.concatenate([uniform, small + 2.0**-54, ends])


def mpfr(function, values):
    with gmpy2.context(precision=200):
        return np.array([float(function(gmpy2.mpfr(value))) for value in values.tolist()])


def phi(z):
    return gmpy2.erfc(-z / gmpy2.sqrt(gmpy2.mpfr(2))) / 2


def test_logarithm_and_exponential_err_by_a_few_units_in_the_last_place():
    p, x = numbers(), -700.0 * numbers()
    np.testing.assert_allclose(log(p), mpfr(gmpy2.log, p), rtol=4 * ULP, atol=0)
    np.testing.assert_allclose(exp(x), mpfr(gmpy2.exp, x), rtol=4 * ULP, atol=0)
    np.testing.assert_allclose(exp(-x), mpfr(gmpy2.exp, -x), rtol=4 * ULP, atol=0)
    assert (log(np.ones(1)), exp(np.zeros(1))) == (0.0, 1.0)


def test_the_distribution_function_errs_by_a_few_units_in_the_last_place_of_one():
    z = np.concatenate([18.0 * numbers() - 9.0, [-37.0, 0.0, 37.0]])
    np.testing.assert_allclose(normal_cdf(z), mpfr(phi, z), rtol=0, atol=2 * ULP)
    assert normal_cdf(np.array([0.0, 37.0])).tolist() == [0.5, 1.0]


def test_the_quantile_is_the_inverse_of_the_distribution_function():
    p = numbers()
    z = normal_quantile(p)
    np.testing.assert_allclose(normal_cdf(z), p, rtol=0, atol=2 * ULP)
    tail = p < 1e-3  # where an error of z shows in the relative error of p, times about z^2
    np.testing.assert_allclose(mpfr(phi, z[tail]), p[tail], rtol=1e-13)
    assert normal_quantile(np.array([0.5])) == 0.0
    np.testing.assert_allclose(normal_quantile(np.array([0.975])), 1.959963984540054, rtol=4 * ULP)


@pytest.mark.parametrize("rows", [1, 3, 17])
def test_a_number_has_the_same_bits_in_every_array(rows):
    """Vector code and what is left at the end of an array round alike."""
    p = numbers()[:96]
    for function in (log, normal_quantile, lambda p: normal_cdf(20.0 * p - 10.0)):
        parts = [function(p[first : first + rows]) for first in range(0, len(p), rows)]
        np.testing.assert_array_equal(np.concatenate(parts), function(p))


def test_the_bits_are_those_of_the_first_day():
    p = numbers()
    values = np.concatenate([log(p), exp(-p), normal_quantile(p), normal_cdf(18.0 * p - 9.0)])
    assert hashlib.sha256(values.astype("<f8").tobytes()).hexdigest() == DIGEST
