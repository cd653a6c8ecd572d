"""The ways in which `./scripts/demo --payloads` tries what was recorded: one answer, by every route that a caller has.

    retrieve, poll, apoll                `client.responses.…(id, raise_on_failure=True)`; the `a` is the async client
    stream, astream, stream:failed       `retrieve(id, stream=True, …)`; the last sends the body in a `response.failed`
    helper                               `client.responses.stream(response_id=id, …)`
    poll:text_format, helper:text_format the same with a model to parse into
    raise, raise:last                    `raise_on_failure(body)`; of the last event
    delivered:TYPE                       the stream up to that event
    webhook                              a signed webhook, unwrapped, then polled
    resume                               a stream that breaks, a second one from there, and a poll where that is refused

Promises: no socket is opened, and no pause is slept: it is put on the clock instead. Only a body that is held open takes
time. `Seen` holds whatever came of it, an exception that nobody expected too.
"""

from __future__ import annotations

import re
import hmac
import json
import time
import base64
import asyncio
import hashlib
import inspect
from typing import Any, NamedTuple, cast
from unittest.mock import patch
from collections.abc import Mapping, Iterator, AsyncIterator

import httpx2
from pydantic import BaseModel

from openai import OpenAI, AsyncOpenAI, APIStatusError, BackgroundStreamInterruptedError
from openai.lib.background import raise_on_failure

from .loopback import sse

HELD_OPEN = 4  # seconds
JSON = dict[str, Any]

ROUTES = (
    *("retrieve", "poll", "apoll", "poll:text_format", "stream", "astream", "stream:failed"),
    *("helper", "helper:text_format", "raise", "raise:last", "webhook", "resume"),
)


class Seen(NamedTuple):
    """What came of one route."""

    error: Exception | None
    last: Any
    """What was returned, or the last event."""
    seconds: float = 0.0
    first: int | None = None
    """The number at which a stream that was resumed had broken off."""


def is_tried(route: str) -> bool:
    """Whether `go` knows the route."""
    return route in ROUTES or route.startswith("delivered:")


class Total(BaseModel):
    """What `…:text_format` parses into."""

    total: int
    name: str


def go(route: str, case: Mapping[str, Any]) -> Seen:
    """Takes the route."""
    if route == "stream:failed":
        case = {"events": [created(case["body"]), {"type": "response.failed", "response": case["body"]}]}
    server, started = _Server(case), time.perf_counter()
    try:
        with patch.object(time, "monotonic", server.now):
            seen = asyncio.run(_ask(route, case, server))
    except Exception as error:
        seen = Seen(error, None)
    return seen._replace(seconds=time.perf_counter() - started)


async def _ask(route: str, case: Mapping[str, Any], server: _Server) -> Seen:
    how, _, option = route.partition(":")
    if how == "raise":
        return Seen(None, raise_on_failure(case["events"][-1] if option == "last" else case["body"]))
    client, response_id = _client(how in ("apoll", "astream"), server), case.get("id", "resp_f")
    options: JSON = {"text_format": Total} if option == "text_format" else {}

    async def poll() -> Any:
        return await _settled(
            client.responses.poll(response_id, raise_on_failure=True, max_wait_seconds=3600, **options)
        )

    async def events(**more: Any) -> Any:
        stream = await _settled(client.responses.retrieve(response_id, stream=True, raise_on_failure=True, **more))
        last: Any = None
        async for last in _each(stream):
            if how == "delivered" and last.type == option:
                break
        return last

    try:
        if how == "retrieve":
            return Seen(None, client.responses.retrieve(response_id, raise_on_failure=True))
        if how == "webhook":
            body, headers, secret = signed(case["webhook"])
            response_id = client.webhooks.unwrap(body, headers, secret=secret).data.id
        if how in ("poll", "apoll", "webhook"):
            return Seen(None, await poll())
        if how == "helper":
            with client.responses.stream(response_id=response_id, raise_on_failure=True, **options) as stream:
                return Seen(None, stream.get_final_response())
        try:
            return Seen(None, await events())
        except BackgroundStreamInterruptedError as error:
            if how != "resume":
                raise
            first = error.sequence_number
        try:
            return Seen(None, await events(starting_after=first), first=first)
        except APIStatusError as refused:
            return Seen(refused, await poll(), first=first)
    finally:
        await _settled(client.close())


