"""What an error carries: the facts of the ending and the response as far as it got, typed as documented."""

from __future__ import annotations

from typing import Any

import openai
from openai.types.responses import Response

from ._support import REQUEST_ID, RESPONSE_ID, Api, answer, failed, verdict, background, incomplete, errors_module

PARTIAL: list[dict[str, Any]] = [
    {
        "type": "message",
        "id": "msg_1",
        "role": "assistant",
        "status": "incomplete",
        "content": [{"type": "output_text", "text": "As far as it got", "annotations": []}],
    }
]
USAGE = {
    "input_tokens": 5,
    "input_tokens_details": {"cached_tokens": 0},
    "output_tokens": 7,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 12,
}


async def test_error_has_the_facts_of_the_error_object(api: Api) -> None:
    error = await api.error(
        failed("bio_policy", "Flagged.", param="input", type="invalid_request_error", extra={"a": 1})
    )

    assert (error.code, error.param, error.type) == ("bio_policy", "input", "invalid_request_error")
    assert (error.status, error.reason, error.sequence_number) == ("failed", None, None)
    assert (error.response_id, error.request_id) == (RESPONSE_ID, REQUEST_ID)
    assert error.message == str(error)


async def test_body_is_what_was_sent(api: Api) -> None:
    body = {
        "code": 429,
        "message": None,
        "misalignment": {"steer": {"message": "Stop."}, "none": None},
        "extra": [1, {"a": None}],
        "none": None,
    }
    assert (await api.error(answer(status="failed", error=body))).body == body


async def test_error_keeps_partial_output_and_usage(api: Api) -> None:
    error = await api.error({**incomplete("max_output_tokens"), "output": PARTIAL, "usage": USAGE})

    assert type(error.background_response) is Response
    assert error.background_response.output_text == "As far as it got"
    assert error.background_response.usage is not None
    assert error.background_response.usage.total_tokens == 12


async def test_error_without_an_id_in_the_body_takes_the_one_of_the_url(api: Api) -> None:
    error = await api.error(answer(status="failed", id=...))
    # The module alone, handed a response, knows no URL.
    assert error.response_id in (RESPONSE_ID, None)
    assert error.background_response.status == "failed"


def test_error_of_plain_json_knows_no_exchange() -> None:
    error = verdict({**failed(), "output": PARTIAL})

    assert (error.response, error.request, error.request_id) == (None, None, None)
    assert isinstance(error.background_response, Response)
    assert error.background_response.output_text == "As far as it got"
    assert error.background_response is error.background_response


def test_error_is_an_api_error_and_only_with_a_class_a_status_error() -> None:
    known, unknown = verdict(failed("server_error")), verdict(failed("no_such_code"))
    assert isinstance(known, openai.APIError) and isinstance(unknown, openai.APIError)
    assert isinstance(known, openai.APIStatusError)
    assert not isinstance(unknown, openai.APIStatusError)


def test_content_filter_error_has_no_chat_completion() -> None:
    error = verdict(incomplete("content_filter"))
    assert isinstance(error, openai.ContentFilterFinishReasonError)
    assert error.completion is None


def test_every_error_has_every_documented_attribute() -> None:
    names = {name for name in background.BackgroundResponseError.__annotations__}
    assert {"retryable", "retry_after", "response_id", "status", "reason"} <= names
    for payload in (failed(), failed("no_such_code"), incomplete(None), answer(status="cancelled")):
        error: Any = verdict(payload)
        for name in names:
            getattr(error, name)


def test_poll_timeout_is_a_timeout_and_no_failure() -> None:
    error: Any = errors_module.BackgroundPollTimeoutError(
        "Too long.", response_id=RESPONSE_ID, status="queued", elapsed_seconds=3.5, polls=2
    )
    assert issubclass(type(error), TimeoutError) and issubclass(type(error), openai.OpenAIError)
    assert not isinstance(error, background.BackgroundResponseError)
    assert (str(error), error.status, error.elapsed_seconds, error.polls) == ("Too long.", "queued", 3.5, 2)


def test_stream_interruption_is_a_connection_error_and_no_failure() -> None:
    error: Any = errors_module.BackgroundStreamInterruptedError(response_id=RESPONSE_ID, sequence_number=9)
    assert issubclass(type(error), openai.APIConnectionError)
    assert not isinstance(error, background.BackgroundResponseError)
    assert (error.response_id, error.sequence_number) == (RESPONSE_ID, 9)
