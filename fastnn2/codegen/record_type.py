"""The Numba type of a record: a pointer to 64-bit words, of which kernels read fields by name, as in ``job.n``.

A kernel may write a field, too, as in ``job.n = 3``.

A kernel reads a field once, outside its inner loops: LLVM cannot tell that a store to an array leaves the words as they
are, and would load a field again after each.
"""

from llvmlite import ir
from numba import types
from numba.extending import (
    infer_getattr,
    intrinsic,
    lower_getattr_generic,
    lower_setattr_generic,
    models,
    overload_attribute,
    register_model,
)

from fastnn2.kernels.shared.records import RECORDS


class RecordType(types.Type):
    """The type of a record of the class `record`, whose `Reals` are of the Numba type `real`."""

    def __init__(self, record, real):
        kinds = {
            "int": types.int64,
            "float": types.float64,
            "ints*": types.CPointer(types.int64),
            "floats*": types.CPointer(types.float64),
            "reals*": types.CPointer(real),
            "words*": types.CPointer(types.uint32),
        }
        if record.row_class is not None:
            kinds["records*"] = RecordType(record.row_class, real)  # as a pointer to the first one
        self.fields = {name: kinds[kind] for name, kind in record.kinds.items()}
        self.places = {name: place for place, name in enumerate(self.fields)}
        super().__init__(f"{record.__name__}({real})")

    @property
    def key(self):
        """Return what two equal types have in common: the name is not enough, as it does not say where a field is."""
        return self.name, tuple(self.fields.items())


@register_model(RecordType)
class _RecordModel(models.PrimitiveModel):
    def __init__(self, manager, record_type):
        super().__init__(manager, record_type, ir.IntType(64).as_pointer())


def _place(context, builder, record_type, words, name):
    """Build the address of a field."""
    place = builder.gep(words, [ir.IntType(64)(record_type.places[name])])
    return builder.bitcast(place, context.get_value_type(record_type.fields[name]).as_pointer())


def _read(context, builder, record_type, words, name):
    """Build a load of the word of a field."""
    return builder.load(_place(context, builder, record_type, words, name))


@lower_setattr_generic(RecordType)
def _write(context, builder, signature, arguments, name):
    """Build a store to the word of a field; Numba has cast the value to the type of the field."""
    words, value = arguments
    builder.store(value, _place(context, builder, signature.args[0], words, name))


def _overload(name):
    """Let kernels read the fields of a name by the documented way, in which each is a function to compile."""

    @intrinsic
    def read(typing_context, record_type):
        def codegen(context, builder, signature, args):
            return _read(context, builder, record_type, args[0], name)

        return record_type.fields[name](record_type), codegen

    @overload_attribute(RecordType, name)
    def get(job):
        return (lambda job: read(job)) if name in job.fields else None


try:
    from fastnn2.codegen.numba_internals import AttributeTemplate

    @infer_getattr
    class _Fields(AttributeTemplate):
        key = RecordType

        def generic_resolve(self, record_type, name):
            return record_type.fields.get(name)

    lower_getattr_generic(RecordType)(_read)
except Exception:  # a private part of Numba is gone: its documented way takes much longer
    for _name in sorted({name for record in RECORDS.values() for name in record.kinds}):
        _overload(_name)
