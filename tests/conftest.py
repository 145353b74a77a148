"""Set up before fastnn2 is used: signals are heard, kernels have one folder a session, and how Hypothesis draws."""

import os
import pathlib
import shutil
import signal
import sys
import tempfile

import hypothesis

# A shell that starts the tests in the background lets them, and whatever they start, ignore the Ctrl-C that some send.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# For the tests of the bench, which is not installed; at the end, so that an installed fastnn2 is found before this one.
sys.path.append(str(pathlib.Path(__file__).parents[1]))

# Tests neither read nor fill the user's own kernels. All of them share one folder, those in subprocesses too, as they
# inherit the environment: a kernel is compiled once a session.
_made_here = None
if "FASTNN2_CACHE_DIR" not in os.environ:
    _made_here = os.environ["FASTNN2_CACHE_DIR"] = tempfile.mkdtemp(prefix="fastnn2-tests-")

# Each run draws the same examples, so that a failure is one for everybody; the first example compiles, so no deadline.
hypothesis.settings.register_profile("fastnn2", derandomize=True, deadline=None, database=None, max_examples=40)
hypothesis.settings.load_profile("fastnn2")


def pytest_unconfigure(config):
    if _made_here is not None:
        shutil.rmtree(_made_here, ignore_errors=True)
