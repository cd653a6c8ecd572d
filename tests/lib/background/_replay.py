"""What the tests of streams share: events, a body that can break, and every way to read a stream with the flag set.

The events tell of one message, `TEXT`, that is whole before the end; so each route, also the one that parses the text,
has something to deliver before it has something to raise.
"""

from __future__ import annotations

import json
from types import TracebackType
from typing import Any, Callable, Iterator, Sequence, AsyncIterator, AsyncGenerator
from pathlib import Path
from contextlib import asynccontextmanager

import httpx2
from pydantic import BaseModel

from ._support import REQUEST_ID, RESPONSE_ID, Api, Client, answer, settle, entered, background

PLANTED = "planted-instructions-of-the-caller"
ITEM_ID = "msg_3d8e"
TEXT = '{"city":"Hamburg"}'
DONE = "[DONE]"


class City(BaseModel):
    """What `TEXT` parses to."""

    city: str


def response(**members: Any) -> dict[str, Any]:
    """The response inside an event; its instructions echo what the caller must not find in a log."""
    return answer(instructions=PLANTED, **members)


def created(number: int | None = 0, **members: Any) -> dict[str, Any]:
    return event("response.created", number, response=response(**{"status": "in_progress", **members}))


def event(kind: str, number: int | None = None, **members: Any) -> dict[str, Any]:
    """An event; Ellipsis takes a member away."""
    numbered = {} if number is None else {"sequence_number": number}
    return {name: value for name, value in {"type": kind, **numbered, **members}.items() if value is not ...}


def message(text: str = TEXT, *, status: str = "completed") -> dict[str, Any]:
    content: list[Any] = [{"type": "output_text", "text": text, "annotations": []}] if text else []
    return {"type": "message", "id": ITEM_ID, "role": "assistant", "status": status, "content": content}


def delta(number: int, text: str) -> dict[str, Any]:
    where = {"item_id": ITEM_ID, "output_index": 0, "content_index": 0}
    return event("response.output_text.delta", number, delta=text, logprobs=[], **where)


def item_done(number: int, text: str = TEXT) -> dict[str, Any]:
    return event("response.output_item.done", number, output_index=0, item=message(text))


def opening() -> list[dict[str, Any]]:
    """The events 0 to 5, before whatever ends the stream."""
    part: dict[str, Any] = {"type": "output_text", "text": "", "annotations": []}
    return [
        created(),
        event("response.output_item.added", 1, output_index=0, item=message("", status="in_progress")),
        event("response.content_part.added", 2, item_id=ITEM_ID, output_index=0, content_index=0, part=part),
        delta(3, TEXT[:7]),
        delta(4, TEXT[7:]),
        item_done(5),
    ]


def ended(kind: str, number: int | None = 6, **members: Any) -> dict[str, Any]:
    """A terminal event; its response has the status of its name."""
    return event(f"response.{kind}", number, response=response(**{"status": kind, **members}))


def completed(number: int = 6) -> dict[str, Any]:
    return ended("completed", number, output=[message()])


def kinds(events: Sequence[Any]) -> list[str]:
    """The types of events that were sent, or that were delivered."""
    return [getattr(one, "type", None) or one["type"] for one in events]


def sse(*events: Any, names: bool = True) -> bytes:
    """The bytes of events: a mapping is sent as JSON, with its type as its name; a string is sent as it is."""
    parts: list[str] = []
    for one in events:
        kind = None if isinstance(one, str) else one.get("type")
        data = one if isinstance(one, str) else json.dumps(one)
        parts.append((f"event: {kind}\n" if names and kind else "") + f"data: {data}\n\n")
    return "".join(parts).encode()


class Body(httpx2.SyncByteStream, httpx2.AsyncByteStream):
    """A streamed body that knows whether it was closed, and can end in a fault."""

    def __init__(self, *chunks: bytes, fault: Exception | None = None) -> None:
        self.chunks = chunks
        self.fault = fault
        self.closed = 0
        self.read = 0
        """How many chunks were asked for."""

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self.chunks:
            self.read += 1
            yield chunk
        if self.fault is not None:
            raise self.fault

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self:
            yield chunk

    def close(self) -> None:
        self.closed += 1

    async def aclose(self) -> None:
        self.closed += 1


