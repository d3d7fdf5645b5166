"""How the options of every command are declared, read and explained."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import pytest

import baselines.__main__
import benchmarks.__main__
from fdd import FddError
from fdd.options import Arg, parse


@dataclass(frozen=True)
class Base:
    """Paint walls.

    With a brush, 100 % by hand, or with a roller, which is faster and leaves a surface that is less
    even.
    """

    coats: int = 2
    """How many times."""
    width: float = 0.5
    """Of the brush, in metres. At
    most 1."""


@dataclass(frozen=True)
class Paint(Base):
    __doc__ = Base.__doc__

    wall: Annotated[tuple[Path, ...], Arg("WALL", positional=True)] = ()
    """What to paint."""
    colour: Literal["red", "blue"] = "red"
    """Of the paint."""
    two_sided: bool = False
    """Both sides: 200 % of the paint."""
    mix: Annotated[tuple[tuple[float, ...], ...], Arg("SHARE", each=True)] = ()
    """Shares of red, green and blue; once for each wall."""
    days: tuple[int, ...] = (1,)
    """When."""
    note: Annotated[tuple[str, ...], Arg("TEXT", "no notes", each=True)] = ()
    """To whom it may concern."""
    owner: str | None = None
    """Who pays."""


def read(words):
    return parse(Paint, words.split(), "paint")


@pytest.mark.parametrize(
    ("words", "given"),
    [
        ("", {}),
        ("north south", {"wall": (Path("north"), Path("south"))}),
        ("--coats 3 north", {"coats": 3, "wall": (Path("north"),)}),
        ("--coats=3 --coats=-4", {"coats": -4}),
        ("--width -1e-3", {"width": -0.001}),
        ("--width 1", {"width": 1.0}),
        ("--colour blue", {"colour": "blue"}),
        ("--two-sided", {"two_sided": True}),
        ("--two_sided", {"two_sided": True}),
        ("--two-sided --no-two-sided", {"two_sided": False}),
        ("--two", {"two_sided": True}),
        ("--days 1 2 3", {"days": (1, 2, 3)}),
        ("--days 1,2,3", {"days": (1, 2, 3)}),
        ("--days -1, 2, -3", {"days": (-1, 2, -3)}),
        ("--days", {"days": ()}),
        ("--mix 1 -2e-3 3 --mix -4,5,6", {"mix": ((1.0, -0.002, 3.0), (-4.0, 5.0, 6.0))}),
        ("--note a,b --note=--c", {"note": ("a,b", "--c")}),
        ("--owner me --owner None", {"owner": None}),
        ("--owner -1e3", {"owner": "-1e3"}),
    ],
)
def test_words_become_values_of_the_declared_types(words, given):
    found = read(words)
    assert found == Paint(**given)
    for name, value in given.items():
        assert type(getattr(found, name)) is type(value)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--coats many", "coats='many' must be a whole number"),
        ("--coats 1.5", "coats='1.5' must be a whole number"),
        ("--width -1,2", "width='-1,2' must be a number"),
        ("--days 1,x", "days='x' must be a whole number"),
        ("--colour bleu", "colour='bleu' is not known (did you mean blue?); choose from red, blue"),
        ("--color red", "option='--color' is not known (did you mean --colour?); paint --help li"),
        ("--coats", "argument --coats: expected one argument"),
        ("--mix 1 --mix", "argument --mix: expected at least one argument"),
        ("--two-sided=1", "argument --two-sided/--no-two-sided: ignored explicit argument '1'"),
    ],
)
def test_what_cannot_be_read_is_one_sentence(words, message):
    with pytest.raises(FddError) as raised:
        read(words)
    assert str(raised.value).startswith(message)


def test_help_tells_the_texts_below_the_fields(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "72")
    with pytest.raises(SystemExit, match=r"^0$"):
        read("--help")
    assert capsys.readouterr() == (
        """\
usage: paint [OPTIONS] [WALL ...]

Paint walls.

With a brush, 100 % by hand, or with a roller, which is faster and
leaves a surface that is less even.

positional arguments:
  WALL                  What to paint.

options:
  -h, --help            show this help message and exit
  --coats N             How many times. (default: 2)
  --width X             Of the brush, in metres. At most 1. (default:
                        0.5)
  --colour {red,blue}   Of the paint. (default: red)
  --two-sided, --no-two-sided
                        Both sides: 200 % of the paint. (default: off)
  --mix SHARE [SHARE ...]
                        Shares of red, green and blue; once for each
                        wall.
  --days [N ...]        When. (default: 1)
  --note TEXT           To whom it may concern. (default: no notes)
  --owner TEXT          Who pays.
""",
        "",
    )


@pytest.mark.parametrize("words", [[], ["--help"]])
def test_a_package_lists_what_there_is_to_run(capsys, monkeypatch, words):
    monkeypatch.setenv("COLUMNS", "80")
    assert benchmarks.__main__.main(words) == 0
    assert capsys.readouterr() == (
        """\
usage: python -m benchmarks.NAME [OPTIONS]

  correspondence  Does the latent space of a trained model correspond to the
                  parameters? The scores of one model.
  feedback        What feedback does for sparse deep predictive coding:
                  errors, iterations, denoising.
  leaderboard     Result files of several people as one table.
  mini            How a release of small images is chosen: its rule of
                  acceptance, and what a reader loses by it.
  reader          A supervised reader: a small residual network that learns to
                  read the parameters from images.
  recipes         Scores of the runs of `baselines.recipes`, as one table with
                  the spread over seeds.
  references      Scores to put beside those of models: of codes without any
                  training, and of the oracle's codes.
  report          The scores of several models on one page.
  translation     Do images get their own translations? The scores of models
                  that translate between two domains.

python -m benchmarks.NAME --help explains one.
""",
        "",
    )


def test_a_package_lists_every_baseline(capsys):
    assert baselines.__main__.main([]) == 0
    names = re.findall(r"^  (\w+)  ", capsys.readouterr().out, re.MULTILINE)
    assert set(names) == {*baselines.BASELINES, "interpolate", "recipes", "sweep", "train"}


def test_a_word_that_is_no_module_is_one_sentence(capsys):
    assert benchmarks.__main__.main(["reprot"]) == 2
    message = "write python -m benchmarks.NAME; 'reprot' is not known here (did you mean report?)"
    assert capsys.readouterr() == ("", f"error: {message}\n")
