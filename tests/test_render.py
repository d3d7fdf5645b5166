"""Images are exact whatever the batch or thread; bad input is one sentence that names it."""

import re
import threading
import time
from functools import partial

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import fdd
from fdd import FddError
from fdd.attractors import reference
from fdd.attractors.families import FAMILIES
from fdd.data.published import parse_name
from fdd.rendering import cpu_kernel
from fdd.rendering.cpu import count_groups, render_cpu
from fdd.rendering.drawing import Drawing
from fdd.rendering.palettes import PALETTES
from fdd.rendering.shading import BINS, gray, rgb

FAMILY = FAMILIES["fractal_dream"]
PERIODIC = (-0.5, 0.3, 1.0, 0.9, -0.8, -0.7)
ROW = (0.1, -0.2, 2.1, -1.9, 0.7, 1.3)


def uniform_params(seed, n):
    """Params drawn over the whole ranges, good and bad images alike."""
    return np.random.default_rng(seed).uniform(-1, 1, (n, 6)) * [1, 1, 3, 3, 3, 3]


def special_params(seed, n):
    """Params with zeros, edges, tiny, subnormal and repeated values among uniform ones."""
    rng = np.random.default_rng(seed)
    special = [0.0, -0.0, 1.0, -1.0, 0.5, 1e-300, -1e-160, 5e-324, 1e-8, 2.0**-26, -1 / 64, 3 / 128]
    edges = [*special, 3.0, -3.0, np.pi / 2, -np.pi / 4]
    params = uniform_params(seed, n)
    for row in params:
        for column in rng.choice(6, rng.integers(1, 7), replace=False):
            row[column] = rng.choice(special if column < 2 else edges)
    params[:: n // 4, 1::2] = params[:: n // 4, ::2]  # equal ones: the orbit is a diagonal
    return params


def by_reference(params, points, size, family=FAMILY):
    """(trajectory, counts or None) by the slow path."""
    trajectory = reference.orbit(family, tuple(map(float, params)), points)
    return trajectory, reference.counts(trajectory, size)


def by_kernel(params, points, size, stored=None, garbage=np.nan, family=FAMILY):
    """(counts, status, orbits [n, stored, 2]) of one kernel call, its scratch full of junk.

    Numbers are as wide as in `fdd.render`, which is compiled for the same ones.
    """
    n = len(params)
    cell, count = (np.uint32 if wide else np.uint16 for wide in (size > 256, points >= 2**16))
    trajectory = np.full((stored or max(points, 2), 2, cpu_kernel.GROUP), garbage)
    cells = np.full((cpu_kernel.BINNED, cpu_kernel.GROUP), 77, cell)
    counts = np.full((n, size, size), 99, count)
    status = np.full(n, 77, np.uint8)
    numbers = np.full((cpu_kernel.COLUMNS + params.shape[1], cpu_kernel.GROUP), garbage)
    notes = np.full((2, cpu_kernel.GROUP), 77)
    levels = np.full((5, BINS + 1), 77, np.int32)
    no_images = np.empty((0, 0, 0), np.uint8)
    cpu_kernel.kernel(family)(
        params,
        points,
        PALETTES["kbc"],
        trajectory,
        cells,
        numbers,
        notes,
        levels,
        counts,
        no_images,
        status,
    )
    return counts, status, trajectory.transpose(2, 0, 1)[:n]


@pytest.mark.parametrize("palette", PALETTES)
def test_published_images_come_out_byte_for_byte(reference_folder, palette):
    paths = sorted((reference_folder / palette).glob("*.png"))
    assert len(paths) == 3
    images = fdd.render([parse_name(path) for path in paths], palette=palette)
    for path, image in zip(paths, images, strict=True):
        np.testing.assert_array_equal(image, np.asarray(Image.open(path)), path.name)


@pytest.mark.parametrize("size", [2, 3, 7, 128, 200])
@pytest.mark.parametrize("points", [2, 3, 101])
@pytest.mark.parametrize("make", [uniform_params, special_params])
def test_kernel_is_the_reference_to_the_bit(make, points, size):
    params = make(size + points, 16)
    counts, status, orbits = by_kernel(params, points, size)
    for row, vector in enumerate(params):
        trajectory, expected = by_reference(vector, points, size)
        np.testing.assert_array_equal(orbits[row], trajectory, str(vector.tolist()))
        if expected is None:
            assert status[row] == cpu_kernel.DEGENERATE
        else:
            assert status[row] == cpu_kernel.DONE
            np.testing.assert_array_equal(counts[row], expected, str(vector.tolist()))


@pytest.mark.parametrize("vector", [ROW, PERIODIC])
def test_a_long_orbit_is_the_references(vector):
    _, expected = by_reference(vector, 5000, 128)
    np.testing.assert_array_equal(fdd.render(vector, "counts", points=5000), expected)


@pytest.mark.parametrize("points", [1, 2, 3, 5, 50, 2048, 2049, 3000])
def test_a_trajectory_computed_in_parts_gives_the_same_counts(points):
    params = np.vstack([uniform_params(3, 14), special_params(4, 4)[:2]])
    whole, whole_status, _ = by_kernel(params, points, 9)
    for stored in (2, 3, 4, 49, 50, 51, 2048, 2049):
        counts, status, _ = by_kernel(params, points, 9, stored, garbage=1e300)
        np.testing.assert_array_equal(counts, whole)
        np.testing.assert_array_equal(status, whole_status)


def test_more_points_than_are_stored_at_a_time():
    points = cpu_kernel.STORED + 1000
    whole, _, _ = by_kernel(np.array([ROW]), points, 300, stored=points)
    np.testing.assert_array_equal(fdd.render(ROW, "counts", 300, points), whole[0])


def test_nothing_leaks_from_one_call_into_the_next():
    small, large = uniform_params(5, 3), uniform_params(6, 40)
    expected = fdd.render(small, "counts", size=8, points=77)
    fdd.render(large, "counts", size=50, points=3000)
    np.testing.assert_array_equal(fdd.render(small, "counts", size=8, points=77), expected)
    np.testing.assert_array_equal(by_kernel(small, 77, 8, garbage=np.inf)[0], expected)


@pytest.mark.parametrize("output", ["rgb", "gray", "counts"])
def test_batches_singles_threads_and_orders_give_the_same_bytes(output):
    params = uniform_params(7, 37)
    params.setflags(write=False)
    batch = fdd.render(params, output, size=20, points=500)
    singles = [fdd.render(vector, output, size=20, points=500) for vector in params]
    np.testing.assert_array_equal(batch, np.array(singles))
    for threads in (1, 2, 3, 16):
        np.testing.assert_array_equal(fdd.render(params, output, 20, 500, threads=threads), batch)
    order = np.random.default_rng(1).permutation(len(params))
    np.testing.assert_array_equal(fdd.render(params[order], output, 20, 500), batch[order])


@pytest.mark.parametrize(("size", "points"), [(2, 2), (5, 999), (128, 2), (128, 999)])
def test_every_point_is_counted_once(size, points):
    counts = fdd.render(uniform_params(8, 33), "counts", size=size, points=points)
    np.testing.assert_array_equal(counts.sum(axis=(1, 2)), points)


@pytest.mark.parametrize(
    ("output", "kind", "channels"),
    [("rgb", np.uint8, (3,)), ("gray", np.uint8, ()), ("counts", np.uint32, ())],
)
def test_shapes_and_types(output, kind, channels):
    for rows, shape in ((uniform_params(9, 4), (4,)), (np.empty((0, 6)), (0,)), (ROW, ())):
        image = fdd.render(rows, output, size=10, points=50)
        assert image.dtype == kind
        assert image.shape == (*shape, 10, 10, *channels)


def tensor(rows, **options):
    return pytest.importorskip("torch").tensor(np.array(rows), **options)


@pytest.mark.parametrize(
    "convert",
    [list, np.asfortranarray, lambda rows: np.array(rows, ">f8"), pd.DataFrame, tensor],
    ids=["lists", "Fortran order", "big-endian", "DataFrame", "tensor"],
)
def test_params_in_other_containers_draw_the_same(convert):
    rows = [ROW, PERIODIC, (0, 1, 2, -3, 1, 0.5)]
    np.testing.assert_array_equal(
        fdd.render(convert(rows), "counts", 16, 99), fdd.render(np.array(rows), "counts", 16, 99)
    )


ON_ORBITS = {
    "rotation": lambda orbit: -orbit,
    "transposition": lambda orbit: orbit[:, ::-1],
    "flip": lambda orbit: orbit * [1, -1],
    "sign": lambda orbit: orbit * np.where(np.arange(len(orbit)) % 2, -1, 1)[:, None],
}


def cells(orbit, size):
    """Columns and rows from the bottom, and which points lie on a cell's edge: extreme ones do."""
    low, high = orbit.min(axis=0), orbit.max(axis=0)
    scale = size / (high - low)
    place = orbit * scale + -low * scale
    cell = np.clip(np.trunc(place) - (orbit == high), 0, size - 1).astype(int)
    return cell, np.abs(place - np.rint(place)) < 1e-9


def histogram(cell, size):
    image = np.zeros((size, size), np.int64)
    np.add.at(image, (size - 1 - cell[:, 1], cell[:, 0]), 1)
    return image


def twins(name, params):
    """(params, the same after the symmetry of that name, the symmetry)."""
    symmetry = next(symmetry for symmetry in FAMILY.symmetries if symmetry.name == name)
    return params, [symmetry.change(tuple(vector)) for vector in params.tolist()], symmetry


@pytest.mark.parametrize("symmetry", FAMILY.symmetries, ids=lambda symmetry: symmetry.name)
@pytest.mark.parametrize(
    ("draw", "points", "size"),
    [(fdd.sample_params, 60000, 128), (partial(uniform_params, 1), 3000, 31)]
    + [(partial(special_params, seed), 500, 16) for seed in range(4)],
)
def test_symmetries_are_exact_but_for_points_on_the_edge_of_a_cell(symmetry, draw, points, size):
    params = draw(n=16)
    changed = np.array([symmetry.change(tuple(vector)) for vector in params.tolist()])
    counts, status, orbits = by_kernel(changed, points, size)
    _, status_before, orbits_before = by_kernel(params, points, size)
    np.testing.assert_array_equal(status, status_before)
    effect = ON_ORBITS[symmetry.name]
    for row in np.flatnonzero(status == cpu_kernel.DONE):
        np.testing.assert_array_equal(orbits[row], effect(orbits_before[row]))
        (cell, on_edge), (before, _) = cells(orbits[row], size), cells(orbits_before[row], size)
        np.testing.assert_array_equal(counts[row], histogram(cell, size))
        if symmetry.exact:
            moved = np.abs(2 * cell - (size - 1) - effect(2 * before - (size - 1)))  # half cells
            assert np.all(moved <= 2 * on_edge)
            inside = ~on_edge.any(axis=1)
            expected = symmetry.effect(histogram(before[inside], size))
            np.testing.assert_array_equal(histogram(cell[inside], size), expected)


def test_transposition_is_exact_at_the_edge_too():
    params, changed, symmetry = twins("transposition", uniform_params(2, 48))
    images, expected = (fdd.render(rows, size=31, points=3000) for rows in (changed, params))
    for image, other in zip(images, expected, strict=True):
        np.testing.assert_array_equal(image, symmetry.effect(other))


def test_the_sign_symmetry_draws_the_same_attractor_for_most_params():
    images = [fdd.render(rows, "counts") for rows in twins("sign", fdd.sample_params(48))[:2]]
    one, other = (image.reshape(-1, 16, 8, 16, 8).sum(axis=(2, 4)) / 60000 for image in images)
    assert np.mean(np.abs(one - other).sum(axis=(1, 2)) / 2 < 0.05) > 0.85
    assert np.min(np.abs(one - np.roll(other, 1, axis=0)).sum(axis=(1, 2)) / 2) > 0.05


def test_what_the_kernel_cannot_decide_comes_from_the_reference():
    """cos(3 * pi/6) is so near 0 that no try of the kernel proves its last bit."""
    family, start = FAMILIES["clifford"], np.pi / 6
    params = fdd.uniform_params(5, family.name)
    params[[0, 3]] = (start, 0.4, 3.0, 1.5, 1.0, -2.0), (-start, 0.4, 3.0, 1.5, 1.0, 2.0)
    constant = (start, 0.0, 3.0, 0.0, 1.0, 0.0)
    _, status, _ = by_kernel(np.vstack([params, constant]), 200, 12, family=family)
    assert np.flatnonzero(status == cpu_kernel.UNDECIDED).tolist() == [0, 3, 5]
    counts = np.array([by_reference(vector, 200, 12, family)[1] for vector in params])
    images = {"counts": counts, "gray": gray(counts), "rgb": rgb(counts, PALETTES["kbc"])}
    for output, expected in images.items():
        found = fdd.render(params, output, size=12, points=200, family=family.name)
        np.testing.assert_array_equal(found, expected)
    with pytest.raises(FddError, match=r"params row 3, .* is degenerate"):
        fdd.render([*params[:3], constant], points=20, family=family.name)


def test_rows_without_an_image_are_told_and_left_empty():
    """For those who would rather have the other images than an error."""
    params = uniform_params(13, 20)
    params[[4, 17]] = (0, 0, 1, 1, 1, 1)
    for output, empty in (("rgb", 255), ("gray", 255), ("counts", 0)):
        images, degenerate = render_cpu(Drawing(size=9, points=50, output=output), params)
        assert np.flatnonzero(degenerate).tolist() == [4, 17]
        assert np.all(images[degenerate] == empty)
        good = fdd.render(params[~degenerate], output, size=9, points=50)
        np.testing.assert_array_equal(images[~degenerate], good)


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
@pytest.mark.parametrize("failing", [0, 1])
def test_when_one_worker_stops_the_others_stop_at_their_next_block(failing, error):
    both_at_work = threading.Barrier(2)
    begun, after = set(), []

    def finish(rows, counts, degenerate):
        worker = threading.current_thread().name.rpartition("_")[2]
        if worker not in begun:
            begun.add(worker)
            both_at_work.wait(timeout=600)
            if worker == str(failing):
                raise error("stop")
        after.append(rows.start)
        time.sleep(0.005)

    blocks, large = 60, 1024  # images so large that sixteen are a block
    params = np.tile(ROW, (blocks * cpu_kernel.GROUP, 1))
    with pytest.raises(error, match="stop"):
        count_groups(Drawing(size=large, points=2**16), params, finish, threads=2)
    assert len(after) < blocks // 2


DEGENERATE = (
    "params row {row}, {vector}, is degenerate: its orbit of {points} points is constant in x or "
    "in y and has no image"
)


NUMBERS = "params must be numbers, rows of (x0, y0, a, b, c, d), not "
FINITE = " must be a finite number from "
THREE = FINITE + "-3 to 3"
COLUMNS = "; it must be [N, 6] or [6], columns x0, y0, a, b, c, d"


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ("abc", NUMBERS + "'abc'"),
        ([1, [2]], NUMBERS + "[1, [2]]"),
        ([1j, 0, 0, 0, 0, 0], NUMBERS + "[1j, 0, 0, 0, 0, 0]"),
        (np.full(6, 1j), NUMBERS + f"{np.full(6, 1j)!r:.80}"),
        ([10**400, 0, 0, 0, 0, 0], NUMBERS + "[1" + 78 * "0"),
        (
            {"a": 1},
            "params has columns by name, x0, y0, b, c, d missing; they must be x0, y0, a, b, c, d, "
            "each once, in any order",
        ),
        (None, "params has shape []" + COLUMNS),
        ([], "params has shape [0]" + COLUMNS),
        ([1, 2, 3, 4, 5], "params has shape [5]" + COLUMNS),
        (np.zeros((2, 7)), "params has shape [2, 7]" + COLUMNS),
        (np.zeros((1, 2, 6)), "params has shape [1, 2, 6]" + COLUMNS),
        ([ROW, (0, 1.5, 0, 0, 0, 0)], "params: y0=1.5 in row 1" + FINITE + "-1 to 1"),
        ((0, 0, 0, 0, 0, -3.0000000000000004), "params: d=-3.0000000000000004 in row 0" + THREE),
        ((0, 0, np.nan, 0, 0, 0), "params: a=nan in row 0" + THREE),
        ((0, 0, 0, -np.inf, 0, 0), "params: b=-inf in row 0" + THREE),
        ([None] * 6, "params: x0=nan in row 0" + FINITE + "-1 to 1"),
    ],
)
@pytest.mark.filterwarnings("error")
def test_bad_params_are_refused(params, message):
    with pytest.raises(FddError) as error:
        fdd.render(params, size=4, points=20)
    assert str(error.value) == message


