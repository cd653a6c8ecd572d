"""What is compared as CPU time per call, and the program that measures it: `python -m forktools.bench.cases FOLDER`.

A case has two halves: stock's is what its user writes today, the other is what replaces it. Both get the same bytes from
the same kind of transport. Two cases run stock on both sides: the noise of the run, and a raw `retrieve`, which is what
`poll` stands on.

The program reads lines of three numbers, case, half and calls, and answers each with the CPU seconds of that block. Before a block garbage is collected and set aside for good, so that each pays for its own only.
"""

from __future__ import annotations

import gc
import sys
import json
import time
import asyncio
from typing import Any, Callable, Iterator, AsyncIterator
from pathlib import Path
from itertools import cycle
from dataclasses import dataclass

import httpx2

import openai

from ..loopback import sse, sized, response

STOCK, TWIN, FORK = "stock", "stock again", "fork"
RESPONSE_ID = "resp_68f0c2b7a1d4819c9b3e5f7a0c2d4e6f8a1b3c5d7e9f0a2b"
JSON = {"content-type": "application/json", "x-request-id": "req_5f2d9c"}
CAUSE = {"code": "rate_limit_exceeded", "message": "Rate limit reached. Please try again in 4.2s."}
EVENTS = {**JSON, "content-type": "text/event-stream"}

Block = Callable[[int], None]
"""Makes so many calls."""
Half = Callable[[], Block]
"""Prepares a block, in the process of its side."""


@dataclass(frozen=True)
class Case:
    """One row. `most` bounds the ratio; `on` is the side of the second half."""

    title: str
    halves: tuple[Half, Half]
    most: float | None = None
    on: str = FORK


class _Enough(Exception):
    """Ends a wait after the polls that were asked for."""


class _Endless(httpx2.SyncByteStream, httpx2.AsyncByteStream):
    """A run that goes on: the same few deltas again and again, some of them in each chunk, as off a connection."""

    delta = {"type": "response.output_text.delta", "sequence_number": 1, "item_id": "msg_1", "output_index": 0}
    chunk = sse({**delta, "content_index": 0, "delta": " tide", "logprobs": []}) * 8

    def __iter__(self) -> Iterator[bytes]:
        return cycle([self.chunk])

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self:
            yield chunk


def pending(size: int, *, late: bool = False) -> bytes:
    """A run in progress; `late` sends its status after everything that makes it large."""
    made = sized(response(RESPONSE_ID, "in_progress"), size)
    if late:
        made["status"] = made.pop("status")
    return json.dumps(made, separators=(",", ":")).encode()


def transport(sent: bytes | _Endless) -> httpx2.MockTransport:
    """Answers every request with a body, or with a stream."""
    if isinstance(sent, bytes):
        return httpx2.MockTransport(lambda _: httpx2.Response(200, headers=JSON, content=sent))
    return httpx2.MockTransport(lambda _: httpx2.Response(200, headers=EVENTS, stream=sent))


def responses_of(sent: bytes | _Endless) -> Any:
    """`responses` of a client that gets nothing but this answer."""
    return openai.OpenAI(api_key="bench", http_client=httpx2.Client(transport=transport(sent))).responses


def repeated(call: Callable[[], object]) -> Block:
    """A block of nothing but these calls."""

    def block(calls: int) -> None:
        for _ in range(calls):
            call()

    return block


def retrieve(sent: bytes, **options: bool) -> Half:
    """`retrieve`, as stock's user calls it in a loop."""

    def prepare() -> Block:
        responses = responses_of(sent)
        return repeated(lambda: responses.retrieve(RESPONSE_ID, **options))

    return prepare


def raw_retrieve(sent: bytes) -> Half:
    """The same, but no model is read."""

    def prepare() -> Block:
        responses = responses_of(sent)
        return repeated(lambda: responses.with_raw_response.retrieve(RESPONSE_ID))

    return prepare


def poll(sent: bytes) -> Half:
    """One `poll` that asks so many times."""

    def prepare() -> Block:
        responses = responses_of(sent)

        def block(calls: int) -> None:
            def sleep(_: float) -> None:
                nonlocal calls
                calls -= 1
                if not calls:
                    raise _Enough

            responses._sleep = sleep
            try:
                responses.poll(RESPONSE_ID)
            except _Enough:
                pass

        return block

    return prepare


