"""What each `except` clause gives, and the type of every public attribute: checked by mypy, pyright and ty, never run."""

from __future__ import annotations

from typing import Any, Callable
from typing_extensions import assert_type

import httpx2

import openai
from openai import (
    APIError,
    OpenAIError,
    RateLimitError,
    BadRequestError,
    APIConnectionError,
    InternalServerError,
    BackgroundConflictError,
    BackgroundNotFoundError,
    BackgroundResponseError,
    BackgroundCancelledError,
    BackgroundRateLimitError,
    BackgroundBadRequestError,
    BackgroundIncompleteError,
    BackgroundPollTimeoutError,
    BackgroundContentFilterError,
    BackgroundStreamTimeoutError,
    BackgroundAuthenticationError,
    BackgroundInternalServerError,
    ContentFilterFinishReasonError,
    BackgroundPermissionDeniedError,
    BackgroundStreamInterruptedError,
    BackgroundUnprocessableEntityError,
)
from openai.types.beta import BetaResponse
from openai.lib.background import CONTRACT_VERSION, raise_on_failure
from openai.types.responses import Response


def clauses(call: Callable[[], object]) -> None:
    """The clauses from the most specific to the widest; written for synchronous calls, they still apply."""
    try:
        call()
    except BackgroundRateLimitError as error:
        assert_type(error, BackgroundRateLimitError)
        as_stock: RateLimitError = error
        del as_stock
    except RateLimitError as error:
        assert_type(error, RateLimitError)
    except (BackgroundBadRequestError, BackgroundNotFoundError) as error:
        assert_type(error, BackgroundBadRequestError | BackgroundNotFoundError)
        assert_type(error.retryable, bool)
    except BackgroundIncompleteError as error:
        assert_type(error.reason, str | None)
    except BackgroundResponseError as error:
        assert_type(error, BackgroundResponseError)
    except BackgroundStreamInterruptedError as error:
        assert_type(error, BackgroundStreamInterruptedError)
    except BackgroundPollTimeoutError as error:
        assert_type(error, BackgroundPollTimeoutError)
    except TimeoutError as error:
        assert_type(error, TimeoutError)
    except APIError as error:
        assert_type(error, APIError)
    except OpenAIError as error:
        assert_type(error, OpenAIError)


def bases(
    conflict: BackgroundConflictError,
    cancelled: BackgroundCancelledError,
    bad: BackgroundBadRequestError,
    server: BackgroundInternalServerError,
    filtered: BackgroundContentFilterError,
    interrupted: BackgroundStreamInterruptedError,
    waited: BackgroundPollTimeoutError,
    unauthenticated: BackgroundAuthenticationError,
    denied: BackgroundPermissionDeniedError,
    unprocessable: BackgroundUnprocessableEntityError,
    timed_out: BackgroundStreamTimeoutError,
) -> None:
    """Each class is its second base, too."""
    _0: openai.ConflictError = conflict
    _1: APIError = cancelled
    _2: BadRequestError = bad
    _3: InternalServerError = server
    _4: ContentFilterFinishReasonError = filtered
    _5: BackgroundIncompleteError = filtered
    _6: APIConnectionError = interrupted
    _7: TimeoutError = waited
    _8: openai.AuthenticationError = unauthenticated
    _9: openai.PermissionDeniedError = denied
    _10: openai.UnprocessableEntityError = unprocessable
    _11: BackgroundStreamInterruptedError = timed_out
    _12: BackgroundResponseError = interrupted  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]  # ty: ignore[invalid-assignment]


def attributes(error: BackgroundResponseError) -> None:
    """The base class."""
    assert_type(error.message, str)
    assert_type(error.code, str | None)
    assert_type(error.param, str | None)
    assert_type(error.type, str | None)
    assert_type(error.body, object | None)
    assert_type(error.status, str | None)
    assert_type(error.reason, str | None)
    assert_type(error.response_id, str | None)
    assert_type(error.request_id, str | None)
    assert_type(error.request, httpx2.Request)
    assert_type(error.response, httpx2.Response)
    assert_type(error.background_response, Response | BetaResponse)
    assert_type(error.output_text, str)
    assert_type(error.retryable, bool)
    assert_type(error.known, bool)
    assert_type(error.equivalent, type[OpenAIError] | None)
    assert_type(error.retry_after, float | None)
    assert_type(error.sequence_number, int | None)
    assert_type(error.to_dict(), dict[str, Any])
    assert_type(BackgroundResponseError.from_dict({}), BackgroundResponseError)
    _ = error.status_code  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownVariableType]  # ty: ignore[missing-attribute]


def with_status(
    bad: BackgroundBadRequestError,
    limit: BackgroundRateLimitError,
    server: BackgroundInternalServerError,
    missing: BackgroundNotFoundError,
) -> None:
    """The classes with a status have one, and what they share with the base is the base's."""
    _: int = bad.status_code
    _ = limit.status_code
    _ = missing.status_code
    assert_type(server.status_code, int)
    assert_type(limit.retryable, bool)
    assert_type(limit.response, httpx2.Response)
    assert_type(limit.request_id, str | None)
    assert_type(limit.background_response, Response | BetaResponse)
    assert_type(BackgroundRateLimitError.from_dict({}), BackgroundRateLimitError)


def others(interrupted: BackgroundStreamInterruptedError, waited: BackgroundPollTimeoutError) -> None:
    """The two that do not mean that a run failed."""
    assert_type(interrupted.response_id, str | None)
    assert_type(interrupted.sequence_number, int | None)
    assert_type(interrupted.request, httpx2.Request)
    assert_type(interrupted.resumable, bool)
    assert_type(interrupted.message, str)
    assert_type(waited.response_id, str)
    assert_type(waited.status, str | None)
    assert_type(waited.elapsed_seconds, float)
    assert_type(waited.polls, int)
    _ = waited.retryable  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownVariableType]  # ty: ignore[missing-attribute]


def function(response: Response, beta: BetaResponse) -> None:
    """`raise_on_failure` gives back what it got."""
    assert_type(raise_on_failure(response), Response)
    assert_type(raise_on_failure(beta), BetaResponse)
    _: str = CONTRACT_VERSION
