"""Settings for pytest: OpenBLAS chooses its own kernels, warnings of peers pass, the environment is shown."""

from pathlib import Path

import pytest

from bench import environment

READ_TOO_EARLY = environment.clear_openblas()
HERE = Path(__file__).parent


def pytest_report_header(config):
    lines = environment.as_lines(environment.describe())
    if READ_TOO_EARLY:
        lines.append(
            f"{', '.join(READ_TOO_EARLY)} was read by OpenBLAS before it could be removed, so peers look slow; unset it"
        )
    return ["bench: " + line for line in lines]


def pytest_collection_modifyitems(items):
    # The project turns warnings into errors, but cannot answer for those of the peers.
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings("ignore"))


@pytest.fixture
def run_peer(benchmark):
    """Return a function that times a peer: whole runs, after a first one that has reached the right cost."""
    from bench import measure, peers

    def run(name, case, dtype, threads):
        try:
            job = measure.prepare(name, case, dtype, threads)
        except peers.Unavailable as error:
            pytest.skip(f"{name}: {error}")
        benchmark.group = f"{case.name} {dtype}"
        benchmark.extra_info.update(peer=name, dtype=dtype, threads=threads or "all", iterations=case.iterations)
        with measure.thread_limit(threads):
            benchmark.pedantic(job, rounds=measure.ROUNDS, iterations=1)

    return run
