"""The command ``fastnn2``: its options, its errors, and one function for each of its commands."""

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

INTERRUPTED = 130  # what a shell reports for a program that Ctrl-C ended


class _Parser(argparse.ArgumentParser):
    """A parser whose errors take one line, and that takes no option by half of its name."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(allow_abbrev=False, **settings)

    def error(self, message: str) -> NoReturn:
        _say(f"{self.prog}: error: {_one_line(message)} (see {self.prog} --help)")
        self.exit(2)

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        """Exit; with 1 where nobody reads the help, or the disk is full, if output is buffered, as it is by default."""
        try:
            _flush(sys.stdout)
        except OSError as error:
            status = 1
            if not isinstance(error, BrokenPipeError):
                _say(f"{self.prog}: error: {error}")
        super().exit(status, message)


def _one_line(message: object) -> str:
    return str(message).replace("\r", "\\r").replace("\n", "\\n")


class _Help(argparse.ArgumentDefaultsHelpFormatter):
    """Help that says the default of an option where it has one."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        return action.help if action.default in (None, False) else super()._get_help_string(action)


def _number(kind: Callable[[str], Any], expected: str, accept: Callable[[Any], bool]) -> Callable[[str], Any]:
    def convert(text: str) -> Any:
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not accept(value):
            raise argparse.ArgumentTypeError(f"{text!r} is not {expected}")
        return value

    return convert


def _whole(text: str) -> int:
    """Return the integer that a text such as 500 or 1e7 stands for."""
    if "e" not in text.lower():
        return int(text)
    if not (value := float(text)).is_integer():
        raise ValueError
    return int(value)


def _integer(least: int, most: int) -> Callable[[str], Any]:
    return _number(_whole, f"an integer from {least} to {most}", lambda value: least <= value <= most)


_samples = _integer(2, 100_000_000)
_many_samples = _integer(1000, 100_000_000)
_hidden = _integer(1, 100_000)
_iterations = _integer(1, 1_000_000_000)
_threads = _integer(1, 1024)
_seed = _integer(0, 2**32 - 2)
_positive = _number(float, "a finite number above 0", lambda value: math.isfinite(value) and value > 0)
_noise = _number(float, "a number from 0 to 1000", lambda value: 0 <= value <= 1000)


def _build_parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="fastnn2", description="Two-layer neural networks trained on the CPU as fast as the CPU allows."
    )
    parser.add_argument("--version", action="version", version=f"fastnn2 {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=_Parser)

    moons = commands.add_parser(
        "moons",
        help="train on scikit-learn's moons, say how it went, save a picture",
        formatter_class=_Help,
        description="Train on scikit-learn's make_moons, say how it went, and save a picture.",
    )
    moons.add_argument("--samples", type=_samples, default=500, metavar="N", help="number of samples")
    moons.add_argument("--iterations", type=_iterations, default=5000, metavar="N", help="number of iterations")
    _add_training(moons, "moons.png")
    moons.add_argument(
        "--published",
        action="store_true",
        help="repeat the run whose first cost the tutorial prints, whatever the other options say, and show both",
    )
    moons.add_argument("--compare", action="store_true", help="run the NumPy reference too and show both")
    moons.set_defaults(run=_moons, parser=moons)

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
        "--iterations", type=_iterations, metavar="N", help="for every size (default: fewer for larger sizes)"
    )
    _add_training(scale, "scale.png")
    scale.add_argument(
        "--compare", action="store_true", help="time the NumPy reference too, while it fits and is quick"
    )
    scale.add_argument("--json", type=pathlib.Path, metavar="FILE", help="save the figures as JSON")
    scale.set_defaults(run=_scale, parser=scale)

    info = commands.add_parser("info", help="show versions, processor, cores and compiled kernels")
    info.set_defaults(run=_info, parser=info)

    warmup = commands.add_parser("warmup", help="compile all kernels and keep them")
    warmup.add_argument("--cpu", metavar="LEVEL", help="for another processor: x86-64, or x86-64-v2, -v3 or -v4")
    warmup.set_defaults(run=_warmup, parser=warmup)
    return parser


def _add_training(parser: argparse.ArgumentParser, picture_name: str) -> None:
    """Add the options that the training commands share."""
    parser.add_argument("--noise", type=_noise, default=0.2, metavar="X", help="standard deviation of the noise")
    parser.add_argument("--hidden", type=_hidden, default=5, metavar="N", help="number of hidden units")
    parser.add_argument("--learning-rate", type=_positive, default=0.3, metavar="X", help="step of the descent")
    parser.add_argument("--dtype", choices=("float64", "float32"), default="float64", help="number type")
    parser.add_argument(
        "--threads", type=_threads, metavar="N", help="at most so many threads (default: as many as help)"
    )
    parser.add_argument("--seed", type=_seed, default=3, metavar="N", help="seed of weights and samples")
    picture = parser.add_mutually_exclusive_group()
    picture.add_argument(
        "--plot", type=pathlib.Path, metavar="FILE", help=f"where to save the picture (default: {picture_name})"
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
        The command line without the program's name; None takes that of the process.

    Returns
    -------
    int
        0; 1 where the work failed; 2 for wrong options; 130 after Ctrl-C.

    Raises
    ------
    SystemExit
        Wrong options (2), or ``--help`` and ``--version`` (0; 1 where they cannot be written).
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal without "µ" is no reason to stop
    parser = _build_parser()
    options, unknown = parser.parse_known_args(arguments)
    if options.command is None:
        parser.error("which command? moons, scale, info or warmup")
    if unknown:
        options.parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_: _say(f"{options.parser.prog}: {_one_line(message)}")
        return _run(options)


def _run(options: argparse.Namespace) -> int:
    """Run a command; turn what it raises into one line and an exit code."""
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
        gone = isinstance(error, BrokenPipeError)  # whoever read the output has gone: nothing to say
        message, code = None if gone else f"error: {error}", 1
    except MemoryError as error:
        message, code = f"error: {str(error) or 'not enough memory'}", 1
    except (ImportError, RuntimeError) as error:  # a NumPy that this Numba does not know; no thread can be started
        message, code = f"error: {error}", 1
    except ValueError as error:
        message, code = f"error: {error}", 2
    with contextlib.suppress(OSError):
        _flush(sys.stdout)
    if message is None:
        return code
    if code == INTERRUPTED and sys.stderr is not None and sys.stderr.isatty():
        name = f"\r\033[K{name}"  # over what the terminal shows of the key, of a bar and of the compiler's line
    _say(f"{name}: {_one_line(message)}")
    return code


def _flush(stream: TextIO | None) -> None:
    """Write out what was printed; what cannot be written is dropped, or Python would try again at its end."""
    if stream is not None:
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
            raise


def _say(line: str) -> None:
    """Print a line to standard error, where there is one and somebody reads it."""
    if sys.stderr is not None:
        with contextlib.suppress(OSError):
            print(line, file=sys.stderr)
        with contextlib.suppress(OSError):
            _flush(sys.stderr)
