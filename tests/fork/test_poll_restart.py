"""Many waits at once, a thousand with --all, under faults at random, while the server is stopped and started again on the
same port: no run is lost, none ends otherwise than it should, and no socket is left.

The faults are those of test_poll_faults.py, by a seed that is printed (FORK_SEED sets it).
"""

from __future__ import annotations

import gc
import os
import asyncio
from pathlib import Path
from dataclasses import replace

import pytest

from openai import AsyncOpenAI
from forktools.loopback import CATALOGUE, Fault, Request, Loopback
from openai.lib.background import BackgroundResponseError
from tests.fork.test_poll_faults import EXPECTED, Chaos, seed, names, shorten, http_client

# httpx2 leaves the transport of a connection that was reset to the garbage collector; stock does so too.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")

AT_ONCE = 50  # requests to begin with
PAUSE = 0.5  # seconds at most between the polls of a run: most of the waits sleep at any time
FAULTS_OF_ALL = 0.4  # of those that `Chaos` would make: one request in five


def open_sockets() -> set[str]:
    folder = Path("/proc/self/fd")
    if not folder.is_dir():
        pytest.skip("open sockets are counted in /proc")
    gc.collect()
    links: set[str] = set()
    for path in folder.iterdir():
        try:
            links.add(os.readlink(path))
        except FileNotFoundError:  # the descriptor of the folder itself
            pass
    return {link for link in links if link.startswith("socket:")}


@pytest.mark.parametrize(
    ("library", "runs"),
    [
        ("httpx2", 150),
        ("aiohttp", 150),
        # Not httpx2, whose pool takes quadratic time in what waits for a connection, on stock too.
        pytest.param("aiohttp", 1_000, marks=pytest.mark.slow),
    ],
)
async def test_poll_outlasts_a_restart_of_the_server(library: str, runs: int) -> None:
    chaos = Chaos(seed(), library)
    chosen = names(runs, chaos)

    def faults(request: Request) -> Fault | None:
        fault = chaos(request) if chaos.random.random() < FAULTS_OF_ALL else None
        # A run that is not found has 15 seconds, which a busy machine can use up.
        return None if fault == Fault.not_found() else fault

    sockets = open_sockets()
    first = Loopback(faults=faults).start()
    # None of them ends on the first server.
    ids = [first.add(replace(CATALOGUE[name], polls=("in_progress",) * 10_000)) for name in chosen]
    gate, polls = asyncio.Semaphore(AT_ONCE), 0

    async with AsyncOpenAI(
        base_url=first.base_url, api_key="x", max_retries=0, http_client=http_client(library)
    ) as client:
        shorten(client, PAUSE)

        async def one(run: str) -> tuple[str | None, str]:
            def count(number: int, _status: str | None, _seconds: float) -> None:
                nonlocal polls
                polls += 1
                if number == 1:
                    gate.release()

            try:
                response = await client.responses.poll(run, raise_on_failure=True, timeout=5, on_poll=count)
                return response.id, str(response.status)
            except BackgroundResponseError as error:
                return error.response_id, type(error).__name__

        async def reached(number: int) -> None:
            while polls < number:
                await asyncio.sleep(0.01)

        waits: list[asyncio.Task[tuple[str | None, str]]] = []
        for run in ids:
            await gate.acquire()
            waits.append(asyncio.create_task(one(run)))
        await reached(runs * 3 // 2)
        await asyncio.to_thread(first.stop)
        await reached(polls + runs // 3)  # which find nobody
        # It knows the runs, as a server with a database does.
        second = Loopback(port=int(first.url.rpartition(":")[2]), faults=faults)
        for run, name in zip(ids, chosen, strict=True):
            second.add(name, run)
        with second:
            found = await asyncio.gather(*waits)
    assert found == [(run, EXPECTED[name]) for run, name in zip(ids, chosen, strict=True)]
    for server in (first, second):
        assert server.creates == 0 and not server.cancels
    assert open_sockets() == sockets
