"""However a stream is left, nothing stays behind: response closed, generators finished, the error raised once."""

from __future__ import annotations

import gc
import sys
import asyncio
import importlib
from typing import Any, Iterator, AsyncIterator
from typing_extensions import override

import pytest

from openai import Stream, AsyncStream

from ._replay import ROUTES, Body, sse, ended, event, kinds, serve, consume, opening, completed, streaming
from ._support import Api, settle, background

BOOM = {"code": "server_error", "message": "It broke."}
watching = importlib.import_module(background.__name__ + "._stream")
STREAMS: Any = (Stream, AsyncStream)
WATCHERS: Any = (watching.watch_events, watching.awatch_events)
CODES = {one.__code__ for one in (*WATCHERS, *(stream._iter_events for stream in STREAMS))}

every_route = pytest.mark.parametrize("route", ROUTES)


def unfinished() -> list[Any]:
    """The generators of the module under test, and those it reads from, that hold a frame still."""
    gc.collect()
    found: list[Any] = []
    objects: list[Any] = gc.get_objects()
    for one in objects:
        kind = type(one).__name__
        if kind == "generator" and one.gi_code in CODES and one.gi_frame is not None:
            found.append(one)
        elif kind == "async_generator" and one.ag_code in CODES and one.ag_frame is not None:
            found.append(one)
    return found


async def finished() -> bool:
    """Whether all are, once the event loop had the time to finalise what nobody holds any more."""
    for _ in range(10):
        if not unfinished():
            return True
        await asyncio.sleep(0)
    return False


