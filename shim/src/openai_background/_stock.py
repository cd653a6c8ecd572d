"""The calls on a stock client: the contract's own functions, given what they would meet on the fork.

On the fork `retrieve` takes the flag, and a client makes the errors. So `Asked` stands in the place of a resource for one
call: all of it is the resource's own, but for `retrieve`, which takes the flag, and the raw answers, whose client makes
the errors. Without the flag the stock method is called and its result returned.
"""

from __future__ import annotations

import ssl
import sys
from copy import copy
from typing import Any, Iterator, AsyncIterator, cast

import anyio

from openai._resource import AsyncAPIResource
from openai._streaming import Stream, AsyncStream
from openai._exceptions import APITimeoutError, APIConnectionError
from openai.lib.streaming.responses import AsyncResponseStreamManager

from ._openai import httpx2
from ._contract import raise_on_failure as judged
from ._contract._poll import poll as _poll, async_poll as _async_poll
from ._contract._parse import parse_or_raise
from ._contract._follow import follow as _follow
from ._contract._stream import watch
from ._contract._verdict import make_background_error
from ._contract._stream_manager import JudgedStreamManager, AsyncJudgedStreamManager

__all__ = ["Asked", "follow", "poll", "retrieve", "stream"]


def retrieve(client: Any, response_id: str, *, raise_on_failure: bool, **options: Any) -> Any:
    resource = client.responses if not raise_on_failure else Asked(client.responses)
    return resource.retrieve(response_id, **options)


def poll(client: Any, response_id: str, **options: Any) -> Any:
    return Asked(client.responses).poll(response_id, **options)


def follow(client: Any, response_id: str, **options: Any) -> Any:
    follow_: Any = _follow  # typed for resources alone
    return follow_(Asked(client.responses), response_id, **options)


def stream(client: Any, response_id: str, *, raise_on_failure: bool, **options: Any) -> Any:
    resource = client.responses
    if not raise_on_failure:
        return resource.stream(response_id=response_id, **options)
    # A resource of the same class and client, whose own `stream` finds a `retrieve` that watches. What the module
    # `openai` has is a proxy, which is no such instance. The managers have the same layout.
    like = copy(resource) if type(resource) is resource.__class__ else resource.__class__(resource._client)
    like.retrieve = Asked(resource).retrieve
    manager: Any = like.stream(response_id=response_id, **options)
    asynchronous = isinstance(manager, AsyncResponseStreamManager)
    manager.__class__ = AsyncJudgedStreamManager if asynchronous else JudgedStreamManager
    return manager


class Asked:
    """A resource of a stock client, for one call."""

    def __init__(self, resource: Any) -> None:
        self._resource = resource
        self.with_raw_response = _Raw(resource)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._resource, name)

    @property
    def __class__(self) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        """So that it is an instance of what the resource is."""
        return self._resource.__class__

    def poll(self, response_id: str, **options: Any) -> Any:
        wait: Any = _async_poll if isinstance(self, AsyncAPIResource) else _poll
        return wait(self, response_id, **options)

    def retrieve(
        self, response_id: str, *, raise_on_failure: bool = True, stream: object = False, **options: Any
    ) -> Any:
        del raise_on_failure  # that is what it is for
        asynchronous = isinstance(self._resource, AsyncAPIResource)
        if stream is True:
            opened = self._resource.retrieve(response_id, stream=True, **options)
            return _watched_async(opened, response_id) if asynchronous else _watched(opened, response_id)
        answer = self.with_raw_response.retrieve(response_id, **options)
        return _judged_async(answer) if asynchronous else _judged(answer)


class _Raw:
    """In the place of `with_raw_response`."""

    def __init__(self, resource: Any) -> None:
        self._resource = resource

    def retrieve(self, response_id: str, **options: Any) -> Any:
        answer = self._resource.with_raw_response.retrieve(response_id, **options)
        return _hooked_async(answer) if isinstance(self._resource, AsyncAPIResource) else _hooked(answer)


class _Client:
    """A stock client that makes the errors of runs; a subclass may do so itself."""

    def __init__(self, client: Any) -> None:
        self._stock = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stock, name)

    def _make_background_error(self, body: object, *, response: Any, response_id: str | None) -> Any:
        own = getattr(self._stock, "_make_background_error", make_background_error)
        return own(body, response=response, response_id=response_id)


def _hooked(answer: Any) -> Any:
    answer._client = _Client(answer._client)
    return answer


async def _hooked_async(answer: Any) -> Any:
    return _hooked(await answer)


def _judged(answer: Any) -> Any:
    parse_or_raise(answer, None)
    return answer.parse()  # which also gives the request id, and what post-parsers make of it


async def _judged_async(answer: Any) -> Any:
    answer = await answer
    return _judged(answer)


def _watched(opened: Any, response_id: str) -> Any:
    """Older releases do not keep in a stream what was asked for."""
    if not isinstance(opened, (Stream, AsyncStream)):
        return judged(opened)  # somebody's own, of which it says that it cannot be watched
    return watch(_named(cast(Any, opened)), response_id=response_id)


async def _watched_async(opened: Any, response_id: str) -> Any:
    return _watched(await opened, response_id)


# -- faults of the connection, as the SDK's errors: the oldest releases make them of a request only, not of a stream


def _named(stream: Any) -> Any:
    own = stream._iter_events
    stream._iter_events = (_anaming if hasattr(stream, "__anext__") else _naming)(own, stream.response.request)
    return stream


def _naming(own: Any, request: httpx2.Request) -> Any:
    def events() -> Iterator[Any]:
        try:
            yield from own()
        except Exception as err:  # not asking when it is only closed, while a library is being imported, say
            if not isinstance(err, _transport_errors()):
                raise
            raise _as_error(err, request) from err

    return events


def _anaming(own: Any, request: httpx2.Request) -> Any:
    async def events() -> AsyncIterator[Any]:
        iterator = own()
        try:
            async for event in iterator:
                yield event
        except Exception as err:  # not asking when it is only closed, while a library is being imported, say
            if not isinstance(err, _transport_errors()):
                raise
            raise _as_error(err, request) from err
        finally:
            await iterator.aclose()

    return events


def _transport_errors() -> tuple[type[Exception], ...]:
    """Everything that a connection can end in; of both libraries, where a client of the other one may be in use."""
    families: list[Any] = [sys.modules[name] for name in ("httpx2", "httpx") if name in sys.modules]
    return (*(family.RequestError for family in families), ssl.SSLError, anyio.EndOfStream)


def _as_error(err: Exception, request: Any) -> APIConnectionError:
    timed_out = "TimeoutException" in {base.__name__ for base in type(err).__mro__}
    return APITimeoutError(request=request) if timed_out else APIConnectionError(request=request)
