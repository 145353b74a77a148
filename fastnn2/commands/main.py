"""The command line ``fastnn2``: parse the options, run a command, turn its errors into one line and an exit code."""

import argparse
import contextlib
import signal
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
    if arguments is None:
        sys.unraisablehook = _hide_interrupts
    parser = build_parser()
    try:
        options, unknown = parser.parse_known_args(arguments)
    except (KeyboardInterrupt, ImportError) as error:  # some options are checked by modules that take long to import
        if not _is_interrupt(error):
            raise
        if arguments is None:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        print_error(f"{parser.prog}: interrupted")
        return INTERRUPTED
    if options.command is None:
        parser.error("no command given; expected train, predict, show, export, moons, scale, info or warmup")
    if unknown:
        options.parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_: print_error(f"{options.parser.prog}: {one_line(message)}")
        return _run(options, is_process=arguments is None)


def _hide_interrupts(unraisable: "sys.UnraisableHookArgs") -> None:
    """Print nothing of a Ctrl-C that comes while Python closes a generator after an earlier one."""
    if not isinstance(unraisable.exc_value, KeyboardInterrupt):
        sys.__unraisablehook__(unraisable)


def _run(options: argparse.Namespace, is_process: bool) -> int:
    """Run a command; turn what it raises into one line on standard error and an exit code.

    Where a process does nothing else, Ctrl-C after the one that has ended the command changes nothing.
    """
    name = options.parser.prog
    try:
        code: int = options.run(options)
        if is_process and code == INTERRUPTED:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        flush(sys.stdout)
        return code
    except BaseException as error:
        if is_process and _is_interrupt(error):
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        told = _told(error)
        if told is None:
            raise
        message, code = told
    with contextlib.suppress(OSError):
        flush(sys.stdout)
    if not message:
        return code
    if code == INTERRUPTED and sys.stderr is not None and sys.stderr.isatty():
        name = f"\r\033[K{name}"  # replace the line that has "^C" and the rest of a progress bar or compiler message
    print_error(f"{name}: {one_line(message)}")
    return code


def _is_interrupt(error: BaseException) -> bool:
    """Return whether an error comes from Ctrl-C; modules in C that are being imported make an ImportError of it."""
    if isinstance(error, ImportError):
        found: BaseException | None = error
        while found is not None and not isinstance(found, KeyboardInterrupt):
            found = found.__cause__ or found.__context__
        return found is not None
    return isinstance(error, KeyboardInterrupt)


def _told(error: BaseException) -> tuple[str, int] | None:
    """Return what to say of an error and the exit code; None for an error that is a fault of this program.

    There is nothing to say if the reader of the output has gone, as that of ``| head``.
    """
    if isinstance(error, TrainingInterrupted):
        last = f"; last cost {error.cost_[-1]:.6g}" if len(error.cost_) else ""
        return f"interrupted after iteration {len(error.cost_):,}{last}", INTERRUPTED
    if _is_interrupt(error):
        return "interrupted", INTERRUPTED
    if isinstance(error, TrainingDiverged):
        return f"error: training diverged at iteration {len(error.cost_):,}; try a smaller --learning-rate", 1
    if isinstance(error, BrokenPipeError):
        return "", 1
    if isinstance(error, MemoryError):
        return f"error: {str(error) or 'not enough memory'}", 1
    if isinstance(error, OSError | ImportError | RuntimeError):  # NumPy is too new for Numba; there are no threads
        return f"error: {error}", 1
    return (f"error: {error}", 2) if isinstance(error, ValueError) else None
