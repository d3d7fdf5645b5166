"""Sine and cosine are correctly rounded up to 1024: MPFR, through gmpy2, is the judge."""

import math
import random
import re

import gmpy2
import numba
import numpy as np
import pytest

from fdd import FddError, render
from fdd.arithmetic import sine_table, sines
from fdd.attractors import reference
from fdd.attractors.families import FAMILIES, bind

DOUBLE = gmpy2.context(precision=53, emin=-1073, emax=1024, subnormalize=True)
HALF_PI = gmpy2.const_pi(400) / 2

both = pytest.mark.parametrize("name", ["sin", "cos"])


def mpfr(name, values):
    """Correctly rounded sines or cosines of float64 values, by MPFR."""
    with gmpy2.context(DOUBLE):
        return np.array([float(getattr(gmpy2, name)(gmpy2.mpfr(x))) for x in values.tolist()])


def near(centres, ulps):
    """Each centre and its neighbours up to `ulps` units in the last place away."""
    offsets = np.arange(-ulps, ulps + 1)
    bits = np.asarray(centres, np.float64).view(np.int64)[:, None] + offsets
    return bits.view(np.float64).ravel()


def hardest_small(count):
    """Small x whose sine, about x - x^3/6, lies very near the middle of two float64."""
    found = []
    for exponent in range(-25, -6):
        # x = 2^e (1 + m 2^-k): scan for x^3/6 near half-way in units of the last place of x
        m = np.random.default_rng(exponent + 100).integers(0, 2**26, 4000)
        x = np.ldexp(1.0 + m * 2.0**-26, exponent)
        unit = np.spacing(x)
        distance = np.abs((x * x * x / 6 / unit) % 1.0 - 0.5)
        found.append(x[np.argsort(distance)[:count]])
    return np.concatenate(found)


HARD = {
    "multiples of pi/2": near([float(k * HALF_PI) for k in range(-9, 10) if k], 500),
    "nodes of the table": near(np.array([k / 64 for k in range(1, 961, 7)]), 12).clip(-15, 15),
    "between the nodes": near(np.array([(k + 0.5) / 64 for k in range(0, 959, 7)]), 12),
    "the largest arguments": near(np.array([12.0]), 2000),
    "tiny": np.ldexp(np.linspace(1, 2, 50), np.arange(-1074, 0, 6)[:, None]).ravel(),
    "small, near the middle of two": hardest_small(60),
}

WIDE = {
    "multiples of pi/2": near([float(k * HALF_PI) for k in [*range(1, 20), *range(20, 652, 9)]], 2),
    "nodes of the table": near(np.arange(1, 65536, 97) / 64, 8),
    "between the nodes": near((np.arange(0, 65535, 97) + 0.5) / 64, 8),
    "where the turns begin": near([sines.NARROW, 16.0, math.pi, 3 * math.pi, 5 * math.pi], 500),
    "the largest": 1024 - np.arange(2000) * 2.0**-43,
    "tiny": np.ldexp(np.linspace(1, 2, 20), np.arange(-1074, 0, 6)[:, None]).ravel(),
    "zero": np.zeros(1),
}


@pytest.mark.parametrize("seed", range(4))
def test_half_a_million_random_sines_are_mpfrs(seed):
    x = np.random.default_rng(seed).uniform(-12, 12, 500_000)
    np.testing.assert_array_equal(sines.sin(x), mpfr("sin", x))


@pytest.mark.parametrize("scale", [1e-300, 1e-20, 1e-8, 1e-4, 0.01, 1.0, 15.0])
def test_random_sines_of_each_size_are_mpfrs(scale):
    x = np.random.default_rng(7).uniform(-scale, scale, 30_000)
    np.testing.assert_array_equal(sines.sin(x), mpfr("sin", x))


@both
@pytest.mark.parametrize("scale", [1e-8, 0.01, 1.0, 15.0, 60.0, 1024.0])
def test_random_arguments_of_each_size_are_mpfrs(name, scale):
    x = np.random.default_rng(21).uniform(-scale, scale, 60_000)
    np.testing.assert_array_equal(getattr(sines, name)(x), mpfr(name, x))


@both
@pytest.mark.parametrize(
    "hard", [*HARD.values(), *WIDE.values()], ids=[*HARD, *(f"{kind}, wide" for kind in WIDE)]
)
def test_hard_cases_are_mpfrs(name, hard):
    x = np.concatenate([hard, -hard])
    x = x[np.abs(x) <= sines.LIMIT]
    np.testing.assert_array_equal(getattr(sines, name)(x), mpfr(name, x))


def test_the_sine_is_odd_and_the_cosine_even_to_the_bit():
    for limit, seed in ((15, 3), (1024, 22)):
        x = np.random.default_rng(seed).uniform(-limit, limit, 100_000)
        np.testing.assert_array_equal(sines.sin(-x), -sines.sin(x))
        np.testing.assert_array_equal(sines.cos(-x), sines.cos(x))


@numba.njit
def first_try(x):
    """The fast path alone on whole vectors, NaN where it is in doubt."""
    out = np.empty_like(x)
    for i in range(0, x.size, sines.LANES):
        found = sines.sin_lanes(sines.load(sines.address(x), i))
        sines.store(sines.address(out), i, found)
        for lane in range(sines.LANES):
            if sines.doubts(found, found) >> lane & 1:
                out[i + lane] = np.nan
    return out


