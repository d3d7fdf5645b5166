"""Slices, lists, arrays and masks give batches of a data set; torch's tools take it as it is."""

import numpy as np
import pytest

import fdd
from fdd import FddError


@pytest.fixture
def load(tiny, tmp_path):
    """fdd.load of tiny-1's 25 images of train, from a cache of this test."""

    def load_tiny(**options):
        return fdd.load(version=tiny.name, cache=tmp_path / "cache", **options)

    return load_tiny


MASK = np.arange(25) % 7 == 3
INDICES = {
    "slice": (slice(10, 20), range(10, 20)),
    "all": (slice(None), range(25)),
    "steps": (slice(None, None, -4), range(24, -1, -4)),
    "negative slice": (slice(-3, None), [22, 23, 24]),
    "slice beyond the end": (slice(20, 99), range(20, 25)),
    "empty slice": (slice(5, 5), []),
    "list": ([1, 5, 1, -1], [1, 5, 1, 24]),
    "empty list": ([], []),
    "range": (range(3, 6), range(3, 6)),
    "array": (np.array([24, 0, -25], np.int32), [24, 0, 0]),
    "array of one": (np.array([7], np.uint8), [7]),
    "mask": (MASK, [3, 10, 17, 24]),
    "list of booleans": (MASK.tolist(), [3, 10, 17, 24]),
    "mask of nothing": (np.zeros(25, bool), []),
}


@pytest.mark.parametrize(("index", "rows"), INDICES.values(), ids=INDICES)
@pytest.mark.parametrize("output", ["rgb", "counts"])
def test_an_index_of_several_gives_a_batch(load, index, rows, output):
    ds = load(params="scaled", output=output)
    images, vectors = ds[index]
    np.testing.assert_array_equal(images, ds.images[list(rows)])
    np.testing.assert_array_equal(vectors, ds.params.to_numpy()[list(rows)])
    assert (images.dtype, images.shape[1:]) == (ds.images.dtype, ds.images.shape[1:])
    assert (vectors.dtype, vectors.shape[1:]) == (np.float64, (6,))


def test_tensors_are_indices_too(load):
    torch = pytest.importorskip("torch")
    ds = load()
    for index in (torch.tensor([3, -1, 3]), torch.tensor([7]), torch.from_numpy(MASK)):
        np.testing.assert_array_equal(ds[index], ds[index.numpy()])
    np.testing.assert_array_equal(ds[torch.tensor(7)], ds[7])


def test_without_params_a_batch_is_the_images_alone(load):
    ds = load()
    np.testing.assert_array_equal(ds[2:9:3], ds.images[2:9:3])


def test_changing_a_batch_changes_nothing_else(load):
    ds = load(params=True)
    for _ in range(2):
        images, vectors = ds[:]
        np.testing.assert_array_equal(images, ds.images)
        np.testing.assert_array_equal(vectors, ds.params.to_numpy())
        images[:], vectors[:] = 0, 0


def squares(image):
    return image.astype(np.float32) ** 2


@pytest.mark.parametrize("index", [slice(3, 9), [4, -1], [8], MASK], ids=str)
@pytest.mark.parametrize(
    "options",
    [
        {"transform": squares},
        {"transform": np.mean, "target_transform": np.negative},
        {"target_transform": lambda vector: vector[:4].max()},
    ],
    ids=["images", "both", "vectors"],
)
def test_transforms_are_applied_to_each_item_and_stacked(load, index, options):
    ds = load(params=True, **options)
    images, vectors = ds[index]
    items = [ds[row] for row in np.arange(25)[index]]
    for batch, expected in zip((images, vectors), zip(*items, strict=True), strict=True):
        assert isinstance(batch, np.ndarray)
        np.testing.assert_array_equal(batch, np.stack(expected))


def test_tensors_are_stacked_to_a_tensor(load):
    torch = pytest.importorskip("torch")
    ds = load(params=True, transform=torch.from_numpy, target_transform=torch.tensor)
    images, vectors = ds[3:6]
    assert (images.dtype, vectors.dtype) == (torch.uint8, torch.float64)
    np.testing.assert_array_equal(images, ds.images[3:6])
    np.testing.assert_array_equal(vectors, ds.params.to_numpy()[3:6])


def test_what_cannot_be_stacked_stays_a_list(load):
    assert load(transform=lambda image: {"sum": int(image[0, 0].sum())})[:2] == [
        {"sum": int(image[0, 0].sum())} for image in load().images[:2]
    ]
    ragged = load(transform=lambda image: image[image < 200])[:3]
    assert [part.tolist() for part in ragged] == [i[i < 200].tolist() for i in load().images[:3]]
    assert load(transform=squares)[:0] == []


