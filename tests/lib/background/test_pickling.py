"""Errors of background runs are copied and pickled like every API error; a pickle drops what echoes the request."""

from __future__ import annotations

import copy
import pickle
from typing import Any, Callable

import httpx2
import pytest
from pydantic import BaseModel

from openai.types.beta import BetaResponse
from openai.lib.background import BackgroundResponseError, BackgroundRateLimitError, raise_on_failure
from openai.types.responses import Response

from ._support import KEY, PROMPT, body, client, failed, settle, written, error_of

TOKEN = "the token of a tool"
SECRETS = (KEY, PROMPT, TOKEN)
TOOL = {"type": "mcp", "server_label": "a", "server_url": "https://b.test", "headers": {"Authorization": TOKEN}}
ECHOES: dict[str, Any] = {
    "input": [{"role": "user", "content": PROMPT}],
    "metadata": {"note": PROMPT},
    "prompt": {"id": "prompt_1", "variables": {"name": PROMPT}},
    "tools": [{**TOOL, "authorization": TOKEN}],
    "tool_choice": {"type": "mcp", "server_label": PROMPT},
    "safety_identifier": PROMPT,
    "user": PROMPT,
}
SEARCH = {"type": "tool_search_output", "id": "tso_1", "execution": "server", "status": "completed", "tools": [TOOL]}
USAGE: dict[str, Any] = {
    "input_tokens": 3,
    "input_tokens_details": {"cached_tokens": 0},
    "output_tokens": 2,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 5,
}
ENDINGS: dict[str, dict[str, Any]] = {
    "failed": failed("rate_limit_exceeded", "Please try again in 2s.", param="input", type="tokens"),
    "unknown": failed("no_such_code"),
    "incomplete": body("incomplete", incomplete_details={"reason": "max_output_tokens"}),
    "filtered": body("incomplete", incomplete_details={"reason": "content_filter"}),
    "cancelled": body("cancelled"),
    "text": body("failed", error="Boom."),
    "unread": body("failed", error={"code": 5, "message": None, "more": [None, 1.5]}, created_at="yesterday"),
}
PICKLES: dict[str, Callable[[Any], Any]] = {
    f"pickle-{protocol}": lambda error, protocol=protocol: pickle.loads(pickle.dumps(error, protocol))
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1)
}
FORMS = {**PICKLES, "copy": copy.copy, "deepcopy": copy.deepcopy}
FACTS = (
    *(
        "message",
        "code",
        "param",
        "type",
        "body",
        "status",
        "reason",
        "response_id",
        "request_id",
        "retryable",
        "known",
    ),
    *("equivalent", "output_text", "status_code", "completion"),
)


def with_echoes(ending: dict[str, Any]) -> dict[str, Any]:
    return {**ending, **ECHOES, "output": [*written("Once ", "upon"), SEARCH], "usage": USAGE}


async def raised(ending: dict[str, Any], *, asynchronous: bool = False, beta: bool = False) -> Any:
    api = client(with_echoes(ending), asynchronous=asynchronous)
    responses = api.beta.responses if beta else api.responses
    with pytest.raises(BackgroundResponseError) as caught:
        await settle(responses.retrieve("resp_1", raise_on_failure=True))
    return caught.value


def same(again: Any, error: Any) -> None:
    assert type(again) is type(error)
    assert (str(again), repr(again), again.args) == (str(error), repr(error), error.args)
    assert again.__dict__.keys() == error.__dict__.keys()
    for fact in FACTS:
        assert getattr(again, fact, None) == getattr(error, fact, None), fact
    assert again.output_text == "Once upon"
    assert (again.background_response.id, again.background_response.usage) == (
        "resp_1",
        error.background_response.usage,
    )
    assert again.background_response.status == error.background_response.status


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("beta", [False, True], ids=["stable", "beta"])
@pytest.mark.parametrize("ending", ENDINGS)
async def test_error_of_a_call_that_is_copied_or_pickled_is_the_same(
    ending: str, beta: bool, form: str, asynchronous: bool
) -> None:
    error = await raised(ENDINGS[ending], asynchronous=asynchronous, beta=beta)
    again = FORMS[form](error)
    same(again, error)
    assert type(again.background_response) is (BetaResponse if beta else Response)
    assert again.background_response._request_id == error.background_response._request_id == "req_1"
    assert again.response.status_code == 200 and again.request is again.response.request
    assert (again.request.method, again.request.url.path) == ("GET", "/v1/responses/resp_1")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("ending", ENDINGS)
