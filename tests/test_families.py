"""The nine families: published equations, MPFR's orbits, symmetries, ranges, uniform draws."""

import dataclasses
import itertools
import math

import gmpy2
import numpy as np
import pytest

import fdd
from fdd import FddError
from fdd.attractors import reference
from fdd.attractors.families import FAMILIES, bind
from fdd.attractors.params import uniform_params
from fdd.rendering.render import imaged_params

DOUBLE = gmpy2.context(precision=53, emin=-1073, emax=1024, subnormalize=True)
WILD = "is degenerate: its orbit of {points} points is constant in x or in y{wild} and has no image"


def by(function):
    return lambda x: float(function(gmpy2.mpfr(x)))


MPFR = {name: by(getattr(gmpy2, name)) for name in ("sin", "cos", "sqrt")}
PLAIN = {"sin": math.sin, "cos": math.cos, "sqrt": math.sqrt}
OTHERS = {
    "fabs": abs,
    "sign": reference.sign,
    "where_less": lambda x, y, one, two: one if x < y else two,
}


def mpfr_orbit(family, params, points):
    """The trajectory float64 [points, 2] with MPFR's sines, NaN once it is not finite or wild."""
    step = bind(family.step, **OTHERS, **MPFR)
    orbit = np.full((points, 2), math.nan)
    x, y = map(float, params[:2])
    with gmpy2.context(DOUBLE), np.errstate(all="ignore"):
        for point in orbit:
            if not (math.isfinite(x) and math.isfinite(y)):
                break
            point[:] = x, y
            x, y = step(x, y, *params[2:])
    return orbit


# As the page has them. Ours differ in the order of a product's or a sum's two terms, and Symmetric
# Icon's loop has a fixed length there: none of this changes a bit.


def gumowski_mira(x, y, a, b, mu):
    def g(x):
        return mu * x + 2 * (1 - mu) * x**2 / (1.0 + x**2)

    xn = y + a * (1 - b * y**2) * y + g(x)
    return xn, -x + g(xn)


def symmetric_icon(x, y, a, b, g, om, l, d):
    z = complex(x, y)  # Field and Golubitsky's own form, without the page's loop
    z = (l + a * abs(z) ** 2 + b * (z**d).real + om * 1j) * z + g * z.conjugate() ** (d - 1)
    return z.real, z.imag


s, c, root = math.sin, math.cos, math.sqrt
PUBLISHED = {
    "clifford": lambda x, y, a, b, k, d: (s(a * y) + k * c(a * x), s(b * x) + d * c(b * y)),
    "de_jong": lambda x, y, a, b, k, d: (s(a * y) - c(b * x), s(k * x) - c(d * y)),
    "svensson": lambda x, y, a, b, k, d: (d * s(a * x) - s(b * y), k * c(a * x) + c(b * y)),
    "fractal_dream": lambda x, y, a, b, k, d: (s(y * b) + k * s(x * b), s(x * a) + d * s(y * a)),
    "bedhead": lambda x, y, a, b: (y * s(x * y / b) + c(a * x - y), x + s(y) / b),
    "hopalong_1": lambda x, y, a, b, k: (y - root(abs(b * x - k)) * np.sign(x), a - x),
    "hopalong_2": lambda x, y, a, b, k: (
        y - 1 - root(abs(b * x - 1 - k)) * np.sign(x - 1),
        a - x - 1,
    ),
    "gumowski_mira": gumowski_mira,
    "symmetric_icon": symmetric_icon,
}

