"""What a waiting task holds: many tasks on one client and one event loop, all asleep between two polls.

    python -m forktools.bench.memory KIND SIZE TASKS

Kinds: `bare`, a task in `asyncio.sleep`; `poll`, a task in the fork's `poll`; `loop`, a task in the loop that stock's
user writes (retrieve, look at the status, sleep), which keeps the last response in a variable. It prints the bytes
that tracemalloc counts for each task, and the client's share with them. Each answer is a new bytes object, as it would
be off a connection; else what is kept of it would be counted once for all tasks.
"""

from __future__ import annotations

import gc
import sys
import asyncio
import tracemalloc
from typing import Any

import httpx2

from openai import AsyncOpenAI

from .cases import JSON, RESPONSE_ID, pending

LONG = 3600.0


async def held(kind: str, size: int, tasks: int) -> float:
    """Bytes that each of so many tasks holds."""
    body = bytearray(pending(size))
    asked = 0

    def answer(_: httpx2.Request) -> httpx2.Response:
        nonlocal asked
        asked += 1
        return httpx2.Response(200, headers=JSON, content=bytes(body))

    http_client = httpx2.AsyncClient(transport=httpx2.MockTransport(answer))
    responses: Any = AsyncOpenAI(api_key="bench", max_retries=0, http_client=http_client).responses

    async def wait() -> None:
        nonlocal asked
        if kind == "poll":
            await responses.poll(RESPONSE_ID, poll_interval_ms=LONG * 1000)
        elif kind == "loop":
            run = await responses.retrieve(RESPONSE_ID)
            while run.status == "in_progress":
                await asyncio.sleep(LONG)
        else:
            asked += 1
            await asyncio.sleep(LONG)

    async def start(count: int) -> list[asyncio.Task[None]]:
        nonlocal asked
        asked = 0
        waits = [asyncio.create_task(wait()) for _ in range(count)]
        while asked < count:
            await asyncio.sleep(0)
        for _ in range(50):  # from the last answer to the sleep
            await asyncio.sleep(0)
        gc.collect()
        return waits

    # One task beforehand pays for what is loaded and cached on first use.
    started = await start(1)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    started += await start(tasks)
    taken = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    for task in started:
        task.cancel()
    await asyncio.gather(*started, return_exceptions=True)
    return taken / tasks


if __name__ == "__main__":
    print(asyncio.run(held(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))
