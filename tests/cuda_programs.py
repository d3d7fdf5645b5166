"""Programs of tests/test_cuda.py, each run in a process of its own: NAME, then its arguments.

`simulate` runs the kernels' own code on the simulator of numba-cuda, which wants
NUMBA_ENABLE_CUDASIM=1 before numba is imported; `compile` compiles them, without a GPU.
"""

import collections
import dataclasses
import json
import re
import subprocess
import sys
import tempfile
import types
import warnings

import numpy as np

# points and size of the small images; rows of parameters are more than a batch of the simulator
SMALL, ROWS, BATCH = {"size": 9, "points": 33}, 5, 4

RESTING = (0.4, 0.3, 0.0, 0.0, 1.0, 1.0)  # (0, 0) from the second point on
CONSTANT = (0.0, 0.0, 0.0, 0.0, 1.0, 1.0)
CYCLE = (1.0, 0.3, 0.0, np.pi / 3, -1.5, 1.0)  # soon between (1.5, 0) and (-1.5, 0)
DOUBTFUL = 1.5707963162581846
"""Its sine is nearer than 2**-79 to the middle between 1 and the number before it."""
DOUBTFUL_CYCLE = (1.0, 0.3, 0.0, DOUBTFUL / 1.5, -1.5, 1.0)
"""As the cycle, but each step takes the sine of DOUBTFUL or of its negative."""
LARGE = {"size": 130, "points": 35}
"""More cells than a block counts at a time."""


def parameter_rows(family):
    """Random parameters of a family: float64 [ROWS, P]."""
    import fdd

    return fdd.uniform_params(ROWS, family.name, seed=7)


def special_rows():
    """Rows of the Fractal Dream among which are orbits that rest, cycle and are constant."""
    from fdd.attractors.families import FAMILIES

    return np.vstack([RESTING, CONSTANT, CYCLE, parameter_rows(FAMILIES["fractal_dream"])[:2]])


def doubtful_rows():
    """Rows of the Fractal Dream whose sines the first try leaves open, now and then or often."""
    import fdd

    return np.vstack([DOUBTFUL_CYCLE, fdd.uniform_params(ROWS - 1, seed=13)])


def sine_arguments(row):
    """What an orbit of the Fractal Dream takes the sine of: float64 [4 * points]."""
    from fdd.attractors import reference
    from fdd.attractors.families import FAMILIES

    x, y = np.array(reference.orbit(FAMILIES["fractal_dream"], tuple(row), SMALL["points"])).T
    a, b = row[2:4]
    return np.concatenate([y * b, x * b, x * a, y * a])


def undecided_rows():
    """Rows of Clifford: cos(3 * pi/6) is too near 0 for all tries; the third row has no image."""
    from fdd.attractors.families import FAMILIES

    start = np.pi / 6
    first, last = parameter_rows(FAMILIES["clifford"])[:2]
    open_row, constant = (start, 0.4, 3.0, 1.5, 1.0, -2.0), (start, 0.0, 3.0, 0.0, 1.0, 0.0)
    return np.vstack([first, open_row, constant, last])


def simulate(folder):
    """Writes to a folder what `images`, `sines` and `fmas` find, with its arguments.npz."""
    numbers, gpu = simulator()
    images(gpu, f"{folder}/images.npz")

    def tries():
        sines(f"{folder}/arguments.npz", f"{folder}/sines.npz")
        with open(f"{folder}/fmas.json", "w") as file:
            json.dump(fmas(numbers), file)

    in_kernel(numbers, tries)


def simulator():
    """Puts tests/cuda_numbers.py in the place of the real one; returns both it and the Gpu."""
    warnings.simplefilter("ignore", RuntimeWarning)  # orbits may overflow, as they may on a GPU
    # the simulator polls its threads, of which each waits until the one that polls gives way
    sys.setswitchinterval(1e-4)
    import cuda_numbers
    import torch

    import fdd

    sys.modules["fdd.arithmetic.cuda_numbers"] = fdd.arithmetic.cuda_numbers = cuda_numbers
    from fdd.rendering.cuda import Gpu

    return cuda_numbers, Gpu(
        device=torch.device("cpu"),
        stream=0,
        array=lambda tensor: tensor.numpy(),
        threads=BATCH,
        shade_threads=BATCH,
        processors=1,
        free=2**26,
    )


