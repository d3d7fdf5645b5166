"""Rendering beside the notebook pipeline that people use: one core, RGB, each release as it is.

    python -m pytest benchmarks/speed/bench_render.py

The numbers in brackets are ratios to the fastest of the group. A round is sixteen images of fdd-1
(128 x 128, 60,000 points) or 256 of mini-1 (32 x 32, 4,000 points), of the test split. For a
processor with AVX2 only: NUMBA_CPU_NAME=haswell NUMBA_CPU_FEATURES= before the command.
"""

from functools import partial

import colorcet
import datashader
import datashader.transfer_functions as shading
import numba
import numpy as np
import pandas as pd
import pytest

import fdd
from fdd.releases.cards import RELEASES

IMAGES = {"fdd-1": 16, "mini-1": 256}

every_release = pytest.mark.parametrize("release", RELEASES.values(), ids=lambda card: card.name)


@numba.njit
def trajectory(x0, y0, a, b, c, d, points):
    x, y = np.empty(points), np.empty(points)
    x[0], y[0] = x0, y0
    for i in range(points - 1):
        x[i + 1] = np.sin(b * y[i]) + c * np.sin(b * x[i])
        y[i + 1] = np.sin(a * x[i]) + d * np.sin(a * y[i])
    return x, y


def notebook_pipeline(params, size, points):
    """The pipeline of 2019 and of datashader's attractor page; not exact."""
    images = []
    for vector in params:
        x, y = trajectory(*vector, points)
        table = pd.DataFrame({"x": x, "y": y})
        counts = datashader.Canvas(plot_width=size, plot_height=size).points(table, "x", "y")
        image = shading.set_background(shading.shade(counts, cmap=colorcet.kbc), "white")
        images.append(np.asarray(image.to_pil().convert("RGB")))
    return np.stack(images)


@every_release
@pytest.mark.parametrize("pipeline", ["notebook", "fdd"])
def test_render(benchmark, release, pipeline):
    benchmark.group = f"{release.name}, one core"
    params = fdd.sample_params(IMAGES[release.name], "test", version=release.name)
    draw = partial(fdd.render, threads=1) if pipeline == "fdd" else notebook_pipeline
    drawn = partial(draw, size=release.size, points=release.points)
    images = benchmark.pedantic(drawn, args=(params,), rounds=30, warmup_rounds=2)
    assert images.shape == (len(params), release.size, release.size, 3)


@every_release
@pytest.mark.parametrize("threads", [1, 2])
def test_threads(benchmark, release, threads):
    benchmark.group = f"{release.name}, threads"
    params = np.tile(fdd.sample_params(IMAGES[release.name], "test", version=release.name), (16, 1))
    drawn = partial(fdd.render, size=release.size, points=release.points, threads=threads)
    images = benchmark.pedantic(drawn, args=(params,), rounds=20, warmup_rounds=2)
    assert len(images) == len(params)
