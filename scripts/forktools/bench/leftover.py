"""Where the CPU time of one poll goes, line by line, beside a bare httpx2 GET whose status is found the same way.

Each step is wrapped by a stopwatch that counts the CPU time spent in it and not in the steps inside it. The figures
are medians over many blocks. The stopwatch costs a microsecond or so for each step, most of it on the step around.

Only for a process in which `openai` is the fork.
"""

from __future__ import annotations

import time
from typing import Any, NamedTuple
from contextlib import contextmanager
from statistics import median
from collections.abc import Callable, Generator

import httpx2

import openai._base_client as base_client
from openai.lib.background import _wait

from .cases import sync_client
from .payloads import RESPONSE_ID, pending

_URL = "https://api.openai.com/v1/responses/" + RESPONSE_ID


class Step(NamedTuple):
    """Microseconds in one step: of a poll, and of the bare GET (0 where it has no such step)."""

    title: str
    whose: str
    poll_us: float
    bare_us: float


_STEPS = {
    "loop": ("the wait: the loop, the clock, the interval", "fork"),
    "options": ("the request's options, copied from one that is kept", "fork"),
    "read": ("the status found in the first bytes", "fork"),
    "copy": ("`FinalRequestOptions` copied twice, for retries and hooks", "openai"),
    "hooks": ("`_prepare_options`, `_prepare_request`, `_custom_auth`", "openai"),
    "headers": ("`_build_headers`: auth, platform, defaults, validation", "openai"),
    "url": ("`_prepare_url`: the path joined with `base_url`", "openai"),
    "build": ("the rest of `_build_request`: query, types of the client", "openai"),
    "request": ("`request()`: loop of retries, log calls, status check", "openai"),
    "auth": ("`_send_request`: renewal of credentials around the sending", "openai"),
    "process": ("`_process_response`: which type is asked for", "openai"),
    "httpx-build": ("`httpx2.Client.build_request`", "httpx2"),
    "httpx-send": ("`httpx2.Client.send`", "httpx2"),
    "transport": ("the transport of this benchmark", "bench"),
}


class Stopwatch:
    """Exclusive seconds by step."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._inner = [0.0]

    def wrap(self, step: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """`call`, timed."""

        def timed(*args: Any, **kwargs: Any) -> Any:
            self._inner.append(0.0)
            started = time.thread_time()
            try:
                return call(*args, **kwargs)
            finally:
                spent = time.thread_time() - started
                self.seconds[step] = self.seconds.get(step, 0.0) + spent - self._inner.pop()
                self._inner[-1] += spent

        return timed


class _Enough(Exception):
    pass


def measure(size: int, *, blocks: int, polls: int = 100) -> list[Step]:
    """Times `blocks` blocks of `polls` polls and of as many bare GETs."""
    poll_us = _medians(_timed_poll(size, polls), blocks, polls)
    bare_us = _medians(_timed_bare(size, polls), blocks, polls)
    return [
        Step(title, whose, poll_us.get(step, 0.0), bare_us.get(step, 0.0)) for step, (title, whose) in _STEPS.items()
    ]


def _medians(block: Callable[[], Stopwatch], blocks: int, polls: int) -> dict[str, float]:
    block()
    taken = [block().seconds for _ in range(blocks)]
    return {step: median(seconds[step] for seconds in taken) / polls * 1e6 for step in taken[0]}


@contextmanager
def _wrapped(watch: Stopwatch, *targets: tuple[Any, str, str]) -> Generator[None, None, None]:
    """Times attributes of instances, classes and modules for a while."""
    before: list[tuple[Any, str, Any]] = [(owner, name, owner.__dict__.get(name)) for owner, name, _ in targets]
    for owner, name, step in targets:
        setattr(owner, name, watch.wrap(step, getattr(owner, name)))
    try:
        yield
    finally:
        for owner, name, value in before:
            if value is None:
                delattr(owner, name)
            else:
                setattr(owner, name, value)


def _http_targets(client: Any) -> list[tuple[Any, str, str]]:
    return [
        (client, "build_request", "httpx-build"),
        (client, "send", "httpx-send"),
        (client._transport, "handle_request", "transport"),
    ]


def _timed_poll(size: int, polls: int) -> Callable[[], Stopwatch]:
    client: Any = sync_client(pending(size))
    left = 0

    def sleep(_: float) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise _Enough

    client.responses._sleep = sleep

    def wait() -> None:
        nonlocal left
        left = polls
        try:
            client.responses.poll(RESPONSE_ID)
        except _Enough:
            pass

    def block() -> Stopwatch:
        watch = Stopwatch()
        targets = [
            (_wait.Wait, "options", "options"),
            (_wait.Wait, "read", "read"),
            (base_client, "model_copy", "copy"),
            (client, "_prepare_options", "hooks"),
            (client, "_prepare_request", "hooks"),
            (client, "_custom_auth", "hooks"),
            (client, "_build_headers", "headers"),
            (client, "_prepare_url", "url"),
            (client, "_build_request", "build"),
            (client, "request", "request"),
            (client, "_send_request", "auth"),
            (client, "_process_response", "process"),
            *_http_targets(client._client),
        ]
        with _wrapped(watch, *targets):
            watch.wrap("loop", wait)()
        return watch

    return block


def _timed_bare(size: int, polls: int) -> Callable[[], Stopwatch]:
    client = sync_client(pending(size))._client
    headers = {"Accept": "application/json", "Authorization": "Bearer bench"}

    def find(response: httpx2.Response) -> object:
        return _wait._peek_status(response.content)

    def block() -> Stopwatch:
        watch = Stopwatch()
        timed_find = watch.wrap("read", find)

        def gets() -> None:
            for _ in range(polls):
                timed_find(client.request("GET", _URL, headers=headers))

        with _wrapped(watch, *_http_targets(client)):
            watch.wrap("loop", gets)()
        return watch

    return block
