"""How the threads of a team meet: a barrier and control words.

A team is one kernel call on each of several threads, all with the same control array of int64 (see :mod:`tuning`).
What kernels ask of the system or the processor as they run is in this file, with a plain fallback beside it; the
floating-point mode is in :mod:`float_mode`.
"""

import os

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from fastnn2.kernels.shared.control_words import (
    ARRIVED,
    BARRIERS,
    CALLS_DONE,
    ENTERED,
    NEXT_CHUNKS,
    OUTCOME,
    PERSISTENT,
    READY,
    SHUT_DOWN,
    STOP,
    WORD,
)
from fastnn2.kernels.shared.tuning import MAX_WAIT_CYCLES
from fastnn2.kernels.simd.blocks import smaller
from fastnn2.kernels.simd.target import is_x86
from fastnn2.kernels.simd.vector import INLINE, address

# Looks at the counter before a thread gives its core away. A barrier among running threads takes fewer; where another
# process has the core, waiting longer would keep the one that is waited for from running. The second is for steps whose
# shares differ by several microseconds from thread to thread.
SPINS = 200
LONG_SPINS = 2000
# So often it gives its core away before it sleeps, some milliseconds, where it waits for the next call; a sleep is a
# microsecond longer each time, up to so many, which keeps a core busy for a fiftieth of the time.
YIELDS, LONGEST_SLEEP = 10_000, 1000


@intrinsic
def atomic_add(typingctx, array, word, value):
    """Add `value` to ``array[word]`` in place and return what stood there before; ordered before and after all else."""

    def codegen(context, builder, signature, args):
        pointer = _word(context, builder, signature, args)
        return builder.atomic_rmw("add", pointer, context.cast(builder, args[2], value, types.int64), "seq_cst")

    return types.int64(array, word, value), codegen


@intrinsic
def atomic_load(typingctx, array, word):
    """Return ``array[word]``; what another thread wrote before it stored that value is seen from here on."""

    def codegen(context, builder, signature, args):
        return builder.load_atomic(_word(context, builder, signature, args), "acquire", 8)

    return types.int64(array, word), codegen


@intrinsic
def atomic_store(typingctx, array, word, value):
    """Write ``array[word] = value`` in place, after all that this thread wrote before."""

    def codegen(context, builder, signature, args):
        pointer = _word(context, builder, signature, args)
        builder.store_atomic(context.cast(builder, args[2], value, types.int64), pointer, "release", 8)
        return context.get_dummy_value()

    return types.void(array, word, value), codegen


def _word(context, builder, signature, args):
    data = address(context, builder, signature.args[0], args[0])
    return builder.gep(data, [context.cast(builder, args[1], signature.args[1], types.intp)])


@intrinsic
def pause(typingctx):
    """Tell the processor that this is a waiting loop (x86; elsewhere nothing)."""

    def codegen(context, builder, signature, args):
        if is_x86(builder.module):
            function_type = ir.FunctionType(ir.VoidType(), [])
            builder.call(cgutils.get_or_insert_function(builder.module, function_type, "llvm.x86.sse2.pause"), [])
        return context.get_dummy_value()

    return types.void(), codegen


def _system_call(builder, name, *arguments):
    """Build a call of the C library, on POSIX; elsewhere nothing."""
    if os.name == "posix":
        function_type = ir.FunctionType(ir.IntType(32), [value.type for value in arguments])
        builder.call(cgutils.get_or_insert_function(builder.module, function_type, name), arguments)


@intrinsic
def yield_core(typingctx):
    """Let another thread run on this core (POSIX; elsewhere nothing)."""

    def codegen(context, builder, signature, args):
        _system_call(builder, "sched_yield")
        return context.get_dummy_value()

    return types.void(), codegen


@intrinsic
def sleep(typingctx, microseconds):
    """Sleep so long, and some 50 to 100 microseconds more; it may wake on another core (POSIX; elsewhere nothing)."""

    def codegen(context, builder, signature, args):
        _system_call(builder, "usleep", context.cast(builder, args[0], microseconds, types.int32))
        return context.get_dummy_value()

    return types.void(microseconds), codegen


@intrinsic
def cycles(typingctx):
    """Return the time stamp of the processor, which counts at about its nominal clock (x86; elsewhere 0)."""

    def codegen(context, builder, signature, args):
        if not is_x86(builder.module):
            return context.get_constant(types.int64, 0)
        function_type = ir.FunctionType(ir.IntType(64), [])
        function = cgutils.get_or_insert_function(builder.module, function_type, "llvm.readcyclecounter")
        return builder.call(function, [])

    return types.int64(), codegen


