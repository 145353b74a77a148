"""Warnings of fits in several threads, collected for each fit.

Python's filters and its function that shows a warning belong to the whole process. While fits run, one more filter lets
through the warnings of their threads alone, and those of other threads are filtered and shown as before.
"""

import contextlib
import os
import threading
import warnings
import weakref
from collections.abc import Iterator
from typing import Any

Found = list[tuple[type[Warning], str]]


class _Here(threading.local):
    """Where warnings of this thread go; None if they are shown."""

    found: Found | None = None


class _OfFits:
    """In place of a filter's pattern for modules: it matches in the threads of fits."""

    def match(self, _: str) -> bool:
        return _here.found is not None


class _User:
    """A call that collects. It counts while it is alive, even if a signal cuts its cleanup short."""


_here, _lock, _users = _Here(), threading.Lock(), weakref.WeakSet[_User]()
_changed: contextlib.ExitStack | None = None  # while it is set, it holds the filters from before


def _begin() -> None:
    global _changed
    changed = contextlib.ExitStack()
    changed.enter_context(warnings.catch_warnings())
    show = warnings.showwarning

    def keep(message: Warning | str, category: type[Warning], *place: Any, **named: Any) -> None:
        if _here.found is None:
            show(message, category, *place, **named)
        else:
            _here.found.append((category, str(message)))

    warnings.showwarning = keep
    filters: Any = warnings.filters
    filters.insert(0, ("always", None, Warning, _OfFits(), 0))
    _changed = changed


@contextlib.contextmanager
def collecting() -> Iterator[None]:
    """Let :func:`into` collect warnings, in any thread, until the last of all overlapping blocks ends."""
    global _changed
    user = _User()
    try:
        with _lock:
            _users.add(user)
            if _changed is None:
                _begin()
        yield
    finally:
        with _lock:
            _users.discard(user)
            if not _users and _changed is not None:
                _changed.close()
                _changed = None


def _end_in_child() -> None:
    """Forget the calls of other threads, which a forked child does not have, and a lock that one of them may hold."""
    global _lock, _changed
    _lock = threading.Lock()
    _users.clear()
    if _changed is not None and _here.found is None:
        _changed.close()
        _changed = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_end_in_child)


@contextlib.contextmanager
def into(found: Found) -> Iterator[None]:
    """Collect the warnings of this thread, as pairs of category and text, whatever the filters say."""
    before = _here.found
    try:
        _here.found = found
        yield
    finally:
        _here.found = before
