"""What goes wrong with a cluster."""


class ClusterError(RuntimeError):
    """The cluster cannot do what it was asked for: its workers, its scheduler or the samples are gone.

    Attributes
    ----------
    training : tuple, only once training has begun
        ``(params, cost_)``: the parameters after the last complete iteration, and the costs up to then.
    """
