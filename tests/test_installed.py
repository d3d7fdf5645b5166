"""The packages work out of a zip archive, and installed without their sources."""

import compileall
import os
import shutil
import subprocess
import sys
import zipfile
from ast import literal_eval

import numpy as np
import pytest
from conftest import CHECKOUT, tree

import fdd

VECTOR = [-0.27, -0.82, -2.41, -0.55, -0.04, -1.5]
PROGRAM = f"""
import os, pwd, sys
def absent(user):
    raise KeyError(user)
pwd.getpwuid = pwd.getpwnam = absent
sys.path.insert(0, sys.argv[1])
import fdd
assert fdd.__file__.startswith(sys.argv[1]), fdd.__file__
from fdd.rendering.shading import gray
from fdd.releases.cards import published_checksums
import numpy as np
print(gray(np.eye(2, dtype=np.uint32)[None]).tolist(), len(published_checksums("fdd-1")))
print(fdd.render({VECTOR}, size=8, points=99).tolist())
assert str(fdd.explore([])).startswith("<!DOCTYPE html>")
if sys.argv[2:]:
    assert len(str(fdd.explore([], oracle="mini-1"))) > 10**6
    from benchmarks.oracle import load_oracle
    from benchmarks.reporting.html import page
    print(load_oracle("mini").origin)
"""


@pytest.fixture
def packages(tmp_path):
    """A folder with copies of fdd and benchmarks."""
    for package in ("fdd", "benchmarks"):
        shutil.copytree(
            CHECKOUT / package,
            tmp_path / "copy" / package,
            ignore=shutil.ignore_patterns("__pycache__"),
        )
    return tmp_path / "copy"


@pytest.fixture
def runs(tmp_path):
    """runs(place, *more): the program prints what it should, and leaves nothing where it ran."""

    def check(place, *more):
        (tmp_path / "work").mkdir()
        hidden = {"HOME", "XDG_CACHE_HOME", "NUMBA_CACHE_DIR", "PYTHONPATH"}
        ended = subprocess.run(
            [sys.executable, "-c", PROGRAM, place, *more],
            cwd=tmp_path / "work",
            env={name: value for name, value in os.environ.items() if name not in hidden},
            capture_output=True,
            text=True,
        )
        assert ended.returncode == 0, ended.stderr
        drawn = fdd.render(VECTOR, size=8, points=99)
        lines = ended.stdout.splitlines()
        assert lines[0] == "[[[0, 255], [255, 0]]] 50"
        np.testing.assert_array_equal(literal_eval(lines[1]), drawn)
        assert lines[2:] == ["shipped"] * len(more)
        assert tree(tmp_path / "work") == {}

    return check


def test_out_of_a_zip_archive(packages, runs, tmp_path):
    archive = tmp_path / "packages.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in sorted(packages.rglob("*")):
            file.write(path, path.relative_to(packages))
    runs(str(archive), "oracle")


def test_without_sources(packages, runs):
    """Compiled code is not cached then, as nothing would tell it from that of another version."""
    assert compileall.compile_dir(packages, quiet=1, legacy=True)
    for source in packages.rglob("*.py"):
        source.unlink()
    runs(str(packages))
    assert not list(packages.rglob("*.nb?"))
