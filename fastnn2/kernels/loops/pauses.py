"""Pauses in training: thread 0 leaves its kernel between two iterations, and goes on in a later call.

Between these calls its caller reads the parameters, for a callback or a checkpoint. Nothing is laid out again, and the
workers stay in the kernel. They do not take part in a pause: they do their share of the next iteration, which changes
no parameter that the caller reads, and wait at its barrier, where they sleep if the pause is long
(:func:`team.barrier`).

What thread 0 knows and cannot derive from COMPLETED, it keeps in control words. It may be another thread of the system
in each call. If its caller sets STOP in a pause, the next call abandons the iteration that the workers have begun.
"""

from numba import njit

from fastnn2.kernels.loops.team import atomic_load, atomic_store, cycles
from fastnn2.kernels.shared.control_words import (
    ABANDONED,
    BARRIERS,
    COMPLETED,
    ELAPSED,
    OUTCOME,
    PAUSE_AT,
    PAUSED,
    RUNNING,
    STOP,
    WAITED,
    YIELDS,
)
from fastnn2.kernels.simd.vector import INLINE


@njit(**INLINE)
def begin_pause(control, completed, iterations, barriers, yields, waited, begin):
    """Write COMPLETED, and return whether thread 0 is to pause; not after the last iteration, which ends the job.

    If so, keep what it needs to go on (see :func:`team.barrier_or_farewell`). `barriers` is the number of arrivals at
    barriers so far. Workers that have joined have read theirs: they have passed a barrier since.
    """
    atomic_store(control, COMPLETED, completed)
    if completed < atomic_load(control, PAUSE_AT) or completed == iterations:
        return False
    atomic_store(control, BARRIERS, barriers)
    atomic_store(control, YIELDS, yields)
    atomic_store(control, WAITED, waited)
    atomic_store(control, ELAPSED, cycles() - begin)
    atomic_store(control, OUTCOME, PAUSED)
    return True


@njit(**INLINE)
def end_pause(control, iteration):
    """Go on in thread 0 with an iteration or round; return (barriers, yields, waited, begin) of :func:`begin_pause`.

    Thread 0 marks the iteration as abandoned where it finds STOP: workers may have done all of its tiles, so that no
    thread would look for STOP before another.
    """
    atomic_store(control, OUTCOME, RUNNING)
    if atomic_load(control, STOP) != 0:
        atomic_store(control, ABANDONED, iteration)
    begin = cycles() - atomic_load(control, ELAPSED)
    return atomic_load(control, BARRIERS), atomic_load(control, YIELDS), atomic_load(control, WAITED), begin
