"""The exceptions of background runs. This tree is the contract; `_table` says which code leads to which class.

    OpenAIError
    ├─ APIError
    │  ├─ BackgroundResponseError                  a run that ended badly: the only class a caller needs
    │  │  ├─ BackgroundBadRequestError             also a BadRequestError
    │  │  ├─ BackgroundAuthenticationError         also an AuthenticationError
    │  │  ├─ BackgroundPermissionDeniedError       also a PermissionDeniedError
    │  │  ├─ BackgroundNotFoundError               also a NotFoundError
    │  │  ├─ BackgroundConflictError               also a ConflictError
    │  │  ├─ BackgroundUnprocessableEntityError    also an UnprocessableEntityError
    │  │  ├─ BackgroundRateLimitError              also a RateLimitError
    │  │  ├─ BackgroundInternalServerError         also an InternalServerError
    │  │  ├─ BackgroundIncompleteError
    │  │  │  └─ BackgroundContentFilterError       also a ContentFilterFinishReasonError
    │  │  └─ BackgroundCancelledError
    │  └─ APIConnectionError
    │     └─ BackgroundStreamInterruptedError      the connection ended; the run goes on
    └─ BackgroundPollTimeoutError                  the wait ended, also a TimeoutError; the run goes on

Raised by `responses.retrieve(..., raise_on_failure=True)`, `responses.poll(..., raise_on_failure=True)`, the streams
with the same flag, and `openai.lib.background.raise_on_failure()`. The last two classes do not mean that a run
failed: they carry what is needed to go on with the same response id.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Mapping, Callable, cast
from typing_extensions import Self, override

from openai._exceptions import (
    APIError,
    OpenAIError,
    ConflictError,
    NotFoundError,
    RateLimitError,
    BadRequestError,
    APIConnectionError,
    AuthenticationError,
    InternalServerError,
    PermissionDeniedError,
    UnprocessableEntityError,
    ContentFilterFinishReasonError,
)

from ._shapes import member, text_of, request_of

if TYPE_CHECKING:
    import httpx2

    from openai.types.beta import BetaResponse
    from openai.types.responses import Response

__all__ = [
    "BackgroundAuthenticationError",
    "BackgroundBadRequestError",
    "BackgroundCancelledError",
    "BackgroundConflictError",
    "BackgroundContentFilterError",
    "BackgroundIncompleteError",
    "BackgroundInternalServerError",
    "BackgroundNotFoundError",
    "BackgroundPermissionDeniedError",
    "BackgroundPollTimeoutError",
    "BackgroundRateLimitError",
    "BackgroundResponseError",
    "BackgroundStreamInterruptedError",
    "BackgroundUnprocessableEntityError",
]


class _Travels:
    """Pickling, copying and JSON that keep every public field and no credential; see `_travel`."""

    def to_dict(self) -> dict[str, Any]:
        """The error as JSON-ready data for a log line or a queue; nothing of the request but its method and path."""
        from ._travel import to_dict

        return to_dict(cast(Any, self))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """The error that `to_dict()` gave, made again in a process that has nothing but the JSON.

        A class that this version does not know becomes the nearest one that it does; unknown fields are ignored.

        Raises:
          ValueError: `data` was not made by `to_dict()`, or holds an error of another family than `cls`.
        """
        from ._travel import from_dict

        return cast(Any, from_dict(cast(Any, cls), data))

    @override
    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        from ._travel import reduce

        return reduce(cast(Any, self))


class BackgroundResponseError(_Travels, APIError):
    """Raised when a run has ended other than by completing.

    Catch this class for every such ending. One of its subclasses is raised where the cause is known; the class
    itself is raised where it is not, and then claims no HTTP status and no retry.

    You do not get it when a poll fails (upstream's `APIConnectionError`, `APIStatusError`), when waiting takes too
    long (`BackgroundPollTimeoutError`) or when a stream breaks off (`BackgroundStreamInterruptedError`).

    `message`, `code`, `param`, `type` and `body` are what they are on every `APIError`; `body` is the `error` object
    of the response. `code` is a string or None, also where the API sent a number.
    """

    retryable: bool
    """Whether submitting a new `create()` with the same arguments is worth trying. False where the cause is unknown.

    It never means that the same response should be retrieved again: a response that has ended does not change.
    """

    retry_after: float | None
    """Seconds to wait before that new `create()`, as the API gave them in a field or in the message; else None."""

    status: str | None
    """How the run ended: `failed`, `incomplete` or `cancelled`, as the API sent it; None where it sent no status."""

    reason: str | None
    """`incomplete_details.reason`, or None."""

    response_id: str | None
    """The id of the response, `resp_…`. None only where neither the body nor the URL held one."""

    request_id: str | None
    """The `x-request-id` of the answer that brought the news, for support requests. None where there was none."""

    sequence_number: int | None
    """The number of the last stream event delivered, for `starting_after`. None for anything but a stream."""

    # An error can come from stored JSON or a webhook, without an HTTP exchange; upstream's attributes say otherwise.
    request: httpx2.Request | None  # pyright: ignore[reportIncompatibleVariableOverride]  # ty: ignore[invalid-attribute-override]
    """The request that polled or streamed. None where no HTTP exchange is known."""

    response: httpx2.Response | None
    """The real answer to that request, with its real status, 200. None where no HTTP exchange is known."""

    def __init__(
        self,
        message: str,
        *,
        response: httpx2.Response | None = None,
        body: object | None = None,
        background_response: object | None = None,
        response_id: str | None = None,
        request_id: str | None = None,
        status: str | None = None,
        reason: str | None = None,
        retryable: bool = False,
        retry_after: float | None = None,
        sequence_number: int | None = None,
    ) -> None:
        # Not by `super()`: the initializers of the second bases take other arguments, and APIStatusError's derives
        # the status from the answer.
        OpenAIError.__init__(self, message)
        self.message = message
        self.request = request_of(response)  # pyright: ignore[reportIncompatibleVariableOverride]
        self.body = body
        self.code, self.param, self.type = [text_of(member(body, name)) for name in ("code", "param", "type")]
        self.response = response
        self.request_id = request_id or (response.headers.get("x-request-id") if response is not None else None)
        self.status = status
        self.reason = reason
        self.response_id = response_id
        self.retryable = retryable
        self.retry_after = retry_after
        self.sequence_number = sequence_number
        self._background_response = background_response

    @property
    def background_response(self) -> Response | BetaResponse | None:
        """The response as far as it got: partial `output`, `usage`. None where only an error was sent.

        It is the object that was parsed; where there was only JSON it is built on first access.
        """
        from ._travel import as_model

        self._background_response = as_model(self._background_response)
        return cast(Any, self._background_response)


class BackgroundBadRequestError(BackgroundResponseError, BadRequestError):  # pyright: ignore[reportIncompatibleVariableOverride]  # ty: ignore[invalid-attribute-override]
    """Raised when a run failed for what a synchronous call answers with 400. Change the request before a new one."""


class BackgroundAuthenticationError(BackgroundResponseError, AuthenticationError):  # pyright: ignore[reportIncompatibleVariableOverride]  # ty: ignore[invalid-attribute-override]
    """Raised when a run failed for what a synchronous call answers with 401. Mend the credentials first."""


class BackgroundPermissionDeniedError(BackgroundResponseError, PermissionDeniedError):  # pyright: ignore[reportIncompatibleVariableOverride]  # ty: ignore[invalid-attribute-override]
    """Raised when a run failed for what a synchronous call answers with 403. The same request stays forbidden."""


class BackgroundNotFoundError(BackgroundResponseError, NotFoundError):  # pyright: ignore[reportIncompatibleVariableOverride]  # ty: ignore[invalid-attribute-override]
    """Raised when a run failed because what it names (a model, say) does not exist.

    A response id that does not exist gives upstream's own `NotFoundError` instead, from the poll itself.
    """


class BackgroundConflictError(BackgroundResponseError, ConflictError):  # pyright: ignore[reportIncompatibleVariableOverride]  # ty: ignore[invalid-attribute-override]
    """Raised when a run failed for what a synchronous call answers with 409. A new run may succeed."""


class BackgroundUnprocessableEntityError(BackgroundResponseError, UnprocessableEntityError):  # pyright: ignore[reportIncompatibleVariableOverride]  # ty: ignore[invalid-attribute-override]
    """Raised when a run failed for what a synchronous call answers with 422. Change the request before a new one."""


class BackgroundRateLimitError(BackgroundResponseError, RateLimitError):  # pyright: ignore[reportIncompatibleVariableOverride]  # ty: ignore[invalid-attribute-override]
    """Raised when a run failed for a limit: of rate, or of quota.

    Look at `retryable` before you create the run again. It is True for a rate limit, and `retry_after` may say when.
    It is False for an exhausted quota and for a request that is larger than the limit: those never succeed unchanged.
    """


class BackgroundInternalServerError(BackgroundResponseError, InternalServerError):  # pyright: ignore[reportIncompatibleVariableOverride]  # ty: ignore[invalid-attribute-override]
    """Raised when a run failed for a fault of the server. A new run may succeed."""

    status_code: int = 500
    """The status with which the same failure ends a synchronous call: 500, or a more exact 5xx where one is known."""


class BackgroundIncompleteError(BackgroundResponseError):
    """Raised when a run stopped before its end; `reason` says why, and `background_response` holds what it wrote.

    An ending for the reason `content_filter` gives `BackgroundContentFilterError`; `steered` raises nothing, since a
    successor carries on.
    """


class BackgroundContentFilterError(BackgroundIncompleteError, ContentFilterFinishReasonError):
    """Raised when a run stopped because its output was filtered. `completion` is None: there is no chat completion."""

    completion = None


class BackgroundCancelledError(BackgroundResponseError):
    """Raised when a run was cancelled, by this program or another. Nothing failed, so nothing is to be retried."""


class BackgroundStreamInterruptedError(_Travels, APIConnectionError):
    """Raised when a stream ended without a terminal event. The run behind it goes on.

    Go on with `retrieve(response_id, stream=True, starting_after=sequence_number)`, or wait with `poll(response_id)`.
    A run that ended badly gives a `BackgroundResponseError` instead.
    """

    request: httpx2.Request | None  # pyright: ignore[reportIncompatibleVariableOverride]  # ty: ignore[invalid-attribute-override]
    """The request that streamed. None on an error that has travelled without one."""

    response_id: str | None
    """The id of the response, `resp_…`."""

    sequence_number: int | None
    """The number of the last event delivered. None where none was; then resume without `starting_after`."""

    def __init__(
        self,
        message: str = "The stream ended without a terminal event.",
        *,
        request: httpx2.Request | None = None,
        response_id: str | None = None,
        sequence_number: int | None = None,
    ) -> None:
        super().__init__(message=message, request=cast(Any, request))
        self.response_id = response_id
        self.sequence_number = sequence_number


class BackgroundPollTimeoutError(_Travels, OpenAIError, TimeoutError):
    """Raised when `max_wait_seconds` have passed and the run has not ended. The run goes on.

    Nothing was cancelled: `poll(response_id)` takes up the wait again. `__cause__` is the fault of the last poll,
    where it failed.
    """

    message: str

    response_id: str
    """The id of the response, `resp_…`."""

    status: str | None
    """The status that the last good poll saw: `queued`, `in_progress`, or None where no poll succeeded."""

    elapsed_seconds: float
    """How long was waited, in seconds."""

    polls: int
    """How many polls were made, those that failed included."""

    def __init__(
        self,
        message: str = "The run has not ended within the time allowed.",
        *,
        response_id: str,
        status: str | None = None,
        elapsed_seconds: float = 0.0,
        polls: int = 0,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.response_id = response_id
        self.status = status
        self.elapsed_seconds = elapsed_seconds
        self.polls = polls
