"""What the client asks of a cluster. Every wait has a limit, and every loss becomes an error that says what is lost.

A wait is a coroutine in the event loop of the client. Its caller looks at the cluster every POLL_SECONDS: neither a
client that another thread has closed nor a scheduler that is gone ends a wait by itself.
"""

import asyncio
import contextlib
import inspect
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from concurrent import futures
from typing import Any

import distributed
from dask import delayed
from distributed import KilledWorker
from distributed.comm import CommClosedError
from distributed.threadpoolexecutor import thread_state

from fastnn2.dask.errors import ClusterError
from fastnn2.engine.held_sums import Stopped
from fastnn2.threads.native import acquired_lock

POLL_SECONDS = 0.5  # between two looks at the cluster
KNOWN_SECONDS = 0.002  # between the first two looks at whether the scheduler has taken in tasks; then more
CANCEL_SECONDS = 5.0  # the scheduler answers at once, or it is gone
ATTEMPTS = 5  # in a row, of tasks that are lost with their workers
MOST_LOSSES = 64  # results that are lost with their workers, one after the other, while others are waited for


class TasksLost(Exception):
    """Tasks are lost with their workers. They may succeed if they are submitted again."""


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

    @contextlib.contextmanager
    def connection(self) -> Iterator[Any]:
        """Yield the client; what it raises within the ``with`` is a ClusterError if it is no longer connected."""
        self.check_alive()
        try:
            yield self.client
        except Exception:
            self.check_alive()
            raise

    def workers(self) -> dict[str, Any]:
        """Return what the scheduler knows of each worker, by address; wait for the first one."""
        deadline = time.monotonic() + self.timeout
        call: list[Any] = []
        try:
            while True:
                found: dict[str, Any] = self.ask("identity")["workers"]
                if found:
                    return found
                if time.monotonic() >= deadline:
                    raise ClusterError(f"no worker has come within {self.timeout:g} s; start one, or raise timeout")
                if not call:
                    with self.connection() as client:  # an adaptive cluster starts workers for tasks only
                        call.append(client.submit(_itself, None, pure=False))
                time.sleep(0.1)
        finally:
            self.cancel(call)

    def ask(self, question: str, **arguments: Any) -> Any:
        """Return the scheduler's answer to a question, which is the name of one of its handlers."""
        deadline = time.monotonic() + self.timeout

        def look() -> None:
            if time.monotonic() >= deadline:
                raise ClusterError(f"the scheduler has not answered for {self.timeout:g} s; look at its log")

        try:
            return self._run(_answer(self.client, question, arguments), look)
        except OSError as error:
            raise ClusterError(f"the scheduler does not answer: {type(error).__name__} {error}") from error

    def gather(self, tasks: Sequence[Any], what: str, look: Callable[[], object] = lambda: None) -> list[Any]:
        """Return the results of tasks, given as futures.

        Parameters
        ----------
        tasks : sequence of Future
        what : str
            What they do, for messages.
        look : callable
            Called every POLL_SECONDS; what it raises ends the wait.

        Raises
        ------
        ClusterError
            The client or the scheduler is gone, or no task has ended within the limit.
        TasksLost
            As soon as one of them is.
        Exception
            What a task has raised, once all have ended.
        """
        results: list[Any] = self._end(_gather(self.client, list(tasks)), tasks, what, look)
        return results

    def wait(
        self, tasks: Sequence[Any], what: str, look: Callable[[], object] = lambda: None
    ) -> list[BaseException | None]:
        """Return what tasks have raised, once all have ended; wait as :meth:`gather`."""
        raised: list[BaseException | None] = self._end(_wait(list(tasks)), tasks, what, look)
        return raised

    def _end(
        self, coroutine: Coroutine[Any, Any, Any], tasks: Sequence[Any], what: str, look: Callable[[], object]
    ) -> Any:
        progress = _Progress(self, tasks, what)

        def look_at_both() -> None:
            progress.look()
            look()

        try:
            return self._run(coroutine, look_at_both)
        except (KilledWorker, futures.CancelledError) as error:  # after the end of a task, while its result is fetched
            raise TasksLost(f"{type(error).__name__} {error}") from error
        except CommClosedError as error:  # and the client is connected again already
            raise ClusterError(f"{what}: the scheduler has died or started anew; look at its log ({error})") from error

    def wait_until_known(self, tasks: Sequence[Any]) -> None:
        """Wait until the scheduler has taken in tasks, unless they are lost; it needs time, above all for the first."""
        deadline = time.monotonic() + self.timeout
        pause = KNOWN_SECONDS
        while True:
            states = self.ask("get_task_status", keys=[task.key for task in tasks if task.status == "pending"])
            if all(states.get(task.key, "") or task.status != "pending" for task in tasks if task.key in states):
                return
            if time.monotonic() >= deadline:
                raise ClusterError(
                    f"the scheduler has not taken in {len(tasks)} tasks for {self.timeout:g} s; look at its log, or "
                    "raise timeout"
                )
            time.sleep(pause)
            pause = min(2 * pause, POLL_SECONDS)

    def compute(self, tasks: Sequence[Any]) -> list[Any]:
        """Compute delayed objects and return their results; repeat what is lost with its worker, a few times."""
        for _ in range(ATTEMPTS):
            try:
                return self._compute_once(tasks)
            except TasksLost as error:
                lost = error
        raise ClusterError(f"partitions cannot be computed, {ATTEMPTS} times in a row: {lost}") from lost

    def _compute_once(self, tasks: Sequence[Any]) -> list[Any]:
        submitted: list[Any] = []
        try:
            with self.connection() as client:  # each time with new names: the news of old tasks may come late
                submitted += client.compute([delayed(_itself, pure=False)(task) for task in tasks])
            return self.gather(submitted, "computing partitions")
        except TasksLost:
            self.forget_errors(submitted)
            raise
        finally:
            self.cancel(submitted)
            self.let_go(submitted)

    def forget_errors(self, tasks: Sequence[Any]) -> None:
        """Let what has failed of tasks, and of those that they depend on, run again: others may depend on it."""
        if all(task.status != "error" for task in tasks):
            return
        with contextlib.suppress(KeyError):  # the scheduler has forgotten them, too
            self.ask("retry", keys=[task.key for task in tasks], client=self.client.id)

    def cancel(self, tasks: Sequence[Any]) -> None:
        """Let the cluster forget tasks, also those that run, and raise nothing."""
        deadline = time.monotonic() + CANCEL_SECONDS

        def look() -> None:
            if time.monotonic() >= deadline:
                raise TimeoutError

        if tasks and self.client.status == "running":
            with contextlib.suppress(Exception):
                self._run(_cancel(self.client, list(tasks)), look)

    def let_go(self, tasks: list[Any]) -> None:
        """Remove all tasks from a list that nobody else has, in the thread of the client's event loop.

        Python ignores what is raised while an object is deleted, so that Ctrl-C would be lost there.
        """
        if tasks and self.client.status == "running":
            self.client.loop.add_callback(tasks.clear)

    def _run(self, coroutine: Coroutine[Any, Any, Any], look: Callable[[], object]) -> Any:
        """Return the result of a coroutine in the client's event loop; look every POLL_SECONDS until it is there."""
        try:
            with self.connection() as client:
                running = asyncio.run_coroutine_threadsafe(coroutine, client.loop.asyncio_loop)
                ended = acquired_lock()  # a signal may break the conditions that futures.wait has
                running.add_done_callback(lambda _: ended.release())
                try:
                    while not ended.acquire(timeout=POLL_SECONDS):
                        self.check_alive()
                        look()
                    return running.result()
                finally:
                    running.cancel()
        finally:
            if inspect.getcoroutinestate(coroutine) == inspect.CORO_CREATED:  # the event loop has stopped
                coroutine.close()


