"""Over sockets: no error keeps a connection, a stream that is left closes it, and a body that is held open is not waited for."""

from __future__ import annotations

import time
import asyncio
from typing import Any, Callable

import httpx2
import pytest

from openai import OpenAI, AsyncOpenAI, OpenAIError
from openai.lib.background import _stream

from ._replay import BOOM, HELPERS, RAW_ROUTES, sse, each, ended, event, opening, reading, completed
from ._support import KEY, body, settle
from ._loopback import Script, Loopback

PATIENCE = 5.0  # seconds in which a pool that leaks would not answer

ENDS: dict[str, Script] = {
    "failed": [sse(*opening(), ended("failed", error=BOOM)), "hold"],
    "failed_at_the_end": [sse(*opening(), ended("failed", error=BOOM))],
    "error": [sse(*opening(), event("error", error=BOOM)), "hold"],
    "stream_timeout": [sse(*opening(), event("error", 6, code="stream_timeout", message="?")), "hold"],
    "no_cause": [sse(*opening(), ended("failed"), event("error", error=BOOM)), "hold"],
    "end": [sse(*opening())],
    "cut": [sse(*opening()), "cut"],
    "json_failed": (200, body("failed", error=BOOM)),
    "json_pending": (200, body("in_progress")),
    "json_other": (200, {"error": {"code": 504}}),
}


def _client(server: Loopback, asynchronous: bool) -> Any:
    limits = httpx2.Limits(max_connections=2)
    options: dict[str, Any] = {"base_url": server.base_url, "api_key": KEY, "max_retries": 0}
    timeout = httpx2.Timeout(30.0, pool=PATIENCE)
    if asynchronous:
        return AsyncOpenAI(**options, http_client=httpx2.AsyncClient(limits=limits, timeout=timeout), timeout=timeout)
    return OpenAI(**options, http_client=httpx2.Client(limits=limits, timeout=timeout), timeout=timeout)


def _at_first(script: Script) -> Callable[[str], Script]:
    return lambda target: script if "stream=true" in target else (200, body("completed"))


async def _read(api: Any, kept: list[Any], route: str) -> None:
    try:
        async with reading(api, route) as stream:
            async for _ in each(stream):
                pass
    except OpenAIError as error:
        kept.append(error)


@pytest.mark.parametrize("route", ["plain", "raw", "beta", "helper"])
@pytest.mark.parametrize("end", ENDS)
async def test_errors_that_are_kept_leave_the_pool_whole(asynchronous: bool, end: str, route: str) -> None:
    with Loopback(_at_first(ENDS[end])) as server:
        api = _client(server, asynchronous)
        kept: list[Any] = []
        for _ in range(3):
            await _read(api, kept, route)
        assert len(kept) == 3
        assert (await settle(api.responses.retrieve("resp_1", timeout=PATIENCE))).status == "completed"
        await settle(api.close())


async def test_errors_that_are_gathered_leave_the_pool_whole() -> None:
    with Loopback(_at_first(ENDS["failed"])) as server:
        api = _client(server, True)

        async def one() -> None:
            async for _ in await api.responses.retrieve("resp_1", stream=True, raise_on_failure=True):
                pass

        errors = await asyncio.gather(*(one() for _ in range(6)), return_exceptions=True)
        assert [type(error).__name__ for error in errors] == ["BackgroundInternalServerError"] * 6
        assert (await api.responses.retrieve("resp_1")).status == "completed"
        await api.close()


async def test_error_is_raised_where_nothing_else_closes_the_stream(asynchronous: bool) -> None:
    """No `with`: the loop alone."""
    with Loopback(_at_first(ENDS["failed"])) as server:
        api = _client(server, asynchronous)
        kept: list[Any] = []
        for _ in range(3):
            stream = await settle(api.responses.retrieve("resp_1", stream=True, raise_on_failure=True))
            with pytest.raises(OpenAIError) as caught:
                async for _ in each(stream):
                    pass
            kept.append((stream, caught))
        assert (await settle(api.responses.retrieve("resp_1"))).status == "completed"
        await settle(api.close())


@pytest.mark.parametrize("route", [*RAW_ROUTES, *HELPERS])
async def test_stream_that_is_left_early_is_closed(asynchronous: bool, route: str) -> None:
    with Loopback(_at_first([sse(*opening()), "hold"])) as server:
        api = _client(server, asynchronous)
        for _ in range(3):
            async with reading(api, route) as stream:
                await settle(stream.__anext__() if asynchronous else stream.__next__())
        assert (await settle(api.responses.retrieve("resp_1"))).status == "completed"
        await settle(api.close())


async def test_stream_that_is_cancelled_is_closed() -> None:
    with Loopback(_at_first([sse(*opening()), "hold"])) as server:
        api = _client(server, True)

        async def one(started: asyncio.Event) -> None:
            async for _ in await api.responses.retrieve("resp_1", stream=True, raise_on_failure=True):
                started.set()

        for _ in range(3):
            started = asyncio.Event()
            task = asyncio.create_task(one(started))
            await started.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert (await api.responses.retrieve("resp_1")).status == "completed"
        await api.close()


async def test_body_that_is_held_open_is_not_waited_for(asynchronous: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_stream, "LOOK_SECONDS", 0.05)
    endings = [ended("failed", error=BOOM), ended("incomplete"), event("error", error=BOOM)]
    if asynchronous:
        endings.append(ended("failed"))  # sync code cannot look for a cause without waiting
    for last in endings:
        with Loopback(_at_first([sse(*opening(), last), "hold"])) as server:
            api = _client(server, asynchronous)
            began = time.monotonic()
            kept: list[Any] = []
            await _read(api, kept, "plain")
            assert len(kept) == 1 and time.monotonic() - began < PATIENCE
            await settle(api.close())


async def test_connections_of_streams_that_ended_well_are_used_again(asynchronous: bool) -> None:
    with Loopback(_at_first([sse(*opening(), completed())])) as server:
        api = _client(server, asynchronous)
        for _ in range(4):
            async with reading(api) as stream:
                async for _ in each(stream):
                    pass
        assert server.open == 1
        await settle(api.close())
