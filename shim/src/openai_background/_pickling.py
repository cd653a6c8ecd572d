"""Errors of runs and of broken streams cross processes on a stock `openai`, too; there the SDK's own do not.

On the fork they inherit it from `APIError`. Here the classes of the contract, and no others, get the same methods.
"""

from __future__ import annotations

from typing import Any

from ._error_pickling import copy_error, reduce_error

__all__ = ["let_travel"]


def let_travel(base: type[Any]) -> None:
    """Gives a class of ours, and so its subclasses, what `APIError` has on the fork."""

    def __reduce__(self: Any) -> Any:
        # An override that builds on this gets what Python makes; `__reduce_ex__` looks through what it returns.
        overridden = type(self).__reduce__ is not base.__reduce__
        return super(base, self).__reduce__() if overridden else reduce_error(self, base)

    def __reduce_ex__(self: Any, protocol: Any) -> Any:
        return reduce_error(self, base, int(protocol))

    def __copy__(self: Any) -> Any:
        return copy_error(self, base)

    def __deepcopy__(self: Any, memo: dict[int, Any]) -> Any:
        return copy_error(self, base, memo)

    for method in (__reduce__, __reduce_ex__, __copy__, __deepcopy__):
        setattr(base, method.__name__, method)
