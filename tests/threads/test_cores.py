"""The number of usable cores: affinity, hyperthread siblings, control groups, environment."""

import os
import subprocess
import sys

import pytest
from data import PATIENCE

from fastnn2.threads import cgroups, cores


class Machine:
    """A fake system in a temporary folder: /proc/self/cgroup, /sys/fs/cgroup and the topology of the processors."""

    def __init__(self, root, monkeypatch):
        self.cgroup, self.topology, self.own = root / "cgroup", root / "cpu", root / "self"
        self.monkeypatch = monkeypatch
        for folder in (self.cgroup, self.topology):
            folder.mkdir()
        monkeypatch.setattr(cgroups, "ROOT", self.cgroup)
        monkeypatch.setattr(cgroups, "PROCESS_GROUPS", self.own)
        monkeypatch.setattr(cores, "TOPOLOGY", self.topology)
        for name in ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS"):
            monkeypatch.delenv(name, raising=False)
        self.affinity(16)

    def affinity(self, processors):
        processors = set(range(processors)) if isinstance(processors, int) else set(processors)
        self.monkeypatch.setattr(os, "sched_getaffinity", lambda pid: processors, raising=False)

    def siblings(self, **lists):
        for name, text in lists.items():
            folder = self.topology / name / "topology"
            folder.mkdir(parents=True)
            if isinstance(text, str):
                text = text.encode()
            (folder / "thread_siblings_list").write_bytes(text)

    def groups(self, text):
        self.own.write_bytes(text.encode() if isinstance(text, str) else text)

    def quota(self, path, text):
        file = self.cgroup / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode() if isinstance(text, str) else text)


@pytest.fixture
def machine(tmp_path, monkeypatch):
    monkeypatch.setattr(cores, "CACHE_SECONDS", 0.0)
    return Machine(tmp_path, monkeypatch)


def test_files_are_cached_but_the_affinity_is_not(machine, monkeypatch):
    machine.groups("0::/job\n")
    machine.quota("job/cpu.max", "200000 100000")
    assert cores.usable_cores() == 2
    monkeypatch.setattr(cores, "CACHE_SECONDS", 60.0)
    machine.quota("job/cpu.max", "300000 100000")
    assert cores.usable_cores() == 2
    monkeypatch.setattr(cores, "CACHE_SECONDS", 0.0)
    assert cores.usable_cores() == 3
    monkeypatch.setattr(cores, "CACHE_SECONDS", 60.0)
    machine.affinity([0, 2])
    machine.siblings(cpu0="0,2\n", cpu2="0,2\n")
    assert cores.usable_cores() == 1
    machine.siblings(cpu1="1,3\n", cpu3="1,3\n")
    machine.affinity([1, 2, 3])
    assert cores.usable_cores() == 2


def test_affinity_mask(machine):
    assert cores.usable_cores() == 16
    machine.affinity([3, 5, 7])
    assert cores.usable_cores() == 3


def test_all_processors_count_without_an_affinity_mask(machine, monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity")
    for count, expected in ((6, 6), (None, 1)):
        monkeypatch.setattr(os, "cpu_count", lambda count=count: count)
        assert cores.usable_cores() == expected


def test_hyperthread_siblings_count_once(machine):
    machine.affinity(4)
    machine.siblings(cpu0="0,2\n", cpu2="0,2\n", cpu1="1,3\n", cpu3="1,3\n")
    assert cores.usable_cores() == 2
    machine.affinity([0, 1, 3])
    assert cores.usable_cores() == 2
    machine.affinity([0, 2])
    assert cores.usable_cores() == 1


def test_processors_without_topology_count_separately(machine):
    machine.affinity(4)
    machine.siblings(cpu0="0-1\n", cpu1="0-1\n")
    assert cores.usable_cores() == 3


# Control groups, version 2
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("max 100000\n", 16),
        ("200000 100000\n", 2),
        ("150000 100000\n", 2),  # a core and a half is rounded up
        ("10000 100000\n", 1),
        ("50000 25000\n", 2),
        ("9900000 100000\n", 16),
    ],
)
def test_quota_of_version_2(machine, text, expected):
    machine.groups("0::/user/job\n")
    machine.quota("user/job/cpu.max", text)
    assert cores.usable_cores() == expected


def test_smallest_quota_of_nested_groups_of_version_2(machine):
    machine.groups("0::/a/b/c\n")
    machine.quota("a/cpu.max", "400000 100000")
    machine.quota("a/b/cpu.max", "300000 100000")
    machine.quota("a/b/c/cpu.max", "max 100000")
    assert cores.usable_cores() == 3
    machine.quota("a/cpu.max", "200000 100000")
    assert cores.usable_cores() == 2


def test_quota_at_the_root_of_a_container(machine):
    machine.groups("0::/\n")
    machine.quota("cpu.max", "300000 100000")
    assert cores.usable_cores() == 3


def test_quota_at_the_root_without_a_cgroup_namespace(machine):
    # The container sees its path on the host, but its own group is mounted at the root.
    machine.groups("0::/docker/abcdef\n")
    machine.quota("cpu.max", "300000 100000")
    assert cores.usable_cores() == 3


def test_groups_of_other_processes_do_not_count(machine):
    machine.groups("0::/a\n")
    machine.quota("b/cpu.max", "100000 100000")
    machine.quota("a/c/cpu.max", "100000 100000")
    assert cores.usable_cores() == 16


