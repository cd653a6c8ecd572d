"""What is measured as CPU time per call: one case a row, prepared for the side on which it runs.

Stock's half of a case is what its user writes today; the fork's half is what replaces it. Both get the same bytes from
the same kind of transport. `twin` is stock on both sides: what it differs from 1 is the noise of the run.
"""

from __future__ import annotations

import asyncio
from typing import Any, Callable, Iterator, NamedTuple
from itertools import islice

import httpx2

import openai
from openai import OpenAI, AsyncOpenAI, OpenAIError

from . import payloads
from .sides import FORK
from .payloads import HEADERS, RESPONSE_ID

Block = Callable[[int], None]
"""Makes so many calls."""

_PENDING = ("queued", "in_progress")
_POLLS_A_WAIT = 50
_DELTAS = 10_000
_BODIES: dict[str, Callable[[], bytes]] = {
    "pending-1.5k": lambda: payloads.pending(1_500),
    "pending-28k": lambda: payloads.pending(28_000),
    "completed-32k": lambda: payloads.completed(32_000),
    "completed-300k": lambda: payloads.completed(300_000),
    "failed-1.5k": lambda: payloads.failed(1_500),
}


class Case(NamedTuple):
    """One row. `most` and `least` bound the median ratio; None where the issue sets no bound."""

    title: str
    prepare: Callable[[str], Block]
    most: float | None = None
    least: float | None = None
    blocks: int = 1
    """How many times the usual number of blocks is measured."""


class _Enough(Exception):
    """Ends a wait after the polls that were asked for."""


def sync_client(body: bytes) -> OpenAI:
    """A client whose every request is answered with `body`."""
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, headers=HEADERS, content=body))
    return OpenAI(api_key="bench", max_retries=0, http_client=httpx2.Client(transport=transport))


def async_client(body: bytes) -> AsyncOpenAI:
    """As `sync_client`."""
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, headers=HEADERS, content=body))
    return AsyncOpenAI(api_key="bench", max_retries=0, http_client=httpx2.AsyncClient(transport=transport))


def _retrieve(body: str, *, flag: bool) -> Callable[[str], Block]:
    def prepare(side: str) -> Block:
        responses = sync_client(_BODIES[body]()).responses
        options: dict[str, Any] = {"raise_on_failure": True} if flag and side == FORK else {}

        def block(calls: int) -> None:
            for _ in range(calls):
                try:
                    responses.retrieve(RESPONSE_ID, **options)
                except OpenAIError:
                    pass

        return block

    return prepare


def _poll(body: str) -> Callable[[str], Block]:
    def prepare(side: str) -> Block:
        responses: Any = sync_client(_BODIES[body]()).responses
        left = 0

        def sleep(_: float) -> None:
            nonlocal left
            left -= 1
            if left % _POLLS_A_WAIT == 0:
                raise _Enough

        def wait_stock() -> None:
            while True:
                response = responses.retrieve(RESPONSE_ID)
                if response.status not in _PENDING:
                    return
                sleep(1.0)

        def wait_fork() -> None:
            responses.poll(RESPONSE_ID)

        responses._sleep = sleep
        wait = wait_fork if side == FORK else wait_stock

        def block(calls: int) -> None:
            nonlocal left
            left = calls
            while left > 0:
                try:
                    wait()
                except _Enough:
                    pass

        return block

    return prepare


def _poll_async(body: str) -> Callable[[str], Block]:
    def prepare(side: str) -> Block:
        responses: Any = async_client(_BODIES[body]()).responses
        left = 0

        async def sleep(_: float) -> None:
            nonlocal left
            left -= 1
            if left % _POLLS_A_WAIT == 0:
                raise _Enough

        async def wait_stock() -> None:
            while True:
                response = await responses.retrieve(RESPONSE_ID)
                if response.status not in _PENDING:
                    return
                await sleep(1.0)

        async def wait_fork() -> None:
            await responses.poll(RESPONSE_ID)

        responses._sleep = sleep
        wait = wait_fork if side == FORK else wait_stock

        async def waits() -> None:
            while left > 0:
                try:
                    await wait()
                except _Enough:
                    pass

        def block(calls: int) -> None:
            nonlocal left
            left = calls
            asyncio.run(waits())

        return block

    return prepare


