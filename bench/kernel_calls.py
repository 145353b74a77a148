"""The kernel calls of a crowd and nothing else: all is laid out before."""

import numpy as np

from bench.inside import SampleParallelJob, pack_params, provider, to_groups, tuning


class KernelCalls:
    """The calls for some networks of a crowd, on one thread; calling it makes them all.

    All of them use one set of buffers, so that the caches hold as much of the samples as can be.
    """

    def __init__(self, crowd, first, last):
        case, dtype = crowd.case, np.dtype(crowd.dtype)
        xs, ys = crowd.drawn(first, last) if crowd.is_own else ([one] for one in crowd.shared())
        groups = [(to_groups(X, dtype)[0], to_groups(Y, dtype)[0]) for X, Y in zip(xs, ys, strict=True)]
        self._initial = [pack_params(crowd.initial(network), dtype) for network in range(first, last)]
        self._job = SampleParallelJob(
            *groups[0], None, self._initial[0], (case.d, case.h, 1, case.n), 0.0, case.iterations, 1
        )
        self._job.learning_rate, self._job.total_weight = case.learning_rate, float(case.n)
        self._fresh = self._job.control.copy()
        self._records = [self._record(X, Y) for X, Y in groups]
        if not crowd.is_own:
            self._records *= last - first
        self._kernel = provider.kernel(tuning.train_kernel(case.d, case.h, 1), dtype)
        self(is_kept=True)  # nothing is compiled or loaded later

    def _record(self, X, Y):
        self._job.X, self._job.Y = X, Y
        return self._job._record(0, 1)

    def __call__(self, is_kept=False):
        """Train the networks; return packed parameters and costs where they are kept."""
        kernel, job, fresh, kept = self._kernel, self._job, self._fresh, []
        control, params = job.control, job.params[0, 0, : len(self._initial[0])]
        for initial, record in zip(self._initial, self._records, strict=True):
            control[:] = fresh
            params[:] = initial
            kernel(record)
            if is_kept:
                kept.append((job._params_after(job.iterations).copy(), job.costs.copy()))
        return kept
