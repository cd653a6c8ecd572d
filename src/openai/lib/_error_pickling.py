"""How an `APIError` is copied and pickled: as Python does it, but for the HTTP exchange, which holds the API key.

A copy never leaves the process, so it holds what the error holds. In a pickle `_error_redaction` says what leaves of the
exchange; what cannot be pickled is left out, and a note on the loaded error names it. Everything else is what the class
and Python make of it: args, attributes, slots, notes, `__new__`, `__init__`, `__reduce__`, `__setstate__`. The error that
is copied or pickled is not changed.
"""

from __future__ import annotations

import copy
import types
import pickle
import copyreg
from typing import Any, Mapping, TypeVar, Callable, cast
from functools import partial

from ._error_redaction import Redaction, redact_chain

E = TypeVar("E", bound=BaseException)


def reduce_error(
    error: BaseException, base: type[BaseException], protocol: int = pickle.DEFAULT_PROTOCOL
) -> str | tuple[Any, ...]:
    """What `__reduce_ex__` returns for an error of the family of `base`."""
    if type(error) in copyreg.dispatch_table:
        redact_chain(error, base)
    made = _as_python(error, base)
    if isinstance(made, str):
        return made
    clean = Redaction(error, base, protocol)
    function, args = made[0], clean.items(made[1])
    if _is_own(error, made):
        slots = clean.members(_slots(error))
        return rebuild, (function, *args), (args, slots, clean.state(_state(made))), None, None, restore
    return clean.value_or(function, function), args, clean.state(_state(made)), *made[3:]


def copy_error(error: E, base: type[BaseException], memo: dict[int, Any] | None = None) -> E:
    """What `__copy__` returns for an error of the family of `base`, and with a memo `__deepcopy__`."""
    made = error.__reduce_ex__(4) if _overrides(error, base, "__reduce_ex__") else _as_python(error, base)
    if isinstance(made, str):
        return error
    function, args, state = cast("Callable[..., E]", made[0]), made[1], _state(made)
    setter: Callable[[Any, Any], None] = _set_state
    if _is_own(error, made):
        function, state, setter = partial(rebuild, type(error)), (args, _slots(error), state), restore
    if memo is None:
        copied = function(*args)
    else:
        copied = memo[id(error)] = function(*copy.deepcopy(args, memo))
        state = copy.deepcopy(state, memo)
    setter(copied, state)
    return copied


def rebuild(cls: type[E], *args: object) -> E:
    """An error with these args. As Python makes it, by calling the class; where its initializer wants more, without."""
    native = next(base for base in cls.__mro__ if base.__module__ == "builtins")
    makers: list[Callable[..., E]] = [cls, partial(cls.__new__, cls)]
    for make in makers:
        try:
            return make(*args)
        except Exception:  # whatever a class says to args that are not those of its initializer
            continue
    return cast(E, cast(Any, native).__new__(cls, *args))


def restore(error: BaseException, state: tuple[tuple[object, ...], Mapping[str, object], object]) -> None:
    """Give a rebuilt error its args, slots and attributes; the latter as Python does, by the `__setstate__` it may have."""
    args, slots, attributes = state
    for name, value in {"args": args, **slots}.items():
        object.__setattr__(error, name, value)  # a frozen dataclass refuses its own
    _set_state(error, attributes)


def _set_state(error: Any, state: object) -> None:
    if state is not None:
        error.__setstate__(state)


def _as_python(error: BaseException, base: type[BaseException]) -> Any:
    """What `__reduce__` gives without us: a subclass's own, or that of the class behind `base`."""
    return error.__reduce__() if _overrides(error, base, "__reduce__") else super(base, error).__reduce__()


def _state(made: tuple[Any, ...]) -> Any:
    return made[2] if len(made) > 2 else None


def _overrides(error: BaseException, base: type[BaseException], name: str) -> bool:
    return getattr(type(error), name) is not getattr(base, name)


def _is_own(error: BaseException, made: tuple[Any, ...]) -> bool:
    """Whether that is what Python makes of an exception: its class, its args and its attributes."""
    return made[0] is type(error) and made[1] is error.args and len(made) <= 3


def _slots(error: BaseException) -> dict[str, object]:
    """The slots that are set. Python leaves them to the initializer."""
    bases = [vars(base) for base in type(error).__mro__ if "__slots__" in vars(base)]
    names = [name for base in bases for name, member in base.items() if isinstance(member, types.MemberDescriptorType)]
    return {name: getattr(error, name) for name in names if hasattr(error, name)}
