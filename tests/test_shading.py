"""Shading gives datashader's bytes, and counts differ from its present ones at the edge alone."""

import re

import colorcet
import datashader
import numpy as np
import pandas as pd
import pytest
import xarray
from datashader import colors, transfer_functions

import fdd
from fdd.attractors import reference
from fdd.attractors.families import FAMILIES
from fdd.rendering import shading
from fdd.rendering.palettes import PALETTES

THEIRS = {"kbc": colorcet.kbc, "inferno": colors.inferno, "viridis": colors.viridis}


def by_datashader(counts, palette):
    """RGB [H, W, 3] of counts [H, W], row 0 on top, as datashader shades them."""
    array = xarray.DataArray(counts[::-1].astype(np.uint32), dims=["y", "x"])
    image = transfer_functions.shade(array, cmap=THEIRS[palette], how="eq_hist")
    return np.asarray(transfer_functions.set_background(image, "white").to_pil())[..., :3]


def assert_shaded_alike(images, kind=np.uint32):
    for counts in images:
        for palette, colours in PALETTES.items():
            ours = shading.rgb(counts[None].astype(kind), colours)
            np.testing.assert_array_equal(ours[0], by_datashader(counts, palette))


def random_counts(kind, size, seed):
    rng = np.random.default_rng(seed)
    shape = (size, size)
    return {
        "sparse": lambda: rng.poisson(0.1, shape),
        "dense": lambda: rng.poisson(40, shape),
        "two levels": lambda: rng.integers(1, 3, shape),
        "all equal": lambda: np.full(shape, 7),
        "one cell": lambda: np.eye(1, size * size, seed % size**2, dtype=int).reshape(shape) * 5,
        "heavy tail": lambda: np.minimum(rng.pareto(0.5, shape) * 3, 60000).astype(int),
        "one to the cell": lambda: rng.permutation(size * size).reshape(shape),
        "spread below the bins": lambda: rng.choice([0, 1, 9, 65535], shape),
        "spread of the bins": lambda: rng.choice([0, 1, 2, 65536, 65537], shape),
        "wide": lambda: rng.integers(0, 10**6, shape),
        "wide tail": lambda: np.minimum(rng.pareto(0.4, shape) * 3, 3e6).astype(int),
        "wide, large": lambda: 70000 + rng.integers(0, 10**6, shape) * rng.integers(0, 2, shape),
    }[kind]()


KINDS = [
    "sparse",
    "dense",
    "two levels",
    "all equal",
    "one cell",
    "heavy tail",
    "one to the cell",
    "spread below the bins",
]
WIDE = ["spread of the bins", "wide", "wide tail", "wide, large"]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 50, 200])
@pytest.mark.parametrize("kind", KINDS + WIDE)
def test_random_counts_have_datashaders_colours(kind, size):
    assert_shaded_alike([random_counts(kind, size, seed) for seed in range(2 if size < 50 else 1)])


@pytest.mark.parametrize("kind", KINDS)
def test_the_counts_of_shards_are_shaded_alike(kind):
    assert_shaded_alike([random_counts(kind, 20, 9)], np.uint16)


@pytest.mark.parametrize("size", [2, 33, 128])
def test_rendered_counts_have_datashaders_colours(size):
    params = np.random.default_rng(size).uniform(-1, 1, (24, 6)) * [1, 1, 3, 3, 3, 3]
    counts = fdd.render(params, "counts", size=size, points=20000)
    assert_shaded_alike(counts)
    for palette, colours in PALETTES.items():
        images = fdd.render(params, size=size, points=20000, palette=palette)
        np.testing.assert_array_equal(images, shading.rgb(counts, colours))


def test_a_hundred_thousand_points_in_few_cells_are_binned_alike():
    periodic = (-0.5, 0.3, 1.0, 0.9, -0.8, -0.7)
    counts = fdd.render(periodic, "counts", size=300, points=200_000)
    assert np.ptp(counts[counts > 0]) >= shading.BINS
    assert_shaded_alike([counts])


def test_one_image_of_a_batch_does_not_change_another():
    batch = np.array([random_counts(kind, 12, 3) for kind in KINDS + WIDE], np.uint32)
    together = shading.rgb(batch, PALETTES["kbc"])
    for counts, image in zip(batch, together, strict=True):
        np.testing.assert_array_equal(shading.rgb(counts[None], PALETTES["kbc"])[0], image)


@pytest.mark.parametrize("shape", [(0, 4, 4), (2, 4, 4)])
def test_no_images_and_empty_images(shape):
    white = np.zeros(shape, np.uint32)
    np.testing.assert_array_equal(shading.rgb(white, PALETTES["kbc"]), np.full((*shape, 3), 255))
    np.testing.assert_array_equal(shading.gray(white), np.full(shape, 255))


