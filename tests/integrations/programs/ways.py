"""The ways to learn how a run ended, each written once for the synchronous and the asynchronous client.

Each takes `client.responses`, an id, and the flag or nothing; what they return is the response, or None after a stream.
"""

from __future__ import annotations

import asyncio
import inspect
from typing import Any, Callable


async def loop(resource: Any, run: str, **flag: Any) -> Any:
    while True:
        response = await settled(resource.retrieve(run, **flag))
        if response.status == "completed" if flag else response.status not in ("queued", "in_progress"):
            return response
        await asyncio.sleep(0.1)


async def poll(resource: Any, run: str, **flag: Any) -> Any:
    return await settled(resource.poll(run, poll_interval_ms=100, max_wait_seconds=120, **flag))


async def raw(resource: Any, run: str, **flag: Any) -> Any:
    for _ in range(3):
        response = (await settled(resource.with_raw_response.retrieve(run, **flag))).parse()
    return response


async def stream(resource: Any, run: str, **flag: Any) -> Any:
    await read(resource, await settled(resource.retrieve(run, stream=True, **flag)))


async def helper(resource: Any, run: str, **flag: Any) -> Any:
    manager = resource.stream(response_id=run, **flag)
    if is_async(resource):
        async with manager as events:
            await read(resource, events)
    else:
        with manager as events:
            await read(resource, events)


WAYS: dict[str, Callable[..., Any]] = {"loop": loop, "poll": poll, "raw": raw, "stream": stream, "helper": helper}


async def settled(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value


def is_async(resource: Any) -> bool:
    return type(resource).__name__.startswith("Async")


async def read(resource: Any, stream: Any) -> None:
    """To the end. No event stays in a frame of the test, where an error handler would find it."""
    if is_async(resource):
        async for event in stream:
            del event
    else:
        for event in stream:
            del event
