"""What a response raises, if anything, however it was obtained: `raise_on_failure`, and what it rests on.

    completed, queued, in_progress         nothing
    failed                                 BackgroundResponseError, with what the row of its cause says (`_causes`)
    incomplete                             BackgroundIncompleteError, with what the row of the reason says
    cancelled, canceled                    BackgroundCancelledError
    expired                                BackgroundResponseError
    another word or none, with an error    as failed
    another word or none, without          nothing: as far as can be told, it has not ended

The words are read without regard to case. A response is read once, into an `Outcome` of plain values; whatever a server
sends, nothing but the exceptions above comes out.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Union, Mapping, TypeVar, NamedTuple
from functools import singledispatch

import httpx2

from openai._utils import is_mapping
from openai._models import BaseModel

from ._table import Rule, find_rule
from ._errors import BackgroundResponseError, BackgroundCancelledError, BackgroundIncompleteError, text_of, word_of
from ._places import Cause, as_list, response_of_webhook
from ._status_family import in_family
from ._stream_events import kind_of, is_event, number_of, response_at_end

if TYPE_CHECKING:
    from openai._streaming import Stream, AsyncStream
    from openai.types.beta import BetaResponse, BetaResponseStreamEvent
    from openai.types.responses import Response, ResponseStreamEvent

    _Events = Union[ResponseStreamEvent, BetaResponseStreamEvent, Stream[Any], AsyncStream[Any]]
    _Judged = Union[Response, BetaResponse, _Events, Mapping[str, Any], str, bytes]

GOING_WELL = ("completed", "queued", "in_progress")
ENDED_BADLY: dict[str, tuple[type[BackgroundResponseError], str]] = {
    "failed": (BackgroundResponseError, "failed"),
    "incomplete": (BackgroundIncompleteError, "is incomplete"),
    "cancelled": (BackgroundCancelledError, "was cancelled"),
    "expired": (BackgroundResponseError, "has expired"),
}
_LONGEST_NAME, _LONGEST_TEXT = 200, 1000  # characters in a message; the attributes hold all of them

T = TypeVar("T", bound="_Judged")


class Outcome(NamedTuple):
    """A response as plain values, whatever a server put in their place. Nothing else is asked."""

    id: str | None

    status: str | None
    """In lower case, and `canceled` as `cancelled`."""

    error: Mapping[str, Any]
    """As it was sent, with the code and type of the cause where that stands inside it; empty where there was none."""

    reason: str | None

    cause: Cause = Cause()


def raise_on_failure(response: T) -> T:
    """Return `response` unless its run has ended badly; then raise what the contract says.

    What comes back is completed, or has not ended yet. The body of a webhook is judged by what it says: how the run
    ended, and not why.

    Args:
      response: A Response, ParsedResponse or BetaResponse from any call, or the JSON of one as a mapping, str or bytes:
          with `"object": "response"`, or with a status and an id where a server leaves that out. Also an event, as a
          model or JSON, or a Stream or AsyncStream of them: it raises when it is read, after the event that fails.

    Raises:
      BackgroundResponseError: The run failed, was cancelled or stopped early.
      TypeError: `response` is something else.
      ValueError: `response` is a str or bytes that holds no JSON.
    """
    error = _judge(response)
    if error is None:
        return response
    # A traceback with locals must not print what the response echoes of the request, nor keep the error alive.
    del response
    try:
        raise error
    finally:
        del error


def make_background_error(
    data: object, *, response: httpx2.Response | None = None, response_id: str | None = None
) -> BackgroundResponseError | None:
    """The error that a response deserves, or None where it has not ended badly.

    Args:
      data: The response, as JSON or as a model.
      response: The HTTP answer that it came in, where there was one.
      response_id: The id that was asked for; by default the one in `data`.
    """
    outcome = read_outcome(data)
    if outcome.status in ENDED_BADLY:
        error_class, ended = ENDED_BADLY[outcome.status]
    elif outcome.error and outcome.status not in GOING_WELL:
        error_class, ended = ENDED_BADLY["failed"]
    else:
        return None
    rule, label = _cause(outcome)
    known = rule is not None or outcome.status in ("cancelled", "expired")
    if response is None:
        response = httpx2.Response(200, request=httpx2.Request("GET", ""), extensions={"synthetic": True})
    response_id = response_id or outcome.id
    request_id = response.headers.get("x-request-id") or text_of(getattr(data, "_request_id", None))
    retryable = rule is not None and rule.retryable

    text = outcome.cause.text
    message = f"Response {_shown(response_id) or '(id unknown)'} {ended}"
    message += f" ({_shown(label)})" if label else ""
    message += f": {_shown(text, _LONGEST_TEXT)}" if text and text.strip() else ""
    advice = "retryable" if retryable else "not retryable" if known else "cause not known, so not retryable"
    message += f" [{advice}" + (f", request {_shown(request_id)}]" if request_id else "]")
    return in_family(error_class, rule.equivalent if rule is not None else None)(
        message,
        response=response,
        body=outcome.error or {"status": outcome.status, "incomplete_details": {"reason": outcome.reason}},
        background_response=data,
        response_id=response_id,
        request_id=request_id,
        status=outcome.status,
        reason=outcome.reason,
        retryable=retryable,
        known=known,
        equivalent=rule.equivalent if rule is not None else None,
        retry_after=outcome.cause.retry_after,
    )


def read_outcome(data: object) -> Outcome:
    """A response, as JSON or as a model, read leniently."""
    members = _members(data)
    word = word_of(members.get("status"))
    cause = Cause()
    if word not in GOING_WELL:
        from ._causes import find_cause  # a third of this package's time to load, for what few programs meet

        cause = find_cause(members, _as_json((as_list(members.get("error")) or [None])[0]))
    return Outcome(
        id=text_of(members.get("id")) or None,
        status="cancelled" if word == "canceled" else word,
        error=cause.error,
        reason=text_of(_members(members.get("incomplete_details")).get("reason")),
        cause=cause,
    )


def is_response(data: object, *, asked_for: bool) -> bool:
    """Whether JSON is a response. Servers leave `object` out and have ids of their own.

    Args:
      asked_for: It is the answer to a request for one; then an id or a status is enough.
    """
    if not is_mapping(data) or data.get("object") not in (None, "response"):
        return False
    has_id, has_status = data.get("id") is not None, isinstance(data.get("status"), str)
    if asked_for:
        return has_id or has_status
    return data.get("object") == "response" or (has_id and has_status)


@singledispatch
def _judge(response: object) -> Exception | None:
    """What `raise_on_failure` raises, None for nothing. Made in a frame of its own, which is gone when it is raised."""
    data = response
    if isinstance(data, (str, bytes, bytearray)):
        try:
            data = json.loads(data)
        except (ValueError, RecursionError):
            return ValueError(
                f"Expected the JSON of a response but received {type(data).__name__} that is none ({len(data)} long); "
                "an id has to be retrieved first"
            )
    if is_event(data):
        error = make_background_error(response_at_end(data, kind_of(data)) or {})
        if error is not None:
            error.sequence_number = number_of(data)
        return error
    if is_response(data, asked_for=False) or is_model(data):
        return make_background_error(data)
    webhook = response_of_webhook(data)
    if webhook is not None:
        return make_background_error(webhook)
    received = type(data).__name__
    if is_mapping(data):
        received += f" with object {_shown(repr(data['object']))}" if "object" in data else " without id and status"
    return TypeError(
        f"Expected a response or its JSON but received {received}; await the call, call `.parse()` on a raw response, "
        "or hand in the response itself"
    )


def is_model(data: object) -> bool:
    if not isinstance(data, BaseModel):
        return False
    from openai.types.responses import Response

    if isinstance(data, Response):
        return True
    # Hundreds of modules, which a program that never had such a response has not loaded.
    from openai.types.beta import BetaResponse

    return isinstance(data, BetaResponse)


def _cause(outcome: Outcome) -> tuple[Rule | None, str | None]:
    """The row that decides, and the word that a message shows for the cause."""
    if outcome.status in ("cancelled", "expired"):
        return None, None
    if outcome.status == "incomplete":
        return find_rule("reason", outcome.reason), outcome.reason
    return outcome.cause.rule, outcome.cause.label


def _members(data: object) -> Mapping[str, Any]:
    """What was sent of an object, as JSON or as a model; empty for anything else."""
    if not isinstance(data, BaseModel):
        return data if is_mapping(data) else {}
    # By attributes: serialising fails for what pydantic 1 or 2 cannot serialise, and servers send that, too.
    members = {name: value for name, value in vars(data).items() if name in data.model_fields_set}
    members.update(getattr(data, "__pydantic_extra__", None) or {})
    return members


def _as_json(data: object) -> Any:
    """A model as the JSON that it came from, all through; anything else as it is."""
    return {name: _as_json(value) for name, value in _members(data).items()} if isinstance(data, BaseModel) else data


def _shown(text: str | None, longest: int = _LONGEST_NAME) -> str:
    """Text of a server, fit for a log: one line, no control characters, of a sane length."""
    cut = (text or "")[:longest]
    shown = cut if cut.isprintable() else "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in cut)
    return shown + ("…" if text and len(text) > longest else "")
