"""Rendering on a GPU beside the kernel that people write first: 60000 points, 128 x 128, counts.

    python -m pytest benchmarks/speed/bench_cuda.py

The numbers in brackets are ratios to the fastest. 65,536 images a round; the naive kernel has a
thread for each image, the device's own sine (so other images), two passes and counts in global
memory.
"""

import math

import pytest
import torch
from numba import cuda

import fdd

IMAGES, SIZE, POINTS = 65536, 128, 60000

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device")


def naive(params, points, counts):
    """Adds the visits of the orbits of params float64 [n, 6] to counts int32 [n, size, size]."""
    image = cuda.grid(1)
    if image >= params.shape[0]:
        return
    a, b, c, d = params[image, 2], params[image, 3], params[image, 4], params[image, 5]
    x, y = params[image, 0], params[image, 1]
    left, right, bottom, top = x, x, y, y
    for _ in range(points):
        left, right, bottom, top = min(left, x), max(right, x), min(bottom, y), max(top, y)
        x, y = (
            math.sin(b * y) + c * math.sin(b * x),
            math.sin(a * x) + d * math.sin(a * y),
        )
    if left == right or bottom == top:
        return
    size = counts.shape[1]
    x_scale, y_scale = size / (right - left), size / (top - bottom)
    x, y = params[image, 0], params[image, 1]
    for _ in range(points):
        column = min(int((x - left) * x_scale), size - 1)
        row = min(int((y - bottom) * y_scale), size - 1)
        counts[image, size - 1 - row, column] += 1
        x, y = (
            math.sin(b * y) + c * math.sin(b * x),
            math.sin(a * x) + d * math.sin(a * y),
        )


@pytest.fixture(scope="module")
def params():
    """Uniform parameters that have an image; float64 [IMAGES, 6]."""
    from fdd.rendering.cuda import render_cuda
    from fdd.rendering.drawing import Drawing

    rows = fdd.uniform_params(IMAGES + IMAGES // 8)
    _, degenerate = render_cuda(Drawing(size=2, points=POINTS, output="gray"), rows, "cuda")
    return rows[~degenerate][:IMAGES]


def finished(result):
    torch.cuda.synchronize()
    return result


@pytest.mark.benchmark(group="render, one GPU, counts")
def test_naive_kernel(benchmark, params):
    kernel = cuda.jit(naive)
    rows = torch.from_numpy(params).cuda()
    stream = cuda.external_stream(torch.cuda.current_stream().cuda_stream)

    def render():
        counts = torch.zeros((len(params), SIZE, SIZE), dtype=torch.int32, device="cuda")
        arrays = (cuda.as_cuda_array(rows, sync=False), cuda.as_cuda_array(counts, sync=False))
        kernel[-(-len(params) // 128), 128, stream](arrays[0], POINTS, arrays[1])
        return finished(counts)

    counts = benchmark.pedantic(render, rounds=5, warmup_rounds=1)
    assert int(counts[:100].sum(dtype=torch.int64)) > 99 * POINTS


@pytest.mark.benchmark(group="render, one GPU, counts")
def test_fdd_render(benchmark, params):
    def render():
        return finished(fdd.render(params, "counts", SIZE, POINTS, device="cuda"))

    counts = benchmark.pedantic(render, rounds=5, warmup_rounds=1)
    assert bool((counts.view(torch.int32)[:100].sum(dim=(1, 2)) == POINTS).all())
