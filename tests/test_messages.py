"""A message is one printable line of bounded length, whatever value it shows."""

import shutil

import numpy as np
import pytest

import fdd
from fdd import FddError
from fdd.data.stream import stream


class Hostile:
    def __repr__(self):
        raise RuntimeError


@pytest.mark.parametrize(
    "value",
    [
        "\x1b[2J\u202e\udce9\u2028\n",
        "x" * 10**6,
        list(range(10**5)),
        np.zeros((9, 9)),
        10**5000,
        Hostile(),
    ],
    ids=["control", "long", "list", "array", "digits", "repr"],
)
def test_any_value_is_shown_on_one_short_line(value, tmp_path):
    for call in (
        lambda: fdd.load(version=value),
        lambda: fdd.load(root=value, source="kaggle"),
        lambda: fdd.render([0, 0, 1, 1, 1, 1], size=value),
        lambda: fdd.render(value),
        lambda: stream(value),
    ):
        with pytest.raises(FddError) as raised:
            call()
        assert str(raised.value).isprintable()
        assert len(str(raised.value)) < 1000


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: fdd.load("validation"),
            "split='validation' is not known (did you mean val?); choose from train, val, test",
        ),
        (
            lambda: fdd.load(output="grey"),
            "output='grey' is not known (did you mean gray?); choose from rgb, gray, counts",
        ),
        (
            lambda: fdd.load(palette="Viridis"),
            "palette='Viridis' is not known (did you mean viridis?); choose from kbc, inferno, "
            "viridis",
        ),
        (
            lambda: fdd.pairs("neer"),
            "kind='neer' is not known (did you mean near?); choose from start, near, ou, one, "
            "some, views",
        ),
        (
            lambda: fdd.load(output="jpeg"),
            "output='jpeg' is not known; choose from rgb, gray, counts",
        ),
    ],
)
def test_a_name_that_is_not_known_is_told_with_the_one_that_was_probably_meant(call, message):
    with pytest.raises(FddError) as raised:
        call()
    assert str(raised.value) == message


def test_an_error_of_a_library_is_one_printable_line():
    text = "a\x1b[31m first line\n\n   and a second\r\n"
    assert str(FddError(text)) == "a\\x1b[31m first line and a second"


@pytest.mark.parametrize("owner", ["me me", "", "a/b", "a\n", 3])
def test_an_account_that_kaggle_cannot_have_is_refused(owner, tmp_path):
    pytest.importorskip("pyarrow", reason="a package is written with pyarrow")
    from fdd.publishing.package import package

    with pytest.raises(FddError) as raised:
        package(tmp_path / "out", "mini", 1, owner=owner)
    assert str(raised.value) == f"owner={owner!r} must be letters, digits and hyphens"
    assert list(tmp_path.iterdir()) == []


def test_a_folder_around_a_package_and_a_part_of_one_are_called_that(tiny, tmp_path):
    pytest.importorskip("pyarrow", reason="a package is written with pyarrow")
    from fdd.publishing.package import package

    package(tmp_path / "around" / "inner", tiny.name)
    with pytest.raises(FddError) as raised:
        fdd.load(version=tiny.name, root=tmp_path / "around")
    says = f"root='{tmp_path / 'around'}' holds a package in 'inner'; give that"
    assert str(raised.value) == says
    part = shutil.copytree(tmp_path / "around" / "inner", tmp_path / "part")
    (part / "sha256sums.txt").unlink()
    with pytest.raises(FddError) as raised:
        fdd.load(version=tiny.name, root=part)
    assert str(raised.value) == (
        f"root='{part}' holds shards of a package and not sha256sums.txt, which lists them; get "
        "the package again"
    )
