"""From a response, however it was obtained, to the exception it deserves: `raise_on_failure` and what it rests on.

    status                                     outcome
    failed                                     the class of the error's code, numeric code, type, or the base class
    incomplete                                 BackgroundIncompleteError; nothing where the reason is `steered`
    cancelled                                  BackgroundCancelledError
    unknown or missing, with an error object   as failed
    anything else                              nothing

Servers send every odd shape: no error, an error that is a string, a code that is an int or null, no status. All of it
is read leniently; whatever is not understood becomes the base class, never another exception.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeVar, NamedTuple

import pydantic

from openai._utils import is_mapping

from ._table import CONTRACT, Rule
from ._errors import (
    BackgroundResponseError,
    BackgroundCancelledError,
    BackgroundIncompleteError,
    BackgroundInternalServerError,
)
from ._shapes import member, text_of, id_in_url, string_of, sent_members
from ._retry_after import read_retry_after

if TYPE_CHECKING:
    import httpx2

__all__ = ["Finding", "ask_client", "classify", "lookup", "make_background_error", "raise_on_failure"]

T = TypeVar("T")

_RULES: dict[tuple[str, str], Rule] = {(rule.kind, rule.key): rule for rule in CONTRACT}
_QUOTA_TYPES = frozenset(
    rule.key for rule in CONTRACT if rule.kind == "type" and rule.http_status == 429 and not rule.retryable
)
_STATUSES = frozenset({"queued", "in_progress", "completed", "failed", "incomplete", "cancelled"})
_GOING_WELL = _STATUSES - {"failed", "incomplete", "cancelled"}
_WEBHOOKS = {"response.failed": "failed", "response.incomplete": "incomplete", "response.cancelled": "cancelled"}
_LONGEST_LABEL = 200  # characters of a code or reason quoted in a message; the attributes hold all of it


class Finding(NamedTuple):
    """What was found in one answer, event or stored body, before it is judged."""

    response: object
    """The Response, as a model or a mapping; None where only an error was sent."""

    status: str | None
    error: object
    reason: str | None
    response_id: str | None

    http_status: int | None = None
    """The status that an `error` event carries beside its error."""

    headers: object = None
    """The headers that an `error` event carries beside its error."""


def raise_on_failure(response: T) -> T:
    """Return `response` if its run has not failed; raise what the contract says if it has.

    Takes a Response, ParsedResponse or BetaResponse from any call (`create`, `parse`, a stream's final response), or
    JSON that was stored, as a mapping, str or bytes: a response, a stream event, a webhook's body, or an error body.
    A webhook's body carries nothing but the id, so the error it gives knows no cause: retrieve the response instead.

    Raises:
      BackgroundResponseError: the run failed, was cancelled or stopped early.
      TypeError: the argument is no response at all: a coroutine that was not awaited, a raw HTTP response, a stream.
    """
    error = make_background_error(response)
    if error is None:
        return response
    # A traceback with locals must not print what the request said.
    del response
    raise error


def make_background_error(
    data: object, *, response: httpx2.Response | None = None, response_id: str | None = None
) -> BackgroundResponseError | None:
    """The error that `data` deserves, or None where its run has not failed.

    `response` is the HTTP exchange behind it, `response_id` the id to fall back on where the body holds none.
    """
    finding = find(data, response)
    if finding is None:
        return None
    return judge(finding, response=response, response_id=response_id)


def ask_client(client: object, data: object, *, response: httpx2.Response) -> BackgroundResponseError | None:
    """As the client's own hook says, which a subclass may override; a client without it (the shim's) gets the contract."""
    make_error = getattr(client, "_make_background_error", make_background_error)
    return make_error(data, response=response)


def lookup(code: object) -> tuple[Rule, ...]:
    """The rows of the contract for a code, reason, type, or HTTP status; empty where it is not in the table."""
    text = str(code)
    found = tuple(rule for rule in CONTRACT if rule.key == text)
    if not found:
        status = _status_rule(code)
        found = (status,) if status is not None else ()
    return found


def classify(error: object, *, http_status: int | None = None) -> Rule | None:
    """The row that decides a failed run: by known code, numeric code, type, then an event's status; or None."""
    code = member(error, "code")
    kind = member(error, "type")
    return (
        (_RULES.get(("code", code)) if isinstance(code, str) else None)
        or _status_rule(code)
        or (_RULES.get(("type", kind)) if isinstance(kind, str) else None)
        or _status_rule(http_status)
    )


def find(data: object, response: httpx2.Response | None = None) -> Finding | None:
    """Take apart whatever was handed in; None where there is nothing to judge."""
    if type(data).__module__.startswith("openai.types."):
        # Nearly every answer. Its fields are a dict, which is read at a third of the price.
        return _find_in(data, vars(data))
    if isinstance(data, (str, bytes, bytearray)):
        try:
            data = json.loads(data)
        except (ValueError, RecursionError):
            return None
    if response is not None and not is_mapping(data):
        # A custom `cast_to`, which may hold another view of the answer: what counts is what was sent.
        return find(_body(response)) if data is not None else None
    if data is None or isinstance(data, (str, bool, int, float, list)):
        return None
    if not isinstance(data, pydantic.BaseModel) and not is_mapping(data) and not hasattr(data, "status"):
        raise TypeError(
            f"Expected a response or its JSON but received {type(data).__name__!r}; "
            "await the call, call `.parse()` on a raw response, or iterate a stream first"
        )
    return _find_in(data, data)


