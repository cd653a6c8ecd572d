"""The rows, the function that asks them, and what an error holds."""

from __future__ import annotations

import gc
import json
import logging
import weakref
import traceback
from typing import Any, Callable, get_args

import httpx2
import pytest
from inline_snapshot import snapshot

import openai
from openai import OpenAI
from openai.lib import background
from openai.types import Batch, Video
from openai._compat import PYDANTIC_V1
from openai._models import add_request_id, construct_type
from openai.types.beta import BetaResponse
from openai.lib.background import (
    CONTRACT,
    BackgroundResponseError,
    BackgroundCancelledError,
    BackgroundIncompleteError,
    raise_on_failure,
)
from openai.types.responses import Response, ResponseError, ParsedResponse
from openai.lib.background._table import find_rule
from openai.lib.background._verdict import make_background_error
from openai.types.responses.response import IncompleteDetails
from openai.types.responses.response_status import ResponseStatus

from ._support import PROMPT, body, failed, written, error_of

# What a new value of the SDK's types takes: its row in `_table.py`, a new CONTRACT_VERSION, and this command.
MEND = "give it a row in _table.py and run: pytest --inline-snapshot=fix tests/lib/background/test_contract.py"


# The rows


def test_contract_documented_values_are_these_rows() -> None:
    codes = get_args(ResponseError.__annotations__["code"])
    reasons = get_args(get_args(IncompleteDetails.__annotations__["reason"])[0])
    documented = [("code", code) for code in codes] + [("reason", reason) for reason in reasons]
    rows = {key: find_rule(kind, key) for kind, key in documented}
    missing = [key for key, row in rows.items() if row is None]
    assert not missing, f"no row for {missing}: {MEND}"
    facts = {
        key: (row.equivalent.__name__ if row.equivalent else None, row.http_status, row.retryable)
        for key, row in rows.items()
        if row is not None
    }
    assert facts == snapshot(
        {
            "server_error": ("InternalServerError", 500, True),
            "rate_limit_exceeded": ("RateLimitError", 429, True),
            "invalid_prompt": ("BadRequestError", 400, False),
            "data_residency_mismatch": ("PermissionDeniedError", 403, False),
            "bio_policy": ("BadRequestError", 400, False),
            "misalignment_policy_violation": ("PermissionDeniedError", 403, False),
            "vector_store_timeout": ("InternalServerError", 504, True),
            "invalid_image": ("BadRequestError", 400, False),
            "invalid_image_format": ("BadRequestError", 400, False),
            "invalid_base64_image": ("BadRequestError", 400, False),
            "invalid_image_url": ("BadRequestError", 400, False),
            "image_too_large": ("BadRequestError", 400, False),
            "image_too_small": ("BadRequestError", 400, False),
            "image_parse_error": ("BadRequestError", 400, False),
            "image_content_policy_violation": ("BadRequestError", 400, False),
            "invalid_image_mode": ("BadRequestError", 400, False),
            "image_file_too_large": ("BadRequestError", 400, False),
            "unsupported_image_media_type": ("BadRequestError", 400, False),
            "empty_image_file": ("BadRequestError", 400, False),
            "failed_to_download_image": ("BadRequestError", 400, False),
            "image_file_not_found": ("BadRequestError", 400, False),
            "max_output_tokens": (None, None, False),
            "max_messages": (None, None, False),
            "content_filter": ("ContentFilterFinishReasonError", None, False),
            "steered": (None, None, False),
        }
    )


def test_contract_statuses_are_known_to_the_verdict() -> None:
    returned = {status for status in get_args(ResponseStatus) if make_background_error(body(status)) is None}
    assert returned == {"completed", "queued", "in_progress"}
    assert set(get_args(ResponseStatus)) - returned == {"failed", "incomplete", "cancelled"}


@pytest.mark.parametrize("row", [row for row in CONTRACT if row.http_status], ids=lambda row: row.key)
def test_contract_equivalent_is_what_a_client_makes_of_the_status(row: Any) -> None:
    answer = httpx2.Response(row.http_status, request=httpx2.Request("GET", "https://example.test"))
    made = OpenAI(api_key="-")._make_status_error("", body=None, response=answer)
    assert row.equivalent is (None if type(made) is openai.APIStatusError else type(made))


def test_contract_each_row_is_there_once_and_says_what_to_do() -> None:
    assert len({(row.kind, row.key) for row in CONTRACT}) == len(CONTRACT)
    assert all(row.meaning.endswith(".") and row.meaning.isprintable() for row in CONTRACT)


