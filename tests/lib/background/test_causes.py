"""Where a cause stands and what decides, told by bodies like those that servers send."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

import openai
from openai._models import construct_type
from openai.types.beta import BetaResponse
from openai.lib.background import BackgroundResponseError, raise_on_failure
from openai.types.responses import Response

from ._support import body, client, failed, settle, error_of

WRAPPERS = ["background_streaming_error", "task_failed", "processing_error"]
GATEWAYS = ["upstream_error", "upstream_provider_error", "internal_error", "stream_terminated", "stream_read_error"]
QUOTAS = ["insufficient_quota", "usage_limit_reached", "billing_error", "credit_balance_exhausted"]
WORDS = ["exceeded your current quota", "Your credit balance is too low", "it said insufficient_quota"]

NAMES: dict[int, Any] = {
    400: openai.BadRequestError,
    401: openai.AuthenticationError,
    403: openai.PermissionDeniedError,
    404: openai.NotFoundError,
    409: openai.ConflictError,
    429: openai.RateLimitError,
    500: openai.InternalServerError,
    0: None,
}


def inside(**members: Any) -> str:
    """The JSON of an error, as an API sends it."""
    return json.dumps({"error": {"message": "The inner words.", "type": None, "param": None, **members}})


def judged(error: BackgroundResponseError) -> tuple[Any, bool]:
    """The status of the class that an error stands for, 0 for none; and whether a new run is worth trying."""
    return next(status for status, equivalent in NAMES.items() if equivalent is error.equivalent), error.retryable


# The place


@pytest.mark.parametrize(
    ("members", "expected", "code"),
    [
        ({"error": None, "status_details": {"error": {"code": "slow_down", "message": "m"}}}, (429, True), "slow_down"),
        ({"status_details": {"type": "failed", "error": {"type": "not_found_error"}}}, (404, False), None),
        ({"status_details": {"error": "A sentence."}}, (0, False), None),
        ({"status_details": {"code": "server_error"}}, (500, True), "server_error"),
        ({"status_details": ["odd"]}, (0, False), None),
        ({"error": {}, "status_details": {"error": {"code": 429}}}, (429, True), "429"),
        ({"error": {"code": None, "message": ""}, "status_details": {"error": {"code": 429}}}, (429, True), "429"),
        (
            {"error": {"code": "invalid_prompt"}, "status_details": {"error": {"code": 429}}},
            (400, False),
            "invalid_prompt",
        ),
        ({"last_error": {"code": "rate_limit_exceeded", "message": "m"}}, (429, True), "rate_limit_exceeded"),
        ({"errors": [{"code": "invalid_image"}, {"code": 500}]}, (400, False), "invalid_image"),
        ({"code": "server_error", "message": "Beside the status."}, (500, True), "server_error"),
        ({"error": "Too many at once.", "code": "rate_limit_exceeded"}, (429, True), "rate_limit_exceeded"),
        ({"error": "Too many at once.", "code": 429}, (429, True), "429"),
        ({"error": "Too many at once.", "code": "Some sentence of xAI"}, (0, False), "Some sentence of xAI"),
        ({"error": "Too many at once.", "type": "rate_limit_error"}, (429, True), None),
        ({"error": "Too many at once.", "type": "response.failed"}, (0, False), None),
        ({"error": "insufficient_quota"}, (429, False), "insufficient_quota"),
        ({"error": 503}, (500, True), "503"),
        ({"error": inside(code="model_not_found")}, (404, False), "model_not_found"),
        ({"error": [{"code": "conflict_error"}]}, (409, True), "conflict_error"),
        ({"error": {"error": {"error": {"code": "slow_down"}}}}, (429, True), "slow_down"),
        ({"error": {"message": {"code": "slow_down", "message": "m"}}}, (429, True), "slow_down"),
    ],
)
@pytest.mark.parametrize("cls", [None, Response, BetaResponse])
def test_cause_is_found_where_it_stands(cls: Any, members: Any, expected: Any, code: Any) -> None:
    data = {**body("failed"), **members}
    error = error_of(construct_type(type_=cls, value=data) if cls else data)
    assert (judged(error), error.code, error.known) == (expected, code, expected[0] != 0)


@pytest.mark.parametrize("text", ["The first sentence.", "   "])
def test_sentence_in_place_of_the_error_is_in_the_message(text: str) -> None:
    error = error_of({**body("failed"), "error": text, "code": 400})
    assert ("The first sentence." in str(error)) is (text != "   ") and error.body == {"message": text, "code": 400}


@pytest.mark.parametrize("status", ["in_progress", "running", "completed", None])
def test_cause_beside_a_run_that_goes_on_is_no_failure(status: Any) -> None:
    data = {**body("queued"), "status": status, "last_error": {"code": "server_error"}, "code": "server_error"}
    if status is None:
        data = {**body("queued"), "status": status, "code": "server_error", "message": "m"}
    assert raise_on_failure(data) is data


# One vocabulary


@pytest.mark.parametrize("name", ["code", "type"])
@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("rate_limit_exceeded", (429, True)),
        ("upstream_error", (500, True)),
        ("authentication_error", (401, False)),
        ("not_found_error", (404, False)),
        ("RATE_LIMIT_EXCEEDED", (429, True)),
        ("RateLimitExceeded", (429, True)),
        ("rate-limit-error", (429, True)),
        ("Invalid Request Error", (400, False)),
        (" Insufficient_Quota ", (429, False)),
        (429, (429, True)),
        ("429", (429, True)),
        (503.0, (500, True)),
        ("HTTP 401", (401, False)),
        ("404 Not Found", (404, False)),
        ("BadRequestError", (400, False)),
        ("InternalServerError", (500, True)),
        (402, (None, False)),
        (408, (None, True)),
        ("no_such_word", (0, False)),
        ("4290", (0, False)),
        (-429, (0, False)),
        (301, (0, False)),
        (418, (0, False)),
        (600, (0, False)),
        (True, (0, False)),
        ("r" * 100_000, (0, False)),
    ],
    ids=lambda value: str(value)[:30],
)
def test_word_means_the_same_as_code_and_as_type(name: str, word: Any, expected: Any) -> None:
    error = error_of({**body("failed"), "error": {"message": "m", name: word}})
    status = expected[0]
    assert (error.equivalent, error.retryable) == (NAMES.get(status), expected[1])
    assert error.known is (status != 0)


@pytest.mark.parametrize("kind", ["invalid_request_error", "server_error", "no_such_type", None])
@pytest.mark.parametrize(("code", "expected"), [("slow_down", (429, True)), (404, (404, False)), ("403", (403, False))])
def test_known_code_outranks_the_type(code: Any, kind: Any, expected: Any) -> None:
    assert judged(error_of(failed(code, type=kind, status=500))) == expected


@pytest.mark.parametrize("code", [None, "", "no_such_code", 302, [], {"code": 500}])
def test_type_decides_where_the_code_says_nothing(code: Any) -> None:
    error = error_of(failed(code, type="permission_error", status=500))
    assert judged(error) == (403, False) and "permission_error" in str(error)
    assert error.code == (None if isinstance(code, (list, dict)) or code is None else str(code))


@pytest.mark.parametrize("name", ["status", "status_code", "statusCode", "http_status"])
def test_status_beside_the_code_decides_last(name: str) -> None:
    error = error_of(failed("no_such_code", **{name: 404}))
    assert judged(error) == (404, False) and error.code == "no_such_code"
    assert judged(error_of(failed("no_such_code", **{name: "NOT_FOUND"}))) == (404, False)
    assert judged(error_of(failed("no_such_code", **{name: "NOT_SEEN"}))) == (0, False)
    assert judged(error_of(failed("invalid_prompt", **{name: 500}))) == (400, False)


# A cause inside the error


@pytest.mark.parametrize("code", WRAPPERS + GATEWAYS + ["server_error", "no_such_code", 502, None])
@pytest.mark.parametrize(
    ("members", "expected", "inner"),
    [
        ({"upstream_code": 400}, (400, False), "400"),
        ({"upstream_code": "429"}, (429, True), "429"),
        ({"upstreamStatusCode": 401}, (401, False), "401"),
        ({"provider_error_code": "insufficient_quota"}, (429, False), "insufficient_quota"),
        ({"metadata": {"upstream_status": 404}}, (404, False), "404"),
        ({"metadata": {"raw": inside(code="context_length_exceeded")}}, (400, False), "context_length_exceeded"),
        ({"metadata": {"raw": json.dumps(inside(code="slow_down"))}}, (429, True), "slow_down"),
        ({"metadata": {"raw": {"error": {"code": 403, "message": "m"}}}}, (403, False), "403"),
        ({"metadata": {"raw": '[{"error": {"code": 429, "status": "RESOURCE_EXHAUSTED"}}]'}}, (429, True), "429"),
        ({"error": {"code": "Model_Not_Found", "message": "m"}}, (404, False), "Model_Not_Found"),
        ({"inner_error": {"cause": {"code": "invalid_api_key"}}}, (401, False), "invalid_api_key"),
        ({"details": [{"note": 1}, {"code": "conflict_error"}]}, (409, True), "conflict_error"),
        ({"causes": [{"code": "invalid_prompt"}]}, (400, False), "invalid_prompt"),
        ({"response": {"status": 401, "body": inside(code="invalid_api_key")}}, (401, False), "invalid_api_key"),
        ({"upstream_error": inside(message=inside(code="cyber_policy"))}, (400, False), "cyber_policy"),
        ({"exception": "Error code: 403 - {'error': {'message': 'No.', 'code': None}}"}, (403, False), "403"),
    ],
)
def test_cause_inside_outranks_a_wrapper(code: Any, members: Any, expected: Any, inner: str) -> None:
    error = error_of(failed(code, "The outer words.", type="internal_error", **members))
    assert judged(error) == expected and error.known
    assert error.code == inner and inner in str(error) and "The outer words." in str(error)


def test_cause_inside_brings_its_type_and_its_words() -> None:
    raw = inside(code="model_not_found", type="invalid_request_error", param="model")
    error = error_of(failed("upstream_error", "Provider returned error", type="api_error", metadata={"raw": raw}))
    assert (error.code, error.type, error.param) == ("model_not_found", "invalid_request_error", "model")
    assert "Provider returned error: The inner words." in str(error)
    assert error.background_response.error is not None and error.background_response.error.code == "upstream_error"


def test_sentence_inside_is_in_the_message() -> None:
    error = error_of(
        failed(429, "Provider returned error", metadata={"raw": "Throttled for now.", "provider_name": "P"})
    )
    assert judged(error) == (429, True) and "Provider returned error: Throttled for now." in str(error)


@pytest.mark.parametrize(
    ("code", "members", "expected"),
    [
        # The same in other words.
        ("context_length_exceeded", {"upstream_code": 400}, (400, False)),
        ("conversation_locked", {"upstream_code": 400}, (400, True)),
        ("rate_limit_exceeded", {"upstream_code": 500}, (429, True)),
        ("invalid_prompt", {"metadata": {"raw": inside(type="server_error")}}, (400, False)),
        (401, {"metadata": {"raw": inside(type="server_error")}}, (401, False)),
        (429, {"error": {"code": "upstream_error"}}, (429, True)),
        # A word without a row.
        ("content_filter", {"innererror": {"code": "NoSuchPolicy"}}, (400, False)),
        ("slow_down", {"upstream_code": "no_such_code", "plan_type": "free"}, (429, True)),
        # More than the word around it.
        ("rate_limit_exceeded", {"upstream_code": 403}, (403, False)),
        (400, {"metadata": {"raw": inside(code="rate_limit_exceeded")}}, (429, True)),
        (500, {"metadata": {"error_type": "invalid_request_error"}}, (400, False)),
        (400, {"message": inside(code="context_length_exceeded")}, (400, False)),
        (429, {"message": inside(code="invalid_prompt")}, (400, False)),
        # A message gives no retry.
        (400, {"message": inside(code="rate_limit_exceeded")}, (400, False)),
    ],
)
def test_cause_inside_outranks_only_what_says_less(code: Any, members: Any, expected: Any) -> None:
    assert judged(error_of({**body("failed"), "error": {"code": code, **members}})) == expected


@pytest.mark.parametrize("status", [500, 502, "no", None])
@pytest.mark.parametrize("code", WRAPPERS)
@pytest.mark.parametrize("kind", ["server_error", "internal_error", "rate_limit_error", None])
def test_wrapper_with_nothing_legible_inside_is_not_known(code: str, kind: Any, status: Any) -> None:
    error = error_of(failed(code, "Something went wrong with 503 documents.", type=kind, status=status))
    assert type(error) is BackgroundResponseError
    assert (error.known, error.retryable, error.code) == (False, False, code)


# A cause in the message


FALLBACK = "\n\nLiteLLM: model group 'a' failed. Fallback to b also failed: litellm.RateLimitError: insufficient_quota"


@pytest.mark.parametrize("code", WRAPPERS)
@pytest.mark.parametrize("after", ["", FALLBACK], ids=["alone", "fallback"])
@pytest.mark.parametrize(
    ("message", "expected", "inner"),
    [
        ("litellm.APIError: APIError: AException - " + inside(code="invalid_api_key"), (401, False), "invalid_api_key"),
        ("litellm.BadRequestError: " + inside(code="rate_limit_exceeded"), (429, True), "rate_limit_exceeded"),
        ("AnException - " + inside(code="400", message="B - " + inside(code="bio_policy")), (400, False), "bio_policy"),
        ("litellm.APIError: " + inside(type="overloaded_error"), (500, True), None),
        ("AnException - " + json.dumps({"type": "error", "error": {"type": "permission_error"}}), (403, False), None),
        ("""BException b'{"error": {"code": 404, "message": "It\\'s gone."}}'""", (404, False), "404"),
        (
            "Error code: 500 - {'error': {'message': \"It's\", 'code': 'slow_down', 'ok': True}}",
            (429, True),
            "slow_down",
        ),
        ("Error code: 401 - Incorrect API key provided.", (401, False), "401"),
        ("Error code: 429 - {'no': 'code'}", (429, True), "429"),
        ("openai.NotFoundError: Error code: 404", (404, False), "404"),
        ("Client error '403 Forbidden' for url 'https://x.test'", (403, False), "403"),
        ("503 Server Error: Service Unavailable for url", (500, True), "503"),
        ("Request failed with status code 409", (409, True), "409"),
        ("400: {'error': 'Violated a policy'}", (400, False), "400"),
        ("[429] too fast", (429, True), "429"),
        ("litellm.AuthenticationError: AuthenticationError: OpenAIException - Unauthorized", (401, False), None),
        ("litellm.ContextWindowExceededError: litellm.BadRequestError: too long", (400, False), None),
        ("litellm.ServiceUnavailableError: <html>503</html>", (500, True), None),
        ("litellm.Timeout: Timeout Error", (500, True), None),
        ("litellm.APIError: no more is known", (0, False), None),
        ("litellm.InternalServerError: You exceeded your current quota.", (429, False), None),
        ("The limit was hit. Try again in 35 seconds.", (429, True), None),
        ("Try again later.", (0, False), None),
    ],
)
def test_cause_in_the_message_of_a_wrapper_decides(
    code: str, after: str, message: str, expected: Any, inner: Any
) -> None:
    error = error_of(failed(code, message + after, type="server_error"))
    assert judged(error) == expected
    assert error.code == (inner or code) and "Fallback" not in str(error)


