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

import httpx
import httpx2
import pytest

from openai import OpenAI, AsyncOpenAI, OpenAIError, APIConnectionError, AuthenticationError, DefaultAioHttpClient
from forktools.loopback import CATALOGUE, Fault, Request, Loopback
from openai.lib.background import BackgroundResponseError, BackgroundPollTimeoutError, raise_on_failure

# httpx2 and httpx leave the transport of a connection that was reset to the garbage collector; stock does so too.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")

SYNC_RUNS, ASYNC_RUNS = 400, 600
IN_A_ROW = 4  # faults that one run may meet before an answer comes through
SHORT = 0.002  # seconds that a pause lasts here at most

OK = b"HTTP/1.1 200 OK\r\n"
FAULTS: dict[str, Callable[[], Fault]] = {
    "reset": Fault.reset,
    "close": lambda: Fault.close(0.5),
    "close_early": lambda: Fault.close(0),
    "truncate": lambda: Fault.truncate(0.5),
    "empty": lambda: Fault.truncate(0),
    "no_http": lambda: Fault.raw(b"nonsense\r\n\r\n"),
    "bad_header": lambda: Fault.raw(OK + b"no colon\r\n\r\n"),
    "bad_chunk": lambda: Fault.raw(OK + b"transfer-encoding: chunked\r\n\r\nzz\r\n"),
    "short": lambda: Fault.raw(OK + b"content-length: 99\r\n\r\n{"),
    "truncate_late": lambda: Fault.truncate(0.99),
    "html": Fault.html,
    "html_502": lambda: Fault.html(502),
    "not_found": Fault.not_found,
    **{str(code): (lambda code=code: Fault.status(code)) for code in (408, 409, 425, 500, 502, 503, 504, 529)},
    "429": lambda: Fault.status(429, retry_after="1"),
    "429_ms": lambda: Fault.status(429, headers={"retry-after-ms": "50"}),
    "503_date": lambda: Fault.status(503, retry_after="Thu, 01 Jan 2015 00:00:00 GMT"),
}
HANGS: dict[str, Callable[[], Fault]] = {"hang": Fault.hang, "hang_midway": lambda: Fault.hang(0.5)}
# What is said in HTTP is one client's matter; what breaks the connection is a matter of the library that holds it.
WIRE = [*list(FAULTS)[:9], *HANGS]
LIBRARIES = ("httpx2", "httpx", "aiohttp")
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

    def __init__(self, number: int, library: str = "") -> None:
        print("faults by FORK_SEED =", number)
        # Where the bad chunk comes a packet later, aiohttp waits for ever, and a poll for ten minutes: test_poll_wire.py.
        self.faults = sorted(FAULTS.keys() - ({"bad_chunk"} if library == "aiohttp" else set()))
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
        name = "hang" if self.random.random() < 1 / HANG_EVERY else self.random.choice(self.faults)
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
assert len(set(EXPECTED.values())) > 8


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
    assert set(chaos.met) >= set(chaos.faults)
    assert sum(chaos.met.values()) > len(chosen)


def shorten(client: OpenAI | AsyncOpenAI, most: float) -> None:
    """Let no pause of this client's waits, nor of its retries, last longer."""

    def pause(seconds: float) -> None:
        time.sleep(min(seconds, most))

    async def apause(seconds: float) -> None:
        await asyncio.sleep(min(seconds, most))

    def before_a_retry(*_: object) -> float:
        return most

    # Methods, to the type checkers.
    setattr(client.responses, "_sleep", pause if isinstance(client, OpenAI) else apause)  # noqa: B010
    setattr(client, "_calculate_retry_timeout", before_a_retry)  # noqa: B010


def create(server: Loopback, chosen: list[str]) -> list[str]:
    """The runs, created by a client of its own, whose connections no fault has touched."""
    with OpenAI(base_url=server.base_url, api_key="x", max_retries=0) as client:
        return [
            client.responses.create(model="m", input="Hi", background=True, metadata={"scenario": name}).id
            for name in chosen
        ]


def judged(response_id: str, outcome: Any) -> tuple[str, Any, str]:
    if isinstance(outcome, BackgroundResponseError):
        return response_id, outcome.response_id, type(outcome).__name__
    return response_id, outcome.id, str(outcome.status)


def test_poll_sync_under_every_fault_loses_no_run() -> None:
    chaos = Chaos(seed())
    chosen = names(SYNC_RUNS, chaos)
    with Loopback(faults=chaos) as server, OpenAI(base_url=server.base_url, api_key="x", max_retries=3) as client:
        ids = create(server, chosen)
        shorten(client, SHORT)

        def one(response_id: str) -> tuple[str, Any, str]:
            try:
                return judged(response_id, client.responses.poll(response_id, raise_on_failure=True, timeout=0.5))
            except BackgroundResponseError as error:
                return judged(response_id, error)

        with ThreadPoolExecutor(8) as pool:
            ended = list(pool.map(one, ids))
        check(server, chaos, chosen, ended)


