"""The rows for what servers send and no type of the SDK declares."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, get_args

import pytest
from inline_snapshot import snapshot

import openai
from openai.lib.background import CONTRACT, CONTRACT_VERSION, BackgroundIncompleteError
from openai.types.responses import ResponseError
from openai.lib.background._table import find_rule
from openai.types.responses.response import IncompleteDetails

from ._support import body, failed, error_of

CODES = get_args(ResponseError.__annotations__["code"])
REASONS = get_args(get_args(IncompleteDetails.__annotations__["reason"])[0])
SEEN = [row for row in CONTRACT if row.key not in (REASONS if row.kind == "reason" else CODES)]
LEGIBLE = [row for row in SEEN if row.kind != "reason" and (row.kind != "wrapper" or row.equivalent is not None)]


def test_contract_seen_values_are_these_rows() -> None:
    facts: dict[str, dict[str, Any]] = {}
    for row in SEEN:
        equivalent = row.equivalent.__name__ if row.equivalent else None
        facts.setdefault(row.kind, {})[row.key] = (equivalent, row.http_status, row.retryable)
    assert facts == snapshot(
        {
            "code": {
                "context_length_exceeded": ("BadRequestError", 400, False),
                "cyber_policy": ("BadRequestError", 400, False),
                "previous_response_not_found": ("BadRequestError", 400, False),
                "content_filter": ("BadRequestError", 400, False),
                "content_policy_violation": ("BadRequestError", 400, False),
                "moderation_blocked": ("BadRequestError", 400, False),
                "invalid_request": ("BadRequestError", 400, False),
                "conversation_locked": ("BadRequestError", 400, True),
                "invalid_api_key": ("AuthenticationError", 401, False),
                "ip_not_authorized": ("AuthenticationError", 401, False),
                "subscription_sharing_invalid_user": ("AuthenticationError", 401, False),
                "unsupported_country_region_territory": ("PermissionDeniedError", 403, False),
                "subscription_sharing_user_not_eligible": ("PermissionDeniedError", 403, False),
                "model_not_found": ("NotFoundError", 404, False),
                "resource_not_found": ("NotFoundError", 404, False),
                "http_error": (None, 424, False),
                "slow_down": ("RateLimitError", 429, True),
                "flex_unavailable": ("RateLimitError", 429, True),
                "resource_unavailable": ("RateLimitError", 429, True),
                "insufficient_quota": ("RateLimitError", 429, False),
                "credit_balance_exhausted": ("RateLimitError", 429, False),
                "project_spend_limit_exceeded": ("RateLimitError", 429, False),
                "organization_spend_limit_exceeded": ("RateLimitError", 429, False),
                "organization_usage_limit_exceeded": ("RateLimitError", 429, False),
                "billing_not_active": ("RateLimitError", 429, False),
                "billing_hard_limit_reached": ("RateLimitError", 429, False),
                "usage_limit_reached": ("RateLimitError", 429, False),
                "usage_limit_exceeded": ("RateLimitError", 429, False),
                "usage_not_included": ("RateLimitError", 429, False),
                "subscription_sharing_usage_limit_exceeded": ("RateLimitError", 429, False),
                "subscription_sharing_usage_unavailable": ("RateLimitError", 429, False),
                "storage_error": ("InternalServerError", 500, True),
                "connection_failed": ("InternalServerError", 502, True),
                "server_is_overloaded": ("InternalServerError", 503, True),
                "server_overloaded": ("InternalServerError", 503, True),
                "request_timeout": ("InternalServerError", 504, True),
                "sandbox_error": (None, None, False),
            },
            "wrapper": {
                "background_streaming_error": (None, None, False),
                "task_failed": (None, None, False),
                "processing_error": (None, None, False),
                "internal_error": ("InternalServerError", 500, True),
                "stream_terminated": ("InternalServerError", 502, True),
                "stream_read_error": ("InternalServerError", 502, True),
                "stream_error": ("InternalServerError", 502, True),
                "upstream_error": ("InternalServerError", 502, True),
                "upstream_provider_error": ("InternalServerError", 502, True),
            },
            "status": {
                "400": ("BadRequestError", 400, False),
                "401": ("AuthenticationError", 401, False),
                "402": (None, 402, False),
                "403": ("PermissionDeniedError", 403, False),
                "404": ("NotFoundError", 404, False),
                "408": (None, 408, True),
                "409": ("ConflictError", 409, True),
                "422": ("UnprocessableEntityError", 422, False),
                "429": ("RateLimitError", 429, True),
                "5xx": ("InternalServerError", 500, True),
            },
            "type": {
                "invalid_request_error": ("BadRequestError", 400, False),
                "image_generation_user_error": ("BadRequestError", 400, False),
                "image_tool_error": ("BadRequestError", 400, False),
                "content_too_large": ("BadRequestError", 400, False),
                "authentication_error": ("AuthenticationError", 401, False),
                "permission_error": ("PermissionDeniedError", 403, False),
                "request_forbidden": ("PermissionDeniedError", 403, False),
                "not_found_error": ("NotFoundError", 404, False),
                "conflict_error": ("ConflictError", 409, True),
                "rate_limit_error": ("RateLimitError", 429, True),
                "tokens": ("RateLimitError", 429, True),
                "requests": ("RateLimitError", 429, True),
                "too_many_requests": ("RateLimitError", 429, True),
                "billing_error": ("RateLimitError", 429, False),
                "api_error": ("InternalServerError", 500, True),
                "service_unavailable_error": ("InternalServerError", 503, True),
                "overloaded_error": ("InternalServerError", 503, True),
            },
            "reason": {"max_tokens": (None, None, False), "length": (None, None, False)},
        }
    )
    assert CONTRACT_VERSION == snapshot("2.2.0")


@pytest.mark.parametrize("name", ["code", "type"])
@pytest.mark.parametrize("row", LEGIBLE, ids=lambda row: row.key)
def test_failed_with_a_seen_word_says_what_its_row_says(row: Any, name: str) -> None:
    word = row.key.replace("5xx", "503")
    error = error_of(failed(**{"code": None, name: word}))
    assert (error.equivalent, error.retryable, error.known) == (row.equivalent, row.retryable, True)
    assert getattr(error, name) == word and f"({word})" in str(error)


# What Azure and gateways put in the place of a number.
@pytest.mark.parametrize("name", ["code", "type"])
@pytest.mark.parametrize(
    "status", [int(row.key) for row in SEEN if row.kind == "status" and row.key != "5xx"] + [502, 503, 504]
)
@pytest.mark.parametrize("spelled", ["phrase", "name", "camel"])
def test_failed_with_the_phrase_of_a_status_is_judged_by_the_status(name: str, status: int, spelled: str) -> None:
    phrase = HTTPStatus(status).phrase
    word = {"phrase": phrase, "name": HTTPStatus(status).name, "camel": phrase.replace(" ", "")}[spelled]
    error, of_number = error_of(failed(**{"code": None, name: word})), error_of(failed(code=str(status)))
    assert error.known and error.retryable == of_number.retryable
    if status != 408:  # there, the word is the code of a server that ran out of time
        assert error.equivalent is of_number.equivalent


@pytest.mark.parametrize("word", ["ImATeapot", "Gone", "not found in cache", "service_unavailable_for_you"])
def test_failed_with_words_like_a_phrase_stays_unknown(word: str) -> None:
    error = error_of(failed(code=word))
    assert not error.known and not error.retryable and error.equivalent is None


def test_each_word_has_one_row_whatever_its_kind() -> None:
    words = [row.key for row in CONTRACT if row.kind != "reason"]
    assert len(set(words)) == len(words)
    assert find_rule("reason", "content_filter") is not find_rule("code", "content_filter")
    assert find_rule("reason", "rate_limit_exceeded") is None and find_rule("type", "length") is None


@pytest.mark.parametrize("reason", ["max_tokens", "length", "MAX_TOKENS"])
def test_incomplete_with_a_seen_reason_is_known(reason: str) -> None:
    error = error_of(body("incomplete", incomplete_details={"reason": reason}))
    assert type(error) is BackgroundIncompleteError
    assert (error.reason, error.known, error.retryable) == (reason, True, False)


def test_quota_rows_are_rate_limits_that_are_not_retryable() -> None:
    stop = [row for row in CONTRACT if row.http_status == 429 and not row.retryable]
    assert all(row.equivalent is openai.RateLimitError and "Stop" in row.meaning for row in stop)
