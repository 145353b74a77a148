"""The control words of a team: one int64 array, through which the threads of a job and its caller communicate.

Each word has cache lines of its own, so that threads that write different words do not slow each other down.
"""

from fastnn2.kernels.shared.tuning import ALIGNMENT

WORD = ALIGNMENT // 8
ARRIVED = 0 * WORD  # arrivals at barriers, of all threads together, since the job began
STOP = 1 * WORD  # set by the caller, or for a thread that failed: stop at the next tile, mini-batch or part
ABANDONED = 2 * WORD  # the iteration, mini-batch or round that some thread did not finish because of STOP
DIVERGED = 3 * WORD  # the iteration after which some thread found its new parameters not finite
COMPLETED = 4 * WORD  # finished iterations or epochs, written by thread 0
OUTCOME = 5 * WORD  # why the team stopped (see below), written by thread 0
SERIAL_FROM = 6 * WORD  # the iteration or mini-batch from which thread 0 works alone
BATCHES_DONE = 7 * WORD  # finished mini-batches, written by thread 0 at the end of a call
# Workers wait until thread 0 raises ENTERED, except in infer. In epochs and unit_epochs it is the number of calls that
# thread 0 has begun; in train, one more than the iteration at which the workers join; in train_wide, 1. SHUT_DOWN ends
# the wait of all workers: there is no further call, or they are not needed any more.
ENTERED = 8 * WORD
# ARRIVED as it was when this call began, when the others joined, or at the last barrier before a pause; by thread 0.
BARRIERS = 9 * WORD
CALLS_DONE = 10 * WORD  # how often a worker reached the end of a call
READY = 11 * WORD  # workers that wait for thread 0 to release them into train or train_wide
NEXT_BLOCK = 12 * WORD  # in infer: the next block of rows that nobody has taken yet; in block_sums: the next piece
NOT_FINITE = 13 * WORD  # in infer: whether one of the samples has a number that is infinite or NaN
# The cycles for which thread 0 has waited at barriers in all calls so far, and those in all: in epochs and unit_epochs,
# and in train at a pause.
WAITED = 14 * WORD
ELAPSED = 15 * WORD
# In train and train_wide: thread 0 leaves the kernel for a pause after the first iteration that finds as many finished,
# or more (see loops/pauses.py). NEVER is beyond them all; 0, written at any time, means after the present one.
PAUSE_AT = 16 * WORD
YIELDS = 17 * WORD  # barriers at which thread 0 has yielded its core, written at a pause
CONTROL_SIZE = 18 * WORD
# Behind these, for train and train_wide only, come two words per thread: the next chunk (or part) of the thread's range
# that nobody has taken yet, for iterations (or rounds) of even and of odd number. At the range's end, none is left.
NEXT_CHUNKS = CONTROL_SIZE
SHUT_DOWN = -1
NEVER = 1 << 62

# Values of OUTCOME. It is PAUSED while thread 0 is out of the kernel and the run is to go on.
RUNNING, FINISHED, INTERRUPTED, COST_NOT_FINITE, PARAMS_NOT_FINITE, PAUSED = -1, 0, 1, 2, 3, 4
