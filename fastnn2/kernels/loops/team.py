"""How the threads of a team work together: atomics, waiting, calls, stealing of chunks, the barrier.

A *team* is one kernel call on each of the threads of a job, all with the same control words (see
:mod:`control_words`). A thread that waits first spins, then yields its core, then sleeps.

- The barrier is one counter, ARRIVED, which never goes back. Each thread adds 1 to it, and waits until it reaches the
  number of arrivals at all barriers so far. The additions are sequentially consistent and the counter is polled with
  acquire loads, so all that any thread wrote before a barrier is visible to all threads after it.
- Workers, the threads other than 0, wait at the start of a training kernel for thread 0, which begins its calls
  (:func:`begin_call`) or releases all workers at once (:func:`release_workers`).
- A thread takes the next chunk of a range by adding 1 to the range's control word (:func:`steal_chunk`), so each chunk
  is taken once. It does not matter by which thread: each chunk has a gradient of its own, and the loop sums these in
  a fixed order.

All that kernels ask of the system or the processor at run time is in this file, with a fallback where it is
missing; only the floating-point mode is in :mod:`float_mode`. The system is that which a module is compiled for, not
the one that compiles it.
"""

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from fastnn2.kernels.shared.control_words import (
    ARRIVED,
    BARRIERS,
    CALLS_DONE,
    ENTERED,
    NEXT_CHUNKS,
    OUTCOME,
    PAUSED,
    READY,
    SERIAL_FROM,
    SHUT_DOWN,
    STOP,
    WORD,
)
from fastnn2.kernels.shared.tuning import MAX_WAIT_CYCLES
from fastnn2.kernels.simd.blocks import smaller
from fastnn2.kernels.simd.target import is_windows, is_x86
from fastnn2.kernels.simd.vector import INLINE, address, declare

# A thread polls a counter this often before it yields its core. A barrier among running threads takes fewer polls; if
# another process has the core of a thread, to spin on would keep that thread from running. LONG_SPINS is for loops
# whose threads' shares of the work differ by several microseconds.
SPINS = 200
LONG_SPINS = 2000
# A thread that waits for a call then yields its core MAX_YIELDS times, which takes some milliseconds, before it sleeps.
# Each sleep is a microsecond longer, up to MAX_SLEEP; then the thread keeps its core busy for 2 % of the time. In a
# pause, whose end should not find it asleep for long, all sleeps are of PAUSE_SLEEP.
MAX_YIELDS, MAX_SLEEP, PAUSE_SLEEP = 10_000, 1000, 200
INT32 = ir.IntType(32)


@intrinsic
def atomic_add(typingctx, array, word, value):
    """Add `value` to ``array[word]`` in place and return the old value; sequentially consistent."""

    def codegen(context, builder, signature, args):
        pointer = _word(context, builder, signature, args)
        return builder.atomic_rmw("add", pointer, context.cast(builder, args[2], value, types.int64), "seq_cst")

    return types.int64(array, word, value), codegen


@intrinsic
def atomic_load(typingctx, array, word):
    """Return ``array[word]`` with acquire order: what its writer wrote before that value is visible from here on."""

    def codegen(context, builder, signature, args):
        return builder.load_atomic(_word(context, builder, signature, args), "acquire", 8)

    return types.int64(array, word), codegen


@intrinsic
def atomic_store(typingctx, array, word, value):
    """Write ``array[word] = value`` in place with release order: after all that this thread wrote before."""

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
    """Tell the processor that this is a spinning loop (x86; elsewhere nothing)."""

    def codegen(context, builder, signature, args):
        if is_x86(builder.module):
            function_type = ir.FunctionType(ir.VoidType(), [])
            builder.call(declare(builder.module, function_type, "llvm.x86.sse2.pause"), [])
        return context.get_dummy_value()

    return types.void(), codegen


def _call(builder, name, result, *arguments):
    """Build a call of a function of the C library, or of kernel32 on Windows, which every process has."""
    function_type = ir.FunctionType(result, [value.type for value in arguments])
    builder.call(declare(builder.module, function_type, name), arguments)


def _yield(builder):
    _call(builder, "SwitchToThread" if is_windows(builder.module) else "sched_yield", INT32)


