"""Compiled code from the cache: families are told apart, whatever process compiled them."""

import pytest

PROGRAM = """
import dataclasses, sys
import fdd
from fdd.attractors.families import FAMILIES, sin
from fdd.rendering import uncompiled

uncompiled.MOST_POINTS = 0  # all is compiled

def near(x, y, a, b, c):
    return a - x, b * y + x

def far(x, y, a, b, c):
    return a - y, c * x - b

def wave(x, y, a, b, c):
    return 30.0 * sin(y) + a, x - b

for argument in sys.argv[1:]:
    name, step, reach = argument.split(":")
    FAMILIES[name] = dataclasses.replace(
        FAMILIES["hopalong_1"], name=name, step=globals()[step], argument=float(reach)
    )
    print(fdd.render([0.5, 0.25, 1.5, 0.5, 0.75], "counts", 4, 20, family=name).ravel().tolist())
"""


@pytest.fixture
def drawn(run_python, tmp_path):
    """drawn(cache, *families): what a process with that cache draws, NAME:STEP:ARGUMENT each."""

    def run(cache, *families):
        place = tmp_path / cache
        code, output, errors = run_python("-c", PROGRAM, *families, NUMBA_CACHE_DIR=place)
        assert code == 0, errors
        return output

    return run


def test_families_compiled_by_different_processes_stay_apart(drawn):
    """Linked by equal names, the second family would draw the first one's images."""
    near, far = drawn("cache", "near:near:0"), drawn("cache", "far:far:0")
    assert near != far
    assert drawn("cache", "near:near:0", "far:far:0") == near + far


@pytest.mark.parametrize(
    ("before", "after"),
    [("mine:near:0", "mine:far:0"), ("mine:wave:12", "mine:wave:100")],
    ids=["another equation", "sines of larger arguments"],
)
def test_a_family_that_is_edited_is_compiled_anew(drawn, before, after):
    """It keeps its name, as a family of one's own does while its equation is worked on."""
    first = drawn("cache", before)
    assert drawn("cache", after) == drawn("another cache", after) != first
