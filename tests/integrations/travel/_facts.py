"""What of an error has to arrive, as plain data that two errors can be compared by."""

from __future__ import annotations

from typing import Any

import httpx2
import pydantic

_STAYS = frozenset({"request", "response", "unsent_messages", "unsent_frames"})
"""Read apart, or (what a WebSocket could not send is the user's input) left behind on purpose."""

NOT_IN_JSON = frozenset({"background_response", "body", "output_text", "request", "response"})
"""What `to_dict()` leaves out on purpose: the output, and the exchange."""

_ANSWER = ("id", "status", "model", "created_at", "error", "incomplete_details", "output", "usage")


def facts(error: BaseException) -> dict[str, Any]:
    """Class, text, and every public attribute; of the HTTP exchange and the response what is allowed to travel."""
    found: dict[str, Any] = {
        "class": f"{type(error).__module__}.{type(error).__qualname__}",
        "bases": [base.__qualname__ for base in type(error).__mro__],
        "str": str(error),
        "repr": repr(error),
        "args": repr(error.args),
        "notes": getattr(error, "__notes__", None),
        "cause": _cause(error.__cause__),
    }
    for name in dir(error):
        if name.startswith("_") or name in _STAYS or name in ("args", "add_note", "with_traceback"):
            continue
        value = getattr(error, name, None)  # an OSError lists names that it has only sometimes
        if not callable(value):
            found[name] = _plain(value)
    request = getattr(error, "request", None)
    if isinstance(request, httpx2.Request):
        found["request"] = (request.method, request.url.host, request.url.path)
    response = getattr(error, "response", None)
    if isinstance(response, httpx2.Response):
        found["response"] = (
            response.status_code,
            {
                name: response.headers.get(name)
                for name in ("x-request-id", "retry-after", "x-ratelimit-remaining-tokens")
            },
        )
    return found


def losses(sent: dict[str, Any], received: dict[str, Any]) -> list[str]:
    """The names of the facts that did not arrive as they were sent."""
    return [name for name in {**sent, **received} if sent.get(name) != received.get(name)]


def _cause(cause: BaseException | None) -> str | None:
    # What a transport or an HTTP library put there is not ours to carry.
    return repr(cause) if type(cause).__module__.partition(".")[0] == "openai" else None


def _plain(value: Any) -> Any:
    if isinstance(value, pydantic.BaseModel):
        sent = value.model_dump(mode="json", exclude_unset=True)
        return {name: sent[name] for name in sent if sent.get("object") != "response" or name in _ANSWER}
    return value
