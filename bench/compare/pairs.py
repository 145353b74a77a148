"""Ratios of pairs: how many are taken, the interval of their median, and the verdict."""

import statistics
from dataclasses import dataclass

from scipy.stats import quantile_test

from bench import measure

BATCH, MOST_PAIRS = 25, 200
STARTS = 3  # of the processes of both sides, for the first batch
CONFIDENCE = 0.95
WIDEST = 0.06  # an interval wider than this share of its median counts as not measured
SLOWER, MEAN_SLOWER = 1.03, 1.01  # limits of a row's median and of the geometric mean
MEASURED, FAILED, NOT_MEASURED = "measured", "failed", "not measured"


@dataclass(frozen=True)
class Estimate:
    """The median of the ratios of a row, and its interval."""

    pairs: int
    median: float
    low: float
    high: float
    quartiles: tuple[float, float]

    @classmethod
    def of(cls, ratios):
        """Return the estimate from ratios. The interval is exact for any distribution, from order statistics.

        >>> Estimate.of([1.0 + i / 100 for i in range(25)])
        Estimate(pairs=25, median=1.12, low=1.07, high=1.17, quartiles=(1.06, 1.18))
        """
        interval = quantile_test(ratios, q=1.0, p=0.5).confidence_interval(CONFIDENCE)
        low, high = float(interval.low), float(interval.high)
        return cls(len(ratios), float(statistics.median(ratios)), low, high, tuple(measure.quartiles(ratios)))

    @property
    def is_narrow(self):
        """Whether the interval is narrow enough; False where it is NaN, as with fewer than six ratios."""
        return self.high - self.low <= WIDEST * self.median

    @property
    def verdict(self):
        """What the row counts as; a wide interval fails only if it lies above the limit as a whole."""
        if self.is_narrow:
            return FAILED if self.median > SLOWER and self.low > 1.0 else MEASURED
        return FAILED if self.low > SLOWER else NOT_MEASURED


def take(processes, batch=BATCH, most=MOST_PAIRS, starts=STARTS):
    """Take pairs until the interval is narrow enough, or there are `most`.

    A row that looks slower after any batch gets all pairs, so that neither a failure nor a later pass is the chance of
    one small sample.

    Parameters
    ----------
    processes : callable
        Returns a context manager that starts the processes of both sides. Its value ``pair(number)`` times both, in an
        order that alternates with `number`, and returns the seconds of this side and of the other. The first batch has
        `starts` starts and each further batch one, as addresses of code and data differ from process to process, which
        alone can change the speed by some percent.

    Returns
    -------
    Estimate, list of (float, float)
    """
    times, looked_slower = [], False
    while True:
        numbers = range(len(times), len(times) + batch)
        parts = 1 if times else starts
        for part in range(parts):
            with processes() as pair:
                times += [pair(number) for number in numbers[part * batch // parts : (part + 1) * batch // parts]]
        found = Estimate.of([this / other for this, other in times])
        looked_slower |= found.verdict == FAILED
        if (found.is_narrow and not looked_slower) or len(times) + batch > most:
            return found, times


def conclusion(rows):
    """Return the conclusion from all rows.

    Parameters
    ----------
    rows : list of dict
        With ``name``, ``verdict`` and, where there are any pairs, ``ratio``, the median.

    Returns
    -------
    dict
        Names of rows that ``failed`` or were ``not_measured``, the ``geometric_mean`` of the ratios of the others and
        of those that failed (None where there are none), and the ``exit_code``: 1 where a row failed, the mean is too
        large, or nothing was measured.
    """
    failed = [row["name"] for row in rows if row["verdict"] == FAILED]
    ratios = [row["ratio"] for row in rows if row["verdict"] != NOT_MEASURED and row.get("ratio")]
    mean = statistics.geometric_mean(ratios) if ratios else None
    return {
        "failed": failed,
        "not_measured": [row["name"] for row in rows if row["verdict"] == NOT_MEASURED],
        "geometric_mean": mean,
        "exit_code": int(bool(failed) or mean is None or mean > MEAN_SLOWER),
    }
