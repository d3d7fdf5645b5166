"""Sine and cosine up to |x| = 1024 are correctly rounded: MPFR, through gmpy2, is the judge."""

import math
import re

import gmpy2
import numpy as np
import pytest

from fdd import FddError
from fdd.arithmetic import sines
from fdd.attractors import reference

DOUBLE = gmpy2.context(precision=53, emin=-1073, emax=1024, subnormalize=True)
QUARTER = gmpy2.const_pi(400) / 2


def mpfr(name, values):
    """Correctly rounded sines or cosines of float64 values, by MPFR."""
    with gmpy2.context(DOUBLE):
        return np.array([float(getattr(gmpy2, name)(gmpy2.mpfr(x))) for x in values.tolist()])


def near(centres, ulps):
    """Each centre and its neighbours up to `ulps` units in the last place away."""
    bits = np.asarray(centres, np.float64).view(np.int64)[:, None] + np.arange(-ulps, ulps + 1)
    return bits.view(np.float64).ravel()


HARD = {
    "multiples of pi/2": near([float(k * QUARTER) for k in [*range(1, 20), *range(20, 652, 9)]], 2),
    "nodes of the table": near(np.arange(1, 65536, 97) / 64, 8),
    "between the nodes": near((np.arange(0, 65535, 97) + 0.5) / 64, 8),
    "where the turns begin": near([sines.NARROW, 16.0, math.pi, 3 * math.pi, 5 * math.pi], 500),
    "the largest": 1024 - np.arange(2000) * 2.0**-43,
    "tiny": np.ldexp(np.linspace(1, 2, 20), np.arange(-1074, 0, 6)[:, None]).ravel(),
    "zero": np.zeros(1),
}

both = pytest.mark.parametrize("name", ["sin", "cos"])


@both
@pytest.mark.parametrize("scale", [1e-8, 0.01, 1.0, 15.0, 60.0, 1024.0])
def test_random_arguments_of_each_size_are_mpfrs(name, scale):
    x = np.random.default_rng(21).uniform(-scale, scale, 60_000)
    np.testing.assert_array_equal(getattr(sines, name)(x), mpfr(name, x))


@both
@pytest.mark.parametrize("kind", HARD)
def test_hard_cases_are_mpfrs(name, kind):
    x = np.concatenate([HARD[kind], -HARD[kind]])
    x = x[np.abs(x) <= sines.LIMIT]
    np.testing.assert_array_equal(getattr(sines, name)(x), mpfr(name, x))


def test_the_sine_is_odd_and_the_cosine_even_to_the_bit():
    x = np.random.default_rng(22).uniform(-1024, 1024, 50_000)
    np.testing.assert_array_equal(sines.sin(-x), -sines.sin(x))
    np.testing.assert_array_equal(sines.cos(-x), sines.cos(x))


@both
@pytest.mark.parametrize("scale", [15.0, 1024.0])
def test_the_scalar_functions_alone_are_mpfrs_wherever_they_decide(name, scale):
    x = np.random.default_rng(23).uniform(-scale, scale, 30_000)
    one = getattr(sines, f"{name}_one")
    values = np.array([one(v) for v in x])
    decided = ~np.isnan(values)
    assert decided.mean() > 0.99
    np.testing.assert_array_equal(values[decided], mpfr(name, x)[decided])
    assert math.isnan(one(1024.0000000000002))
    assert math.isnan(one(-math.inf))


@both
def test_what_no_try_decides_goes_to_the_reference(monkeypatch, name):
    asked = []
    monkeypatch.setattr(sines, f"_fill_{name}", lambda x, values: values.fill(np.nan))
    library = getattr(math, name)
    monkeypatch.setattr(sines.reference, name, lambda x: asked.append(x) or library(x))
    assert getattr(sines, name)([0.5, 700.5]).tolist() == [library(0.5), library(700.5)]
    assert asked == [0.5, 700.5]


@both
def test_the_reference_is_mpfrs(name):
    x = np.random.default_rng(24).uniform(-16, 16, 1000)
    wide = np.random.default_rng(25).uniform(-1024, 1024, 100)
    hard = np.concatenate([HARD["multiples of pi/2"][::101], HARD["tiny"][::7], HARD["zero"]])
    x = np.concatenate([x, wide, hard, [1024.0, -1024.0]])
    values = [getattr(reference, name)(v) for v in x.tolist()]
    np.testing.assert_array_equal(values, mpfr(name, x))


@both
@pytest.mark.parametrize("bad", [1024.0000000000002, -2000.0, math.inf, math.nan])
def test_arguments_beyond_the_limit_are_refused_or_nan(name, bad):
    assert math.isnan(getattr(reference, name)(bad))
    with pytest.raises(FddError, match=re.escape("x must be finite numbers from -1024 to 1024")):
        getattr(sines, name)([0.0, bad])