@pytest.mark.parametrize(
    ("message", "expected", "code"),
    [
        ("It failed.", (500, True), "server_error"),
        (
            "Response payload is not completed: <TransferEncodingError: 400, message='Not enough'>",
            (500, True),
            "server_error",
        ),
        ("It read 404 pages and failed with {} of them.", (500, True), "server_error"),
        ("litellm.InternalServerError: It failed.", (500, True), "server_error"),
        ("litellm.APIConnectionError: closed before a terminal event", (500, True), "server_error"),
        ("litellm.APIError: " + inside(code="rate_limit_exceeded"), (500, True), "server_error"),
        ("litellm.AuthenticationError: Unauthorized", (401, False), "server_error"),
        ("litellm.APIError: " + inside(code="invalid_prompt"), (400, False), "invalid_prompt"),
        ("Error code: 404 - no such model", (404, False), "404"),
        ("400: {'error': 'Violated a policy'}", (400, False), "400"),
        ("DException - You exceeded your current quota.", (429, False), "server_error"),
        ("litellm.InternalServerError: it failed" + FALLBACK, (500, True), "server_error"),
    ],
)
def test_message_of_a_server_error_only_takes_a_retry_away(message: str, expected: Any, code: str) -> None:
    error = error_of(failed("server_error", message))
    assert judged(error) == expected and error.code == code


