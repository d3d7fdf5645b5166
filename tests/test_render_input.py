"""Bad input of `render`: one sentence that names the argument, the value and what is right."""

import re

import numpy as np
import pytest

import fdd
from fdd import FddError

ROW = (0.1, -0.2, 2.1, -1.9, 0.7, 1.3)
DEGENERATE = (
    "params row {row}, {vector}, is degenerate: its orbit of {points} points is constant in x or "
    "in y and has no image"
)


NUMBERS = "params must be numbers, rows of (x0, y0, a, b, c, d), not "
FINITE = " must be a finite number from "
THREE = FINITE + "-3 to 3"
COLUMNS = "; it must be [N, 6] or [6], columns x0, y0, a, b, c, d"


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ("abc", NUMBERS + "'abc'"),
        ([1, [2]], NUMBERS + "[1, [2]]"),
        ([1j, 0, 0, 0, 0, 0], NUMBERS + "[1j, 0, 0, 0, 0, 0]"),
        (np.full(6, 1j), NUMBERS + f"{np.full(6, 1j)!r:.80}"),
        ([10**400, 0, 0, 0, 0, 0], NUMBERS + "[1" + 78 * "0"),
        ({"a": 1}, NUMBERS + "{'a': 1}"),
        (None, "params has shape []" + COLUMNS),
        ([], "params has shape [0]" + COLUMNS),
        ([1, 2, 3, 4, 5], "params has shape [5]" + COLUMNS),
        (np.zeros((2, 7)), "params has shape [2, 7]" + COLUMNS),
        (np.zeros((1, 2, 6)), "params has shape [1, 2, 6]" + COLUMNS),
        ([ROW, (0, 1.5, 0, 0, 0, 0)], "params: y0=1.5 in row 1" + FINITE + "-1 to 1"),
        ((0, 0, 0, 0, 0, -3.0000000000000004), "params: d=-3.0000000000000004 in row 0" + THREE),
        ((0, 0, np.nan, 0, 0, 0), "params: a=nan in row 0" + THREE),
        ((0, 0, 0, -np.inf, 0, 0), "params: b=-inf in row 0" + THREE),
        ([None] * 6, "params: x0=nan in row 0" + FINITE + "-1 to 1"),
    ],
)
@pytest.mark.filterwarnings("error")
def test_bad_params_are_refused(params, message):
    with pytest.raises(FddError) as error:
        fdd.render(params, size=4, points=20)
    assert str(error.value) == message


def test_a_tensor_that_requires_a_gradient_is_refused():
    vector = pytest.importorskip("torch").tensor(ROW, requires_grad=True)
    with pytest.raises(FddError, match=re.escape(NUMBERS + "tensor(")):
        fdd.render(vector, size=4, points=20)


@pytest.mark.parametrize(
    ("argument", "value", "message"),
    [
        ("size", 0, "size=0 must be a whole number from 2 to 4096"),
        ("size", 4097, "size=4097 must be a whole number from 2 to 4096"),
        ("size", 128.0, "size=128.0 must be a whole number from 2 to 4096"),
        ("size", True, "size=True must be a whole number from 2 to 4096"),
        ("points", 0, "points=0 must be a whole number from 1 to 4294967295"),
        ("points", 1, DEGENERATE.format(row=0, vector=ROW, points=1)),
        ("points", 2**32, "points=4294967296 must be a whole number from 1 to 4294967295"),
        ("points", np.nan, "points=nan must be a whole number from 1 to 4294967295"),
        ("threads", 0, "threads=0 must be a whole number of at least 1"),
        (
            "output",
            np.ones(2),
            "output=array([1., 1.]) is not known; choose from rgb, gray, counts",
        ),
        ("palette", ["kbc"], "palette=['kbc'] is not known; choose from kbc, inferno, viridis"),
        ("device", "tpu", "device='tpu' is not known; choose from cpu, cuda"),
        ("device", None, "device=None is not known; choose from cpu, cuda"),
    ],
)
def test_bad_arguments_are_refused(argument, value, message):
    with pytest.raises(FddError) as error:
        fdd.render(ROW, **{"points": 20, argument: value})
    assert str(error.value) == message


@pytest.mark.parametrize(("row", "threads"), [(0, 1), (17, 2), (39, 2)])
@pytest.mark.parametrize(
    "bad", [(0, 0, 1, 2, 1, 2), (0, 0.5, 0, 0, 3, 3), (1e-310, 0.5, 0, 0, 0, 0)]
)
def test_a_degenerate_row_is_named(bad, row, threads):
    params = np.random.default_rng(12).uniform(-1, 1, (40, 6)) * [1, 1, 3, 3, 3, 3]
    params[row] = bad
    message = DEGENERATE.format(row=row, vector=tuple(map(float, bad)), points=60)
    with pytest.raises(FddError, match=re.escape(message)):
        fdd.render(params, size=4, points=60, threads=threads)