def status_error() -> Block:
    """The error of a call that was refused."""
    client, answer = responses_of(b"")._client, _answer(429)
    body = {"error": {**CAUSE, "type": "tokens", "param": None}}
    return repeated(lambda: client._make_status_error("Error code: 429", body=body, response=answer))


def background_error() -> Block:
    """The error of a run that failed for the same cause, made of the JSON of its poll."""
    client, answer = responses_of(b"")._client, _answer(200)
    sent = {**response(RESPONSE_ID, "failed"), "error": CAUSE}
    return repeated(lambda: client._make_background_error(sent, response=answer, response_id=RESPONSE_ID))


def _answer(status: int) -> httpx2.Response:
    request = httpx2.Request("GET", f"https://bench.example/v1/responses/{RESPONSE_ID}")
    return httpx2.Response(status, headers=JSON, content=b"{}", request=request)


def deltas(*, asynchronous: bool = False, **options: bool) -> Half:
    """The next so many events of a stream that has no end."""

    def prepare() -> Block:
        if not asynchronous:
            stream = responses_of(_Endless()).retrieve(RESPONSE_ID, stream=True, **options)
            return repeated(lambda: next(stream))
        loop = asyncio.new_event_loop()
        http_client = httpx2.AsyncClient(transport=transport(_Endless()))
        client: Any = openai.AsyncOpenAI(api_key="bench", http_client=http_client)
        watched = loop.run_until_complete(client.responses.retrieve(RESPONSE_ID, stream=True, **options))

        async def take(calls: int) -> None:
            for _ in range(calls):
                await watched.__anext__()

        return lambda calls: loop.run_until_complete(take(calls))

    return prepare


def _cases() -> Iterator[Case]:
    sizes = {"1.5 kB": pending(1_500), "28 kB": pending(28_000)}
    small = retrieve(sizes["1.5 kB"])
    yield Case("retrieve 1.5 kB, stock against itself: the noise", (small, small), on=TWIN)
    for size, sent in sizes.items():
        stock = retrieve(sent)
        yield Case(f"retrieve {size}, flag off", (stock, stock), 1.01)
        yield Case(f"retrieve {size}, flag on", (stock, retrieve(sent, raise_on_failure=True)), 1.01)
        yield Case(f"retrieve {size}, stock's raw one: the floor of poll", (stock, raw_retrieve(sent)), on=TWIN)
    for title, sent, most in (
        ("1.5 kB, status early", sizes["1.5 kB"], 0.70),
        ("1.5 kB, status late", pending(1_500, late=True), 0.70),
        ("28 kB, status early", sizes["28 kB"], 0.45),
        ("28 kB, status late", pending(28_000, late=True), 0.50),
    ):
        yield Case(f"poll {title}", (retrieve(sent), poll(sent)), most)
    yield Case("an error made, against _make_status_error", (status_error, background_error))
    for title, asynchronous in (("", False), (", async", True)):
        stock = deltas(asynchronous=asynchronous)
        watched = deltas(asynchronous=asynchronous, raise_on_failure=True)
        yield Case(f"delta of a stream{title}, flag off", (stock, stock), 1.01)
        yield Case(f"delta of a stream{title}, flag on", (stock, watched), 1.03)


CASES: tuple[Case, ...] = tuple(_cases())


def main(folder: str) -> None:
    """Answers until the input ends."""
    package = Path(openai.__file__).resolve()
    if not package.is_relative_to(Path(folder).resolve()):
        raise SystemExit(f"openai came from {package.parent}, not from {folder}")
    blocks: dict[tuple[int, int], Block] = {}
    for line in sys.stdin:
        case, half, calls = map(int, line.split())
        if (block := blocks.get((case, half))) is None:
            block = blocks[case, half] = CASES[case].halves[half]()
            block(calls)  # warm
        gc.collect()
        gc.freeze()
        started = time.process_time()
        block(calls)
        print(time.process_time() - started, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