@pytest.mark.parametrize("library", LIBRARIES)
async def test_poll_async_under_every_fault_loses_no_run(library: str) -> None:
    chaos = Chaos(seed(), library)
    chosen = names(ASYNC_RUNS // 3, chaos)
    with Loopback(faults=chaos) as server:
        ids = create(server, chosen)
        http = http_client(library)
        async with AsyncOpenAI(base_url=server.base_url, api_key="x", max_retries=3, http_client=http) as client:
            shorten(client, SHORT)

            # The pools of httpx2 and httpx take quadratic time in what queues for a connection, on stock too.
            gate = asyncio.Semaphore(25)

            async def one(response_id: str) -> tuple[str, Any, str]:
                async with gate:
                    try:
                        ended = await client.responses.poll(response_id, raise_on_failure=True, timeout=0.5)
                    except BackgroundResponseError as error:
                        return judged(response_id, error)
                    return judged(response_id, ended)

            ended = await asyncio.gather(*map(one, ids))
        check(server, chaos, chosen, list(ended))


def http_client(library: str) -> Any:
    made: dict[str, Callable[[], Any]] = {"aiohttp": DefaultAioHttpClient, "httpx": httpx.AsyncClient}
    return made.get(library, lambda: None)()


# -- each fault alone, so that a failure above has a name


@pytest.mark.parametrize(
    ("name", "library"),
    [(name, library) for name in WIRE for library in LIBRARIES]
    + [(name, "httpx2") for name in FAULTS if name not in WIRE],
)
async def test_poll_over_http_bears_the_fault(name: str, library: str) -> None:
    made = {**FAULTS, **HANGS}[name]

    def faults(request: Request) -> Fault | None:
        return made() if request.poll in (2, 3) else None

    told: list[str | None] = []
    with Loopback(faults=faults) as server:
        response_id = server.add(replace(CATALOGUE["completed"], polls=("queued",)))
        async with AsyncOpenAI(  # without retries of its own, so that the wait sees every fault
            base_url=server.base_url, api_key="x", max_retries=0, http_client=http_client(library)
        ) as client:
            shorten(client, 0.05)
            response = await client.responses.poll(
                response_id, timeout=0.2, max_wait_seconds=60, on_poll=lambda _number, status, _s: told.append(status)
            )
        assert response.status == "completed"
        # The run had completed at the second poll; two or more answers did not get through.
        assert told[-1] == "completed" and set(told[:-1]) == {"queued"}
        assert server.polls(response_id) == 4
        # aiohttp repeats a request on a connection that was reset.
        repeats = library == "aiohttp" and name in ("reset", "close_early")
        assert len(told) >= (3 if repeats else 4)


@pytest.mark.parametrize("library", LIBRARIES)
async def test_poll_whose_time_is_up_during_a_fault_says_which(library: str) -> None:
    with Loopback(faults=lambda _request: Fault.reset()) as server:
        async with AsyncOpenAI(base_url=server.base_url, api_key="x", http_client=http_client(library)) as client:
            with pytest.raises(BackgroundPollTimeoutError) as caught:
                await client.responses.poll("resp_completed", max_wait_seconds=0.1)
    assert isinstance(caught.value.__cause__, APIConnectionError)
    assert (caught.value.response_id, caught.value.status) == ("resp_completed", None)


def test_poll_with_the_time_out_of_a_legacy_client_is_bounded() -> None:
    legacy: Any = httpx
    given = legacy.Timeout(7.0, connect=3.0)
    with Loopback() as server:
        with OpenAI(base_url=server.base_url, api_key="x", http_client=legacy.Client(), timeout=given) as client:
            assert client.responses.poll("resp_completed", poll_interval_ms=1, max_wait_seconds=9).status == "completed"
            assert client.responses.poll("resp_completed", max_wait_seconds=9, timeout=given).status == "completed"


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
        body: dict[str, Any] = {"id": response_id, "object": "response", "status": "completed", "output": []}
        if self.polls[response_id] == 1:
            body["status"] = "in_progress"
        elif fails(response_id):
            body |= {"status": "failed", "error": {"code": "server_error", "message": "?"}}
        return httpx2.Response(200, headers={"openai-poll-after-ms": "1000"}, json=body)


def fails(response_id: str) -> bool:
    return int(response_id.rpartition("_")[2]) % 10 == 0


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
    assert [transport.polls[one] for one in ids] == [3 if fails(one) else 2 for one in ids]
    expected = [(one, "BackgroundInternalServerError" if fails(one) else "completed") for one in ids]
    assert [judged(one, ending)[1:] for one, ending in zip(ids, endings, strict=True)] == expected


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
    told = [judged(one, ending)[1:] for one, ending in zip(ids, endings, strict=True)]
    assert [one for one, _ in told] == ids
    assert Counter(ended for _, ended in told) == {"BackgroundInternalServerError": 1_000, "completed": 9_000}
