"""Engines that run tasks: this process, its cores, or machines. One interface, any order of results.

Machines: Dask distributed. It is a scheduler that exists, is BSD-licensed, pure Python and some 10 MB with what it
needs; it runs on anything (SSH, SLURM, Kubernetes, or two workers on a laptop), moves tasks away from a worker that
dies, and a campaign needs none of Ray's object store or actors for its 70 MB.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice

from landing.distribution import install_command
from sim.campaign.scene import CampaignError
from sim.campaign.task import Task, TaskResult, run
from sim.workers import worker_pool

ENGINES = ("processes", "dask")

IN_FLIGHT_PER_WORKER = 4
"""Tasks that are handed out at a time, so that memory does not grow with the campaign."""


def outcomes(tasks: Sequence[Task], engine: str, jobs: int, scheduler: str | None = None) -> Iterator[TaskResult]:
    """Run tasks and yield the result of each as it comes.

    Args:
        tasks: Independent of each other.
        engine: One of `ENGINES`.
        jobs: Workers on this machine; not used with a scheduler.
        scheduler: Address of a running Dask scheduler, such as ``tcp://10.0.0.5:8786``.

    Raises:
        CampaignError: No such engine, or it is not installed.
        TouchdownError: A task cannot be flown.
    """
    if engine == "processes":
        if scheduler is not None:
            raise CampaignError("--scheduler needs --engine dask")
        return _in_processes(tasks, jobs)
    if engine == "dask":
        return _with_dask(tasks, jobs, scheduler)
    raise CampaignError(f"engine {engine!r}: expected {', '.join(ENGINES)}")


def _in_processes(tasks: Sequence[Task], jobs: int) -> Iterator[TaskResult]:
    if jobs <= 1:
        yield from map(run, tasks)
        return
    waiting = iter(tasks)
    workers = min(jobs, max(1, len(tasks)))
    with worker_pool(workers) as pool:
        running = {pool.submit(run, task) for task in islice(waiting, jobs * IN_FLIGHT_PER_WORKER)}
        try:
            while running:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    yield future.result()
                running |= {pool.submit(run, task) for task in islice(waiting, len(done))}
        except BrokenProcessPool:
            raise CampaignError(
                "a worker was killed, perhaps for memory; call again to go on, with fewer --jobs"
            ) from None
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _with_dask(tasks: Sequence[Task], jobs: int, scheduler: str | None) -> Iterator[TaskResult]:
    try:
        import distributed
    except ImportError:
        raise CampaignError(f"engine dask needs Dask distributed: {install_command('campaign')}") from None
    cluster = None
    if scheduler is None:
        cluster = distributed.LocalCluster(
            n_workers=jobs, threads_per_worker=1, host="127.0.0.1", dashboard_address=None
        )
    try:
        with distributed.Client(scheduler if cluster is None else cluster) as client:
            workers = max(1, len(client.scheduler_info()["workers"]))
            waiting = iter(tasks)
            running = distributed.as_completed()
            for task in islice(waiting, workers * IN_FLIGHT_PER_WORKER):
                running.add(client.submit(run, task, pure=False))
            for future in running:
                yield future.result()
                for task in islice(waiting, 1):
                    running.add(client.submit(run, task, pure=False))
    finally:
        if cluster is not None:
            cluster.close()