@pytest.mark.parametrize("code", [None, "no_such_code"])
@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("Error code: 429 - too fast", (429, True)),
        ("litellm.RateLimitError: too fast", (429, True)),
        ("Upstream said " + inside(code="slow_down"), (429, True)),
        ("You exceeded your current quota.", (429, False)),
        # The words of a tool, or of anybody.
        ("The tool answered with status code 503.", (0, False)),
        ("503: the search index is away", (0, False)),
        ("The tool raised RateLimitError. Try again in 5s.", (0, False)),
        ("rate_limit_exceeded", (0, False)),
        ("{not json} {'nor': this} {", (0, False)),
        ("{}", (0, False)),
    ],
)
def test_message_of_an_unknown_error_is_asked_for_what_an_api_says(code: Any, message: str, expected: Any) -> None:
    error = error_of(failed(code, message))
    assert judged(error) == expected and error.known is (expected[0] != 0)


@pytest.mark.parametrize("code", ["permission_error", "invalid_request_error", "invalid_prompt", 403])
def test_message_does_not_overrule_a_word_that_says_enough(code: Any) -> None:
    error = error_of(failed(code, "litellm.RateLimitError: Error code: 429 - " + inside(code="slow_down")))
    assert error.equivalent in (openai.PermissionDeniedError, openai.BadRequestError)
    assert (error.retryable, error.code) == (False, str(code))