def _sleep(builder, microseconds):
    if is_windows(builder.module):
        milliseconds = builder.udiv(builder.add(microseconds, INT32(999)), INT32(1000))
        _call(builder, "Sleep", ir.VoidType(), milliseconds)
    else:
        _call(builder, "usleep", INT32, microseconds)


@intrinsic
def yield_core(typingctx):
    """Let another thread run on this core."""

    def codegen(context, builder, signature, args):
        _yield(builder)
        return context.get_dummy_value()

    return types.void(), codegen


@intrinsic
def sleep(typingctx, microseconds):
    """Sleep for `microseconds` and 50 to 100 more; the thread may wake on another core.

    Windows sleeps for whole milliseconds, here rounded up, and up to 15 more.
    """

    def codegen(context, builder, signature, args):
        _sleep(builder, context.cast(builder, args[0], microseconds, types.int32))
        return context.get_dummy_value()

    return types.void(microseconds), codegen


@intrinsic
def sleep_or_yield(typingctx, microseconds):
    """Sleep for `microseconds`, as :func:`sleep`; but yield where the system has no sleep as short, as Windows.

    There, a core that is idle takes a thread that waits for another core, so no thread has to wake for that.
    """

    def codegen(context, builder, signature, args):
        duration = context.cast(builder, args[0], microseconds, types.int32)
        if is_windows(builder.module):
            with builder.if_else(builder.icmp_unsigned("<", duration, INT32(1000))) as (is_short, is_long):
                with is_short:
                    _yield(builder)
                with is_long:
                    _sleep(builder, duration)
        else:
            _sleep(builder, duration)
        return context.get_dummy_value()

    return types.void(microseconds), codegen


@intrinsic
def cycles(typingctx):
    """Return the processor's time stamp counter, which counts at about its nominal clock (x86; elsewhere 0)."""

    def codegen(context, builder, signature, args):
        if not is_x86(builder.module):
            return context.get_constant(types.int64, 0)
        function_type = ir.FunctionType(ir.IntType(64), [])
        function = declare(builder.module, function_type, "llvm.readcyclecounter")
        return builder.call(function, [])

    return types.int64(), codegen


@njit(**INLINE)
def begin_call(control, thread, call, max_yields):
    """Begin call number `call`, counted from 1, in thread 0, or wait for it in a worker; return whether it takes place.

    It does not if thread 0's caller has set SHUT_DOWN, at the end or after a signal, or if thread 0 finds STOP. The
    wait may be long, as thread 0's caller does other work between two calls (for `max_yields` see :func:`back_off`).
    When a worker fails, STOP is set first and then ARRIVED, so that no barrier holds any more; so thread 0 reads
    ARRIVED before it looks at STOP.
    """
    if thread == 0:
        atomic_store(control, BARRIERS, atomic_load(control, ARRIVED))
        if atomic_load(control, STOP) != 0:
            atomic_store(control, ENTERED, SHUT_DOWN)
            return False
        atomic_store(control, ENTERED, atomic_load(control, ENTERED) + 1)
        return True
    return wait_for_call(control, call, max_yields) >= call


@njit(**INLINE)
def wait_for_release(control):
    """Wait in a worker until thread 0 releases it; return the iteration from which it works, below 0 for none."""
    atomic_add(control, READY, 1)
    return wait_for_call(control, 1, MAX_YIELDS) - 1


@njit(**INLINE)
def wait_for_call(control, call, max_yields):
    """Wait until ENTERED is at least `call`, or SHUT_DOWN; return it. For `max_yields` see :func:`back_off`."""
    polls = 0
    while 0 <= atomic_load(control, ENTERED) < call:
        polls = back_off(polls, max_yields)
    return atomic_load(control, ENTERED)


@njit(**INLINE)
def end_call(control, thread, threads, max_yields):
    """End a call: thread 0 waits until all workers have come here; for `max_yields` see :func:`back_off`.

    Its caller reads and changes the arrays that they write and read, and they may still be in their last update.
    """
    if thread != 0:
        atomic_add(control, CALLS_DONE, 1)
        return
    polls = 0
    while atomic_load(control, CALLS_DONE) < atomic_load(control, ENTERED) * (threads - 1):
        polls = back_off(polls, max_yields)


