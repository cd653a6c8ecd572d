"""Streams on a stock client: stock's own classes, each with the one method that differs.

`WatchedStream` is what `raw_response.parse(to=...)` is asked for, the documented way to a stream class of one's own; its
events pass through the contract's watch before they are decoded. `watched_manager` is stock's `responses.stream()`,
which opens its stream by the `retrieve` of its resource: here of a resource that opens a `WatchedStream`.
"""

from __future__ import annotations

import ssl
import sys
from typing import Any, Generic, Iterator, AsyncIterator
from typing_extensions import override

import anyio
import httpx2

from openai._resource import AsyncAPIResource
from openai._streaming import Stream, AsyncStream, ServerSentEvent
from openai._exceptions import APITimeoutError, APIConnectionError
from openai.types.responses import ParsedResponse, ResponseStreamEvent
from openai.resources.responses import Responses, AsyncResponses
from openai.lib._parsing._responses import TextFormatT
from openai.lib.streaming.responses import (
    ResponseStream,
    AsyncResponseStream,
    ResponseStreamManager,
    AsyncResponseStreamManager,
)

from ._contract._stream import watch_events, awatch_events

__all__ = ["AsyncWatchedStream", "WatchedStream", "watched", "watched_manager"]


class WatchedStream(Stream[ResponseStreamEvent]):
    """A stream that raises as the contract says."""

    _failure: Exception | None = None  # the watch leaves it here

    @override
    def _iter_events(self) -> Iterator[ServerSentEvent]:
        return watch_events(self, _named(super()._iter_events(), self.response.request))


class AsyncWatchedStream(AsyncStream[ResponseStreamEvent]):
    """As `WatchedStream`, for the async client."""

    _failure: Exception | None = None

    @override
    def _iter_events(self) -> AsyncIterator[ServerSentEvent]:
        return awatch_events(self, _anamed(super()._iter_events(), self.response.request))


def watched(resource: Any, response_id: str, **options: Any) -> Any:
    """The stream of a response; to be awaited where the resource is an async one."""
    if isinstance(resource, AsyncAPIResource):
        return _watched_async(resource, response_id, options)
    return resource.with_raw_response.retrieve(response_id, **options).parse(to=WatchedStream)


async def _watched_async(resource: Any, response_id: str, options: dict[str, Any]) -> AsyncWatchedStream:
    raw = await resource.with_raw_response.retrieve(response_id, **options)
    return raw.parse(to=AsyncWatchedStream)


# -- faults of the connection


def _named(events: Iterator[ServerSentEvent], request: httpx2.Request) -> Iterator[ServerSentEvent]:
    """The events; faults of the transport as the SDK's errors, which the oldest releases do for a request only."""
    timeouts, faults = _transport_errors()
    try:
        yield from events
    except timeouts as err:
        raise APITimeoutError(request=request) from err
    except faults as err:
        raise APIConnectionError(request=request) from err


async def _anamed(events: AsyncIterator[ServerSentEvent], request: httpx2.Request) -> AsyncIterator[ServerSentEvent]:
    timeouts, faults = _transport_errors()
    try:
        async for sse in events:
            yield sse
    except timeouts as err:
        raise APITimeoutError(request=request) from err
    except faults as err:
        raise APIConnectionError(request=request) from err
    finally:
        close = getattr(events, "aclose", None)
        if close is not None:
            await close()


def _transport_errors() -> tuple[tuple[type[Exception], ...], tuple[type[Exception], ...]]:
    """Time-outs, and everything else that a connection can end in; of httpx too, where a client of it may be in use."""
    families: list[Any] = [httpx2, *filter(None, [sys.modules.get("httpx")])]
    timeouts = tuple(family.TimeoutException for family in families)
    return timeouts, (*(family.RequestError for family in families), ssl.SSLError, anyio.EndOfStream)


# -- the accumulating stream


class _Stream(ResponseStream[TextFormatT]):
    @override
    def get_final_response(self) -> ParsedResponse[TextFormatT]:
        """Stock's, but a stream that has raised raises the same again instead of missing a terminal event."""
        self.until_done()
        failure = getattr(self._raw_stream, "_failure", None)
        if failure is not None:
            raise failure
        return super().get_final_response()


class _AsyncStream(AsyncResponseStream[TextFormatT]):
    @override
    async def get_final_response(self) -> ParsedResponse[TextFormatT]:
        await self.until_done()
        failure = getattr(self._raw_stream, "_failure", None)
        if failure is not None:
            raise failure
        return await super().get_final_response()


class _Manager(ResponseStreamManager[TextFormatT], Generic[TextFormatT]):
    @override
    def __enter__(self) -> ResponseStream[TextFormatT]:
        stream: Any = super().__enter__()
        # Stock's manager makes it, of a class that cannot be given; it is ours alone and has the same layout.
        stream.__class__ = _Stream
        return stream


class _AsyncManager(AsyncResponseStreamManager[TextFormatT], Generic[TextFormatT]):
    @override
    async def __aenter__(self) -> AsyncResponseStream[TextFormatT]:
        stream: Any = await super().__aenter__()
        stream.__class__ = _AsyncStream
        return stream


class _Resource(Responses):
    """A resource of the same client, made for one call."""

    def __init__(self, resource: Responses) -> None:
        super().__init__(resource._client)
        self._resource = resource

    @override
    def retrieve(self, response_id: str, **options: Any) -> Any:
        return watched(self._resource, response_id, **options)


class _AsyncResource(AsyncResponses):
    def __init__(self, resource: AsyncResponses) -> None:
        super().__init__(resource._client)
        self._resource = resource

    @override
    async def retrieve(self, response_id: str, **options: Any) -> Any:
        return await watched(self._resource, response_id, **options)


def watched_manager(resource: Any, response_id: str, **options: Any) -> Any:
    """The manager of an accumulating stream, sync or async as the resource is."""
    manager: Any
    if isinstance(resource, AsyncResponses):
        manager = _AsyncResource(resource).stream(response_id=response_id, **options)
        manager.__class__ = _AsyncManager
    else:
        manager = _Resource(resource).stream(response_id=response_id, **options)
        manager.__class__ = _Manager
    return manager
