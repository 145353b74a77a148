"""A hook of hatchling: bundled kernels in a wheel, where the environment names them (see codegen/build/wheels.py)."""

import os

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class BundledKernels(BuildHookInterface):
    """Puts a folder of libraries into the wheel, which then serves one platform and any Python."""

    def initialize(self, version, build_data):
        """Change what is put into the wheel, and its tag."""
        libraries = os.environ.get("FASTNN2_WHEEL_LIBRARIES")
        if libraries and version == "standard":
            build_data["force_include"][libraries] = "fastnn2/libraries"
            build_data["tag"] = os.environ["FASTNN2_WHEEL_TAG"]
            build_data["pure_python"] = False
