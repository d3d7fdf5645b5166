"""What a score is given by mistake is named, and what is merely odd has a finite answer."""

import sys
from functools import partial

import numpy as np
import pytest

from benchmarks.scores import linear_r2, mcc, nonlinear_r2, permutation_floor
from benchmarks.statistics.arrays import constant_columns, varying
from fdd import FddError

SCORES = {
    "linear_r2": linear_r2,
    "nonlinear_r2": nonlinear_r2,
    "boosting": partial(nonlinear_r2, regressor="boosting"),
    "mcc": mcc,
    "mcc spearman": partial(mcc, correlation="spearman"),
}


@pytest.mark.parametrize("name", SCORES)
@pytest.mark.parametrize("rows", [2, 3, 6, 40])
@pytest.mark.parametrize("scale", [1e-300, 1.0, 1e99])
def test_few_rows_and_any_scale_have_a_finite_answer(name, rows, scale):
    rng = np.random.default_rng(rows)
    codes, params = rng.normal(size=(rows, 5)) * scale, rng.normal(size=(rows, 2)) * scale
    assert np.isfinite(SCORES[name](codes, params)).all()


GOOD = np.random.default_rng(0).normal(size=(9, 2))
NAN = np.where(np.arange(18).reshape(9, 2) == 5, np.nan, GOOD)
ONE_NAN = "holds NaN or infinity: 1 of 18 values, the first at index (2, 1)"
BAD = {
    "1-D codes": ((GOOD[:, 0], GOOD), "codes has shape (9,): it must be 2-D, [rows, columns]"),
    "3-D params": (
        (GOOD, GOOD[None]),
        "params has shape (1, 9, 2): it must be 2-D, [rows, columns]",
    ),
    "no rows": ((GOOD[:0], GOOD[:0]), "codes has shape (0, 2): it must have at least 2 rows"),
    "one row": ((GOOD[:1], GOOD[:1]), "codes has shape (1, 2): it must have at least 2 rows"),
    "no columns": ((GOOD[:, :0], GOOD), "codes has shape (9, 0): it must have at least 1 column"),
    "lengths": ((GOOD[:8], GOOD), "codes has 8 rows and params 9: they must agree"),
    "NaN codes": ((NAN, GOOD), f"codes {ONE_NAN}"),
    "NaN params": ((GOOD, NAN), f"params {ONE_NAN}"),
    "infinite": (
        (GOOD, GOOD * np.inf),
        "params holds NaN or infinity: 18 of 18 values, the first at index (0, 0)",
    ),
    "huge": ((GOOD * 0 + 1e101, GOOD), "codes reaches 1e+101 in size: at most 1e100 is allowed"),
    "complex": ((GOOD * 1j, GOOD), "codes has dtype complex128: it must hold real numbers"),
    "text": (([["a"], ["b"]], GOOD[:2]), "codes has dtype <U1: it must hold real numbers"),
    "constant params": (
        (GOOD, np.column_stack([GOOD[:, 0], np.ones(9)])),
        "params column 1 is constant: it has no variance to explain; drop it",
    ),
    "test no pair": ((GOOD, GOOD, GOOD), "test is ndarray: it must be a pair (codes, params)"),
    "test triple": ((GOOD, GOOD, (GOOD,) * 3), "test is tuple: it must be a pair (codes, params)"),
    "test lengths": (
        (GOOD, GOOD, (GOOD[:4], GOOD[:5])),
        "test codes has 4 rows and test params 5: they must agree",
    ),
    "test codes": (
        (GOOD, GOOD, (GOOD[:, :1], GOOD)),
        "codes has 2 columns and test codes 1: they must agree",
    ),
    "test params": (
        (GOOD, GOOD, (GOOD, GOOD[:, :1])),
        "params has 2 columns and test params 1: they must agree",
    ),
    "test one row": (
        (GOOD, GOOD, (GOOD[:1], GOOD[:1])),
        "test codes has shape (1, 2): it must have at least 2 rows",
    ),
    "test NaN": (
        (GOOD, GOOD, (NAN, GOOD)),
        f"test codes {ONE_NAN}",
    ),
    "test constant": (
        (GOOD, GOOD, (GOOD, np.ones((9, 2)))),
        "test params column 0 is constant: it has no variance to explain; drop it",
    ),
}


@pytest.mark.parametrize("case", BAD)
@pytest.mark.parametrize("name", [*SCORES, "permutation_floor"])
def test_bad_input_is_named(name, case):
    arguments, message = BAD[case]
    score = SCORES.get(name, partial(permutation_floor, linear_r2))
    with pytest.raises(FddError) as caught:
        score(*arguments)
    assert str(caught.value) == message


def test_ragged_lists_are_named():
    with pytest.raises(FddError, match=r"^codes cannot be read as an array: "):
        linear_r2([[1.0], [1.0, 2.0]], GOOD[:2])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            partial(mcc, correlation="kendall"),
            "correlation='kendall' is not known; choose from pearson, spearman",
        ),
        (
            partial(mcc, alignment="none"),
            "alignment='none' is not known; choose from strong, affine, weak",
        ),
        (
            partial(mcc, alignment="affine"),
            "alignment is 'affine', which fits a map: give test=(codes, params) too",
        ),
        (
            partial(nonlinear_r2, regressor="forest"),
            "regressor='forest' is not known; choose from kernel, boosting, neighbours",
        ),
        (
            partial(nonlinear_r2, max_rows=1),
            "max_rows=1 must be a whole number of at least 2",
        ),
        (
            partial(permutation_floor, mcc, draws=0),
            "draws=0 must be a whole number of at least 1",
        ),
        (
            partial(permutation_floor, mcc, draws=2.5),
            "draws=2.5 must be a whole number of at least 1",
        ),
        (
            partial(permutation_floor, mcc, batch=5),
            "batch is 5: this score gives no number a column, so it must be 1",
        ),
    ],
)
def test_bad_options_are_named(call, message):
    with pytest.raises(FddError) as caught:
        call(GOOD, GOOD)
    assert str(caught.value) == message


def test_codes_far_outside_the_training_codes_are_an_error_not_an_infinity():
    far = (GOOD * 1e90, GOOD)
    with pytest.raises(FddError, match=r"^test codes lie too far outside the training codes: "):
        linear_r2(GOOD * 1e-100, GOOD, test=far)


def test_a_missing_package_is_one_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.kernel_ridge", None)
    with pytest.raises(FddError, match=r"pip install 'fdd\[benchmarks\]'"):
        nonlinear_r2(GOOD, GOOD)


def test_a_column_is_constant_only_if_all_its_rows_are():
    array = np.ones((9, 3))
    array[3, 1] = 2  # not the first, the middle or the last row
    array[:, 2] = -0.0
    array[4, 2] = 0.0
    assert constant_columns(array).tolist() == [True, False, True]
    np.testing.assert_array_equal(varying(array), array[:, 1:2])
