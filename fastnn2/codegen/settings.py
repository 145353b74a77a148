"""Which kernels the user wants: what FASTNN2_KERNELS and FASTNN2_STORE say."""

import os

KINDS = ("bundled", "store", "numba")


def wanted_kernels() -> str | None:
    """Return the value of FASTNN2_KERNELS, one of KINDS; None where it is not set."""
    text = os.environ.get("FASTNN2_KERNELS", "").strip()
    if not text:
        return None
    if text.lower() not in KINDS:
        raise ValueError(f"FASTNN2_KERNELS is {text!r}; expected one of {', '.join(KINDS)}, or unset it")
    return text.lower()


def is_store_on() -> bool:
    """Return whether kernels that this machine compiles are kept in files: always, unless FASTNN2_STORE is off."""
    return os.environ.get("FASTNN2_STORE", "").strip().lower() not in ("off", "0", "no", "false")
