"""Boosting takes one thread, so that two scorings on one machine do not wait for each other."""

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingRegressor
from threadpoolctl import threadpool_info, threadpool_limits

from benchmarks import scores

SCORES = {
    "nonlinear_r2": lambda *arrays: scores.nonlinear_r2(*arrays, regressor="boosting"),
    "dci": scores.dci,
}


@pytest.fixture
def fitted_with(monkeypatch):
    """The threads of OpenMP at each fit, a set of numbers a library."""
    seen, fit = [], HistGradientBoostingRegressor.fit

    def spy(*arguments, **options):
        seen.append(threads())
        return fit(*arguments, **options)

    monkeypatch.setattr(HistGradientBoostingRegressor, "fit", spy)
    return seen


def threads():
    return {one["num_threads"] for one in threadpool_info() if one["user_api"] == "openmp"}


@pytest.mark.parametrize("name", SCORES)
@pytest.mark.parametrize(("variable", "expected"), [(None, 1), ("3", 3)])
def test_boosting_takes_one_thread_unless_the_variable_is_set(
    name, variable, expected, fitted_with, monkeypatch
):
    if variable is None:
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    else:
        monkeypatch.setenv("OMP_NUM_THREADS", variable)
    codes = np.random.default_rng(0).normal(size=(60, 2))
    with threadpool_limits(3, user_api="openmp"):
        SCORES[name](codes, codes)
        assert threads() == {3}
    assert fitted_with
    assert set.union(*fitted_with) == {expected}
