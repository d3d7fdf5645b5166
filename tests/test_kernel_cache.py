"""Compiled code from the cache: families are told apart, whatever process compiled them."""

import dataclasses

from fdd.attractors.families import FAMILIES
from fdd.rendering import cpu_kernel

PROGRAM = """
import dataclasses, sys
import numpy as np
import fdd
from fdd.attractors.families import FAMILIES

def near(x, y, a, b, c):
    return a - x, b * y + x

def far(x, y, a, b, c):
    return a - y, c * x - b

for name in sys.argv[1:]:
    step = {"near": near, "far": far}[name]
    FAMILIES[name] = dataclasses.replace(FAMILIES["hopalong_1"], name=name, step=step)
    print(fdd.render([0.5, 0.25, 1.5, 0.5, 0.75], "counts", 4, 20, family=name).ravel().tolist())
"""


def test_families_compiled_by_different_processes_stay_apart(run_python, tmp_path):
    """Linked by equal names, the second family would draw the first one's images."""
    alone = []
    for name in ("near", "far"):
        code, output, errors = run_python("-c", PROGRAM, name, NUMBA_CACHE_DIR=tmp_path)
        assert code == 0, errors
        alone.append(output)
    assert alone[0] != alone[1]
    code, output, errors = run_python("-c", PROGRAM, "near", "far", NUMBA_CACHE_DIR=tmp_path)
    assert (code, output) == (0, "".join(alone)), errors


def test_a_step_that_changes_is_compiled_anew():
    """A family of one's own keeps its name while its equation is edited."""

    def edited(x, y, a, b, c):
        return y - 2.0, a - x

    family = FAMILIES["hopalong_1"]
    families = [*FAMILIES.values(), dataclasses.replace(family, step=edited)]
    families.append(dataclasses.replace(family, argument=100.0))
    digests = {cpu_kernel._identity(family) for family in families}
    assert len(digests) == len(families)
