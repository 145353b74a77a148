"""Bins of a numeric feature: their edges, and in which bin a value is and how far through."""

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

CLOSEST = 1e-12  # of the range: edges closer than this differ by rounding alone
# Up to so many edges between bins, comparing values with all of them is faster than a binary search, whose branches a
# processor cannot predict: 7 times for 15 edges.
MOST_COMPARED = 255


def quantile_edges(values: Array, n_bins: int) -> Array:
    """Return the edges of at most `n_bins` bins at quantiles of values (n,), strictly rising.

    Parameters
    ----------
    values : ndarray of float64 (n,)
        Finite, with at least two different ones.
    n_bins : int
        At least 1.

    Returns
    -------
    ndarray of float64 (n_edges,)
        From the least value to the greatest; 2 <= n_edges <= n_bins + 1.
    """
    quantiles = np.unique(np.quantile(values, np.linspace(0, 1, n_bins + 1)))
    closest = CLOSEST * (quantiles[-1] - quantiles[0])
    edges = [quantiles[0]]
    for edge in quantiles[1:-1]:
        if edge - edges[-1] > closest and quantiles[-1] - edge > closest:
            edges.append(edge)
    return np.array([*edges, quantiles[-1]])


def look_up(values: Array, edges: Array) -> tuple[Array, Array]:
    """Return the bins of values and the fractions of the way through them, both (n,).

    A value below the first edge is at the beginning of the first bin, one above the last edge at the end of the last
    bin. The fraction of NaN is NaN.
    """
    values = np.clip(values, edges[0], edges[-1])
    bins = _count_not_above(edges[1:-1], values)
    begins = edges[bins]
    return bins, (values - begins) / (edges[bins + 1] - begins)


def _count_not_above(edges: Array, values: Array) -> Array:
    """Return how many edges are not above each value (n,)."""
    if len(edges) > MOST_COMPARED:
        return np.searchsorted(edges, values, side="right")
    counts = np.zeros(len(values), dtype=np.uint8)
    is_not_above = np.empty(len(values), dtype=bool)
    for edge in edges:
        np.less_equal(edge, values, out=is_not_above)
        np.add(counts, is_not_above.view(np.uint8), out=counts)
    return counts.astype(np.intp)
