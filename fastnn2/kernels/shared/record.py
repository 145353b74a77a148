"""A record: what a kernel call is given, as named 64-bit words.

Its class has annotations for its fields, in any order. Python makes one with the fields as keywords, and a kernel reads
them by name, as in ``job.n`` (see :mod:`fastnn2.codegen.record_type`). So two fields cannot change places unnoticed.

Python gives arrays, and a kernel has the address of the first number: `Ints` of int64, `Floats` of float64, `Words` of
uint32, and `Reals` of the dtype that it is compiled for. `Records` are many records of one class, one after the other.
"""

import ctypes
import struct
from typing import Annotated, Any, ClassVar, dataclass_transform

import numpy as np

Array = np.ndarray[Any, Any]

Int = Annotated[int, "int"]
Float = Annotated[float, "float"]
Ints = Annotated[Array, "ints*"]
Floats = Annotated[Array, "floats*"]
Reals = Annotated[Array, "reals*"]
Words = Annotated[Array, "words*"]
Records = Annotated[Array, "records*"]

_INT, _FLOAT = struct.Struct("q"), struct.Struct("d")


def address(array: Array) -> int:
    """Return the address of an array's data; the caller keeps the array alive."""
    pointer: int = array.__array_interface__["data"][0]  # array.ctypes is slower: a twentieth of a short fit
    return pointer


@dataclass_transform(kw_only_default=True)
class Record:
    """Named 64-bit words in memory that does not move. A record keeps its arrays alive.

    Attributes
    ----------
    kinds : dict
        The name of each field -> "int", "float", "ints*", "floats*", "reals*", "words*" or "records*", in the order of
        the words.
    row_class : type of Record or None
        The class of its `Records`.
    address : int
        Where the words are.
    """

    kinds: ClassVar[dict[str, str]] = {}
    row_class: "ClassVar[type[Record] | None]" = None
    _words: ClassVar[struct.Struct]
    _pointers: ClassVar[list[int]]  # the words that are addresses
    _places: ClassVar[dict[str, tuple[struct.Struct, int, bool]]]  # of each field: its word, where, whether an address

    def __init_subclass__(cls) -> None:
        own = {name: kind.__metadata__[0] for name, kind in cls.__annotations__.items()}
        cls.kinds = {**cls.kinds, **own}
        cls._words = struct.Struct("".join("d" if kind == "float" else "q" for kind in cls.kinds.values()))
        cls._pointers = [place for place, kind in enumerate(cls.kinds.values()) if kind.endswith("*")]
        cls._places = {
            name: (_FLOAT if kind == "float" else _INT, 8 * place, kind.endswith("*"))
            for place, (name, kind) in enumerate(cls.kinds.items())
        }

    def __init__(self, **fields: Any) -> None:
        self._memory = ctypes.create_string_buffer(self._words.size)
        self.address = ctypes.addressof(self._memory)
        self.write(**fields)

    def write(self, **fields: Any) -> None:
        """Write all words, also anew between two calls; raise TypeError unless exactly these fields are given.

        If it raises, the words are as before.
        """
        if fields.keys() != self.kinds.keys():
            wrong = ", ".join(sorted(fields.keys() ^ self.kinds.keys()))
            raise TypeError(f"missing or unknown fields of {type(self).__name__}: {wrong}")
        words = [fields[name] for name in self.kinds]
        for place in self._pointers:
            words[place] = address(words[place])
        self._memory.raw = self._words.pack(*words)
        self._arrays = fields

    def point(self, **fields: Any) -> None:
        """Write the words of some fields between two calls; KeyError names one that the record does not have.

        It takes a sixth of the time of :meth:`write`, and the record does not keep the new arrays alive: the caller
        does, while a kernel runs.
        """
        for name, value in fields.items():
            word, place, is_pointer = self._places[name]
            word.pack_into(self._memory, place, address(value) if is_pointer else value)

    def release(self) -> None:
        """Keep no array alive any more; the words stay."""
        self._arrays = {}


class RecordTable:
    """Many records of one class, one after the other, whose fields are filled in and read for all of them at once.

    It keeps no array alive: fields that are addresses take numbers (see :func:`address`).

    Attributes
    ----------
    words : ndarray (count, words) of int64
    """

    def __init__(self, record: type[Record], count: int) -> None:
        self._kinds = record.kinds
        self._places = {name: place for place, name in enumerate(record.kinds)}
        self.words = np.zeros((count, len(record.kinds)), dtype=np.int64)

    def column(self, name: str) -> Array:
        """Return the values of a field, a view."""
        words = self.words.view(np.float64) if self._kinds[name] == "float" else self.words
        values: Array = words[:, self._places[name]]
        return values

    def fill(self, **fields: Any) -> None:
        """Write fields: each one number for all records, or one for each."""
        for name, values in fields.items():
            self.column(name)[...] = values
