"""Models in files: ``fastnn2.save`` and ``fastnn2.load``."""

import os
from typing import Any

from fastnn2.files.saved import params_file
from fastnn2.storage import tensors
from fastnn2.storage.atomic import as_path, check_writable, read_file, write_file


def save(model: Any, file: str | os.PathLike[str]) -> None:
    """Write a model to a file, which :func:`load` reads; the file is written whole or not at all.

    A dict of parameters becomes a file of the safetensors format, an estimator or a Pipeline one of skops' format.
    Neither has pickles. The model is read back and compared before the file is written.

    Parameters
    ----------
    model : dict, MLPClassifier, MLPRegressor, TabularClassifier, TabularRegressor or sklearn.pipeline.Pipeline
        The tutorial's dict with W1, b1, W2 and b2, all float64 or all float32; an estimator of fastnn2, fitted or not;
        or a scikit-learn Pipeline that ends with one and has transformers of scikit-learn before it.
    file : str or Path
        An existing file is replaced.

    Returns
    -------
    None

    Raises
    ------
    TypeError
        It is another model, or `file` is no path.
    ValueError
        The model has something that a file does not keep, such as a function or a callback; the message has its name.
        Or the file cannot be written. An existing file is as it was.
    ImportError
        The model is an estimator or a Pipeline, and skops is missing: ``pip install 'fastnn2[files]'``.

    Examples
    --------
    >>> import os, tempfile
    >>> import fastnn2
    >>> params, cost_ = fastnn2.fit([[0.0, 1.0, 2.0, 3.0]], [0, 0, 1, 1], 0.3, 5, 1000)
    >>> file = os.path.join(tempfile.mkdtemp(), "params.safetensors")
    >>> fastnn2.save(params, file)
    >>> fastnn2.load(file)["W1"].shape
    (5, 1)

    A scaler and a classifier in one file:

    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> model = make_pipeline(StandardScaler(), fastnn2.MLPClassifier(5, solver="lbfgs", random_state=0))
    >>> model = model.fit([[0.0], [1.0]], ["no", "yes"])
    >>> file = os.path.join(tempfile.mkdtemp(), "model.skops")
    >>> fastnn2.save(model, file)
    >>> fastnn2.load(file).predict([[0.9]])
    array(['yes'], dtype='<U3')
    """
    path = as_path(file, "file")
    check_writable(path)
    if isinstance(model, dict):
        write_file(path, params_file.to_bytes(model))
        return
    from fastnn2.files.saved import estimator_file  # and with it scikit-learn, which parameters do not need

    try:
        content = estimator_file.to_bytes(model)
        if estimator_file.to_bytes(estimator_file.from_bytes(content)) != content:
            raise ValueError("it does not come back from a file as it is")
    except TypeError as error:
        raise TypeError(f"cannot save the model: {error}") from error.__cause__
    except ValueError as error:
        raise ValueError(f"cannot save the model: {error}") from error.__cause__
    write_file(path, content)


def load(file: str | os.PathLike[str]) -> Any:
    """Return the model in a file that :func:`save` wrote.

    A stranger's file is safe to load: it runs no code, and opens and writes no file. Its digest and all sizes and names
    in it are checked before an object is made of it.

    Parameters
    ----------
    file : str or Path
        As :func:`save` wrote it.

    Returns
    -------
    dict, MLPClassifier, MLPRegressor, TabularClassifier, TabularRegressor or sklearn.pipeline.Pipeline
        The model as it was saved. It makes the same predictions, bit for bit, and so it does after further training.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        The file cannot be read, is not as :func:`save` wrote it, or is of a newer format; the message says what is
        wrong.
    ImportError
        It has an estimator or a Pipeline, and skops is missing: ``pip install 'fastnn2[files]'``.

    Examples
    --------
    >>> import os, tempfile
    >>> import fastnn2
    >>> model = fastnn2.MLPRegressor(hidden_layer_sizes=5, solver="lbfgs", random_state=0)
    >>> model = model.fit([[0.0], [1.0]], [0.0, 1.0])
    >>> file = os.path.join(tempfile.mkdtemp(), "model.skops")
    >>> fastnn2.save(model, file)
    >>> fastnn2.load(file).predict([[0.5]]) == model.predict([[0.5]])
    array([ True])
    """
    path = as_path(file, "file")
    try:
        try:
            data = read_file(path, _may_be_ours, "a file of fastnn2.save")
        except ValueError as fault:
            raise ValueError(f"it {fault}") from fault.__cause__
        if data.startswith(b"PK"):
            from fastnn2.files.saved import estimator_file

            return estimator_file.from_bytes(data)
        return params_file.from_bytes(data)
    except ValueError as error:
        raise ValueError(f"cannot load {str(path)!r}: {error}") from error.__cause__


def _may_be_ours(start: bytes) -> bool:
    """Return whether a file that begins with these bytes may be a zip or have parameters."""
    return start.startswith(b"PK") or tensors.begins(start)
