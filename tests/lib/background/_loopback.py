"""A server on a loopback socket, for what a mocked transport cannot show: pools, resets, a body that is held open."""

from __future__ import annotations

import re
import json
import asyncio
import threading
from typing import Any, Union, Callable, Sequence
from typing_extensions import Self

Step = Union[bytes, str]
"""A chunk of the body, or what happens behind it: `hold` (until the client closes), `cut` (no end of the body)."""

Script = Union[Sequence[Step], "tuple[int, dict[str, Any]]"]
"""The steps of a stream, or a status with JSON."""


class Loopback:
    """Answers each request by the script that `respond(target)` gives for it."""

    def __init__(self, respond: Callable[[str], Script]) -> None:
        self.targets: list[str] = []
        self.open = 0
        """How many connections there are."""
        self.busy = 0
        """How many answers are under way, those that are held open included."""
        self._respond = respond
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.base_url = ""

    def __enter__(self) -> Self:
        self._thread.start()
        starting = asyncio.start_server(self._serve, "127.0.0.1", 0)
        self._server = asyncio.run_coroutine_threadsafe(starting, self._loop).result()
        self.base_url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    def __exit__(self, *_: object) -> None:
        async def stop() -> None:
            self._server.close()
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.sleep(0)  # so that what was closed is

        asyncio.run_coroutine_threadsafe(stop(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = re.search(r"content-length: (\d+)", head, re.I)
                await reader.readexactly(int(length[1]) if length else 0)
                self.targets.append(head.split(" ")[1])
                self.busy += 1
                try:
                    if not await self._answer(self._respond(self.targets[-1]), reader, writer):
                        break
                finally:
                    self.busy -= 1
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self.open -= 1
            writer.close()

    async def _answer(self, script: Any, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Whether the connection goes on."""
        if isinstance(script, tuple):
            status, data = script
            content = json.dumps(data).encode()
            head = f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {len(content)}\r\n\r\n"
            writer.write(head.encode() + content)
            await writer.drain()
            return True
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        for step in script:
            if step == "hold":
                await reader.read()
            if isinstance(step, str):
                return False
            writer.write(b"%x\r\n%s\r\n" % (len(step), step))
            await writer.drain()
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        return True
