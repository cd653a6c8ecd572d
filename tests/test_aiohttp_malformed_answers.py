"""What is not valid HTTP is an `APIConnectionError` with `DefaultAioHttpClient`, too, and is retried like one."""

from __future__ import annotations

import asyncio
from typing import AsyncGenerator
from contextlib import asynccontextmanager

import httpx2
import pytest

from openai import AsyncOpenAI, APIConnectionError, DefaultAioHttpClient
from openai._vendor.httpx_aiohttp.transport import map_aiohttp_exceptions

aiohttp = pytest.importorskip("aiohttp")

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
MALFORMED: dict[str, bytes] = {
    "no_http": b"hello\r\n\r\n",
    "tls": b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
    "status": b"HTTP/1.1 abc OK\r\n\r\n",
    "header": HEAD + b"no colon\r\n\r\n",
    "header_with_nul": HEAD + b"X: a\x00b\r\n\r\n",
    "length": HEAD + b"Content-Length: abc\r\n\r\n",
    "two_lengths": HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    "chunk_size": CHUNKED + b"zz\r\nhello\r\n0\r\n\r\n",
}
LISTED = b'{"object": "list", "data": []}'
GOOD = HEAD + b"Content-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(LISTED), LISTED)


@asynccontextmanager
async def serving(*answers: bytes) -> AsyncGenerator[str, None]:
    """A server on a loopback port that sends these bytes, one answer a connection, the last one for good."""
    left = list(answers)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(left.pop(0) if len(left) > 1 else left[0])
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    finally:
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize("name", MALFORMED)
async def test_aiohttp_malformed_answer_is_a_connection_error(name: str) -> None:
    async with serving(MALFORMED[name]) as url, DefaultAioHttpClient(trust_env=False) as http_client:
        client = AsyncOpenAI(api_key="k", base_url=url, max_retries=0, http_client=http_client)
        with pytest.raises(APIConnectionError) as caught:
            await client.models.list()
    assert isinstance(caught.value.__cause__, httpx2.TransportError)


async def test_aiohttp_malformed_answer_is_retried(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(MALFORMED["status"], GOOD) as url, DefaultAioHttpClient(trust_env=False) as http_client:
        client = AsyncOpenAI(api_key="k", base_url=url, max_retries=1, http_client=http_client)
        monkeypatch.setattr(client, "_calculate_retry_timeout", lambda *_: 0.0)
        assert (await client.models.list()).data == []


def test_aiohttp_refusal_of_a_proxy_stays_a_proxy_error() -> None:
    class Refused(aiohttp.ClientHttpProxyError):  # type: ignore[misc, name-defined]
        def __init__(self) -> None: ...

        def __str__(self) -> str:
            return "refused"

    with pytest.raises(httpx2.ProxyError):
        with map_aiohttp_exceptions():
            raise Refused


async def test_aiohttp_http_error_is_a_status_error_as_before() -> None:
    answer = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    async with serving(answer) as url, DefaultAioHttpClient(trust_env=False) as http_client:
        client = AsyncOpenAI(api_key="k", base_url=url, max_retries=0, http_client=http_client)
        with pytest.raises(Exception) as caught:  # noqa: B017
            await client.models.list()
    assert type(caught.value).__name__ == "NotFoundError"
