"""Computes rows of results in a process of its own, which may be an emulated one; :mod:`emulation` starts it.

    python compute_rows.py < jobs

Jobs are a JSON list of names with numbers of threads, of which a row uses no more, whatever its name says. Each line of
the output is a JSON object: for each job first that it begins, and later its digest, the seconds, the kernels that it
asked for, and on how many threads the largest team ran. A row that fails has its error instead of a digest.
"""

import json
import sys
import time
from typing import Any

import numpy as np

threads = 1  # of the row that runs


def set_threads() -> None:
    """Let all rows use `threads`, also where they name another number, or none."""
    from fastnn2.threads import cores

    cores.usable_cores = lambda: threads  # before the modules that use it are imported

    import results_estimators

    import fastnn2

    fit, new_model = fastnn2.fit, results_estimators.new_model
    fastnn2.fit = lambda *arguments, **options: fit(*arguments, **options | {"n_threads": threads})
    results_estimators.new_model = lambda kind, _, options: new_model(kind, threads, options)


def record_kernels(kernels: set[str]) -> None:
    """Add the name and dtype of each kernel that is asked for."""
    from fastnn2.codegen import provider

    source = provider.origin()
    kernel = source.kernel

    def recorded(name: str, dtype: Any) -> Any:
        kernels.add(f"{name} {np.dtype(dtype).name}")
        return kernel(name, dtype)

    source.kernel = recorded


def record_threads(counts: list[int]) -> None:
    """Append the number of threads of each team."""
    from fastnn2.threads import native

    start = native.NativeThreads.start

    def recorded(self: Any) -> bool:
        counts.append(1 + len(self._jobs))
        return start(self)

    native.NativeThreads.start = recorded


def find_rows(jobs: list[tuple[str, int]]) -> list[tuple[Any, int]]:
    """Return rows by their names, with the numbers of threads. scikit-learn is imported only for its rows."""
    import results_fits

    counts = {count for _, count in jobs}
    found = {(row.name, count): row for row in results_fits.rows() for count in counts}
    if any(name.startswith(("estimator", "predictions")) for name, _ in jobs):
        import results_estimators

        import fastnn2

        assert fastnn2.MLPClassifier  # imported now, so that its first row does not take longer
        found |= {(row.name, count): row for row in results_estimators.rows() for count in counts}
    if not found.keys() >= set(jobs):
        import more_rows

        found |= {(row.name, count): row for count in counts for row in more_rows.rows(count)}
    return [(found[job], job[1]) for job in jobs]


def report(**content: Any) -> None:
    """Write a line at once: this process may be killed in the next row."""
    print(json.dumps(content), flush=True)


def main() -> None:
    """Compute the rows that the input names."""
    global threads
    kernels: set[str] = set()
    counts: list[int] = []
    set_threads()
    record_kernels(kernels)
    record_threads(counts)
    for row, threads in find_rows([(name, count) for name, count in json.load(sys.stdin)]):
        kernels.clear()
        counts[:] = [1]
        report(begins=(row.name, threads))
        start = time.perf_counter()
        try:
            result = {"digest": row.digest()}
        except Exception as error:
            result = {"error": f"{type(error).__name__}: {error}"}
        seconds = time.perf_counter() - start
        report(row=(row.name, threads), seconds=seconds, used=max(counts), kernels=sorted(kernels), **result)


if __name__ == "__main__":
    main()
