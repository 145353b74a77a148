"""The records of the tabular estimators' kernels; see :mod:`records`. H is the number of units with their padding.

T + 1 are the rows of a binned feature, as in nn/lookups.py.
"""

from fastnn2.kernels.shared.record import Float, Floats, Int, Ints, Reals, Record, Words


class JobsRecord(Record):
    """loops/jobs.py: jobs of which each thread takes the next."""

    control: Ints  # see control_words
    entry: Int  # the address of the kernel of all jobs
    addresses: Ints  # (count,), those of the records
    count: Int


class TabularShapeRecord(Record):
    """A network on encoded rows, and room for a batch of them.

    Packed parameters are the rows W (d, H), V (p, T + 1, H), C (.., H), b1 (H,) and W2 (o, H), and then b2 (o,). A
    batch is laid out as nn/lookups.py has it.
    """

    control: Ints  # see control_words
    d: Int  # numbers of a sample
    p: Int  # binned features
    q: Int  # categories
    o: Int  # outputs
    units: Int  # H
    v_offset: Int  # of V in the parameters; c_offset, b_offset, w2_offset and b2_offset are those of C, b1, W2, b2
    c_offset: Int
    b_offset: Int
    w2_offset: Int
    b2_offset: Int
    n: Int  # samples, of a training without those that are held out
    batch: Int  # the most samples of a batch
    loss: Int  # see choices
    X: Reals  # (samples, d); on no boundary, as all that has a row for each sample
    rows: Words  # (samples, p): the row of V
    fractions: Reals  # (samples, p)
    categories: Words  # (samples, q): the row of C
    E: Reals  # (p, T + 1, H)
    batch_X: Reals  # (batch, d)
    batch_rows: Words  # (p, batch)
    batch_fractions: Reals  # (p, batch)
    batch_categories: Words  # (q, batch)
    A: Reals  # (batch, H)
    Z2: Reals  # (groups, o, G)


class TabularRecord(TabularShapeRecord):
    """loops/tabular.py: the training of one network."""

    bins: Int  # T
    count: Int  # the length of the parameters, with their padding
    n_held: Int  # samples that are held out
    epochs: Int
    drop: Int  # a unit is dropped with probability drop / 256
    seed: Int  # of the random numbers
    Y: Reals  # (samples, o)
    weights: Reals  # (samples,)
    has_weights: Int  # whether weights are read
    order: Ints  # (n,): the samples of the training, shuffled in place
    held: Ints  # (n_held,): those that are held out
    params: Reals  # written: those after the last step
    best: Reals  # the parameters that are kept, written: the initial ones until an epoch is completed
    gradient: Reals  # of C, W2 and b2, where the parameters have them
    first_moments: Reals  # overwritten, as second_moments; both begin at 0
    second_moments: Reals
    rates: Floats  # (steps,), with the bias corrections of Adam
    beta_1: Float  # of Adam, as beta_2 and epsilon
    beta_2: Float
    epsilon: Float
    losses: Floats  # (epochs,), written
    held_losses: Floats  # (epochs,), written where there are held-out samples
    batch_Y: Reals  # (groups, o, G)
    batch_weights: Reals  # (groups, G)
    dZ: Reals  # (batch, H)
    db2: Floats  # (o,)
    bin_counts: Reals  # (T + 1, G)
    bin_totals: Reals  # (T + 1, G)


class TabularOutputsRecord(TabularShapeRecord):
    """loops/tabular_outputs.py: the outputs of several networks of one shape; the batch is for this thread.

    E is (members, p, T + 1, H).
    """

    members: Int  # networks
    params: Reals  # (members, stride)
    stride: Int  # numbers of the parameters of a network
    E_stride: Int  # numbers of the E of a network
    out: Reals  # (members, n, o), written
