"""The loopback server: aiohttp's, on 127.0.0.1, in a thread of its own.

Promises: `with Loopback() as server` works in sync and async tests alike; nothing is left open afterwards; every
request is counted and (unless switched off) logged before it is answered; what a fault breaks is one connection only; a
hook that raises makes the request fail with a 500 and the `with` block fail with the hook's own exception.
"""

from __future__ import annotations

import socket
import struct
import asyncio
from types import TracebackType
from typing import Any, cast
from contextlib import ExitStack, asynccontextmanager
from collections import Counter
from collections.abc import AsyncGenerator

from anyio import from_thread
from aiohttp import web

from ._api import Api
from ._wire import Fault, Route, Answer, Request, FaultHook

# A socket that lingers for 0 seconds is closed by a reset.
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Loopback(Api):
    """A server to talk to instead of the API.

    Args:
        faults: Asked for each request before it is answered; returns the `Fault` it shall meet, or None.
        port: 0 takes a free one.
        log: Keep every request in `requests`; switch it off where there are very many.
    """

    def __init__(self, *, faults: FaultHook | None = None, port: int = 0, log: bool = True) -> None:
        super().__init__()
        self.faults = faults
        self.requests: list[Request] = []
        """The log, in the order of arrival."""
        self.total = 0
        """How many requests came, logged or not."""
        self._log = log
        self._port = port
        self._polls: Counter[str | None] = Counter()
        self._problem: Exception | None = None
        self._running = ExitStack()

    @property
    def url(self) -> str:
        """`http://127.0.0.1:<port>`, as `azure_endpoint` wants it."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def base_url(self) -> str:
        """`http://127.0.0.1:<port>/v1`, as `base_url` wants it."""
        return self.url + "/v1"

    def polls(self, response_id: str) -> int:
        """How many retrieves of that id came, with a fault or without."""
        return self._polls[response_id]

    def logged(self, route: Route) -> list[Request]:
        """The logged requests of a route."""
        return [one for one in self.requests if one.route == route]

    # -- its life

    def start(self) -> Loopback:
        """Opens the port and starts the thread. Raises OSError when the port is taken."""
        port = socket.create_server(("127.0.0.1", self._port), backlog=4096)
        self._port = port.getsockname()[1]
        portal = self._running.enter_context(from_thread.start_blocking_portal(name="loopback"))
        self._running.enter_context(portal.wrap_async_context_manager(self._serving(port)))
        return self

    def stop(self) -> None:
        """Closes every connection and the port; returns when the thread has ended. Safe to call twice."""
        self._running.close()

    def __enter__(self) -> Loopback:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()
        if error is None and self._problem is not None:
            raise self._problem

    @asynccontextmanager
    async def _serving(self, port: socket.socket) -> AsyncGenerator[None, None]:
        # Below any base URL: OpenAI's, and what Azure's clients make of an endpoint and a deployment.
        app = web.Application()
        app.router.add_post("/{base:.+}/responses", self._handle, name="create")
        app.router.add_get("/{base:.+}/responses/{id}", self._handle, name="retrieve", allow_head=False)
        app.router.add_post("/{base:.+}/responses/{id}/cancel", self._handle, name="cancel")
        app.router.add_route("*", "/{rest:.*}", self._handle, name="unknown")
        # A request whose client has gone, or that hangs when the server stops, is not waited for; 0 would be for ever.
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.001, access_log=None)
        await runner.setup()
        await web.SockSite(runner, port, backlog=4096).start()
        try:
            yield
        finally:
            # On Python 3.11 a connection is lost whose acceptance is under way when the port is closed.
            asyncio.get_running_loop().remove_reader(port)
            await asyncio.sleep(0)
            await runner.cleanup()

    # -- a request

    async def _handle(self, http: web.Request) -> web.StreamResponse:
        route, response_id = cast("Route", http.match_info.route.name), http.match_info.get("id")
        body = await http.content.read()
        self.total += 1
        self._polls[response_id] += route == "retrieve"
        poll = self._polls[response_id] if route == "retrieve" else 0
        request = Request(self.total, http.method, http.path, http.query, http.headers, body, route, response_id, poll)
        if self._log:
            self.requests.append(request)
        try:
            fault = self.faults(request) if self.faults is not None else None
            answer = fault.instead if fault is not None else None
            if answer is None:
                answer = self.answer(request, move=fault is None)
        except Exception as problem:
            self._problem = self._problem or problem
            return web.Response(status=500, text=repr(problem))
        return await self._send(http, request, answer, fault or Fault("end"))

    async def _send(
        self, http: web.Request, request: Request, answer: Answer | bytes, fault: Fault
    ) -> web.StreamResponse:
        transport: Any = http.transport
        response = web.StreamResponse()  # nobody gets it where the connection is closed
        if isinstance(answer, bytes):
            transport.write(answer)
        elif fault.keep is not None:
            whole = b"".join(answer.pieces)
            pieces = answer.pieces if fault.keep == 1 else [whole[: int(len(whole) * fault.keep)]]
            response.set_status(answer.status)
            response.headers.update({**answer.headers, "x-request-id": f"req_loopback{request.number:08d}"})
            if not answer.stream:
                # What breaks off had announced all of it.
                response.content_length = sum(map(len, pieces if fault.then == "end" else answer.pieces))
            await response.prepare(http)
            for piece in pieces:
                await response.write(piece)
        if fault.then == "hang":
            await asyncio.Event().wait()  # until the client gives up or the server stops
        if fault.then == "reset":
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        if fault.then != "end":
            transport.close()
        return response
