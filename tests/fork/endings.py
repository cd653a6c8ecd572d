"""How a run may end, as data: every row of the contract, every odd Response, every odd last event."""

from __future__ import annotations

from typing import Any
from dataclasses import replace
from collections.abc import Iterator

from forktools.loopback import CATALOGUE, Scenario, message
from openai.lib.background import CONTRACT, BackgroundResponseError, raise_on_failure

JSON = dict[str, Any]
SAID = "Said the\nserver. Try again in 3s."
ENDED = ("completed", "failed", "incomplete", "cancelled")
GOING_ON = ("completed", "queued", "in_progress", "another_word")


def verdict(data: Any) -> BackgroundResponseError | None:
    """What `raise_on_failure` raises."""
    try:
        raise_on_failure(data)
    except BackgroundResponseError as error:
        return error
    return None


def endings() -> Iterator[tuple[str, Scenario]]:
    """A run that ends so: for each row, for what has none, and all that the demo shows."""
    for rule in CONTRACT:
        member = "type" if rule.kind == "type" else "code"
        ending: JSON = {"status": "failed", "error": {member: rule.key, "message": SAID}}
        if rule.kind == "reason":
            ending = {"status": "incomplete", "incomplete_details": {"reason": rule.key}}
        yield f"{rule.kind}-{rule.key}", Scenario("row", ending)
    odd: dict[str, JSON] = {
        "no_such_reason": {"status": "incomplete", "incomplete_details": {"reason": "no_such_reason"}},
        "incomplete-without-details": {"status": "incomplete"},
        "failed-with-a-sentence": {"status": "failed", "error": SAID},
        "canceled": {"status": "CANCELED"},
        "expired": {"status": "expired"},
        "no_such_status": {"status": "no_such_status", "error": {"code": "server_error", "message": SAID}},
        **{status: {"status": status} for status in GOING_ON},
    }
    for name, ending in odd.items():
        yield name, Scenario(name, ending)
    yield from CATALOGUE.items()


ENDINGS = {name: replace(scenario, polls=()) for name, scenario in endings()}


# What ends a stream in another shape than a Response that has failed; an event is numbered and named behind an opening.


def failed(**members: Any) -> JSON:
    return {
        "type": "response.failed",
        "response": {"id": "resp_1", "object": "response", "status": "failed", **members},
    }


ERROR = {"code": "rate_limit_exceeded", "message": "Slow.", "type": "too_many_requests"}
LAST_EVENTS: dict[str, JSON] = {
    "line_break": failed(
        error={"code": "context_length_exceeded", "message": "Too long;\nshorten it.\r\nOr not: \u2028"}
    ),
    "bare": {"type": "response.failed", "response": {"status": "failed"}},
    "no_status": {"type": "response.failed", "response": {"error": ERROR}},
    "flat": {**ERROR, "type": "error", "param": None},
    "nested": {"type": "error", "error": ERROR},
    "nested_status": {"type": "error", "status": 400, "error": {"type": "invalid_request_error", "message": "No."}},
    "nested_headers": {"type": "error", "error": ERROR, "headers": {"Retry-After": "9"}},
    "nested_number_only": {"type": "error", "status": 403, "error": {"message": "No."}},
    "untyped": {"error": {"message": "The engine is busy.", "type": "server_error"}},
    "stranger": {"message": "Blocked.", "details": None},
}


def opening(deltas: int = 2) -> list[JSON]:
    """What comes before the end, with more than one byte to some characters."""
    running = failed()["response"] | {"status": "in_progress"}
    where = {"item_id": "msg_9", "output_index": 0, "content_index": 0}
    part: JSON = {"type": "output_text", "text": "", "annotations": []}
    item = {**message("aé"), "id": "msg_9"}
    events: list[JSON] = [
        {"type": "response.created", "response": running},
        {"type": "response.output_item.added", "output_index": 0, "item": {**item, "content": []}},
        {"type": "response.content_part.added", "part": part, **where},
        *(
            {"type": "response.output_text.delta", "delta": "aé🙂"[n % 3], "logprobs": [], **where}
            for n in range(deltas)
        ),
        {"type": "response.output_item.done", "output_index": 0, "item": item},
    ]
    return [{"sequence_number": number, **event} for number, event in enumerate(events)]
