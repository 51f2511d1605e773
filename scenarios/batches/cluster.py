"""Several workers at once, through Dask distributed: a cluster on this machine, or one whose scheduler has an address.

Dask hands out the tasks and notices dead workers; everything else is as with one worker: each runs its episodes in a
process of its own and puts the results into the store, which all of them must be able to reach under the same name.
Tasks return a few words. A task whose worker was killed goes to another one, which finds in the store what was done.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from typing import Any

from scenarios.batches.worker import Report, Task, Worker
from simulator.errors import InfrastructureError, InvalidInput, MissingExtra

try:
    from distributed import Client, KilledWorker, Nanny, Scheduler, SpecCluster, as_completed, get_worker
    from distributed.diagnostics.plugin import WorkerPlugin
except ModuleNotFoundError as error:
    raise MissingExtra(
        f"more than one worker needs {error.name}, which is not installed: pip install 'dirtyroad[batch]'"
    ) from error

CONNECT_S = 15.0
"""How long a scheduler may take to answer."""

FIRST_WORKER_S = 120.0
"""How long a scheduler may be without any worker."""


class EpisodeWorkers(WorkerPlugin):
    """Sits in every worker of the cluster and keeps the processes that run its episodes, one a thread."""

    def setup(self, worker: Any) -> None:
        """Start with none."""
        self._idle: SimpleQueue[Worker] = SimpleQueue()
        self._all: list[Worker] = []

    def teardown(self, worker: Any) -> None:
        """End all processes."""
        for one in self._all:
            one.close()

    def run(self, task: Task) -> Report:
        """Run an episode in an idle process, or a new one."""
        try:
            worker = self._idle.get_nowait()
        except Empty:
            worker = Worker()
            self._all.append(worker)
        try:
            return worker.run(task)
        finally:
            self._idle.put(worker)


SCHEDULER = {"host": "127.0.0.1", "port": 0, "dashboard": False, "dashboard_address": "127.0.0.1:0"}
"""Options of the local scheduler: ports that are free, so that two batches at once do not hinder each other."""


def run_task(task: Task, plugin: str) -> Report:
    """What Dask calls on a worker."""
    workers = get_worker().plugins[plugin]
    assert isinstance(workers, EpisodeWorkers)
    return workers.run(task)


def work_together(
    tasks: Sequence[Task], tags: Sequence[str], workers: int, scheduler: str | None
) -> Iterator[Report]:
    """Reports of tasks as they are done, in no particular order.

    Args:
        tasks: what is to be done.
        tags: for each task the resource that its worker must offer (Dask's ``--resources carla=1``), or nothing. In
            a local cluster the first worker offers one of each.
        workers: how many to start where no scheduler is given.
        scheduler: ``tcp://host:port`` of a scheduler that has workers.

    Raises:
        InfrastructureError: the scheduler does not answer, has no workers, or is lost.
    """
    with _client(workers, scheduler, sorted({tag for tag in tags if tag})) as client:
        plugin = f"dirtyroad-{uuid.uuid4().hex}"
        client.register_plugin(EpisodeWorkers(), name=plugin)
        try:
            futures = {
                client.submit(
                    run_task, task, plugin, key=f"{plugin}-{task.index}", resources={tag: 1} if tag else None
                ): task
                for task, tag in zip(tasks, tags, strict=True)
            }
            for future in as_completed(futures):
                yield _report(future, futures[future])
                future.release()
        finally:
            if client.status == "running":
                client.unregister_worker_plugin(plugin)


def _report(future: Any, task: Task) -> Report:
    try:
        report: Report = future.result()
        return report
    except KilledWorker:
        return Report(task.index, "error", "every worker that was given this episode was killed")
    except CancelledError as error:
        raise InfrastructureError("the scheduler was lost; --resume goes on from here") from error
    except (
        Exception
    ) as error:  # what went wrong in the worker's own code, such as a version without our plugin
        return Report(task.index, "error", f"the worker could not begin: {type(error).__name__}: {error}")


@contextmanager
def _client(workers: int, scheduler: str | None, tags: Sequence[str]) -> Iterator[Any]:
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what matters is in the reports
    if scheduler is None:
        offers = [dict.fromkeys(tags, 1), *({} for _ in range(workers - 1))]
        with (
            SpecCluster(
                scheduler={"cls": Scheduler, "options": SCHEDULER},
                workers={index: _worker(offer) for index, offer in enumerate(offers)},
                silence_logs=logging.CRITICAL,
            ) as cluster,
            Client(cluster) as client,
        ):
            yield client
        return
    if "://" not in scheduler:
        raise InvalidInput(f"--scheduler {scheduler}: write it as tcp://host:port")
    try:
        client = Client(scheduler, timeout=CONNECT_S)
    except ValueError as error:
        raise InvalidInput(f"--scheduler {scheduler}: {error}") from error
    except OSError as error:
        raise InfrastructureError(f"--scheduler {scheduler}: there is no answer ({error})") from error
    with client:
        try:
            client.wait_for_workers(1, timeout=FIRST_WORKER_S)
        except TimeoutError:
            raise InfrastructureError(
                f"--scheduler {scheduler}: it has no workers; start some with: dask worker {scheduler}"
            ) from None
        yield client


def _worker(resources: Mapping[str, int]) -> dict[str, Any]:
    """A worker of the local cluster.

    It only waits for its process, so Dask's limits on its memory would limit the wrong one.
    """
    options = {
        "host": "127.0.0.1",
        "nthreads": 1,
        "memory_limit": 0,
        "dashboard": False,
        "silence_logs": logging.CRITICAL,
        "resources": dict(resources),
    }
    return {"cls": Nanny, "options": options}
