"""One BLAS thread while a team of threads works between calls of BLAS.

BLAS keeps its own threads spinning for a while after each call, on the cores that the team needs.
"""

import contextlib
import threading
import weakref
from collections.abc import Iterator
from typing import Any

import threadpoolctl
from sklearn.utils.parallel import _get_threadpool_controller


class _User:
    """A block that wants one thread. It counts while it is alive, even if a signal cuts its cleanup short."""


_lock = threading.Lock()
_users = weakref.WeakSet[_User]()
_limit: Any = None  # while it is set, it holds the numbers of threads from before


@contextlib.contextmanager
def one_blas_thread() -> Iterator[None]:
    """Limit BLAS to one thread until the last of all overlapping blocks ends.

    A signal may arrive at any line. No block counts twice, and the original numbers of threads are kept until they are
    restored.
    """
    global _limit
    user = _User()
    try:
        with _lock:
            _users.add(user)
            controller = _get_threadpool_controller()
            _take_control()
            if _limit is None:
                _limit = controller.limit(limits=None)  # only records the present numbers
            controller.limit(limits=1, user_api="blas")
        yield
    finally:
        with _lock:
            _users.discard(user)
            if not _users and _limit is not None:
                _take_control()
                _limit.restore_original_limits()
                _limit = None
                _take_control()


def _take_control() -> None:
    """Let the thread that next sets OpenBLAS's number of threads do so.

    threadpoolctl 3.8 heeds only the thread that was the first to set it, until that has ended. The last block may end
    in another one; and a thread that :mod:`threading` has not started never ends in its eyes.
    """
    clear = getattr(getattr(threadpoolctl, "OpenBLASController", None), "clear_controlling_thread", None)
    if clear is not None:
        clear(force=True)