def test_path_out_of_the_cgroup_tree_is_ignored(machine):
    machine.groups("0::/../../elsewhere\n")
    assert cores.usable_cores() == 16


# Control groups, version 1
@pytest.mark.parametrize("folder", ["cpu", "cpu,cpuacct"])
@pytest.mark.parametrize(("quota", "expected"), [("-1", 16), ("250000", 3), ("0", 16), ("1000", 1)])
def test_quota_of_version_1(machine, folder, quota, expected):
    machine.groups(f"12:memory:/elsewhere\n4:{folder}:/job\n1:name=systemd:/job\n")
    machine.quota(f"{folder}/job/cpu.cfs_quota_us", f"{quota}\n")
    machine.quota(f"{folder}/job/cpu.cfs_period_us", "100000\n")
    assert cores.usable_cores() == expected


def test_nested_groups_of_version_1(machine):
    machine.groups("4:cpu,cpuacct:/a/b\n")
    for path, quota in (("a", 200000), ("a/b", 500000)):
        machine.quota(f"cpu,cpuacct/{path}/cpu.cfs_quota_us", str(quota))
        machine.quota(f"cpu,cpuacct/{path}/cpu.cfs_period_us", "100000")
    assert cores.usable_cores() == 2


def test_version_1_mounted_as_a_single_controller(machine):
    machine.groups("4:cpu,cpuacct:/job\n")
    machine.quota("cpu/job/cpu.cfs_quota_us", "200000")
    machine.quota("cpu/job/cpu.cfs_period_us", "100000")
    assert cores.usable_cores() == 2


def test_controllers_with_similar_names_do_not_count(machine):
    machine.groups("4:cpuset:/job\n5:cpuacct:/job\n")
    for controller in ("cpuset", "cpuacct", "cpu"):
        machine.quota(f"{controller}/job/cpu.cfs_quota_us", "100000")
        machine.quota(f"{controller}/job/cpu.cfs_period_us", "100000")
    assert cores.usable_cores() == 16


def test_both_versions_at_once(machine):
    machine.groups("4:cpu:/v1\n0::/v2\n")
    machine.quota("cpu/v1/cpu.cfs_quota_us", "500000")
    machine.quota("cpu/v1/cpu.cfs_period_us", "100000")
    machine.quota("v2/cpu.max", "400000 100000")
    assert cores.usable_cores() == 4


# Environment
@pytest.mark.parametrize("name", ["NUMBA_NUM_THREADS", "OMP_NUM_THREADS"])
@pytest.mark.parametrize(("text", "expected"), [("3", 3), (" 3 ", 3), ("99", 16), ("1", 1), ("3,2", 3), ("3, 2,1", 3)])
def test_environment(machine, monkeypatch, name, text, expected):
    monkeypatch.setenv(name, text)
    assert cores.usable_cores() == expected


def test_smallest_limit_of_the_environment(machine, monkeypatch):
    monkeypatch.setenv("NUMBA_NUM_THREADS", "5")
    monkeypatch.setenv("OMP_NUM_THREADS", "4,8")
    assert cores.usable_cores() == 4


@pytest.mark.parametrize("text", ["", "0", "-2", "two", "1.5", ",", "0x2", "²", "٣x"])
def test_environment_without_a_positive_integer_is_ignored(machine, monkeypatch, text):
    monkeypatch.setenv("OMP_NUM_THREADS", text)
    assert cores.usable_cores() == 16


# Malformed files
MALFORMED = [b"", b"\n", b"max", b"100000", b"abc def", b"1 0", b"-5 100000", b"1.5 1", b"\xff\xfe\x00", b"0 0", b" "]


@pytest.mark.parametrize("content", MALFORMED)
def test_malformed_quota_of_version_2(machine, content):
    machine.groups("0::/job\n")
    machine.quota("job/cpu.max", content)
    assert cores.usable_cores() == 16


@pytest.mark.parametrize("content", [c for c in MALFORMED if c not in (b"100000", b"1 0")])
def test_malformed_period_of_version_1(machine, content):
    machine.groups("4:cpu:/job\n")
    machine.quota("cpu/job/cpu.cfs_quota_us", "200000")
    machine.quota("cpu/job/cpu.cfs_period_us", content)
    assert cores.usable_cores() == 16


@pytest.mark.parametrize(
    "content", [b"", b"\n\n", b"garbage\n", b"0:\n", b"a:b:c:d\n", b"\xff\xfe\n", b"::\n", b"4:cpu\n"]
)
def test_malformed_list_of_groups(machine, content):
    machine.groups(content)
    assert cores.usable_cores() == 16


def test_malformed_line_does_not_hide_the_others(machine):
    machine.groups("garbage\n0::/job\n")
    machine.quota("job/cpu.max", "200000 100000")
    assert cores.usable_cores() == 2


@pytest.mark.parametrize("content", [b"", b"\xff\xfe"])
def test_malformed_siblings_raise_no_error(machine, content):
    machine.affinity(4)
    machine.siblings(**{f"cpu{number}": content for number in range(4)})
    assert cores.usable_cores() >= 1


def test_missing_list_of_groups(machine):
    assert not machine.own.exists()
    assert cores.usable_cores() == 16


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs an affinity mask")
def test_real_affinity_mask():
    one = min(os.sched_getaffinity(0))
    code = f"""
import os
os.sched_setaffinity(0, {{{one}}})
from fastnn2.threads.cores import usable_cores
print(usable_cores())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE)
    assert (done.returncode, done.stdout) == (0, "1\n"), done.stderr
