"""One BLAS thread while a team of ours works between calls of BLAS, whose threads would spin on the team's cores."""

import contextlib
import threading
import weakref
from collections.abc import Iterator
from typing import Any

from sklearn.utils.parallel import _get_threadpool_controller


class _User:
    """Whoever wants one thread; once it is gone, a signal or not, it counts no more."""


_lock = threading.Lock()
_users = weakref.WeakSet[_User]()
_limit: Any = None  # while there is one, it knows the numbers of threads from before


@contextlib.contextmanager
def one_blas_thread() -> Iterator[None]:
    """Limit BLAS to one thread until the last of those who asked for it, in whatever order they leave, has left.

    A signal may come at any place: nobody is counted twice, and what was there before the limit is not forgotten before
    it is there again.
    """
    global _limit
    user = _User()
    try:
        with _lock:
            _users.add(user)
            controller = _get_threadpool_controller()
            if _limit is None:
                _limit = controller.limit(limits=None)  # takes note of what is there
            controller.limit(limits=1, user_api="blas")
        yield
    finally:
        with _lock:
            _users.discard(user)
            if not _users and _limit is not None:
                _limit.restore_original_limits()
                _limit = None
