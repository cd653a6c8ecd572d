"""The rows of the contract: each one raises what it says, and together they are what the SDK's types and the evidence
ask for, no more and no less."""

from __future__ import annotations

import re
from typing import Any
from itertools import takewhile

import httpx2
import pytest

import openai
from openai.types.beta import beta_response
from openai.types.responses import ResponseError, ResponseStatus, response
from openai.types.beta.beta_response_error import BetaResponseError
from openai.types.beta.beta_response_status import BetaResponseStatus

from ._support import API_KEY, Api, answer, failed, literals, background, incomplete

Rule = Any

# Where the table turns from what the SDK's types list to what was only seen: the first row of the second part.
FIRST_SEEN = {"code": "context_length_exceeded", "reason": "max_tokens"}

# The second entry of the books: the HTTP status with which a synchronous call fails for the same cause.
STATUSES: dict[str, dict[int | None, str]] = {
    "code": {
        400: """
            invalid_prompt bio_policy invalid_image invalid_image_format invalid_base64_image invalid_image_url
            image_too_large image_too_small image_parse_error image_content_policy_violation invalid_image_mode
            image_file_too_large unsupported_image_media_type empty_image_file failed_to_download_image
            image_file_not_found context_length_exceeded cyber_policy previous_response_not_found content_filter
            content_policy_violation moderation_blocked conversation_locked
            """,
        401: "invalid_api_key ip_not_authorized",
        403: "data_residency_mismatch misalignment_policy_violation unsupported_country_region_territory",
        404: "model_not_found",
        424: "http_error",
        429: """
            rate_limit_exceeded insufficient_quota credit_balance_exhausted project_spend_limit_exceeded
            organization_spend_limit_exceeded organization_usage_limit_exceeded billing_not_active
            billing_hard_limit_reached usage_limit_reached usage_not_included slow_down
            """,
        500: "server_error internal_error background_streaming_error",
        502: "stream_terminated stream_read_error upstream_error upstream_provider_error",
        503: "server_is_overloaded",
        504: "vector_store_timeout",
    },
    "status": {
        **{status: str(status) for status in (400, 401, 402, 403, 404, 408, 409, 422, 429)},
        500: "5xx",
    },
    "type": {
        400: "invalid_request_error image_generation_user_error image_tool_error content_too_large",
        401: "authentication_error",
        403: "permission_error request_forbidden",
        404: "not_found_error",
        409: "conflict_error",
        429: """
            rate_limit_error tokens requests too_many_requests insufficient_quota usage_limit_reached billing_error
            """,
        500: "server_error api_error internal_error",
        502: "stream_error upstream_provider_error",
        503: "service_unavailable_error overloaded_error",
    },
    "reason": {None: "max_output_tokens max_messages content_filter steered max_tokens length"},
}
RETRYABLE = {
    "code": """
        server_error rate_limit_exceeded vector_store_timeout conversation_locked slow_down server_is_overloaded
        internal_error background_streaming_error stream_terminated stream_read_error upstream_error
        upstream_provider_error
        """,
    "status": "408 409 429 5xx",
    "type": """
        conflict_error rate_limit_error tokens requests too_many_requests server_error api_error internal_error
        service_unavailable_error overloaded_error stream_error upstream_provider_error
        """,
    "reason": "",
}
RETURNED = {"completed", "queued", "in_progress"}
RAISED = {
    "failed": background.BackgroundInternalServerError,
    "cancelled": background.BackgroundCancelledError,
    "incomplete": background.BackgroundIncompleteError,
}


def payload_of(rule: Rule) -> dict[str, Any]:
    """A run that ended for the cause of the row, and for nothing else."""
    if rule.kind == "code":
        return failed(rule.key)
    if rule.kind == "status":
        return failed(int(rule.key.replace("xx", "00")))
    if rule.kind == "type":
        return failed(None, type=rule.key)
    return incomplete(rule.key)


def stock_class(status: int) -> type[Exception]:
    """The class that the client raises for an answer with that HTTP status."""
    answered = httpx2.Response(status, json={})
    http_client = httpx2.Client(transport=httpx2.MockTransport(lambda _: answered))
    with openai.OpenAI(api_key=API_KEY, http_client=http_client, max_retries=0) as client:
        with pytest.raises(openai.APIStatusError) as caught:
            client.models.list()
        return type(caught.value)


def row_id(rule: Rule) -> str:
    return f"{rule.kind}-{rule.key}"


