"""The command line ``fastnn2``: parse the options, run a command, turn its errors into one line and an exit code."""

import argparse
import contextlib
import sys
import warnings
from collections.abc import Sequence

from fastnn2.commands.output import INTERRUPTED, flush, one_line, print_error
from fastnn2.commands.parser import build_parser
from fastnn2.exceptions import TrainingDiverged, TrainingInterrupted


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
    parser = build_parser()
    options, unknown = parser.parse_known_args(arguments)
    if options.command is None:
        parser.error("no command given; expected train, predict, show, export, moons, scale, info or warmup")
    if unknown:
        options.parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_: print_error(f"{options.parser.prog}: {one_line(message)}")
        return _run(options)


def _run(options: argparse.Namespace) -> int:
    """Run a command; turn what it raises into one line on standard error and an exit code."""
    name = options.parser.prog
    message: str | None
    try:
        code: int = options.run(options)
        flush(sys.stdout)
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
        flush(sys.stdout)
    if message is None:
        return code
    if code == INTERRUPTED and sys.stderr is not None and sys.stderr.isatty():
        name = f"\r\033[K{name}"  # replace the line that has "^C" and the rest of a progress bar or compiler message
    print_error(f"{name}: {one_line(message)}")
    return code
