"""The hash of the sources of the kernels and of what compiles them: a part of the key of each stored kernel.

The libraries that come with the package have it too, and may have been built on another system.
"""

import hashlib
import os


def source_hash() -> str:
    """Return the hash of kernels/** and codegen/**, by path and content, as they are on disk now."""
    package = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    paths = {"_version.py": os.path.join(package, "_version.py")}  # relative, as on POSIX -> path
    for room in ("kernels", "codegen"):
        for folder, _, names in os.walk(os.path.join(package, room)):
            for path in (os.path.join(folder, name) for name in names if name.endswith(".py")):
                paths[os.path.relpath(path, package).replace(os.sep, "/")] = path
    digest = hashlib.sha256()
    for relative, path in sorted(paths.items()):
        with open(path, "rb") as file:
            digest.update(relative.encode() + b"\0" + file.read())
    return digest.hexdigest()