# The verdict


@pytest.mark.parametrize("row", [row for row in CONTRACT if row.kind == "code"], ids=lambda row: row.key)
def test_failed_with_a_known_code_says_what_its_row_says(row: Any) -> None:
    error = error_of(failed(row.key, param="input", type="some_type"))
    assert (error.equivalent, error.retryable, error.known) == (row.equivalent, row.retryable, True)
    assert (error.code, error.param, error.type, error.status) == (row.key, "input", "some_type", "failed")
    assert isinstance(error, openai.APIError) and not isinstance(error, BackgroundIncompleteError)


@pytest.mark.parametrize(
    "code",
    ["no_such_code", "", None, True, ["server_error"], {"code": "server_error"}, pytest.param(10**5000, id="huge"), -7],
)
def test_failed_with_an_unknown_code_is_the_base_class_and_not_retryable(code: object) -> None:
    error = error_of(failed(code))
    assert type(error) is BackgroundResponseError
    assert (error.equivalent, error.retryable, error.known) == (None, False, False)
    assert error.code == (str(code) if isinstance(code, str) or code == -7 else None)


@pytest.mark.parametrize("odd", ["It broke.", 3, ["x"], {"x": 1}, {"code": None}, None, "", [], False])
def test_failed_with_an_odd_error_is_the_base_class(odd: object) -> None:
    error = error_of({**body("failed"), "error": odd})
    assert type(error) is BackgroundResponseError and not error.known
    assert ("It broke." in str(error)) is (odd == "It broke.")


@pytest.mark.parametrize("reason", ["max_output_tokens", "max_messages", "content_filter", "steered"])
def test_incomplete_with_a_documented_reason_is_known(reason: str) -> None:
    error = error_of(body("incomplete", incomplete_details={"reason": reason}))
    expected = openai.ContentFilterFinishReasonError if reason == "content_filter" else None
    assert isinstance(error, BackgroundIncompleteError)
    assert (error.reason, error.equivalent, error.retryable, error.known) == (reason, expected, False, True)


@pytest.mark.parametrize("details", [{"reason": "no_such_reason"}, {"reason": None}, {"reason": {}}, {}, None, "x"])
def test_incomplete_without_a_known_reason_is_incomplete_all_the_same(details: object) -> None:
    error = error_of(body("incomplete", incomplete_details=details))
    assert type(error) is BackgroundIncompleteError and not error.known and not error.retryable
    assert error.reason == ("no_such_reason" if details == {"reason": "no_such_reason"} else None)


@pytest.mark.parametrize("status", ["cancelled", "canceled", "CANCELLED", " Cancelled "])
def test_cancelled_in_any_spelling_raises(status: str) -> None:
    error = error_of({**failed("server_error"), "status": status})
    assert type(error) is BackgroundCancelledError
    assert (error.status, error.known, error.retryable, error.equivalent) == ("cancelled", True, False, None)


def test_expired_raises_the_base_class_whatever_its_error() -> None:
    error = error_of({**failed("server_error"), "status": "expired"})
    assert type(error) is BackgroundResponseError
    assert (error.status, error.known, error.retryable, error.equivalent) == ("expired", True, False, None)


@pytest.mark.parametrize("status", ["FAILED", "Failed", "failed\n"])
def test_failed_in_other_letters_raises(status: str) -> None:
    error = error_of({**failed("server_error"), "status": status})
    assert (error.status, error.equivalent) == ("failed", openai.InternalServerError)


@pytest.mark.parametrize("status", ["completed", "queued", "in_progress", "COMPLETED", "In_Progress"])
@pytest.mark.parametrize("error", [None, {"code": "server_error"}, "It broke."])
def test_going_well_is_returned_whatever_its_error(status: str, error: object) -> None:
    data = {**body(status), "error": error}
    assert raise_on_failure(data) is data


@pytest.mark.parametrize("status", ["no_such_status", None, 504, []])
def test_unknown_status_raises_only_with_an_error(status: object) -> None:
    pending = {**body(), "status": status}
    assert raise_on_failure(pending) is pending
    error = error_of({**pending, "error": {"code": "server_error"}})
    assert error.equivalent is openai.InternalServerError
    assert error.status == (status if isinstance(status, str) else None)