class _Progress:
    """A limit of the time in which no task ends, and of the results that are lost meanwhile."""

    def __init__(self, cluster: Cluster, tasks: Sequence[Any], what: str) -> None:
        self._cluster, self._tasks, self._what = cluster, tasks, what
        self._done, self._losses = 0, 0
        self._deadline = time.monotonic() + cluster.timeout

    def look(self) -> None:
        """Raise ClusterError if there is no progress."""
        done = sum(task.done() for task in self._tasks)
        self._losses += done < self._done
        if done > self._done:
            self._deadline = time.monotonic() + self._cluster.timeout
        self._done = done
        if self._losses > MOST_LOSSES:
            raise ClusterError(f"{self._what}: workers have died with results {self._losses} times; look at their logs")
        if time.monotonic() >= self._deadline:
            raise ClusterError(self._stuck(len(self._tasks) - done))

    def _stuck(self, waiting: int) -> str:
        return (
            f"{self._what}: for {self._cluster.timeout:g} s none of {waiting} tasks has ended; {self._state()}. Look "
            f"at its logs, start workers, or raise timeout{_advice_in_a_task()}"
        )

    def _state(self) -> str:
        """Return what the cluster has, for messages, and who of its workers is at work, above all on the tasks."""
        workers, processing = self._cluster.ask("ncores"), self._cluster.ask("processing")
        if not workers:
            return "the cluster has no worker left"
        missing = {task.key for task in self._tasks if not task.done()}
        busy = [worker for worker, keys in processing.items() if not missing.isdisjoint(keys)]
        busy = busy or [worker for worker, keys in processing.items() if keys]
        paused = workers.keys() - self._cluster.ask("ncores_running").keys()
        state = f"the cluster has {len(workers)} workers: {_some(workers)}"
        if busy:
            state += f"; at work is {_some(busy)}"
        if paused:
            state += f"; {_some(paused)} begins nothing, as Dask pauses a worker whose memory is nearly full"
        return state


