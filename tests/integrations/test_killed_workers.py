"""The examples for Celery and Dask, with workers that are killed: the next worker takes up the run of the one before.

The server counts. It holds back its answer until the worker is dead, so that nothing depends on time.
"""

from __future__ import annotations

import os
import sys
import importlib
from typing import Any, Iterator

import pytest
from distributed import Client, LocalCluster

import openai
from forktools.loopback import Loopback

from ._support import EXAMPLES, NO_REDIS, PATIENCE, Holding, redis_server, celery_worker

ASKED = {"model": "gpt-5.6", "input": "Name a harbour."}


def imported(name: str) -> Any:
    """An example, made anew in the environment of the test."""
    sys.modules.pop(name, None)
    return importlib.import_module(name)


@pytest.fixture
def worker(server: Loopback, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Starts a worker for the example of Celery."""
    with redis_server() as url:
        if url is None:
            pytest.skip(NO_REDIS)
        place = {"CELERY_URL": url, "OPENAI_BASE_URL": server.base_url, "PYTHONPATH": str(EXAMPLES)}
        monkeypatch.setenv("CELERY_URL", url)
        monkeypatch.syspath_prepend(str(EXAMPLES))
        yield lambda: celery_worker(f"{__package__}._celery_killed", **place)


def pids(app: Any) -> tuple[int, int]:
    """The worker's own process, and that of the task."""
    inspect = app.control.inspect(timeout=PATIENCE, limit=1)
    [statistics] = inspect.stats().values()
    [[task]] = inspect.active().values()
    return statistics["pid"], task["worker_pid"]


@pytest.mark.parametrize("whole", [False, True], ids=["process of the task", "whole worker"])
def test_celery_worker_killed_while_it_waits_leaves_its_run_to_the_next(
    server: Loopback, worker: Any, whole: bool
) -> None:
    celery = imported("background_celery")
    holding = Holding(server, "retrieve")
    with worker():
        result = celery.create_and_wait.delay(**ASKED, metadata={"scenario": "completed"})
        holding.wait()
        parent, child = pids(celery.app)
        holding.kill(*((parent, child) if whole else (child,)))
        if not whole:
            assert result.get(timeout=PATIENCE).startswith("The harbour")
    if whole:
        with worker():
            assert result.get(timeout=PATIENCE).startswith("The harbour")
    assert (server.creates, len(server.logged("create"))) == (1, 1)


def test_celery_worker_killed_while_it_creates_fails_the_task_and_creates_nothing_more(
    server: Loopback, worker: Any
) -> None:
    celery = imported("background_celery")
    holding = Holding(server, "create")
    with worker():
        result = celery.create_and_wait.delay(**ASKED)
        holding.wait()
        holding.kill(pids(celery.app)[1])
        with pytest.raises(Exception, match="run-") as caught:
            result.get(timeout=PATIENCE)
    assert type(caught.value).__name__ == "LostCreateError"
    assert len(server.logged("create")) == 1


def test_celery_task_creates_a_new_run_only_where_that_is_worth_trying(server: Loopback, worker: Any) -> None:
    celery = imported("background_celery")
    with worker():
        for scenario, creates in (("insufficient_quota", 1), ("overloaded", 3)):
            before = server.creates
            result = celery.create_and_wait.delay(**ASKED, metadata={"scenario": scenario})
            with pytest.raises(openai.BackgroundResponseError) as caught:
                result.get(timeout=PATIENCE)
            assert (server.creates - before, caught.value.retryable) == (creates, creates > 1)


def test_dask_worker_killed_while_it_waits_leaves_its_run_to_the_next(
    server: Loopback,
    example: None,  # noqa: ARG001  (the environment of the examples)
) -> None:
    dask = imported("background_dask")
    ids = [dask.create(scenario) for scenario in dask.SCENARIOS]
    holding = Holding(server, "retrieve")
    with LocalCluster(n_workers=1, threads_per_worker=3, processes=True, dashboard_address=None) as cluster:
        with Client(cluster) as client:
            futures = client.map(dask.wait_for, ids)
            holding.wait()
            holding.kill(*client.run(os.getpid, wait=True).values())
            errors = [future.exception(timeout=PATIENCE) for future in futures]
    assert [type(error).__name__ for error in errors] == [
        *("NoneType", "BackgroundRateLimitError", "BackgroundIncompleteError")
    ]
    assert server.creates == len(ids)
