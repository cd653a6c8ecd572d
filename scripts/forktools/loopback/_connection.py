"""One connection of the loopback server: requests out of bytes, answers and faults into bytes.

Promises: requests on a connection are answered in order; what is announced in a head is what is sent, unless a fault
says otherwise; a fault never touches another connection (only `refuse` keeps new ones out for its time).
"""

from __future__ import annotations

import socket
import struct
import asyncio
from typing import TYPE_CHECKING
from http.client import responses as PHRASES
from urllib.parse import unquote
from collections.abc import Mapping

from ._api import Answer
from ._faults import Fault, Request

if TYPE_CHECKING:
    from ._server import Loopback

# A socket that lingers for 0 seconds is closed by a reset.
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Connection(asyncio.Protocol):
    """Reads requests and writes what `Loopback` has for them."""

    def __init__(self, server: Loopback) -> None:
        self._server = server
        self._buffer = bytearray()
        self._done = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the event loop."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._server.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  (the signature is asyncio's)
        """Called by the event loop."""
        self._done = True
        self._server.closed(self)

    def data_received(self, data: bytes) -> None:
        """Called by the event loop."""
        self._buffer += data
        while not self._done and self._take():
            pass

    def abort(self) -> None:
        """Closes at once."""
        self._done = True
        self._transport.abort()

    def _take(self) -> bool:
        """Answers one request if it is complete."""
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return False
        lines = self._buffer[:end].decode("latin-1").split("\r\n")
        headers: dict[str, str] = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        try:
            method, target, version = lines[0].split(" ")
            length = int(headers.get("content-length", "0"))
        except ValueError:
            self._send(Answer(400), close=True)
            return False
        if "transfer-encoding" in headers:
            self._send(Answer(411), close=True)
            return False
        start, stop = end + 4, end + 4 + length
        if len(self._buffer) < stop:
            return False
        body = bytes(self._buffer[start:stop])
        del self._buffer[:stop]
        path, _, query = target.partition("?")
        request = self._server.received(method, unquote(path), query, headers, body)
        self._respond(request, close=headers.get("connection", "").lower() == "close" or version != "HTTP/1.1")
        return True

    def _respond(self, request: Request, *, close: bool) -> None:
        try:
            fault = self._server.faults(request) if self._server.faults is not None else None
            if fault is None:
                answer = self._server.api.answer(request)
            elif fault.kind in ("close", "hang", "truncate"):
                answer = self._server.api.answer(request, move=False)
            elif fault.kind in ("status", "html"):
                kind = "text/html" if fault.kind == "html" else "application/json"
                answer = Answer(fault.code, fault.body, {**fault.headers, "content-type": kind})
                fault = None
            else:
                answer = Answer(500)
        except Exception as problem:
            self._server.broken(problem)
            answer, fault = Answer(500, repr(problem).encode(), {"content-type": "text/plain"}), None
        answer.headers = {**answer.headers, "x-request-id": f"req_loopback{request.number:08d}"}
        if fault is None:
            self._send(answer, close=close)
        else:
            self._spoil(answer, fault)

    def _spoil(self, answer: Answer, fault: Fault) -> None:
        if fault.kind in ("reset", "refuse"):
            self._done = True
            connection = self._transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            self._transport.abort()
            if fault.kind == "refuse":
                self._server.refuse_for(fault.seconds)
            return
        true = b"".join(answer.pieces) if answer.pieces is not None else answer.body
        part = fault.kept(true)
        stream = answer.pieces is not None
        if fault.kind == "truncate":
            answer.body, answer.pieces = part, [part] if stream else None
            self._send(answer, close=False)
            return
        # `close` and `hang`: the head announces all of it. A hang from the first byte on keeps the head back as well.
        self._done = True
        if fault.kind == "close" or part:
            self._transport.write(_head(answer) + (_chunk(part) if stream and part else part))
        if fault.kind == "close":
            self._transport.close()

    def _send(self, answer: Answer, *, close: bool) -> None:
        body = answer.body
        if answer.pieces is not None:
            body = b"".join(_chunk(piece) for piece in answer.pieces if piece) + b"0\r\n\r\n"
        self._transport.write(_head(answer, {"connection": "close"} if close else {}) + body)
        if close:
            self._done = True
            self._transport.close()


def _head(answer: Answer, more: Mapping[str, str] | None = None) -> bytes:
    headers = {"content-type": "application/json", **answer.headers, **(more or {})}
    if answer.pieces is not None:
        headers["transfer-encoding"] = "chunked"
    else:
        headers["content-length"] = str(len(answer.body))
    lines = [f"HTTP/1.1 {answer.status} {PHRASES.get(answer.status, 'Status')}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)
