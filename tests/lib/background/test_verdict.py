"""Which witness decides, and which never does: code, number, type, the status of an event, and the message."""

from __future__ import annotations

from typing import Any

import pytest

import openai

from ._support import RESPONSE_ID, Api, answer, failed, verdict, background, incomplete

QUOTA_CODES = (
    "insufficient_quota",
    "credit_balance_exhausted",
    "project_spend_limit_exceeded",
    "organization_spend_limit_exceeded",
    "organization_usage_limit_exceeded",
    "billing_not_active",
    "billing_hard_limit_reached",
    "usage_limit_reached",
    "usage_not_included",
)
QUOTA_TYPES = ("insufficient_quota", "usage_limit_reached", "billing_error")
TRANSIENT_CODES = ("rate_limit_exceeded", "slow_down", "server_error", "conversation_locked", 408, 409, 429, "500", 503)
TOO_LARGE = "Request too large for model-under-test: Limit 30000, Requested 41000. The input must be reduced."


@pytest.mark.parametrize("type_", [..., None, "rate_limit_error", "server_error", "requests"])
@pytest.mark.parametrize("code", QUOTA_CODES)
def test_quota_code_whatever_the_type_is_not_retryable(code: str, type_: Any) -> None:
    error = verdict(failed(code, "Please try again in 20s.", type=type_))
    assert error.retryable is False
    assert isinstance(error, openai.RateLimitError)


@pytest.mark.parametrize("type_", QUOTA_TYPES)
@pytest.mark.parametrize("code", [*TRANSIENT_CODES, "no_such_code", "", None, ..., 418])
async def test_quota_type_whatever_the_code_is_not_retryable(api: Api, code: Any, type_: str) -> None:
    assert (await api.error(failed(code, type=type_))).retryable is False


@pytest.mark.parametrize("code", TRANSIENT_CODES)
def test_transient_code_without_a_quota_type_is_retryable(code: Any) -> None:
    assert verdict(failed(code, type="invalid_request_error")).retryable is True
    assert verdict(failed(code)).retryable is True


@pytest.mark.parametrize("message", [TOO_LARGE, TOO_LARGE.upper(), "Note: " + TOO_LARGE])
async def test_rate_limit_of_a_request_too_large_is_not_retryable(api: Api, message: str) -> None:
    error = await api.error(failed("rate_limit_exceeded", message, type="tokens"))
    assert type(error) is background.BackgroundRateLimitError
    assert error.retryable is False


async def test_rate_limit_of_too_many_requests_is_retryable(api: Api) -> None:
    error = await api.error(failed("rate_limit_exceeded", "Rate limit reached on requests per day.", type="requests"))
    assert type(error) is background.BackgroundRateLimitError
    assert error.retryable is True


@pytest.mark.parametrize("as_text", [False, True], ids=["int", "str"])
@pytest.mark.parametrize(
    ("number", "stock", "retryable"),
    [
        (400, openai.BadRequestError, False),
        (401, openai.AuthenticationError, False),
        (403, openai.PermissionDeniedError, False),
        (404, openai.NotFoundError, False),
        (409, openai.ConflictError, True),
        (422, openai.UnprocessableEntityError, False),
        (429, openai.RateLimitError, True),
        (500, openai.InternalServerError, True),
        (502, openai.InternalServerError, True),
        (529, openai.InternalServerError, True),
        (599, openai.InternalServerError, True),
    ],
)
async def test_numeric_code_is_read_as_an_http_status(
    api: Api, number: int, stock: Any, retryable: bool, as_text: bool
) -> None:
    error = await api.error(failed(str(number) if as_text else number))
    assert isinstance(error, stock)
    assert (error.status_code, error.retryable, error.code) == (number, retryable, str(number))


@pytest.mark.parametrize("as_text", [False, True], ids=["int", "str"])
@pytest.mark.parametrize(("number", "retryable"), [(402, False), (408, True), (424, False), (418, False), (302, False)])
async def test_numeric_code_without_a_stock_class_is_the_base_class(
    api: Api, number: int, retryable: bool, as_text: bool
) -> None:
    error = await api.error(failed(str(number) if as_text else number))
    assert type(error) is background.BackgroundResponseError
    assert error.retryable is retryable
    assert not hasattr(error, "status_code")


@pytest.mark.parametrize(
    "code", [0, -500, 5, 50, 5000, 600, 10**30, "5000", "0500", "5٠٠", " 500", "500 ", "5oo", "٥٠٠", 500.5]
)
def test_number_that_is_no_http_status_is_the_base_class(code: Any) -> None:
    error = verdict(failed(code))
    assert type(error) is background.BackgroundResponseError
    assert error.retryable is False
    assert error.code == str(code)


@pytest.mark.parametrize("code", [True, False, [], {}, ["server_error"], {"server_error": 1}])
def test_code_that_is_no_scalar_is_no_code(code: Any) -> None:
    error = verdict(failed(code))
    assert (error.code, error.retryable) == (None, False)
    assert error.body["code"] == code
    assert type(error) is background.BackgroundResponseError


@pytest.mark.parametrize("type_", ["invalid_request_error", "rate_limit_error", "not_found_error", "no_such_type"])
async def test_known_code_outranks_the_type(api: Api, type_: str) -> None:
    assert type(await api.error(failed("misalignment_policy_violation", type=type_))) is (
        background.BackgroundPermissionDeniedError
    )


