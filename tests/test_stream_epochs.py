"""A stream over several epochs: one iterator gives each batch once; a second one is warned of."""

import ast
import copy
import itertools
import pickle

import pytest
from conftest import REGISTER_TINY

import fdd

WARNING = (
    "UserWarning: a second iterator of a DataLoader's workers over one fdd stream gives batches "
    "again, or leaves some out; keep one iterator for all epochs, or seek() before each (without "
    "persistent_workers)\n"
)

PROGRAM = (
    REGISTER_TINY
    + """
import sys
import itertools
import warnings
import numpy as np
from torch.utils.data import DataLoader
import fdd
workers, method, persistent, way = sys.argv[1:]
# torch's advice where there are fewer processors than workers
warnings.filterwarnings("ignore", "This DataLoader will create")

def epochs():
    stream = fdd.stream(batch_size=2, version="tiny-1")
    names = {row.tobytes(): i // 2 for i, row in enumerate(fdd.sample_params(80, version="tiny-1"))}
    loader = DataLoader(
        stream,
        batch_size=None,
        num_workers=int(workers),
        persistent_workers=persistent == "persistent",
        multiprocessing_context=None if method == "none" else method,
    )
    for epoch in range(3):
        if way == "seek":
            stream.seek(3 * epoch)
        if way != "one" or epoch == 0:
            batches = iter(loader)
        taken = [vectors.numpy() for _, vectors in itertools.islice(batches, 3)]
        print([names[vectors[0].tobytes()] for vectors in taken])

if __name__ == "__main__":
    epochs()
"""
)


@pytest.fixture
def epochs(run_python, warm_python, tmp_path):
    """epochs(...) gives the numbers of three epochs' batches, and what was said on stderr."""
    program = tmp_path / "epochs.py"
    program.write_text(PROGRAM)

    def run(*, workers=2, method="fork", persistent="not", way="one"):
        code, output, errors = run_python(warm_python, program, workers, method, persistent, way)
        assert code == 0, errors
        return [ast.literal_eval(line) for line in output.splitlines()], errors

    return run


@pytest.mark.parametrize("persistent", ["persistent", "not"])
def test_one_iterator_gives_each_batch_once_in_order(epochs, persistent):
    assert epochs(persistent=persistent) == ([[0, 1, 2], [3, 4, 5], [6, 7, 8]], "")


@pytest.mark.parametrize("persistent", ["persistent", "not"])
def test_a_second_iterator_is_warned_of_once(epochs, persistent):
    found, errors = epochs(persistent=persistent, way="again")
    assert found[0] == [0, 1, 2]
    assert errors.count(WARNING) == 1
    assert errors.count("Warning") == 1


def test_persistent_workers_whom_no_seek_reaches_warn_too(epochs):
    assert epochs(persistent="persistent", way="seek")[1].count(WARNING) == 1


def test_spawned_workers_warn_as_well(epochs):
    _, errors = epochs(workers=1, method="spawn", way="again")
    assert errors.count(WARNING) == 1


def test_a_seek_before_each_iterator_gives_each_batch_once(epochs):
    assert epochs(way="seek") == ([[0, 1, 2], [3, 4, 5], [6, 7, 8]], "")


def test_without_workers_each_iterator_goes_on(epochs):
    assert epochs(workers=0, method="none", way="again") == ([[0, 1, 2], [3, 4, 5], [6, 7, 8]], "")


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s))])
@pytest.mark.parametrize("make", [fdd.stream, lambda **options: fdd.pairs("near", **options)])
def test_a_copy_of_a_stream_is_where_the_stream_is(tiny, make, clone):
    stream = make(batch_size=2, version=tiny.name)
    list(itertools.islice(stream, 3))
    copied = clone(stream)
    assert copied.state_dict() == stream.state_dict()
    copied.seek(1)
    assert (copied.batch, stream.batch) == (1, 3)
