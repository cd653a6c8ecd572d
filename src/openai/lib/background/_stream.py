"""Streams that end as a poll of the same run would: `watch_events` and `awatch_events`.

They stand between the decoder of server-sent events and the models. Every event passes through as it came, until one
says that the run has not completed:

    response.failed, .incomplete, .cancelled   the error of the contract, in place of the event
    error, nested or flat                      likewise, with what the stream told of the response before
    the end, or a broken connection            BackgroundStreamInterruptedError, unless a terminal event was delivered

Some servers send `response.failed` without its cause and the cause in an `error` event behind it; so a failure
without a cause is held back until the stream says more or ends.
"""

from __future__ import annotations

import re
import json
from typing import TYPE_CHECKING, Any, Mapping, Iterator, AsyncIterator, cast

from openai._utils import is_mapping
from openai._exceptions import APIConnectionError

from ._errors import BackgroundStreamInterruptedError
from ._shapes import id_in_url
from ._verdict import ask_client

if TYPE_CHECKING:
    import httpx2

    from openai._streaming import Stream, AsyncStream, ServerSentEvent

__all__ = ["awatch_events", "watch_events"]

_SNAPSHOT = frozenset({"response.created", "response.queued", "response.in_progress"})
_FAILING = frozenset({"response.failed", "response.incomplete", "response.cancelled"})
_ITEM = "response.output_item.done"
_COMPLETED = "response.completed"
_SPECIAL = _SNAPSHOT | _FAILING | {_ITEM, _COMPLETED, "error"}

# Inside a JSON string these quotes would be escaped; so only a real member matches, and few events are parsed twice.
_LOOKS_SPECIAL = re.compile(
    r'"error"\s*:|"type"\s*:\s*"(?:%s)"' % "|".join(re.escape(name) for name in sorted(_SPECIAL))
)


def watch_events(stream: Stream[Any], events: Iterator[ServerSentEvent]) -> Iterator[ServerSentEvent]:
    """Pass the events of a stream through; raise where it says that the run has ended badly, or breaks off."""
    watch = _Watch(stream)
    fault: APIConnectionError | None = None
    sse: ServerSentEvent | None = None
    try:
        for sse in events:
            name = sse.event
            # Nearly every event is a delta: no more than this is done for it.
            if (name is not None and name.endswith(".delta")) or watch.lets_pass(sse, name):
                watch.last = sse
                yield sse
            elif watch.over:
                break
    except APIConnectionError as err:
        fault = err
    finally:
        close = getattr(events, "close", None)
        if close is not None:
            close()
    # A traceback with locals must not print what an event echoes of the request.
    del sse
    error = watch.verdict()
    if error is not None:
        raise error from fault


async def awatch_events(
    stream: AsyncStream[Any], events: AsyncIterator[ServerSentEvent]
) -> AsyncIterator[ServerSentEvent]:
    """As `watch_events`, for an `AsyncStream`."""
    watch = _Watch(stream)
    fault: APIConnectionError | None = None
    sse: ServerSentEvent | None = None
    try:
        async for sse in events:
            name = sse.event
            if (name is not None and name.endswith(".delta")) or watch.lets_pass(sse, name):
                watch.last = sse
                yield sse
            elif watch.over:
                break
    except APIConnectionError as err:
        fault = err
    finally:
        close = getattr(events, "aclose", None)
        if close is not None:
            await close()
    del sse
    error = watch.verdict()
    if error is not None:
        raise error from fault


