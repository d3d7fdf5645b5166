"""The same bytes on every processor: the kernel compiled for older ones and run here."""

import hashlib
import os
import platform
import subprocess
import sys

import numpy as np
import pytest

import fdd

PROGRAM = """
import hashlib, numpy as np, fdd
params = np.random.default_rng(5).uniform(-1, 1, (120, 6)) * [1, 1, 3, 3, 3, 3]
print(hashlib.sha256(fdd.render(params, points=3000)).hexdigest())
"""
"""So many images are worth compiling for (tests/test_kernel_cache.py)."""


@pytest.mark.skipif(platform.machine() != "x86_64", reason="these are x86-64 processors")
@pytest.mark.parametrize(
    "processor", [pytest.param("haswell", id="AVX2"), pytest.param("nehalem", id="SSE4, no FMA")]
)
def test_older_processors_draw_the_same_bytes(processor, tmp_path):
    params = np.random.default_rng(5).uniform(-1, 1, (120, 6)) * [1, 1, 3, 3, 3, 3]
    here = hashlib.sha256(fdd.render(params, points=3000)).hexdigest()
    there = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=os.environ
        | {
            "NUMBA_CPU_NAME": processor,
            "NUMBA_CPU_FEATURES": "",
            "NUMBA_CACHE_DIR": str(tmp_path),
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert there.stdout.strip() == here


NEON = """
import collections, re
import llvmlite.binding as llvm
import numba
from numba import int64
from fdd.arithmetic import sines
from fdd.attractors.families import FAMILIES, bind
from fdd.arithmetic.lanes import LANES
from fdd.arithmetic.lane_memory import load, load_rows, store

step = bind(FAMILIES["fractal_dream"].step, sin=sines.sin_lanes)
step = numba.njit(error_model="numpy", forceinline=True)(step)

@numba.njit(error_model="numpy")
def one_step(params, point):
    x, y = step(load(point, 0), load(point, LANES), *load_rows(params, 0, LANES, 4))
    store(point, 0, x)
    store(point, LANES, y)

one_step.compile((int64, int64))
llvm.initialize_all_targets()
llvm.initialize_all_asmprinters()
machine = llvm.Target.from_triple("aarch64-unknown-linux-gnu").create_target_machine(opt=3)
code = re.sub("target (triple|datalayout) = .*", "", one_step.inspect_llvm((int64, int64)))
module = llvm.parse_assembly(code)
module.triple, module.data_layout = "aarch64-unknown-linux-gnu", str(machine.target_data)
lines = [line.split() for line in machine.emit_assembly(module).splitlines() if line[:1] == "\t"]
print(sum(line[0] in {"fmla", "fmls", "fmadd", "fmsub"} for line in lines))
print(*{line[1] for line in lines if line[0] == "bl" and not line[1].startswith("Py")})
"""


@pytest.mark.skipif(platform.machine() != "x86_64", reason="it is compiled for another one here")
def test_compiled_for_arm_nothing_is_fused_but_what_the_source_asks_for(tmp_path):
    """Nine fused multiply-adds a sine, four sines a step, eight registers for sixteen lanes."""
    generic = {"NUMBA_CPU_NAME": "nehalem", "NUMBA_CPU_FEATURES": ""}
    compiled = subprocess.run(
        [sys.executable, "-c", NEON],
        env=os.environ | generic | {"NUMBA_CACHE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    fused, _, calls = compiled.stdout.partition("\n")
    assert int(fused) == 9 * 4 * 8
    assert set(calls.split()) & {"fma", "sin", "cos", "__muldf3"} == set()