@pytest.mark.parametrize("kind", KINDS + WIDE)
def test_gray_is_255_times_one_minus_the_share_of_cells_with_at_most_that_count(kind):
    counts = random_counts(kind, 25, 4).astype(np.uint32)
    gray = shading.gray(counts[None])[0]
    occupied = np.sort(counts[counts > 0])
    share = np.searchsorted(occupied, counts, side="right") / occupied.size
    expected = np.where(counts > 0, np.trunc(255 * (1 - share)), 255)
    np.testing.assert_array_equal(gray, expected.astype(np.uint8))


@pytest.mark.parametrize("kind", KINDS)
def test_gray_darkens_with_the_count_and_leaves_paper_white(kind):
    counts = random_counts(kind, 25, 5).astype(np.uint16)
    gray = shading.gray(counts[None])[0].astype(int)
    order = np.argsort(counts, axis=None)
    assert np.all(np.diff(gray.ravel()[order]) <= 0)
    assert np.all(gray[counts == 0] == 255)
    assert np.all(gray[counts > 0] < 255)
    assert gray.ravel()[order[-1]] == 0


def test_shading_a_very_large_count_needs_little_memory(run_python):
    """An orbit that stays in one cell, of as many points as `render` takes."""
    program = """
import resource, numpy as np
from fdd.rendering.shading import gray, rgb
from fdd.rendering.palettes import PALETTES
counts = np.zeros((1, 8, 8), np.uint32)
rgb(counts, PALETTES["kbc"]), gray(counts)
resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
counts[0, 0, :2] = 1, 2**31
print(rgb(counts, PALETTES["kbc"])[0, 0, 1].tolist(), gray(counts)[0, 0, 1])
"""
    code, output, errors = run_python("-c", program)
    assert code == 0, errors
    assert output == f"{PALETTES['kbc'][255].tolist()} 0\n"


@pytest.mark.parametrize("name", THEIRS)
def test_palettes_are_the_lists_of_colorcet_and_datashader(name):
    theirs = [
        [int(part, 16) for part in re.findall("..", colour[1:])]
        if isinstance(colour, str)
        else list(colour)
        for colour in THEIRS[name]
    ]
    assert PALETTES[name].tolist() == theirs
    assert PALETTES[name].dtype == np.uint8


def by_canvas(trajectory, size):
    """Counts [size, size], largest y on top, as datashader bins a trajectory today."""
    canvas = datashader.Canvas(plot_width=size, plot_height=size)
    points = pd.DataFrame(trajectory, columns=["x", "y"])
    return np.asarray(canvas.points(points, "x", "y", agg=datashader.count()))[::-1]


def by_todays_rule(trajectory, size):
    """The same by formula: a point beyond the last cell goes into it, and no other moves.

    In 2019, and here, the extreme points move by one cell instead, even when rounding has already
    put them into the last one.
    """
    low, high = trajectory.min(axis=0), trajectory.max(axis=0)
    scale = size / (high - low)
    column, row = np.minimum(np.trunc(trajectory * scale + -low * scale), size - 1).T.astype(int)
    counts = np.zeros((size, size), np.uint32)
    np.add.at(counts, (size - 1 - row, column), 1)
    return counts


@pytest.mark.parametrize("size", [2, 16, 128, 200])
def test_counts_are_datashaders_but_for_extreme_points(size):
    family = FAMILIES["fractal_dream"]
    equal = 0
    for seed, vector in enumerate(fdd.sample_params(16)):
        trajectory = reference.orbit(family, tuple(vector.tolist()), 500)
        theirs = by_canvas(trajectory, size)
        np.testing.assert_array_equal(theirs, by_todays_rule(trajectory, size), str(seed))
        ours = fdd.render(vector, "counts", size=size, points=500)
        moved = np.abs(ours.astype(int) - theirs).sum()
        assert moved in (0, 2, 4)  # out of one cell and into another, at most once for each axis
        equal += moved == 0
    assert 0 < equal < 16


def test_the_whole_notebook_pipeline_draws_the_same_image():
    """Canvas.points and shade on an orbit whose extreme points rounding leaves alone."""
    trajectory_of = FAMILIES["fractal_dream"]
    compared = 0
    for vector in fdd.sample_params(8):
        trajectory = reference.orbit(trajectory_of, tuple(vector.tolist()), 3000)
        theirs = by_canvas(trajectory, 128)
        if np.array_equal(theirs, fdd.render(vector, "counts", points=3000)):
            compared += 1
            for palette in PALETTES:
                np.testing.assert_array_equal(
                    fdd.render(vector, points=3000, palette=palette), by_datashader(theirs, palette)
                )
    assert compared > 0