def images(gpu, path):
    """Renders the scenarios of test_cuda.py into an npz file: images and degeneracy by name."""
    from fdd.attractors.families import FAMILIES
    from fdd.rendering.cuda import draw, plan
    from fdd.rendering.cuda_shading import NEAR
    from fdd.rendering.drawing import Drawing

    found = {}

    def keep(name, family, rows, output="counts", shape=SMALL, **changes):
        drawing = Drawing(family, output=output, **shape)
        use = dataclasses.replace(plan(gpu, drawing, len(rows), None), **changes)
        images, degenerate = draw(gpu, drawing, rows, use)
        found[name], found[f"{name}, degenerate"] = images.numpy(), degenerate

    for family in FAMILIES.values():
        keep(family.name, family.name, parameter_rows(family))
    for output in ("counts", "gray", "rgb"):
        keep(output, "fractal_dream", special_rows(), output)
    keep("one block for all batches", "fractal_dream", special_rows(), blocks=1)
    keep("several chunks", "fractal_dream", special_rows(), "rgb", images=4)
    keep("bands and parts", "fractal_dream", special_rows(), shape=LARGE, stored=16)
    keep("full steps", "fractal_dream", doubtful_rows())
    for output in ("counts", "rgb"):
        keep(f"undecided, {output}", "clifford", undecided_rows(), output)

    counts = synthetic_counts(NEAR)
    found["synthetic counts"] = counts
    for output in ("rgb", "gray"):
        found[f"shaded, {output}"] = shaded(gpu, counts, output)
    np.savez(path, **found)


def synthetic_counts(near):
    """Counts that no short orbit has: wide spreads, one level, none; int32 [7, 8, 8]."""
    draws = np.random.default_rng(5)
    counts = draws.integers(0, 6, (7, 8, 8))
    counts[1] = 0
    counts[2] = 7
    counts[3, 0, 0] = 7000 + near  # levels in global memory too
    counts[4] = draws.integers(0, 3 * near, (8, 8))
    counts[5, 0, :2] = 1, 65536  # the widest that is shaded on the GPU
    counts[6, 0, :2] = 1, 65537  # the narrowest that is not
    return counts.astype(np.int32)


def shaded(gpu, counts, output):
    """The images of counts int32 [n, 8, 8] by the kernel."""
    import torch

    from fdd.rendering import shading
    from fdd.rendering.cuda import Plan, _Shading
    from fdd.rendering.drawing import Drawing

    drawing = Drawing(size=counts.shape[1], output=output)
    use = Plan(0, 0, len(counts), shading_blocks=3, levels=shading.BINS + 1)
    pictures = torch.zeros(len(counts), *drawing.shape, dtype=torch.uint8)
    _Shading(gpu, use, drawing)(torch.from_numpy(counts), pictures)
    return pictures.numpy()


def in_kernel(numbers, work):
    """Calls work() in a kernel of one thread, which finds the table of the first try where it is
    to be."""
    from numba import cuda

    from fdd.arithmetic.cuda_sines import shared_table

    table = shared_table()

    def kernel():
        for i in range(0, len(table), 2):
            numbers.store_shared_pair(i, table[i], table[i + 1])
        work()

    cuda.jit(kernel)[1, 1, 0, table.nbytes]()


def sines(source, path):
    """Sines and cosines of the arguments in the npz `source`, by each try, to `path`."""
    from fdd.arithmetic import cuda_sines

    found = {}
    for name, x in np.load(source).items():
        first, full = cuda_sines.step_functions(wide=name == "wide")
        for function in ("sin", "cos"):
            found[f"{name}, first {function}"] = [first[function](v) for v in x]
            found[f"{name}, full {function}"] = [full[function](v) for v in x]
    np.savez(path, **found)


