"""Counts are uint32 in numpy; transform=np.int32 makes them what torch computes with."""

from functools import partial

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

import fdd

VERSION = "tiny-1"
SOURCES = {
    "load": partial(fdd.load, "val"),
    "stream": partial(fdd.stream, "val", 4, params=False),
    "pairs": partial(fdd.pairs, "near", "val", 4, params=False),
}


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("name", SOURCES)
def test_max_greater_and_plus_work_on_counts_of_a_loader(tiny, tmp_path, name, workers):
    options = {"version": VERSION, "output": "counts"}
    if name == "load":
        options["cache"] = tmp_path
    source = SOURCES[name](**options)
    expected = source.read(np.arange(4)) if name == "load" else next(iter(source))
    assert expected.dtype == np.uint32

    batch_size = 4 if name == "load" else None
    ready = SOURCES[name](**options, transform=np.int32)
    counts = next(iter(DataLoader(ready, batch_size, num_workers=workers)))
    assert counts.dtype == torch.int32
    assert int(counts.max()) == expected.max()
    np.testing.assert_array_equal((counts > 0).numpy(), expected > 0)
    np.testing.assert_array_equal((counts + 1).numpy(), expected + 1)