async def test_numeric_code_outranks_the_type(api: Api) -> None:
    error = await api.error(failed(503, type="invalid_request_error"))
    assert type(error) is background.BackgroundInternalServerError


@pytest.mark.parametrize("code", ["no_such_code", "", None, ..., 418, 7.5, []])
async def test_type_decides_where_the_code_is_not_known(api: Api, code: Any) -> None:
    error = await api.error(failed(code, type="permission_error"))
    assert type(error) is background.BackgroundPermissionDeniedError
    assert error.status_code == 403


@pytest.mark.parametrize("type_", [..., None, "", "no_such_type", "SERVER_ERROR", 500, [], {"a": 1}, True])
@pytest.mark.parametrize("code", [..., None, "no_such_code", "Server_Error"])
def test_unknown_code_and_type_are_the_base_class_and_not_retryable(code: Any, type_: Any) -> None:
    error = verdict(failed(code, "The server is overloaded, please retry in 3s.", type=type_))
    assert type(error) is background.BackgroundResponseError
    assert error.retryable is False
    assert not hasattr(error, "status_code")


@pytest.mark.parametrize("type_", [[], {}, ["billing_error"], 7])
@pytest.mark.parametrize("code", ["server_error", "rate_limit_exceeded", 500])
def test_type_that_is_no_string_leaves_the_code_to_decide(code: Any, type_: Any) -> None:
    assert verdict(failed(code, type=type_)).retryable is True


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ({"message": "odd"}, background.BackgroundBadRequestError),
        ({"code": "no_such_code", "type": "no_such_type"}, background.BackgroundBadRequestError),
        ({"type": "rate_limit_error"}, background.BackgroundRateLimitError),
        ({"code": "server_error"}, background.BackgroundInternalServerError),
        ({"code": 404, "type": "rate_limit_error"}, background.BackgroundNotFoundError),
    ],
    ids=["alone", "unknown-others", "type", "code", "number"],
)
def test_status_of_an_event_is_the_last_witness(error: dict[str, Any], expected: type[Exception]) -> None:
    assert type(verdict({"type": "error", "status": 400, "error": error})) is expected


@pytest.mark.parametrize("status", [None, "400", True, 99, 10**20, []])
def test_status_of_an_event_that_is_no_status_is_ignored(status: Any) -> None:
    error = verdict({"type": "error", "status": status, "error": {"message": "odd"}})
    assert type(error) is background.BackgroundResponseError


async def test_steered_returns_the_response(api: Api) -> None:
    response = await api.retrieve(incomplete("steered"))
    assert (response.status, response.incomplete_details.reason) == ("incomplete", "steered")


@pytest.mark.parametrize("reason", [None, "", "no_such_reason", 5, [], {"reason": "steered"}])
async def test_incomplete_for_an_unknown_reason_raises(api: Api, reason: Any) -> None:
    error = await api.error(incomplete(reason))
    assert type(error) is background.BackgroundIncompleteError
    assert error.retryable is False
    assert error.reason == (reason if reason == "no_such_reason" else None)


@pytest.mark.parametrize("details", [..., None, {}, [], "max_output_tokens", 3])
async def test_incomplete_without_usable_details_raises(api: Api, details: Any) -> None:
    error = await api.error(answer(status="incomplete", incomplete_details=details))
    assert type(error) is background.BackgroundIncompleteError
    assert error.reason is None


@pytest.mark.parametrize("error", [..., None, {"code": "server_error", "message": "It broke."}])
async def test_cancelled_raises_and_is_not_retryable(api: Api, error: Any) -> None:
    raised = await api.error(answer(status="cancelled", error=error))
    assert type(raised) is background.BackgroundCancelledError
    assert raised.retryable is False


@pytest.mark.parametrize("status", [..., None, "", "exploded", 7, ["failed"]])
async def test_error_without_a_known_status_raises_as_failed(api: Api, status: Any) -> None:
    error = await api.error(answer(status=status, error={"code": "server_error", "message": "It broke."}))
    assert type(error) is background.BackgroundInternalServerError
    assert error.status == ("exploded" if status == "exploded" else None)


@pytest.mark.parametrize("error", [..., None, {}, [], "", 0])
@pytest.mark.parametrize("status", [..., None, "exploded", "FAILED", 7])
async def test_unknown_status_without_an_error_returns(api: Api, status: Any, error: Any) -> None:
    assert (await api.retrieve(answer(status=status, error=error))).id == RESPONSE_ID


@pytest.mark.parametrize("error", [..., None, {}, [], [1], "", 0, True, ["server_error"]])
async def test_failed_without_a_usable_error_is_the_base_class(api: Api, error: Any) -> None:
    raised = await api.error(answer(status="failed", error=error))
    assert type(raised) is background.BackgroundResponseError
    assert (raised.code, raised.type, raised.retryable) == (None, None, False)
    assert RESPONSE_ID in str(raised)


async def test_failed_with_a_text_for_an_error_keeps_the_text(api: Api) -> None:
    error = await api.error(answer(status="failed", error="The engine caught fire."))
    assert type(error) is background.BackgroundResponseError
    assert "The engine caught fire." in str(error)
    assert error.body == "The engine caught fire."


async def test_failed_with_a_reason_beside_it_is_judged_by_the_error(api: Api) -> None:
    payload = {**failed("server_error"), "incomplete_details": {"reason": "content_filter"}}
    error = await api.error(payload)
    assert type(error) is background.BackgroundInternalServerError
    assert error.reason == "content_filter"