class _Watch:
    """What one stream has told so far. Events are kept as they came, and read only when an error is made."""

    def __init__(self, stream: Stream[Any] | AsyncStream[Any]) -> None:
        self.last: ServerSentEvent | None = None
        self.over = False
        self._stream = stream
        self._http: httpx2.Response = stream.response
        self._client: object = getattr(stream, "_client")  # noqa: B009
        self._snapshot: ServerSentEvent | None = None
        self._items: list[ServerSentEvent] = []
        self._terminal = False
        self._error: Exception | None = None
        self._failed: dict[str, Any] | None = None
        """A `response.failed` event without a cause, held back."""

    def lets_pass(self, sse: ServerSentEvent, name: str | None) -> bool:
        """Whether to deliver an event; if not, `over` says whether it is the end."""
        if name is None or not (name in _SPECIAL or name.startswith("response.")):
            if sse.data.startswith("[DONE]"):
                self.over = self.verdict() is not None
                return not self.over
            # No name to go by: some servers send only data.
            name = _kind(sse) if _LOOKS_SPECIAL.search(sse.data) else None
        if name == "error" or name in _FAILING:
            return self._lets_pass_ending(sse, name)
        if name == _COMPLETED:
            self._terminal = True
        elif name in _SNAPSHOT:
            self._snapshot = sse
        elif name == _ITEM:
            self._items.append(sse)
        return self._failed is None

    def verdict(self) -> Exception | None:
        """The error that the stream, ended, deserves; None where its terminal event was delivered."""
        if self._error is None and self._failed is not None:
            self._judge(self._failed)
        if self._error is None and not self._terminal:
            response_id = _id(self._known_response()) or id_in_url(self._http)
            number = self._sequence_number()
            at = "before any event" if number is None else f"after event {number}"
            self._error = BackgroundStreamInterruptedError(
                f"The stream of response {response_id or '(id unknown)'} broke off {at}; the run goes on.",
                request=self._http.request,
                response_id=response_id,
                sequence_number=number,
            )
        # `get_final_response()`, called after the loop, raises it again instead of missing a terminal event.
        self._stream._failure = self._error  # type: ignore[union-attr]
        return self._error

    def _lets_pass_ending(self, sse: ServerSentEvent, name: str) -> bool:
        event = _json(sse)
        if event is None:  # not JSON: upstream says so
            return True
        known = self._known_response()
        if name == "error":
            if self._failed is not None:
                known = self._failed["response"]
            # Named by its `type` or by its SSE name alone: it is the same event.
            return self._judge({**event, "type": "error", "response": known})
        response = event.get("response")
        # What the snapshot said of it is over; without a status of its own the event goes by its name.
        known.pop("status", None)
        if is_mapping(response):
            sent = cast("Mapping[str, Any]", response)
            known.update({key: value for key, value in sent.items() if value or key != "output"})
        event = {**event, "type": name, "response": known}
        if name == "response.failed" and not known.get("error"):
            self._failed = event
            return False
        return self._judge(event)

    def _judge(self, event: dict[str, Any]) -> bool:
        """Ask the client for the error that an event deserves; True where it deserves none."""
        error = ask_client(self._client, event, response=self._http)
        self._terminal, self._failed = True, None
        if error is not None:
            error.sequence_number = self._sequence_number()
            self._error, self.over = error, True
        return error is None

    def _known_response(self) -> dict[str, Any]:
        event = _json(self._snapshot) if self._snapshot is not None else None
        response = event.get("response") if event is not None else None
        known: dict[str, Any] = dict(cast("Mapping[str, Any]", response)) if is_mapping(response) else {}
        items = [item["item"] for item in map(_json, self._items) if item is not None and "item" in item]
        if items:
            known["output"] = items
        return known

    def _sequence_number(self) -> int | None:
        event = _json(self.last) if self.last is not None else None
        number: object = event.get("sequence_number") if event is not None else None
        if not isinstance(number, int):
            asked = self._http.request.url.params.get("starting_after", "")
            number = int(asked) if asked.isdecimal() else None
        return number


def _json(sse: ServerSentEvent) -> dict[str, Any] | None:
    try:
        data: object = json.loads(sse.data)
    except ValueError:
        return None
    return cast("dict[str, Any]", data) if isinstance(data, dict) else None


def _kind(sse: ServerSentEvent) -> str | None:
    """The kind of an event that has no name; a bare `{"error": …}` is an `error` event."""
    event = _json(sse)
    if event is None:
        return None
    kind = event.get("type")
    if isinstance(kind, str):
        return kind
    return "error" if event.get("error") else None


def _id(response: Mapping[str, Any]) -> str | None:
    value = response.get("id")
    return value if isinstance(value, str) and value else None
