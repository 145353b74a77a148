"""fastnn2 on a Dask cluster: the same numbers, bit for bit, for any workers and partitions.

``fit`` is :func:`fastnn2.fit` for dask collections; ``DaskMLPClassifier`` and ``DaskMLPRegressor`` are the estimators.
``collections`` has X, Y and weights as partitions, and ``partitions`` their checks on the workers; ``plan`` decides who
holds which chunks, ``held_data`` has the blocks that workers hold, and ``evaluation`` sums over them. ``worker_tasks``
is what runs on the workers, ``targets`` what becomes of Y there; ``data_digest`` is for checkpoints. ``requests`` has
every wait, with its limit; ``descent`` and ``lbfgs`` take the steps. Of the estimators, which ``base`` has in common,
``labels`` finds the classes, ``outside`` has the samples of their fits, ``predictions`` are lazy, and ``scores`` are
sums. May import functional, estimators and below; of the extra `dask`, only what is here imports it.
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
