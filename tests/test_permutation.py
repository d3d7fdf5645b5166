"""Chance: the permutation null is drawn and counted as it is defined."""

import numpy as np
import pytest

from benchmarks.scores import linear_r2, mcc, permutation_floor
from benchmarks.statistics import permutation
from fdd import FddError


def test_floor_is_the_share_of_draws_that_reach_the_score():
    floor = permutation.floor_of([1.0, 0.0], [[0.5, 0.5], [1.0, 1.5], [0.0, -1.0]])
    np.testing.assert_allclose(floor.p, [0.5, 0.75])
    np.testing.assert_allclose(floor.chance, [0.5, 1 / 3])
    np.testing.assert_allclose(floor.upper, [0.95, 1.4])
    assert floor.at(1).as_dict()["p"] == 0.75
    assert floor.at(1).as_dict()["draws"] == 3


def test_floor_counts_a_tie_against_the_score():
    assert permutation.floor_of(0.3, [0.3, 0.0, 0.0]).p == 0.5
    assert permutation.floor_of(0.1 + 0.2, [0.3, 0.0, 0.0]).p == 0.5  # equal but for rounding


def test_a_perfect_code_has_the_least_p_there_is(params):
    floor = permutation_floor(mcc, params, params, draws=99)
    assert floor.p == pytest.approx(0.01)
    assert floor.score == pytest.approx(1)
    assert floor.chance < floor.upper < 0.2


@pytest.mark.parametrize("test", [True, False])
def test_a_batch_gives_the_draws_that_single_calls_give(test, params, mixed):
    held_out = (mixed[300:], params[300:]) if test else None
    one, many = (
        permutation_floor(linear_r2, mixed[:300], params[:300], held_out, 7, seed=2, batch=b)
        for b in (1, 3)
    )
    np.testing.assert_allclose(one.null, many.null, atol=1e-10)
    np.testing.assert_array_equal(one.p, many.p)


def test_a_draw_permutes_whole_rows_of_train_and_of_test():
    codes, params = np.arange(8.0)[:, None], np.column_stack([np.arange(8), np.arange(8) ** 2])
    seen = []

    def score(x, y, test=None):
        seen.append((x.copy(), y.copy(), test[0].copy(), test[1].copy()))
        return 0.0

    permutation_floor(score, codes, params, (codes + 8, params + 100), draws=20)
    true, draws = seen[0], seen[1:]
    assert len(draws) == 20
    for drawn in draws:
        np.testing.assert_array_equal(drawn[0], true[0])
        np.testing.assert_array_equal(drawn[2], true[2])
        for side in (1, 3):
            np.testing.assert_array_equal(drawn[side][:, 0].argsort(), drawn[side][:, 1].argsort())
            assert sorted(drawn[side][:, 0]) == sorted(true[side][:, 0])
            assert drawn[side][:, 0].tolist() != true[side][:, 0].tolist()
    assert len({tuple(drawn[1][:, 0]) + tuple(drawn[3][:, 0]) for drawn in draws}) == 20
    assert any(drawn[1][:, 0].tolist() != drawn[3][:, 0].tolist() for drawn in draws)


def test_p_values_of_noise_are_spread_evenly():
    rng = np.random.default_rng(7)
    p = [
        permutation_floor(linear_r2, *rng.normal(size=(2, 40, 1)), draws=19, seed=i, batch=19).p[0]
        for i in range(200)
    ]
    assert 0.02 <= np.mean(np.array(p) <= 0.05) <= 0.09
    assert 0.42 <= np.mean(p) <= 0.62


def test_a_batch_of_a_score_that_gives_no_number_a_column_is_refused(params):
    with pytest.raises(FddError) as caught:
        permutation_floor(mcc, params, params, batch=5)
    assert (
        str(caught.value)
        == "batch is 5: this score does not give one number a column, so it must be 1"
    )
    with pytest.raises(FddError, match=r"^batch=0 must be a whole number of at least 1$"):
        permutation_floor(linear_r2, params, params, batch=0)
