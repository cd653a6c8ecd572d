"""Every way to the answer about a run, sync and async, as what a caller gets to see and what he gets to catch.

Programs of the tests walk them on stock `openai` as well, without the flag, so this module uses only what stock has.
"""

from __future__ import annotations

import inspect
from typing import Any, Union
from contextlib import aclosing, asynccontextmanager
from collections.abc import Mapping, Callable, AsyncGenerator

Route = Callable[..., AsyncGenerator[Any]]
Walked = tuple[list[Any], Union[Exception, None]]


async def settled(value: Any) -> Any:
    """The result of a call of either client."""
    return await value if inspect.isawaitable(value) else value


@asynccontextmanager
async def entered(manager: Any) -> AsyncGenerator[Any]:
    """What a context manager of either client gives."""
    if hasattr(manager, "__aenter__"):
        async with manager as value:
            yield value
    else:
        with manager as value:
            yield value


async def plain(client: Any, response_id: str, **options: Any) -> AsyncGenerator[Any]:
    yield await settled(client.responses.retrieve(response_id, **options))


async def beta(client: Any, response_id: str, **options: Any) -> AsyncGenerator[Any]:
    yield await settled(client.beta.responses.retrieve(response_id, **options))


async def raw(client: Any, response_id: str, **options: Any) -> AsyncGenerator[Any]:
    answer = await settled(client.responses.with_raw_response.retrieve(response_id, **options))
    yield answer
    yield answer.parse()


async def streaming(client: Any, response_id: str, **options: Any) -> AsyncGenerator[Any]:
    async with entered(client.responses.with_streaming_response.retrieve(response_id, **options)) as answer:
        yield answer
        yield await settled(answer.parse())


async def poll(client: Any, response_id: str, **options: Any) -> AsyncGenerator[Any]:
    yield await settled(client.responses.poll(response_id, **options))


async def accumulated(client: Any, response_id: str, **options: Any) -> AsyncGenerator[Any]:
    async with entered(client.responses.stream(response_id=response_id, **options)) as stream:
        yield stream
        yield await settled(stream.get_final_response())


def streamed(route: Route) -> Route:
    """The same route, to the events of the run."""

    def events(client: Any, response_id: str, **options: Any) -> AsyncGenerator[Any]:
        return route(client, response_id, stream=True, **options)

    return events


ANSWERS: Mapping[str, Route] = {"plain": plain, "beta": beta, "raw": raw, "streaming": streaming}
STREAMS: Mapping[str, Route] = {
    **{f"{name} events": streamed(route) for name, route in ANSWERS.items()},
    "accumulated events": accumulated,
}


async def walk(route: Route, client: Any, response_id: str, **options: Any) -> Walked:
    """All that there is to see, of a stream its events, and what was raised at the end."""
    seen: list[Any] = []
    try:
        async with aclosing(route(client, response_id, **options)) as values:
            async for value in values:
                if hasattr(value, "__anext__"):
                    async for event in value:
                        seen.append(event)
                elif hasattr(value, "__next__"):
                    for event in value:
                        seen.append(event)
                else:
                    seen.append(value)
    except Exception as error:
        return seen, error
    return seen, None


FACTS = "code param type body status reason response_id retryable known retry_after output_text".split()


def told(error: Any) -> Mapping[str, Any] | None:
    """What an error says of a run, in a form that compares and travels; every answer has a request id of its own."""
    if error is None:
        return None
    equivalent = getattr(error, "equivalent", None)
    return {
        "class": type(error).__name__,
        "equivalent": equivalent and equivalent.__name__,
        "text": str(error).replace(f", request {getattr(error, 'request_id', None)}]", "]"),
        **{name: getattr(error, name, None) for name in FACTS},
    }


def cause(error: Any) -> Mapping[str, Any]:
    """What of that is the same whatever id was asked for, and however much was streamed before."""
    facts = told(error) or {}
    return {name: fact for name, fact in facts.items() if name not in ("text", "status", "response_id", "output_text")}