@pytest.mark.parametrize("index", [[25], [0, -26], np.array([3, 99, 77], np.uint8)])
def test_a_list_with_a_number_out_of_range_is_an_index_error(load, index):
    wrong = next(row for row in index if not -25 <= row < 25)
    with pytest.raises(IndexError, match=f"^index {wrong} is out of range for 25 images$"):
        load()[index]


@pytest.mark.parametrize(
    ("index", "shown"),
    [
        ("a", "'a'"),
        (None, "None"),
        (0.5, "0.5"),
        ([0.5], "[0.5]"),
        ((1, 5), "(1, 5)"),
        ([[1, 2]], "[[1, 2]]"),
        ([[1], [2, 3]], "[[1], [2, 3]]"),
        ([True, False], "[True, False]"),
        ([10**30], f"[{10**30}]"),
        (slice(0.5, None), "slice(0.5, None, None)"),
    ],
)
def test_any_other_index_is_refused_in_one_sentence(load, index, shown):
    with pytest.raises(FddError) as error:
        load()[index]
    assert str(error.value) == (
        f"index={shown} must be a whole number, a slice, or a list or an array of whole numbers or "
        "of 25 booleans"
    )


@pytest.fixture
def data():
    return pytest.importorskip("torch.utils.data")


def rows_of(loader):
    """The images and the vectors that a DataLoader hands out, each as one array."""
    images, vectors = zip(*loader, strict=True)
    return np.concatenate(images), np.concatenate(vectors)


def assert_rows(loader, ds, rows):
    images, vectors = rows_of(loader)
    np.testing.assert_array_equal(images, ds.images[rows])
    np.testing.assert_array_equal(vectors, ds.params.to_numpy()[rows])


def test_a_data_loader_reads_the_items_of_a_batch_together(load, data):
    """It asks for them together of whoever has torch's method for that."""
    ds = load(params=True)
    items = ds.__getitems__([3, -1, 3])
    assert isinstance(items, list)
    for (image, vector), row in zip(items, [3, 24, 3], strict=True):
        np.testing.assert_array_equal(image, ds.images[row])
        np.testing.assert_array_equal(vector, ds.params.to_numpy()[row])
    assert_rows(data.DataLoader(ds, batch_size=10), ds, list(range(25)))


def test_a_data_loader_of_batches_of_indices_takes_them_as_batches(load, data):
    ds = load(params=True)
    batches = data.BatchSampler(range(24, -1, -1), batch_size=8, drop_last=False)
    loader = data.DataLoader(ds, sampler=batches, batch_size=None)
    assert_rows(loader, ds, list(range(24, -1, -1)))


def test_subsets_splits_and_concatenations_of_torch_take_it(load, data):
    torch = pytest.importorskip("torch")
    ds = load(params=True, transform=torch.from_numpy)
    subset = data.Subset(ds, [7, 3, 24, 0])
    assert_rows(data.DataLoader(subset, batch_size=3), ds, [7, 3, 24, 0])
    np.testing.assert_array_equal(subset[[1, 2]][0], ds.images[[3, 24]])
    parts = data.random_split(ds, [20, 5], generator=torch.Generator().manual_seed(1))
    assert sorted([*parts[0].indices, *parts[1].indices]) == list(range(25))
    for part in parts:
        assert_rows(data.DataLoader(part, batch_size=4), ds, list(part.indices))
    both = data.ConcatDataset([subset, ds])
    assert len(both) == 29
    assert_rows(data.DataLoader(both, batch_size=10), ds, [7, 3, 24, 0, *range(25)])
    stacked = data.StackDataset(image=ds, again=ds)
    np.testing.assert_array_equal(stacked[4]["again"][0], ds.images[4])


def test_a_subset_of_all_is_an_instance_of_the_class_of_torch(load, data):
    ds = load(params=True)
    everything = data.Subset(ds, range(len(ds)))
    assert isinstance(everything, data.Dataset)
    assert_rows(data.DataLoader(everything, batch_size=10), ds, list(range(25)))


def test_samplers_of_torch_take_it(load, data):
    ds = load(params=True)
    loader = data.DataLoader(ds, sampler=data.WeightedRandomSampler(MASK.astype(float), 50))
    images, _ = rows_of(loader)
    chosen = ds.images[MASK].tolist()
    assert len(images) == 50
    assert all(image.tolist() in chosen for image in images)
