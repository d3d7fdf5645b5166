"""A float64 for CUDA whose every operation is rounded once, whatever the compiler would fuse.

numba-cuda writes plain products and sums, which NVIDIA's assembler may contract to fused
multiply-adds. The operators of this type compile to `mul.rn.f64`, `add.rn.f64` and so on, which it
must not contract: `fma` is only where the source says so. Also what the kernels need beside
arithmetic: the halves of a float64's bits, two float64 loaded or stored at once, shared memory.

Needs numba-cuda; the tests put plain Python with the same names in this module's place.
"""

from __future__ import annotations

import math
import operator
from typing import Any

from llvmlite import ir
from numba import cuda
from numba.cuda import cgutils, types
from numba.cuda.cudadrv import nvvm
from numba.cuda.datamodel.models import PrimitiveModel
from numba.cuda.extending import intrinsic, lower_cast, overload, register_model
from numba.cuda.typeconv import Conversion

DOUBLE, WORD = ir.DoubleType(), ir.IntType(32)
_HALVES = ir.VectorType(WORD, 2)
_PAIR = ir.VectorType(DOUBLE, 2)


class NumberType(types.Type):
    """The numba type of such a float64; ordinary numbers beside it become one."""

    def can_convert_from(self, typing_context: Any, other: Any) -> Any:
        return Conversion.safe if isinstance(other, (types.Float, types.Integer)) else None

    def unify(self, typing_context: Any, other: Any) -> Any:
        return self if isinstance(other, (types.Float, types.Integer)) else None


number_type = NumberType("number")


@register_model(NumberType)
class _NumberModel(PrimitiveModel):
    def __init__(self, manager: Any, fe_type: Any) -> None:
        super().__init__(manager, fe_type, DOUBLE)


@lower_cast(types.Float, NumberType)
@lower_cast(types.Integer, NumberType)
def _from_ordinary(context: Any, builder: Any, source: Any, target: Any, value: Any) -> Any:
    return context.cast(builder, value, source, types.float64)


def _call(builder: Any, name: str, *arguments: Any) -> Any:
    function_type = ir.FunctionType(DOUBLE, [DOUBLE] * len(arguments))
    function = cgutils.get_or_insert_function(builder.module, function_type, name)
    return builder.call(function, arguments)


def _negated(builder: Any, x: Any) -> Any:
    return builder.fsub(ir.Constant(DOUBLE, -0.0), x)


