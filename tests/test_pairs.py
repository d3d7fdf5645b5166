"""Pairs: the first image is the stream's, the second follows by its kind's law, both accepted."""

import dataclasses
import hashlib
import json
import pickle
from itertools import count, islice

import numpy as np
import pytest
import torch
from scipy import stats
from torch.utils.data import DataLoader, IterableDataset
from torchdata.stateful_dataloader import StatefulDataLoader

import fdd
from fdd import FddError
from fdd.attractors.families import FAMILIES
from fdd.releases.cards import RELEASES, Release

KINDS = ["start", "near", "ou", "one", "some", "views"]
DRAWN = KINDS[:5]
NUMBERED = ["one", "views"]
LIMITS = np.array([1.0, 1.0, 3.0, 3.0, 3.0, 3.0])
EFFECTS = {
    "rotation": lambda image: image[::-1, ::-1],
    "transposition": lambda image: image[::-1, ::-1].swapaxes(0, 1),
    "flip": lambda image: image[::-1],
}
CHANGES = {
    "rotation": ([0, 1, 2, 3, 4, 5], [-1, -1, 1, 1, 1, 1]),
    "transposition": ([1, 0, 3, 2, 5, 4], [1, 1, 1, 1, 1, 1]),
    "flip": ([0, 1, 2, 3, 4, 5], [1, -1, -1, -1, -1, -1]),
}

every_kind = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture
def make(tiny):
    """make(kind, ...) gives pairs of the release tiny-1 in batches of 3, unless said otherwise."""

    def go(kind, *arguments, **options):
        return fdd.pairs(kind, *arguments, **{"version": tiny.name, "batch_size": 3} | options)

    return go


@pytest.fixture
def lawful(monkeypatch):
    """lawful(kind, ...) gives vectors [20000, 2, 6], and the numbers, where all are accepted."""
    card = Release("all-1", {"train": 1}, size=2, points=20, occupied_percent=0)
    monkeypatch.setitem(RELEASES, card.name, card)

    def go(kind, **options):
        pairs = fdd.pairs(kind, "train", 20000, version=card.name, prefetch=0, **options)
        return next(iter(pairs))[1:]

    return go


def take(source, batches):
    """The parts of the next batches, joined, as numpy arrays."""
    taken = list(islice(source, batches))
    return tuple(np.concatenate(parts) for parts in zip(*taken, strict=True))


def assert_same(found, expected):
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)


def rendered(vectors, output="rgb", palette="kbc"):
    """Images [n, 2, ...] of tiny-1 for vectors [n, 2, 6]."""
    images = fdd.render(vectors.reshape(-1, 6), output, 16, 400, palette)
    return images.reshape(*vectors.shape[:2], *images.shape[1:])


def assert_uniform(values, limits=1.0):
    """Kolmogorov and Smirnov do not refuse that these are uniform; the numbers are fixed."""
    assert stats.kstest(np.ravel(values / limits), "uniform", (-1, 2)).pvalue > 0.01


# what a pair is


@every_kind
@pytest.mark.parametrize("output", ["rgb", "gray", "counts"])
def test_the_first_images_are_those_of_the_stream(make, tiny, kind, output):
    options = {"output": output, "palette": "inferno"}
    images, vectors = take(make(kind, "val", start=5, **options), 6)[:2]
    stream = fdd.stream("val", 3, version=tiny.name, start=5, **options)
    assert_same((images[:, 0], vectors[:, 0]), take(stream, 6))


@pytest.mark.parametrize("kind", DRAWN)
@pytest.mark.parametrize("output", ["rgb", "gray", "counts"])
def test_the_second_images_are_rendered_from_their_vectors(make, kind, output):
    images, vectors = take(make(kind, output=output, palette="viridis"), 6)[:2]
    assert_same((images,), (rendered(vectors, output, "viridis"),))