def _client(asynchronous: bool, server: _Server) -> Any:
    options: Any = {"api_key": "demo", "base_url": "http://demo.test/v1", "max_retries": 0}
    transport = httpx2.MockTransport(server.answer)
    if not asynchronous:
        client: Any = OpenAI(**options, http_client=httpx2.Client(transport=transport))
        client.responses._sleep = server.sleep
    else:
        client = AsyncOpenAI(**options, http_client=httpx2.AsyncClient(transport=transport))
        client.responses._sleep = server.asleep
    return client


def signed(webhook: JSON) -> tuple[str, dict[str, str], str]:
    """A webhook as it is sent: its body, its headers, and the secret that they were signed with."""
    key, body, stamp = b"a secret of thirty-two bytes, ok", json.dumps(webhook), str(int(time.time()))
    signature = base64.b64encode(hmac.digest(key, f"msg_1.{stamp}.{body}".encode(), hashlib.sha256)).decode()
    headers = {"webhook-id": "msg_1", "webhook-timestamp": stamp, "webhook-signature": f"v1,{signature}"}
    return body, headers, "whsec_" + base64.b64encode(key).decode()


class _Server:
    """What it answers to each request, and the clock: the real one, with every pause added to it."""

    def __init__(self, case: Mapping[str, Any]) -> None:
        self.case = case
        self.left: list[Any] = [*case.get("answers", ())]
        self.until: float | None = None
        self.slept, self.real = 0.0, time.monotonic

    def now(self) -> float:
        return self.real() + self.slept

    def sleep(self, seconds: float) -> None:
        self.slept += seconds

    async def asleep(self, seconds: float) -> None:
        self.slept += seconds

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        asked = request.url.params
        if "starting_after" in asked and "second" in self.case:
            return _answer(self.case["second"])
        if "stream" not in asked or not {"events", "raw"} & {*self.case}:
            return _answer(self._next())
        sent = b"".join(map(sse, self.case.get("events", ()))).decode()
        sent += self.case.get("raw", "") + self.case.get("raw_tail", "")
        body = _Body(_stamped(sent).encode(), self.case.get("then"))
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, stream=body)

    def _next(self) -> JSON:
        if not self.left:
            return self.case.get("body") or {}
        answer = self.left[0]
        if isinstance(answer, str):  # "@200 seconds of in_progress"
            seconds, status = answer[1:].split(" seconds of ")
            self.until = self.now() + float(seconds) if self.until is None else self.until
            if self.now() < self.until:
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
        time.sleep(HELD_OPEN if self.then == "idle" else 0)
        self._reset()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self.sent
        await asyncio.sleep(HELD_OPEN if self.then == "idle" else 0)
        self._reset()

    def _reset(self) -> None:
        if self.then == "reset":
            raise httpx2.ReadError("the connection was reset")


def _answer(body: JSON) -> httpx2.Response:
    text = _stamped(json.dumps({name: value for name, value in body.items() if name != "@status"}))
    return httpx2.Response(
        body.get("@status", 200), headers={"content-type": "application/json"}, content=text.encode()
    )


def _stamped(text: str) -> str:
    """The text with `@now+N` as a time stamp."""
    return re.sub(r'"@now\+([\d.]+)"', lambda found: str(int(time.time() + float(found[1]))), text)


async def _settled(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value


async def _each(stream: Any) -> AsyncIterator[Any]:
    if hasattr(stream, "__aiter__"):
        async for event in cast("AsyncIterator[Any]", stream):
            yield event
    else:
        for event in stream:
            yield event


def created(body: JSON) -> JSON:
    """The event with which a stream begins."""
    response = {**body, "status": "in_progress", "error": None}
    return {"type": "response.created", "sequence_number": 0, "response": response}
