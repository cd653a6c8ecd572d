"""The three calls on a stock client: `openai`'s public methods, looked at from outside.

`retrieve` asks by `with_raw_response`, so that an error has the HTTP exchange that brought it; `poll` is the contract's
own loop, which takes any `responses` resource; `stream` is in `_streams`. Without the flag the stock method is called
and its result returned.
"""

from __future__ import annotations

from typing import Any

from openai._resource import AsyncAPIResource

from ._contract._poll import poll_response, async_poll_response
from ._contract._verdict import ask_client

__all__ = ["poll", "retrieve", "stream"]


def retrieve(client: Any, response_id: str, *, raise_on_failure: bool, **options: Any) -> Any:
    resource = client.responses
    if not raise_on_failure:
        return resource.retrieve(response_id, **options)
    if options.get("stream"):
        from ._streams import watched

        return watched(resource, response_id, **options)
    return (_retrieve_async if isinstance(resource, AsyncAPIResource) else _retrieve)(resource, response_id, options)


def poll(client: Any, response_id: str, **options: Any) -> Any:
    resource = client.responses
    wait: Any = async_poll_response if isinstance(resource, AsyncAPIResource) else poll_response
    return wait(resource, response_id, **options)


def stream(client: Any, response_id: str, *, raise_on_failure: bool, **options: Any) -> Any:
    resource = client.responses
    if not raise_on_failure:
        return resource.stream(response_id=response_id, **options)
    from ._streams import watched_manager

    return watched_manager(resource, response_id, **options)


def _retrieve(resource: Any, response_id: str, options: dict[str, Any]) -> Any:
    return _judged(resource, resource.with_raw_response.retrieve(response_id, **options))


async def _retrieve_async(resource: Any, response_id: str, options: dict[str, Any]) -> Any:
    return _judged(resource, await resource.with_raw_response.retrieve(response_id, **options))


def _judged(resource: Any, raw: Any) -> Any:
    response = raw.parse()
    error = ask_client(resource._client, response, response=raw.http_response)
    if error is not None:
        # A traceback with locals must not print what the response echoes of the request.
        del response, raw
        raise error
    return response
