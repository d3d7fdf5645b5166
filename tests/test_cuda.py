"""CUDA draws the CPU's bytes: without a GPU its code runs on a simulator, and is compiled."""

import json
import os
import re
import subprocess
import sys

import cuda_programs
import gmpy2
import numpy as np
import pytest
import torch
from test_sines import HARD, mpfr, near

import fdd
from fdd import FddError
from fdd.arithmetic import sines
from fdd.attractors.families import FAMILIES
from fdd.rendering import shading
from fdd.rendering.cuda import Gpu, plan, render_cuda
from fdd.rendering.drawing import Drawing
from fdd.rendering.palettes import PALETTES

pytest.importorskip("numba_cuda", reason="numba-cuda is not installed")

on_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device")
# of narrow and of wide arguments, with division, with a square root
COMPILED = {"90": ("fractal_dream", "gumowski_mira"), "80": ("bedhead", "hopalong_1")}
PROGRAMS = cuda_programs.__file__
SMALL = cuda_programs.SMALL


def run_program(*arguments, **environment):
    """What a program of tests/cuda_programs.py prints."""
    words = [sys.executable, PROGRAMS, *map(str, arguments)]
    done = subprocess.run(words, env=os.environ | environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def arguments():
    """Narrow and wide arguments of sines and cosines, hard ones among them, and some beyond."""
    rng = np.random.default_rng(8)
    thinned = [values[:: max(1, len(values) // 120)] for values in HARD.values()]
    narrow = np.concatenate([*thinned, *(-v for v in thinned), rng.uniform(-15, 15, 400)])
    turns = near([float(k * gmpy2.const_pi(400) / 2) for k in range(11, 650, 31)], 3)
    beyond = [1024.5, -5000.0, 1e300, np.inf, np.nan]
    wide = np.concatenate(
        [narrow[::3], turns, -turns, [1024.0], beyond, rng.uniform(-1024, 1024, 400)]
    )
    orbits = [cuda_programs.sine_arguments(row) for row in cuda_programs.doubtful_rows()]
    return {"narrow": narrow, "wide": wide, "orbits": np.concatenate(orbits)}


@pytest.fixture(scope="module")
def files(arguments, tmp_path_factory):
    """The folder of what the simulator found: images.npz, sines.npz, fmas.json."""
    folder = tmp_path_factory.mktemp("cuda")
    np.savez(folder / "arguments.npz", **arguments)
    run_program("simulate", folder, NUMBA_ENABLE_CUDASIM="1")
    return folder


@pytest.fixture(scope="module")
def simulated(files):
    """What was drawn, by name."""
    return dict(np.load(files / "images.npz"))


@pytest.fixture(scope="module")
def compiled():
    """The facts of the kernels compiled for each capability."""
    return json.loads(run_program("compile", json.dumps(COMPILED)))


def by_cpu(rows, output, family="fractal_dream", **shape):
    """Images by the CPU, and which rows have none: those images are zero."""
    images, degenerate = [], []
    for row in rows:
        try:
            images.append(fdd.render(row, output, family=family, **shape))
            degenerate.append(False)
        except FddError:
            channels = (3,) * (output == "rgb")
            empty = 0 if output == "counts" else 255
            images.append(np.full((shape["size"], shape["size"], *channels), empty))
            degenerate.append(True)
    return np.stack(images), np.array(degenerate)


def check_same(simulated, name, rows, output="counts", family="fractal_dream", shape=SMALL):
    images, degenerate = by_cpu(rows, output, family, **shape)
    np.testing.assert_array_equal(simulated[f"{name}, degenerate"], degenerate)
    np.testing.assert_array_equal(simulated[name], images)


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_each_familys_counts_are_the_cpus(simulated, family):
    rows = cuda_programs.parameter_rows(family)
    assert len(rows) > cuda_programs.BATCH
    check_same(simulated, family.name, rows, family=family.name)


@pytest.mark.parametrize("output", ["counts", "gray", "rgb"])
def test_each_output_is_the_cpus_for_orbits_that_rest_cycle_or_are_constant(simulated, output):
    rows = cuda_programs.special_rows()
    check_same(simulated, output, rows, output)
    assert simulated[f"{output}, degenerate"].tolist() == [False, True, False, False, False]
    assert simulated[output].dtype == (np.uint32 if output == "counts" else np.uint8)


def test_an_orbit_at_rest_and_a_cycle_are_counted_in_few_cells(simulated):
    rest, cycle = simulated["counts"][0], simulated["counts"][2]
    assert rest.max() == SMALL["points"] - 1
    assert 2 < np.count_nonzero(cycle) < 8


def test_counts_do_not_depend_on_how_the_work_is_cut(simulated):
    rows = cuda_programs.special_rows()
    check_same(simulated, "one block for all batches", rows)
    check_same(simulated, "bands and parts", rows, shape=cuda_programs.LARGE)


def test_images_do_not_depend_on_how_many_wait_for_their_shading(simulated):
    check_same(simulated, "several chunks", cuda_programs.special_rows(), "rgb")


def test_a_step_that_the_first_try_leaves_open_is_computed_in_full(simulated, files):
    """Of the first orbit nearly every step, as it repeats itself; of another one two of them."""
    rows = cuda_programs.doubtful_rows()
    check_same(simulated, "full steps", rows)
    first = np.isnan(np.load(files / "sines.npz")["orbits, first sin"]).reshape(len(rows), -1)
    assert first.sum(axis=1).tolist() == [27, 0, 2, 0, 0]


def test_an_image_that_no_try_decides_is_left_to_the_cpu(simulated):
    rows = cuda_programs.undecided_rows()
    assert np.isnan([sines.cos_one(a * x) for x, a in rows[:, [0, 2]]]).tolist() == [
        False,
        True,
        True,
        False,
    ]
    for output in ("counts", "rgb"):
        name = f"undecided, {output}"
        check_same(simulated, name, rows, output, family="clifford")
        assert simulated[f"{name}, degenerate"].tolist() == [False, False, True, False]


def test_counts_of_any_spread_are_shaded_as_on_the_cpu(simulated):
    counts = simulated["synthetic counts"].astype(np.uint32)
    np.testing.assert_array_equal(simulated["shaded, gray"], shading.gray(counts))
    np.testing.assert_array_equal(simulated["shaded, rgb"], shading.rgb(counts, PALETTES["kbc"]))


@pytest.mark.parametrize("reach", ["narrow", "wide"])
@pytest.mark.parametrize("function", ["sin", "cos"])
def test_the_devices_sines_are_mpfrs(files, arguments, reach, function):
    x, found = arguments, np.load(files / "sines.npz")
    true = mpfr(function, x[reach])
    for which in ("first", "full"):
        values = found[f"{reach}, {which} {function}"]
        decided = ~np.isnan(values)
        np.testing.assert_array_equal(values[decided], true[decided])
        assert not decided[~(np.abs(x[reach]) <= 1024)].any()
        random = decided[-400:]
        assert random.mean() > (0.98 if which == "first" else 0.999)
    one = {"sin": sines.sin_one, "cos": sines.cos_one}[function]
    np.testing.assert_array_equal(values, [one(v) for v in x[reach]])


def test_the_shortened_tails_are_as_near_as_the_bound_says():
    from fdd.arithmetic import cuda_sines
    from fdd.arithmetic.sine_table import table

    full = np.array(table()).reshape(-1, 4)[: cuda_sines.NODES]
    heads, tails = np.split(cuda_sines.shared_table(), [2 * cuda_sines.NODES])
    np.testing.assert_array_equal(heads.reshape(-1, 2), full[:, :2])
    words = tails.view("<u4").reshape(-1, 2).astype(np.uint64) << np.uint64(32)
    error = np.abs(words.view(np.float64) - full[:, 2:]).max()
    assert 2.0**-77 < error <= 2.0**-75
    assert error * (1 + 1 / 128) + 2.0**-90 < cuda_sines._E_NODE < 2.0**-74


@pytest.mark.parametrize(
    ("capability", "kernel"),
    [
        (capability, kernel)
        for capability in COMPILED
        for kernel in (*COMPILED[capability], "shading")
    ],
)
def test_compiled_kernels_round_each_operation_and_keep_to_registers(compiled, capability, kernel):
    facts = compiled[capability][kernel]
    rounded = re.compile(r"(add|sub|mul|div|sqrt|fma|mad)\.rn\.f64")
    arithmetic = {name for name in facts["ptx"] if re.match("add|sub|mul|div|sqrt|fma|mad", name)}
    assert {"add.rn.f64", "mul.rn.f64"} <= arithmetic, facts
    assert all(rounded.fullmatch(name) for name in arithmetic), facts
    assert set(facts["stack and spills"]) == {0}, facts
    limit = 80 if kernel == "shading" else 255  # three blocks of 256 threads, four of 64
    assert facts["registers"] <= limit, facts


def test_multiply_adds_are_fused_where_the_source_says_and_nowhere_else(compiled, files):
    asked = json.loads((files / "fmas.json").read_text())
    assert asked["bedhead"] > asked["fractal_dream"] > 0
    for capability, families in COMPILED.items():
        for family in families:
            facts = compiled[capability][f"step of {family}"]
            assert facts["ptx"].get("fma.rn.f64", 0) == asked[family], (family, facts)
    facts = compiled["90"]["step of fractal_dream"]  # division and square root are made of fmas
    instructions = {"DFMA": "fma.rn.f64", "DADD": "add.rn.f64", "DMUL": "mul.rn.f64"}
    assert facts["sass"] == {sass: facts["ptx"][ptx] for sass, ptx in instructions.items()}


def test_the_naive_kernel_of_the_benchmark_compiles(compiled):
    assert compiled["90"]["naive"]["registers"] > 0


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_the_device_is_refused():
    message = "device='cuda' needs a GPU that torch can use; choose device='cpu'"
    with pytest.raises(FddError, match=f"^{re.escape(message)}$"):
        draw([[0.1, 0.2, 1, 2, 1, 2]])


@pytest.mark.parametrize("missing", ["torch", "numba_cuda"])
def test_a_missing_package_is_named(missing, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setitem(sys.modules, missing, None)
    message = f"this needs the package {missing!r}: pip install 'fdd[cuda]'"
    with pytest.raises(FddError, match=f"^{re.escape(message)}$"):
        draw([[0.1, 0.2, 1, 2, 1, 2]])


@pytest.mark.parametrize("device", ["cuda:2", "cuda:", "cuda:-1", "gpu", "cuda:99999"])
def test_a_device_that_is_not_there_is_refused(device, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    message = f"device={device!r} is not known; choose from cpu, cuda, cuda:0, cuda:1"
    with pytest.raises(FddError, match=f"^{re.escape(message)}$"):
        draw([[0.1, 0.2, 1, 2, 1, 2]], device=device)


def gpu(free):
    return Gpu(torch.device("cpu"), 0, None, 64, 256, processors=132, free=free)


@pytest.mark.parametrize("output", ["counts", "gray", "rgb"])
@pytest.mark.parametrize("points", [1, 2, 999, 60000, 10**7])
@pytest.mark.parametrize("size", [2, 128, 4096])
@pytest.mark.parametrize("images", [1, 63, 65536, 10**8])
def test_a_plan_keeps_to_the_memory_and_does_all_images(images, size, points, output):
    least = 2**23 + 16 * size**2
    for memory in (least, 3 * least, 2**33, 2**40):
        drawing = Drawing(size=size, points=points, output=output)
        use = plan(gpu(0), drawing, images, memory)
        waiting = 0 if output == "counts" else 4 * size**2 * use.images
        needed = use.blocks * 64 * (16 * use.stored + 48) + waiting
        needed += 8 * use.levels * use.shading_blocks
        assert needed <= memory
        assert use.stored % 4 == 0
        assert 4 <= use.stored <= 65532
        assert 1 <= use.blocks <= min(4 * 132, -(-use.images // 64))
        assert 1 <= use.images <= images
        assert (use.shading_blocks >= 1) == (output != "counts")


def test_a_plan_uses_half_of_what_is_free_unless_told():
    free, memory = gpu(2**36), gpu(0)
    work = (Drawing(output="counts"), 65536)
    assert plan(free, *work, None) == plan(memory, *work, 2**35)


def test_too_little_memory_is_refused():
    message = "memory=8650751 must be a whole number of at least 8650752"
    with pytest.raises(FddError, match=f"^{re.escape(message)}$"):
        plan(gpu(0), Drawing(), 1, 8650751)


def draw(rows, output="counts", family="fractal_dream", device="cuda", memory=None, **shape):
    drawing = Drawing(family, output=output, **shape)
    return render_cuda(drawing, np.array(rows, float), device, memory)


def check_on_gpu(rows, output, family):
    """The GPU's images are the CPU's, and where it has none the CPU has none."""
    images, degenerate = draw(rows, output, family)
    assert images.is_cuda
    np.testing.assert_array_equal(
        images.cpu().numpy()[~degenerate], fdd.render(rows[~degenerate], output, family=family)
    )
    for row in rows[degenerate]:
        with pytest.raises(FddError, match="degenerate"):
            fdd.render(row, family=family)


@on_gpu
@pytest.mark.parametrize("output", ["counts", "gray", "rgb"])
@pytest.mark.parametrize("family", FAMILIES)
def test_on_a_gpu_each_family_has_the_cpus_bytes(family, output):
    check_on_gpu(fdd.uniform_params(500, family), output, family)


@on_gpu
@pytest.mark.parametrize("seed", range(20))
def test_on_a_gpu_100_000_random_images_have_the_cpus_bytes(seed):
    check_on_gpu(fdd.uniform_params(5000, seed=seed), "counts", "fractal_dream")


@on_gpu
@pytest.mark.parametrize("shape", [{"size": 1000}, {"points": 200_000}, {"size": 131, "points": 7}])
def test_on_a_gpu_bands_and_parts_have_the_cpus_bytes(shape):
    rows = fdd.uniform_params(70)
    for output in ("counts", "rgb"):
        images, degenerate = draw(rows, output, **shape)
        good = fdd.render(rows[~degenerate], output, **shape)
        np.testing.assert_array_equal(images.cpu().numpy()[~degenerate], good)


@on_gpu
@pytest.mark.parametrize("output", ["counts", "rgb"])
def test_on_a_gpu_the_memory_allowed_is_kept(output):
    rows, memory = fdd.uniform_params(20_000), 2**28
    draw(rows[:1], output)
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    images, _ = draw(rows, output, memory=memory)
    result = images.numel() * images.element_size()
    inputs = 2**22  # the parameters, the table, the status of each image
    assert torch.cuda.max_memory_allocated() - before <= result + memory + inputs
