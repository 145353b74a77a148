"""The calls of scikit-learn's callbacks in a fit, and of the checkpoints of :class:`fastnn2.callbacks.Checkpoint`."""

from typing import Any

import numpy as np
from sklearn.callback import CallbackSupportMixin

from fastnn2.estimators.hook_signatures import warn_of_changed_signatures
from fastnn2.estimators.sparse_input import checked

Array = np.ndarray[Any, Any]


class WithCallbacks(CallbackSupportMixin):
    """The part of both estimators that calls callbacks."""

    coefs_: list[Array]
    intercepts_: list[Array]
    solver: str
    max_iter: int
    _fit: Any
    _checkpoint_run: Any = None  # the CheckpointRun of a fit with the callback Checkpoint
    _resumes_from: str | None = None  # the file of the checkpoint that the next fit goes on from

    def _fit_with_callbacks(self, X: Any, y: Any, sample_weight: Any) -> Any:
        """Fit, and call scikit-learn's callbacks, if any are set, for the fit and for each epoch."""
        warn_of_changed_signatures()
        X, y = checked(X, "X"), checked(y, "y")
        metadata = {} if sample_weight is None else {"sample_weight": sample_weight}
        about = {"estimator": self, "X": X, "y": y, "metadata": metadata}
        # How often L-BFGS evaluates the loss is not known in advance.
        context = self._init_callback_context(max_subtasks=None if self.solver == "lbfgs" else self.max_iter)
        context.call_on_fit_task_begin(**about)
        callbacks = getattr(self, "_skl_callbacks", [])
        # A Checkpoint alone does not see each epoch, so that several are one call of the kernel.
        self._task: Any = (context, about) if len(callbacks) > (self._checkpoint_run is not None) else None
        try:
            if self._resumes_from is not None and self._checkpoint_run is None:
                raise ValueError(
                    f"the estimator goes on from the checkpoint {self._resumes_from!r}, and no Checkpoint is among its "
                    "callbacks; set one of the same file, too"
                )
            self._fit(X, y, sample_weight=sample_weight, incremental=False)
        finally:
            del self._task
            run = self.__dict__.pop("_checkpoint_run", None)
            if run is not None:
                run.close()
        context.call_on_fit_task_end(**about, reconstruction_attributes={})
        return self

    def _subtask(self, name: str) -> Any:
        """Call the callbacks, if any are set, at the start of a subtask of the fit; return its context."""
        if getattr(self, "_task", None) is None:
            return None
        context, about = self._task
        subtask = context.subcontext(task_name=name)
        subtask.call_on_fit_task_begin(**about)
        return subtask

    def _subtask_ends(self, subtask: Any) -> bool:
        """Call the callbacks at the end of a subtask; return whether one stops the fit."""
        if subtask is None:
            return False
        _, about = self._task
        return bool(subtask.call_on_fit_task_end(**about, reconstruction_attributes=self._as_fitted))

    def _as_fitted(self) -> dict[str, Any]:
        return {"coefs_": [c.copy() for c in self.coefs_], "intercepts_": [i.copy() for i in self.intercepts_]}
