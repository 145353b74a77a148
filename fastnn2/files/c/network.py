"""A trained network as C: its parameters, and the function that takes one row of inputs to the outputs.

Each operation is that of the kernels for predictions, in their order: see kernels/nn/affine.py and losses.py. The
hidden units are computed some at a time, so that the stack that a call needs does not grow with their number.
"""

import dataclasses
import hashlib
from typing import Any

import numpy as np

from fastnn2.files.c.functions import C_TYPES, numbers
from fastnn2.kernels.shared.tuning import BLOCK_INPUTS, BLOCK_UNITS, SUMMED_OUTPUTS

Array = np.ndarray[Any, Any]

MOST_UNITS = 64  # that are computed at a time

ACTIVATIONS = {
    "identity": "",
    "logistic": "NAME_sigmoid(a[u])",
    "tanh": "NAME_tanh(a[u])",
    "relu": "0 > a[u] ? 0 : a[u]",
}
# By the activation of the outputs; softmax is more than one line.
OUTPUTS = {"identity": "", "logistic": "NAME_sigmoid(y[r])", "exp": "NAME_exp(y[r])"}


@dataclasses.dataclass(frozen=True)
class CNetwork:
    """A network, all of its arrays in the dtype of the run.

    Attributes
    ----------
    W1, b1, W2, b2 : ndarray
        Of shapes (d, h), (h,), (h, o) and (o,), as scikit-learn has them.
    activation : str
    out_activation : str
    both_classes : bool
        Whether the one output is the probability of the second class, and that of the first comes before it.
    """

    W1: Array
    b1: Array
    W2: Array
    b2: Array
    activation: str
    out_activation: str
    both_classes: bool

    @property
    def dtype(self) -> np.dtype[Any]:
        """Return the dtype of the arithmetic."""
        dtype: np.dtype[Any] = self.W1.dtype
        return dtype

    @property
    def shape(self) -> tuple[int, int, int]:
        """Return the numbers of inputs, hidden units and outputs."""
        return (*self.W1.shape, self.W2.shape[1])

    @property
    def n_results(self) -> int:
        """Return how many numbers a call writes."""
        return 2 if self.both_classes else self.shape[2]

    @property
    def n_params(self) -> int:
        """Return the number of parameters."""
        return sum(array.size for array in (self.W1, self.b1, self.W2, self.b2))

    @property
    def units_at_a_time(self) -> int:
        """Return how many hidden units are computed at a time, as even shares as whole numbers allow."""
        h = self.shape[1]
        return -(-h // -(-h // MOST_UNITS))

    def digest(self) -> str:
        """Return the SHA-256 of the parameters: W1 (h, d), b1, W2 (o, h) and b2, little-endian, in their dtype."""
        arrays = (self.W1.T, self.b1, self.W2.T, self.b2)
        order = self.dtype.newbyteorder("<")
        return hashlib.sha256(b"".join(array.astype(order).tobytes() for array in arrays)).hexdigest()

    def tables(self) -> str:
        """Return the parameters as constant arrays."""
        d, h, o = self.shape
        named = {
            "NAME_W1": self.W1, "NAME_b1": _bias(self.b1, d, h), "NAME_W2": self.W2, "NAME_b2": _bias(self.b2, h, o),
        }  # fmt: skip
        meaning = (
            f"/* Weights and biases: NAME_W1[{h} * k + u] is of input k and hidden unit u, NAME_W2[{o} * u + r] of\n"
            "   unit u and output r. */\n"
        )
        return meaning + "".join(numbers(name, values, self.dtype) for name, values in named.items())

    def body(self, x: str) -> list[str]:
        """Return the statements from the inputs, an array called `x`, to the results in ``y``."""
        d, h, o = self.shape
        at_a_time, t = self.units_at_a_time, C_TYPES[self.dtype.name]
        count = str(at_a_time) if h % at_a_time == 0 else "count"
        lines = [
            "for (r = 0; r < OUTPUTS; r++)",
            "    y[r] = NAME_b2[r];",
            f"for (first = 0; first < {h}; first += {at_a_time}) {{",
            f"    {t} a[{at_a_time}];",
            f"    const long count = {h} - first < {at_a_time} ? {h} - first : {at_a_time};"
            if count == "count"
            else "",
            f"    for (u = 0; u < {count}; u++)",
            "        a[u] = NAME_b1[first + u];",
            f"    for (k = 0; k < {d}; k++)",
            f"        for (u = 0; u < {count}; u++)",
            f"            a[u] = NAME_fma(NAME_W1[{h} * k + first + u], {x}[k], a[u]);",
        ]
        if ACTIVATIONS[self.activation]:
            lines += [f"    for (u = 0; u < {count}; u++)", f"        a[u] = {ACTIVATIONS[self.activation]};"]
        lines += [
            f"    for (u = 0; u < {count}; u++)",
            "        for (r = 0; r < OUTPUTS; r++)",
            "            y[r] = NAME_fma(NAME_W2[OUTPUTS * (first + u) + r], a[u], y[r]);",
            "}",
        ]
        if self.out_activation == "softmax":
            lines += _softmax()
        elif OUTPUTS[self.out_activation]:
            lines += ["for (r = 0; r < OUTPUTS; r++)", f"    y[r] = {OUTPUTS[self.out_activation]};"]
        if self.both_classes:
            lines += ["y[1] = y[0];", "y[0] = 1 - y[1];"]
        return [line.replace("OUTPUTS", str(o)) for line in lines if line]

    def declarations(self) -> list[str]:
        """Return the variables of :meth:`body`."""
        declared = ["long first, u, k, r;"]
        if self.out_activation == "softmax":
            declared += ["long end;", f"{C_TYPES[self.dtype.name]} largest, partial, total, factor;"]
        return declared


def _bias(values: Array, count: int, units: int) -> Array:
    """Return the biases of a layer as its sums begin: those that are not computed in blocks begin with 0 + b."""
    in_blocks = count >= BLOCK_INPUTS and units >= BLOCK_UNITS
    return values if in_blocks else values + values.dtype.type(0)  # -0.0 becomes 0.0


def _softmax() -> list[str]:
    return [
        "largest = y[0];",
        "for (r = 1; r < OUTPUTS; r++)",
        "    largest = largest > y[r] ? largest : y[r];",
        "total = 0;",
        f"for (first = 0; first < OUTPUTS; first += {SUMMED_OUTPUTS}) {{",
        f"    end = first + {SUMMED_OUTPUTS} < OUTPUTS ? first + {SUMMED_OUTPUTS} : OUTPUTS;",
        "    partial = 0;",
        "    for (r = first; r < end; r++) {",
        "        y[r] = NAME_exp_negative(y[r] - largest);",
        "        partial = partial + y[r];",
        "    }",
        "    total = total + partial;",
        "}",
        "factor = 1 / total;",
        "for (r = 0; r < OUTPUTS; r++)",
        "    y[r] = y[r] * factor;",
    ]
