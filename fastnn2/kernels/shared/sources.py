"""The hash of the sources of the kernels and of what compiles them: a part of the key of each stored kernel."""

import hashlib
import pathlib


def source_hash() -> str:
    """Return the hash of kernels/** and codegen/**, by path and content, as they are on disk now."""
    digest = hashlib.sha256()
    package = pathlib.Path(__file__).parents[2]
    rooms = sorted(file for room in ("kernels", "codegen") for file in (package / room).rglob("*.py"))
    for file in [package / "_version.py", *rooms]:
        digest.update(file.relative_to(package).as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()
