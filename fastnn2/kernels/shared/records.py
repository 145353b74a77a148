"""The record of each kernel; a new option of a kernel is one line here, and nowhere else.

To kernels all arrays are flat. Unless a comment says otherwise, what belongs to a thread, a chunk or a part begins on a
128-byte boundary. G is the number of lanes of a group, S that of the rows of scratch.
"""

from fastnn2.kernels.shared.record import Float, Floats, Int, Ints, Reals, Record, Records, Words
from fastnn2.kernels.shared.tabular_records import JobsRecord, TabularOutputsRecord, TabularRecord

DTYPES = ("float64", "float32")


class NetworkRecord(Record):
    """The shape of a network."""

    d: Int  # inputs
    h: Int  # hidden units
    o: Int  # outputs


class TeamRecord(NetworkRecord):
    """What every thread of a team is given, for a training run."""

    control: Ints  # see control_words
    thread: Int  # the number of this thread; 0 is the caller's
    threads: Int  # of the team
    n: Int  # samples
    has_weights: Int  # whether weights are read; else they may be any array


class FitRecord(TeamRecord):
    """Gradient descent over all samples: some `iterations` with one `learning_rate`.

    X, Y and weights are in groups (see nn/layers.py).
    """

    iterations: Int
    X: Reals  # (groups, d, G)
    Y: Reals  # (groups, o, G)
    weights: Reals  # (groups, G)
    params: Reals  # two sets, used in turn: those of iteration j are in set j mod 2; zeros follow each set
    l2: Floats  # the L2 penalty of each parameter, stored as one set of params
    has_l2: Int  # whether a penalty is above 0
    gradients: Floats
    A1: Reals
    dZ2: Reals  # for this thread, of a tile or batch
    scratch: Reals  # (S, G), for this thread
    costs: Floats  # (iterations,), written
    learning_rate: Float
    total_weight: Float  # sum of the weights, or n


class TrainRecord(FitRecord):
    """loops/train.py, where the threads share the samples.

    params is (2, params_stride), for this thread unless `shared`. gradients is (2, chunks, gradients_stride), or
    (1, ...) if `shared`, with the cost of a chunk as the last number of its gradient, and then room for sums. A1 is
    (tile_groups, h, G) and dZ2 (tile_groups, o, G), both for this thread.
    """

    shared: Int  # whether all threads share the parameters, and each updates a range of them
    chunks: Int  # of all threads together
    tile_groups: Int  # groups of a tile
    stealing: Int  # whether threads take chunks of each other's ranges
    may_drop_workers: Int  # whether thread 0 may go on alone
    params_of_thread_0: Reals  # the initial parameters are in set 0
    params_stride: Int  # numbers of one set of params
    first: Int  # the range [first, last) of parameters that this thread updates
    last: Int
    gradients_stride: Int  # numbers of one gradient
    sums_offset: Int  # in gradients: room for half as many sums as gradients are added after the barrier, unless shared


class TrainWideRecord(FitRecord):
    """loops/train_wide.py, where the threads share the hidden units.

    params is (2, parts, stride) for all threads, gradients (parts, stride). A batch has B groups or fewer. A1 is
    (B, h, G) for all threads, part after part, each (groups, units, G); dZ2 is (B, o, G).
    """

    parts: Int  # of all threads together
    batches: Int  # of an iteration
    stride: Int  # numbers of one part of params, l2 and gradients
    penalties: Floats  # (2, parts), those of iteration j in set j mod 2; on no boundary
    Z2: Reals  # (2, parts, Z2_stride), of each part for a batch, written in round r to set r mod 2
    Z2_stride: Int  # numbers of one part of Z2
    db2: Floats  # (o,), for this thread


class NetworkJobRecord(TrainRecord):
    """loops/networks.py: one of many networks, each trained by the kernel of TrainRecord, as a team of one thread.

    Python leaves what belongs to a thread to the kernel: control, params, l2, gradients, A1, dZ2, scratch, X, Y and
    weights. A source is a matrix (rows, n): row r of sample s is ``source[r * stride + s * step]``; or, with step 0, it
    is in groups already. On no boundary, unless in groups.
    """

    entry: Int  # the address of the kernel
    packed: Reals  # (count,): the initial parameters, and then those that were reached; on no boundary
    count: Int  # parameters
    alpha: Float  # l2 of the weights
    X_source: Reals  # (d, n)
    X_stride: Int  # numbers from one row to the next
    X_step: Int  # numbers from one sample to the next
    Y_source: Reals  # (o, n)
    Y_stride: Int  # the same for Y
    Y_step: Int  # the same for Y
    weight_source: Reals  # (1, n); not read without has_weights
    weight_step: Int  # the same for weights; without has_weights 0
    keeps_costs: Int  # whether `costs` is given; else it is the thread's, and only the last one is kept
    completed: Int  # iterations, written
    outcome: Int  # see control_words, written; RUNNING before
    last_cost: Float  # written: the last finite one, where there is one


