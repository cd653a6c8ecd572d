"""The frames of a stream, for what the models behind them do not tell: `[DONE]`, an event's name, what stands beside an
error, and a body that is JSON instead of events.
"""

from __future__ import annotations

import json
from typing import Any, Mapping, Iterator, AsyncIterator

from openai._utils import is_mapping
from openai._streaming import ServerSentEvent, SSEBytesDecoder

from ._verdict import is_response, read_outcome

_BLANK = b"\xef\xbb\xbf \t\r\n"


class Frames:
    """A decoder around the stream's own one, that remembers the last frame."""

    def __init__(self, decoder: SSEBytesDecoder) -> None:
        self.started = False
        """False as long as nothing was read through it."""

        self.last: ServerSentEvent | None = None

        self.answer: Mapping[str, Any] | None = None
        """The JSON that was sent instead of events, empty if it cannot be read; None where there was none."""

        self.opened_after: int | None = None
        """Given, a completed response in place of events gets an opening event, too, and numbers above this one."""

        self._decoder = decoder
        self._body: bytearray | None = bytearray()

    @property
    def done(self) -> bool:
        """Whether the stream said that it has ended."""
        return self.last is not None and self.last.data.startswith("[DONE]")

    @property
    def name(self) -> str | None:
        """The name of the last frame, which stands for a `type` that is missing."""
        return self.last.event if self.last is not None else None

    def event(self) -> Mapping[str, Any]:
        """The last frame as JSON, empty where it is none."""
        return _mapping(self.last.data) if self.last is not None else {}

    def iter_bytes(self, iterator: Iterator[bytes]) -> Iterator[ServerSentEvent]:
        self.started = True
        for frame in self._decoder.iter_bytes(map(self._keep, iterator)):
            self.last = frame
            yield frame
        yield from self._closing()

    async def aiter_bytes(self, iterator: AsyncIterator[bytes]) -> AsyncIterator[ServerSentEvent]:
        self.started = True
        async for frame in self._decoder.aiter_bytes(self._akeep(iterator)):
            self.last = frame
            yield frame
        for frame in self._closing():
            yield frame

    def _keep(self, chunk: bytes) -> bytes:
        """Keep a body that begins with a brace: no stream of events does, and no line of JSON is one of an event."""
        if self._body is not None:
            head = chunk if self._body else chunk.lstrip(_BLANK)
            if self._body or head.startswith(b"{"):
                self._body += head
            elif head:
                self._body = None
        return chunk

    async def _akeep(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for chunk in chunks:
            yield self._keep(chunk)

    def _closing(self) -> Iterator[ServerSentEvent]:
        """At the end of the body: the closing event of a response that came as JSON and is completed."""
        body, self._body = self._body, None
        if not body or self.last is not None:
            return
        self.answer = _mapping(body)
        if not is_response(self.answer, asked_for=True) or read_outcome(self.answer).status != "completed":
            return
        if self.opened_after is not None:
            yield _frame("response.created", self.opened_after, {**self.answer, "status": "in_progress", "output": []})
        yield _frame("response.completed", (self.opened_after or 0) + 1, self.answer)


def _frame(kind: str, number: int, response: Mapping[str, Any]) -> ServerSentEvent:
    return ServerSentEvent(data=json.dumps({"type": kind, "sequence_number": number, "response": response}))


def _mapping(data: str | bytearray) -> Mapping[str, Any]:
    try:
        value: object = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return value if is_mapping(value) else {}
