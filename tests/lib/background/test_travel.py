"""Errors leave the process and come back: by pickle, by copy and as JSON, whole and without a credential."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any, Callable

import pytest

from ._support import (
    API_KEY,
    REQUEST_ID,
    RESPONSE_ID,
    Api,
    answer,
    failed,
    verdict,
    background,
    incomplete,
    errors_module,
)

FACTS = (
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
    "retry_after",
    "sequence_number",
)
PAYLOADS = {
    "failed": failed("rate_limit_exceeded", "Please try again in 2s.", param="input", type="tokens", more=[None, 1.5]),
    "status": failed(529),
    "unknown": failed("no_such_code"),
    "incomplete": incomplete("max_output_tokens"),
    "filtered": incomplete("content_filter"),
    "cancelled": answer(status="cancelled"),
    "text": answer(status="failed", error="Boom."),
}
FORMS: dict[str, Callable[[Any], Any]] = {
    "pickle": lambda error: pickle.loads(pickle.dumps(error)),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "json": lambda error: background.BackgroundResponseError.from_dict(json.loads(json.dumps(error.to_dict()))),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", PAYLOADS)
async def test_error_that_travelled_is_the_same_error(api: Api, name: str, form: str) -> None:
    error = await api.error(PAYLOADS[name])
    back = FORMS[form](error)

    assert type(back) is type(error)
    assert (str(back), repr(back), back.args) == (str(error), repr(error), error.args)
    for fact in FACTS:
        assert getattr(back, fact) == getattr(error, fact), fact
    assert getattr(back, "status_code", None) == getattr(error, "status_code", None)
    assert back.background_response.id == RESPONSE_ID
    assert back.background_response.status == error.background_response.status


@pytest.mark.parametrize("form", FORMS)
async def test_error_that_travelled_twice_is_the_same_error(api: Api, form: str) -> None:
    error = await api.error(PAYLOADS["failed"])
    twice = FORMS[form](FORMS[form](error))
    assert twice.to_dict() == error.to_dict()


async def test_error_that_travels_carries_no_credential_and_no_request(api: Api) -> None:
    error = await api.error({**PAYLOADS["failed"], "instructions": "planted-words", "metadata": {"a": "planted-words"}})
    for sent in (pickle.dumps(error), json.dumps(error.to_dict()).encode()):
        assert API_KEY.encode() not in sent
        assert b"uthorization" not in sent
        assert b"planted-words" not in sent


async def test_error_as_json_says_what_it_is(api: Api) -> None:
    data = (await api.error(PAYLOADS["failed"])).to_dict()
    assert data["class"] == "BackgroundRateLimitError"
    assert "RateLimitError" in data["bases"]
    assert data["contract_version"] == background.CONTRACT_VERSION
    assert (data["response_id"], data["request_id"]) == (RESPONSE_ID, REQUEST_ID)


def test_error_of_an_unknown_class_becomes_the_nearest_known_one() -> None:
    data: dict[str, Any] = {**verdict(PAYLOADS["failed"]).to_dict(), "class": "BackgroundFutureError", "future": 1}
    data["bases"] = ["BackgroundRateLimitError", *data["bases"]]
    back = background.BackgroundResponseError.from_dict(data)
    assert type(back) is background.BackgroundRateLimitError


@pytest.mark.parametrize("data", [{}, {"class": "BackgroundResponseError"}, {"class": 3, "schema_version": 1}])
def test_data_that_is_no_error_is_a_value_error(data: Any) -> None:
    with pytest.raises(ValueError, match="schema_version"):
        background.BackgroundResponseError.from_dict(data)


def test_error_of_another_family_is_a_value_error() -> None:
    data = verdict(failed("server_error")).to_dict()
    with pytest.raises(ValueError, match="BackgroundCancelledError"):
        background.BackgroundCancelledError.from_dict(data)


def test_note_and_cause_travel() -> None:
    error = errors_module.BackgroundPollTimeoutError("Too long.", response_id=RESPONSE_ID, polls=3)
    error.__cause__ = verdict(failed("server_error"))
    error.__notes__ = ["seen by worker 3"]
    back = pickle.loads(pickle.dumps(error))

    assert (type(back), str(back), back.response_id, back.polls) == (type(error), "Too long.", RESPONSE_ID, 3)
    assert type(back.__cause__) is background.BackgroundInternalServerError
    assert back.__notes__ == ["seen by worker 3"]


@pytest.mark.parametrize("form", ["pickle", "copy", "deepcopy"])
def test_stream_interruption_travels(form: str) -> None:
    error = errors_module.BackgroundStreamInterruptedError(response_id=RESPONSE_ID, sequence_number=9)
    back = FORMS[form](error)
    assert (type(back), back.response_id, back.sequence_number) == (type(error), RESPONSE_ID, 9)


def test_deeply_nested_body_travels() -> None:
    nested: Any = {}
    for _ in range(300):
        nested = {"a": [nested]}
    error = verdict(failed(more=nested))
    assert background.BackgroundResponseError.from_dict(error.to_dict()).code == "server_error"
    assert pickle.loads(pickle.dumps(error)).code == "server_error"
