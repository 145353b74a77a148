"""Many Dask workers in one process: ``python -m bench.scale_workers ADDRESS COUNT``, until their scheduler is gone."""

import asyncio
import contextlib
import logging
import subprocess
import sys
from pathlib import Path

from distributed import Client, LocalCluster, Worker

PATIENCE = 60  # seconds, until all have come or gone


async def serve(address, count):
    workers = [
        await Worker(address, nthreads=1, memory_limit=0, heartbeat_interval="5s", dashboard=False)
        for _ in range(count)
    ]
    await asyncio.gather(*(worker.finished() for worker in workers))


@contextlib.contextmanager
def many_workers(count):
    """A client whose cluster has this number of workers, in a process of their own."""
    with (
        LocalCluster(n_workers=0, dashboard_address=":0", silence_logs=logging.ERROR) as cluster,
        Client(cluster) as client,
    ):
        command = [sys.executable, "-m", "bench.scale_workers", cluster.scheduler_address, str(count)]
        process = subprocess.Popen(command, cwd=Path(__file__).parents[1])
        try:
            client.wait_for_workers(count, timeout=PATIENCE)
            yield client
        finally:
            cluster.close()
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


if __name__ == "__main__":
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    asyncio.run(serve(sys.argv[1], int(sys.argv[2])))
