"""How errors leave the process: by pickle, by copy, as JSON. What they mean goes along; what they must not carry stays.

An error holds the HTTP exchange, and that holds the API key; `_redact` says what of it may leave. Other attributes go
along when they are plain data or models of the SDK.

`reduce()` serves every class of the SDK, so that it mends upstream's own as well. Loading is tolerant: an unknown
class becomes the nearest known one, a missing field gets its default, an unknown one is kept (by pickle) or ignored
(by `from_dict()`).
"""

from __future__ import annotations

import copyreg
import importlib
from typing import Any, Mapping, TypeVar, Callable, Iterable, cast

import pydantic

from openai._utils import is_mapping
from openai._models import construct_type
from openai._exceptions import APIError, OpenAIError

from ._redact import plain, portable, answer_of, dump_request, load_request, dump_response, load_response
from ._shapes import request_of

__all__ = ["SCHEMA_VERSION", "as_model", "from_dict", "reduce", "to_dict"]

SCHEMA_VERSION = 1
"""The version of what `to_dict()` returns; it grows when a field is renamed or removed, not when one is added."""

_DEFAULTS: dict[str, Any] = {
    "message": "",
    "body": None,
    "code": None,
    "param": None,
    "type": None,
    "request": None,
    "request_id": None,
    "response": None,
    "response_id": None,
    "retry_after": None,
    "retryable": False,
    "reason": None,
    "sequence_number": None,
    "status": None,
    "elapsed_seconds": 0.0,
    "polls": 0,
}
_HIDDEN = "_background_response"
_RENAMED = {
    "__request__": "request",
    "__response__": "response",
    "__notes__": "notes",
    _HIDDEN: "background_response",
}
"""What is made again on loading, and its key in `to_dict()`."""

T = TypeVar("T")


def reduce(error: BaseException) -> tuple[Callable[..., object], tuple[object, ...]]:
    """What `__reduce__` returns for an error of the SDK."""
    if type(error) in copyreg.dispatch_table:
        # tblib, which Dask brings, pickles cause and context beside what is returned here.
        shed(error)
    return rebuild, (_lineage(type(error)), _state(error))


def to_dict(error: BaseException) -> dict[str, Any]:
    """An error as JSON-ready data: its class, its public fields, and the versions that explain them."""
    from ._table import CONTRACT_VERSION

    state = _state(error)
    cause = state.get("__cause__")
    names = _lineage(type(error))
    return {
        "schema_version": SCHEMA_VERSION,
        "contract_version": CONTRACT_VERSION,
        "class": names[0][1],
        "bases": [name for _, name in names[1:]],
        **{name: plain(value)[0] for name, value in state.items() if not name.startswith("_")},
        **{key: state.get(name) for name, key in _RENAMED.items()},
        "cause": None if cause is None else str(cause[1][1].get("message") or cause[1][0][0][1]),
    }


def from_dict(cls: type[BaseException], data: Mapping[str, Any]) -> BaseException:
    """The error behind `to_dict()`; it must be of the family of `cls`."""
    if not isinstance(data.get("class"), str) or data.get("schema_version") != SCHEMA_VERSION:
        raise ValueError(
            f"Expected data of `to_dict()` with schema_version {SCHEMA_VERSION} but received "
            f"class={data.get('class')!r}, schema_version={data.get('schema_version')!r}"
        )
    names = [data["class"], *data.get("bases", ())]
    module = __name__.rpartition(".")[0] + "._errors"
    state = {name: data[name] for name in (*_DEFAULTS, "status_code") if name in data}
    for name, key in _RENAMED.items():
        state[name] = data.get(key)
    state.pop("request", None)
    state.pop("response", None)
    error = rebuild([(module, name) for name in names], state)
    if not isinstance(error, cls):
        raise ValueError(f"Expected data of a {cls.__name__} but received that of a {names[0]}")
    return error


