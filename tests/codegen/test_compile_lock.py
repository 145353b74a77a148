import os
import subprocess
import sys

import pytest
from data import PATIENCE

FORK = """
import os, signal, sys, threading, time
if EARLY:
    import logging
from fastnn2.codegen.compile_lock import compile_lock, let_forks_wait_first
signal.alarm(300)  # ends a process that hangs
let_forks_wait_first()
import logging
held, found = threading.Event(), []

def compile():
    with compile_lock():
        held.set()
        time.sleep(0.5)  # the fork waits meanwhile
        found.append(logging._lock.acquire(timeout=60))  # as Numba, when it is imported
        logging._lock.release()

thread = threading.Thread(target=compile)
thread.start()
held.wait()
child = os.fork()
if child == 0:
    with compile_lock():
        os._exit(0 if found == [True] else 3)
status = os.waitpid(child, 0)[1]
thread.join()
with compile_lock():
    print(found, status)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.parametrize("early", [True, False], ids=["logging is there", "logging comes later"])
def test_a_fork_waits_for_a_compile_which_may_log(early):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", f"EARLY = {early}\n{FORK}"],
        capture_output=True, text=True, timeout=PATIENCE, check=False, env=environment,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "[True] 0\n", "")