def test_a_tensor_that_requires_a_gradient_is_refused():
    vector = pytest.importorskip("torch").tensor(ROW, requires_grad=True)
    with pytest.raises(FddError, match=re.escape(NUMBERS + "tensor(")):
        fdd.render(vector, size=4, points=20)


@pytest.mark.parametrize(
    ("argument", "value", "message"),
    [
        ("size", 0, "size=0 must be a whole number from 2 to 4096"),
        ("size", 4097, "size=4097 must be a whole number from 2 to 4096"),
        ("size", 128.0, "size=128.0 must be a whole number from 2 to 4096"),
        ("size", True, "size=True must be a whole number from 2 to 4096"),
        ("points", 0, "points=0 must be a whole number from 1 to 4294967295"),
        ("points", 1, DEGENERATE.format(row=0, vector=ROW, points=1)),
        ("points", 2**32, "points=4294967296 must be a whole number from 1 to 4294967295"),
        ("points", np.nan, "points=nan must be a whole number from 1 to 4294967295"),
        ("threads", 0, "threads=0 must be a whole number of at least 1"),
        (
            "output",
            np.ones(2),
            "output=array([1., 1.]) is not known; choose from rgb, gray, counts",
        ),
        ("palette", ["kbc"], "palette=['kbc'] is not known; choose from kbc, inferno, viridis"),
        ("device", "tpu", "device='tpu' is not known; choose from cpu, cuda"),
        ("device", None, "device=None is not known; choose from cpu, cuda"),
    ],
)
def test_bad_arguments_are_refused(argument, value, message):
    with pytest.raises(FddError) as error:
        fdd.render(ROW, **{"points": 20, argument: value})
    assert str(error.value) == message


@pytest.mark.parametrize(("row", "threads"), [(0, 1), (17, 2), (39, 2)])
@pytest.mark.parametrize(
    "bad", [(0, 0, 1, 2, 1, 2), (0, 0.5, 0, 0, 3, 3), (1e-310, 0.5, 0, 0, 0, 0)]
)
def test_a_degenerate_row_is_named(bad, row, threads):
    params = np.random.default_rng(12).uniform(-1, 1, (40, 6)) * [1, 1, 3, 3, 3, 3]
    params[row] = bad
    message = DEGENERATE.format(row=row, vector=tuple(map(float, bad)), points=60)
    with pytest.raises(FddError, match=re.escape(message)):
        fdd.render(params, size=4, points=60, threads=threads)
