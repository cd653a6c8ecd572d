"""What the contract takes of `openai` and its HTTP library, from where this release has it: the one place that knows.

The contract is written for the release that the fork is made from. The build lets those of its imports come from here
that an older release cannot serve (`MOVED` in hatch_build.py), and changes nothing else of it.

    httpx2                      the HTTP library that `openai` is made for: httpx before 3.0
    status_exceptions, normalize_httpx_timeout      where that is the only one, there is nothing to tell apart
    BetaResponse, …             where there is no `client.beta.responses`, classes that nothing is an instance of
    _make_tools                 it has moved
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Union, Annotated
from importlib import import_module

import openai

__all__ = [
    "BetaResponse",
    "BetaResponseCompletedEvent",
    "BetaResponseIncludable",
    "BetaResponseStreamEvent",
    "httpx2",
    "normalize_httpx_timeout",
    "status_exceptions",
]

if TYPE_CHECKING:
    # A type checker sees the newest release; on an older one it takes what is not there for `Any`.
    try:
        import httpx2
    except ModuleNotFoundError:
        import httpx as httpx2

    from openai._httpx2 import status_exceptions, normalize_httpx_timeout
    from openai.types.beta import (
        BetaResponse,
        BetaResponseIncludable,  # noqa: TC004  (no class, so that nothing asks for it when it runs)
        BetaResponseStreamEvent,
        BetaResponseCompletedEvent,
    )
    from openai.lib._response_resources import _make_tools as _make_tools
else:
    httpx2 = import_module("httpx" if int(openai.__version__.partition(".")[0]) < 3 else "httpx2")

    try:
        from openai._httpx2 import status_exceptions, normalize_httpx_timeout
    except ModuleNotFoundError:

        def status_exceptions():
            return (httpx2.HTTPStatusError,)

        def normalize_httpx_timeout(value):
            return value

    try:
        from openai.types.beta import BetaResponse, BetaResponseStreamEvent, BetaResponseCompletedEvent
    except ImportError:
        from openai._models import BaseModel

        class BetaResponse(BaseModel):
            """Stands where newer releases have a class."""

        class BetaResponseCompletedEvent(BaseModel):
            """Stands where newer releases have a class."""

        BetaResponseStreamEvent = Annotated[Union[BetaResponse, BetaResponseCompletedEvent], "as events are"]

    try:
        from openai.lib._response_resources import _make_tools as _make_tools
    except ModuleNotFoundError:
        from openai.resources.responses.responses import _make_tools as _make_tools
