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
from typing import Any, NamedTuple
from collections.abc import Callable, Coroutine

from .sides import FORK, run, folder_of

TASKS = 2_000
_LOOPS = 200  # stock's loop keeps whole models; fewer tasks show the same
SIZES = {"1.5k": 1_500, "28k": 28_000, "300k": 300_000}
_LONG = 3600.0
_bare: dict[int, float] = {}  # by the number of tasks; it has no body


class Held(NamedTuple):
    """Bytes per task for one size: above a bare sleeping task, for the fork's poll and for stock's loop."""

    poll: list[float]
    loop: float


def measure(size: str, *, rounds: int, tasks: int = TASKS) -> Held:
    """Measures one size in fresh processes. It allocates the same each time, so that few rounds say all."""

    def held(kind: str, count: int) -> float:
        arguments = ["-m", "forktools.bench.memory", kind, str(SIZES[size]), str(count)]
        return float(run(folder_of(FORK), arguments))

    loops = min(tasks, _LOOPS)
    for count in {tasks, loops} - _bare.keys():
        _bare[count] = held("bare", count)
    polls = [held("poll", tasks) - _bare[tasks] for _ in range(rounds)]
    return Held(polls, held("loop", loops) - _bare[loops])


async def _asleep(kind: str, size: int, tasks: int) -> float:
    import httpx2

    from openai import AsyncOpenAI

    from .payloads import HEADERS, RESPONSE_ID, pending

    body = bytearray(pending(size))
    asked = 0

    def answer(_: httpx2.Request) -> httpx2.Response:
        nonlocal asked
        asked += 1
        return httpx2.Response(200, headers=HEADERS, content=bytes(body))

    http_client = httpx2.AsyncClient(transport=httpx2.MockTransport(answer))
    client = AsyncOpenAI(api_key="bench", max_retries=0, http_client=http_client)

    async def loop() -> None:
        while True:
            response = await client.responses.retrieve(RESPONSE_ID)
            if response.status not in ("queued", "in_progress"):
                return
            await asyncio.sleep(_LONG)

    async def poll() -> None:
        await client.responses.poll(RESPONSE_ID, poll_interval_ms=_LONG * 1000)

    async def bare() -> None:
        nonlocal asked
        asked += 1
        await asyncio.sleep(_LONG)

    wait: Callable[[], Coroutine[Any, Any, None]] = {"loop": loop, "poll": poll, "bare": bare}[kind]

    async def start(count: int) -> list[asyncio.Task[None]]:
        nonlocal asked
        asked = 0
        waits = [asyncio.ensure_future(wait()) for _ in range(count)]
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
    held = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    for task in started:
        task.cancel()
    await asyncio.gather(*started, return_exceptions=True)
    return held / tasks


if __name__ == "__main__":
    print(asyncio.run(_asleep(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))
