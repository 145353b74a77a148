"""The control words of a team: how its threads and the caller who watches them tell each other where they are.

One int64 array for all threads of a run, each word on cache lines of its own.
"""

from fastnn2.kernels.shared.tuning import ALIGNMENT

WORD = ALIGNMENT // 8
ARRIVED = 0 * WORD  # how often a thread has come to a barrier
STOP = 1 * WORD  # set by whoever watches the team, or by a thread that failed: finish at the next tile, or part
ABANDONED = 2 * WORD  # the iteration, or round, that some thread did not finish because of STOP
DIVERGED = 3 * WORD  # the iteration whose update some thread found not to be finite
COMPLETED = 4 * WORD  # iterations done, written by thread 0
OUTCOME = 5 * WORD  # why the team stopped, written by thread 0
SERIAL_FROM = 6 * WORD  # the iteration after which thread 0 goes on without the others
BATCHES_DONE = 7 * WORD  # mini-batches done, written by thread 0 at the end
# How many calls of epochs thread 0 has begun, or one more than the iteration of train from which on all work, 1 in
# train_wide; SHUT_DOWN where no further call comes, or nobody is needed any more.
ENTERED = 8 * WORD
BARRIERS = 9 * WORD  # how often threads have come to barriers before this call, or before all work; by thread 0
PERSISTENT = 10 * WORD  # whether the others wait for another call of thread 0 when one is done
CALLS_DONE = 11 * WORD  # how often threads other than 0 came to the end of a call, where they stay
READY = 12 * WORD  # how many threads wait to be let into train or train_wide
CONTROL_SIZE = 13 * WORD
# Behind them, for train and train_wide: two words for each thread, the chunk or part of its range that is to be taken
# next, or one behind the range where none is left, in iterations or rounds with an even number and with an odd one.
NEXT_CHUNKS = CONTROL_SIZE
SHUT_DOWN = -1

# What OUTCOME says.
FINISHED, INTERRUPTED, COST_NOT_FINITE, PARAMS_NOT_FINITE = 0, 1, 2, 3
