"""Typed errors for background runs of the Responses API, on the `openai` package as it is.

    retrieve(client, response_id)          the response, or the error of its run
    poll(client, response_id)              the same, when the run has ended
    stream(client, response_id)            its events; `retrieve(..., stream=True)` without the accumulation
    follow(client, response_id)            its events to the end, however often the stream breaks
    raise_on_failure(response)             for a response that was obtained in any other way

Each takes an `OpenAI` or an `AsyncOpenAI`, subclasses like `AzureOpenAI` included; with the second it returns what has
to be awaited (`async with`, for `stream`). Nothing of `openai` is changed, and no call but these behaves differently.

Where `openai` has `openai.lib.background` itself, this package steps aside: its classes are the ones from there, and
its functions call the client's own methods. `CONTRACT_VERSION` is then that of `openai`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._calls import poll as poll, follow as follow, stream as stream, retrieve as retrieve

__all__ = ["CONTRACT", "CONTRACT_VERSION", "Rule", "follow", "poll", "raise_on_failure", "retrieve", "stream"]

if TYPE_CHECKING:
    # A type checker sees the module that came along. The other one, where there is one, has the same names.
    from . import _contract
    from ._contract import *
    from ._contract import (
        CONTRACT as CONTRACT,  # noqa: TC004
        CONTRACT_VERSION as CONTRACT_VERSION,  # noqa: TC004
        Rule as Rule,  # noqa: TC004
        raise_on_failure as raise_on_failure,  # noqa: TC004
    )

    __all__ += _contract.__all__
else:
    from ._side import NATIVE, contract

    __all__ += contract.__all__
    globals().update({name: getattr(contract, name) for name in __all__ if name not in globals()})
    if not NATIVE:
        # As `openai` does with its own: tracebacks show the name to import, and so does a pickle, which has to come
        # back as the class of the side that is in force where it is read.
        for _name in contract.__all__:
            globals()[_name].__module__ = __name__

        from ._pickling import let_travel

        let_travel(contract.BackgroundResponseError)
        let_travel(contract.BackgroundStreamInterruptedError)