@every_kind
def test_both_images_are_accepted_and_inside_the_ranges(make, tiny, kind):
    options = {"width": 6, "law": "normal"} if kind == "near" else {}
    counts, vectors = take(make(kind, output="counts", **options), 60)[:2]
    occupied = np.count_nonzero(counts.reshape(-1, tiny.size**2), axis=1)
    assert (100 * occupied >= 15 * tiny.size**2).all()
    assert (np.abs(vectors) <= LIMITS).all()
    assert not (vectors[:, 0] == vectors[:, 1]).all(axis=1).any()


def test_the_default_release_gives_one_array_of_both(tmp_path, monkeypatch):
    monkeypatch.setenv("FDD_DATA", str(tmp_path / "data"))
    images, vectors = next(iter(fdd.pairs("near", "test", 2, block=2)))
    assert (images.dtype, images.shape) == (np.uint8, (2, 2, 128, 128, 3))
    assert (vectors.dtype, vectors.shape) == (np.float64, (2, 2, 6))
    np.testing.assert_array_equal(vectors[:, 0], fdd.sample_params(2, "test"))
    assert list(tmp_path.iterdir()) == []


DIGESTS = {
    "start": "090d81fb0695de54e523e725eaf40bbce7249d2be7b31fc4d8241dcf88da41bf",
    "near": "f97a8e31ec1026e7d0db5b11a181e1d51b01a92b2462f641b073c94c277c3b6c",
    "ou": "ccf6a20b84a9c7dd5ed20573f02b02c67fdd4132c70884b75622949bcc52a7fe",
    "one": "2530df492586c7ff3db12add88354d93692b828a665eacb396970cfa823d6809",
    "some": "538057a1285b8cd72f762c43159c2e92d7b04d844eb1e2d0f830ad720809262f",
    "views": "f40b6df9d368f855672cb5566b7ba19f7a909c2d59103dc59361f8bcc00156f8",
}


def test_a_smaller_group_is_the_beginning_of_a_larger_one(make):
    images, vectors = take(make("ou", members=5), 4)
    assert (images.shape, vectors.shape) == ((12, 5, 16, 16, 3), (12, 5, 6))
    assert_same((images,), (rendered(vectors),))
    assert_same((images[:, :2], vectors[:, :2]), take(make("ou"), 4))
    assert_same((images[:, :3], vectors[:, :3]), take(make("ou", members=3), 4))
    alone = take(make("ou", members=5, batch_size=1, block=2), 12)
    assert_same((images, vectors), alone)


def test_the_state_of_groups_tells_how_large_they_are(make):
    groups = make("ou", members=3)
    state = json.loads(json.dumps(groups.state_dict()))
    assert state == make("ou").state_dict() | {"members": 3}
    groups.load_state_dict(state)
    with pytest.raises(FddError, match="members=3, and this one has members=4"):
        make("ou", members=4).load_state_dict(state)
    with pytest.raises(FddError, match="must be what state_dict"):
        make("ou").load_state_dict(state)


def test_the_bytes_of_groups_never_change():
    parts = next(iter(fdd.pairs("ou", "val", 4, version="mini-1", start=11, members=5)))
    found = hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest()
    assert found == "6da743abd4caedd5638281febe8fdc75c86e1a72965682a77c76f8ef73146ef9"


@every_kind
def test_the_bytes_never_change(kind):
    parts = next(iter(fdd.pairs(kind, "val", 6, version="mini-1", start=11)))
    assert len(parts) == 2 + (kind in NUMBERED)
    found = hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest()
    assert found == DIGESTS[kind]


# the laws, where every candidate is accepted


def test_start_keeps_the_equation_and_draws_a_uniform_start(lawful):
    (vectors,) = lawful("start")
    first, second = vectors[:, 0], vectors[:, 1]
    np.testing.assert_array_equal(first[:, 2:], second[:, 2:])
    for column in (0, 1):
        assert_uniform(second[:, column])
        assert stats.pearsonr(first[:, column], second[:, column]).pvalue > 0.01