# What forbids a retry


@pytest.mark.parametrize("quota", QUOTAS)
@pytest.mark.parametrize("code", ["rate_limit_exceeded", "server_error", "slow_down", 429, "503", "upstream_error"])
@pytest.mark.parametrize("where", ["type", "inside", "raw", "message"])
def test_quota_anywhere_forbids_a_retry(where: str, code: Any, quota: str) -> None:
    members: dict[str, Any] = {
        "type": {"type": quota.upper()},
        "inside": {"upstream": {"error_type": "x", "type": quota}},
        "raw": {"metadata": {"raw": inside(type=quota)}},
        "message": {"message": f"The provider said {quota}."},
    }[where]
    error = error_of({**body("failed"), "error": {"code": code, "message": "Try again in 3s.", **members}})
    assert (error.retryable, error.known) == (False, True)
    assert error_of(failed(code, "Try again in 3s.")).retryable


@pytest.mark.parametrize("words", WORDS)
@pytest.mark.parametrize("code", ["rate_limit_exceeded", "rate_limit_error", 429, "server_error", "internal_error"])
def test_quota_in_the_message_forbids_a_retry(code: Any, words: str) -> None:
    error = error_of(failed(code, f"Sorry: {words.upper()}."))
    assert judged(error) == (429, False) or code in ("server_error", "internal_error") and not error.retryable


