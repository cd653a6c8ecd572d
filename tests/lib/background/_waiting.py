"""What the tests of `poll` share: a client whose waits take no time, and a server that answers by its clock."""

from __future__ import annotations

import json
import time
import logging
from typing import Any, Union, Callable
from typing_extensions import TypeAlias

import httpx2
import pytest

from ._support import body, client, settle

Reply: TypeAlias = Union[httpx2.Response, Exception]
Script: TypeAlias = Callable[["Waits"], Reply]


def raw(content: bytes, status_code: int = 200, **headers: Any) -> httpx2.Response:
    return httpx2.Response(status_code, content=content, headers={"content-type": "application/json", **headers})


def reply(status: Any = "in_progress", *, headers: dict[str, Any] | None = None, **members: Any) -> httpx2.Response:
    """A good answer to a poll."""
    return raw(json.dumps(body(status, **members)).encode(), **(headers or {}))


def refusal(status_code: int, error: dict[str, Any] | None = None, **headers: Any) -> httpx2.Response:
    """An HTTP error."""
    sent = {"message": "Said the gateway.", "type": "no_such_type", **(error or {})}
    return raw(json.dumps({"error": sent}).encode(), status_code, **headers)


def script(*replies: Reply | Callable[[], Reply]) -> Script:
    """These replies in turn; the last one for good."""

    def next_reply(waits: Waits) -> Reply:
        one = replies[min(len(waits.requests), len(replies)) - 1]
        made: Reply = one if isinstance(one, (httpx2.Response, Exception)) else one()
        if isinstance(made, httpx2.Response) and made.is_closed:
            made = httpx2.Response(made.status_code, headers=made.headers, content=made.content)
        return made

    return next_reply


class Waits:
    """A client, its server, and the clock that they live by; only sleeping, and what a request takes, moves it."""

    def __init__(
        self,
        asynchronous: bool,
        monkeypatch: pytest.MonkeyPatch,
        answers: Script,
        *,
        beta: bool = False,
        **options: Any,
    ) -> None:
        self.now = 1000.0
        self.takes = 0.0
        self.sleeps: list[float] = []
        self.requests: list[httpx2.Request] = []
        self.during_sleep: Callable[[], object] | None = None
        self.answers = answers
        self.client = client(self._answer, asynchronous=asynchronous, **{"max_retries": 0, **options})
        self.client._client.follow_redirects, self.client._client.max_redirects = True, 0
        self.resource = self.client.beta.responses if beta else self.client.responses
        monkeypatch.setattr(self.resource, "_sleep", self._asleep if asynchronous else self._sleep)
        monkeypatch.setattr(time, "monotonic", lambda: self.now)

    @property
    def elapsed(self) -> float:
        return self.now - 1000.0

    async def poll(self, response_id: str = "resp_1", **options: Any) -> Any:
        """The call under test."""
        return await settle(self.resource.poll(response_id, **options))

    async def raised(self, **options: Any) -> Any:
        """The exception with which it ends."""
        with pytest.raises(Exception) as caught:  # noqa: B017
            await self.poll(**options)
        return caught.value

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        self.now += self.takes
        made = self.answers(self)
        if isinstance(made, Exception):
            raise made
        return made

    def _sleep(self, seconds: float) -> None:
        assert seconds >= 0
        assert len(self.sleeps) < 2000, "it spins"
        self.sleeps.append(seconds)
        self.now += seconds
        if self.during_sleep is not None:
            self.during_sleep()

    async def _asleep(self, seconds: float) -> None:
        self._sleep(seconds)


Waiting: TypeAlias = Callable[..., Waits]


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the log of waiting says."""
    return [one.getMessage() for one in caplog.records if one.name.startswith("openai.lib.background")]


def notes(error: BaseException) -> str:
    """The notes on an error; Python 3.10 has none."""
    return "\n".join(getattr(error, "__notes__", []))


@pytest.fixture
def waiting(asynchronous: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Waiting:
    """Makes a `Waits`, of one client and then of the other."""
    caplog.set_level(logging.INFO, "openai")
    return lambda answers, **options: Waits(asynchronous, monkeypatch, answers, **options)
