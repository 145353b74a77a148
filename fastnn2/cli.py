"""The command ``fastnn2``: its options, its errors, and one function for each of its commands."""

import argparse
import math
import os
import pathlib
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from fastnn2._version import __version__
from fastnn2.exceptions import TrainingDiverged, TrainingInterrupted

INTERRUPTED = 130  # what a shell reports for a program that Ctrl-C ended


class _Parser(argparse.ArgumentParser):
    """A parser whose errors take one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message} (see {self.prog} --help)\n")


class _Help(argparse.ArgumentDefaultsHelpFormatter):
    """Help that says the default of an option where it has one."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        return action.help if action.default in (None, False) else super()._get_help_string(action)


def _number(kind: type, expected: str, accept: Callable[[Any], bool]) -> Callable[[str], Any]:
    def convert(text: str) -> Any:
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not accept(value):
            raise argparse.ArgumentTypeError(f"{text!r} is not {expected}")
        return value

    return convert


_count = _number(int, "an integer of 1 or more", lambda value: value >= 1)
_samples = _number(int, "an integer of 2 or more", lambda value: value >= 2)
_many_samples = _number(int, "an integer from 1000 to 100000000", lambda value: 1000 <= value <= 10**8)
_seed = _number(int, "an integer from 0 to 4294967294", lambda value: 0 <= value < 2**32 - 1)
_positive = _number(float, "a finite number above 0", lambda value: math.isfinite(value) and value > 0)
_non_negative = _number(float, "a finite number of 0 or more", lambda value: math.isfinite(value) and value >= 0)


def _build_parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="fastnn2", description="Two-layer neural networks trained on the CPU as fast as the CPU allows."
    )
    parser.add_argument("--version", action="version", version=f"fastnn2 {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=_Parser)

    moons = commands.add_parser(
        "moons",
        help="train on scikit-learn's moons, say how it went, save a picture",
        formatter_class=_Help,
        description="Train on scikit-learn's make_moons, say how it went, and save a picture.",
    )
    moons.add_argument("--samples", type=_samples, default=500, metavar="N", help="number of samples")
    moons.add_argument("--iterations", type=_count, default=5000, metavar="N", help="number of iterations")
    _add_training(moons, "moons.png")
    moons.add_argument(
        "--published",
        action="store_true",
        help="repeat the run whose first cost the tutorial prints, whatever the other options say, and show both",
    )
    moons.add_argument("--compare", action="store_true", help="run the NumPy reference too and show both")
    moons.set_defaults(run=_moons)

    scale = commands.add_parser(
        "scale",
        help="train on 1,000, 10,000, … moons and show how the time grows",
        formatter_class=_Help,
        description="Train on 1,000, 10,000, … samples of make_moons, print a table, and save a picture.",
    )
    scale.add_argument(
        "--max-samples", type=_many_samples, default=10_000_000, metavar="N", help="the largest number of samples"
    )
    scale.add_argument(
        "--iterations", type=_count, metavar="N", help="for every size (default: fewer for larger sizes)"
    )
    _add_training(scale, "scale.png")
    scale.add_argument(
        "--compare", action="store_true", help="time the NumPy reference too, while it fits and is quick"
    )
    scale.add_argument("--json", type=pathlib.Path, metavar="FILE", help="save the figures as JSON")
    scale.set_defaults(run=_scale)

    info = commands.add_parser("info", help="show versions, processor, cores and compiled kernels")
    info.set_defaults(run=_info)

    warmup = commands.add_parser("warmup", help="compile all kernels and keep them")
    warmup.add_argument("--cpu", metavar="LEVEL", help="for another processor: x86-64, or x86-64-v2, -v3 or -v4")
    warmup.set_defaults(run=_warmup)
    return parser


def _add_training(parser: argparse.ArgumentParser, picture_name: str) -> None:
    """Add the options that the training commands share."""
    parser.add_argument("--noise", type=_non_negative, default=0.2, metavar="X", help="standard deviation of the noise")
    parser.add_argument("--hidden", type=_count, default=5, metavar="N", help="number of hidden units")
    parser.add_argument("--learning-rate", type=_positive, default=0.3, metavar="X", help="step of the descent")
    parser.add_argument("--dtype", choices=("float64", "float32"), default="float64", help="number type")
    parser.add_argument(
        "--threads", type=_count, metavar="N", help="at most so many threads (default: as many as help)"
    )
    parser.add_argument("--seed", type=_seed, default=3, metavar="N", help="seed of weights and samples")
    picture = parser.add_mutually_exclusive_group()
    picture.add_argument(
        "--plot", type=pathlib.Path, metavar="FILE", help=f"where to save the picture (default: {picture_name})"
    )
    picture.add_argument("--no-plot", action="store_true", help="save no picture")


def _moons(options: argparse.Namespace) -> int:
    from fastnn2 import moons

    return moons.run(options)


def _scale(options: argparse.Namespace) -> int:
    from fastnn2 import scale

    return scale.run(options)


def _info(options: argparse.Namespace) -> int:
    from fastnn2 import information

    return information.show()


def _warmup(options: argparse.Namespace) -> int:
    from fastnn2 import information

    return information.warm_up(options.cpu)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code.

    Parameters
    ----------
    arguments : sequence of str, optional
        The command line without the program's name; None takes that of the process.

    Returns
    -------
    int
        0; 1 where the work failed; 2 for wrong options; 130 after Ctrl-C.

    Raises
    ------
    SystemExit
        Wrong options (2), or ``--help`` and ``--version`` (0).
    """
    options = _build_parser().parse_args(arguments)
    name = f"fastnn2 {options.command}"
    try:
        code: int = options.run(options)
        sys.stdout.flush()
    except TrainingInterrupted as error:
        last = f"; last cost {error.cost_[-1]:.6g}" if len(error.cost_) else ""
        print(f"{name}: interrupted after {len(error.cost_):,} iterations{last}", file=sys.stderr)
        return INTERRUPTED
    except KeyboardInterrupt:
        print(f"{name}: interrupted", file=sys.stderr)
        return INTERRUPTED
    except TrainingDiverged as error:
        done = f"training diverged after {len(error.cost_):,} iterations"
        print(f"{name}: error: {done}; try a smaller --learning-rate", file=sys.stderr)
        return 1
    except BrokenPipeError:  # whoever read the output has gone: nothing to say and nowhere to say it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (OSError, MemoryError) as error:
        print(f"{name}: error: {error or 'not enough memory'}", file=sys.stderr)
        return 1
    except ValueError as error:
        print(f"{name}: error: {error}", file=sys.stderr)
        return 2
    return code
