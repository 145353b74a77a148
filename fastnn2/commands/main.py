"""The command line ``fastnn2``: parse the options, run a command, turn its errors into one line and an exit code."""

import argparse
import contextlib
import math
import os
import pathlib
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, TextIO

from fastnn2._version import __version__
from fastnn2.exceptions import TrainingDiverged, TrainingInterrupted

INTERRUPTED = 130  # the exit code that shells report for a program ended by Ctrl-C


class _Parser(argparse.ArgumentParser):
    """A parser that prints errors on one line and accepts no abbreviated options."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(allow_abbrev=False, **settings)

    def error(self, message: str) -> NoReturn:
        _print_error(f"{self.prog}: error: {_one_line(message)} (see {self.prog} --help)")
        self.exit(2)

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        """Exit, with code 1 if the output, such as the help text, cannot be written."""
        try:
            _flush(sys.stdout)
        except OSError as error:
            status = 1
            if not isinstance(error, BrokenPipeError):
                _print_error(f"{self.prog}: error: {error}")
        super().exit(status, message)


def _one_line(message: object) -> str:
    return str(message).replace("\r", "\\r").replace("\n", "\\n")


class _Help(argparse.ArgumentDefaultsHelpFormatter):
    """Help that states the default of each option that has one."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        return action.help if action.default in (None, False) else super()._get_help_string(action)


def _number_type(parse: Callable[[str], Any], expected: str, is_valid: Callable[[Any], bool]) -> Callable[[str], Any]:
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


def _parse_integer(text: str) -> int:
    """Parse an integer such as 500 or 1e7."""
    if "e" not in text.lower():
        return int(text)
    if not (value := float(text)).is_integer():
        raise ValueError
    return int(value)


def _integer_type(minimum: int, maximum: int) -> Callable[[str], Any]:
    expected = f"an integer from {minimum} to {maximum}"
    return _number_type(_parse_integer, expected, lambda value: minimum <= value <= maximum)


_samples = _integer_type(2, 100_000_000)
_max_samples = _integer_type(1000, 1_000_000_000)
_hidden = _integer_type(1, 100_000)
_iterations = _integer_type(1, 1_000_000_000)
_threads = _integer_type(1, 1024)
_seed = _integer_type(0, 2**32 - 2)
_learning_rate = _number_type(float, "a finite number above 0", lambda value: math.isfinite(value) and value > 0)
_noise = _number_type(float, "a number from 0 to 1000", lambda value: 0 <= value <= 1000)


def _memory_limit(text: str) -> str:
    """Return a limit as it is given, if it is one."""
    from fastnn2.blocks.memory_limit import as_memory_limit

    try:
        as_memory_limit(text)
    except ValueError:
        expected = "a number of bytes above 0, such as 500000000, 500MB or 1.5GiB"
        raise argparse.ArgumentTypeError(f"{text!r} is not {expected}") from None
    return text


