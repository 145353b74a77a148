"""Lines on the terminal: what a stranger's text in them cannot do."""

import pytest

from fastnn2.commands.output import one_line, printable


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain, µ – 漢字", "plain, µ – 漢字"),
        ("\x1b[31mred\x07", "\\x1b[31mred\\x07"),
        ("a\r\nb\tc", "a\\r\\nb\\tc"),
        ("\x9b2J", "\\x9b2J"),
        ("abc\u202edef", "abc\\u202edef"),  # from right to left
        ("\ud800", "\\ud800"),
        ("", ""),
    ],
)
def test_one_line_has_nothing_that_a_terminal_obeys(text, expected):
    assert one_line(text) == expected
    assert one_line(ValueError(text)) == expected
    assert expected.isprintable()


def test_characters_that_may_stay():
    assert printable("a\n\x1b\n", also="\n") == "a\n\\x1b\n"
