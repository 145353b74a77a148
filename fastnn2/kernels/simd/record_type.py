"""The Numba type of a record: a pointer to 64-bit words, of which kernels read fields by name, as in ``job.n``.

A kernel reads a field once, outside its inner loops: LLVM cannot tell that a store to an array leaves the words as they
are, and would load a field again after each.
"""

from llvmlite import ir
from numba import types
from numba.extending import infer_getattr, lower_getattr_generic, models, register_model

from fastnn2.kernels.shared.records import Record


class RecordType(types.Type):
    """The type of a record of the class `record`, whose `Reals` are of the Numba type `real`."""

    def __init__(self, record: type[Record], real: types.Type) -> None:
        kinds = {
            "int": types.int64,
            "float": types.float64,
            "ints*": types.CPointer(types.int64),
            "floats*": types.CPointer(types.float64),
            "reals*": types.CPointer(real),
        }
        self.fields = {name: kinds[kind] for name, kind in record.kinds.items()}
        self.places = {name: place for place, name in enumerate(self.fields)}
        super().__init__(f"{record.__name__}({real})")


@register_model(RecordType)
class _RecordModel(models.PrimitiveModel):
    def __init__(self, manager, record_type):
        super().__init__(manager, record_type, ir.IntType(64).as_pointer())


@infer_getattr
class _Fields:
    """What Numba asks for the types of fields."""

    key = RecordType

    def __init__(self, typing_context):
        pass

    def resolve(self, record_type, name):
        """Return the type of a field, or None where there is no such field."""
        return record_type.fields.get(name)


@lower_getattr_generic(RecordType)
def _read(context, builder, record_type, words, name):
    """Build a load of the word of a field."""
    place = builder.gep(words, [ir.IntType(64)(record_type.places[name])])
    return builder.load(builder.bitcast(place, context.get_value_type(record_type.fields[name]).as_pointer()))