@pytest.mark.parametrize(("law", "unit"), [("laplace", stats.laplace), ("normal", stats.norm)])
def test_near_moves_each_parameter_by_independent_steps(lawful, law, unit):
    widths = np.array([0.01, 0.02, 0.03, 0.05])
    (vectors,) = lawful("near", law=law, width=widths)
    np.testing.assert_array_equal(vectors[:, 0, :2], vectors[:, 1, :2])
    inside = (np.abs(vectors[:, 0, 2:]) < 2).all(axis=1)
    steps = np.diff(vectors[inside, :, 2:], axis=1)[:, 0] / widths
    for column in range(4):
        assert stats.kstest(steps[:, column], unit.cdf).pvalue > 0.01
    off_diagonal = np.corrcoef(steps.T)[~np.eye(4, dtype=bool)]
    assert np.abs(off_diagonal).max() < 0.05


@pytest.mark.parametrize("law", ["laplace", "normal"])
def test_near_keeps_the_uniform_law_and_is_symmetric_in_its_vectors(lawful, law):
    """What reflection at the ends is for: with clipping, or another draw, neither would hold."""
    (vectors,) = lawful("near", law=law, width=2.0)
    first, second = vectors[:, 0, 2:] / 3, vectors[:, 1, 2:] / 3
    assert_uniform(second)
    forth = np.histogram2d(first.ravel(), second.ravel(), 4, [[-1, 1], [-1, 1]])[0]
    difference = (forth - forth.T) / np.sqrt(np.maximum(forth + forth.T, 1))
    assert np.abs(difference).max() < 3.5


def test_near_at_an_end_follows_the_folded_law(lawful):
    (vectors,) = lawful("near", law="normal", width=1.0)
    first, second = vectors[:, 0, 2:].ravel(), vectors[:, 1, 2:].ravel()
    from_end, gap = 3.0 - first[first > 2.5], 3.0 - second[first > 2.5]
    upper, lower = stats.norm.cdf(gap - from_end), stats.norm.cdf(-gap - from_end)
    assert stats.kstest(upper - lower, "uniform").pvalue > 0.01  # the distribution function of |x|
    assert stats.kstest(upper, "uniform").statistic > 0.2


@pytest.mark.parametrize("rho", [0.1, 0.9, 0.99])
def test_ou_keeps_the_marginals_and_correlates_the_scores_by_rho(lawful, rho):
    (vectors,) = lawful("ou", rho=rho)
    first, second = vectors[:, 0] / LIMITS, vectors[:, 1] / LIMITS
    for column in range(6):
        assert_uniform(second[:, column])
    scores = stats.norm.ppf((np.hstack([first, second]) + 1) / 2)
    expected = np.kron([[1, rho], [rho, 1]], np.eye(6))
    np.testing.assert_allclose(np.corrcoef(scores.T), expected, atol=0.03)
    noise = (scores[:, 6:] - rho * scores[:, :6]) / np.sqrt(1 - rho**2)
    assert stats.kstest(noise.ravel(), stats.norm.cdf).pvalue > 0.01


@pytest.mark.parametrize("rho", [0.3, 0.9])
def test_any_two_members_of_a_group_are_such_a_pair(lawful, rho):
    (vectors,) = lawful("ou", rho=rho, members=4)
    assert vectors.shape == (20000, 4, 6)
    for column in range(6):
        assert_uniform(vectors[:, 3, column] / LIMITS[column])
    scores = stats.norm.ppf((vectors.reshape(-1, 24) / np.tile(LIMITS, 4) + 1) / 2)
    expected = np.kron(np.full((4, 4), rho) + (1 - rho) * np.eye(4), np.eye(6))
    np.testing.assert_allclose(np.corrcoef(scores.T), expected, atol=0.03)
    means = scores.reshape(-1, 4, 6).mean(axis=1) / np.sqrt((1 + 3 * rho) / 4)
    assert stats.kstest(means.ravel(), stats.norm.cdf).pvalue > 0.01


