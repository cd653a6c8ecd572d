"""Whatever exception a program derives from an API error: what stock copies or pickles comes out the same, to the field.

Stock is the class without the hooks of the patch, which is upstream's. Where stock fails, ours may do better, but never
otherwise: of the same class, with the same args and attributes, but for what cannot be pickled.
"""

from __future__ import annotations

import os
import sys
import copy
import pickle
import datetime
import threading
import dataclasses
from typing import Any, Callable, Generator, cast
from contextlib import contextmanager

import pytest
import hypothesis.strategies as st
from hypothesis import given, settings

from openai import APIError, OpenAIError, RateLimitError, APITimeoutError

FORMS: dict[str, Callable[[Any], Any]] = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    **{
        f"pickle-{protocol}": lambda error, protocol=protocol: pickle.loads(pickle.dumps(error, protocol))
        for protocol in (0, 2, pickle.HIGHEST_PROTOCOL)  # as those between them do
    },
}
HOOKS = ("__reduce__", "__reduce_ex__", "__copy__", "__deepcopy__")

plain = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(max_size=10),
    st.binary(max_size=10),
    st.decimals(allow_nan=False),
    st.fractions(),
    st.datetimes() | st.dates() | st.timedeltas(),
    st.uuids(),
    st.sampled_from([int, pickle.dumps, datetime.timezone.utc, range(3), ...]),
)
values = st.recursive(
    plain,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(st.text(max_size=5), inner, max_size=3),
        st.frozensets(st.integers() | st.text(max_size=3), max_size=3),
    ),
    max_leaves=6,
)
names = st.sampled_from(["one", "two", "three", "tenant", "message", "body", "code"])


def as_stock(self: Any, *args: Any) -> None:
    Exception.__init__(self, *args)


def with_default(self: Any, *args: Any, tenant: object = None) -> None:
    Exception.__init__(self, *args)
    vars(self)["tenant"] = tenant


def demanding(self: Any, *args: Any, tenant: object) -> None:
    Exception.__init__(self, *args)
    vars(self)["tenant"] = tenant


def restoring(self: Any, state: dict[str, Any]) -> None:
    self.__dict__.update(state, restored=sorted(state))


@dataclasses.dataclass
class Subclass:
    """What a user may write below a class of the SDK, as data."""

    base: type[Any]
    initializer: Callable[..., None] | None
    slots: tuple[str, ...] | None
    is_dataclass: bool
    restores: bool
    is_local: bool
    args: list[object]
    attributes: dict[str, object]
    notes: list[str]
    has_lock: bool

    def make(self) -> Any:
        """A new class, and an error of it."""
        members: dict[str, Any] = {"__module__": __name__, "__qualname__": "Local" if self.is_local else "Importable"}
        if self.initializer is not None:
            members["__init__"] = self.initializer
        if self.slots is not None and not self.is_dataclass:
            members["__slots__"] = self.slots
        if self.restores:
            members["__setstate__"] = restoring
        if self.is_dataclass:
            members.update(__annotations__={"field": object}, field="none")
        cls = type(members["__qualname__"], (self.base,), members)
        if self.is_dataclass:
            cls = dataclasses.dataclass(eq=False)(cls)
        error: Any = cls.__new__(cls, *self.args)
        error.args = tuple(self.args)
        for name, value in self.attributes.items():
            setattr(error, name, value)
        if self.notes:
            vars(error)["__notes__"] = self.notes
        if self.has_lock:
            error.lock = LOCK
        return error


LOCK = threading.Lock()
subclasses = st.builds(
    Subclass,
    base=st.sampled_from([OpenAIError, APIError, RateLimitError, APITimeoutError]),
    initializer=st.sampled_from([None, as_stock, with_default, demanding]),
    slots=st.none() | st.lists(st.sampled_from(["one", "two", "__three"]), unique=True).map(tuple),
    is_dataclass=st.booleans(),
    restores=st.booleans(),
    is_local=st.booleans(),
    args=st.lists(values, max_size=3),
    attributes=st.dictionaries(names, values, max_size=4),
    notes=st.lists(st.text(max_size=5), max_size=2),
    has_lock=st.booleans(),
)


@contextmanager
def stock() -> Generator[None]:
    """The SDK without the patch."""
    with pytest.MonkeyPatch.context() as patch:
        for hook in HOOKS:
            patch.delattr(APIError, hook)
        yield


def fields(error: Any) -> dict[str, Any]:
    """All that an error holds."""
    slots = [
        name.replace("__", f"_{cls.__name__}__") if name.startswith("__") else name
        for cls in type(error).__mro__
        for name in cast("tuple[str, ...]", vars(cls).get("__slots__", ()))
    ]
    held = {f"slot {name}": getattr(error, name) for name in slots if hasattr(error, name)}
    return {"class": type(error), "args": error.args, **vars(error), **held}


def outcome(form: str, error: Any) -> dict[str, Any] | Exception:
    """What a copy holds, or what was raised instead."""
    try:
        return fields(FORMS[form](error))
    except Exception as problem:
        return problem


@settings(max_examples=100, deadline=None, derandomize=bool(os.environ.get("CI")), database=None, print_blob=True)
@given(subclasses)
def test_exception_of_a_program_comes_out_as_on_stock(subclass: Subclass) -> None:
    error = subclass.make()
    with pytest.MonkeyPatch.context() as patch:
        if not subclass.is_local:
            patch.setattr(sys.modules[__name__], "Importable", cast(object, type(error)), raising=False)
        before = fields(error)
        for form in FORMS:
            with stock():
                theirs = outcome(form, error)
            ours = outcome(form, error)
            assert fields(error) == before, "the live error was changed"
            if not isinstance(theirs, Exception):
                # Nothing that stock keeps is lost or changed; more may be kept.
                assert not isinstance(ours, Exception), form
                kept = {name: value for name, value in theirs.items() if name in before and before[name] == value}
                assert {name: ours.get(name) for name in kept} == kept, form
                assert ours.keys() >= theirs.keys(), form
            elif isinstance(ours, Exception):
                # A class that is not importable, or a lock in a deep copy: refused as stock refuses it.
                assert type(ours) is type(theirs) and (
                    subclass.is_local or subclass.has_lock or not isinstance(error, APIError)
                ), form
            else:
                left_out = {"lock", "__notes__"} if subclass.has_lock else set[str]()
                assert {name for name in before if ours.get(name) != before[name]} <= left_out, form
