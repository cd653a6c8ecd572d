"""What a stream has told of its run: it looks at each event that is delivered, and knows how the run ended badly."""

from __future__ import annotations

from typing import Any, Mapping

import httpx2

from openai._models import construct_type
from openai._exceptions import APIError, APIConnectionError

from ._errors import BackgroundResponseError, member, text_of, word_of
from ._verdict import read_outcome, make_background_error
from ._stream_events import SNAPSHOTS, TEXT_DELTA, kind_of, has_cause, number_of, response_at_end
from ._stream_frames import Frames
from ._stream_partial import KEPT, PartialResponse

# Codes and types of errors that are about the stream: the run goes on.
_OF_THE_STREAM = frozenset({"stream_timeout"})

# Members of a response that an earlier event says nothing about.
_HOW_IT_ENDED = frozenset({"status", "error", "incomplete_details"})


class Told:
    """What one stream has told so far."""

    def __init__(self, stream: Any, response_id: str | None) -> None:
        self.frames = Frames(stream._decoder)
        stream._decoder = self.frames
        self._stream = stream
        self._source: Any = stream._iterator
        self._http: httpx2.Response = stream.response
        self._asked_for = response_id
        self._first_id: str | None = None
        self._number: int | None = None
        self._seen = False
        self._partial = PartialResponse()
        self.over = False
        """A completion was delivered: from there on all is as without the flag."""
        self._cut = False
        """An event was delivered that ends the stream and not the run."""
        self._ended: dict[str, Any] | None = None
        """The response of a run that has ended badly."""

    def _note(self, event: Any) -> None:
        """Look at an event that is going to be delivered."""
        self._seen = True
        try:
            kind, number = event.type, event.sequence_number
        except AttributeError:
            kind, number = member(event, "type"), number_of(event)
        if number.__class__ is int:
            self._number = number
        if kind == TEXT_DELTA:
            self._partial.add_delta(event)
            return
        if not isinstance(kind, str):
            kind = self.frames.name or ""
        if kind in KEPT:
            self._partial.add(event, kind)
            if kind in SNAPSHOTS:
                self._first_id = self._first_id or text_of(self._partial.snapshot.get("id"))
        elif kind.find(".", len("response.")) < 0:  # no event about a part of the response ends it
            self._note_end(response_at_end(event, kind))

    def _note_end(self, ended: dict[str, Any] | None) -> None:
        if ended is None:
            return
        self._first_id = self._first_id or text_of(ended.get("id"))
        error = ended.get("error")
        said = {text_of(member(error, name)) for name in ("code", "type")}
        if said & _OF_THE_STREAM and ended.keys() == {"status", "error"}:  # no response says so of its run
            self._cut = True
        elif word_of(ended.get("status")) == "completed":
            self.over = True
            self._partial = PartialResponse()
        else:
            self._ended = ended

    def _note_error(self, fault: APIError) -> bool:
        """Look at the event that upstream raised for, because it holds an error; False where it is upstream's to raise."""
        if isinstance(fault, APIConnectionError):
            return True
        if type(fault) is not APIError:
            return False
        event = self.frames.event() or {"error": fault.body}
        number = number_of(event)
        self._number = self._number if number is None else number
        self._seen = True
        self._note_end(response_at_end(event, kind_of(event) or self.frames.name))
        return not self.over

    def _wants_cause(self) -> bool:
        ended = self._ended
        if ended is None or word_of(ended.get("status")) != "failed":
            return False
        return not has_cause(read_outcome(ended).error)

    def _note_cause(self, event: object, kind: str | None) -> None:
        """Look at the event behind a failure without a cause."""
        ended = response_at_end(event, kind or self.frames.name)
        if self._ended is not None and ended is not None and has_cause(ended.get("error")):
            self._ended = {**self._ended, "error": ended["error"]}

    def _failure(self, ended: Mapping[str, Any]) -> Exception | None:
        told = {name: value for name, value in self._partial.snapshot.items() if name not in _HOW_IT_ENDED}
        response = {**told, **{name: value for name, value in ended.items() if value is not None}}
        make = getattr(self._stream._client, "_make_background_error", make_background_error)
        error: Exception | None = make(response, response=self._http, response_id=self._response_id)
        if isinstance(error, BackgroundResponseError):
            error.sequence_number = self._number
            self._add_output(error, {"id": error.response_id, **response, "status": error.status})
        return error

    def _add_output(self, error: BackgroundResponseError, response: dict[str, Any]) -> None:
        """Give an error the response with its output as it was sent, or as it was streamed where that is more."""
        from openai.types.beta import BetaResponse, BetaResponseStreamEvent
        from openai.types.responses import Response

        model = BetaResponse if self._stream._cast_to == BetaResponseStreamEvent else Response
        error._background_response = sent = construct_type(type_=model, value=response)
        streamed = self._partial.output()
        if streamed:
            length = len(error.output_text)
            error._background_response = construct_type(type_=model, value={**response, "output": streamed})
            if response.get("output") and len(error.output_text) <= length:
                error._background_response = sent

    @property
    def _response_id(self) -> str | None:
        return self._asked_for or self._first_id