def _build_parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="fastnn2", description="Two-layer neural networks trained on the CPU as fast as the CPU allows."
    )
    parser.add_argument("--version", action="version", version=f"fastnn2 {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=_Parser)

    moons = commands.add_parser(
        "moons",
        help="train on scikit-learn's moons, print costs and times, save a picture",
        formatter_class=_Help,
        description="Train on scikit-learn's make_moons, print costs, accuracy and times, and save a picture.",
    )
    moons.add_argument("--samples", type=_samples, default=500, metavar="N", help="number of samples")
    moons.add_argument("--iterations", type=_iterations, default=5000, metavar="N", help="number of iterations")
    _add_training(moons, "moons.png")
    moons.add_argument(
        "--published",
        action="store_true",
        help="repeat the run whose first cost the tutorial prints and show both costs; overrides the other options",
    )
    moons.add_argument(
        "--compare", action="store_true", help="also run the NumPy reference and show how its time and results differ"
    )
    moons.set_defaults(run=_moons, parser=moons)

    scale = commands.add_parser(
        "scale",
        help="train on 1,000, 10,000, … moons and show how the time grows",
        formatter_class=_Help,
        description="Train on 1,000, 10,000, … samples of make_moons, print a table, and save a picture.",
    )
    scale.add_argument(
        "--max-samples",
        type=_max_samples,
        default=10_000_000,
        metavar="N",
        help="the largest number of samples, up to 1e8, or 1e9 with --out-of-core",
    )
    scale.add_argument(
        "--iterations",
        type=_iterations,
        metavar="N",
        help="number of iterations at every size (default: fewer for larger sizes)",
    )
    _add_training(scale, "scale.png")
    scale.add_argument(
        "--compare",
        action="store_true",
        help="also time the NumPy reference, as long as it is quick and fits in memory",
    )
    scale.add_argument(
        "--out-of-core",
        metavar="FOLDER",
        help="also train on files in this folder, of which only a part is in memory at a time; they are written to an "
        "empty folder (24 bytes a sample in float64, and a ninth more for the smaller sizes), stay there, and are used "
        "again",
    )
    scale.add_argument(
        "--memory-limit",
        type=_memory_limit,
        metavar="SIZE",
        help="the most memory for samples from files, in bytes or as 500MB or 2GiB (default: half of what is free)",
    )
    scale.add_argument("--json", type=pathlib.Path, metavar="FILE", help="save the table as JSON")
    scale.set_defaults(run=_scale, parser=scale)

    info = commands.add_parser("info", help="show versions, processor, cores and compiled kernels")
    info.set_defaults(run=_info, parser=info)

    warmup = commands.add_parser("warmup", help="compile all kernels and store them")
    warmup.add_argument(
        "--cpu", metavar="LEVEL", help="compile for other processors: x86-64, x86-64-v2, x86-64-v3 or x86-64-v4"
    )
    warmup.set_defaults(run=_warmup, parser=warmup)
    return parser


def _add_training(parser: argparse.ArgumentParser, picture_name: str) -> None:
    """Add the options that the training commands share."""
    parser.add_argument("--noise", type=_noise, default=0.2, metavar="X", help="standard deviation of the noise")
    parser.add_argument("--hidden", type=_hidden, default=5, metavar="N", help="number of hidden units")
    parser.add_argument(
        "--learning-rate", type=_learning_rate, default=0.3, metavar="X", help="step size of gradient descent"
    )
    parser.add_argument("--dtype", choices=("float64", "float32"), default="float64", help="dtype of the computation")
    parser.add_argument(
        "--threads", type=_threads, metavar="N", help="maximum number of threads (default: as many as pay off)"
    )
    parser.add_argument(
        "--seed", type=_seed, default=3, metavar="N", help="seed of the initial weights and the samples"
    )
    picture = parser.add_mutually_exclusive_group()
    picture.add_argument(
        "--plot", type=pathlib.Path, metavar="FILE", help=f"file for the picture (default: {picture_name})"
    )
    picture.add_argument("--no-plot", action="store_true", help="save no picture")


def _moons(options: argparse.Namespace) -> int:
    from fastnn2.commands import moons

    return moons.run(options)


def _scale(options: argparse.Namespace) -> int:
    from fastnn2.commands import scale

    return scale.run(options)


def _info(options: argparse.Namespace) -> int:
    from fastnn2.commands import info

    return info.show()


def _warmup(options: argparse.Namespace) -> int:
    from fastnn2.commands import info

    return info.warm_up(options.cpu)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code.

    Parameters
    ----------
    arguments : sequence of str, optional
        The command line without the program's name; None uses that of the process.

    Returns
    -------
    int
        0; 1 if the work failed; 2 for wrong options; 130 after Ctrl-C.

    Raises
    ------
    SystemExit
        For wrong options (2), and for ``--help`` and ``--version`` (0; 1 if the output cannot be written).
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # an encoding without "µ" is no error
    parser = _build_parser()
    options, unknown = parser.parse_known_args(arguments)
    if options.command is None:
        parser.error("no command given; expected moons, scale, info or warmup")
    if unknown:
        options.parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_: _print_error(f"{options.parser.prog}: {_one_line(message)}")
        return _run(options)


def _run(options: argparse.Namespace) -> int:
    """Run a command; turn what it raises into one line on standard error and an exit code."""
    name = options.parser.prog
    message: str | None
    try:
        code: int = options.run(options)
        _flush(sys.stdout)
        return code
    except TrainingInterrupted as error:
        last = f"; last cost {error.cost_[-1]:.6g}" if len(error.cost_) else ""
        message, code = f"interrupted after iteration {len(error.cost_):,}{last}", INTERRUPTED
    except KeyboardInterrupt:
        message, code = "interrupted", INTERRUPTED
    except TrainingDiverged as error:
        message = f"error: training diverged at iteration {len(error.cost_):,}; try a smaller --learning-rate"
        code = 1
    except OSError as error:
        reader_is_gone = isinstance(error, BrokenPipeError)  # such as that of | head: no message
        message, code = None if reader_is_gone else f"error: {error}", 1
    except MemoryError as error:
        message, code = f"error: {str(error) or 'not enough memory'}", 1
    except (ImportError, RuntimeError) as error:  # NumPy is too new for Numba; the system refuses threads
        message, code = f"error: {error}", 1
    except ValueError as error:
        message, code = f"error: {error}", 2
    with contextlib.suppress(OSError):
        _flush(sys.stdout)
    if message is None:
        return code
    if code == INTERRUPTED and sys.stderr is not None and sys.stderr.isatty():
        name = f"\r\033[K{name}"  # replace the line that has "^C" and the rest of a progress bar or compiler message
    _print_error(f"{name}: {_one_line(message)}")
    return code


def _flush(stream: TextIO | None) -> None:
    """Flush a stream. If that fails, drop the output, as Python would try again at exit, and raise the error."""
    if stream is not None:
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
            raise


def _print_error(line: str) -> None:
    """Print a line to standard error, if there is one and it is open."""
    if sys.stderr is not None:
        with contextlib.suppress(OSError):
            print(line, file=sys.stderr)
        with contextlib.suppress(OSError):
            _flush(sys.stderr)