def test_one_draws_one_parameter_anew_each_as_often(lawful):
    vectors, numbers = lawful("one")
    assert (numbers.dtype, numbers.shape) == (np.int64, (20000,))
    differs = vectors[:, 0] != vectors[:, 1]
    np.testing.assert_array_equal(differs, np.arange(6) == numbers[:, None])
    assert stats.chisquare(np.bincount(numbers)).pvalue > 0.01
    first, second = (vectors[:, side] / LIMITS for side in (0, 1))
    assert_uniform(second[differs])
    assert stats.pearsonr(first[differs], second[differs]).pvalue > 0.01


@pytest.mark.parametrize("change", [0.2, 0.5])
def test_some_draws_the_start_and_a_share_of_the_others_anew(lawful, change):
    (vectors,) = lawful("some", change=change)
    differs = vectors[:, 0] != vectors[:, 1]
    assert differs[:, :2].all()
    changed = differs[:, 2:]
    expected = stats.binom.pmf(np.arange(5), 4, change) * len(changed)
    assert stats.chisquare(np.bincount(changed.sum(axis=1), minlength=5), expected).pvalue > 0.01
    for column in range(4):
        assert stats.binomtest(changed[:, column].sum(), len(changed), change).pvalue > 0.01
    first, second = (vectors[:, side] / LIMITS for side in (0, 1))
    assert_uniform(second[differs])
    assert stats.pearsonr(first[differs], second[differs]).pvalue > 0.01


def candidate(kind, stream, number, first):
    """The next candidate for a second vector, by numpy and SciPy: float64 [6]."""

    def uniform(columns):
        return (stream.random_raw(columns) >> np.uint64(11)) * 2.0**-53

    second = first.copy()
    if kind == "start":
        second[:2] = 2 * uniform(2) - 1
    elif kind == "near":
        x = second[2:] + stats.laplace.ppf(uniform(4), scale=0.1)
        second[2:] = 3 - np.abs((x + 3) % 12 - 6)
    elif kind == "ou":
        score = 0.9 * stats.norm.ppf((first / LIMITS + 1) / 2)
        score += np.sqrt(1 - 0.81) * stats.norm.ppf(uniform(6))
        second = LIMITS * (2 * stats.norm.cdf(score) - 1)
    elif kind == "some":
        drawn = 2 * LIMITS * uniform(6) - LIMITS  # to the last bit: some lie at the threshold
        second = np.where(number, drawn, first)
    else:
        second[number] = LIMITS[number] * (2 * uniform(1)[0] - 1)
    return second


def philox(name, index):
    key = np.frombuffer(hashlib.sha256(name.encode()).digest()[:16], "<u8")
    return np.random.Philox(key=key, counter=[0, index, 0, 0])


@pytest.mark.parametrize("kind", DRAWN)
def test_a_second_vector_is_the_first_accepted_of_its_own_candidates(make, kind):
    _, vectors, *numbers = take(make(kind, "test"), 30)
    refused = 0
    for index, (first, second) in enumerate(vectors):
        number = None
        if numbers:
            word = philox(f"tiny-1/test/{kind}/number", index).random_raw() >> np.uint64(11)
            number = int(6 * (word * 2.0**-53))
            assert number == numbers[0][index]
        if kind == "some":
            words = philox(f"tiny-1/test/{kind}/number", index).random_raw(6) >> np.uint64(11)
            number = (words * 2.0**-53 < 0.5) | (np.arange(6) < 2)
        stream = philox(f"tiny-1/test/{kind}", index)
        for attempt in count():
            drawn = candidate(kind, stream, number, first)
            if np.allclose(drawn, second, rtol=0, atol=1e-9):
                break
            assert np.count_nonzero(fdd.render(drawn, "counts", 16, 400)) < 39
            assert attempt < 1000
        refused += attempt
    assert refused > 0


# views


