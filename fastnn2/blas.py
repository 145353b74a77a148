"""One BLAS thread while a team of ours works between calls of BLAS, whose threads would spin on the team's cores."""

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

from sklearn.utils.parallel import _get_threadpool_controller

_lock = threading.Lock()
_users = 0
_limit: Any = None


@contextlib.contextmanager
def one_blas_thread() -> Iterator[None]:
    """Limit BLAS to one thread until the last of those who asked for it, in whatever order they leave, has left."""
    global _users, _limit
    with _lock:
        if _users == 0:
            _limit = _get_threadpool_controller().limit(limits=1, user_api="blas")
        _users += 1
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0:
                _limit.restore_original_limits()