class NetworksRecord(Record):
    """loops/networks.py: networks of which each thread takes the next.

    The buffers are for this thread, each as large as any of the networks needs it.
    """

    row_class = NetworkJobRecord

    control: Ints  # of all threads, see control_words
    networks: Records  # (networks,)
    networks_count: Int  # of this call
    own_control: Ints  # as a team of one; STOP is set in it, too
    params: Reals  # two sets
    l2: Floats  # l2, gradients, A1, dZ2 and scratch are as in TrainRecord
    gradients: Floats
    A1: Reals
    dZ2: Reals
    scratch: Reals
    costs: Floats  # of a network that keeps only the last one
    X_groups: Reals  # X_groups, Y_groups and weight_groups are for samples that are not in groups yet
    Y_groups: Reals
    weight_groups: Reals


class PiecesRecord(TeamRecord):
    """Cost and gradient of a block, which has some groups of all n samples.

    A1 (tile_groups, h, G), dZ2 (tile_groups, o, G) and scratch (S, G) are for this thread.
    """

    chunks: Int  # of all samples
    first_chunk: Int  # that of the first gradient
    tile_groups: Int  # groups of a tile
    pieces: Ints  # (piece_count, PIECE_WORDS), see choices
    piece_count: Int
    X: Reals  # (groups, d, G), for all threads and the block
    Y: Reals  # (groups, o, G)
    weights: Reals  # (groups, G)
    params: Reals  # packed; zeros follow
    gradients: Floats  # (chunks, gradients_stride), with the cost of a chunk as the last number of its gradient
    gradients_stride: Int
    A1: Reals
    dZ2: Reals
    scratch: Reals


class BlockSumsRecord(PiecesRecord):
    """loops/block_sums.py. With DROP, X, Y and weights are for this thread and a tile."""

    keep: Int  # DROP, KEEP or KEPT of choices
    X_rows: Reals  # (rows, d), the rows of the pieces, as Y_rows and weight_rows; on no boundary
    Y_rows: Reals  # (rows, o)
    weight_rows: Reals  # (rows,)


class LossSumsRecord(PiecesRecord):
    """loops/loss_sums.py. The sum of a chunk's weights is the number before its loss."""

    activation: Int  # see choices, as for loss
    loss: Int


class MeanGradientRecord(Record):
    """loops/loss_sums.py: mean loss and gradient, from the sums over all samples."""

    chunks: Int  # of all samples
    sums: Floats  # (stride,): the sum of all gradients, and of all losses as its last number
    stride: Int  # numbers of a sum
    params: Reals  # packed; zeros follow
    count: Int  # parameters
    l2: Floats  # the L2 penalty of each parameter
    total_weight: Float  # what the mean is divided by
    gradient: Reals  # written; on the boundary of params
    result: Floats  # (1,), written: the mean loss; on no boundary


class DescendRecord(Record):
    """loops/block_sums.py: the step after all blocks; chunks, gradients and gradients_stride as in PiecesRecord."""

    chunks: Int
    gradients: Floats  # overwritten
    gradients_stride: Int
    shared: Int  # whether costs are added one after the other, as in TrainRecord where threads share parameters
    params: Reals  # (params_stride,), packed; zeros follow
    new: Reals  # (params_stride,), written
    params_stride: Int
    count: Int  # parameters, a multiple of UPDATE_WIDTH
    l2: Floats  # (params_stride,), the L2 penalty of each parameter
    has_l2: Int  # whether a penalty is above 0
    learning_rate: Float  # of this step
    total_weight: Float  # sum of the weights, or n
    results: Floats  # (2,), written: the cost, and 1 if all new parameters are finite, else 0; on no boundary


class LayOutRecord(Record):
    """loops/block_sums.py: from rows to groups."""

    matrix: Reals  # (m, columns); on no boundary
    columns: Int
    first: Int  # row
    count: Int  # rows
    groups: Reals  # (groups, columns, G), written from number `group` on
    group: Int
    no_order: Ints  # (1,), not read


class BatchesRecord(TeamRecord):
    """Epochs of mini-batches for the estimators.

    X_tile (groups, d, G), Y_tile (groups, o, G), weight_tile (groups, G), A1, dZ2 and scratch (S, G) are for this
    thread.
    """

    batch: Int  # samples of a mini-batch
    epochs: Int
    activation: Int  # see choices, as for loss and optimizer
    loss: Int
    optimizer: Int
    X: Reals  # (n, d), or the values of sparse rows
    columns: Ints  # of sparse rows, as starts: see nn/rows.py
    starts: Ints
    is_sparse: Int  # whether X is
    Y: Reals  # (n, o)
    weights: Reals  # (n,)
    order: Ints  # (epochs, n): the order in which each epoch takes the samples
    has_order: Int  # whether order is read
    params: Reals
    stride: Int  # of gradients, and of what has one set for each part
    l2: Floats  # the L2 penalty of each parameter
    gradients: Floats
    penalties: Floats  # on no boundary
    first_moments: Reals  # see nn/optimizers.py, as for second_moments, beta_1, beta_2, epsilon and nesterov
    second_moments: Reals
    rates: Floats  # (mini-batches of all epochs,), the learning rates
    beta_1: Float
    beta_2: Float
    epsilon: Float
    nesterov: Int
    losses: Floats  # (epochs,), written
    X_tile: Reals
    Y_tile: Reals
    weight_tile: Reals
    A1: Reals
    dZ2: Reals
    scratch: Reals


