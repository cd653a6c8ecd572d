"""The loopback server: HTTP/1.1 on 127.0.0.1, in a thread of its own, with nothing but the standard library.

Promises: `with Loopback() as server` works in sync and async tests alike; nothing is left open afterwards; every
request is counted and (unless switched off) logged before it is answered; a hook that raises makes the request fail
with a 500 and the `with` block fail with the hook's own exception. One protocol object per connection and no task
per request, so that thousands of waiting clients cost nothing.
"""

from __future__ import annotations

import time
import socket
import asyncio
import threading
from types import TracebackType
from collections.abc import Mapping, Callable, Coroutine
from concurrent.futures import Future

from ._api import Api, Run, route_of
from ._faults import Route, Request, FaultHook
from ._scenarios import CATALOGUE, Scenario
from ._connection import Connection


class Loopback:
    """A server to talk to instead of the API.

    Args:
        faults: Asked for each request before it is answered; returns the `Fault` it shall meet, or None.
        port: 0 takes a free one.
        log: Keep every request in `requests`; switch it off for a benchmark.
        clock: Seconds; for scenarios that last a time. Replace it to simulate hours.
    """

    def __init__(
        self,
        *,
        faults: FaultHook | None = None,
        port: int = 0,
        log: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.faults = faults
        self.requests: list[Request] = []
        """The log, in the order of arrival."""
        self.total = 0
        """How many requests came, logged or not."""
        self._api = Api(clock)
        self._log = log
        self._port = port
        self._polls: dict[str, int] = {}
        self._connections: set[Connection] = set()
        self._tasks: set[asyncio.Task[object]] = set()
        self._problem: Exception | None = None
        self._refusals = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._stopped = asyncio.Event()
        self._socket: socket.socket | None = None

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
        return self._polls.get(response_id, 0)

    def logged(self, route: Route, response_id: str | None = None) -> list[Request]:
        """The logged requests of a route, of all ids or of one."""
        return [one for one in self.requests if one.route == route and response_id in (None, one.response_id)]

    def run(self, response_id: str) -> Run:
        """The state of a run, to look at.

        Raises:
            KeyError: no such run.
        """
        return self._api.runs[response_id]

    def refuse(self) -> None:
        """From now on new connections are refused; the port stays ours and open connections stay open."""
        self._call(self._stop_listening)

    def accept(self) -> None:
        """Undoes one `refuse`."""
        self._call(self._listen_again)

    # -- its life

    def start(self) -> Loopback:
        """Starts the thread; returns when the port is open.

        Raises:
            OSError: the port is taken.
        """
        ready = threading.Event()
        failed: list[Exception] = []

        async def main() -> None:
            self._loop = asyncio.get_running_loop()
            self._stopped = asyncio.Event()
            try:
                self._bind()
                self._listen()
            except Exception as error:
                failed.append(error)
                return
            finally:
                ready.set()
            await self._stopped.wait()
            await self._close()

        self._thread = threading.Thread(target=asyncio.run, args=(main(),), name="loopback", daemon=True)
        self._thread.start()
        ready.wait()
        if failed:
            self._thread.join()
            self._thread = None
            raise failed[0]
        return self

    def stop(self) -> None:
        """Closes every connection and the port; returns when the thread has ended. Safe to call twice."""
        if self._thread is None or self._loop is None:
            return
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join()
        self._thread = None

    def __enter__(self) -> Loopback:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()
        if error is None and self._problem is not None:
            raise self._problem

    # -- what a connection does (in the thread)

    def received(self, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes) -> Request:
        """Counts and logs a request."""
        route, response_id = route_of(method, path)
        poll = 0
        if route == "retrieve" and response_id is not None:
            poll = self._polls[response_id] = self._polls.get(response_id, 0) + 1
        self.total += 1
        request = Request(self.total, method, path, query, headers, body, route, response_id, poll)
        if self._log:
            self.requests.append(request)
        return request

    @property
    def api(self) -> Api:
        """Where the answers come from."""
        return self._api

    def opened(self, connection: Connection) -> None:
        """A connection is there."""
        self._connections.add(connection)

    def closed(self, connection: Connection) -> None:
        """A connection is gone."""
        self._connections.discard(connection)

    def broken(self, problem: Exception) -> None:
        """Remembers the first exception of the hook or of the server, to be raised where the test can see it."""
        self._problem = self._problem or problem

    def refuse_for(self, seconds: float) -> None:
        """Refuses new connections for so long."""
        self._stop_listening()
        asyncio.get_running_loop().call_later(seconds, self._listen_again)

    # -- the port
    #
    # Not asyncio's own server: on Python 3.11 it loses a connection whose acceptance is under way when it is closed.

    def _bind(self) -> None:
        # Bound but not listening: connections are refused, and nobody else can take the port meanwhile.
        port = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            port.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            port.bind(("127.0.0.1", self._port))
        except BaseException:
            port.close()
            raise
        port.setblocking(False)
        self._port = port.getsockname()[1]
        self._socket = port

    def _listen(self) -> None:
        if self._socket is not None:
            self._socket.listen(4096)
            self._wait_for_connections()

    def _wait_for_connections(self) -> None:
        if self._socket is not None and self._refusals == 0:
            asyncio.get_running_loop().add_reader(self._socket, self._accept)

    def _accept(self) -> None:
        assert self._socket is not None
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, _ = self._socket.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as problem:
                # Too many open files: say so at the end, and do not spin until some are closed.
                self.broken(problem)
                loop.remove_reader(self._socket)
                loop.call_later(0.1, self._wait_for_connections)
                return
            connection.setblocking(False)
            self._spawn(loop.connect_accepted_socket(lambda: Connection(self), connection))

    def _stop_listening(self) -> None:
        self._refusals += 1
        if self._refusals == 1 and self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._bind()

    def _listen_again(self) -> None:
        self._refusals = max(0, self._refusals - 1)
        if self._refusals == 0:
            self._listen()

    def _spawn(self, what: Coroutine[object, object, object]) -> None:
        # The loop holds tasks weakly.
        task = asyncio.get_running_loop().create_task(what)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _close(self) -> None:
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for connection in list(self._connections):
            connection.abort()
        while self._connections:
            await asyncio.sleep(0)

    def _call(self, what: Callable[[], None]) -> None:
        if self._loop is None or threading.current_thread() is self._thread:
            raise RuntimeError("not before the start, nor from a fault hook: return Fault.refuse() instead")
        done: Future[None] = Future()

        def call() -> None:
            try:
                done.set_result(what())
            except BaseException as problem:
                done.set_exception(problem)

        self._loop.call_soon_threadsafe(call)
        done.result()