@pytest.mark.parametrize("code", ["rate_limit_exceeded", 429])
def test_quota_in_the_message_with_a_time_to_wait_is_a_rate(code: Any) -> None:
    error = error_of(failed(code, "You exceeded your current quota. Please retry in 34.07s."))
    assert (judged(error), error.retry_after) == ((429, True), 34.07)


@pytest.mark.parametrize("code", ["rate_limit_exceeded", "tokens", 429, "background_streaming_error"])
def test_request_too_large_forbids_a_retry(code: Any) -> None:
    text = (
        "Request too large for m on tokens per min: Limit 1, Requested 30. The input or output tokens must be reduced."
    )
    text = text if code != "background_streaming_error" else "litellm.RateLimitError: " + text
    assert judged(error_of(failed(code, text))) == (429, False)
    assert judged(error_of(failed("rate_limit_exceeded", "Requests are too many."))) == (429, True)


# Everywhere alike


@pytest.mark.parametrize("api", ["responses", "beta.responses"])
@pytest.mark.parametrize("way", ["plain", "raw"])
async def test_retrieve_finds_the_cause(asynchronous: bool, way: str, api: str) -> None:
    answer = {
        **body("failed"),
        "error": None,
        "status_details": {"error": {"type": "rate_limit_error", "retry_after": 7}},
    }
    resource = client(answer, asynchronous=asynchronous)
    for name in api.split("."):
        resource = getattr(resource, name)
    with pytest.raises(BackgroundResponseError) as caught:
        if way == "plain":
            await settle(resource.retrieve("resp_1", raise_on_failure=True))
        else:
            raw = await settle(resource.with_raw_response.retrieve("resp_1", raise_on_failure=True))
            await settle(raw.parse())
    error: Any = caught.value
    assert error.equivalent is openai.RateLimitError
    assert (error.type, error.retryable, error.retry_after, error.response_id) == (
        "rate_limit_error",
        True,
        7.0,
        "resp_1",
    )
    assert await settle(client(answer, asynchronous=asynchronous).responses.retrieve("resp_1"))