class EpochsRecord(BatchesRecord):
    """loops/epochs.py, where the threads share the samples.

    params, l2 and moments are (parameters,). gradients is (chunks, stride), with the sum of weights and the loss of the
    chunk in its last two numbers; penalties (chunks,). The tiles, A1 and dZ2 are for one tile. With KEEP and KEPT,
    X_tile, Y_tile and weight_tile hold the tiles of all mini-batches, for all threads.
    """

    chunks: Int  # of a mini-batch
    tile_groups: Int  # groups of a tile
    keep: Int  # DROP, KEEP or KEPT of choices


class UnitEpochsRecord(BatchesRecord):
    """loops/unit_epochs.py, where the threads share the hidden units.

    params, l2, gradients and moments are (parts, stride); penalties (2, parts). The tiles and dZ2 are for a whole
    mini-batch; A1 is (groups, h, G), part after part, each (groups, units, G).
    """

    parts: Int  # of all threads together
    Z2: Reals  # (2, parts, Z2_stride), of each part or, where summed before the barrier, each half, at its first part
    Z2_stride: Int  # numbers of one part of Z2
    db2: Floats  # (o,), for this thread


class InferRecord(NetworkRecord):
    """The outputs of samples, of which each thread takes the next block.

    X, columns, starts and is_sparse, activation and loss are as in BatchesRecord; params are packed. X_tile, A1 and y
    are for one tile, and for this thread.
    """

    control: Ints  # see control_words
    n: Int  # samples
    block: Int  # samples of a block
    tile_groups: Int  # groups of a tile
    activation: Int
    loss: Int
    params: Reals
    X: Reals
    columns: Ints
    starts: Ints
    is_sparse: Int
    out: Reals  # (n, o), written
    X_tile: Reals
    A1: Reals
    y: Reals


class ForwardRecord(NetworkRecord):
    """Forward pass with packed params as a step of its own: Z1, A1 (groups, h, G), Z2, y (groups, o, G) are written."""

    groups: Int
    params: Reals
    X: Reals  # (groups, d, G)
    Z1: Reals
    A1: Reals
    Z2: Reals
    y: Reals


class CostRecord(Record):
    """The cost of n samples as a step of its own, from y and Y (groups, o, G)."""

    o: Int
    n: Int
    y: Reals
    Y: Reals
    weights: Reals  # (groups, G)
    has_weights: Int  # whether weights are read
    total: Floats  # (1,), written


class BackwardRecord(NetworkRecord):
    """Backward pass as a step of its own; y becomes dZ2.

    params, X and A1 are as in ForwardRecord; n, y, Y, weights and has_weights as in CostRecord.
    """

    n: Int
    tile_groups: Int  # groups of a tile
    params: Reals
    X: Reals
    Y: Reals
    weights: Reals
    has_weights: Int
    A1: Reals  # overwritten
    y: Reals
    scratch: Reals  # (S, G), overwritten
    gradient: Floats  # (parameters,); the sums over the samples are added


class UpdateRecord(Record):
    """The update as a step of its own: new = params - learning_rate (gradient + l2 params)."""

    params: Reals
    new: Reals  # written
    count: Int  # parameters, a multiple of UPDATE_WIDTH
    gradient: Floats
    l2: Floats
    learning_rate: Float


class ShuffleRecord(Record):
    """Orders of samples, each the one before, shuffled as NumPy's legacy generator does it."""

    n: Int  # samples
    epochs: Int  # orders
    state: Words  # (625,), MT19937: 624 numbers, and how many of them are used
    drawn: Words  # (624,), overwritten
    orders: Ints  # (1 + epochs, n), written but for the first


# The entries, which are the kernels that Python calls.
RECORDS: dict[str, type[Record]] = {
    "train": TrainRecord,
    "train_narrow": TrainRecord,
    "train_wide": TrainWideRecord,
    "networks": NetworksRecord,
    "forward": ForwardRecord,
    "cost": CostRecord,
    "backward": BackwardRecord,
    "update": UpdateRecord,
    "block_sums": BlockSumsRecord,
    "narrow_sums": BlockSumsRecord,
    "descend": DescendRecord,
    "lay_out": LayOutRecord,
    "loss_sums": LossSumsRecord,
    "mean_gradient": MeanGradientRecord,
    "epochs": EpochsRecord,
    "unit_epochs": UnitEpochsRecord,
    "infer": InferRecord,
    "jobs": JobsRecord,
    "tabular": TabularRecord,
    "tabular_outputs": TabularOutputsRecord,
    "shuffle": ShuffleRecord,
}
