"""A response's cause: what is told of it, where it stands, and what a webhook tells of its response.

    error                   an object, or a sentence with its code beside it in the response
    status_details.error    where `error` says nothing; likewise `last_error`, `errors`, a code in the response itself

Elsewhere than in `error` is looked only where the response has failed: what stands there before may be of an earlier
attempt.
"""

from __future__ import annotations

from typing import Any, Mapping, Iterator, NamedTuple, cast

from openai._utils import is_mapping

from ._table import Rule, find_rule
from ._errors import text_of, word_of

_ENDED_BADLY = ("failed", "incomplete", "cancelled", "canceled", "expired")


class Cause(NamedTuple):
    """Why a run failed."""

    error: Mapping[str, Any] = {}
    """The error as it was sent; where a cause inside it decides, with the code, type and parameter of that."""

    rule: Rule | None = None
    """The row that decides, with what forbids a retry counted in; None where no row does."""

    label: str | None = None
    """The code that was sent, and the word that decided where it is another one."""

    text: str | None = None
    """What the server says."""

    retry_after: float | None = None
    """Seconds to wait before a new run."""


def error_of(members: Mapping[str, Any], error: object) -> Mapping[str, Any]:
    """The error object of a response; empty where there is none."""
    if is_mapping(error) and (error.get("code") or error.get("type") or error.get("message")):
        return error  # nearly always
    places = list(_places(members, error))
    return next((one for one in places if any(one.values())), places[0] if places else {})


def _places(members: Mapping[str, Any], error: object) -> Iterator[Mapping[str, Any]]:
    """Whatever may be the error of a response, the likeliest first."""
    if error:
        yield _as_error(members, error)
    status = members.get("status")
    if status is not None and word_of(status) != "failed":
        return  # it has not failed, as far as can be told
    for one in (members.get("status_details"), *as_list(members.get("last_error")), *as_list(members.get("errors"))):
        inner = one.get("error") if is_mapping(one) else None
        if inner:
            yield from (_as_error({}, one) for one in as_list(inner)[:1])
        elif is_mapping(one) and (one.get("code") or one.get("message")):
            yield one
    if status is not None and (members.get("code") or members.get("message")):
        yield {name: members.get(name) for name in ("code", "message", "param")}


def _as_error(members: Mapping[str, Any], error: object) -> Mapping[str, Any]:
    """An error as an object; of a sentence in its place, with what the response says beside it."""
    if is_mapping(error):
        return error
    text = text_of(error)
    words = {name: members.get(name) for name in ("code", "type")}
    if find_rule("type", text_of(words["type"])) is None:
        del words["type"]  # that of an event, say
    if words["code"] is None and find_rule("code", text) is not None:
        words["code"] = text
    return {"message": text, **words}


def as_list(value: object) -> list[object]:
    """A list as it is, anything else as the only one in it."""
    return cast("list[object]", value) if isinstance(value, list) else [value]


def response_of_webhook(data: object) -> Mapping[str, object] | None:
    """What a webhook tells of its response, as one of which nothing else is known; None for what is no such webhook.

    A webhook about something else (a batch, an eval) is none either: what became of that is not for us to say.
    """
    if not is_mapping(data) or data.get("object") not in (None, "event"):
        return None
    kind, about = data.get("type"), data.get("data")
    if not isinstance(kind, str) or not is_mapping(about) or not isinstance(about.get("id"), str):
        return None
    subject, _, status = kind.partition(".")
    if subject != "response":
        return None
    why = "A webhook does not say why; retrieve the response to find out."
    error = {"message": why} if status in _ENDED_BADLY else None
    return {"id": about["id"], "object": "response", "status": status, "error": error}