def serve(body: Body, requests: list[httpx2.Request] | None = None) -> Callable[[httpx2.Request], httpx2.Response]:
    """A server that answers everything with this stream."""

    def handle(request: httpx2.Request) -> httpx2.Response:
        if requests is not None:
            requests.append(request)
        headers = {"content-type": "text/event-stream", "x-request-id": REQUEST_ID}
        return httpx2.Response(200, headers=headers, stream=body)

    return handle


ROUTES = ("plain", "raw", "streaming", "beta", "beta_raw", "beta_streaming", "manager", "manager_parsed")
"""Every way to read the stream of a run that exists already."""


@asynccontextmanager
async def streaming(
    client: Client, route: str = "plain", *, response_id: str = RESPONSE_ID, flag: bool = True, **options: Any
) -> AsyncGenerator[Any, None]:
    """The stream of a response by one of the `ROUTES`, closed at the end."""
    options = {**options, "raise_on_failure": flag}
    if route.startswith("manager"):
        text_format = {"text_format": City} if route == "manager_parsed" else {}
        async with entered(client.responses.stream(response_id=response_id, **text_format, **options)) as stream:
            yield stream
        return
    resource = client.beta.responses if route.startswith("beta") else client.responses
    if route.endswith("streaming"):
        manager = resource.with_streaming_response.retrieve(response_id, stream=True, **options)
        async with entered(manager) as raw, entered(await settle(raw.parse())) as stream:
            yield stream
        return
    if route.endswith("raw"):
        raw = await settle(resource.with_raw_response.retrieve(response_id, stream=True, **options))
        async with entered(raw.parse()) as stream:
            yield stream
        return
    async with entered(await settle(resource.retrieve(response_id, stream=True, **options))) as stream:
        yield stream


async def consume(stream: Any, seen: list[Any], each: Callable[[Any], object] | None = None) -> None:
    """The caller's loop: keep each event, and leave the loop where `each` says so by True."""
    if hasattr(stream, "__anext__"):
        async for one in stream:
            seen.append(one)
            if each is not None and each(one) is True:
                break
    else:
        for one in stream:
            seen.append(one)
            if each is not None and each(one) is True:
                break


class Outcome:
    """What a caller got from one stream."""

    def __init__(self, body: Body) -> None:
        self.body = body
        self.seen: list[Any] = []
        self.error: Any = None
        self.requests: list[httpx2.Request] = []


async def play(
    api: Api,
    *events: Any,
    route: str = "plain",
    names: bool = True,
    fault: Exception | None = None,
    client_class: type[Any] | None = None,
    **options: Any,
) -> Outcome:
    """Stream the events (bytes are sent as they are) by a route, to the end or to the error."""
    sent = b"".join(one if isinstance(one, bytes) else sse(one, names=names) for one in events)
    outcome = Outcome(Body(sent, fault=fault))
    async with api.client(serve(outcome.body, outcome.requests), client_class=client_class, max_retries=0) as client:
        try:
            async with streaming(client, route, **options) as stream:
                await consume(stream, outcome.seen)
        except Exception as error:
            outcome.error = error
    return outcome


def text_of_output(error: Any) -> list[str]:
    """The texts of the partial output that an error holds."""
    output: list[Any] = error.background_response.output or []
    return [item.content[0].text for item in output]


def locals_of_module(error: BaseException) -> str:
    """What a logger with locals would print of the frames of the module under test, causes included."""
    folder = str(Path(background.__file__ or "").parent)
    printed: list[str] = []
    link: BaseException | None = error
    while link is not None:
        trace: TracebackType | None = link.__traceback__
        while trace is not None:
            if trace.tb_frame.f_code.co_filename.startswith(folder):
                printed.append(repr(trace.tb_frame.f_locals))
            trace = trace.tb_next
        link = link.__cause__ or link.__context__
    return "\n".join(printed)
