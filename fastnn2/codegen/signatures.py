"""The arguments of the kernel entries, one word each; nothing here needs Numba.

``int`` and ``float`` are 64-bit numbers; ``ints*``, ``floats*`` and ``reals*`` point to int64, float64, and to the
dtype that the entry is compiled for.
"""

_TRAIN = (
    "ints* int int int int int int int int int int int int reals* reals* reals* int "
    "reals* reals* int int int floats* int floats* int int reals* reals* reals* floats* float float"
)
SIGNATURES = {
    "train": _TRAIN,
    "train_narrow": _TRAIN,
    "train_wide": "ints* int int int int int int int int int reals* reals* reals* int reals* int floats* int "
    "floats* floats* reals* int reals* reals* reals* floats* floats* float float",
    "forward": "reals* int int int int reals* reals* reals* reals* reals*",
    "cost": "int int reals* reals* reals* int floats*",
    "backward": "reals* int int int int int reals* reals* reals* int reals* reals* reals* floats*",
    "update": "reals* reals* int floats* floats* float",
    "epochs": "ints* int int int int int int int int int int int int int int "
    "reals* ints* ints* int reals* reals* int ints* int reals* floats* floats* int "
    "floats* reals* reals* floats* float float float int floats* "
    "reals* reals* reals* reals* reals* reals*",
    "unit_epochs": "ints* int int int int int int int int int int int int "
    "reals* ints* ints* int reals* reals* int ints* int reals* int floats* floats* "
    "floats* reals* reals* floats* float float float int floats* reals* "
    "int reals* reals* reals* reals* reals* reals* floats*",
    "infer": "reals* int int int int int int int int reals* ints* ints* int reals* reals* reals* reals* ints*",
}
# The module that has an entry; what an entry does not need is not imported to compile it.
MODULES = dict.fromkeys(SIGNATURES, "entries") | dict.fromkeys(("epochs", "unit_epochs", "infer"), "estimator_entries")
DTYPES = ("float64", "float32")
# Each object file has also a function of this name, which takes a pointer to the words: all that a thread of the system
# can be handed.
THREAD_ENTRY = "fastnn2_thread"
