"""What macOS answers, with a stand-in for its library."""

import ctypes
import errno
import os

import pytest
from thread_data import Without, leave_linux

from fastnn2.threads import cores, macos, memory, system

PAGE = 16384
HOST = 0x1203


class Library:
    """A stand-in; `counts` are the values of sysctl, `pages` those of vm_statistics64, None fails."""

    def __init__(self, counts=(), pages=(1000, 2000, 3000, 4000)):
        self.counts, self.pages, self.hosts = dict(counts), pages, 0

    def sysctlbyname(self, name, value, size, new, new_size):
        assert (new, new_size, size._obj.value) == (None, None, 4)
        if name.decode() not in self.counts:
            return -1
        value._obj.value = self.counts[name.decode()]
        return 0

    def mach_host_self(self):
        self.hosts += 1
        return HOST

    def host_statistics64(self, host, flavor, words, count):
        assert (host.value, flavor, count._obj.value) == (HOST, 4, 38)
        if self.pages is None:
            return 5  # KERN_FAILURE
        ctypes.memmove(words, (ctypes.c_uint32 * 4)(*self.pages), 16)  # free, active, inactive, wired
        return 0


@pytest.fixture
def use(monkeypatch):
    """Return a function that makes this system macOS with a stand-in for its library."""

    def use(library):
        monkeypatch.setattr(macos, "library", lambda: library)
        monkeypatch.setattr(system, "IS_MACOS", True)
        monkeypatch.setattr(os, "sysconf", lambda name: {"SC_PAGE_SIZE": PAGE}[name], raising=False)
        leave_linux(monkeypatch, processors=10)

    macos._host.cache_clear()
    yield use
    macos._host.cache_clear()


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ({"hw.perflevel0.physicalcpu": 8, "hw.physicalcpu": 10}, 8),  # Apple's processors: 8 fast cores, 2 slow ones
        ({"hw.physicalcpu": 4}, 4),  # Intel's
        ({"hw.perflevel0.physicalcpu": 0, "hw.physicalcpu": 5}, 5),
        ({}, 10),
    ],
)
def test_performance_cores_count(counts, expected, use):
    use(Library(counts))
    assert cores.usable_cores() == expected
    assert system.affinity() == set(range(10))


def test_processors_count_where_the_function_is_missing(use):
    use(Without(Library({"hw.physicalcpu": 4}), "sysctlbyname"))
    assert cores.usable_cores() == 10


def test_free_and_inactive_pages_are_available(use):
    library = Library()
    use(library)
    for _ in range(3):
        assert memory.available_memory() == (1000 + 3000) * PAGE
    assert library.hosts == 1  # each call would count one more reference


@pytest.mark.parametrize(
    "library",
    [Library(pages=None), Without(Library(), "host_statistics64"), Without(Library(), "mach_host_self")],
    ids=["fails", "no statistics", "no host"],
)
def test_available_memory_is_not_known(library, use):
    use(library)
    assert memory.available_memory() is None


def test_nothing_is_known_without_the_library(use, monkeypatch):
    use(None)

    def refuse():
        raise OSError(errno.ENOENT, "not found")

    monkeypatch.setattr(macos, "library", refuse)
    assert cores.usable_cores() == 10
    assert memory.available_memory() is None
