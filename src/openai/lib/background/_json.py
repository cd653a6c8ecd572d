"""The JSON form of an error, `to_dict()`, and back, `from_dict()`: for logs, and for queues that carry JSON.

It says what happened and what to do about it. It holds nothing of the request, no credential and, unless asked for, none
of the output: no text, no arguments of a tool, no search results. What is read back is checked; nothing in it can make
another exception than a ValueError, then or when an `except` block reads the error.
"""

from __future__ import annotations

import math
from typing import Any, Mapping, TypeVar, Callable, Iterator, cast

import httpx2

from openai import _exceptions
from openai._utils import is_list, is_mapping
from openai._models import BaseModel
from openai._exceptions import OpenAIError

from ._table import CONTRACT_VERSION

SCHEMA_VERSION = 1
"""The version of this form. It grows when a field is renamed or removed or changes its meaning, not for a new one."""

_TEXTS = ("code", "param", "type", "status", "reason", "response_id", "request_id")
_FLAGS = ("retryable", "known")
_BY_STATUS = {"incomplete": "BackgroundIncompleteError", "cancelled": "BackgroundCancelledError"}
_ECHOES = ("tools", "headers", "authorization")
"""What of an output item echoes the request: a search for tools answers with their definitions, credentials included."""
_DEEPEST = 100  # levels of nesting; the interpreter's own limit is some hundreds

T = TypeVar("T")


def to_dict(error: Any, *, include_output: bool) -> dict[str, Any]:
    """What `BackgroundResponseError.to_dict()` returns."""
    data: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "contract_version": CONTRACT_VERSION,
        "class": type(error).__name__,
        "equivalent": getattr(error.equivalent, "__name__", None),
        "message": error.message,
        **{name: getattr(error, name, None) for name in (*_TEXTS, *_FLAGS, "retry_after")},
        "notes": [note for note in getattr(error, "__notes__", ()) if isinstance(note, str)],
        # By name only: what others say may hold a URL with its query.
        "cause": None if error.__cause__ is None else type(error.__cause__).__name__,
    }
    if include_output:
        response = error.background_response
        data.update(output=getattr(response, "output", None) or [], usage=getattr(response, "usage", None))
    return cast("dict[str, Any]", _plain(data))


def from_dict(cls: type[T], root: type[Any], given: object) -> T:
    """What `from_dict()` of `cls` returns, a class of the tree under `root`."""
    if not is_mapping(given):
        raise ValueError(f"Expected the mapping that `to_dict()` returns but received {type(given).__name__}")
    data = cast("Mapping[str, Any]", given)
    for name, (expected, fits) in _SCHEMA.items():
        if not fits(data.get(name)):
            raise ValueError(f"Expected `{name}` to be {expected} but received {type(data.get(name)).__name__}")
    text: dict[str, str | None] = {name: data.get(name) for name in _TEXTS}
    found = _find_class(root, data)
    if not issubclass(found, cls):
        raise ValueError(f"Expected data of a {cls.__name__} but received that of a {found.__name__}")

    message: str = data["message"]
    failed = text["status"] not in _BY_STATUS or text["code"] is not None
    failure = {"message": message, "code": text["code"], "param": text["param"], "type": text["type"]}
    details = None if text["reason"] is None else {"reason": text["reason"]}
    # Not by calling the class, whose initializer may be a customer's.
    error: Any = cast(Any, found).__new__(found, message)
    cast(Any, root).__init__(
        error,
        message,
        response=httpx2.Response(200, request=httpx2.Request("GET", ""), extensions={"synthetic": True}),
        body=failure if failed else {"status": text["status"], "incomplete_details": details},
        background_response={
            "id": text["response_id"],
            "object": "response",
            "status": text["status"],
            "error": failure if failed else None,
            "incomplete_details": details,
            "output": _plain(data.get("output") or []),
            "usage": _plain(data.get("usage")),
        },
        equivalent=_stock_class(data.get("equivalent")),
        **{name: text[name] for name in ("response_id", "request_id", "status", "reason")},
        **{name: data[name] for name in _FLAGS},
    )
    if hasattr(error, "retry_after"):
        error.retry_after = data.get("retry_after")
    if data.get("notes"):
        error.__notes__ = [*data["notes"]]
    return cast(T, error)


def _find_class(root: type[Any], data: Mapping[str, Any]) -> type[Any]:
    """Our class of that name; of a newer release's the nearest, by its equivalent, then by how the run ended."""
    ours = {cls.__name__: cls for cls in _family(root)}
    second_bases = {base.__name__: cls for cls in ours.values() for base in cls.__bases__ if not issubclass(base, root)}
    by_status = ours.get(_BY_STATUS.get(data.get("status") or "", ""), root)
    return ours.get(data["class"]) or second_bases.get(data.get("equivalent") or "", by_status)


def _family(cls: type[Any]) -> Iterator[type[Any]]:
    """The class and those below it that are ours; a customer's may have any name."""
    if _is_ours(cls):
        yield cls
        for below in cls.__subclasses__():
            yield from _family(below)


def _stock_class(name: str | None) -> type[OpenAIError] | None:
    found: object = vars(_exceptions).get(name or "")
    return found if isinstance(found, type) and issubclass(found, OpenAIError) else None


def _is_ours(cls: type[Any]) -> bool:
    return cls.__module__.partition(".")[0] == __name__.partition(".")[0]


def _is_texts(value: object) -> bool:
    return is_list(value) and all(isinstance(member, str) for member in value)


def _is_seconds(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 2**53


_SCHEMA: dict[str, tuple[str, Callable[[object], bool]]] = {
    "schema_version": (
        f"{SCHEMA_VERSION}, as of this release,",
        lambda value: type(value) is int and value == SCHEMA_VERSION,
    ),
    "class": ("a str", lambda value: isinstance(value, str)),
    "message": ("a str", lambda value: isinstance(value, str)),
    **{name: ("a bool", lambda value: isinstance(value, bool)) for name in _FLAGS},
    **{
        name: ("a str or null", lambda value: value is None or isinstance(value, str))
        for name in (*_TEXTS, "equivalent", "cause", "contract_version")
    },
    "retry_after": ("seconds or null", lambda value: value is None or _is_seconds(value)),
    "notes": ("a list of str or null", lambda value: value is None or _is_texts(value)),
    "output": ("a list or null", lambda value: value is None or is_list(value)),
    "usage": ("a mapping or null", lambda value: value is None or is_mapping(value)),
}
"""What is read back, and what fits; what is not here is not looked at."""


def _plain(value: object, depth: int = 0) -> object:
    """A value as JSON, without what echoes a request; None for what is no JSON, and below some depth."""
    if isinstance(value, BaseModel):  # not by serialising it, which fails for what servers send
        sent = {name: member for name, member in vars(value).items() if name in value.model_fields_set}
        value = cast("dict[str, object]", {**sent, **(getattr(value, "__pydantic_extra__", None) or {})})
    if isinstance(value, (str, int)) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if depth > _DEEPEST:
        return None
    if is_mapping(value):
        return {str(name): _plain(member, depth + 1) for name, member in value.items() if name not in _ECHOES}
    if is_list(value):
        return [_plain(member, depth + 1) for member in value]
    return None
