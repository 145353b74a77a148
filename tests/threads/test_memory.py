"""Available memory, from the system and its control groups."""

import sys

import pytest

from fastnn2.threads import cgroups, memory

KILOBYTE = 1024
MALFORMED = ["", "\n", "max\n", "many", "12 34\n", "1.5", "0x10", "\x00\x01"]


class Machine:
    """A fake system in a temporary folder: /proc/meminfo and /sys/fs/cgroup."""

    def __init__(self, root, monkeypatch):
        self.cgroup = root / "cgroup"
        self.cgroup.mkdir()
        self.meminfo, self.own = root / "meminfo", root / "self"
        self.own.write_text("5:memory:/\n0::/\n")
        monkeypatch.setattr(cgroups, "ROOT", self.cgroup)
        monkeypatch.setattr(cgroups, "PROCESS_GROUPS", self.own)
        monkeypatch.setattr(memory, "MEMINFO", self.meminfo)

    def free(self, kilobytes):
        self.meminfo.write_text(f"MemTotal:       32000000 kB\nMemFree: 7 kB\nMemAvailable:   {kilobytes} kB\n")

    def group(self, limit, used, stat=None, path="."):
        self.write(self.cgroup / path, {"memory.max": limit, "memory.current": used, "memory.stat": stat})

    def group_v1(self, limit, used, stat=None, path="."):
        names = {"memory.limit_in_bytes": limit, "memory.usage_in_bytes": used, "memory.stat": stat}
        self.write(self.cgroup / "memory" / path, names)

    @staticmethod
    def write(folder, files):
        folder.mkdir(exist_ok=True, parents=True)
        for name, content in files.items():
            if content is not None:
                (folder / name).write_text(f"{content}\n" if isinstance(content, int) else content)


@pytest.fixture
def machine(tmp_path, monkeypatch):
    return Machine(tmp_path, monkeypatch)


def test_available_memory_is_none_if_the_system_does_not_say(machine):
    assert memory.available_memory() is None


def test_available_memory_of_this_machine():
    available = memory.available_memory()
    assert available is None or 0 <= available < 2**60
    if sys.platform == "linux":
        assert available is not None


def test_available_memory_of_the_system(machine):
    machine.free(5000)
    assert memory.available_memory() == 5000 * KILOBYTE


@pytest.mark.parametrize(
    "content", [*MALFORMED, "MemAvailable:\n", "MemAvailable: some kB\n", "MemAvailable\n", b"\xff"]
)
def test_malformed_figures_of_the_system(content, machine):
    machine.meminfo.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert memory.available_memory() is None
    machine.group(900, 100)
    assert memory.available_memory() == 800


def test_control_group_leaves_less_than_the_system(machine):
    machine.free(5000)
    machine.group(3000 * KILOBYTE, 1000 * KILOBYTE)
    assert memory.available_memory() == 2000 * KILOBYTE


def test_control_group_allows_more_than_the_system_has(machine):
    machine.free(5000)
    machine.group(2**50, 0)
    assert memory.available_memory() == 5000 * KILOBYTE


def test_control_group_of_version_1(machine):
    machine.group_v1(900, 100)
    assert memory.available_memory() == 800


def test_smaller_limit_of_both_versions(machine):
    machine.group_v1(900, 100)
    machine.group(5000, 100)
    assert memory.available_memory() == 800
    machine.group(500, 100)
    assert memory.available_memory() == 400


@pytest.mark.parametrize("kind", ["group", "group_v1"])
def test_nested_groups(kind, machine):
    """A service or a batch job has a group with a limit, below groups with other limits."""
    group = getattr(machine, kind)
    machine.own.write_text("5:memory:/a/b/c\n0::/a/b/c\n")
    group(5000, 100, path="a")
    group("max", 100, path="a/b")
    group(3000, 100, path="a/b/c")
    group(1000, 100, path="a/other")
    assert memory.available_memory() == 2900
    group(2000, 100, path="a")
    assert memory.available_memory() == 1900


def test_use_above_the_limit_leaves_nothing(machine):
    machine.group(100, 900)
    assert memory.available_memory() == 0


def test_file_cache_counts_as_available(machine):
    """Linux counts cached files as used memory, and drops them before memory runs short."""
    machine.group(1000, 900, "anon 200\ninactive_file 600\nactive_file 100\n")
    assert memory.available_memory() == 700
    machine.group(1000, 900, "anon 200\n")
    assert memory.available_memory() == 100


def test_file_cache_of_version_1(machine):
    machine.group_v1(1000, 900, "inactive_file 1\ntotal_inactive_file 600\n")
    assert memory.available_memory() == 700


@pytest.mark.parametrize("content", ["", "inactive_file", "inactive_file many\n", "inactive_file 1 2\n", "\n\n"])
def test_malformed_statistics(content, machine):
    machine.group(1000, 900, content)
    assert memory.available_memory() == 100


@pytest.mark.parametrize("content", MALFORMED)
@pytest.mark.parametrize("place", ["limit", "used"])
def test_malformed_control_groups(place, content, machine):
    machine.free(5000)
    values = {"limit": 900, "used": 100, place: content}
    machine.group(**values)
    assert memory.available_memory() == 5000 * KILOBYTE
    machine.group_v1(**values)
    assert memory.available_memory() == 5000 * KILOBYTE


@pytest.mark.parametrize("given", ["memory.max", "memory.current"])
def test_control_group_without_one_of_its_files(given, machine):
    machine.free(5000)
    (machine.cgroup / given).write_text("900\n")
    assert memory.available_memory() == 5000 * KILOBYTE


def test_control_group_with_a_folder_as_its_file(machine):
    machine.free(5000)
    (machine.cgroup / "memory.max").mkdir()
    assert memory.available_memory() == 5000 * KILOBYTE
