"""Random deals of two sets give the scores of those deals, and p-values that hold."""

import doctest

import numpy as np
import pytest

from benchmarks.image_scores import fid, kid, prdc
from benchmarks.images import pooled
from benchmarks.images.pooled import fid_null, kid_null, prdc_null
from benchmarks.images.quality import SIDE
from benchmarks.statistics.permutation import floor_of
from fdd import FddError

NAMES = ["precision", "recall", "density", "coverage"]


def sets(rows, others, columns=4, shift=0.0, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(rows, columns)), shift + rng.normal(size=(others, columns))


def deals(real, fake, draws, seed):
    """The two sets of each deal, as they are drawn."""
    pool, whole = np.concatenate([real, fake]), len(real) + len(fake)
    orders = np.random.default_rng(seed).permuted(np.tile(np.arange(whole), (draws, 1)), axis=1)
    return [(pool[order < len(real)], pool[order >= len(real)]) for order in orders]


def test_examples_in_docstrings():
    found = doctest.testmod(pooled)
    assert found.failed == 0 < found.attempted


@pytest.mark.parametrize("shape", [(60, 60), (45, 70), (70, 45)])
def test_a_draw_is_the_score_of_its_deal(shape):
    real, fake = sets(*shape, shift=0.4)
    want = deals(real, fake, 6, seed=2)
    options = {"draws": 6, "seed": 2}
    np.testing.assert_allclose(fid_null(real, fake, **options), [fid(*d) for d in want])
    for degree in (1, 3):
        np.testing.assert_allclose(
            kid_null(real, fake, degree=degree, **options),
            [kid(*deal, degree=degree) for deal in want],
            atol=1e-12,
        )
    for k in (1, 5):
        found = prdc_null(real, fake, k=k, **options)
        assert list(found) == NAMES
        for name, values in found.items():
            assert values.tolist() == pytest.approx([prdc(*deal, k=k)[name] for deal in want])


def test_kid_of_more_rows_than_are_held_at_once_is_the_score_of_its_deal():
    real, fake = sets(SIDE, 40, shift=0.4)
    want = [kid(*deal) for deal in deals(real, fake, 3, seed=2)]
    np.testing.assert_allclose(kid_null(real, fake, draws=3, seed=2), want, rtol=1e-9)


def test_balls_of_more_rows_than_are_looked_at_are_cut():
    real, fake = sets(28, 200)  # the fifth real neighbour of a row is its 40th, or its 70th
    want = [prdc(*deal) for deal in deals(real, fake, 20, seed=0)]
    found = prdc_null(real, fake, draws=20)
    for name in NAMES:
        exact = np.array([scores[name] for scores in want])
        assert (found[name] <= exact + 1e-12).all(), name
        np.testing.assert_allclose(found[name], exact, atol=0.12, err_msg=name)
    assert (found["density"] < [scores["density"] - 1e-9 for scores in want]).any()


def test_p_values_of_one_distribution_are_spread_evenly():
    p = []
    for seed in range(150):
        real, fake = sets(30, 30, 2, seed=seed)
        deal = {"draws": 19, "seed": seed}
        coverage = prdc_null(real, fake, k=3, **deal)["coverage"]
        p.append(
            [
                floor_of(fid(real, fake), fid_null(real, fake, **deal)).p,
                floor_of(kid(real, fake), kid_null(real, fake, **deal)).p,
                floor_of(-prdc(real, fake, k=3)["coverage"], -coverage).p,
            ]
        )
    seldom = np.mean(np.array(p) <= 0.05, axis=0)
    assert (seldom <= 0.1).all()  # exactly 0.05 in the mean, less with the ties of coverage
    assert (seldom[:2] >= 0.01).all()
    assert np.abs(np.mean(p, axis=0)[:2] - 0.525).max() < 0.08


def test_sets_apart_reach_the_least_p():
    real, fake = sets(100, 100, shift=1.0)
    assert floor_of(kid(real, fake), kid_null(real, fake, draws=99)).p == 0.01
    assert floor_of(fid(real, fake), fid_null(real, fake, draws=99)).p == 0.01
    found = prdc_null(real, fake, draws=99)
    for name in ("precision", "recall", "coverage"):
        assert prdc(real, fake)[name] < found[name].min()


def test_one_picture_for_all_codes_is_no_error():
    real, _ = sets(60, 60)
    fake = np.ones((60, 4))
    for values in (kid_null(real, fake, draws=9), fid_null(real, fake, draws=9)):
        assert np.isfinite(values).all()
    assert all(np.isfinite(values).all() for values in prdc_null(real, fake, draws=9).values())


@pytest.mark.parametrize("null", [fid_null, kid_null, prdc_null])
@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (((9, 4), (9, 3)), {}, "real has 4 columns and fake 3: they must agree"),
        (((1, 4), (9, 4)), {}, "real has shape (1, 4): it must have at least 2 rows"),
        (((9, 4), (9, 4)), {"draws": 0}, "draws=0 must be a whole number of at least 1"),
    ],
)
def test_bad_input_is_named(null, arguments, options, message):
    with pytest.raises(FddError) as caught:
        null(*(np.random.default_rng(0).normal(size=shape) for shape in arguments), **options)
    assert str(caught.value) == message
