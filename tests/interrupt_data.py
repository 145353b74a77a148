"""What the tests of Ctrl-C share: scripts that interrupt themselves, and how long that may take."""

import json
import os
import subprocess
import sys

from data import PATIENCE

# Seconds. The promise is a tenth of a second; the tests allow more, for a machine on which other processes may have all
# cores for seconds. What is interrupted lasts for minutes, on a fast processor, too.
LIMIT = 10.0

# `started` is set when the first thread enters the kernel; the signal is sent after that, and after some iterations.
PREAMBLE = """
import gc, json, os, random, signal, sys, threading, time, _thread
import numpy as np
import fastnn2
from fastnn2.codegen import provider
from fastnn2.kernels.shared import control_words

started, entered = threading.Event(), [None]
kernel = provider.kernel

def with_event(name, dtype):
    function = kernel(name, dtype)

    def call(job):
        entered[0] = job
        if not started.is_set():  # a signal amid set() would leave its lock locked, and the next call would wait for it
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

def completed():  # iterations, or networks
    return int(entered[0]._arrays["control"][control_words.COMPLETED])

def in_background(function, delay, after=0):
    def wait():
        started.wait()
        time.sleep(delay)
        while after and completed() < after:  # jobs of small kernels count nothing
            time.sleep(0.001)
        function()
    threading.Thread(target=wait, daemon=True).start()

def no_threads_left():
    deadline = time.monotonic() + 60
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
