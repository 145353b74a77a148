"""The tutorial's job on two threads beside busy loops, where a barrier that only spins is hundreds of times slower."""

import statistics
import subprocess
import sys

from bench import cases, measure
from bench.inside import usable_cores

ALLOWED = 4.0  # times the quiet time
ROUNDS = 11


def run(quick=False, say=print):
    """Return the median times in seconds, quiet and busy, and their ratio."""
    job = measure.prepare("fastnn2_fit", cases.TUTORIAL, "float64", 2)
    # No thread_limit: the job itself says on how many threads fastnn2 runs.
    quiet_times = measure.rounds([(job, None)], ROUNDS)[0]
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(max(2, usable_cores()))]
    try:
        busy_times = measure.rounds([(job, None)], ROUNDS)[0]
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()
    quiet, busy = statistics.median(quiet_times), statistics.median(busy_times)
    result = {
        "loops": len(loops), "rounds": ROUNDS, "quiet": quiet, "busy": busy, "ratio": busy / quiet, "allowed": ALLOWED,
        "quartiles": {"quiet": measure.quartiles(quiet_times), "busy": measure.quartiles(busy_times)},
    }  # fmt: skip
    say(
        f"tutorial's job on 2 threads: {quiet * 1e3:.2f} ms quiet, {busy * 1e3:.2f} ms beside {len(loops)} busy loops, "
        f"{busy / quiet:.2f} times (at most {ALLOWED:g} are wanted)"
    )
    return result
