"""Image i of a split is a pure function of (version, split, i), and its params are as promised."""

import dataclasses
import hashlib
import json
import re

import numpy as np
import pytest

import fdd
from fdd import FddError
from fdd.data.cache import ensure_split, shards
from fdd.releases import sampling
from fdd.releases.candidates import candidates
from fdd.releases.cards import RELEASES, Release, published_checksums
from fdd.rendering.cpu import render_cpu, select
from fdd.rendering.drawing import Drawing

GOLDEN = {
    "train": """
        -0.736140885464813 -0.985375507923665 2.956855031727243
        2.790152247146951 2.587032344607344 -0.3409218989856404
        0.7291913296996297 -0.0717959001716082 2.251323339707434
        1.4605118981740919 0.9114496289250851 2.747982195746845
        0.30797008981122254 0.6327061281788748 -2.721711150837221
        0.16375253616171825 -0.7796053611726368 2.9703553291129348
    """,
    "val": """
        0.21935454426675483 0.48034993632027634 1.5299928180356464
        -2.4714482322913724 -0.9919970531367168 1.699761492094467
        0.3266698626744311 0.2793697623219191 2.529413541955578
        -1.1656701834861756 1.3367924652118859 -0.7148776039450087
        -0.865976509092327 -0.3753277152303054 -2.376542956179053
        2.916097261388164 -1.8853100459101646 1.2609727958176418
    """,
    "test": """
        0.6219910723354634 -0.17301101447071976 -0.8381336665037118
        -2.4047591588030537 -2.130999553748116 -1.9480182720422925
        -0.4171104366863614 -0.24977998410175428 1.8827746677938793
        -2.8868143632092433 -0.9259257794320961 2.05062239863382
        -0.8030391781873485 -0.8698663037069037 2.557679409417924
        2.3153335145350935 0.09684644053857117 1.5649985288974282
    """,
}
GOLDEN_TINY = {
    "train": "f894214c3ed5314591beaf3ce16a1e98704399ccf759818d34eb3d6587b273c6",
    "val": "61711405152227134efe025f501a27e7d5a5b398eef9acb05daea24a9e220061",
    "test": "890ec1403035f9a4ea4da8773f4f787360b187850a6ea13c2bbd40f011aca1bc",
}
LIMITS = np.array([1, 1, 3, 3, 3, 3])


@pytest.mark.parametrize("split", GOLDEN)
def test_the_first_rows_never_change(split):
    rows = fdd.sample_params(3, split)
    assert rows.ravel().tolist() == [float(number) for number in GOLDEN[split].split()]
    assert rows.dtype == np.float64


@pytest.mark.parametrize("split", GOLDEN_TINY)
def test_hundreds_of_rows_never_change(tiny, split):
    rows = fdd.sample_params(300, split, version=tiny.name)
    assert hashlib.sha256(rows.astype("<f8").tobytes()).hexdigest() == GOLDEN_TINY[split]


@pytest.mark.parametrize(("start", "n"), [(0, 1), (0, 50), (7, 13), (49, 1), (20, 0), (99, 1)])
def test_any_rows_are_those_of_the_whole_stream(tiny, start, n):
    whole = fdd.sample_params(100, "val", version=tiny.name)
    rows = fdd.sample_params(n, "val", start, tiny.name)
    assert rows.shape == (n, 6)
    np.testing.assert_array_equal(rows, whole[start : start + n])


def test_the_stream_goes_on_beyond_the_stored_split(tiny):
    far = fdd.sample_params(2, "train", 2**62, tiny.name)
    assert len(np.unique(np.vstack([far, fdd.sample_params(50, version=tiny.name)]), axis=0)) == 52


def test_splits_and_versions_share_no_row(tiny):
    draws = [fdd.sample_params(100, split, version=tiny.name) for split in tiny.splits]
    draws.append(fdd.sample_params(20))
    assert len(np.unique(np.vstack(draws), axis=0)) == 320


def candidate_stream(card, split, index):
    """The candidates of an image, one after another, by numpy's Philox."""
    key = hashlib.sha256(f"{card.name}/{split}".encode()).digest()[:16]
    bits = np.random.Philox(key=np.frombuffer(key, "<u8"), counter=[0, index, 0, 0])
    while True:
        yield -LIMITS + 2 * LIMITS * ((bits.random_raw(6) >> np.uint64(11)) * 2.0**-53)


def is_kept(card, vector):
    """Whether a candidate's image exists and occupies enough pixels, by the rule itself."""
    try:
        counts = fdd.render(vector, "counts", size=card.size, points=card.points)
    except FddError:
        counts = np.zeros(1)  # degenerate
    return np.mean(counts > 0) >= 0.15


@pytest.mark.parametrize(("name", "rows"), [("tiny", 40), ("fdd-1", 12)])
def test_each_row_is_the_first_acceptable_candidate_of_its_stream(tiny, name, rows):
    card = {"tiny": tiny, **RELEASES}[name]
    refused = 0
    for index, vector in enumerate(fdd.sample_params(rows, "test", version=card.name)):
        stream = candidate_stream(card, "test", index)
        while not np.array_equal(candidate := next(stream), vector):
            assert not is_kept(card, candidate)
            refused += 1
            assert refused < 50 * rows
        assert is_kept(card, vector)
    assert refused > 0


