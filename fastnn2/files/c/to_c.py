"""A trained network as one file of C, without dependencies: :func:`to_c`."""

import os
import pathlib
import re
from typing import Any

from fastnn2._version import __version__
from fastnn2.files.c.functions import C_TYPES, functions, in_comment
from fastnn2.files.c.models import CModel, from_estimator, from_params
from fastnn2.files.c.names import check_identifier
from fastnn2.storage.atomic import as_path, check_writable, write_file

MOST_PARAMS = 1 << 20  # a file of 24 MB, which takes a compiler seconds and hundreds of megabytes
MOST_STACK = 1 << 18  # bytes; a thread may have no more than a few times that
OTHER_STACK = 1000  # bytes that functions take beside their arrays, at most, with any options of GCC and Clang

_GUARD = """\
#include <stdint.h>

#if defined(__FAST_MATH__)
#error "NAME: compile without -ffast-math, which changes the results"
#endif
#if defined(__FLT_EVAL_METHOD__)
#if __FLT_EVAL_METHOD__ < 0 || __FLT_EVAL_METHOD__ == 1 || __FLT_EVAL_METHOD__ == 2
#error "NAME: each operation must round to its own type; on 32-bit x86 compile with -msse2 -mfpmath=sse"
#endif
#endif
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#endif
"""


def to_c(model: Any, file: str | os.PathLike[str], name: str | None = None) -> str:
    r"""Write a trained network as one file of C99, which needs no library and allocates no memory.

    The file has one function, ``void NAME(const T *x, T *y)``, which computes the results for one sample; T is
    ``double``, or ``float`` for a network in float32. Compiled with ``-ffp-contract=off``, its results are those of
    ``predict_proba``, or of a regressor's ``predict``, bit for bit, for a dense X of the same dtype. A comment at the
    beginning of the file says how to use it, what ``x`` and ``y`` are, and which model it is. Several threads may call
    the function at once.

    Parameters
    ----------
    model : MLPClassifier, MLPRegressor, Pipeline or dict
        A fitted model of fastnn2; or a Pipeline of scikit-learn that ends with one, behind StandardScaler,
        SimpleImputer, OneHotEncoder of numbers, NumberColumns, and ColumnTransformer and Pipeline of these; or a dict
        of parameters, as from :func:`fastnn2.fit`, whose results are the probabilities of :func:`fastnn2.forward`.
    file : str or Path
        It is written whole or not at all.
    name : str, optional
        The name of the function; by default the name of the file without its ending.

    Returns
    -------
    str
        The declaration of the function.

    Raises
    ------
    NotFittedError
        The model is not fitted.
    TypeError
        The model, or a step of the Pipeline, is of a type that is not supported.
    ValueError
        The file cannot be written, the name is not one for C and C++, the network is too large, or a step of the
        Pipeline does something that is not supported.

    Examples
    --------
    >>> import fastnn2, pathlib, tempfile
    >>> model = fastnn2.MLPClassifier(5, solver="lbfgs", random_state=0).fit([[0.0], [1.0]], ["no", "yes"])
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> fastnn2.to_c(model, folder / "answer.c")
    'void answer(const double *x, double *y);'

    Then ``cc -std=c99 -O3 -ffp-contract=off -c answer.c`` makes an object file of it.
    """
    path = as_path(file, "file")
    if name is None:
        check_identifier(path.stem, "the name of the file, without its ending,")
        name = path.stem
    elif isinstance(name, str):
        check_identifier(name, "name")
    else:
        raise TypeError(f"name is {type(name).__name__}; expected a str, the name of the function, or None")
    check_writable(path)
    converted = from_params(model) if isinstance(model, dict) else from_estimator(model)
    _check_size(converted)
    text, declaration = _source(converted, name, path)
    write_file(path, text.encode("ascii"))
    return declaration


def _stack(model: CModel) -> int:
    """Return how many bytes of the stack a call takes at most."""
    held = model.network.units_at_a_time + (model.preprocessing.size if model.preprocessing else 0)
    return int(held * model.network.dtype.itemsize) + OTHER_STACK