@njit(**INLINE)
def next_chunk_word(thread, iteration):
    """Return the index of the control word for the next chunk (or part) of a thread's range in an iteration (or round).

    There are two words per thread, used in turn: a thread sets up the one for the next iteration while others still
    take chunks of this one.
    """
    return NEXT_CHUNKS + (2 * thread + iteration % 2) * WORD


@njit(**INLINE)
def steal_chunk(control, iteration, chunks, threads, victim, tried):
    """Take a chunk from the range of thread `victim`, or of the next thread that has any left.

    Return (c, victim, tried): the chunk, below 0 if none is left in any range; the thread from whose range it is; and
    how many ranges this thread has found empty. The caller passes the last two again in the same iteration; it begins
    with its own number and 0.
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
    """Release all workers at once: they begin with `iteration`, in which no chunk is taken yet.

    `barriers` is the number of arrivals at barriers before it.
    """
    for t in range(threads):
        atomic_store(control, next_chunk_word(t, iteration), t * chunks // threads)
    atomic_store(control, BARRIERS, barriers)
    atomic_store(control, ENTERED, iteration + 1)


@njit(**INLINE)
def back_off(polls, max_yields):
    """Wait a little, the longer the more `polls` were in vain; return ``polls + 1``.

    A thread that waits spins, then yields its core `max_yields` times, then sleeps. Only while it sleeps does the
    system move a thread to its core that waits for another core.
    """
    if polls < LONG_SPINS:
        pause()
    elif polls < LONG_SPINS + max_yields:
        yield_core()
    else:
        sleep_or_yield(smaller(polls - LONG_SPINS - max_yields, MAX_SLEEP))
    return polls + 1


@njit(**INLINE)
def report(control, thread, outcome):
    """Write why the team stops to OUTCOME, in thread 0 only."""
    if thread == 0:
        atomic_store(control, OUTCOME, outcome)


@njit(**INLINE)
def barrier(control, target, yields, max_spins):
    """Arrive at a barrier and wait until there are `target` arrivals in all: number of threads times barriers so far.

    All that a thread wrote before the barrier is visible to all threads after it. After `max_spins` polls a thread
    yields its core. `yields` is the number of barriers at which this thread did so; it is returned, one larger if it
    did so here. If it is then 4, 8, 16 or a higher power of two, the thread first sleeps: two new threads may have
    begun on the same core while another core is idle, and the system chooses a core for a thread that wakes. (These
    sleeps become rarer, as each takes longer than a short iteration, and threads also wait if their shares of the work
    happen to differ.) In a pause, which may be long, it sleeps after many yields.
    """
    if atomic_add(control, ARRIVED, 1) + 1 < target:
        spins = 0
        while atomic_load(control, ARRIVED) < target:
            spins += 1
            if spins < max_spins:
                pause()
            elif spins == max_spins:
                yields += 1
                if yields >= 4 and yields & (yields - 1) == 0:  # a power of two
                    sleep_or_yield(1)
            elif spins < MAX_YIELDS or atomic_load(control, OUTCOME) != PAUSED:
                yield_core()
            else:
                sleep(PAUSE_SLEEP)
    return yields


@njit(**INLINE)
def barrier_or_farewell(control, thread, target, yields, max_spins, may_drop_workers, index, waited, begin):
    """Pass a barrier as :func:`barrier`, at which thread 0 may decide to go on alone; return (yields, waited).

    It does so if it has waited at barriers for long, and longer than it worked: other processes want the cores, and at
    each barrier the team waits for a time slice. SERIAL_FROM is then `index`, that of the iteration or mini-batch, and
    must stay so until all workers have seen it: alone, a thread 0 passes `may_drop_workers` as 0.
    `waited` are the cycles that it has waited, and `begin` is when its work began (see :func:`cycles`).
    """
    now = cycles()
    if may_drop_workers and thread == 0 and waited > MAX_WAIT_CYCLES and 2 * waited > now - begin:
        atomic_store(control, SERIAL_FROM, index)
    yields_before, yields = yields, barrier(control, target, yields, max_spins)
    if yields != yields_before:
        waited += cycles() - now
    return yields, waited
