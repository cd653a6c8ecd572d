"""Waits over real HTTP, with everything that can go wrong on the way: nothing is lost, nothing is done twice.

A thousand runs are created and polled while the loopback server spoils requests at random, by a seed that is printed
(FORK_SEED sets it). The pauses are shortened, since their lengths are tested elsewhere; the faults and sockets are real.
"""

from __future__ import annotations

import gc
import os
import time
import random
import asyncio
from typing import Any
from collections import Counter
from dataclasses import replace
from collections.abc import Mapping, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from openai import OpenAI, AsyncOpenAI, OpenAIError, APIConnectionError, AuthenticationError, DefaultAioHttpClient
from forktools.loopback import CATALOGUE, Fault, Request, Loopback, Scenario
from openai.lib.background import BackgroundResponseError, BackgroundPollTimeoutError, raise_on_failure

# httpx2 and httpx leave the transport of a connection that was reset to the garbage collector; stock does so too.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")

SYNC_RUNS, ASYNC_RUNS = 400, 600
IN_A_ROW = 4  # faults that one run may meet before an answer comes through
SHORT = 0.002  # seconds that a pause lasts here at most

FAULTS: dict[str, Callable[[], Fault]] = {
    "reset": Fault.reset,
    "refuse": lambda: Fault.refuse(0.02),
    "close": lambda: Fault.close(0.5),
    "close_early": lambda: Fault.close(0),
    "truncate": lambda: Fault.truncate(0.5),
    "truncate_late": lambda: Fault.truncate(0.99),
    "empty": lambda: Fault.truncate(0),
    "html": Fault.html,
    "html_502": lambda: Fault.html(502),
    "not_found": Fault.not_found,
    **{str(code): (lambda code=code: Fault.status(code)) for code in (408, 409, 425, 500, 502, 503, 504, 529)},
    "429": lambda: Fault.status(429, retry_after="1"),
    "429_ms": lambda: Fault.status(429, headers={"retry-after-ms": "50"}),
    "503_date": lambda: Fault.status(503, retry_after="Thu, 01 Jan 2015 00:00:00 GMT"),
}
HANG_EVERY = 150  # one request in so many is never answered: each costs the whole time-out of a poll


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """What a test leaves to the garbage collector is collected while its filter of warnings holds."""
    yield
    gc.collect()


def seed() -> int:
    return int(os.environ.get("FORK_SEED") or random.randrange(2**32))


class Chaos:
    """The hook that spoils polls, never creates; what it did is counted."""

    def __init__(self, number: int) -> None:
        print("faults by FORK_SEED =", number)
        self.random = random.Random(number)
        self.met: Counter[str] = Counter()
        self.row: Counter[str | None] = Counter()

    def __call__(self, request: Request) -> Fault | None:
        if request.route != "retrieve":
            return None
        if self.random.random() < 0.5 or self.row[request.response_id] >= IN_A_ROW:
            self.row[request.response_id] = 0
            return None
        self.row[request.response_id] += 1
        name = "hang" if self.random.random() < 1 / HANG_EVERY else self.random.choice(sorted(FAULTS))
        self.met[name] += 1
        return Fault.hang() if name == "hang" else FAULTS[name]()


def expected(name: str) -> str:
    """How a run of that scenario has to end for the caller."""
    try:
        raise_on_failure({"id": "resp_x", "object": "response", **CATALOGUE[name].ending})
    except BackgroundResponseError as error:
        return type(error).__name__
    return str(CATALOGUE[name].ending["status"])


EXPECTED = {name: expected(name) for name in CATALOGUE}


def names(count: int, chaos: Chaos) -> list[str]:
    """Every way to end in turn, then shuffled."""
    catalogue = sorted(CATALOGUE)
    chosen = [catalogue[number % len(catalogue)] for number in range(count)]
    chaos.random.shuffle(chosen)
    return chosen


def check(server: Loopback, chaos: Chaos, chosen: list[str], ended: list[tuple[str, str, str]]) -> None:
    """`ended` holds (id, the id in the answer, how it ended) in the order of `chosen`."""
    assert [outcome for _, _, outcome in ended] == [EXPECTED[name] for name in chosen]
    assert all(asked == answered for asked, answered, _ in ended)
    # Each run was created once, by us, and nobody cancelled one.
    assert server.creates == len(chosen) == len({asked for asked, _, _ in ended})
    assert not server.cancels
    assert {request.route for request in server.requests} == {"create", "retrieve"}
    assert len(server.logged("create")) == len(chosen)
    # The faults did happen, every kind of them.
    assert set(chaos.met) >= set(FAULTS)
    assert sum(chaos.met.values()) > len(chosen)


def shorten(client: OpenAI, most: float) -> None:
    """Let no pause of this client's waits last longer."""

    def pause(seconds: float) -> None:
        time.sleep(min(seconds, most))

    setattr(client.responses, "_sleep", pause)  # noqa: B010  (a method, to the type checkers)


def ashorten(client: AsyncOpenAI, most: float) -> None:
    """As `shorten`."""

    async def pause(seconds: float) -> None:
        await asyncio.sleep(min(seconds, most))

    setattr(client.responses, "_sleep", pause)  # noqa: B010


