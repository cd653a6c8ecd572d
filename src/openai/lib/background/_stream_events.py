"""What a stream event says of its run: `response_at_end` is the response as a terminal event tells of it.

    response.completed, .failed, .incomplete, .cancelled    the response in it
    error, response.error, any with an error beside `type`  a failed response, of that error or the event's own members
    another one with a response that has ended              that response
    all others                                              None

The response in the event decides, whatever the event's name; the name where the response says nothing. An event is a
model or JSON. Servers put an error in the response, beside `type`, and as a sentence with its code beside it.
"""

from __future__ import annotations

from typing import Any, get_args

from openai._utils import lru_cache, is_mapping
from openai._models import BaseModel

from ._errors import member, word_of

TEXT_DELTA = "response.output_text.delta"
SNAPSHOTS = frozenset({"response.created", "response.queued", "response.in_progress"})

# What an event says by its name.
_ENDINGS = {
    "response.completed": "completed",
    "response.failed": "failed",
    "response.incomplete": "incomplete",
    "response.cancelled": "cancelled",
    "response.canceled": "cancelled",
    "response.error": "failed",
    "error": "failed",
}
_ERRORS = frozenset({"error", "response.error"})
_ENDED = frozenset({*_ENDINGS.values(), "canceled", "expired"})
_PENDING = frozenset({"queued", "in_progress"})

# Frames that keep a connection alive; no type of the SDK knows them.
_KEEPALIVES = frozenset({"keepalive", "ping"})

# Members of an event that are not about its error.
_ENVELOPE = frozenset({"type", "event_id", "sequence_number", "response", "response_id", "error"})


def is_event(data: object) -> bool:
    """Whether this is an event of the Responses API, as a model or as JSON; not a webhook's, which has `data`."""
    if isinstance(data, BaseModel):
        return isinstance(data, _event_classes())
    kind = kind_of(data)
    if kind is None or not is_mapping(data) or data.get("object") is not None or "data" in data:
        return False
    return kind.startswith("response.") or kind in _ERRORS or kind in _KEEPALIVES


def kind_of(event: object) -> str | None:
    """The `type` of an event, None where it has none."""
    kind = member(event, "type")
    return kind if isinstance(kind, str) else None


def number_of(event: object) -> int | None:
    """The `sequence_number` of an event, None where it has none."""
    number = member(event, "sequence_number")
    return number if isinstance(number, int) and not isinstance(number, bool) else None


def response_at_end(event: object, kind: str | None) -> dict[str, Any] | None:
    """The response that a terminal event tells of, with the status that it ended with; None for any other event.

    Args:
      kind: The `type` of the event, or what stands for it.
    """
    told = _ENDINGS.get(kind or "") or ("failed" if member(event, "error") else None)
    response = members(member(event, "response"))
    word = word_of(response.get("status"))
    if told is None and (word not in _ENDED or kind in SNAPSHOTS):
        return None
    errors = [response.get("error"), _error_beside(event, kind)]
    if kind in _ERRORS:
        errors.reverse()
    error = next((one for one in errors if has_cause(one)), errors[0])
    if error:
        response["error"] = error
    # A word that is no ending says nothing against the name, but where an error stands beside it.
    if word not in _ENDED and not (told == "completed" and error and word not in _PENDING):
        response["status"] = told
    return response


def has_cause(error: object) -> bool:
    """Whether an error says anything."""
    if isinstance(error, str):
        return bool(error.strip())
    return any(member(error, name) for name in ("code", "type", "message"))


def members(data: object) -> dict[str, Any]:
    """All members of JSON or of a model, not those of their values; empty for anything else."""
    # A model is iterated, not serialised: that fails for some of what servers send.
    return {**data} if is_mapping(data) else dict(data) if isinstance(data, BaseModel) else {}


def _error_beside(event: object, kind: str | None) -> dict[str, Any]:
    """The error that stands in the event itself, with what stands beside it; empty where there is none."""
    error = member(event, "error")
    if not error and kind not in _ERRORS:
        return {}
    beside = {name: value for name, value in members(event).items() if name not in _ENVELOPE and value is not None}
    return {**beside, **(members(error) or ({"message": error} if isinstance(error, str) else {}))}


def event_unions() -> tuple[Any, Any]:
    """What the streams of the Responses API are streams of."""
    from openai.types.beta import BetaResponseStreamEvent
    from openai.types.responses import ResponseStreamEvent

    return ResponseStreamEvent, BetaResponseStreamEvent


@lru_cache(maxsize=None)
def _event_classes() -> tuple[type[Any], ...]:
    return tuple(one for annotated in event_unions() for one in get_args(get_args(annotated)[0]))
