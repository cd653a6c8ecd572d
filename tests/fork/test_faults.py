"""Waits and streams over real HTTP, with everything that can go wrong on the way: nothing is lost, nothing is done twice.

A thousand runs are polled while the loopback server spoils requests at random, by a seed that is printed (FORK_SEED sets
it), and is stopped and started again in the middle; ten thousand at once, without faults, with --all. The pauses are
shortened, since their lengths are tested elsewhere; the faults and sockets are real.
"""

from __future__ import annotations

import gc
import os
import time
import random
import asyncio
from typing import Any
from pathlib import Path
from contextlib import asynccontextmanager
from collections import Counter
from dataclasses import replace
from collections.abc import Callable, Iterator, AsyncGenerator

import httpx
import httpx2
import pytest

from openai import OpenAI, AsyncOpenAI, DefaultAioHttpClient
from forktools.loopback import CATALOGUE, Fault, Request, Loopback, Scenario
from openai.lib.background import BackgroundResponseError

from .routes import STREAMS, walk, settled
from .endings import opening, verdict

# httpx2 and httpx leave the transport of a connection that was reset to the garbage collector; stock does so too.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")

SHORT = 0.02  # seconds that a pause lasts here at most
IN_A_ROW = 2  # faults that one run may meet before an answer comes through; three can be more than a wait bears
HANG_EVERY = 150  # one request in so many is never answered: each costs the whole time-out of a poll

OK = b"HTTP/1.1 200 OK\r\n"
BROKEN: dict[str, Callable[[], Fault]] = {
    "reset": Fault.reset,
    "close": lambda: Fault.close(0.5),
    "close_early": lambda: Fault.close(0),
    "truncate": lambda: Fault.truncate(0.5),
    "empty": lambda: Fault.truncate(0),
    "no_http": lambda: Fault.raw(b"nonsense\r\n\r\n"),
    "bad_header": lambda: Fault.raw(OK + b"no colon\r\n\r\n"),
    "short": lambda: Fault.raw(OK + b"content-length: 99\r\n\r\n{"),
    "hang": Fault.hang,
    "hang_midway": lambda: Fault.hang(0.5),
}
SAID: dict[str, Callable[[], Fault]] = {
    "html": Fault.html,
    "503": lambda: Fault.status(503, retry_after="Thu, 01 Jan 2015 00:00:00 GMT"),
    "429": lambda: Fault.status(429, retry_after="1"),
}

legacy: Any = httpx  # whose classes are not those of httpx2, time-outs neither
CLIENTS: dict[str, tuple[Any, Any]] = {
    "httpx2-sync": (OpenAI, None),
    "httpx2": (AsyncOpenAI, None),
    "httpx-sync": (OpenAI, legacy.Client),
    "httpx": (AsyncOpenAI, legacy.AsyncClient),
    "aiohttp": (AsyncOpenAI, DefaultAioHttpClient),
}


@asynccontextmanager
async def connected(library: str, server: Loopback, pause: float = SHORT, timeout: float = 0.5) -> AsyncGenerator[Any]:
    """A client whose waits never pause for longer, and which sees every fault: it has no retries of its own."""
    cls, http_client = CLIENTS[library]
    options: dict[str, Any] = {"base_url": server.base_url, "api_key": "x", "max_retries": 0}
    options["timeout"] = legacy.Timeout(timeout) if library.startswith("httpx-") else timeout
    client = cls(**options, http_client=http_client and http_client())

    def sleep(seconds: float) -> Any:
        return (time if cls is OpenAI else asyncio).sleep(min(seconds, pause))

    client.responses._sleep = sleep
    yield client
    await settled(client.close())


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """What a test leaves to the garbage collector is collected while its filter of warnings holds."""
    yield
    gc.collect()


# -- many, of every kind, at random


class Chaos:
    """The hook that spoils polls; what it did is counted."""

    def __init__(self) -> None:
        seed = int(os.environ.get("FORK_SEED") or random.randrange(2**32))
        print("faults by FORK_SEED =", seed)
        self.faults = {name: make for name, make in {**BROKEN, **SAID}.items() if "hang" not in name}
        self.random = random.Random(seed)
        self.met: Counter[str] = Counter()
        self.row: Counter[str | None] = Counter()

    def __call__(self, request: Request) -> Fault | None:
        if self.random.random() < 0.5 or self.row[request.response_id] >= IN_A_ROW:
            self.row[request.response_id] = 0
            return None
        self.row[request.response_id] += 1
        if self.random.random() < 1 / HANG_EVERY:
            return Fault.hang()
        name = self.random.choice(list(self.faults))
        self.met[name] += 1
        return self.faults[name]()


def expected(name: str) -> str:
    """How a run of that scenario has to end for the caller."""
    error = verdict({"id": "resp_x", "object": "response", **CATALOGUE[name].ending})
    return type(error).__name__ if error is not None else "completed"


def open_sockets() -> set[str]:
    gc.collect()
    links: set[str] = set()
    for path in Path("/proc/self/fd").glob("*"):  # none where a system has no /proc
        try:
            links.add(os.readlink(path))
        except FileNotFoundError:  # the descriptor of the folder itself
            pass
    return {link for link in links if link.startswith("socket:")}


