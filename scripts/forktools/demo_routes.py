"""The ways in which `./scripts/demo --payloads` tries what was recorded: one answer, by every route that a caller has.

    retrieve, poll, apoll                `client.responses.…(id, raise_on_failure=True)`; the `a` is the async client
    stream, astream, stream:failed       `retrieve(id, stream=True, …)`; the last sends the body in a `response.failed`
    helper                               `client.responses.stream(response_id=id, …)`
    poll:text_format, helper:text_format the same with a model to parse into
    raise, raise:last                    `raise_on_failure(body)`; of the last event
    delivered:TYPE                       the stream up to that event
    webhook                              a signed webhook, unwrapped, then polled
    resume                               a stream that breaks, a second one from there, and a poll where that is refused

Promises: it is the loopback server that answers, over HTTP. No pause is slept: it is put on the clock instead. `Seen`
holds whatever came of it, an exception that nobody expected too.
"""

from __future__ import annotations

import re
import hmac
import json
import time
import base64
import asyncio
import hashlib
from typing import Any, NamedTuple
from dataclasses import replace
from unittest.mock import patch
from collections.abc import Mapping, Callable

from pydantic import BaseModel

from openai import OpenAI, AsyncOpenAI, APIStatusError, BackgroundStreamInterruptedError
from openai.lib.background import raise_on_failure

from .loopback import Fault, Answer, Request, Loopback, sse

PATIENCE = 60  # seconds that an answer may take
HELD_OPEN = 4  # seconds until the client gives up on a stream that is held open
JSON = dict[str, Any]
WAIT: JSON = {"raise_on_failure": True, "max_wait_seconds": 3600}


class Seen(NamedTuple):
    """What came of one route."""

    error: Exception | None
    last: Any
    """What was returned, or the last event."""
    seconds: float = 0.0
    first: int | None = None
    """The number at which a stream that was resumed had broken off."""


class Total(BaseModel):
    """What `…:text_format` parses into."""

    total: int
    name: str


def go(route: str, case: Mapping[str, Any], server: Loopback) -> Seen:
    """Takes the route."""
    if route == "stream:failed":
        case = {"events": [created(case["body"]), {"type": "response.failed", "response": case["body"]}]}
    server.faults = recorded = _Recorded(case)
    started = time.perf_counter()
    try:
        with patch.object(time, "monotonic", recorded.now):
            seen = _ask(route, case, recorded, server.base_url)
    except Exception as error:
        seen = Seen(error, None)
    return seen._replace(seconds=time.perf_counter() - started)


def _ask(route: str, case: Mapping[str, Any], recorded: _Recorded, base_url: str) -> Seen:
    how, _, option = route.partition(":")
    if how == "raise":
        return Seen(None, raise_on_failure(case["events"][-1] if option == "last" else case["body"]))
    options: JSON = {"api_key": "demo", "base_url": base_url, "max_retries": 0, "timeout": recorded.timeout}
    response_id: str = case.get("id", "resp_f")
    if how in ("apoll", "astream"):
        return Seen(None, asyncio.run(_ask_async(AsyncOpenAI(**options), how, response_id, recorded)))
    parsed: JSON = {"text_format": Total} if option == "text_format" else {}

    def poll() -> Any:
        return client.responses.poll(response_id, **WAIT, **parsed)

    def events(**more: Any) -> Any:
        last: Any = None
        for last in client.responses.retrieve(response_id, stream=True, raise_on_failure=True, **more):
            if how == "delivered" and last.type == option:
                break
        return last

    with OpenAI(**options) as client:
        setattr(client.responses, "_sleep", recorded.sleep)  # noqa: B010  (a method, to the type checkers)
        if how == "webhook":
            body, headers, secret = signed(case["webhook"])
            unwrapped: Any = client.webhooks.unwrap(body, headers, secret=secret)
            response_id = unwrapped.data.id
        if how == "helper":
            with client.responses.stream(response_id=response_id, raise_on_failure=True, **parsed) as stream:
                return Seen(None, stream.get_final_response())
        if how == "resume":
            try:
                return Seen(None, events())
            except BackgroundStreamInterruptedError as error:
                first = error.sequence_number
            try:
                return Seen(None, events(starting_after=first), first=first)
            except APIStatusError as refused:
                return Seen(refused, poll(), first=first)
        ways: dict[str, Callable[[], Any]] = {
            "retrieve": lambda: client.responses.retrieve(response_id, raise_on_failure=True),
            **dict.fromkeys(("poll", "webhook"), poll),
            **dict.fromkeys(("stream", "delivered"), events),
        }
        return Seen(None, ways[how]())


