"""The bodies that the loopback server sends, built from nothing but the arguments.

Promises: the same arguments give the same bytes; every Response has the members that the API sends for one; `sized`
grows it as real ones grow while they run, by tools, so that the cost of parsing it is realistic.
"""

from __future__ import annotations

import re
import json
from typing import Any
from collections.abc import Mapping, Iterator

JSON = dict[str, Any]

CREATED_AT = 1_790_000_000
MODEL = "gpt-5.6"
# The statuses with an event of their own, which is a stream's last one.
_TERMINAL = ("completed", "failed", "incomplete", "cancelled")


def dumps(payload: object) -> bytes:
    """Compact UTF-8 JSON."""
    return json.dumps(payload, separators=(",", ":"), ensure_ascii=False).encode()


def sse(event: Mapping[str, Any]) -> bytes:
    """One server-sent event; without a `type` it has a data line only."""
    kind = event.get("type")
    head = f"event: {kind}\n".encode() if isinstance(kind, str) else b""
    return head + b"data: " + dumps(event) + b"\n\n"


# Members of which nothing is known yet.
_NULL = ("error", "incomplete_details", "instructions", "max_output_tokens", "max_tool_calls", "previous_response_id",
         "prompt_cache_key", "safety_identifier", "usage", "user")  # fmt: skip


def response(response_id: str, status: str, *, model: str = MODEL, metadata: Mapping[str, str] | None = None) -> JSON:
    """A Response of the API that was created with `background=True`, without output, error or usage."""
    return {
        "id": response_id,
        "object": "response",
        "created_at": CREATED_AT,
        "status": status,
        "background": True,
        "completed_at": CREATED_AT + 5 if status == "completed" else None,
        **dict.fromkeys(_NULL),
        "metadata": dict(metadata or {}),
        "model": model,
        "output": [],
        "parallel_tool_calls": True,
        "reasoning": {"effort": "low", "summary": None},
        "service_tier": "default",
        "store": True,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}, "verbosity": "medium"},
        "tool_choice": "auto",
        "tools": [],
        "top_logprobs": 0,
        "top_p": 1.0,
        "truncation": "disabled",
    }


def message(text: str, *, status: str = "completed") -> JSON:
    """An output item: one assistant message with one text part."""
    part: JSON = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    return {"id": "msg_loopback0000", "type": "message", "status": status, "role": "assistant", "content": [part]}


def events_of(ending: Mapping[str, Any], *, started: Mapping[str, Any]) -> Iterator[JSON]:
    """The server-sent events of a run that ends as `ending`, in order; the server numbers them.

    `started` is the Response while it was queued. Text is sent word by word. A Response with a status that the API
    has no event for, or without one, ends its stream with no terminal event.
    """
    yield {"type": "response.created", "response": started}
    yield {"type": "response.queued", "response": started}
    yield {"type": "response.in_progress", "response": {**started, "status": "in_progress"}}
    for index, item in enumerate(ending["output"]):
        where: JSON = {"output_index": index, "item_id": item["id"], "content_index": 0}
        part = item["content"][0]
        begun: JSON = {**item, "status": "in_progress", "content": []}
        yield {"type": "response.output_item.added", "output_index": index, "item": begun}
        yield {"type": "response.content_part.added", **where, "part": {**part, "text": ""}}
        for word in re.findall(r"\S+\s*", part["text"]):
            yield {"type": "response.output_text.delta", **where, "delta": word, "logprobs": []}
        yield {"type": "response.output_text.done", **where, "text": part["text"], "logprobs": []}
        yield {"type": "response.content_part.done", **where, "part": part}
        yield {"type": "response.output_item.done", "output_index": index, "item": item}
    if ending.get("status") in _TERMINAL:
        yield {"type": f"response.{ending['status']}", "response": ending}


_FIELDS = {f"field_{n}": {"type": "string", "description": f"Column {n} of the report, as text."} for n in range(6)}
_TOOL: JSON = {
    "type": "function",
    "name": "write_report",
    "description": "Writes a section of the report and returns the place it was stored at.",
    "parameters": {"type": "object", "properties": _FIELDS, "required": [*_FIELDS], "additionalProperties": False},
    "strict": True,
}


def sized(payload: Mapping[str, Any], size: int) -> JSON:
    """`payload` grown until its JSON is exactly `size` bytes: by function tools, the rest by `instructions`."""
    grown: JSON = {**payload, "instructions": ""}
    grown["tools"] = [_TOOL] * ((size - len(dumps(grown))) // (len(dumps(_TOOL)) + 1))
    grown["instructions"] = "." * (size - len(dumps(grown)))
    return grown
