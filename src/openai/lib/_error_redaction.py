"""What of an error may leave the process. Wherever in an error it stands,

    a request     becomes its method, and its URL without query, fragment and credentials
    an answer     becomes its status and the headers that help to retry or to ask for support
    a response    of a background run loses what echoes the request: instructions, input, tools

and what cannot be pickled is left out. All else goes as it is.
"""

from __future__ import annotations

import io
import sys
import copy
import pickle
import copyreg
import weakref
from typing import Any, Mapping, Callable, cast
from functools import partial

from openai._utils import is_list, is_mapping
from openai._models import BaseModel, add_request_id, construct_type

_HEADERS = tuple("x-request-id apim-request-id retry-after x-should-retry x-ratelimit- date openai-p openai-v".split())
"""How the names begin of headers that help to retry or to ask for support."""

_ANSWER = (
    "id object created_at completed_at status error incomplete_details model output usage background service_tier "
    "previous_response_id"
).split()
"""What of a response answers. What echoes the request is not here: `input`, `instructions`, `metadata`, `tools`, …"""

_ECHOES = ("tools", "headers", "authorization")
"""What of an output item echoes the request: a search for tools answers with their definitions, credentials included."""

_LIBRARIES = ("httpx2", "httpx")  # a client may be of either; who has not loaded the second has none of that

_DEEPEST = 100  # levels of nesting; the interpreter's own limit is some hundreds


def load_model(cls: type[BaseModel], data: Mapping[str, object], request_id: str | None) -> object:
    """The response of a background run."""
    model = construct_type(type_=cls, value=data)
    add_request_id(cast(BaseModel, model), request_id)
    return model


class _Call:
    """Pickled as a call: what stands for something that does not leave as it is."""

    def __init__(self, function: Callable[..., object], *args: object) -> None:
        self.reduced = function, args

    def __reduce__(self) -> tuple[Any, ...]:
        return self.reduced


class _Probe(pickle.Pickler):
    """Finds out whether a value can be pickled, and what in it belongs to an exchange."""

    def __init__(self, error: BaseException, base: type[BaseException], protocol: int) -> None:
        super().__init__(io.BytesIO(), protocol)
        self.error, self.base, self.protocol = error, base, protocol
        self.parts = _classes("Request", "Response")
        self.exchange: list[Any] = []
        self.errors: list[BaseException] = []

    def persistent_id(self, obj: Any) -> str | None:
        if isinstance(obj, self.parts):
            self.exchange.append(obj)
        elif isinstance(obj, self.base):
            # It can be pickled if its class can. Not looked into, which would take for ever where errors are linked.
            if obj is not self.error:
                pickle.dumps(type(obj), self.protocol)
            self.errors.append(obj)
        else:
            return None
        return "elsewhere"


class Redaction:
    """What may leave of the parts of one error."""

    def __init__(self, error: BaseException, base: type[BaseException], protocol: int) -> None:
        self._probe = partial(_Probe, error, base, protocol)
        self._missing: list[str] = []
        self._stand_ins: dict[int, _Call] = {}  # one for each, so that `error.request is error.response.request`

    def items(self, values: tuple[object, ...]) -> tuple[object, ...]:
        """Values in their places, None for what cannot be pickled."""
        cleaned = self.members({f"args[{place}]": value for place, value in enumerate(values)})
        return tuple(cleaned.get(f"args[{place}]") for place, _ in enumerate(values))

    def members(self, values: Mapping[str, object]) -> dict[str, object]:
        """Values by name, without what cannot be pickled; `body`, which every `APIError` has, is None then."""
        ours = {**values}
        if "_background_response" in ours:
            ours["_background_response"] = _answer(ours["_background_response"])
        cleaned = {name: self.value_or(value, self) for name, value in ours.items()}
        self._missing += [name for name, value in cleaned.items() if value is self]
        kept = {name: None if value is self else value for name, value in cleaned.items()}
        return {name: value for name, value in kept.items() if name == "body" or name not in self._missing}

    def state(self, state: object) -> object:
        """The attributes, with a note of what is missing so far; a state that a class makes for itself, as it is."""
        if type(state) is not dict:
            return self.value_or(state, state)
        cleaned = self.members(cast("dict[str, object]", state))
        if self._missing:
            notes = cleaned.get("__notes__")
            note = f"Not pickled, because it cannot be: {', '.join(self._missing)}"
            cleaned["__notes__"] = [*(notes if is_list(notes) else ()), note]
        return cleaned

    def value_or(self, value: object, default: object) -> object:
        """A value as it may leave, or a default where it cannot be pickled."""
        try:
            return self._value(value)
        except Exception:  # whatever an object of a user raises: the error has to arrive
            return default

    def _value(self, value: object) -> Any:
        if value is None or type(value) in (str, bool, int, float, bytes):
            return value
        probe = self._probe()
        probe.dump(value)
        if not probe.exchange:
            return value
        memo: dict[int, Any] = {id(error): error for error in probe.errors}
        memo.update({id(part): self._stand_in(part) for part in probe.exchange})
        return copy.deepcopy(value, memo)

    def _stand_in(self, part: object) -> Any:
        if id(part) not in self._stand_ins:
            answer = isinstance(part, _classes("Response"))
            self._stand_ins[id(part)] = self._of_response(part) if answer else _request(part)
        return self._stand_ins[id(part)]

    def _of_response(self, response: Any) -> _Call:
        headers = {name: value for name, value in response.headers.items() if name.startswith(_HEADERS)}
        extensions = {name: True for name in response.extensions if name == "synthetic"}
        try:
            request = self._stand_in(response.request)
        except RuntimeError:  # it has none
            request = None
        make = _class_of(response, "Response")
        return _Call(partial(make, headers=headers, request=request, extensions=extensions), response.status_code)