# The page's examples that lie in our ranges.
EXAMPLES = {
    "clifford": [(0, 0, -1.3, -1.3, -1.8, -1.9), (0, 0, 1.7, 0.7, 1.4, 2.0)],
    "de_jong": [(0, 0, -1.244, -1.251, -1.815, -1.908), (0, 0, 1.4, -2.3, 2.4, -2.1)],
    "svensson": [(0, 0, 1.5, -1.8, 1.6, 0.9), (0, 0, -1.78, 1.29, -0.09, -1.18)],
    "fractal_dream": [(0.1, 0.1, -0.966918, 2.879879, 0.765145, 0.744728)],
    "bedhead": [(1, 1, 0.06, 0.98), (1, 1, -0.64, 0.76), (1, 1, -0.67, 0.83)],
    "hopalong_1": [(0, 0, 2, 1, 0), (0, 0, 2, 0.05, 2), (0, 0, 1.1, 0.5, 1), (0, 0, 2, 0.05, 0.5)],
    "hopalong_2": [(0, 0, 7.8, 0.13, 8.15), (0, 0, 9.7, 1.6, 7.9), (0, 0, 7.17, 8.44, 2.56)],
    "gumowski_mira": [
        (0, 1, 0.008, 0.05, -0.496),
        (0, 1, 0.008, 0.05, -0.9),
        (0.5, 0.5, 0.009, 0.05, 0.32),
        (0.5, 0, 0, 0.05, -0.2),
        (0.1, 0.1, 0.008, 0.05, 0.16),
        (0, 0.5, 0, 0, 0.228),
    ],
    "symmetric_icon": [
        (0.01, 0.01, 1.8, 0, 1, 0.1, -1.93, 5),
        (0.01, 0.01, 5, -1, 1, 0.188, -2.5, 5),
        (0.01, 0.01, 2, 0.2, 0.1, 0, -2.34, 5),
        (0.01, 0.01, 2.32, 0, 0.75, 0, -2.32, 5),
        (0.01, 0.01, 2, 0, 1, 0.1, -1.86, 4),
        (0.01, 0.01, 1.806, 0, 1, 0, -1.806, 5),
    ],
}

every_family = pytest.mark.parametrize("family", FAMILIES.values(), ids=lambda family: family.name)


def draws(family, n, seed):
    """n uniform draws with two corners and zeros among them: float64 [n, P]."""
    params = uniform_params(n, family.name, seed)
    params[:2] = np.array(family.ranges).T
    if len(family.parameters) == 6:
        params[2] = 0.0
    return params


def test_there_are_nine():
    assert list(FAMILIES) == list(PUBLISHED) == list(EXAMPLES)
    assert all(name == family.name for name, family in FAMILIES.items())


@every_family
def test_the_step_is_the_published_equation(family):
    step = bind(family.step, **OTHERS, **PLAIN)
    for x, y, *values in uniform_params(300, family.name, 1).tolist():
        row = [2 * x, 3 * y, *values[: -1 if family.whole else None]]
        row += [int(values[-1])] * len(family.whole)
        assert step(*row) == pytest.approx(PUBLISHED[family.name](*row), rel=1e-12, abs=1e-12)


@every_family
def test_images_are_those_of_mpfrs_orbits(family):
    short = draws(family, 8, seed=2)
    rows = [*((row, 60000) for row in EXAMPLES[family.name][:1]), *((row, 2000) for row in short)]
    rows += [(row, 2000) for row in EXAMPLES[family.name][1:]]
    for row, points in rows:
        row = tuple(map(float, row))
        expected = reference.counts(mpfr_orbit(family, row, points), 128)
        if expected is None:
            wild = "" if 0 < family.argument <= 15 else ", or not finite,"
            message = f"params row 0, {row}, " + WILD.format(points=points, wild=wild)
            with pytest.raises(FddError) as error:
                fdd.render(row, "counts", points=points, family=family.name)
            assert str(error.value) == message
        else:
            counts = fdd.render(row, "counts", points=points, family=family.name)
            np.testing.assert_array_equal(counts, expected, str(row))


@pytest.mark.parametrize(
    ("name", "row", "low"),
    [
        ("symmetric_icon", (0.29, 0.39, 2.17, 0.33, 0.52, 0.09, -2.53, 3.0), None),  # at point 8
        ("symmetric_icon", (-0.38, 0.1, 3.19, 0.7, 0.94, -0.18, -2.6, 6.0), None),  # at 1369
        ("bedhead", (1.0, 1.0, 1.0, 1 / 2048), 1e-4),  # its first argument is 2048
        ("bedhead", (1.0, 1.0, 0.5, 1 / 900), 1e-4),  # the first is 900, a later one too large
    ],
)
def test_orbits_that_overflow_or_exceed_the_argument_have_no_image(monkeypatch, name, row, low):
    family = FAMILIES[name]
    if low is not None:  # the ranges are chosen so that it hardly happens within them
        ranges = (*family.ranges[:3], (low, 1.0))
        monkeypatch.setitem(FAMILIES, name, dataclasses.replace(family, ranges=ranges))
    message = f"params row 1, {row}, " + WILD.format(points=5000, wild=", or not finite,")
    with pytest.raises(FddError) as error:
        fdd.render([EXAMPLES[name][0], row], size=8, points=5000, family=name)
    assert str(error.value) == message


