"""Waiting over a real connection: the time holds for a whole request, and what a broken server does is waited out."""

from __future__ import annotations

import json
import time
import asyncio
import threading
from typing import Any, Generator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer, BaseHTTPRequestHandler

import httpx2
import pytest

from openai import OpenAI, AsyncOpenAI, DefaultAioHttpClient
from openai.lib.background import BackgroundPollTimeoutError, _wait

from ._support import body, settle

WHOLE = json.dumps(body("completed")).encode()
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
GOOD = HEAD + b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(WHOLE) + WHOLE

BROKEN: dict[str, bytes] = {
    "nothing": b"",
    "cut_head": HEAD,
    "cut_body": GOOD[:-9],
    "cut_chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\nff\r\n{",
    "bad_gzip": HEAD + b"Content-Encoding: gzip\r\nContent-Length: 4\r\nConnection: close\r\n\r\nnope",
    "unavailable": b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
}


class Server:
    """Answers on a loopback port: first with what is scripted, then well; `drip` and `redirect` never come to an end."""

    def __init__(self, *answers: bytes, endless: str | None = None, times: float = float("inf")) -> None:
        self.answers = list(answers)
        self.endless = endless
        self.times = times
        self.closing = threading.Event()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        handler.close_connection = True
        self.times -= 1
        if self.times < 0:
            handler.wfile.write(GOOD)
        elif self.endless == "drip":
            handler.wfile.write(HEAD + b"Content-Length: 9999\r\n\r\n")
            while not self.closing.wait(0.05):
                handler.wfile.write(b" ")
        elif self.endless == "redirect":
            self.closing.wait(0.3)
            handler.wfile.write(
                b"HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n" % handler.path.encode()
            )
        else:
            handler.wfile.write(self.answers.pop(0) if self.answers else GOOD)


@contextmanager
def serving(server: Server) -> Generator[str, None, None]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            try:
                server.answer(self)
            except OSError:
                self.close_connection = True

        def log_message(self, format: str, *args: Any) -> None: ...

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{http.server_port}/v1"
    finally:
        server.closing.set()
        http.shutdown()
        http.server_close()
        thread.join()


@pytest.fixture(params=["sync", "async", "aiohttp"])
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


def connect(kind: str, url: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    options: dict[str, Any] = {"api_key": "k", "base_url": url, "max_retries": 0}
    if kind == "sync":
        made: Any = OpenAI(http_client=httpx2.Client(trust_env=False, follow_redirects=True), **options)
        monkeypatch.setattr(made.responses, "_sleep", lambda _: None)
        return made
    if kind == "aiohttp":
        options["http_client"] = DefaultAioHttpClient(trust_env=False)
    else:
        options["http_client"] = httpx2.AsyncClient(trust_env=False, follow_redirects=True)
    made = AsyncOpenAI(**options)

    async def no_sleep(_: float) -> None: ...

    monkeypatch.setattr(made.responses, "_sleep", no_sleep)
    return made


@pytest.mark.parametrize("name", BROKEN)
async def test_poll_broken_answer_is_waited_out(kind: str, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    if kind == "aiohttp":
        pytest.importorskip("aiohttp")
    with serving(Server(BROKEN[name], BROKEN[name])) as url:
        client = connect(kind, url, monkeypatch)
        assert (await settle(client.responses.poll("resp_1", max_wait_seconds=30))).status == "completed"
        await settle(client.close())


@pytest.mark.parametrize("endless", ["drip", "redirect"])
@pytest.mark.parametrize("kind", ["async", "aiohttp"])
async def test_poll_in_async_code_ends_a_second_after_the_time(
    kind: str, monkeypatch: pytest.MonkeyPatch, endless: str
) -> None:
    if kind == "aiohttp":
        pytest.importorskip("aiohttp")
    with serving(Server(endless=endless)) as url:
        client = connect(kind, url, monkeypatch)
        began = time.monotonic()
        with pytest.raises(BackgroundPollTimeoutError, match="never seen"):
            await client.responses.poll("resp_1", max_wait_seconds=0.2)
        assert 0.2 <= time.monotonic() - began <= 1.7
        await client.close()
    assert not [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]


@pytest.mark.parametrize("kind", ["async", "aiohttp"])
async def test_poll_in_async_code_gives_up_an_answer_without_end_though_the_wait_has_none(
    kind: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    if kind == "aiohttp":
        pytest.importorskip("aiohttp")
    monkeypatch.setattr(_wait, "OUTAGE", 0.1)
    monkeypatch.setattr(_wait, "LAST_REQUEST", 0.1)
    with serving(Server(endless="drip", times=2)) as url:
        client = connect(kind, url, monkeypatch)
        # Less patience, where it is asked for, is not less time for an answer.
        response = await asyncio.wait_for(client.responses.poll("resp_1", max_outage_seconds=30), 10)
        assert response.status == "completed"
        await client.close()
    assert [record.levelname for record in caplog.records if "resp_1" in record.message] == ["WARNING", "WARNING"]
