"""The status family: each error also is what a synchronous call raises for the same cause."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

import openai
from openai import OpenAI
from openai.lib import background
from openai.lib.background import CONTRACT, BackgroundResponseError, BackgroundIncompleteError
from openai.lib.background._status_family import in_family

from ._support import body, client, failed, settle, error_of


@pytest.mark.parametrize(
    "row", [row for row in CONTRACT if row.kind == "code" and row.equivalent], ids=lambda row: row.key
)
def test_failed_with_a_known_code_is_its_equivalent_too(row: Any) -> None:
    error = error_of(failed(row.key))
    assert isinstance(error, row.equivalent) and type(error).__name__ == f"Background{row.equivalent.__name__}"
    assert error.response.status_code == 200


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 429, 500, 503])
def test_family_has_a_class_for_each_that_a_client_makes_of_a_status(status: int) -> None:
    answer = httpx2.Response(status, request=httpx2.Request("GET", "https://example.test"))
    stock = type(OpenAI(api_key="-")._make_status_error("", body=None, response=answer))
    cls: Any = in_family(BackgroundResponseError, stock)
    assert cls.__bases__ == (BackgroundResponseError, stock) and cls.__name__ in background.__all__
    assert cls.status_code == (status if status < 500 else 500)


@pytest.mark.parametrize("equivalent", [None, openai.APIStatusError, openai.APIError, openai.OAuthError])
def test_family_has_no_class_for_another(equivalent: Any) -> None:
    assert in_family(BackgroundResponseError, equivalent) is BackgroundResponseError


@pytest.mark.parametrize("reason", ["content_filter", "max_output_tokens"])
def test_incomplete_by_a_filter_is_a_content_filter_error(reason: str) -> None:
    error = error_of(body("incomplete", incomplete_details={"reason": reason}))
    assert isinstance(error, openai.ContentFilterFinishReasonError) is (reason == "content_filter")
    assert isinstance(error, BackgroundIncompleteError) and getattr(error, "completion", None) is None


async def test_handler_for_synchronous_calls_catches_a_failed_run(asynchronous: bool) -> None:
    made = client(failed("rate_limit_exceeded"), asynchronous=asynchronous)
    with pytest.raises(openai.RateLimitError) as caught:
        await settle(made.responses.retrieve("resp_1", raise_on_failure=True))
    assert (caught.value.status_code, caught.value.response.status_code) == (429, 200)
    assert isinstance(caught.value, openai.BackgroundRateLimitError) and type(caught.value).__module__ == "openai"


@pytest.mark.parametrize("data", [failed("no_such_code"), body("cancelled"), body("incomplete"), body("expired")])
def test_error_without_an_equivalent_claims_no_status(data: Any) -> None:
    error = error_of(data)
    assert not isinstance(error, openai.APIStatusError) and not hasattr(error, "status_code")
