"""The arguments of the kernel entries, one word each; nothing here needs Numba.

``int`` and ``float`` are 64-bit numbers; ``ints*``, ``floats*`` and ``reals*`` point to int64, float64, and to the
dtype that the entry is compiled for.
"""

SIGNATURES = {
    "train": "ints* int int int int int int int int int int int reals* reals* reals* int "
    "reals* int int int floats* int floats* int reals* reals* floats* float float",
    "forward": "reals* int int int int reals* reals* reals* reals* reals*",
    "cost": "int int reals* reals* reals* int floats*",
    "backward": "reals* int int int int int reals* reals* reals* int reals* reals* floats*",
    "update": "reals* reals* int floats* floats* float",
}
DTYPES = ("float64", "float32")