def _find_in(data: object, fields: object) -> Finding | None:
    if member(fields, "object") == "response":
        # What an event or a webhook would hold is not looked for.
        return _from_response(data, fields)
    kind = member(data, "type")
    if kind == "error":
        return _from_error_event(data)
    inner = member(data, "response")
    if (
        isinstance(kind, str)
        and kind.startswith("response.")
        and (is_mapping(inner) or isinstance(inner, pydantic.BaseModel))
    ):
        return _from_response(inner, inner, status=kind[len("response.") :])
    if isinstance(kind, str) and kind in _WEBHOOKS:
        return Finding(None, _WEBHOOKS[kind], None, None, string_of(member(member(data, "data"), "id")))
    return _from_response(data, data)


def judge(
    finding: Finding,
    *,
    response: httpx2.Response | None = None,
    response_id: str | None = None,
    sequence_number: int | None = None,
) -> BackgroundResponseError | None:
    """Apply the contract to a finding."""
    data, status, error, reason, sent_id, http_status, headers = finding
    error = _plain(error)
    rule: Rule | None = None
    if status == "incomplete":
        rule = _RULES.get(("reason", reason)) if reason is not None else None
        if rule is not None and rule.error_class is None:
            return None
        error_class = (rule and rule.error_class) or BackgroundIncompleteError
        ending = "is incomplete"
    elif status == "cancelled":
        error_class, ending = BackgroundCancelledError, "was cancelled"
    elif status == "failed" or (status not in _STATUSES and error):
        rule = classify(error, http_status=http_status)
        error_class = (rule and rule.error_class) or BackgroundResponseError
        ending = "failed"
    else:
        return None

    text = string_of(error) if isinstance(error, str) else string_of(member(error, "message"))
    label = reason if status == "incomplete" else text_of(member(error, "code"))
    found_id = sent_id or response_id or id_in_url(response)
    retryable = rule is not None and rule.retryable and string_of(member(error, "type")) not in _QUOTA_TYPES
    # An answer is asked itself. The id of a parsed response, which may come without one, is for the rest.
    request_id = getattr(data, "_request_id", None) if response is None else None
    result = error_class(
        _message(found_id, ending, label, text),
        response=response,
        body=error,
        background_response=data,
        response_id=found_id,
        request_id=request_id if isinstance(request_id, str) else None,
        status=status,
        reason=reason,
        retryable=retryable and not _too_large(text),
        retry_after=read_retry_after(error, text, headers),
        sequence_number=sequence_number,
    )
    if isinstance(result, BackgroundInternalServerError) and rule is not None and rule.http_status is not None:
        result.status_code = rule.http_status
    return result


def _from_response(data: object, fields: object, *, status: str | None = None) -> Finding | None:
    status = string_of(member(fields, "status")) or (status if status in _STATUSES else None)
    if status in _GOING_WELL:
        return None
    details, error = member(fields, "incomplete_details"), member(fields, "error")
    return Finding(data, status, error, string_of(member(details, "reason")), string_of(member(fields, "id")))


def _from_error_event(event: object) -> Finding:
    """An `error` event, nested (`{"error": {…}, "status": 400}`) or flat (`{"code": …, "message": …}`)."""
    error = member(event, "error")
    if not _plain(error):
        error = {name: member(event, name) for name in ("code", "message", "param")}
    status = member(event, "status")
    # A stream adds what it has told of the response before.
    response = member(event, "response") or None
    return Finding(
        response=response,
        status="failed",
        error=error,
        reason=string_of(member(member(response, "incomplete_details"), "reason")),
        response_id=string_of(member(response, "id")) or string_of(member(event, "response_id")),
        http_status=status if isinstance(status, int) else None,
        headers=member(event, "headers"),
    )


def _status_rule(code: object) -> Rule | None:
    """A number in the place of a code, as int or str, is an HTTP status."""
    if isinstance(code, bool) or not isinstance(code, (int, str)):
        return None
    text = str(code) if not isinstance(code, int) or abs(code) < 1000 else ""
    if len(text) != 3 or not text.isascii() or not text.isdigit():
        return None
    rule = _RULES.get(("status", text))
    if rule is None and text[0] == "5":
        rule = _RULES[("status", "5xx")]._replace(key=text, http_status=int(text))
    return rule


def _message(response_id: str | None, ending: str, label: str | None, text: str | None) -> str:
    """The response, how it ended and the code, then the API's own words; nothing of the request."""
    head = f"Background response {response_id or '(id unknown)'} {ending}"
    if label:
        head += f" ({label[:_LONGEST_LABEL]})"
    return f"{head}: {text}" if text is not None and text.strip() else f"{head}."


def _too_large(text: str | None) -> bool:
    return text is not None and "request too large" in text.lower()


def _plain(error: object) -> Any:
    """An error object as the JSON it came from: models as dicts of what was sent, the rest unchanged."""
    if isinstance(error, pydantic.BaseModel):
        return {
            name: value if type(value) is str else _plain(value)  # strings, nearly always
            for name, value in sent_members(error).items()
        }
    return error


def _body(response: httpx2.Response) -> object:
    try:
        return response.json()
    except Exception:  # not JSON, or not read: then there is nothing to judge
        return None
