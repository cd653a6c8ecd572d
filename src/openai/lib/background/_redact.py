"""What of an error may leave the process, as plain data: an allow-list, so that a new secret stays at home by itself.

Of a request its method and its URL without query and credentials; of an HTTP answer its status and the headers that
help to retry or to ask for support; of a response the members that answer, none that echo the request.
"""

from __future__ import annotations

import math
import pickle
from typing import Any, Mapping, cast
from urllib.parse import urlsplit, urlunsplit

import httpx2
import pydantic

from openai._utils import is_mapping

from ._shapes import sent_members

__all__ = ["answer_of", "dump_request", "dump_response", "load_request", "load_response", "plain", "portable"]

_HEADERS = frozenset({"x-request-id", "retry-after", "retry-after-ms", "x-should-retry", "date", "apim-request-id"})
_HEADER_PREFIXES = ("x-ratelimit-", "openai-processing", "openai-version", "openai-poll")
_ANSWER = (
    "id",
    "object",
    "created_at",
    "completed_at",
    "status",
    "error",
    "incomplete_details",
    "model",
    "output",
    "usage",
    "background",
    "service_tier",
    "previous_response_id",
)
_DEEPEST = 100  # levels of nesting that travel; the interpreter's own limit is about 1,000 frames


def answer_of(response: object) -> dict[str, Any] | None:
    """The part of a response that answers, as JSON; what echoes the request is left out."""
    if isinstance(response, pydantic.BaseModel):
        sent: Mapping[str, object] = sent_members(response)
    elif is_mapping(response):
        sent = response
    else:
        return None
    members = {name: plain(sent[name]) for name in _ANSWER if name in sent}
    return {name: value for name, (value, kept) in members.items() if kept} or None


def plain(value: object, depth: int = 0) -> tuple[Any, bool]:
    """A value as JSON-ready data, and whether it is such data at all; what is nested too deep to be pickled is not."""
    if depth > _DEEPEST:
        return None, False
    if value is None or isinstance(value, (str, bool, int)):
        return value, True
    if isinstance(value, float):
        return (value, True) if math.isfinite(value) else (None, True)
    if isinstance(value, pydantic.BaseModel):
        value = sent_members(value)
    if isinstance(value, Mapping):
        items = [
            (str(name), plain(member, depth + 1)) for name, member in cast("Mapping[object, object]", value).items()
        ]
        return {name: member for name, (member, kept) in items if kept}, True
    if isinstance(value, (list, tuple)):
        members = [plain(member, depth + 1) for member in cast("list[object]", value)]
        return [member for member, kept in members if kept], True
    return None, False


def portable(value: object) -> tuple[Any, bool]:
    """A value as it may be pickled, and whether it may be at all: no HTTP object, and nothing that breaks a pickle."""
    if value is None or isinstance(value, (str, bool, int, float)):
        return value, True
    if type(value).__module__.partition(".")[0] in ("httpx", "httpx2"):
        return None, False
    try:
        pickle.dumps(value)
    except Exception:  # whatever a user's object raises: the error itself has to arrive
        return plain(value)
    return value, True


def dump_request(request: Any) -> dict[str, str] | None:
    url = urlsplit(str(getattr(request, "url", "")))
    if not url.path and not url.netloc:
        return None
    host = url.netloc.rpartition("@")[2]
    return {"method": str(request.method), "url": urlunsplit((url.scheme, host, url.path, "", ""))}


def dump_response(response: Any) -> dict[str, Any] | None:
    if response is None:
        return None
    headers = {str(name).lower(): str(value) for name, value in response.headers.items()}
    return {
        "status_code": int(response.status_code),
        "headers": {
            name: value for name, value in headers.items() if name in _HEADERS or name.startswith(_HEADER_PREFIXES)
        },
    }


def load_request(state: Mapping[str, str] | None) -> httpx2.Request | None:
    return httpx2.Request(state["method"], state["url"]) if state else None


def load_response(state: Mapping[str, Any] | None, request: httpx2.Request | None) -> httpx2.Response | None:
    return httpx2.Response(state["status_code"], headers=state["headers"], request=request) if state else None
