"""The loopback server: aiohttp's, on 127.0.0.1, in a thread of its own.

Promises: `with Loopback() as server` works in sync and async tests alike; nothing is left open afterwards; every
request is counted and (unless switched off) logged before it is answered; what a fault breaks is one connection only; a
hook that raises makes the request fail with a 500 and the `with` block fail with the hook's own exception.
"""

from __future__ import annotations

import random
import socket
import struct
import asyncio
import itertools
from types import TracebackType
from typing import Any, cast
from contextlib import ExitStack, asynccontextmanager
from collections import Counter
from collections.abc import AsyncGenerator

from anyio import from_thread
from aiohttp import web

from ._wire import Fault, Route, Answer, Request, FaultHook
from ._payloads import JSON, sse
from ._scenarios import CATALOGUE, Run, Scenario

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
        self.creates = 0
        """How many runs were created."""
        self.cancels: Counter[str] = Counter()
        """How many cancel requests were answered, by response id."""
        self._runs = {f"resp_{name}": Run(f"resp_{name}", scenario) for name, scenario in CATALOGUE.items()}
        self._upcoming: list[Scenario] = []
        self._log = log
        self._port = port
        self._polls: Counter[str | None] = Counter()
        self._problem: Exception | None = None
        self._running = ExitStack()

    # -- what a test does

    def add(self, scenario: Scenario | str, response_id: str | None = None, **more: Any) -> str:
        """Registers a run as if it had been created before, and returns its id."""
        response_id = response_id or f"resp_loopback{len(self._runs):08d}"
        self._runs[response_id] = Run(response_id, _scenario(scenario), **more)
        return response_id

    def upcoming(self, *scenarios: Scenario | str) -> None:
        """The scenarios of the next creates, in turn; a create's own `metadata` outranks them."""
        self._upcoming += map(_scenario, scenarios)

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
        portal = self._running.enter_context(from_thread.start_blocking_portal())
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
                answer = self._answer(request, move=fault is None)
                answer = answer._replace(headers={**answer.headers, "x-request-id": f"req_loopback{self.total:08d}"})
        except Exception as problem:
            self._problem = self._problem or problem
            return web.Response(status=500, text=repr(problem))
        return await self._send(http, answer, fault or Fault("end"))

    async def _send(self, http: web.Request, answer: Answer | bytes, fault: Fault) -> web.StreamResponse:
        transport: Any = http.transport
        response = web.StreamResponse()  # nobody gets it where the connection is closed
        if isinstance(answer, bytes):
            transport.write(answer)
        elif fault.keep is not None:
            whole = b"".join(answer.pieces)
            pieces = answer.pieces if fault.keep == 1 else [whole[: int(len(whole) * fault.keep)]]
            response.set_status(answer.status)
            response.headers.update(answer.headers)
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

    # -- the API

    def _answer(self, request: Request, *, move: bool) -> Answer:
        """What the API answers; without `move` a retrieve leaves its run where it was."""
        if request.route == "create":
            return self._create(request)
        run = self._runs.get(request.response_id or "")
        if run is None:
            return _problem(404, f"There is nothing at {request.method} {request.path}.")
        if request.route == "cancel":
            self.cancels[run.id] += 1
            run.cancel()
            return Answer.json(200, run.body(None))
        if request.query.get("stream") == "true":
            return _stream(run, int(request.query.get("starting_after", -1)), move=move)
        hints = run.scenario.poll_headers
        answer = Answer.json(200, run.body(run.status), hints[min(run.answered, len(hints) - 1)] if hints else {})
        run.answered += move
        return answer

    def _create(self, request: Request) -> Answer:
        try:
            asked: JSON = request.json
            model: str = asked["model"]
        except (ValueError, TypeError, KeyError):
            return _problem(400, "The body must be a JSON object with a 'model'.")
        metadata: dict[str, str] = asked.get("metadata") or {}
        wanted = metadata.get("scenario")
        if wanted is None:
            scenario = self._upcoming.pop(0) if self._upcoming else CATALOGUE["completed"]
        elif wanted in CATALOGUE:
            scenario = CATALOGUE[wanted]
        else:
            return _problem(400, f"No scenario is called '{wanted}'.")
        self.creates += 1
        run = self._runs[self.add(scenario, model=model, metadata=metadata)]
        if not asked.get("background") and scenario.sync_status is not None:
            return Answer.json(scenario.sync_status, {"error": scenario.ending["error"]})
        if asked.get("stream"):
            return _stream(run, move=True)
        return Answer.json(200, run.body("queued" if asked.get("background") else None))


def _scenario(scenario: Scenario | str) -> Scenario:
    return CATALOGUE[scenario] if isinstance(scenario, str) else scenario


def _stream(run: Run, after: int = -1, *, move: bool) -> Answer:
    pieces = [sse(event) for place, event in enumerate(run.events()) if event.get("sequence_number", place) > after]
    if run.scenario.chunk_seed is not None:
        pieces = _cut(b"".join(pieces), run.scenario.chunk_seed)
    if move:
        # Who has seen the stream has seen the end of the run.
        run.answered = max(run.answered, len(run.scenario.polls))
    return Answer(200, {"content-type": "text/event-stream"}, pieces, stream=True)


def _cut(data: bytes, seed: int) -> list[bytes]:
    """`data` in pieces of about 24 bytes, cut without regard to events, lines or characters."""
    places = sorted(random.Random(seed).sample(range(1, len(data)), len(data) // 24))
    return [data[start:end] for start, end in itertools.pairwise([0, *places, len(data)])]


def _problem(status: int, text: str) -> Answer:
    error = {"message": text, "type": "invalid_request_error", "param": None, "code": None}
    return Answer.json(status, {"error": error})