SCALARS: list[Any] = [
    *(
        None,
        True,
        -600,
        0,
        404,
        503,
        float("inf"),
        2.5,
        "",
        "x",
        "\ud83d",
        "failed",
        "server_error",
        "task_failed",
        "429",
    ),
    *("Error code: 429", "litellm.Timeout:", "{'a': 1}", "You exceeded your current quota", "try again in 5s"),
    *(inside(code="slow_down"), '"{', "\\'", "{" * 99),
]
KEYS = (
    "error code type message status metadata raw details upstream_code retry_after resets_at headers errors x".split()
)


def anything(rng: random.Random, depth: int = 0) -> Any:
    """A value as a server may send it."""
    kind = rng.random()
    if depth > 3 or kind < 0.4:
        return rng.choice(SCALARS)
    if kind < 0.8:
        return {rng.choice(KEYS): anything(rng, depth + 1) for _ in range(rng.randrange(5))}
    return [anything(rng, depth + 1) for _ in range(rng.randrange(4))]


@pytest.mark.parametrize("seed", range(20))
def test_any_error_of_a_failed_run_is_ours(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(50):
        beside = {rng.choice(KEYS): anything(rng, 1) for _ in range(rng.randrange(4))}
        data = {**beside, "id": "resp_1", "object": "response", "status": "failed", "error": anything(rng)}
        forms: list[Any] = [data, construct_type(type_=Response, value=data)]
        for form in forms:
            with pytest.raises(BackgroundResponseError) as caught:
                raise_on_failure(form)
            raised = caught.value
            assert str(raised).isprintable() and isinstance(raised.retryable, bool)
            assert raised.retry_after is None or raised.retry_after >= 0
            assert raised.known or not raised.retryable