def _some(workers: Iterable[str]) -> str:
    return ", ".join(sorted(workers)[:3])


def _advice_in_a_task() -> str:
    """Return what to do, for messages, where the caller is a task itself, whose thread no other task gets."""
    if not getattr(thread_state, "proceed", False):
        return ""
    return ". This is a task itself: use `with distributed.worker_client() as client`, which gives its thread to others"


def _itself(result: Any) -> Any:
    return result


async def _answer(client: Any, question: str, arguments: dict[str, Any]) -> Any:
    return await getattr(client.scheduler, question)(**arguments)


async def _gather(client: Any, tasks: list[Any]) -> Any:
    await _wait(tasks)
    # A client gathers the results of all its callers at once: whoever gives up must not cancel that.
    gathering = asyncio.ensure_future(client.gather(tasks, asynchronous=True))
    gathering.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody may be there to look at it
    return await asyncio.shield(gathering)


async def _wait(tasks: list[Any]) -> list[BaseException | None]:
    waits = [asyncio.ensure_future(_error(task)) for task in tasks]
    try:
        return list(await asyncio.gather(*waits))
    finally:
        for wait in waits:
            wait.cancel()


async def _error(task: Any) -> BaseException | None:
    """Return what a task has raised once it has ended; raise TasksLost if it is lost.

    The others must not wait for their end then: the scheduler may never run a task beside one that has failed.
    """
    error: BaseException | None = await task.exception()
    if task.status == "cancelled":
        raise TasksLost(f"task {task.key} was cancelled, or what it needs is lost")
    if isinstance(error, KilledWorker | Stopped):
        raise TasksLost(f"{type(error).__name__} {error}") from error
    return error


async def _cancel(client: Any, tasks: list[Any]) -> None:
    await client.cancel(tasks, asynchronous=True, force=True)
