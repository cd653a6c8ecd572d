"""Loads errors in the form in which they were pickled before `openai.lib._error_pickling`. Nothing is pickled so any more."""

from __future__ import annotations

import pkgutil
from typing import Any, Mapping, Iterable

import httpx2

from openai._models import construct_type
from openai._exceptions import APIError, OpenAIError


def rebuild(lineage: Iterable[tuple[str, str]], state: Mapping[str, Any]) -> Any:
    """The error of the first of the named classes that can be imported; attributes that are newer have their defaults."""
    cls = _find(lineage)
    error: Any = cls.__new__(cls)
    error.args = tuple(state.get("__args__") or ())
    for name, value in state.items():
        if not name.startswith("__"):
            setattr(error, name, value)
    for name, (names, data) in state.get("__models__", {}).items():
        setattr(error, name, construct_type(type_=_find(names), value=data))
    if state.get("__beta__"):
        beta = _find([("openai.types.beta", "BetaResponse")])
        error._background_response = construct_type(type_=beta, value=error._background_response)
    asked: Any = state.get("__request__") or {"method": "GET", "url": ""}
    request = httpx2.Request(**asked)
    if issubclass(cls, APIError):
        error.request = request
    if "__response__" in state:
        made: Any = state["__response__"] or {"status_code": 200, "extensions": {"synthetic": True}}
        error.response = httpx2.Response(**made, request=request)
    if state.get("__notes__"):
        error.__notes__ = [*state["__notes__"]]
    if state.get("__cause__"):
        function, args = state["__cause__"]
        error.__cause__ = function(*args)
    return error


def _find(lineage: Iterable[tuple[str, str]]) -> Any:
    for module, name in lineage:
        try:
            return pkgutil.resolve_name(f"{module.removesuffix('._errors')}:{name}")
        except (ImportError, AttributeError):
            continue
    return OpenAIError
