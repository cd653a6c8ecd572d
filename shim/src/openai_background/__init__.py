"""Typed errors for background runs of the Responses API, on the `openai` package as it is.

    retrieve(client, response_id)          the response, or the error of its run
    poll(client, response_id)              the same, when the run has ended
    stream(client, response_id)            its events; `retrieve(..., stream=True)` without the accumulation
    raise_on_failure(response)             for a response that was obtained in any other way

Each takes an `OpenAI` or an `AsyncOpenAI`, subclasses like `AzureOpenAI` included; with the second it returns what has
to be awaited (`async with`, for `stream`). Nothing of `openai` is changed, and no call but these behaves differently.

Where `openai` has `openai.lib.background` itself, this package steps aside: its classes are the ones from there, and
its functions call the client's own methods. `CONTRACT_VERSION` is then that of `openai`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._calls import poll as poll, stream as stream, retrieve as retrieve

__all__ = ["poll", "retrieve", "stream"]

if TYPE_CHECKING:
    # A type checker sees the module that came along. The other one, where there is one, has the same names.
    from . import _contract
    from ._contract import *
    from ._contract._errors import *  # again: mypy does not see what `__all__` was added up from

    # pyright gives no type to an `__all__` that was added up from that of another module.
    __all__ += _contract.__all__  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
else:
    from ._side import contract

    __all__ += contract.__all__
    globals().update({name: getattr(contract, name) for name in contract.__all__})
