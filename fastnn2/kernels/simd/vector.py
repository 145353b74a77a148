"""A SIMD vector type for Numba.

A :class:`Vector` is a fixed number of float64 or float32 lanes held in registers. Kernels are written with ordinary
operators (``x * y + 1.0``) and a few functions (``fma(w, x, acc)``), each of which becomes one LLVM instruction. A
scalar operand is broadcast to all lanes, in the vector's dtype.

The number of lanes is part of the algorithm, not of the processor: LLVM splits a vector into as many registers as the
target needs. Each operation is rounded separately and each sum has one fixed order, so results are the same, bit for
bit, on every processor. For the same reason kernels need no fast-math flags and no loop vectoriser.

There are three lengths. A *vector* is 64 bytes, one AVX-512 register; a *pair* is two vectors; a *group* is
``GROUP_VECTORS``, four. The vectors of a pair or a group are independent chains of operations, which hide each other's
latency. (Sums and updates, which mix float32 and float64, take eight numbers of either dtype at a time:
:func:`load_eight`, :func:`load_doubles`.)
"""

import operator

from llvmlite import ir
from numba import types
from numba.extending import intrinsic, lower_builtin, models, register_model, type_callable

from fastnn2.kernels.shared.tuning import GROUP_VECTORS, VECTOR_BYTES

# How every inner function is compiled: always inlined, so that vectors stay in registers across calls; with NumPy's
# division, which never raises; and without bounds checks, as the length of what a pointer points to is not known.
INLINE = {"forceinline": True, "error_model": "numpy", "boundscheck": False}


class Vector(types.Type):
    """The Numba type of a vector of `lanes` numbers of type `dtype`."""

    def __init__(self, dtype, lanes):
        self.dtype = dtype
        self.lanes = lanes
        super().__init__(f"Vector({dtype}, {lanes})")


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, dmm, fe_type):
        lane = ir.DoubleType() if fe_type.dtype == types.float64 else ir.FloatType()
        super().__init__(dmm, fe_type, ir.VectorType(lane, fe_type.lanes))


