"""Sixteen float64 lanes as one numba value: one kernel for AVX-512, AVX2 and NEON alike.

LLVM legalises <16 x double> for the processor at hand: two AVX-512 registers, of which one works
while the other waits for its own results. Plain loops over lanes are not vectorised
(the loop over steps is sequential and LLVM gives up), so the vector is a type of its own. It has
`+ - * /` (never contracted) and the functions below; `fdd.arithmetic.lane_memory` loads and stores
it.

Beside each value a lane carries a doubt: `agreed` raises it where two candidates differ, every
operation hands it on. The arithmetic never waits for a comparison, and at the end of a step one
test tells which lanes have to be computed another way.
"""

from __future__ import annotations

import operator

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.datamodel import PrimitiveModel, StructModel
from numba.extending import intrinsic, overload, register_model

LANES = 16

DOUBLE = ir.DoubleType()
VECTOR = ir.VectorType(DOUBLE, LANES)
VECTOR_INT64 = ir.VectorType(ir.IntType(64), LANES)
_VECTOR_INT32 = ir.VectorType(ir.IntType(32), LANES)
_EIGHT_INT32 = ir.VectorType(ir.IntType(32), 8)


class _ValuesType(types.Type):
    """The numbers alone."""


class _DoubtType(types.Type):
    """An int64 each, not zero where a number is not proven."""


class LanesType(types.Type):
    """The numba type of LANES float64 and their doubts."""


_values_type, _doubt_type = _ValuesType("values"), _DoubtType("doubt")
lanes = LanesType(name=f"float64x{LANES}")


@register_model(_ValuesType)
class _ValuesModel(PrimitiveModel):
    def __init__(self, manager, fe_type):
        super().__init__(manager, fe_type, VECTOR)


@register_model(_DoubtType)
class _DoubtModel(PrimitiveModel):
    def __init__(self, manager, fe_type):
        super().__init__(manager, fe_type, VECTOR_INT64)


@register_model(LanesType)
class _LanesModel(StructModel):
    def __init__(self, manager, fe_type):
        super().__init__(manager, fe_type, [("values", _values_type), ("doubt", _doubt_type)])


