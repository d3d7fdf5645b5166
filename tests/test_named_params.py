"""Parameters that have names are matched by name, whatever their order; numbered ones by place."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import fdd
from fdd import FddError

NAMES = ["x0", "y0", "a", "b", "c", "d"]
OTHER = ["x0", "y0", "b", "a", "d", "c"]
ROWS = np.array([[0.1, -0.2, 2.1, -1.9, 0.7, 1.3], [0.3, 0.4, -1.1, 1.2, -0.9, 2.2]])
FRAME = pd.DataFrame(ROWS, columns=NAMES)

small = {"size": 16, "points": 400}
FUNCTIONS = {
    "render": lambda params: fdd.render(params, **small),
    "canonical_params": fdd.canonical_params,
    "scale_params": fdd.scale_params,
}
FORMS = {
    "DataFrame": FRAME[OTHER],
    "dict of arrays": {name: FRAME[name].to_numpy() for name in OTHER},
    "dict of lists": {name: FRAME[name].tolist() for name in OTHER},
    "Arrow table": pa.table({name: FRAME[name].tolist() for name in OTHER}),
}

every_function = pytest.mark.parametrize("name", FUNCTIONS)


@every_function
@pytest.mark.parametrize("form", FORMS)
def test_columns_are_matched_by_name_in_whatever_order(name, form):
    function = FUNCTIONS[name]
    np.testing.assert_array_equal(function(FORMS[form]), function(ROWS))


@every_function
def test_one_vector_is_matched_by_name_too(name):
    function = FUNCTIONS[name]
    expected = function(ROWS[1])
    np.testing.assert_array_equal(function(FRAME[OTHER].iloc[1]), expected)
    np.testing.assert_array_equal(function(FRAME[OTHER].iloc[1].to_dict()), expected)


def test_both_ends_of_a_path_are_matched_by_name():
    expected = fdd.path(*ROWS, 3, version="mini")
    found = fdd.path(FRAME[OTHER].iloc[0], FRAME[OTHER].iloc[1].to_dict(), 3, version="mini")
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


@every_function
def test_columns_that_are_numbered_are_an_array(name):
    function = FUNCTIONS[name]
    for frame in (pd.DataFrame(ROWS), pd.DataFrame(ROWS, columns=range(5, 11))):
        np.testing.assert_array_equal(function(frame), function(ROWS))
        np.testing.assert_array_equal(function(frame.iloc[0]), function(ROWS[0]))


def test_names_are_those_of_the_family():
    values = {"b": [0.9], "a": [0.1], "y0": [0.5], "x0": [0.4]}
    image = fdd.render(values, **small, family="bedhead")
    expected = fdd.render([[0.4, 0.5, 0.1, 0.9]], **small, family="bedhead")
    np.testing.assert_array_equal(image, expected)


WRONG = [
    (FRAME.rename(columns={"d": "D"}), "D unknown and d missing"),
    (FRAME.drop(columns=["y0", "c"]), "y0, c missing"),
    (FRAME.assign(index=[7, 8], file=["p", "q"]), "index, file unknown"),
    (FRAME[[*NAMES, "a", "x0"]], "x0, a repeated"),
    (FRAME[[*NAMES[:5], "a"]], "d missing and a repeated"),
    (pd.DataFrame(ROWS, columns=[*NAMES[:5], 5]), "5 unknown and d missing"),
    ({"a": [1.0]}, "x0, y0, b, c, d missing"),
]


@every_function
@pytest.mark.parametrize(("params", "found"), WRONG, ids=[found for _, found in WRONG])
def test_other_names_are_refused_in_one_sentence(name, params, found):
    with pytest.raises(FddError) as error:
        FUNCTIONS[name](params)
    assert str(error.value) == (
        f"params has columns by name, {found}; they must be x0, y0, a, b, c, d, each once, in any "
        "order"
    )


def test_a_path_names_the_end_that_is_wrong():
    with pytest.raises(FddError) as error:
        fdd.path(ROWS[0], {"a": 1.0, "z": 2.0}, 3)
    assert str(error.value) == (
        "w has columns by name, z unknown and x0, y0, b, c, d missing; they must be x0, y0, a, b, "
        "c, d, each once, in any order"
    )


@pytest.mark.parametrize("column", [[1.0], ["p", "q"], None])
def test_named_columns_that_are_not_equally_long_or_no_numbers_are_refused(column):
    params = FRAME.to_dict("list") | {"d": column}
    with pytest.raises(FddError) as error:
        fdd.scale_params(params)
    assert str(error.value) == (
        f"params must be numbers, rows of (x0, y0, a, b, c, d), not {params!r:.80}"
    )