def _check_size(model: CModel) -> None:
    if model.network.n_params > MOST_PARAMS:
        raise ValueError(
            f"the network has {model.network.n_params:,} parameters; to_c writes up to {MOST_PARAMS:,}, as compilers "
            "take long for more. fastnn2.to_onnx has no such limit"
        )
    steps = model.preprocessing
    if steps and _stack(model) > MOST_STACK:
        raise ValueError(
            f"the Pipeline makes {steps.size:,} numbers of a sample, which would take {_stack(model):,} "
            f"bytes of the stack; to_c allows {MOST_STACK:,}"
        )


def _source(model: CModel, name: str, path: pathlib.Path) -> tuple[str, str]:
    """Return the file's text, and the declaration of the function."""
    network, steps = model.network, model.preprocessing
    element = C_TYPES[network.dtype.name]
    declaration = f"void {name}(const {element} *x, {element} *y)"
    lines = [*(steps.declarations() if steps else []), *network.declarations()]
    if steps:
        lines += steps.lines
    if steps and steps.may_be_unknown:
        lines += ["if (unknown) {", f"    for (r = 0; r < {network.n_results}; r++)"]
        lines += ["        y[r] = NAME_not_a_number();", "    return;", "}"]
    lines += network.body(model.network_input)
    body = "".join(f"    {line}\n" for line in lines)
    function = f"{declaration}\n{{\n{body}}}\n"
    tables = [*(steps.tables if steps else []), network.tables()]
    linkage = f'#ifdef __cplusplus\nextern "C"\n#endif\n{declaration};\n'
    parts = [_GUARD, linkage, functions(network.dtype, function), *tables, function]
    code = re.sub(r"\bNAME(?=\b|_)", name, "\n".join(parts))
    return f"{_comment(model, name, path, declaration)}\n{code}", f"{declaration};"


def _comment(model: CModel, name: str, path: pathlib.Path, declaration: str) -> str:
    """Return the comment at the beginning of the file."""
    network, steps = model.network, model.preprocessing
    (d, h, o), dtype = network.shape, network.dtype.name
    sizes = ", ".join([_count(d, "input"), f"{_count(h, 'hidden unit')} ({network.activation})",
                       f"{_count(o, 'output')} ({network.out_activation})"])  # fmt: skip
    lines = [
        f"{name}: a neural network as a function, written by fastnn2 {__version__} (fastnn2.to_c).",
        "",
        f"    {declaration};",
        "",
        f"computes the results for one sample, in {dtype}. x and y may not overlap.",
        "",
        f"x   {_count(model.n_inputs, 'number')}: the features of the sample, in the order of X in fit",
        *_names("x", model.input_names),
        f"y   {_count(network.n_results, 'number')}, overwritten: {model.meaning}",
        *_names("y", model.result_names),
        "",
        f"To compile:  cc -std=c99 -O3 -ffp-contract=off -c {in_comment(path.name)}",
        "",
        "It needs no library, not even that of mathematics, and is C++17 too. With -ffp-contract=off the results",
        f"are those of fastnn2 for an X of {dtype}, bit for bit, with any compiler, at any level of optimization, on",
        "any processor of IEEE 754, in the mode in which programs start: round to nearest, denormal numbers count.",
        "On x86 add -mfma, for processors since 2013: the same results, 10 to 60 times faster. On AArch64 that is so",
        "without an option.",
        "",
        f"It allocates no memory and takes less than {_stack(model)} bytes of the stack. Several threads may call it",
        "at once.",
        "",
        "Where x has NaN or infinity, so may y; which NaN it is depends on the processor.",
    ]
    if steps and steps.may_be_unknown:
        lines.append("Where x has a category that the model has not seen and raises an error for, all of y is NaN.")
    if model.sparse:
        lines += [
            "The Pipeline makes a sparse matrix, for which predict_proba and predict may add in another order. The",
            "results here are those for the same numbers as a dense matrix.",
        ]
    lines += [
        "",
        f"Model: {model.kind}",
        f"Network: {sizes}, {dtype}",
        f"Parameters: {network.n_params}; SHA-256 of W1 (h, d), b1, W2 (o, h) and b2:",
        f"    {network.digest()}",
    ]
    return "/* " + "\n   ".join(lines).replace("\n   \n", "\n\n") + " */\n"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")


def _names(array: str, names: list[str]) -> list[str]:
    return [f"    {array}[{i}]  {in_comment(name)}" for i, name in enumerate(names)]