@pytest.mark.parametrize("cls", [Response, ParsedResponse, BetaResponse])
def test_model_is_judged_and_kept(cls: type[Any]) -> None:
    model: Any = construct_type(type_=cls, value=failed("server_error", type="some_type", hint="new"))
    add_request_id(model, "req_model")
    error = error_of(model)
    assert error.background_response is model and error.equivalent is openai.InternalServerError
    assert error.body == {"code": "server_error", "message": "Said the server.", "type": "some_type", "hint": "new"}
    assert error.request_id == "req_model" and "req_model" in str(error)
    going_well: Any = construct_type(type_=cls, value=body("queued"))
    assert raise_on_failure(going_well) is going_well


@pytest.mark.parametrize("write", [json.dumps, lambda data: json.dumps(data).encode("utf-16")], ids=["str", "bytes"])
def test_json_is_judged_and_returned_as_it_was(write: Callable[[Any], Any]) -> None:
    assert error_of(write(failed("server_error"))).equivalent is openai.InternalServerError
    text = write(body("queued"))
    assert raise_on_failure(text) is text


@pytest.mark.parametrize(
    "data",
    [
        {"id": "run_1", "status": "failed"},
        {"object": "response", "status": "failed"},
        {"object": None, "id": "run_1", "status": "failed"},
    ],
)
def test_response_without_object_or_id_is_one_by_the_rest(data: dict[str, Any]) -> None:
    assert error_of(data).response_id == data.get("id")


OTHERS: list[Any] = [
    None,
    True,
    7,
    [],
    b"[]",
    "null",
    {},
    {"id": "resp_1"},
    {"status": "failed"},
    {"id": "resp_1", "status": 504},
    {"error": {"code": 504}},
    {"id": "resp_1", "object": "realtime.response", "status": "cancelled"},
    {"id": "batch_1", "object": "batch", "status": "failed"},
    construct_type(type_=Video, value={"id": "video_1", "object": "video", "status": "failed"}),
    construct_type(type_=Batch, value={"id": "batch_1", "object": "batch", "status": "cancelled"}),
    httpx2.Response(200, json={"status": "failed"}),
    raise_on_failure,
]


@pytest.mark.parametrize("data", OTHERS, ids=lambda data: type(data).__name__)
def test_what_is_no_response_is_a_type_error(data: Any) -> None:
    with pytest.raises(TypeError, match="Expected a response or its JSON but received .*; await the call"):
        raise_on_failure(data)


@pytest.mark.parametrize("text", ["resp_1", "", b"", '{"object": "response", "status": "fai', "[" * 100_000, b"\xff"])
def test_what_is_no_json_is_a_value_error_that_keeps_it_to_itself(text: Any) -> None:
    with pytest.raises(ValueError, match="Expected the JSON of a response") as caught:
        raise_on_failure(text)
    assert "fai" not in str(caught.value) and caught.value.__cause__ is None and caught.value.__context__ is None


# What an error holds


def test_error_text_says_id_cause_words_advice_and_request() -> None:
    answer = httpx2.Response(200, headers={"x-request-id": "req_1"}, request=httpx2.Request("GET", "https://x.test"))
    texts = [
        str(make_background_error(data, response=answer))
        for data in (
            failed("rate_limit_exceeded", "Slow down."),
            failed("no_such_code", None),
            body("incomplete", incomplete_details={"reason": "max_output_tokens"}),
            {"status": "cancelled"},
            body("expired"),
        )
    ]
    assert texts == snapshot(
        [
            "Response resp_1 failed (rate_limit_exceeded): Slow down. [retryable, request req_1]",
            "Response resp_1 failed (no_such_code) [cause not known, so not retryable, request req_1]",
            "Response resp_1 is incomplete (max_output_tokens) [not retryable, request req_1]",
            "Response (id unknown) was cancelled [not retryable, request req_1]",
            "Response resp_1 has expired [not retryable, request req_1]",
        ]
    )


def test_error_text_is_one_line_of_a_sane_length() -> None:
    error = error_of(failed("a\nb\x1b[31m" + "c" * 500, "d\r\n\u2028\u202e\ud83d" + "e" * 5000, param="f\ng"))
    assert str(error).isprintable() and len(str(error)) < 1400 and str(error) == error.message
    assert error.code is not None and error.code.startswith("a\nb") and error.param == "f\ng"
    assert error_of({**body("failed"), "id": "resp_\x00" + "9" * 70_000}).message.isprintable()


def test_error_from_json_has_an_answer_that_is_marked_as_made() -> None:
    error = error_of(failed("server_error"))
    assert error.response.status_code == 200 and error.response.extensions["synthetic"] is True
    assert (str(error.request.url), error.request_id, dict(error.response.headers)) == ("", None, {})


