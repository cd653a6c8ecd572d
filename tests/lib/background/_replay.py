"""What the tests of streams share: events, a body that can break or hang, and every way to read a stream.

The events tell of one message, `TEXT`, whose item is done before the end; so the helper that parses it has it whole.
"""

from __future__ import annotations

import json
from typing import Any, Iterator, Sequence, AsyncIterator, AsyncGenerator
from contextlib import asynccontextmanager

import anyio
import httpx2
from pydantic import BaseModel

from ._support import body, client, settle, written

TEXT = '{"city": "Hamburg"}'
DONE = "[DONE]"
BOOM = {"code": "server_error", "message": "It broke."}


class City(BaseModel):
    """What `TEXT` parses to."""

    city: str


def event(kind: str | None, number: int | None = None, **members: Any) -> dict[str, Any]:
    """An event; what is None is left out, Ellipsis is null."""
    sent = {"type": kind, "sequence_number": number, **members}
    return {name: None if value is ... else value for name, value in sent.items() if value is not None}


def created(number: int | None = 0, **members: Any) -> dict[str, Any]:
    return event("response.created", number, response=body("in_progress", **members))


def item_added(number: int = 1) -> dict[str, Any]:
    item = {"type": "message", "id": "msg_1", "role": "assistant", "status": "in_progress", "content": []}
    return event("response.output_item.added", number, output_index=0, item=item)


def part_added(number: int = 2) -> dict[str, Any]:
    part: dict[str, Any] = {"type": "output_text", "text": "", "annotations": []}
    where = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    return event("response.content_part.added", number, part=part, **where)


def delta(number: int | None, text: str) -> dict[str, Any]:
    where = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    return event("response.output_text.delta", number, delta=text, logprobs=[], **where)


def text_done(number: int, text: str) -> dict[str, Any]:
    where = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    return event("response.output_text.done", number, text=text, logprobs=[], **where)


def item_done(number: int, text: str = TEXT) -> dict[str, Any]:
    return event("response.output_item.done", number, output_index=0, item=written(text)[0])


def opening() -> list[dict[str, Any]]:
    """The events 0 to 5, before whatever ends the stream."""
    return [created(), item_added(), part_added(), delta(3, TEXT[:7]), delta(4, TEXT[7:]), item_done(5)]


def ended(kind: str, number: int | None = 6, **members: Any) -> dict[str, Any]:
    """A terminal event; its response has the status of its name."""
    return event(f"response.{kind}", number, response=body(**{"status": kind, **members}))


def completed(number: int = 6) -> dict[str, Any]:
    return ended("completed", number, output=written(TEXT))


def kinds(events: Sequence[Any]) -> list[Any]:
    """The types of events that were sent, or that were delivered."""
    return [one["type"] if isinstance(one, dict) else getattr(one, "type", None) for one in events]


def sse(*events: Any, names: bool = True) -> bytes:
    """The bytes of events: a mapping is sent as JSON, with its type as its name; a string is data; bytes are as they are."""
    parts: list[bytes] = []
    for one in events:
        if isinstance(one, bytes):
            parts.append(one)
            continue
        kind = None if isinstance(one, str) else one.get("type")
        data = one if isinstance(one, str) else json.dumps(one)
        parts.append(((f"event: {kind}\n" if names and kind else "") + f"data: {data}\n\n").encode())
    return b"".join(parts)


class Body(httpx2.SyncByteStream, httpx2.AsyncByteStream):
    """A streamed body that knows whether it was closed; a chunk that is an exception is raised, None hangs (async)."""

    def __init__(self, *chunks: bytes | Exception | None) -> None:
        self.chunks = chunks
        self.asked_for = 0
        self.closed = False

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self.chunks:
            self.asked_for += 1
            if isinstance(chunk, Exception):
                raise chunk
            assert chunk is not None, "sync code would hang"
            yield chunk

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self.chunks:
            self.asked_for += 1
            if isinstance(chunk, Exception):
                raise chunk
            if chunk is None:
                await anyio.sleep_forever()
            yield chunk or b""

    def close(self) -> None:
        self.closed = True

    async def aclose(self) -> None:
        self.closed = True


def answer(sent: Body, content_type: str = "text/event-stream") -> httpx2.Response:
    return httpx2.Response(200, stream=sent, headers={"content-type": content_type, "x-request-id": "req_1"})


RAW_ROUTES = ("plain", "raw", "streaming", "beta", "beta_raw", "beta_streaming")
HELPERS = ("helper", "helper_parsed")
ROUTES = (*RAW_ROUTES, *HELPERS)
"""Every way to read the stream of a run that exists already."""


@asynccontextmanager
async def entered(manager: Any) -> AsyncGenerator[Any, None]:
    """What a context manager of either client gives."""
    if hasattr(manager, "__aenter__"):
        async with manager as value:
            yield value
    else:
        with manager as value:
            yield value


@asynccontextmanager
async def reading(api: Any, route: str = "plain", *, flag: bool = True, **options: Any) -> AsyncGenerator[Any, None]:
    """The stream of a response by one of the `ROUTES`, closed at the end."""
    if flag:
        options["raise_on_failure"] = True
    if route in HELPERS:
        text_format = {"text_format": City} if route == "helper_parsed" else {}
        async with entered(api.responses.stream(response_id="resp_1", **text_format, **options)) as stream:
            yield stream
        return
    resource = api.beta.responses if route.startswith("beta") else api.responses
    if route.endswith("streaming"):
        manager = resource.with_streaming_response.retrieve("resp_1", stream=True, **options)
        async with entered(manager) as raw, entered(await settle(raw.parse())) as stream:
            yield stream
        return
    if route.endswith("raw"):
        stream = (await settle(resource.with_raw_response.retrieve("resp_1", stream=True, **options))).parse()
    else:
        stream = await settle(resource.retrieve("resp_1", stream=True, **options))
    async with entered(stream):
        yield stream


async def each(stream: Any) -> AsyncIterator[Any]:
    """The events of a stream of either client."""
    if hasattr(stream, "__anext__"):
        async for one in stream:
            yield one
    else:
        for one in stream:
            yield one


class Told:
    """What a caller got from one stream."""

    def __init__(self, sent: Body) -> None:
        self.body = sent
        self.seen: list[Any] = []
        self.error: Any = None

    @property
    def kinds(self) -> list[Any]:
        return kinds(self.seen)


async def play(
    *events: Any,
    asynchronous: bool,
    route: str = "plain",
    names: bool = True,
    then: Exception | None = None,
    flag: bool = True,
    options: dict[str, Any] | None = None,
    content_type: str = "text/event-stream",
) -> Told:
    """Stream the events by a route, to the end or to the error; `then` is what the connection does behind them."""
    rest = [] if then is None else [then]
    told = Told(Body(sse(*events, names=names), *rest))
    api = client(lambda _: answer(told.body, content_type), asynchronous=asynchronous, max_retries=0)
    try:
        async with reading(api, route, flag=flag, **(options or {})) as stream:
            async for one in each(stream):
                told.seen.append(one)
    except Exception as error:
        told.error = error
    return told
