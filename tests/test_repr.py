"""What an interpreter or a notebook shows of an object says what it is, in the names of options."""

import fdd


def test_a_data_set(tiny, tmp_path):
    ds = fdd.load("val", params=True, version="tiny-1", output="gray", cache=tmp_path)
    assert repr(ds) == (
        "RenderedDataset(10 images, version='tiny-1', split='val', output='gray', palette='kbc', "
        "params='raw')"
    )
    ds = fdd.load("test", params="canonical", version="tiny-1", palette="inferno", cache=tmp_path)
    assert repr(ds) == (
        "RenderedDataset(10 images, version='tiny-1', split='test', output='rgb', "
        "palette='inferno', params='canonical')"
    )


def test_a_stream_with_the_batch_that_comes_next(tiny):
    stream = fdd.stream("val", 3, params="scaled", version="tiny-1", start=7)
    stream.seek(5)
    assert repr(stream) == (
        "Stream(version='tiny-1', split='val', start=7, batch_size=3, params='scaled', "
        "output='rgb', palette='kbc', batch=5, device='cpu')"
    )


def test_pairs_with_the_options_of_their_kind(tiny):
    pairs = fdd.pairs("near", "val", 3, version="tiny-1", width=0.5)
    assert repr(pairs) == (
        "Pairs(kind='near', law='laplace', width=[0.5, 0.5, 0.5, 0.5], version='tiny-1', "
        "split='val', start=0, batch_size=3, params='raw', output='rgb', palette='kbc', batch=0, "
        "device='cpu')"
    )
