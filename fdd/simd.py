"""Eight float64 lanes as one numba value, so that one kernel runs on AVX-512, AVX2 and NEON alike.

LLVM legalises <8 x double> for the processor at hand. Plain loops over lanes are not vectorised
(the loop over steps is sequential and LLVM gives up), so the vector is a type of its own. It has
`+`, `-`, `*` (never contracted) and the functions below; memory is reached through raw addresses,
because array arguments cost a reference count in each step.
"""

from __future__ import annotations

import operator

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.datamodel import PrimitiveModel
from numba.extending import intrinsic, overload, register_model

LANES = 8

_DOUBLE = ir.DoubleType()
_INT32 = ir.IntType(32)
_INT64 = ir.IntType(64)
_VECTOR = ir.VectorType(_DOUBLE, LANES)
_VECTOR_INT64 = ir.VectorType(_INT64, LANES)
_VECTOR_INT32 = ir.VectorType(_INT32, LANES)


class LanesType(types.Type):
    """The numba type of a vector of LANES float64."""

    def __init__(self) -> None:
        super().__init__(name=f"float64x{LANES}")


lanes = LanesType()


@register_model(LanesType)
class _LanesModel(PrimitiveModel):
    def __init__(self, manager, fe_type):
        super().__init__(manager, fe_type, _VECTOR)


def _splat(builder, value):
    undefined = ir.Constant(_VECTOR, ir.Undefined)
    first = builder.insert_element(undefined, value, ir.Constant(_INT32, 0))
    return builder.shuffle_vector(first, undefined, ir.Constant(_VECTOR_INT32, [0] * LANES))


def _as_lanes(context, builder, value, value_type):
    if isinstance(value_type, LanesType):
        return value
    return _splat(builder, context.cast(builder, value, value_type, types.float64))


def _operator(python_operator, instruction):
    @intrinsic
    def apply(typing_context, x, y):
        def codegen(context, builder, signature, arguments):
            pair = (
                _as_lanes(context, builder, value, value_type)
                for value, value_type in zip(arguments, signature.args, strict=True)
            )
            return getattr(builder, instruction)(*pair)

        return lanes(x, y), codegen

    @overload(python_operator, inline="always")
    def _(x, y):
        if isinstance(x, LanesType) or isinstance(y, LanesType):
            return lambda x, y: apply(x, y)
        return None


_operator(operator.add, "fadd")
_operator(operator.sub, "fsub")
_operator(operator.mul, "fmul")


@intrinsic
def fma(typing_context, x, y, z):
    """x * y + z rounded once, on scalars or lanes."""
    vector = any(isinstance(t, LanesType) for t in (x, y, z))

    def codegen(context, builder, signature, arguments):
        if vector:
            kind, suffix = _VECTOR, f"v{LANES}f64"
            values = [
                _as_lanes(context, builder, value, value_type)
                for value, value_type in zip(arguments, signature.args, strict=True)
            ]
        else:
            kind, suffix = _DOUBLE, "f64"
            values = [
                context.cast(builder, value, value_type, types.float64)
                for value, value_type in zip(arguments, signature.args, strict=True)
            ]
        function_type = ir.FunctionType(kind, [kind] * 3)
        function = cgutils.get_or_insert_function(
            builder.module, function_type, f"llvm.fma.{suffix}"
        )
        return builder.call(function, values)

    return (lanes if vector else types.float64)(x, y, z), codegen


@intrinsic
def absolute(typing_context, x):
    """|x| in each lane."""

    def codegen(context, builder, signature, arguments):
        mask = ir.Constant(_VECTOR_INT64, [(1 << 63) - 1] * LANES)
        bits = builder.bitcast(arguments[0], _VECTOR_INT64)
        return builder.bitcast(builder.and_(bits, mask), _VECTOR)

    return lanes(x), codegen