def _compiled(compute: Any) -> Any:
    """The code generator of compute(builder, *float64) for arguments of any numeric type."""

    def lower(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        numbers = [
            value if kind is number_type else context.cast(builder, value, kind, types.float64)
            for value, kind in zip(arguments, signature.args, strict=True)
        ]
        return compute(builder, *numbers)

    return lower


def _unary(compute: Any) -> Any:
    @intrinsic
    def apply(typing_context, x):
        return number_type(x), _compiled(compute)

    return apply


def _binary(compute: Any, result: Any = number_type) -> Any:
    @intrinsic
    def apply(typing_context, x, y):
        return result(x, y), _compiled(compute)

    return apply


def _operator(python_operator: Any, compute: Any, result: Any = number_type) -> None:
    apply = _binary(compute, result)

    @overload(python_operator, inline="always")
    def _(x, y):
        if isinstance(x, NumberType) or isinstance(y, NumberType):
            return lambda x, y: apply(x, y)
        return None


_operator(operator.add, lambda builder, x, y: _call(builder, "llvm.nvvm.add.rn.d", x, y))
_operator(
    operator.sub,
    lambda builder, x, y: _call(builder, "llvm.nvvm.add.rn.d", x, _negated(builder, y)),
)
_operator(operator.mul, lambda builder, x, y: _call(builder, "llvm.nvvm.mul.rn.d", x, y))
_operator(operator.truediv, lambda builder, x, y: _call(builder, "llvm.nvvm.div.rn.d", x, y))
_operator(operator.eq, lambda builder, x, y: builder.fcmp_ordered("==", x, y), types.boolean)
_operator(operator.le, lambda builder, x, y: builder.fcmp_ordered("<=", x, y), types.boolean)
_operator(operator.lt, lambda builder, x, y: builder.fcmp_ordered("<", x, y), types.boolean)
_operator(operator.gt, lambda builder, x, y: builder.fcmp_ordered(">", x, y), types.boolean)

int32 = types.int32  # numba computes in int64, which costs twice the instructions

device = cuda.jit(device=True)
inlined = cuda.jit(device=True, forceinline=True)


def launched(threads: int, blocks: int, shared_bytes: int) -> Any:
    """Compiles a kernel such that `blocks` blocks of this many threads find room on an SM.

    Of the 228 KiB that an SM of the H100 splits into shared memory and cache, it asks for what
    these blocks need, 1 KiB of each being the system's.
    """
    percent = -(-100 * blocks * (shared_bytes + 1024) // (228 * 1024))
    return cuda.jit(launch_bounds=(threads, blocks), shared_memory_carveout=percent)


_negative = _unary(_negated)
number = _unary(lambda builder, x: x)
sqrt = _unary(lambda builder, x: _call(builder, "llvm.nvvm.sqrt.rn.d", x))
fabs = _unary(lambda builder, x: _call(builder, "llvm.nvvm.fabs.d", x))


@overload(operator.neg, inline="always")
def _(x):
    return (lambda x: _negative(x)) if isinstance(x, NumberType) else None


@overload(math.fabs, inline="always")
def _(x):
    return (lambda x: fabs(x)) if isinstance(x, NumberType) else None


@intrinsic
def fma(typing_context, x, y, z):
    """x * y + z rounded once."""

    def compute(builder, *numbers):
        return _call(builder, "llvm.nvvm.fma.rn.d", *numbers)

    return number_type(x, y, z), _compiled(compute)


def _word(index: int) -> Any:
    @intrinsic
    def apply(typing_context, x):
        def codegen(context, builder, signature, arguments):
            halves = builder.bitcast(arguments[0], _HALVES)
            return builder.extract_element(halves, ir.Constant(WORD, index))

        return types.int32(x), codegen

    return apply


low_word, high_word = _word(0), _word(1)  # the halves of a number's bits, as int32


@intrinsic
def from_words(typing_context, high, low):
    """The number of these two halves, of which the low 32 bits count."""

    def codegen(context, builder, signature, arguments):
        halves = ir.Constant(_HALVES, ir.Undefined)
        for index in range(2):
            value, kind = arguments[1 - index], signature.args[1 - index]
            word = context.cast(builder, value, kind, types.int32)
            halves = builder.insert_element(halves, word, ir.Constant(WORD, index))
        return builder.bitcast(halves, DOUBLE)

    return number_type(high, low), codegen


@intrinsic
def truncated(typing_context, x):
    """A number truncated to an int32, the nearest one if it is out of range."""

    def codegen(context, builder, signature, arguments):
        function_type = ir.FunctionType(WORD, [DOUBLE])
        name = "llvm.nvvm.d2i.rz"
        function = cgutils.get_or_insert_function(builder.module, function_type, name)
        return builder.call(function, arguments)

    return types.int32(x), codegen


def _place(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    """The address of element arguments[1] of the one-dimensional array arguments[0]."""
    array = context.make_array(signature.args[0])(context, builder, arguments[0])
    index = context.cast(builder, arguments[1], signature.args[1], types.int64)
    return builder.gep(array.data, [index])


@intrinsic
def load(typing_context, array, index):
    """Element `index` of a float64 array, as a number."""

    def codegen(context, builder, signature, arguments):
        return builder.load(_place(context, builder, signature, arguments))

    return number_type(array, index), codegen


@intrinsic
def store(typing_context, array, index, x):
    """Writes x to element `index` of a float64 array."""

    def codegen(context, builder, signature, arguments):
        builder.store(arguments[2], _place(context, builder, signature, arguments))
        return context.get_dummy_value()

    return types.void(array, index, x), codegen


@intrinsic
def load_pair(typing_context, array, index):
    """Elements `index` (even) and index + 1 of a float64 array, as numbers."""

    def codegen(context, builder, signature, arguments):
        place = _place(context, builder, signature, arguments)
        pair = builder.load(builder.bitcast(place, _PAIR.as_pointer()), align=16)
        numbers = [builder.extract_element(pair, ir.Constant(WORD, i)) for i in range(2)]
        return context.make_tuple(builder, signature.return_type, numbers)

    return types.UniTuple(number_type, 2)(array, index), codegen


@intrinsic
def store_pair(typing_context, array, index, x, y):
    """Writes x and y to elements `index` (even) and index + 1 of a float64 array."""

    def codegen(context, builder, signature, arguments):
        place = _place(context, builder, signature, arguments)
        pair = ir.Constant(_PAIR, ir.Undefined)
        for i in range(2):
            pair = builder.insert_element(pair, arguments[2 + i], ir.Constant(WORD, i))
        builder.store(pair, builder.bitcast(place, _PAIR.as_pointer()), align=16)
        return context.get_dummy_value()

    return types.void(array, index, x, y), codegen


def row_loader(count: int) -> Any:
    """load_row(array, index): `count` elements of a float64 array from `index` on, as numbers."""

    @intrinsic
    def load_row(typing_context, array, index):
        def codegen(context, builder, signature, arguments):
            place = _place(context, builder, signature, arguments)
            places = [builder.gep(place, [ir.Constant(WORD, i)]) for i in range(count)]
            numbers = [builder.load(place) for place in places]
            return context.make_tuple(builder, signature.return_type, numbers)

        return types.UniTuple(number_type, count)(array, index), codegen

    return load_row


def constant_table(name: str, values: list[float]) -> Any:
    """element(index): one of these values, which the compiled code holds once, under that name."""

    @intrinsic
    def element(typing_context, index):
        def codegen(context, builder, signature, arguments):
            module = builder.module
            data = module.globals.get(name)
            if data is None:
                kind = ir.ArrayType(DOUBLE, len(values))
                data = ir.GlobalVariable(module, kind, name, nvvm.ADDRSPACE_GLOBAL)
                data.initializer = ir.Constant(kind, values)
                data.global_constant = True
                data.linkage = "linkonce_odr"
            place = context.cast(builder, arguments[0], signature.args[0], types.int64)
            return builder.load(builder.gep(data, [ir.Constant(WORD, 0), place]))

        return number_type(index), codegen

    return element


@inlined
def load_shared(index):
    """Element `index` of the block's dynamic shared memory, as a number."""
    return load(cuda.shared.array(0, types.float64), index)


@inlined
def load_shared_pair(index):
    """Elements `index` (even) and index + 1 of the block's dynamic shared memory, as numbers."""
    return load_pair(cuda.shared.array(0, types.float64, alignment=16), index)


@inlined
def store_shared_pair(index, x, y):
    """Writes x and y to elements `index` (even) and index + 1 of the dynamic shared memory."""
    store_pair(cuda.shared.array(0, types.float64, alignment=16), index, x, y)


@inlined
def sync_warp():
    """What the lanes of a warp wrote to shared memory before, they all read afterwards."""
    cuda.syncwarp()


@inlined
def add_shared(index, value):
    """Adds to element `index` of the block's dynamic shared memory as int32, atomically."""
    cuda.atomic.add(cuda.shared.array(0, types.int32), index, types.int32(value))
