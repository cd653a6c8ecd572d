"""Typed errors for background runs that ended badly: `_errors` is the class tree, `_table` the rows, `_verdict` asks them.

A run that was started with `background=True` and fails is still polled with HTTP 200, so nothing is raised. With
`client.responses.retrieve(response_id, raise_on_failure=True)` what comes back is completed or has not ended yet;
everything else is raised. `raise_on_failure()` does the same for a response from any other call.
"""

from ._table import CONTRACT as CONTRACT, CONTRACT_VERSION as CONTRACT_VERSION, Rule as Rule
from ._errors import (
    BackgroundResponseError as BackgroundResponseError,
    BackgroundCancelledError as BackgroundCancelledError,
    BackgroundIncompleteError as BackgroundIncompleteError,
)
from ._follow import (
    FollowedRun as FollowedRun,
    AsyncFollowedRun as AsyncFollowedRun,
    follow as follow,
)
from ._stream import (
    BackgroundStreamTimeoutError as BackgroundStreamTimeoutError,
    BackgroundStreamInterruptedError as BackgroundStreamInterruptedError,
)
from ._verdict import raise_on_failure as raise_on_failure
from ._poll_timeout import BackgroundPollTimeoutError as BackgroundPollTimeoutError
from ._status_family import (
    BackgroundConflictError as BackgroundConflictError,
    BackgroundNotFoundError as BackgroundNotFoundError,
    BackgroundRateLimitError as BackgroundRateLimitError,
    BackgroundBadRequestError as BackgroundBadRequestError,
    BackgroundContentFilterError as BackgroundContentFilterError,
    BackgroundAuthenticationError as BackgroundAuthenticationError,
    BackgroundInternalServerError as BackgroundInternalServerError,
    BackgroundPermissionDeniedError as BackgroundPermissionDeniedError,
    BackgroundUnprocessableEntityError as BackgroundUnprocessableEntityError,
)

# What `openai` exports, too.
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
    "BackgroundStreamTimeoutError",
    "BackgroundUnprocessableEntityError",
]
