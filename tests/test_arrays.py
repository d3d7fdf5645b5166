"""What scores compute on: which columns are constant, which rows are held out."""

import doctest

import numpy as np

from benchmarks.statistics import arrays
from benchmarks.statistics.arrays import constant_columns, varying


def test_examples_in_docstrings():
    assert doctest.testmod(arrays).failed == 0


def test_a_column_is_constant_only_if_all_its_rows_are():
    array = np.ones((9, 3))
    array[3, 1] = 2  # not the first, the middle or the last row
    array[:, 2] = -0.0
    array[4, 2] = 0.0
    assert constant_columns(array).tolist() == [True, False, True]
    np.testing.assert_array_equal(varying(array), array[:, 1:2])


def test_folds_hold_every_row_out_once():
    held_out = np.concatenate([held for _, held in arrays.folds(23, 5, seed=0)])
    assert sorted(held_out) == list(range(23))
