"""A path is the straight line of parameters, its images, and which of them a release keeps."""

import numpy as np
import pytest

import fdd
from fdd import FddError

V = [0.1, 0.1, -2.0, -1.5, -2.6, 0.9]
W = [0.5, -0.3, 1.0, 2.5, -1.0, 2.0]


def equally_spaced(v, w, n):
    return np.array([np.linspace(one, other, n) for one, other in zip(v, w, strict=True)]).T


@pytest.mark.parametrize("n", [2, 3, 7])
def test_a_raw_path_is_the_straight_line_with_both_ends(tiny, n):
    params, images, accepted = fdd.path(V, W, n, form="raw", version=tiny.name)
    np.testing.assert_allclose(params, equally_spaced(V, W, n), rtol=0, atol=1e-15)
    np.testing.assert_array_equal(params[[0, -1]], [V, W])
    assert (images.dtype, accepted.dtype) == (np.uint8, bool)
    np.testing.assert_array_equal(images, fdd.render(params, size=16, points=400))


def test_a_canonical_path_is_straight_in_canonical_parameters(tiny):
    params, images, _ = fdd.path(V, W, 5, version=tiny.name)
    ends = fdd.canonical_params([V, W])
    np.testing.assert_allclose(params, equally_spaced(*ends, 5), rtol=0, atol=1e-15)
    np.testing.assert_array_equal(params[[0, -1]], ends)
    np.testing.assert_array_equal(params, fdd.canonical_params(params))
    np.testing.assert_array_equal(images, fdd.render(params, size=16, points=400))


@pytest.mark.parametrize("output", ["rgb", "gray", "counts"])
def test_accepted_is_what_the_release_keeps(tiny, output):
    options = {"version": tiny.name, "output": output, "palette": "viridis", "threads": 1}
    through_zero = [-x for x in V]
    params, images, accepted = fdd.path(V, through_zero, 60, form="raw", **options)
    np.testing.assert_array_equal(images, fdd.render(params, output, 16, 400, "viridis"))
    counts = fdd.render(params, "counts", 16, 400)
    occupied = np.count_nonzero(counts, axis=(1, 2))
    np.testing.assert_array_equal(accepted, 100 * occupied >= 15 * 16**2)
    assert 0 < np.count_nonzero(accepted) < 60


def test_a_path_has_the_size_of_its_release():
    params, images, accepted = fdd.path(*fdd.sample_params(2), 3)
    assert (params.shape, images.shape, accepted.shape) == ((3, 6), (3, 128, 128, 3), (3,))
    assert accepted[[0, -1]].all()


def test_degenerate_points_are_empty_and_not_accepted(tiny):
    nothing = np.zeros(6)
    params, images, accepted = fdd.path(nothing, nothing, 2, version=tiny.name)
    np.testing.assert_array_equal(params, np.zeros((2, 6)))
    assert (images == 255).all()
    assert not accepted.any()


def test_no_point_leaves_the_ranges(tiny):
    """(1 - t) 3 + t 3 is above 3 for some t, and the renderer takes at most 3."""
    corner = [1, -1, 3, 3, -3, 2.9]
    params = fdd.path(corner, corner, 1000, version=tiny.name).params
    np.testing.assert_array_equal(params, np.broadcast_to(corner, (1000, 6)))


ERRORS = [
    ({"n": 1}, "n=1 must be a whole number of at least 2"),
    ({"n": 2.0}, "n=2.0 must be a whole number of at least 2"),
    ({"form": "scaled"}, "form='scaled' is not known; choose from canonical, raw"),
    (
        {"version": "fdd-0"},
        "version='fdd-0' is not known (did you mean fdd-1?); choose from fdd-1, mini-1, fdd, mini",
    ),
    ({"output": "png"}, "output='png' is not known; choose from rgb, gray, counts"),
    ({"palette": "hot"}, "palette='hot' is not known; choose from kbc, inferno, viridis"),
    ({"threads": 0}, "threads=0 must be a whole number of at least 1"),
    ({"v": [V, V]}, "v has shape [2, 6]; it must be [6], one vector"),
    ({"w": V[:5]}, "w has shape [5]; it must be [6], columns x0, y0, a, b, c, d"),
    ({"w": [*V[:5], 3.5]}, "w: d=3.5 in row 0 must be a finite number from -3 to 3"),
    ({"v": "v"}, "v must be numbers, rows of (x0, y0, a, b, c, d), not 'v'"),
]


@pytest.mark.parametrize(("arguments", "message"), ERRORS)
def test_bad_arguments_are_one_sentence(arguments, message):
    with pytest.raises(FddError) as error:
        fdd.path(**{"v": V, "w": W, "n": 3} | arguments)
    assert str(error.value) == message
