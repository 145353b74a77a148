"""The control groups of Linux that may limit this process."""

import os
import pathlib

ROOT = pathlib.Path("/sys/fs/cgroup")
PROCESS_GROUPS = pathlib.Path("/proc/self/cgroup")


def control_groups(controller: str) -> list[pathlib.Path]:
    """Return the folders of all groups, version 1 or 2, whose limits for `controller` apply to this process.

    These are its own groups and those above them, up to the root. The root is included because a container without a
    cgroup namespace sees its path on the host, but its own group mounted at the root.
    """
    try:
        lines = PROCESS_GROUPS.read_text(errors="replace").split("\n")
    except OSError:
        return []
    groups: list[pathlib.Path] = []
    for line in lines:
        _, colon, rest = line.partition(":")
        controllers, second_colon, path = rest.partition(":")
        if not (colon and second_colon and path):
            continue
        if controllers == "":
            root = ROOT
        elif controller in controllers.split(","):
            # Not Path.is_dir(), which raises an error if a name is too long.
            root = ROOT / controllers if os.path.isdir(ROOT / controllers) else ROOT / controller
        else:
            continue
        group = root / path.lstrip("/")
        groups += (group, *group.parents)[: len(group.parts) - len(root.parts) + 1]
    return groups
