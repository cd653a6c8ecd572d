"""The request option `raise_on_failure`: where it is set, and where it is honoured.

It is honoured where an answer is parsed, in one place for the plain call, the raw and the streaming wrapper. An answer
that is no response at all is a fault of the poll, not of the run: an `APIResponseValidationError`.
"""

from __future__ import annotations

from typing import Any, cast
from typing_extensions import Literal, TypedDict

from openai._models import BaseModel, add_request_id
from openai._streaming import Stream, AsyncStream
from openai._exceptions import APIResponseValidationError

from ._errors import BackgroundResponseError
from ._stream import watch, asked_for
from ._verdict import GOING_WELL, is_model, is_response


class RequestOption(TypedDict, total=False):
    """The option as an argument of `make_request_options`; nothing where it is not asked for."""

    raise_on_failure: Literal[True]


def request_option(raise_on_failure: bool) -> RequestOption:
    """The option for a `retrieve`."""
    return {"raise_on_failure": True} if raise_on_failure else {}


def parse_or_raise(answer: Any, to: Any) -> Any:
    """What `answer._parse(to=to)` gives, unless its run ended badly.

    Args:
      answer: An APIResponse, AsyncAPIResponse or LegacyAPIResponse whose body was read, or that gives a stream.
      to: The type to parse into instead of the one asked for, or None.
    """
    parsed = answer._parse(to=to)
    if isinstance(parsed, (Stream, AsyncStream)):
        return watch(cast("Stream[Any]", parsed), response_id=asked_for(answer._options.url))
    if is_model(parsed) and parsed.object == "response" and parsed.status in GOING_WELL:
        return parsed  # nearly always; the answer is not read a second time
    error = _error(answer, parsed)
    if error is None:
        return parsed
    # A traceback with locals must not print what the response echoes of the request, nor keep the error alive.
    del parsed
    try:
        raise error
    finally:
        del error


def _error(answer: Any, parsed: object) -> Exception | None:
    """What was sent decides, whatever it was parsed into."""
    http = answer.http_response
    try:
        body = http.json()
    except (ValueError, RuntimeError):  # no JSON; or nothing that could be read
        body = parsed if isinstance(parsed, str) else None
    if not is_response(body, asked_for=True):
        return APIResponseValidationError(
            http, body, message="The answer to a request for a response holds none; the request failed, not the run."
        )
    error: Exception | None = answer._client._make_background_error(
        body, response=http, response_id=asked_for(answer._options.url)
    )
    if isinstance(error, BackgroundResponseError) and isinstance(parsed, BaseModel) and is_model(parsed):
        add_request_id(parsed, answer.request_id)
        error._background_response = parsed
    return error