def _choice(predicate):
    @intrinsic
    def choose(typing_context, x, y):
        def codegen(context, builder, signature, arguments):
            chosen = builder.fcmp_ordered(predicate, *arguments)
            return builder.select(chosen, *arguments)

        return lanes(x, y), codegen

    return choose


minimum = _choice("<")  # y where they cannot be compared
maximum = _choice(">")


@intrinsic
def agreed(typing_context, x, y):
    """x where x equals y, NaN elsewhere."""

    def codegen(context, builder, signature, arguments):
        nan = ir.Constant(_VECTOR, [float("nan")] * LANES)
        equal = builder.fcmp_ordered("==", *arguments)
        return builder.select(equal, arguments[0], nan)

    return lanes(x, y), codegen


@intrinsic
def any_nan(typing_context, x, y):
    """Whether any lane of x or y is NaN; compiled as the unlikely case."""

    def codegen(context, builder, signature, arguments):
        unordered = builder.fcmp_unordered("uno", *arguments)
        mask = builder.bitcast(unordered, ir.IntType(LANES))
        found = builder.icmp_unsigned("!=", mask, ir.Constant(ir.IntType(LANES), 0))
        bit = ir.IntType(1)
        expect = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(bit, [bit, bit]), "llvm.expect.i1"
        )
        return builder.call(expect, [found, ir.Constant(bit, 0)])

    return types.boolean(x, y), codegen


@intrinsic
def address(typing_context, array):
    """The address of an array's first element, as int64. The array must outlive its use."""

    def codegen(context, builder, signature, arguments):
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        return builder.ptrtoint(data, _INT64)

    return types.int64(array), codegen


def _pointer(context, builder, kind, base, index, index_type):
    offset = context.cast(builder, index, index_type, types.int64)
    return builder.gep(builder.inttoptr(base, ir.PointerType(kind)), [offset])


@intrinsic
def load(typing_context, base, index):
    """The LANES float64 at `base`, from element `index` on."""

    def codegen(context, builder, signature, arguments):
        start = _pointer(context, builder, _DOUBLE, *arguments, signature.args[1])
        return builder.load(builder.bitcast(start, _VECTOR.as_pointer()), align=8)

    return lanes(base, index), codegen


@intrinsic
def load_one(typing_context, base, index):
    """The float64 at `base`, element `index`."""

    def codegen(context, builder, signature, arguments):
        return builder.load(_pointer(context, builder, _DOUBLE, *arguments, signature.args[1]))

    return types.float64(base, index), codegen


@intrinsic
def store(typing_context, base, index, x):
    """Writes the lanes of x as float64 at `base`, from element `index` on."""

    def codegen(context, builder, signature, arguments):
        start = _pointer(context, builder, _DOUBLE, *arguments[:2], signature.args[1])
        builder.store(arguments[2], builder.bitcast(start, _VECTOR.as_pointer()), align=8)
        return context.get_dummy_value()

    return types.void(base, index, x), codegen


@intrinsic
def store_cells(typing_context, base, index, row, column, size):
    """Writes row * size + column of each lane as int32 at `base`, from element `index` on."""

    def codegen(context, builder, signature, arguments):
        base, index, row, column, size = arguments
        start = _pointer(context, builder, _INT32, base, index, signature.args[1])
        width = context.cast(builder, size, signature.args[4], types.float64)
        cell = builder.fadd(builder.fmul(row, _splat(builder, width)), column)
        cell = builder.fptosi(cell, _VECTOR_INT32)
        builder.store(cell, builder.bitcast(start, _VECTOR_INT32.as_pointer()), align=4)
        return context.get_dummy_value()

    return types.void(base, index, row, column, size), codegen


@intrinsic
def truncate(typing_context, x):
    """Each lane rounded towards zero, still float64."""

    def codegen(context, builder, signature, arguments):
        function = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(_VECTOR, [_VECTOR]), f"llvm.trunc.v{LANES}f64"
        )
        return builder.call(function, arguments)

    return lanes(x), codegen


