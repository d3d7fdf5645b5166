"""Where the shards of a generated folder are rendered: in this process, or on a Dask cluster.

By default `MANY` images or more are rendered on a local cluster, one process for each processor, if
Dask is installed. Fewer are rendered in this process, which takes little longer than starting a
cluster.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from importlib.util import find_spec
from itertools import islice
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any

from fdd.devices import available_threads
from fdd.errors import FddError, missing_extra, whole_number
from fdd.files import sweep, writing_to
from fdd.folders.shards import Job, Shard, make_shard

Task = tuple[Shard, list[Shard]]
"""A shard, and the smaller ones whose pictures it may use."""

MANY = 20_000

WINDOW = 2000
"""Shards handed to the cluster at once, so that memory does not grow with their number."""

RETRIES = 2
"""Times that a shard which failed is tried again."""

SETTINGS = {"distributed.scheduler.allowed-failures": 5, "distributed.comm.timeouts.connect": "10s"}
"""What is taken in place of Dask's own defaults: workers that may die of one shard, and how long a
scheduler may take to answer. What the user has set for Dask comes first."""

SILENT = logging.CRITICAL + 1


def check_options(workers: int | None, scheduler: str | None, shard: int | None) -> None:
    """Refuses a wrong number of workers, a wrong address, and options that exclude each other."""
    if workers is not None:
        whole_number("workers", workers, 0, 4096)
    if scheduler is not None and (not isinstance(scheduler, str) or "://" not in scheduler):
        raise FddError(
            f"scheduler={scheduler!r} must be the address of a Dask scheduler, such as "
            "tcp://10.0.0.1:8786"
        )
    given = {"workers": workers, "scheduler": scheduler, "shard": shard}
    several = [f"{name}={value!r}" for name, value in given.items() if value is not None]
    if len(several) > 1:
        raise FddError(f"{' and '.join(several)} exclude each other; give one of them")


@contextmanager
def client(job: Job, images: int, workers: int | None, scheduler: str | None) -> Iterator[Any]:
    """The Dask client that is to render that many images, or None for this process.

    A cluster that was started for it is closed at the end of the block, interrupted or not.
    """
    if workers is None:
        many = images >= MANY and find_spec("distributed") is not None
        workers = available_threads() if many else 0
    if scheduler is not None:
        with _connected(scheduler) as connected:
            yield connected
    elif workers > 0:
        try:
            with _local(workers) as local:
                yield local
        finally:
            clear_up(job)
    else:
        yield None


def run(
    client: Any,
    job: Job,
    tasks: Iterable[Task],
    advance: Callable[[int], Any],
    window: int = WINDOW,
) -> int:
    """Makes all shards, calls advance(rows) after each; returns the number of images rendered.

    A cluster holds `window` shards at once.
    """
    if client is not None:
        return _distribute(client, job, tasks, advance, window)
    rendered = 0
    for shard, before in tasks:
        rendered += make_shard(job, shard, before)
        advance(shard.rows)
    return rendered


def clear_up(job: Job) -> None:
    """Removes the files that killed processes left half written."""
    for folder in job.folders:
        sweep(folder)


def work(job: Job, shard: Shard, before: list[Shard], mark: Path) -> tuple[int, int]:
    """Makes a shard on a worker, in one thread; its rows, and how many images were rendered."""
    if not mark.is_file():
        raise FddError(
            f"the worker on {socket.gethostname()} does not see folder {str(job.folder)!r} as it "
            "is here; choose a folder on a file system that all workers share"
        )
    with writing_to(job.folder):
        return shard.rows, make_shard(job, shard, before, threads=1)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Ctrl-C waits for the end of the block, and never reaches processes started in it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    resource_tracker.ensure_running()  # which would unblock the signal when it starts
    pressed: list[int] = []
    handler = signal.signal(signal.SIGINT, lambda number, frame: pressed.append(number))
    mask = signal.pthread_sigmask(
        signal.SIG_BLOCK, {signal.SIGINT}
    )  # threads and processes have it
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGINT, handler)
    if pressed:
        raise KeyboardInterrupt


@contextmanager
def _quiet() -> Iterator[None]:
    """Dask reports nothing about workers that come and go: what matters is raised."""
    logger = logging.getLogger("distributed")
    level = logger.level
    logger.setLevel(SILENT)
    try:
        yield
    finally:
        logger.setLevel(level)


def _settings() -> AbstractContextManager[Any]:
    """Inside, SETTINGS hold where the user left Dask's defaults."""
    import dask

    defaults = dask.config.merge(*dask.config.defaults)
    kept = [
        name for name in SETTINGS if dask.config.get(name) == dask.config.get(name, config=defaults)
    ]
    return dask.config.set({name: SETTINGS[name] for name in kept})


def _close(client_or_cluster: Any) -> None:
    with _undisturbed():
        client_or_cluster.close()


@contextmanager
def _local(workers: int) -> Iterator[Any]:
    """A client of a cluster of processes on this machine, closed at the end of the block."""
    with _quiet(), ExitStack() as stack:
        with _undisturbed():
            try:
                from distributed import Client, LocalCluster
            except ImportError as error:
                raise missing_extra("dask", error) from error
            stack.enter_context(_settings())
            cluster = LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                memory_limit=None,
                dashboard_address="127.0.0.1:0",
                silence_logs=SILENT,
            )
            stack.callback(_close, cluster)
            client = Client(cluster, set_as_default=False)
            stack.callback(_close, client)
        yield client


@contextmanager
def _connected(scheduler: str) -> Iterator[Any]:
    """A client of a running scheduler."""
    with _quiet(), ExitStack() as stack:
        with _undisturbed():
            try:
                from distributed import Client
                from distributed.comm import connect

                stack.enter_context(_settings())

                async def greet() -> None:
                    (await connect(scheduler)).abort()

                # in its own thread, whose event loop disturbs no notebook; before the client, which
                # would wait as long again for a scheduler that is not there
                with ThreadPoolExecutor(1) as pool:
                    pool.submit(asyncio.run, greet()).result()
                client = Client(scheduler, set_as_default=False)
            except ImportError as error:
                raise missing_extra("dask", error) from error
            except (OSError, ValueError) as error:
                raise FddError(
                    f"scheduler={scheduler!r} cannot be reached ({error}); give the address that "
                    "`dask scheduler` printed"
                ) from error
            stack.callback(_close, client)
        yield client


def _distribute(
    client: Any, job: Job, tasks: Iterable[Task], advance: Callable[[int], Any], window: int
) -> int:
    from distributed import CancelledError, as_completed
    from distributed.scheduler import KilledWorker

    mark = job.folder / f".{uuid.uuid4().hex}.tmp"
    mark.touch()
    waiting, rendered = iter(tasks), 0
    futures = as_completed(loop=client.loop)

    def hand_out(number: int) -> None:
        for shard, before in islice(waiting, number):
            futures.add(client.submit(work, job, shard, before, mark, pure=False, retries=RETRIES))

    try:
        hand_out(window)
        for future in futures:
            rows, new = future.result()
            rendered += new
            advance(rows)
            hand_out(1)
    except KilledWorker as error:
        raise FddError(
            "a shard was given up after several workers died while rendering it (see their logs; "
            "memory is the usual reason); run the same command again to go on"
        ) from error
    except CancelledError as error:
        raise FddError(
            "the scheduler went away or cancelled the work; run the same command again to go on"
        ) from error
    except ImportError as error:
        raise FddError(
            f"a worker cannot import what this process has ({error}); install the same fdd there"
        ) from error
    finally:
        mark.unlink(missing_ok=True)
    return rendered
