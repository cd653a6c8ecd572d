"""The status family: errors that also are what a synchronous call raises for the same cause.

    BackgroundResponseError
    ├─ BackgroundBadRequestError             also a BadRequestError
    ├─ BackgroundAuthenticationError         also an AuthenticationError
    ├─ BackgroundPermissionDeniedError       also a PermissionDeniedError
    ├─ BackgroundNotFoundError               also a NotFoundError
    ├─ BackgroundConflictError               also a ConflictError
    ├─ BackgroundUnprocessableEntityError    also an UnprocessableEntityError
    ├─ BackgroundRateLimitError              also a RateLimitError
    ├─ BackgroundInternalServerError         also an InternalServerError
    └─ BackgroundIncompleteError
       └─ BackgroundContentFilterError       also a ContentFilterFinishReasonError

One for each class that a client makes of an HTTP status, so that handlers written for synchronous calls work around
create *and* wait. `status_code` is that of the class; the answer's own stays `response.status_code`, 200.

Decide by `retryable`, and retry the create, never the retrieve: a policy that retries `RateLimitError` blindly around
`retrieve` asks for a run that has ended for ever.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from openai._exceptions import (
    OpenAIError,
    ConflictError,
    NotFoundError,
    RateLimitError,
    BadRequestError,
    AuthenticationError,
    InternalServerError,
    PermissionDeniedError,
    UnprocessableEntityError,
    ContentFilterFinishReasonError,
)

from ._errors import BackgroundResponseError, BackgroundIncompleteError

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletion


class BackgroundBadRequestError(BackgroundResponseError, BadRequestError):
    """Raised when a run failed for what a synchronous call answers with 400. Change the request before a new one."""


class BackgroundAuthenticationError(BackgroundResponseError, AuthenticationError):
    """Raised when a run failed for what a synchronous call answers with 401. Mend the credentials first."""


class BackgroundPermissionDeniedError(BackgroundResponseError, PermissionDeniedError):
    """Raised when a run failed for what a synchronous call answers with 403. The same request stays forbidden."""


class BackgroundNotFoundError(BackgroundResponseError, NotFoundError):
    """Raised when a run failed because what it names (a model, say) does not exist.

    A response id that does not exist gives upstream's own `NotFoundError` instead, from the poll itself.
    """


class BackgroundConflictError(BackgroundResponseError, ConflictError):
    """Raised when a run failed for what a synchronous call answers with 409. A new run may succeed."""


class BackgroundUnprocessableEntityError(BackgroundResponseError, UnprocessableEntityError):
    """Raised when a run failed for what a synchronous call answers with 422. Change the request before a new one."""


class BackgroundRateLimitError(BackgroundResponseError, RateLimitError):
    """Raised when a run failed for a limit, of rate or of quota. Look at `retryable` before you create it again."""


class BackgroundInternalServerError(BackgroundResponseError, InternalServerError):
    """Raised when a run failed for a fault of the server. A new run may succeed."""

    status_code: int = 500


class BackgroundContentFilterError(BackgroundIncompleteError, ContentFilterFinishReasonError):
    """Raised when a run stopped because a content filter stopped its output.

    `completion` is always None, since there is no chat completion; `output_text` is what the run had written.
    """

    completion: ChatCompletion | None = None


_FAMILY: dict[type[OpenAIError], type[BackgroundResponseError]] = {
    BadRequestError: BackgroundBadRequestError,
    AuthenticationError: BackgroundAuthenticationError,
    PermissionDeniedError: BackgroundPermissionDeniedError,
    NotFoundError: BackgroundNotFoundError,
    ConflictError: BackgroundConflictError,
    UnprocessableEntityError: BackgroundUnprocessableEntityError,
    RateLimitError: BackgroundRateLimitError,
    InternalServerError: BackgroundInternalServerError,
    ContentFilterFinishReasonError: BackgroundContentFilterError,
}


def in_family(
    error_class: type[BackgroundResponseError], equivalent: type[OpenAIError] | None
) -> type[BackgroundResponseError]:
    """The class for an error whose `equivalent` is that one; `error_class` itself where the family has none."""
    return _FAMILY.get(equivalent, error_class) if equivalent is not None else error_class