@intrinsic
def one_where_equal(typing_context, x, y):
    """1.0 where x equals y, 0.0 elsewhere."""

    def codegen(context, builder, signature, arguments):
        equal = builder.fcmp_ordered("==", *arguments)
        return builder.uitofp(equal, _VECTOR)

    return lanes(x, y), codegen


def constant_table(name, make_values):
    """A function that gives the address (int64) of a read-only float64 table in compiled code.

    `make_values()` is called while compiling; cached compiled code holds the table itself.
    """

    @intrinsic
    def table(typing_context):
        def codegen(context, builder, signature, arguments):
            module = builder.module
            if name in module.globals:
                data = module.globals[name]
            else:
                values = make_values()
                kind = ir.ArrayType(_DOUBLE, len(values))
                data = ir.GlobalVariable(module, kind, name)
                data.initializer = ir.Constant(kind, values)
                data.global_constant = True
                data.linkage = "internal"
                data.align = 64
            return builder.ptrtoint(data, _INT64)

        return types.int64(), codegen

    return table


@intrinsic
def lookup(typing_context, table, key):
    """Rows of a table [2048, 4] at the low 11 bits of each lane's pattern, as its four columns.

    Each row is one 32-byte load; the eight rows are then transposed in registers. This is faster
    than four gathers, which most processors split into element loads anyway.
    """

    def codegen(context, builder, signature, arguments):
        def shuffle(x, y, mask):
            return builder.shuffle_vector(x, y, ir.Constant(ir.VectorType(_INT32, len(mask)), mask))

        base = builder.inttoptr(arguments[0], _DOUBLE.as_pointer())
        row_type = ir.VectorType(_DOUBLE, 4)
        bits = builder.bitcast(arguments[1], _VECTOR_INT64)
        offsets = builder.shl(
            builder.and_(bits, ir.Constant(_VECTOR_INT64, [2047] * LANES)),
            ir.Constant(_VECTOR_INT64, [2] * LANES),
        )
        # The offsets go through memory, in two stores of 32 bytes that the loads can forward from:
        # taking them out of the vector register would keep the arithmetic ports busy.
        scratch = cgutils.alloca_once(builder, ir.ArrayType(_INT64, LANES))
        slots = builder.bitcast(scratch, _INT64.as_pointer())
        for half in (0, 4):
            part = shuffle(offsets, offsets, list(range(half, half + 4)))
            place = builder.gep(slots, [ir.Constant(_INT64, half)])
            builder.store(part, builder.bitcast(place, part.type.as_pointer()), align=8)
        barrier = ir.FunctionType(ir.VoidType(), [slots.type])
        builder.asm(barrier, "", "r,~{memory}", [slots], True)
        rows = []
        for lane in range(LANES):
            offset = builder.load(builder.gep(slots, [ir.Constant(_INT64, lane)]))
            row = builder.bitcast(builder.gep(base, [offset]), row_type.as_pointer())
            rows.append(builder.load(row, align=32))
        # rows l and l + 4 side by side, then a 4x4 transposition in each half
        wide = [shuffle(rows[i], rows[i + 4], list(range(8))) for i in range(4)]
        even01, even23 = (
            shuffle(wide[i], wide[i + 1], [0, 8, 2, 10, 4, 12, 6, 14]) for i in (0, 2)
        )
        odd01, odd23 = (shuffle(wide[i], wide[i + 1], [1, 9, 3, 11, 5, 13, 7, 15]) for i in (0, 2))
        low, high = [0, 1, 8, 9, 4, 5, 12, 13], [2, 3, 10, 11, 6, 7, 14, 15]
        columns = [
            shuffle(even01, even23, low),
            shuffle(odd01, odd23, low),
            shuffle(even01, even23, high),
            shuffle(odd01, odd23, high),
        ]
        return context.make_tuple(builder, signature.return_type, columns)

    return types.UniTuple(lanes, 4)(table, key), codegen
