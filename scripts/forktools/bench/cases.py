"""What is compared as CPU time per call; in the process of a side.

A case has two halves: stock's is what its user writes today, the other is what replaces it. Both get the same bytes
from the same kind of transport. Two kinds of case run stock on both sides: the noise of the run, and a raw
`retrieve`, which is what `poll` stands on.
"""

from __future__ import annotations

import gc
import json
import time
import asyncio
from typing import Any, Callable, Iterator, NamedTuple, AsyncIterator
from pathlib import Path
from functools import partial
from itertools import cycle
from contextlib import suppress

import httpx2

import openai

from ..loopback import sse, sized, response

STOCK, TWIN, FORK = "stock", "stock again", "fork"
RESPONSE_ID = "resp_68f0c2b7a1d4819c9b3e5f7a0c2d4e6f8a1b3c5d7e9f0a2b"
JSON = {"content-type": "application/json", "x-request-id": "req_5f2d9c"}
EVENTS = {**JSON, "content-type": "text/event-stream"}
CAUSE = {"code": "rate_limit_exceeded", "message": "Rate limit reached. Please try again in 4.2s."}

Block = Callable[[int], None]
"""Makes so many calls."""


class Endless(httpx2.SyncByteStream, httpx2.AsyncByteStream):
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


def answering(sent: bytes | None = None) -> Any:
    """A client that gets nothing but this answer, or a stream without an end. Untyped: stock lacks some methods."""

    def answer(_: httpx2.Request) -> httpx2.Response:
        if sent is None:
            return httpx2.Response(200, headers=EVENTS, stream=Endless())
        return httpx2.Response(200, headers=JSON, content=sent)

    return openai.OpenAI(api_key="bench", http_client=httpx2.Client(transport=httpx2.MockTransport(answer)))


def repeated(call: Callable[[], object]) -> Block:
    """A block of nothing but these calls."""

    def block(calls: int) -> None:
        for _ in range(calls):
            call()

    return block


def retrieve(sent: bytes, **options: bool) -> Block:
    """`retrieve`, as stock's user calls it in a loop."""
    responses = answering(sent).responses
    return repeated(lambda: responses.retrieve(RESPONSE_ID, **options))


def raw_retrieve(sent: bytes) -> Block:
    """The same, but no model is read."""
    raw = answering(sent).responses.with_raw_response
    return repeated(lambda: raw.retrieve(RESPONSE_ID))


def poll(sent: bytes) -> Block:
    """One `poll` that asks so many times."""
    responses = answering(sent).responses

    def block(calls: int) -> None:
        pauses = iter(range(calls - 1))

        def pause(_: float) -> None:
            next(pauses)

        responses._sleep = pause
        with suppress(StopIteration):  # of the pause behind the last call
            responses.poll(RESPONSE_ID)

    return block


def status_error() -> Block:
    """The error of a call that was refused."""
    client, answer = answering(), httpx2.Response(429, headers=JSON, request=httpx2.Request("GET", "https://x/"))
    body = {"error": {**CAUSE, "type": "tokens", "param": None}}
    return repeated(lambda: client._make_status_error("Error code: 429", body=body, response=answer))


def background_error() -> Block:
    """The error of a run that failed for the same cause, made of the JSON of its poll."""
    client, answer = answering(), httpx2.Response(200, headers=JSON, request=httpx2.Request("GET", "https://x/"))
    sent = {**response(RESPONSE_ID, "failed"), "error": CAUSE}
    return repeated(lambda: client._make_background_error(sent, response=answer, response_id=RESPONSE_ID))


def deltas(**options: bool) -> Block:
    """The next so many events of a stream."""
    stream = answering().responses.retrieve(RESPONSE_ID, stream=True, **options)
    return repeated(lambda: next(stream))


def async_deltas(**options: bool) -> Block:
    """The same of an asynchronous one."""
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, headers=EVENTS, stream=Endless()))
    client: Any = openai.AsyncOpenAI(api_key="bench", http_client=httpx2.AsyncClient(transport=transport))
    loop = asyncio.new_event_loop()
    stream = loop.run_until_complete(client.responses.retrieve(RESPONSE_ID, stream=True, **options))

    async def take(calls: int) -> None:
        for _ in range(calls):
            await stream.__anext__()

    return lambda calls: loop.run_until_complete(take(calls))


class Case(NamedTuple):
    """One row: what prepares stock's half and the other one. `most` bounds the ratio; `on` is the side of the other."""

    halves: tuple[Callable[[], Block], Callable[[], Block]]
    most: float | None = None
    on: str = FORK


def _cases() -> Iterator[tuple[str, Case]]:
    small, large = pending(1_500), pending(28_000)
    stock = partial(retrieve, small)
    yield "retrieve 1.5 kB, stock against itself: the noise", Case((stock, stock), on=TWIN)
    for size, sent in {"1.5 kB": small, "28 kB": large}.items():
        stock = partial(retrieve, sent)
        yield f"retrieve {size}, flag off", Case((stock, stock), 1.01)
        yield f"retrieve {size}, flag on", Case((stock, partial(retrieve, sent, raise_on_failure=True)), 1.01)
        yield (
            f"retrieve {size}, stock's raw one: the floor of poll",
            Case((stock, partial(raw_retrieve, sent)), on=TWIN),
        )
    for title, sent, most in (
        ("1.5 kB, status early", small, 0.70),
        ("1.5 kB, status late", pending(1_500, late=True), 0.70),
        ("28 kB, status early", large, 0.45),
        ("28 kB, status late", pending(28_000, late=True), 0.50),
    ):
        yield f"poll {title}", Case((partial(retrieve, sent), partial(poll, sent)), most)
    yield "an error made, against _make_status_error", Case((status_error, background_error))
    for title, stream in {"": deltas, ", async": async_deltas}.items():
        yield f"delta of a stream{title}, flag off", Case((stream, stream), 1.01)
        yield f"delta of a stream{title}, flag on", Case((stream, partial(stream, raise_on_failure=True)), 1.03)


CASES = dict(_cases())


def package() -> Path:
    """Where this process got `openai` from."""
    return Path(openai.__file__).resolve()


_blocks: dict[tuple[str, int], Block] = {}


def measure(title: str, half: int, calls: int) -> float:
    """CPU seconds for so many calls of one half of a case. Before them garbage is collected and set aside for good, so
    that each pays for its own only."""
    if (block := _blocks.get((title, half))) is None:
        block = _blocks[title, half] = CASES[title].halves[half]()
        block(calls)  # warm
    gc.collect()
    gc.freeze()
    began = time.process_time()
    block(calls)
    return time.process_time() - began
