"""The bodies and events of the benchmark, made to a size.

A pending response is large because it echoes the request (instructions, tools); a completed one because of its output.
The members come in the order in which the API sends them.
"""

from __future__ import annotations

import json
from typing import Any

RESPONSE_ID = "resp_68f0c2b7a1d4819c9b3e5f7a0c2d4e6f8a1b3c5d7e9f0a2b"
HEADERS = {"content-type": "application/json", "x-request-id": "req_5f2d9c"}

_PROSE = "The pilot boat leaves the inner harbour two hours before high water and waits at the third buoy. "


def pending(size: int) -> bytes:
    """A response in progress of about `size` bytes."""
    body = _response("in_progress")
    length = len(_json(body))
    while length < size - 1000:
        body["tools"].append(_tool(len(body["tools"])))
        length += len(_json(body["tools"][-1])) + 1
    return _filled(body, size)


def completed(size: int) -> bytes:
    """A completed response of about `size` bytes: reasoning, tool calls and messages with citations."""
    body = _response("completed")
    body["usage"] = {
        "input_tokens": 1204,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 5120,
        "output_tokens_details": {"reasoning_tokens": 2048},
        "total_tokens": 6324,
    }
    length = len(_json(body))
    while length < size - 2400:
        items = _items(len(body["output"]))
        body["output"] += items
        length += len(_json(items))
    return _filled(body, size)


def failed(size: int) -> bytes:
    """A failed response of about `size` bytes, with a waiting time in its message."""
    body = _response("failed")
    body["error"] = {
        "code": "rate_limit_exceeded",
        "message": "Rate limit reached for the model on tokens per minute. Please try again in 4.2s.",
    }
    return _filled(body, size)


def events(deltas: int) -> list[bytes]:
    """A whole run as server-sent events: created, so many small deltas, completed."""
    found = [_event(0, "response.created", response=_response("in_progress"))]
    for number in range(1, deltas + 1):
        found.append(
            _event(
                number,
                "response.output_text.delta",
                item_id="msg_68f0c2b7",
                output_index=0,
                content_index=0,
                delta=" tide",
                logprobs=[],
            )
        )
    found.append(_event(deltas + 1, "response.completed", response=_response("completed")))
    return found


def _json(data: object) -> bytes:
    return json.dumps(data, separators=(",", ":")).encode()


def _event(number: int, kind: str, **members: object) -> bytes:
    data = {"type": kind, "sequence_number": number, **members}
    return b"event: %s\ndata: %s\n\n" % (kind.encode(), _json(data))


def _filled(body: dict[str, Any], size: int) -> bytes:
    missing = size - len(_json({**body, "instructions": ""}))
    body["instructions"] = (_PROSE * (missing // len(_PROSE) + 1))[: max(missing, 0)]
    return _json(body)


def _response(status: str) -> dict[str, Any]:
    return {
        "id": RESPONSE_ID,
        "object": "response",
        "created_at": 1793000000,
        "status": status,
        "background": True,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "max_output_tokens": None,
        "max_tool_calls": None,
        "model": "gpt-5.6",
        "output": [],
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "prompt_cache_key": None,
        "reasoning": {"effort": "medium", "summary": None},
        "service_tier": "auto",
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
        "metadata": {"job": "tides"},
    }


def _tool(number: int) -> dict[str, Any]:
    return {
        "type": "function",
        "name": f"look_up_{number}",
        "description": _PROSE * 2,
        "parameters": {
            "type": "object",
            "properties": {
                "harbour": {"type": "string", "description": "The name of the harbour."},
                "day": {"type": "string", "format": "date", "description": "The day, in UTC."},
                "units": {"type": "string", "enum": ["m", "ft"]},
            },
            "required": ["harbour", "day", "units"],
            "additionalProperties": False,
        },
        "strict": True,
    }


def _items(number: int) -> list[dict[str, Any]]:
    return [
        {"id": f"rs_{number}", "type": "reasoning", "summary": [{"type": "summary_text", "text": _PROSE}]},
        {
            "id": f"fc_{number}",
            "type": "function_call",
            "status": "completed",
            "call_id": f"call_{number}",
            "name": "look_up_0",
            "arguments": '{"harbour": "Ystad", "day": "2026-11-22", "units": "m"}',
        },
        {
            "id": f"msg_{number}",
            "type": "message",
            "status": "completed",
            "role": "assistant",
            "content": [
                {
                    "type": "output_text",
                    "text": _PROSE * 10,
                    "annotations": [
                        {
                            "type": "url_citation",
                            "start_index": start,
                            "end_index": start + 90,
                            "title": "Tide tables",
                            "url": "https://tides.example/ystad",
                        }
                        for start in (0, 90)
                    ],
                    "logprobs": [],
                }
            ],
        },
    ]
