"""A program's own exceptions, below the SDK's: what `copy` and pickle make of them is Python's business.

Each probe is one thing that a program may rely on, below `OpenAIError`, whose family is nobody's concern, and below
`RateLimitError`, which travels without its exchange. Runs on any `openai`.
"""

from __future__ import annotations

import copy
import pickle
import datetime
import threading
from typing import Any, Callable

import openai

from ._subjects import exchange


class Plain(openai.OpenAIError):
    """Any args, as Python's own exceptions have them."""


class Limited(openai.RateLimitError):
    """The same with an exchange."""

    def __init__(self, *args: Any) -> None:
        super().__init__("No.", response=exchange(429, {}), body=None)
        self.args = args


class _Stateful:
    restored = False

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, restored=True)


class _Demanding:
    def __new__(cls, tenant: str, *args: Any) -> Any:
        above: Any = super()
        made = above.__new__(cls, tenant, *args)
        made.tenant = tenant
        return made


def _classes(base: type[Any]) -> dict[str, type[Any]]:
    """One class for each thing; importable, as a program's are."""
    made = {
        "Stateful": type(f"Stateful{base.__name__}", (_Stateful, base), {}),
        "Demanding": type(f"Demanding{base.__name__}", (_Demanding, base), {}),
        "Slotted": type(f"Slotted{base.__name__}", (base,), {"__slots__": ("account",)}),
    }
    for cls in made.values():
        cls.__module__ = __name__
        globals()[cls.__name__] = cls
    return {"": base, "Local": type("Local", (base,), {"__module__": __name__}), **made}


CLASSES = {base.__mro__[1].__name__: _classes(base) for base in (Plain, Limited)}


def _with(cls: type[Any], *args: Any, **attributes: Any) -> Any:
    error = cls(*args)
    for name, value in attributes.items():
        setattr(error, name, value)
    return error


PROBES: dict[str, Callable[[dict[str, type[Any]]], Any]] = {
    "args of any type": lambda of: _with(of[""], b"payload", datetime.date(2026, 1, 2)),
    "an exception in its args": lambda of: _with(of[""], "No.", KeyError("inner")),
    "a callback": lambda of: _with(of[""], "No.", callback=lambda: None),
    "a lock": lambda of: _with(of[""], "No.", lock=threading.Lock()),
    "`__setstate__`": lambda of: _with(of["Stateful"], "No."),
    "`__new__` with an argument": lambda of: _with(of["Demanding"], "a", 1),
    "`__slots__`": lambda of: _with(of["Slotted"], "No.", account="a"),
    "a class that cannot be imported": lambda of: _with(of["Local"], "No.", 1),
}
WAYS: dict[str, Callable[[Any], Any]] = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda error: pickle.loads(pickle.dumps(error)),
}


def _facts(error: Any) -> dict[str, Any]:
    found = {name: repr(value) for name, value in vars(error).items()}
    found.update({name: getattr(error, name).url.path for name in ("request",) if name in found})
    found.update({name: getattr(error, name).status_code for name in ("response",) if name in found})
    slots = {name: getattr(error, name) for name in ("account",) if hasattr(error, name)}
    return {"class": type(error), "args": repr(error.args), "text": str(error), **found, **slots}


def _outcome(probe: str, family: str, way: str) -> str:
    error = PROBES[probe](CLASSES[family])
    sent = _facts(error)
    if probe == "`__setstate__`":
        sent["restored"] = "True"
    try:
        received = _facts(WAYS[way](error))
    except Exception as problem:
        return type(problem).__name__
    if sent["class"] is not received["class"]:
        return f"becomes {received['class'].__name__}"
    lost = sorted(name for name, value in sent.items() if received.get(name) != value)
    return f"without {', '.join(lost)}" if lost else "kept"


def measure() -> dict[str, dict[str, str]]:
    """`{probe: {way and family: outcome}}`."""
    return {
        probe: {f"{way}, {family}": _outcome(probe, family, way) for family in CLASSES for way in WAYS}
        for probe in PROBES
    }