@pytest.mark.parametrize("rule", [rule for rule in background.CONTRACT if rule.error_class], ids=row_id)
async def test_row_when_a_run_ends_so_raises_its_class(api: Api, rule: Rule) -> None:
    error = await api.error(payload_of(rule))

    assert type(error) is rule.error_class
    assert error.retryable is rule.retryable
    assert rule.key in str(error) or rule.kind in ("status", "type")
    stock: Any = openai.APIStatusError if rule.http_status is None else stock_class(rule.http_status)
    if stock is openai.APIStatusError:
        # No class of the SDK stands for this cause, so no status is claimed.
        assert not isinstance(error, openai.APIStatusError)
        assert not hasattr(error, "status_code")
    else:
        assert isinstance(error, stock)
        assert error.status_code == rule.http_status


@pytest.mark.parametrize("rule", [rule for rule in background.CONTRACT if not rule.error_class], ids=row_id)
async def test_row_without_a_class_when_a_run_ends_so_returns(api: Api, rule: Rule) -> None:
    assert (await api.retrieve(payload_of(rule))).id == payload_of(rule)["id"]


def test_only_steered_has_no_class() -> None:
    assert [row_id(rule) for rule in background.CONTRACT if not rule.error_class] == ["reason-steered"]


def test_content_filter_reason_is_also_the_stock_class() -> None:
    (rule,) = [rule for rule in background.CONTRACT if (rule.kind, rule.key) == ("reason", "content_filter")]
    assert rule.error_class is not None
    assert issubclass(rule.error_class, openai.ContentFilterFinishReasonError)


@pytest.mark.parametrize(
    ("kind", "annotation"),
    [
        pytest.param("code", ResponseError.__annotations__["code"], id="ResponseError.code"),
        pytest.param("code", BetaResponseError.__annotations__["code"], id="BetaResponseError.code"),
        pytest.param("reason", response.IncompleteDetails.__annotations__["reason"], id="IncompleteDetails.reason"),
        pytest.param(
            "reason", beta_response.IncompleteDetails.__annotations__["reason"], id="Beta IncompleteDetails.reason"
        ),
    ],
)
def test_documented_rows_are_the_values_of_the_type(kind: str, annotation: Any) -> None:
    keys = [rule.key for rule in background.CONTRACT if rule.kind == kind]
    assert FIRST_SEEN[kind] in keys
    documented = list(takewhile(lambda key: key != FIRST_SEEN[kind], keys))

    assert sorted(documented) == sorted(literals(annotation))


@pytest.mark.parametrize("annotation", [ResponseStatus, BetaResponseStatus], ids=["ResponseStatus", "Beta"])
def test_every_documented_status_has_an_outcome(annotation: Any) -> None:
    assert RETURNED | RAISED.keys() == literals(annotation)


@pytest.mark.parametrize("status", sorted(literals(ResponseStatus)))
async def test_documented_status_has_its_outcome(api: Api, status: str) -> None:
    payload = answer(status=status, error={"code": "server_error", "message": "It broke."})
    if status in RETURNED:
        # An error beside one of these is a remark on the way, not an ending.
        assert (await api.retrieve(payload)).status == status
    else:
        error = await api.error(payload)
        assert type(error) is RAISED[status]
        assert error.status == status


@pytest.mark.parametrize("kind", STATUSES)
def test_rows_carry_the_status_of_the_synchronous_failure(kind: str) -> None:
    rows: dict[Any, set[str]] = {}
    for rule in background.CONTRACT:
        if rule.kind == kind:
            rows.setdefault(rule.http_status, set()).add(rule.key)
    assert rows == {status: set(keys.split()) for status, keys in STATUSES[kind].items()}


@pytest.mark.parametrize("kind", RETRYABLE)
def test_rows_are_retryable_where_a_new_run_can_succeed(kind: str) -> None:
    rows = {rule.key for rule in background.CONTRACT if rule.kind == kind and rule.retryable}
    assert rows == set(RETRYABLE[kind].split())


def test_rows_are_unique_and_say_what_to_do() -> None:
    keys = [(rule.kind, rule.key) for rule in background.CONTRACT]
    assert len(set(keys)) == len(keys)
    for rule in background.CONTRACT:
        assert rule.kind in STATUSES
        assert rule.attested in ("official", "observed", "peer", "inferred")
        assert rule.meaning.endswith(".") and rule.action.endswith(".")


def test_contract_version_is_semantic() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", background.CONTRACT_VERSION)


@pytest.mark.parametrize(
    ("code", "rows"),
    [
        ("bio_policy", ["code-bio_policy"]),
        ("server_error", ["code-server_error", "type-server_error"]),
        ("steered", ["reason-steered"]),
        (429, ["status-429"]),
        ("429", ["status-429"]),
        (507, ["status-507"]),
        ("507", ["status-507"]),
        (424, []),
        (0, []),
        (True, []),
        ("no_such_code", []),
        ("", []),
        (None, []),
        ([], []),
    ],
)
def test_lookup_finds_the_rows(code: object, rows: list[str]) -> None:
    assert [row_id(rule) for rule in background.lookup(code)] == rows
