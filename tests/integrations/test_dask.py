"""Dask: a thousand runs spread over worker processes; each failure arrives as the error that it is.

Dask, not Ray: it is pure Python, so that it installs wherever this package does, and it pickles what workers raise.
"""

from __future__ import annotations

from typing import Any
from collections import Counter
from dataclasses import replace

from distributed import Client, LocalCluster, get_worker

import openai
from openai import OpenAI
from forktools.loopback import CATALOGUE, Loopback

from .travel._facts import facts, losses

RUNS = 1000
TEXTS = {"str", "repr", "args", "message"}


def wait_for(base_url: str, response_id: str) -> str:
    """What a worker does; it keeps its client."""
    worker: Any = get_worker()
    if not hasattr(worker, "openai"):
        worker.openai = OpenAI(base_url=base_url, api_key="sk-of-the-tests")
    worker.openai.responses.retrieve(response_id, raise_on_failure=True)
    return f"{worker.name}: {response_id}"


def expected(client: OpenAI, response_id: str) -> Any:
    try:
        client.responses.retrieve(response_id, raise_on_failure=True)
    except openai.BackgroundResponseError as error:
        return error
    return None


def test_thousand_runs_on_workers_arrive_each_with_its_class_and_fields(server: Loopback, client: OpenAI) -> None:
    scenarios = [replace(scenario, polls=()) for scenario in CATALOGUE.values()]
    ids = [server.add(scenarios[number % len(scenarios)]) for number in range(RUNS)]
    with LocalCluster(n_workers=2, threads_per_worker=2, processes=True, dashboard_address=None) as cluster:
        with Client(cluster) as dask:
            futures = dask.map(wait_for, [server.base_url] * RUNS, ids, pure=False)
            errors: list[Any] = [future.exception(timeout=120) for future in futures]
            workers = {
                future.result().split(":")[0] for future, error in zip(futures, errors, strict=True) if error is None
            }

    assert len(workers) == 2
    classes = Counter(type(error).__name__ for error in errors)
    assert classes["BackgroundRateLimitError"] >= 4 * (RUNS // len(scenarios))
    for response_id, error in zip(ids, errors, strict=True):
        here = expected(client, response_id)
        assert type(error) is type(here)
        if here is not None:
            # The HTTP request and its id, which is in the text, are those of another poll; all the rest is the same fact.
            lost = set(losses(facts(here), facts(error)))
            assert lost <= {"request_id", "response", *TEXTS}, (response_id, lost)
            assert str(error).replace(error.request_id, "") == str(here).replace(here.request_id, "")