@njit(**INLINE)
def enter(control, thread, call):
    """Return whether the team works: wait until thread 0 begins its call number `call`, counted from 1.

    Its caller may say instead that no further call comes: at the end, or after a signal. What it does between two calls
    may take long. Thread 0 does not begin where it finds STOP: if another thread failed, no barrier holds any more, and
    STOP is set before that, so it is looked at after the count of barriers.
    """
    if thread == 0:
        atomic_store(control, BARRIERS, atomic_load(control, ARRIVED))
        if atomic_load(control, STOP) != 0:
            atomic_store(control, ENTERED, SHUT_DOWN)
            return False
        atomic_store(control, ENTERED, atomic_load(control, ENTERED) + 1)
        return True
    return wait_for_call(control, call) >= call


@njit(**INLINE)
def wait_to_be_let_in(control):
    """Return the iteration of train from which on this thread works, as thread 0 says; below 0 if none is left."""
    atomic_add(control, READY, 1)
    return wait_for_call(control, 1) - 1


@njit(**INLINE)
def wait_for_call(control, call):
    """Wait until thread 0 begins its call number `call` or does not come; return its last one's number, or below 0."""
    looks = 0
    while 0 <= atomic_load(control, ENTERED) < call:
        looks = let_time_pass(looks)
    return atomic_load(control, ENTERED)


@njit(**INLINE)
def stay(control, thread, threads):
    """Return at the end of a call whether to wait for another one; thread 0 returns when all have come to the end.

    Its caller reads and changes what the others have written and read, and they may be late with their last update.
    """
    if atomic_load(control, PERSISTENT) == 0:
        return False
    if thread != 0:
        atomic_add(control, CALLS_DONE, 1)
        return True
    looks = 0
    while atomic_load(control, CALLS_DONE) < atomic_load(control, ENTERED) * (threads - 1):
        looks = let_time_pass(looks)
    return False


@njit(**INLINE)
def next_chunk_word(thread, iteration):
    """Return the control word that says which chunk of a thread's range is to be taken next in an iteration.

    Or which part, in a round of train_wide.
    """
    return NEXT_CHUNKS + (2 * thread + iteration % 2) * WORD


@njit(**INLINE)
def steal_chunk(control, iteration, chunks, threads, victim, tried):
    """Return a chunk that is this thread's now, below 0 if none is left; whose range it is of, and how many were empty.

    The last two are what this function is told the next time in an iteration; at first, a thread's own number and 0.
    """
    while tried < threads:
        c = atomic_add(control, next_chunk_word(victim, iteration), 1)
        if c < (victim + 1) * chunks // threads:
            return c, victim, tried
        tried += 1
        victim = victim + 1 if victim + 1 < threads else 0
    return -1, victim, tried


@njit(**INLINE)
def release_workers(control, threads, chunks, iteration, barriers):
    """Let the threads that wait to be let in work from an iteration on, all at once, with all chunks to be claimed."""
    for t in range(threads):
        atomic_store(control, next_chunk_word(t, iteration), t * chunks // threads)
    atomic_store(control, BARRIERS, barriers)
    atomic_store(control, ENTERED, iteration + 1)


@njit(**INLINE)
def let_time_pass(looks):
    """Wait after so many looks in vain, the longer the more there were; return one more."""
    if looks < LONG_SPINS:
        pause()
    elif looks < LONG_SPINS + YIELDS:
        yield_core()
    else:
        sleep(smaller(looks - LONG_SPINS - YIELDS, LONGEST_SLEEP))
    return looks + 1


@njit(**INLINE)
def lost_too_much(waited, elapsed):
    """Return whether thread 0 should go on alone: it lost time at barriers, and more of it than it had for all else."""
    return waited > MAX_WAIT_CYCLES and 2 * waited > elapsed


@njit(**INLINE)
def report(control, thread, outcome):
    """Write why the team stops, as thread 0 alone does."""
    if thread == 0:
        atomic_store(control, OUTCOME, outcome)


@njit(**INLINE)
def barrier(control, target, yields, patience):
    """Wait until the team has come to barriers `target` times in all; what was written before it is seen after it.

    `target` is the number of threads times the number of barriers so far, so the counter never goes back and one word
    serves every barrier. `patience` is how often it looks before it gives its core away. `yields` is at how many
    barriers this thread has waited so long that it gave its core away; return it, one more if it was so at this one.
    The fourth time, and at 8, 16, 32 and so on, it sleeps first: two new threads may have begun on the same core while
    another one is idle, and a thread that wakes is placed anew. (A sleep takes longer than a short iteration, and
    shares that differ by chance make many threads late: hence ever more seldom.)
    """
    if atomic_add(control, ARRIVED, 1) + 1 < target:
        spins = 0
        while atomic_load(control, ARRIVED) < target:
            spins += 1
            if spins < patience:
                pause()
            elif spins == patience:
                yields += 1
                if yields >= 4 and yields & (yields - 1) == 0:  # a power of two
                    sleep(1)
            else:
                yield_core()
    return yields
