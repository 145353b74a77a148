"""The control groups of Linux that this process is in, and with it whoever limits it."""

import os
import pathlib

ROOT = pathlib.Path("/sys/fs/cgroup")
OWN = pathlib.Path("/proc/self/cgroup")


def control_groups(controller: str) -> list[pathlib.Path]:
    """Return the folders of the groups, version 2 or 1, that may limit this process, and of those above them.

    Without a namespace of its own, a container sees its path on the host and mounts its own group at the root; so the
    root belongs to them.
    """
    try:
        lines = OWN.read_text(errors="replace").split("\n")
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
            # os.path, as is_dir() of a path raises an error where a name is too long.
            root = ROOT / controllers if os.path.isdir(ROOT / controllers) else ROOT / controller
        else:
            continue
        group = root / path.lstrip("/")
        groups += (group, *group.parents)[: len(group.parts) - len(root.parts) + 1]
    return groups