def _request(request: Any) -> _Call:
    return _Call(_class_of(request, "Request"), request.method, str(_bare(request.url)))


def _bare(url: Any) -> Any:
    return url.copy_with(userinfo=b"", query=None, fragment=None)


def _classes(*names: str) -> tuple[type[Any], ...]:
    """The classes with these names of every HTTP library that is loaded."""
    libraries = [sys.modules.get(name) for name in _LIBRARIES]
    return tuple(getattr(library, name) for library in libraries for name in names if hasattr(library, name))


def _class_of(part: object, name: str) -> Callable[..., Any]:
    return next(cls for cls in _classes(name) if isinstance(part, cls))


def _answer(response: object) -> object:
    """The response of a background run without what echoes the request: JSON stays JSON, a model a model."""
    sent = _plain(response)
    data = {name: sent[name] for name in _ANSWER if name in sent} if is_mapping(sent) else None
    if not isinstance(response, BaseModel):
        return data
    # Not the class that `responses.parse()` makes for one `text_format`, say: no other process has made it.
    importable = [cls for cls in type(response).__mro__ if "[" not in cls.__name__ and _pickles(cls)]
    return _Call(load_model, importable[0], data, getattr(response, "_request_id", None))


def _plain(value: object, depth: int = 0) -> Any:
    """A value as it came, as JSON, down to where nothing is pickled; serialising fails for what servers send."""
    if isinstance(value, BaseModel):
        sent = {name: member for name, member in vars(value).items() if name in value.model_fields_set}
        value = cast("dict[str, object]", {**sent, **(getattr(value, "__pydantic_extra__", None) or {})})
    if depth > _DEEPEST:
        return None
    if is_mapping(value):
        return {name: _plain(member, depth + 1) for name, member in value.items() if name not in _ECHOES}
    if is_list(value):
        return [_plain(member, depth + 1) for member in value]
    return value if _pickles(value) else None


def _pickles(value: object) -> bool:
    try:
        return value is None or isinstance(value, (str, int, float)) or bool(pickle.dumps(value))
    except Exception:  # whatever an object of a user raises
        return False


_chained: weakref.WeakValueDictionary[int, BaseException] = weakref.WeakValueDictionary()


def redact_chain(error: BaseException, base: type[BaseException]) -> None:
    """See to it that no exchange leaves by `__cause__` and `__context__` where they are pickled, too.

    Python pickles neither. tblib does, which Dask brings: it has registered a function of its own for the class of
    `error` and of what it came from, and errors of the HTTP library are among those.
    """
    links: list[BaseException | None] = [error]
    seen = set[int]()
    while links:
        linked = links.pop()
        if linked is None or id(linked) in seen:
            continue
        seen.add(id(linked))
        links += [linked.__cause__, linked.__context__]
        if isinstance(linked, _classes("RequestError", "HTTPStatusError")):
            _chained[id(linked)] = linked
            registered: Any = copyreg.dispatch_table.get(type(linked))
            if registered is not None and getattr(registered, "func", None) is not _reduce_linked:
                copyreg.pickle(type(linked), partial(_reduce_linked, registered, base))


def _reduce_linked(registered: Callable[[Any], Any], base: type[BaseException], linked: BaseException) -> Any:
    """What `registered` makes of an error of the HTTP library: of a clean double, if it is one of an `APIError`."""
    if _chained.get(id(linked)) is not linked:
        return registered(linked)
    clean = Redaction(linked, base, pickle.DEFAULT_PROTOCOL)
    request: Any = vars(linked).get("_request")
    texts = [arg for arg in linked.args if isinstance(arg, str)]
    if request is not None:  # its URL is in the text
        texts = [text.replace(str(request.url), str(_bare(request.url))) for text in texts]
    double = type(linked).__new__(type(linked), *texts)
    vars(double).update(clean.members(vars(linked)))
    for name in ("__cause__", "__context__", "__traceback__", "__suppress_context__"):
        setattr(double, name, getattr(linked, name))
    return registered(double)
