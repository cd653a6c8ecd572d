"""Needs the hooks in the client: the flag over HTTP clients other than httpx2, and over a real socket."""

from __future__ import annotations

import json
import threading
from typing import Any, Iterator
from http.server import ThreadingHTTPServer, BaseHTTPRequestHandler
from typing_extensions import override

import pytest

from openai import OpenAI, AsyncOpenAI, DefaultAioHttpClient

from ._support import API_KEY, BASE_URL, REQUEST_ID, RESPONSE_ID, failed, background

FAILED = failed("rate_limit_exceeded", "Please try again in 2s.")


class _Failing(BaseHTTPRequestHandler):
    """Answers every GET with a failed response."""

    def do_GET(self) -> None:
        content = json.dumps(FAILED).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.send_header("x-request-id", REQUEST_ID)
        self.end_headers()
        self.wfile.write(content)

    @override
    def log_message(self, format: str, *args: Any) -> None:
        """Nothing on stderr."""


@pytest.fixture
def loopback_url() -> Iterator[str]:
    """A server on this machine, gone at the end."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Failing) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1"
        finally:
            server.shutdown()
            thread.join()


def check(error: Any) -> None:
    assert (error.retryable, error.retry_after) == (True, 2.0)
    assert (error.response.status_code, error.response.json()) == (200, FAILED)
    assert (error.response_id, error.request_id) == (RESPONSE_ID, REQUEST_ID)
    assert error.request.url.path == f"/v1/responses/{RESPONSE_ID}"
    # It can leave the process whichever library brought it.
    data = error.to_dict()
    assert API_KEY not in json.dumps(data)
    back: Any = background.BackgroundResponseError.from_dict(data)
    assert back.response.status_code == 200


def test_httpx2_over_a_socket_with_the_flag_raises(loopback_url: str) -> None:
    with OpenAI(api_key=API_KEY, base_url=loopback_url) as client:
        assert client.responses.retrieve(RESPONSE_ID).status == "failed"
        with pytest.raises(background.BackgroundRateLimitError) as caught:
            client.responses.retrieve(RESPONSE_ID, raise_on_failure=True)
    check(caught.value)


async def test_async_httpx2_over_a_socket_with_the_flag_raises(loopback_url: str) -> None:
    async with AsyncOpenAI(api_key=API_KEY, base_url=loopback_url) as client:
        assert (await client.responses.retrieve(RESPONSE_ID)).status == "failed"
        with pytest.raises(background.BackgroundRateLimitError) as caught:
            await client.responses.retrieve(RESPONSE_ID, raise_on_failure=True)
    check(caught.value)


async def test_aiohttp_over_a_socket_with_the_flag_raises(loopback_url: str) -> None:
    pytest.importorskip("aiohttp")
    async with AsyncOpenAI(api_key=API_KEY, base_url=loopback_url, http_client=DefaultAioHttpClient()) as client:
        assert (await client.responses.retrieve(RESPONSE_ID)).status == "failed"
        with pytest.raises(background.BackgroundRateLimitError) as caught:
            await client.responses.retrieve(RESPONSE_ID, raise_on_failure=True)
        check(caught.value)
        async with client.responses.with_streaming_response.retrieve(RESPONSE_ID, raise_on_failure=True) as response:
            with pytest.raises(background.BackgroundRateLimitError):
                await response.parse()


def legacy_answer(httpx: Any) -> Any:
    def handle(request: Any) -> Any:
        return httpx.Response(200, request=request, json=FAILED, headers={"x-request-id": REQUEST_ID})

    return handle


def test_legacy_httpx_with_the_flag_raises() -> None:
    httpx: Any = pytest.importorskip("httpx")
    http_client = httpx.Client(transport=httpx.MockTransport(legacy_answer(httpx)))
    with OpenAI(api_key=API_KEY, base_url=BASE_URL, http_client=http_client) as client:
        assert client.responses.retrieve(RESPONSE_ID).status == "failed"
        with pytest.raises(background.BackgroundRateLimitError) as caught:
            client.responses.retrieve(RESPONSE_ID, raise_on_failure=True)
        raw = client.responses.with_raw_response.retrieve(RESPONSE_ID, raise_on_failure=True)
        for to in (dict, str, httpx.Response):
            with pytest.raises(background.BackgroundRateLimitError):
                raw.parse(to=to)
    assert isinstance(caught.value.response, httpx.Response)
    check(caught.value)


async def test_legacy_async_httpx_with_the_flag_raises() -> None:
    httpx: Any = pytest.importorskip("httpx")
    http_client = httpx.AsyncClient(transport=httpx.MockTransport(legacy_answer(httpx)))
    async with AsyncOpenAI(api_key=API_KEY, base_url=BASE_URL, http_client=http_client) as client:
        assert (await client.responses.retrieve(RESPONSE_ID)).status == "failed"
        with pytest.raises(background.BackgroundRateLimitError) as caught:
            await client.responses.retrieve(RESPONSE_ID, raise_on_failure=True)
        async with client.responses.with_streaming_response.retrieve(RESPONSE_ID, raise_on_failure=True) as response:
            with pytest.raises(background.BackgroundRateLimitError):
                await response.parse()
    assert isinstance(caught.value.response, httpx.Response)
    check(caught.value)
