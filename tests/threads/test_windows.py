"""What Windows answers, with a stand-in for kernel32; structures are as Microsoft documents them."""

import ctypes

import pytest
from thread_data import Without, leave_linux

from fastnn2.threads import cores, memory, system, windows

GIGABYTE = 2**30
PROCESS = 2**64 - 1  # what GetCurrentProcess returns, a pseudo handle
CORE, NODE, CACHE, PACKAGE = range(4)


class Kernel32:
    """A stand-in. `masks` are the affinity and the processors, `entries` (relationship, mask); None fails."""

    def __init__(self, masks=(0b1111, 0b1111), entries=(), memory=(8 * GIGABYTE, 5 * GIGABYTE, 7 * GIGABYTE)):
        self.masks, self.entries, self.memory = masks, entries, memory

    def GetCurrentProcess(self):
        return PROCESS

    def GetProcessAffinityMask(self, process, own, everything):
        assert process.value == PROCESS
        if self.masks is None:
            return 0
        own._obj.value, everything._obj.value = self.masks
        return 1

    def GetLogicalProcessorInformation(self, buffer, size):
        if self.entries is None:
            return 0
        needed = 32 * len(self.entries)
        if buffer is None or size._obj.value < needed:
            size._obj.value = needed
            return 0
        words = ctypes.cast(buffer, ctypes.POINTER(ctypes.c_uint64))
        for number, (relationship, mask) in enumerate(self.entries):
            words[4 * number], words[4 * number + 1] = mask, 0xABCD << 32 | relationship
        size._obj.value = needed
        return 1

    def GlobalMemoryStatusEx(self, status):
        if self.memory is None or status._obj.length != 64:
            return 0
        words = ctypes.cast(ctypes.addressof(status._obj), ctypes.POINTER(ctypes.c_uint64))
        total, available, available_page_file = self.memory
        for place, value in enumerate((total, available, 2 * total, available_page_file, 2**47, 2**46, 0), 1):
            words[place] = value
        return 1


@pytest.fixture
def use(monkeypatch):
    """Return a function that makes this system Windows with a stand-in for kernel32."""

    def use(library):
        monkeypatch.setattr(windows, "kernel32", lambda: library)
        monkeypatch.setattr(system, "IS_WINDOWS", True)
        leave_linux(monkeypatch, processors=6)

    return use


needs_64_bits = pytest.mark.skipif(ctypes.sizeof(ctypes.c_void_p) != 8, reason="needs a 64-bit Python")


@needs_64_bits
def test_structures_are_those_of_64_bit_windows():
    status, entry = windows.MemoryStatus, windows.CoreOrCache
    assert (ctypes.sizeof(status), ctypes.sizeof(entry)) == (64, 32)
    places = {name: getattr(status, name).offset for name, _ in status._fields_}
    assert list(places.values()) == [0, 4, 8, 16, 24, 32, 40, 48, 56]
    assert (places["available"], places["available_page_file"]) == (16, 32)  # ullAvailPhys, ullAvailPageFile
    assert (entry.mask.offset, entry.mask.size) == (0, 8)
    assert (entry.relationship.offset, entry.relationship.size) == (8, 4)
    assert (entry.details.offset, entry.details.size) == (16, 16)


def test_handle_of_the_process_is_a_pointer(monkeypatch):
    """As an int it would lose its upper half."""

    class Library:
        def __init__(self, name):
            self.name, self.GetCurrentProcess = name, lambda: PROCESS

    monkeypatch.setattr(ctypes, "WinDLL", Library, raising=False)
    windows.kernel32.cache_clear()
    library = windows.kernel32()
    windows.kernel32.cache_clear()
    assert library.name == "kernel32"
    assert library.GetCurrentProcess.restype is ctypes.c_void_p


@pytest.mark.parametrize(
    ("mask", "expected"), [(0b1, {0}), (0b1010, {1, 3}), (1 << 63 | 1, {0, 63}), (2**64 - 1, set(range(64)))]
)
def test_affinity(mask, expected, use):
    use(Kernel32(masks=(mask, 2**64 - 1)))
    assert system.affinity() == expected


@pytest.mark.parametrize(
    "library",
    [
        Kernel32(masks=None),
        Kernel32(masks=(0, 0)),  # threads in several groups
        Without(Kernel32(), "GetProcessAffinityMask"),
        Without(Kernel32(), "GetCurrentProcess"),
    ],
    ids=["fails", "several groups", "no function", "no process"],
)
def test_all_processors_count_where_the_affinity_is_not_known(library, use):
    use(library)
    assert system.affinity() == set(range(6))
    assert cores.usable_cores() == 6


FOUR_CORES = [(PACKAGE, 0xFF), (CORE, 0x03), (CACHE, 0x03), (CORE, 0x0C), (NODE, 0xFF), (CORE, 0x30), (CORE, 0xC0)]


@pytest.mark.parametrize(
    ("mask", "expected"), [(0xFF, 4), (0x0F, 2), (0x03, 1), (0x01, 1), (0x55, 4), (0x82, 2), (0x7C, 3)]
)
def test_cores_of_the_affinity_mask_count_once(mask, expected, use):
    use(Kernel32((mask, 0xFF), FOUR_CORES))
    assert cores.usable_cores() == expected


@pytest.mark.parametrize(
    "library",
    [
        Kernel32((0x3F, 0x3F), None),
        Kernel32((0x3F, 0x3F), []),
        Kernel32((0x3F, 0x3F), [(CORE, 0xC0)]),  # none that is this process's
        Without(Kernel32((0x3F, 0x3F)), "GetLogicalProcessorInformation"),
    ],
    ids=["fails", "nothing", "no core", "no function"],
)
def test_processors_count_where_cores_are_not_known(library, use):
    use(library)
    assert cores.usable_cores() == 6


def test_environment_limits_the_cores(use, monkeypatch):
    use(Kernel32((0xFF, 0xFF), FOUR_CORES))
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert cores.usable_cores() == 3


@pytest.mark.parametrize(
    ("available", "available_page_file", "expected"),
    [(5, 7, 5), (5, 3, 3), (0, 7, 0)],
    ids=["memory", "the page file is nearly full", "nothing"],
)
def test_available_memory(available, available_page_file, expected, use):
    use(Kernel32(memory=(8 * GIGABYTE, available * GIGABYTE, available_page_file * GIGABYTE)))
    assert memory.available_memory() == expected * GIGABYTE


@pytest.mark.parametrize(
    "library", [Kernel32(memory=None), Without(Kernel32(), "GlobalMemoryStatusEx")], ids=["fails", "no function"]
)
def test_available_memory_is_not_known(library, use):
    use(library)
    assert memory.available_memory() is None


def test_nothing_is_known_without_the_library(use, monkeypatch):
    use(None)

    def refuse():
        raise OSError("not found")

    monkeypatch.setattr(windows, "kernel32", refuse)
    assert system.affinity() == set(range(6))
    assert windows.physical_cores({0}) is None
    assert memory.available_memory() is None
