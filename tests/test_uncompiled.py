"""The first images of a machine: the same bytes uncompiled, and who compiles meanwhile."""

import os
import time

import numpy as np
import pytest

import fdd
from fdd.attractors.families import FAMILIES
from fdd.attractors.params import checked_params
from fdd.data.published import parse_name
from fdd.rendering import shading, uncompiled
from fdd.rendering.cpu import render_cpu
from fdd.rendering.drawing import Drawing
from fdd.rendering.palettes import PALETTES

VECTOR = [0.1, 0.1, -2.0, -1.5, -2.6, 0.9]
DIGEST = "e2ae4a9d3231311d1dfcf2336b48a03d66b7f7e989a6135ff16f57ae3f9dffec"
"""SHA-256 of the image of VECTOR, as .ci/run has it."""

FIRST = f"""
import hashlib, sys, time
import fdd, psutil
print(hashlib.sha256(fdd.render({VECTOR})).hexdigest())
children = psutil.Process().children()
print(*[child.pid for child in children])
"""

LONG = 70_000
"""Points with which the renderer alone is compiled, and not what selects among candidates."""

DRAW = f"""
import sys
import psutil
import fdd

taken = []

def note(event, arguments):
    if event == "open" and str(arguments[0]).endswith(".nbc"):
        taken.append(arguments[0])

def draw():
    taken.clear()
    counts = fdd.render({VECTOR}, "counts", 4, {LONG}).ravel().tolist()
    children = psutil.Process().children()
    print(counts, len(children), "compiled" if taken else "uncompiled")
    psutil.wait_procs(children)

sys.addaudithook(note)
"""
"""Draws, and says whether compiled code was read from numba's cache for it."""


@pytest.mark.parametrize("output", ["rgb", "gray", "counts"])
@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_has_the_same_bytes_without_compiled_code(family, output):
    params = checked_params(fdd.uniform_params(6, family, seed=3), FAMILIES[family])
    drawing = Drawing(family, 24, 700, output)
    images, degenerate = uncompiled.render_by_reference(drawing, params)
    compiled, without = render_cpu(drawing, np.tile(params, (80, 1)))
    np.testing.assert_array_equal(degenerate, without[:6])
    np.testing.assert_array_equal(images, compiled[:6])


@pytest.mark.parametrize("palette", PALETTES)
def test_published_images_come_out_byte_for_byte_without_compiled_code(reference_folder, palette):
    path = sorted((reference_folder / palette).glob("*.png"))[0]
    params = np.array([parse_name(path)])
    drawing = Drawing(palette=palette)
    images, _ = uncompiled.render_by_reference(drawing, params)
    np.testing.assert_array_equal(images, render_cpu(drawing, np.tile(params, (8, 1)))[0][:1])


@pytest.mark.parametrize("spread", [1, 7, 300, shading.BINS + 5])
@pytest.mark.parametrize("palette", PALETTES)
def test_counts_of_any_spread_are_painted_alike(spread, palette):
    rng = np.random.default_rng(spread)
    counts = rng.integers(0, spread + 1, size=(1, 16, 16)).astype(np.uint32)
    counts[0, 0, :2] = 1, spread
    for channels, images in (
        (3, shading.rgb(counts, PALETTES[palette])),
        (1, shading.gray(counts)[..., None]),
    ):
        painted = shading.paint_by_numpy(counts.ravel(), PALETTES[palette], channels)
        np.testing.assert_array_equal(painted, images.reshape(-1, channels))


def test_the_first_image_of_a_machine_needs_no_compiled_code(run_python, tmp_path):
    """It has the right bytes, another process begins to compile, and it ends with the script."""
    code, output, errors = run_python("-c", FIRST, NUMBA_CACHE_DIR=tmp_path)
    assert (code, errors) == (0, "")
    digest, child = output.split()
    assert digest == DIGEST
    with pytest.raises(ProcessLookupError):
        os.kill(int(child), 0)


def test_what_is_compiled_meanwhile_serves_the_same_and_later_processes(run_python, tmp_path):
    code, output, errors = run_python("-c", DRAW + "draw()\ndraw()", NUMBA_CACHE_DIR=tmp_path)
    assert (code, errors) == (0, "")
    before, after = output.splitlines()
    counts = before.removesuffix(" 1 uncompiled")
    assert counts != before
    assert after == f"{counts} 0 compiled"
    code, output, errors = run_python("-c", DRAW + "draw()", NUMBA_CACHE_DIR=tmp_path)
    assert (code, errors) == (0, "")
    assert output == f"{counts} 0 compiled\n"


def test_a_parent_that_is_killed_takes_its_compiling_process_along(start_python, tmp_path):
    process = start_python(
        "-c", FIRST + "sys.stdout.flush(); time.sleep(60)", NUMBA_CACHE_DIR=tmp_path
    )
    process.stdout.readline()
    child = int(process.stdout.readline())
    process.kill()
    process.wait()
    deadline = time.monotonic() + 20
    while os.path.exists(f"/proc/{child}") and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not os.path.exists(f"/proc/{child}")