def lane_type(dtype, vectors):
    """Return the Numba type of `vectors` 64-byte vectors of `dtype` side by side."""
    return Vector(dtype, vectors * VECTOR_BYTES * 8 // dtype.bitwidth)


def first_vector(*operands):
    """Return the first Vector among Numba types, or None."""
    return next((operand for operand in operands if isinstance(operand, Vector)), None)


def broadcast(context, builder, value, value_type, vector):
    """Build a value with a scalar in every lane, of the type `vector`; return a vector as it is."""
    if isinstance(value_type, Vector):
        return value
    scalar = context.cast(builder, value, value_type, vector.dtype)
    llvm_type = context.get_value_type(vector)
    if isinstance(scalar, ir.Constant):
        return ir.Constant(llvm_type, [scalar] * vector.lanes)
    return broadcast_scalar(builder, scalar, vector.lanes)


def broadcast_scalar(builder, scalar, lanes):
    """Build an LLVM vector with an LLVM scalar in each of its lanes."""
    undefined = ir.Constant(ir.VectorType(scalar.type, lanes), ir.Undefined)
    first = builder.insert_element(undefined, scalar, ir.IntType(32)(0))
    return builder.shuffle_vector(first, undefined, lane_numbers([0] * lanes))


def lane_numbers(numbers):
    """Return lane numbers as the LLVM constant that a shuffle takes."""
    return ir.Constant(ir.VectorType(ir.IntType(32), len(numbers)), list(numbers))


def _broadcast_all(context, builder, signature, args):
    vector = first_vector(*signature.args)
    return [broadcast(context, builder, a, t, vector) for a, t in zip(args, signature.args, strict=True)]


def _define_operator(op, instruction):
    @type_callable(op)
    def type_operator(context):
        def typer(a, b):
            if all(isinstance(operand, Vector | types.Number) for operand in (a, b)):
                return first_vector(a, b)
            return None

        return typer

    def lower(context, builder, signature, args):
        return getattr(builder, instruction)(*_broadcast_all(context, builder, signature, args))

    for pair in ((Vector, Vector), (Vector, types.Number), (types.Number, Vector)):
        lower_builtin(op, *pair)(lower)


_define_operator(operator.add, "fadd")
_define_operator(operator.sub, "fsub")
_define_operator(operator.mul, "fmul")
_define_operator(operator.truediv, "fdiv")


def declare(module, function_type, name):
    """Return the LLVM function of this name, declared in a module where it is not yet."""
    return module.globals.get(name) or ir.Function(module, function_type, name)


# Memory. Loads and stores assume no more than the alignment of one number; the callers of kernels align hot buffers.
def address(context, builder, array_type, array):
    """Build the address of the first number of a flat array.

    Entries pass a bare pointer, which is one value; an array of Numba is seven, and passing them on made a fifth of
    the code that LLVM had to read. A user's own Numba code passes arrays.
    """
    if isinstance(array_type, types.CPointer):
        return array
    return context.make_array(array_type)(context, builder, array).data


def _pointer(context, builder, array_type, array, index_type, index, target):
    data = address(context, builder, array_type, array)
    index = context.cast(builder, index, index_type, types.intp)
    return builder.bitcast(builder.gep(data, [index]), target.as_pointer())


def load_as(context, builder, array_type, array, index_type, index, target):
    """Build a load of the type `target` (a vector or a number) from ``array[index]``."""
    pointer = _pointer(context, builder, array_type, array, index_type, index, context.get_value_type(target))
    return builder.load(pointer, align=array_type.dtype.bitwidth // 8)


def _loader(target, array, index):
    def codegen(context, builder, signature, args):
        return load_as(context, builder, array, args[0], index, args[1], target)

    return target(array, index), codegen


@intrinsic
def load(typingctx, array, index):
    """Return the vector ``array[index : index + lanes]`` of a flat array."""
    return _loader(lane_type(array.dtype, 1), array, index)


@intrinsic
def load_pair(typingctx, array, index):
    """Return the pair of vectors ``array[index : index + 2 * lanes]`` of a flat array."""
    return _loader(lane_type(array.dtype, 2), array, index)


@intrinsic
def load_group(typingctx, array, index):
    """Return the group ``array[index : index + lanes]`` of a flat array."""
    return _loader(lane_type(array.dtype, GROUP_VECTORS), array, index)


@intrinsic
def load_like(typingctx, array, index, like):
    """Return a vector of the type of `like` that begins at ``array[index]``."""

    def codegen(context, builder, signature, args):
        return load_as(context, builder, array, args[0], index, args[1], like)

    return like(array, index, like), codegen


@intrinsic
def load_scalar(typingctx, array, index):
    """Return ``array[index]``, without the instructions with which Numba handles a negative `index`."""
    return _loader(array.dtype, array, index)


def _prefetch(array, index, vectors):
    def codegen(context, builder, signature, args):
        word, byte = ir.IntType(32), ir.IntType(8)
        function_type = ir.FunctionType(ir.VoidType(), [byte.as_pointer(), word, word, word])
        function = declare(builder.module, function_type, "llvm.prefetch")
        pointer = _pointer(context, builder, array, args[0], index, args[1], byte)
        for i in range(vectors):  # a vector is a cache line; arguments: for reading (0), second level (2), data (1)
            builder.call(function, [builder.gep(pointer, [word(i * VECTOR_BYTES)]), word(0), word(2), word(1)])
        return context.get_dummy_value()

    return types.void(array, index), codegen


@intrinsic
def prefetch(typingctx, array, index):
    """Prefetch the cache line of ``array[index]``, which need not exist, into the second-level cache."""
    return _prefetch(array, index, 1)


@intrinsic
def prefetch_group(typingctx, array, index):
    """Prefetch the cache lines of the group at ``array[index]``, as :func:`prefetch`."""
    return _prefetch(array, index, GROUP_VECTORS)


@intrinsic
def store(typingctx, array, index, vector):
    """Write ``array[index : index + lanes] = vector``, in place, to a flat array."""

    def codegen(context, builder, signature, args):
        pointer = _pointer(context, builder, array, args[0], index, args[1], context.get_value_type(vector))
        builder.store(args[2], pointer, align=array.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(array, index, vector), codegen


def converted(builder, value, lane):
    """Build an LLVM vector converted lane by lane to the LLVM type `lane`, float or double."""
    if value.type.element == lane:
        return value
    widen = isinstance(lane, ir.DoubleType)
    return (builder.fpext if widen else builder.fptrunc)(value, ir.VectorType(lane, value.type.count))


@intrinsic
def load_doubles(typingctx, array, index):
    """Return ``array[index : index + 8]`` of a flat array of either dtype as eight float64 lanes."""
    eight = Vector(types.float64, 8)

    def codegen(context, builder, signature, args):
        value = load_as(context, builder, array, args[0], index, args[1], Vector(array.dtype, 8))
        return converted(builder, value, ir.DoubleType())

    return eight(array, index), codegen


@intrinsic
def load_eight(typingctx, array, index):
    """Return ``array[index : index + 8]`` of a flat array as eight lanes of its dtype."""
    return _loader(Vector(array.dtype, 8), array, index)


@intrinsic
def rounded(typingctx, array, vector):
    """Return `vector` (float64) rounded to the dtype of `array`."""
    result = Vector(array.dtype, vector.lanes)

    def codegen(context, builder, signature, args):
        return converted(builder, args[1], context.get_value_type(array.dtype))

    return result(array, vector), codegen


@intrinsic
def group_lanes(typingctx, array):
    """Return G, the number of lanes of a group in the dtype of `array` (a compile-time constant)."""
    lanes = lane_type(array.dtype, GROUP_VECTORS).lanes
    return types.intp(array), lambda context, builder, signature, args: context.get_constant(types.intp, lanes)


@intrinsic
def vector_lanes(typingctx, array):
    """Return the number of lanes of a vector in the dtype of `array` (a compile-time constant)."""
    lanes = lane_type(array.dtype, 1).lanes
    return types.intp(array), lambda context, builder, signature, args: context.get_constant(types.intp, lanes)


def zeros(array, vectors):
    """Return signature and code of an intrinsic that returns `vectors` vectors of zeros, in the dtype of `array`."""
    vector = lane_type(array.dtype, vectors)
    return vector(array), lambda context, builder, signature, args: context.get_constant_null(vector)


@intrinsic
def zero_group(typingctx, array):
    """Return a group of zeros in the dtype of `array`."""
    return zeros(array, GROUP_VECTORS)


@intrinsic
def zero_pair(typingctx, array):
    """Return a pair of vectors of zeros in the dtype of `array`."""
    return zeros(array, 2)


@intrinsic
def zero_vector(typingctx, array):
    """Return a vector of zeros in the dtype of `array`."""
    return zeros(array, 1)


# Arithmetic
def llvm_function(context, builder, name, result, values):
    """Build a call of an LLVM intrinsic whose operands and result all have the type `result`."""
    llvm_type = context.get_value_type(result)
    lane = "f64" if result.dtype == types.float64 else "f32"
    function_type = ir.FunctionType(llvm_type, [llvm_type] * len(values))
    name_in_llvm = f"llvm.{name}.v{result.lanes}{lane}"
    return builder.call(declare(builder.module, function_type, name_in_llvm), values)


def _arithmetic(name, result, *operands):
    def codegen(context, builder, signature, args):
        return llvm_function(context, builder, name, result, _broadcast_all(context, builder, signature, args))

    return result(*operands), codegen


@intrinsic
def fma(typingctx, a, b, c):
    """Return ``a * b + c``, rounded once."""
    return _arithmetic("fma", first_vector(a, b, c), a, b, c)


@intrinsic
def absolute(typingctx, a):
    """Return ``|a|``."""
    return _arithmetic("fabs", a, a)


@intrinsic
def square_root(typingctx, a):
    """Return the square root of `a`."""
    return _arithmetic("sqrt", a, a)


@intrinsic
def copysign(typingctx, magnitude, sign):
    """Return `magnitude` with the sign of `sign`, signed zero included."""
    return _arithmetic("copysign", first_vector(magnitude, sign), magnitude, sign)


def _select_ordered(comparison, a, b, then, otherwise):
    """``then if a <comparison> b else otherwise``, lane by lane; a NaN in a or b chooses `otherwise`."""
    vector = first_vector(a, b, then, otherwise)

    def codegen(context, builder, signature, args):
        first, second, yes, no = _broadcast_all(context, builder, signature, args)
        return builder.select(builder.fcmp_ordered(comparison, first, second), yes, no)

    return vector(a, b, then, otherwise), codegen


@intrinsic
def select_less(typingctx, a, b, then, otherwise):
    """Return ``then if a < b else otherwise``, lane by lane; a NaN in a or b chooses `otherwise`."""
    return _select_ordered("<", a, b, then, otherwise)


@intrinsic
def select_equal(typingctx, a, b, then, otherwise):
    """Return ``then if a == b else otherwise``, lane by lane; a NaN in a or b chooses `otherwise`."""
    return _select_ordered("==", a, b, then, otherwise)


def _bounded(comparison, bound, x):
    vector = first_vector(bound, x)

    def codegen(context, builder, signature, args):
        first, second = _broadcast_all(context, builder, signature, args)
        return builder.select(builder.fcmp_ordered(comparison, first, second), first, second)

    return vector(bound, x), codegen


@intrinsic
def minimum(typingctx, bound, x):
    """Return the smaller of `bound` and `x`; a NaN in `x` is returned."""
    return _bounded("<", bound, x)


@intrinsic
def maximum(typingctx, bound, x):
    """Return the larger of `bound` and `x`; a NaN in `x` is returned."""
    return _bounded(">", bound, x)


@intrinsic
def mask_tail(typingctx, vector, count):
    """Return `vector` with zero in lane `count` and all later lanes; `count` may be any int64."""

    def codegen(context, builder, signature, args):
        lane, int64 = lane_numbers(range(vector.lanes)), ir.IntType(64)
        limit = context.cast(builder, args[1], count, types.int64)
        for comparison, bound in ((">", int64(0)), ("<", int64(vector.lanes))):
            limit = builder.select(builder.icmp_signed(comparison, limit, bound), limit, bound)
        limit = builder.trunc(limit, ir.IntType(32))
        kept = builder.icmp_signed("<", lane, broadcast_scalar(builder, limit, vector.lanes))
        return builder.select(kept, args[0], context.get_constant_null(vector))

    return vector(vector, count), codegen
