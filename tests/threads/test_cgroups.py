"""The control groups of this process; test_cores and test_memory test the limits that are read from them."""

import sys

import pytest

from fastnn2.threads import cgroups


@pytest.fixture
def groups(tmp_path, monkeypatch):
    """Return a function that returns the groups for a controller, relative to the root, if the system lists `text`."""
    root, own = tmp_path / "cgroup", tmp_path / "self"
    monkeypatch.setattr(cgroups, "ROOT", root)
    monkeypatch.setattr(cgroups, "PROCESS_GROUPS", own)

    def of(controller, text, *folders):
        own.write_text(text)
        for folder in folders:
            (root / folder).mkdir(parents=True, exist_ok=True)
        return [str(path.relative_to(root)) for path in cgroups.control_groups(controller)]

    return of


def test_version_2_has_one_tree_for_all_controllers(groups):
    assert groups("memory", "0::/a/b\n") == groups("cpu", "0::/a/b\n") == ["a/b", "a", "."]
    assert groups("cpu", "0::/\n") == ["."]


def test_version_1_has_a_tree_for_each_controller(groups):
    text = "7:memory:/m\n6:cpu,cpuacct:/c\n5:cpuset:/s\n1:name=systemd:/\n"
    assert groups("memory", text) == ["memory/m", "memory"]
    assert groups("cpu", text) == ["cpu/c", "cpu"]
    assert groups("cpu", text, "cpu,cpuacct") == ["cpu,cpuacct/c", "cpu,cpuacct"]
    assert groups("io", text) == []


def test_list_of_controllers_longer_than_a_file_name(groups):
    assert groups("cpu", f"4:cpu,{'z' * 5000}:/x\n") == ["cpu/x", "cpu"]


def test_both_versions_at_once(groups):
    assert groups("memory", "7:memory:/m\n0::/\n") == ["memory/m", "memory", "."]


@pytest.mark.parametrize("text", ["", "\n", "garbage\n", "0:\n", "::\n", "4:cpu\n"])
def test_malformed_lines_are_skipped(text, groups):
    assert groups("cpu", text) == []
    assert groups("cpu", text + "\n0::/a\n") == ["a", "."]


def test_missing_list(groups):
    groups("cpu", "")
    cgroups.PROCESS_GROUPS.unlink()
    assert cgroups.control_groups("cpu") == []


def test_this_machine():
    if sys.platform == "linux":
        assert all(path == cgroups.ROOT or cgroups.ROOT in path.parents for path in cgroups.control_groups("memory"))
