"""The exceptions of background runs that ended badly. This tree is the contract; `_table` says what each cause means.

    OpenAIError
    └─ APIError
       └─ BackgroundResponseError             a run that ended badly: the only class that a caller needs
          ├─ BackgroundIncompleteError        it stopped early; `reason` says why
          └─ BackgroundCancelledError         somebody cancelled it

`equivalent` is the class that a synchronous call raises for the same cause, `retryable` says whether a new run is worth
trying. `response` is the real poll with its real status, 200; nothing here pretends otherwise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Union, Mapping, cast
from typing_extensions import Self

import httpx2

from openai._utils import is_mapping
from openai._models import BaseModel, construct_type
from openai._exceptions import APIError, OpenAIError

if TYPE_CHECKING:
    from openai.types.beta import BetaResponse
    from openai.types.responses import Response


class BackgroundResponseError(APIError):
    """Raised when a run has ended other than by completing.

    Catch this class for every such ending, and decide by `retryable`: retry the create, never the retrieve, because a
    run that has ended does not change. The class itself is raised where the cause is not known.

    You get upstream's own classes instead when the poll fails and not the run: `APIConnectionError`, `APIStatusError`,
    `APIResponseValidationError`.

    `code`, `param` and `type` are those of the run's error, as strings or None; `body` is that error as it was sent, or
    without one the members that say how the run ended.
    """

    retryable: bool = False
    """Whether a new `create()` with the same arguments is worth trying. False where the cause is not known."""

    known: bool = False
    """False where the cause of a failure, or the reason of an incomplete run, is not in the table: then `retryable` is
    not a no, and a caller may decide otherwise."""

    equivalent: type[OpenAIError] | None = None
    """The class that a synchronous call raises for the same cause; None where there is none, or it is not known."""

    retry_after: float | None = None
    """Seconds to wait before a new `create()`, where the server says; it may also say so of what is not retryable."""

    response: httpx2.Response
    """The answer that brought the news. Where no HTTP answer is known (stored JSON), an empty one that was made:
    `response.extensions["synthetic"]` is True then, and its request names no URL."""

    request_id: str | None
    """The `x-request-id` of that answer, for support requests."""

    response_id: str | None = None
    """The id that was asked for, `resp_…`; where nothing was, the id in the body."""

    status: str | None = None
    """How the run ended: `failed`, `incomplete`, `cancelled` or `expired`, in these letters; another word, or None,
    where only an error told that it failed."""

    reason: str | None = None
    """`incomplete_details.reason`, also where it is none of the documented ones."""

    sequence_number: int | None = None
    """The last number of the stream that told of it; None from anywhere else."""

    def __init__(
        self,
        message: str,
        *,
        response: httpx2.Response,
        body: object | None,
        background_response: object | None = None,
        response_id: str | None = None,
        request_id: str | None = None,
        status: str | None = None,
        reason: str | None = None,
        sequence_number: int | None = None,
        retryable: bool = False,
        known: bool = False,
        equivalent: type[OpenAIError] | None = None,
        retry_after: float | None = None,
    ) -> None:
        # Not by `super()`: with a second base, the next initializer takes other arguments.
        OpenAIError.__init__(self, message)
        self.message = message
        self.request = response.request
        self.body = body
        members: Mapping[str, object] = body if is_mapping(body) else {}
        self.code, self.param, self.type = [text_of(members.get(name)) for name in ("code", "param", "type")]
        self.response = response
        self.response_id = response_id
        self.request_id = request_id or response.headers.get("x-request-id")
        self.status = status
        self.reason = reason
        self.sequence_number = sequence_number
        self.retryable = retryable
        self.known = known
        self.equivalent = equivalent
        self.retry_after = retry_after
        self._background_response = background_response

    @property
    def background_response(self) -> Response | BetaResponse:
        """The response as far as it got: `output`, `usage`. Always a model; made of the JSON where that is all there was."""
        if not isinstance(self._background_response, BaseModel):
            from openai.types.responses import Response

            data: Mapping[str, object] = self._background_response if is_mapping(self._background_response) else {}
            self._background_response = construct_type(type_=Response, value={**data})
        return cast("Union[Response, BetaResponse]", self._background_response)

    @property
    def output_text(self) -> str:
        """The text that the run had written, from every `output_text` part in `background_response`; '' without any."""
        items = getattr(self.background_response, "output", None)
        parts = [part for item in _list(items) for part in _list(member(item, "content"))]
        texts = [member(part, "text") for part in parts if member(part, "type") == "output_text"]
        return "".join(text for text in texts if isinstance(text, str))

    def to_dict(self, *, include_output: bool = False) -> dict[str, Any]:
        """The error as JSON-ready data, for logs and queues: what happened and what to do about it.

        It holds nothing of the request, no credential, and none of the output.

        Args:
          include_output: With `output` and `usage`, that is with text, arguments of tools and search results.
        """
        from ._json import to_dict

        return to_dict(self, include_output=include_output)

    @classmethod
    def from_dict(cls, data: Mapping[str, object]) -> Self:
        """The error behind `to_dict()`; its `response` is a made one, as for stored JSON.

        A class that this release does not know becomes the nearest one, by its equivalent. The cause and, unless it was
        asked for, the output do not come back.

        Raises:
          ValueError: `data` is not what `to_dict()` returns, or that of a class that is no `cls`.
        """
        from ._json import from_dict

        return from_dict(cls, BackgroundResponseError, data)


class BackgroundIncompleteError(BackgroundResponseError):
    """Raised when a run stopped before its end; `reason` says why, `output_text` is what it had written."""


class BackgroundCancelledError(BackgroundResponseError):
    """Raised when a run was cancelled, by this program or another one."""


def text_of(value: object) -> str | None:
    """A JSON scalar as text, or None: codes arrive as strings, as numbers, as null, and as anything else."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        return str(value)
    except ValueError:  # more digits than the interpreter writes
        return None


def word_of(status: object) -> str | None:
    """A status as it is compared, whatever letters a server wrote it in; None where it is no word."""
    return status.strip().lower() if isinstance(status, str) else None


def member(data: object, name: str) -> object:
    """One member of JSON or of a model; None where there is none."""
    return data.get(name) if is_mapping(data) else getattr(data, name, None)


def _list(value: object) -> list[object]:
    return cast("list[object]", value) if isinstance(value, list) else []
