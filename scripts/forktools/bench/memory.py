"""What a waiting task holds: many tasks on one client and one event loop, all asleep between two polls.

Counted are the bytes of tracemalloc for each task, and the client's share with them, above a task that only sleeps.
Each answer is a new bytes object, as it would be off a connection; else what is kept of it would be counted once for
all tasks.
"""

from __future__ import annotations

import gc
import asyncio
import tracemalloc
from typing import Any, Callable, Coroutine

import httpx2

from openai import AsyncOpenAI

from .cases import JSON, RESPONSE_ID, pending

LONG = 3600.0


def held(kind: str, size: int, tasks: int) -> float:
    """Bytes that each of so many tasks holds: in the fork's `poll`, or in the `loop` that stock's user writes
    (retrieve, look at the status, sleep), which keeps the last response in a variable."""
    body = bytearray(pending(size))
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, headers=JSON, content=bytes(body)))
    http_client = httpx2.AsyncClient(transport=transport)
    responses: Any = AsyncOpenAI(api_key="bench", http_client=http_client).responses

    async def loop() -> None:
        run = await responses.retrieve(RESPONSE_ID)
        while run.status == "in_progress":
            await asyncio.sleep(LONG)

    waits: dict[str, Callable[[], Any]] = {
        "poll": lambda: responses.poll(RESPONSE_ID, poll_interval_ms=LONG * 1000),
        "loop": loop,
    }

    async def compared() -> float:
        await responses.retrieve(RESPONSE_ID)  # pays for what a client does once
        return await _each(waits[kind], tasks) - await _each(lambda: asyncio.sleep(LONG), tasks)

    return asyncio.run(compared())


async def _each(wait: Callable[[], Coroutine[Any, Any, None]], tasks: int) -> float:
    """Bytes for each of so many tasks that wait."""

    async def start(count: int) -> list[asyncio.Task[None]]:
        started = [asyncio.create_task(wait()) for _ in range(count)]
        for _ in range(200):  # to the sleep; nothing on the way there waits for anything
            await asyncio.sleep(0)
        gc.collect()
        return started

    started = await start(1)  # pays for what is loaded and cached on first use
    tracemalloc.start()
    started += await start(tasks)
    taken = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    for task in started:
        task.cancel()
    await asyncio.gather(*started, return_exceptions=True)
    return taken / tasks
