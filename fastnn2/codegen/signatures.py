"""The types of the arguments of the kernel entries, without Numba.

``int`` and ``float`` are 64-bit numbers. ``ints*`` points to int64, ``floats*`` to float64, and ``reals*`` to the dtype
that the entry is compiled for.
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
# The module of each entry. There are two, so that compiling an entry imports less that it does not need.
MODULES = dict.fromkeys(SIGNATURES, "entries") | dict.fromkeys(("epochs", "unit_epochs", "infer"), "estimator_entries")
DTYPES = ("float64", "float32")
# Each object file also has a function of this name, which takes one pointer to all arguments, packed in 64-bit words:
# the start function of a native thread gets a single pointer.
THREAD_ENTRY = "fastnn2_thread"