def splat(builder, value):
    """A vector with the same float64 in each lane."""
    undefined = ir.Constant(VECTOR, ir.Undefined)
    first = builder.insert_element(undefined, value, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(first, undefined, ir.Constant(_VECTOR_INT32, [0] * LANES))


def values_of(builder, value):
    """The numbers of a compiled lanes value."""
    return builder.extract_value(value, 0)


def lanes_of(builder, values, doubt=None):
    """A compiled lanes value from its numbers and, if there are any, its doubts."""
    doubt = ir.Constant(VECTOR_INT64, [0] * LANES) if doubt is None else doubt
    pair = ir.Constant(ir.LiteralStructType([VECTOR, VECTOR_INT64]), ir.Undefined)
    return builder.insert_value(builder.insert_value(pair, values, 0), doubt, 1)


def _elementwise(compute):
    """An intrinsic on lanes, and numbers among them, from compute(builder, *vectors) -> vector."""

    def lower(context, builder, signature, arguments):
        vectors, doubt = [], None
        for value, value_type in zip(arguments, signature.args, strict=True):
            if isinstance(value_type, LanesType):
                other = builder.extract_value(value, 1)
                doubt = other if doubt is None else builder.or_(doubt, other)
                vectors.append(values_of(builder, value))
            else:
                number = context.cast(builder, value, value_type, types.float64)
                vectors.append(splat(builder, number))
        return lanes_of(builder, compute(builder, *vectors), doubt)

    return lower


def _unary(compute):
    @intrinsic
    def apply(typing_context, x):
        return lanes(x), _elementwise(compute)

    return apply


def _binary(compute):
    @intrinsic
    def apply(typing_context, x, y):
        return lanes(x, y), _elementwise(compute)

    return apply


def _operator(python_operator, instruction):
    apply = _binary(lambda builder, x, y: getattr(builder, instruction)(x, y))

    @overload(python_operator, inline="always")
    def _(x, y):
        if isinstance(x, LanesType) or isinstance(y, LanesType):
            return lambda x, y: apply(x, y)
        return None


_operator(operator.add, "fadd")
_operator(operator.sub, "fsub")
_operator(operator.mul, "fmul")
_operator(operator.truediv, "fdiv")

_negative = _unary(lambda builder, x: builder.fneg(x))


@overload(operator.neg, inline="always")
def _(x):
    return (lambda x: _negative(x)) if isinstance(x, LanesType) else None


def _library(name):
    """LLVM's function of that name on vectors."""

    def compute(builder, *arguments):
        function_type = ir.FunctionType(VECTOR, [VECTOR] * len(arguments))
        function = cgutils.get_or_insert_function(
            builder.module, function_type, f"llvm.{name}.v{LANES}f64"
        )
        return builder.call(function, arguments)

    return compute


sqrt = _unary(_library("sqrt"))
fabs = _unary(_library("fabs"))
truncate = _unary(_library("trunc"))  # towards zero
fused = _library("fma")


@intrinsic
def fma(typing_context, x, y, z):
    """x * y + z rounded once, on numbers or lanes."""
    if any(isinstance(t, LanesType) for t in (x, y, z)):
        return lanes(x, y, z), _elementwise(fused)

    def codegen(context, builder, signature, arguments):
        numbers = [
            context.cast(builder, value, value_type, types.float64)
            for value, value_type in zip(arguments, signature.args, strict=True)
        ]
        function_type = ir.FunctionType(DOUBLE, [DOUBLE] * 3)
        function = cgutils.get_or_insert_function(builder.module, function_type, "llvm.fma.f64")
        return builder.call(function, numbers)

    return types.float64(x, y, z), codegen


def _choice(predicate):
    def compute(builder, x, y):
        return builder.select(builder.fcmp_ordered(predicate, x, y), x, y)

    return _binary(compute)


minimum = _choice("<")  # y where they cannot be compared
maximum = _choice(">")


def _one_where_equal(builder, x, y):
    return builder.uitofp(builder.fcmp_ordered("==", x, y), VECTOR)


one_where_equal = _binary(_one_where_equal)  # 1.0, and 0.0 elsewhere


def _sign(builder, x):
    def constant(value):
        return ir.Constant(VECTOR, [value] * LANES)

    positive = builder.fcmp_ordered(">", x, constant(0.0))
    negative = builder.fcmp_ordered("<", x, constant(0.0))
    other = builder.select(negative, constant(-1.0), x)
    return builder.select(positive, constant(1.0), other)


sign = _unary(_sign)  # -1, 0 or 1, NaN of NaN


def _where_less(builder, x, y, chosen, other):
    return builder.select(builder.fcmp_ordered("<", x, y), chosen, other)


@intrinsic
def where_less(typing_context, x, y, chosen, other):
    """`chosen` where x < y, `other` elsewhere."""
    return lanes(x, y, chosen, other), _elementwise(_where_less)


def _in_place(context, builder, values):
    """The same numbers, computed here: LLVM must not move their arithmetic behind what follows.

    It would do all lookups of a step before all arithmetic, which then cannot run side by side. An
    empty piece of assembly with AVX-512's registers as its operands keeps the order; elsewhere
    nothing is done.
    """
    triple, _, features = context.codegen().magic_tuple()
    if not triple.startswith("x86_64") or "+avx512f" not in features:
        return values
    low, high = (
        builder.shuffle_vector(
            values, values, ir.Constant(_EIGHT_INT32, list(range(first, first + 8)))
        )
        for first in (0, 8)
    )
    pair = ir.LiteralStructType([low.type, high.type])
    kept = builder.asm(ir.FunctionType(pair, pair.elements), "", "=v,=v,0,1", [low, high], True)
    halves = [builder.extract_value(kept, half) for half in range(2)]
    return builder.shuffle_vector(*halves, ir.Constant(_VECTOR_INT32, list(range(LANES))))


@intrinsic
def agreed(typing_context, x, y):
    """x, in doubt where x - y is not zero."""

    def codegen(context, builder, signature, arguments):
        values, others = (values_of(builder, value) for value in arguments)
        bits = [builder.bitcast(v, VECTOR_INT64) for v in (values, others)]
        doubt = builder.xor(*bits)
        return lanes_of(builder, _in_place(context, builder, values), doubt)

    return lanes(x, y), codegen


@intrinsic
def trusted(typing_context, x):
    """x without its doubts."""

    def codegen(context, builder, signature, arguments):
        return lanes_of(builder, values_of(builder, arguments[0]))

    return lanes(x), codegen


@intrinsic
def doubts(typing_context, x, y):
    """The lanes of x or y that are in doubt, as the low LANES bits of an int64."""

    def codegen(context, builder, signature, arguments):
        one, other = (builder.extract_value(value, 1) for value in arguments)
        zero = ir.Constant(VECTOR_INT64, [0] * LANES)
        open_lanes = builder.icmp_unsigned("!=", builder.or_(one, other), zero)
        return builder.zext(builder.bitcast(open_lanes, ir.IntType(LANES)), ir.IntType(64))

    return types.int64(x, y), codegen


@intrinsic
def unlikely(typing_context, bits):
    """Whether an int64 is not zero; compiled as the rare case."""

    def codegen(context, builder, signature, arguments):
        bit = ir.IntType(1)
        found = builder.icmp_unsigned("!=", arguments[0], ir.Constant(ir.IntType(64), 0))
        expect = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(bit, [bit, bit]), "llvm.expect.i1"
        )
        return builder.call(expect, [found, ir.Constant(bit, 0)])

    return types.boolean(bits), codegen