@numba.njit
def second_try(x, table):
    """The double-double path alone, reached in practice by one sine in thousands."""
    out = np.empty_like(x)
    for i in range(x.size):
        k = int(np.rint(x[i] * 64))
        s, c, s_tail, c_tail = table[k % 2048]
        out[i] = sines._second_try(s, c, s_tail, c_tail, x[i] - k / 64, 0.0, 0.0)
    return out


def test_the_first_try_leaves_few_open_and_gets_none_wrong():
    x = np.random.default_rng(11).uniform(-12, 12, 400_000)
    found = first_try(x)
    open_ones = np.isnan(found)
    assert 10 < open_ones.sum() < 400_000 / 2000
    np.testing.assert_array_equal(found[~open_ones], mpfr("sin", x[~open_ones]))


def test_the_second_try_alone_is_mpfrs_wherever_it_decides():
    table = np.array(sine_table.table()).reshape(2048, 4)
    x = np.concatenate([np.random.default_rng(5).uniform(-15, 15, 100_000), *HARD.values()])
    found = second_try(x, table)
    decided = ~np.isnan(found)
    assert decided.mean() > 0.98
    np.testing.assert_array_equal(found[decided], mpfr("sin", x[decided]))


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
@pytest.mark.parametrize("turns", [0, 2, 50])
def test_what_no_try_decides_goes_to_the_reference(name, turns):
    """A sine next to a multiple of pi is so small that its last bit needs more than two tries."""
    quarters = 4 * turns + (2 if name == "sin" else 1)
    x = float(quarters * HALF_PI)
    assert math.isnan(getattr(sines, f"{name}_one")(x))
    np.testing.assert_array_equal(getattr(sines, name)([x]), mpfr(name, np.array([x])))


def test_the_table_is_right_to_its_last_bit():
    with gmpy2.context(precision=300):
        for k, (s, c, s_tail, c_tail) in enumerate(np.array(sine_table.table()).reshape(2048, 4)):
            t = gmpy2.mpfr(k if k <= 1024 else k - 2048) / 64
            for head, tail, true in ((s, s_tail, gmpy2.sin(t)), (c, c_tail, gmpy2.cos(t))):
                assert abs(gmpy2.mpfr(head) + gmpy2.mpfr(tail) - true) <= 2.0**-107
                assert abs(tail) <= 2.0**-54
            assert s == 0 or abs(s) > 2.0**-11


def test_the_dropped_terms_of_the_series_are_as_small_as_the_bound_says():
    q = (1 / 128) ** 2
    assert q**3 / math.factorial(8) < 0.06 * 2.0**-53  # cosine's, in units of q
    assert (1 / 128) * q**3 / math.factorial(9) < 0.001 * 2.0**-53  # sine's


@both
@pytest.mark.parametrize("bad", [1024.0000000000002, 1024.1, -2000.0, math.inf, math.nan])
def test_arguments_beyond_the_limit_are_refused_or_nan(name, bad):
    assert math.isnan(getattr(reference, name)(bad))
    with pytest.raises(FddError, match=re.escape("x must be finite numbers from -1024 to 1024")):
        getattr(sines, name)([0.0, bad])


def test_shapes_are_kept():
    assert sines.sin(0.5) == math.sin(0.5)
    assert sines.sin(np.zeros((3, 0, 2))).shape == (3, 0, 2)
    assert sines.sin(np.zeros((3, 5))).shape == (3, 5)


def test_the_references_sine_is_mpfrs():
    rng = random.Random(1)
    x = [rng.uniform(-16, 16) for _ in range(20_000)]
    x += [math.ldexp(rng.uniform(1, 2), -e) for e in range(1074)]
    x = np.concatenate([x, *HARD.values()])
    np.testing.assert_array_equal([reference.sin(v) for v in x.tolist()], mpfr("sin", x))


@both
def test_the_reference_is_mpfrs(name):
    x = np.random.default_rng(24).uniform(-16, 16, 1000)
    wide = np.random.default_rng(25).uniform(-1024, 1024, 100)
    hard = np.concatenate([WIDE["multiples of pi/2"][::101], WIDE["tiny"][::7], WIDE["zero"]])
    x = np.concatenate([x, wide, hard, [1024.0, -1024.0]])
    values = [getattr(reference, name)(v) for v in x.tolist()]
    np.testing.assert_array_equal(values, mpfr(name, x))


def test_an_orbit_of_the_reference_is_mpfrs():
    family = FAMILIES["fractal_dream"]
    params = (0.3, -0.2, 2.1, -1.3, 0.7, 1.9)
    step = bind(family.step, sin=lambda x: float(mpfr("sin", np.array([x]))[0]))
    x, y = params[:2]
    for point in reference.orbit(family, params, 2000):
        assert tuple(point) == (x, y)
        x, y = step(x, y, *params[2:])


@pytest.mark.parametrize(
    "params",
    [(0.3, -0.2, 2.1, -1.3, 0.7, 1.9), (-0.9, 0.1, -2.9, 2.7, -2.2, 0.6), (1, -1, 3, 3, 3, -3)],
)
def test_a_whole_image_is_that_of_an_orbit_by_mpfr(params):
    step = bind(FAMILIES["fractal_dream"].step, sin=lambda x: float(gmpy2.sin(gmpy2.mpfr(x))))
    trajectory = np.empty((60000, 2))
    x, y = map(float, params[:2])
    with gmpy2.context(DOUBLE):
        for point in trajectory:
            point[:] = x, y
            x, y = step(x, y, *params[2:])
    counts = reference.counts(trajectory, 128)
    np.testing.assert_array_equal(render(params, output="counts"), counts)
