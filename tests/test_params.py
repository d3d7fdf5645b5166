"""Uniform draws of any family, and `fdd preview --family`."""

import numpy as np
import pytest
from PIL import Image

import fdd
from fdd import FddError
from fdd.attractors.families import FAMILIES
from fdd.attractors.params import uniform_params
from fdd.cli import main
from fdd.rendering.cpu import render_cpu
from fdd.rendering.drawing import Drawing
from fdd.rendering.render import imaged_params

KNOWN = "choose from " + ", ".join(FAMILIES)

every_family = pytest.mark.parametrize("family", FAMILIES.values(), ids=lambda family: family.name)


def test_the_first_rows_are_known():
    first = [-0.9769064914273369, -0.5169016068745638]
    assert uniform_params(1).tolist() == [
        [*first, -2.3314448669103705, 0.3864877296428024, 0.014277625641032188, -1.3343665386926786]
    ]
    assert uniform_params(2, "bedhead").tolist() == [
        [*first, -0.7771482889701236, 0.6950902351249936],
        [0.004759208547010729, -0.4447888462308929, 0.8930885855784281, 0.9902463723866723],
    ]
    assert uniform_params(1, "hopalong_1", 7)[0, 3:].tolist() == [
        -1.892155084320109,
        -8.343146259452475,
    ]
    assert uniform_params(2, "symmetric_icon")[:, 7].tolist() == [9.0, 8.0]


@every_family
def test_row_i_depends_on_the_seed_and_i_alone(family):
    rows = uniform_params(50, family.name, 3)
    assert rows.shape == (50, len(family.parameters))
    for n in (0, 1, 49):
        np.testing.assert_array_equal(uniform_params(n, family.name, 3), rows[:n])
    assert not np.isin(uniform_params(50, family.name, 4)[:, :2], rows[:, :2]).any()


@every_family
def test_draws_are_uniform_over_the_ranges_and_independent(family):
    rows = uniform_params(20_000, family.name, 1)
    low, high = np.array(family.ranges).T
    whole = np.isin(family.parameters, family.whole)
    assert np.all((low <= rows) & (rows <= high))
    unit = (rows + 0.5 * whole - low) / (high - low + whole)
    for column in unit.T[~whole]:
        shares = np.histogram(column, 20, (0, 1))[0] / len(rows)
        assert np.all(np.abs(shares - 0.05) < 0.01)  # six standard deviations
    correlations = np.corrcoef(unit.T) - np.eye(len(low))
    assert np.abs(correlations).max() < 6 / np.sqrt(len(rows))


def test_whole_numbers_take_each_value_as_often():
    degrees, times = np.unique(uniform_params(7000, "symmetric_icon", 2)[:, 7], return_counts=True)
    assert degrees.tolist() == [3, 4, 5, 6, 7, 8, 9]
    assert np.all(np.abs(times - 1000) < 180)  # six standard deviations


@every_family
def test_the_declared_share_of_draws_has_an_image(family):
    rows = uniform_params(320, family.name, 5)
    imaged = ~render_cpu(Drawing(family.name, size=2), rows)[1]
    spread = np.sqrt(family.imaged * (1 - family.imaged) / len(rows))
    assert imaged.mean() >= family.imaged - 5 * spread
    assert imaged.mean() <= family.imaged + 0.1  # the declared share is not an idle one


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((3, "lorenz"), f"family='lorenz' is not known; {KNOWN}"),
        ((3, None), f"family=None is not known; {KNOWN}"),
        ((-1, "bedhead"), "n=-1 must be a whole number from 0 to 1000000000"),
        ((2**63, "bedhead"), f"n={2**63} must be a whole number from 0 to 1000000000"),
        ((2.0, "bedhead"), "n=2.0 must be a whole number from 0 to 1000000000"),
        ((3, "bedhead", -1), f"seed=-1 must be a whole number from 0 to {2**128 - 1}"),
        ((3, "bedhead", 2**128), f"seed={2**128} must be a whole number from 0 to {2**128 - 1}"),
        ((3, "bedhead", 0.5), f"seed=0.5 must be a whole number from 0 to {2**128 - 1}"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(FddError) as error:
        uniform_params(*arguments)
    assert str(error.value) == message


def preview(*words):
    return main(["preview", *map(str, words)])


@every_family
def test_a_preview_shows_the_first_draws_that_have_an_image(family, tmp_path, capsys):
    out = tmp_path / "sheet.png"
    options = ("--count", 3, "--size", 16, "--points", 500, "--columns", 3)
    assert preview("--family", family.name, "--seed", 6, *options, "--out", out) == 0
    assert capsys.readouterr().out == f"3 images in {out}\n"
    rows = imaged_params(3, family.name, 6, points=500)
    assert {tuple(row) for row in rows} <= {*map(tuple, uniform_params(60, family.name, 6))}
    sheet = np.asarray(Image.open(out))
    for i, image in enumerate(fdd.render(rows, size=16, points=500, family=family.name)):
        left = 4 + 20 * i
        np.testing.assert_array_equal(sheet[4:20, left : left + 16], image)


def test_a_preview_of_given_params_of_a_family(tmp_path):
    out, vector = tmp_path / "one.png", (0.5, 0.5, 0.1, 0.9)
    options = ("--family", "bedhead", "--size", 16, "--points", 500, "--out", out)
    assert preview("--params", *vector, *options) == 0
    image = fdd.render(vector, size=16, points=500, family="bedhead")
    np.testing.assert_array_equal(np.asarray(Image.open(out))[4:20, 4:20], image)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--seed", -1), f"seed=-1 must be a whole number from 0 to {2**128 - 1}"),
        (
            ("--params", 0, 0, 0, 0.2),
            "params: b=0.2 in row 0 must be a finite number from 0.3 to 1",
        ),
        (
            ("--params", 1, 2),
            "params has shape [1, 2]; it must be [N, 4] or [4], columns x0, y0, a, b",
        ),
    ],
)
def test_a_preview_refuses_mistakes_in_one_sentence(words, message, tmp_path, capsys):
    out = tmp_path / "none.png"
    assert preview("--family", "bedhead", *words, "--out", out) == 2
    assert capsys.readouterr().err == f"error: {message}\n"
    assert not out.exists()


def test_a_preview_of_an_unknown_family_names_the_known_ones(capsys):
    assert preview("--family", "lorenz") == 2
    assert capsys.readouterr() == ("", f"error: family='lorenz' is not known; {KNOWN}\n")
