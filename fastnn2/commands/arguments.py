"""Options of the command line: the parser, and the types of the values."""

import argparse
import math
import sys
from collections.abc import Callable
from typing import Any, NoReturn

from fastnn2.commands.output import flush, one_line, print_error


class Parser(argparse.ArgumentParser):
    """A parser that prints errors on one line and accepts no abbreviated options."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(allow_abbrev=False, **settings)

    def error(self, message: str) -> NoReturn:
        """Print what is wrong, and exit with code 2."""
        print_error(f"{self.prog}: error: {one_line(message)} (see {self.prog} --help)")
        self.exit(2)

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        """Exit, with code 1 if the output, such as the help text, cannot be written."""
        try:
            flush(sys.stdout)
        except OSError as error:
            status = 1
            if not isinstance(error, BrokenPipeError):
                print_error(f"{self.prog}: error: {error}")
        super().exit(status, message)


class Help(argparse.ArgumentDefaultsHelpFormatter):
    """Help that states the default of each option that has one."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        has_default = action.default is not None and action.default is not False and action.default != []
        return super()._get_help_string(action) if has_default else action.help


def number_type(parse: Callable[[str], Any], expected: str, is_valid: Callable[[Any], bool]) -> Callable[[str], Any]:
    """Return an argparse type; `expected` says in the error which values are valid."""

    def convert(text: str) -> Any:
        try:
            value = parse(text)
        except ValueError:
            value = None
        if value is None or not is_valid(value):
            raise argparse.ArgumentTypeError(f"{text!r} is not {expected}")
        return value

    return convert


def parse_integer(text: str) -> int:
    """Parse an integer such as 500 or 1e7."""
    if "e" not in text.lower():
        return int(text)
    if not (value := float(text)).is_integer():
        raise ValueError
    return int(value)


def integer_type(minimum: int, maximum: int) -> Callable[[str], Any]:
    """Return an argparse type for integers within bounds."""
    expected = f"an integer from {minimum} to {maximum}"
    return number_type(parse_integer, expected, lambda value: minimum <= value <= maximum)


samples = integer_type(2, 100_000_000)
max_samples = integer_type(1000, 1_000_000_000)
hidden = integer_type(1, 100_000)
iterations = integer_type(1, 1_000_000_000)
threads = integer_type(1, 1024)
seed = integer_type(0, 2**32 - 2)
learning_rate = number_type(float, "a finite number above 0", lambda value: math.isfinite(value) and value > 0)
batch_size = integer_type(1, 1_000_000_000)
max_categories = integer_type(2, 10_000)
alpha = number_type(float, "a finite number of 0 or more", lambda value: math.isfinite(value) and value >= 0)
fraction = number_type(float, "a number above 0 and below 1", lambda value: 0 < value < 1)
noise = number_type(float, "a number from 0 to 1000", lambda value: 0 <= value <= 1000)


def memory_limit(text: str) -> str:
    """Return a limit as it is given, if it is one."""
    from fastnn2.blocks.memory_limit import as_memory_limit

    try:
        as_memory_limit(text)
    except ValueError:
        expected = "a number of bytes above 0, such as 500000000, 500MB or 1.5GiB"
        raise argparse.ArgumentTypeError(f"{text!r} is not {expected}") from None
    return text