@pytest.mark.parametrize("split", ["train", "test"])
def test_candidates_are_numpys_philox(tiny, split):
    indices = np.array([0, 1, 7, 2**40, 2**62])
    streams = [candidate_stream(tiny, split, index) for index in indices.tolist()]
    for attempt in range(9):
        expected = np.array([next(stream) for stream in streams])
        np.testing.assert_array_equal(candidates(tiny, split, indices, attempt), expected)


@pytest.mark.parametrize(("index", "occupied", "kept"), [(106, 15, True), (18, 14, False)])
def test_an_image_on_the_threshold_is_kept(index, occupied, kept):
    """Occupied pixels are compared as whole numbers: 15 of 100 is enough, 14 is not."""
    card = Release("tiny-1", {"train": 1}, size=10, points=50)
    first = candidates(card, "train", np.array([index]), 0)
    assert np.count_nonzero(fdd.render(first, "counts", card.size, card.points)) == occupied
    assert np.array_equal(sampling.draw(card, "train", index, 1), first) == kept


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_rows_do_not_depend_on_the_threads_nor_on_how_many_are_tried_at_once(tiny, threads):
    expected = fdd.sample_params(70, "val", 3, tiny.name)
    np.testing.assert_array_equal(sampling.draw(tiny, "val", 3, 70, threads=threads), expected)


def test_candidates_are_uniform_over_the_ranges():
    drawn = candidates(RELEASES["fdd-1"], "train", np.arange(4000), 0) / LIMITS
    assert np.all((drawn >= -1) & (drawn < 1))
    shares = np.array([np.histogram(column, 8, (-1, 1))[0] for column in drawn.T]) / 4000
    np.testing.assert_allclose(shares, 1 / 8, atol=0.025)
    assert np.abs(np.corrcoef(drawn.T) - np.eye(6)).max() < 0.06


def test_accepted_params_stay_in_range_and_almost_independent(tiny):
    rows = fdd.sample_params(2000, version=tiny.name) / LIMITS
    assert np.all(np.abs(rows) <= 1)
    assert np.abs(rows).max(axis=0).min() > 0.99
    assert np.abs(np.corrcoef(rows.T) - np.eye(6)).max() < 0.08


def test_draw_gives_the_counts_that_render_gives(tiny):
    counts = np.empty((20, 16, 16), np.uint16)
    params = sampling.draw(tiny, "val", 5, 20, counts)
    np.testing.assert_array_equal(params, fdd.sample_params(20, "val", 5, tiny.name))
    np.testing.assert_array_equal(counts, fdd.render(params, "counts", 16, 400))


def test_the_published_checksums_name_every_shard_once():
    listed = published_checksums("fdd-1")
    card = RELEASES["fdd-1"]
    named = [f"{split}/{name}" for split in card.splits for name, _, _ in shards(card, split)]
    assert sorted(listed) == sorted(named)
    assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in listed.values())
    assert len(set(listed.values())) == len(listed)


def test_a_full_size_shard_has_its_published_checksum(tmp_path):
    card = dataclasses.replace(RELEASES["fdd-1"], splits={"val": 1000})
    (path,) = ensure_split(card, "val", tmp_path)
    note = json.loads(path.with_suffix(".json").read_text())
    assert note["sha256"] == published_checksums("fdd-1")["val/shard-00000.npy"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": -1}, "n=-1 must be a whole number of at least 0"),
        ({"n": 2.0}, "n=2.0 must be a whole number of at least 0"),
        ({"n": True}, "n=True must be a whole number of at least 0"),
        ({"n": None}, "n=None must be a whole number of at least 0"),
        ({"start": -1}, f"start=-1 must be a whole number from 0 to {2**62}"),
        ({"start": 2**62 + 1}, f"start={2**62 + 1} must be a whole number from 0 to {2**62}"),
        ({"start": 0.5}, f"start=0.5 must be a whole number from 0 to {2**62}"),
        ({"split": "dev"}, "split='dev' is not known; choose from train, val, test"),
        ({"split": None}, "split=None is not known; choose from train, val, test"),
        ({"split": ["val"]}, "split=['val'] is not known; choose from train, val, test"),
        (
            {"version": "fdd-2"},
            "version='fdd-2' is not known (did you mean fdd-1?); choose from fdd-1, mini-1, fdd, "
            "mini",
        ),
        (
            {"version": ["fdd-1"]},
            "version=['fdd-1'] is not known; choose from fdd-1, mini-1, fdd, mini",
        ),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(FddError) as error:
        fdd.sample_params(**{"n": 1, **arguments})
    assert str(error.value) == message


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("rows", [0, 1, 15, 17, 100])
@pytest.mark.parametrize(("points", "size"), [(15, 8), (3000, 32), (60_000, 32)])
def test_selection_is_that_of_whole_orbits(points, size, rows, threads):
    """Whether orbits that have come back are refused early, and however lanes are shared."""
    drawing = Drawing(size=size, points=points, output="counts")
    params, needed = fdd.uniform_params(rows, seed=rows), size**2 // 5
    whole, without = render_cpu(drawing, params)
    expected = (np.count_nonzero(whole, axis=(1, 2)) >= needed) & ~without
    counts = np.zeros((rows, size, size), np.uint16)
    accepted = select(drawing, params, needed, counts, threads)
    np.testing.assert_array_equal(accepted, expected)
    np.testing.assert_array_equal(counts[accepted], whole[accepted])
    np.testing.assert_array_equal(select(drawing, params, needed, counts[:0], threads), expected)