@pytest.mark.parametrize("output", ["rgb", "gray", "counts"])
def test_a_view_moves_the_pixels_and_its_vector_is_what_the_symmetry_tells(make, output):
    images, vectors, numbers = take(make("views", output=output), 20)
    assert numbers.dtype == np.int64
    assert set(numbers.tolist()) == {0, 1, 2}
    for (image, view), (first, second), number in zip(images, vectors, numbers, strict=True):
        name = list(EFFECTS)[number]
        order, signs = CHANGES[name]
        np.testing.assert_array_equal(view, EFFECTS[name](image))
        np.testing.assert_array_equal(second, first[order] * signs)


def test_rendering_the_vector_of_a_view_moves_its_outermost_points_at_most():
    """A cell has one of its edges, and the largest x and y fall one cell down: docs/pairs.md."""
    pairs = fdd.pairs("views", "test", 600, version="mini-1", output="counts")
    counts, vectors, numbers = next(iter(pairs))
    again = fdd.render(vectors[:, 1], "counts", 32, 4000).astype(int)
    moved = np.abs(again - counts[:, 1]).sum(axis=(1, 2)) // 2
    of_each = [moved[numbers == number] for number in range(3)]
    assert [points.max() for points in of_each] == [4, 0, 2]
    assert [round(np.mean(points == 0), 2) for points in of_each] == [0.66, 1.0, 0.81]


@pytest.mark.parametrize("views", ["flip", ["flip"], ("flip", "rotation")])
def test_some_of_the_views(make, views):
    images, _, numbers = take(make("views", views=views), 10)
    names = [views] if isinstance(views, str) else views
    assert set(numbers.tolist()) == set(range(len(names)))
    for (image, view), number in zip(images, numbers, strict=True):
        np.testing.assert_array_equal(view, EFFECTS[names[number]](image))


# what is handed out, and to whom


@every_kind
def test_parameters_come_in_every_form_or_not_at_all(make, kind):
    images, raw, *numbers = next(iter(make(kind)))
    for params, expected in (
        (True, raw),
        ("raw", raw),
        ("scaled", fdd.scale_params(raw)),
        ("canonical", fdd.canonical_params(raw)),
    ):
        assert_same(next(iter(make(kind, params=params))), (images, expected, *numbers))
    alone = next(iter(make(kind, params=False)))
    assert_same(alone if kind in NUMBERED else (alone,), (images, *numbers))


@every_kind
def test_transforms_take_whole_batches(make, kind):
    options = {"transform": lambda x: x[:, :, ::2], "target_transform": lambda v: v.sum(axis=2)}
    images, vectors, *numbers = next(iter(make(kind)))
    found = next(iter(make(kind, **options)))
    assert_same(found, (images[:, :, ::2], vectors.sum(axis=2), *numbers))


@every_kind
@pytest.mark.parametrize("block", [1, 7, 1000])
@pytest.mark.parametrize("prefetch", [0, 3])
def test_blocks_threads_and_prefetching_change_nothing(make, kind, block, prefetch):
    found = take(make(kind, block=block, prefetch=prefetch, threads=2), 6)
    assert_same(found, take(make(kind, block=1, prefetch=0, threads=1), 6))


@every_kind
def test_any_number_of_workers_gives_the_same_pairs_as_tensors(make, kind):
    expected = take(make(kind), 6)
    for workers in (0, 2):
        pairs = make(kind)
        assert isinstance(pairs, IterableDataset)
        batches = list(islice(DataLoader(pairs, batch_size=None, num_workers=workers), 6))
        assert all(isinstance(part, torch.Tensor) for batch in batches for part in batch)
        joined = tuple(torch.cat(parts).numpy() for parts in zip(*batches, strict=True))
        assert_same(joined, expected)


@every_kind
def test_ranks_take_turns_and_a_batch_is_a_function_of_its_number(make, kind):
    whole = list(islice(make(kind), 6))
    for rank in range(2):
        share = list(islice(make(kind, rank=rank, world_size=2), 3))
        for found, expected in zip(share, whole[rank::2], strict=True):
            assert_same(found, expected)
    pairs = make(kind)
    for number in (5, 0, 3):
        pairs.seek(number)
        assert_same(next(iter(pairs)), whole[number])
    assert_same(next(iter(make(kind, start=15))), whole[5])
    assert_same(next(iter(pickle.loads(pickle.dumps(make(kind))))), whole[0])


