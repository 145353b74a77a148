"""What the tests of Ctrl-C share: scripts that interrupt themselves, and how long that may take."""

import json
import os
import subprocess
import sys

from data import PATIENCE

# Seconds. The promise is a tenth of a second; the tests allow more, for a busy machine.
LIMIT = 2.0

# `started` is set when the first thread enters the kernel; the signal is sent after that.
PREAMBLE = """
import gc, json, os, random, signal, sys, threading, time, _thread
import numpy as np
import fastnn2
from fastnn2.codegen import provider

started = threading.Event()
kernel = provider.kernel

def with_event(name, dtype):
    function = kernel(name, dtype)

    def call(job):
        started.set()
        return function(job)

    call.address = function.address
    return call

provider.kernel = with_event

def data(n, dtype):
    X = np.empty((2, n), dtype=dtype)
    X[0] = np.linspace(-1, 1, n)
    X[1] = np.modf(X[0] * 777)[0]
    return X, (X[0] * X[1] > 0)[np.newaxis]

def in_background(function, delay):
    def wait():
        started.wait()
        time.sleep(delay)
        function()
    threading.Thread(target=wait, daemon=True).start()

def no_threads_left():
    deadline = time.monotonic() + 5
    while _thread._count() > threading.active_count() - 1 and time.monotonic() < deadline:
        time.sleep(0.001)
    return _thread._count() <= threading.active_count() - 1  # the test's own threads; _count leaves out the main one
"""


def run(code, **environment):
    """Run a script in a process of its own; return the JSON on the last line of its output."""
    command = [sys.executable, "-c", PREAMBLE + code]
    done = subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])
