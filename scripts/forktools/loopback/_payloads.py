"""The bodies that the loopback server sends, built from nothing but the arguments.

Promises: the same arguments give the same bytes; every Response has the members that the API sends for one;
`sized` grows a Response the way real ones grow (tools while it runs, output items once it is done), so that the cost
of parsing it is realistic, and hits the asked size to the byte.
"""

from __future__ import annotations

import re
import json
import random
from typing import Any
from collections.abc import Mapping, Iterator, Sequence

JSON = dict[str, Any]

CREATED_AT = 1_790_000_000
MODEL = "gpt-5.6"

_TERMINAL = ("completed", "failed", "incomplete", "cancelled")


def dumps(payload: object) -> bytes:
    """Compact UTF-8 JSON."""
    return json.dumps(payload, separators=(",", ":"), ensure_ascii=False).encode()


def response(response_id: str, status: str, *, model: str = MODEL, metadata: Mapping[str, str] | None = None) -> JSON:
    """A Response of the API that was created with `background=True`, without output, error or usage."""
    return {
        "id": response_id,
        "object": "response",
        "created_at": CREATED_AT,
        "status": status,
        "background": True,
        "completed_at": CREATED_AT + 5 if status == "completed" else None,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "max_output_tokens": None,
        "max_tool_calls": None,
        "metadata": dict(metadata or {}),
        "model": model,
        "output": [],
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "prompt_cache_key": None,
        "reasoning": {"effort": "low", "summary": None},
        "safety_identifier": None,
        "service_tier": "default",
        "store": True,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}, "verbosity": "medium"},
        "tool_choice": "auto",
        "tools": [],
        "top_logprobs": 0,
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": None,
        "user": None,
    }


def message(text: str, *, number: int = 0, status: str = "completed", citations: Sequence[JSON] = ()) -> JSON:
    """An output item: one assistant message with one text part."""
    return {
        "id": f"msg_loopback{number:04d}",
        "type": "message",
        "status": status,
        "role": "assistant",
        "content": [{"type": "output_text", "text": text, "annotations": list(citations), "logprobs": []}],
    }


def usage(input_tokens: int, output_tokens: int) -> JSON:
    """The billed tokens of a run."""
    return {
        "input_tokens": input_tokens,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": output_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": input_tokens + output_tokens,
    }


def sized(payload: Mapping[str, Any], size: int) -> JSON:
    """`payload` grown until its JSON is exactly `size` bytes.

    A finished Response grows by output items, any other by function tools; the rest goes into `instructions`.

    Raises:
        ValueError: it is larger than that already.
    """
    grown: JSON = {**payload, "instructions": ""}
    finished = grown.get("status") == "completed"
    member, grow = ("output", _cited_message) if finished else ("tools", _function_tool)
    grown[member] = list(grown.get(member) or ())
    room = size - len(dumps(grown))
    if room < 0:
        raise ValueError(f"a Response of {size - room} bytes cannot be padded to {size}")
    while True:
        item = grow(len(grown[member]))
        cost = len(dumps(item)) + 1
        if cost > room:
            break
        grown[member].append(item)
        room -= cost
    # The first item of an empty list costs no comma: measure again instead of counting.
    filler = "Answer in short sentences and name the source of each fact. "
    room = size - len(dumps(grown))
    grown["instructions"] = (filler * (room // len(filler) + 1))[:room]
    return grown


def events_of(ending: Mapping[str, Any], *, started: Mapping[str, Any]) -> Iterator[JSON]:
    """The server-sent events of a run that ends as `ending`; numbered from 0.

    `started` is the Response while it was queued. Text is sent word by word. A Response without a status that is known
    ends its stream with no terminal event, as a broken server would.
    """
    number = 0

    def event(kind: str, **members: Any) -> JSON:
        nonlocal number
        number += 1
        return {"type": kind, "sequence_number": number - 1, **members}

    yield event("response.created", response={**started, "status": "queued"})
    yield event("response.queued", response={**started, "status": "queued"})
    yield event("response.in_progress", response={**started, "status": "in_progress"})
    for index, item in enumerate(ending.get("output") or ()):
        if item.get("type") != "message":
            continue
        where: JSON = {"output_index": index, "item_id": item["id"], "content_index": 0}
        part = item["content"][0]
        empty: JSON = {**part, "text": "", "annotations": []}
        begun: JSON = {**item, "status": "in_progress", "content": []}
        yield event("response.output_item.added", output_index=index, item=begun)
        yield event("response.content_part.added", **where, part=empty)
        for word in re.findall(r"\S+\s*", part["text"]):
            yield event("response.output_text.delta", **where, delta=word, logprobs=[])
        yield event("response.output_text.done", **where, text=part["text"], logprobs=[])
        yield event("response.content_part.done", **where, part=part)
        yield event("response.output_item.done", output_index=index, item=item)
    if ending.get("status") in _TERMINAL:
        yield event(f"response.{ending['status']}", response=dict(ending))


def sse(event: Mapping[str, Any]) -> bytes:
    """One server-sent event; without a `type` it has a data line only."""
    kind = event.get("type")
    head = f"event: {kind}\n".encode() if isinstance(kind, str) else b""
    return head + b"data: " + dumps(event) + b"\n\n"


def cut(data: bytes, seed: int, *, longest: int = 48) -> list[bytes]:
    """`data` in pieces of 1 to `longest` bytes, cut without regard to events, lines or characters; joined it is `data`."""
    random_ = random.Random(seed)
    pieces: list[bytes] = []
    start = 0
    while start < len(data):
        end = start + random_.randint(1, longest)
        pieces.append(data[start:end])
        start = end
    return pieces


def _function_tool(number: int) -> JSON:
    fields = {
        f"field_{n}": {"type": "string", "description": f"Column {n} of the report, as plain text."} for n in range(6)
    }
    return {
        "type": "function",
        "name": f"write_report_{number}",
        "description": f"Writes section {number} of the report and returns the place it was stored at.",
        "parameters": {
            "type": "object",
            "properties": fields,
            "required": sorted(fields),
            "additionalProperties": False,
        },
        "strict": True,
    }


def _cited_message(number: int) -> JSON:
    text = f"Finding {number}: " + "the measured value lies within the range that the earlier study had given. " * 4
    citation = {
        "type": "url_citation",
        "start_index": 0,
        "end_index": 9,
        "url": f"https://example.com/study/{number}",
        "title": f"Study {number}",
    }
    return message(text, number=number, citations=[citation])