OPTIONS = {"near": {"law": "normal", "width": [0.1, 0.2, 0.3, 0.4]}, "ou": {"rho": 0.5}}


@every_kind
def test_a_saved_state_goes_on_with_the_next_batch(make, kind):
    options = OPTIONS.get(kind, {})
    pairs = make(kind, prefetch=4, **options)
    expected = take(make(kind, **options), 5)
    take(pairs, 3)
    state = json.loads(json.dumps(pairs.state_dict()))
    assert state["batch"] == 3
    other = make(kind, **options)
    other.load_state_dict(state)
    assert_same(take(other, 2), tuple(part[9:] for part in expected))


@pytest.mark.filterwarnings("ignore:'set_vital' is deprecated")
def test_torchdata_saves_and_restores_in_the_middle(make):
    def loader():
        return StatefulDataLoader(make("one"), batch_size=None, num_workers=2)

    first, second = loader(), loader()
    iterator = iter(first)
    take(iterator, 3)
    second.load_state_dict(first.state_dict())
    assert_same(take(second, 2), take(iterator, 2))


def test_the_state_says_all_that_the_pairs_depend_on(make):
    assert make("near", "val", start=4, width=0.5).state_dict() == {
        "kind": "near",
        "law": "laplace",
        "width": [0.5] * 4,
        "rho": None,
        "change": None,
        "views": None,
        "version": "tiny-1",
        "split": "val",
        "start": 4,
        "batch_size": 3,
        "params": "raw",
        "output": "rgb",
        "palette": "kbc",
        "batch": 0,
    }


def test_a_state_of_other_pairs_is_refused(make, tiny):
    state = make("near").state_dict()
    with pytest.raises(FddError) as error:
        make("ou").load_state_dict(state)
    assert str(error.value) == (
        "state is from a stream with kind='near', and this one has kind='ou'; make it with the "
        "same arguments, or use seek()"
    )
    for other in ({"law": "normal"}, {"width": 0.2}, {"split": "val"}):
        with pytest.raises(FddError, match=f"{next(iter(other))}="):
            make("near", **other).load_state_dict(state)
    for one, other in ((make("near"), fdd.stream(version=tiny.name)), (fdd.stream(), make("one"))):
        with pytest.raises(FddError, match="must be what state_dict"):
            one.load_state_dict(other.state_dict())


# mistakes

