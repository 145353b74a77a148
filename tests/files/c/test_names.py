"""Names of functions in C: what is none, has a meaning already, or is in the C library, is refused."""

import re

import pytest

from fastnn2.files.c import names


@pytest.mark.parametrize("name", ["moons", "net2", "my_model", "A", "x", "y", "fexp", "expr", "shawl", "x" * 200])
def test_names(name):
    names.check_identifier(name, "name")


@pytest.mark.parametrize(
    "name",
    [
        *("", "2moons", "my-model", "my model", "a__b", "_a", "_A", "é", "a;", "a\n", "moons.tar"),  # not identifiers
        *("int", "static", "class", "template", "restrict", "xor", "bool", "nullptr", "typeof", "inline"),  # keywords
        *("main", "unix", "uint32_t", "int_fast8_t", "UINT64_MAX", "INT8_C"),  # macros and types
        *("exp", "expf", "tanhl", "fma", "fmaf", "y1", "printf", "memcpy", "malloc"),  # functions
    ],
)
def test_names_that_are_refused(name):
    with pytest.raises(ValueError, match=re.escape(f"the name is {name!r}, ") + ".*choose another name"):
        names.check_identifier(name, "the name")
