"""fastnn2 on a Dask cluster: the same numbers, bit for bit, for any workers and partitions.

``fit`` is :func:`fastnn2.fit` for dask collections; ``classifier`` and ``regressor`` have the estimators. ``requests``
has every wait of the client, with its limit, ``ctrl_c`` finds a Ctrl-C that Python has lost meanwhile, and ``errors``
has what is raised. ``collections`` has X, Y and weights as partitions, and ``partitions`` their checks on the workers.
``plan`` decides who holds which chunks, ``block_tasks`` submits the tasks that lay them out, ``held_data`` has the
blocks and finds them again after a loss, and ``evaluation`` sums over them. ``worker_tasks`` is what runs on the
workers, ``targets`` what becomes of Y there; ``data_digest`` is for checkpoints. ``descent`` and ``lbfgs`` take the
steps. Of the estimators ``base`` is what they have in common, ``labels`` finds the classes, ``outside`` has the samples
of their fits, ``predictions`` are lazy, and ``scores`` are sums. May import functional, estimators and below; nothing
outside of this folder imports Dask.
"""

try:
    import dask.array
    import dask.dataframe  # noqa: F401
    import distributed  # noqa: F401
except ImportError as error:
    raise ImportError(f"fastnn2.dask needs Dask ({error}): pip install 'fastnn2[dask]'") from error

from fastnn2.dask.classifier import DaskMLPClassifier
from fastnn2.dask.errors import ClusterError
from fastnn2.dask.fit import fit
from fastnn2.dask.regressor import DaskMLPRegressor

__all__ = ["ClusterError", "DaskMLPClassifier", "DaskMLPRegressor", "fit"]
