"""The ways in which `./scripts/demo --payloads` tries what was recorded: one answer, by every route that a caller has.

    retrieve, poll, apoll                `client.responses.…(id, raise_on_failure=True)`; the `a` is the async client
    stream, astream, stream:failed       `retrieve(id, stream=True, …)`; the last sends the body in a `response.failed`
    helper                               `client.responses.stream(response_id=id, …)`
    raise, raise:last                    `raise_on_failure(body)`; of the last event
    delivered:TYPE                       the stream up to that event
    poll:text_format, helper:text_format the same with a model to parse into

Promises: no socket is opened, and no pause is slept: it is put on the clock instead. Only a body that is held open
takes time. `Seen` holds whatever came of it, an exception that nobody expected too.
"""

from __future__ import annotations

import json
import time
import asyncio
import inspect
from typing import Any, NamedTuple, cast
from collections.abc import Mapping, Iterator, Awaitable, AsyncIterator

import httpx2
from pydantic import BaseModel

from openai import OpenAI, AsyncOpenAI
from openai.lib.background import raise_on_failure

JSON = dict[str, Any]

ROUTES = (
    "retrieve", "poll", "apoll", "stream", "astream", "stream:failed", "helper", "raise", "raise:last",
    "poll:text_format", "helper:text_format",
)  # fmt: skip
HELD_OPEN = 4  # seconds


class Seen(NamedTuple):
    """What came of one route."""

    error: Exception | None
    last: Any
    """What was returned, or the last event."""
    seconds: float


class Total(BaseModel):
    """What `…:text_format` parses into."""

    total: int
    name: str


def is_tried(route: str) -> bool:
    """Whether `go` knows the route."""
    return route in ROUTES or route.startswith("delivered:")


def go(route: str, case: Mapping[str, Any]) -> Seen:
    """Takes the route. `case` holds `body`, `events` (or `raw`, `raw_tail`), or `answers`; see the corpora's README."""
    if route == "stream:failed":
        case = {"events": [_created(case["body"]), {"type": "response.failed", "response": case["body"]}]}
    clock = _Clock()
    error: Exception | None = None
    last: Any = None
    started = time.perf_counter()
    try:
        if route.startswith("raise"):
            judged: Any = case["events"][-1] if route == "raise:last" else case["body"]
            last = raise_on_failure(judged)
        else:
            last = clock.run(_ask(route, case, clock))
    except Exception as caught:
        error = caught
    return Seen(error, last, time.perf_counter() - started)


async def _ask(route: str, case: Mapping[str, Any], clock: _Clock) -> Any:
    how, _, option = route.partition(":")
    answers = _Answers(case, clock)
    client: Any
    if how in ("apoll", "astream"):
        http: Any = httpx2.AsyncClient(transport=httpx2.MockTransport(answers))
        client = AsyncOpenAI(api_key="demo", base_url="http://demo.test/v1", max_retries=0, http_client=http)
        client.responses._sleep = clock.asleep
    else:
        http = httpx2.Client(transport=httpx2.MockTransport(answers))
        client = OpenAI(api_key="demo", base_url="http://demo.test/v1", max_retries=0, http_client=http)
        client.responses._sleep = clock.sleep
    response_id: str = case.get("id", "resp_f")
    options: JSON = {"raise_on_failure": True, **({"text_format": Total} if option == "text_format" else {})}
    try:
        if how == "retrieve":
            return client.responses.retrieve(response_id, **options)
        if how in ("poll", "apoll"):
            return await _settled(client.responses.poll(response_id, max_wait_seconds=3600, **options))
        if how == "helper":
            manager: Any = client.responses.stream(response_id=response_id, **options)
            with manager as stream:
                return stream.get_final_response()
        stream = await _settled(client.responses.retrieve(response_id, stream=True, **options))
        last: Any = None
        async for last in _each(stream):
            if how == "delivered" and last.type == option:
                break
        return last
    finally:
        await _settled(client.close())


class _Clock:
    """The real clock, with every pause added to it."""

    def __init__(self) -> None:
        self.slept = 0.0

    def now(self) -> float:
        return self._real() + self.slept

    def sleep(self, seconds: float) -> None:
        self.slept += seconds

    async def asleep(self, seconds: float) -> None:
        self.slept += seconds

    def run(self, what: Awaitable[Any]) -> Any:
        """Waits for it while `time.monotonic` is this clock."""

        async def whole() -> Any:
            return await what

        self._real = time.monotonic
        setattr(time, "monotonic", self.now)  # noqa: B010
        try:
            return asyncio.run(whole())
        finally:
            time.monotonic = self._real


class _Answers:
    """The server: what it answers to each request."""

    def __init__(self, case: Mapping[str, Any], clock: _Clock) -> None:
        self.case, self.clock = case, clock
        self.left: list[Any] = [*case.get("answers", ())]
        self.until: float | None = None

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        if request.url.params.get("stream") != "true" or not {"events", "raw"} & {*self.case}:
            return _answer(self._next())
        sent = "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" if "type" in event
                       else f"data: {json.dumps(event)}\n\n" for event in self.case.get("events", ()))  # fmt: skip
        sent += self.case.get("raw", "") + self.case.get("raw_tail", "")
        body = _Body(_stamped(sent).encode(), self.case.get("then"))
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, stream=body)

    def _next(self) -> JSON:
        if not self.left:
            return self.case.get("body") or {}
        answer = self.left[0]
        if isinstance(answer, str):  # "@200 seconds of in_progress"
            seconds, status = answer[1:].split(" seconds of ")
            self.until = self.clock.now() + float(seconds) if self.until is None else self.until
            if self.clock.now() < self.until:
                return {"id": "resp_f", "object": "response", "status": status, "output": []}
            self.until = None
            self.left.pop(0)
            return self._next()
        return self.left.pop(0) if len(self.left) > 1 else answer


class _Body(httpx2.SyncByteStream, httpx2.AsyncByteStream):
    """An event stream, and what happens behind its last byte."""

    def __init__(self, sent: bytes, then: str | None) -> None:
        self.sent, self.then = sent, then

    def __iter__(self) -> Iterator[bytes]:
        yield self.sent
        if self.then == "idle":
            time.sleep(HELD_OPEN)
        self._reset()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self.sent
        if self.then == "idle":
            await asyncio.sleep(HELD_OPEN)
        self._reset()

    def _reset(self) -> None:
        if self.then == "reset":
            raise httpx2.ReadError("the connection was reset")


def _answer(body: JSON) -> httpx2.Response:
    status = body.get("@status", 200)
    text = _stamped(json.dumps({name: value for name, value in body.items() if name != "@status"}))
    return httpx2.Response(status, headers={"content-type": "application/json"}, content=text.encode())


def _stamped(text: str) -> str:
    """The text with `@now+N` as a time stamp."""
    before, found, rest = text.partition('"@now+')
    if not found:
        return text
    seconds, _, rest = rest.partition('"')
    return f"{before}{int(time.time() + float(seconds))}{_stamped(rest)}"


def _created(body: JSON) -> JSON:
    return {
        "type": "response.created",
        "sequence_number": 0,
        "response": {**body, "status": "in_progress", "error": None},
    }


async def _settled(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value


async def _each(stream: Any) -> AsyncIterator[Any]:
    if hasattr(stream, "__aiter__"):
        async for event in cast("AsyncIterator[Any]", stream):
            yield event
    else:
        for event in stream:
            yield event