def test_error_of_json_that_is_copied_or_pickled_is_the_same(ending: str, form: str) -> None:
    error = error_of(with_echoes(ENDINGS[ending]))
    again = FORMS[form](error)
    same(again, error)
    if form != "deepcopy":  # Python copies no extensions of an answer
        assert again.response.extensions == error.response.extensions == {"synthetic": True}


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("beta", [False, True], ids=["stable", "beta"])
async def test_pickle_holds_output_and_usage_and_no_echo_of_the_request(
    beta: bool, protocol: int, asynchronous: bool
) -> None:
    error = await raised(ENDINGS["failed"], asynchronous=asynchronous, beta=beta)
    data = pickle.dumps(error, protocol)
    again = pickle.loads(data).background_response
    assert [secret for secret in SECRETS if secret.encode() in data] == []
    assert [item.type for item in again.output] == ["message", "tool_search_output"]
    assert again.model_fields_set < error.background_response.model_fields_set
    assert again.output[0].content[0].model_fields_set == {"type", "text", "annotations"}
    assert (again.instructions, again.tools, again.metadata, again.model) == (None, None, None, None)
    # The live one is as it was.
    assert error.background_response.instructions == PROMPT
    assert error.background_response.output[1].tools[0].headers == {"Authorization": TOKEN}


def test_pickle_of_an_error_of_json_holds_no_echo_of_the_request() -> None:
    stored = with_echoes(ENDINGS["failed"])
    data = pickle.dumps(error_of(stored))
    assert [secret for secret in SECRETS if secret.encode() in data] == []
    assert pickle.loads(data).background_response.output[0].content[0].text == "Once "
    assert stored["instructions"] == PROMPT


@pytest.mark.parametrize("form", FORMS)
def test_error_with_an_output_that_is_null_arrives(form: str) -> None:
    error = error_of({"id": "resp_1", "object": "response", "status": "failed", "output": None, "error": None})
    assert FORMS[form](error).output_text == ""


def nested(depth: int) -> Any:
    value: Any = {}
    for _ in range(depth):
        value = {"a": [value]}
    return value


@pytest.mark.parametrize("depth", [10, 100, 3000])
@pytest.mark.parametrize("place", ["error", "output", "more"])
def test_error_with_deep_members_arrives(place: str, depth: int) -> None:
    error = error_of(
        {
            **failed("rate_limit_exceeded"),
            "output": [nested(depth)] if place == "output" else written("Once"),
            "more": nested(depth) if place == "more" else None,
            "error": {"code": "rate_limit_exceeded", "more": nested(depth) if place == "error" else None},
        }
    )
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), again.code, again.response_id) == (BackgroundRateLimitError, "rate_limit_exceeded", "resp_1")
    assert again.output_text == ("" if place == "output" else "Once")
    assert again.background_response.id == "resp_1" and (again.body is None or again.body["code"] == again.code)


class Parsed(BaseModel):
    text: str


@pytest.mark.parametrize("local", [False, True], ids=["importable", "local"])
def test_error_of_a_parsed_response_arrives(local: bool) -> None:
    class Local(BaseModel):
        text: str

    format: Any = Local if local else Parsed
    sent = with_echoes(
        body("completed", model="some-model", created_at=1, parallel_tool_calls=True, tool_choice="auto")
    )
    sent["output"] = written('{"text": "Once upon"}')
    parsed = client(sent).responses.parse(input=PROMPT, model="some-model", text_format=format)
    assert parsed.output_parsed == format(text="Once upon")
    parsed.status = "cancelled"
    with pytest.raises(BackgroundResponseError) as caught:
        raise_on_failure(parsed)
    data = pickle.dumps(caught.value)
    again = pickle.loads(data)
    assert PROMPT.encode() not in data
    assert again.output_text == '{"text": "Once upon"}' and isinstance(again.background_response, Response)


def test_error_with_notes_a_cause_and_attributes_of_a_caller_arrives() -> None:
    error: Any = error_of(with_echoes(ENDINGS["failed"]))
    error.__notes__ = ["seen by worker 3"]
    error.job, error.answers = {"id": 3}, [httpx2.Response(500, headers={"set-cookie": KEY})]
    error.__cause__ = ValueError("It broke.")
    data = pickle.dumps(error)
    again = pickle.loads(data)
    assert (again.__notes__, again.job, again.answers[0].status_code) == (["seen by worker 3"], {"id": 3}, 500)
    assert KEY.encode() not in data and again.__cause__ is None  # Python carries none