@pytest.mark.parametrize(
    ("library", "runs"),
    [
        *((library, 200) for library in CLIENTS),
        pytest.param("aiohttp", 1_000, marks=pytest.mark.slow),
    ],
)
async def test_waits_outlast_every_fault_and_a_restart_of_the_server(library: str, runs: int) -> None:
    chaos = Chaos()
    names = sorted(CATALOGUE) * (runs // len(CATALOGUE))
    chaos.random.shuffle(names)
    sockets, polls = open_sockets(), list[str | None]()
    first = Loopback(faults=chaos, log=False).start()
    # None of them ends on the first server.
    ids = [first.add(replace(CATALOGUE[name], polls=("in_progress",) * 10_000)) for name in names]

    # The pools of httpx2 and httpx take quadratic time in what waits for a connection, on stock too.
    at_once = 40 if library.startswith("httpx") else runs
    gate = asyncio.Semaphore(at_once)
    # Most of them sleep at any time.
    pace: Any = {} if library.endswith("-sync") else {"pause": at_once / 1000, "timeout": 5}
    async with connected(library, first, **pace) as client:

        def tell(_number: int, status: str | None, _seconds: float) -> None:
            polls.append(status)

        def poll(run: str) -> Any:
            return client.responses.poll(run, raise_on_failure=True, on_poll=tell)

        async def one(run: str) -> tuple[str | None, str]:
            async with gate:
                try:
                    response = await (asyncio.to_thread(poll, run) if library.endswith("-sync") else poll(run))
                    return response.id, str(response.status)
                except BackgroundResponseError as error:
                    return error.response_id, type(error).__name__

        async def reached(number: int) -> None:
            while len(polls) < number:
                await asyncio.sleep(0.01)
                for wait in waits:
                    assert not wait.done(), wait.result()

        waits = [asyncio.create_task(one(run)) for run in ids]
        await reached(runs * 3 // 2)
        first.stop()
        await reached(len(polls) + runs // 3)  # which find nobody
        # It knows the runs, as a server with a database does.
        second = Loopback(port=int(first.url.rpartition(":")[2]), faults=chaos, log=False)
        for run, name in zip(ids, names, strict=True):
            second.add(name, run)
        with second:
            found = await asyncio.gather(*waits)
    assert found == [(run, expected(name)) for run, name in zip(ids, names, strict=True)]
    assert chaos.met.keys() == chaos.faults.keys() and chaos.met.total() > runs / 2
    assert (first.creates, second.creates, first.cancels, second.cancels) == (0, 0, {}, {})
    assert open_sockets() == sockets


@pytest.mark.slow
async def test_ten_thousand_waits_on_one_client_lose_nothing() -> None:
    polls, together = Counter[str](), asyncio.Event()
    runs = [f"resp_{number}" for number in range(10_000)]

    def answer(request: httpx2.Request) -> httpx2.Response:
        run = request.url.path.rpartition("/")[2]
        polls[run] += 1
        status = "in_progress" if polls[run] == 1 else "completed"
        return httpx2.Response(200, json={"id": run, "object": "response", "status": status, "output": []})

    async def until_all_sleep(_seconds: float) -> None:
        if len(polls) == len(runs):
            together.set()
        await together.wait()

    transport = httpx2.AsyncClient(transport=httpx2.MockTransport(answer))
    async with AsyncOpenAI(api_key="x", http_client=transport) as client:
        setattr(client.responses, "_sleep", until_all_sleep)  # noqa: B010  (a method, to the type checkers)
        ended = await asyncio.gather(*map(client.responses.poll, runs))
    assert [(one.id, one.status) for one in ended] == [(run, "completed") for run in runs]
    assert set(polls.values()) == {2}


# -- each alone, so that a failure above has a name; what is said in HTTP is no matter of the library, and in tests/lib


@pytest.mark.parametrize("name", [*BROKEN, "404"])
@pytest.mark.parametrize("library", CLIENTS)
async def test_wait_bears_the_fault(library: str, name: str) -> None:
    make = BROKEN.get(name, Fault.not_found)
    told: list[str | None] = []
    with Loopback(faults=lambda request: make() if request.poll in (2, 3) else None) as server:
        run = server.add(replace(CATALOGUE["completed"], polls=("queued",)))
        async with connected(library, server, timeout=0.2) as client:

            def tell(_number: int, status: str | None, _seconds: float) -> None:
                told.append(status)

            response = await settled(client.responses.poll(run, max_wait_seconds=60, on_poll=tell))
        assert response.status == "completed"
        # The run had completed at the second poll; two answers did not get through, and were no answer of the run.
        assert told[-1] == "completed" and set(told[:-1]) == {"queued"}
        assert server.polls(run) == 4
    # A refusing port is not reached by every poll; and aiohttp repeats a request on a connection that was reset.
    assert len(told) >= (3 if library == "aiohttp" else 4)


@pytest.mark.parametrize("kind", ["close", "hang", "truncate"])
@pytest.mark.parametrize("library", CLIENTS)
async def test_stream_that_breaks_is_interrupted_where_it_broke(library: str, kind: str) -> None:
    whole, spoil = opening(30), {"close": Fault.close, "hang": Fault.hang, "truncate": Fault.truncate}[kind]
    events = (*whole, {"type": "response.completed", "response": {"id": "resp_1", "status": "completed"}})
    with Loopback(faults=lambda request: None if "starting_after" in request.query else spoil(0.5)) as server:
        run = server.add(Scenario("breaks", {"status": "completed"}, events=events))
        async with connected(library, server) as client:
            seen, error = await walk(STREAMS["plain events"], client, run, raise_on_failure=True)
            broken: Any = error
            named = "BackgroundStreamTimeoutError" if kind == "hang" else "BackgroundStreamInterruptedError"
            assert (type(broken).__name__, broken.response_id) == (named, run)
            assert (broken.__cause__ is None) == (kind == "truncate")
            place = {"starting_after": broken.sequence_number}
            rest, error = await walk(STREAMS["plain events"], client, run, raise_on_failure=True, **place)
    # Nothing is missing and nothing comes twice.
    assert error is None and 0 < len(seen) < len(whole)
    assert [event.sequence_number for event in [*seen, *rest[:-1]]] == list(range(len(whole)))