def _raise(side: str) -> Block:
    """Made, raised and caught: the error of a failed run whose JSON was read, and that of the synchronous twin with 429."""
    client: Any = sync_client(b"{}")
    body = payloads.failed(1_500)
    request = httpx2.Request("GET", f"https://bench.example/v1/responses/{RESPONSE_ID}")
    if side == FORK:
        answer = httpx2.Response(200, headers=HEADERS, content=body, request=request)
        sent: Any = answer.json()

        def make() -> Exception:
            return client._make_background_error(sent, response=answer, response_id=RESPONSE_ID)
    else:
        error = httpx2.Response(200, content=body).json()["error"]
        refused = {"error": {**error, "type": "tokens", "param": None}}
        answer = httpx2.Response(429, headers=HEADERS, json=refused, request=request)
        message = f"Error code: 429 - {error['message']}"

        def make() -> Exception:
            return client._make_status_error(message, body=refused, response=answer)

    assert isinstance(make(), openai.RateLimitError)

    def block(calls: int) -> None:
        for _ in range(calls):
            try:
                raise make()
            except OpenAIError:
                pass

    return block


class _Events(httpx2.SyncByteStream):
    """The events of one run, a few of them in each chunk, as they come off a connection."""

    def __init__(self, chunks: list[bytes]) -> None:
        self._chunks = chunks

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._chunks)


def _stream(*, flag: bool) -> Callable[[str], Block]:
    def prepare(side: str) -> Block:
        sent = payloads.events(_DELTAS)
        chunks = [b"".join(sent[at : at + 8]) for at in range(0, len(sent), 8)]
        headers = {**HEADERS, "content-type": "text/event-stream"}
        transport = httpx2.MockTransport(lambda _: httpx2.Response(200, headers=headers, stream=_Events(chunks)))
        responses = OpenAI(api_key="bench", http_client=httpx2.Client(transport=transport)).responses
        options: dict[str, Any] = {"raise_on_failure": True} if flag and side == FORK else {}
        # Blocks take up the stream where the last one left it: it is long, and a block has to be short.
        events: Iterator[object] = iter(())

        def block(calls: int) -> None:
            nonlocal events
            left = calls
            while left:
                taken = sum(1 for _ in islice(events, left))
                left -= taken
                if left:
                    events = iter(responses.retrieve(RESPONSE_ID, stream=True, **options))

        return block

    return prepare


def _cases() -> Iterator[tuple[str, Case]]:
    yield "twin", Case("stock against itself, retrieve 1.5 kB: the noise", _retrieve("pending-1.5k", flag=False))
    for body in _BODIES:
        title = f"retrieve, {body.replace('-', ' ').replace('k', ' kB')}"
        yield f"retrieve-off/{body}", Case(f"{title}, flag off", _retrieve(body, flag=False), most=1.01, least=0.99)
    for body in _BODIES:
        title = f"retrieve, {body.replace('-', ' ').replace('k', ' kB')}"
        # A run that failed is raised: that costs more than to return it, and has a row of its own.
        most = None if body.startswith("failed") else 1.01
        yield f"retrieve-on/{body}", Case(f"{title}, flag on", _retrieve(body, flag=True), most=most)
    for body, most in (("pending-1.5k", 0.55), ("pending-28k", 0.30)):
        title = f"poll of a run, {body.replace('-', ' ').replace('k', ' kB')}"
        yield f"poll/{body}", Case(title, _poll(body), most=most)
        yield f"poll-async/{body}", Case(f"{title}, async", _poll_async(body), most=most)
    yield "raise", Case("raise and catch, against `_make_status_error`", _raise, most=1.5)
    yield (
        "stream-off",
        Case(f"stream of {_DELTAS:,} deltas, per event, flag off", _stream(flag=False), most=1.01, blocks=2),
    )
    yield (
        "stream-on",
        Case(f"stream of {_DELTAS:,} deltas, per event, flag on", _stream(flag=True), most=1.03, blocks=2),
    )


CASES: dict[str, Case] = dict(_cases())