def test_error_with_an_answer_keeps_it() -> None:
    request = httpx2.Request("GET", "https://x.test/v1/responses/resp_asked")
    answer = httpx2.Response(200, headers={"x-request-id": "req_1"}, request=request)
    error = make_background_error(failed("server_error"), response=answer, response_id="resp_asked")
    assert error is not None and error.response is answer and error.request is request
    assert (error.request_id, error.response_id, error.background_response.id) == ("req_1", "resp_asked", "resp_1")


@pytest.mark.parametrize("cls", [None, Response, BetaResponse])
@pytest.mark.parametrize(
    ("output", "text"),
    [
        (written("The harbour ", "was"), "The harbour was"),
        (written("a") + [{"type": "reasoning", "content": None}] + written("b"), "ab"),
        (
            [
                {
                    "type": "message",
                    "content": [{"type": "refusal", "text": "no"}, {"type": "output_text", "text": 5}, None],
                }
            ],
            "",
        ),
        ([], ""),
        (None, ""),
        ("odd", ""),
    ],
)
def test_error_output_text_is_what_was_written(cls: Any, output: Any, text: str) -> None:
    data = {**failed("server_error"), "output": output}
    error = error_of(construct_type(type_=cls, value=data) if cls else data)
    assert error.output_text == text and error.background_response.status == "failed"


@pytest.mark.parametrize("cls", [None, Response, BetaResponse])
def test_error_body_is_the_json_of_the_error_all_through(cls: Any) -> None:
    stopped = {"error_type": "other", "steer": {"message": "Ask again.", "new": [1]}}
    data = failed("misalignment_policy_violation", misalignment=stopped)
    assert error_of(construct_type(type_=cls, value=data) if cls else data).body == data["error"]


def test_error_body_is_the_error_or_how_it_ended() -> None:
    assert error_of(failed("x", extra={"y": 1})).body == {"code": "x", "message": "Said the server.", "extra": {"y": 1}}
    ended = error_of(body("incomplete", incomplete_details={"reason": "max_messages"})).body
    assert ended == {"status": "incomplete", "incomplete_details": {"reason": "max_messages"}}


@pytest.mark.parametrize("name", background.__all__)
def test_class_is_made_like_the_rest_of_the_sdks(name: str) -> None:
    cls = getattr(background, name)
    if not issubclass(cls, BackgroundResponseError):
        return
    answer = httpx2.Response(200, headers={"x-request-id": "req_1"}, request=httpx2.Request("GET", "https://x.test"))
    error = cls("It ended.", response=answer, body={"code": 429})
    assert (str(error), error.message, error.code, error.response_id) == ("It ended.", "It ended.", "429", None)
    assert error.request_id == "req_1"
    assert (error.retryable, error.known, error.output_text, cls.retryable) == (False, False, "", False)
    assert isinstance(error.background_response, Response)


def test_public_classes_say_when_they_are_raised() -> None:
    names = [name for name in vars(background) if name.startswith("Background")]
    assert sorted(names) == background.__all__
    assert all(getattr(background, name).__doc__.startswith("Raised when") for name in names)


# What is left behind


@pytest.mark.parametrize("read", [lambda data: data, lambda data: construct_type(type_=Response, value=data)])
def test_raising_frames_hold_no_prompt(read: Callable[[Any], Any], caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), pytest.raises(BackgroundResponseError) as caught:
        raise_on_failure(read(failed("server_error")))
    stack = traceback.TracebackException.from_exception(caught.value, capture_locals=True).stack[1:]
    assert stack and PROMPT not in json.dumps([frame.locals for frame in stack])
    assert PROMPT not in str(caught.value) + repr(caught.value) + caplog.text


def test_error_is_freed_at_once() -> None:
    gc.disable()
    try:
        try:
            raise_on_failure(failed("server_error"))
        except BackgroundResponseError as err:
            gone = weakref.ref(err)
        assert gone() is None
    finally:
        gc.enable()


@pytest.mark.skipif(PYDANTIC_V1, reason="pydantic 1 keeps a nested value as it is")
def test_error_nested_300_deep_is_judged() -> None:
    deep: Any = "end"
    for _ in range(300):
        deep = {"a": deep}
    model: Any = construct_type(type_=Response, value={**body("queued"), "error": deep})
    assert raise_on_failure(model) is model
    assert not error_of(construct_type(type_=Response, value={**body("failed"), "error": deep})).known