ON_ORBITS = {
    "rotation": lambda orbit: -orbit,
    "transposition": lambda orbit: orbit[:, ::-1],
    "flip": lambda orbit: orbit * [1, -1],
    "mirror": lambda orbit: orbit * [-1, 1],
    "halving": lambda orbit: orbit / 2,
}
SYMMETRIES = [
    pytest.param(family, symmetry, id=f"{family.name} {symmetry.name}")
    for family in FAMILIES.values()
    for symmetry in family.symmetries
]
EXACT = [parameter for parameter in SYMMETRIES if parameter.values[1].exact]


def cells(orbit, size):
    """Rows and columns [n, 2] of an orbit's points, and which of them lie on a cell's edge."""
    low, high = orbit.min(axis=0), orbit.max(axis=0)
    place = orbit * (size / (high - low)) - low * (size / (high - low))
    cell = np.clip(np.trunc(place) - (orbit == high), 0, size - 1).astype(int)
    on_edge = (np.abs(place - np.rint(place)) < 1e-9).any(axis=1)
    return np.column_stack([size - 1 - cell[:, 1], cell[:, 0]]), on_edge


def histogram(cell, size):
    image = np.zeros((size, size), np.int64)
    np.add.at(image, tuple(cell.T), 1)
    return image


@pytest.mark.parametrize(("family", "symmetry"), EXACT)
def test_exact_symmetries_hold_point_by_point_and_cell_by_cell(family, symmetry):
    size, points, compared = 32, 800, 0
    for vector in draws(family, 16, seed=3).tolist():
        changed = symmetry.change(tuple(vector))
        one, other = (mpfr_orbit(family, row, points) for row in (vector, changed))
        np.testing.assert_array_equal(other, ON_ORBITS.get(symmetry.name, np.array)(one))
        if reference.counts(one, size) is None:
            continue
        (before, on_edge), (after, _) = cells(one, size), cells(other, size)
        both = fdd.render([vector, changed], "counts", size, points, family=family.name)
        np.testing.assert_array_equal(both, [histogram(cell, size) for cell in (before, after)])
        inside = symmetry.effect(histogram(before[~on_edge], size))
        np.testing.assert_array_equal(histogram(after[~on_edge], size), inside)
        edges = np.abs(symmetry.effect(both[0].astype(int)) - both[1]).sum()
        assert edges <= 2 * on_edge.sum()
        compared += (~on_edge).mean() > 0.9
    assert compared >= 8


@pytest.mark.parametrize(("family", "symmetry"), SYMMETRIES)
def test_symmetries_keep_whole_images_in_distribution(family, symmetry):
    params = imaged_params(48, family.name, seed=4)
    changed = [symmetry.change(tuple(vector)) for vector in params.tolist()]
    one, other = (fdd.render(rows, "counts", family=family.name) for rows in (params, changed))
    full = (one > 0).mean(axis=(1, 2)) >= 0.15
    one = np.array([symmetry.effect(counts) for counts in one])
    one, other = (v[full].reshape(-1, 16, 8, 16, 8).sum(axis=(2, 4)) / 60000 for v in (one, other))
    distance = np.abs(one - other).sum(axis=(1, 2)) / 2
    assert np.mean(distance < 0.05) > (0.999 if symmetry.exact else 0.7)
    assert np.median(np.abs(one - np.roll(other, 1, axis=0)).sum(axis=(1, 2)) / 2) > 0.2


@pytest.mark.parametrize(("family", "symmetry"), SYMMETRIES)
def test_symmetries_stay_within_the_ranges(family, symmetry):
    for vector in [*itertools.product(*family.ranges), *uniform_params(50, family.name, 5)]:
        for value, (low, high) in zip(symmetry.change(tuple(vector)), family.ranges, strict=True):
            assert low <= value <= high


