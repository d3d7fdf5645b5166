"""Plain Python in place of `fdd.arithmetic.cuda_numbers`, for the simulator of numba-cuda.

The kernels' own code then runs without a GPU, with numpy's float64 as numbers. numba's simulator
has a fused multiply-add that rounds twice: here it is the CPU's.
"""

import itertools
import struct

import numba
import numpy as np
from numba.cuda.simulator import kernel

from fdd.arithmetic import lanes

number = np.float64
fabs = np.fabs
int32 = int
sqrt = np.sqrt


fused = itertools.count()
"""One more for each `fma`."""


@numba.njit
def _fma(x, y, z):
    return lanes.fma(x, y, z)


def fma(x, y, z):
    next(fused)
    return _fma(x, y, z)


def device(function):
    return function


inlined = device


def launched(threads, blocks, shared_bytes):
    return numba.cuda.jit


def _words(x):
    return struct.unpack("<ii", struct.pack("<d", x))


def low_word(x):
    return _words(x)[0]


def high_word(x):
    return _words(x)[1]


def from_words(high, low):
    return number(struct.unpack("<d", struct.pack("<II", low & 0xFFFFFFFF, high & 0xFFFFFFFF))[0])


def truncated(x):
    return 0 if np.isnan(x) else int(min(max(x, -(2.0**31)), 2.0**31 - 1))


def load(array, index):
    return number(array[index])


def store(array, index, x):
    array[index] = x


def load_pair(array, index):
    assert index % 2 == 0
    return number(array[index]), number(array[index + 1])


def store_pair(array, index, x, y):
    assert index % 2 == 0
    array[index], array[index + 1] = x, y


def row_loader(count):
    return lambda array, index: tuple(number(array[index + i]) for i in range(count))


def constant_table(name, values):
    return lambda index: number(values[index])


def _shared(kind):
    return kernel._get_kernel_context().shared.array(0, kind)


def load_shared(index):
    return load(_shared(np.dtype(np.float64)), index)


def load_shared_pair(index):
    return load_pair(_shared(np.dtype(np.float64)), index)


def store_shared_pair(index, x, y):
    store_pair(_shared(np.dtype(np.float64)), index, x, y)


def sync_warp():
    """The simulator's blocks have fewer threads than a warp."""
    kernel._get_kernel_context().syncthreads()


def add_shared(index, value):
    kernel._get_kernel_context().atomic.add(_shared(np.dtype(np.int32)), index, np.int32(value))
