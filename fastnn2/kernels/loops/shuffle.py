"""Orders of samples, shuffled as NumPy's legacy generator shuffles them: MT19937, and a swap for each sample.

NumPy draws until a number is small enough, a branch that processors cannot predict; here such a swap has no effect.
"""

import numpy as np
from numba import njit

from fastnn2.kernels.simd.inlining import NOT_INLINED, forbid_inlining

LENGTH, SHIFT = 624, 397  # of the state of MT19937; SHIFT is how far ahead the number is that a new one is made of


@njit(**NOT_INLINED)
def shuffle(job):
    """Write the order of each epoch: the order of the one before, shuffled by ``RandomState.shuffle``.

    For the fields of `job` see :class:`~fastnn2.kernels.shared.records.ShuffleRecord`.
    """
    forbid_inlining()
    state, drawn, orders, n = job.state, job.drawn, job.orders, job.n
    used = np.int64(state[LENGTH])
    end = used  # of what is drawn already
    for row in range(n, n + n * job.epochs, n):
        for i in range(row, row + n):
            orders[i] = orders[i - n]
        last = n - 1  # is swapped with a place from 0 to `last`
        while last > 0:
            mask = 1
            while mask < last:
                mask = 2 * mask + 1
            while last > mask >> 1:
                if used == end:
                    if used == LENGTH:
                        used = 0
                        for i in range(LENGTH - SHIFT):
                            mixed = (np.int64(state[i]) & 0x80000000) | (np.int64(state[i + 1]) & 0x7FFFFFFF)
                            state[i] = np.int64(state[i + SHIFT]) ^ (mixed >> 1) ^ (-(mixed & 1) & 0x9908B0DF)
                        state[LENGTH] = state[0]  # follows the last
                        for i in range(LENGTH - SHIFT, LENGTH):
                            mixed = (np.int64(state[i]) & 0x80000000) | (np.int64(state[i + 1]) & 0x7FFFFFFF)
                            state[i] = np.int64(state[i + SHIFT - LENGTH]) ^ (mixed >> 1) ^ (-(mixed & 1) & 0x9908B0DF)
                    for i in range(LENGTH):
                        number = np.int64(state[i])
                        number ^= number >> 11
                        number ^= (number << 7) & 0x9D2C5680
                        number ^= (number << 15) & 0xEFC60000
                        drawn[i] = number ^ (number >> 18)
                    end = np.int64(LENGTH)
                place = np.int64(drawn[used]) & mask
                used += 1
                accepted = place <= last
                other = row + (place if accepted else last)
                orders[row + last], orders[other] = orders[other], orders[row + last]
                last -= accepted
    state[LENGTH] = used
