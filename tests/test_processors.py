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
params = np.random.default_rng(5).uniform(-1, 1, (20, 6)) * [1, 1, 3, 3, 3, 3]
print(hashlib.sha256(fdd.render(params, points=3000)).hexdigest())
"""


@pytest.mark.skipif(platform.machine() != "x86_64", reason="these are x86-64 processors")
@pytest.mark.parametrize(
    "processor", [pytest.param("haswell", id="AVX2"), pytest.param("nehalem", id="SSE4, no FMA")]
)
def test_older_processors_draw_the_same_bytes(processor, tmp_path):
    params = np.random.default_rng(5).uniform(-1, 1, (20, 6)) * [1, 1, 3, 3, 3, 3]
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
