"""Compiled code from the cache: families are told apart, whatever process compiled them."""

import functools
import json
import os
import subprocess
import sys

import pytest
from conftest import CHECKOUT

PROGRAM = """
import dataclasses, json, sys
import numpy as np
import fdd
from fdd.attractors import reference
from fdd.attractors.families import FAMILIES, sin

def near(x, y, a, b, c):
    return a - x, b * y + x

def wave(x, y, a, b, c):
    return 30.0 * sin(y) + a, x - b

vector, drawn, exact = (0.5, 0.25, 1.5, 0.5, 0.75), [], []
for argument in sys.argv[1:]:
    name, step, reach = argument.split(":")
    family = dataclasses.replace(
        FAMILIES["hopalong_1"], name=name, step=globals()[step], argument=float(reach)
    )
    FAMILIES[name] = family
    images = fdd.render(np.tile(vector, (16_000, 1)), "counts", 4, 20, family=name)
    assert (images == images[0]).all()
    drawn.append(images[0].tolist())
    exact.append(reference.counts(reference.orbit(family, vector, 20), 4).tolist())
print(json.dumps([drawn, exact]))
"""
"""So many images are worth compiling for."""


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """Shared by the tests of this file, so that none compiles what another one has."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def drawn(cache):
    """drawn(*families): what a process with that cache draws and what is exact, for each.

    A family is NAME:STEP:ARGUMENT. The same families are drawn once.
    """

    @functools.cache
    def run(*families):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, *families],
            cwd=CHECKOUT,
            env=os.environ | {"NUMBA_CACHE_DIR": str(cache)},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


def test_so_many_images_are_not_drawn_without_compiled_code(drawn, cache):
    """It stands first, while the cache is empty, and no other process compiles this family."""
    (images,), (exact,) = drawn("mine:near:0")
    assert images == exact
    assert list(cache.rglob("*.nbc"))


def test_families_compiled_by_different_processes_stay_apart(drawn):
    """Linked by equal names, the second family would draw the first one's images."""
    near, wave = drawn("mine:near:0")[0], drawn("mine:wave:100")[0]
    assert near != wave
    both, exact = drawn("mine:near:0", "mine:wave:100")
    assert both == exact == near + wave


@pytest.mark.parametrize(
    ("before", "after"),
    [("mine:near:0", "mine:wave:100"), ("mine:wave:12", "mine:wave:100")],
    ids=["another equation", "sines of larger arguments"],
)
def test_a_family_that_is_edited_is_compiled_anew(drawn, before, after):
    """It keeps its name, as a family of one's own does while its equation is worked on."""
    (first,), _ = drawn(before)
    (second,), (exact,) = drawn(after)
    assert second == exact != first
