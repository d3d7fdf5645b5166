"""Rendering beside the notebook pipeline that people use: one core, 128 x 128, 60000 points, RGB.

    python -m pytest benchmarks/speed/bench_render.py

The numbers in brackets are ratios to the fastest of the group. Sixteen images a round.
"""

import colorcet
import datashader
import datashader.transfer_functions as shading
import numba
import numpy as np
import pandas as pd
import pytest

import fdd

IMAGES = 16
POINTS = 60000


@pytest.fixture(scope="module")
def params():
    """Sixteen images of the test split."""
    return fdd.sample_params(IMAGES, split="test")


@numba.njit
def trajectory(x0, y0, a, b, c, d, points):
    x, y = np.empty(points), np.empty(points)
    x[0], y[0] = x0, y0
    for i in range(points - 1):
        x[i + 1] = np.sin(b * y[i]) + c * np.sin(b * x[i])
        y[i + 1] = np.sin(a * x[i]) + d * np.sin(a * y[i])
    return x, y


def notebook_pipeline(params):
    """The pipeline of 2019 and of datashader's attractor page; not exact."""
    images = []
    for vector in params:
        x, y = trajectory(*vector, POINTS)
        table = pd.DataFrame({"x": x, "y": y})
        counts = datashader.Canvas(plot_width=128, plot_height=128).points(table, "x", "y")
        image = shading.set_background(shading.shade(counts, cmap=colorcet.kbc), "white")
        images.append(np.asarray(image.to_pil().convert("RGB")))
    return np.stack(images)


@pytest.mark.benchmark(group="render, one core", warmup=True, min_rounds=10)
def test_notebook_pipeline(benchmark, params):
    images = benchmark(notebook_pipeline, params)
    assert images.shape == (IMAGES, 128, 128, 3)


@pytest.mark.benchmark(group="render, one core", warmup=True, min_rounds=10)
def test_fdd_render(benchmark, params):
    images = benchmark(fdd.render, params, threads=1)
    assert images.shape == (IMAGES, 128, 128, 3)


@pytest.mark.benchmark(group="render, threads", warmup=True, min_rounds=10)
@pytest.mark.parametrize("threads", [1, 2])
def test_fdd_render_threads(benchmark, params, threads):
    batch = np.tile(params, (16, 1))
    images = benchmark(fdd.render, batch, threads=threads)
    assert len(images) == 16 * IMAGES