def icon_quarter(v):
    """A quarter turn, exact for even degrees; declared is what every degree has."""
    sign = 1 if v[7] % 4 == 0 else -1
    return -v[1], v[0], v[2], sign * v[3], sign * v[4], *v[5:]


def signed_permutations(family, vector):
    """All vectors of permuted values with other signs that step as this one, turned or flipped."""
    step = bind(family.step, **OTHERS, **PLAIN)
    points = np.random.default_rng(6).uniform(-1, 1, (4, 2)).tolist()
    before = [step(*point, *vector[2:]) for point in points]
    moved = vector[2 : -1 if family.whole else None]
    found = set()
    for swap, *signs in itertools.product((False, True), (1, -1), (1, -1)):

        def turned(point, swap=swap, signs=signs):
            x, y = point[::-1] if swap else point
            return signs[0] * x, signs[1] * y

        for order in itertools.permutations(moved):
            for flips in itertools.product((1, -1), repeat=len(moved)):
                values = [value * flip for value, flip in zip(order, flips, strict=True)]
                values += vector[2 + len(moved) :]
                if all(
                    step(*turned(point), *values) == turned(after)
                    for point, after in zip(points, before, strict=True)
                ):
                    found.add((*turned(vector[:2]), *values))
    return found


@pytest.mark.parametrize(
    ("family", "degree"),
    [(family, d) for family in FAMILIES.values() for d in ([4, 5, 6] if family.whole else [None])],
    ids=lambda value: getattr(value, "name", value),
)
def test_no_other_change_of_signs_and_places_is_exact(family, degree):
    vector = (0.31, -0.17, 1.9, 0.41, 0.53, 0.11, -1.87, degree)[: len(family.parameters)]
    changes = [v.change for v in family.symmetries if v.exact and v.name != "halving"]
    changes += [icon_quarter] if degree in (4, 6) else []
    group, new = set(), {vector}
    while new:
        group |= new
        new = {tuple(change(v)) for change in changes for v in new} - group
    assert signed_permutations(family, vector) == group


def test_hopalong_2_is_hopalong_1_moved():
    one, two = (bind(FAMILIES[f"hopalong_{i}"].step, **OTHERS, **PLAIN) for i in (1, 2))
    for x, y, a, b, c in uniform_params(200, "hopalong_2", 7).tolist():
        x, y = 9 * x, 9 * y
        moved = one(x - 1, y - 2, a - 4, b, 1 + c - b)
        assert two(x, y, a, b, c) == pytest.approx((moved[0] + 1, moved[1] + 2))


@pytest.mark.parametrize("scale", [0.5, 0.9])
def test_symmetric_icons_equation_keeps_its_form_in_other_units(scale):
    step = bind(FAMILIES["symmetric_icon"].step, **OTHERS, **PLAIN)
    for x, y, a, b, g, om, l, d in uniform_params(200, "symmetric_icon", 8).tolist():
        scaled = a / scale**2, b / scale**d, g / scale ** (d - 2), om, l, d
        x1, y1 = step(x, y, a, b, g, om, l, d)
        expected = pytest.approx((scale * x1, scale * y1), abs=1e-12)
        assert step(scale * x, scale * y, *scaled) == expected


@every_family
def test_arguments_stay_within_the_declared_bound(family):
    seen = [0.0]

    def record(function):
        return lambda x: seen.append(np.abs(x).max()) or function(x)

    sines = {"sin": record(np.sin), "cos": record(np.cos), "sqrt": np.sqrt, "fabs": np.abs}
    step = bind(
        family.step, **sines, sign=np.sign, where_less=lambda x, y, a, b: np.where(x < y, a, b)
    )
    corners = np.array(list(itertools.product(*family.ranges)))
    x, y, *values = np.vstack([uniform_params(2000, family.name, 9), corners]).T
    with np.errstate(all="ignore"):
        for _ in range(1500):
            x, y = step(x, y, *values)
    assert max(seen) <= family.argument
    assert max(seen) >= (0.9 if family.argument <= 15 else 0.3) * family.argument