CHOICES = "choose from start, near, ou, one, some, views"
WIDTH = "must be a number above 0 and at most 6, or 4 of them, for a, b, c, d"
ERRORS = [
    ("far", {}, f"kind='far' is not known; {CHOICES}"),
    (None, {}, f"kind=None is not known; {CHOICES}"),
    ("start", {"rho": 0.5}, "rho=0.5 is an option of kind='ou', not of 'start'"),
    ("ou", {"width": 0.5}, "width=0.5 is an option of kind='near', not of 'ou'"),
    ("one", {"law": "normal"}, "law='normal' is an option of kind='near', not of 'one'"),
    ("near", {"views": "flip"}, "views='flip' is an option of kind='views', not of 'near'"),
    ("near", {"law": "cauchy"}, "law='cauchy' is not known; choose from laplace, normal"),
    ("near", {"width": 0}, f"width=0 {WIDTH}"),
    ("near", {"width": -0.1}, f"width=-0.1 {WIDTH}"),
    ("near", {"width": 6.5}, f"width=6.5 {WIDTH}"),
    ("near", {"width": float("nan")}, f"width=nan {WIDTH}"),
    ("near", {"width": True}, f"width=True {WIDTH}"),
    ("near", {"width": "wide"}, f"width='wide' {WIDTH}"),
    ("near", {"width": [0.1, 0.2]}, f"width=[0.1, 0.2] {WIDTH}"),
    ("near", {"width": [[0.1], [0.1, 0.2]]}, f"width=[[0.1], [0.1, 0.2]] {WIDTH}"),
    ("near", {"width": [0.1, 0.1, 0.1, 7]}, f"width=[0.1, 0.1, 0.1, 7] {WIDTH}"),
    ("ou", {"rho": 0}, "rho=0 must be a number above 0 and below 1"),
    ("ou", {"rho": 1.0}, "rho=1.0 must be a number above 0 and below 1"),
    ("ou", {"rho": float("nan")}, "rho=nan must be a number above 0 and below 1"),
    ("ou", {"rho": True}, "rho=True must be a number above 0 and below 1"),
    ("ou", {"rho": "0.5"}, "rho='0.5' must be a number above 0 and below 1"),
    ("ou", {"members": 1}, "members=1 must be a whole number from 2 to 1024"),
    ("ou", {"members": 2.5}, "members=2.5 must be a whole number from 2 to 1024"),
    ("ou", {"members": 2000}, "members=2000 must be a whole number from 2 to 1024"),
    ("near", {"members": 3}, "members=3 is an option of kind='ou', not of 'near'"),
    ("some", {"change": 0}, "change=0 must be a number above 0 and below 1"),
    ("some", {"change": 1.0}, "change=1.0 must be a number above 0 and below 1"),
    ("one", {"change": 0.5}, "change=0.5 is an option of kind='some', not of 'one'"),
    (
        "views",
        {"views": "mirror"},
        "views='mirror' is not known; choose from rotation, transposition, flip",
    ),
    (
        "views",
        {"views": []},
        "views=[] must be different names out of rotation, transposition, flip",
    ),
    (
        "views",
        {"views": ["flip", "flip"]},
        "views=['flip', 'flip'] must be different names out of rotation, transposition, flip",
    ),
    ("views", {"views": 3}, "views=3 must be different names out of rotation, transposition, flip"),
    ("near", {"batch_size": 0}, "batch_size=0 must be a whole number from 1 to 1000000000"),
    (
        "near",
        {"split": "tain"},
        "split='tain' is not known (did you mean train?); choose from train, val, test",
    ),
    (
        "near",
        {"params": "folded"},
        "params='folded' is not known; choose from raw, scaled, canonical",
    ),
    ("near", {"rank": 1}, "rank=1 and world_size=None must be given together"),
]


@pytest.mark.parametrize(("kind", "options", "message"), ERRORS)
def test_bad_arguments_are_one_sentence(kind, options, message):
    with pytest.raises(FddError) as error:
        fdd.pairs(kind, **options)
    assert str(error.value) == message


class Of(Release):
    """A release of another family."""

    def drawing(self, output="rgb", palette="kbc"):
        return dataclasses.replace(super().drawing(output, palette), family=self.licence)


INTERVALS = (
    "needs parameters from intervals, and symmetric_icon has whole numbers for d; choose from "
    "start, views"
)
LACKING = [
    (
        "views",
        "bedhead",
        "needs an exact symmetry that moves pixels, and bedhead has none; "
        "choose from start, near, ou, one, some",
    ),
    ("one", "symmetric_icon", INTERVALS),
    ("some", "symmetric_icon", INTERVALS),
    ("near", "symmetric_icon", INTERVALS),
    ("ou", "symmetric_icon", INTERVALS),
]


@pytest.mark.parametrize(("kind", "family", "message"), LACKING)
def test_a_kind_that_a_family_lacks_is_one_sentence(kind, family, message, monkeypatch):
    assert family in FAMILIES
    monkeypatch.setitem(RELEASES, "other-1", Of("other-1", {"train": 1}, licence=family))
    with pytest.raises(FddError) as error:
        fdd.pairs(kind, version="other-1")
    assert str(error.value) == f"kind={kind!r} {message}"
