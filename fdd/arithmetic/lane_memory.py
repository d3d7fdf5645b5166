"""Memory of `fdd.arithmetic.lanes`: raw addresses, loads, stores, and a table looked up by row.

Memory is reached through raw addresses, because array arguments of inlined functions cost a
reference count in each step. The caller keeps the array alive for as long as its address is used.
"""

from __future__ import annotations

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from fdd.arithmetic.lanes import (
    DOUBLE,
    LANES,
    VECTOR,
    VECTOR_INT64,
    fused,
    lanes,
    lanes_of,
    splat,
    values_of,
)

_INT32 = ir.IntType(32)
_INT64 = ir.IntType(64)


@intrinsic
def address(typing_context, array):
    """The address of an array's first element, as int64."""

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
        start = _pointer(context, builder, DOUBLE, *arguments, signature.args[1])
        vector = builder.load(builder.bitcast(start, VECTOR.as_pointer()), align=8)
        return lanes_of(builder, vector)

    return lanes(base, index), codegen


@intrinsic
def load_one(typing_context, base, index):
    """The float64 at `base`, element `index`."""

    def codegen(context, builder, signature, arguments):
        return builder.load(_pointer(context, builder, DOUBLE, *arguments, signature.args[1]))

    return types.float64(base, index), codegen


def _strided(context, builder, signature, arguments):
    """The addresses of elements index, index + stride, ...; arguments as of `load_rows`."""
    base, index, stride, _ = arguments
    start = _pointer(context, builder, DOUBLE, base, index, signature.args[1])
    step = context.cast(builder, stride, signature.args[2], types.int64)
    return [
        builder.gep(start, [builder.mul(step, ir.Constant(_INT64, row))])
        for row in range(signature.return_type.count)
    ]


@intrinsic(prefer_literal=True)
def load_rows(typing_context, base, index, stride, count):
    """`count` (a constant) lanes at `base`, from elements index, index + stride, ... on."""

    def codegen(context, builder, signature, arguments):
        places = _strided(context, builder, signature, arguments)
        vectors = [
            lanes_of(builder, builder.load(builder.bitcast(place, VECTOR.as_pointer()), align=8))
            for place in places
        ]
        return context.make_tuple(builder, signature.return_type, vectors)

    return types.UniTuple(lanes, count.literal_value)(base, index, stride, count), codegen


@intrinsic(prefer_literal=True)
def load_column(typing_context, base, index, stride, count):
    """`count` (a constant) float64 at `base`, elements index, index + stride, ..."""

    def codegen(context, builder, signature, arguments):
        places = _strided(context, builder, signature, arguments)
        numbers = [builder.load(place) for place in places]
        return context.make_tuple(builder, signature.return_type, numbers)

    kind = types.UniTuple(types.float64, count.literal_value)
    return kind(base, index, stride, count), codegen


@intrinsic
def store(typing_context, base, index, x):
    """Writes the lanes of x as float64 at `base`, from element `index` on."""

    def codegen(context, builder, signature, arguments):
        start = _pointer(context, builder, DOUBLE, *arguments[:2], signature.args[1])
        place = builder.bitcast(start, VECTOR.as_pointer())
        builder.store(values_of(builder, arguments[2]), place, align=8)
        return context.get_dummy_value()

    return types.void(base, index, x), codegen


@intrinsic
def store_cells(typing_context, cells, index, row, column, size):
    """Writes row * size + column of each lane to the array `cells`, from its element `index` on."""

    def codegen(context, builder, signature, arguments):
        _, index, row, column, size = arguments
        kind = ir.IntType(signature.args[0].dtype.bitwidth)
        base = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        start = builder.gep(
            builder.bitcast(base, kind.as_pointer()),
            [context.cast(builder, index, signature.args[1], types.int64)],
        )
        width = splat(builder, context.cast(builder, size, signature.args[4], types.float64))
        cell = fused(builder, values_of(builder, row), width, values_of(builder, column))
        cell = builder.fptosi(cell, ir.VectorType(_INT32, LANES))
        vector = ir.VectorType(kind, LANES)
        if kind.width < 32:
            cell = builder.trunc(cell, vector)
        builder.store(cell, builder.bitcast(start, vector.as_pointer()), align=kind.width // 8)
        return context.get_dummy_value()

    return types.void(cells, index, row, column, size), codegen


@intrinsic
def store_bytes(typing_context, base, offset, value):
    """Writes a uint32 at `base` plus `offset` bytes, aligned or not."""

    def codegen(context, builder, signature, arguments):
        kind = ir.IntType(8)
        start = _pointer(context, builder, kind, *arguments[:2], signature.args[1])
        number = context.cast(builder, arguments[2], signature.args[2], types.uint32)
        builder.store(number, builder.bitcast(start, _INT32.as_pointer()), align=1)
        return context.get_dummy_value()

    return types.void(base, offset, value), codegen


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
                kind = ir.ArrayType(DOUBLE, len(values))
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

    Each row is one 32-byte load; eight rows at a time are then transposed in registers. This is
    faster than four gathers, which most processors split into element loads anyway.
    """

    def codegen(context, builder, signature, arguments):
        def shuffle(x, y, mask):
            return builder.shuffle_vector(x, y, ir.Constant(ir.VectorType(_INT32, len(mask)), mask))

        base = builder.inttoptr(arguments[0], ir.IntType(8).as_pointer())
        row_type = ir.VectorType(DOUBLE, 4)
        bits = builder.bitcast(values_of(builder, arguments[1]), VECTOR_INT64)
        # Shifted by 5, the low 16 bits are the offset of the row in bytes. They go through memory:
        # taking them out of the vector registers would keep the arithmetic ports busy.
        shifted = builder.shl(bits, ir.Constant(VECTOR_INT64, [5] * LANES))
        scratch = cgutils.alloca_once(builder, VECTOR_INT64)
        builder.store(shifted, scratch)
        slots = builder.bitcast(scratch, _INT64.as_pointer())
        barrier = ir.FunctionType(ir.VoidType(), [slots.type])
        builder.asm(barrier, "", "r,~{memory}", [slots], True)
        short = ir.IntType(16)
        rows = []
        for lane in range(LANES):
            slot = builder.gep(slots, [ir.Constant(_INT64, lane)])
            offset = builder.zext(builder.load(builder.bitcast(slot, short.as_pointer())), _INT64)
            row = builder.bitcast(builder.gep(base, [offset]), row_type.as_pointer())
            rows.append(builder.load(row, align=32))
        columns = [[], [], [], []]
        for first in range(0, LANES, 8):
            # rows l and l + 2 side by side, then pairs of rows, then every second half
            wide = [
                shuffle(rows[i], rows[i + 2], list(range(8)))
                for i in (first, first + 1, first + 4, first + 5)
            ]
            even = [shuffle(wide[i], wide[i + 1], [0, 8, 2, 10, 4, 12, 6, 14]) for i in (0, 2)]
            odd = [shuffle(wide[i], wide[i + 1], [1, 9, 3, 11, 5, 13, 7, 15]) for i in (0, 2)]
            for column, pair, half in ((0, even, 0), (1, odd, 0), (2, even, 2), (3, odd, 2)):
                mask = [half + i for i in (0, 1, 4, 5, 8, 9, 12, 13)]
                columns[column].append(shuffle(*pair, mask))
        joined = [lanes_of(builder, shuffle(*pair, list(range(LANES)))) for pair in columns]
        return context.make_tuple(builder, signature.return_type, joined)

    return types.UniTuple(lanes, 4)(table, key), codegen