@pytest.fixture(autouse=True)
def unraisable(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """What Python could not raise, which must be nothing."""
    caught: list[Any] = []
    # What lived before is not looked through again and again.
    gc.freeze()
    with monkeypatch.context() as patched:

        def keep(one: Any) -> None:
            caught.append((one.exc_value, one.object))

        patched.setattr(sys, "unraisablehook", keep)
        yield caught
        gc.collect()
    gc.unfreeze()
    assert caught == []


async def test_unfinished_generator_is_seen_by_these_tests(api: Api) -> None:
    async with api.client(serve(Body(sse(*opening())))) as client:
        async with streaming(client) as stream:
            await settle(stream.__anext__() if api.kind == "async" else stream.__next__())
            assert len(unfinished()) == 2
        del stream
        assert await finished()


@every_route
async def test_stream_left_early_is_closed(api: Api, route: str) -> None:
    seen: list[Any] = []
    body = Body(sse(*opening(), ended("failed", error=BOOM)))
    async with api.client(serve(body)) as client:
        async with streaming(client, route) as stream:
            await consume(stream, seen, lambda _: True)
        assert len(seen) == 1
        assert body.closed
        del stream
        assert await finished()


@every_route
async def test_stream_whose_loop_raises_is_closed_and_raises_that(api: Api, route: str) -> None:
    class Mine(Exception):
        pass

    def burst(_event: Any) -> None:
        raise Mine

    async def read(client: Any) -> None:
        async with streaming(client, route) as stream:
            await consume(stream, [], burst)

    body = Body(sse(*opening(), ended("failed", error=BOOM)))
    async with api.client(serve(body)) as client:
        with pytest.raises(Mine) as caught:
            await read(client)
        assert caught.value.__context__ is None
        assert body.closed
        del caught
        assert await finished()


@pytest.mark.parametrize("how", ["close", "aclose"])
async def test_stream_closed_by_hand_is_finished(api: Api, how: str) -> None:
    if how == "aclose" and api.kind == "sync":
        how = "close"
    body = Body(sse(*opening(), ended("failed", error=BOOM)))
    async with api.client(serve(body)) as client:
        async with streaming(client) as stream:
            await consume(stream, [], lambda _: True)
            await settle(getattr(stream, how)())
            assert body.closed
            await settle(getattr(stream, how)())
        del stream
        assert await finished()


async def test_stream_never_read_is_finished(api: Api) -> None:
    body = Body(sse(*opening()))
    async with api.client(serve(body)) as client:
        async with streaming(client) as stream:
            pass
        assert body.closed
        del stream
        assert await finished()


async def test_stream_dropped_without_close_is_finished(api: Api) -> None:
    body = Body(sse(*opening(), completed()))
    async with api.client(serve(body)) as client:
        options = {"stream": True, "raise_on_failure": True}
        stream = await settle(client.responses.retrieve("resp_1", **options))
        await consume(stream, [], lambda _: True)
        del stream
        assert await finished()
        assert body.closed


@every_route
@pytest.mark.parametrize(
    "last", [[ended("failed", error=BOOM)], [ended("failed", error=None)], []], ids=["failed", "held_back", "end"]
)
async def test_stream_that_has_raised_raises_nothing_more(api: Api, route: str, last: list[Any]) -> None:
    seen: list[Any] = []
    body = Body(sse(*opening(), *last))
    async with api.client(serve(body)) as client:
        async with streaming(client, route) as stream:
            with pytest.raises((background.BackgroundResponseError, background.BackgroundStreamInterruptedError)):
                await consume(stream, seen)
            assert body.closed
            # Not only once the event loop finds the time.
            assert unfinished() == []
            again: list[Any] = []
            await consume(stream, again)
            assert again == []
        assert kinds(seen) == kinds(opening())
        del stream
        assert await finished()


@pytest.mark.parametrize("last", [ended("failed", error=BOOM), event("error", 6, error=BOOM)], ids=["failed", "error"])
async def test_stream_that_has_failed_is_not_read_on(api: Api, last: dict[str, Any]) -> None:
    body = Body(sse(*opening(), last), sse(event("keepalive", 7)), sse(event("error", 8, code="x", message="Late.")))
    async with api.client(serve(body)) as client:
        async with streaming(client) as stream:
            with pytest.raises(background.BackgroundInternalServerError):
                await consume(stream, [])
    assert body.read == 1


async def test_stream_that_completed_is_finished(api: Api) -> None:
    body = Body(sse(*opening(), completed(), "[DONE]"))
    async with api.client(serve(body)) as client:
        async with streaming(client) as stream:
            await consume(stream, [])
        assert body.closed
        del stream
        assert await finished()


async def test_stream_whose_reader_upstream_stops_is_finished(api: Api) -> None:
    # An event that is no JSON makes upstream raise while the watching generator waits for its next turn.
    body = Body(sse(*opening(), "no JSON"))
    async with api.client(serve(body)) as client:
        async with streaming(client) as stream:
            with pytest.raises(ValueError):
                await consume(stream, [])
        assert body.closed
        del stream
        assert await finished()


class Stalled(Body):
    """Sends what it has, and then nothing more for good."""

    def __init__(self, *chunks: bytes) -> None:
        super().__init__(*chunks)
        self.reached = asyncio.Event()

    @override
    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self.chunks:
            yield chunk
        self.reached.set()
        await asyncio.Event().wait()


@every_route
async def test_stream_whose_task_is_cancelled_is_closed(route: str) -> None:
    seen: list[Any] = []
    api, body = Api("async"), Stalled(sse(*opening()))

    async def read(client: Any) -> None:
        async with streaming(client, route) as stream:
            await consume(stream, seen)

    async with api.client(serve(body)) as client:
        task = asyncio.create_task(read(client))
        await body.reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert kinds(seen) == kinds(opening())
        assert body.closed
        del task
        assert await finished()


async def test_stream_cancelled_while_a_failure_is_held_back_raises_the_cancellation() -> None:
    body = Stalled(sse(*opening(), ended("failed", error=None)))
    async with Api("async").client(serve(body)) as client:

        async def read() -> None:
            async with streaming(client) as stream:
                await consume(stream, [])

        task = asyncio.create_task(read())
        await body.reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert body.closed
