"""What the client asks of a cluster. Every wait has a limit, and every loss becomes an error that says what is lost."""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError
from typing import Any

import distributed

from fastnn2.dask.errors import ClusterError

POLL_SECONDS = 1.0  # between two looks at whether the cluster is still there
SHORT_SECONDS = 5.0  # the limit of a question that the scheduler answers at once
LOST = (CancelledError, asyncio.CancelledError)  # what Dask raises for a task that it has forgotten


class Cluster:
    """A client, and the longest time that it waits without progress: no task ends.

    Parameters
    ----------
    client : distributed.Client
    timeout : float
        In seconds.
    """

    def __init__(self, client: Any, timeout: float) -> None:
        if not isinstance(client, distributed.Client):
            raise TypeError(f"client is {type(client).__name__}; expected a dask.distributed.Client")
        if client.asynchronous:
            raise ValueError("client is asynchronous; expected one that waits: Client(..., asynchronous=False)")
        self.client, self.timeout = client, timeout
        self.check_alive()

    def check_alive(self) -> None:
        """Raise ClusterError unless the client is connected."""
        if self.client.status != "running":
            raise ClusterError(
                f"the client is {self.client.status}, not running: it was closed, or its scheduler is gone. Connect "
                "a new one"
            )

    def workers(self) -> dict[str, Any]:
        """Return what the scheduler knows of each worker, by address; wait for the first one."""
        deadline = time.monotonic() + self.timeout
        while True:
            found: dict[str, Any] = self.ask(self.client.scheduler.identity, n_workers=-1)["workers"]
            if found:
                return found
            if time.monotonic() >= deadline:
                raise ClusterError(f"no worker has come within {self.timeout:g} s; start one, or raise timeout")
            time.sleep(0.1)

    def ask(self, question: Callable[..., Any], **arguments: Any) -> Any:
        """Return the scheduler's answer to a question."""
        try:
            return self.client.sync(question, **arguments, callback_timeout=SHORT_SECONDS)
        except (TimeoutError, OSError, RuntimeError, ValueError, *LOST) as error:
            self.check_alive()
            raise ClusterError(f"the scheduler does not answer: {type(error).__name__} {error}") from error

    def gather(self, futures: Sequence[Any], what: str) -> list[Any]:
        """Return the results of tasks.

        Raises
        ------
        ClusterError
            The client or the scheduler is gone, or no task has ended within the limit.
        CancelledError, KilledWorker
            Tasks are lost.
        Exception
            What a task has raised.
        """
        done, deadline = -1, 0.0
        while True:
            now_done = sum(future.done() for future in futures)
            if now_done > done:
                done, deadline = now_done, time.monotonic() + self.timeout
            left = deadline - time.monotonic()
            if left <= 0:
                raise ClusterError(self._stuck(futures, what))
            try:
                results: list[Any] = self.client.sync(
                    _gather, self.client, list(futures), callback_timeout=min(POLL_SECONDS, left)
                )
                return results
            except TimeoutError as error:
                self.check_alive()
                if any(future.status == "error" for future in futures):
                    raise error
            except LOST:
                self.check_alive()
                raise
            except RuntimeError:  # the loop of a client that was closed
                self.check_alive()
                raise

    def wait(self, futures: Sequence[Any], what: str) -> None:
        """Wait until tasks have ended, in any way; raise ClusterError as :meth:`gather`."""
        done, deadline = -1, 0.0
        while True:
            now_done = sum(future.done() for future in futures)
            if now_done == len(futures):
                return
            if now_done > done:
                done, deadline = now_done, time.monotonic() + self.timeout
            left = deadline - time.monotonic()
            if left <= 0:
                raise ClusterError(self._stuck(futures, what))
            try:
                self.client.sync(_wait, list(futures), callback_timeout=min(POLL_SECONDS, left))
            except (TimeoutError, RuntimeError, *LOST):
                self.check_alive()

    def _stuck(self, futures: Sequence[Any], what: str) -> str:
        waiting = sum(not future.done() for future in futures)
        try:
            workers = self.ask(self.client.scheduler.identity, n_workers=-1)["workers"]
        except ClusterError as error:
            return str(error)
        state = f"{len(workers)} workers: {', '.join(sorted(workers)[:3])}" if workers else "no worker left"
        return (
            f"{what}: for {self.timeout:g} s none of {waiting} tasks has ended; the cluster has {state}. Look at its "
            "logs, start workers, or raise timeout"
        )

    def compute(self, tasks: Sequence[Any]) -> list[Any]:
        """Compute delayed objects and return their results."""
        if not tasks:
            return []
        futures = self.client.compute(list(tasks))
        try:
            return self.gather(futures, "the partitions")
        finally:
            self.cancel(futures)

    def cancel(self, futures: Sequence[Any]) -> None:
        """Let the cluster forget tasks, also those that run; do not wait for it, and raise nothing."""
        if self.client.status == "running":
            try:
                self.client.sync(_cancel, self.client, list(futures), callback_timeout=SHORT_SECONDS)
            except Exception:
                return


async def _gather(client: Any, futures: list[Any]) -> Any:
    return await client.gather(futures, asynchronous=True)


async def _wait(futures: list[Any]) -> None:
    await asyncio.gather(*(future.exception() for future in futures))


async def _cancel(client: Any, futures: list[Any]) -> None:
    await client.cancel(futures, asynchronous=True, force=True)