async def _ask_async(client: AsyncOpenAI, how: str, response_id: str, recorded: _Recorded) -> Any:
    async with client:
        setattr(client.responses, "_sleep", recorded.asleep)  # noqa: B010
        if how == "apoll":
            return await client.responses.poll(response_id, **WAIT)
        last: Any = None
        async for event in await client.responses.retrieve(response_id, stream=True, raise_on_failure=True):
            last = event
        return last


def signed(webhook: JSON) -> tuple[str, dict[str, str], str]:
    """A webhook as it is sent: its body, its headers, and the secret that they were signed with."""
    key, body, stamp = b"a secret of thirty-two bytes, ok", json.dumps(webhook), str(int(time.time()))
    signature = base64.b64encode(hmac.digest(key, f"msg_1.{stamp}.{body}".encode(), hashlib.sha256)).decode()
    headers = {"webhook-id": "msg_1", "webhook-timestamp": stamp, "webhook-signature": f"v1,{signature}"}
    return body, headers, "whsec_" + base64.b64encode(key).decode()


class _Recorded:
    """The hook that answers with what was recorded, and the clock: the real one, with every pause added to it."""

    def __init__(self, case: Mapping[str, Any]) -> None:
        self.case = case
        self.left: list[Any] = [*case.get("answers", [case.get("body", {})])]
        self.until: float | None = None
        self.timeout = HELD_OPEN if case.get("then") == "idle" else PATIENCE
        self.slept, self.real = 0.0, time.monotonic

    def now(self) -> float:
        return self.real() + self.slept

    def sleep(self, seconds: float) -> None:
        self.slept += seconds

    async def asleep(self, seconds: float) -> None:
        self.slept += seconds

    def __call__(self, request: Request) -> Fault:
        if "starting_after" in request.query and "second" in self.case:
            return _answered(self.case["second"])
        if "stream" not in request.query or not {"events", "raw"} & {*self.case}:
            return _answered(self._next())
        sent = b"".join(map(sse, self.case.get("events", ())))
        sent += (self.case.get("raw", "") + self.case.get("raw_tail", "")).encode()
        answer = Answer(200, {"content-type": "text/event-stream"}, [_stamped(sent)], stream=True)
        ends = {"reset": Fault.close(1), "idle": Fault.hang(1)}
        return replace(ends.get(self.case.get("then", ""), Fault("end")), instead=answer)

    def _next(self) -> JSON:
        answer = self.left[0]
        if isinstance(answer, str):  # "@200 seconds of in_progress"
            seconds, status = answer[1:].split(" seconds of ")
            self.until = self.until or self.now() + float(seconds)
            if self.now() < self.until:
                return {"id": "resp_f", "object": "response", "status": status, "output": []}
            self.until = None
            self.left.pop(0)
            return self._next()
        return self.left.pop(0) if len(self.left) > 1 else answer


def _answered(body: JSON) -> Fault:
    answer = Answer.json(body.get("@status", 200), {name: body[name] for name in body if name != "@status"})
    return Fault("end", instead=answer._replace(pieces=[*map(_stamped, answer.pieces)]))


def _stamped(text: bytes) -> bytes:
    """The text with `@now+N` as a time stamp."""
    return re.sub(rb'"@now\+([\d.]+)"', lambda found: b"%d" % (time.time() + float(found[1])), text)


def created(body: JSON) -> JSON:
    """The event with which a stream begins."""
    response = {**body, "status": "in_progress", "error": None}
    return {"type": "response.created", "sequence_number": 0, "response": response}
