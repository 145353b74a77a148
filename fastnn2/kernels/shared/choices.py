"""Enumerations that callers pass to kernels as integers, as kernels have no strings."""

# The activation of the hidden layer; the loss, which implies the activation of the outputs; what the optimizer does
# with a gradient (GRADIENT: return it).
IDENTITY, LOGISTIC, TANH, RELU = 0, 1, 2, 3
LOG_LOSS, CROSS_ENTROPY, SQUARED_ERROR, POISSON = 0, 1, 2, 3
GRADIENT, SGD, ADAM = 0, 1, 2
# Whether the tiles of an epoch, or of a block, are kept: not kept; to be kept; kept by an earlier call.
DROP, KEEP, KEPT = 0, 1, 2

# The words of a piece of a block (see loops/block_sums.py): its chunk, its groups [FIRST, LAST) among those of all
# samples, and the number of its first group within the block.
CHUNK, FIRST, LAST, PLACE, PIECE_WORDS = 0, 1, 2, 3, 4
