"""torchvision's transforms take the images as they are, one by one and in batches."""

import importlib

import numpy as np
import pytest

import fdd


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch")


@pytest.fixture(scope="module")
def torchvision(torch):
    """torchvision, where it was built for the torch at hand."""
    try:
        return importlib.import_module("torchvision")
    except (ImportError, RuntimeError) as error:  # its compiled operators are missing
        pytest.skip(f"torchvision cannot be imported beside torch {torch.__version__}: {error}")


@pytest.fixture
def v2(torchvision):
    return importlib.import_module("torchvision.transforms.v2")


@pytest.fixture
def load(tiny, tmp_path):
    """fdd.load of tiny-1's ten test images, from a cache of this test."""

    def load_tiny(**options):
        return fdd.load("test", version=tiny.name, cache=tmp_path / "cache", **options)

    return load_tiny


def assert_holds(tensor, images):
    """A tensor float32 [..., 3, H, W] in [0, 1] holds images uint8 [..., H, W, 3]."""
    expected = np.moveaxis(images, -1, -3).astype(np.float32) / 255
    np.testing.assert_allclose(tensor, expected, rtol=1e-6, atol=0)


def test_transforms_of_the_first_kind_take_an_item(load, torchvision):
    transforms = importlib.import_module("torchvision.transforms")
    expected = load().images[7]
    assert_holds(load(transform=transforms.ToTensor())[7].numpy(), expected)
    both = transforms.Compose([transforms.ToPILImage(), transforms.Resize(8)])
    assert load(transform=both)[7].size == (8, 8)
    np.testing.assert_array_equal(np.asarray(load(transform=transforms.ToPILImage())[7]), expected)


@pytest.fixture
def to_float(torch, v2):
    """What torchvision names in place of ToTensor: an image to float32 [3, H, W] in [0, 1]."""
    return v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True)])


def test_an_item_goes_through_v2(load, torch, v2, to_float):
    image, vector = load(params=True, transform=to_float, target_transform=torch.from_numpy)[3]
    assert_holds(image, load().images[3])
    np.testing.assert_array_equal(vector, load().params.to_numpy()[3])
    flipped = v2.Compose([to_float, v2.RandomHorizontalFlip(1.0), v2.Resize(8)])
    assert load(transform=flipped)[3].shape == (3, 8, 8)


@pytest.mark.parametrize("output", ["gray", "counts"])
def test_gray_and_counts_go_through_v2(load, v2, output):
    ds = load(output=output)
    image = load(output=output, transform=v2.Compose([np.int32, v2.ToImage()]))[3]
    assert image.shape == (1, 16, 16)
    np.testing.assert_array_equal(image[0], ds[3].astype(np.int32))


def test_a_batch_of_an_index_goes_through_v2_item_by_item(load, torch, to_float):
    batch = load(transform=to_float)[2:8]
    assert (batch.dtype, batch.shape) == (torch.float32, (6, 3, 16, 16))
    assert_holds(batch, load().images[2:8])


@pytest.mark.parametrize("workers", [0, 2])
def test_a_data_loader_stacks_what_v2_makes(load, torch, to_float, workers):
    ds = load(params=True, transform=to_float)
    loader = torch.utils.data.DataLoader(ds, batch_size=4, num_workers=workers)
    images, vectors = map(torch.cat, zip(*loader, strict=True))
    assert_holds(images, ds.images)
    np.testing.assert_array_equal(vectors, ds.params.to_numpy())


def test_v2_changes_a_whole_batch_at_once(load, torch, v2):
    """A batch has its channels last; v2 wants them third from the end."""
    ds = load()
    batch = torch.from_numpy(ds[:6]).permute(0, 3, 1, 2)
    change = v2.Compose([v2.ToDtype(torch.float32, scale=True), v2.RandomVerticalFlip(1.0)])
    assert_holds(change(batch), ds.images[:6, ::-1])


def test_the_batches_of_a_stream_go_through_v2_at_once(tiny, torch, v2):
    change = v2.Compose(
        [torch.from_numpy, v2.Lambda(lambda images: images.permute(0, 3, 1, 2)), v2.Resize(8)]
    )
    images = next(iter(fdd.stream("test", 4, params=False, version=tiny.name, transform=change)))
    assert (images.dtype, images.shape) == (torch.uint8, (4, 3, 8, 8))


def test_make_grid_takes_a_batch(load, torchvision, to_float):
    utils = importlib.import_module("torchvision.utils")
    sheet = utils.make_grid(load(transform=to_float)[:6], nrow=3, padding=4, pad_value=1)
    assert_holds(sheet, fdd.show(load(), count=6, columns=3).image)
