"""The loopback server: aiohttp's, on 127.0.0.1, in a thread of its own.

Promises: `with Loopback() as server` works in sync and async tests alike; nothing is left open afterwards; every
request is counted and (unless switched off) logged before it is answered; what a fault breaks is one connection only; a
hook that raises makes the request fail with a 500 and the `with` block fail with the hook's own exception.
"""

from __future__ import annotations

import socket
import struct
import asyncio
import threading
from types import TracebackType
from collections import Counter
from collections.abc import Mapping

from aiohttp import web

from ._api import Api, Run, Answer, route_of
from ._faults import Fault, Route, Request, FaultHook
from ._scenarios import CATALOGUE, Scenario

# A socket that lingers for 0 seconds is closed by a reset.
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Loopback:
    """A server to talk to instead of the API.

    Args:
        faults: Asked for each request before it is answered; returns the `Fault` it shall meet, or None.
        port: 0 takes a free one.
        log: Keep every request in `requests`; switch it off where there are very many.
    """

    def __init__(self, *, faults: FaultHook | None = None, port: int = 0, log: bool = True) -> None:
        self.faults = faults
        self.requests: list[Request] = []
        """The log, in the order of arrival."""
        self.total = 0
        """How many requests came, logged or not."""
        self._api = Api()
        self._log = log
        self._port = port
        self._polls: Counter[str | None] = Counter()
        self._problem: Exception | None = None
        self._refusals = 0
        self._accepted: set[asyncio.Task[object]] = set()  # the loop holds tasks weakly
        self._thread: threading.Thread | None = None

    # -- what a test does

    @property
    def url(self) -> str:
        """`http://127.0.0.1:<port>`, as `azure_endpoint` wants it."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def base_url(self) -> str:
        """`http://127.0.0.1:<port>/v1`, as `base_url` wants it."""
        return self.url + "/v1"

    def add(self, scenario: Scenario | str, response_id: str | None = None) -> str:
        """Registers a run as if it had been created before, and returns its id."""
        return self._api.add(CATALOGUE[scenario] if isinstance(scenario, str) else scenario, response_id).id

    def upcoming(self, *scenarios: Scenario | str) -> None:
        """The scenarios of the next creates, in turn; a create's own `metadata` outranks them."""
        self._api.upcoming.extend(CATALOGUE[one] if isinstance(one, str) else one for one in scenarios)

    @property
    def creates(self) -> int:
        """How many runs were created."""
        return self._api.creates

    @property
    def cancels(self) -> Mapping[str, int]:
        """How many cancel requests were answered, by response id."""
        return self._api.cancels

    def polls(self, response_id: str) -> int:
        """How many retrieves of that id came, with a fault or without."""
        return self._polls[response_id]

    def logged(self, route: Route, response_id: str | None = None) -> list[Request]:
        """The logged requests of a route, of all ids or of one."""
        return [one for one in self.requests if one.route == route and response_id in (None, one.response_id)]

    def run(self, response_id: str) -> Run:
        """The state of a run, to look at. Raises KeyError when there is none of that id."""
        return self._api.runs[response_id]

    # -- its life

    def start(self) -> Loopback:
        """Opens the port and starts the thread. Raises OSError when the port is taken."""
        self._socket = self._bound()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="loopback", daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._open(), self._loop).result()
        return self

    def stop(self) -> None:
        """Closes every connection and the port; returns when the thread has ended. Safe to call twice."""
        if self._thread is not None:
            asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._thread = None
            self._loop.close()

    def __enter__(self) -> Loopback:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()
        if error is None and self._problem is not None:
            raise self._problem

    # -- the port
    #
    # Not asyncio's own server: on Python 3.11 it loses a connection whose acceptance is under way when it is closed.

    def _bound(self) -> socket.socket:
        # Bound but not listening: connections are refused, and nobody else can take the port meanwhile.
        port = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            port.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            port.bind(("127.0.0.1", self._port))
        except OSError:
            port.close()
            raise
        port.setblocking(False)
        self._port = port.getsockname()[1]
        return port

    async def _open(self) -> None:
        # A request whose client has gone is not waited for: it may be one that hangs.
        self._http = web.Server(self._handle, handler_cancellation=True, access_log=None)
        self._listen()

    def _listen(self) -> None:
        self._socket.listen(4096)
        self._loop.add_reader(self._socket, self._accept)

    def _accept(self) -> None:
        try:
            connection, _ = self._socket.accept()
        except OSError as problem:  # too many open files, say
            self._problem = self._problem or problem
            return
        connection.setblocking(False)
        task = self._loop.create_task(self._loop.connect_accepted_socket(self._http, connection))
        self._accepted.add(task)
        task.add_done_callback(self._accepted.discard)

    def _refuse_for(self, seconds: float) -> None:
        self._refusals += 1
        if self._refusals == 1:
            self._loop.remove_reader(self._socket)
            self._socket.close()
            self._socket = self._bound()
        self._loop.call_later(seconds, self._listen_again)

    def _listen_again(self) -> None:
        self._refusals -= 1
        if self._refusals == 0:
            self._listen()

    async def _close(self) -> None:
        self._loop.remove_reader(self._socket)
        self._socket.close()
        await asyncio.gather(*self._accepted, return_exceptions=True)
        await self._http.shutdown(timeout=0.001)  # 0 is for ever
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    # -- a request

    async def _handle(self, http: web.BaseRequest) -> web.StreamResponse:
        route, response_id = route_of(http.method, http.path)
        body = await http.content.read()
        self.total += 1
        self._polls[response_id] += route == "retrieve"
        poll = self._polls[response_id] if route == "retrieve" else 0
        headers = {name.lower(): value for name, value in http.headers.items()}
        request = Request(self.total, http.method, http.path, dict(http.query), headers, body, route, response_id, poll)
        if self._log:
            self.requests.append(request)
        try:
            fault = self.faults(request) if self.faults is not None else None
            if fault is not None:
                return await self._spoiled(http, request, fault)
            return await self._sent(http, request, self._api.answer(request))
        except ConnectionError:  # the client has gone
            raise
        except Exception as problem:
            self._problem = self._problem or problem
            return web.Response(status=500, text=repr(problem))

    async def _sent(
        self, http: web.BaseRequest, request: Request, answer: Answer, *, only: bytes | None = None
    ) -> web.StreamResponse:
        """Sends the answer; its head as it is, but of its body nothing than `only` if that is given."""
        headers = {**answer.headers, "x-request-id": f"req_loopback{request.number:08d}"}
        response = web.StreamResponse(status=answer.status, headers=headers)
        if not answer.stream:
            response.content_length = sum(map(len, answer.pieces))
        await response.prepare(http)
        for piece in answer.pieces if only is None else [only]:
            await response.write(piece)
        return response

    async def _spoiled(self, http: web.BaseRequest, request: Request, fault: Fault) -> web.StreamResponse:
        transport = http.transport
        assert transport is not None
        if fault.kind == "answer":
            return await self._sent(http, request, Answer(fault.code, fault.headers, [fault.body]))
        if fault.kind in ("reset", "refuse"):
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            transport.abort()
            if fault.kind == "refuse":
                self._refuse_for(fault.seconds)
        elif fault.kind == "raw":
            for place in range(len(fault.body)):
                transport.write(fault.body[place : place + 1])
                await asyncio.sleep(fault.seconds)
            transport.close()
        else:
            answer = self._api.answer(request, move=False)
            part = fault.kept(b"".join(answer.pieces))
            if fault.kind == "truncate":
                return await self._sent(http, request, answer._replace(pieces=[part]))
            # The head announces all of it. A hang from the first byte on keeps the head back as well.
            if fault.kind == "close" or part:
                await self._sent(http, request, answer, only=part)
            if fault.kind == "hang":
                await asyncio.Event().wait()  # until the client gives up or the server stops
            transport.close()
        return web.Response()  # nobody gets it: the connection is closed