def create(server: Loopback, chosen: list[str]) -> list[str]:
    """The runs, created by a client of its own, whose connections no fault has touched."""
    with OpenAI(base_url=server.base_url, api_key="x", max_retries=0) as client:
        return [
            client.responses.create(model="m", input="Hi", background=True, metadata={"scenario": name}).id
            for name in chosen
        ]


def test_poll_sync_under_every_fault_loses_no_run() -> None:
    chaos = Chaos(seed())
    chosen = names(SYNC_RUNS, chaos)
    with Loopback(faults=chaos) as server, OpenAI(base_url=server.base_url, api_key="x", max_retries=3) as client:
        ids = create(server, chosen)
        shorten(client, SHORT)

        def one(response_id: str) -> tuple[str, Any, str]:
            try:
                response = client.responses.poll(response_id, raise_on_failure=True, timeout=0.5)
            except BackgroundResponseError as error:
                return response_id, error.response_id, type(error).__name__
            return response_id, response.id, str(response.status)

        with ThreadPoolExecutor(8) as pool:
            ended = list(pool.map(one, ids))
        check(server, chaos, chosen, ended)


@pytest.mark.parametrize("library", ["httpx2", "httpx", "aiohttp"])
async def test_poll_async_under_every_fault_loses_no_run(library: str) -> None:
    chaos = Chaos(seed())
    chosen = names(ASYNC_RUNS // 3, chaos)
    with Loopback(faults=chaos) as server:
        ids = create(server, chosen)
        async with AsyncOpenAI(
            base_url=server.base_url, api_key="x", max_retries=3, http_client=http_client(library)
        ) as client:
            ashorten(client, SHORT)

            # The pools of httpx2 and httpx take quadratic time in what queues for a connection, on stock too.
            gate = asyncio.Semaphore(25)

            async def one(response_id: str) -> tuple[str, Any, str]:
                async with gate:
                    try:
                        response = await client.responses.poll(response_id, raise_on_failure=True, timeout=0.5)
                    except BackgroundResponseError as error:
                        return response_id, error.response_id, type(error).__name__
                    return response_id, response.id, str(response.status)

            ended = await asyncio.gather(*map(one, ids))
        check(server, chaos, chosen, list(ended))


def http_client(library: str) -> Any:
    if library == "aiohttp":
        pytest.importorskip("aiohttp")
        return DefaultAioHttpClient()
    if library == "httpx":
        httpx: Any = pytest.importorskip("httpx")
        return httpx.AsyncClient()
    return None


# -- each fault alone, so that a failure above has a name


# What is said in HTTP is one client's matter; what breaks the connection is a matter of the library that holds it.
WIRE = ["reset", "refuse", "close", "close_early", "truncate", "empty", "hang", "hang_midway"]


@pytest.mark.parametrize(
    ("name", "library"),
    [(name, library) for name in WIRE for library in ("httpx2", "httpx", "aiohttp")]
    + [(name, "httpx2") for name in FAULTS if name not in WIRE],
)
async def test_poll_over_http_bears_the_fault(name: str, library: str) -> None:
    made = {**FAULTS, "hang": Fault.hang, "hang_midway": lambda: Fault.hang(0.5)}[name]

    def faults(request: Request) -> Fault | None:
        return made() if request.poll in (2, 3) else None

    told: list[str | None] = []
    with Loopback(faults=faults) as server:
        response_id = server.add(replace(CATALOGUE["completed"], polls=("queued",)))
        async with AsyncOpenAI(  # without retries of its own, so that the wait sees every fault
            base_url=server.base_url, api_key="x", max_retries=0, http_client=http_client(library)
        ) as client:
            ashorten(client, 0.05)
            response = await client.responses.poll(
                response_id, timeout=0.2, max_wait_seconds=60, on_poll=lambda _number, status, _s: told.append(status)
            )
        assert response.status == "completed"
        # The run had completed at the second poll; two or more answers did not get through.
        assert told[-1] == "completed" and set(told[:-1]) == {"queued"}
        assert server.polls(response_id) == 4
        # A refusing port is not reached by every poll; and aiohttp repeats a request on a connection that was reset.
        repeats = library == "aiohttp" and name in ("reset", "refuse", "close_early")
        assert len(told) >= (3 if repeats else 4)


@pytest.mark.parametrize("library", ["httpx2", "httpx", "aiohttp"])
async def test_poll_whose_time_is_up_during_a_fault_says_which(library: str) -> None:
    with Loopback(faults=lambda _request: Fault.reset()) as server:
        async with AsyncOpenAI(base_url=server.base_url, api_key="x", http_client=http_client(library)) as client:
            with pytest.raises(BackgroundPollTimeoutError) as caught:
                await client.responses.poll("resp_completed", max_wait_seconds=0.1)
    assert isinstance(caught.value.__cause__, APIConnectionError)
    assert (caught.value.response_id, caught.value.status) == ("resp_completed", None)


def test_poll_with_the_time_out_of_a_legacy_client_is_bounded() -> None:
    httpx: Any = pytest.importorskip("httpx")
    with Loopback() as server:
        given = httpx.Timeout(7.0, connect=3.0)
        with OpenAI(base_url=server.base_url, api_key="x", http_client=httpx.Client(), timeout=given) as client:
            assert client.responses.poll("resp_completed", poll_interval_ms=1, max_wait_seconds=9).status == "completed"
            again = client.responses.poll("resp_completed", max_wait_seconds=9, timeout=given)
            assert again.status == "completed"


async def test_poll_refused_over_http_is_raised_at_once() -> None:
    with Loopback(faults=lambda _request: Fault.status(401)) as server:
        async with AsyncOpenAI(base_url=server.base_url, api_key="x") as client:
            with pytest.raises(AuthenticationError):
                await client.responses.poll("resp_completed")
        assert server.total == 1


# -- ten thousand at once


class Instant(httpx2.AsyncBaseTransport):
    """Answers without a socket: each run is in progress at first, and then as its number says."""

    def __init__(self) -> None:
        self.polls: Counter[str] = Counter()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response_id = request.url.path.rpartition("/")[2]
        self.polls[response_id] += 1
        pending = b'{"id":"%s","object":"response","status":"in_progress","output":[]}'
        ended = b'{"id":"%s","object":"response","status":"%s","output":[],"error":%s}'
        failing = int(response_id.rpartition("_")[2]) % 10 == 0
        content = (
            pending % response_id.encode()
            if self.polls[response_id] == 1
            else ended
            % (
                response_id.encode(),
                b"failed" if failing else b"completed",
                b'{"code":"server_error","message":"?"}' if failing else b"null",
            )
        )
        headers = {"content-type": "application/json", "openai-poll-after-ms": "1000"}
        return httpx2.Response(200, headers=headers, content=content)


async def wait_for_all(client: AsyncOpenAI, ids: list[str], at_once: int) -> tuple[list[Any], int]:
    """Poll all of them; they begin `at_once` at a time and then wait together. Returns the endings and the peak."""
    gate = asyncio.Semaphore(at_once)
    waiting = peak = 0

    async def one(response_id: str) -> Any:
        nonlocal waiting, peak

        def tell(number: int, _status: str | None, _seconds: float) -> None:
            nonlocal waiting, peak
            if number == 1:
                gate.release()
                waiting += 1
                peak = max(peak, waiting)

        try:
            return await client.responses.poll(response_id, raise_on_failure=True, on_poll=tell)
        except OpenAIError as error:
            return error
        finally:
            waiting -= 1

    tasks: list[asyncio.Task[Any]] = []
    for response_id in ids:
        await gate.acquire()
        tasks.append(asyncio.create_task(one(response_id)))
    return await asyncio.gather(*tasks), peak


async def test_ten_thousand_waits_on_one_client_lose_nothing() -> None:
    transport, together = Instant(), asyncio.Event()
    ids = [f"resp_{number}" for number in range(10_000)]
    async with AsyncOpenAI(
        base_url="http://instant.test/v1", api_key="x", http_client=httpx2.AsyncClient(transport=transport)
    ) as client:

        async def pause(_seconds: float) -> None:
            # Until all of them sleep.
            if len(transport.polls) == len(ids):
                together.set()
            await together.wait()

        setattr(client.responses, "_sleep", pause)  # noqa: B010  (a method, to the type checkers)
        endings, peak = await wait_for_all(client, ids, at_once=200)
    assert peak == len(ids)
    # One more retrieve raises the failure where a trace sees it.
    assert [transport.polls[one] for one in ids] == [2 if number % 10 else 3 for number in range(len(ids))]
    for number, ending in enumerate(endings):
        if number % 10 == 0:
            assert type(ending).__name__ == "BackgroundInternalServerError"
            assert ending.response_id == ids[number]
        else:
            assert (ending.id, ending.status) == (ids[number], "completed")


@pytest.mark.slow
async def test_ten_thousand_waits_over_http_lose_nothing() -> None:
    with Loopback(log=False) as server:
        # The second polls are spread over the time, as they are where runs differ.
        hints: list[Mapping[str, str]] = [{"openai-poll-after-ms": str(20_000 + 400 * n)} for n in range(100)]
        scenarios = [
            replace(CATALOGUE["completed" if n % 10 else "server_error"], polls=("in_progress",), poll_headers=(hint,))
            for n, hint in enumerate(hints)
        ]
        ids = [server.add(scenarios[number % len(scenarios)]) for number in range(10_000)]
        async with AsyncOpenAI(base_url=server.base_url, api_key="x") as client:
            endings, peak = await wait_for_all(client, ids, at_once=50)
        assert peak > 1_000
        assert not server.cancels and server.creates == 0
    failed = sum(type(ending).__name__ == "BackgroundInternalServerError" for ending in endings)
    completed = sum(getattr(ending, "status", None) == "completed" for ending in endings)
    assert (failed, completed) == (1_000, 9_000)
    assert [getattr(one, "id", None) or one.response_id for one in endings] == ids


def test_catalogue_has_every_kind_of_ending() -> None:
    assert len(set(EXPECTED.values())) > 8
    assert isinstance(CATALOGUE["completed"], Scenario)
