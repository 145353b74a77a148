"""What callers choose by number, as kernels have no strings."""

# The activation of the hidden layer; the loss, with the activation of the outputs that belongs to it; and what is done
# with a gradient.
IDENTITY, LOGISTIC, TANH, RELU = 0, 1, 2, 3
LOG_LOSS, CROSS_ENTROPY, SQUARED_ERROR, POISSON = 0, 1, 2, 3
GRADIENT, SGD, ADAM = 0, 1, 2
# Whether the tiles of an epoch are kept for the next one: no; yes; they were.
DROP, KEEP, KEPT = 0, 1, 2
