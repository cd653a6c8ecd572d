"""Typed errors for background runs of the Responses API.

A run that was started with `background=True` and fails is still polled with HTTP 200, so nothing is raised. With
`client.responses.retrieve(response_id, raise_on_failure=True)` what you get back is queued, in progress or completed;
anything else is raised, typed, with nothing lost. `raise_on_failure()` does the same for a response that was obtained
in any other way.

`import openai` loads the exceptions only, for `except` clauses; the rest is loaded on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import _errors
from ._errors import *

if TYPE_CHECKING:
    from ._table import CONTRACT as CONTRACT, CONTRACT_VERSION as CONTRACT_VERSION, Rule as Rule
    from ._verdict import (
        lookup as lookup,
        raise_on_failure as raise_on_failure,
        make_background_error as make_background_error,
    )

_LAZY = {
    "CONTRACT": "_table",
    "CONTRACT_VERSION": "_table",
    "Rule": "_table",
    "lookup": "_verdict",
    "make_background_error": "_verdict",
    "raise_on_failure": "_verdict",
}

__all__ = ["CONTRACT", "CONTRACT_VERSION", "Rule", "lookup", "raise_on_failure"]
__all__ += _errors.__all__

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        if name not in _LAZY:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        value = globals()[name] = getattr(import_module("." + _LAZY[name], __name__), name)
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *_LAZY})