def rebuild(lineage: Iterable[tuple[str, str]], state: Mapping[str, Any]) -> BaseException:
    """Make an error from the names of its classes, most exact first, and its state."""
    cls = _find_class(lineage, OpenAIError)
    values = {name: value for name, value in state.items() if not name.startswith("__")}
    error = cls.__new__(cls)
    if isinstance(error, _own_bases()):
        annotated = {name for base in cls.__mro__ for name in vars(base).get("__annotations__", ())}
        vars(error).update({name: value for name, value in _DEFAULTS.items() if name in annotated})
        if "background_response" in dir(cls):
            vars(error).setdefault(_HIDDEN, None)
    else:
        values.pop(_HIDDEN, None)
    vars(error).update(values)
    for name, (names, data) in state.get("__models__", {}).items():
        vars(error)[name] = construct_type(type_=_find_class(names, pydantic.BaseModel), value=data)
    if state.get("__beta__"):
        from openai.types.beta import BetaResponse

        vars(error)[_HIDDEN] = construct_type(type_=BetaResponse, value=values.get(_HIDDEN))
    if isinstance(getattr(cls, "unsent_messages", None), property) and not hasattr(error, "_recovery"):
        # What a WebSocket could not send is the user's data, so it has stayed behind.
        cast(Any, error).unsent_messages = []
    request = load_request(state.get("__request__"))
    if "__request__" in state and isinstance(error, APIError):
        vars(error)["request"] = request
    if "__response__" in state:
        vars(error)["response"] = load_response(state["__response__"], request)
    error.args = tuple(state.get("__args__") or ((values["message"],) if values.get("message") else ()))
    if state.get("__notes__"):
        vars(error)["__notes__"] = list(state["__notes__"])
    cause = state.get("__cause__")
    if cause is not None:
        error.__cause__ = cause[0](*cause[1])
    return error


def as_model(value: object) -> object:
    """A response as a model: JSON becomes a `Response`; an error body, which holds no response, becomes None."""
    if not is_mapping(value):
        return value
    if not any(name in value for name in ("id", "status", "output", "object")):
        return None
    from openai.types.responses import Response

    return construct_type(type_=Response, value={**value})


def shed(error: BaseException) -> None:
    """Take the HTTP exchange off the errors that `error` came from, and off it what no traceback shows anyway."""
    chain, seen = [error], set[int]()
    while chain:
        one = chain.pop()
        seen.add(id(one))
        if one.__suppress_context__:
            one.__context__ = None
        if "_request" in vars(one) and type(one).__module__.partition(".")[0] in ("httpx", "httpx2"):
            vars(one)["_request"] = load_request(dump_request(vars(one)["_request"]))
        chain += [more for more in (one.__cause__, one.__context__) if more is not None and id(more) not in seen]


def _own_bases() -> tuple[type[BaseException], ...]:
    from ._errors import BackgroundResponseError, BackgroundPollTimeoutError, BackgroundStreamInterruptedError

    return BackgroundResponseError, BackgroundPollTimeoutError, BackgroundStreamInterruptedError


def _lineage(cls: type, root: type = OpenAIError) -> list[tuple[str, str]]:
    return [(base.__module__, base.__qualname__) for base in cls.__mro__ if issubclass(base, root)]


def _find_class(lineage: Iterable[tuple[str, str]], root: type[T]) -> type[T]:
    """The first of the named classes that this process knows; `root` where it knows none."""
    return next((cls for cls in (_import(module, name) for module, name in lineage) if _is(cls, root)), root)


def _is(cls: object, root: type) -> bool:
    return isinstance(cls, type) and issubclass(cls, root)


def _import(module: str, name: str) -> Any:
    try:
        found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError):
        return None
    return found


def _state(error: BaseException) -> dict[str, Any]:
    state: dict[str, Any] = {}
    for name, value in vars(error).items():
        if name == _HIDDEN:
            state[name] = answer_of(value)
            if type(value).__module__.startswith("openai.types.beta."):
                state["__beta__"] = True
        elif name == "response":
            state["__response__"] = dump_response(value)
            state.setdefault("__request__", dump_request(request_of(value)))
        elif name == "request":
            state["__request__"] = dump_request(value)
        elif isinstance(value, pydantic.BaseModel):
            state.setdefault("__models__", {})[name] = _lineage(type(value), pydantic.BaseModel), plain(value)[0]
        elif name != "_recovery":
            data, kept = portable(value)
            if kept:
                state[name] = data
    state["__args__"] = plain(list(error.args))[0]
    if isinstance(error.__cause__, OpenAIError):
        state["__cause__"] = reduce(error.__cause__)
    return state