def fmas(numbers):
    """How many fused multiply-adds the source of each family's step asks for, by its name."""
    from fdd.arithmetic import cuda_sines
    from fdd.arithmetic.sines import NARROW
    from fdd.attractors.families import FAMILIES, bind

    asked = {}
    for family in FAMILIES.values():
        first, _ = cuda_sines.step_functions(wide=family.argument > NARROW)
        before = next(numbers.fused)
        bind(family.step, **first)(*map(np.float64, parameter_rows(family)[0]))
        asked[family.name] = next(numbers.fused) - before - 1
    return asked


def _facts(ptx, capability):
    """What PTX and the machine code made of it contain: instructions, registers, memory."""
    from cuda import pathfinder
    from cuda.bindings import nvjitlink

    linker = nvjitlink.create(3, [f"-arch=sm_{capability}", "-Xptxas=-v", "-verbose"])
    nvjitlink.add_data(linker, nvjitlink.InputType.PTX, ptx.encode(), len(ptx), "kernel")
    nvjitlink.complete(linker)
    log = bytearray(nvjitlink.get_info_log_size(linker))
    nvjitlink.get_info_log(linker, log)
    code = bytearray(nvjitlink.get_linked_cubin_size(linker))
    nvjitlink.get_linked_cubin(linker, code)
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(code)
        file.flush()
        command = [pathfinder.find_nvidia_binary_utility("nvdisasm"), "-c", file.name]
        listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    log = log.decode()
    return {
        "ptx": collections.Counter(re.findall(r"\b[a-z]+(?:\.\w+)*\.f64\b", ptx)),
        "sass": collections.Counter(re.findall(r"\bD(?:FMA|MUL|ADD)\b", listing)),
        "registers": int(re.search(r"used (\d+) registers", log)[1]),
        "stack and spills": [int(n) for n in re.findall(r"(\d+) bytes (?:stack|spill)", log)],
    }


def compile_all(names):
    """Prints what `compile_for` finds for each capability and its families in `names`, JSON."""
    found = {
        capability: compile_for(capability, *families)
        for capability, families in json.loads(names).items()
    }
    sys.stdout.write(json.dumps(found))


def compile_for(capability, *families):
    """Facts of the families' kernels and steps, the kernel that shades and the naive one."""
    import numba.cuda.dispatcher
    from numba import cuda
    from numba.cuda import types as nb

    version = int(capability) // 10, int(capability) % 10
    device = types.SimpleNamespace(compute_capability=version)
    numba.cuda.dispatcher.get_current_device = lambda: device
    from benchmarks.speed.bench_cuda import naive
    from fdd.arithmetic.cuda_numbers import load, row_loader, store_pair
    from fdd.attractors.families import FAMILIES
    from fdd.rendering import cuda_kernel, cuda_shading

    numbers, count, words, octets = nb.float64[::1], nb.int64, nb.int32[::1], nb.uint8[::1]

    def one_step(step, load_parameters):
        def kernel(values, result):
            x, y = step(load(values, 0), load(values, 1), *load_parameters(values, 2))
            store_pair(result, 0, x, y)

        return kernel

    def facts(kernel, *arguments):
        options = {"device": False, "abi": "numba", "cc": version}
        bounds = getattr(kernel, "targetoptions", {}).get("launch_bounds")
        function = getattr(kernel, "py_func", kernel)
        ptx, _ = cuda.compile(function, arguments, launch_bounds=bounds, **options)
        return _facts(ptx, capability)

    found = {
        "shading": facts(
            cuda_shading.kernel(), words, count, count, octets, words, words, octets, octets
        ),
        "naive": facts(naive, nb.float64[:, ::1], count, nb.int32[:, :, ::1]),
    }
    for family in map(FAMILIES.get, families):
        found[family.name] = facts(
            cuda_kernel.kernel(family),
            numbers,
            count,
            count,
            count,
            numbers,
            numbers,
            numbers,
            words,
            octets,
        )
        step = cuda_kernel._step_names(family)["step_first"]
        parameters = row_loader(len(family.parameters) - 2)
        found[f"step of {family.name}"] = facts(one_step(step, parameters), numbers, numbers)
    return found


if __name__ == "__main__":
    programs = {"simulate": simulate, "compile": compile_all}
    programs[sys.argv[1]](*sys.argv[2:])
