"""What the tests of `poll()` share: a clock that only sleeping moves, and a server that answers by the clock.

`Waits` puts both under one client, so that eight hours pass in no time and every pause is on record. The module's
clock is replaced, not the interpreter's: event loops go on as they are.
"""

from __future__ import annotations

import json
import importlib
from types import SimpleNamespace
from typing import Any, Union, Callable, AsyncGenerator
from contextlib import asynccontextmanager
from typing_extensions import TypeAlias

import httpx2
import pytest

from ._support import REQUEST_ID, RESPONSE_ID, Api, Client, answer, settle, background

polling = importlib.import_module(background.__name__ + "._wait")

Reply: TypeAlias = Union[httpx2.Response, Exception]
Script: TypeAlias = Callable[["Waits"], Reply]


def reply(status: Any = "in_progress", /, *, headers: dict[str, str] | None = None, **members: Any) -> httpx2.Response:
    """A good answer to a poll; Ellipsis leaves the status out."""
    content = json.dumps(answer(**{"status": status, **members})).encode()
    return raw(content, **(headers or {}))


def raw(content: bytes, **headers: str) -> httpx2.Response:
    return httpx2.Response(
        200, content=content, headers={"content-type": "application/json", "x-request-id": REQUEST_ID, **headers}
    )


def hinted(milliseconds: str, status: str = "in_progress") -> httpx2.Response:
    """An answer that says when to ask again."""
    return reply(status, headers={"openai-poll-after-ms": milliseconds})


def refusal(code: int, **headers: str) -> httpx2.Response:
    """An HTTP error."""
    return httpx2.Response(code, json={"error": {"message": f"HTTP {code}.", "type": "x"}}, headers=headers)


class Waits:
    """One client, its server, and the clock they live by."""

    def __init__(self, api: Api, script: Script) -> None:
        self.api = api
        self.script = script
        self.now = 1000.0
        self.sleeps: list[float] = []
        self.requests: list[httpx2.Request] = []
        self.during_sleep: Callable[[], object] | None = None
        self.client: Client = None
        self.takes = 0.0
        """Seconds that each request takes."""

    @property
    def elapsed(self) -> float:
        return self.now - 1000.0

    @property
    def polls(self) -> int:
        return len(self.requests)

    def handle(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        self.now += self.takes
        outcome = self.script(self)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        assert len(self.sleeps) < 2_000, "it spins"
        self.sleeps.append(seconds)
        self.now += seconds
        if self.during_sleep is not None:
            self.during_sleep()

    async def asleep(self, seconds: float) -> None:
        self.sleep(seconds)

    async def poll(self, response_id: str = RESPONSE_ID, **options: Any) -> Any:
        """The call under test."""
        return await settle(self.client.responses.poll(response_id, **options))


@asynccontextmanager
async def waiting(
    api: Api, monkeypatch: pytest.MonkeyPatch, script: Script, **options: Any
) -> AsyncGenerator[Waits, None]:
    """A client whose waits take no time, and whose server answers by `script`."""
    waits = Waits(api, script)
    async with api.client(waits.handle, **options) as client:
        waits.client = client
        monkeypatch.setattr(client.responses, "_sleep", waits.sleep if api.kind == "sync" else waits.asleep)
        monkeypatch.setattr(polling, "time", SimpleNamespace(monotonic=lambda: waits.now))
        yield waits


def script(*replies: Reply | Callable[[], Reply]) -> Script:
    """These replies in turn; the last one goes on for good."""

    def next_reply(waits: Waits) -> Reply:
        one = replies[min(waits.polls, len(replies)) - 1]
        made: Reply = one if isinstance(one, (httpx2.Response, Exception)) else one()
        if isinstance(made, httpx2.Response) and made.is_closed:
            # A response is good for one request.
            made = httpx2.Response(made.status_code, headers=made.headers, content=made.content)
        return made

    return next_reply


def until(seconds: float, status: str = "completed", **headers: str) -> Script:
    """A run that ends after so many seconds."""
    return lambda waits: reply(status if waits.elapsed >= seconds else "in_progress", headers=headers)
